/* SPDX-License-Identifier: Apache-2.0 */
/* JWTs: made here with OpenSSL's signatures, and everything that must not be accepted as one. */
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/oauth/jwt.h"
#include "base/base64.h"

#define NOW 1700000000
#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ISSUER "https://id.site.example"
#define CLAIMS                                                                                     \
	"{\"iss\":\"" ISSUER "\",\"aud\":[\"x\",\"imap\"],\"exp\":1700000600,\"iat\":1699999990,"  \
	"\"scope\":\"openid mail\",\"sub\":\"gina\"}"

struct world {
	EVP_PKEY *rsa, *rsa2, *ec, *ec384, *ec521, *ed, *ed448;
	struct buf jwks, jwks_secret;
};

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
put_member(struct buf *out, const char *name, const unsigned char *p, size_t n)
{
	buf_printf(out, ",\"%s\":\"", name);
	base64url((struct str){(const char *)p, n}, out);
	buf_putc(out, '"');
}

static void
put_bn(struct buf *out, const char *name, EVP_PKEY *key, const char *param, size_t size)
{
	unsigned char bytes[1024];
	BIGNUM *bn = NULL;

	assert_int_equal(EVP_PKEY_get_bn_param(key, param, &bn), 1);
	if (size == 0)
		size = (size_t)BN_num_bytes(bn);
	assert_int_equal(BN_bn2binpad(bn, bytes, (int)size), size);
	BN_free(bn);
	put_member(out, name, bytes, size);
}

static void
put_rsa(struct buf *out, const char *kid, const char *more, EVP_PKEY *key)
{
	buf_printf(out, "{\"kty\":\"RSA\",\"kid\":\"%s\"%s", kid, more);
	put_bn(out, "n", key, OSSL_PKEY_PARAM_RSA_N, 0);
	put_bn(out, "e", key, OSSL_PKEY_PARAM_RSA_E, 0);
	buf_putc(out, '}');
}

static void
put_ec(struct buf *out, const char *kid, const char *crv, size_t size, EVP_PKEY *key)
{
	buf_printf(out, "{\"kty\":\"EC\",\"kid\":\"%s\",\"crv\":\"%s\"", kid, crv);
	put_bn(out, "x", key, OSSL_PKEY_PARAM_EC_PUB_X, size);
	put_bn(out, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y, size);
	buf_putc(out, '}');
}

static void
put_ed(struct buf *out, const char *kid, const char *crv, EVP_PKEY *key)
{
	unsigned char bytes[64];
	size_t n = sizeof(bytes);

	assert_int_equal(EVP_PKEY_get_raw_public_key(key, bytes, &n), 1);
	buf_printf(out, "{\"kty\":\"OKP\",\"kid\":\"%s\",\"crv\":\"%s\"", kid, crv);
	put_member(out, "x", bytes, n);
	buf_putc(out, '}');
}

static int
setup(void **state)
{
	struct world *w = test_calloc(1, sizeof(*w));
	struct buf *out = &w->jwks;

	w->rsa = EVP_RSA_gen(2048);
	w->rsa2 = EVP_RSA_gen(2048);
	w->ec = EVP_EC_gen("P-256");
	w->ec384 = EVP_EC_gen("P-384");
	w->ec521 = EVP_EC_gen("P-521");
	w->ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	w->ed448 = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
	buf_puts(out, "{\"keys\":[");
	put_rsa(out, "r1", ",\"use\":\"sig\"", w->rsa);
	buf_putc(out, ',');
	put_rsa(out, "r2", ",\"alg\":\"RS256\",\"key_ops\":[\"verify\"]", w->rsa2);
	buf_putc(out, ',');
	put_ec(out, "e1", "P-256", 32, w->ec);
	buf_putc(out, ',');
	put_ec(out, "e2", "P-384", 48, w->ec384);
	buf_putc(out, ',');
	put_ec(out, "e3", "P-521", 66, w->ec521);
	buf_putc(out, ',');
	put_ed(out, "d1", "Ed25519", w->ed);
	buf_putc(out, ',');
	put_ed(out, "d2", "Ed448", w->ed448);
	/* unknown keys, and keys that are not for us */
	buf_puts(out, ",{\"kty\":\"PQ\",\"kid\":\"p1\"},{\"kty\":\"EC\",\"crv\":\"P-192\"},");
	put_rsa(out, "enc", ",\"use\":\"enc\"", w->rsa);
	buf_puts(out, "]}");
	buf_str(&w->jwks_secret, (struct str){out->p, out->n - 2});
	buf_puts(&w->jwks_secret, ",{\"kty\":\"oct\",\"kid\":\"s1\"");
	put_member(&w->jwks_secret, "k", (const unsigned char *)SECRET, sizeof(SECRET) - 1);
	buf_puts(&w->jwks_secret, "}]}");
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	EVP_PKEY_free(w->rsa);
	EVP_PKEY_free(w->rsa2);
	EVP_PKEY_free(w->ec);
	EVP_PKEY_free(w->ec384);
	EVP_PKEY_free(w->ec521);
	EVP_PKEY_free(w->ed);
	EVP_PKEY_free(w->ed448);
	buf_fini(&w->jwks);
	buf_fini(&w->jwks_secret);
	test_free(w);
	return 0;
}

