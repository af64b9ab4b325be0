/* SPDX-License-Identifier: Apache-2.0 */
/* Dialogues: two threads of a command take turns. */
#include "control/dialogue.h"

#include <pthread.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"

#define ITEM_HEAD 5

struct dialogue {
	pthread_mutex_t mutex;
	pthread_cond_t turn;
	pthread_t thread;
	bool started;
	bool wanted; /* the operation waits for a question */
	bool asked;  /* there is a question */
	bool done;   /* speak() has returned */
	bool over;   /* the request is over */
	struct str question;
	struct buf answer; /* not yet split into items */
	bool (*item)(char type, struct str bytes, void *arg);
	void *item_arg;
	bool bad; /* item() returned false */

	void (*speak)(struct dialogue *d, void *arg);
	void *arg;
};

static void *
speaker_thread(void *arg)
{
	struct dialogue *d = arg;

	d->speak(d, d->arg);
	pthread_mutex_lock(&d->mutex);
	d->done = true;
	pthread_cond_broadcast(&d->turn);
	pthread_mutex_unlock(&d->mutex);
	return NULL;
}

/* The operation wants a question: the previous answer is complete. */
static bool
give_question(struct buf *bytes, void *arg)
{
	struct dialogue *d = arg;
	bool asked;

	/* Start it only now: the process that carries out the request may have to be forked
	 * first. */
	if (!d->started && pthread_create(&d->thread, NULL, speaker_thread, d) != 0)
		TS_WRONG("a thread cannot be started");
	d->started = true;
	pthread_mutex_lock(&d->mutex);
	d->wanted = true;
	pthread_cond_broadcast(&d->turn);
	while (!d->asked && !d->done)
		pthread_cond_wait(&d->turn, &d->mutex);
	asked = d->asked;
	if (asked)
		buf_str(bytes, d->question);
	d->asked = d->wanted = false;
	pthread_mutex_unlock(&d->mutex);
	return asked;
}

static bool
cut_items(struct str bytes, void *arg)
{
	struct dialogue *d = arg;
	size_t at = 0;

	buf_str(&d->answer, bytes);
	while (!d->bad && d->answer.n - at >= ITEM_HEAD) {
		struct rd r = rd_of((struct str){d->answer.p + at + 1, 4});
		uint32_t n = rd_be32(&r);

		if (d->answer.n - at - ITEM_HEAD < n)
			break;
		d->bad = d->item == NULL ||
		         !d->item(d->answer.p[at], (struct str){d->answer.p + at + ITEM_HEAD, n},
		             d->item_arg);
		at += ITEM_HEAD + n;
	}
	buf_consume(&d->answer, at);
	return !d->bad;
}

bool
dialogue_ask(struct dialogue *d, struct str question,
    bool (*item)(char type, struct str bytes, void *arg), void *arg)
{
	bool ok;

	if (question.n > DIALOGUE_PIECE)
		return false;
	pthread_mutex_lock(&d->mutex);
	while (!d->wanted && !d->over)
		pthread_cond_wait(&d->turn, &d->mutex);
	if (!d->over) {
		d->question = question;
		d->item = item;
		d->item_arg = arg;
		d->asked = true;
		d->wanted = false;
		pthread_cond_broadcast(&d->turn);
		while (!d->wanted && !d->over)
			pthread_cond_wait(&d->turn, &d->mutex);
	}
	ok = !d->over && !d->bad;
	pthread_mutex_unlock(&d->mutex);
	return ok;
}

struct dialogue *
dialogue_new(void (*speak)(struct dialogue *d, void *arg), void *arg, struct talk_bulk *bulk_r)
{
	struct dialogue *d = mem_zalloc(sizeof(*d));

	d->speak = speak;
	d->arg = arg;
	pthread_mutex_init(&d->mutex, NULL);
	pthread_cond_init(&d->turn, NULL);
	*bulk_r = (struct talk_bulk){.take = cut_items, .give = give_question, .arg = d};
	return d;
}

void
dialogue_free(struct dialogue **d_p)
{
	struct dialogue *d = *d_p;

	pthread_mutex_lock(&d->mutex);
	d->over = true;
	pthread_cond_broadcast(&d->turn);
	pthread_mutex_unlock(&d->mutex);
	if (d->started)
		pthread_join(d->thread, NULL);
	pthread_mutex_destroy(&d->mutex);
	pthread_cond_destroy(&d->turn);
	buf_fini(&d->answer);
	mem_free(d);
	*d_p = NULL;
}

bool
dialogue_send(struct op_io *io, char type, struct str bytes)
{
	struct buf head = {0};
	bool ok;

	buf_putc(&head, type);
	buf_be32(&head, (uint32_t)bytes.n);
	ok = io->send(io, buf_as_str(&head)) && (bytes.n == 0 || io->send(io, bytes));
	buf_fini(&head);
	return ok;
}
