/* SPDX-License-Identifier: Apache-2.0 */
/* passwd-files as bytes: lines, schemes, faults, what differs between two; what the helper is
 * told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/db/passwd_file.h"
#include "auth/helper/ldap_wire.h"
#include "auth/helper/pam_wire.h"
#include "auth/password.h"

static const struct siphash_key key = {1, 2};
static const struct auth_passwd_options options = {
    .default_domain = {"site.example", 12}, .key = &key};

static struct auth_passwd *
parse(const char *text, struct buf *faults, size_t *bad_r)
{
	struct buf b = {0};
	struct auth_passwd *file;

	faults->n = 0;
	buf_puts(&b, text);
	file = auth_passwd_parse(&options, &b, faults, bad_r);
	assert_int_equal(b.n, 0);
	(void)buf_cstr(faults);
	return file;
}

#define HASH "$5$rounds=1000$saltsalt$2wb7ocFcFYZzBKnJWF.2Ys9mXKl0EnsPTL6j2U1XpU0"
#define KEYS                                                                                       \
	"SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"                          \
	"D+CSWLOshSulAsxiupA+qs2/fTE="

static void
test_lines(void **state)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	struct buf faults = {0};
	struct auth_user u;
	size_t bad;
	struct auth_passwd *file =
	    parse("# comment\n\n"
	          "Anna:" HASH "\r\n"
	          "bo@b.example:{crypt}" HASH
	          ":1:2:gecos:/home:/bin/sh:userdb_quota=1 userdb_mail=maildir:~/m\n"
	          "cara:" KEYS ":1:2:::\n"
	          "dora:{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,"
	          "D+CSWLOshSulAsxiupA+qs2/fTE=:x\n"
	          "emil:!" HASH "\n"
	          "fritz:*\n"
	          "gerd:\n"
	          "hans:{SHA256-CRYPT}" HASH,
	        &faults, &bad);

	(void)state;
	assert_string_equal(faults.p, "");
	assert_int_equal(bad, 0);
	assert_int_equal(auth_passwd_users(file), 8);
	assert_true(auth_passwd_find(file, STR("anna@site.example"), arena, &u));
	assert_true(str_eq(u.name, STR("anna@site.example")));
	assert_true(u.verifier_count == 1 && str_eq(u.verifiers[0], STR(HASH)));
	assert_true(auth_passwd_find(file, STR("bo@b.example"), arena, &u));
	assert_true(str_eq(u.verifiers[0], STR(HASH)));
	assert_false(auth_passwd_find(file, STR("bo@site.example"), arena, &u));
	assert_true(auth_passwd_find(file, STR("cara@site.example"), arena, &u));
	assert_true(str_eq(u.verifiers[0], STR(KEYS)));
	assert_true(auth_passwd_find(file, STR("dora@site.example"), arena, &u));
	assert_true(str_eq(u.verifiers[0], STR(KEYS)));
	assert_true(auth_passwd_find(file, STR("emil@site.example"), arena, &u));
	assert_true(u.flags == AUTH_USER_DISABLED && u.verifier_count == 0);
	assert_true(auth_passwd_find(file, STR("fritz@site.example"), arena, &u));
	assert_true(u.flags == AUTH_USER_DISABLED);
	assert_true(auth_passwd_find(file, STR("gerd@site.example"), arena, &u));
	assert_true(u.flags == 0 && u.verifier_count == 0);
	assert_true(auth_passwd_find(file, STR("hans@site.example"), arena, &u));
	assert_false(auth_passwd_find(file, STR("nobody@site.example"), arena, &u));
	assert_false(auth_passwd_find(file, STR(""), arena, &u));
	auth_passwd_unref(&file);
	buf_fini(&faults);
	arena_free(&arena);
}

static void
test_faults(void **state)
{
	static const struct {
		const char *line, *want;
	} all[] = {
	    {"anna", "line 1: no colon after the name\n"},
	    {"anna:" HASH "::::::userdb_quota=1 allow_nets=10.0.0.0/8",
	        "line 1: an unknown extra field, which may restrict the user\n"},
	    {"anna:!::::::nologin",
	        "line 1: an unknown extra field, which may restrict the user\n"},
	    {":" HASH, "line 1: not a valid user name\n"},
	    {"a b:" HASH, "line 1: not a valid user name\n"},
	    {"a*:" HASH, "line 1: not a valid user name\n"},
	    {"anna:x", "line 1: not a hash that can be verified here\n"},
	    {"anna:{NONE}x", "line 1: an unknown scheme\n"},
	    {"anna:{CRYPT", "line 1: a scheme is written {SCHEME}\n"},
	    {"anna:{BLF-CRYPT}" HASH, "line 1: not a hash of the named scheme\n"},
	    {"anna:{PLAIN}x",
	        "line 1: {PLAIN} is accepted only if the database has `plain = yes`\n"},
	    {"anna:{SCRAM-SHA-1}4096,a,b", "line 1: SCRAM keys are "
	                                   "ITERATIONS,SALT,STOREDKEY,SERVERKEY\n"},
	    {"anna:{SCRAM-SHA-1}1,a,b,c", "line 1: not a hash that can be verified here\n"},
	    {"anna:$argon2id$v=19$m=9999999,t=1,p=1$a$b", "line 1: not a hash that can be "
	                                                  "verified here\n"},
	    {"anna:" HASH "\nANNA@site.example:" HASH,
	        "line 2: this user already has a line: the first one counts\n"},
	    {"anna:$6$short", "line 1: the hash is cut off or damaged: no password matches it\n"},
	    {"anna:$y$j9T$abc", "line 1: the hash is cut off or damaged: no password matches it\n"},
	};
	struct buf faults = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		size_t bad;
		struct auth_passwd *file = parse(all[i].line, &faults, &bad);

		assert_string_equal(faults.p, all[i].want);
		assert_int_equal(bad, 1);
		auth_passwd_unref(&file);
	}
	buf_fini(&faults);
}

static void
test_many_faults(void **state)
{
	struct buf text = {0}, faults = {0};
	struct auth_passwd *file;
	size_t bad;

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_puts(&text, "bad\n");
	for (int i = 0; i < AUTH_PASSWD_LINE_MAX; i++)
		buf_putc(&text, 'x');
	buf_puts(&text, ":\nanna:" HASH "\n");
	file = parse(buf_cstr(&text), &faults, &bad);
	assert_int_equal(bad, 101);
	assert_int_equal(auth_passwd_users(file), 1);
	assert_non_null(strstr(faults.p, "line 20: no colon"));
	assert_null(strstr(faults.p, "line 21"));
	assert_non_null(strstr(faults.p, "and 81 more lines\n"));
	auth_passwd_unref(&file);
	buf_fini(&text);
	buf_fini(&faults);
}

static void
collect(struct str name, void *arg)
{
	buf_str(arg, name);
	buf_putc(arg, ' ');
}

static void
test_changes(void **state)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	struct buf faults = {0}, got = {0};
	struct auth_user u, v;
	size_t bad;
	struct auth_passwd *a = parse("anna:" HASH "\nbo:" HASH "\ncara:" HASH, &faults, &bad);
	struct auth_passwd *b = parse("cara:" HASH "\nanna:!" HASH "\ndora:" HASH, &faults, &bad);

	(void)state;
	auth_passwd_compare(a, b, collect, &got);
	assert_non_null(strstr(buf_cstr(&got), "anna@site.example "));
	assert_non_null(strstr(buf_cstr(&got), "bo@site.example "));
	assert_non_null(strstr(buf_cstr(&got), "dora@site.example "));
	assert_null(strstr(buf_cstr(&got), "cara"));
	/* The stamp goes with the line. */
	assert_true(auth_passwd_find(a, STR("cara@site.example"), arena, &u));
	assert_true(auth_passwd_find(b, STR("cara@site.example"), arena, &v));
	assert_true(u.stamp == v.stamp);
	assert_true(auth_passwd_find(a, STR("anna@site.example"), arena, &u));
	assert_true(auth_passwd_find(b, STR("anna@site.example"), arena, &v));
	assert_true(u.stamp != v.stamp);
	got.n = 0;
	auth_passwd_compare(a, a, collect, &got);
	assert_int_equal(got.n, 0);
	auth_passwd_unref(&a);
	auth_passwd_unref(&b);
	buf_fini(&faults);
	buf_fini(&got);
	arena_free(&arena);
}

