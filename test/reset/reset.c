/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_reset FOLDER [SEED]; else the seed is TURNSTONE_SEED, or the time
 *        test_reset FOLDER nets
 *
 * Proves that UNAUTHENTICATE leaves nothing of a user behind (RFC 8437 section 3).  FOLDER holds
 * dirtying scripts, NAME.imt: each field of each slot that an extension has must be dirty after one
 * of them.  For a long probe S and many P (each script, each ordered pair, random mixes), the
 * answers to S on a fresh connection must equal those after (P; UNAUTHENTICATE), with S sent
 * afterwards or in the same segment.  In between, no login, box, command, watch or change may be
 * alive, and the connection's struct must equal a fresh one except for what is meant to stay:
 * identity, ID, statistics.  The same S, on a second connection to the same loop while the user of
 * P is still on the first, with TLS and without, must be answered as on a loop that nobody else has
 * used.
 *
 * The same applies to PROXYAUTH: after (P; PROXYAUTH bob) the rest of S must be answered as after
 * bob's login by the same gateway, and after (P; PROXYAUTH bob; PROXYAUTH alice) as on a new
 * connection of alice's after P was run on another.
 *
 * The extensions are the server's, plus one with slots of every kind (stain.h).
 *
 * "nets": with each of the bugs that can be planted, the proof must fail and say what is wrong.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "imap/ext/list.h"
#include "imap/settings.h"
#include "script.h"
#include "stain.h"

#define SCRIPTS 64
#define MIXES 60
#define MIX_LENGTH 8

static struct {
	char name[64];
	struct buf text;
	bool last; /* begins with "# Goes last": others do not work behind it in one login */
} scripts[SCRIPTS];
static size_t script_count;
static struct buf probe;
static unsigned failed;
static bool narrow; /* instead of scripts: a login that sees one mailbox, and may only read it */

static void
die(const char *who, const char *what)
{
	fprintf(stderr, "%s: %s\n", who, what);
	exit(1);
}

static void
read_file(const char *folder, const char *name, struct buf *text)
{
	char path[512];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "r");
	if (f == NULL)
		die(path, "cannot be read");
	do {
		n = fread(buf_room(text, 4096), 1, 4096, f);
		text->n += n;
	} while (n > 0);
	fclose(f);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
load(const char *folder)
{
	DIR *dir = opendir(folder);
	char *names[SCRIPTS];
	struct dirent *e;

	if (dir == NULL)
		die(folder, "no such folder");
	while ((e = readdir(dir)) != NULL)
		if (str_has_suffix(str_of(e->d_name), STR(".imt"))) {
			if (script_count == SCRIPTS)
				die(folder, "too many scripts");
			names[script_count++] = mem_strdup(e->d_name);
		}
	closedir(dir);
	qsort(names, script_count, sizeof(*names), by_name);
	for (size_t i = 0; i < script_count; i++) {
		snprintf(scripts[i].name, sizeof(scripts[i].name), "%.*s",
		    (int)strlen(names[i]) - 4, names[i]);
		read_file(folder, names[i], &scripts[i].text);
		scripts[i].last = str_has_prefix(buf_as_str(&scripts[i].text), STR("# Goes last"));
		mem_free(names[i]);
	}
	read_file(folder, "probe.txt", &probe);
}

