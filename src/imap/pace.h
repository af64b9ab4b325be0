/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_PACE_H
#define IMAP_PACE_H
/*
 * Whose turn it is on a loop.
 *
 * A command computes for a slice at a time, but a user may have many connections, and there may be
 * many users.  A user who has recently computed for long is paced: all connections of that user on
 * this loop wait in one queue, the queues form a ring, and an iteration of the loop serves the ring
 * for PACE_SLICES slices.  Everybody else is served at once.  So a short command waits for a few
 * slices, however many connections keep the loop busy, and a user with a hundred connections gets
 * as much as one with a single connection.
 *
 * Before login an address counts as a user.
 *
 * What counts is the CPU time of the thread: on a busy machine a go may take long by the clock
 * although it computed little.  Reading it costs a system call.  So it is read only while goes seem
 * long by the clock, and not for each of them: the time that the thread did not run since the last
 * look, which may be long_ns / 2 older than the go, is subtracted from the go.  So nobody is
 * charged too much, some too little; the first long go is charged to nobody.  A go may end the turn
 * of one user and begin that of another: each is charged for their own part.
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

struct pace {              /* one per loop */
	struct link ring;  /* users with a waiting connection, in the order of their turns */
	struct link known; /* those who recently computed for long, the least recent first */
	struct paced *bucket[PACE_BUCKETS]; /* these, and those who still wait */
	unsigned count;                     /* of entries in all buckets */
	struct loop_task task;
	struct loop_timer timer; /* some of known are to be forgotten */
	int64_t credit_ns;       /* time that the ring may still use in this iteration */
	uint64_t long_ns;        /* a go this long makes its user paced */
	/* The current go: what was computed since then is not charged yet. */
	uint64_t since_ns;
	bool exact;                    /* the last read of the CPU time is recent enough for it */
	uint64_t look_ns, look_cpu_ns; /* that read */
	uint64_t exact_until_ms;       /* goes that begin before this are exact */
};

struct pace_place { /* one per connection */
	struct link link;
	struct paced *paced; /* in whose queue it waits; NULL: it does not */
	bool held;           /* its input waits too */
	bool turn;           /* that input has its turn, once the stream shows it */
};

void pace_init(struct imap_loop *il);
/* Nobody may wait. */
void pace_fini(struct imap_loop *il);

/* Returns whether the connection's work must wait for its turn: then call pace_ask(). */
bool pace_holds(const struct imap_conn *conn);
/* Runs conn->task in the connection's turn; once, however often it is called. */
void pace_ask(struct imap_conn *conn);
/* Returns whether the connection waits for its turn. */
bool pace_waits(const struct imap_conn *conn);
/* A go begins at this time of clock_mono_ns(). */
void pace_begins(struct imap_loop *il, uint64_t now);
/* The go ends. */
void pace_ran(struct imap_conn *conn);
/* Call within a go when the turn of that user (struct work_who) is over and the next has begun:
 * charges them for what was computed so far, and takes the connection out of their queue. */
void pace_leave(struct imap_conn *conn, uint64_t user);

/* A layer of the stream computed since pace_begins(), which is charged, too. */
void pace_worked(struct imap_conn *conn);

/* A command's slice begins; is it over? */
void slice_begin(struct imap_loop *il);
bool slice_over(const struct imap_loop *il);

/* For conn_data(): returns whether the input must wait.  Then pause the stream, and consume
 * nothing. */
bool pace_hold_input(struct imap_conn *conn);
/* In the connection's turn: returns whether it is for input.  The stream shows it once it is
 * resumed. */
bool pace_give_input(struct imap_conn *conn);
#endif
