/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CORE_CORE_INT_H
#define STORE_CORE_CORE_INT_H
/*
 * The store itself, and reading and writing rows through the engine.
 *
 *   scan.c         rows: one, a range, the next account
 *   commit.c       batches outside the lanes; reopening the engine
 *   ids.c          ids of accounts, blobs, transfers
 *   format.c       the version and the store's own id
 *   asked.c        requests to the background, a list that upkeep works off
 *   jobs.c         rows of what is to be removed; leftovers of a COPY of an earlier run
 *   holders.c      rows of blobs that several accounts have
 *   rename_rows.c  rows of a RENAME of very many mailboxes
 *   index.c        reads a mailbox's rows into its state
 *
 * It promises that a value is shown only if its checksum is right, that every id is given once, and
 * that any thread may request work without waiting.  It knows accounts and mailboxes by number
 * only.  It calls disk and the engine; it keeps pointers to parts above it, but does not follow
 * them.
 *
 * All locks of the store and what they guard.  Take one at a time, except in the orders written
 * with "then":
 *   shard.load      loading of accounts whose names fall into the shard; then any other lock
 *   shard.mutex     the table of accounts in memory
 *   account.load    loading of the account's mailboxes; then the two below
 *   account.lock    the list: its entries, whether mailbox.state is present; published properties
 *   mailbox.lock    the contents of mailbox.state, mailbox.pend[]
 *   account.counting  mailbox.counters of all mailboxes: copied from the state while mailbox.lock
 *                   is held, so that the list and the mailbox never contradict each other;
 *                   account.usage, their sums
 *   account.watches the watches
 *   account.owns_mutex  the table of the account's own \Seen elsewhere, and what is published of it
 *   store.quota_lock  the source of limits, which takes its own locks inside it; also taken inside
 *                   account.lock
 *   lane.mutex      the lane's queue and tokens
 *   store.lease_mutex  renewing the lease of ids; then ids_mutex, the ids
 *   mailbox.holds_mutex  holds, and what is kept for them; also taken inside mailbox.lock
 *   store.held_mutex  blobs of kept messages; also taken inside holds_mutex
 *   store.shared_mutex  the list of shared uploads
 *   background.mutex, copier.mutex  their queues
 *   store.rename_mutex  a piece of a RENAME's rows; inside it only reopening takes other locks
 */
#include <pthread.h>
#include <stdatomic.h>
#include <xxhash.h>

/* Uses the low half of the hash; the high half chooses the shard. */
#define HASH_FUNCTION(p, n, hash) ((hash) = (unsigned)XXH3_64bits((p), (n)))
#include <uthash.h>

#include "base/list.h"
#include "store/disk/disk_int.h"
#include "store/quota.h"

struct copier;
struct lane;

#define SHARDS 256

struct shard {
	pthread_mutex_t load, mutex;
	struct store_account *accounts; /* uthash by name */
};

struct ids { /* the first ids not given yet; in durable: the first that must not be given */
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
	uint32_t block;                /* the next block to look at */
	uint32_t upto;                 /* messages up to this UID have their rows */
	unsigned asked;                /* value of mailbox.compact_asked at the start */
	bool deep;                     /* check all rows, not just the dates */
	/* Looks back from the end, below this block, for the last one that has its rows. */
	bool back;
	uint32_t below;
};

struct bg_account {
	UT_hash_handle hh;
	uint64_t id;
	bool purge, collect;
	bool passed; /* something in its queue is held by others */
};

struct settling { /* a claim to be checked */
	struct settling *next;
	uint64_t blob, account;
};

struct background { /* its requests and its thread */
	pthread_mutex_t mutex;
	pthread_cond_t wake, idle;
	pthread_cond_t calm;    /* signalled when collecting has ended */
	struct store_pin *pins; /* while one holds, no blobs are collected */
	bool collecting;        /* blobs are being freed now */
	pthread_t thread;
	bool running, stop, busy;
	bool ids, dropped, intents, scan_files, sweep, evict; /* there is work of this kind */
	struct bg_account *accounts;                          /* uthash by id: those with work */
	size_t purges, collects;                              /* how many of them have it */
	uint64_t wakes; /* how often those passed over were looked at again */
	struct settling *settling, **settling_tail; /* claims whose account has its messages */
	struct settling *passed;                    /* those that wait for a handle to go */
	uint64_t dropping; /* an account to be removed, waiting for its queue */
	uint64_t swept;    /* accounts up to this id have been checked since the start */
	struct fold_job *folds, **folds_tail;
	struct compact_job *compacts, **compacts_tail;
	struct blob_drop *drops;
	uint64_t orphan_limit; /* files with a lower id are of earlier runs */
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
	pthread_mutex_t ids_mutex;   /* guards the four below; never held while something blocks */
	struct ids next, durable;
	enum ts_err ids_err; /* result of the last renewal */
	bool ids_asked;      /* the background has been asked to renew them */

