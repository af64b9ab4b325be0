/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/grant.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mailbox),
	    cmocka_unit_test(test_mailbox_list),
	    cmocka_unit_test(test_rights),
	    cmocka_unit_test(test_allows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
