/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and signatures: see jwk.h. */
#include "auth/oauth/jwk.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <stdatomic.h>

#include "auth/oauth/json.h"
#include "base/mem.h"

enum {
	RSA_BITS_MIN = 2048, /* RFC 7518 section 3.3 */
	RSA_BITS_MAX = 16384,
	COORDINATE_MAX = 66, /* bytes, of P-521 */
	SECRET_MAX = 1024,   /* bytes */
	KID_MAX = 256,
	KID_SHOWN = 64,
};

enum kind { KIND_RSA, KIND_EC, KIND_ED, KIND_SECRET };

struct auth_alg {
	const char *name;
	enum kind kind;
	const char *curve;  /* of KIND_EC: OpenSSL's name, of KIND_ED: ours; NULL: any */
	const char *digest; /* NULL: part of the algorithm */
	size_t size;        /* KIND_EC: bytes of a coordinate; KIND_SECRET: of the digest */
	bool pss;
};

/* RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864. */
static const struct auth_alg algs[] = {
    {"RS256", KIND_RSA, NULL, "SHA256", 0, false},
    {"RS384", KIND_RSA, NULL, "SHA384", 0, false},
    {"RS512", KIND_RSA, NULL, "SHA512", 0, false},
    {"PS256", KIND_RSA, NULL, "SHA256", 0, true},
    {"PS384", KIND_RSA, NULL, "SHA384", 0, true},
    {"PS512", KIND_RSA, NULL, "SHA512", 0, true},
    {"ES256", KIND_EC, "P-256", "SHA256", 32, false},
    {"ES384", KIND_EC, "P-384", "SHA384", 48, false},
    {"ES512", KIND_EC, "P-521", "SHA512", 66, false},
    {"EdDSA", KIND_ED, NULL, NULL, 0, false},
    {"Ed25519", KIND_ED, "Ed25519", NULL, 0, false},
    {"Ed448", KIND_ED, "Ed448", NULL, 0, false},
    {"HS256", KIND_SECRET, NULL, "SHA256", 32, false},
    {"HS384", KIND_SECRET, NULL, "SHA384", 48, false},
    {"HS512", KIND_SECRET, NULL, "SHA512", 64, false},
};

struct key {
	enum kind kind;
	const char *curve;          /* KIND_EC, KIND_ED */
	const struct auth_alg *alg; /* the only algorithm the key is for; NULL: all of its kind */
	struct buf kid;             /* empty: none */
	EVP_PKEY *pkey;
	struct buf secret; /* KIND_SECRET */
};

struct auth_jwks {
	_Atomic unsigned refs;
	size_t n, passed_over;
	struct buf passed_text; /* the ignored keys, and why */
	struct key keys[AUTH_JWKS_KEYS];
};

const struct auth_alg *
auth_alg_find(struct str name)
{
	for (size_t i = 0; i < sizeof(algs) / sizeof(*algs); i++)
		if (str_eq(name, str_of(algs[i].name)))
			return &algs[i];
	return NULL;
}

bool
auth_alg_symmetric(const struct auth_alg *alg)
{
	return alg->kind == KIND_SECRET;
}

/* ---- keys */

static void
key_fini(struct key *key)
{
	EVP_PKEY_free(key->pkey);
	buf_fini(&key->kid);
	buf_wipe_fini(&key->secret);
}

static EVP_PKEY *
pkey_of(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL), *check = NULL;
	EVP_PKEY *pkey = NULL;

	if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1)
		check = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	if (check == NULL || EVP_PKEY_public_check(check) != 1) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return pkey;
}

/* Decodes a member in base64url. */
static bool
read_bytes(const json_t *json, const char *name, size_t max, struct buf *out)
{
	struct str text = auth_json_str(json, name);

	return text.n > 0 && text.n <= 2 * max && auth_base64url_decode(text, out) && out->n > 0 &&
	       out->n <= max;
}

