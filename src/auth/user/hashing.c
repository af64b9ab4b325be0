/* SPDX-License-Identifier: Apache-2.0 */
/* Password hashes, by libcrypt and libargon2: see hashing.h. */
#include "auth/user/hashing.h"

#include <argon2.h>
#include <crypt.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "sasl/scram_keys.h"

enum {
	ARGON2_PASSES = 2,
	ARGON2_SALT = 16,
	ARGON2_BYTES = 32,
	/* Bounds for hashes from outside. */
	MEMORY_MAX = 256 << 20,
	ARGON2_PASSES_MAX = 32,
	ARGON2_LANES_MAX = 16,
	BCRYPT_COST_MAX = 16,
	ROUNDS_MAX = 5000000,
	ROUNDS_DEFAULT = 5000, /* of SHA-crypt, if the hash does not say */
};

const char *const auth_scheme_words[] = {
    "yescrypt", "bcrypt", "sha512", "sha256", "argon2id", "argon2i", NULL};

static const struct method {
	const char *prefix;
	const char *name;
	enum auth_scheme scheme;
	unsigned rank;
	uint32_t min, max, def; /* range and default of the cost */
	const char *bounds;
} methods[] = {
    {"$y$", "yescrypt", AUTH_SCHEME_YESCRYPT, 6, 1, 9, 5, "the cost of yescrypt is 1 to 9"},
    {"$2b$", "bcrypt", AUTH_SCHEME_BCRYPT, 4, 4, BCRYPT_COST_MAX, 10,
        "the cost of bcrypt is 4 to 16"},
    {"$6$", "SHA-512-crypt", AUTH_SCHEME_SHA512, 3, 1000, ROUNDS_MAX, 200000,
        "the cost of sha512 is 1000 to 5000000 rounds"},
    {"$5$", "SHA-256-crypt", AUTH_SCHEME_SHA256, 2, 1000, ROUNDS_MAX, 200000,
        "the cost of sha256 is 1000 to 5000000 rounds"},
    {"$argon2id$", "argon2id", AUTH_SCHEME_ARGON2ID, 6, 8, 256, 19,
        "the cost of argon2id is 8 to 256 MiB"},
    {"$argon2i$", "argon2i", AUTH_SCHEME_ARGON2I, 5, 8, 256, 19,
        "the cost of argon2i is 8 to 256 MiB"},
    {"$2a$", "bcrypt", AUTH_SCHEME_BCRYPT, 4, 4, BCRYPT_COST_MAX, 10, NULL},
    {"$2y$", "bcrypt", AUTH_SCHEME_BCRYPT, 4, 4, BCRYPT_COST_MAX, 10, NULL},
    {"$gy$", "gost-yescrypt", AUTH_SCHEME_OTHER, 6, 0, 0, 0, NULL},
    {"$7$", "scrypt", AUTH_SCHEME_OTHER, 5, 0, 0, 0, NULL},
    {"$", "crypt(3)", AUTH_SCHEME_OTHER, 1, 0, 0, 0, NULL}, /* last: any other */
};

static const struct method *
method_of(struct str hash)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (str_has_prefix(hash, str_of(methods[i].prefix)))
			return &methods[i];
	return NULL;
}

static const struct method *
chosen(const struct auth_hashing *h)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (methods[i].scheme == h->scheme)
			return &methods[i];
	TS_WRONG("a scheme without a method");
}

uint32_t
auth_hashing_cost(const struct auth_hashing *h)
{
	return h->cost != 0 ? h->cost : chosen(h)->def;
}

const char *
auth_hashing_fault(const struct auth_hashing *h)
{
	const struct method *m = chosen(h);
	uint32_t cost = auth_hashing_cost(h);

	return cost < m->min || cost > m->max ? m->bounds : NULL;
}

/* ---- what a hash costs */

