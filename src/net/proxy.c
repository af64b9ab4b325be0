/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of the PROXY protocol, see proxy.h. */
#include "net/proxy.h"

#include <string.h>

enum {
	SIGNATURE = 12,
	FIXED = 16, /* signature, version and command, family, length */
	V4_LEN = 4 + 4 + 2 + 2,
	V6_LEN = 16 + 16 + 2 + 2,
	UNIX_LEN = 108 + 108,
	TLV_HEAD = 3,
	TLV_CRC32C = 3,
};

static const unsigned char signature[SIGNATURE] = {
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static enum proxy_result
bad_header(struct proxy_header *h, const char *why)
{
	h->why = why;
	return PROXY_BAD;
}

/* ---- version 1 */

/* Parses a decimal number without leading zeros. */
static bool
parse_port(struct str text, uint16_t *port_r)
{
	uint64_t n;

	if (text.n == 0 || (text.n > 1 && text.p[0] == '0') || !str_u64(text, 65535, &n))
		return false;
	*port_r = (uint16_t)n;
	return true;
}

/* Parses a plain address of the family that the line names. */
static bool
parse_address(struct str text, bool v6, struct net_network *address_r)
{
	if (text.n == 0 || (str_chr(text, ':') != NULL) != v6 || str_chr(text, '%') != NULL)
		return false;
	return net_address_parse(text, address_r) && address_r->family != NET_FAMILY_UNIX;
}

/* "TCP4 SRC DST SPORT DPORT", with single blanks. */
static bool
parse_v1(struct str line, struct proxy_header *h)
{
	struct str rest = line, part[5];
	struct net_network to;
	uint16_t to_port;
	size_t n = 0;
	bool v6;

	while (n < 5 && str_split(&rest, ' ', &part[n]))
		n++;
	if (n != 5 || rest.p != NULL)
		return false;
	v6 = str_eq(part[0], STR("TCP6"));
	return (v6 || str_eq(part[0], STR("TCP4"))) && parse_address(part[1], v6, &h->address) &&
	       parse_address(part[2], v6, &to) && parse_port(part[3], &h->port) &&
	       parse_port(part[4], &to_port);
}

static enum proxy_result
v1(struct str in, struct proxy_header *h)
{
	static const struct str begin = {"PROXY ", 6};
	struct str line = in;
	const char *end;

	if (memcmp(in.p, begin.p, in.n < begin.n ? in.n : begin.n) != 0)
		return bad_header(h, "no PROXY header");
	if (line.n > PROXY_V1_MAX)
		line.n = PROXY_V1_MAX;
	end = str_find(line, STR("\r\n"));
	if (end == NULL)
		return in.n < PROXY_V1_MAX ? PROXY_MORE
		                           : bad_header(h, "a line longer than 107 bytes");
	if (end < in.p + begin.n)
		return bad_header(h, "no PROXY header");
	h->size = (size_t)(end - in.p) + 2;
	line = str_range(in.p + begin.n, end);
	if (str_eq(line, STR("UNKNOWN")) || str_has_prefix(line, STR("UNKNOWN "))) {
		h->local = true;
		return PROXY_DONE;
	}
	return parse_v1(line, h) ? PROXY_DONE
	                         : bad_header(h, "a line of version 1 that is malformed");
}

/* ---- version 2 */

static unsigned
be16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* CRC-32C (RFC 3720 appendix B.4), bit by bit: headers are short. */
static uint32_t
crc32c(uint32_t crc, unsigned char byte)
{
	crc ^= byte;
	for (int i = 0; i < 8; i++)
		crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
	return crc;
}

/* Verifies the sum over the whole header, with zeros in place of the sum itself, at offset `at`. */
static bool
sum_ok(const unsigned char *p, size_t n, size_t at)
{
	uint32_t crc = 0xffffffffu, want = 0;

	for (size_t i = 0; i < n; i++)
		crc = crc32c(crc, i >= at && i < at + 4 ? 0 : p[i]);
	for (size_t i = 0; i < 4; i++)
		want = want << 8 | p[at + i];
	return ~crc == want;
}

/* Skips the fields after the addresses, except for the checksum. */
static const char *
check_fields(const unsigned char *p, size_t from, size_t n)
{
	while (from < n) {
		size_t len;

		if (n - from < TLV_HEAD)
			return "a field that is cut off";
		len = be16(p + from + 1);
		if (n - from - TLV_HEAD < len)
			return "a field that is cut off";
		if (p[from] == TLV_CRC32C && (len != 4 || !sum_ok(p, n, from + TLV_HEAD)))
			return "a checksum that does not hold";
		from += TLV_HEAD + len;
	}
	return NULL;
}

static void
take_address(struct proxy_header *h, const unsigned char *p, unsigned char family)
{
	static const unsigned char v4_in_v6[12] = {[10] = 0xff, [11] = 0xff};
	size_t n = family == NET_FAMILY_V4 ? 4 : 16;

	/* An IPv4-mapped address is the IPv4 address, as everywhere. */
	h->port = (uint16_t)be16(p + 2 * n);
	if (family == NET_FAMILY_V6 && memcmp(p, v4_in_v6, sizeof(v4_in_v6)) == 0) {
		p += 12;
		n = 4;
	}
	h->address.family = n == 4 ? NET_FAMILY_V4 : NET_FAMILY_V6;
	h->address.bits = (unsigned char)(n * 8);
	memcpy(h->address.address, p, n);
}

static enum proxy_result
v2(struct str in, struct proxy_header *h)
{
	const unsigned char *p = (const unsigned char *)in.p;
	size_t length, addresses;
	const char *why;

	if (memcmp(p, signature, in.n < SIGNATURE ? in.n : SIGNATURE) != 0)
		return bad_header(h, "no PROXY header");
	/* Do not wait for more if it is wrong already. */
	if (in.n > 12 && p[12] != 0x20 && p[12] != 0x21)
		return bad_header(h, "a version or command that does not exist");
	if (in.n < FIXED)
		return PROXY_MORE;
	length = be16(p + 14);
	if (length > PROXY_V2_MAX - FIXED)
		return bad_header(h, "a header that is too long");
	h->size = FIXED + length;
	h->local = p[12] == 0x20;
	if (!h->local && p[13] != 0x00 && p[13] != 0x11 && p[13] != 0x21 && p[13] != 0x31)
		return bad_header(h, "a family that is no stream");
	addresses = h->local || p[13] == 0x00 ? 0
	            : p[13] == 0x11           ? V4_LEN
	            : p[13] == 0x21           ? V6_LEN
	                                      : UNIX_LEN;
	if (length < addresses)
		return bad_header(h, "addresses that are cut off");
	if (in.n < h->size)
		return PROXY_MORE;
	/* For LOCAL and UNSPEC, skip all that follows, whatever it is. */
	if (addresses == 0) {
		h->local = true;
		return PROXY_DONE;
	}
	if ((why = check_fields(p, FIXED + addresses, h->size)) != NULL)
		return bad_header(h, why);
	h->local = p[13] == 0x31;
	if (!h->local)
		take_address(h, p + FIXED, p[13] == 0x11 ? NET_FAMILY_V4 : NET_FAMILY_V6);
	return PROXY_DONE;
}

enum proxy_result
proxy_parse(struct str in, struct proxy_header *h)
{
	*h = (struct proxy_header){0};
	if (in.n == 0)
		return PROXY_MORE;
	return in.p[0] == '\r' ? v2(in, h) : v1(in, h);
}
