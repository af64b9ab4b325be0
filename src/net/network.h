/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_NETWORK_H
#define NET_NETWORK_H
/*
 * Addresses and networks as an administrator writes them: "192.0.2.7",
 * "10.0.0.0/8", "2001:db8::/32", and "unix" for peers on a UNIX socket.  No
 * I/O.  An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) is treated as
 * the IPv4 address, so it does not matter on which socket it came.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

enum net_family { NET_FAMILY_UNIX = 1, NET_FAMILY_V4 = 4, NET_FAMILY_V6 = 6 };

struct net_network {
	unsigned char family; /* enum net_family */
	unsigned char bits;   /* prefix length; the full length for one address, 0 for "unix" */
	unsigned char address[16]; /* big-endian; zero after the prefix */
};

/* Parses an address without port or brackets; drops the zone of a link-local one ("%eth0").
 * Returns false if it is not an address. */
bool net_address_parse(struct str text, struct net_network *address_r);
/*
 * Parses an address or ADDRESS/BITS (RFC 4632 section 3.1, RFC 4291 section 2.3).  Returns NULL, or
 * a static sentence saying what is wrong.  Bits set after the network's are an error: 10.0.0.1/8 is
 * a slip.
 */
const char *net_network_parse(struct str text, struct net_network *network_r);
/* Returns whether the address is in the network; false if the families differ. */
bool net_network_has(const struct net_network *network, const struct net_network *address);
bool net_network_equal(const struct net_network *a, const struct net_network *b);
/* Appends the text; parsing it gives the same network. */
void net_network_print(const struct net_network *network, struct buf *out);
/* Returns whether it is as net_network_parse() makes it.  For networks read from elsewhere. */
bool net_network_ok(const struct net_network *network);
#endif
