/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CHANGE_BATCH_INT_H
#define STORE_CHANGE_BATCH_INT_H
/*
 * Shared by the files of this part: kinds, changes, batches, lanes.
 * change_int.h says what each file is.
 */
#include "store/change/change_int.h"

struct lane;
struct batch;

/* ---- kinds ---- */

enum inner_kind { /* continues enum store_change_kind */
	INNER_NEW_ACCOUNT = STORE_CHANGE_NOTICE + 1,
	INNER_NEW_BARE, /* without the default mailboxes */
	INNER_DROP_ACCOUNT,
	INNER_EXPORT, /* change_cross.c */
	INNER_IMPORT,
	INNER_FINISH,
	INNER_FORGET,
	INNER_ENDED,
	INNER_CLAIM, /* change_claim.c */
	INNER_PIECE, /* change_copy.c */
	INNER_SHOW,
	INNER_UNSTAGE,
	INNER_SHARED_ROW,   /* change_shares.c */
	INNER_RENAME_BEGIN, /* change_rename_many.c */
	INNER_RENAME_SHOW,
	CHANGE_KINDS
};

/* Whether a change may be prepared.  HOLD_WAIT: the callee has taken it, and will put it back into
 * the lane's queue or answer it. */
enum hold { HOLD_GO, HOLD_WAIT, HOLD_REFUSE };

/*
 * What a kind does at each step, in order.  NULL: nothing.  All but send() run on a lane's thread,
 * and none of them waits for a lane.
 *
 * What a change does to messages (delta_begin()) and to names (batch_list_op()) belongs to its
 * batch: it is shown together with all other changes of the mailbox or account, under one lock, and
 * taken back in the same way.  apply() and undo() deal with the rest.
 */
struct change_kind {
	const char *name;
	/* On submission.  NULL: goes straight to the lane. */
	void (*send)(struct store_change *change);
	/* When its turn has come. */
	enum hold (*hold)(struct lane *lane, struct store_change *change);
	/* Adds its rows to the batch, and its effects to the head.  If the result is not TS_OK,
	 * nothing was added. priv->again: there is more, for another batch. */
	enum ts_err (*prepare)(struct batch *b, struct store_change *change);
	/* What was prepared is durable, and messages and names are shown. */
	void (*apply)(struct batch *b, struct store_change *change);
	/* What was prepared failed; the heads of mailboxes and names have been reset to what is
	 * published.  doubt: it may be durable all the same. */
	void (*undo)(struct batch *b, struct store_change *change, bool doubt);
	/* Before its answer, whatever that is. */
	void (*ended)(struct store_change *change);
};

extern const struct change_kind store_kinds[CHANGE_KINDS];

/* ---- changes ---- */

struct store_change_priv {
	struct store_change *change;
	struct store_change_priv *next;
	struct store *store;
	struct loop_task task;
	bool submitted, posted, abandoned, finished;
	/* Called on the lane's thread instead of posting. */
	void (*complete)(struct store_change *change);
	void *complete_arg;
	void (*ended)(const struct store_change *change); /* store_submit_alone() */
	bool again;                                       /* there is another piece */
	struct store_mailbox *held[2];
	struct store_own *own; /* likewise referenced */
	const void *holder;    /* identifies who may pass a gate that it has closed */
	bool closes;           /* and closes a gate that is open */
	/* of kinds */
	struct transfer *transfer;
	struct copying *copying;
	struct renaming *renaming;
	struct claims *claims;
	struct prop_op *properties;
	struct own_op *own_op;
	uint64_t new_account;          /* its name exists, its rows come next */
	struct store_mailbox *shared;  /* rows of what is shared come next; referenced */
	struct store_mailbox *move_to; /* RENAME of INBOX: the new mailbox; referenced */
	roaring_bitmap_t *left;        /* EXPUNGE in pieces: what remains, and the current piece */
	roaring_bitmap_t *piece;
};

static inline const struct change_kind *
change_kind_of(const struct store_change *change)
{
	return &store_kinds[change->kind];
}

/* change.c */
struct store_change *change_new_asked(struct store *store, struct store_account *account, int kind,
    struct loop *loop, void (*done)(struct store_change *change), void *arg);
struct store_change *change_new_inner(struct store *store, struct store_account *account, int kind,
    void (*complete)(struct store_change *change), void *arg);
/* Puts the change into its account's lane.  With lanes 0, call lane_run() afterwards. */
void change_submit_inner(struct store_change *change);

/* ---- batches ---- */

struct pend { /* what a batch does to one mailbox */
	struct pend *next;
	struct store_mailbox *mailbox; /* referenced */
	struct delta *first, **last;
	roaring_bitmap_t *added, *expunged;
	roaring_bitmap_t **set, **clear; /* by flag; the last change wins */
	unsigned flag_cap;
	struct store_message *message; /* new ones, ascending; their flags are in set */
	size_t message_count, message_cap;
	struct counters_row after; /* set when the batch is closed */
};

