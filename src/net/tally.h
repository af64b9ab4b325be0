/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TALLY_H
#define NET_TALLY_H
/*
 * Counts over all connections of the server, by key: how many exist at once (connections of an
 * address, logins of a user), and how many logins from an address, or to an account, failed
 * recently.  Any thread; each call holds a lock for less than a microsecond.
 *
 * A peer can grow neither: a tally has an entry only for what exists, which limits.connections
 * bounds; failures live in a table of fixed size, where of a few entries the one with the fewest
 * failures makes room.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct tally;
struct tally_place; /* a share in the count of a key */

struct tally *tally_new(void) __attribute__((returns_nonnull));
/* All places must have been given back. */
void tally_free(struct tally **tally);
/* Returns NULL if max places of this key are taken. */
struct tally_place *tally_enter(struct tally *tally, struct str key, unsigned max);
/* place may be NULL. */
void tally_leave(struct tally *tally, struct tally_place **place);
/* Returns the key as a number, hashed with a secret of this tally. */
uint64_t tally_hash(const struct tally *tally, struct str key);

struct failures;

struct failures *failures_new(void) __attribute__((returns_nonnull));
void failures_free(struct failures **failures);
/* Adds a failure at now_ms.  Returns how many there were before; one is forgotten every
 * forget_ms. */
unsigned failures_add(
    struct failures *failures, struct str key, uint64_t now_ms, uint64_t forget_ms);
/* Returns how many there are. */
unsigned failures_left(
    struct failures *failures, struct str key, uint64_t now_ms, uint64_t forget_ms);

/* Returns the network of an address: the first v6_bits bits of IPv6, else the address itself. */
#define TALLY_NETWORK_MAX 64
struct str tally_network(struct str address, unsigned v6_bits, char text[TALLY_NETWORK_MAX]);
#endif
