/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/password.h"
#include "auth/user/user.h"

static void
test_glob(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool want;
	} rows[] = {
	    {"*", "", true},
	    {"*", "anna@site.example", true},
	    {"", "", true},
	    {"", "a", false},
	    {"anna", "anna", true},
	    {"anna", "annab", false},
	    {"anna", "ann", false},
	    {"*@site.example", "anna@site.example", true},
	    {"*@site.example", "anna@site.example.evil", false},
	    {"*@site.example", "site.example", false},
	    {"vm-*-*", "vm-1-2", true},
	    {"vm-*-*", "vm-1", false},
	    {"a*a*a", "aa", false},
	    {"a*a*a", "aaa", true},
	    {"**a**", "bab", true},
	    {"*ab", "aab", true},
	    {"*ab*ab", "abxab", true},
	    {"*ab*ab", "ab", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (auth_glob(str_of(rows[i].pattern), str_of(rows[i].name)) != rows[i].want)
			fail_msg("%s on %s", rows[i].pattern, rows[i].name);
}

static void
print_sample(struct buf *out)
{
	const struct str verifiers[] = {STR("$y$x"), STR("SCRAM-SHA-256$…")};
	const struct str patterns[] = {STR("*@site.example"), STR("anna"), STR("b*")};
	const struct auth_user user = {.name = STR("gate"),
	    .flags = AUTH_USER_ADMIN,
	    .stamp = UINT64_MAX - 5,
	    .created = -1,
	    .changed = 1700000000,
	    .verifiers = verifiers,
	    .verifier_count = 2,
	    .acts_for = patterns,
	    .acts_for_count = 3};

	auth_user_print(&user, out);
}

static void
test_round_trip(void **state)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	struct buf b = {0};
	struct auth_user u;

	(void)state;
	print_sample(&b);
	assert_true(auth_user_parse(STR("gate"), buf_as_str(&b), arena, &u));
	assert_true(str_eq(u.name, STR("gate")));
	assert_int_equal(u.flags, AUTH_USER_ADMIN);
	assert_true(u.stamp == UINT64_MAX - 5);
	assert_true(u.created == -1 && u.changed == 1700000000);
	assert_int_equal(u.verifier_count, 2);
	assert_true(str_eq(u.verifiers[1], STR("SCRAM-SHA-256$…")));
	assert_int_equal(u.acts_for_count, 3);
	assert_true(auth_user_acts_for(&u, STR("x@site.example")));
	assert_true(auth_user_acts_for(&u, STR("anna")));
	assert_true(auth_user_acts_for(&u, STR("b")));
	assert_false(auth_user_acts_for(&u, STR("gate")));
	buf_fini(&b);
	arena_free(&arena);
}

static void
test_broken_records(void **state)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	struct buf b = {0};
	struct auth_user u;

	(void)state;
	print_sample(&b);
	for (size_t n = 0; n < b.n; n++)
		assert_false(auth_user_parse(STR("gate"), (struct str){b.p, n}, arena, &u));
	buf_putc(&b, 0);
	assert_false(auth_user_parse(STR("gate"), buf_as_str(&b), arena, &u));
	b.n--;
	b.p[0] = 2;
	assert_false(auth_user_parse(STR("gate"), buf_as_str(&b), arena, &u));
	b.p[0] = 1;
	/* An impossible number of verifiers. */
	b.p[26] = 100;
	assert_false(auth_user_parse(STR("gate"), buf_as_str(&b), arena, &u));
	buf_fini(&b);
	arena_free(&arena);
}

static void
test_passwords(void **state)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	struct auth_user u = {.name = STR("anna")}, scram = {.name = STR("anna")};
	const struct auth_hashing hashing = {AUTH_SCHEME_YESCRYPT, 0};
	char longest[512];

	(void)state;
	assert_null(auth_password_make(STR("quiet water"), &hashing, arena, &u));
	assert_int_equal(u.verifier_count, 3);
	assert_true(str_has_prefix(u.verifiers[0], STR("$y$")));
	assert_true(str_has_prefix(u.verifiers[1], STR("SCRAM-SHA-256$")));
	assert_true(auth_verifier_ok(u.verifiers[0]));
	assert_true(auth_verifier_ok(u.verifiers[1]));
	assert_true(str_has_prefix(u.verifiers[2], STR("SCRAM-SHA-1$")));
	assert_true(auth_verifier_ok(u.verifiers[2]));
	assert_true(auth_password_verify(STR("quiet water"), &hashing, &u));
	/* RFC 8265 section 4.2: every space becomes U+0020. */
	assert_true(auth_password_verify(STR("quiet\u00a0water"), &hashing, &u));
	assert_false(auth_password_verify(STR("quiet wateR"), &hashing, &u));
	assert_false(auth_password_verify(STR("quiet"), &hashing, &u));
	assert_false(auth_password_verify(STR(""), &hashing, &u));
	assert_false(auth_password_verify(STR("quiet water\0"), &hashing, &u));
	scram.verifiers = &u.verifiers[1];
	scram.verifier_count = 1;
	assert_true(auth_password_verify(STR("quiet water"), &hashing, &scram));
	assert_false(auth_password_verify(STR("quiet  water"), &hashing, &scram));
	scram.verifier_count = 0;
	assert_false(auth_password_verify(STR("quiet water"), &hashing, &scram));
	assert_false(auth_password_pretend(STR("quiet water"), &hashing));

	memset(longest, 'p', sizeof(longest));
	assert_non_null(auth_password_make((struct str){longest, 512}, &hashing, arena, &scram));
	assert_null(auth_password_make((struct str){longest, 511}, &hashing, arena, &scram));
	assert_true(auth_password_verify((struct str){longest, 511}, &hashing, &scram));
	assert_non_null(auth_password_make(STR(""), &hashing, arena, &scram));
	assert_non_null(auth_password_make(STR("a\tb"), &hashing, arena, &scram));
	arena_free(&arena);
}

static void
test_bad_verifiers(void **state)
{
	(void)state;
	assert_false(auth_verifier_ok(STR("")));
	assert_false(auth_verifier_ok(STR("plain")));
	assert_false(auth_verifier_ok(STR("$nosuch$abc$def")));
	assert_false(auth_verifier_ok(STR("$y$j9T$abcdefghijkl")));
	assert_false(auth_verifier_ok(STR("SCRAM-SHA-256$1:x$y:z")));
	assert_false(auth_verifier_ok(STR("*0")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_glob),
	    cmocka_unit_test(test_round_trip), cmocka_unit_test(test_broken_records),
	    cmocka_unit_test(test_passwords), cmocka_unit_test(test_bad_verifiers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
