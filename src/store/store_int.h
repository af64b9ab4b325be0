/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_STORE_INT_H
#define STORE_STORE_INT_H
/*
 * What the files of the store share, and nobody else includes.
 *
 * Locks, and what they guard (one at a time, but for those written "then"):
 *   shard.load      loading of accounts whose names fall into the shard; then all others
 *   shard.mutex     the table of accounts in memory
 *   account.load    loading of the account's mailboxes; then the two below
 *   account.lock    the list: entries, mailbox.state being there; published properties
 *   mailbox.lock    the contents of mailbox.state, mailbox.pend[]
 *   account.counting  mailbox.counters of all mailboxes: those of the state, set while mailbox.lock
 *                   is held, so that the list and the mailbox never contradict each other;
 *                   account.usage, their sums
 *   account.watches the watches
 *   lane.mutex      the lane's queue and tokens
 *   store.lease_mutex  renewing the lease of ids; then ids_mutex, the ids
 *   mailbox.holds_mutex  holds, and what is kept for them; also inside of mailbox.lock
 *   store.held_mutex  blobs of what is kept; also inside of holds_mutex
 *   store.shared_mutex  the list of shared uploads
 *   background.mutex, copier.mutex  their queues
 *   store.rename_mutex  a piece of a RENAME's rows; nothing is taken inside but for reopening
 *
 * "Head" is the state after everything that has been prepared, flushed or not.
 * It belongs to the lane that holds the token to prepare, and is put back to
 * what is published when a batch fails.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <xxhash.h>

/* The low half; shards are chosen by the high one. */
#define HASH_FUNCTION(p, n, hash) ((hash) = (unsigned)XXH3_64bits((p), (n)))
#include <uthash.h>

#include "base/list.h"
#include "net/loop.h"
#include "net/work.h"
#include "store/properties.h"
#include "store/state.h"

struct lane;
struct batch;

/* ---- store ---- */

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

struct store_pin {
	struct store_pin *next;
	struct store *store;
	uint64_t until; /* clock_mono_ms; background.mutex */
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

struct background {
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
	uint64_t retry_at; /* after a failure: not before; clock_mono_ms */
	struct fold_job *folds, **folds_tail;
	struct blob_drop *drops;
	uint64_t orphan_limit; /* files with an id below were not made by this run */
};

struct errand { /* what the copier's thread does for a change; first in what it is about */
	struct errand *next;
	struct store *store;
	void (*run)(struct errand *errand);   /* a step, on the copier's thread */
	void (*again)(struct errand *errand); /* of one put off: it goes on */
	void (*drop)(struct errand *errand);  /* of one put off: the store is being closed */
};

struct copier { /* copier.c */
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct errand *queue, **queue_tail;
	struct errand *put_off; /* their last step failed; the background tries it again */
	size_t under_way;
	pthread_t thread;
	bool running, stop;
};

struct store {
	struct store_options opt;
	struct engine *engine;
	char own_id[STORE_OWN_ID_BYTES];
	struct shard shard[SHARDS];
	struct lane *lane;
	unsigned lane_count; /* at least 1 */
	struct background bg;
	struct copier copier;
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
	_Atomic uint64_t generation; /* how often the engine was reopened */
	_Atomic uint64_t evicted_at; /* clock_mono_ms */

