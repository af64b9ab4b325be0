/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_MEMORY_MEMORY_INT_H
#define STORE_MEMORY_MEMORY_INT_H
/*
 * The state in memory.
 *
 *   objects.c       accounts and mailboxes: made, counted by reference, freed
 *   sums.c          counters in the list, an account's sums, bytes of memory
 *   account.c       finding and loading accounts
 *   account_list.c  an account's list of names
 *   account_read.c  reading the list from disk
 *   mailbox.c       finding and loading mailboxes
 *   own.c           users' own \Seen in other accounts' mailboxes
 *   quota.c         limits of accounts and mailboxes
 *   hold.c          expunged messages that commands still read
 *   watch.c         who is told when something changes
 *   upload.c        messages on their way in
 *   evict.c         frees what nobody uses
 *
 * It promises that what it shows is on disk, and is seen whole under one lock.  The head, which is
 * what comes next, is only stored here: change makes it and publishes it.  It calls core and disk.
 *
 * "Head" is the state after everything that has been prepared, flushed or not.  It belongs to the
 * holder of the lane's token to prepare, and is reset to what is published when a batch fails.
 */
#include "net/loop.h"
#include "net/work.h"
#include "store/core/core_int.h"
#include "store/own.h"
#include "store/quota.h"

/* Flag in refs of an object that nobody can find any more: releasing the last reference frees
 * it. */
#define REFS_GONE 0x80000000u

struct head {
	struct counters_row c;
	struct store_keywords *keywords;
	uint32_t uidvalidity;
	unsigned use;
	int64_t created;
	bool gone;
};

/* Guards a long operation (change/gate.c).  Needs lane.mutex. */
struct change_gate {
	const void *by;                          /* identifies who closed it; NULL: it is open */
	bool stuck;                              /* nobody waits, all changes are refused */
	struct store_change_priv *first, **tail; /* changes that wait */
};

struct pend;

/* No own limit of an account: that of the source applies. */
#define QUOTA_UNSET (STORE_QUOTA_NONE - 1)

/* Reserved for a COPY or MOVE of several pieces: a lane adds, any thread takes away. */
struct quota_sum {
	_Atomic uint64_t bytes, messages;
};

struct store_mailbox {
	struct store_account *account;
	uint32_t id;
	_Atomic uint32_t refs;
	_Atomic bool gone;
	_Atomic uint32_t uidvalidity;
	_Atomic bool folding;           /* a fold is queued */
	_Atomic uint64_t used;          /* when the last reference was released; clock_mono_ms */
	_Atomic uint64_t log_weight;    /* of change records since the last fold */
	_Atomic bool compacting;        /* compact rows are being made */
	_Atomic uint32_t compact_upto;  /* messages up to this UID are known to have theirs */
	_Atomic unsigned compact_asked; /* how often that was withdrawn */

	unsigned use;                        /* account.lock */
	struct store_properties *properties; /* account.lock */
	struct counters_row counters;        /* these two: account.counting */
	bool summed;                         /* included in account.usage */

	pthread_rwlock_t lock;
	struct state *state;    /* NULL: not loaded */
	_Atomic size_t counted; /* bytes included in store.state_bytes; read by eviction */
	struct pend *pend[2];

	pthread_mutex_t holds_mutex;
	struct link holds;
	struct kept *kept; /* uthash by UID */

	struct head head;
	struct store_properties *head_properties;
	/* Own limits, in the head (QUOTA_UNSET). */
	_Atomic uint64_t quota[STORE_QUOTA_RESOURCES];
	struct quota_sum quota_reserved;
	bool stale; /* must be read again before it is changed; lane's */

	/* \Seen is each user's own (reader.h); the owner's value, set once, while loaded. */
	_Atomic bool has_own;
	struct store_own *_Atomic owners_own;

	struct change_gate gate; /* for changes that give UIDs */
};

struct entry { /* a name */
	struct store_mailbox *pub, *head;
	bool sub_pub, sub_head;
	unsigned ops;       /* list_ops that refer to it; account.lock */
	uint32_t tombstone; /* UIDVALIDITY of the last mailbox that lost the name; head */
	char *name;
	size_t n;
};

/* Changes that wait for their lane, in order; lane.mutex. */
struct change_queue {
	struct store_change_priv *first, **last;
	struct link ring; /* among the lane's queues that have any */
};

static inline void
change_queue_init(struct change_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
	list_init(&queue->ring);
}

struct own_id { /* owner and id of the mailbox; no padding */
	uint64_t owner;
	uint32_t mailbox, zero;
};

/* What was claimed as \Recent and not written to disk when the last session was gone. */
struct own_claim {
	UT_hash_handle hh;
	struct own_id id;
	uint32_t mark;
};