/* Takes decimal digits off the front. */
static bool
take_decimal(struct str *s, uint64_t max, uint64_t *n_r)
{
	size_t n = 0;

	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	if (!str_u64((struct str){s->p, n}, max, n_r))
		return false;
	*s = (struct str){s->p + n, s->n - n};
	return true;
}

static bool
take_prefix(struct str *s, struct str what)
{
	if (!str_has_prefix(*s, what))
		return false;
	*s = (struct str){s->p + what.n, s->n - what.n};
	return true;
}

/* The value of a digit in crypt(5)'s base 64; -1: not a digit. */
static int
crypt_digit(char c)
{
	static const char digits[] =
	    "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

/* "$y$j9T$": flavour, N, r, one digit each.  Hashes with further parameters are out of bounds. */
static bool
yescrypt_cost(struct str rest, uint64_t *cost_r)
{
	struct str params;
	int n, r;

	if (!str_split(&rest, '$', &params) || params.n != 3 || params.p[0] != 'j')
		return false;
	n = crypt_digit(params.p[1]) + 1;
	r = crypt_digit(params.p[2]) + 1;
	*cost_r = (uint64_t)n * 64 + (uint64_t)r;
	return n > 0 && n < 32 && r > 0 && (((uint64_t)128 * (unsigned)r) << n) <= MEMORY_MAX;
}

/* "$7$": N is one digit, r and p are five digits each, the lowest first. */
static bool
scrypt_bounded(struct str rest)
{
	uint64_t number[2] = {0};
	int n;

	if (rest.n < 11 || (n = crypt_digit(rest.p[0])) < 0 || n > 30)
		return false;
	for (unsigned i = 0; i < 10; i++) {
		int d = crypt_digit(rest.p[1 + i]);

		if (d < 0)
			return false;
		number[i / 5] |= (uint64_t)d << 6 * (i % 5);
	}
	return number[0] > 0 && number[0] <= 1024 && number[1] > 0 && number[1] <= 16 &&
	       (128 * number[0] << n) <= MEMORY_MAX;
}

static bool
rounds_cost(struct str rest, uint64_t *cost_r)
{
	*cost_r = ROUNDS_DEFAULT;
	if (!take_prefix(&rest, STR("rounds=")))
		return true;
	return take_decimal(&rest, ROUNDS_MAX, cost_r) && take_prefix(&rest, STR("$"));
}

static bool
bcrypt_cost(struct str rest, uint64_t *cost_r)
{
	return take_decimal(&rest, BCRYPT_COST_MAX, cost_r) && take_prefix(&rest, STR("$")) &&
	       rest.n == 53;
}

/* The cost compared is memory times passes. */
static bool
argon2_cost(struct str rest, uint64_t *cost_r)
{
	uint64_t version, m, t, p;
	bool ok = take_prefix(&rest, STR("v=")) && take_decimal(&rest, 19, &version) &&
	          (version == 16 || version == 19) && take_prefix(&rest, STR("$m=")) &&
	          take_decimal(&rest, MEMORY_MAX / 1024, &m) && take_prefix(&rest, STR(",t=")) &&
	          take_decimal(&rest, ARGON2_PASSES_MAX, &t) && take_prefix(&rest, STR(",p=")) &&
	          take_decimal(&rest, ARGON2_LANES_MAX, &p) && take_prefix(&rest, STR("$"));

	*cost_r = ok ? m * t : 0;
	return ok;
}

/* False: out of bounds, or not in the method's form. */
static bool
cost_of(const struct method *m, struct str hash, uint64_t *cost_r)
{
	size_t skip = strlen(m->prefix);
	struct str rest = {hash.p + skip, hash.n - skip};

	*cost_r = 0;
	switch (m->scheme) {
	case AUTH_SCHEME_YESCRYPT:
		return yescrypt_cost(rest, cost_r);
	case AUTH_SCHEME_BCRYPT:
		return bcrypt_cost(rest, cost_r);
	case AUTH_SCHEME_SHA512:
	case AUTH_SCHEME_SHA256:
		return rounds_cost(rest, cost_r);
	case AUTH_SCHEME_ARGON2ID:
	case AUTH_SCHEME_ARGON2I:
		return argon2_cost(rest, cost_r);
	case AUTH_SCHEME_OTHER:
		break;
	}
	if (str_eq(str_of(m->prefix), STR("$7$")))
		return scrypt_bounded(rest);
	if (str_eq(str_of(m->prefix), STR("$gy$")))
		return yescrypt_cost(rest, cost_r);
	return true;
}

static bool
is_argon2(const struct method *m)
{
	return m->scheme == AUTH_SCHEME_ARGON2ID || m->scheme == AUTH_SCHEME_ARGON2I;
}

bool
auth_hash_plausible(struct str hash)
{
	const struct method *m = method_of(hash);
	struct buf z = {0};
	uint64_t cost;
	int code;

	if (m == NULL || memchr(hash.p, 0, hash.n) != NULL || !cost_of(m, hash, &cost))
		return false;
	if (is_argon2(m))
		return true;
	buf_str(&z, hash);
	code = crypt_checksalt(buf_cstr(&z));
	buf_fini(&z);
	/* libcrypt calls SHA-256-crypt outdated, like MD5 and DES; only the latter are broken. */
	return code == CRYPT_SALT_OK ||
	       (code == CRYPT_SALT_METHOD_LEGACY && m->scheme == AUTH_SCHEME_SHA256);
}

/* "$argon2id$v=19$m=M,t=T,p=P$SALT$HASH" in base64 without padding; salt and hash have at least 8
 * and 4 bytes. */
static bool
argon2_seems_whole(struct str hash, size_t tail)
{
	enum { SIGNS = 5, HASH_MIN = 6 };
	size_t signs = 0;

	for (size_t i = 0; i < hash.n; i++)
		signs += hash.p[i] == '$';
	return signs == SIGNS && tail >= HASH_MIN && tail % 4 != 1;
}

bool
auth_hash_seems_whole(struct str hash)
{
	enum { BCRYPT_LEN = 60, SHA256_TAIL = 43, SHA512_TAIL = 86, YESCRYPT_TAIL = 43 };
	const struct method *m = method_of(hash);
	size_t tail = 0;

	while (tail < hash.n && hash.p[hash.n - 1 - tail] != '$') {
		unsigned char c = (unsigned char)hash.p[hash.n - 1 - tail++];

		if (crypt_digit((char)c) < 0 && !(c == '+' && m != NULL && is_argon2(m)))
			return false;
	}
	if (m == NULL)
		return false;
	switch (m->scheme) {
	case AUTH_SCHEME_BCRYPT:
		return hash.n == BCRYPT_LEN;
	case AUTH_SCHEME_SHA256:
		return tail == SHA256_TAIL;
	case AUTH_SCHEME_SHA512:
		return tail == SHA512_TAIL;
	case AUTH_SCHEME_YESCRYPT:
		return tail == YESCRYPT_TAIL;
	case AUTH_SCHEME_ARGON2ID:
	case AUTH_SCHEME_ARGON2I:
		return argon2_seems_whole(hash, tail);
	case AUTH_SCHEME_OTHER:
		return true;
	}
	TS_WRONG("no such scheme");
}

/* The same figure for the site's choice. */
static uint64_t
wanted_cost(const struct auth_hashing *h)
{
	/* N and r for yescrypt's costs 1 to 9, as crypt_gensalt(3) makes them. */
	static const char costs[][3] = {"75", "85", "7T", "8T", "9T", "AT", "BT", "CT", "DT"};
	uint64_t cost = auth_hashing_cost(h);

	if (h->scheme == AUTH_SCHEME_YESCRYPT)
		return (uint64_t)(crypt_digit(costs[cost - 1][0]) + 1) * 64 +
		       (uint64_t)(crypt_digit(costs[cost - 1][1]) + 1);
	if (h->scheme == AUTH_SCHEME_ARGON2ID || h->scheme == AUTH_SCHEME_ARGON2I)
		return cost * 1024 * ARGON2_PASSES;
	return cost;
}

bool
auth_hash_is_weak(struct str hash, const struct auth_hashing *h)
{
	const struct method *m = method_of(hash), *want = chosen(h);
	uint64_t cost;

	if (m == NULL)
		return false;
	if (m->scheme != want->scheme)
		return m->rank < want->rank;
	return !cost_of(m, hash, &cost) || cost < wanted_cost(h);
}

const char *
auth_hash_name(struct str hash)
{
	const struct method *m = method_of(hash);

	return m == NULL ? "unknown" : m->name;
}

/* ---- hashing */

/* Appends the hash by crypt(3) with a setting.  False: libcrypt does not know the method. */
static bool
run_crypt(const char *password, const char *setting, struct buf *out)
{
	struct crypt_data *data = mem_zalloc(sizeof(*data));
	const char *got = crypt_rn(password, setting, data, sizeof(*data));

	if (got != NULL)
		buf_puts(out, got);
	mem_wipe(data, sizeof(*data));
	mem_free(data);
	return got != NULL;
}

static argon2_type
type_of(enum auth_scheme scheme)
{
	return scheme == AUTH_SCHEME_ARGON2I ? Argon2_i : Argon2_id;
}

bool
auth_hash_is_whole(struct str hash)
{
	const struct method *m = method_of(hash);
	struct buf setting = {0}, got = {0};
	bool ok = false;

	if (m == NULL)
		return false;
	buf_str(&setting, hash);
	if (is_argon2(m)) {
		int code = argon2_verify(buf_cstr(&setting), "", 0, type_of(m->scheme));

		ok = code == ARGON2_OK || code == ARGON2_VERIFY_MISMATCH;
	} else {
		ok = run_crypt("", buf_cstr(&setting), &got) && got.n == hash.n;
	}
	buf_fini(&setting);
	buf_fini(&got);
	return ok;
}

static bool
make_argon2(const char *password, const struct auth_hashing *h, struct buf *out)
{
	unsigned char salt[ARGON2_SALT];
	uint32_t m = auth_hashing_cost(h) * 1024;
	size_t room =
	    argon2_encodedlen(ARGON2_PASSES, m, 1, sizeof(salt), ARGON2_BYTES, type_of(h->scheme));
	char *to = buf_room(out, room);

	random_bytes(salt, sizeof(salt));
	if (argon2_hash(ARGON2_PASSES, m, 1, password, strlen(password), salt, sizeof(salt), NULL,
	        ARGON2_BYTES, to, room, type_of(h->scheme), ARGON2_VERSION_13) != ARGON2_OK)
		return false;
	out->n += strlen(to);
	return true;
}

bool
auth_hash_make(const char *password, const struct auth_hashing *h, struct buf *out)
{
	const struct method *m = chosen(h);
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (is_argon2(m))
		return make_argon2(password, h, out);
	return crypt_gensalt_rn(
	           m->prefix, auth_hashing_cost(h), NULL, 0, setting, sizeof(setting)) != NULL &&
	       run_crypt(password, setting, out);
}

bool
auth_hash_verify(const char *password, struct str hash)
{
	const struct method *m = method_of(hash);
	struct buf setting = {0}, got = {0};
	bool ok = false;

	if (m == NULL)
		return false;
	buf_str(&setting, hash);
	if (is_argon2(m))
		ok = argon2_verify(buf_cstr(&setting), password, strlen(password),
		         type_of(m->scheme)) == ARGON2_OK;
	else
		ok = run_crypt(password, buf_cstr(&setting), &got) &&
		     sasl_secret_equal(buf_as_str(&got), hash);
	buf_wipe_fini(&setting);
	buf_wipe_fini(&got);
	return ok;
}
