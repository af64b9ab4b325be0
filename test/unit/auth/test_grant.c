/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/grant/grant.h"

/* ---- mailboxes */

static void
test_mailbox(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool want;
	} rows[] = {
	    {"Voicemail", "Voicemail", true},
	    {"Voicemail", "voicemail", false},
	    {"Voicemail", "Voicemail/Old", false},
	    {"Voicemail", "Voicemai", false},
	    {"Voicemail", "Voicemails", false},
	    {"Voicemail", "INBOX", false},
	    {"Voicemail/%", "Voicemail", false},
	    {"Voicemail/%", "Voicemail/Old", true},
	    {"Voicemail/%", "Voicemail/Old/1999", false},
	    {"Voicemail/*", "Voicemail/Old/1999", true},
	    {"Voicemail*", "Voicemail", true},
	    {"Voicemail*", "Voicemail/Old", true},
	    {"Voicemail*", "Archive/Voicemail", false},
	    {"%", "Voicemail", true},
	    {"%", "Voicemail/Old", false},
	    {"%", "INBOX", true},
	    {"*", "Voicemail/Old", true},
	    {"*", "INBOX", true},
	    {"%/Old", "Voicemail/Old", true},
	    {"%/Old", "a/b/Old", false},
	    {"INBOX", "INBOX", true},
	    {"INBOX", "inbox", true},
	    {"INBOX", "INBOX/Lists", false},
	    {"INBOX", "INBOXES", false},
	    {"inbox", "INBOX", true},
	    {"inbox/%", "INBOX/Lists", true},
	    {"inbox/%", "iNbOx/Lists", true},
	    {"inbox/lists", "INBOX/Lists", false},
	    {"inboxes", "INBOXES", false},
	    {"", "INBOX", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct str pattern = str_of(rows[i].pattern);
		struct auth_grant grant = {.mailboxes = &pattern, .mailbox_count = 1};

		if (auth_grant_mailbox(&grant, str_of(rows[i].name)) != rows[i].want)
			fail_msg("%s on %s", rows[i].pattern, rows[i].name);
	}
}

static void
test_mailbox_list(void **state)
{
	const struct str two[] = {STR("Voicemail"), STR("Voicemail/%")};
	struct auth_grant some = {.mailboxes = two, .mailbox_count = 2}, all = {0};

	(void)state;
	assert_true(auth_grant_mailbox(&some, STR("Voicemail")));
	assert_true(auth_grant_mailbox(&some, STR("Voicemail/Old")));
	assert_false(auth_grant_mailbox(&some, STR("INBOX")));
	assert_true(auth_grant_mailbox(&all, STR("INBOX")));
	assert_true(auth_grant_mailbox(NULL, STR("INBOX")));
}

/* ---- rights */

static void
test_rights(void **state)
{
	static const struct {
		const char *text, *want; /* want NULL: refused */
		char bad;
	} rows[] = {
	    {"lrswit", "lrswit", 0},
	    {"tiwsrl", "lrswit", 0},
	    {"ll", "l", 0},
	    {"lrswipkxtea", "lrswipkxtea", 0},
	    {"lrc", "lrkx", 0},
	    {"lrd", "lrte", 0},
	    {"lrcdkxte", "lrkxte", 0},
	    {"", NULL, 0},
	    {"lrz", NULL, 'z'},
	    {"LR", NULL, 'L'},
	    {"lr sw", NULL, ' '},
	    {"0", NULL, '0'},
	};
	struct buf out = {0};
	unsigned rights;
	char bad;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool ok = auth_rights_parse(str_of(rows[i].text), &rights, &bad);

		if (ok != (rows[i].want != NULL) || bad != rows[i].bad)
			fail_msg("%s", rows[i].text);
		out.n = 0;
		if (ok)
			auth_rights_print(rights, &out);
		if (ok && !str_eq(buf_as_str(&out), str_of(rows[i].want)))
			fail_msg("%s gave %.*s", rows[i].text, STR_ARG(buf_as_str(&out)));
	}
	assert_false(auth_rights_parse((struct str){"l\0", 2}, &rights, &bad));
	assert_true(auth_rights_parse(STR("lrswipkxtea"), &rights, &bad));
	assert_int_equal(rights, AUTH_RIGHTS_ALL);
	buf_fini(&out);
}

