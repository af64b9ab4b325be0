/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EXTERNAL (RFC 4422 appendix A): the channel below, TLS with a client certificate, says who the
 * client is.  Its only message names the user to act for:
 *
 *	[authzid]
 *
 * Without an initial response the challenge is empty.  An empty message means the channel's own
 * user.
 */
#include "base/err.h"
#include "sasl/exchange.h"

static enum sasl_step
external_start(struct sasl_exchange *x)
{
	x->challenge = STR_NONE;
	return SASL_STEP_CHALLENGE;
}

static enum sasl_step
external_step(struct sasl_exchange *x, struct str response)
{
	const char *why;

	if (x->stage++ > 0)
		return sasl_malformed(x, "a second message");
	if ((why = sasl_text_fault(response, SASL_NAME_MAX)) != NULL)
		return sasl_malformed(x, why);
	TS_ASSERT(x->result.authcid.n > 0); /* sasl_exchange_identify() */
	x->result.authzid = sasl_keep(x, response);
	return SASL_STEP_PROVEN;
}

const struct sasl_mech sasl_mech_external = {
    .name = "EXTERNAL",
    .flags = SASL_CLIENT_FIRST | SASL_FROM_CHANNEL,
    .keep_max = 2 * SASL_NAME_MAX,
    .server_start = external_start,
    .server_step = external_step,
};