/* Appends the signature in base64url. */
static void
sign(EVP_PKEY *key, const char *digest, bool pss, size_t ec_size, struct str text, struct buf *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how = NULL;
	unsigned char sig[1024];
	size_t n = sizeof(sig);

	assert_int_equal(EVP_DigestSignInit_ex(ctx, &how, digest, NULL, NULL, key, NULL), 1);
	if (pss) {
		EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST);
	}
	assert_int_equal(EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text.p, text.n), 1);
	if (ec_size > 0) {
		const unsigned char *der = sig;
		ECDSA_SIG *raw = d2i_ECDSA_SIG(NULL, &der, (long)n);

		BN_bn2binpad(ECDSA_SIG_get0_r(raw), sig, (int)ec_size);
		BN_bn2binpad(ECDSA_SIG_get0_s(raw), sig + ec_size, (int)ec_size);
		ECDSA_SIG_free(raw);
		n = 2 * ec_size;
	}
	EVP_MD_CTX_free(ctx);
	base64url((struct str){(const char *)sig, n}, out);
}

static void
hmac(const char *digest, struct str key, struct str text, struct buf *out)
{
	unsigned char mac[64];
	size_t n;

	assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, digest, NULL, key.p, key.n,
	    (const unsigned char *)text.p, text.n, mac, sizeof(mac), &n));
	base64url((struct str){(const char *)mac, n}, out);
}

/* header.claims, without a signature. */
static void
begin(const char *header, const char *claims, struct buf *out)
{
	out->n = 0;
	base64url(str_of(header), out);
	buf_putc(out, '.');
	base64url(str_of(claims), out);
}

static void
rs256(struct world *w, const char *header, const char *claims, struct buf *out)
{
	struct buf sig = {0};

	begin(header, claims, out);
	sign(w->rsa, "SHA256", false, 0, buf_as_str(out), &sig);
	buf_putc(out, '.');
	buf_str(out, buf_as_str(&sig));
	buf_fini(&sig);
}

static struct str audience = {"imap", 4}, scope = {"mail", 4};
static struct str all_algs[15];

static struct auth_jwt_rules
rules_of(const struct auth_jwks *keys)
{
	static const char *const names[] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
	    "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448"};
	size_t n = sizeof(names) / sizeof(*names);

	for (size_t i = 0; i < n; i++)
		all_algs[i] = str_of(names[i]);
	return (struct auth_jwt_rules){.keys = keys,
	    .algorithms = {all_algs, n},
	    .claims = {.issuer = STR(ISSUER),
	        .audience = {&audience, 1},
	        .scope = {&scope, 1},
	        .user = STR("sub"),
	        .leeway = 60,
	        .expires = true}};
}

static const char *
judge(const struct auth_jwt_rules *rules, const struct buf *token, struct str *name_r)
{
	static char name[512];
	struct buf got = {0};
	int64_t expires = -1;
	const char *why = auth_jwt_verify(buf_as_str(token), rules, NOW, &got, &expires);

	if (why == NULL) {
		assert_in_range(got.n, 1, sizeof(name));
		memcpy(name, got.p, got.n);
		assert_true(expires > NOW);
	} else
		assert_int_equal(got.n, 0);
	if (name_r != NULL)
		*name_r = (struct str){name, got.n};
	buf_fini(&got);
	return why;
}

