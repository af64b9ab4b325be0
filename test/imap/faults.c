/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fails the n-th operation of the engine, or the n-th write to the socket, for n = 1, 2, …, until a
 * session does not reach it.  Whatever fails: each command must get its tagged reply, or the
 * connection must end (with BYE, if it can be written); nothing may be left (the store asserts that
 * as it closes, and the arenas are counted); and a new connection must be able to log in and read,
 * if necessary after the store has been reopened.  Memory is never short: an allocation succeeds or
 * ends the process (base/mem.h).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "site.h"

static const char session[] = "a1 LOGIN alice secret\r\n"
                              "a2 SELECT INBOX\r\n"
                              "a3 FETCH 1:* (FLAGS ENVELOPE BODY.PEEK[] BINARY[1])\r\n"
                              "a4 SEARCH TEXT number\r\n"
                              "a5 STORE 1 +FLAGS (\\Deleted odd)\r\n"
                              "a6 APPEND INBOX (\\Seen) {7+}\r\nmessage\r\n"
                              "a7 COPY 1:2 Work\r\n"
                              "a8 CREATE New\r\n"
                              "a9 MOVE 2 New\r\n"
                              "a10 RENAME New Newer\r\n"
                              "a11 STATUS Newer (MESSAGES SIZE)\r\n"
                              "a12 SELECT Newer\r\n"
                              "a13 UID FETCH 1:* (BODY[HEADER] BODYSTRUCTURE)\r\n"
                              "a14 SELECT INBOX\r\n"
                              "a15 EXPUNGE\r\n"
                              "a16 DELETE Newer\r\n"
                              "a17 UNAUTHENTICATE\r\n"
                              "a18 LOGIN alice secret\r\n"
                              "a19 LIST \"\" *\r\n"
                              "a20 LOGOUT\r\n";
#define COMMANDS 20

static unsigned failures;

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

static struct site *
make_site(void)
{
	struct site *site = site_new(&(struct site_options){
	    .conf = STR("plaintext_login = always\nunauthenticate = everyone\n")});

	site_user(site, "alice", "secret", NULL, false);
	site_mailbox(site, "alice", "Work");
	for (unsigned i = 0; i < 3; i++)
		site_message(site, "alice", "INBOX", "", STR("Subject: number\r\n\r\nText.\r\n"));
	return site;
}

static bool
answered(struct str out, unsigned n)
{
	char tag[16];
	int len = snprintf(tag, sizeof(tag), "\na%u ", n);

	return str_find(out, (struct str){tag, (size_t)len}) != NULL;
}

static void
complain(const char *what, int op, enum ts_err err, uint64_t n, struct str out)
{
	fprintf(stderr, "op %d, %s, n %u: %s\n%.*s\n", op, ts_err_name(err), (unsigned)n, what,
	    STR_ARG(out));
	failures++;
}

static void
check_replies(struct site *site, int op, enum ts_err err, uint64_t n)
{
	struct buf *out = stream_fake_output(site->clients[1].fake);
	unsigned k = 1;

	while (k <= COMMANDS && answered(buf_as_str(out), k))
		k++;
	if (k <= COMMANDS && str_find(buf_as_str(out), STR("\n* BYE ")) == NULL)
		complain("a command without reply", op, err, n, buf_as_str(out));
	if (!stream_fake_ended(site->clients[1].fake, NULL))
		complain("the connection is still there", op, err, n, buf_as_str(out));
}

static void
check_afterwards(struct site *site, int op, enum ts_err err, uint64_t n)
{
	struct buf *out;

	while (store_background_step(site->store))
		continue;
	site_connect(site, 2, NULL, false, false);
	stream_fake_push(site->clients[2].fake,
	    STR("a1 LOGIN alice secret\r\na2 SELECT INBOX\r\na3 FETCH 1:* (FLAGS BODY.PEEK[])\r\n"
	        "a4 STORE 1 +FLAGS (\\Answered)\r\na5 LOGOUT\r\n"));
	site_run(site);
	out = stream_fake_output(site->clients[2].fake);
	for (unsigned k = 1; k <= 5; k++) {
		char ok[16];
		int len = snprintf(ok, sizeof(ok), "\na%u OK", k);

		if (str_find(buf_as_str(out), (struct str){ok, (size_t)len}) == NULL) {
			complain("not usable afterwards", op, err, n, buf_as_str(out));
			break;
		}
	}
}

static void
check_end(struct site *site, int op, enum ts_err err, uint64_t n)
{
	site_disconnect(site, 1);
	site_disconnect(site, 2);
	for (unsigned k = 0; k < ARENA_KINDS; k++)
		if (site->il.pool.live_arenas[k] != 0)
			complain("an arena is alive", op, err, n, STR_NONE);
	site_free(&site);
}

/* The connection breaks at its n-th write; true: it got that far.  Input arrives in small pieces,
 * so there are many writes. */
static bool
run_writes(uint64_t n)
{
	struct site *site = make_site();
	struct stream_fake *fake;
	bool met;

	site_connect(site, 1, NULL, false, false);
	fake = site->clients[1].fake;
	stream_fake_set_segment(fake, 16);
	stream_fake_fail_write(fake, n);
	stream_fake_push(fake, str_of(session));
	site_run(site);
	met = stream_fake_writes(fake) >= n;
	if (!stream_fake_ended(fake, NULL))
		complain("the connection is still there", -1, TS_IO, n, STR_NONE);
	check_afterwards(site, -1, TS_IO, n);
	check_end(site, -1, TS_IO, n);
	return met;
}

/* True: the fault occurred. */
static bool
run(enum engine_mem_op op, enum ts_err err, uint64_t n)
{
	struct site *site = make_site();
	uint64_t before = engine_mem_count(site->disk, op);
	bool met;

	engine_mem_fail(site->disk, op, n, err, n % 2 == 0);
	site_connect(site, 1, NULL, false, false);
	stream_fake_push(site->clients[1].fake, str_of(session));
	site_run(site);
	check_replies(site, (int)op, err, n);
	met = engine_mem_count(site->disk, op) - before >= n;
	engine_mem_fail(site->disk, op, 0, TS_OK, false);
	check_afterwards(site, (int)op, err, n);
	check_end(site, (int)op, err, n);
	return met;
}

int
main(void)
{
	static const struct {
		enum engine_mem_op op;
		enum ts_err err;
	} faults[] = {
	    {ENGINE_MEM_COMMIT, TS_UNKNOWN},
	    {ENGINE_MEM_COMMIT, TS_FULL},
	    {ENGINE_MEM_GET, TS_IO},
	    {ENGINE_MEM_GET, TS_DAMAGED},
	    {ENGINE_MEM_ITER_NEXT, TS_IO},
	    {ENGINE_MEM_BLOB_READ, TS_IO},
	    {ENGINE_MEM_BLOB_READ, TS_DAMAGED},
	};
	unsigned runs = 0;

	log_set_sink(quiet, NULL);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		for (uint64_t n = 1; run(faults[i].op, faults[i].err, n) && n < 500; n++)
			runs++;
	for (uint64_t n = 1; run_writes(n) && n < 500; n++)
		runs++;
	printf("%u faults met, %u failures\n", runs, failures);
	return failures != 0 || runs == 0;
}