static struct site *
make_site(void)
{
	static const char message[] = "Subject: a message\r\n\r\nIts text.\r\n";
	struct site *site = site_new(&(struct site_options){.ext = &imap_ext_stain,
	    .conf = STR("plaintext_login = always\nunauthenticate = everyone\n"
	                "trusted_fronts = 192.0.2.1\n"
	                "auth.sasl_mechanisms = [X-TOY]\nmechanisms = [X-TOY, PLAIN]\n"
	                "hide few { capabilities = [NAMESPACE, WITHIN]; for = [alice] }\n")});
	struct str m = {message, sizeof(message) - 1};

	/* What is flushed together, and so compressed, depends on no machine's speed. */
	site->il.slice_ns = site->il.pace.long_ns = 3600 * (uint64_t)1000000000;

	site_user(site, "alice", "secret", NULL, false);
	site_user(site, "bob", "hidden", NULL, false);
	site_user(site, "gateway", "key", "*", true);
	site_user(site, "narrow", "key", NULL, false);
	site_grant(site, "narrow", "alice", "Work", "lr");
	site_mailbox(site, "alice", "Work");
	site_mailbox(site, "bob", "Entw\xc3\xbcrfe");
	for (unsigned i = 0; i < 3; i++) {
		site_message(site, "alice", "INBOX", "\\Flagged word", m);
		site_message(site, "bob", "INBOX", i == 1 ? "\\Seen" : "", m);
	}
	for (unsigned i = 0; i < 3; i++) {
		site_message(site, "bob", "Team", i == 0 ? "\\Flagged" : "", m);
		site_message(site, "alice", "Plans", "", m);
	}
	site_acl(site, "bob", "Team", "alice@example.net", "lrswit");
	site_acl(site, "alice", "Plans", "bob@example.net", "lrs");
	return site;
}

/* ---- fields of slots */

#define FIELDS 64 /* of one slot */

static bool dirtied[IMAP_EXT_MAX][IMAP_LIVES][FIELDS];

static bool
all_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* NULL: there is no such owner now. */
static const unsigned char *
slot_of(const struct imap_conn *conn, const struct imap_ext *e, enum imap_life life)
{
	if (e->slots[life].size == 0 || (life >= IMAP_LIFE_LOGIN && imap_login(conn) == NULL) ||
	    (life == IMAP_LIFE_BOX && imap_box(conn) == NULL))
		return NULL;
	return life == IMAP_LIFE_TURN    ? imap_turn_slot(conn, e)
	       : life == IMAP_LIFE_LOGIN ? imap_login_slot(conn, e)
	                                 : imap_box_slot(conn, e);
}

/* Records which fields are dirty now. */
static void
look_at_slots(const struct imap_conn *conn)
{
	const struct imap_registry *reg = &conn->server->reg;

	for (size_t i = 0; i < reg->count; i++)
		for (int life = 0; life < IMAP_LIVES; life++) {
			const unsigned char *slot =
			    slot_of(conn, reg->ext[i], (enum imap_life)life);
			const struct imap_slot_field *f = reg->ext[i]->slots[life].fields;

			for (size_t k = 0; slot != NULL && f[k].name != NULL; k++)
				if (!all_zero(slot + f[k].at, f[k].size))
					dirtied[i][life][k] = true;
		}
}

static void
check_slot(const char *ext, const struct imap_slot_field *fields, const bool *dirty)
{
	char who[200];

	for (size_t k = 0; fields != NULL && fields[k].name != NULL; k++) {
		snprintf(who, sizeof(who), "%s: %s", ext, fields[k].name);
		if (k == FIELDS)
			die(who, "too many fields");
		if (!dirty[k])
			die(who, "no script in test/reset dirties this field of a slot");
	}
}

static void
check_slots(void)
{
	struct site *site = make_site();
	const struct imap_registry *reg = &site->server.reg;

	for (size_t i = 0; i < reg->count; i++)
		for (int life = 0; life < IMAP_LIVES; life++)
			check_slot(
			    reg->ext[i]->name, reg->ext[i]->slots[life].fields, dirtied[i][life]);
	site_free(&site);
}

/* ---- what stays */

/* Removes what may differ between two connections, or is meant to stay. */
static struct imap_conn
essence(const struct imap_conn *conn)
{
	struct imap_conn c;

	memcpy(&c, conn, sizeof(c));
	c.session.arena = NULL;
	c.session.stream = NULL;
	memset(&c.session.link, 0, sizeof(c.session.link));
	c.session.id = 0;
	c.session.address = STR_NONE;
	memset(&c.session.timer, 0, sizeof(c.session.timer));
	c.session.deadline = 0;
	c.session.place = NULL;
	c.session.admitted = false;
	c.session.since_ms = c.session.heard_ms = 0;
	c.session.bytes_in = c.session.bytes_out = 0;
	c.turn = NULL;
	c.id_arena = NULL;
	c.id_name = c.id_client = STR_NONE;
	c.turns = 0;
	c.failed_logins = c.failed_switches = 0;
	c.commands = 0;
	return c;
}