static struct auth_jwks *
keys_of(const struct buf *text)
{
	const char *why;
	struct auth_jwks *keys = auth_jwks_parse(buf_as_str(text), &why);

	if (keys == NULL)
		fail_msg("%s", why);
	return keys;
}

static void
each_algorithm(void **state)
{
	struct world *w = *state;
	const struct {
		const char *alg, *kid, *digest;
		EVP_PKEY *key;
		bool pss;
		size_t size;
	} rows[] = {
	    {"RS256", "r1", "SHA256", w->rsa, false, 0},
	    {"RS384", "r1", "SHA384", w->rsa, false, 0},
	    {"RS512", "r1", "SHA512", w->rsa, false, 0},
	    {"RS256", "r2", "SHA256", w->rsa2, false, 0},
	    {"PS256", "r1", "SHA256", w->rsa, true, 0},
	    {"PS384", "r1", "SHA384", w->rsa, true, 0},
	    {"PS512", "r1", "SHA512", w->rsa, true, 0},
	    {"ES256", "e1", "SHA256", w->ec, false, 32},
	    {"ES384", "e2", "SHA384", w->ec384, false, 48},
	    {"ES512", "e3", "SHA512", w->ec521, false, 66},
	    {"EdDSA", "d1", NULL, w->ed, false, 0},
	    {"EdDSA", "d2", NULL, w->ed448, false, 0},
	    {"Ed25519", "d1", NULL, w->ed, false, 0},
	    {"Ed448", "d2", NULL, w->ed448, false, 0},
	};
	struct auth_jwks *keys = keys_of(&w->jwks);
	struct auth_jwt_rules rules = rules_of(keys);
	struct buf token = {0}, sig = {0};

	assert_int_equal(auth_jwks_count(keys), 7);
	assert_false(auth_jwks_symmetric(keys));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (int named = 0; named < 2; named++) {
			struct str name;
			const char *why;
			char header[200];

			snprintf(header, sizeof(header),
			    "{\"typ\":\"at+jwt\",\"alg\":\"%s\"%s%s%s}", rows[i].alg,
			    named ? ",\"kid\":\"" : "", named ? rows[i].kid : "",
			    named ? "\"" : "");
			begin(header, CLAIMS, &token);
			sig.n = 0;
			sign(rows[i].key, rows[i].digest, rows[i].pss, rows[i].size,
			    buf_as_str(&token), &sig);
			buf_putc(&token, '.');
			buf_str(&token, buf_as_str(&sig));
			why = judge(&rules, &token, &name);
			if (why != NULL)
				fail_msg("row %zu (%s): %s", i, rows[i].alg, why);
			assert_true(str_eq(name, STR("gina")));
			/* one bit of the signed text, and of the signature */
			token.p[token.n - 4] ^= 1;
			assert_non_null(judge(&rules, &token, NULL));
			token.p[token.n - 4] ^= 1;
			token.p[strlen(header)] ^= 1;
			assert_non_null(judge(&rules, &token, NULL));
			/* an algorithm that the site does not accept */
			token.p[strlen(header)] ^= 1;
			rules.algorithms = (struct conf_list){&audience, 1};
			assert_string_equal(
			    judge(&rules, &token, NULL), "its algorithm is not accepted");
			rules = rules_of(keys);
		}
	buf_fini(&token);
	buf_fini(&sig);
	auth_jwks_unref(&keys);
}

