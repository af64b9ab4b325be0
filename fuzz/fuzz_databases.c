/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input of user databases: passwd-files, hashes, messages between the server and its helper,
 * patterns.  What was accepted must be found again, and messages must stay the same when printed
 * and parsed again.
 */
#include "auth/db/passwd_file.h"
#include "auth/helper/ldap_wire.h"
#include "auth/helper/pam_wire.h"
#include "auth/password.h"
#include "auth/user/pattern.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pair {
	const struct auth_passwd *file;
	struct arena *arena;
};

static void
find_again(struct str name, void *arg)
{
	const struct pair *pair = arg;
	struct auth_user user;

	TS_ASSERT(auth_passwd_find(pair->file, name, pair->arena, &user));
	TS_ASSERT(user.verifier_count <= 1);
}

static void
passwd(struct str in, struct arena *arena, bool plain)
{
	static const struct siphash_key key = {3, 4};
	struct auth_passwd_options opt = {
	    .default_domain = STR("site.example"), .key = &key, .plain = plain};
	struct buf text = {0}, faults = {0};
	struct auth_passwd *none, *file;
	struct pair pair = {.arena = arena};
	size_t bad;

	none = auth_passwd_parse(&opt, &text, &faults, &bad);
	buf_str(&text, in);
	file = auth_passwd_parse(&opt, &text, &faults, &bad);
	TS_ASSERT((faults.n > 0) == (bad > 0));
	pair.file = file;
	auth_passwd_compare(none, file, find_again, &pair);
	auth_passwd_unref(&none);
	auth_passwd_unref(&file);
	buf_fini(&faults);
}

static void
messages(struct str in, struct arena *arena)
{
	struct auth_pam_request pam;
	struct auth_ldap_request ldap;
	struct auth_ldap_reply reply;
	struct buf out = {0};

	/* A number may have leading zeros, so what is printed is parsed again. */
	if (auth_pam_request_parse(in, arena, &pam)) {
		auth_pam_request_print(&pam, &out);
		TS_ASSERT(auth_pam_request_parse(buf_as_str(&out), arena, &pam));
	}
	out.n = 0;
	if (auth_ldap_request_parse(in, arena, &ldap)) {
		auth_ldap_request_print(&ldap, &out);
		TS_ASSERT(auth_ldap_request_parse(buf_as_str(&out), arena, &ldap));
		TS_ASSERT(auth_ldap_request_server(buf_as_str(&out)).n > 0);
	}
	out.n = 0;
	if (auth_ldap_reply_parse(in, arena, &reply)) {
		auth_ldap_reply_print(&reply, &out);
		TS_ASSERT(auth_ldap_reply_parse(buf_as_str(&out), arena, &reply));
	}
	buf_fini(&out);
}

static void
texts(struct str in, struct arena *arena)
{
	static const struct auth_hashing choice = {AUTH_SCHEME_YESCRYPT, 0};
	static const struct conf_list none = {0};
	struct buf out = {0};

	(void)arena;
	if (auth_hash_plausible(in))
		(void)auth_hash_is_weak(in, &choice);
	(void)auth_hash_name(in);
	if (auth_pattern_ok(in)) {
		auth_pattern_expand(in, STR("anna@site.example"), NULL, &out);
		(void)auth_pattern_has_domain(in);
	}
	(void)auth_domains_take(&none, STR("site.example"), false, in);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	struct str in;

	if (size > 0) {
		in = (struct str){(const char *)data + 1, size - 1};
		switch (data[0] % 4) {
		case 0:
		case 1:
			passwd(in, arena, data[0] % 4 == 1);
			break;
		case 2:
			messages(in, arena);
			break;
		default:
			texts(in, arena);
		}
	}
	arena_free(&arena);
	return 0;
}
