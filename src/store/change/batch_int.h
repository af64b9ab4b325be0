/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CHANGE_BATCH_INT_H
#define STORE_CHANGE_BATCH_INT_H
/*
 * What the files of this part share: kinds, changes, batches, lanes (see
 * change_int.h for what each file is).
 */
#include "store/change/change_int.h"

struct lane;
struct batch;

/* ---- kinds ---- */

enum inner_kind { /* continues enum store_change_kind */
	INNER_NEW_ACCOUNT = STORE_CHANGE_OWN + 1,
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
	INNER_RENAME_BEGIN, /* change_rename_many.c */
	INNER_RENAME_SHOW,
	CHANGE_KINDS
};

/* May the change be prepared?  HOLD_WAIT: it was taken, and comes back into the lane's queue, or
 * gets its answer otherwise. */
enum hold { HOLD_GO, HOLD_WAIT, HOLD_REFUSE };

/*
 * What a kind does at each step, in their order.  NULL: nothing.  All but send() run on a lane's
 * thread, and none of them waits for a lane.
 *
 * What a change does to messages (delta_begin()) and to names (batch_list_op()) belongs to its
 * batch: it is shown at once with that of all others of the mailbox or the account, under one lock,
 * and taken back in the same way.  apply() and undo() are about the rest.
 */
struct change_kind {
	const char *name;
	/* It is submitted.  NULL: to the lane with it. */
	void (*send)(struct store_change *change);
	/* Its turn has come. */
	enum hold (*hold)(struct lane *lane, struct store_change *change);
	/* Adds its rows to the batch, and what it does to the head.  Other than TS_OK: nothing was
	 * added.  priv->again: there is more, for another batch. */
	enum ts_err (*prepare)(struct batch *b, struct store_change *change);
	/* What was prepared is durable, and messages and names are shown. */
	void (*apply)(struct batch *b, struct store_change *change);
	/* What was prepared is not; the heads of mailboxes and names are as they are published.
	 * doubt: it may be durable all the same. */
	void (*undo)(struct batch *b, struct store_change *change, bool doubt);
	/* Before its answer, whatever this is. */
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
	/* Instead of posting: on the lane's thread. */
	void (*complete)(struct store_change *change);
	void *complete_arg;
	void (*ended)(const struct store_change *change); /* store_submit_alone() */
	bool again;                                       /* there is another piece */
	struct store_mailbox *held[2];
	struct store_own *own; /* likewise referenced */
	const void *holder;    /* who passes a gate that it has closed */
	bool closes;           /* and closes one that is open */
	/* of kinds */
	struct transfer *transfer;
	struct copying *copying;
	struct renaming *renaming;
	struct claims *claims;
	struct prop_op *properties;
	struct own_op *own_op;
	uint64_t new_account;          /* its name is there, now its rows */
	struct store_mailbox *move_to; /* RENAME of INBOX: the one that was made; referenced */
	roaring_bitmap_t *left;        /* EXPUNGE in pieces: those to come, and those that go now */
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
/* Puts it into its account's lane; with lanes 0 somebody calls lane_run() afterwards. */
void change_submit_inner(struct store_change *change);

/* ---- batches ---- */

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
	struct buf value;             /* scratch */
	struct batch_job *job;        /* for the background, when it is durable */
	size_t job_count, job_cap;
	uint64_t put_blob; /* the last one of several recipients whose bytes it has */
};

/* batch.c */
struct pend *batch_pend(struct batch *b, struct store_mailbox *mailbox);
struct list_op *batch_list_op(struct batch *b, struct entry *entry, struct store_account *account);
/* The account will have something of the kind for the background. */
void batch_job(struct batch *b, uint64_t account, unsigned jobs);
/* Lets go of all that the batch was about, but for its changes. */
void batch_clear(struct batch *b);
/* Rows of what the head says: the account's, a mailbox's. */
void account_put_row(struct store_account *account, struct engine_batch *batch);
void mailbox_put_info(struct store_mailbox *mailbox, struct str name, struct engine_batch *batch);
void mailbox_put_counters(struct store_mailbox *mailbox, struct engine_batch *batch);

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
/* Nothing more is added: the counters that the batch leads to, into their rows. */
void head_close(struct batch *b);

