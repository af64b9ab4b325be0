/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_RESTORE_INT_H
#define CONTROL_OPS_RESTORE_INT_H
/* What a restore writes, from inside: restore.c answers, restore_append.c takes messages, and
 * restore_dry.c looks at what is there in a run that changes nothing. */
#include "control/ops/ops.h"
#include "control/ops/properties.h"
#include "net/loop.h"
#include "net/work.h"

struct writer {
	const struct ops *ops;
	struct op_io *io;
	struct buf *out;
	struct loop *loop; /* for uploads: runs here, in this thread */
	struct work_pool *pool;
	bool dry;                      /* nothing changes */
	struct store_account *account; /* NULL in a dry run: it would be made */
	struct buf account_name;
	struct properties_dry properties; /* of a dry run */
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

/* ---- restore_dry.c ---- */

/* What adding the record would end with. */
enum ts_err restore_dry_record(struct writer *w, struct str key);
/* w->account stays NULL when it would be made. */
enum ts_err restore_dry_account(struct writer *w, struct str name);
/* So does w->mailbox; new: it would be made, or one in its place. */
enum ts_err restore_dry_mailbox(struct writer *w, struct str name, bool *new_r);

/* ---- restore_append.c, and what it needs ---- */

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
