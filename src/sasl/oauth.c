/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OAUTHBEARER (RFC 7628) and XOAUTH2, its older relative, the server's side:
 *
 *	OAUTHBEARER	n,[a=authzid],^A [host=…^A] [port=…^A] auth=Bearer token^A ^A
 *	XOAUTH2		user=authzid^A auth=Bearer token^A ^A
 *
 * where ^A is the byte 1.  The token says who the client is.  In both mechanisms the name from the
 * client is the user whose mail it wants; with XOAUTH2 this is how clients open shared mailboxes.
 * If the two differ, a grant is needed.
 *
 * Rejecting a token takes one more round trip: the challenge says in JSON what is missing; the
 * client answers ^A or nothing, or cancels (section 3.2.3).
 */
#include "sasl/oauth.h"

#include "base/mem.h"
#include "sasl/exchange.h"
#include "sasl/scram_text.h"

enum stage { FIRST, SHOWN, DENIED, OVER };

enum { KVSEP = '\1', MESSAGE_MAX = SASL_TOKEN_MAX + 3 * SASL_NAME_MAX + SASL_HOST_MAX + 2048 };

struct pairs { /* the values received; p NULL: not given */
	struct str user, auth, host, port;
};

bool
sasl_token_ok(struct str token)
{
	size_t n = token.n;

	while (n > 0 && token.p[n - 1] == '=')
		n--;
	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)token.p[i];

		if (!((c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
		        (c != '\0' && strchr("-._~+/", c) != NULL)))
			return false;
	}
	return true;
}

bool
sasl_value_ok(struct str value)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c < ' ' && c != '\t' && c != '\r' && c != '\n') || c >= 0x7f)
			return false;
	}
	return true;
}

static enum sasl_step
malformed(struct sasl_exchange *x, const char *why)
{
	x->stage = OVER;
	return sasl_malformed(x, why);
}

static bool
is_key(struct str key)
{
	for (size_t i = 0; i < key.n; i++)
		if (ascii_lower((unsigned char)key.p[i]) < 'a' ||
		    ascii_lower((unsigned char)key.p[i]) > 'z')
			return false;
	return key.n > 0;
}

/* Takes one "key=value"; ignores unknown keys (section 3.1). */
static const char *
take_pair(struct str pair, bool has_user, struct pairs *pairs)
{
	struct str value = pair, key, *to = NULL;

	if (!str_split(&value, '=', &key) || value.p == NULL || !is_key(key))
		return "a pair without a key";
	if (str_ieq(key, STR("auth")))
		to = &pairs->auth;
	else if (str_ieq(key, STR("host")))
		to = &pairs->host;
	else if (str_ieq(key, STR("port")))
		to = &pairs->port;
	else if (has_user && str_ieq(key, STR("user")))
		to = &pairs->user;
	if (to != &pairs->user && !sasl_value_ok(value))
		return "a value with invalid bytes";
	if (to == NULL)
		return NULL;
	if (to->p != NULL)
		return "a duplicate key";
	*to = value;
	return NULL;
}

/* Takes *kvpair kvsep, to the end of the message. */
static const char *
take_pairs(struct str rest, bool has_user, struct pairs *pairs)
{
	const char *why;
	struct str pair;

	for (;;) {
		if (!str_split(&rest, KVSEP, &pair) || rest.p == NULL)
			return "the message has no end";
		if (pair.n == 0)
			return rest.n == 0 ? NULL : "data after the end of the message";
		if ((why = take_pair(pair, has_user, pairs)) != NULL)
			return why;
	}
}

/* Takes the gs2-header of RFC 5801 section 4 and the separator after it. */
static const char *
take_gs2_header(struct str *rest, struct str *authzid_r)
{
	struct str flag;

	*authzid_r = STR_NONE;
	if (!str_split(rest, ',', &flag) || rest->p == NULL)
		return "no GS2 header";
	/* There is no channel binding, so "y" (the client supports it) is fine, too. */
	if (!str_eq(flag, STR("n")) && !str_eq(flag, STR("y")))
		return "a GS2 header with a channel binding, which this mechanism does not have";
	if (!scram_attribute(rest, 'a', authzid_r)) {
		if (rest->n == 0 || rest->p[0] != ',')
			return "no GS2 header";
		rest->p++, rest->n--;
	} else if (rest->p == NULL || authzid_r->n == 0)
		return "no GS2 header";
	if (rest->n == 0 || rest->p[0] != KVSEP)
		return "nothing after the GS2 header";
	rest->p++, rest->n--;
	return NULL;
}

static const char *
keep_authzid(struct sasl_exchange *x, struct str text, bool coded)
{
	struct buf name = {.oom = x->oom};
	const char *why = "an invalid \"=\" escape in a name";

	if (text.n <= 3 * SASL_NAME_MAX && (!coded || scram_name_decode(text, &name))) {
		if (!coded)
			buf_str(&name, text);
		why = sasl_text_fault(buf_as_str(&name), SASL_NAME_MAX);
		if (why == NULL)
			x->result.authzid = sasl_keep(x, buf_as_str(&name));
	}
	buf_fini(&name);
	return why;
}

