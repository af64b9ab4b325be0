/* SPDX-License-Identifier: Apache-2.0 */
/* Password hashes: every scheme, made, verified, measured and bounded; names in patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/password.h"
#include "auth/user/hashing.h"
#include "auth/user/pattern.h"
#include "base/err.h"

static struct str
make(const struct auth_hashing *h, struct buf *out)
{
	out->n = 0;
	assert_true(auth_hash_make("blue sea", h, out));
	return buf_as_str(out);
}

static void
test_schemes(void **state)
{
	static const struct {
		struct auth_hashing cheap, dear;
		const char *prefix;
	} all[] = {
	    {{AUTH_SCHEME_YESCRYPT, 1}, {AUTH_SCHEME_YESCRYPT, 3}, "$y$"},
	    {{AUTH_SCHEME_BCRYPT, 4}, {AUTH_SCHEME_BCRYPT, 5}, "$2b$"},
	    {{AUTH_SCHEME_SHA512, 1000}, {AUTH_SCHEME_SHA512, 6000}, "$6$"},
	    {{AUTH_SCHEME_SHA256, 1000}, {AUTH_SCHEME_SHA256, 6000}, "$5$"},
	    {{AUTH_SCHEME_ARGON2ID, 8}, {AUTH_SCHEME_ARGON2ID, 9}, "$argon2id$"},
	    {{AUTH_SCHEME_ARGON2I, 8}, {AUTH_SCHEME_ARGON2I, 9}, "$argon2i$"},
	};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct str hash = make(&all[i].cheap, &b);

		assert_true(str_has_prefix(hash, str_of(all[i].prefix)));
		assert_true(auth_hash_plausible(hash));
		assert_true(auth_hash_is_whole(hash));
		assert_true(auth_verifier_ok(hash));
		assert_true(auth_hash_verify("blue sea", hash));
		assert_false(auth_hash_verify("blue se", hash));
		assert_false(auth_hash_verify("", hash));
		hash.n--;
		assert_false(auth_hash_verify("blue sea", hash));
		hash.n++;
		/* Compared with the setting: the same, a more expensive one, another method. */
		assert_false(auth_hash_is_weak(hash, &all[i].cheap));
		assert_true(auth_hash_is_weak(hash, &all[i].dear));
		hash = make(&all[i].dear, &b);
		assert_false(auth_hash_is_weak(hash, &all[i].cheap));
		assert_false(auth_hash_is_weak(hash, &all[i].dear));
	}
	buf_fini(&b);
}

static void
test_ranks(void **state)
{
	const struct auth_hashing yescrypt = {AUTH_SCHEME_YESCRYPT, 0},
	                          argon2 = {AUTH_SCHEME_ARGON2ID, 0}, sha = {AUTH_SCHEME_SHA512, 0};
	struct buf b = {0};
	struct str sha256 = make(&(struct auth_hashing){AUTH_SCHEME_SHA256, 1000}, &b);

	(void)state;
	assert_true(auth_hash_is_weak(sha256, &yescrypt));
	assert_true(auth_hash_is_weak(sha256, &argon2));
	assert_true(auth_hash_is_weak(sha256, &sha));
	/* Of equal or higher rank: whoever has it keeps it. */
	make(&(struct auth_hashing){AUTH_SCHEME_YESCRYPT, 1}, &b);
	assert_false(auth_hash_is_weak(buf_as_str(&b), &argon2));
	assert_false(auth_hash_is_weak(buf_as_str(&b), &sha));
	/* Something that is not a comparable hash is not weak. */
	assert_false(auth_hash_is_weak(STR("SCRAM-SHA-256$4096:YQ==$YQ==:YQ=="), &yescrypt));
	assert_false(auth_hash_is_weak(STR("{PLAIN}x"), &yescrypt));
	/* The default costs are those of the setting. */
	make(&yescrypt, &b);
	assert_false(auth_hash_is_weak(buf_as_str(&b), &yescrypt));
	make(&argon2, &b);
	assert_false(auth_hash_is_weak(buf_as_str(&b), &argon2));
	buf_fini(&b);
}