static void
forged_in_many_ways(void **state)
{
	struct world *w = *state;
	struct auth_jwks *keys = keys_of(&w->jwks), *with_secret = keys_of(&w->jwks_secret);
	struct auth_jwt_rules rules = rules_of(keys);
	struct buf token = {0}, sig = {0}, bait = {0};
	EVP_PKEY *stranger = EVP_RSA_gen(2048);

	/* no signature at all */
	begin("{\"alg\":\"none\"}", CLAIMS, &token);
	buf_putc(&token, '.');
	assert_string_equal(judge(&rules, &token, NULL), "its algorithm is not accepted");
	rules.algorithms = (struct conf_list){&(struct str){"none", 4}, 1};
	assert_string_equal(judge(&rules, &token, NULL), "its algorithm is not accepted");
	rules = rules_of(keys);
	begin("{\"alg\":\"RS256\",\"kid\":\"r1\"}", CLAIMS, &token);
	buf_putc(&token, '.');
	assert_string_equal(judge(&rules, &token, NULL), "its signature is invalid");

	/* a stranger's key with our key's name, and one that the token itself carries */
	begin("{\"alg\":\"RS256\",\"kid\":\"r1\"}", CLAIMS, &token);
	sign(stranger, "SHA256", false, 0, buf_as_str(&token), &sig);
	buf_putc(&token, '.');
	buf_str(&token, buf_as_str(&sig));
	assert_string_equal(judge(&rules, &token, NULL), "its signature is invalid");
	buf_puts(&bait, "{\"alg\":\"RS256\",\"jwk\":");
	put_rsa(&bait, "r1", "", stranger);
	buf_putc(&bait, '}');
	begin(buf_cstr(&bait), CLAIMS, &token);
	sig.n = 0;
	sign(stranger, "SHA256", false, 0, buf_as_str(&token), &sig);
	buf_putc(&token, '.');
	buf_str(&token, buf_as_str(&sig));
	assert_string_equal(judge(&rules, &token, NULL), "its signature is invalid");

	/* an unknown kid; one with another algorithm than the key's */
	rs256(w, "{\"alg\":\"RS256\",\"kid\":\"r9\"}", CLAIMS, &token);
	assert_string_equal(judge(&rules, &token, NULL), "its kid matches no known key");
	rs256(w, "{\"alg\":\"RS256\",\"kid\":7}", CLAIMS, &token);
	assert_string_equal(judge(&rules, &token, NULL), "its kid is invalid");
	rs256(w, "{\"alg\":\"ES256\",\"kid\":\"r1\"}", CLAIMS, &token);
	assert_string_equal(judge(&rules, &token, NULL), "its algorithm is not that of its key");
	rs256(w, "{\"alg\":\"RS384\",\"kid\":\"r2\"}", CLAIMS, &token);
	assert_string_equal(judge(&rules, &token, NULL), "its algorithm is not that of its key");

	/* the public key as a secret: in the key file's form, and as PEM */
	rules.algorithms.items = (const struct str[]){STR("RS256"), STR("HS256")};
	rules.algorithms.n = 2;
	begin("{\"alg\":\"HS256\",\"kid\":\"r1\"}", CLAIMS, &token);
	sig.n = 0;
	hmac("SHA256", buf_as_str(&w->jwks), buf_as_str(&token), &sig);
	buf_putc(&token, '.');
	buf_str(&token, buf_as_str(&sig));
	assert_string_equal(judge(&rules, &token, NULL), "its algorithm is not that of its key");
	rules.keys = with_secret;
	assert_string_equal(judge(&rules, &token, NULL), "its algorithm is not that of its key");

	/* with a real secret: only if the site names the algorithm */
	begin("{\"alg\":\"HS256\",\"kid\":\"s1\"}", CLAIMS, &token);
	sig.n = 0;
	hmac("SHA256", STR(SECRET), buf_as_str(&token), &sig);
	buf_putc(&token, '.');
	buf_str(&token, buf_as_str(&sig));
	assert_true(auth_jwks_symmetric(with_secret));
	assert_null(judge(&rules, &token, NULL));
	rules = rules_of(with_secret);
	assert_string_equal(judge(&rules, &token, NULL), "its algorithm is not accepted");
	token.p[token.n - 3] ^= 1;
	rules.algorithms = (struct conf_list){&(struct str){"HS256", 5}, 1};
	assert_string_equal(judge(&rules, &token, NULL), "its signature is invalid");

	EVP_PKEY_free(stranger);
	buf_fini(&token);
	buf_fini(&sig);
	buf_fini(&bait);
	auth_jwks_unref(&keys);
	auth_jwks_unref(&with_secret);
}

