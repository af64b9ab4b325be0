/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TALLY_H
#define NET_TALLY_H
/*
 * What is counted over all connections of the server, by key: how much is
 * there at once (connections of an address, logins of a user), and how many
 * logins of an address, or of an account, failed lately.  Any thread; each call holds a lock for
 * less than a microsecond.
 *
 * Neither can be grown by a peer: a tally has an entry for what is there, which
 * limits.connections bounds; failures live in a table of a fixed size, in which
 * of a few those with the fewest failures make room.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct tally;
struct tally_place; /* a share in the count of a key */

struct tally *tally_new(void) __attribute__((returns_nonnull));
/* All places were given back. */
void tally_free(struct tally **tally);
/* NULL: max places of this key are taken. */
struct tally_place *tally_enter(struct tally *tally, struct str key, unsigned max);
/* place may be NULL. */
void tally_leave(struct tally *tally, struct tally_place **place);
/* The key as a number, by a secret of this tally. */
uint64_t tally_hash(const struct tally *tally, struct str key);

struct failures;

struct failures *failures_new(void) __attribute__((returns_nonnull));
void failures_free(struct failures **failures);
/* One more at now_ms.  Returns how many there were before it; one is forgotten each forget_ms. */
unsigned failures_add(
    struct failures *failures, struct str key, uint64_t now_ms, uint64_t forget_ms);
/* How many there are. */
unsigned failures_left(
    struct failures *failures, struct str key, uint64_t now_ms, uint64_t forget_ms);

/* The network of an address: of IPv6 its first v6_bits bits, else the address itself. */
#define TALLY_NETWORK_MAX 64
struct str tally_network(struct str address, unsigned v6_bits, char text[TALLY_NETWORK_MAX]);
#endif
