/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_forced [resync|shared] [SHARE], or [resync|shared] COMMAND EARLIER CHANGE LOOK
 *
 * Each kind of command, with each kind of change by another connection, which happens at the end of
 * the first, second, … reading of a mailbox or task of the loop (a job, a change, a watch) until
 * the command has ended; and the same, at readings, after an earlier change that the session has
 * not been told about.  SHARE: only every SHARE-th kind of that.  Two sessions have a view of the
 * mailbox: the one with the command, and one that only watches.  What they are told is compared
 * with the truth (viewer.h); then both send NOOP and must agree with it.
 * resync: the one with the command uses QRESYNC; afterwards it leaves the mailbox, some messages
 * are expunged, and it comes back by what it kept (resync.h).
 * shared: the mailboxes are shared, and the one that watches is another user; and the same with
 * mailboxes that become shared as a change.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "world.h"

#define MESSAGES 6
#define LOOKS_MAX 60 /* of a command, as a guard */

static struct numbers
some(const struct viewer *s, unsigned from, unsigned step, unsigned most)
{
	struct numbers chosen = {0};

	for (unsigned n = from; n <= s->belief.count && chosen.n < most; n += step)
		numbers_add(&chosen, n);
	return chosen;
}

static void
fetch(struct viewer *s, bool all, bool uid, unsigned items)
{
	struct numbers chosen = some(s, 1, 2, 9);

	viewer_fetch(s, all ? NULL : &chosen, uid, items);
	numbers_fini(&chosen);
}

static void
store(struct viewer *s, bool uid, char mode, uint32_t flags, bool silent)
{
	struct numbers chosen = some(s, 1, 2, 9);

	viewer_store(s, &chosen, uid, mode, flags, silent);
	numbers_fini(&chosen);
}

static void
copy(struct viewer *s, bool uid, bool moves, unsigned target)
{
	struct numbers chosen = some(s, 1, 3, 9);

	viewer_copy(s, &chosen, uid, moves, &s->truth->boxes[target]);
	numbers_fini(&chosen);
}

static void
uid_expunge(struct viewer *s)
{
	struct numbers chosen = some(s, 2, 1, 9);

	viewer_uid_expunge(s, &chosen);
	numbers_fini(&chosen);
}

static void
pipelined(struct viewer *s)
{
	fetch(s, true, false, ITEM_UID | ITEM_FLAGS);
	store(s, false, '+', FLAG_DRAFT, false);
	viewer_search(s, false, KEY_FLAG, FLAG_DELETED);
	viewer_simple(s, V_NOOP);
}

static void
idle(struct viewer *s)
{
	viewer_simple(s, V_IDLE);
	viewer_done(s);
}

#define COMMANDS 50
#define LARGE 44 /* from here on one of the messages is large */