	pthread_mutex_t shared_mutex;
	struct link shared; /* uploads with more than one handle */

	pthread_mutex_t held_mutex;
	struct held_blob *held; /* uthash by blob */
	_Atomic uint64_t holds, held_messages, held_bytes, held_refused;

	pthread_mutex_t reopen_mutex;
	pthread_mutex_t transfers; /* copies and moves between accounts that are under way */
	struct link transfer_list;
	uint64_t kept_off;           /* the account that no transfer may enter now; 0: none */
	_Atomic uint64_t generation; /* how often the engine was reopened */
	_Atomic uint64_t evicted_at; /* clock_mono_ms */

	pthread_rwlock_t quota_lock; /* source */
	struct store_quota_source quota_source;
	_Atomic bool shares_any;  /* there may be rows of what is shared (shares.h) */
	_Atomic bool quota_named; /* it has limits for mailboxes */
	_Atomic uint64_t quota_refused;

	_Atomic uint64_t state_bytes, accounts_loaded, mailboxes_loaded, watches, pending;
	_Atomic uint64_t changes, batches, batch_max;
	_Atomic uint64_t batch_sizes[STORE_CLASSES + 1], batch_changes;
	_Atomic uint64_t flush_times[STORE_CLASSES + 1], flush_ns;
};

/* Call when a reader has released its lock. */
static inline void
store_looked(const struct store *store)
{
	if (store->opt.looked != NULL)
		store->opt.looked(store->opt.looked_arg);
}

/* ---- scan.c ---- */

/* Gets a row and verifies its checksum.  body_r points into value. */
enum ts_err store_get(
    struct store *store, const struct key *k, struct buf *value, struct str *body_r);

/* Scans all keys with a prefix, or those in [from, end).  Values are verified and opened. */
struct scan {
	struct engine_iter *iter;
	struct str key, body;
};
void scan_begin(struct scan *scan, struct store *store, const struct key *prefix);
void scan_begin_range(
    struct scan *scan, struct store *store, const struct key *from, const struct key *end);
/* TS_NOT_FOUND: the end.  TS_DAMAGED with a key: only this value is bad, and the scan may go on.
 * TS_DAMAGED without a key and all other errors end it.  End the scan before you commit: reopening
 * waits for it. */
enum ts_err scan_next(struct scan *scan);
void scan_end(struct scan *scan);
/* Finds the next account above `after` that has any key.  TS_NOT_FOUND: there is none. */
enum ts_err account_next(struct store *store, uint64_t after, uint64_t *account_r);

/* ---- commit.c, BLOCKING ---- */

/* Commits a batch that is not a change's.  If the outcome is unknown the engine reopens. */
enum ts_err store_commit(struct store *store, struct engine_batch *batch);
/* Reopens the engine unless somebody has done so since `generation`. */
enum ts_err store_reopen(struct store *store, uint64_t generation);

/* ---- ids.c ---- */

enum store_id { ID_ACCOUNT, ID_BLOB, ID_INTENT };
/* Returns a new id.  Any thread; does not block.  Ids are leased ahead, and the background renews
 * the lease when half of it is used.  0: none is left, because renewing fails. */
uint64_t store_id_take(struct store *store, enum store_id which);
/* Same, but BLOCKING: renews the lease itself if none is left. */
uint64_t store_id_new(struct store *store, enum store_id which);
/* BLOCKING.  Renews the lease if half of it is used. */
enum ts_err store_ids_renew(struct store *store);
/* Returns why there was no id.  Does not block. */
enum ts_err store_id_err(struct store *store);
/* For opening: write the row, and read it. */
void store_ids_put(const struct ids *ids, struct engine_batch *batch);
enum ts_err store_ids_load(struct store *store);

/* ---- format.c ---- */