static void
test_a_hundred_thousand(void **state)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	struct buf text = {0}, faults = {0};
	struct auth_passwd *file;
	struct auth_user u;
	size_t bad;

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_printf(&text, "user%06d:" HASH "\n", i);
	file = parse(buf_cstr(&text), &faults, &bad);
	assert_int_equal(bad, 0);
	assert_int_equal(auth_passwd_users(file), 100000);
	assert_true(auth_passwd_find(file, STR("user000000@site.example"), arena, &u));
	assert_true(auth_passwd_find(file, STR("user099999@site.example"), arena, &u));
	assert_false(auth_passwd_find(file, STR("user100000@site.example"), arena, &u));
	auth_passwd_unref(&file);
	buf_fini(&text);
	buf_fini(&faults);
	arena_free(&arena);
}

static void
test_messages(void **state)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	struct auth_pam_request p = {.service = STR("mail"),
	                            .user = STR("anna"),
	                            .password = STR("blue sea"),
	                            .address = STR("::1")},
	                        q;
	struct auth_ldap_request l = {.uris = {STR("ldap://a"), STR("ldap://b")},
	    .uri_count = 2,
	    .starttls = true,
	    .connect_ms = 3000,
	    .filter = STR("(uid=anna)"),
	    .scope = 1};
	struct auth_ldap_request m;
	struct auth_ldap_reply r = {.answer = AUTH_LDAP_OK,
	    .dn = STR("uid=anna"),
	    .passwords = {STR("{CRYPT}x")},
	    .password_count = 1};
	struct auth_ldap_reply s;
	struct buf b = {0};

	(void)state;
	auth_pam_request_print(&p, &b);
	assert_true(auth_pam_request_parse(buf_as_str(&b), arena, &q));
	assert_true(str_eq(q.password, p.password) && str_eq(q.address, p.address) && !q.look_up);
	for (size_t n = 0; n < b.n; n++)
		assert_false(auth_pam_request_parse((struct str){b.p, n}, arena, &q));
	b.p[7] = '\0'; /* inside a text */
	assert_false(auth_pam_request_parse(buf_as_str(&b), arena, &q));
	b.n = 0;
	auth_ldap_request_print(&l, &b);
	assert_true(auth_ldap_request_parse(buf_as_str(&b), arena, &m));
	assert_int_equal(m.uri_count, 2);
	assert_true(str_eq(m.uris[1], l.uris[1]) && str_eq(m.filter, l.filter) && m.starttls);
	for (size_t n = 0; n < b.n; n++)
		assert_false(auth_ldap_request_parse((struct str){b.p, n}, arena, &m));
	b.n = 0;
	auth_ldap_reply_print(&r, &b);
	assert_true(auth_ldap_reply_parse(buf_as_str(&b), arena, &s));
	assert_true(str_eq(s.passwords[0], r.passwords[0]) && str_eq(s.dn, r.dn));
	for (size_t n = 0; n < b.n; n++)
		assert_false(auth_ldap_reply_parse((struct str){b.p, n}, arena, &s));
	buf_fini(&b);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_many_faults),
	    cmocka_unit_test(test_changes),
	    cmocka_unit_test(test_a_hundred_thousand),
	    cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