static void
headers_and_forms(void **state)
{
	static const struct {
		const char *header, *why; /* NULL: good */
	} rows[] = {
	    {"{\"alg\":\"RS256\"}", NULL},
	    {"{\"alg\":\"RS256\",\"typ\":\"JWT\"}", NULL},
	    {"{\"alg\":\"RS256\",\"typ\":\"application/at+JWT\"}", NULL},
	    {"{\"alg\":\"RS256\",\"typ\":\"logout+jwt\"}", "it is not an access token"},
	    {"{\"alg\":\"RS256\",\"typ\":1}", "it is not an access token"},
	    {"{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}",
	        "it has unknown critical extensions"},
	    {"{\"alg\":\"rs256\"}", "its algorithm is not accepted"},
	    {"{\"alg\":[\"RS256\"]}", "its algorithm is not accepted"},
	    {"{\"alg\":\"RS256\",\"alg\":\"RS256\"}", "it is not a JWT"},
	    {"{}", "its algorithm is not accepted"},
	    {"[]", "it is not a JWT"},
	    {"\"alg\"", "it is not a JWT"},
	    {"{\"alg\":\"RS256\"}x", "it is not a JWT"},
	    {"", "it is not a JWT"},
	};
	static const char *const forms[] = {"", ".", "..", "...", "a.b", "e30.e30.e30.e30",
	    "e30.e30.e30.e30.e30", "e30=.e30=.", "e3 0.e30.", "e30", "e31.e30.x", "+/8.e30.x"};
	struct world *w = *state;
	struct auth_jwks *keys = keys_of(&w->jwks);
	struct auth_jwt_rules rules = rules_of(keys);
	struct buf token = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *why;

		rs256(w, rows[i].header, CLAIMS, &token);
		why = judge(&rules, &token, NULL);
		if ((why == NULL) != (rows[i].why == NULL) ||
		    (why != NULL && strcmp(why, rows[i].why) != 0))
			fail_msg("row %zu: %s", i, why);
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		token.n = 0;
		buf_puts(&token, forms[i]);
		assert_non_null(judge(&rules, &token, NULL));
	}
	/* padding, or extra bits at the end, would be other forms of the same token */
	rs256(w, "{\"alg\":\"RS256\"}", CLAIMS, &token);
	buf_putc(&token, '=');
	assert_non_null(judge(&rules, &token, NULL));
	token.n--;
	token.p[token.n - 1] = token.p[token.n - 1] == 'A' ? 'B' : (char)(token.p[token.n - 1] + 1);
	assert_non_null(judge(&rules, &token, NULL));
	buf_fini(&token);
	auth_jwks_unref(&keys);
}

#define HEAD "{\"iss\":\"" ISSUER "\",\"aud\":\"imap\",\"scope\":\"mail\",\"sub\":\"gina\""

