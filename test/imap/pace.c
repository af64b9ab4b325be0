/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_pace
 *
 * Whose turn it is on a loop (imap/pace.h), with time slices of zero, so that every command counts
 * as long.  alice uses six connections, bob one: the test counts answers instead of measuring time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "site.h"

enum { ALICE = 1, ALICES = 6, BOB = ALICE + ALICES, SWITCH, MAILBOXES = 200, LINES = 20 };

static unsigned failures;

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

static void
expect(bool good, const char *what, unsigned long n)
{
	if (good)
		return;
	fprintf(stderr, "%s: %lu\n", what, n);
	failures++;
}

static unsigned
count(const struct site *site, unsigned client, const char *part)
{
	struct str text = buf_as_str(stream_fake_output(site->clients[client].fake));
	unsigned n = 0;

	for (const char *p; (p = str_find(text, str_of(part))) != NULL; n++)
		text = str_range(p + 1, text.p + text.n);
	return n;
}

static unsigned
count_alice(const struct site *site, const char *part)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ALICES; i++)
		n += count(site, ALICE + i, part);
	return n;
}

static void
say(struct site *site, unsigned client, const char *line, unsigned times)
{
	struct buf lines = {0};

	buf_fini(stream_fake_output(site->clients[client].fake));
	for (unsigned i = 0; i < times; i++)
		buf_puts(&lines, line);
	stream_fake_push(site->clients[client].fake, buf_as_str(&lines));
	buf_fini(&lines);
}

static void
say_alice(struct site *site, const char *line, unsigned times)
{
	for (unsigned i = 0; i < ALICES; i++)
		say(site, ALICE + i, line, times);
}

/* Gets a turn in each round of the loop. */
struct watch {
	struct loop_task task;
	struct site *site;
	const char *bobs, *alices;
	unsigned times, begun, then;
	const char *line; /* bob sends it when alice has begun */
};

static void
look(struct loop_task *task)
{
	struct watch *w = (struct watch *)(void *)task;

	w->then = count_alice(w->site, w->alices);
	if (w->line != NULL && w->then > 0) {
		w->begun = w->then;
		say(w->site, BOB, w->line, 1);
		w->line = NULL;
	}
	if (w->line != NULL || count(w->site, BOB, w->bobs) < w->times)
		loop_post(w->site->loop, task);
}

/* How many answers alice got until bob got that many; w->line: since he asked. */
static unsigned
alice_until(struct site *site, struct watch w)
{
	w.task.fn = look;
	w.site = site;
	loop_post(site->loop, &w.task);
	site_run(site);
	return w.then - w.begun;
}

static void
log_in(struct site *site, unsigned client, const char *line)
{
	site_connect(site, client, NULL, false, false);
	say(site, client, line, 1);
	site_run(site);
}

/* Makes every run long, or none. */
static void
all_long(struct site *site, bool yes)
{
	site->il.slice_ns = yes ? 0 : (uint64_t)1 << 40;
	site->il.pace.long_ns = site->il.slice_ns;
}

static struct site *
make_site(void)
{
	struct site *site = site_new(&(struct site_options){
	    .conf = STR("plaintext_login = always\nlimits.logins_per_user = 100\n"
	                "unauthenticate = everyone\n")});
	char name[16];

	site_user(site, "alice", "secret", NULL, false);
	site_user(site, "bob", "secret", NULL, false);
	for (unsigned i = 0; i < MAILBOXES; i++) {
		snprintf(name, sizeof(name), "m%03u", i);
		site_mailbox(site, "alice", name);
		site_mailbox(site, "bob", name);
	}
	all_long(site, false);
	for (unsigned i = 0; i < ALICES; i++)
		log_in(site, ALICE + i, "l LOGIN alice secret\r\n");
	log_in(site, BOB, "l LOGIN bob secret\r\n");
	all_long(site, true);
	return site;
}

static void
all_is_answered(struct site *site, unsigned each, unsigned bob)
{
	site_run(site);
	expect(count_alice(site, "t OK") == each * ALICES, "answers to alice",
	    count_alice(site, "t OK"));
	expect(count(site, BOB, "t OK") == bob, "answers to bob", count(site, BOB, "t OK"));
	expect(list_empty(&site->il.pace.ring), "somebody still waits", 1);
}

/* A user who has not computed for long is served at once. */
static void
check_short(struct site *site)
{
	unsigned rows;

	say_alice(site, "t LIST \"\" *\r\n", 1);
	rows = alice_until(site,
	    (struct watch){.bobs = "t OK", .times = 1, .alices = "* LIST", .line = "t NOOP\r\n"});
	expect(rows <= 3, "alice's rows before bob's NOOP", rows);
	all_is_answered(site, 1, 1);
}

/* If two users both compute for long, they take turns. */
static void
check_users(struct site *site)
{
	unsigned rows;

	say_alice(site, "t LIST \"\" *\r\n", 1);
	say(site, BOB, "t LIST \"\" *\r\n", 1);
	rows = alice_until(
	    site, (struct watch){.bobs = "* LIST", .times = MAILBOXES, .alices = "* LIST"});
	expect(rows <= MAILBOXES * 3 / 2, "alice's rows during bob's LIST", rows);
	all_is_answered(site, 1, 1);
}

