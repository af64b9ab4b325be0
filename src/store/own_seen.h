/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_OWN_SEEN_H
#define STORE_OWN_SEEN_H
/*
 * A user's own \Seen and \Recent in a shared mailbox, and the MODSEQs that this user is shown
 * (doc/store.md): pure functions over values that never change.  A change makes another value,
 * which shares all it can with the old one by reference counts.
 *
 * S is the mailbox's own MODSEQ, raised by what everybody sees; U counts the user's own changes.
 * The user is shown V = S + U.  A change of the mailbox with the number s is shown as s plus the
 * number of own changes that were made before it (while the mailbox was below s); the i-th own
 * change, made at s, as s + i.  So each number is given once, and they grow.
 *
 * The last OWN_STEPS own changes are known one by one.  Of those before only the floor is: they
 * were F of them, the last one made at s; and whatever happened up to there is shown as s + F.
 */
#include <roaring/roaring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Own changes known one by one; some more, until they are trimmed all at once. */
#define OWN_STEPS 1000u
#define OWN_STEPS_MORE 256u
/* Bytes of their sets, as rows: beyond it fewer are kept. */
#define OWN_STEP_BYTES ((size_t)1 << 20)

struct own_step { /* an own change */
	_Atomic unsigned refs;
	uint64_t s;             /* made when the mailbox was at s */
	bool on;                /* read, or unread */
	roaring_bitmap_t *uids; /* that really changed */
	size_t bytes;           /* of the set, as a row has it */
};

struct own_seen {
	_Atomic unsigned refs;
	roaring_bitmap_t *seen;
	uint32_t recent_mark; /* the highest UID that a session of the user has seen */
	uint64_t u;           /* own changes so far: floor_u and those in step */
	uint64_t floor_s, floor_u;
	struct own_step **step;
	size_t count, bytes;
};

/* Takes the set, which was the user's before; the mailbox has just become shared. */
struct own_seen *own_new(roaring_bitmap_t *seen_take, uint32_t recent_mark);
struct own_seen *own_ref(struct own_seen *own);
void own_unref(struct own_seen **own);

/* HIGHESTMODSEQ of a mailbox at s. */
uint64_t own_highest(const struct own_seen *own, uint64_t s);
/* How a change of the mailbox with the number s is shown. */
uint64_t own_to(const struct own_seen *own, uint64_t s);
/* The largest s that is shown as v or less; 0: nothing is known about what changed since v, so
 * everything has to be taken as changed. */
uint64_t own_from(const struct own_seen *own, uint64_t v);
/* The number of the i-th step. */
uint64_t own_number(const struct own_seen *own, size_t i);
/* Adds the UIDs of own changes with numbers above v; with own_from(v) != 0 these are all. */
void own_changed_since(const struct own_seen *own, uint64_t v, roaring_bitmap_t *set);
/* MODSEQs of messages as the user is shown them: uids ascend, modseq has the mailbox's and gets the
 * user's. */
void own_modseqs(const struct own_seen *own, const uint32_t *uids, uint64_t *modseq, size_t n);
/* Messages of the mailbox that the user has not read. */
uint64_t own_unseen(const struct own_seen *own, const roaring_bitmap_t *uids);

/* The user marks messages read or unread when the mailbox is at s.  NULL: they are so already;
 * *trimmed_r: older steps went, so that the whole is to be written. */
struct own_seen *own_change(
    const struct own_seen *own, uint64_t s, bool on, const roaring_bitmap_t *uids, bool *trimmed_r);
/* The same without UIDs that are no longer there, in its changes, too, and with another mark. */
struct own_seen *own_retain(
    const struct own_seen *own, const roaring_bitmap_t *uids, uint32_t recent_mark);

/* ---- as rows (keys.h) ---- */

void own_put_header(const struct own_seen *own, struct buf *b);
void own_put_step(const struct own_seen *own, const struct own_step *step, struct buf *b);
/* NULL: it is none. */
struct own_seen *own_take_header(struct str body);
/* Replays the change with the number u, for whoever reads them in order and knows the only
 * reference.  False: it is none, or not the next one. */
bool own_take_step(struct own_seen *own, uint64_t u, struct str body);
/* Bytes of memory, about. */
size_t own_cost(const struct own_seen *own);
#endif
