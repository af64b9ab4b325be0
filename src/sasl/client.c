/* SPDX-License-Identifier: Apache-2.0 */
/* See client.h. */
#include "sasl/client.h"

#include "sasl/exchange.h"
#include "sasl/oauth.h"
#include "sasl/scram_text.h"

/* Reserve it all at once: growing would leave a copy that nobody wipes. */
static bool
append_checked(struct str text, size_t max, struct buf *out)
{
	size_t was = out->n;

	if (text.n == 0 || sasl_text_fault(text, max) != NULL)
		return false;
	buf_str(out, text);
	return sasl_all_put(out, was);
}

bool
sasl_external_message(struct str authzid, struct buf *out)
{
	return authzid.n == 0 || append_checked(authzid, SASL_NAME_MAX, out);
}

bool
sasl_login_name(struct str authcid, struct buf *out)
{
	return append_checked(authcid, SASL_NAME_MAX, out);
}

bool
sasl_login_password(struct str password, struct buf *out)
{
	return append_checked(password, SASL_PASSWORD_MAX, out);
}

static bool
bearer_ok(const struct sasl_bearer *b)
{
	return b->token.n <= SASL_TOKEN_MAX && sasl_token_ok(b->token) &&
	       sasl_text_fault(b->authzid, SASL_NAME_MAX) == NULL && b->host.n <= SASL_HOST_MAX &&
	       sasl_value_ok(b->host) && b->port <= UINT16_MAX;
}

static void
put_auth(struct str token, struct buf *out)
{
	buf_puts(out, "auth=Bearer ");
	buf_str(out, token);
	buf_puts(out, "\1\1");
}

/* Reserves room for a whole message: see append_checked(). */
static void
make_room(const struct sasl_bearer *b, struct buf *out)
{
	(void)buf_room(out, b->token.n + 3 * b->authzid.n + b->host.n + 64);
}

bool
sasl_oauthbearer_message(const struct sasl_bearer *b, struct buf *out)
{
	size_t was = out->n;

	if (!bearer_ok(b))
		return false;
	make_room(b, out);
	buf_puts(out, "n,");
	if (b->authzid.n > 0) {
		buf_puts(out, "a=");
		scram_name_encode(b->authzid, out);
	}
	buf_puts(out, ",\1");
	if (b->host.n > 0) {
		buf_puts(out, "host=");
		buf_str(out, b->host);
		buf_putc(out, '\1');
	}
	if (b->port > 0)
		buf_printf(out, "port=%u\1", b->port);
	put_auth(b->token, out);
	return sasl_all_put(out, was);
}

bool
sasl_xoauth2_message(const struct sasl_bearer *b, struct buf *out)
{
	size_t was = out->n;

	if (!bearer_ok(b) || b->authzid.n == 0 || str_chr(b->authzid, '\1') != NULL)
		return false;
	make_room(b, out);
	buf_puts(out, "user=");
	buf_str(out, b->authzid);
	buf_putc(out, '\1');
	put_auth(b->token, out);
	return sasl_all_put(out, was);
}

void
sasl_bearer_answer(struct buf *out)
{
	buf_putc(out, '\1');
}