	_Atomic uint64_t state_bytes, accounts_loaded, mailboxes_loaded, watches, pending;
	_Atomic uint64_t changes, batches, batch_max;
	_Atomic uint64_t batch_sizes[STORE_CLASSES + 1], batch_changes;
	_Atomic uint64_t flush_times[STORE_CLASSES + 1], flush_ns;
};

int64_t store_wall(const struct store *store);
/* A reader has let go of its lock. */
static inline void
store_looked(const struct store *store)
{
	if (store->opt.looked != NULL)
		store->opt.looked(store->opt.looked_arg);
}
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

void store_put_version(struct engine_batch *batch);
void store_put_own_id(struct store *store, struct engine_batch *batch);
/* migrate.c, BLOCKING.  Brings a store of this version, or one that an earlier try left, to the
 * newest.  On failure *text_r (malloc'ed) says what to do. */
enum ts_err migrate(struct store *store, uint32_t version, char **text_r);

/* Reopens the engine unless somebody did since `generation`. */
enum ts_err store_reopen(struct store *store, uint64_t generation);
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

/* ---- accounts and mailboxes ---- */

/* Set in refs of what nobody can find any more: the last one to let it go frees it. */
#define REFS_GONE 0x80000000u

struct head {
	struct counters_row c;
	struct store_keywords *keywords;
	uint32_t uidvalidity;
	unsigned use;
	int64_t created;
	bool gone;
};

struct waiting { /* changes that were taken out of their lane's queue; lane.mutex */
	struct store_change_priv *first, **tail;
};

struct store_mailbox {
	struct store_account *account;
	uint32_t id;
	_Atomic uint32_t refs;
	_Atomic bool gone;
	_Atomic uint32_t uidvalidity;
	_Atomic bool folding;        /* a fold is queued */
	_Atomic uint64_t used;       /* when the last reference went; clock_mono_ms */
	_Atomic uint64_t log_weight; /* of the change records since the last fold */

	unsigned use;                        /* account.lock */
	struct store_properties *properties; /* account.lock */
	struct counters_row counters;        /* account.counting; the two */
	bool summed;                         /* they are in account.usage */

	pthread_rwlock_t lock;
	struct state *state;    /* NULL: not loaded */
	_Atomic size_t counted; /* bytes that are in store.state_bytes; eviction looks at it */
	struct pend *pend[2];

	pthread_mutex_t holds_mutex;
	struct link holds;
	struct kept *kept; /* uthash by UID */

	struct head head;
	struct store_properties *head_properties;
	bool stale; /* must be read anew before it is changed; lane */

	struct copying *held_by; /* others give no UIDs; the two: lane.mutex */
	struct waiting waiting;
};

struct entry { /* a name */
	struct store_mailbox *pub, *head;
	bool sub_pub, sub_head;
	unsigned ops;       /* list_ops that name it; account.lock */
	uint32_t tombstone; /* UIDVALIDITY of the last mailbox that lost the name; head */
	char *name;
	size_t n;
};

/* Changes that wait for their lane, in order; lane.mutex. */
struct change_queue {
	struct store_change_priv *first, **last;
	struct link ring; /* among those of the lane of which any waits */
};

struct store_account {
	struct store *store;
	struct lane *lane;
	struct change_queue changes;
	uint64_t id;
	struct str name;
	UT_hash_handle hh;
	_Atomic uint32_t refs;
	_Atomic bool gone;
	_Atomic bool
	    staged_left; /* of a COPY of an earlier run; no UIDs are given before it is gone */
	_Atomic uint64_t used;
	_Atomic uint64_t list_version;

	pthread_mutex_t load;
	pthread_rwlock_t lock;
	pthread_mutex_t counting;
	struct entry **entry; /* ordered by name */
	size_t entry_count, entry_cap;
	_Atomic size_t
	    counted; /* bytes of it that are in store.state_bytes, states not among them */
	struct store_properties *properties; /* its own; account.lock */
	struct store_usage usage;            /* account.counting */

	/* head */
	struct store_properties *head_properties;
	struct store_usage head_usage;
	uint32_t next_mailbox;     /* UINT32_MAX: all ids are used up */
	uint32_t last_uidvalidity; /* UINT32_MAX: all values are */
	uint32_t name_floor; /* no tombstone that was forgotten had a higher value; see tombs.c */
	int64_t created;
	size_t head_mailboxes, tombstones, tidy_at; /* as many entries: some may be empty */
	bool head_gone, stale;

	struct renaming *renaming; /* others do not change the list; the two: lane.mutex */
	struct waiting waiting;