static void
each_claim(void **state)
{
	static const struct {
		const char *claims, *why; /* NULL: good */
	} rows[] = {
	    {HEAD ",\"exp\":1700000600}", NULL},
	    {HEAD ",\"exp\":1699999941}", NULL}, /* within the leeway */
	    {HEAD ",\"exp\":1699999940}", "it has expired"},
	    {HEAD ",\"exp\":1e3}", "it has expired"},
	    {HEAD ",\"exp\":1700000600.5}", NULL},
	    {HEAD ",\"exp\":1e300}", "one of its times is not valid"},
	    {HEAD ",\"exp\":-1}", "one of its times is not valid"},
	    {HEAD ",\"exp\":\"1700000600\"}", "one of its times is not valid"},
	    {HEAD ",\"exp\":null}", "one of its times is not valid"},
	    {HEAD "}", "it does not say when it expires"},
	    {HEAD ",\"exp\":1700000600,\"nbf\":1700000060}", NULL},
	    {HEAD ",\"exp\":1700000600,\"nbf\":1700000061}", "it is not valid yet"},
	    {HEAD ",\"exp\":1700000600,\"iat\":1700000061}", "it was issued in the future"},
	    {HEAD ",\"exp\":1700000600,\"iat\":[]}", "one of its times is not valid"},
	    {"{\"iss\":\"" ISSUER
	     "/\",\"aud\":\"imap\",\"scope\":\"mail\",\"sub\":\"gina\",\"exp\":1700000600}",
	        "it is from another issuer"},
	    {"{\"aud\":\"imap\",\"scope\":\"mail\",\"sub\":\"gina\",\"exp\":1700000600}",
	        "it is from another issuer"},
	    {"{\"iss\":\"" ISSUER
	     "\",\"aud\":[],\"scope\":\"mail\",\"sub\":\"gina\",\"exp\":1700000600}",
	        "it is for another audience"},
	    {"{\"iss\":\"" ISSUER
	     "\",\"aud\":\"imaps\",\"scope\":\"mail\",\"sub\":\"gina\",\"exp\":1700000600}",
	        "it is for another audience"},
	    {"{\"iss\":\"" ISSUER "\",\"scope\":\"mail\",\"sub\":\"gina\",\"exp\":1700000600}",
	        "it is for another audience"},
	    {"{\"iss\":\"" ISSUER
	     "\",\"aud\":{\"imap\":1},\"scope\":\"mail\",\"sub\":\"gina\",\"exp\":1700000600}",
	        "it is for another audience"},
	    {"{\"iss\":\"" ISSUER
	     "\",\"aud\":\"imap\",\"scp\":[\"a\",\"mail\"],\"sub\":\"gina\",\"exp\":1700000600}",
	        NULL},
	    {"{\"iss\":\"" ISSUER
	     "\",\"aud\":\"imap\",\"scope\":\"mailx xmail\",\"sub\":\"gina\",\"exp\":1700000600}",
	        "its scope is insufficient"},
	    {"{\"iss\":\"" ISSUER "\",\"aud\":\"imap\",\"sub\":\"gina\",\"exp\":1700000600}",
	        "its scope is insufficient"},
	    {"{\"iss\":\"" ISSUER "\",\"aud\":\"imap\",\"scope\":\"mail\",\"exp\":1700000600}",
	        "it names no user"},
	    {"{\"iss\":\"" ISSUER
	     "\",\"aud\":\"imap\",\"scope\":\"mail\",\"sub\":\"\",\"exp\":1700000600}",
	        "it names no user"},
	    {"{\"iss\":\"" ISSUER
	     "\",\"aud\":\"imap\",\"scope\":\"mail\",\"sub\":[\"gina\"],\"exp\":1700000600}",
	        "it names no user"},
	    {"{\"iss\":\"" ISSUER
	     "\",\"aud\":\"imap\",\"scope\":\"mail\",\"sub\":\"gi\\u0000na\",\"exp\":1700000600}",
	        "its claims are not JSON"},
	    {"{\"a\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}", "its claims are not JSON"},
	    {HEAD ",\"exp\":1700000600,\"exp\":1700000600}", "its claims are not JSON"},
	    {HEAD ",\"exp\":1700000600}\n", NULL},
	    {HEAD ",\"exp\":1700000600},", "its claims are not JSON"},
	};
	struct world *w = *state;
	struct auth_jwks *keys = keys_of(&w->jwks);
	struct auth_jwt_rules rules = rules_of(keys);
	struct buf token = {0}, big = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *why;

		rs256(w, "{\"alg\":\"RS256\"}", rows[i].claims, &token);
		why = judge(&rules, &token, NULL);
		if ((why == NULL) != (rows[i].why == NULL) ||
		    (why != NULL && strcmp(why, rows[i].why) != 0))
			fail_msg("row %zu: %s", i, why);
	}
	rules.claims.max_age = 100;
	rs256(w, "{\"alg\":\"RS256\"}", HEAD ",\"exp\":1700000600,\"iat\":1699999841}", &token);
	assert_null(judge(&rules, &token, NULL));
	rs256(w, "{\"alg\":\"RS256\"}", HEAD ",\"exp\":1700000600,\"iat\":1699999840}", &token);
	assert_string_equal(judge(&rules, &token, NULL), "it was issued too long ago");
	rs256(w, "{\"alg\":\"RS256\"}", HEAD ",\"exp\":1700000600}", &token);
	assert_string_equal(judge(&rules, &token, NULL), "it does not say when it was issued");
	rules = rules_of(keys);
	buf_puts(&big, HEAD ",\"exp\":1700000600,\"x\":\"");
	for (int i = 0; i < AUTH_JWT_CLAIMS_MAX; i++)
		buf_putc(&big, 'x');
	buf_puts(&big, "\"}");
	rs256(w, "{\"alg\":\"RS256\"}", buf_cstr(&big), &token);
	assert_string_equal(judge(&rules, &token, NULL), "its claims are not JSON");
	buf_fini(&token);
	buf_fini(&big);
	auth_jwks_unref(&keys);
}