static void
test_bounds(void **state)
{
	static const char *const bad[] = {
	    "$y$jFT$abcdefghijklmnop$abcdefghijklmnopqrstuvwxyz", /* a gigabyte */
	    "$y$zzz$abcdefghijklmnop$a",
	    "$y$j9$abcdefghijklmnop$a",
	    "$y$",
	    "$7$ZU..../....abc$abc",
	    "$7$",
	    "$2b$31$abcdefghijklmnopqrstuuAbcdefghijklmnopqrstuvwxyzabcdefg",
	    "$2b$99$",
	    "$2b$10$tooshort",
	    "$5$rounds=999999999$abc$abc",
	    "$6$rounds=5000001$abc$abc",
	    "$6$rounds=$abc$abc",
	    "$argon2id$v=19$m=4194304,t=3,p=4$c29tZXNhbHQ$aaaaaaaaaaaaaaaaaaaaaaaa",
	    "$argon2id$v=19$m=65536,t=3000,p=4$c29tZXNhbHQ$aaaaaaaaaaaaaaaaaaaaaa",
	    "$argon2id$v=19$m=65536,t=3,p=400$c29tZXNhbHQ$aaaaaaaaaaaaaaaaaaaaaaa",
	    "$argon2id$v=21$m=65536,t=3,p=4$c29tZXNhbHQ$aaaaaaaaaaaaaaaaaaaaaaaaa",
	    "$argon2id$m=65536",
	    "$argon2d$v=19$m=64,t=3,p=4$c29tZXNhbHQ$aaaaaaaaaaaaaaaaaaaaaaaa",
	    "$nosuch$abc$abc",
	    "abJnggxhB/yWI",                      /* DES */
	    "$1$saltsalt$abcdefghijklmnopqrstuv", /* MD5 */
	    "",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (auth_hash_plausible(str_of(bad[i])))
			fail_msg("%s was taken", bad[i]);
	/* A setting without a hash. */
	assert_false(auth_verifier_ok(STR("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ")));
	assert_false(auth_verifier_ok(STR("$y$j75$abcdefghijklmnop")));
	for (int scheme = 0; scheme < AUTH_SCHEMES; scheme++) {
		struct auth_hashing h = {(enum auth_scheme)scheme, 0};

		assert_null(auth_hashing_fault(&h));
		h.cost = 5000001;
		assert_non_null(auth_hashing_fault(&h));
		h.cost = 1;
		if (scheme != AUTH_SCHEME_YESCRYPT)
			assert_non_null(auth_hashing_fault(&h));
	}
}

static void
test_long_passwords(void **state)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	const struct auth_hashing bcrypt = {AUTH_SCHEME_BCRYPT, 4};
	struct auth_user user = {0};
	char text[73];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_null(auth_password_make((struct str){text, 72}, &bcrypt, arena, &user));
	assert_non_null(auth_password_make((struct str){text, 73}, &bcrypt, arena, &user));
	arena_free(&arena);
}

static void
test_renewal(void **state)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	const struct auth_hashing old = {AUTH_SCHEME_SHA256, 1000}, now = {AUTH_SCHEME_YESCRYPT, 1};
	struct auth_user user = {0};
	struct str keys[2];

	(void)state;
	assert_null(auth_password_make(STR("blue sea"), &old, arena, &user));
	keys[0] = user.verifiers[1];
	keys[1] = user.verifiers[2];
	assert_true(auth_password_is_weak(&user, &now));
	assert_true(auth_password_renew(STR("blue sea"), &now, arena, &user));
	assert_false(auth_password_is_weak(&user, &now));
	assert_int_equal(user.verifier_count, 3);
	assert_true(str_has_prefix(user.verifiers[0], STR("$y$")));
	assert_true(str_eq(user.verifiers[1], keys[0]) && str_eq(user.verifiers[2], keys[1]));
	assert_true(auth_password_verify(STR("blue sea"), &now, &user));
	assert_false(auth_password_renew(STR("blue sea"), &now, arena, &user));
	/* Keys alone are somebody's choice. */
	user.verifiers = keys;
	user.verifier_count = 2;
	assert_false(auth_password_is_weak(&user, &now));
	assert_false(auth_password_renew(STR("blue sea"), &now, arena, &user));
	arena_free(&arena);
}

static void
escape(struct str s, struct buf *out)
{
	buf_putc(out, '<');
	buf_str(out, s);
	buf_putc(out, '>');
}

static void
check_pattern(const char *pattern, const char *name, const char *want)
{
	struct buf out = {0};

	assert_true(auth_pattern_ok(str_of(pattern)));
	auth_pattern_expand(str_of(pattern), str_of(name), escape, &out);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void
test_patterns(void **state)
{
	(void)state;
	check_pattern("(uid=%n)", "anna@site.example", "(uid=<anna>)");
	check_pattern(
	    "%u %n %d%%", "anna@site.example", "<anna@site.example> <anna> <site.example>%");
	check_pattern("%u|%n|%d|", "anna", "<anna>|<anna>|<>|");
	check_pattern("plain", "anna", "plain");
	assert_false(auth_pattern_ok(STR("%x")));
	assert_false(auth_pattern_ok(STR("100%")));
	assert_true(auth_pattern_has_domain(STR("mail=%u")));
	assert_true(auth_pattern_has_domain(STR("%%%d")));
	assert_false(auth_pattern_has_domain(STR("%n %%u")));
}

static void
test_domains(void **state)
{
	const struct str names[] = {STR("a.example"), STR("")};
	const struct conf_list none = {0}, listed = {names, 2};

	(void)state;
	assert_true(auth_domains_take(&none, STR("Site.example"), false, STR("anna@site.example")));
	assert_false(auth_domains_take(&none, STR("site.example"), false, STR("anna@b.example")));
	assert_false(auth_domains_take(&none, STR("site.example"), false, STR("anna")));
	assert_true(auth_domains_take(&none, STR(""), false, STR("anna")));
	assert_false(auth_domains_take(&none, STR(""), false, STR("anna@b.example")));
	assert_true(auth_domains_take(&none, STR(""), true, STR("anna@b.example")));
	assert_true(auth_domains_take(&listed, STR(""), true, STR("anna@a.example")));
	assert_true(auth_domains_take(&listed, STR(""), true, STR("anna")));
	assert_false(auth_domains_take(&listed, STR(""), true, STR("anna@b.example")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_schemes),
	    cmocka_unit_test(test_ranks),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_long_passwords),
	    cmocka_unit_test(test_renewal),
	    cmocka_unit_test(test_patterns),
	    cmocka_unit_test(test_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
