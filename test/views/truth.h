/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_VIEWS_TRUTH_H
#define TEST_VIEWS_TRUTH_H
/*
 * What is in the mailboxes, as far as it follows from clients' commands and the replies.
 *
 * Time is a counter: each command sent and each response read has a moment.  A change happened at
 * some time between sending its command and reading its reply; a look happened between sending the
 * command that returned it and reading it.  So a flag that was seen is right if some order of
 * changes within these bounds explains it; beyond these bounds no order is assumed.
 *
 * A truth lives for one run, on mailboxes that were empty at the start.
 */
#include <stdbool.h>
#include <stdint.h>

#include "words.h"

#define NEVER UINT64_MAX
#define USERS 3

#define FLAGS 28 /* one bit each: five system flags, then keywords */
#define FLAG_ANSWERED (1u << 0)
#define FLAG_FLAGGED (1u << 1)
#define FLAG_DELETED (1u << 2)
#define FLAG_SEEN (1u << 3)
#define FLAG_DRAFT (1u << 4)
#define FLAGS_SYSTEM 0x1fu
#define FLAGS_ALL ((1u << FLAGS) - 1)
#define FLAG_RECENT (1u << 31)
/* In shared mailboxes each user has \Seen of their own, which are bits behind the flags; the first
 * user's, who has the mailboxes, is FLAG_SEEN. */
#define FLAG_SEEN_OF(user) ((user) == 0 ? FLAG_SEEN : 1u << (FLAGS + (user)-1))

struct write { /* of a message's flags */
	uint64_t from, to;
	uint32_t which, value;
	bool sure; /* else it may not have been carried out */
};

struct message {
	uint32_t uid, id; /* id: its text's; 0: nobody has seen it or said that they added it */
	uint64_t from;    /* cannot have existed before */
	uint64_t since;   /* had been seen by then, or whoever added it had the reply */
	uint64_t gone;    /* known to be gone by then, or NEVER */
	bool gone_then;   /* and not before that */
	bool based;       /* the flags it was added with are known: */
	uint32_t base, base_open; /* flags, and those that may be either */
	struct write *writes;
	size_t write_count;
	struct {
		uint64_t modseq;
		unsigned user;
		uint32_t flags;
	} told[8 * USERS]; /* the flags that a user has seen at a MODSEQ; 0: none */
	/* For each user: the selection that saw it as \Recent (0: none); or perhaps one that ended
	 * without looking. */
	unsigned recent_of[USERS];
	bool recent_lost[USERS];
};

struct removal { /* EXPUNGE, MOVE, CLOSE */
	uint64_t from, to;
	bool deleted_only, all;
	struct numbers uids; /* if not all */
	struct numbers kept; /* seen afterwards */
};

struct mailbox {
	char name[64];
	uint32_t uidvalidity;      /* 0: not known yet */
	struct message **messages; /* by UID */
	size_t count;
	struct removal **removals;
	size_t removal_count;
	unsigned arriving; /* commands in progress that may add messages */
	/* a user's session may have been told about any until then, and did not look */
	uint64_t recent_lost[USERS];
	uint32_t uidnext;    /* the highest known, */
	uint64_t uidnext_at; /* by then */
};

#define MAILBOXES 2
#define LOG_LINES 300

struct truth {
	uint64_t now, seed;
	unsigned next_id, selections;
	bool shared;       /* the mailboxes are, with all users */
	uint32_t size_max; /* of texts */
	struct mailbox boxes[MAILBOXES];
	char *log[LOG_LINES]; /* a ring */
	size_t log_next;
	char *fault;       /* the first contradiction, or NULL */
	uint64_t checked;  /* flags, bodies and numbers that were compared */
	uint64_t resynced; /* messages of which a client that was away believes what it kept */
};

void truth_init(struct truth *t, uint64_t seed, const char *run);
void truth_fini(struct truth *t);

/* Reports a contradiction; keeps the first one. */
void truth_fault(struct truth *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds a line to the log that is printed with it. */
void truth_log(struct truth *t, const char *who, char dir, struct str text);
/* Prints the fault, the seed and the last lines to stderr. */
void truth_print(const struct truth *t);

struct message *truth_find(const struct mailbox *box, uint32_t uid);
/* The same; an unknown one is made if a command in progress may have added it. */
struct message *truth_see(struct truth *t, struct mailbox *box, uint32_t uid);
/* The message was added with this text and these flags, not before `from`; open: flags that may be
 * either. */
struct message *truth_added(struct truth *t, struct mailbox *box, uint32_t uid, uint32_t id,
    uint64_t from, uint32_t flags, uint32_t open);
/* A user's flags, as bits of the truth. */
uint32_t truth_flags(unsigned user, uint32_t flags);
/* It has these flags at this MODSEQ of the user: whoever is told so is told the same. */
void truth_modseq(
    struct truth *t, struct message *m, unsigned user, uint64_t modseq, uint32_t flags);
void truth_gone(struct truth *t, struct message *m);
/* UIDNEXT, read after `since`: nothing that is added from now on is below it. */
void truth_uidnext(struct truth *t, struct mailbox *box, uint32_t uidnext, uint64_t since);

/* Begins a write, to be ended by truth_wrote(). */
void truth_write(struct truth *t, struct message *m, uint32_t which, uint32_t value);
/* The writes of that moment have happened (not sure: perhaps). */
void truth_wrote(struct truth *t, struct message *m, uint64_t from, bool sure);

struct removal *truth_removal(struct truth *t, struct mailbox *box, bool deleted_only, bool all);
/* The removal was answered, and `kept` is filled in.  It is forgotten once nothing more can be
 * learned about it. */
void truth_removed(struct truth *t, struct mailbox *box, struct removal *r);

/*
 * Whether flag (a bit) may have been `set` at a look between since and now.  floor: writes that
 * ended before it are known to be overwritten; *floor_r (or NULL): the new floor for whoever has
 * seen this.
 */
bool truth_may_be(const struct message *m, uint32_t flag, bool set, uint64_t since, uint64_t now,
    uint64_t floor, uint64_t *floor_r);
/* Whether it may have been removed by now. */
bool truth_may_be_gone(const struct truth *t, const struct mailbox *box, const struct message *m);

struct counts { /* of a mailbox */
	uint32_t messages, uidnext, unseen, deleted;
	uint32_t seen; /* the flag that `unseen` is about */
};
/* Whether it may have had all these at one moment between since and now. */
bool truth_may_count(
    const struct truth *t, const struct mailbox *box, const struct counts *counts, uint64_t since);

/* ---- texts and flags ---- */

/* A message's text by its number: always the same. */
void truth_text(const struct truth *t, uint32_t id, struct buf *out);
/* The number of a text that looks like one of ours, else 0. */
uint32_t truth_text_id(struct str text);
void flags_print(uint32_t flags, struct buf *out);
/* Reads "(\Seen k1)"; false: some are unknown. */
bool flags_read(struct str list, uint32_t *flags_r);

uint64_t random_next(uint64_t *state);
static inline unsigned
random_below(uint64_t *state, unsigned n)
{
	return (unsigned)(random_next(state) % n);
}
#endif
