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
 *   own.c           users' own \Seen of mailboxes elsewhere
 *   hold.c          messages that commands hold
 *   watch.c         who wants to know that something changed
 *   upload.c        messages on their way in
 *   evict.c         what nobody uses goes
 *
 * It promises that what it shows is on disk, and is seen whole under one lock.
 * What is to come, the head, is only kept here: change makes it and shows it.  It
 * calls core and disk.
 *
 * "Head" is the state after everything that has been prepared, flushed or not.
 * It belongs to the lane that holds the token to prepare, and is put back to
 * what is published when a batch fails.
 */
#include "net/loop.h"
#include "net/work.h"
#include "store/core/core_int.h"
#include "store/own.h"

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

/* While something long is under way (change/gate.c); lane.mutex. */
struct change_gate {
	const void *by;                          /* who has closed it; NULL: it is open */
	bool stuck;                              /* nobody waits, all are refused */
	struct store_change_priv *first, **tail; /* those that wait */
};

struct pend;

struct store_mailbox {
	struct store_account *account;
	uint32_t id;
	_Atomic uint32_t refs;
	_Atomic bool gone;
	_Atomic uint32_t uidvalidity;
	_Atomic bool folding;           /* a fold is queued */
	_Atomic uint64_t used;          /* when the last reference went; clock_mono_ms */
	_Atomic uint64_t log_weight;    /* of the change records since the last fold */
	_Atomic bool compacting;        /* compact rows are being made */
	_Atomic uint32_t compact_upto;  /* UIDs up to it are known to have theirs */
	_Atomic unsigned compact_asked; /* how often that was taken back */

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

	struct change_gate gate; /* to whoever gives UIDs */
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

static inline void
change_queue_init(struct change_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
	list_init(&queue->ring);
}

struct own_id { /* whose mailbox, and which; no padding */
	uint64_t owner;
	uint32_t mailbox, zero;
};

struct store_own {
	UT_hash_handle hh;
	struct own_id id;
	struct store_account *account; /* referenced */
	unsigned refs;                 /* account.owns_mutex; these, too: */
	struct own_seen *published;
	bool rooted;    /* it has a header on disk */
	size_t counted; /* bytes that are in store.state_bytes */
	_Atomic uint32_t mark;
	_Atomic bool stale; /* must be read anew before it is changed */
	struct own_seen *head;
	bool head_rooted;
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
	pthread_mutex_t owns_mutex;
	struct store_own *owns;   /* uthash by id: what is used of its own \Seen elsewhere */
	struct store_usage usage; /* account.counting */

	/* head */
	struct store_properties *head_properties;
	struct store_usage head_usage;
	uint32_t next_mailbox;     /* UINT32_MAX: all ids are used up */
	uint32_t last_uidvalidity; /* UINT32_MAX: all values are */
	uint32_t name_floor; /* no tombstone that was forgotten had a higher value; see tombs.c */
	int64_t created;
	size_t head_mailboxes, tombstones, tidy_at; /* as many entries: some may be empty */
	bool head_gone, stale;