/* RFC 7518 section 6.3.1. */
static const char *
read_rsa(const json_t *json, struct key *key)
{
	struct buf n = {0}, e = {0};
	const char *why = "an invalid RSA key";
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *bn = NULL, *be = NULL;
	OSSL_PARAM *params;

	if (read_bytes(json, "n", RSA_BITS_MAX / 8, &n) && read_bytes(json, "e", 8, &e) &&
	    bld != NULL) {
		bn = BN_bin2bn((const unsigned char *)n.p, (int)n.n, NULL);
		be = BN_bin2bn((const unsigned char *)e.p, (int)e.n, NULL);
	}
	if (bn != NULL && be != NULL && BN_num_bits(bn) < RSA_BITS_MIN)
		why = "an RSA key of fewer than 2048 bits";
	else if (bn != NULL && be != NULL &&
	         OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
	         OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) == 1 &&
	         (params = OSSL_PARAM_BLD_to_param(bld)) != NULL) {
		key->pkey = pkey_of("RSA", params);
		OSSL_PARAM_free(params);
		why = key->pkey != NULL ? NULL : why;
	}
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn);
	BN_free(be);
	buf_fini(&n);
	buf_fini(&e);
	return why;
}

/* RFC 7518 section 6.2.1. */
static const char *
read_ec(const json_t *json, size_t size, struct key *key)
{
	struct buf x = {0}, y = {0};
	const char *why = "an invalid elliptic curve key";
	unsigned char point[1 + 2 * COORDINATE_MAX];
	char group[16];
	OSSL_PARAM params[3];

	if (read_bytes(json, "x", size, &x) && read_bytes(json, "y", size, &y) && x.n == size &&
	    y.n == size) {
		point[0] = POINT_CONVERSION_UNCOMPRESSED;
		memcpy(point + 1, x.p, size);
		memcpy(point + 1 + size, y.p, size);
		memcpy(group, key->curve, strlen(key->curve) + 1);
		params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
		params[1] =
		    OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size);
		params[2] = OSSL_PARAM_construct_end();
		key->pkey = pkey_of("EC", params);
		why = key->pkey != NULL ? NULL : why;
	}
	buf_fini(&x);
	buf_fini(&y);
	return why;
}

/* RFC 8037 section 2. */
static const char *
read_ed(const json_t *json, struct key *key)
{
	bool small = strcmp(key->curve, "Ed25519") == 0;
	struct buf x = {0};

	if (read_bytes(json, "x", 57, &x))
		key->pkey = EVP_PKEY_new_raw_public_key(small ? EVP_PKEY_ED25519 : EVP_PKEY_ED448,
		    NULL, (const unsigned char *)x.p, x.n);
	buf_fini(&x);
	ERR_clear_error();
	return key->pkey != NULL ? NULL : "an invalid Edwards curve key";
}

/* RFC 7518 section 6.4. */
static const char *
read_secret(const json_t *json, struct key *key)
{
	if (!read_bytes(json, "k", SECRET_MAX, &key->secret))
		return "an invalid secret";
	/* RFC 7518 section 3.2: at least the digest's size, which is checked later. */
	return key->secret.n >= 32 ? NULL : "a secret of fewer than 256 bits";
}

/* Finds the kind of a key; false: unknown. */
static bool
read_kind(const json_t *json, struct key *key, size_t *size_r)
{
	struct str kty = auth_json_str(json, "kty"), crv = auth_json_str(json, "crv");

	*size_r = 0;
	if (str_eq(kty, STR("RSA")) || str_eq(kty, STR("oct"))) {
		key->kind = str_eq(kty, STR("RSA")) ? KIND_RSA : KIND_SECRET;
		return true;
	}
	key->kind = str_eq(kty, STR("EC")) ? KIND_EC : KIND_ED;
	if (key->kind == KIND_ED && !str_eq(kty, STR("OKP")))
		return false;
	for (size_t i = 0; i < sizeof(algs) / sizeof(*algs); i++)
		if (algs[i].kind == key->kind && algs[i].curve != NULL &&
		    str_eq(crv, str_of(algs[i].curve))) {
			key->curve = algs[i].curve;
			*size_r = algs[i].size;
			return true;
		}
	return false;
}

static bool
alg_fits(const struct auth_alg *alg, const struct key *key)
{
	return alg->kind == key->kind &&
	       (alg->curve == NULL || key->curve == NULL || strcmp(alg->curve, key->curve) == 0);
}

/* Returns why a key is not for signatures, by "use", "key_ops" and "alg" (RFC 7517 section 4);
 * NULL: it is. */