/* Many short commands: input gets its turn, too. */
static void
check_input(struct site *site)
{
	unsigned answers;

	say_alice(site, "t NOOP\r\n", LINES);
	say(site, BOB, "t NOOP\r\n", LINES);
	answers =
	    alice_until(site, (struct watch){.bobs = "t OK", .times = LINES, .alices = "t OK"});
	expect(answers <= LINES * 5 / 2, "alice's answers during bob's", answers);
	all_is_answered(site, LINES, LINES);
}

static bool
is_paced(const struct site *site, unsigned client)
{
	return pace_holds(site->clients[client].conn);
}

/* It is forgotten after a while, even if nobody says anything. */
static void
check_forgotten(struct site *site, unsigned client)
{
	expect(!list_empty(&site->il.pace.known), "nobody is paced", 0);
	loop_fake_advance(site->loop, 900);
	expect(is_paced(site, client), "not paced within the second", client);
	loop_fake_advance(site->loop, 200);
	expect(site->il.pace.count == 0, "somebody is paced still", site->il.pace.count);
}

/* ---- what is computed: by a clock on which each LIST takes a millisecond, and nothing else does
 */

static uint64_t
lists_ns(void *arg)
{
	const struct site *site = arg;
	const struct imap_registry *reg = &site->server.reg;
	unsigned i = 0;

	while (reg->cmds[i] != imap_registry_find(reg, STR("LIST")))
		i++;
	return site->il.commands[i].results[IMAP_RESULT_OK] * 1000000;
}

/* The user who computed is paced, not the one who is logged in afterwards. */
static void
check_switch(struct site *site)
{
	loop_fake_set_cpu(site->loop, lists_ns, site);
	all_long(site, false); /* no slice ends */
	site->il.pace.long_ns = 1;
	log_in(site, SWITCH, "l LOGIN alice secret\r\n");
	say(site, SWITCH, "t LIST \"\" *\r\nt UNAUTHENTICATE\r\nt LOGIN bob secret\r\n", 1);
	site_run(site);
	expect(count(site, SWITCH, "t OK") == 3, "answers", count(site, SWITCH, "t OK"));
	expect(is_paced(site, ALICE), "alice is not paced", 0);
	expect(!is_paced(site, SWITCH), "bob is paced in alice's place", 0);
	check_forgotten(site, ALICE);

	say(site, SWITCH, "t UNAUTHENTICATE\r\nt LOGIN alice secret\r\nt LIST \"\" *\r\n", 1);
	site_run(site);
	expect(is_paced(site, SWITCH), "alice is not paced", 1);
	expect(!is_paced(site, BOB), "bob is paced in alice's place", 1);
	check_forgotten(site, ALICE);
}

/* Nothing was computed, it only took long: the machine was busy. */
static void
check_busy_machine(struct site *site)
{
	say_alice(site, "t NOOP\r\n", LINES);
	say(site, BOB, "t NOOP\r\n", LINES);
	all_is_answered(site, LINES, LINES);
	expect(site->il.pace.exact_until_ms > 0, "nothing took long", 0);
	expect(site->il.pace.count == 0, "somebody is paced", site->il.pace.count);
	loop_fake_set_cpu(site->loop, NULL, NULL);
}

static uint64_t
count_looks(void *arg)
{
	++*(unsigned *)arg;
	return 0;
}

/* Reading the CPU time is a system call: many short runs share one. */
static void
check_looks(struct site *site)
{
	unsigned looks = 0;

	all_long(site, false);
	site->il.pace.exact_until_ms = loop_now(site->loop) + 1000;
	loop_fake_set_cpu(site->loop, count_looks, &looks);
	for (unsigned i = 0; i < LINES; i++) {
		say(site, BOB, "t NOOP\r\n", 1);
		site_run(site);
	}
	expect(looks <= 1, "looks at the CPU time", looks);
	loop_fake_set_cpu(site->loop, NULL, NULL);
}

/* A connection that waits for its turn stops waiting when its user leaves. */
static void
check_queue(struct site *site)
{
	struct imap_conn *conn = site->clients[SWITCH].conn;

	all_long(site, true);
	say(site, SWITCH, "t NOOP\r\n", 3);
	site_run(site);
	pace_ask(conn);
	expect(pace_waits(conn), "it does not wait", 0);
	pace_leave(conn, imap_login(conn)->who.user);
	expect(!pace_waits(conn), "it waits among alice's still", 0);
	expect(list_empty(&site->il.pace.ring), "alice waits, and nothing of hers", 0);
	site_run(site);
}

/* A connection disappears while it waits for its turn. */
static void
check_end(struct site *site)
{
	say_alice(site, "t LIST \"\" *\r\n", 1);
	while (list_empty(&site->il.pace.ring) && loop_fake_step(site->loop))
		continue;
	for (unsigned i = 0; i <= ALICES + 1; i++)
		site_disconnect(site, ALICE + i);
	expect(list_empty(&site->il.pace.ring), "somebody who is gone still waits", 1);
}

int
main(void)
{
	struct site *site = make_site();

	log_set_sink(quiet, NULL);
	check_short(site);
	check_users(site);
	check_input(site);
	check_forgotten(site, BOB);
	check_switch(site);
	check_busy_machine(site);
	check_looks(site);
	check_queue(site);
	check_end(site);
	site_free(&site);
	return failures == 0 ? 0 : 1;
}
