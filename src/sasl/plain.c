/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PLAIN (RFC 4616), both sides: one message from the client,
 *
 *	[authzid] NUL authcid NUL passwd
 */
#include "base/err.h"
#include "sasl/exchange.h"

static enum sasl_step
plain_start(struct sasl_exchange *x)
{
	x->challenge = STR_NONE;
	return SASL_STEP_CHALLENGE;
}

static enum sasl_step
plain_step(struct sasl_exchange *x, struct str response)
{
	struct str authzid, authcid, rest = response;
	const char *why;

	if (x->stage++ > 0)
		return sasl_malformed(x, "a second message");
	if (response.n > SASL_RESPONSE_MAX)
		return sasl_malformed(x, "the message is too long");
	if (rest.p == NULL || !str_split(&rest, '\0', &authzid) || rest.p == NULL ||
	    !str_split(&rest, '\0', &authcid) || rest.p == NULL)
		return sasl_malformed(x, "fewer than two NULs");
	if ((why = sasl_text_fault(authzid, SASL_NAME_MAX)) != NULL ||
	    (why = sasl_text_fault(authcid, SASL_NAME_MAX)) != NULL ||
	    (why = sasl_text_fault(rest, SASL_PASSWORD_MAX)) != NULL)
		return sasl_malformed(x, why);
	/* RFC 4616 section 2: both have at least one character; only authzid may be left out. */
	if (authcid.n == 0 || rest.n == 0)
		return sasl_malformed(x, "an empty name or password");
	x->result.authzid = sasl_keep(x, authzid);
	x->result.authcid = sasl_keep(x, authcid);
	x->result.password = sasl_keep(x, rest);
	return SASL_STEP_PASSWORD;
}

const struct sasl_mech sasl_mech_plain = {
    .name = "PLAIN",
    .flags = SASL_CLEAR_PASSWORD | SASL_CLIENT_FIRST,
    .server_start = plain_start,
    .server_step = plain_step,
};

bool
sasl_plain_message(struct str authzid, struct str authcid, struct str password, struct buf *out)
{
	size_t was = out->n;

	if (authcid.n == 0 || password.n == 0 || sasl_text_fault(authzid, SASL_NAME_MAX) != NULL ||
	    sasl_text_fault(authcid, SASL_NAME_MAX) != NULL ||
	    sasl_text_fault(password, SASL_PASSWORD_MAX) != NULL)
		return false;
	/* Reserve it all at once: growing would leave a copy that nobody wipes. */
	(void)buf_room(out, authzid.n + authcid.n + password.n + 2);
	buf_str(out, authzid);
	buf_putc(out, '\0');
	buf_str(out, authcid);
	buf_putc(out, '\0');
	buf_str(out, password);
	return sasl_all_put(out, was);
}
