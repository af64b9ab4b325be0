/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H
/*
 * Checks a store and repairs it.  What must hold:
 *
 *  0. All checksums of the engine's tables hold (skipped when quick or for one user).
 *  1. Every value has the checksum of its key and itself, and the form given in keys.h; every key
 *     is of a known kind.
 *  2. A name leads to an id below the ids' record, and the account with that id
 *     has a row with that name; every account has a name, or is being removed.
 *  3. A mailbox has both its info row and its counters; its id is below the account's next one; its
 *     UIDVALIDITY is not above the account's last one.  Every property belongs to the account or to
 *     one of its mailboxes; those of quota (quota.h) are numbers or "none"; an object id that a
 *     mailbox has stored is well-formed, and no other mailbox of the account has it.  The sums of
 * an account in memory equal those of its mailboxes' counters.
 *  4. Header, blocks, expunges and change records of a mailbox decode, and agree with the counters:
 *     messages, unseen, deleted, size, MODSEQ; UIDNEXT is above every UID; no message's MODSEQ is
 *     above the mailbox's.
 *  5. Every flag in use is a system flag or a keyword with a name; names of
 *     keywords are atoms.
 *  6. Every message has a summary that decodes and agrees on the size; there are no summaries
 *     without a message, except those that go with the queue of blobs.  Compact rows of this
 *     program's version are well-formed and agree with the summaries of their messages (the latter
 *     is skipped when quick).
 *  7. Every message has its reference; its blob exists, and its size is right; all its bytes have
 *     the right checksum (skipped when quick).
 *  8. Every reference has its message, or belongs to something the background has yet to remove.
 *     Blobs that several accounts refer to have a holder for each of them, and every holder has a
 *     reference, a claim or a place in its account's queue.
 *  9. Every large file is referred to, or the background will remove it, or, after acknowledged
 *     data was given up, set it aside.  A user's own \Seen of a mailbox has its header and each
 *     change since in order.
 * 10. Jobs (moves, removals, the queues of blobs) decode.
 *     Each property "acl/WHO" has its row in the index of what is shared.
 * 11. No account has an index without its mailbox, unless the background has yet to remove it.
 *
 * A store may be checked while it is in use.  Data that belongs together is read in one snapshot.
 * What looks wrong across snapshots is read a second time and reported only if it is wrong in both:
 * things written in one batch do not become wrong and stay wrong.  Memory is bounded by the largest
 * mailbox and CHECK_CHUNK.
 *
 * Repair needs a store that nobody else uses, opened with lanes 0 (which also stops the
 * background).  It never guesses.  What is whole stays as it was.  What can be derived is derived:
 * summaries from blobs, counters from messages, references from indexes, index entries from
 * references.  What is whole but has lost its place goes into a mailbox "Lost and found" of its
 * account, or of the account "lost+found" if the account is lost as well.  A message whose bytes
 * are gone leaves the index, and MODSEQ rises.  If counters were lost the mailbox gets a new
 * UIDVALIDITY, since nobody knows which UIDs were given.  A message whose summary is made again
 * loses the object ids that were stored there.  A second run finds nothing.
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
	CHECK_REF,      /* a missing reference */
	CHECK_LOST,     /* a reference without a message */
	CHECK_TABLE,    /* keys that cannot be read at all */
	CHECK_KINDS
};
/* Returns "index" and so on. */
const char *check_kind_name(enum check_kind kind);

struct check_finding {
	enum check_kind kind;
	struct str account, mailbox; /* names; empty: none or unknown */
	uint32_t uid;                /* 0: none */
	const char *what;
	const char *done; /* what the repair did; NULL: nothing */
};

struct check_options {
	bool repair, quick;
	struct str user, mailbox; /* empty: all */
	void (*found)(const struct check_finding *finding, void *arg);
	/*
	 * Says what is wrong with a property of a mailbox, a static text; NULL: nothing.  *drop_r:
	 * a repair may remove it.  May be NULL.
	 */
	const char *(*property)(struct str name, struct str value, bool *drop_r);
	/* Called now and then; total 0: unknown. */
	void (*progress)(const char *what, uint64_t done, uint64_t total, void *arg);
	void *arg;
};

struct check_result {
	uint64_t accounts, mailboxes, messages, references, bytes;
	uint64_t found, mended;
	bool unreadable; /* tables are damaged: salvage the engine first */
};

/*
 * BLOCKING.  TS_OK: everything was checked; see result->found.  TS_NOT_FOUND: no such user or
 * mailbox.  TS_INVALID: repair of a store with lanes.
 */
enum ts_err store_check(
    struct store *store, const struct check_options *opt, struct check_result *result);
#endif
