/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_list_slices
 *
 * LIST and LSUB with time slices of zero: others get a turn after each step at which a command can
 * stop, and the answer stays the same.  The test counts turns instead of measuring time.  Then the
 * list changes between slices: the client must see it as of one moment.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "site.h"

#define NAMES 200u
#define LEVELS 49u
#define DEEP 20u

static unsigned failures;

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

static void
fail(const char *what, const char *line, unsigned long n)
{
	fprintf(stderr, "%s: %s: %lu\n", line, what, n);
	failures++;
}

/* Gets a turn whenever others do. */
struct other {
	struct loop_task task;
	struct site *site;
	unsigned turns, at; /* at: the turn in which client 2 sends `line` */
	const char *line;
};

static bool
answered(struct site *site)
{
	return str_find(buf_as_str(stream_fake_output(site->clients[1].fake)), STR("\nt ")) != NULL;
}

static void
take_turn(struct loop_task *task)
{
	struct other *other = (struct other *)(void *)task;

	if (answered(other->site))
		return;
	if (++other->turns == other->at)
		stream_fake_push(other->site->clients[2].fake, str_of(other->line));
	loop_post(other->site->loop, task);
}

/* The answer to a line; turns_r: the turns that others got meanwhile. */
static struct buf
answer(struct site *site, const char *line, struct other *other)
{
	struct buf *out = stream_fake_output(site->clients[1].fake), got = {0};

	buf_fini(out);
	buf_puts(out, "\n");
	*other = (struct other){
	    .task.fn = take_turn, .site = site, .at = other->at, .line = other->line};
	stream_fake_push(site->clients[1].fake, str_of(line));
	loop_post(site->loop, &other->task);
	site_run(site);
	buf_str(&got, buf_as_str(out));
	return got;
}

static void
log_in(struct site *site, unsigned client)
{
	site_connect(site, client, NULL, false, false);
	stream_fake_push(site->clients[client].fake, STR("l LOGIN alice secret\r\n"));
	site_run(site);
}

static struct site *
make_site(void)
{
	struct site *site =
	    site_new(&(struct site_options){.conf = STR("plaintext_login = always\n")});
	char name[64 + 2 * LEVELS];

	site_user(site, "alice", "secret", NULL, false);
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "m%03u", i);
		site_mailbox(site, "alice", name);
	}
	for (unsigned i = 0; i < DEEP; i++) {
		size_t n = (size_t)snprintf(name, sizeof(name), "deep%02u", i);

		for (unsigned k = 1; k < LEVELS; k++) {
			name[n++] = '/';
			name[n++] = 'd';
		}
		name[n] = '\0';
		site_mailbox(site, "alice", name);
	}
	log_in(site, 1);
	log_in(site, 2);
	return site;
}

/* least, most: turns that others get. */
static void
check(struct site *site, const char *line, unsigned least, unsigned most)
{
	uint64_t slice = site->il.slice_ns;
	struct other other = {.turns = 0};
	struct buf whole, sliced;

	site->il.slice_ns = (uint64_t)1 << 40;
	whole = answer(site, line, &other);
	site->il.slice_ns = 0;
	sliced = answer(site, line, &other);
	site->il.slice_ns = slice;
	if (str_find(buf_as_str(&whole), STR("\nt OK ")) == NULL)
		fail("no OK", line, 0);
	if (!str_eq(buf_as_str(&whole), buf_as_str(&sliced)))
		fail("another answer in slices", line, other.turns);
	if (other.turns < least || other.turns > most)
		fail("turns of others", line, other.turns);
	buf_fini(&whole);
	buf_fini(&sliced);
}

static unsigned
count(struct str text, struct str part)
{
	unsigned n = 0;

	for (const char *p; (p = str_find(text, part)) != NULL; n++)
		text = str_range(p + part.n, text.p + text.n);
	return n;
}

/* Each LIST shows either the old or the new name of a mailbox, in whichever turn it is renamed. */
static void
check_renames(struct site *site)
{
	for (unsigned turn = 1; turn < 3 * NAMES; turn += 7) {
		struct other other = {.at = turn, .line = "r RENAME m100 zz\r\n"};
		struct buf got;
		unsigned n;

		site->il.slice_ns = 0;
		got = answer(site, "t LIST \"\" *\r\n", &other);
		n = count(buf_as_str(&got), STR(" m100\r\n")) +
		    count(buf_as_str(&got), STR(" zz\r\n"));
		if (n != 1)
			fail("names of a mailbox that was renamed meanwhile", "LIST", n);
		buf_fini(&got);
		stream_fake_push(site->clients[2].fake, STR("r RENAME zz m100\r\n"));
		site_run(site);
	}
}

int
main(void)
{
	const unsigned all = NAMES + DEEP, none = 1000000;
	struct site *site = make_site();

	log_set_sink(quiet, NULL);
	/* each pattern against each name, and each row that is printed */
	check(site, "t LIST \"\" *\r\n", 2 * all, none);
	check(site, "t LIST \"\" (*9 *8 *7 *6)\r\n", 4 * all, none);
	check(site, "t LSUB \"\" *\r\n", all, none);
	/* also the levels above a name, one by one */
	check(site, "t LIST \"\" *%\r\n", NAMES + DEEP * LEVELS, none);
	check(site, "t LIST (SUBSCRIBED RECURSIVEMATCH) \"\" *\r\n", NAMES + DEEP * LEVELS, none);
	check(site, "t LIST \"\" * RETURN (STATUS (MESSAGES))\r\n", 2 * all, none);
	/* one name is looked up, and a prefix leads to the names that begin with it */
	check(site, "t LIST \"\" m100\r\n", 1, 20);
	check(site, "t LIST \"\" m100 RETURN (STATUS (MESSAGES))\r\n", 1, 20);
	check(site, "t LSUB \"\" m100\r\n", 1, 20);
	check(site, "t LIST \"\" deep07\r\n", 1, 20 + 2 * LEVELS);
	check(site, "t LIST m 10%\r\n", 10, 60);
	check(site, "t LIST \"\" (m100 m101 nothing)\r\n", 1, 60);
	check(site, "t LIST (SUBSCRIBED RECURSIVEMATCH) \"\" m100\r\n", 1, 20);
	check_renames(site);
	site_disconnect(site, 1);
	site_disconnect(site, 2);
	site_free(&site);
	return failures == 0 ? 0 : 1;
}
