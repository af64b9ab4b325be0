/* SPDX-License-Identifier: Apache-2.0 */
/* See digest.h. */
#include "auth/digest.h"

#include <string.h>

#include "auth/auth_int.h"
#include "auth/db.h"
#include "auth/password.h"
#include "base/ascii.h"
#include "base/mem.h"
#include "sasl/cyrus.h"
#include "sasl/names.h"

enum { SECRET = 16 };

void
auth_digest_realm(struct str default_domain, struct buf *out)
{
	struct buf name = {0};
	struct str local, domain;

	if (default_domain.n > 0 && sasl_name_full(STR("x"), default_domain, &name) &&
	    sasl_name_split(buf_as_str(&name), &local, &domain))
		buf_str(out, domain);
	else
		buf_puts(out, "turnstone");
	buf_fini(&name);
}

static struct str
verifier(struct str name, struct str realm, struct str password, struct arena *arena)
{
	unsigned char secret[SECRET];
	struct buf text = {0};
	struct str s;

	sasl_digest_md5_secret(name, realm, password, secret);
	(void)buf_room(&text, AUTH_VERIFIER_LEN_MAX);
	buf_puts(&text, AUTH_DIGEST_PREFIX);
	buf_str(&text, name);
	buf_putc(&text, ':');
	buf_str(&text, realm);
	buf_putc(&text, ':');
	buf_hex(&text, secret, SECRET);
	s = arena_str(arena, buf_as_str(&text));
	mem_wipe(secret, sizeof(secret));
	buf_wipe_fini(&text);
	return s;
}

const char *
auth_digest_add(
    struct str default_domain, struct str password, struct arena *arena, struct auth_user *user)
{
	struct str *list = arena_array(arena, user->verifier_count + 2, sizeof(*list));
	struct buf realm = {0}, clear = {0};
	struct str local, domain;
	size_t n = user->verifier_count;
	const char *why = NULL;

	auth_digest_realm(default_domain, &realm);
	if (!sasl_password_prepare(password, &clear))
		why = "for DIGEST-MD5 the password itself is needed, not its hash";
	else if (user->name.n + realm.n + 2 * SECRET + sizeof(AUTH_DIGEST_PREFIX) + 2 >
	         AUTH_VERIFIER_LEN_MAX)
		why = "the name is too long for DIGEST-MD5";
	if (why == NULL) {
		if (n > 0)
			memcpy(list, user->verifiers, n * sizeof(*list));
		list[n++] = verifier(user->name, buf_as_str(&realm), buf_as_str(&clear), arena);
		if (sasl_name_split(user->name, &local, &domain) && domain.n > 0 &&
		    str_eq(domain, buf_as_str(&realm)))
			list[n++] = verifier(local, buf_as_str(&realm), buf_as_str(&clear), arena);
		user->verifiers = list;
		user->verifier_count = n;
	}
	buf_fini(&realm);
	buf_wipe_fini(&clear);
	return why;
}

/* Whether the verifier begins with head ("{DIGEST-MD5}NAME:REALM:"). */
static bool
parse(struct str text, struct str head, unsigned char secret_r[SECRET])
{
	if (text.n != head.n + 2 * SECRET || memcmp(text.p, head.p, head.n) != 0)
		return false;
	for (size_t i = 0; i < SECRET; i++) {
		int high = ascii_hex(text.p[head.n + 2 * i]),
		    low = ascii_hex(text.p[head.n + 2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		secret_r[i] = (unsigned char)(high * 16 + low);
	}
	return true;
}

enum auth_result
auth_digest_secret(
    struct auth *auth, struct str name, unsigned char secret_r[16], uint64_t *stamp_r)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct buf head = {0};
	struct auth_user user = {0};
	bool found = false;
	enum ts_err err;

	arena_wipe_on_free(arena);
	err = auth_find_user(auth, name, arena, &user);
	buf_puts(&head, AUTH_DIGEST_PREFIX);
	buf_str(&head, name);
	buf_putc(&head, ':');
	auth_digest_realm(buf_as_str(&auth->default_domain), &head);
	buf_putc(&head, ':');
	for (size_t i = 0; err == TS_OK && !found && i < user.verifier_count; i++)
		found = parse(user.verifiers[i], buf_as_str(&head), secret_r);
	*stamp_r = user.stamp;
	buf_fini(&head);
	arena_free(&arena);
	if (err != TS_OK && err != TS_NOT_FOUND)
		return AUTH_UNAVAILABLE;
	return found ? AUTH_OK : AUTH_FAILED;
}
