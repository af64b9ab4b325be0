/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_random [shared] [RUNS [SEED]]
 *
 * Sessions that do anything, on a fake loop, where a seed decides what happens next: some bytes of
 * a session's input, one task of the loop (a read, a job, a change, a watch, a piece of output),
 * time, delayed jobs, unread output.  At the end of any reading another connection may change the
 * mailbox.  Without SEED the seeds are always the same.
 *
 * shared: the sessions are those of three users with different rights, each with own \Seen.  In
 * each second run the mailboxes become shared while their owner's sessions use them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "net/work.h"
#include "world.h"

#define SESSIONS (2 * USERS)
#define SESSIONS_ALONE 4
#define STEPS 6000
#define WINDOW 20000

struct chance {
	uint64_t random;
	bool jobs_held;
	bool shares; /* at the end of the next reading */
};

/* Bob's and carol's.  The first pair is the one that is used most. */
static const char *const rights[][USERS - 1] = {
    {"lrswite", "lr"}, {"lrste", "lrs"}, {"lrwi", "lrsw"}, {"lrsi", "lrswit"}};
static bool shared;

static unsigned
below(struct chance *c, unsigned n)
{
	return random_below(&c->random, n);
}

static void
meanwhile(struct world *w, unsigned n)
{
	struct chance *c = w->arg;
	enum change change = (enum change)below(c, CHANGES);

	(void)n;
	if (c->shares) {
		c->shares = false;
		world_share(w);
		return;
	}
	if (below(c, 40) != 0)
		return;
	if (change == CHANGE_EXPUNGE_ALL && below(c, 4) != 0)
		change = CHANGE_APPEND;
	if (w->ready_count > 0 || (change != CHANGE_APPEND && change != CHANGE_APPEND_KEYWORD &&
	                              change != CHANGE_APPEND_EXPUNGE && change != CHANGE_DELIVER))
		world_change(w, change);
}

static void
hold_jobs(struct world *w, struct chance *c, bool held)
{
	c->jobs_held = held;
	work_pool_hold(w->site->server.workers, held);
}

static void
ask(struct world *w, struct chance *c)
{
	struct viewer *s = &w->sessions[below(c, w->viewer_count)];

	if (s->user > 0 && !w->truth.shared)
		return;
	if (viewer_idles(s)) {
		if (below(c, 3) == 0)
			viewer_done(s);
	} else if (s->act_count == 0 || below(c, 4) == 0)
		viewer_next(s);
}

static void
step(struct world *w, struct chance *c)
{
	unsigned i = below(c, w->viewer_count), n = below(c, 100);

	if (n < 20)
		ask(w, c);
	else if (n < 45)
		world_send(w, i, below(c, 3) == 0 ? 1 + below(c, 40) : SIZE_MAX);
	else if (n < 46)
		hold_jobs(w, c, !c->jobs_held);
	else if (n < 47 && below(c, 2) == 0)
		world_slices(w, below(c, 2) == 0);
	else if (n < 47)
		stream_fake_set_window(
		    w->site->clients[i].fake, below(c, 2) == 0 ? below(c, WINDOW) : SIZE_MAX);
	else if (n < 48 && below(c, 10) == 0)
		loop_fake_advance(w->site->loop, 1 + below(c, 500));
	else
		(void)loop_fake_step(w->site->loop);
	world_take(w);
}

static void
finish(struct world *w, struct chance *c)
{
	struct viewer *all[SESSIONS] = {NULL}, *s = w->sessions;

	w->hold = NULL;
	hold_jobs(w, c, false);
	for (unsigned i = 0; i < w->viewer_count; i++) {
		all[i] = &s[i];
		stream_fake_set_window(w->site->clients[i].fake, SIZE_MAX);
		if (viewer_idles(&s[i]))
			viewer_done(&s[i]);
	}
	world_run(w);
	for (unsigned i = 0; i < w->viewer_count && w->truth.fault == NULL; i++)
		if (s[i].selecting == NULL)
			viewer_select(&s[i], &w->truth.boxes[0], false);
	for (unsigned times = 0; times < 2; times++) {
		world_run(w);
		for (unsigned i = 0; i < w->viewer_count && w->truth.fault == NULL; i++) {
			viewer_simple(&s[i], V_NOOP);
			world_run(w);
			if (s[i].belief.count > 0)
				viewer_fetch(&s[i], NULL, true, ITEM_UID | ITEM_FLAGS);
		}
	}
	world_run(w);
	if (w->truth.fault == NULL)
		sessions_agree(all, w->viewer_count);
}

/* Returns the step at which the mailboxes become shared. */
static unsigned
begin(struct world *w, uint64_t seed, struct chance *c)
{
	unsigned which = (unsigned)(seed / 4 % 6);

	w->rights = shared ? rights[which < 4 ? which : 0] : NULL;
	world_begin(w, seed, shared ? SESSIONS : SESSIONS_ALONE, seed % 2 == 0);
	w->truth.size_max = 300000;
	w->arg = c;
	if (!shared)
		return STEPS;
	return seed / 2 % 2 == 0 ? 0 : below(c, STEPS / 3);
}

/* False: a contradiction. */
static bool
run(struct world *w, uint64_t seed)
{
	struct chance c = {.random = seed};
	unsigned share_at = begin(w, seed, &c);
	bool good;

	w->hold = meanwhile;
	for (unsigned n = 0; n < STEPS && w->truth.fault == NULL; n++) {
		if (w->ready_count < READY / 2 && !c.jobs_held) {
			w->hold = NULL;
			world_prepare(w);
			w->hold = meanwhile;
		}
		if (n == share_at)
			c.shares = true;
		step(w, &c);
	}
	finish(w, &c);
	good = w->truth.fault == NULL;
	if (!good)
		truth_print(&w->truth);
	world_end(w);
	return good;
}

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)arg;
	if (level >= LOG_ERROR)
		fprintf(stderr, "%s %s\n", context != NULL ? context : "-", text);
}

static unsigned
number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

int
main(int argc, char **argv)
{
	uint64_t seed;
	unsigned runs;
	struct world w;

	shared = argc > 1 && strcmp(argv[1], "shared") == 0;
	argv += shared;
	argc -= shared;
	runs = argc > 1 ? number(argv[1]) : 30;
	seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 9051;
	log_set_sink(quiet, NULL);
	world_open(&w);
	for (unsigned i = 0; i < runs; i++)
		if (!run(&w, seed + i)) {
			fprintf(stderr, "test_random %s1 %llu\n", shared ? "shared " : "",
			    (unsigned long long)(seed + i));
			return 1;
		}
	world_close(&w);
	printf("%u runs, no contradiction\n", runs);
	return 0;
}