static void
test_allows(void **state)
{
	struct auth_grant grant = {.rights = AUTH_RIGHT_LOOKUP | AUTH_RIGHT_READ};

	(void)state;
	assert_true(auth_grant_allows(&grant, AUTH_RIGHT_READ));
	assert_false(auth_grant_allows(&grant, AUTH_RIGHT_SEEN));
	assert_false(auth_grant_allows(&grant, AUTH_RIGHT_READ | AUTH_RIGHT_SEEN));
	assert_true(auth_grant_allows(NULL, AUTH_RIGHTS_ALL));
}

/* ---- from what administrators write */

static struct auth_grant *
make(const struct auth_grant_spec *spec, const char *bad_field)
{
	struct auth_grant_fault fault = {0};
	struct auth_grant *grant =
	    auth_grant_new(AUTH_GRANT_STORE, STR("site.example"), spec, &fault);

	if (bad_field == NULL ? grant == NULL : grant != NULL)
		fail_msg("%s: %s", fault.field, buf_cstr(&fault.text));
	if (bad_field != NULL) {
		assert_string_equal(fault.field, bad_field);
		assert_true(fault.text.n > 0);
	}
	buf_fini(&fault.text);
	return grant;
}

static void
test_names(void **state)
{
	static const struct {
		const char *in, *out;
		enum auth_names_kind kind;
	} rows[] = {
	    {"Anna", "anna@site.example", AUTH_NAMES_ONE},
	    {"anna@Other.example", "anna@other.example", AUTH_NAMES_ONE},
	    {"*", "*", AUTH_NAMES_ANY},
	    {"*@Voice.example", "*@voice.example", AUTH_NAMES_DOMAIN},
	    {"vm-*", "vm-*", AUTH_NAMES_PATTERN},
	    {"*@*", "*@*", AUTH_NAMES_PATTERN},
	    {"*@", "*@", AUTH_NAMES_PATTERN},
	    {"**", "**", AUTH_NAMES_PATTERN},
	    {"group:Staff", "group:Staff", AUTH_NAMES_GROUP},
	    {"Group:Staff", "group:Staff", AUTH_NAMES_GROUP},
	    {"\xef\xbd\x87roup:staff", NULL, 0}, /* a wide g */
	    {"", NULL, 0},
	    {"a b", NULL, 0},
	    {"a@b@c", NULL, 0},
	    {"group:", NULL, 0},
	    {"group:a b", NULL, 0},
	    {"group:a,b", NULL, 0},
	    {"group:a:b", NULL, 0},
	};
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 256);
	struct auth_names names;
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool ok = auth_names_parse(str_of(rows[i].in), STR("site.example"), arena, &names);

		if (ok != (rows[i].out != NULL) || (ok && names.kind != rows[i].kind))
			fail_msg("%s", rows[i].in);
		out.n = 0;
		if (ok)
			auth_names_print(&names, &out);
		if (ok && !str_eq(buf_as_str(&out), str_of(rows[i].out)))
			fail_msg("%s gave %s", rows[i].in, buf_cstr(&out));
	}
	buf_fini(&out);
	arena_free(&arena);
}

/* An administrator or an older record may write e and U+0301, where names of mailboxes have the
 * single letter. */
static void
test_spelling(void **state)
{
	const struct str mailboxes[] = {STR("Cafe\xcc\x81/*")};
	const struct auth_grant_spec spec = {.name = STR("g"),
	    .who = STR("gateway"),
	    .target = STR("*"),
	    .mailboxes = mailboxes,
	    .mailbox_count = 1};
	struct auth_grant *grant = make(&spec, NULL), *again;
	struct auth_grant old = *grant;
	struct buf record = {0};

	(void)state;
	assert_true(auth_grant_mailbox(grant, STR("Caf\xc3\xa9/x")));
	old.mailboxes = mailboxes;
	auth_grant_print(&old, &record);
	again = auth_grant_parse(STR("g"), buf_as_str(&record));
	assert_non_null(again);
	assert_true(auth_grant_mailbox(again, STR("Caf\xc3\xa9/x")));
	assert_true(auth_grant_same(grant, again));
	buf_fini(&record);
	auth_grant_unref(&again);
	auth_grant_unref(&grant);
}