struct list_op {                       /* a change of the list, to be published */
	struct store_account *account; /* referenced */
	struct entry *entry;
	struct store_mailbox *mailbox; /* the entry's new mailbox; referenced */
	struct store_mailbox *gone;    /* referenced */
	bool subscription, subscribed; /* only the subscription changes */
	bool created;                  /* this makes the mailbox */
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
	struct engine_batch *records; /* puts and deletes of server-wide records, for look-ups */
	struct buf value;             /* scratch */
	struct batch_job *job;        /* for the background, once durable */
	size_t job_count, job_cap;
	uint64_t put_blob; /* last blob of several recipients whose bytes it has */
};

/* batch.c */
struct pend *batch_pend(struct batch *b, struct store_mailbox *mailbox);
struct list_op *batch_list_op(struct batch *b, struct entry *entry, struct store_account *account);
/* Notes work for the background on this account. */
void batch_job(struct batch *b, uint64_t account, unsigned jobs);
/* Releases everything the batch refers to, except its changes. */
void batch_clear(struct batch *b);
/* Put rows of what the head says: the account's row, a mailbox's rows. */
void account_put_row(struct store_account *account, struct engine_batch *batch);
void mailbox_put_info(struct store_mailbox *mailbox, struct str name, struct engine_batch *batch);
void mailbox_put_counters(struct store_mailbox *mailbox, struct engine_batch *batch);

/* head.c: look-ups in the head.  Hold mailbox.lock for reading. */
struct head_view {
	struct store_mailbox *mailbox;
	const struct state *state;
	const struct pend *pend[2]; /* the older one first */
};
void head_view_of(struct head_view *v, const struct batch *b, struct store_mailbox *mailbox);
/* Returns those of `among` (NULL: all) that exist; durable: only those on disk. */
roaring_bitmap_t *head_existing(
    const struct head_view *v, const roaring_bitmap_t *among, bool durable);
/* Returns those of `among` that have the flag. */
roaring_bitmap_t *head_flagged(
    const struct head_view *v, unsigned flag, const roaring_bitmap_t *among);
bool head_message(const struct head_view *v, uint32_t uid, struct store_message *message_r);
/* Returns those of `among` whose MODSEQ is above `since`. */
roaring_bitmap_t *head_changed(
    const struct head_view *v, uint64_t since, const roaring_bitmap_t *among);
/* Returns the highest MODSEQ of `among`, which must all exist. */
uint64_t head_highest(const struct head_view *v, const roaring_bitmap_t *among);
/* Counts the keywords that messages have in the head.  Takes the lock. */
unsigned head_keywords(const struct batch *b, struct store_mailbox *mailbox);
/* Call when the batch is complete: writes the resulting counters into their rows. */
void head_close(struct batch *b);

/* For building deltas. */
struct change_delta {
	struct batch *b;
	struct store_mailbox *mailbox;
	struct delta *delta;
	/* What the head's counters and keywords will be. */
	struct counters_row c;
	struct store_keywords *keywords;
	struct store_flags named; /* keywords that this change sets on messages */
	bool any_length;          /* set by callers whose keywords are not new to the user */
	enum store_limit limit;   /* why delta_keyword_flag() refused */
	struct head_view head;
};
/* Locks the mailbox for reading until commit or abort. */
void delta_begin(struct change_delta *cd, struct batch *b, struct store_mailbox *mailbox);
/* Puts the record and shows the delta to later changes. */
void delta_commit(struct change_delta *cd);
/* Call only before anything was put into the batch, except keywords. */
void delta_abort(struct change_delta *cd);
/* Returns the flag of a keyword, made if there is none; if there are too many, drops those that no
 * message has.  -1: it cannot be made, see limit. */
int delta_keyword_flag(struct change_delta *cd, struct str name);
/* If one change expunges more than this, the background clears them away. */
#define EXPUNGE_INLINE 500
/* Puts the reference and summary (STR_NONE: it is lost) of a message. */
void message_put(struct batch *b, const struct store_mailbox *mailbox,
    const struct store_message *m, struct str summary);
/* Shows a new message whose reference and summary have been put; m->uid is set. */
void delta_show(struct change_delta *cd, struct store_message *m);
/* Same, but also puts them. */
void delta_message(struct change_delta *cd, struct store_message *m, struct str summary);
/* Sets or clears a flag of messages that exist.  Takes over the set. */
void delta_put_flag(struct change_delta *cd, unsigned flag, bool on, roaring_bitmap_t *uids);
/* Takes over the set. */
void delta_expunge(struct change_delta *cd, roaring_bitmap_t *uids);

/* ---- lanes ---- */