/* Building deltas. */
struct change_delta {
	struct batch *b;
	struct store_mailbox *mailbox;
	struct delta *delta;
	/* What the head's will be. */
	struct counters_row c;
	struct store_keywords *keywords;
	struct store_flags named; /* keywords that this change gives to messages */
	bool any_length;          /* set by whoever makes keywords that are not new to the user */
	enum store_limit limit;   /* why delta_keyword_flag() refused */
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
int delta_keyword_flag(struct change_delta *cd, struct str name);
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
void delta_put_flag(struct change_delta *cd, unsigned flag, bool on, roaring_bitmap_t *uids);
/* Takes the set. */
void delta_expunge(struct change_delta *cd, roaring_bitmap_t *uids);

/* ---- lanes ---- */

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

/* lane.c */
struct lane *lane_of(struct store *store, uint64_t account);
static inline struct lane *
lane_of_account(const struct store_account *account)
{
	return lane_of(account->store, account->id);
}
void lane_enqueue(struct store_change *change);
/* lane.mutex is held.  Puts changes of one account, none of which is left then, before its queue.
 */
void lane_put_back(struct lane *lane, struct store_change_priv *first);
/* lanes 0: runs everything that waits, in the caller's thread. */
void lane_run(struct lane *lane);
/* The change has its outcome: it goes on with another piece, or is answered. */
void change_complete(struct store_change *change);

/* publish.c */
void batch_publish(struct batch *b);
/* There may be something to do for the background now. */
void batch_tell_jobs(struct batch *b);

/* doubt.c: nobody else prepares or flushes on this lane now. */
/* The batch, and the other one, which lies on top: neither was written (TS_FULL, TS_UNAVAILABLE),
 * or nobody knows (else). */
void lane_take_back(struct batch *b, enum ts_err err, uint64_t generation);
/* Before a batch: is everything known again?  Else what is in doubt stays refused. */
void lane_retry(struct lane *lane);
/* For undo(): the account's list is to be read anew. */
void lane_doubt(struct lane *lane, struct store_account *account);

/* gate.c */
/* Of the change's mailbox, and of its account's list; for kinds that give UIDs, or change the list.
 */
enum hold hold_for_uids(struct lane *lane, struct store_change *change);
enum hold hold_for_list(struct lane *lane, struct store_change *change);
void gate_close(struct lane *lane, struct change_gate *gate, const void *by);
/* Those that wait have their turn, before all others. */
void gate_open(struct lane *lane, struct change_gate *gate, const void *by);
/* They are refused, and so are others until it opens. */
void gate_stick(struct lane *lane, struct change_gate *gate, const void *by);

/* ---- what several kinds need ---- */

/* prepare.c */
/* TS_OK: the mailbox may be changed. */
enum ts_err prepare_usable(const struct store_mailbox *mailbox);
/* Those that the bounds leave out: may they be touched?  They go. */
bool flag_in_bounds(const struct store_flag_bounds *bounds, unsigned flag);
void flags_bound(const struct store_flag_bounds *bounds, struct store_flags *flags);
/* TS_LIMIT, and which. */
enum ts_err refuse(struct store_change *change, enum store_limit limit);
/* A keyword that delta_keyword_flag() refused: so is the change, or a backup goes on without it. */
enum ts_err keyword_refused(
    struct store_change *change, const struct change_delta *cd, struct str name);

/* ---- the copier ---- */

struct errand { /* what its thread does for a change; first in what it is about */
	struct errand *next;
	struct store *store;
	void (*run)(struct errand *errand);   /* a step, on the copier's thread */
	void (*again)(struct errand *errand); /* of one put off: it goes on */
	void (*drop)(struct errand *errand);  /* of one put off: the store is being closed */
};

/* The errand is run soon; with lanes 0 at once. */
void copier_put(struct errand *errand);
/* It is under way, which copier_stop() waits for; it has ended. */
void copier_begin(struct store *store);
void copier_end(struct store *store);
/* It is not under way any more, and waits for copier_retry(). */
void copier_put_off(struct errand *errand);
#endif
