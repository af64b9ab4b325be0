/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CHECK_CHECK_INT_H
#define STORE_CHECK_CHECK_INT_H
/*
 * The check. check.h says what is checked.
 *
 *   check.c          goes through a store, account by account
 *   check_look.c     one mailbox as it is on disk, and what is wrong with it
 *   check_mailbox.c  reports that, and repairs it
 *   check_refs.c, check_holders.c, check_blobs.c  references, holders, blobs
 *   check_mend.c, check_rows.c    write again what could be read
 *   check_compact.c  compact rows
 *   check_own.c      users' own \Seen elsewhere
 *   check_ids.c      object ids of mailboxes
 *   check_pending.c  unfinished work, which is not a fault
 *   check_tell.c     reporting, and what all of them need
 *
 * It promises to report only what is wrong in two looks, unless nobody else uses the store, and to
 * write nothing unless asked to repair.  It reads rows by itself; it calls change for the order of
 * lanes only, and core, read and disk.
 */
#include "store/change/change_int.h"
#include "store/check.h"

/* References sorted at once: 24 MiB. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define CHECK_CHUNK ((size_t)4) /* many pieces even with few records */
#else
#define CHECK_CHUNK ((size_t)1 << 20)
#endif

struct check {
	struct store *store;
	const struct check_options *opt;
	struct check_result *res;
	bool live;           /* others may change the store */
	struct adopt *piece; /* CHECK_CHUNK of them, for references */
	struct str account_name, mailbox_name;
};

/* Reports a finding; done NULL: not repaired. */
void check_say(struct check *c, enum check_kind kind, uint32_t uid, const char *done,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void check_tick(struct check *c, const char *what, uint64_t done, uint64_t total);

/* Faults of one mailbox: collected first, reported at the end. */
struct fault {
	enum check_kind kind;
	uint32_t uid;
	char *text;
	const char *done;
};

struct looked { /* one mailbox as it is on disk */
	uint64_t account;
	uint32_t mailbox;
	struct state *state; /* what could be read */
	struct counters_row counters;
	bool has_counters;
	roaring_bitmap_t *summaries, *bad; /* UIDs with a good summary, and with a damaged one */
	roaring_bitmap_t *gone;            /* messages whose bytes are gone */
	roaring_bitmap_t *unreferred;
	struct fault *fault;
	size_t faults, fault_cap;
	bool counters_moved; /* changed during the read: not compared */
	bool unreadable;
};
void looked_fini(struct looked *l);
/* Reads the mailbox and finds faults.  messages: also in summaries, references and bytes.  On
 * results other than TS_OK and TS_DAMAGED it could not be read now. */
enum ts_err check_look(struct check *c, struct looked *l, bool messages);
void check_mailbox(struct check *c, uint64_t account, uint32_t mailbox);

/* check_own.c: what the account has read in mailboxes of others. */
enum ts_err check_own_seen(struct check *c, uint64_t account);
/* check_shares.c: properties, and the index of what is shared. */
enum ts_err check_properties(struct check *c, uint64_t account);
/* check_ids.c: object ids that are stored.  In a repair the batch gets what is to be dropped. */
void check_object_ids(struct check *c, uint64_t account, struct engine_batch *fix);
/* check_compact.c: compares its compact rows with the summaries; makes wrong ones again. */
void check_compact(struct check *c, const struct looked *l);

/* Writes the mailbox again from l->state: index, counters, references, summaries. */
enum ts_err check_mend(struct check *c, struct looked *l);
/* Puts a new row for a mailbox that lost its own; 0: it failed.  name is NUL-terminated. */
enum ts_err check_put_info(
    struct check *c, uint64_t account, uint32_t mailbox, const char *name, uint32_t uidvalidity);
/* Reads the account's row and raises its next mailbox id, or its last UIDVALIDITY.  TS_LIMIT: they
 * are used up. */
enum ts_err check_raise_account(
    struct check *c, uint64_t account, uint32_t *mailbox_r, uint32_t *uidvalidity_r);
/* Gets a value above all the account ever gave, and raises the account's row. */
enum ts_err check_new_uidvalidity(struct check *c, uint64_t account, uint32_t *value_r);
/* Gives the mailbox a new UIDVALIDITY; it keeps its name. */
enum ts_err check_renew(struct check *c, uint64_t account, uint32_t mailbox);
/* Returns whether the mailbox or its whole account is about to be removed, or an expunge of it or a
 * copy into it is unfinished. */
bool check_job_pending(struct check *c, uint64_t account, uint32_t mailbox);
/* Same, but also if summaries of expunged messages wait until nobody holds them. */
bool check_summaries_pending(struct check *c, uint64_t account, uint32_t mailbox);
enum ts_err check_get(struct check *c, const struct key *k, struct buf *value, struct str *body_r);
enum ts_err check_commit(struct check *c, struct engine_batch *batch);
/* In a repair: deletes the row.  Returns false if it stays. */
bool check_drop_row(struct check *c, struct str key);

/* Finds the account's mailbox "Lost and found", made if there is none; account 0: of
 * "lost+found". */
enum ts_err check_lost_and_found(struct check *c, uint64_t *account, uint32_t *mailbox_r);
/* Makes index entries for messages that lost theirs. uid 0: takes a new one. */
struct adopt {
	uint64_t account, blob;
	uint32_t mailbox, uid;
	bool taken; /* another message has its UID */
};
enum ts_err check_adopt(struct check *c, uint64_t account, uint32_t mailbox,
    const struct adopt *list, size_t n, size_t *taken_r);

void check_references(struct check *c, uint64_t account);
/* Checks blobs that several accounts have, and their holders. */
void check_holders(struct check *c);
/* Checks blobs that nothing refers to. */
void check_strays(struct check *c);

/* A set of blobs. */
struct blob_set {
	struct blob_part { /* those with the same high half */
		uint32_t high;
		roaring_bitmap_t *low;
	} * part;
	size_t n;
};
bool blob_set_has(const struct blob_set *set, uint64_t blob);
void blob_set_fini(struct blob_set *set);
/* Collects the blobs named by the account's keys of this kind, KEY_REF or KEY_QUEUE; account 0:
 * KEY_HOLDER. */
enum ts_err check_named(
    struct check *c, uint64_t account, enum key_kind kind, struct blob_set *set);
/* Reads a whole blob.  A repair looks for a small one that cannot be read in files that nothing
 * points to, and puts it back. */
enum ts_err check_read_blob(struct check *c, uint64_t blob, struct buf *bytes, bool *rescued_r);
#endif
