/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/network.h"

static void
test_has(void **state)
{
	static const struct {
		const char *network, *address;
		bool want;
	} rows[] = {
	    {"10.0.0.0/8", "10.255.0.1", true},
	    {"10.0.0.0/8", "11.0.0.1", false},
	    {"10.0.0.0/8", "9.255.255.255", false},
	    {"10.0.0.0/8", "::1", false},
	    {"10.0.0.0/8", "unix", false},
	    {"10.0.0.0/8", "::ffff:10.1.2.3", true},
	    {"10.0.0.0/8", "::ffff:11.1.2.3", false},
	    {"192.0.2.128/25", "192.0.2.128", true},
	    {"192.0.2.128/25", "192.0.2.127", false},
	    {"192.0.2.4/30", "192.0.2.7", true},
	    {"192.0.2.4/30", "192.0.2.8", false},
	    {"192.0.2.7", "192.0.2.7", true},
	    {"192.0.2.7", "192.0.2.6", false},
	    {"192.0.2.7/32", "192.0.2.7", true},
	    {"127.0.0.1", "127.0.0.2", false},
	    {"0.0.0.0/0", "203.0.113.9", true},
	    {"0.0.0.0/0", "2001:db8::1", false},
	    {"::/0", "2001:db8::1", true},
	    {"::/0", "203.0.113.9", false},
	    {"::/0", "::ffff:203.0.113.9", false},
	    {"2001:db8::/32", "2001:db8:ffff::1", true},
	    {"2001:db8::/32", "2001:db9::1", false},
	    {"2001:db8::/33", "2001:db8:8000::", false},
	    {"2001:db8::1", "2001:DB8:0:0::1", true},
	    {"fe80::/10", "fe80::1%eth0", true},
	    {"::ffff:10.0.0.0/104", "10.9.9.9", true},
	    {"::ffff:10.0.0.1", "10.0.0.1", true},
	    {"unix", "unix", true},
	    {"unix", "127.0.0.1", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct net_network network, address;

		if (net_network_parse(str_of(rows[i].network), &network) != NULL ||
		    !net_network_ok(&network) ||
		    !net_address_parse(str_of(rows[i].address), &address) ||
		    net_network_has(&network, &address) != rows[i].want)
			fail_msg("%s in %s", rows[i].address, rows[i].network);
	}
}

static void
test_refused(void **state)
{
	static const char *const rows[] = {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8",
	    "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0/8", "10.0.0.256", "010.0.0.1", "2001:db8::/129",
	    "2001:db8::1/32", "fe80::1%eth0", "fe80::%eth0/10", "[::1]", "localhost", "UNIX",
	    "unix/0", "10.0.0.0/ 8", "::ffff:10.0.0.1/100",
	    "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb"};
	struct net_network network;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (net_network_parse(str_of(rows[i]), &network) == NULL)
			fail_msg("%s", rows[i]);
	assert_non_null(net_network_parse((struct str){"::1\0", 4}, &network));
	assert_false(net_address_parse(STR("10.0.0.1:143"), &network));
	assert_false(net_address_parse(STR("10.0.0.0/8"), &network));
	assert_false(net_address_parse(STR("%eth0"), &network));
}

static void
test_print(void **state)
{
	static const char *const rows[][2] = {{"10.0.0.0/8", "10.0.0.0/8"},
	    {"10.0.0.1/32", "10.0.0.1"}, {"::1", "::1"}, {"2001:DB8::/32", "2001:db8::/32"},
	    {"unix", "unix"}, {"::ffff:10.0.0.0/104", "10.0.0.0/8"}, {"::/0", "::/0"}};
	struct net_network network, again;
	struct buf out = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		out.n = 0;
		assert_null(net_network_parse(str_of(rows[i][0]), &network));
		net_network_print(&network, &out);
		if (!str_eq(buf_as_str(&out), str_of(rows[i][1])))
			fail_msg("%s gave %s", rows[i][0], buf_cstr(&out));
		assert_null(net_network_parse(buf_as_str(&out), &again));
		assert_true(net_network_equal(&network, &again));
	}
	buf_fini(&out);
}

static void
test_foreign(void **state)
{
	struct net_network n = {.family = NET_FAMILY_V4, .bits = 33};

	(void)state;
	assert_false(net_network_ok(&n));
	n.bits = 8;
	assert_true(net_network_ok(&n));
	n.address[1] = 1;
	assert_false(net_network_ok(&n));
	n = (struct net_network){.family = 5};
	assert_false(net_network_ok(&n));
	n = (struct net_network){.family = NET_FAMILY_UNIX, .bits = 1};
	assert_false(net_network_ok(&n));
	n = (struct net_network){
	    .family = NET_FAMILY_V6, .bits = 128, .address = {[10] = 0xff, [11] = 0xff}};
	assert_false(net_network_ok(&n));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_has),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_print),
	    cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
