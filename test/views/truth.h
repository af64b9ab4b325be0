/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_VIEWS_TRUTH_H
#define TEST_VIEWS_TRUTH_H
/*
 * What is in the mailboxes, as far as it follows from what clients asked for and were answered.
 *
 * Time is a counter: each command sent and each response read has a moment.  A change happened
 * somewhere between the sending of its command and the reading of its reply, a look between the
 * sending of the command during which it was told and its reading.  So a flag that was seen is
 * right when some order of changes within these bounds explains it; nothing is assumed of the
 * order that the bounds do not give.
 *
 * A truth lives for one run, on mailboxes that were empty at its start.
 */
#include <stdbool.h>
#include <stdint.h>

#include "words.h"

#define NEVER UINT64_MAX

#define FLAGS 28 /* a bit each: five of the system, then keywords */
#define FLAG_ANSWERED (1u << 0)
#define FLAG_FLAGGED (1u << 1)
#define FLAG_DELETED (1u << 2)
#define FLAG_SEEN (1u << 3)
#define FLAG_DRAFT (1u << 4)
#define FLAGS_SYSTEM 0x1fu
#define FLAGS_ALL ((1u << FLAGS) - 1)
#define FLAG_RECENT (1u << 31)

struct write { /* of flags of a message */
	uint64_t from, to;
	uint32_t which, value;
	bool sure; /* else it may not have come to it */
};

struct message {
	uint32_t uid, id; /* id: of its text, 0: nobody has seen it, nor said that he made it */
	uint64_t from;    /* cannot have been there before */
	uint64_t since;   /* was seen by then, or its maker was answered */
	uint64_t gone;    /* was told to be gone by then, or NEVER */
	bool gone_then;   /* not before that, either */
	bool based;       /* what it came with is known: */
	uint32_t base, base_open; /* flags, and those that may have been either way */
	struct write *writes;
	size_t write_count;
	unsigned recent_of; /* the selection that was shown it as \Recent; 0: none */
	bool recent_lost;   /* perhaps one that ended without looking */
};

struct removal { /* EXPUNGE, MOVE, CLOSE */
	uint64_t from, to;
	bool deleted_only, all;
	struct numbers uids; /* if not all */
	struct numbers kept; /* seen to be there afterwards */
};

struct mailbox {
	char name[64];
	uint32_t uidvalidity;      /* 0: not told yet */
	struct message **messages; /* by UID */
	size_t count;
	struct removal **removals;
	size_t removal_count;
	unsigned arriving;    /* commands under way that may add messages */
	uint64_t recent_lost; /* until then a session may have been told of any, and did not look */
	uint32_t uidnext;     /* the highest that was told, */
	uint64_t uidnext_at;  /* by then */
};

#define MAILBOXES 2
#define LOG_LINES 100

struct truth {
	uint64_t now, seed;
	unsigned next_id, selections;
	uint32_t size_max; /* of texts */
	struct mailbox boxes[MAILBOXES];
	char *log[LOG_LINES]; /* a ring */
	size_t log_next;
	char *fault;      /* the first contradiction, or NULL */
	uint64_t checked; /* flags, bodies and numbers that were compared */
};

void truth_init(struct truth *t, uint64_t seed, const char *run);
void truth_fini(struct truth *t);

/* A contradiction; the first one is kept. */
void truth_fault(struct truth *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line of the log that is printed with it. */
void truth_log(struct truth *t, const char *who, char dir, struct str text);
/* Prints the fault, the seed and the last lines to stderr. */
void truth_print(const struct truth *t);

struct message *truth_find(const struct mailbox *box, uint32_t uid);
/* The same; one that nobody told of before is made if a command under way may have added it. */
struct message *truth_see(struct truth *t, struct mailbox *box, uint32_t uid);
/* It was added with this text and these flags, not before from; open: either way. */
struct message *truth_added(struct truth *t, struct mailbox *box, uint32_t uid, uint32_t id,
    uint64_t from, uint32_t flags, uint32_t open);
void truth_gone(struct truth *t, struct message *m);
/* UIDNEXT as it was not before since: nothing that is added from now on is below it. */
void truth_uidnext(struct truth *t, struct mailbox *box, uint32_t uidnext, uint64_t since);

/* The number of the write, to be ended by truth_wrote(). */
void truth_write(struct truth *t, struct message *m, uint32_t which, uint32_t value);
/* The writes of that moment have happened (not sure: perhaps). */
void truth_wrote(struct truth *t, struct message *m, uint64_t from, bool sure);

struct removal *truth_removal(struct truth *t, struct mailbox *box, bool deleted_only, bool all);
/* It was answered, and `kept` is filled in.  It is forgotten when nothing can be told of it any
 * more. */
void truth_removed(struct truth *t, struct mailbox *box, struct removal *r);

/*
 * May flag (a bit) have been `set` when it was looked at between since and now?  floor: writes that
 * ended before it are known to be overwritten; *floor_r (or NULL) is that for who has seen this.
 */
bool truth_may_be(const struct message *m, uint32_t flag, bool set, uint64_t since, uint64_t now,
    uint64_t floor, uint64_t *floor_r);
/* May it have been removed by now? */
bool truth_may_be_gone(const struct truth *t, const struct mailbox *box, const struct message *m);

struct counts { /* of a mailbox */
	uint32_t messages, uidnext, unseen, deleted;
};
/* May it have had all these at one moment between since and now? */
bool truth_may_count(
    const struct truth *t, const struct mailbox *box, const struct counts *counts, uint64_t since);

/* ---- texts and flags ---- */

/* A message's text by its number: always the same. */
void truth_text(const struct truth *t, uint32_t id, struct buf *out);
/* The number of a text that looks like one of ours, else 0. */
uint32_t truth_text_id(struct str text);
void flags_print(uint32_t flags, struct buf *out);
/* "(\Seen k1)"; false: unknown ones are among them. */
bool flags_read(struct str list, uint32_t *flags_r);

uint64_t random_next(uint64_t *state);
static inline unsigned
random_below(uint64_t *state, unsigned n)
{
	return (unsigned)(random_next(state) % n);
}
#endif