struct store_own {
	UT_hash_handle hh;
	struct own_id id;
	struct store_account *account; /* referenced */
	unsigned refs; /* this, what is published and what is pending: account.owns_mutex */
	struct own_seen *published;
	bool rooted;    /* it has a header on disk */
	size_t counted; /* bytes included in store.state_bytes */
	_Atomic uint32_t mark;
	_Atomic bool stale; /* must be read again before it is changed */
	struct own_seen *head;
	bool head_rooted;
	/* Changes that are prepared and not published, and the mailbox's MODSEQ at the first. */
	unsigned pending;
	uint64_t pending_s;
	bool inner; /* a mailbox of the account holds it: it has no reference to the account */
};

struct store_account {
	struct store *store;
	struct change_queue changes;
	uint64_t id;
	struct str name;
	UT_hash_handle hh;
	_Atomic uint32_t refs;
	_Atomic bool gone;
	_Atomic bool
	    staged_left; /* left by a COPY of an earlier run; no UIDs are given until removed */
	_Atomic uint64_t used;
	_Atomic uint64_t list_version;

	pthread_mutex_t load;
	pthread_rwlock_t lock;
	pthread_mutex_t counting;
	struct entry **entry; /* ordered by name */
	size_t entry_count, entry_cap;
	_Atomic size_t counted;              /* its bytes in store.state_bytes, without states */
	struct store_properties *properties; /* its own; account.lock */
	pthread_mutex_t owns_mutex;
	struct store_own *owns;       /* uthash by id: those in use of its own \Seen elsewhere */
	struct own_claim *own_claims; /* uthash by id; account.owns_mutex, as is the last */
	struct store_usage usage;     /* account.counting */
	/* Limits: what the source says, and own ones in the head (QUOTA_UNSET). */
	_Atomic uint64_t quota_base[STORE_QUOTA_RESOURCES], quota[STORE_QUOTA_RESOURCES];
	_Atomic unsigned quota_warned[STORE_QUOTA_RESOURCES]; /* percent, as told last; head */
	struct quota_sum quota_reserved;

	/* head */
	struct store_properties *head_properties;
	struct store_usage head_usage;
	uint32_t next_mailbox;     /* UINT32_MAX: all ids are used up */
	uint32_t last_uidvalidity; /* UINT32_MAX: all values are used up */
	uint32_t name_floor;       /* no forgotten tombstone had a higher value; see tombs.c */
	int64_t created;
	size_t head_mailboxes, tombstones, tidy_at; /* of entries, to tidy again */
	bool head_gone, stale;

	struct change_gate gate; /* for changes of the list */

	pthread_mutex_t watches;
	struct link watch_list;
};

static inline struct str
entry_name(const struct entry *e)
{
	return (struct str){e->name, e->n};
}

/* ---- objects.c ---- */

struct store_account *account_new(struct store *store, uint64_t id, struct str name);
void account_free(struct store_account *account);
/* Gives up a reference without a use of the account. */
void account_drop(struct store_account *a);
/* Makes an entry with only a name. */
struct entry *account_entry_new(struct str name);
void account_entry_free(struct entry *entry);
struct store_mailbox *mailbox_new(struct store_account *account, uint32_t id);
/* Nobody may have a reference.  Needs account.lock. */
void mailbox_drop_state(struct store_mailbox *mailbox);
void mailbox_free(struct store_mailbox *mailbox);
/* own.c.  The owner's value of a mailbox in which \Seen is each user's own; NULL: it is not so, or
 * not loaded. */
static inline struct store_own *
own_of_mailbox(const struct store_mailbox *mb)
{
	return atomic_load(&mb->owners_own);
}
/* Sets mb->has_own from its published properties. */
void own_note(struct store_mailbox *mb);
/* A mailbox becomes so: returns the owner's value, which is empty and has no rows yet, with a
 * reference. */
struct store_own *own_new_of(struct store_mailbox *mb);
/* The mailbox takes over the reference, unless it has a value already. */
void own_attach(struct store_mailbox *mb, struct store_own **own);
/* BLOCKING, with account.load.  Loads and attaches the owner's value if the mailbox needs one. */
enum ts_err own_load_of(struct store_mailbox *mb);
void own_detach(struct store_mailbox *mb);
/* Frees what is left of claims. */
void own_claims_free(struct store_account *account);
/*
 * Takes the published value and, if a change of it is under way, the mailbox's MODSEQ at which that
 * will be (else UINT64_MAX), with the mailbox's lock.  Nobody may be shown a number above that
 * before the change is: it would be missed.
 */
struct own_seen *own_look(struct store_own *own, uint64_t *cap_r);
/* A change is prepared, of this mailbox: returns the MODSEQ at which it is.  And it is published,
 * or taken back. */
