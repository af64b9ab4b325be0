/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_QUERY_H
#define IMAP_QUERY_H
/*
 * Query: a compiled SEARCH program (RFC 3501 and RFC 9051 section 6.4.4), with
 * sets resolved to UIDs, text converted to UTF-8, and keys ordered by cost.
 *
 * It is made on the loop, from the view and the flags at that moment.  It is run on the loop if
 * imap_query_is_cheap(), otherwise on a worker, in two stages: set arithmetic finds the messages
 * that must be read to decide; each of these is read once, in pieces, for all keys (mail/search.h).
 * It can be interrupted at any time, and continued on another thread.  The messages are held until
 * the query is freed.
 */
#include "imap/cmd.h"
#include "wire/cmd/search.h"

struct imap_query;

enum imap_query_fault {
	IMAP_QUERY_OK,
	IMAP_QUERY_BAD_CHARSET, /* RFC 5530 BADCHARSET */
	IMAP_QUERY_BAD_TEXT,    /* not valid in the named charset */
	IMAP_QUERY_TOO_BIG      /* its sets take more memory than room */
};

/* Makes a query in arena a, which also frees what it holds besides memory.  Keys that extensions
 * implement have their row in key->ext.  holds: hold the messages even if the query itself does not
 * read them.  room: most bytes it may take for sets and texts. */
enum imap_query_fault imap_query_new(struct arena *a, const struct imap_box *box,
    struct store *store, const struct wire_search *args, bool holds, uint64_t room,
    struct imap_query **query_r);
/* Returns the hold of all its messages; NULL: there is none. */
struct store_hold *imap_query_hold(const struct imap_query *query);
/* Returns whether it needs neither disk, nor a walk over records, nor much time. */
bool imap_query_is_cheap(const struct imap_query *query);
/* BLOCKING unless cheap.  Returns true when it is done.  Returns false if enough(), which is called
 * now and then, returned true: continue later with the same call.  enough may be NULL. */
bool imap_query_run(struct imap_query *query, bool (*enough)(void *arg), void *arg);
/* When it is done: returns the matching UIDs of the view that existed when it was made, whatever
 * others did meanwhile; the caller owns the result.  Sets *failed_r if a message could not be read
 * (it does not match then). */
roaring_bitmap_t *imap_query_found(struct imap_query *query, bool *failed_r);
/* Returns the highest MODSEQ of these messages, which the query found, as of the current read: a
 * client that knows the result has no changes up to it to ask for.  It may be higher if some
 * changed or were expunged since, but never above the mailbox's own. */
uint64_t imap_query_modseq(const struct imap_query *query, const roaring_bitmap_t *uids);
/* Returns whether messages of the view have been expunged by now. */
bool imap_query_expunged(const struct imap_query *query);
#endif
