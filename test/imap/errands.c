/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_errands
 *
 * The matrix of what is in progress when a user leaves, and when it finishes: errands of the login
 * and of its mailbox, jobs and changes of commands, posted watches that have not run, timers; held
 * across one switch of users, across two, back to the same user, into another mailbox, or beyond
 * the end of the connection; then they are released, and the clock advances.
 *
 * Afterwards the connection must say, byte for byte, what it says if nothing was in progress, and
 * nothing may be left.  Each case also runs without leaving: then something is said, so the test
 * would notice it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "imap/errand.h"
#include "imap/tell.h"
#include "script.h"

static unsigned failed, given_up;

static void
fail(const char *what, const char *how, const char *detail)
{
	fprintf(stderr, "%s, %s: %s\n", what, how, detail);
	failed++;
}

/* ---- a disk, and a worker, that take their time */

static struct gate {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool held;
	unsigned waiting;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};

static void
wait_at_gate(void)
{
	pthread_mutex_lock(&gate.lock);
	gate.waiting++;
	pthread_cond_broadcast(&gate.cond);
	while (gate.held)
		pthread_cond_wait(&gate.cond, &gate.lock);
	gate.waiting--;
	pthread_mutex_unlock(&gate.lock);
}

static void
set_gate(bool held)
{
	pthread_mutex_lock(&gate.lock);
	gate.held = held;
	pthread_cond_broadcast(&gate.cond);
	pthread_mutex_unlock(&gate.lock);
}

static unsigned
count_at_gate(void)
{
	unsigned n;

	pthread_mutex_lock(&gate.lock);
	n = gate.waiting;
	pthread_mutex_unlock(&gate.lock);
	return n;
}

