/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/host.h"

static void
names_of_hosts(void **state)
{
	static const struct {
		const char *name;
		bool ascii, unicode;
	} rows[] = {
	    {"mail.example.org", true, true},
	    {"localhost", true, true},
	    {"MY_host-2.Example", true, true},
	    {"4.example", true, true},
	    {"xn--bcher-kva.example", true, true},
	    {"b\xc3\xbc"
	     "cher.example",
	        false, true},
	    {"\xff.example", false, false},
	    {"", false, false},
	    {".", false, false},
	    {"example.org.", false, false},
	    {".example.org", false, false},
	    {"example..org", false, false},
	    {"-a.example", false, false},
	    {"a-.example", false, false},
	    {"*.example", false, false},
	    {"a b", false, false},
	    {"anna@example.org", false, false},
	    {"http://example.org", false, false},
	    {"192.0.2.7", false, false},
	    {"2001:db8::7", false, false},
	    {"a23456789-123456789-123456789-123456789-123456789-123456789-123.org", true, true},
	    {"a23456789-123456789-123456789-123456789-123456789-123456789-1234.org", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct str name = str_of(rows[i].name);

		if (host_name_ok(name, false) != rows[i].ascii ||
		    host_name_ok(name, true) != rows[i].unicode)
			fail_msg("%s", rows[i].name);
	}
}

static void
names_are_not_too_long(void **state)
{
	char name[255];

	(void)state;
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	assert_true(host_name_ok((struct str){name, 253}, false));
	assert_false(host_name_ok((struct str){name, 255}, false));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_hosts), cmocka_unit_test(names_are_not_too_long)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
