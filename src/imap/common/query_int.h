/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_QUERY_INT_H
#define IMAP_QUERY_INT_H
/* A query as query.c makes it and query_run.c runs it: see query.h. */
#include "imap/common/query.h"
#include "mail/search.h"
#include "mail/text/text.h"

#define QUERY_WINDOW 256u /* messages whose records are read together */

/* The cost of a key; children of an AND run in this order. */
enum cost { COST_SETS, COST_RECORDS, COST_SUMMARIES, COST_BLOBS };

struct node {
	enum wire_key_id id;
	enum cost cost;
	struct node *next, *child;
	const roaring_bitmap_t *set; /* for SET, UID, RECENT, and a flag; NULL: empty */
	int flag;                    /* store flag; -1: a keyword that no message has */
	struct str keyword;          /* its number is found in the read that takes the sets */
	struct node *next_keyword, *next_chosen;
	int64_t number;                    /* day, size, or time */
	size_t key;                        /* number in the search */
	const struct imap_search_key *row; /* of an extension; NULL: the engine implements it */
	const struct wire_key *asked;      /* with row */
};

/* Of the messages in question: those that match, and those that must be read to decide (NULL:
 * none). */
struct bounds {
	roaring_bitmap_t *yes, *may;
};

struct frame { /* a node being worked on, for these messages */
	const struct node *node, *next;
	roaring_bitmap_t *in;
	struct bounds out;
	uint32_t from; /* a walk over records continues here */
};

struct unread { /* a message to be read, with its summary */
	size_t record, off, n;
};

struct imap_query {
	struct store *store;
	struct store_mailbox *mailbox;
	struct store_reader reader; /* the box's */
	struct mail_search *search;
	struct node *root;
	size_t nodes, depth, texts;
	bool reads_all; /* not only headers */
	roaring_bitmap_t *all, *flagged[STORE_FLAGS_MAX];
	struct store_hold *hold; /* of `all`, if records or more are read; else NULL */
	uint64_t modseq;         /* the mailbox's MODSEQ in that read */
	bool expunged;           /* messages of the view were gone by then */

	/* running: sets */
	struct frame *frames;
	size_t top;
	bool began, walked, done, failed;
	struct bounds result;

	/* reading: a window of messages, and those of them that their summaries do not decide */
	struct store_message *records;
	size_t count, scanned;
	uint32_t from;
	struct buf summaries;
	struct unread *unread;
	size_t unread_n, at;
	bool open; /* unread[at] is being read */
	struct mail_summary summary;
	struct buf bytes; /* a window of it, */
	uint64_t off;     /* starting here */

	bool (*enough)(void *arg);
	void *arg;
};
void imap_query_free_bounds(struct bounds *b);
#endif