static void
other_names(void **state)
{
	static const struct {
		const char *claim, *more, *why, *name;
	} rows[] = {
	    {"email", ",\"email\":\"gina@site.example\",\"email_verified\":true}", NULL,
	        "gina@site.example"},
	    {"email", ",\"email\":\"gina@site.example\",\"email_verified\":\"true\"}", NULL,
	        "gina@site.example"},
	    {"email", ",\"email\":\"gina@site.example\",\"email_verified\":false}",
	        "its e-mail address is not verified", NULL},
	    {"email", ",\"email\":\"gina@site.example\"}", "its e-mail address is not verified",
	        NULL},
	    {"preferred_username", ",\"preferred_username\":\"bo\"}", NULL, "bo"},
	    {"preferred_username", "}", "it names no user", NULL},
	};
	struct world *w = *state;
	struct auth_jwks *keys = keys_of(&w->jwks);
	struct buf token = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct auth_jwt_rules rules = rules_of(keys);
		struct str name;
		const char *why;
		char claims[400];

		rules.claims.user = str_of(rows[i].claim);
		snprintf(claims, sizeof(claims), "%s,\"exp\":1700000600%s", HEAD, rows[i].more);
		rs256(w, "{\"alg\":\"RS256\"}", claims, &token);
		why = judge(&rules, &token, &name);
		if (rows[i].why != NULL)
			assert_string_equal(why, rows[i].why);
		else {
			assert_null(why);
			assert_true(str_eq(name, str_of(rows[i].name)));
		}
	}
	buf_fini(&token);
	auth_jwks_unref(&keys);
}

static void
key_files_that_are_none(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
	    {"", "not JSON"},
	    {"{\"keys\":[}", "not JSON"},
	    {"[]", "not JSON"},
	    {"{}", "not a set of keys: {\"keys\": [ … ]}"},
	    {"{\"keys\":{}}", "not a set of keys: {\"keys\": [ … ]}"},
	    {"{\"keys\":[]}", "no key for signatures"},
	    {"{\"keys\":[1]}", "a key that is not an object"},
	    {"{\"keys\":[{\"kty\":\"PQ\"}]}", "no key for signatures"},
	    {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
	        "an RSA key of fewer than 2048 bits"},
	    {"{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\"}]}", "an invalid RSA key"},
	    {"{\"keys\":[{\"kty\":\"RSA\",\"d\":\"AQAB\"}]}",
	        "a private key: only the public part belongs here"},
	    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQAB\",\"y\":\"AQAB\"}]}",
	        "an invalid elliptic curve key"},
	    /* a point that is not on the curve */
	    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
	     "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
	     "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}]}",
	        "an invalid elliptic curve key"},
	    {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAB\"}]}",
	        "an invalid Edwards curve key"},
	    {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQAB\"}]}", "a secret of fewer than 256 bits"},
	    {"{\"keys\":[{\"kty\":\"oct\",\"kid\":5,\"k\":\"AQAB\"}]}", "an invalid kid"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *why;

		assert_null(auth_jwks_parse(str_of(rows[i].text), &why));
		assert_string_equal(why, rows[i].why);
	}
}

static void
keys_passed_over(void **state)
{
	static const char secret[] = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE";
	struct auth_jwks *keys;
	struct buf text = {0};
	struct str which;
	const char *why;

	(void)state;
	buf_printf(&text,
	    "{\"keys\":[{\"kty\":\"oct\",\"k\":\"%s\"},"
	    "{\"kty\":\"oct\",\"kid\":\"e1\",\"use\":\"enc\",\"k\":\"%s\"},"
	    "{\"kty\":\"oct\",\"key_ops\":[\"sign\"],\"k\":\"%s\"},"
	    "{\"kty\":\"oct\",\"kid\":\"a\\u001bb\",\"alg\":\"RSA-OAEP\",\"k\":\"%s\"},"
	    "{\"kty\":\"PQ\",\"kid\":\"q\"}]}",
	    secret, secret, secret, secret);
	keys = auth_jwks_parse(buf_as_str(&text), &why);
	assert_non_null(keys);
	assert_int_equal(auth_jwks_count(keys), 1);
	assert_int_equal(auth_jwks_passed_over(keys, &which), 4);
	assert_true(str_eq(which, STR("e1 (its use is not sig), key 3 (its key_ops lack verify), "
	                              "key 4 (its alg is not one for signatures), q (its type is "
	                              "unknown)")));
	auth_jwks_unref(&keys);
	buf_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_algorithm),
	    cmocka_unit_test(forged_in_many_ways),
	    cmocka_unit_test(headers_and_forms),
	    cmocka_unit_test(each_claim),
	    cmocka_unit_test(other_names),
	    cmocka_unit_test(key_files_that_are_none),
	    cmocka_unit_test(keys_passed_over),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
