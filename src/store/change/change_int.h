/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CHANGE_CHANGE_INT_H
#define STORE_CHANGE_CHANGE_INT_H
/*
 * Writing: changes, the batches that they are in, and the lanes that prepare,
 * commit and show these.
 *
 * It promises the order of things (store.h): what was not flushed is shown to
 * nobody, and a change is seen whole or not at all.  It calls read, memory, core
 * and disk.
 */
#include "store/read/read_int.h"

struct lane;
struct batch;

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
	struct store_own *own;
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

struct errand { /* what the copier's thread does for a change; first in what it is about */
	struct errand *next;
	struct store *store;
	void (*run)(struct errand *errand);   /* a step, on the copier's thread */
	void (*again)(struct errand *errand); /* of one put off: it goes on */
	void (*drop)(struct errand *errand);  /* of one put off: the store is being closed */
};

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
	struct own_op *owns, **owns_last;
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
static inline struct lane *
lane_of_account(const struct store_account *account)
{
	return lane_of(account->store, account->id);
}
void lane_enqueue(struct lane *lane, struct store_change_priv *priv);
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
/* account.c */
enum ts_err prepare_new_account(struct batch *b, struct store_change *change, bool bare);
enum ts_err prepare_drop_account(struct batch *b, struct store_change *change);
enum ts_err prepare_records(struct batch *b, struct store_change *change); /* records.c */
/* properties.c; then what becomes of a batch's changes of them. */
enum ts_err prepare_properties(struct batch *b, struct store_change *change);
void properties_publish(struct batch *b);
void properties_drop(struct batch *b);
void properties_doubt(struct batch *b, void (*doubt)(struct lane *, struct store_account *));
void properties_clear(struct batch *b);
/* own.c: the same of users' own \Seen; doubt NULL: nothing was written. */
enum ts_err prepare_own(struct batch *b, struct store_change *change);
void owns_publish(struct batch *b);
void owns_drop(struct batch *b, void (*doubt)(struct lane *, struct store_account *));
void owns_clear(struct batch *b);
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

/* Rows of what the head says: the account's, a mailbox's. */
void account_put_row(struct store_account *account, struct engine_batch *batch);
void mailbox_put_info(struct store_mailbox *mailbox, struct str name, struct engine_batch *batch);
void mailbox_put_counters(struct store_mailbox *mailbox, struct engine_batch *batch);
/* Lets go of all that the batch was about. */
void batch_clear(struct batch *b);

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

/* claim.c.  An APPEND of shared uploads: its holders first, then the change. */
bool claims_needed(const struct store_change *change);
void claims_submit(struct store_change *change);
enum ts_err claims_prepare(struct batch *b, struct store_change *change);
/* The change has ended. */
void claims_ended(struct store_change *change);
#endif
