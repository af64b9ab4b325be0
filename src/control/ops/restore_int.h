/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_RESTORE_INT_H
#define CONTROL_OPS_RESTORE_INT_H
/* What a restore writes, from inside: restore.c answers, restore_append.c takes messages.
 */
#include "control/ops/ops.h"
#include "net/loop.h"
#include "net/work.h"

struct writer {
	const struct ops *ops;
	struct op_io *io;
	struct buf *out;
	struct loop *loop; /* for uploads: runs here, in this thread */
	struct work_pool *pool;
	struct store_account *account;
	struct store_mailbox *mailbox;
	bool made; /* the mailbox, for this question: nobody knows it yet */
	struct store_change *batch;
	struct store_upload *upload; /* the message being received */
	struct store_append_item item;
	uint64_t left; /* of its bytes */
	struct arena *words_arena;
	struct str words[STORE_KEYWORDS_MAX]; /* keywords by the numbers of the questions */
	size_t word_count;
	struct buf scratch;
};

/* False, with that in the answer's text. */
bool restore_say(struct writer *w, const char *what, enum ts_err err);
bool restore_bad_question(struct writer *w);

/* The keywords that a question names by their numbers, into arrays of the arena.  False: it is
 * none. */
bool restore_take_words(struct writer *w, struct rd *r, struct arena *arena,
    const struct str **names_r, size_t *count_r);
/* Tells which keywords the change had no room for. */
bool restore_send_lost(struct writer *w, const struct store_change *change);

/* The questions 'P' (first) and 'D'. */
bool restore_put_messages(struct writer *w, struct rd *r, bool first);
/* Whatever is half done is dropped. */
void restore_append_fini(struct writer *w);
#endif