	struct change_gate gate; /* to whoever changes the list */

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
/* Nothing but a name. */
struct entry *account_entry_new(struct str name);
void account_entry_free(struct entry *entry);
struct store_mailbox *mailbox_new(struct store_account *account, uint32_t id);
/* Nobody has a reference; account.lock is held. */
void mailbox_drop_state(struct store_mailbox *mailbox);
void mailbox_free(struct store_mailbox *mailbox);
/* own.c.  Another value is durable. */
void own_publish(struct store_own *own, struct own_seen *value, bool rooted);
/* Brings the head back to what is published. */
void own_reset_head(struct store_own *own);
/* BLOCKING.  Reads those that are stale. */
enum ts_err owns_reread(struct store_account *account);
/* BLOCKING.  The next mailbox of which the account has rows, after this one; owner 0: the first.
 * TS_NOT_FOUND: there is none. */
enum ts_err own_next(struct store *store, uint64_t account, struct own_id *id);

/* Its change records are many: the background is to fold them, once. */
void mailbox_ask_fold(struct store_mailbox *mailbox);
/* So many messages at the end of a mailbox may be without compact rows; smaller mailboxes have
 * none.
 */
#define COMPACT_LEAST 256u
/* It was folded, or (again) a reader missed rows, whatever was thought to be there: the background
 * is to make them, if there are enough messages. */
void mailbox_ask_compact(struct store_mailbox *mailbox, bool again);

/* ---- sums.c ---- */

/* After the state changed: brings the store's count of bytes up to date. */
void mailbox_count_bytes(struct store_mailbox *mailbox);
/* It is one of those that the account's sums are of, or no more. */
void mailbox_sum(struct store_mailbox *mailbox, bool summed);
/* What the list says of it. */
void mailbox_list_counters(struct store_mailbox *mailbox, const struct counters_row *counters);
struct counters_row mailbox_listed(const struct store_mailbox *mailbox);
/* Brings the head's sums back to what the heads of its mailboxes say. */
void account_reset_usage(struct store_account *account);

/* ---- account.c ---- */

/* BLOCKING.  TS_NOT_FOUND: there is none of that name. */
enum ts_err account_id(struct store *store, struct str name, uint64_t *id_r);
/* BLOCKING.  Found, or loaded; a reference.  TS_NOT_FOUND: there is none, or not yet. */
enum ts_err account_find_or_load(
    struct store *store, struct str name, struct store_account **account_r);
/* Removes it from the table and marks everything gone. */
void account_publish_gone(struct store_account *account);

/* ---- account_list.c; account.lock is held unless a line says otherwise ---- */

/* Is nothing left in it? */
bool account_entry_empty(const struct entry *entry);
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
/* Other properties have the place of old ones. */
void account_count_properties(struct store_account *account, const struct store_properties *old,
    const struct store_properties *now);
/* Frees the entries in which nothing is left.  For the lane, while it prepares and holds no entry;
 * takes the lock. */
void account_tidy(struct store_account *account);
/* The same when there are many more than at the last time. */
void account_tidy_some(struct store_account *account);

/* ---- account_read.c, BLOCKING ---- */

/* What a crash left of an account is ended, before anybody can look. */
enum ts_err account_recover(struct store_account *account);
/* Reads the list from disk and makes memory agree with it.  Takes account.lock. */
enum ts_err account_read(struct store_account *account);

/* ---- mailbox.c ---- */

/* Puts a state in place of what there was; account.lock and mailbox.lock are taken inside. */
void mailbox_install(struct store_mailbox *mailbox, struct state *state);
/* Reads the state anew in place (after a failed flush).  BLOCKING. */
enum ts_err mailbox_reread(struct store_mailbox *mailbox);
/* Brings the head back to what is published. */
void mailbox_reset_head(struct store_mailbox *mailbox);

/* ---- hold.c ---- */

/* Messages leave a state: those that somebody holds are kept.  mailbox.lock is held. */
void holds_keep(
    struct store_mailbox *mailbox, const struct state *state, const roaring_bitmap_t *gone);
/* The mailbox is gone (the mark is set already), and its contents will be. */
void holds_keep_all(struct store_mailbox *mailbox);
/* Is the blob kept for a hold?  Then the collector passes it by, and is woken when it is no more.
 */
bool hold_has_blob(struct store *store, uint64_t blob);

/* ---- watch.c ---- */

void watch_notify(struct store_account *account, uint32_t mailbox_id);

/* ---- evict.c ---- */

/* Wakes the background if there is more in memory than the budget; any thread. */
void account_ask_eviction(struct store *store);
/* Frees states and accounts that nobody uses, oldest first, down to the budget. */
void account_evict(struct store *store);
/* All of them, when the store is closed. */
void accounts_free_all(struct store *store);

/* ---- upload.c ---- */

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
	_Atomic uint64_t tried;         /* the account of a change that failed to take it */
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
#endif