/* Waits until something has reached the gate. */
static void
watch_gate(void)
{
	pthread_mutex_lock(&gate.lock);
	while (gate.waiting == 0)
		pthread_cond_wait(&gate.cond, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

static enum ts_err
committing(const struct engine_batch *batch, void *arg)
{
	(void)batch, (void)arg;
	wait_at_gate();
	return TS_OK;
}

/* ---- an extension that has errands */

struct voice { /* of the login: reports what errands found */
	struct imap_teller teller;
	unsigned found;
};

struct look { /* of an errand: all that it has on a worker */
	struct store_account *account;
	struct store_mailbox *mailbox;
	uint64_t questions;
	struct store_counters counters;
};

static bool
speak(struct imap_teller *teller, struct imap_conn *conn, bool expunge)
{
	struct voice *voice = list_entry(teller, struct voice, teller);

	(void)expunge;
	for (; voice->found > 0; voice->found--)
		wire_out_cond(
		    imap_out(conn), STR_NONE, WIRE_OK, STR_NONE, STR("an errand is done"));
	teller->due = false;
	return true;
}

static struct voice *
voice_of(struct imap_conn *conn)
{
	struct imap_login *login = imap_login(conn);
	struct imap_teller *teller;
	struct voice *voice;

	LIST_EACH (teller, &login->tellers, link)
		if (teller->tell == speak)
			return list_entry(teller, struct voice, teller);
	voice = arena_new_object(login->arena, struct voice);
	voice->teller = (struct imap_teller){
	    .when = IMAP_TELL_REPLY | IMAP_TELL_WAITING | IMAP_TELL_QUIET, .tell = speak};
	imap_teller_add(login, &voice->teller, false);
	return voice;
}

static void
let_go(void *arg)
{
	struct look *look = arg;

	store_mailbox_unref(&look->mailbox);
	store_account_unref(&look->account);
}

static enum work_end
run(struct imap_errand *errand)
{
	struct look *look = errand->state;

	wait_at_gate(); /* not cancellable there: it finishes late */
	if (look->mailbox != NULL)
		store_mailbox_counters(look->mailbox, &look->counters);
	return imap_errand_should_stop(errand) || ++look->questions > 3 ? WORK_DONE : WORK_AGAIN;
}

static void
done(struct imap_errand *errand, struct imap_conn *conn)
{
	struct voice *voice = voice_of(conn);

	(void)errand;
	voice->found++;
	voice->teller.due = true;
	imap_tell_soon(conn);
}

static const struct imap_errand_class job = {
    .name = "job", .kind = WORK_LONG, .run = run, .done = done};
static const struct imap_errand_class change = {.name = "change", .done = done};

static struct imap_errand *
new_errand(struct imap_cmd *cmd, const struct imap_errand_class *class, bool of_box)
{
	struct imap_errand *errand = imap_errand_new(cmd->conn, class, sizeof(struct look), of_box);
	struct look *look = errand->state;

	(void)voice_of(cmd->conn);
	arena_on_free(errand->arena, let_go, look);
	look->account = store_account_ref(store_mailbox_account(imap_box(cmd->conn)->mailbox));
	look->mailbox = store_mailbox_ref(imap_box(cmd->conn)->mailbox);
	return errand;
}

static enum imap_next
start_job(struct imap_cmd *cmd)
{
	imap_errand_start(new_errand(cmd, &job, false));
	return cmd_ok(cmd, "Done");
}

static enum imap_next
start_box_job(struct imap_cmd *cmd)
{
	imap_errand_start(new_errand(cmd, &job, true));
	return cmd_ok(cmd, "Done");
}

static enum imap_next
start_many(struct imap_cmd *cmd)
{
	for (int i = 0; i < 20; i++)
		imap_errand_start(new_errand(cmd, &job, i % 2 == 0));
	return cmd_ok(cmd, "Done");
}

static enum imap_next
start_change(struct imap_cmd *cmd)
{
	struct imap_errand *errand = new_errand(cmd, &change, false);
	struct store_change *c =
	    cmd_change_of(cmd, STORE_CHANGE_FLAGS, imap_box(cmd->conn)->mailbox);

	c->mode = STORE_FLAGS_ADD;
	store_flags_set(&c->flags, STORE_FLAGGED);
	imap_errand_start_change(errand, c);
	return cmd_ok(cmd, "Done");
}

/* Takes a third of what the connection may have; a fourth does not fit. */
static enum imap_next
start_large(struct imap_cmd *cmd)
{
	struct imap_errand *errand = new_errand(cmd, &job, false);

	if (!imap_errand_reserve(errand, (uint64_t)10 << 20)) {
		imap_errand_drop(errand);
		return cmd_no_room(cmd);
	}
	imap_errand_start(errand);
	return cmd_ok(cmd, "Done");
}

static const struct imap_cmd_def cmds[] = {
    {.name = "X-JOB", .states = IMAP_SELECTED, .start = start_job},
    {.name = "X-BOX-JOB", .states = IMAP_SELECTED, .start = start_box_job},
    {.name = "X-MANY", .states = IMAP_SELECTED, .start = start_many},
    {.name = "X-CHANGE", .states = IMAP_SELECTED, .start = start_change},
    {.name = "X-LARGE", .states = IMAP_SELECTED, .start = start_large},
    {.name = NULL},
};

static const struct imap_ext ext = {.name = "errands", .title = "errands", .cmds = cmds};

/* ---- what is under way */

struct matter {
	const char *name;
	const char *lines; /* alice's, in INBOX */
	bool jobs, flush;  /* held meanwhile: what waits for a worker, for the disk, */
	bool late;         /* or is on a worker, which nothing can speed up */
	bool other;        /* and another session changes alice's INBOX right before she leaves */
	const char *said;  /* when it finishes and nobody has left */
};

static const struct matter matters[] = {
    {"nothing", "x NOOP\r\n", .said = ""},
    {"an errand of the login that is late", "x X-JOB\r\n", .late = true,
        .said = "* OK an errand is done\r\n"},
    {"an errand of the mailbox that is late", "x X-BOX-JOB\r\n", .late = true,
        .said = "* OK an errand is done\r\n"},
    {"many that are late", "x X-MANY\r\n", .late = true, .said = "* OK an errand is done\r\n"},
    {"an errand of the login", "x X-JOB\r\n", .jobs = true, .said = "* OK an errand is done\r\n"},
    {"an errand of the mailbox", "x X-BOX-JOB\r\n", .jobs = true,
        .said = "* OK an errand is done\r\n"},
    {"more errands than there may be", "x X-MANY\r\n", .jobs = true,
        .said = "* OK an errand is done\r\n"},
    {"an errand with a change", "x X-CHANGE\r\n", .flush = true,
        .said = "* OK an errand is done\r\n"},
    {"a job of a command", "x FETCH 1:* BODY.PEEK[TEXT]\r\n", .jobs = true,
        .said = "x OK Fetched\r\n"},
    {"a long search", "x SEARCH TEXT word\r\n", .jobs = true, .said = "x OK Searched\r\n"},
    {"a change of a command", "x STORE 1 +FLAGS (\\Answered)\r\n", .flush = true,
        .said = "x OK Stored\r\n"},
    {"an upload", "x APPEND INBOX {5+}\r\nabcde\r\n", .flush = true, .said = "x OK [APPENDUID"},
    {"a watch that is posted", "x NOOP\r\n", .other = true, .said = ""},
    {"a watch while it IDLEs", "x IDLE\r\n", .other = true, .said = "* 4 EXISTS\r\n"},
    {"the word now and then", "x IDLE\r\n", .said = "* OK Still here\r\n"},
};

/* ---- leaving */

static const struct leave {
	const char *name;
	const char *lines; /* its last tag is "end" */
} leaves[] = {
    {"a switch", "u UNAUTHENTICATE\r\nl LOGIN bob hidden\r\nend SELECT INBOX\r\n"},
    {"a switch, nothing selected", "u UNAUTHENTICATE\r\nend LOGIN bob hidden\r\n"},
    {"no login after it", "end UNAUTHENTICATE\r\n"},
    {"two switches",
        "u UNAUTHENTICATE\r\nl LOGIN bob hidden\r\nv UNAUTHENTICATE\r\nm LOGIN carol third\r\n"
        "end SELECT INBOX\r\n"},
    {"back to the same user",
        "u UNAUTHENTICATE\r\nl LOGIN bob hidden\r\ns SELECT INBOX\r\nv UNAUTHENTICATE\r\n"
        "m LOGIN alice secret\r\nend SELECT Work\r\n"},
    {"back to the same user and mailbox, read only",
        "u UNAUTHENTICATE\r\nl LOGIN bob hidden\r\nv UNAUTHENTICATE\r\nm LOGIN alice secret\r\n"
        "s EXAMINE Work\r\nend NOOP\r\n"},
    {"PROXYAUTH", "w UNSELECT\r\nu PROXYAUTH bob\r\nend SELECT INBOX\r\n"},
    {"PROXYAUTH, and back",
        "w UNSELECT\r\nu PROXYAUTH bob\r\nv PROXYAUTH alice\r\nend SELECT Work\r\n"},
};

#define MATTERS (sizeof(matters) / sizeof(*matters))
#define LEAVES (sizeof(leaves) / sizeof(*leaves))

/* ---- one round */

static const struct matter *
matter_of(const char *name)
{
	size_t i = 0;

	while (strcmp(matters[i].name, name) != 0)
		i++;
	return &matters[i];
}

static struct site *
make_site(const struct matter *matter)
{
	struct site *site = site_new(&(struct site_options){
	    .conf =
	        STR("plaintext_login = always\nunauthenticate = everyone\n"
	            "timeouts { still_here = 2m; idle = 12h; turn = 12h; store = 5h; job = 5h }\n"),
	    .lanes = matter->flush ? 1 : 0,
	    .ext = &ext});
	struct str m = STR("Subject: a message\r\n\r\nIts text has a word.\r\n");

	if (matter->late) {
		work_pool_free(&site->server.workers);
		site->server.workers = work_pool_new(2);
	}
	site_user(site, "alice", "secret", "*", false);
	site_user(site, "bob", "hidden", NULL, false);
	site_user(site, "carol", "third", NULL, false);
	site_mailbox(site, "alice", "Work");
	site_mailbox(site, "carol", "INBOX");
	for (unsigned i = 0; i < 3; i++) {
		site_message(site, "alice", "INBOX", "", m);
		site_message(site, "bob", "INBOX", "", m);
	}
	site_connect(site, 1, NULL, false, false);
	site_connect(site, 2, NULL, false, false);
	return site;
}

static void
say(struct site *site, unsigned client, const char *lines)
{
	stream_fake_push(site->clients[client].fake, str_of(lines));
}

static bool
has(struct site *site, unsigned client, const char *what)
{
	return str_find(buf_as_str(stream_fake_output(site->clients[client].fake)), str_of(what)) !=
	       NULL;
}

/* With lanes a reply may take a while. */
static void
wait_for(struct site *site, unsigned client, const char *what)
{
	for (unsigned i = 0; i < 5000 && !has(site, client, what); i++) {
		site_run(site);
		usleep(1000);
	}
	if (!has(site, client, what))
		fail(what, "is waited for", "it does not come");
}

static void
begin(struct site *site, const struct matter *matter)
{
	say(site, 1, "a1 LOGIN alice secret\r\na2 SELECT INBOX\r\n");
	say(site, 2, "b1 LOGIN alice secret\r\nb2 SELECT INBOX\r\n");
	wait_for(site, 1, "a2 OK");
	wait_for(site, 2, "b2 OK");
	site_run(site);
	buf_fini(stream_fake_output(site->clients[1].fake));
	if (matter->jobs)
		work_pool_hold(site->server.workers, true);
	if (matter->flush)
		engine_mem_hook(site->disk, committing, NULL);
	set_gate(matter->flush || matter->late);
	say(site, 1, matter->lines);
	site_run(site);
	if (matter->flush || matter->late)
		watch_gate();
}

static void
release(struct site *site, const struct matter *matter)
{
	if (matter->jobs)
		work_pool_hold(site->server.workers, false);
	set_gate(false);
	site_run(site);
}

/* Waits until everything has arrived. */
static void
settle(struct site *site)
{
	struct store_stats stats;

	for (unsigned i = 0; i < 10000; i++) {
		site_run(site);
		store_stats(site->store, &stats);
		if (site->il.pool.live_arenas[ARENA_ERRAND] == 0 && stats.changes_pending == 0)
			return;
		usleep(1000);
	}
}

/* Advances the clock, so that all timers fire. */
static void
pass(struct site *site)
{
	settle(site);
	for (unsigned i = 0; i < 10; i++)
		site_advance(site, 60000);
	settle(site);
}

static void
check_left(struct site *site, const struct matter *matter, const char *how)
{
	struct store_stats stats;
	size_t *live = site->il.pool.live_arenas;

	site_disconnect(site, 2);
	settle(site);
	store_stats(site->store, &stats);
	if (live[ARENA_ERRAND] != 0)
		fail(matter->name, how, "an errand is alive");
	if (live[ARENA_CMD] != 0)
		fail(matter->name, how, "a command is alive");
	if (stats.changes_pending != 0)
		fail(matter->name, how, "a change is under way");
	if (stats.watches != live[ARENA_BOX])
		fail(matter->name, how, "a watch is alive");
	site_disconnect(site, 1);
	site_run(site);
	for (unsigned i = 0; i < 5000 && !session_loop_is_empty(&site->il.sessions); i++) {
		usleep(1000);
		site_run(site);
	}
	for (unsigned k = 0; k < ARENA_KINDS; k++)
		if (live[k] != 0)
			fail(matter->name, how, "an arena is alive at the end");
}

/* The output from the first reply to the leave on. */
static struct str
after_leave(struct site *site, const struct leave *leave)
{
	struct str out = buf_as_str(stream_fake_output(site->clients[1].fake));
	const char *first = leave->lines[0] != 'e' ? "\r\nu OK" : "\r\nend OK";
	const char *at = str_find(out, str_of(first));

	return at == NULL ? STR("no reply to the first command")
	                  : (struct str){at, (size_t)(out.p + out.n - at)};
}

static char *
play(const struct matter *matter, const struct leave *leave, bool before)
{
	struct site *site = make_site(matter);
	struct buf said = {0};

	begin(site, matter);
	if (matter->other) /* this posts a task that runs after the input */
		say(site, 2, "b3 APPEND INBOX {2+}\r\nab\r\n");
	if (str_find(str_of(matter->lines), STR("IDLE")) != NULL)
		say(site, 1, "DONE\r\n");
	say(site, 1, leave->lines);
	if (before)
		release(site, matter);
	site_run(site);
	if (matter->other)
		wait_for(site, 2, "b3 OK");
	if (matter->late) /* the next user is there when it finishes */
		wait_for(site, 1, "\r\nend OK");
	release(site, matter);
	wait_for(site, 1, "\r\nend OK");
	pass(site);
	buf_str(&said, after_leave(site, leave));
	(void)buf_cstr(&said);
	check_left(site, matter, leave->name);
	site_free(&site);
	return said.p;
}

/* Nobody leaves: the result is reported. */
static void
stay(const struct matter *matter)
{
	struct site *site = make_site(matter);

	begin(site, matter);
	if (*matter->said != '\0' && has(site, 1, matter->said))
		fail(matter->name, "held", "it is told before it is there");
	if (matter->other)
		say(site, 2, "b3 APPEND INBOX {2+}\r\nab\r\n");
	release(site, matter);
	if (strstr(matter->said, "Still") != NULL)
		pass(site);
	wait_for(site, 1, matter->said);
	if (str_find(str_of(matter->lines), STR("IDLE")) != NULL)
		say(site, 1, "DONE\r\n");
	site_run(site);
	check_left(site, matter, "nobody leaves");
	site_free(&site);
}

/* The client disconnects instead. */
static void
hang_up(const struct matter *matter, bool before)
{
	struct site *site = make_site(matter);

	begin(site, matter);
	if (before)
		release(site, matter);
	site_disconnect(site, 1);
	release(site, matter);
	pass(site);
	site_connect(site, 1, NULL, false, false);
	site_run(site);
	check_left(site, matter, "the client goes");
	site_free(&site);
}

/* Into another mailbox: errands of the login return, those of the mailbox do not. */
static void
check_box(void)
{
	const struct matter *box = matter_of("an errand of the mailbox that is late");
	struct site *site = make_site(box);

	begin(site, box);
	say(site, 1, "y X-JOB\r\nz SELECT Work\r\n");
	site_run(site);
	buf_fini(stream_fake_output(site->clients[1].fake));
	release(site, box);
	pass(site);
	if (!str_eq(buf_as_str(stream_fake_output(site->clients[1].fake)),
	        STR("* OK an errand is done\r\n")))
		fail("another mailbox", "is selected", "not just the errand of the login is told");
	check_left(site, box, "another mailbox");
	site_free(&site);
}

/* Alongside commands, but not in the middle of one: results wait for the tagged reply. */
static void
check_between(void)
{
	const struct matter *login = matter_of("an errand of the login");
	struct site *site = make_site(login);
	struct buf *out;

	begin(site, login);
	say(site, 1, "y FETCH 1:* BODY.PEEK[TEXT]\r\n");
	site_run(site);
	buf_fini(stream_fake_output(site->clients[1].fake));
	while (work_pool_step(site->server.workers) && !has(site, 1, "y OK"))
		site_run(site);
	release(site, login);
	out = stream_fake_output(site->clients[1].fake);
	if (!has(site, 1, "\r\n* OK an errand is done\r\ny OK") &&
	    !has(site, 1, "y OK Fetched\r\n* OK an errand is done\r\n"))
		fail("an errand", "ends while a command runs", buf_cstr(out));
	check_left(site, login, "while a command runs");
	site_free(&site);
}

/* What an errand holds counts as memory of the connection; the number of errands in progress and
 * their time are limited. */
static void
check_bounds(void)
{
	const struct matter *login = matter_of("an errand of the login");
	const struct matter *many = matter_of("more errands than there may be");
	struct site *site = make_site(many);
	struct work_counts counts;

	begin(site, many);
	work_pool_counts(site->server.workers, &counts);
	if (counts.waiting[WORK_LONG] != 4)
		fail("limits.errands", "of 20", "not 4 are under way");
	if (site->il.pool.live_arenas[ARENA_ERRAND] != 20)
		fail("limits.errands", "of 20", "the others do not wait");
	say(site, 1, "y UNAUTHENTICATE\r\n");
	site_run(site);
	if (site->il.pool.live_arenas[ARENA_ERRAND] != 0)
		fail("limits.errands", "after a switch", "what nobody has begun is there yet");
	release(site, many);
	check_left(site, many, "many");
	site_free(&site);

	site = make_site(login);
	begin(site, login);
	say(site, 1,
	    "y1 X-LARGE\r\ny2 X-LARGE\r\ny3 X-LARGE\r\ny4 X-LARGE\r\ny5 X-LARGE\r\ny6 X-LARGE\r\n"
	    "y7 X-LARGE\r\n");
	site_run(site);
	if (!has(site, 1, "y1 OK") || !has(site, 1, "y7 NO [LIMIT]"))
		fail("limits.connection_memory", "many large errands", "it is not what they have");
	release(site, login);
	check_left(site, login, "large errands");
	site_free(&site);

	site = make_site(login);
	begin(site, login);
	given_up = 0;
	site_advance(site, (uint64_t)6 * 3600 * 1000);
	if (given_up != 1)
		fail("timeouts.job", "is over", "the log does not say so");
	release(site, login);
	if (has(site, 1, "an errand is done"))
		fail("timeouts.job", "is over", "its result is told");
	check_left(site, login, "timeouts.job");
	site_free(&site);
}

/* ---- the next user, while what the one before left is on workers */

/* Waits until n are running; false: they are not. */
static bool
come_to_gate(struct site *site, unsigned n)
{
	for (unsigned i = 0; i < 5000 && count_at_gate() < n; i++) {
		site_run(site);
		usleep(1000);
	}
	site_run(site);
	return count_at_gate() == n;
}

/* Alice has left as many errands as are allowed, which hold most of what a connection may hold. */
static struct site *
leave_large(const struct matter *login)
{
	struct site *site = make_site(login);

	work_pool_free(&site->server.workers);
	site->server.workers = work_pool_new(16); /* a user's share is 8 */
	begin(site, login);
	say(site, 1, "y X-LARGE\r\ny X-LARGE\r\ny X-LARGE\r\n");
	if (!come_to_gate(site, 4))
		fail("errands", "of alice", "not all are under way");
	say(site, 1, "u UNAUTHENTICATE\r\nl LOGIN bob hidden\r\ns SELECT INBOX\r\n");
	wait_for(site, 1, "s OK");
	return site;
}

static void
check_next_user(void)
{
	const struct matter *login = matter_of("an errand of the login that is late");
	struct site *site = leave_large(login);

	/* Bob has the full allowance of errands and memory. */
	say(site, 1, "b1 X-LARGE\r\nb2 X-LARGE\r\nb3 X-LARGE\r\nb4 X-LARGE\r\nb5 X-LARGE\r\n");
	wait_for(site, 1, "b5 ");
	if (has(site, 1, "NO [LIMIT]"))
		fail("the next user", "starts errands", "there is no memory");
	if (!come_to_gate(site, 4 + 4))
		fail("the next user", "starts errands", "others delay them");
	/* Together they leave more than one connection may leave. */
	say(site, 1, "v UNAUTHENTICATE\r\nm LOGIN carol third\r\n");
	site_run(site);
	if (has(site, 1, "v OK"))
		fail("two users", "leave", "what they leave has no bound");
	if (site->il.pool.live_arenas[ARENA_ERRAND] != 8)
		fail("two users", "leave", "what waits is not given up");
	release(site, login);
	wait_for(site, 1, "m OK");
	pass(site);
	if (has(site, 1, "an errand is done"))
		fail("two users", "leave", "what they left is heard of");
	check_left(site, login, "the next user");
	site_free(&site);
}

/* The same with PROXYAUTH, which passes the login on; changed: but not if the users change while it
 * waits. */
static void
check_handed_on(bool changed)
{
	const struct matter *login = matter_of("an errand of the login that is late");
	struct site *site = make_site(login);

	work_pool_free(&site->server.workers);
	site->server.workers = work_pool_new(16);
	site_user(site, "gate", "keeper", "*", false);
	begin(site, login);
	say(site, 1, "u UNAUTHENTICATE\r\nl LOGIN gate keeper\r\np PROXYAUTH bob\r\n");
	say(site, 1, "s SELECT INBOX\r\nb X-JOB\r\nb X-LARGE\r\nb X-LARGE\r\nc UNSELECT\r\n");
	wait_for(site, 1, "c OK");
	if (!come_to_gate(site, 1 + 3))
		fail("PROXYAUTH", "begins a login", "others delay its errands");
	say(site, 1, "q PROXYAUTH carol\r\ns SELECT INBOX\r\nd X-JOB\r\ne UNSELECT\r\n");
	wait_for(site, 1, "e OK");
	if (!come_to_gate(site, 1 + 3 + 1))
		fail("PROXYAUTH", "begins another", "others delay its errands");
	say(site, 1, "r PROXYAUTH bob\r\n");
	site_run(site);
	if (has(site, 1, "r OK"))
		fail("PROXYAUTH", "ends a login", "what it leaves has no bound");
	if (changed)
		site_user(site, "dave", "fourth", NULL, false);
	release(site, login);
	wait_for(site, 1, changed ? "\r\n* BYE [UNAVAILABLE]" : "r OK");
	pass(site);
	if (has(site, 1, "an errand is done"))
		fail("PROXYAUTH", "ends a login", "what it left is heard of");
	check_left(site, login, "PROXYAUTH");
	site_free(&site);
}

/* What alice left counts for her when she returns. */
static void
check_same_user(void)
{
	const struct matter *login = matter_of("an errand of the login that is late");
	struct site *site = leave_large(login);

	say(site, 1, "v UNAUTHENTICATE\r\nm LOGIN alice secret\r\nn SELECT INBOX\r\n");
	wait_for(site, 1, "n OK");
	say(site, 1, "a1 X-JOB\r\na2 X-LARGE\r\na3 X-LARGE\r\na4 X-LARGE\r\na5 X-LARGE\r\n");
	wait_for(site, 1, "a5 ");
	if (!has(site, 1, "a5 NO [LIMIT]"))
		fail("the same user", "is back", "what she left does not count as memory");
	if (count_at_gate() != 4)
		fail("the same user", "is back", "what she left does not count as errands");
	release(site, login);
	wait_for(site, 1, "an errand is done");
	check_left(site, login, "the same user");
	site_free(&site);
}

/* A worker that hangs ends the connection of those who leave it behind. */
static void
check_hung(void)
{
	const struct matter *login = matter_of("an errand of the login that is late");
	struct site *site = leave_large(login);

	say(site, 1, "b X-LARGE\r\n");
	if (!come_to_gate(site, 4 + 1))
		fail("the next user", "starts an errand", "others delay it");
	say(site, 1, "v UNAUTHENTICATE\r\n");
	site_run(site);
	given_up = 0;
	site_advance(site, (uint64_t)6 * 3600 * 1000);
	if (given_up > 0) /* alice's, while bob is there */
		fail("timeouts.job", "is over", "the log names the wrong user");
	if (!has(site, 1, "* BYE [UNAVAILABLE]"))
		fail("timeouts.job", "is over", "the switch is waited for yet");
	release(site, login);
	pass(site);
	check_left(site, login, "a hung worker");
	site_free(&site);
}

static void
listen(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)arg;
	given_up += strstr(text, "takes too long") != NULL;
}

int
main(void)
{
	log_set_sink(listen, NULL);
	for (size_t m = 0; m < MATTERS; m++) {
		stay(&matters[m]);
		for (int before = 0; before < 2; before++)
			hang_up(&matters[m], before != 0);
		for (size_t l = 0; l < LEAVES; l++)
			for (int before = 0; before < 2; before++) {
				char *plain = play(&matters[0], &leaves[l], before != 0),
				     *said = play(&matters[m], &leaves[l], before != 0);

				if (strcmp(plain, said) != 0) {
					fail(matters[m].name, leaves[l].name, "it is heard of");
					fprintf(stderr, "  fresh: %s\n  here: %s\n", plain, said);
				}
				free(plain);
				free(said);
			}
	}
	check_box();
	check_between();
	check_bounds();
	check_next_user();
	check_handed_on(false);
	check_handed_on(true);
	check_same_user();
	check_hung();
	return failed > 0;
}
