/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LOGIN, a mechanism without a standard that old clients use: the server asks for the user name,
 * then for the password.  It has no authorization identity.  Clients ignore the text of the
 * prompts.
 */
#include "sasl/exchange.h"

enum login_stage { LOGIN_START, LOGIN_NAME, LOGIN_PASSWORD, LOGIN_OVER };

static enum sasl_step
login_start(struct sasl_exchange *x)
{
	x->stage = LOGIN_NAME;
	x->challenge = STR("User Name");
	return SASL_STEP_CHALLENGE;
}

static enum sasl_step
login_name(struct sasl_exchange *x, struct str response)
{
	const char *why = sasl_text_fault(response, SASL_NAME_MAX);

	if (why != NULL || response.n == 0)
		return sasl_malformed(x, why != NULL ? why : "an empty name");
	x->result.authcid = sasl_keep(x, response);
	x->stage = LOGIN_PASSWORD;
	x->challenge = STR("Password");
	return SASL_STEP_CHALLENGE;
}

static enum sasl_step
login_password(struct sasl_exchange *x, struct str response)
{
	const char *why = sasl_text_fault(response, SASL_PASSWORD_MAX);

	if (why != NULL || response.n == 0)
		return sasl_malformed(x, why != NULL ? why : "an empty password");
	x->result.password = sasl_keep(x, response);
	return SASL_STEP_PASSWORD;
}

static enum sasl_step
login_step(struct sasl_exchange *x, struct str response)
{
	unsigned stage = x->stage;

	x->stage = LOGIN_OVER;
	if (stage == LOGIN_NAME)
		return login_name(x, response);
	if (stage == LOGIN_PASSWORD)
		return login_password(x, response);
	return sasl_malformed(x, "a response after the end");
}

const struct sasl_mech sasl_mech_login = {
    .name = "LOGIN",
    .flags = SASL_CLEAR_PASSWORD,
    .server_start = login_start,
    .server_step = login_step,
};
