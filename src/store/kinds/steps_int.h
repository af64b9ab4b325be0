/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_KINDS_STEPS_INT_H
#define STORE_KINDS_STEPS_INT_H
/*
 * The steps of the kinds, for their table; what a kind does for another; and what several need.
 * struct change_kind says what each step is for.
 */
#include "store/change/batch_int.h"
#include "store/kinds/kinds_int.h"

typedef enum ts_err change_prepare(struct batch *b, struct store_change *change);
typedef enum hold change_hold(struct lane *lane, struct store_change *change);
typedef void change_send(struct store_change *change);
typedef void change_apply(struct batch *b, struct store_change *change);
typedef void change_undo(struct batch *b, struct store_change *change, bool doubt);

/* change_append.c */
change_send append_send;
change_prepare append_prepare;
change_apply append_apply;
change_undo append_undo;

/* change_claim.c */
change_prepare claim_prepare;
/* An APPEND of shared uploads puts its holders and claims first.  claims_needed() returns whether
 * it has any; claims_submit() puts them and then submits it; claims_ended() has them settled. */
bool claims_needed(const struct store_change *change);
change_send claims_submit, claims_ended;

/* change_raise.c */
change_prepare raise_prepare;

/* change_flags.c */
change_prepare flags_prepare;

/* change_expunge.c */
change_prepare expunge_prepare;
change_apply expunge_apply;
change_undo expunge_undo;
change_send expunge_ended;

/* change_copy.c: COPY and MOVE, and their steps within an account */
change_send transfer_send;
change_prepare transfer_prepare;
change_hold piece_hold;
change_prepare piece_prepare, show_prepare, unstage_prepare;
/* Submits a COPY or MOVE within an account, or a RENAME of INBOX. */
change_send copy_submit;
/* Returns whether one change may move that many messages. */
bool copy_fits(const struct store *store, uint64_t messages);

/* change_cross.c: their steps between accounts */
change_send cross_submit;
change_prepare export_prepare, import_prepare, finish_prepare, forget_prepare, ended_prepare;

/* change_create.c, change_delete.c, change_subscribe.c */
change_prepare create_prepare;
change_prepare delete_prepare;
change_prepare subscribe_prepare, unsubscribe_prepare;

/* change_rename.c */
change_send rename_send, rename_ended;
change_hold rename_hold;
change_prepare rename_prepare;

/* change_rename_many.c: takes over the RENAME and answers it. */
void rename_many_begin(struct store_change *user);
change_prepare rename_begin_prepare, rename_show_prepare;
change_apply rename_show_apply;
change_undo rename_show_undo;

/* change_records.c */
change_prepare records_prepare;
/* Looks up a record of account 0 in the head of the lane that writes these.  Reads the value into
 * b->value if it is on disk. */
enum ts_err record_look(
    struct batch *b, const struct key *k, bool *there_r, bool *pending_r, struct str *body_r);

/* change_properties.c */
change_prepare properties_prepare;
change_apply properties_apply;
change_undo properties_undo;
/* A NOTICE: with an APPEND. */
change_hold notice_hold;
change_prepare notice_prepare;
change_apply notice_apply;
change_undo notice_undo;
/* Whether there is room for a copy of a table in another mailbox (opt.property_total). */
bool properties_room(struct store_account *a, const struct store_properties *more);
/* The properties of the mailbox's head: their rows, under its id. */
void properties_put_rows(struct batch *b, const struct store_mailbox *mailbox);
void properties_delete_rows(struct batch *b, const struct store_mailbox *mailbox);

/* change_shares.c.  Whether a property gives or takes rights; the change puts the index's rows in a
 * further batch; and that batch. */
bool shares_name(struct str property);
void shares_follow(struct store_change *change, struct store_mailbox *mailbox);
change_prepare shares_prepare, shared_row_prepare;

/* change_own.c.  \Seen of the mailbox becomes each user's own: puts the property into the table,
 * and the owner's rows.  own_follows() returns whether that is needed.  Call own_apply() and
 * own_undo() as for an OWN. */
bool own_follows(const struct store_mailbox *mb, const struct store_properties *table);
void own_become(struct batch *b, struct store_change *c, struct store_mailbox *mb,
    struct store_properties **table);
change_prepare own_prepare;
change_apply own_apply;
change_undo own_undo;

/* change_account.c */
change_prepare new_account_prepare, new_bare_prepare;
change_prepare drop_account_prepare;
change_apply drop_account_apply;
change_undo drop_account_undo;

/* ---- what several kinds need ---- */