static void
command(struct viewer *s, unsigned which)
{
	const unsigned records = ITEM_UID | ITEM_FLAGS, key = 1u << 9;
	struct mailbox *boxes = s->truth->boxes;

	switch (which) {
	case 0:
		viewer_simple(s, V_NOOP);
		break;
	case 1:
		viewer_simple(s, V_CHECK);
		break;
	case 2:
		idle(s);
		break;
	case 3:
		fetch(s, true, false, ITEM_FLAGS);
		break;
	case 4:
		fetch(s, true, false, records);
		break;
	case 5:
		fetch(s, false, false, records);
		break;
	case 6:
		fetch(s, true, true, records);
		break;
	case 7:
		fetch(s, false, true, records | ITEM_SIZE);
		break;
	case 8:
		fetch(s, true, false, records | ITEM_ENVELOPE);
		break;
	case 9:
		fetch(s, true, true, ITEM_STRUCTURE);
		break;
	case 10:
		fetch(s, false, false, ITEM_UID | ITEM_BODY | ITEM_PEEK);
		break;
	case 11:
		fetch(s, false, true, ITEM_UID | ITEM_BODY | ITEM_PEEK);
		break;
	case 12:
		fetch(s, false, false, ITEM_BODY);
		break;
	case 13:
		fetch(s, false, true, records | ITEM_BODY);
		break;
	case 14:
		store(s, false, '+', FLAG_FLAGGED, false);
		break;
	case 15:
		store(s, false, '+', FLAG_FLAGGED, true);
		break;
	case 16:
		store(s, true, '+', FLAG_SEEN | key, false);
		break;
	case 17:
		store(s, true, '+', FLAG_SEEN | key, true);
		break;
	case 18:
		store(s, false, '-', FLAG_SEEN | FLAG_ANSWERED, false);
		break;
	case 19:
		store(s, true, '-', FLAG_SEEN | FLAG_ANSWERED, true);
		break;
	case 20:
		store(s, false, '=', FLAG_DRAFT, false);
		break;
	case 21:
		store(s, true, '=', key, true);
		break;
	case 22:
		viewer_search(s, false, KEY_ALL, 0);
		break;
	case 23:
		viewer_search(s, true, KEY_ALL, 0);
		break;
	case 24:
		viewer_search(s, false, KEY_FLAG, FLAG_SEEN);
		break;
	case 25:
		viewer_search(s, true, KEY_UNFLAG, FLAG_DELETED);
		break;
	case 26:
		viewer_search(s, false, KEY_SUBJECT, 2);
		break;
	case 27:
		viewer_search(s, true, KEY_TEXT, 2);
		break;
	case 28:
		viewer_simple(s, V_EXPUNGE);
		break;
	case 29:
		uid_expunge(s);
		break;
	case 30:
		copy(s, false, false, 1);
		break;
	case 31:
		copy(s, true, false, 0);
		break;
	case 32:
		copy(s, false, true, 1);
		break;
	case 33:
		copy(s, true, true, 1);
		break;
	case 34:
		viewer_append(s, &boxes[0], 2, key);
		break;
	case 35:
		viewer_select(s, &boxes[0], false);
		break;
	case 36:
		viewer_select(s, &boxes[0], true);
		break;
	case 37:
		viewer_simple(s, V_CLOSE);
		break;
	case 38:
		viewer_simple(s, V_UNSELECT);
		break;
	case 39:
		pipelined(s);
		break;
	case 40:
		viewer_status(s, &boxes[0]);
		break;
	case 41:
		viewer_status(s, &boxes[1]);
		break;
	case 42:
		viewer_simple(s, V_NOOP);
		viewer_status(s, &boxes[0]);
		viewer_status(s, &boxes[1]);
		break;
	case 43:
		store(s, true, '+', FLAG_SEEN | FLAG_DELETED, true);
		viewer_status(s, &boxes[0]);
		break;
	case 44:
		fetch(s, true, true, ITEM_UID);
		break;
	case 45:
		fetch(s, false, false, ITEM_UID | ITEM_BODY | ITEM_PEEK);
		break;
	case 46:
		fetch(s, false, true, ITEM_UID | ITEM_BODY);
		break;
	case 47:
		viewer_search(s, true, KEY_TEXT, 2);
		break;
	case 48:
		copy(s, true, false, 1);
		break;
	default:
		fetch(s, true, true, ITEM_STRUCTURE | ITEM_ENVELOPE);
		break;
	}
}

#define SHARING CHANGES /* as a change: the mailboxes become shared */

struct forced {
	unsigned change; /* enum change or SHARING */
	unsigned at;
	bool met;
};

static void
land(struct world *w, unsigned n)
{
	struct forced *f = w->arg;

	if (n != f->at)
		return;
	f->met = true;
	if (f->change == SHARING)
		world_share(w);
	else
		world_change(w, (enum change)f->change);
}

static void
look_at_all(struct world *w)
{
	for (unsigned i = 0; i < w->viewer_count; i++) {
		if (w->sessions[i].user > 0 && !w->truth.shared)
			continue;
		viewer_simple(&w->sessions[i], V_NOOP);
		world_run(w);
		if (w->sessions[i].belief.count > 0 && w->truth.fault == NULL)
			viewer_fetch(&w->sessions[i], NULL, true, ITEM_UID | ITEM_FLAGS);
		world_run(w);
	}
}

static void
settle(struct world *w)
{
	struct viewer *all[SITE_CLIENTS];

	for (unsigned i = 0; i < w->viewer_count; i++) {
		all[i] = &w->sessions[i];
		if (all[i]->selecting == NULL)
			viewer_select(all[i], &w->truth.boxes[0], false);
	}
	world_run(w);
	for (unsigned times = 0; times < 2 && w->truth.fault == NULL; times++)
		look_at_all(w);
	if (w->truth.fault == NULL)
		sessions_agree(all, w->viewer_count);
}

static bool resync; /* the session that is looked at uses QRESYNC */
static bool shared;

