/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/grant/groups.h"

static struct auth_groups *
parse(const char *text, struct buf *faults)
{
	return auth_groups_parse(str_of(text), "groups", STR("site.example"), faults);
}

static void
test_members(void **state)
{
	struct buf faults = {0};
	struct auth_groups *g = parse("# who may\n"
	                              "\n"
	                              "gateways:x:2001:gateway,Spare@Voice.example\r\n"
	                              "staff::2002:anna, boris,,anna,\n"
	                              "empty:x:2003:\n"
	                              "short:x:2004\n"
	                              "staff:x:2002:carla",
	    &faults);
	const struct str *list;

	(void)state;
	assert_int_equal(faults.n, 0);
	assert_non_null(g);
	assert_true(auth_groups_has(g, STR("gateways"), STR("gateway@site.example")));
	assert_true(auth_groups_has(g, STR("gateways"), STR("spare@voice.example")));
	assert_false(auth_groups_has(g, STR("gateways"), STR("spare@site.example")));
	assert_false(auth_groups_has(g, STR("gateways"), STR("gateway")));
	assert_false(auth_groups_has(g, STR("Gateways"), STR("gateway@site.example")));
	assert_true(auth_groups_has(g, STR("staff"), STR("anna@site.example")));
	assert_true(auth_groups_has(g, STR("staff"), STR("boris@site.example")));
	assert_true(auth_groups_has(g, STR("staff"), STR("carla@site.example")));
	assert_int_equal(auth_groups_of(g, STR("anna@site.example"), &list), 1);
	assert_int_equal(auth_groups_of(g, STR("nobody@site.example"), &list), 0);
	assert_int_equal(auth_groups_count(g), 5);
	assert_true(auth_groups_known(g, STR("empty")));
	assert_true(auth_groups_known(g, STR("short")));
	assert_false(auth_groups_known(g, STR("other")));
	auth_groups_unref(&g);
	buf_fini(&faults);
}

static void
test_faults(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
	    {"a:x:1:anna\nb\n", "groups:2: must be NAME:PASSWORD:NUMBER:MEMBERS\n"},
	    {"a:x", "groups:1: must be NAME:PASSWORD:NUMBER:MEMBERS\n"},
	    {"a:x:1:b:c", "groups:1: must be NAME:PASSWORD:NUMBER:MEMBERS\n"},
	    {"\n:x:1:anna", "groups:2: the name of a group is 1 to 256 bytes of UTF-8 without "
	                    "blanks\n"},
	    {"a b:x:1:anna", "groups:1: the name of a group is 1 to 256 bytes of UTF-8 without "
	                     "blanks\n"},
	    {"a:x::anna", "groups:1: the third part is the group's number, not \"\"\n"},
	    {"a:x:-1:anna", "groups:1: the third part is the group's number, not \"-1\"\n"},
	    {"a:x:1:anna,b c,@,boris", "groups:1: \"b c\" is not a user name\n"
	                               "groups:1: \"@\" is not a user name\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf faults = {0};

		if (parse(rows[i].text, &faults) != NULL ||
		    !str_eq(buf_as_str(&faults), str_of(rows[i].want)))
			fail_msg("%s gave %s", rows[i].text, buf_cstr(&faults));
		buf_fini(&faults);
	}
}

static void
test_many_faults(void **state)
{
	struct buf text = {0}, faults = {0};

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		buf_puts(&text, "wrong\n");
	assert_null(parse(buf_cstr(&text), &faults));
	assert_non_null(str_find(buf_as_str(&faults), STR("groups: 980 more\n")));
	assert_null(str_find(buf_as_str(&faults), STR("groups:21:")));
	buf_fini(&text);
	buf_fini(&faults);
}

static void
test_many(void **state)
{
	struct buf text = {0}, faults = {0}, name = {0};
	struct auth_groups *g;
	const struct str *list;

	(void)state;
	for (int group = 0; group < 20; group++) {
		buf_printf(&text, "g%d:x:%d:", group, group);
		for (int user = group; user < 2000; user += group + 1)
			buf_printf(&text, "%su%d", user == group ? "" : ",", user);
		buf_putc(&text, '\n');
	}
	g = parse(buf_cstr(&text), &faults);
	assert_non_null(g);
	for (int user = 0; user < 2000; user++) {
		size_t want = 0;

		name.n = 0;
		buf_printf(&name, "u%d@site.example", user);
		for (int group = 0; group < 20; group++)
			want += user >= group && (user - group) % (group + 1) == 0;
		assert_int_equal(auth_groups_of(g, buf_as_str(&name), &list), want);
	}
	auth_groups_unref(&g);
	buf_fini(&text);
	buf_fini(&name);
	buf_fini(&faults);
}

static void
test_file(void **state)
{
	char path[] = "/tmp/turnstone-groups-XXXXXX";
	struct buf faults = {0};
	struct auth_groups *g;
	struct stat seen;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a:x:1:anna\n", 11), 11);
	close(fd);
	g = auth_groups_load(path, STR("site.example"), &seen, &faults);
	assert_non_null(g);
	assert_int_equal(seen.st_size, 11);
	assert_true(auth_groups_has(g, STR("a"), STR("anna@site.example")));
	auth_groups_unref(&g);
	unlink(path);
	assert_null(auth_groups_load(path, STR("site.example"), &seen, &faults));
	assert_non_null(str_find(buf_as_str(&faults), STR("No such file")));
	faults.n = 0;
	assert_null(auth_groups_load("/", STR("site.example"), &seen, &faults));
	assert_true(faults.n > 0);
	buf_fini(&faults);
}

static void
test_none(void **state)
{
	struct auth_groups *g = auth_groups_none();
	const struct str *list;

	(void)state;
	assert_int_equal(auth_groups_of(g, STR("anna"), &list), 0);
	assert_false(auth_groups_known(g, STR("a")));
	auth_groups_unref(&g);
	assert_null(g);
	auth_groups_unref(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_members),
	    cmocka_unit_test(test_faults),
	    cmocka_unit_test(test_many_faults),
	    cmocka_unit_test(test_many),
	    cmocka_unit_test(test_file),
	    cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