uint64_t own_pending(struct store_own *own, struct store_mailbox *mb);
void own_settled(struct store_own *own);
/* Publishes a new value, which must be durable. */
void own_publish(struct store_own *own, struct own_seen *value, bool rooted);
/* Resets the head to what is published. */
void own_reset_head(struct store_own *own);
/* BLOCKING.  Reads again those that are stale. */
enum ts_err owns_reread(struct store_account *account);
/* BLOCKING.  Finds the next mailbox, after this one, of which the account has rows; owner 0: the
 * first.  TS_NOT_FOUND: there is none. */
enum ts_err own_next(struct store *store, uint64_t account, struct own_id *id);

/* The mailbox has many change records: asks the background, once, to fold them. */
void mailbox_ask_fold(struct store_mailbox *mailbox);
/* This many messages at the end of a mailbox may lack compact rows; smaller mailboxes have none. */
#define COMPACT_LEAST 256u
/* Asks the background for compact rows if there are enough messages.  Call it after a fold, or with
 * `again` if a reader missed rows, whatever rows were believed to exist. */
void mailbox_ask_compact(struct store_mailbox *mailbox, bool again);

/* ---- sums.c ---- */

/* Updates the store's count of bytes.  Call it after the state changed. */
void mailbox_count_bytes(struct store_mailbox *mailbox);
/* Adds the mailbox to the account's sums, or removes it. */
void mailbox_sum(struct store_mailbox *mailbox, bool summed);
/* Sets, and gets, the counters that the list shows for it. */
void mailbox_list_counters(struct store_mailbox *mailbox, const struct counters_row *counters);
struct counters_row mailbox_listed(const struct store_mailbox *mailbox);
/* Resets the head's sums to those of the heads of its mailboxes. */
void account_reset_usage(struct store_account *account);

/* ---- quota.c: limits ---- */

/* "quota/STORAGE": a limit, in units of 1,024 bytes, or "none".  "quota/warned/STORAGE": the
 * percentage last announced to the user. */
#define QUOTA_PROPERTY "quota/"
#define QUOTA_PROPERTY_WARNED "quota/warned/"
#define QUOTA_PERCENT_MAX 1000
void quota_property(enum store_quota_resource resource, bool warned, struct buf *name);
/* Returns a table's limit: STORE_QUOTA_NONE: unlimited; `unset` if it has none. */
uint64_t quota_of_table(
    const struct store_properties *table, enum store_quota_resource resource, uint64_t unset);
/* Parses the value of a property as a limit.  Returns false if it is invalid. */
bool quota_value(enum store_quota_resource resource, struct str value, uint64_t *limit_r);
/* Returns whether this is either no quota property, or a valid one. */
bool quota_property_ok(struct str name, struct str value);
unsigned quota_warned_of_table(
    const struct store_properties *table, enum store_quota_resource resource);
/* Gets the published usage. */
void quota_usage(struct store_account *account, uint64_t usage_r[STORE_QUOTA_RESOURCES]);
/* Gets the levels that the account has reached by its published usage and these limits.  Returns
 * whether they differ from those announced. */
bool quota_levels(struct store_account *account, const uint64_t limit[STORE_QUOTA_RESOURCES],
    const unsigned warned[STORE_QUOTA_RESOURCES], unsigned now_r[STORE_QUOTA_RESOURCES]);
/* Prepares a new account or mailbox, with nothing known yet. */
void quota_init(struct store_account *account);
void quota_init_mailbox(struct store_mailbox *mailbox);
/* Call when the head has other properties. */
void quota_read_head(struct store_account *account, struct store_mailbox *mailbox);
/* Asks the source for limits; call with shard.mutex held. */
void quota_ask_source(struct store_account *account);
/* Returns the limit in the head. */
uint64_t quota_limit(const struct store_account *account, enum store_quota_resource resource);
/* Get what the source says of a mailbox (STORE_QUOTA_NONE: nothing): by its name; or of the one
 * that has a name in the head, or among what is published.  Call without account.lock. */
void quota_of_name(struct store_account *account, struct str name, struct store_quota *quota_r);
void quota_of_mailbox(struct store_account *account, const struct store_mailbox *mailbox, bool head,
    struct store_quota *quota_r);
/* Call when the published usage or limit of the account changed: tells the source which level was
 * crossed. */
void quota_note(struct store_account *account);

/* ---- account.c ---- */

/* BLOCKING.  TS_NOT_FOUND: no account has that name. */
enum ts_err account_id(struct store *store, struct str name, uint64_t *id_r);
/* BLOCKING.  Finds or loads it; returns a reference.  TS_NOT_FOUND: there is none, or not yet. */
enum ts_err account_find_or_load(
    struct store *store, struct str name, struct store_account **account_r);
/* Removes it from the table and marks all its mailboxes gone. */
void account_publish_gone(struct store_account *account);

/* ---- account_list.c; needs account.lock unless noted ---- */

