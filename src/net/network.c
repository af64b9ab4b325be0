/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and networks: see network.h. */
#include "net/network.h"

#include <arpa/inet.h>
#include <string.h>

static const unsigned char v4_in_v6[12] = {[10] = 0xff, [11] = 0xff};

static unsigned
width(unsigned char family)
{
	return family == NET_FAMILY_V4 ? 32 : family == NET_FAMILY_V6 ? 128 : 0;
}

/* Turns an IPv4-mapped address or network into IPv4; its prefix must cover the mapping. */
static void
undress(struct net_network *n)
{
	if (n->family != NET_FAMILY_V6 || n->bits < 96 ||
	    memcmp(n->address, v4_in_v6, sizeof(v4_in_v6)) != 0)
		return;
	memmove(n->address, n->address + 12, 4);
	memset(n->address + 4, 0, 12);
	n->family = NET_FAMILY_V4;
	n->bits = (unsigned char)(n->bits - 96);
}

/* Parses either family as written. */
static bool
parse_plain(struct str text, struct net_network *r)
{
	char z[INET6_ADDRSTRLEN];

	*r = (struct net_network){0};
	if (text.n >= sizeof(z) || memchr(text.p, '\0', text.n) != NULL)
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	if (inet_pton(AF_INET, z, r->address) == 1)
		r->family = NET_FAMILY_V4;
	else if (inet_pton(AF_INET6, z, r->address) == 1)
		r->family = NET_FAMILY_V6;
	r->bits = (unsigned char)width(r->family);
	return r->family != 0;
}

bool
net_address_parse(struct str text, struct net_network *address_r)
{
	const char *zone = str_chr(text, '%');

	if (str_eq(text, STR("unix"))) {
		*address_r = (struct net_network){.family = NET_FAMILY_UNIX};
		return true;
	}
	if (zone != NULL)
		text.n = (size_t)(zone - text.p);
	if (text.n == 0 || !parse_plain(text, address_r))
		return false;
	undress(address_r);
	return true;
}

/* Returns whether bits after the prefix are set. */
static bool
has_rest(const struct net_network *n)
{
	for (unsigned bit = n->bits; bit < 128; bit++)
		if ((n->address[bit / 8] & 0x80u >> bit % 8) != 0)
			return true;
	return false;
}

const char *
net_network_parse(struct str text, struct net_network *network_r)
{
	static const char wrong[] =
	    "must be an address, a network such as 10.0.0.0/8 or 2001:db8::/32, or unix";
	const char *slash = str_chr(text, '/');
	struct str address = text;
	uint64_t bits;

	if (slash == NULL)
		return net_address_parse(text, network_r) && str_chr(text, '%') == NULL ? NULL
		                                                                        : wrong;
	address.n = (size_t)(slash - text.p);
	if (address.n == 0 || !parse_plain(address, network_r))
		return wrong;
	if (!str_u64(str_range(slash + 1, text.p + text.n), network_r->bits, &bits))
		return "the bits of a network are a number, at most 32 of IPv4 and 128 of IPv6";
	network_r->bits = (unsigned char)bits;
	if (has_rest(network_r))
		return "the address of a network has bits set after its prefix";
	undress(network_r);
	return NULL;
}

bool
net_network_has(const struct net_network *network, const struct net_network *address)
{
	unsigned whole = network->bits / 8, rest = network->bits % 8;
	unsigned mask = 0xff00u >> rest & 0xff;

	if (network->family != address->family || address->bits < network->bits ||
	    memcmp(network->address, address->address, whole) != 0)
		return false;
	return rest == 0 || ((network->address[whole] ^ address->address[whole]) & mask) == 0;
}

bool
net_network_equal(const struct net_network *a, const struct net_network *b)
{
	return a->family == b->family && a->bits == b->bits &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

void
net_network_print(const struct net_network *n, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	if (n->family == NET_FAMILY_UNIX) {
		buf_puts(out, "unix");
		return;
	}
	if (inet_ntop(n->family == NET_FAMILY_V4 ? AF_INET : AF_INET6, n->address, text,
	        sizeof(text)) == NULL)
		return;
	buf_puts(out, text);
	if (n->bits < width(n->family)) {
		buf_putc(out, '/');
		buf_u64(out, n->bits);
	}
}

bool
net_network_ok(const struct net_network *n)
{
	struct net_network same = *n;

	undress(&same);
	return (n->family == NET_FAMILY_UNIX || width(n->family) > 0) &&
	       n->bits <= width(n->family) && !has_rest(n) && net_network_equal(n, &same);
}