	pthread_mutex_t watches;
	struct link watch_list;
};

static inline struct str
entry_name(const struct entry *e)
{
	return (struct str){e->name, e->n};
}

/* Nothing but a name. */
struct entry *account_entry_new(struct str name);
void account_entry_free(struct entry *entry);
/* Is nothing left in it? */
bool account_entry_empty(const struct entry *entry);
bool account_name_ok(struct str name);
/* BLOCKING.  What a crash left of an account is ended, before anybody can look. */
enum ts_err account_recover(struct store_account *account);
/* BLOCKING.  TS_NOT_FOUND: there is none of that name. */
enum ts_err account_id(struct store *store, struct str name, uint64_t *id_r);
/* Is it one that a mailbox may have? */
bool mailbox_name_ok(struct str name);
/* account.lock is held. */
size_t account_entry_at(const struct store_account *account, struct str name);
struct entry *account_entry(const struct store_account *account, struct str name);
/* Write lock held.  Makes it when there is none. */
struct entry *account_entry_add(struct store_account *account, struct str name);
/* The same for many at once, whose names are ascending; out[i] is that of names[i]. */
void account_entries_add(
    struct store_account *account, const struct str *names, size_t n, struct entry **out);
/* Counts the bytes of the list anew; nobody changes it meanwhile. */
void account_count_bytes(struct store_account *account);
/* Room for one entry more, at the end of what is there; the caller puts it in. */
void account_make_room(struct store_account *account);
/* Other properties have the place of old ones; account.lock is held. */
void account_count_properties(struct store_account *account, const struct store_properties *old,
    const struct store_properties *now);
/* Brings the head's sums back to what the heads of its mailboxes say. */
void account_reset_usage(struct store_account *account);
/* Frees the entries in which nothing is left.  For the lane, while it prepares and holds no entry;
 * takes the lock. */
void account_tidy(struct store_account *account);
/* The same when there are many more than at the last time. */
void account_tidy_some(struct store_account *account);
/* Reads the list from disk and makes memory agree with it.  BLOCKING.  Takes account.lock. */
enum ts_err account_read(struct store_account *account);
void account_free(struct store_account *account);
/* Removes it from the table and marks everything gone. */
void account_publish_gone(struct store_account *account);
/* tombs.c.  A name's mailbox goes: no later one of that name may have its UIDVALIDITY. */
void tombs_bury(
    struct batch *b, struct store_account *account, struct entry *e, uint32_t uidvalidity);
/* The same of many names; keeps no more than there are to be, and puts no others. */
void tombs_bury_all(struct batch *b, struct store_account *account, struct entry *const *e,
    const uint32_t *uidvalidity, size_t n);
/* Too many of these: all with a value not above the result go, and it is the floor.  0: none need
 * to.  Sorts them. */
uint32_t tombs_limit(uint32_t *values, size_t n);
/* Of a name (STR_NONE: the floor); 0: there is none any more. */
void tombs_put(struct engine_batch *batch, uint64_t account, struct str name, uint32_t value);
/* The highest UIDVALIDITY under which the name (e may be NULL) may have been known; 0: none. */
uint32_t tombs_highest(const struct store_account *account, const struct entry *e);
/* BLOCKING.  Of a store of format 1: accounts with too many lose some. */
enum ts_err tombs_migrate(struct store *store);
/* Puts account row into a batch, from the head. */
void account_put_row(struct store_account *account, struct engine_batch *batch);
/* The name leads to the account. */
void account_put_name(uint64_t id, struct str name, struct engine_batch *batch);
/* The rows of a new account with its INBOX, and n mailboxes more, subscribed. */
void account_put_new(uint64_t id, struct str name, int64_t now, const struct store_default *more,
    size_t n, struct engine_batch *batch);
/* Frees states and accounts that nobody uses, oldest first, down to the budget. */
/* Wakes the background if there is more in memory than the budget; any thread. */
void account_ask_eviction(struct store *store);
void account_evict(struct store *store);

struct store_mailbox *mailbox_new(struct store_account *account, uint32_t id);
/* Nobody has a reference; account.lock is held. */
void mailbox_drop_state(struct store_mailbox *mailbox);
void mailbox_free(struct store_mailbox *mailbox);
/* Reads a mailbox's state from disk.  counters NULL: there are none any more. */
enum ts_err mailbox_read(struct store *store, uint64_t account, uint32_t mailbox,
    const struct counters_row *counters, struct state **state_r);
/* A key between header and summaries into a state, in their order.  False: it is damaged. */
bool mailbox_take_item(struct state *state, struct str key, struct str body);
/* Puts a state in place of what there was; account.lock and mailbox.lock are taken inside. */
void mailbox_install(struct store_mailbox *mailbox, struct state *state);
/* Reads the state anew in place (after a failed flush).  BLOCKING. */
enum ts_err mailbox_reread(struct store_mailbox *mailbox);
/* Brings the head back to what is published. */
void mailbox_reset_head(struct store_mailbox *mailbox);
/* After the state changed: brings the store's count of bytes up to date. */
void mailbox_count_bytes(struct store_mailbox *mailbox);
void mailbox_put_info(struct store_mailbox *mailbox, struct str name, struct engine_batch *batch);
/* It is one of those that the account's sums are of, or no more. */
void mailbox_sum(struct store_mailbox *mailbox, bool summed);
/* BLOCKING.  The sums of an account as of the disk. */
enum ts_err usage_of_rows(struct store *store, uint64_t account, struct store_usage *usage_r);
/* A part of the sums becomes another one. */
void usage_change(
    struct store_usage *usage, const struct counters_row *old, const struct counters_row *now);
/* What the list says of it. */
void mailbox_list_counters(struct store_mailbox *mailbox, const struct counters_row *counters);
struct counters_row mailbox_listed(const struct store_mailbox *mailbox);
void mailbox_put_counters(struct store_mailbox *mailbox, struct engine_batch *batch);

void watch_notify(struct store_account *account, uint32_t mailbox_id);

/* ---- uploads ---- */

struct store_upload {
	struct store *store;
	struct work_pool *pool;
	struct loop *loop;
	struct buf bytes;  /* small: all; large: what is not yet in the file */
	struct buf flight; /* large: what a worker is writing */
	struct buf summary;
	uint64_t size, blob;
	struct engine_blob_writer *writer;
	struct mail_summarizer
	    *summarizer;    /* under way, over bytes or what the writer has mapped */
	enum ts_err err;    /* the loop's */
	enum ts_err io_err; /* the worker's while `working` */
	struct work work;
	bool large, working, finishing, finished, in_file, taken;
	bool last;          /* the work under way is the last one */
	bool freed, posted; /* posted: small_done() is under way, not the work */
	/* Several handles on the same bytes: these belong to the first, which lives longest. */
	struct store_upload *origin;    /* NULL: this is the first, or the only one */
	_Atomic unsigned handles;       /* 0: it was never shared */
	_Atomic bool any_taken, stored; /* a change took it; the bytes are durable */
	bool skipped;                   /* the collector passed it by; shared_mutex */
	uint64_t tried;                 /* the account of a change that failed to take it */
	struct link shared;             /* in store.shared */
	void (*ready)(void *arg);
	void *ready_arg;
	void (*done)(void *arg, enum ts_err err);
	void *done_arg;
	struct loop_task task;
};

/* The one that has the bytes. */
static inline struct store_upload *
upload_origin(struct store_upload *u)
{
	return u->origin != NULL ? u->origin : u;
}

/* Does an upload that is shared still hold the blob?  Then the collector passes it by, and is woken
 * when it does no more. */
bool upload_shares(struct store *store, uint64_t blob);

/* ---- holds ---- */

/* Messages leave a state: those that somebody holds are kept.  mailbox.lock is held. */
void holds_keep(
    struct store_mailbox *mailbox, const struct state *state, const roaring_bitmap_t *gone);
/* The mailbox is gone (the mark is set already), and its contents will be. */
void holds_keep_all(struct store_mailbox *mailbox);
/* Is the blob kept for a hold?  Then the collector passes it by, and is woken when it is no more.
 */
bool hold_has_blob(struct store *store, uint64_t blob);

/* ---- changes ---- */

enum inner_kind { /* continues enum store_change_kind */
	INNER_NEW_ACCOUNT = 100,
	INNER_NEW_BARE, /* without the default mailboxes */
	INNER_DROP_ACCOUNT,
	INNER_EXPORT, /* cross.c */
	INNER_IMPORT,
	INNER_FINISH,
	INNER_FORGET,
	INNER_ENDED,
	INNER_CLAIM, /* holders.c */
	INNER_PIECE, /* copy.c */
	INNER_SHOW,
	INNER_UNSTAGE,
	INNER_RENAME_BEGIN, /* rename.c */
	INNER_RENAME_SHOW
};

struct store_change_priv {
	struct store_change *change;
	struct store_change_priv *next;
	struct store *store;
	struct loop_task task;
	bool submitted, posted, abandoned, finished;
	/* Instead of posting: on the lane's thread. */
	void (*complete)(struct store_change *change);
	void *complete_arg;
	void (*ended)(const struct store_change *change); /* store_submit_alone() */
	struct transfer *transfer;                        /* cross.c */
	struct copying *copying;                          /* copy.c */
	struct renaming *renaming;                        /* rename.c */
	struct claims *claims;                            /* holders.c */
	uint64_t new_account;                             /* its name is there, now its rows */
	struct store_mailbox *move_to; /* RENAME of INBOX: the one that was made; referenced */
	roaring_bitmap_t *left;        /* EXPUNGE in pieces: those to come, and those that go now */
	roaring_bitmap_t *piece;
	bool again; /* there is another piece */
	struct store_mailbox *held[2];
};

/* Called by the lane when all is done. */
void change_complete(struct store_change *change);
struct store_change *change_new_inner(struct store *store, struct store_account *account, int kind,
    void (*complete)(struct store_change *change), void *arg);
/* Puts it into its account's lane; with lanes 0 somebody calls lane_run() afterwards. */
void change_submit_inner(struct store_change *change);
/* cross.c: takes a COPY or MOVE between accounts on its way. */
void cross_submit(struct store_change *change);
enum ts_err cross_prepare(struct batch *b, struct store_change *change);
/* Are messages on their way into the account?  Then holders and claims of it stay; the background
 * is woken when they have come. */
bool cross_comes(struct store *store, uint64_t account);
/* BLOCKING.  Finishes or undoes what a crash, or a failed flush, left. */
enum ts_err cross_recover(struct store *store);

/* copy.c: takes a COPY or MOVE within an account, or a RENAME of INBOX, on its way. */
void copy_submit(struct store_change *change);
/* May so many messages be moved by one change? */
bool copy_fits(const struct store *store, uint64_t messages);
enum ts_err copy_prepare(struct batch *b, struct store_change *change);
/* May the change be prepared?  HOLD_WAIT: it was taken, and comes back into the lane's queue. */
enum hold { HOLD_GO, HOLD_WAIT, HOLD_REFUSE };
enum hold copy_hold(struct lane *lane, struct store_change_priv *priv);

/* rename.c: the same.  A RENAME of very many is taken for good, and gets its answer. */
enum hold rename_hold(struct lane *lane, struct store_change_priv *priv);
enum ts_err rename_prepare(struct batch *b, struct store_change *change);
/* What of the batch's renamings follows from its end. */
void rename_publish(struct renaming *t);
void rename_dropped(struct renaming *t);
struct renaming *rename_next(const struct renaming *t);
struct store_account *rename_account(const struct renaming *t);
/* Is there a RENAME of the account whose rows are not all written? */
bool rename_pending(struct store *store, uint64_t account);
/* BLOCKING.  Writes the rows of one that are left. */
enum ts_err rename_finish(struct store *store, uint64_t account);

/* copier.c: the errand is run soon; with lanes 0 at once. */
void copier_put(struct errand *errand);
/* It is under way, which copier_stop() waits for; it has ended. */
void copier_begin(struct store *store);
void copier_end(struct store *store);
/* It is not under way any more, and waits for copier_retry(). */
void copier_put_off(struct errand *errand);
/* Goes on with those that were put off.  TS_UNAVAILABLE: there was one. */
enum ts_err copier_retry(struct store *store);
void copier_start(struct store *store);
/* Waits for what is under way, then ends the thread. */
void copier_stop(struct store *store);
void copier_fini(struct store *store);

/* ---- lanes ---- */

struct pend { /* what a batch does to one mailbox */
	struct pend *next;
	struct store_mailbox *mailbox; /* referenced */
	struct delta *first, **last;
	roaring_bitmap_t *added, *expunged;
	roaring_bitmap_t **set, **clear; /* flags; what was touched last wins */
	unsigned flag_cap;
	struct store_message *message; /* new ones, ascending; flags are in set */
	size_t message_count, message_cap;
	struct counters_row after; /* set when the batch is closed */
};

struct list_op {                       /* a change of the list, to be published */
	struct store_account *account; /* referenced */
	struct entry *entry;
	struct store_mailbox *mailbox; /* the entry's new one; referenced */
	struct store_mailbox *gone;    /* referenced */
	bool subscription, subscribed; /* only that changes */
	bool created;                  /* the mailbox is made by this */
	uint32_t uidvalidity;
};

struct batch_job {
	uint64_t account;
	unsigned jobs; /* BG_PURGE, BG_COLLECT */
};

struct batch {
	struct lane *lane;
	unsigned index;
	struct engine_batch *ops;
	struct store_change_priv *first, **last;
	size_t changes;
	struct pend *pends, **pends_last;
	struct list_op *list;
	size_t list_count, list_cap;
	struct store_account *gone;   /* an account that the batch removes; referenced */
	struct engine_batch *records; /* puts and deletes of server-wide records, for looking up */
	struct prop_op *properties, **properties_last;
	struct buf value;      /* scratch */
	struct batch_job *job; /* for the background, when it is durable */
	size_t job_count, job_cap;
	bool dropped;               /* so is the removal of an account */
	uint64_t put_blob;          /* the last one of several recipients whose bytes it has */
	struct renaming *renamings; /* that it shows */
};

struct lane {
	struct store *store;
	pthread_mutex_t mutex;
	pthread_cond_t work, flush;
	struct link ring;         /* queues of accounts, in the order of their turns */
	struct change_queue rest; /* of what is no account's */
	bool preparing, flushing, failed, parked, stop;
	uint64_t flushes;      /* that have ended, with all that follows from them */
	_Atomic bool in_doubt; /* states may show what is not on disk any more */
	struct batch batch[2];
	pthread_t thread[2];
	unsigned threads;
	struct store_mailbox **doubt; /* to be read anew; referenced */
	size_t doubt_count;
	struct store_account **doubt_account;
	size_t doubt_account_count;
	bool refused; /* the engine must be reopened */
};

void lanes_start(struct store *store);
void lanes_stop(struct store *store);
struct lane *lane_of(struct store *store, uint64_t account);
void lane_enqueue(struct lane *lane, struct store_change_priv *priv);
void change_queue_init(struct change_queue *queue);
/* In both lane.mutex is held.  Keeps one back, which was taken out of its queue; puts all of them,
 * which are of one account and none is left then, before its queue. */
void lane_keep(struct waiting *waiting, struct store_change_priv *priv);
void lane_put_back(struct lane *lane, struct waiting *waiting);
/* The lane of what is changed, whatever account the asker named. */
struct lane *lane_for(const struct store_change *change);
/* BLOCKING.  Waits until what was committed up to now is published.  False: it cannot be yet, since
 * states are in doubt. */
bool lanes_settle(struct store *store);
/* lanes 0: runs everything that waits, in the caller's thread. */
void lane_run(struct lane *lane);

/* The account will have something of the kind for the background. */
void batch_job(struct batch *b, uint64_t account, unsigned jobs);

/* prepare.c: adds the change to the batch.  Other than TS_OK: nothing was added. */
enum ts_err prepare_change(struct batch *b, struct store_change *change);
enum ts_err prepare_list_change(struct batch *b, struct store_change *change); /* list.c */
/* May it be renamed so, whatever is there?  Not INBOX. */
bool rename_names_ok(const struct store_change *change);
enum ts_err prepare_records(struct batch *b, struct store_change *change); /* records.c */
/* properties.c; then what becomes of a batch's changes of them. */
enum ts_err prepare_properties(struct batch *b, struct store_change *change);
void properties_publish(struct batch *b);
void properties_drop(struct batch *b);
void properties_doubt(struct batch *b, void (*doubt)(struct lane *, struct store_account *));
void properties_clear(struct batch *b);
/* Those of the mailbox's head: their rows, under its id. */
void properties_put_rows(struct batch *b, const struct store_mailbox *mailbox);
void properties_delete_rows(struct batch *b, const struct store_mailbox *mailbox);
/* Is there a record of account 0 in the head of the lane that writes these?  Reads the value into
 * b->value when it is on disk. */
enum ts_err record_look(
    struct batch *b, const struct key *k, bool *there_r, bool *pending_r, struct str *body_r);
/* Messages on their way from one mailbox to another. */
struct gathered {
	struct store_message *message;
	size_t count;
	struct store_keywords *keywords; /* of the source */
	struct store_flags used;         /* by the messages */
	bool any_length;                 /* of keywords; set before */
	struct buf summaries;            /* one behind the other; lost ones are empty */
	uint32_t *read;                  /* of which messages */
	size_t *end;                     /* where each ends */
	size_t read_count, read_cap;
	uint64_t limit;                  /* opt.copy_memory */
	struct store_flag_bounds bounds; /* set before; what they leave out is not gathered */
};
void gather_messages(struct gathered *g, struct batch *b, struct store_mailbox *source,
    const roaring_bitmap_t *uids);
/* False: one of the change's UIDs is not there, and it wants all or none. */
bool all_gathered(const struct gathered *g, const struct store_change *change);
/* TS_LIMIT: they take more than opt.copy_memory. */
enum ts_err gather_summaries(struct gathered *g, struct store_mailbox *source);
void gathered_read(struct gathered *g, uint32_t uid, struct str summary);
/* That of a message; *at, 0 at first, goes on with ascending UIDs.  STR_NONE: there is none. */
struct str gathered_summary(const struct gathered *g, size_t *at, uint32_t uid);
/* Those that the bounds leave out go. */
void flags_bound(const struct store_flag_bounds *bounds, struct store_flags *flags);
/* The flags under other numbers; those with -1 go. */
struct store_flags flags_mapped(const struct store_flags *flags, const int *map);
void gathered_fini(struct gathered *g);
struct change_delta;
/* TS_LIMIT, and which. */
enum ts_err refuse(struct store_change *change, enum store_limit limit);
/* A keyword that delta_keyword() refused: so is the change, or a backup goes on without it. */
enum ts_err keyword_refused(
    struct store_change *change, const struct change_delta *cd, struct str name);
/* The pairs have room for all; limit and lost of `c` say what is refused. */
enum ts_err put_copies(struct batch *b, struct store_mailbox *target, const struct gathered *g,
    struct store_uid_pair *pairs, struct store_change *c);
void remove_moved(struct batch *b, struct store_mailbox *source, const struct gathered *g);
/* TS_OK: the mailbox may be changed. */
enum ts_err prepare_usable(const struct store_mailbox *mailbox);
void prepare_close(struct batch *b);
struct pend *batch_pend(struct batch *b, struct store_mailbox *mailbox);
void pend_free(struct pend **pend);
struct list_op *batch_list_op(struct batch *b, struct entry *entry, struct store_account *account);

/* head.c: questions to the head; mailbox.lock is held for reading. */
struct head_view {
	struct store_mailbox *mailbox;
	const struct state *state;
	const struct pend *pend[2]; /* the older one first */
};
void head_view_of(struct head_view *v, const struct batch *b, struct store_mailbox *mailbox);
/* Those of `among` (NULL: all) that exist; durable: and are on disk. */
roaring_bitmap_t *head_existing(
    const struct head_view *v, const roaring_bitmap_t *among, bool durable);
/* Those of `among` that have the flag. */
roaring_bitmap_t *head_flagged(
    const struct head_view *v, unsigned flag, const roaring_bitmap_t *among);
bool head_message(const struct head_view *v, uint32_t uid, struct store_message *message_r);
/* Those of `among` with a MODSEQ above. */
roaring_bitmap_t *head_changed(
    const struct head_view *v, uint64_t since, const roaring_bitmap_t *among);
/* The highest MODSEQ that one of `among`, which all exist, has. */
uint64_t head_highest(const struct head_view *v, const roaring_bitmap_t *among);
/* How many keywords messages have in the head; takes the lock. */
unsigned head_keywords(const struct batch *b, struct store_mailbox *mailbox);
uint32_t head_count_above(const struct head_view *v, uint32_t mark);

/* Building deltas, for prepare.c and cross.c. */
struct change_delta {
	struct batch *b;
	struct store_mailbox *mailbox;
	struct delta *delta;
	/* What the head's will be. */
	struct counters_row c;
	struct store_keywords *keywords;
	struct store_flags named; /* keywords that this change gives to messages */
	bool any_length;          /* set by whoever makes keywords that are not new to the user */
	enum store_limit limit;   /* why delta_keyword() refused */
	struct head_view head;
};
/* The mailbox is locked for reading until commit or abort. */
void delta_begin(struct change_delta *cd, struct batch *b, struct store_mailbox *mailbox);
/* Puts the record and shows the delta to later changes. */
void delta_commit(struct change_delta *cd);
/* Only before anything was put into the batch: keywords are fine. */
void delta_abort(struct change_delta *cd);
/* The flag of a keyword, made when there is none; when there are too many those that no message has
 * are forgotten.  -1: it cannot be made, see limit. */
int delta_keyword(struct change_delta *cd, struct str name);
/* More than so many expunged at once are cleared away in the background. */
#define EXPUNGE_INLINE 500
/* Reference and summary (STR_NONE: it is lost) of a message. */
void message_put(struct batch *b, const struct store_mailbox *mailbox,
    const struct store_message *m, struct str summary);
/* A new message, whose reference and summary were put; m->uid is set. */
void delta_show(struct change_delta *cd, struct store_message *m);
/* The same, and puts them. */
void delta_message(struct change_delta *cd, struct store_message *m, struct str summary);
/* Sets and clears flags of messages that exist; takes the set. */
void delta_flag(struct change_delta *cd, unsigned flag, bool on, roaring_bitmap_t *uids);
/* Takes the set. */
void delta_expunge(struct change_delta *cd, roaring_bitmap_t *uids);

/* ---- background ---- */

void background_start(struct store *store);
/* Ends the thread; lanes may still ask for work.  Then they end, then fini. */
void background_stop(struct store *store);
void background_fini(struct store *store);
void background_fold(struct store_mailbox *mailbox);
/* account: of the change that did not take it, 0: there was none. */
void background_drop_blob(struct store *store, uint64_t blob, uint64_t account);
/* The account's change has ended: is the claim a holder's? */
void background_settle(struct store *store, uint64_t blob, uint64_t account);
/* pin.c; the mutex is held.  Does a pin hold? */
bool background_pinned(struct background *bg);
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
/* fold.c, BLOCKING */
enum ts_err fold_mailbox(struct store_mailbox *mailbox);
/* purge.c, BLOCKING; *more_r: call again.  What an account has to remove. */
enum ts_err purge_step(struct store *store, uint64_t account, bool *more_r);
/* An account that is removed altogether; *account_r: it is this one's queue that has to be worked
 * through before, 0: none. */
enum ts_err dropped_step(struct store *store, bool *more_r, uint64_t *account_r);
/* Of keys KEY_PURGE, instead of a MODSEQ: what a COPY that failed had put, by its first UID. */
#define PURGE_STAGED ((uint64_t)1 << 63)
/* Takes away what a COPY of an earlier run had put into the account. */
enum ts_err staged_recover(struct store *store, uint64_t account);
/* collect.c, BLOCKING.  Some of the account's queue; *passed_r: something in it is held. */
enum ts_err collect_step(struct store *store, uint64_t account, bool *more_r, bool *passed_r);
enum ts_err collect_orphans(struct store *store);
enum ts_err collect_dropped(struct store *store, const struct blob_drop *drop);
/* holders.c, BLOCKING.  Who has the blob? */
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
/* What becomes of a claim: into the batch of account 0.  *wait_r: not yet, somebody has a handle
 * on the bytes. */
enum ts_err claim_settle(
    struct store *store, uint64_t blob, uint64_t account, struct engine_batch *batch, bool *wait_r);
/* Claims of the last run. */
enum ts_err claims_recover(struct store *store);
/* An APPEND of shared uploads: its holders first, then the change. */
bool claims_needed(const struct store_change *change);
void claims_submit(struct store_change *change);
enum ts_err claims_prepare(struct batch *b, struct store_change *change);
/* The change has ended. */
void claims_ended(struct store_change *change);
/* A piece of the way through all accounts, after the start: which of them have something to do? */
enum ts_err sweep_step(struct store *store, bool *more_r);
/* The next account above `after` that has any key.  TS_NOT_FOUND: there is none. */
enum ts_err account_next(struct store *store, uint64_t after, uint64_t *account_r);
/* Commits; an unknown outcome makes the engine reopen. */
enum ts_err background_commit(struct store *store, struct engine_batch *batch);
#endif
