/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CORE_CORE_INT_H
#define STORE_CORE_CORE_INT_H
/*
 * The store itself, and rows read and written through the engine.
 *
 *   scan.c         rows: one, a range, the next account
 *   commit.c       batches that are no lane's; reopening the engine
 *   ids.c          ids of accounts, blobs, transfers
 *   format.c       the version and the store's own id
 *   asked.c        what the background is asked for: a list, which upkeep works off
 *   jobs.c         rows that say what is to be removed; what a COPY of an earlier run left
 *   holders.c      rows of blobs that several accounts have
 *   rename_rows.c  rows of a RENAME of very many
 *   index.c        rows of a mailbox into its state
 *
 * It promises that a value is shown only when its checksum holds, that an id is
 * given once, and that work may be asked for from any thread without waiting.
 * It knows accounts and mailboxes by their numbers only.  It calls disk and the
 * engine; of the parts above it has pointers that it does not follow.
 *
 * Locks of the whole store, and what they guard (one at a time, but for those
 * written "then"):
 *   shard.load      loading of accounts whose names fall into the shard; then all others
 *   shard.mutex     the table of accounts in memory
 *   account.load    loading of the account's mailboxes; then the two below
 *   account.lock    the list: entries, mailbox.state being there; published properties
 *   mailbox.lock    the contents of mailbox.state, mailbox.pend[]
 *   account.counting  mailbox.counters of all mailboxes: those of the state, set while mailbox.lock
 *                   is held, so that the list and the mailbox never contradict each other;
 *                   account.usage, their sums
 *   account.watches the watches
 *   account.owns_mutex  the table of its own \Seen elsewhere, what is published of it
 *   lane.mutex      the lane's queue and tokens
 *   store.lease_mutex  renewing the lease of ids; then ids_mutex, the ids
 *   mailbox.holds_mutex  holds, and what is kept for them; also inside of mailbox.lock
 *   store.held_mutex  blobs of what is kept; also inside of holds_mutex
 *   store.shared_mutex  the list of shared uploads
 *   background.mutex, copier.mutex  their queues
 *   store.rename_mutex  a piece of a RENAME's rows; nothing is taken inside but for reopening
 */
#include <pthread.h>
#include <stdatomic.h>
#include <xxhash.h>

/* The low half; shards are chosen by the high one. */
#define HASH_FUNCTION(p, n, hash) ((hash) = (unsigned)XXH3_64bits((p), (n)))
#include <uthash.h>

#include "base/list.h"
#include "store/disk/disk_int.h"

struct copier;
struct lane;

#define SHARDS 256

struct shard {
	pthread_mutex_t load, mutex;
	struct store_account *accounts; /* uthash by name */
};

struct ids { /* the first ones not yet given; durable: the first ones that must not be given */
	uint64_t account, blob, intent;
};

struct blob_drop { /* a blob that a change did not take */
	struct blob_drop *next;
	uint64_t blob;
	uint64_t account; /* whose change it was; 0: nobody's */
};

struct fold_job {
	struct fold_job *next;
	struct store_mailbox *mailbox; /* referenced */
};

struct compact_job { /* compact rows to be made */
	struct compact_job *next;
	struct store_mailbox *mailbox; /* referenced */
	uint32_t block;                /* the next one to look at */
	uint32_t upto;                 /* UIDs up to it have their rows */
	unsigned asked;                /* mailbox.compact_asked, when it began */
	bool deep;                     /* all rows are looked at, not only the dates */
};

struct bg_account {
	UT_hash_handle hh;
	uint64_t id;
	bool purge, collect;
	bool passed; /* something in its queue is held by somebody */
};

struct settling { /* a claim to be looked at */
	struct settling *next;
	uint64_t blob, account;
};

struct background { /* what it is asked for, and its thread */
	pthread_mutex_t mutex;
	pthread_cond_t wake, idle;
	pthread_cond_t calm;    /* collecting has ended */
	struct store_pin *pins; /* while one holds, blobs are not collected */
	bool collecting;        /* blobs are being freed now */
	pthread_t thread;
	bool running, stop, busy;
	bool ids, dropped, intents, scan_files, sweep, evict; /* there is something to do */
	struct bg_account *accounts; /* uthash by id: those with something to do */
	size_t purges, collects;     /* so many of them */
	uint64_t wakes;              /* how often those that were passed by were looked at again */
	struct settling *settling, **settling_tail; /* claims whose account had its messages */
	struct settling *passed;                    /* those that have to wait for a handle */
	uint64_t dropping; /* an account whose removal waits for its queue */
	uint64_t swept;    /* accounts up to this id were looked at after the start */
	struct fold_job *folds, **folds_tail;
	struct compact_job *compacts, **compacts_tail;
	struct blob_drop *drops;
	uint64_t orphan_limit; /* files with an id below were not made by this run */
};

