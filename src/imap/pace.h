/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_PACE_H
#define IMAP_PACE_H
/*
 * Whose turn it is on a loop.
 *
 * A command computes for a slice at a time, but a user may have many connections, and there may
 * be many users.  Whoever has computed for long lately is paced: all connections of that user on
 * this loop wait in one queue, the queues stand in a ring, and an iteration of the loop serves the
 * ring for PACE_SLICES slices.  Everybody else is served at once.  So a short command waits for a
 * few slices, however many connections keep the loop busy, and a user with a hundred connections
 * gets as much of it as one with a single one.
 *
 * Before login an address counts as a user.
 *
 * What counts is the CPU time of the thread: on a machine that others keep busy too, a go takes
 * long by the clock although it computed little.  Reading it costs a system call.  So it is read
 * only while goes that are long by the clock are seen, and then not for each: what the thread did
 * not run since the last look, which may be long_ns / 2 older than the go, is taken off it.  So
 * nobody is charged too much, some too little; the first long go is charged to nobody.
 * A go may end the turn of one user and begin that of another: each is charged for their own part.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "net/loop.h"

struct imap_conn;
struct imap_loop;
struct paced;

#define PACE_SLICES 2
#define PACE_BUCKETS 64

struct pace {              /* of a loop */
	struct link ring;  /* those of whom a connection waits, in the order of their turns */
	struct link known; /* all who computed for long lately, first who did least lately */
	struct paced *bucket[PACE_BUCKETS]; /* these, and those who still wait */
	unsigned count;                     /* of all in the buckets */
	struct loop_task task;
	struct loop_timer timer; /* some of known are to be forgotten */
	int64_t credit_ns;       /* what the ring may compute yet in this iteration */
	uint64_t long_ns;        /* who computes so long in one go is paced */
	/* The go at hand: what was computed since then is charged to nobody yet. */
	uint64_t since_ns;
	bool exact;                    /* the last look at the CPU time is young enough for it */
	uint64_t look_ns, look_cpu_ns; /* that look */
	uint64_t exact_until_ms;       /* goes that begin before are exact */
};

struct pace_place { /* of a connection */
	struct link link;
	struct paced *paced; /* in whose queue it waits; NULL: it does not */
	bool held;           /* its input waits, too */
	bool turn;           /* that input has its turn, as soon as the stream shows it */
};

void pace_init(struct imap_loop *il);
/* Nobody waits. */
void pace_fini(struct imap_loop *il);

/* What the connection wants to compute waits for its turn: then call pace_ask(). */
bool pace_holds(const struct imap_conn *conn);
/* Has conn->task run in the connection's turn; once, however often it is asked. */
void pace_ask(struct imap_conn *conn);
/* The connection waits for its turn. */
bool pace_waits(const struct imap_conn *conn);
/* A go begins at this time of clock_mono_ns(). */
void pace_begins(struct imap_loop *il, uint64_t now);
/* It ends. */
void pace_ran(struct imap_conn *conn);
/* In a go, when the turn of that user (struct work_who) is over and the next has begun: what was
 * computed until now is charged to them, and the connection does not wait in their queue. */
void pace_leave(struct imap_conn *conn, uint64_t user);

/* A command's slice begins; is it over? */
void slice_begin(struct imap_loop *il);
bool slice_over(const struct imap_loop *il);

/* For conn_data(): must the input wait?  Then pause the stream, and consume nothing. */
bool pace_hold_input(struct imap_conn *conn);
/* In the connection's turn: is it for input?  The stream shows it as soon as it is resumed. */
bool pace_give_input(struct imap_conn *conn);
#endif
