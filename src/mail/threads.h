/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_THREADS_H
#define MAIL_THREADS_H
/*
 * Threads of messages (RFC 5256 section 3, THREAD): trees, made of what is known of each message.
 *
 *	t = mail_threads_new(MAIL_THREADS_REFERENCES, &input);
 *	while (mail_threads_step(t, room, enough, arg) == MAIL_THREADS_AGAIN)
 *		...
 *	for (m = mail_threads_first(t); m != MAIL_NO_THREAD; m = mail_threads_next(t, m)) ...
 *
 * Messages are numbers from 0 on, in the order of their sequence numbers.  The time is that of n
 *log n links, whatever the references are: chains of any length, loops, ids that many have. Nothing
 * recurs.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mail_threads_by {
	MAIL_THREADS_ORDEREDSUBJECT,
	MAIL_THREADS_REFERENCES,
	/* Joined by references only, and the threads are ordered by their newest messages. */
	MAIL_THREADS_REFS
};

struct mail_threads_input {
	size_t n;
	const uint32_t *date;    /* ranks, from 0 to n */
	const uint32_t *subject; /* the same, of base subjects; NULL: not for REFS */
	/* Is there a base subject?  Was it that of a reply or forward? */
	bool (*has_subject)(const void *arg, size_t i);
	bool (*is_reply)(const void *arg, size_t i);
	/* Hash of the message id (0: none), and those of the references. */
	uint64_t (*ids)(const void *arg, size_t i, const uint64_t **refs_r, size_t *n_r);
	const void *arg;
	uint64_t secret; /* so that nobody can choose ids that collide in the table */
};

struct mail_threads;

/* What input points to stays until the end of the steps. */
struct mail_threads *mail_threads_new(
    enum mail_threads_by by, const struct mail_threads_input *input);
void mail_threads_free(struct mail_threads **threads);

enum mail_threads_state {
	MAIL_THREADS_DONE,
	MAIL_THREADS_AGAIN, /* enough() said so */
	MAIL_THREADS_ROOM   /* it would take more than `room` bytes */
};
/* Any thread.  enough() is asked after each piece of about a millisecond; NULL: never. */
enum mail_threads_state mail_threads_step(
    struct mail_threads *threads, uint64_t room, bool (*enough)(void *arg), void *arg);
/* Bytes that it holds, or, after MAIL_THREADS_ROOM, has to hold to go on. */
uint64_t mail_threads_needs(const struct mail_threads *threads);

/* ---- when it is done: trees; siblings and threads in order ---- */

#define MAIL_NO_THREAD UINT32_MAX

/* The first thread. */
uint32_t mail_threads_first(const struct mail_threads *threads);
/* Next sibling, or thread; first child; parent.  MAIL_NO_THREAD: none. */
uint32_t mail_threads_next(const struct mail_threads *threads, uint32_t m);
uint32_t mail_threads_child(const struct mail_threads *threads, uint32_t m);
uint32_t mail_threads_parent(const struct mail_threads *threads, uint32_t m);
/* Not one of the messages, but two or more of them below it; only threads begin with one. */
bool mail_threads_is_dummy(const struct mail_threads *threads, uint32_t m);
#endif
