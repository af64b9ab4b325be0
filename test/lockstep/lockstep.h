/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_LOCKSTEP_LOCKSTEP_H
#define TEST_LOCKSTEP_LOCKSTEP_H
/*
 * Two equal sites in lockstep.  A plan is what several clients do, made from a seed before anything
 * runs.  It is carried out twice, each time in its own process and on its own site: once with
 * logins that share connections and switch, once with a connection for each login.  A record has
 * what each client is told, and finally all rows and blobs of the store.
 */
#include "base/buf.h"
#include "base/str.h"

/* ---- words.c: the table of commands (commands.txt has its grammar) */

struct words_line {
	struct str kind, text, caps; /* caps: words of CAPABILITY from its heading */
	unsigned weight;
};

#define WORDS_USED 12

struct words_used { /* the first lines of the table that a text was made from */
	unsigned short line[WORDS_USED];
	unsigned n;
};

#define WORDS_SPLIT '\1' /* in a text: what follows is sent later */

/* is_cap: returns whether a capability exists; lines for others are skipped. */
void words_load(const char *folder, bool (*is_cap)(struct str word));
void words_free(void);
size_t words_count(void);
const struct words_line *words_line(size_t i);
/* Appends a random text of that kind. */
void words_make(const char *kind, uint64_t *rng, struct buf *out, struct words_used *used);
/* Appends a random text made from that line. */
void words_make_line(size_t i, uint64_t *rng, struct buf *out, struct words_used *used);
uint32_t random_below(uint64_t *rng, uint32_t n);

/* ---- plan.c */

enum slot {                 /* a client */
	SLOT_SWITCHING = 0, /* up to SLOT_ASIDE: connections that switch, or would */
	SLOT_ASIDE = 3,     /* another user on the same loop, mostly in IDLE */
	SLOT_DISTANT,       /* a user who shares nothing with the others */
	SLOT_LMTP,          /* deliveries */
	SLOTS,
	SLOT_STATE = SLOTS /* in a record: the rows of the store */
};

enum op_kind {
	OP_OPEN,    /* connects; number: enum transport */
	OP_SHUT,    /* disconnects, after text */
	OP_SAY,     /* sends text */
	OP_LEAVE,   /* UNAUTHENTICATE */
	OP_LOGIN,   /* a login in text */
	OP_ZIP,     /* COMPRESS DEFLATE */
	OP_PROXY,   /* PROXYAUTH in text; without switching, a login in `other` */
	OP_ADVANCE, /* number: milliseconds */
	OP_RELOAD,  /* number: which configuration */
	OP_BACKGROUND
};

enum transport { TRANSPORT_CLEAR, TRANSPORT_TLS, TRANSPORT_STARTTLS, TRANSPORTS };

struct op {
	enum op_kind kind;
	enum slot slot;
	unsigned number, tag; /* tag: of the command; 0: none */
	bool joined;          /* sent in one write with the next one of the same slot */
	bool layered;         /* OP_LOGIN, OP_PROXY: a SASL layer is active afterwards */
	bool zipped;          /* OP_PROXY: compression is active, as before */
	bool names_client;    /* ID, which survives a switch */
	bool needed;          /* without it, what follows would mean something else */
	bool dropped;         /* to make the plan shorter */
	struct buf text, other;
	struct words_used used;
};

struct plan {
	unsigned seed;
	struct op *ops;
	size_t n, room;
	size_t commands;
};

struct plan *plan_new(unsigned seed, size_t commands);
void plan_free(struct plan **plan);
/* Returns whether the step can be dropped alone. */
bool op_can_go(const struct op *op);

/* ---- arm.c */

/* Makes the date the same for all arms from now on. */
void arm_stop_calendar(void);
/*
 * Carries the plan out.  switching: connections are shared.  Appends to the record, for each step
 * and slot with output: step, slot, length (32 bits each), bytes.
 */
void arm_run(const struct plan *plan, bool switching, struct buf *record);
#endif