/* Takes "Bearer" in any case, a space, and the token.  Empty: the client asks what token it needs.
 */
static const char *
keep_token(struct sasl_exchange *x, struct str auth)
{
	if (auth.n == 0) {
		x->result.token = STR("");
		return NULL;
	}
	if (!str_has_iprefix(auth, STR("bearer ")))
		return "not a bearer token";
	auth.p += 7, auth.n -= 7;
	while (auth.n > 0 && auth.p[0] == ' ')
		auth.p++, auth.n--;
	if (auth.n > SASL_TOKEN_MAX)
		return "the token is too long";
	if (!sasl_token_ok(auth))
		return "a token with invalid bytes";
	x->result.token = sasl_keep(x, auth);
	return NULL;
}

static const char *
keep_pairs(struct sasl_exchange *x, const struct pairs *pairs)
{
	uint64_t port = 0;

	if (pairs->auth.p == NULL)
		return "no auth=";
	if (pairs->host.n > SASL_HOST_MAX)
		return "the host's name is too long";
	/* Section 3.1: a decimal positive integer without leading zeros. */
	if (pairs->port.p != NULL &&
	    (!str_u64(pairs->port, UINT16_MAX, &port) || port == 0 || pairs->port.p[0] == '0'))
		return "no such port";
	x->result.host = sasl_keep(x, pairs->host);
	x->result.port = (unsigned)port;
	return keep_token(x, pairs->auth);
}

static enum sasl_step
first(struct sasl_exchange *x, struct str message)
{
	bool xoauth2 = x->mech == &sasl_mech_xoauth2;
	struct pairs pairs = {.user = STR_NONE};
	struct str rest = message, authzid = STR_NONE;
	const char *why;

	if (message.n > MESSAGE_MAX)
		return malformed(x, "the message is too long");
	if ((!xoauth2 && (why = take_gs2_header(&rest, &authzid)) != NULL) ||
	    (why = take_pairs(rest, xoauth2, &pairs)) != NULL)
		return malformed(x, why);
	if (xoauth2 && pairs.user.n == 0)
		return malformed(x, "no user");
	if ((why = keep_authzid(x, xoauth2 ? pairs.user : authzid, !xoauth2)) != NULL ||
	    (why = keep_pairs(x, &pairs)) != NULL)
		return malformed(x, why);
	x->stage = SHOWN;
	return SASL_STEP_TOKEN;
}

static enum sasl_step
oauth_start(struct sasl_exchange *x)
{
	x->challenge = STR_NONE;
	return SASL_STEP_CHALLENGE;
}

static enum sasl_step
oauth_step(struct sasl_exchange *x, struct str response)
{
	switch ((enum stage)x->stage) {
	case FIRST:
		return first(x, response);
	case DENIED:
		x->stage = OVER;
		x->why = "the token was rejected";
		return SASL_STEP_REFUSED;
	case SHOWN:
	case OVER:
		break;
	}
	return malformed(x, "a response after the end");
}

/* ---- the error result (section 3.2.2) */

static void
put_json_pair(const char *key, struct str value, struct buf *out)
{
	if (value.n == 0)
		return;
	buf_printf(out, "%s\"%s\":\"", out->n > 1 ? "," : "", key);
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if (c < ' ' || c == '"' || c == '\\')
			buf_printf(out, "\\u%04x", c);
		else
			buf_putc(out, (char)c);
	}
	buf_putc(out, '"');
}

static enum sasl_step
oauth_deny(struct sasl_exchange *x, const struct sasl_denial *denial)
{
	bool xoauth2 = x->mech == &sasl_mech_xoauth2;
	struct buf *out = x->own = mem_try_zalloc(sizeof(*out), x->oom);

	if (out == NULL)
		return SASL_STEP_UNAVAILABLE;
	out->oom = x->oom;
	buf_putc(out, '{');
	/* Clients of XOAUTH2 expect an HTTP status. */
	put_json_pair("status", xoauth2 ? STR("401") : STR("invalid_token"), out);
	put_json_pair("schemes", STR("bearer"), out);
	put_json_pair("scope", denial->scope, out);
	put_json_pair("openid-configuration", denial->configuration, out);
	buf_putc(out, '}');
	x->challenge = buf_as_str(out);
	x->stage = DENIED;
	return SASL_STEP_CHALLENGE;
}

static void
oauth_free(void *own)
{
	buf_fini(own);
	mem_free(own);
}

#define OAUTH(variable, text)                                                                      \
	const struct sasl_mech variable = {.name = text,                                           \
	    .flags = SASL_CLEAR_PASSWORD | SASL_CLIENT_FIRST | SASL_TOKENS,                        \
	    .server_start = oauth_start,                                                           \
	    .server_step = oauth_step,                                                             \
	    .server_deny = oauth_deny,                                                             \
	    .free_own = oauth_free,                                                                \
	    .response_max = MESSAGE_MAX,                                                           \
	    .keep_max = SASL_TOKEN_MAX + SASL_NAME_MAX + SASL_HOST_MAX}

OAUTH(sasl_mech_oauthbearer, "OAUTHBEARER");
OAUTH(sasl_mech_xoauth2, "XOAUTH2");
