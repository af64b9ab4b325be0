/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens and information about them.  The first byte chooses: a token as it is; a header and claims
 * in JSON, separated by an LF, which are signed as an issuer would (or nothing would get past the
 * signature); a key file; the response of an introspection endpoint; a request to the helper.
 */
#include <openssl/evp.h>
#include <stdint.h>

#include "auth/helper/introspect.h"
#include "auth/oauth/jwt.h"
#include "base/base64.h"
#include "base/err.h"
#include "sasl/mech.h"

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NOW 1700000000

static struct auth_jwks *keys;
static const struct str algs[] = {STR("RS256"), STR("ES256"), STR("EdDSA"), STR("HS256")};
static const struct str audience = STR("imap"), scope = STR("mail");

static void
make_keys(void)
{
	/* SECRET in base64url. */
	static const struct str text =
	    STR("{\"keys\":[{\"kty\":\"oct\",\"kid\":\"s\",\"k\":"
	        "\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFi"
	        "Y2RlZg\"},"
	        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e\","
	        "\"x\":\"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY\","
	        "\"y\":\"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU\"}]}");
	const char *why = NULL;

	keys = auth_jwks_parse(text, &why);
	TS_ASSERT(keys != NULL);
}

static struct auth_claim_rules
claim_rules(unsigned char choice)
{
	return (struct auth_claim_rules){.issuer = (choice & 0x10) != 0 ? STR("me") : STR_NONE,
	    .audience = {&audience, (choice & 0x20) != 0},
	    .scope = {&scope, (choice & 0x40) != 0},
	    .user = (choice & 0x80) != 0 ? STR("email") : STR("sub"),
	    .leeway = 60,
	    .max_age = (choice & 8) != 0 ? 3600 : 0,
	    .expires = true};
}

/* True: accepted. */
static bool
verify(unsigned char choice, struct str token)
{
	struct auth_jwt_rules rules = {
	    .keys = keys, .algorithms = {algs, 4}, .claims = claim_rules(choice)};
	struct buf name = {0};
	int64_t expires = 0;
	const char *why = auth_jwt_verify(token, &rules, NOW, &name, &expires);

	TS_ASSERT(
	    why != NULL ? name.n == 0 : name.n > 0 && name.n <= SASL_NAME_MAX && expires > NOW);
	buf_fini(&name);
	return why == NULL;
}

static void
base64url(struct str in, struct buf *out)
{
	size_t at = out->n;

	base64_encode(in, out);
	while (out->n > at && out->p[out->n - 1] == '=')
		out->n--;
	for (size_t i = at; i < out->n; i++)
		out->p[i] = out->p[i] == '+' ? '-' : out->p[i] == '/' ? '_' : out->p[i];
}

static void
sign_and_verify(unsigned char choice, struct str rest)
{
	unsigned char mac[32];
	struct buf token = {0};
	struct str header;
	size_t n = 0;

	(void)str_split(&rest, '\n', &header);
	base64url(header, &token);
	buf_putc(&token, '.');
	base64url(rest, &token);
	TS_ASSERT(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, SECRET, sizeof(SECRET) - 1,
	              (const unsigned char *)token.p, token.n, mac, sizeof(mac), &n) != NULL);
	buf_putc(&token, '.');
	base64url((struct str){(const char *)mac, n}, &token);
	(void)verify(choice, buf_as_str(&token));
	buf_fini(&token);
}

static void
judge(unsigned char choice, struct str text)
{
	struct auth_claim_rules rules = claim_rules(choice);
	struct auth_claims claims;
	json_t *json = auth_json_object(text, AUTH_INTROSPECT_MAX);

	rules.expires = false;
	if (json != NULL && auth_claims_judge(json, &rules, NOW, &claims) == NULL)
		TS_ASSERT(
		    claims.user.n > 0 && claims.user.n <= SASL_NAME_MAX && claims.expires > NOW);
	json_decref(json);
}

static void
ask(struct str bytes)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	struct auth_introspect ask, again;
	struct buf printed = {0};

	if (auth_introspect_parse(bytes, arena, &ask)) {
		auth_introspect_print(&ask, &printed);
		TS_ASSERT(auth_introspect_parse(buf_as_str(&printed), arena, &again) &&
		          str_eq(ask.token, again.token) && str_eq(ask.url, again.url));
	}
	buf_fini(&printed);
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct auth_jwks *set;
	struct str rest;
	const char *why;

	if (size < 2)
		return 0;
	if (keys == NULL)
		make_keys();
	rest = (struct str){(const char *)data + 1, size - 1};
	switch (data[0] % 5) {
	case 0:
		(void)verify(data[0], rest);
		break;
	case 1:
		sign_and_verify(data[0], rest);
		break;
	case 2:
		set = auth_jwks_parse(rest, &why);
		TS_ASSERT((set != NULL) == (why == NULL));
		auth_jwks_unref(&set);
		break;
	case 3:
		judge(data[0], rest);
		break;
	default:
		ask(rest);
		break;
	}
	return 0;
}