static const char *
why_not_for_us(const json_t *json, struct key *key)
{
	const json_t *ops = json_object_get(json, "key_ops"), *name = json_object_get(json, "alg");
	struct str use = auth_json_str(json, "use");

	if (json_object_get(json, "use") != NULL && !str_eq(use, STR("sig")))
		return "its use is not sig";
	if (ops != NULL && !auth_json_has(ops, STR("verify")))
		return "its key_ops lack verify";
	if (name == NULL)
		return NULL;
	key->alg = auth_alg_find(auth_json_str(json, "alg"));
	return key->alg != NULL && alg_fits(key->alg, key) ? NULL
	                                                   : "its alg is not one for signatures";
}

/* Reads a key.  NULL: read, or ignored, and then *passed_r says why (otherwise NULL). */
static const char *
read_jwk(const json_t *json, struct key *key, const char **passed_r)
{
	struct str kid = auth_json_str(json, "kid");
	const char *why;
	size_t size;

	*passed_r = NULL;
	if (!json_is_object(json))
		return "a key that is not an object";
	*passed_r = read_kind(json, key, &size) ? why_not_for_us(json, key) : "its type is unknown";
	if (*passed_r != NULL)
		return NULL;
	if (key->kind != KIND_SECRET && json_object_get(json, "d") != NULL)
		return "a private key: only the public part belongs here";
	if ((json_object_get(json, "kid") != NULL && kid.p == NULL) || kid.n > KID_MAX)
		return "an invalid kid";
	buf_str(&key->kid, kid);
	switch (key->kind) {
	case KIND_RSA:
		why = read_rsa(json, key);
		break;
	case KIND_EC:
		why = read_ec(json, size, key);
		break;
	case KIND_ED:
		why = read_ed(json, key);
		break;
	default:
		why = read_secret(json, key);
		break;
	}
	return why;
}

/* Whether it can be shown in a line of text. */
static bool
is_shown(struct str kid)
{
	bool shown = kid.n > 0 && kid.n <= KID_SHOWN;

	while (shown && kid.n > 0) {
		size_t n = str_showable(kid);

		shown = n > 0;
		kid = str_range(kid.p + n, kid.p + kid.n);
	}
	return shown;
}

/* Appends "k1 (its use is not sig), key 3 (its type is unknown)". */
static void
note_passed(struct auth_jwks *set, size_t number, const json_t *json, const char *why)
{
	struct str kid = auth_json_str(json, "kid");

	if (set->passed_over++ > 0)
		buf_puts(&set->passed_text, ", ");
	if (is_shown(kid))
		buf_str(&set->passed_text, kid);
	else
		buf_printf(&set->passed_text, "key %zu", number);
	buf_printf(&set->passed_text, " (%s)", why);
}

static const char *
read_jwks(const json_t *json, struct auth_jwks *set)
{
	const json_t *keys = json_object_get(json, "keys");

	if (!json_is_array(keys))
		return "not a set of keys: {\"keys\": [ … ]}";
	if (json_array_size(keys) > AUTH_JWKS_KEYS)
		return "more than 64 keys";
	for (size_t i = 0; i < json_array_size(keys); i++) {
		struct key key = {.pkey = NULL};
		const json_t *one = json_array_get(keys, i);
		const char *passed, *why = read_jwk(one, &key, &passed);

		if (why == NULL && passed == NULL)
			set->keys[set->n++] = key;
		else
			key_fini(&key);
		if (why != NULL)
			return why;
		if (passed != NULL)
			note_passed(set, i + 1, one, passed);
	}
	return set->n > 0 ? NULL : "no key for signatures";
}

struct auth_jwks *
auth_jwks_parse(struct str text, const char **why_r)
{
	struct auth_jwks *set = mem_zalloc(sizeof(*set));
	json_t *json = auth_json_object(text, AUTH_JWKS_MAX);

	set->refs = 1;
	*why_r = json != NULL ? read_jwks(json, set) : "not JSON";
	json_decref(json);
	if (*why_r != NULL)
		auth_jwks_unref(&set);
	return set;
}

struct auth_jwks *
auth_jwks_ref(struct auth_jwks *jwks)
{
	atomic_fetch_add_explicit(&jwks->refs, 1, memory_order_relaxed);
	return jwks;
}

