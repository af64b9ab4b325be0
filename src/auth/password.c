/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords are prepared (RFC 8265 OpaqueString) before they are hashed or verified.  One verifier
 * decides: a hash if there is one, otherwise SCRAM keys.  So a wrong password costs one hash, the
 * same as an unknown user.
 */
#include "auth/password.h"

#include "auth/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "sasl/names.h"
#include "sasl/scram_keys.h"

enum { BCRYPT_PASSWORD_MAX = 72 }; /* bcrypt ignores the rest */

/* Prepares a password and appends it, NUL-terminated; the caller wipes out.  False: not a valid
 * password. */
static bool
prepare_password(struct str password, struct buf *out)
{
	bool ok = sasl_password_prepare(password, out) && out->n <= AUTH_PASSWORD_MAX &&
	          memchr(out->p, 0, out->n) == NULL;

	(void)buf_cstr(out);
	return ok;
}

/* Makes the list of the hash and the SCRAM keys; returns NULL, or what is wrong. */
static const char *
make_list(struct buf *clear, const struct auth_hashing *h, struct arena *arena, struct str *list)
{
	static const enum sasl_scram_hash hashes[] = {SASL_SCRAM_SHA256, SASL_SCRAM_SHA1};
	struct sasl_scram_keys keys;
	struct buf out = {0};

	if (h->scheme == AUTH_SCHEME_BCRYPT && clear->n > BCRYPT_PASSWORD_MAX)
		return "with bcrypt a password has 72 bytes at most";
	if (!auth_hash_make(buf_cstr(clear), h, &out)) {
		buf_fini(&out);
		return "this system cannot make hashes of auth.password_scheme";
	}
	list[0] = arena_str(arena, buf_as_str(&out));
	for (size_t i = 0; i < 2; i++) {
		out.n = 0;
		sasl_scram_keys_make(hashes[i], buf_as_str(clear), AUTH_SCRAM_ITERATIONS, &keys);
		sasl_scram_keys_print(&keys, &out);
		list[i + 1] = arena_str(arena, buf_as_str(&out));
	}
	mem_wipe(&keys, sizeof(keys));
	buf_wipe_fini(&out);
	return NULL;
}

const char *
auth_password_make(
    struct str password, const struct auth_hashing *h, struct arena *arena, struct auth_user *user)
{
	struct str *list = arena_array(arena, 3, sizeof(*list));
	struct buf clear = {0};
	const char *why = prepare_password(password, &clear)
	                      ? make_list(&clear, h, arena, list)
	                      : "a password must have 1 to 511 bytes of UTF-8 text without control "
	                        "characters";

	buf_wipe_fini(&clear);
	if (why != NULL)
		return why;
	user->verifiers = list;
	user->verifier_count = 3;
	return NULL;
}

static bool
is_scram(struct str verifier)
{
	return str_has_prefix(verifier, STR("SCRAM-"));
}

static bool
is_plain(struct str verifier)
{
	return str_has_prefix(verifier, STR(AUTH_PLAIN_PREFIX));
}

/* Finds the verifier that decides; verifier_count: none. */
static size_t
deciding(const struct auth_user *user)
{
	size_t at = user->verifier_count;

	for (size_t i = user->verifier_count; i-- > 0;)
		if (str_has_prefix(user->verifiers[i], STR(AUTH_DIGEST_PREFIX)))
			continue; /* only for that mechanism */
		else if (!is_scram(user->verifiers[i]) || at == user->verifier_count)
			at = i;
	return at;
}

bool
auth_password_is_weak(const struct auth_user *user, const struct auth_hashing *h)
{
	size_t at = deciding(user);

	return at < user->verifier_count && auth_hash_is_weak(user->verifiers[at], h);
}

bool
auth_password_renew(
    struct str password, const struct auth_hashing *h, struct arena *arena, struct auth_user *user)
{
	struct str *list = arena_array(arena, user->verifier_count, sizeof(*list));
	struct buf clear = {0}, out = {0};
	bool ok = auth_password_is_weak(user, h) && prepare_password(password, &clear) &&
	          (h->scheme != AUTH_SCHEME_BCRYPT || clear.n <= BCRYPT_PASSWORD_MAX) &&
	          auth_hash_make(buf_cstr(&clear), h, &out);

	for (size_t i = 0; ok && i < user->verifier_count; i++)
		list[i] = user->verifiers[i];
	if (ok) {
		list[deciding(user)] = arena_str(arena, buf_as_str(&out));
		user->verifiers = list;
	}
	buf_wipe_fini(&clear);
	buf_wipe_fini(&out);
	return ok;
}

bool
auth_verifier_plausible(struct str verifier)
{
	struct sasl_scram_keys keys;

	if (verifier.n > AUTH_VERIFIER_LEN_MAX || verifier.n == 0)
		return false;
	if (is_scram(verifier))
		return sasl_scram_keys_parse(verifier, &keys);
	return auth_hash_plausible(verifier);
}

bool
auth_verifier_seems_whole(struct str verifier)
{
	return auth_verifier_plausible(verifier) &&
	       (is_scram(verifier) || auth_hash_seems_whole(verifier));
}

bool
auth_verifier_ok(struct str verifier)
{
	return auth_verifier_seems_whole(verifier) &&
	       (is_scram(verifier) || auth_hash_is_whole(verifier));
}

static bool
verify_plain(struct str clear, struct str verifier)
{
	struct str password = {verifier.p + sizeof(AUTH_PLAIN_PREFIX) - 1,
	    verifier.n - (sizeof(AUTH_PLAIN_PREFIX) - 1)};
	struct buf prepared = {0};
	bool ok = prepare_password(password, &prepared) &&
	          sasl_secret_equal(clear, buf_as_str(&prepared));

	buf_wipe_fini(&prepared);
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
auth_password_verify(
    struct str password, const struct auth_hashing *h, const struct auth_user *user)
{
	size_t at = deciding(user);
	struct buf clear = {0};
	struct str verifier;
	bool ok;

	if (at == user->verifier_count || !prepare_password(password, &clear)) {
		buf_wipe_fini(&clear);
		return auth_password_pretend(password, h);
	}
	verifier = user->verifiers[at];
	ok = is_plain(verifier)   ? verify_plain(buf_as_str(&clear), verifier)
	     : is_scram(verifier) ? verify_scram(buf_as_str(&clear), verifier)
	                          : auth_hash_verify(buf_cstr(&clear), verifier);
	buf_wipe_fini(&clear);
	return ok;
}

bool
auth_password_pretend(struct str password, const struct auth_hashing *h)
{
	struct buf clear = {0}, out = {0};

	if (!prepare_password(password, &clear))
		clear.n = 0;
	(void)auth_hash_make(buf_cstr(&clear), h, &out);
	buf_fini(&out);
	buf_wipe_fini(&clear);
	return false;
}