struct lane {
	struct store *store;
	pthread_mutex_t mutex;
	pthread_cond_t work, flush;
	struct link ring;         /* queues of accounts, in the order of their turns */
	struct change_queue rest; /* changes that belong to no account */
	bool preparing, flushing, failed, parked, stop;
	uint64_t flushes; /* count of those fully ended, including all that follows from them */
	_Atomic bool in_doubt; /* states may show what is no longer on disk */
	struct batch batch[2];
	pthread_t thread[2];
	unsigned threads;
	struct store_mailbox **doubt; /* to be read again; referenced */
	size_t doubt_count;
	struct store_account **doubt_account;
	size_t doubt_account_count;
	bool refused; /* the engine must be reopened */
};

/* lane.c */
struct lane *lane_of(struct store *store, uint64_t account);
static inline struct lane *
lane_of_account(const struct store_account *account)
{
	return lane_of(account->store, account->id);
}
void lane_enqueue(struct store_change *change);
/* Needs lane.mutex.  Puts changes of one account before its queue, which must have none of them. */
void lane_put_back(struct lane *lane, struct store_change_priv *first);
/* lanes 0: runs everything that waits, in the caller's thread. */
void lane_run(struct lane *lane);
/* Call when the change has its outcome: goes on with another piece, or answers it. */
void change_complete(struct store_change *change);

/* publish.c */
void batch_publish(struct batch *b);
/* Tells the background of the batch's work for it. */
void batch_tell_jobs(struct batch *b);

/* doubt.c: nobody else prepares or flushes on this lane meanwhile. */
/* Takes back the batch and the other one, which lies on top. err tells whether neither was written
 * (TS_FULL, TS_UNAVAILABLE) or the outcome is unknown (all others). */
void lane_take_back(struct batch *b, enum ts_err err, uint64_t generation);
/* Before a batch: tries to resolve what is in doubt; what remains so is refused. */
void lane_retry(struct lane *lane);
/* For undo(): has the account's list read again. */
void lane_doubt(struct lane *lane, struct store_account *account);

/* gate.c */
/* The gates of the change's mailbox and of its account's list, for kinds that give UIDs or change
 * the list. */
enum hold hold_for_uids(struct lane *lane, struct store_change *change);
enum hold hold_for_list(struct lane *lane, struct store_change *change);
void gate_close(struct lane *lane, struct change_gate *gate, const void *by);
/* The changes that wait get their turn, before all others. */
void gate_open(struct lane *lane, struct change_gate *gate, const void *by);
/* Refuses those that wait, and all others until the gate opens. */
void gate_stick(struct lane *lane, struct change_gate *gate, const void *by);

/* ---- what several kinds need ---- */

/* prepare.c */
/* TS_OK: the mailbox may be changed. */
enum ts_err prepare_usable(const struct store_mailbox *mailbox);
/* Whether the flag may be changed; and clears those that may not. */
bool flag_in_bounds(const struct store_flag_bounds *bounds, unsigned flag);
void flags_bound(const struct store_flag_bounds *bounds, struct store_flags *flags);
/* Sets the limit, and returns TS_LIMIT. */
enum ts_err refuse(struct store_change *change, enum store_limit limit);
/* For a keyword that delta_keyword_flag() refused: refuses the change too, unless it restores a
 * backup, which goes on without the keyword. */
enum ts_err keyword_refused(
    struct store_change *change, const struct change_delta *cd, struct str name);

/* ---- room.c: quota; in the lane, in the step that adds what it is about ---- */

struct room {
	uint64_t bytes, messages;
	bool same_account; /* they come from another mailbox of the account */
};
/* TS_OK, or TS_LIMIT with the limit in the change. */
enum ts_err room_for(
    struct store_change *change, struct store_mailbox *mailbox, const struct room *more);
/* For a mailbox more. */
enum ts_err room_for_mailbox(struct store_change *change, const struct store_account *account);
/* The same, and nobody else gets it until it is given back. */
enum ts_err room_reserve(
    struct store_change *change, struct store_mailbox *mailbox, const struct room *more);
/* At most what is reserved still; any thread. */
void room_give_back(
    struct store_mailbox *mailbox, struct room *reserved, uint64_t bytes, uint64_t messages);

/* ---- the copier ---- */

struct errand { /* work of the copier's thread for a change; embed it as first member */
	struct errand *next;
	struct store *store;
	void (*run)(struct errand *errand);   /* a step, on the copier's thread */
	void (*again)(struct errand *errand); /* continues one that was put off */
	void (*drop)(struct errand *errand);  /* drops one put off, on closing */
};

/* Runs the errand soon; with lanes 0 at once. */
void copier_put(struct errand *errand);
/* Mark something as running, which copier_stop() waits for, and as ended. */
void copier_begin(struct store *store);
void copier_end(struct store *store);
/* It is no longer running, and waits for copier_retry(). */
void copier_put_off(struct errand *errand);
#endif
