/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_CHANGE_KINDS_INT_H
#define STORE_CHANGE_KINDS_INT_H
/*
 * The steps of the kinds, for their table (kinds.c), and what a kind does for
 * another.  struct change_kind says what each step is for.
 */
#include "store/change/batch_int.h"

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
/* Holders and claims of an APPEND of shared uploads go first: are there such?  Then it is
 * submitted, and when it has ended they are settled. */
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
/* A COPY or MOVE within an account, or a RENAME of INBOX. */
change_send copy_submit;
/* May so many messages be moved by one change? */
bool copy_fits(const struct store *store, uint64_t messages);

/* change_cross.c: their steps between accounts */
change_send cross_submit;
change_prepare export_prepare, import_prepare, finish_prepare, forget_prepare, ended_prepare;
struct transfer {
	struct errand errand;
	struct link link; /* in store.transfer_list */
	struct store *store;
	struct store_change *user;             /* NULL: it has its answer, or there was none */
	struct store_mailbox *source, *target; /* referenced; the latter NULL: of an earlier run */
	struct store_hold *hold;
	bool move, claimed;
	uint64_t intent;
	struct gathered g;
	struct store_uid_pair *pairs;
};
struct transfer *transfer_new(struct store *store, uint64_t intent);
void transfer_free(struct transfer *t);
bool transfer_under_way(struct store *store, uint64_t intent);
/* Of the note, account 0, or the intent. */
void intent_key(struct key *k, uint64_t account, uint64_t intent);
void intent_delete(uint64_t account, uint64_t intent, struct engine_batch *batch);

/* change_create.c, change_delete.c, change_subscribe.c */
change_prepare create_prepare;
change_prepare delete_prepare;
change_prepare subscribe_prepare, unsubscribe_prepare;

/* change_rename.c */
change_send rename_send, rename_ended;
change_hold rename_hold;
change_prepare rename_prepare;

/* change_rename_many.c: the RENAME is taken for good, and gets its answer. */
void rename_many_begin(struct store_change *user);
change_prepare rename_begin_prepare, rename_show_prepare;
change_apply rename_show_apply;
change_undo rename_show_undo;

/* change_records.c */
change_prepare records_prepare;
/* Is there a record of account 0 in the head of the lane that writes these?  Reads the value into
 * b->value when it is on disk. */
enum ts_err record_look(
    struct batch *b, const struct key *k, bool *there_r, bool *pending_r, struct str *body_r);

/* change_properties.c */
change_prepare properties_prepare;
change_apply properties_apply;
change_undo properties_undo;
/* Those of the mailbox's head: their rows, under its id. */
void properties_put_rows(struct batch *b, const struct store_mailbox *mailbox);
void properties_delete_rows(struct batch *b, const struct store_mailbox *mailbox);

/* change_own.c */
change_prepare own_prepare;
change_apply own_apply;
change_undo own_undo;

/* change_account.c */
change_prepare new_account_prepare, new_bare_prepare;
change_prepare drop_account_prepare;
change_apply drop_account_apply;
change_undo drop_account_undo;
#endif
