/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_COLUMNS_H
#define STORE_COLUMNS_H
/*
 * Columns of messages for SORT and THREAD (RFC 5256, RFC 5957): for a set of UIDs of one mailbox,
 * the numbers that messages are ordered by.
 *
 *	c = store_columns_new(mailbox, hold, uids, 1u << STORE_COLUMN_SUBJECT);     any thread
 *	...
 *	switch (store_columns_step(c, room, enough, arg)) {                         a worker
 *	case STORE_COLUMNS_AGAIN:  go on later, on any worker
 *	case STORE_COLUMNS_ROOM:   needs more memory: reserve store_columns_needs(), go on
 *	case STORE_COLUMNS_DONE:   rank = store_columns_rank(c, STORE_COLUMN_SUBJECT);
 *	}
 *	store_columns_free(&c);
 *
 * Strings are compared by i;unicode-casemap in full, however long they are.  Values come from the
 * mailbox's state, from compact rows (doc/store.md), or, where there are no rows yet, from the
 * summaries; in that case the background is asked to make rows.  A value is the same wherever it
 * comes from.
 */
#include "store/store.h"

enum store_column {
	/* The first ones are those of enum mail_sort (mail/sort.h), in its order. */
	STORE_COLUMN_SUBJECT,
	STORE_COLUMN_FROM,
	STORE_COLUMN_TO,
	STORE_COLUMN_CC,
	STORE_COLUMN_DISPLAYFROM,
	STORE_COLUMN_DISPLAYTO,
	STORE_COLUMN_DATE, /* the sent date, or the INTERNALDATE if there is none */
	STORE_COLUMN_IDS,  /* for THREAD: store_columns_ids() */
	STORE_COLUMN_ARRIVAL,
	STORE_COLUMN_SIZE,
	STORE_COLUMNS
};

struct store_columns;

/* columns is a mask of 1 << enum store_column.  uids is copied. hold (may be NULL) covers messages
 * that others may expunge meanwhile; it must outlive the columns. */
struct store_columns *store_columns_new(struct store_mailbox *mailbox, struct store_hold *hold,
    const roaring_bitmap_t *uids, unsigned columns);
void store_columns_free(struct store_columns **columns);

enum store_columns_state {
	STORE_COLUMNS_DONE,
	STORE_COLUMNS_AGAIN, /* enough() returned true */
	STORE_COLUMNS_ROOM,  /* more than `room` bytes would be needed */
	STORE_COLUMNS_FAILED /* the store cannot be read now; logged */
};
/* BLOCKING.  Calls enough() after each piece of about a millisecond; NULL: runs to the end. */
enum store_columns_state store_columns_step(
    struct store_columns *columns, uint64_t room, bool (*enough)(void *arg), void *arg);
/* Returns the bytes held, or, after STORE_COLUMNS_ROOM, the bytes needed to go on. */
uint64_t store_columns_needs(const struct store_columns *columns);

/* ---- when it is done ---- */

size_t store_columns_count(const struct store_columns *columns);
/* In ascending order. */
const uint32_t *store_columns_uids(const struct store_columns *columns);
/* Returns a rank for each message, from 0 to the number of messages: lower comes first, equal ranks
 * compare equal. */
const uint32_t *store_columns_rank(const struct store_columns *columns, enum store_column column);
/* For STORE_COLUMN_SUBJECT: whether the message has a base subject, and whether its subject was
 * that of a reply or forward. */
bool store_columns_subject(const struct store_columns *columns, size_t i);
bool store_columns_reply(const struct store_columns *columns, size_t i);
/* For STORE_COLUMN_IDS: hashes of the Message-ID (0: none) and of the references, in order. */
uint64_t store_columns_ids(
    const struct store_columns *columns, size_t i, const uint64_t **refs_r, size_t *n_r);
/* Counts messages that could not be read; they are treated as empty.  Those that were expunged, and
 * that the hold could not keep, do not count.  first_r, which may be NULL: the first UID, if any.
 */
size_t store_columns_lost(const struct store_columns *columns, uint32_t *first_r);
#endif
