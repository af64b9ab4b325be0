/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/proxy.h"

#define SIG "\r\n\r\n\0\r\nQUIT\n"

struct row {
	struct str in;
	enum proxy_result result;
	size_t size;
	const char *address; /* NULL: local */
	uint16_t port;
};

#define DONE(text, size, address, port)                                                            \
	{                                                                                          \
		{text, sizeof(text) - 1}, PROXY_DONE, size, address, port                          \
	}
#define OTHER(text, result)                                                                        \
	{                                                                                          \
		{text, sizeof(text) - 1}, result, 0, NULL, 0                                       \
	}

static void
expect(const struct row *row, size_t i)
{
	struct proxy_header h;
	struct buf text = {0};
	enum proxy_result got;

	got = proxy_parse(row->in, &h);
	if (got != row->result)
		fail_msg("row %zu: %d, not %d: %s", i, got, row->result, h.why ? h.why : "");
	assert_true((got == PROXY_BAD) == (h.why != NULL));
	if (got != PROXY_DONE)
		return;
	assert_int_equal(h.size, row->size);
	assert_true(h.local == (row->address == NULL));
	if (!h.local) {
		net_network_print(&h.address, &text);
		assert_string_equal(buf_cstr(&text), row->address);
		assert_true(net_network_ok(&h.address));
		assert_int_equal(h.port, row->port);
	}
	buf_fini(&text);
	/* Nothing shorter is a header, and what follows does not matter. */
	for (size_t n = 0; n < row->size; n++)
		if (proxy_parse((struct str){row->in.p, n}, &h) != PROXY_MORE)
			fail_msg("row %zu: %zu bytes are no beginning", i, n);
}

