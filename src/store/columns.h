/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_COLUMNS_H
#define STORE_COLUMNS_H
/*
 * Columns of messages for SORT and THREAD (RFC 5256, RFC 5957): numbers by which messages are
 * ordered, for a set of UIDs of one mailbox.
 *
 *	c = store_columns_new(mailbox, hold, uids, 1u << STORE_COLUMN_SUBJECT);     any thread
 *	...
 *	switch (store_columns_step(c, room, enough, arg)) {                         a worker
 *	case STORE_COLUMNS_AGAIN:  go on later, on any worker
 *	case STORE_COLUMNS_ROOM:   it takes more memory: reserve store_columns_needs(), go on
 *	case STORE_COLUMNS_DONE:   rank = store_columns_rank(c, STORE_COLUMN_SUBJECT);
 *	}
 *	store_columns_free(&c);
 *
 * Strings are compared by i;unicode-casemap, whole, however long they are.  Values come from the
 * mailbox's state, from compact rows (doc/store.md), and where there are none yet from the
 * summaries; then the background is asked to make rows.  A value does not depend on where it
 * comes from.
 */
#include "store/store.h"

enum store_column {
	/* The first ones are those of enum mail_sort (mail/sort.h). */
	STORE_COLUMN_SUBJECT,
	STORE_COLUMN_FROM,
	STORE_COLUMN_TO,
	STORE_COLUMN_CC,
	STORE_COLUMN_DISPLAYFROM,
	STORE_COLUMN_DISPLAYTO,
	STORE_COLUMN_DATE, /* the sent date, or, if there is none, the INTERNALDATE */
	STORE_COLUMN_IDS,  /* for THREAD: store_columns_ids() */
	STORE_COLUMN_ARRIVAL,
	STORE_COLUMN_SIZE,
	STORE_COLUMNS
};

struct store_columns;

/* columns: mask of 1 << enum store_column.  hold: of messages that others may expunge meanwhile, it
 * ends later; or NULL.  uids is copied. */
struct store_columns *store_columns_new(struct store_mailbox *mailbox, struct store_hold *hold,
    const roaring_bitmap_t *uids, unsigned columns);
void store_columns_free(struct store_columns **columns);

enum store_columns_state {
	STORE_COLUMNS_DONE,
	STORE_COLUMNS_AGAIN, /* enough() said so */
	STORE_COLUMNS_ROOM,  /* it would take more than `room` bytes */
	STORE_COLUMNS_FAILED /* the store cannot be read now; logged */
};
/* BLOCKING.  enough() is asked after each piece of about a millisecond; NULL: never. */
enum store_columns_state store_columns_step(
    struct store_columns *columns, uint64_t room, bool (*enough)(void *arg), void *arg);
/* Bytes that it holds, or, after STORE_COLUMNS_ROOM, has to hold to go on. */
uint64_t store_columns_needs(const struct store_columns *columns);

/* ---- when it is done ---- */

size_t store_columns_count(const struct store_columns *columns);
/* Ascending. */
const uint32_t *store_columns_uids(const struct store_columns *columns);
/* For each of the messages: of two the lower one comes first, and equal ones are equal; from 0 to
 * the number of messages. */
const uint32_t *store_columns_rank(const struct store_columns *columns, enum store_column column);
/* Of STORE_COLUMN_SUBJECT: is there a base subject?  Was it that of a reply or forward? */
bool store_columns_subject(const struct store_columns *columns, size_t i);
bool store_columns_reply(const struct store_columns *columns, size_t i);
/* Of STORE_COLUMN_IDS: hashes of the Message-ID (0: none) and of the references in order. */
uint64_t store_columns_ids(
    const struct store_columns *columns, size_t i, const uint64_t **refs_r, size_t *n_r);
/* Messages that could not be read, being expunged or damaged: they are taken for empty ones. */
size_t store_columns_lost(const struct store_columns *columns);
#endif