/* logins: 0, or the one that PROXYAUTH made, with its place, account, grant and slots. */
static void
check_clean(struct site *site, const char *who, unsigned logins)
{
	const struct arena_pool *pool = &site->il.pool;
	struct imap_conn fresh, used;
	struct store_stats stats;

	if ((imap_login(site->clients[1].conn) != NULL) != (logins > 0))
		die(who, logins == 0 ? "the login is there" : "there is no login");
	if (pool->live_arenas[ARENA_LOGIN] != logins || pool->live_arenas[ARENA_BOX] != 0 ||
	    pool->live_arenas[ARENA_CMD] != 0 || pool->live_arenas[ARENA_ERRAND] != 0 ||
	    pool->live_arenas[ARENA_TURN] != 1 || pool->live_cleanups[ARENA_LOGIN] != 4 * logins ||
	    pool->live_cleanups[ARENA_BOX] != 0 || pool->live_cleanups[ARENA_CMD] != 0 ||
	    pool->live_cleanups[ARENA_TURN] != 2) /* the new turn's rules and slots */
		die(who, "something of the login is alive");
	if (stain_held != 0)
		die(who, "what a slot holds is alive");
	store_stats(site->store, &stats);
	if (stats.watches != 0 || stats.changes_pending != 0)
		die(who, "a watch or a change is alive");
	if (site->clients[1].conn->turn->rules != site->il.rules)
		die(who, "the settings are those from before a reload");
	used = essence(site->clients[1].conn);
	site_connect(site, 9, NULL, false, false);
	fresh = essence(site->clients[9].conn);
	site_disconnect(site, 9);
	if (memcmp(&fresh, &used, sizeof(fresh)) != 0)
		die(who, "the connection's struct differs from a fresh one");
}

/* Removes everything up to the line that answers `tag`. */
static void
cut_to(struct buf *out, const char *tag)
{
	const char *at = str_find(buf_as_str(out), str_of(tag));
	const char *nl = at != NULL ? memchr(at, '\n', (size_t)(out->p + out->n - at)) : NULL;

	if (nl == NULL)
		die(tag, "no such reply");
	buf_consume(out, (size_t)(nl + 1 - out->p));
}

/* As it was on the wire behind the last layer of compression that began, and plain before that. */
static struct buf
take(struct site *site, struct script *s)
{
	struct buf got = script_plain(s, 1);

	buf_str(&got, buf_as_str(stream_fake_output(site->clients[1].fake)));
	return got;
}

static void
lines(struct script *s, const char *who, const char *text)
{
	if (!script_lines(s, str_of(text)))
		die(who, "the script does not do what it says");
}

/* The transcript of the probe; p: indexes of scripts to run first. */
static struct buf
run(const size_t *p, size_t n, bool pipelined, const char *who)
{
	struct site *site = make_site();
	struct script *s = script_new(who, site);
	struct buf got;

	lines(s, who, "S~ * OK %*\n");
	if (n > 0 && narrow)
		lines(s, who,
		    "C: d0 AUTHENTICATE PLAIN %plain(alice,narrow,key)\nC: d1 STATUS INBOX ()\n"
		    "C: d2 SELECT Work\nS~ d2 OK [READ-ONLY] %*\n");
	else if (n > 0)
		lines(s, who, "C: d0 AUTHENTICATE PLAIN %plain(alice,gateway,key)\nS~ d0 OK %*\n");
	for (size_t i = 0; i < n && !narrow; i++) {
		if (!script_lines(s, buf_as_str(&scripts[p[i]].text)))
			die(scripts[p[i]].name, "the script does not do what it says");
		look_at_slots(site->clients[1].conn);
	}
	if (n > 0 && !pipelined) {
		lines(s, who,
		    "drain\nC: u0 UNAUTHENTICATE\nS~ u0 OK [%*] No longer authenticated\nsilent\n");
		check_clean(site, who, 0);
	} else if (n > 0)
		lines(s, who, "drain\nC: u0 UNAUTHENTICATE");
	if (!script_lines(s, buf_as_str(&probe)))
		die("probe.txt", "the script does not do what it says");
	got = take(site, s);
	if (n > 0 && pipelined)
		cut_to(&got, "u0 OK");
	script_free(&s);
	site_free(&site);
	return got;
}