/* Returns whether nothing is left in it. */
bool account_entry_empty(const struct entry *entry);
size_t account_entry_at(const struct store_account *account, struct str name);
struct entry *account_entry(const struct store_account *account, struct str name);
/* Returns the entry, made if there is none.  Needs the write lock. */
struct entry *account_entry_add(struct store_account *account, struct str name);
/* Same for many names, which must ascend; out[i] is the entry of names[i]. */
void account_entries_add(
    struct store_account *account, const struct str *names, size_t n, struct entry **out);
/* Counts the bytes of the list again.  Nobody may change it meanwhile. */
void account_count_bytes(struct store_account *account);
/* Makes room for one more entry at the end; the caller inserts it. */
void account_make_room(struct store_account *account);
/* Updates the count of bytes when properties replace old ones. */
void account_count_properties(struct store_account *account, const struct store_properties *old,
    const struct store_properties *now);
/* Frees entries with nothing left in them.  For the lane while it prepares and holds no entry.
 * Takes the lock. */
void account_tidy(struct store_account *account);
/* Same, but only if there are many more entries than last time. */
void account_tidy_some(struct store_account *account);

/* ---- account_read.c, BLOCKING ---- */

/* Finishes what a crash left of an account, before anybody can see it. */
enum ts_err account_recover(struct store_account *account);
/* Reads the list from disk and makes memory agree with it.  Takes account.lock. */
enum ts_err account_read(struct store_account *account);

/* ---- mailbox.c ---- */

/* Installs a state in place of the old one.  Takes account.lock and mailbox.lock. */
void mailbox_install(struct store_mailbox *mailbox, struct state *state);
/* BLOCKING.  Reads the state again, in place, after a failed flush. */
enum ts_err mailbox_reread(struct store_mailbox *mailbox);
/* Resets the head to what is published. */
void mailbox_reset_head(struct store_mailbox *mailbox);

/* ---- hold.c ---- */

/* Keeps messages that leave a state, if somebody holds them.  Needs mailbox.lock. */
void holds_keep(
    struct store_mailbox *mailbox, const struct state *state, const roaring_bitmap_t *gone);
/* Keeps all messages that are held.  The mailbox is marked gone, and its contents will go. */
void holds_keep_all(struct store_mailbox *mailbox);
/* Returns whether the blob is kept for a hold.  If so, the collector passes over it, and is woken
 * when it no longer is. */
bool hold_has_blob(struct store *store, uint64_t blob);

/* ---- watch.c ---- */

void watch_notify(struct store_account *account, uint32_t mailbox_id);

/* ---- evict.c ---- */

/* Wakes the background if memory exceeds the budget.  Any thread. */
void account_ask_eviction(struct store *store);
/* Frees unused states and accounts, oldest first, down to the budget. */
void account_evict(struct store *store);
/* Frees all accounts when the store is closed. */
void accounts_free_all(struct store *store);

/* ---- upload.c ---- */

struct store_upload {
	struct store *store;
	struct work_pool *pool;
	struct loop *loop;
	struct buf bytes;  /* small: everything; large: what is not in the file yet */
	struct buf flight; /* large: what a worker is writing */
	struct buf summary;
	uint64_t size, blob;
	uint64_t marks;               /* of the blob's number: STORE_BLOB_IDS, with the next */
	struct store_message_ids ids; /* of a message that is brought back */
	struct engine_blob_writer *writer;
	struct mail_summarizer *summarizer; /* running over bytes, or what the writer has mapped */
	enum ts_err err;                    /* set on the loop */
	enum ts_err io_err;                 /* set by the worker while `working` */
	struct work work;
	bool large, working, finishing, finished, in_file, taken;
	bool last;          /* the current work is the last one */
	bool freed, posted; /* posted: small_done() is posted, not the work */
	/* With several handles on the same bytes, these belong to the first handle, which lives
	 * longest. */
	struct store_upload *origin;    /* NULL: this is the first or only one */
	_Atomic unsigned handles;       /* 0: never shared */
	_Atomic bool any_taken, stored; /* a change took it; the bytes are durable */
	bool skipped;                   /* the collector has passed over it; shared_mutex */
	_Atomic uint64_t tried;         /* account whose change failed to take it */
	struct link shared;             /* in store.shared */
	void (*ready)(void *arg);
	void *ready_arg;
	void (*done)(void *arg, enum ts_err err);
	void *done_arg;
	struct loop_task task;
};

/* Returns the handle that has the bytes. */
static inline struct store_upload *
upload_origin(struct store_upload *u)
{
	return u->origin != NULL ? u->origin : u;
}

/* Returns whether a shared upload still holds the blob.  If so, the collector passes over it, and
 * is woken when it no longer does. */
bool upload_shares(struct store *store, uint64_t blob);
#endif
