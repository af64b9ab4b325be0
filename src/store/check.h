/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H
/*
 * Checking a store, and mending it.  What must hold:
 *
 *  0. All checksums of the engine's tables hold (not looked at when quick, or for one user).
 *  1. Every value has the checksum of itself and its key, and the form that
 *     keys.h gives it; every key is of a known kind.
 *  2. A name leads to an id below the ids' record, and the account with that id
 *     has a row with that name; every account has a name, or is being removed.
 *  3. A mailbox has both its info row and its counters; its id is below the
 *     account's next one; its UIDVALIDITY is not above the account's last one.
 *     Every property is of the account, or of a mailbox that it has.  The sums of an
 *     account in memory are those of its mailboxes' counters.
 *  4. Header, blocks, expunges and change records of a mailbox decode, and lead
 *     to what the counters say: messages, unseen, deleted, size, MODSEQ;
 *     UIDNEXT is above every UID; no message's MODSEQ is above the mailbox's.
 *  5. Every flag in use is a system flag or a keyword with a name; names of
 *     keywords are atoms.
 *  6. Every message has a summary that decodes and agrees on the size; there
 *     are no summaries without a message, but those that go with the queue of blobs.
 *     Compact rows of this program's version have a right form, and say of messages what
 *     their summaries do (the latter is not looked at when quick).
 *  7. Every message has its reference, and its blob is there with its size;
 *     all its bytes have the right checksum (not looked at when quick).
 *  8. Every reference has its message, or belongs to something that the background
 *     still has to remove.  Blobs to which several accounts refer have a holder for
 *     each of these, and every holder a reference, a claim or a place in its
 *     account's queue.
 *  9. Every large file is referred to, or is one the background will remove, or,
 *     after something acknowledged was given up, will set aside.
 *     A user's own \Seen of a mailbox has its header and each change since in order.
 * 10. Jobs (moves, removals, the queues of blobs) decode.
 * 11. No account has an index for a mailbox that it does not have, unless the
 *     background has to remove it.
 *
 * A store may be checked while it is in use.  What belongs together is read in
 * one snapshot; what looks wrong across snapshots is looked at a second time,
 * and told when it is wrong in both: things written in one batch do not become
 * wrong and stay so.  Memory is bounded by the largest mailbox and CHECK_CHUNK.
 *
 * Mending needs a store that nobody else works on: opened with lanes 0 (then
 * the background stands still, too).  It never guesses: what is whole stays
 * what it was; what can be derived is derived (summaries from blobs, counters
 * from messages, references from indexes, index entries from references); what
 * is whole and has lost its place goes into a mailbox "Lost and found" of its
 * account, or of the account "lost+found" when that is lost, too; a message
 * whose bytes are gone leaves the index, and MODSEQ moves.  Where counters were
 * lost the mailbox gets a new UIDVALIDITY, for nobody knows which UIDs were
 * given.  A second run finds nothing.
 */
#include "store/store.h"

enum check_kind {
	CHECK_RECORD,   /* a record of the store itself */
	CHECK_ACCOUNT,  /* an account's row or name */
	CHECK_LIST,     /* the list of mailboxes */
	CHECK_INDEX,    /* a mailbox's index */
	CHECK_COUNTERS, /* its counters */
	CHECK_SUMMARY,  /* a message's summary */
	CHECK_MESSAGE,  /* a message's bytes */
	CHECK_REF,      /* a reference is missing */
	CHECK_LOST,     /* a reference without a message */
	CHECK_TABLE,    /* keys that cannot be read at all */
	CHECK_KINDS
};
/* "index", ... */
const char *check_kind_name(enum check_kind kind);

struct check_finding {
	enum check_kind kind;
	struct str account, mailbox; /* names; empty: none, or not known */
	uint32_t uid;                /* 0: none */
	const char *what;
	const char *done; /* what mending did; NULL: nothing */
};

struct check_options {
	bool repair, quick;
	struct str user, mailbox; /* empty: all */
	void (*found)(const struct check_finding *finding, void *arg);
	/* Every now and then; total 0: unknown. */
	void (*progress)(const char *what, uint64_t done, uint64_t total, void *arg);
	void *arg;
};

struct check_result {
	uint64_t accounts, mailboxes, messages, references, bytes;
	uint64_t found, mended;
	bool unreadable; /* tables are damaged: the engine must be salvaged first */
};

/*
 * BLOCKING.  TS_OK: the whole of it was looked at; see result->found.
 * TS_NOT_FOUND: no such user or mailbox.  TS_INVALID: repair of a store with lanes.
 */
enum ts_err store_check(
    struct store *store, const struct check_options *opt, struct check_result *result);
#endif
