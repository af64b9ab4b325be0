/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_RESTORE_INT_H
#define CONTROL_OPS_RESTORE_INT_H
/* Internals of a restore: restore.c answers, restore_append.c takes messages, and restore_dry.c
 * checks what exists in a run that changes nothing. */
#include "control/ops/ops.h"
#include "control/ops/properties.h"
#include "net/loop.h"
#include "net/work.h"

struct writer {
	const struct ops *ops;
	struct op_io *io;
	struct buf *out;
	struct loop *loop; /* for uploads: runs in this thread */
	struct work_pool *pool;
	bool dry;                      /* changes nothing */
	struct store_account *account; /* NULL in a dry run: it would be made */
	struct buf account_name;
	struct properties_dry properties; /* for a dry run */
	struct store_mailbox *mailbox;
	bool made;              /* the mailbox was made for this question: nobody knows it yet */
	enum store_limit limit; /* with TS_LIMIT: which one the last mailbox would have exceeded */
	struct store_change *batch;
	struct store_upload *upload; /* the message being received */
	struct store_append_item item;
	uint64_t left; /* bytes missing */
	struct arena *words_arena;
	struct str words[STORE_KEYWORDS_MAX]; /* keywords by their numbers in the questions */
	size_t word_count;
	struct buf scratch;
};

/* Returns false, with that in the answer's text. */
bool restore_say(struct writer *w, const char *what, enum ts_err err);
bool restore_bad_question(struct writer *w);

/* ---- restore_dry.c ---- */

/* The result that adding the record would have. */
enum ts_err restore_dry_record(struct writer *w, struct str key);
/* w->account stays NULL if it would be made. */
enum ts_err restore_dry_account(struct writer *w, struct str name);
/* w->mailbox likewise; new: it would be made, or another in its place. */
enum ts_err restore_dry_mailbox(struct writer *w, struct str name, bool *new_r);

/* ---- restore_append.c, and what it needs ---- */

/* Reads the keywords that a question names by number, into arrays of the arena.  False: an invalid
 * question. */
bool restore_take_words(struct writer *w, struct rd *r, struct arena *arena,
    const struct str **names_r, size_t *count_r);
/* Sends the keywords that the change had no room for. */
bool restore_send_lost(struct writer *w, const struct store_change *change);
/* Sends how many messages found no room in the quota (0: the mailbox found none). */
bool restore_send_unfit(struct writer *w, uint64_t messages);

/* Answers the questions 'P' (first) and 'D'. */
bool restore_put_messages(struct writer *w, struct rd *r, bool first);
/* Drops whatever is incomplete. */
void restore_append_fini(struct writer *w);
#endif