/* ---- PROXYAUTH */

/* The part of the probe that comes after login. */
static struct str
rest_of_probe(void)
{
	struct str text = buf_as_str(&probe);
	const char *at = str_find(text, STR("C: p4 "));

	if (at == NULL)
		die("probe.txt", "has no p4");
	return str_range(at, text.p + text.n);
}

static void
run_scripts(struct script *s, const size_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!script_lines(s, buf_as_str(&scripts[p[i]].text)))
			die(scripts[p[i]].name, "the script does not do what it says");
}

static void
log_in(struct script *s, const char *who, bool bob)
{
	lines(s, who, "S~ * OK %*\n");
	lines(s, who,
	    bob ? "C: d0 AUTHENTICATE PLAIN %plain(bob,gateway,key)\nS~ d0 OK %*\n"
	        : "C: d0 AUTHENTICATE PLAIN %plain(alice,gateway,key)\nS~ d0 OK %*\n");
}

static struct buf
finish(struct site *site, struct script *s)
{
	struct buf got;

	if (!script_lines(s, rest_of_probe()))
		die("probe.txt", "the script does not do what it says");
	got = take(site, s);
	script_free(&s);
	site_free(&site);
	return got;
}

/* back: by way of bob and back. */
static struct buf
run_proxy(const size_t *p, size_t n, bool back, bool pipelined, const char *who)
{
	struct site *site = make_site();
	struct script *s = script_new(who, site);
	struct buf got;

	log_in(s, who, false);
	run_scripts(s, p, n);
	lines(s, who, "drain\nC: u0 UNSELECT");
	if (back)
		lines(s, who, "C: u1 PROXYAUTH bob\nC: u2 PROXYAUTH alice");
	else
		lines(s, who, "C: u2 PROXYAUTH bob");
	if (!pipelined) {
		lines(s, who, "S~ u2 OK %*\nsilent\n");
		check_clean(site, who, 1);
	}
	got = finish(site, s);
	if (pipelined)
		cut_to(&got, "u2 OK");
	return got;
}

/* What a user sees on a new connection after P was run on another. */
static struct buf
run_login(const size_t *p, size_t n, bool bob, const char *who)
{
	struct site *site = make_site();
	struct script *s = script_new(who, site);

	if (n > 0) {
		log_in(s, who, false);
		run_scripts(s, p, n);
		lines(s, who, "forget\n");
		script_free(&s);
		s = script_new(who, site);
		lines(s, who, "client 1\n");
	}
	log_in(s, who, bob);
	return finish(site, s);
}

static void
expect_same(const struct buf *want, const struct buf *got, const char *when, const char *who)
{
	if (str_eq(buf_as_str(want), buf_as_str(got)))
		return;
	fprintf(stderr, "%s: %s\nwant:\n%.*s\ngot:\n%.*s\n", when, who, STR_ARG(buf_as_str(want)),
	    STR_ARG(buf_as_str(got)));
	failed++;
}

static void
compare(const struct buf *want, const size_t *p, size_t n, bool pipelined)
{
	struct buf who = {0}, got;

	for (size_t i = 0; i < n; i++)
		buf_printf(&who, "%s%s", i > 0 ? " " : "", scripts[p[i]].name);
	got = run(p, n, pipelined, buf_cstr(&who));
	expect_same(want, &got, "after", buf_cstr(&who));
	buf_fini(&got);
	buf_fini(&who);
}

