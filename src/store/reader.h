/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_READER_H
#define STORE_READER_H
/*
 * A mailbox as one user sees it.
 *
 * In a mailbox that is or was shared, \Seen and \Recent are each user's own (doc/store.md, Shared
 * mailboxes and MODSEQ): what the mailbox itself says about \Seen is not used, and each user has
 * MODSEQs of their own.  All other mailboxes are read as they are; then this costs one look at a
 * pointer.
 *
 * The functions are those of store.h for direct reads, with what belongs to the user put in: flags,
 * MODSEQs and counters that they take or give are the user's.  Sets of messages, keywords and holds
 * are the same for all: use store.h, between the begin and the end of a reader.
 *
 *	store_reader_begin(&r);
 *	n = store_reader_window(&r, set, from, messages, max);
 *	store_reader_end(&r);
 */
#include "store/store.h"

struct store_own;
struct own_seen;

struct store_reader {
	struct store_mailbox *mailbox; /* neither of these is referenced */
	struct store_own *own; /* the user's (own.h); NULL: the user's account has the mailbox */
	/* Private, during a read: the value (NULL: as in the mailbox), and the highest MODSEQ of
	 * the mailbox whose number may be shown. */
	struct own_seen *seen;
	uint64_t cap;
};

/* Whether \Seen in this mailbox is each user's own.  Once it is, it stays so. */
bool store_mailbox_has_own(const struct store_mailbox *mailbox);

/* Begin and end a read, as store_mailbox_read_begin() and _end() do. */
void store_reader_begin(struct store_reader *r);
void store_reader_end(struct store_reader *r);
/* Begin and end a read that claims \Recent for this session of the user: messages above the UID
 * returned are recent for it, and for no other session of the user afterwards. */
uint32_t store_reader_claim_begin(struct store_reader *r);
void store_reader_claim_end(struct store_reader *r);

/* Whether this read uses the user's own \Seen. */
static inline bool
store_reader_is_own(const struct store_reader *r)
{
	return r->seen != NULL;
}
/* NULL: no message has it.  For \Seen it may contain UIDs that no longer exist. */
const roaring_bitmap_t *store_reader_flagged(const struct store_reader *r, unsigned flag);
bool store_reader_message(
    const struct store_reader *r, uint32_t uid, struct store_message *message_r);
size_t store_reader_window(const struct store_reader *r, const roaring_bitmap_t *set, uint32_t from,
    struct store_message *out, size_t max);
size_t store_reader_hold_window(const struct store_reader *r, struct store_hold *hold,
    const roaring_bitmap_t *set, uint32_t from, struct store_message *out, size_t max);
uint64_t store_reader_modseq(const struct store_reader *r);
void store_reader_changed_since(
    const struct store_reader *r, uint64_t since, roaring_bitmap_t *set_r);
uint64_t store_reader_expunged_since(
    const struct store_reader *r, uint64_t since, roaring_bitmap_t *set_r);
uint64_t store_reader_highest(const struct store_reader *r, const roaring_bitmap_t *uids);
void store_reader_counters(const struct store_reader *r, struct store_counters *counters_r);
uint32_t store_reader_recent_mark(const struct store_reader *r);
/* For changes.  Returns the mailbox's own MODSEQ: own_s of an OWN change, and what numbers of the
 * user become (unchanged_since of a FLAGS change).  0: not known any more, everything may have
 * changed. */
uint64_t store_reader_base(const struct store_reader *r);
uint64_t store_reader_base_of(const struct store_reader *r, uint64_t modseq);
/* Returns the user's number for a MODSEQ of the mailbox. */
uint64_t store_reader_shown(const struct store_reader *r, uint64_t base);
/* Returns a reference to the user's value, for an OWN change; NULL: there is none.  Outside a read.
 */
struct store_own *store_reader_own(const struct store_reader *r);
/* Adds the UIDs of which the user's own \Seen changed after this number of the user. */
void store_reader_own_changed(
    const struct store_reader *r, uint64_t since, roaring_bitmap_t *set_r);
#endif
