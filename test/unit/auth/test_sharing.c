/* SPDX-License-Identifier: Apache-2.0 */
/* Names of mailboxes that belong to others (auth/sharing.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/sharing.h"

static const struct auth_sharing sharing = {
    .others_prefix = {"Other Users/", 12}, .shared_prefix = {"Shared/", 7}};

static void
check_split(const char *name, bool any_case, enum auth_space space, const char *account,
    const char *mailbox)
{
	struct str a, m;

	assert_int_equal(auth_space_split(&sharing, str_of(name), any_case, &a, &m), space);
	assert_true(str_eq(a, str_of(account)));
	assert_true(str_eq(m, str_of(mailbox)));
}

static void
test_splits(void **state)
{
	(void)state;
	check_split("INBOX", false, AUTH_SPACE_PERSONAL, "", "INBOX");
	check_split("Shared", false, AUTH_SPACE_PERSONAL, "", "Shared");
	check_split("Shared/", false, AUTH_SPACE_SHARED, "", "");
	check_split("Shared/post@site.example", false, AUTH_SPACE_SHARED, "post@site.example", "");
	check_split(
	    "Shared/post@site.example/a/b", false, AUTH_SPACE_SHARED, "post@site.example", "a/b");
	check_split("Other Users/anna/INBOX", false, AUTH_SPACE_OTHERS, "anna", "INBOX");
	check_split("shared/post/x", false, AUTH_SPACE_PERSONAL, "", "shared/post/x");
	check_split("sHared/post/x", true, AUTH_SPACE_SHARED, "post", "x");
}

static void
test_names(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_true(auth_space_name(
	    &sharing, AUTH_SPACE_OTHERS, STR("anna@site.example"), STR("Plans"), &b));
	assert_true(str_eq(buf_as_str(&b), STR("Other Users/anna@site.example/Plans")));
	assert_true(!auth_space_name(&sharing, AUTH_SPACE_OTHERS, STR("a/b"), STR("Plans"), &b));
	assert_true(!auth_space_name(&(struct auth_sharing){.shared_prefix = {"Shared/", 7}},
	    AUTH_SPACE_OTHERS, STR("anna"), STR("Plans"), &b));
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_splits),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