static void
compare_proxy(const struct buf *bob, const size_t *p, size_t n, bool pipelined)
{
	struct buf who = {0}, want, got;

	for (size_t i = 0; i < n; i++)
		buf_printf(&who, "%s%s", i > 0 ? " " : "", scripts[p[i]].name);
	got = run_proxy(p, n, false, pipelined, buf_cstr(&who));
	expect_same(bob, &got, "PROXYAUTH after", buf_cstr(&who));
	buf_fini(&got);
	want = run_login(p, n, false, buf_cstr(&who));
	got = run_proxy(p, n, true, pipelined, buf_cstr(&who));
	expect_same(&want, &got, "PROXYAUTH back after", buf_cstr(&who));
	buf_fini(&got);
	buf_fini(&want);
	buf_fini(&who);
}

static void
pick_mix(unsigned *state, size_t p[MIX_LENGTH])
{
	for (size_t i = 0; i < MIX_LENGTH; i++)
		do
			p[i] = (size_t)rand_r(state) % script_count;
		while (scripts[p[i]].last && i < MIX_LENGTH - 1);
}

static unsigned
proxies(unsigned seed, bool whole)
{
	struct buf bob = run_login(NULL, 0, true, "fresh");
	unsigned state = seed, count = 0;

	if (str_find(buf_as_str(&bob), STR("p29 OK")) == NULL)
		die("probe.txt", "does not come to its end");
	for (size_t i = 0; i < script_count; i++)
		for (unsigned piped = 0; piped < 2; piped++, count += 2)
			compare_proxy(&bob, &i, 1, piped == 1);
	for (unsigned m = 0; whole && m < MIXES / 2; m++, count += 2) {
		size_t p[MIX_LENGTH];

		pick_mix(&state, p);
		compare_proxy(&bob, p, MIX_LENGTH, m % 2);
	}
	buf_fini(&bob);
	return count;
}

/* ---- beside a user who is still there */

#define ASIDE (SITE_CLIENTS - 1) /* where the first connection is kept */

static void
greet(struct script *s, const char *who, bool tls)
{
	lines(s, who, tls ? "client 1 tls\nS~ * OK %*\n" : "client 1\nS~ * OK %*\n");
}

/* The transcript of the probe on a connection of its own; p: the script that ran on another one,
 * SIZE_MAX: none. */
static struct buf
run_beside(size_t p, bool p_tls, bool tls, const char *who)
{
	struct site *site = make_site();
	struct script *s = script_new(who, site);
	struct buf got;

	if (p != SIZE_MAX) {
		greet(s, who, p_tls);
		lines(s, who, "C: d0 AUTHENTICATE PLAIN %plain(alice,gateway,key)\nS~ d0 OK %*\n");
		if (!script_lines(s, buf_as_str(&scripts[p].text)))
			die(who, "the script does not do what it says");
		site->clients[ASIDE] = site->clients[1];
		site->clients[1] = (struct site_client){0};
		script_free(&s);
		s = script_new(who, site);
	}
	greet(s, who, tls);
	if (!script_lines(s, buf_as_str(&probe)))
		die("probe.txt", "the script does not do what it says");
	got = take(site, s);
	script_free(&s);
	site_free(&site);
	return got;
}

static unsigned
besides(void)
{
	unsigned count = 0;

	for (unsigned kinds = 0; kinds < 4; kinds++) {
		bool p_tls = (kinds & 1) != 0, tls = (kinds & 2) != 0;
		struct buf want = run_beside(SIZE_MAX, false, tls, "fresh");

		for (size_t i = 0; i < script_count; i++, count++) {
			struct buf got = run_beside(i, p_tls, tls, scripts[i].name);

			expect_same(&want, &got, "beside", scripts[i].name);
			buf_fini(&got);
		}
		buf_fini(&want);
	}
	return count;
}

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)arg;
	if (level >= LOG_ERROR)
		fprintf(stderr, "%s %s\n", context != NULL ? context : "-", text);
}