void
auth_jwks_unref(struct auth_jwks **jp)
{
	struct auth_jwks *jwks = *jp;

	*jp = NULL;
	if (jwks == NULL || atomic_fetch_sub_explicit(&jwks->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (size_t i = 0; i < jwks->n; i++)
		key_fini(&jwks->keys[i]);
	buf_fini(&jwks->passed_text);
	mem_free(jwks);
}

size_t
auth_jwks_count(const struct auth_jwks *jwks)
{
	return jwks->n;
}

size_t
auth_jwks_passed_over(const struct auth_jwks *jwks, struct str *which_r)
{
	*which_r = buf_as_str(&jwks->passed_text);
	return jwks->passed_over;
}

bool
auth_jwks_symmetric(const struct auth_jwks *jwks)
{
	for (size_t i = 0; i < jwks->n; i++)
		if (jwks->keys[i].kind == KIND_SECRET)
			return true;
	return false;
}

/* ---- signatures */

/* RFC 7518 section 3.4: two integers of the curve's size; OpenSSL wants DER. */
static unsigned char *
der_of(struct str signature, size_t size, size_t *n_r)
{
	const unsigned char *p = (const unsigned char *)signature.p;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	unsigned char *der = NULL;
	BIGNUM *r, *s;
	int n = -1;

	if (sig != NULL && signature.n == 2 * size) {
		r = BN_bin2bn(p, (int)size, NULL);
		s = BN_bin2bn(p + size, (int)size, NULL);
		if (r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
			BN_free(r);
			BN_free(s);
		} else
			n = i2d_ECDSA_SIG(sig, &der);
	}
	ECDSA_SIG_free(sig);
	if (n <= 0)
		return NULL;
	*n_r = (size_t)n;
	return der;
}

static bool
verify_public(
    const struct key *key, const struct auth_alg *alg, struct str text, struct str signature)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const unsigned char *sig = (const unsigned char *)signature.p;
	unsigned char *der = NULL;
	size_t n = signature.n;
	EVP_PKEY_CTX *how = NULL;
	bool ok = ctx != NULL &&
	          EVP_DigestVerifyInit_ex(ctx, &how, alg->digest, NULL, NULL, key->pkey, NULL) == 1;

	if (ok && alg->pss)
		ok = EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) == 1;
	if (ok && alg->kind == KIND_EC) {
		sig = der = der_of(signature, alg->size, &n);
		ok = der != NULL;
	}
	ok = ok && EVP_DigestVerify(ctx, sig, n, (const unsigned char *)text.p, text.n) == 1;
	OPENSSL_clear_free(der, der != NULL ? n : 0);
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

static bool
verify_secret(
    const struct key *key, const struct auth_alg *alg, struct str text, struct str signature)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	size_t n = 0;
	bool ok;

	if (key->secret.n < alg->size || signature.n != alg->size)
		return false;
	ok = EVP_Q_mac(NULL, "HMAC", NULL, alg->digest, NULL, key->secret.p, key->secret.n,
	         (const unsigned char *)text.p, text.n, mac, sizeof(mac), &n) != NULL &&
	     n == alg->size && CRYPTO_memcmp(mac, signature.p, n) == 0;
	mem_wipe(mac, sizeof(mac));
	return ok;
}

/* Whether the key is for such signatures. */
static bool
is_for(const struct key *key, const struct auth_alg *alg)
{
	if (!alg_fits(alg, key) || key->alg == NULL || key->alg == alg)
		return alg_fits(alg, key);
	/* The algorithms of Edwards curves have two names. */
	return key->kind == KIND_ED && alg_fits(key->alg, key);
}

bool
auth_jwks_verify(const struct auth_jwks *jwks, const struct auth_alg *alg, struct str kid,
    struct str text, struct str signature, const char **why_r)
{
	const char *unfit =
	    kid.p != NULL ? "its kid matches no known key" : "no known key is for its algorithm";
	bool tried = false;

	for (size_t i = 0; i < jwks->n; i++) {
		const struct key *key = &jwks->keys[i];

		if (kid.p != NULL && !str_eq(kid, buf_as_str(&key->kid)))
			continue;
		if (!is_for(key, alg)) {
			unfit = "its algorithm is not that of its key";
			continue;
		}
		if (key->kind == KIND_SECRET ? verify_secret(key, alg, text, signature)
		                             : verify_public(key, alg, text, signature))
			return true;
		tried = true;
	}
	*why_r = tried ? "its signature is invalid" : unfit;
	return false;
}