static void
test_make(void **state)
{
	const struct str mailboxes[] = {STR("Voicemail"), STR("Voicemail/%")};
	const struct str from[] = {STR("10.0.0.0/8"), STR("::1"), STR("unix")};
	const struct str bad_mailbox[] = {STR("a\tb")}, none[] = {STR("")};
	const struct str bad_from[] = {STR("10.0.0.1/8")};
	const struct str no_levels[] = {STR("a//b"), STR("/a"), STR("a/"), STR("/"), STR("*//b")};
	const struct auth_grant_spec good = {.name = STR("voice-1"),
	    .who = STR("gateway"),
	    .target = STR("*@voice.example"),
	    .mailboxes = mailboxes,
	    .mailbox_count = 2,
	    .rights = STR("lrswit"),
	    .from = from,
	    .from_count = 3,
	    .until = STR("2027-01-01")};
	struct auth_grant_spec spec = good;
	struct auth_grant *grant = make(&good, NULL);

	(void)state;
	assert_int_equal(grant->until, 1798848000);
	assert_int_equal(grant->rights, AUTH_RIGHT_LOOKUP | AUTH_RIGHT_READ | AUTH_RIGHT_SEEN |
	                                    AUTH_RIGHT_WRITE | AUTH_RIGHT_INSERT |
	                                    AUTH_RIGHT_DELETED);
	assert_int_equal(grant->mailbox_count, 2);
	assert_int_equal(grant->from_count, 3);
	auth_grant_unref(&grant);

	spec = (struct auth_grant_spec){.name = good.name, .who = good.who, .target = good.target};
	grant = make(&spec, NULL);
	assert_int_equal(grant->rights, AUTH_RIGHTS_ALL);
	assert_true(grant->until == AUTH_GRANT_FOR_GOOD);
	auth_grant_unref(&grant);

#define BAD(field_, name_, value_)                                                                 \
	spec = good;                                                                               \
	spec.field_ = value_;                                                                      \
	make(&spec, name_)
	BAD(name, "name", STR(""));
	BAD(name, "name", STR("acts-for"));
	BAD(name, "name", STR("a b"));
	BAD(name, "name", STR("-a"));
	BAD(name, "name", STR("a/b"));
	BAD(name, "name", STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	BAD(who, "who", STR(""));
	BAD(target, "for", STR("a b"));
	BAD(rights, "rights", STR("lrq"));
	BAD(until, "until", STR("tomorrow"));
	BAD(mailboxes, "mailboxes", bad_mailbox);
	BAD(mailboxes, "mailboxes", none);
	for (size_t i = 0; i < sizeof(no_levels) / sizeof(*no_levels); i++) {
		spec = good;
		spec.mailboxes = &no_levels[i];
		spec.mailbox_count = 1;
		make(&spec, "mailboxes");
	}
	BAD(from, "from", bad_from);
	BAD(mailbox_count, "mailboxes", AUTH_GRANT_ITEMS_MAX + 1);
	BAD(from_count, "from", AUTH_GRANT_ITEMS_MAX + 1);
}

static void
test_until(void **state)
{
	static const struct {
		const char *text, *want; /* want NULL: refused */
	} rows[] = {
	    {"2027-01-01", "2027-01-02T00:00:00Z"},
	    {"2024-02-29", "2024-03-01T00:00:00Z"},
	    {"2027-12-31", "2028-01-01T00:00:00Z"},
	    {"2027-01-01T12:30", "2027-01-01T12:30:00Z"},
	    {"2027-01-01 12:30", "2027-01-01T12:30:00Z"},
	    {"2027-01-01T12:30Z", "2027-01-01T12:30:00Z"},
	    {"2027-01-01t12:30:59z", "2027-01-01T12:30:59Z"},
	    {"2027-01-01T00:30+02:00", "2026-12-31T22:30:00Z"},
	    {"2027-01-01T23:30:00-01:30", "2027-01-02T01:00:00Z"},
	    {"2023-02-29", NULL},
	    {"1900-02-29", NULL},
	    {"2027-13-01", NULL},
	    {"2027-00-01", NULL},
	    {"2027-01-00", NULL},
	    {"2027-1-1", NULL},
	    {"2027-01-01T", NULL},
	    {"2027-01-01T24:00", NULL},
	    {"2027-01-01T12:60", NULL},
	    {"2027-01-01T12:30:60", NULL},
	    {"2027-01-01T12", NULL},
	    {"2027-01-01T12:30+2", NULL},
	    {"2027-01-01T12:30+02:60", NULL},
	    {"2027-01-01T12:30ZZ", NULL},
	    {"2027-01-01x", NULL},
	    {" 2027-01-01", NULL},
	    {"+027-01-01", NULL},
	    {"", NULL},
	};
	struct buf out = {0};
	int64_t until;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool ok = auth_until_parse(str_of(rows[i].text), &until);

		if (ok != (rows[i].want != NULL))
			fail_msg("%s", rows[i].text);
		out.n = 0;
		if (ok)
			auth_until_print(until, &out);
		if (ok && !str_eq(buf_as_str(&out), str_of(rows[i].want)))
			fail_msg("%s gave %s", rows[i].text, buf_cstr(&out));
	}
	assert_false(auth_until_parse((struct str){"2027-01-01\0", 11}, &until));
	buf_fini(&out);
}