/* gather.c: messages on their way from one mailbox to another. */
struct gathered {
	struct store_message *message;
	size_t count;
	struct store_keywords *keywords; /* of the source */
	struct store_flags used;         /* those the messages use */
	bool any_length;                 /* accept keywords of any length; set before */
	struct buf summaries;            /* one after the other; lost ones are empty */
	uint32_t *read;                  /* whose they are */
	size_t *end;                     /* where each one ends */
	size_t read_count, read_cap;
	uint64_t limit;                  /* opt.copy_memory */
	struct store_flag_bounds bounds; /* set before; what they exclude is not gathered */
	const roaring_bitmap_t *seen;    /* set before; not NULL: those that count as \Seen */
};
/* A message's flags as they are to be copied. */
void gathered_flags(const struct gathered *g, struct store_message *m);
void gather_messages(struct gathered *g, struct batch *b, struct store_mailbox *source,
    const roaring_bitmap_t *uids);
/* Returns false if one of the change's UIDs does not exist and the change wants all or none. */
bool all_gathered(const struct gathered *g, const struct store_change *change);
/* TS_LIMIT: they take more than opt.copy_memory. */
enum ts_err gather_summaries(struct gathered *g, struct store_mailbox *source);
void gathered_read(struct gathered *g, uint32_t uid, struct str summary);
/* Returns a message's summary, or STR_NONE.  *at starts at 0 and advances with ascending UIDs. */
struct str gathered_summary(const struct gathered *g, size_t *at, uint32_t uid);
/* Maps flags to other numbers; drops those mapped to -1. */
struct store_flags flags_mapped(const struct store_flags *flags, const int *map);
void gathered_fini(struct gathered *g);
/* The sum of the messages' sizes. */
uint64_t gathered_bytes(const struct gathered *g);
/* pairs must have room for all. limit and lost of `c` say what was refused. */
enum ts_err put_copies(struct batch *b, struct store_mailbox *target, const struct gathered *g,
    struct store_uid_pair *pairs, struct store_change *c);
void remove_moved(struct batch *b, struct store_mailbox *source, const struct gathered *g);

/* names.c: changes of the list of mailboxes, on its head. */
/* TS_OK: the account's list may be changed. */
enum ts_err names_usable(const struct store_change *change);
/* Returns whether that many ids and UIDVALIDITYs are left: they only grow, and are finite. */
bool names_numbers_left(const struct store_account *a, size_t mailboxes, size_t uidvalidities);
/* Check names_numbers_left() first. */
uint32_t names_next_uidvalidity(struct store_account *a);
struct entry *names_find(struct store_account *a, struct str name);
struct entry *names_make(struct store_account *a, struct str name);
/* Sets the entry's mailbox in the head; NULL: none. */
void names_set_head(
    struct batch *b, struct store_account *a, struct entry *e, struct store_mailbox *mb);
/* Makes a mailbox of that name as the change requests. */
struct store_mailbox *names_create(
    struct batch *b, const struct store_change *c, struct str name, unsigned use);
/* Removes the mailbox's rows; the background removes its contents. */
void names_remove_rows(struct batch *b, struct store_mailbox *mb);

/* tombs.c.  Call when a name loses its mailbox: no later one of that name may have its
 * UIDVALIDITY. */
void tombs_bury(
    struct batch *b, struct store_account *account, struct entry *e, uint32_t uidvalidity);
/* Same for many names.  Puts only as many as are to be kept. */
void tombs_bury_all(struct batch *b, struct store_account *account, struct entry *const *e,
    const uint32_t *uidvalidity, size_t n);
/* If there are too many: returns the value up to which they are dropped, which becomes the floor,
 * or 0 if none need to be.  Sorts them. */
uint32_t tombs_limit(uint32_t *values, size_t n);
/* Puts a name's tombstone (STR_NONE: the floor); value 0 removes it. */
void tombs_put(struct engine_batch *batch, uint64_t account, struct str name, uint32_t value);
/* Returns the highest UIDVALIDITY that the name (e may be NULL) may have had; 0: none. */
uint32_t tombs_highest(const struct store_account *account, const struct entry *e);

/* ---- between accounts: change_cross.c, cross_left.c ---- */

struct transfer {
	struct errand errand;
	struct link link; /* in store.transfer_list */
	struct store *store;
	struct store_change *user;             /* NULL: it has been answered, or never existed */
	struct store_mailbox *source, *target; /* referenced; target NULL: of an earlier run */
	struct store_hold *hold;
	bool move, claimed;
	bool kept_off; /* waits for cross_let_in() */
	uint64_t intent;
	struct gathered g;
	struct store_uid_pair *pairs;
};
struct transfer *transfer_new(struct store *store, uint64_t intent);
void transfer_free(struct transfer *t);
bool transfer_under_way(struct store *store, uint64_t intent);
/* The key of the note (account 0) or the intent. */
void intent_key(struct key *k, uint64_t account, uint64_t intent);
void intent_delete(uint64_t account, uint64_t intent, struct engine_batch *batch);
#endif
