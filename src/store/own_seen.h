/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_OWN_SEEN_H
#define STORE_OWN_SEEN_H
/*
 * A user's own \Seen and \Recent in a shared mailbox, and the MODSEQs shown to that user
 * (doc/store.md).  Pure functions over immutable values: a change makes a new value, which shares
 * whatever it can with the old one by reference counts.
 *
 * S is the mailbox's own MODSEQ, raised by changes that everybody sees; U counts the user's own
 * changes.  The user is shown V = S + U.  A change of the mailbox with number s is shown as s plus
 * the number of own changes made before it (while the mailbox was below s); the i-th own change,
 * made at s, is shown as s + i.  So every number is used once, and the numbers grow.
 *
 * The last OWN_STEPS own changes are known one by one.  Of the older ones only the floor is kept:
 * there were F of them, the last made at s, and everything that happened up to there is shown as s
 * + F.
 */
#include <roaring/roaring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Own changes known one by one.  OWN_STEPS_MORE may be added before they are trimmed all at
 * once. */
#define OWN_STEPS 1000u
#define OWN_STEPS_MORE 256u
/* Most bytes that their sets may take as rows; beyond it fewer changes are kept. */
#define OWN_STEP_BYTES ((size_t)1 << 20)

struct own_step { /* an own change */
	_Atomic unsigned refs;
	uint64_t s;             /* the mailbox's MODSEQ at the time */
	bool on;                /* marked read, else unread */
	roaring_bitmap_t *uids; /* those that really changed */
	size_t bytes;           /* size of the set as a row */
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

/* Takes over the set, which held the user's \Seen so far.  Call it when the mailbox becomes
 * shared. */
struct own_seen *own_new(roaring_bitmap_t *seen_take, uint32_t recent_mark);
struct own_seen *own_ref(struct own_seen *own);
void own_unref(struct own_seen **own);

/* Returns the HIGHESTMODSEQ shown when the mailbox is at s. */
uint64_t own_highest(const struct own_seen *own, uint64_t s);
/* Returns the number shown for the mailbox's change s. */
uint64_t own_to(const struct own_seen *own, uint64_t s);
/* Returns the largest s shown as v or less.  0: what changed since v is unknown, so assume
 * everything did. */
uint64_t own_from(const struct own_seen *own, uint64_t v);
/* Returns the number of the i-th step. */
uint64_t own_number(const struct own_seen *own, size_t i);
/* Returns the highest number of these messages; s: the highest of the mailbox's MODSEQs of them. */
uint64_t own_highest_of(const struct own_seen *own, uint64_t s, const roaring_bitmap_t *uids);
/* Adds the UIDs of own changes with numbers above v.  The set is complete if own_from(v) != 0. */
void own_changed_since(const struct own_seen *own, uint64_t v, roaring_bitmap_t *set);
/* Turns the mailbox's MODSEQs into those shown to the user, in place.  uids ascend; modseq[i]
 * belongs to uids[i]. */
void own_modseqs(const struct own_seen *own, const uint32_t *uids, uint64_t *modseq, size_t n);
/* Counts the messages of the mailbox that the user has not read. */
uint64_t own_unseen(const struct own_seen *own, const roaring_bitmap_t *uids);

/* The user marks messages read (on) or unread while the mailbox is at s.  Returns NULL if they are
 * so already.  *trimmed_r: older steps were dropped, so write the whole value. */
struct own_seen *own_change(
    const struct own_seen *own, uint64_t s, bool on, const roaring_bitmap_t *uids, bool *trimmed_r);
/* Copies own without UIDs that no longer exist, in its changes as well. */
struct own_seen *own_without(const struct own_seen *own, const roaring_bitmap_t *gone);

/* Nothing is read any more, while the mailbox is at s: that is one change more, and the floor. */
struct own_seen *own_forgotten(const struct own_seen *own, uint64_t s);

/* ---- as rows (keys.h) ---- */

void own_put_header(const struct own_seen *own, struct buf *b);
void own_put_step(const struct own_seen *own, const struct own_step *step, struct buf *b);
/* Returns NULL if the row is invalid. */
struct own_seen *own_take_header(struct str body);
/* Replays the change numbered u.  The caller reads changes in order and has the only reference.
 * Returns false if the row is invalid or not the next one. */
bool own_take_step(struct own_seen *own, uint64_t u, struct str body);
/* Returns the memory it takes, in bytes, roughly. */
size_t own_cost(const struct own_seen *own);
#endif
