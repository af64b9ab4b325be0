/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashing.  Passwords are prepared (RFC 8265 OpaqueString) before they are
 * hashed or verified.  One verifier decides: a crypt(3) string if there is
 * one, else SCRAM keys, so that a wrong password costs one hash, as a user
 * who does not exist does.
 */
#include "auth/password.h"

#include <crypt.h>

#include "auth/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "sasl/names.h"
#include "sasl/scram_keys.h"

static const char pretended[] = "$y$j9T$vKz0Wq1TnU3c5.Ym8QsEx0$";

/* The hash of a NUL-terminated password under setting, into out.  False: the method is unknown. */
static bool
hash(const char *password, const char *setting, struct buf *out)
{
	struct crypt_data *data = mem_zalloc(sizeof(*data));
	const char *got = crypt_rn(password, setting, data, sizeof(*data));

	if (got != NULL)
		buf_puts(out, got);
	mem_wipe(data, sizeof(*data));
	mem_free(data);
	return got != NULL;
}

/* What is hashed; out is to be wiped.  False: no password that anybody could have. */
static bool
prepare(struct str password, struct buf *out)
{
	return sasl_password_prepare(password, out) && out->n <= AUTH_PASSWORD_MAX &&
	       memchr(out->p, 0, out->n) == NULL;
}

const char *
auth_password_make(struct str password, struct arena *arena, struct auth_user *user)
{
	struct buf clear = {0}, out = {0};
	static const enum sasl_scram_hash hashes[] = {SASL_SCRAM_SHA256, SASL_SCRAM_SHA1};
	struct str *list = arena_array(arena, 3, sizeof(*list));
	struct sasl_scram_keys keys;
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (!prepare(password, &clear)) {
		buf_wipe_fini(&clear);
		return "a password must have 1 to 511 bytes of UTF-8 text without control "
		       "characters";
	}
	if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) == NULL ||
	    !hash(buf_cstr(&clear), setting, &out)) {
		buf_wipe_fini(&clear);
		buf_fini(&out);
		return "this system's libcrypt cannot make yescrypt hashes";
	}
	list[0] = arena_str(arena, buf_as_str(&out));
	for (size_t i = 0; i < 2; i++) {
		out.n = 0;
		sasl_scram_keys_make(hashes[i], buf_as_str(&clear), AUTH_SCRAM_ITERATIONS, &keys);
		sasl_scram_keys_print(&keys, &out);
		list[i + 1] = arena_str(arena, buf_as_str(&out));
	}
	mem_wipe(&keys, sizeof(keys));
	buf_wipe_fini(&clear);
	buf_wipe_fini(&out);
	user->verifiers = list;
	user->verifier_count = 3;
	return NULL;
}

static bool
is_scram(struct str verifier)
{
	return str_has_prefix(verifier, STR("SCRAM-"));
}

bool
auth_verifier_plausible(struct str verifier)
{
	struct sasl_scram_keys keys;
	struct buf z = {0};
	bool ok;

	if (verifier.n > AUTH_VERIFIER_LEN_MAX || verifier.n == 0)
		return false;
	if (is_scram(verifier))
		return sasl_scram_keys_parse(verifier, &keys);
	if (verifier.p[0] != '$' || memchr(verifier.p, 0, verifier.n) != NULL)
		return false;
	buf_str(&z, verifier);
	ok = crypt_checksalt(buf_cstr(&z)) == CRYPT_SALT_OK;
	buf_fini(&z);
	return ok;
}

bool
auth_verifier_ok(struct str verifier)
{
	struct buf z = {0};
	bool ok = auth_verifier_plausible(verifier);

	if (ok && !is_scram(verifier)) {
		/* A setting without a hash behind it would pass, too: hashing must give the same
		   length. */
		struct buf got = {0};

		buf_str(&z, verifier);
		ok = hash("", buf_cstr(&z), &got) && got.n == verifier.n;
		buf_fini(&got);
	}
	buf_fini(&z);
	return ok;
}

static bool
is_plain(struct str verifier)
{
	return str_has_prefix(verifier, STR(AUTH_PLAIN_PREFIX));
}

static bool
verify_plain(struct str clear, struct str verifier)
{
	struct str password = {verifier.p + sizeof(AUTH_PLAIN_PREFIX) - 1,
	    verifier.n - (sizeof(AUTH_PLAIN_PREFIX) - 1)};
	struct buf prepared = {0};
	bool ok = prepare(password, &prepared) && sasl_secret_equal(clear, buf_as_str(&prepared));

	buf_wipe_fini(&prepared);
	return ok;
}

static bool
verify_crypt(struct str clear, struct str verifier)
{
	struct buf setting = {0}, got = {0};
	bool ok;

	buf_str(&setting, verifier);
	ok = hash(clear.p, buf_cstr(&setting), &got) &&
	     sasl_secret_equal(buf_as_str(&got), verifier);
	buf_wipe_fini(&got);
	buf_wipe_fini(&setting);
	return ok;
}

static bool
verify_scram(struct str clear, struct str verifier)
{
	struct sasl_scram_keys keys;
	bool ok = sasl_scram_keys_parse(verifier, &keys) && sasl_scram_keys_verify(&keys, clear);

	mem_wipe(&keys, sizeof(keys));
	return ok;
}

bool
auth_password_verify(struct str password, const struct auth_user *user)
{
	struct buf clear = {0};
	struct str verifier = STR_NONE;
	bool ok;

	for (size_t i = 0; i < user->verifier_count; i++)
		if (str_has_prefix(user->verifiers[i], STR(AUTH_DIGEST_PREFIX)))
			continue; /* for that mechanism only */
		else if (verifier.p == NULL ||
		         (is_scram(verifier) && !is_scram(user->verifiers[i])))
			verifier = user->verifiers[i];
	if (verifier.p == NULL || !prepare(password, &clear)) {
		buf_wipe_fini(&clear);
		return auth_password_pretend(password);
	}
	buf_cstr(&clear);
	ok = is_plain(verifier)   ? verify_plain(buf_as_str(&clear), verifier)
	     : is_scram(verifier) ? verify_scram(buf_as_str(&clear), verifier)
	                          : verify_crypt(buf_as_str(&clear), verifier);
	buf_wipe_fini(&clear);
	return ok;
}

bool
auth_password_pretend(struct str password)
{
	struct buf clear = {0}, got = {0};

	if (!prepare(password, &clear))
		clear.n = 0;
	hash(buf_cstr(&clear), pretended, &got);
	buf_fini(&got);
	buf_wipe_fini(&clear);
	return false;
}