static void
begin(struct world *w, unsigned which, const struct forced *f)
{
	static const char *const all[USERS - 1] = {"lrswite", "lrswite"};

	w->rights = shared ? all : NULL;
	world_begin(w, which, 2, resync);
	w->truth.size_max = which >= LARGE ? 600000 : 1000;
	w->truth.next_id = which >= LARGE ? 7 : 1; /* the seventh is large */
	world_prepare(w);
	world_append(w, MESSAGES - 3, FLAG_ANSWERED);
	world_append(w, 1, FLAG_SEEN);
	world_append(w, 1, 0);
	world_append(w, 1, FLAG_DELETED | 1u << 8);
	world_prepare(w);
	if (shared && f->change != SHARING)
		world_share(w);
	for (unsigned i = 0; i < 2; i++)
		if (!shared || w->truth.shared || i == 0)
			viewer_select(&w->sessions[i], &w->truth.boxes[0], false);
	world_run(w);
	look_at_all(w);
}

/* The connection is lost after the command, another change is made, and the client comes back. */
static void
come_back(struct world *w)
{
	struct viewer *s = &w->sessions[0];

	if (w->truth.fault != NULL || s->selecting == NULL)
		return;
	viewer_simple(s, V_UNSELECT);
	world_run(w);
	world_change(w, CHANGE_EXPUNGE_SOME);
	site_run(w->site);
	if (w->truth.fault == NULL)
		viewer_select(s, &w->truth.boxes[0], false);
	world_run(w);
}

/* True: the reading took place. */
static bool
run(struct world *w, unsigned which, enum change earlier, struct forced *f)
{
	begin(w, which, f);
	world_change(w, earlier);
	site_run(w->site);
	f->met = false;
	w->arg = f;
	w->looks = 0;
	w->hold = land;
	w->tasks = earlier == CHANGE_NONE;
	command(&w->sessions[0], which);
	world_run(w);
	w->hold = NULL;
	w->tasks = false;
	if (w->sessions[0].act_count > 0)
		truth_fault(&w->truth, "the command has not ended");
	if (resync)
		come_back(w);
	if (f->change == SHARING && !f->met)
		world_share(w);
	settle(w);
	return f->met;
}

static unsigned
all_looks(struct world *w, unsigned which, enum change earlier, unsigned change)
{
	struct forced f = {.change = change, .at = 1};
	bool more = true;

	for (; more && f.at < LOOKS_MAX; f.at++) {
		more = run(w, which, earlier, &f);
		if (w->truth.fault != NULL) {
			truth_print(&w->truth);
			fprintf(stderr,
			    "command %u, after %s, %s at hold point %u: test_forced %s%u %u %u "
			    "%u\n",
			    which, change_names[earlier],
			    change == SHARING ? "sharing" : change_names[change], f.at,
			    resync   ? "resync "
			    : shared ? "shared "
			             : "",
			    which, (unsigned)earlier, change, f.at);
			world_end(w);
			exit(1);
		}
		world_end(w);
	}
	return f.at - 1;
}

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)arg;
	if (level >= LOG_ERROR)
		fprintf(stderr, "%s %s\n", context != NULL ? context : "-", text);
}

static const enum change earlier[] = {
    CHANGE_NONE, CHANGE_EXPUNGE_SOME, CHANGE_APPEND_KEYWORD, CHANGE_KEYWORD, CHANGE_FLAGS};

static unsigned
number(const char *text)
{
	return (unsigned)strtoul(text, NULL, 10);
}

int
main(int argc, char **argv)
{
	unsigned share, runs = 0, kinds = 0;
	struct world w;

	if (argc > 1 && (strcmp(argv[1], "resync") == 0 || strcmp(argv[1], "shared") == 0)) {
		resync = argv[1][0] == 'r';
		shared = !resync;
		argv++;
		argc--;
	}
	share = argc == 2 ? number(argv[1]) : 1;
	log_set_sink(quiet, NULL);
	if (argc == 5) {
		struct forced f = {.change = number(argv[3]), .at = number(argv[4])};

		world_open(&w);
		(void)run(&w, number(argv[1]), (enum change)number(argv[2]), &f);
		truth_print(&w.truth);
		world_end(&w);
		world_close(&w);
		return 0;
	}
	for (unsigned which = 0; which < COMMANDS; which++) {
		world_open(&w);
		for (size_t i = 0; i < sizeof(earlier) / sizeof(*earlier); i++)
			for (unsigned c = CHANGE_NONE + 1; c < CHANGES + (shared ? 1u : 0u); c++)
				/* After another change, a delivery is the same as an APPEND. */
				if ((c != CHANGE_DELIVER || earlier[i] == CHANGE_NONE) &&
				    (c == SHARING || kinds++ % share == 0))
					runs += all_looks(&w, which, earlier[i], c);
		world_close(&w);
	}
	printf("%u interleavings, no contradiction\n", runs);
	return 0;
}
