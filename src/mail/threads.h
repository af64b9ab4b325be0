/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_THREADS_H
#define MAIL_THREADS_H
/*
 * Threads of messages (RFC 5256 section 3, THREAD): trees, made from the data of each message.
 *
 *	t = mail_threads_new(MAIL_THREADS_REFERENCES, &input);
 *	while (mail_threads_step(t, room, enough, arg) == MAIL_THREADS_AGAIN)
 *		...
 *	for (m = mail_threads_first(t); m != MAIL_NO_THREAD; m = mail_threads_next(t, m)) ...
 *
 * Messages are numbered from 0, in the order of their sequence numbers.  It takes the time of n log
 * n links, whatever the references are: chains of any length, loops, ids that many share.  Nothing
 * recurses.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mail_threads_by {
	MAIL_THREADS_ORDEREDSUBJECT,
	MAIL_THREADS_REFERENCES,
	/* Joined by references only; threads are ordered by their newest messages. */
	MAIL_THREADS_REFS
};

struct mail_threads_input {
	size_t n;
	const uint32_t *date;    /* ranks, from 0 to n */
	const uint32_t *subject; /* the same, for base subjects; NULL: not for REFS */
	/* Whether there is a base subject, and whether the subject was that of a reply or
	 * forward. */
	bool (*has_subject)(const void *arg, size_t i);
	bool (*is_reply)(const void *arg, size_t i);
	/* Hash of the message id (0: none), and those of the references. */
	uint64_t (*ids)(const void *arg, size_t i, const uint64_t **refs_r, size_t *n_r);
	const void *arg;
	uint64_t secret; /* so that nobody can choose ids that collide in the table */
};

struct mail_threads;

/* What input points to must stay until the last step. */
struct mail_threads *mail_threads_new(
    enum mail_threads_by by, const struct mail_threads_input *input);
void mail_threads_free(struct mail_threads **threads);

enum mail_threads_state {
	MAIL_THREADS_DONE,
	MAIL_THREADS_AGAIN, /* enough() returned true */
	MAIL_THREADS_ROOM   /* more than `room` bytes would be needed */
};
/* Any thread.  Calls enough() after each piece of about a millisecond; NULL: runs to the end. */
enum mail_threads_state mail_threads_step(
    struct mail_threads *threads, uint64_t room, bool (*enough)(void *arg), void *arg);
/* Returns the bytes held, or, after MAIL_THREADS_ROOM, the bytes needed to go on. */
uint64_t mail_threads_needs(const struct mail_threads *threads);

/* ---- when it is done: trees; siblings and threads in order ---- */

#define MAIL_NO_THREAD UINT32_MAX

/* Returns the first thread. */
uint32_t mail_threads_first(const struct mail_threads *threads);
/* Return the next sibling or thread, the first child, the parent.  MAIL_NO_THREAD: none. */
uint32_t mail_threads_next(const struct mail_threads *threads, uint32_t m);
uint32_t mail_threads_child(const struct mail_threads *threads, uint32_t m);
uint32_t mail_threads_parent(const struct mail_threads *threads, uint32_t m);
/* Returns true for a node that is not a message, but has two or more below it; only threads begin
 * with one. */
bool mail_threads_is_dummy(const struct mail_threads *threads, uint32_t m);
#endif