/* ---- records */

static void
test_record(void **state)
{
	const struct str mailboxes[] = {STR("Voicemail"), STR("Gr\xc3\xbc\xc3\x9f"
	                                                      "e")};
	const struct str from[] = {STR("10.0.0.0/8"), STR("2001:db8::/32"), STR("unix")};
	struct auth_grant_spec spec = {.name = STR("a"),
	    .who = STR("group:gateways"),
	    .target = STR("*@voice.example"),
	    .mailboxes = mailboxes,
	    .mailbox_count = 2,
	    .rights = STR("lrd"),
	    .from = from,
	    .from_count = 3,
	    .until = STR("2027-01-01T01:02:03Z")};
	static const char *const whos[] = {
	    "group:gateways", "gateway", "*", "*@voice.example", "gw-*"};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct auth_grant *grant, *again;
		struct buf out = {0}, broken = {0};

		spec.who = str_of(whos[i]);
		grant = make(&spec, NULL);
		grant->made = 1700000000123456789;
		auth_grant_print(grant, &out);
		again = auth_grant_parse(STR("a"), buf_as_str(&out));
		assert_non_null(again);
		assert_true(auth_grant_same(grant, again));
		assert_true(again->made == grant->made);
		auth_grant_unref(&again);
		assert_null(auth_grant_parse(STR("a b"), buf_as_str(&out)));
		for (size_t n = 0; n < out.n; n++)
			assert_null(auth_grant_parse(STR("a"), (struct str){out.p, n}));
		buf_str(&broken, buf_as_str(&out));
		buf_putc(&broken, 0);
		assert_null(auth_grant_parse(STR("a"), buf_as_str(&broken)));
		broken.n--;
		broken.p[0] = 2; /* a later format */
		assert_null(auth_grant_parse(STR("a"), buf_as_str(&broken)));
		broken.p[0] = 1;
		memset(broken.p + 17, 0, 4); /* no rights at all */
		assert_null(auth_grant_parse(STR("a"), buf_as_str(&broken)));
		broken.p[19] = 0x10; /* an unknown right */
		assert_null(auth_grant_parse(STR("a"), buf_as_str(&broken)));
		auth_grant_unref(&grant);
		buf_fini(&broken);
		buf_fini(&out);
	}
}

static void
test_same(void **state)
{
	const struct str mailboxes[] = {STR("A"), STR("B")}, others[] = {STR("A"), STR("C")};
	const struct str from[] = {STR("10.0.0.0/8")}, elsewhere[] = {STR("10.0.0.0/9")};
	const struct auth_grant_spec spec = {.name = STR("a"),
	    .who = STR("x"),
	    .target = STR("y"),
	    .mailboxes = mailboxes,
	    .mailbox_count = 2,
	    .from = from,
	    .from_count = 1};
	struct auth_grant_spec other[8];
	struct auth_grant *grant = make(&spec, NULL), *g = make(&spec, NULL);

	(void)state;
	assert_true(auth_grant_same(grant, g));
	auth_grant_unref(&g);
	for (size_t i = 0; i < 8; i++)
		other[i] = spec;
	other[0].name = STR("b");
	other[1].who = STR("x@else.example");
	other[2].target = STR("*");
	other[3].mailboxes = others;
	other[4].mailbox_count = 1;
	other[5].rights = STR("lr");
	other[6].from = elsewhere;
	other[7].until = STR("2027-01-01");
	for (size_t i = 0; i < 8; i++) {
		g = make(&other[i], NULL);
		if (auth_grant_same(grant, g))
			fail_msg("%zu", i);
		auth_grant_unref(&g);
	}
	auth_grant_unref(&grant);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mailbox),
	    cmocka_unit_test(test_mailbox_list),
	    cmocka_unit_test(test_rights),
	    cmocka_unit_test(test_allows),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_spelling),
	    cmocka_unit_test(test_make),
	    cmocka_unit_test(test_until),
	    cmocka_unit_test(test_record),
	    cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
