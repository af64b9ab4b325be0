/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_RESTORE_INT_H
#define CONTROL_OPS_RESTORE_INT_H
/* What a restore writes, from inside: restore.c answers, restore_append.c takes messages, and
 * restore_dry.c answers without a change. */
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
	struct store_account *account; /* NULL in a run that changes nothing: it would be made */
	struct buf account_name;
	struct properties_dry properties; /* of such a run */
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

/* ---- restore.c ---- */

/* The same of what was to happen with a mailbox. */
bool restore_say_mailbox(struct writer *w, const char *what, struct str name, enum ts_err err);
/* Tells of a record that is left out. */
bool restore_refuse_record(struct writer *w, struct str user, const char *why);
/* What is wrong with the name of a user's record, as `user add` says it; NULL: nothing. */
const char *restore_record_fault(const struct auth *auth, struct str key, struct str *user_r);
bool restore_is_user(struct writer *w, struct str name);
/* A name of the backup as it is kept here; or as it was, where there is a mailbox of that spelling.
 */
struct str restore_read_name(struct writer *w, struct rd *r, struct arena *arena);
/* All of the mailbox that is open: the answer to 'M'. */
bool restore_send_mailbox(struct writer *w);
/* The answer to 'H'. */
bool restore_send_sums(struct writer *w, struct rd *r);
/* 'y' each; takes the reference. */
bool restore_send_properties(struct writer *w, struct store_properties *properties);
/* One of 'Y'; false: no such question. */
bool restore_take_property(struct rd *r, struct store_property_op *op);
struct restore_refusal {
	struct writer *w;
	struct str mailbox; /* empty: the account's own */
};
/* For properties_put. */
bool restore_refuse_property(struct str name, const char *why, void *arg);

/* ---- restore_dry.c ---- */

/* The answer that a restore would give; nothing changes. */
bool restore_answer_dry(struct writer *w, struct str question);

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