static void
version_1(void **state)
{
	static const struct row rows[] = {
	    DONE("PROXY TCP4 192.0.2.7 198.51.100.1 50000 993\r\n\x16\x03\x01", 45, "192.0.2.7",
	        50000),
	    DONE("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\nx", 44, "0.0.0.0", 0),
	    DONE("PROXY TCP6 2001:db8::7 ::1 1 2\r\n", 32, "2001:db8::7", 1),
	    DONE("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", 37, "192.0.2.7", 1),
	    DONE("PROXY UNKNOWN\r\na LOGIN", 15, NULL, 0),
	    DONE("PROXY UNKNOWN ffff::1 whatever\r\n", 32, NULL, 0),
	    OTHER("", PROXY_MORE),
	    OTHER("PROXY TCP4 192.0.2.7 198.51.100.1 50000 993\r", PROXY_MORE),
	    OTHER("GET / HTTP/1.0\r\n", PROXY_BAD),
	    OTHER("\x16\x03\x01", PROXY_BAD),
	    OTHER("proxy TCP4 192.0.2.7 198.51.100.1 50000 993\r\n", PROXY_BAD),
	    OTHER("PROXYTCP4 192.0.2.7 198.51.100.1 50000 993\r\n", PROXY_BAD),
	    OTHER("PROXY TCP5 192.0.2.7 198.51.100.1 50000 993\r\n", PROXY_BAD),
	    OTHER("PROXY TCP4 192.0.2.7 198.51.100.1 50000\r\n", PROXY_BAD),
	    OTHER("PROXY TCP4 192.0.2.7 198.51.100.1 50000 993 \r\n", PROXY_BAD),
	    OTHER("PROXY TCP4  192.0.2.7 198.51.100.1 50000 993\r\n", PROXY_BAD),
	    OTHER("PROXY TCP4 192.0.2.7 198.51.100.1 50000 65536\r\n", PROXY_BAD),
	    OTHER("PROXY TCP4 192.0.2.7 198.51.100.1 050 993\r\n", PROXY_BAD),
	    OTHER("PROXY TCP4 192.0.2.7 198.51.100.1 +5 993\r\n", PROXY_BAD),
	    OTHER("PROXY TCP4 192.0.2 198.51.100.1 5 993\r\n", PROXY_BAD),
	    OTHER("PROXY TCP4 ::1 ::1 5 993\r\n", PROXY_BAD),
	    OTHER("PROXY TCP6 192.0.2.7 ::1 5 993\r\n", PROXY_BAD),
	    OTHER("PROXY TCP6 fe80::1%eth0 ::1 5 993\r\n", PROXY_BAD),
	    OTHER("PROXY TCP4 unix unix 5 993\r\n", PROXY_BAD),
	    OTHER("PROXY TCP4 192.0.2.7\0 198.51.100.1 5 993\r\n", PROXY_BAD),
	    OTHER("PROXY \r\n", PROXY_BAD),
	    OTHER("PROXY UNKNOWNS\r\n", PROXY_BAD),
	    OTHER("PROXY TCP4 192.0.2.7 198.51.100.1 5 993\n", PROXY_MORE),
	    OTHER("PROXY UNKNOWN "
	          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	          "xxxxxxx"
	          "xxxxxxxxxxxxxxxxx\r\n",
	        PROXY_BAD),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		expect(&rows[i], i);
}

static void
version_2(void **state)
{
	static const struct row rows[] = {
	    DONE(SIG "\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\x03\xe1\x16\x03", 28,
	        "192.0.2.7", 50000),
	    DONE(SIG "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
	             "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x05\x03\xe1",
	        52, "2001:db8::7", 5),
	    DONE(SIG "\x21\x21\0\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07"
	             "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x05\x03\xe1",
	        52, "192.0.2.7", 5),
	    /* LOCAL, UNSPEC: what follows is skipped */
	    DONE(SIG "\x20\0\0\0", 16, NULL, 0),
	    DONE(SIG "\x20\x11\0\x03xyz", 19, NULL, 0),
	    DONE(SIG "\x21\0\0\x05xxxxx", 21, NULL, 0),
	    /* a field (authority), and a valid checksum */
	    DONE(SIG "\x21\x11\0\x10\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\x03\xe1\x02\0\x01z", 32,
	        "192.0.2.7", 50000),
	    OTHER("\r\n\r\n\0\r\nQUIT", PROXY_MORE),
	    OTHER("\r\n\r\n\0\r\nQUIX", PROXY_BAD),
	    OTHER("\r\n", PROXY_MORE),
	    OTHER("\r\nx", PROXY_BAD),
	    OTHER(SIG "\x11", PROXY_BAD),
	    OTHER(SIG "\x22", PROXY_BAD),
	    OTHER(SIG "\x21\x11\0", PROXY_MORE),
	    OTHER(SIG "\x21\x12\0\x0c", PROXY_BAD), /* datagrams */
	    OTHER(SIG "\x21\x41\0\x0c", PROXY_BAD),
	    OTHER(SIG "\x21\x11\0\x0b", PROXY_BAD),
	    OTHER(SIG "\x21\x21\0\x0c", PROXY_BAD),
	    OTHER(SIG "\x21\x31\0\x0c", PROXY_BAD),
	    OTHER(SIG "\x21\x11\x08\x01", PROXY_BAD), /* 2049 bytes */
	    OTHER(SIG "\x21\x11\x08\0", PROXY_MORE),
	    OTHER(SIG "\x21\x11\0\x0e\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\x03\xe1\x02\0",
	        PROXY_BAD),
	    OTHER(SIG "\x21\x11\0\x10\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\x03\xe1\x02\0\x02z",
	        PROXY_BAD),
	    /* an invalid checksum, and one of another length */
	    OTHER(SIG "\x21\x11\0\x13\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\x03\xe1\x03\0\x04zzzz",
	        PROXY_BAD),
	    OTHER(SIG "\x21\x11\0\x11\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\x03\xe1\x03\0\x02zz",
	        PROXY_BAD),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		expect(&rows[i], i);
}

/* The check value of CRC-32C over "123456789" is 0xe3069283; here with a table, for a whole header.
 */
static uint32_t
crc_by_table(const unsigned char *p, size_t n)
{
	uint32_t table[256], crc = 0xffffffffu;

	for (uint32_t i = 0; i < 256; i++) {
		table[i] = i;
		for (int k = 0; k < 8; k++)
			table[i] =
			    (table[i] & 1) != 0 ? table[i] >> 1 ^ 0x82f63b78u : table[i] >> 1;
	}
	for (size_t i = 0; i < n; i++)
		crc = table[(crc ^ p[i]) & 0xff] ^ crc >> 8;
	return ~crc;
}

static void
a_checksum_that_holds(void **state)
{
	char text[] =
	    SIG "\x21\x11\0\x13\xc0\0\x02\x07\xc6\x33\x64\x01\xc3\x50\x03\xe1\x03\0\x04\0\0\0\0";
	struct str in = {text, sizeof(text) - 1};
	struct proxy_header h;
	uint32_t crc;

	(void)state;
	assert_int_equal(crc_by_table((const unsigned char *)"123456789", 9), 0xe3069283u);
	crc = crc_by_table((unsigned char *)text, in.n);
	for (int i = 0; i < 4; i++)
		text[31 + i] = (char)(crc >> (24 - 8 * i));
	assert_int_equal(proxy_parse(in, &h), PROXY_DONE);
	assert_int_equal(h.size, in.n);
	text[20] ^= 1;
	assert_int_equal(proxy_parse(in, &h), PROXY_BAD);
}

static void
a_unix_socket_is_no_address(void **state)
{
	char text[16 + 216] = SIG "\x21\x31\0\xd8/run/x";
	struct proxy_header h;

	(void)state;
	assert_int_equal(proxy_parse((struct str){text, sizeof(text)}, &h), PROXY_DONE);
	assert_true(h.local);
	assert_int_equal(h.size, sizeof(text));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(version_1),
	    cmocka_unit_test(version_2),
	    cmocka_unit_test(a_checksum_that_holds),
	    cmocka_unit_test(a_unix_socket_is_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