struct store {
	struct store_options opt;
	struct engine *engine;
	char own_id[STORE_OWN_ID_BYTES];
	struct shard shard[SHARDS];
	struct lane *lane;
	unsigned lane_count; /* at least 1 */
	struct background bg;
	struct copier *copier;
	pthread_mutex_t rename_mutex;

	pthread_mutex_t lease_mutex; /* one renewal at a time; then ids_mutex */
	pthread_mutex_t ids_mutex;   /* the four below; never held while something blocks */
	struct ids next, durable;
	enum ts_err ids_err; /* of the last renewal */
	bool ids_asked;      /* the background is to renew them */

	pthread_mutex_t shared_mutex;
	struct link shared; /* uploads with more than one handle */

	pthread_mutex_t held_mutex;
	struct held_blob *held; /* uthash by blob */
	_Atomic uint64_t holds, held_messages, held_bytes, held_refused;

	pthread_mutex_t reopen_mutex;
	pthread_mutex_t transfers; /* copies and moves between accounts that are under way */
	struct link transfer_list;
	uint64_t kept_off;           /* the account into which none goes now; 0: none is kept off */
	_Atomic uint64_t generation; /* how often the engine was reopened */
	_Atomic uint64_t evicted_at; /* clock_mono_ms */

	_Atomic uint64_t state_bytes, accounts_loaded, mailboxes_loaded, watches, pending;
	_Atomic uint64_t changes, batches, batch_max;
	_Atomic uint64_t batch_sizes[STORE_CLASSES + 1], batch_changes;
	_Atomic uint64_t flush_times[STORE_CLASSES + 1], flush_ns;
};

/* A reader has let go of its lock. */
static inline void
store_looked(const struct store *store)
{
	if (store->opt.looked != NULL)
		store->opt.looked(store->opt.looked_arg);
}

/* ---- scan.c ---- */

/* engine_get, and the checksum.  body_r points into value. */
enum ts_err store_get(
    struct store *store, const struct key *k, struct buf *value, struct str *body_r);

/* A scan of all keys with a prefix, or [from, end): values are checked and opened. */
struct scan {
	struct engine_iter *iter;
	struct str key, body;
};
void scan_begin(struct scan *scan, struct store *store, const struct key *prefix);
void scan_begin_range(
    struct scan *scan, struct store *store, const struct key *from, const struct key *end);
/* TS_NOT_FOUND: the end.  TS_DAMAGED with a key: this value only, go on if you like; without: the
 * end, and so with all other errors.  End the scan before you commit: reopening waits for it. */
enum ts_err scan_next(struct scan *scan);
void scan_end(struct scan *scan);
/* The next account above `after` that has any key.  TS_NOT_FOUND: there is none. */
enum ts_err account_next(struct store *store, uint64_t after, uint64_t *account_r);

/* ---- commit.c, BLOCKING ---- */

/* Commits what is no change; an unknown outcome makes the engine reopen. */
enum ts_err store_commit(struct store *store, struct engine_batch *batch);
/* Reopens the engine unless somebody did since `generation`. */
enum ts_err store_reopen(struct store *store, uint64_t generation);

/* ---- ids.c ---- */

enum store_id { ID_ACCOUNT, ID_BLOB, ID_INTENT };
/* Any thread, does not block.  Ids are leased ahead, and the background renews the lease when half
 * of it is given.  0: there is none left, because that fails. */
uint64_t store_id_take(struct store *store, enum store_id which);
/* The same, BLOCKING: renews the lease itself when none is left. */
uint64_t store_id_new(struct store *store, enum store_id which);
/* BLOCKING.  Renews the lease if half of it is given. */
enum ts_err store_ids_renew(struct store *store);
/* Why there was none; does not block. */
enum ts_err store_id_err(struct store *store);
/* For opening: the row, and what it says. */
void store_ids_put(const struct ids *ids, struct engine_batch *batch);
enum ts_err store_ids_load(struct store *store);

