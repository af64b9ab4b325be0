/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_NETWORK_H
#define NET_NETWORK_H
/*
 * Addresses and networks as an administrator writes them: "192.0.2.7",
 * "10.0.0.0/8", "2001:db8::/32", and "unix" for who comes through a UNIX
 * socket.  No I/O.  An IPv4 address in IPv6 clothes (RFC 4291 section 2.5.5.2)
 * is the IPv4 address, so that it does not matter on which socket it came.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

enum net_family { NET_FAMILY_UNIX = 1, NET_FAMILY_V4 = 4, NET_FAMILY_V6 = 6 };

struct net_network {
	unsigned char family;      /* enum net_family */
	unsigned char bits;        /* that count; all of them for one address, 0 for "unix" */
	unsigned char address[16]; /* the highest byte first; zero behind the bits */
};

/* An address, without port or brackets; the zone of a link-local one ("%eth0") is left out.
 * False: it is none. */
bool net_address_parse(struct str text, struct net_network *address_r);
/*
 * An address or ADDRESS/BITS (RFC 4632 section 3.1, RFC 4291 section 2.3).  NULL, or a sentence,
 * static, about what is wrong.  Bits that are set behind the network's are a fault: who writes
 * 10.0.0.1/8 has slipped.
 */
const char *net_network_parse(struct str text, struct net_network *network_r);
/* Is the address in the network?  Of another family: no. */
bool net_network_has(const struct net_network *network, const struct net_network *address);
bool net_network_equal(const struct net_network *a, const struct net_network *b);
/* Appends the text; reading it gives the same network. */
void net_network_print(const struct net_network *network, struct buf *out);
/* Is it as net_network_parse() makes one?  For what was read from elsewhere. */
bool net_network_ok(const struct net_network *network);
#endif