int64_t store_wall(const struct store *store);
void store_put_version(struct engine_batch *batch);
void store_put_own_id(struct store *store, struct engine_batch *batch);
enum ts_err store_own_id_load(struct store *store);

/* ---- asked.c; any thread ---- */

enum background_job {
	BG_PURGE = 1,   /* for an account */
	BG_COLLECT = 2, /* for an account; without one: what was passed over */
	BG_INTENTS = 4,
	BG_EVICT = 8,
	BG_IDS = 16,
	BG_DROPPED = 32
};
void background_wake(struct store *store, unsigned jobs);
void background_account(struct store *store, uint64_t account, unsigned jobs);
/* Takes over the reference. */
void background_fold(struct store *store, struct store_mailbox *mailbox_take);
/* Takes over the job. */
void background_compact(struct store *store, struct compact_job *job_take);
/* account: whose change did not take the blob; 0: none. */
void background_drop_blob(struct store *store, uint64_t blob, uint64_t account);
/* Call when the account's change has ended: the background checks whether the claim became a
 * holder. */
void background_settle(struct store *store, uint64_t blob, uint64_t account);
/* For upkeep, with the mutex held.  Returns NULL if the account has no work. */
struct bg_account *background_account_of(struct background *bg, uint64_t id);
void background_set_purge(struct background *bg, struct bg_account *a, bool on);
void background_set_collect(struct background *bg, struct bg_account *a, bool on);
/* Makes the background look again at what it passed over. */
void background_look_again(struct background *bg);

/* ---- jobs.c, BLOCKING ---- */

/* In keys KEY_PURGE, instead of a MODSEQ: what a failed COPY had put, by its first UID. */
#define PURGE_STAGED ((uint64_t)1 << 63)
/* Messages at a time. */
#define PURGE_PIECE 1000
/* Finds the first key of a kind. */
enum ts_err job_first(struct store *store, uint64_t account, enum key_kind kind, struct key *job_r);
/* Commits the batch if it is large or `always` is set, and empties it. */
enum ts_err job_commit(struct store *store, struct engine_batch *batch, bool always);
/* Calls forget_one for all that the job's row lists, then deletes the row. */
enum ts_err job_forget_listed(struct store *store, uint64_t account, uint32_t mailbox,
    const struct key *job,
    void (*forget_one)(struct engine_batch *, uint64_t, uint32_t, uint32_t, uint64_t));
/* Removes what a COPY of an earlier run had put into the account. */
enum ts_err staged_recover(struct store *store, uint64_t account);

/* ---- holders.c, BLOCKING ---- */

/* The accounts that have a blob. */
struct holders {
	size_t count; /* 0: it belongs to one account, or to none */
	bool has;     /* the account in question is one of them */
	bool unknown; /* they cannot be read now */
};
enum ts_err holders_look(
    struct store *store, uint64_t blob, uint64_t account, struct holders *holders_r);
void holder_put(struct engine_batch *batch, uint64_t blob, uint64_t account);
void claim_put(struct engine_batch *batch, uint64_t blob, uint64_t account);
void claim_delete(struct engine_batch *batch, uint64_t blob, uint64_t account);
/* Returns in *yes_r whether the account has a reference to the blob. */
enum ts_err account_refers(struct store *store, uint64_t account, uint64_t blob, bool *yes_r);

/* ---- rename_rows.c, BLOCKING ---- */

/* Keys of a RENAME's record, and of how far its rows are written. */
void rename_record_key(struct key *k, uint64_t account);
void rename_written_key(struct key *k, uint64_t account);
bool rename_covers(struct str old, struct str name);
/* Returns whether the account has a RENAME whose rows are not all written. */
bool rename_pending(struct store *store, uint64_t account);
/* Writes the next piece of rows, no matter who wrote the last one. */
enum ts_err rename_write_piece(struct store *store, uint64_t account, bool *more_r);
/* Writes all rows of a RENAME that are left. */
enum ts_err rename_finish(struct store *store, uint64_t account);

/* ---- index.c, BLOCKING ---- */

/* Reads a mailbox's state from disk. counters NULL: they are lost. */
enum ts_err mailbox_read(struct store *store, uint64_t account, uint32_t mailbox,
    const struct counters_row *counters, struct state **state_r);
/* Adds a row between header and summaries to a state; call in the order of keys.  Returns false if
 * it is damaged. */
bool mailbox_take_item(struct state *state, struct str key, struct str body);
#endif