/* ---- format.c ---- */

int64_t store_wall(const struct store *store);
void store_put_version(struct engine_batch *batch);
void store_put_own_id(struct store *store, struct engine_batch *batch);
enum ts_err store_own_id_load(struct store *store);

/* ---- asked.c; any thread ---- */

enum background_job {
	BG_PURGE = 1,   /* of an account */
	BG_COLLECT = 2, /* of an account; without one: what was passed by */
	BG_INTENTS = 4,
	BG_EVICT = 8,
	BG_IDS = 16,
	BG_DROPPED = 32
};
void background_wake(struct store *store, unsigned jobs);
void background_account(struct store *store, uint64_t account, unsigned jobs);
/* Takes the reference. */
void background_fold(struct store *store, struct store_mailbox *mailbox_take);
/* Takes the job. */
void background_compact(struct store *store, struct compact_job *job_take);
/* account: of the change that did not take it, 0: there was none. */
void background_drop_blob(struct store *store, uint64_t blob, uint64_t account);
/* The account's change has ended: is the claim a holder's? */
void background_settle(struct store *store, uint64_t blob, uint64_t account);
/* For who works it off; the mutex is held.  NULL: the account has nothing to do. */
struct bg_account *background_account_of(struct background *bg, uint64_t id);
void background_set_purge(struct background *bg, struct bg_account *a, bool on);
void background_set_collect(struct background *bg, struct bg_account *a, bool on);
/* What was passed by is looked at again. */
void background_look_again(struct background *bg);

/* ---- jobs.c, BLOCKING ---- */

/* Of keys KEY_PURGE, instead of a MODSEQ: what a COPY that failed had put, by its first UID. */
#define PURGE_STAGED ((uint64_t)1 << 63)
/* Messages at a time */
#define PURGE_PIECE 1000
/* The first key of a kind. */
enum ts_err job_first(struct store *store, uint64_t account, enum key_kind kind, struct key *job_r);
/* Commits the batch if it is large, or always, and empties it. */
enum ts_err job_commit(struct store *store, struct engine_batch *batch, bool always);
/* What the job's row lists, then the row. */
enum ts_err job_forget_listed(struct store *store, uint64_t account, uint32_t mailbox,
    const struct key *job,
    void (*forget_one)(struct engine_batch *, uint64_t, uint32_t, uint32_t, uint64_t));
/* Takes away what a COPY of an earlier run had put into the account. */
enum ts_err staged_recover(struct store *store, uint64_t account);

/* ---- holders.c, BLOCKING ---- */

/* Who has the blob? */
struct holders {
	size_t count; /* 0: it is one account's own, or nobody's */
	bool has;     /* the account that was asked for is one of them */
	bool unknown; /* they cannot be read now */
};
enum ts_err holders_look(
    struct store *store, uint64_t blob, uint64_t account, struct holders *holders_r);
void holder_put(struct engine_batch *batch, uint64_t blob, uint64_t account);
void claim_put(struct engine_batch *batch, uint64_t blob, uint64_t account);
void claim_delete(struct engine_batch *batch, uint64_t blob, uint64_t account);
/* Has the account a reference to it? */
enum ts_err account_refers(struct store *store, uint64_t account, uint64_t blob, bool *yes_r);

/* ---- rename_rows.c, BLOCKING ---- */

/* The record of a RENAME, and how far its rows are written. */
void rename_record_key(struct key *k, uint64_t account);
void rename_written_key(struct key *k, uint64_t account);
bool rename_covers(struct str old, struct str name);
/* Is there a RENAME of the account whose rows are not all written? */
bool rename_pending(struct store *store, uint64_t account);
/* The next piece of rows, whoever wrote the last one. */
enum ts_err rename_write_piece(struct store *store, uint64_t account, bool *more_r);
/* Writes the rows of one that are left. */
enum ts_err rename_finish(struct store *store, uint64_t account);

/* ---- index.c, BLOCKING ---- */

/* Reads a mailbox's state from disk.  counters NULL: there are none any more. */
enum ts_err mailbox_read(struct store *store, uint64_t account, uint32_t mailbox,
    const struct counters_row *counters, struct state **state_r);
/* A key between header and summaries into a state, in their order.  False: it is damaged. */
bool mailbox_take_item(struct state *state, struct str key, struct str body);
#endif