/* ---- all of it */

/* Runs each script by itself. */
static unsigned
singles(const struct buf *want)
{
	unsigned count = 0;

	for (size_t i = 0; i < script_count; i++)
		for (unsigned piped = 0; piped < 2; piped++, count++)
			compare(want, &i, 1, piped == 1);
	check_slots();
	return count;
}

static unsigned
pairs_and_mixes(const struct buf *want, unsigned seed)
{
	unsigned state = seed, count = 0;

	for (size_t i = 0; i < script_count; i++)
		for (size_t k = 0; k < script_count && !scripts[i].last; k++, count++)
			compare(want, (size_t[]){i, k}, 2, (i + k) % 2);
	for (unsigned m = 0; m < MIXES; m++, count++) {
		size_t p[MIX_LENGTH];

		pick_mix(&state, p);
		compare(want, p, MIX_LENGTH, m % 2);
	}
	return count;
}

static void
prove(unsigned seed, bool whole)
{
	struct buf want = run(NULL, 0, false, "fresh");
	unsigned count;

	if (str_find(buf_as_str(&want), STR("p29 OK")) == NULL)
		die("probe.txt", "does not come to its end");
	count = singles(&want) + besides() + proxies(seed, whole);
	if (whole) {
		narrow = true;
		for (unsigned piped = 0; piped < 2; piped++, count++)
			compare(&want, &(size_t){0}, 1, piped == 1);
		narrow = false;
		count += pairs_and_mixes(&want, seed);
	}
	printf("seed %u: %u passed, %u failed\n", seed, count - failed, failed);
	buf_fini(&want);
}

/* ---- the nets */

/* What the proof says with the bug planted; *passed_r: it finds nothing. */
static struct buf
said_with(enum stain_bug bug, bool *passed_r)
{
	struct buf said = {0};
	int ends[2], status;
	ssize_t n;
	pid_t pid = -1;

	fflush(stdout);
	if (pipe(ends) < 0 || (pid = fork()) < 0)
		die("nets", "no process");
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		stain_bug = bug;
		prove(0, false);
		fflush(stderr);
		_exit(failed != 0);
	}
	close(ends[1]);
	while ((n = read(ends[0], buf_room(&said, 4096), 4096)) > 0)
		said.n += (size_t)n;
	close(ends[0]);
	(void)waitpid(pid, &status, 0);
	*passed_r = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return said;
}

static void
check_net(enum stain_bug bug, const char *want)
{
	bool passed;
	struct buf said = said_with(bug, &passed);

	if (passed != (bug == STAIN_NONE) ||
	    (want != NULL && str_find(buf_as_str(&said), str_of(want)) == NULL)) {
		fprintf(stderr, "bug %d: want a proof that %s%s, got:\n%.*s\n", (int)bug,
		    want != NULL ? "says " : "passes", want != NULL ? want : "",
		    STR_ARG(buf_as_str(&said)));
		failed++;
	}
	buf_fini(&said);
}

static void
check_nets(void)
{
	check_net(STAIN_NONE, NULL);
	check_net(STAIN_STATIC, "after: stain");
	check_net(STAIN_SHARED, "beside: stain");
	check_net(STAIN_CONN, "the connection's struct differs from a fresh one");
	check_net(STAIN_WATCH, "a watch or a change is alive");
	check_net(STAIN_FREE, "what a slot holds is alive");
	check_net(STAIN_FIELD, "stain: armed: no script in test/reset dirties this field");
}

int
main(int argc, char **argv)
{
	const char *given = argc > 2 ? argv[2] : getenv("TURNSTONE_SEED");

	log_set_sink(quiet, NULL);
	load(argc > 1 ? argv[1] : "test/reset");
	if (argc > 2 && strcmp(argv[2], "nets") == 0)
		check_nets();
	else
		prove(given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL),
		    true);
	buf_fini(&probe);
	for (size_t i = 0; i < script_count; i++)
		buf_fini(&scripts[i].text);
	return failed != 0;
}
