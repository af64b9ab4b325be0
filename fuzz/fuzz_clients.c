/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several clients of one user on the same mailboxes, with interleaved commands: what each of them
 * is told must make sense.  The input is a list of operations: client and command, then a byte for
 * the numbers in it, if it has any; bit 6 sends it without waiting, which pipelines it.
 *
 * Each client counts the messages of its mailbox by EXISTS and EXPUNGE alone.  No response may
 * refer to a message beyond that; no EXPUNGE may come during FETCH, STORE and SEARCH (RFC 9051
 * section 7.5.1); whenever the server is idle, the count is the server's for that client, and after
 * a final NOOP the mailbox's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "site.h"

#define CLIENTS 3
#define TAGS 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct peer {
	struct buf send, got;
	unsigned next_tag;
	uint8_t sent[TAGS]; /* the command of a tag */
	uint32_t count;     /* messages, as announced */
	bool expunged;      /* since the last tagged reply */
	bool stopped;       /* reads no output */
};

struct run {
	struct site *site;
	struct peer peers[CLIENTS + 1];
};

/* Numbers between 1 and 8 replace %u. */
static const struct {
	const char *text;
	bool no_expunge;
} commands[] = {
    {"NOOP", false},
    {"FETCH %u:%u (FLAGS UID)", true},
    {"FETCH %u,%u BODY[]", true},
    {"FETCH 1:* (FLAGS)", true},
    {"UID FETCH %u:%u (ENVELOPE FLAGS)", false},
    {"STORE %u:%u +FLAGS (\\Deleted)", true},
    {"STORE %u:%u -FLAGS.SILENT (\\Deleted)", true},
    {"STORE 1:* FLAGS (\\Seen word%u)", true},
    {"UID STORE %u:%u +FLAGS.SILENT (\\Deleted \\Seen)", false},
    {"EXPUNGE", false},
    {"UID EXPUNGE %u:%u", false},
    {"SEARCH DELETED", true},
    {"SEARCH RETURN (SAVE) %u:%u", true},
    {"SEARCH BODY text", true},
    {"UID SEARCH RETURN (ALL COUNT) UNSEEN", false},
    {"FETCH $ FLAGS", true},
    {"COPY %u:%u INBOX", false},
    {"COPY %u:%u Work", false},
    {"MOVE %u:%u Work", false},
    {"UID MOVE %u:%u INBOX", false},
    {"APPEND INBOX (\\Seen) {6+}\r\na: b\r\n", false},
    {"APPEND Work {6+}\r\na: b\r\n {7+}\r\n\r\ntext\r", false},
    {"IDLE", false},
    {"CHECK", false},
    {"CLOSE", false},
    {"UNSELECT", false},
    {"SELECT INBOX", false},
    {"SELECT Work", false},
    {"EXAMINE INBOX", false},
    {"UNAUTHENTICATE", false},
    {"LOGIN a b", false},
    {"LOGIN c d", false},
    {"AUTHENTICATE PLAIN YQBjAGQ=", false}, /* c for a */
    {"STATUS INBOX (MESSAGES UIDNEXT UNSEEN)", false},
    {"LIST \"\" * RETURN (STATUS (MESSAGES))", false},
    {"DELETE Work", false},
    {"CREATE Work", false},
    {"RENAME Work Other", false},
    {"RENAME INBOX Other", false},
    {"RENAME Other Work", false},
    {"ENABLE IMAP4rev2", false},
    {"LOGOUT", false},
};
#define COMMANDS (sizeof(commands) / sizeof(*commands))

enum { DONE_LINE = COMMANDS, A_WHILE, FULL, UNKNOWN, STOP, GO, GONE, FLUSH, OPERATIONS };

static void
no_log(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

/* ---- what comes from the server */

static void
untagged(struct peer *p, const char *line)
{
	char word[16];
	unsigned n;

	if (sscanf(line, "* %u %15[A-Z]", &n, word) != 2)
		return;
	if (strcmp(word, "EXISTS") == 0)
		p->count = n;
	else if (strcmp(word, "EXPUNGE") == 0) {
		TS_ASSERT(n >= 1 && n <= p->count);
		p->count--;
		p->expunged = true;
	} else if (strcmp(word, "FETCH") == 0)
		TS_ASSERT(n >= 1 && n <= p->count);
}

static void
line_of(struct peer *p, const char *line)
{
	unsigned tag;

	if (line[0] == '*')
		untagged(p, line);
	if (sscanf(line, "t%u ", &tag) != 1)
		return;
	TS_ASSERT(tag < p->next_tag);
	if (p->next_tag - tag <= TAGS && commands[p->sent[tag % TAGS]].no_expunge)
		TS_ASSERT(!p->expunged);
	p->expunged = false;
}

/* The size of the literal announced at the end of text; false: none. */
static bool
literal_at_end(struct str text, size_t *size_r)
{
	size_t k = text.n;

	if (k < 3 || text.p[k - 1] != '}')
		return false;
	for (k--; k > 0 && text.p[k - 1] >= '0' && text.p[k - 1] <= '9'; k--)
		continue;
	if (k == 0 || text.p[k - 1] != '{')
		return false;
	*size_r = strtoul(text.p + k, NULL, 10);
	return true;
}

/* Reads complete responses; skips the contents of literals. */
static void
read_output(struct peer *p)
{
	for (;;) {
		size_t at = 0, size = 0;
		bool more = true;

		while (more) {
			const char *nl =
			    p->got.n > at ? memchr(p->got.p + at, '\n', p->got.n - at) : NULL;

			if (nl == NULL)
				return;
			TS_ASSERT(nl > p->got.p && nl[-1] == '\r');
			more = literal_at_end(str_range(p->got.p + at, nl - 1), &size);
			at = (size_t)(nl + 1 - p->got.p) + (more ? size : 0);
		}
		(void)buf_cstr(&p->got);
		line_of(p, p->got.p);
		buf_consume(&p->got, at);
	}
}

static void
take_all(struct run *r)
{
	site_run(r->site);
	for (unsigned i = 1; i <= CLIENTS; i++) {
		struct stream_fake *fake = r->site->clients[i].fake;
		struct buf *out = fake != NULL ? stream_fake_output(fake) : NULL;

		if (out == NULL || out->n == 0)
			continue;
		buf_str(&r->peers[i].got, buf_as_str(out));
		buf_fini(out);
		read_output(&r->peers[i]);
	}
}

/* When the server is idle, the client's count must be the server's for it. */
static void
check_count(struct run *r, unsigned i, bool of_mailbox)
{
	const struct imap_conn *conn = r->site->clients[i].conn;
	const struct peer *p = &r->peers[i];
	struct imap_box *box;
	uint64_t there;

	if (conn == NULL || conn->cmd != NULL || conn->session.closing || p->stopped ||
	    p->got.n > 0 || (box = imap_box(conn)) == NULL)
		return;
	TS_ASSERT(roaring_bitmap_get_cardinality(box->uids) == p->count);
	store_mailbox_read_begin(box->mailbox);
	there = roaring_bitmap_get_cardinality(store_mailbox_uids(box->mailbox));
	store_mailbox_read_end(box->mailbox);
	TS_ASSERT(!of_mailbox || there == p->count);
}

/* ---- what clients do */

static void
put_command(struct peer *p, unsigned which, unsigned one, unsigned two)
{
	const char *text = commands[which].text;

	p->sent[p->next_tag % TAGS] = (uint8_t)which;
	buf_printf(&p->send, "t%u ", p->next_tag++);
	for (const char *at; (at = strstr(text, "%u")) != NULL; text = at + 2, one = two) {
		buf_put(&p->send, text, (size_t)(at - text));
		buf_u64(&p->send, one);
	}
	buf_puts(&p->send, text);
	buf_puts(&p->send, "\r\n");
}

static void
disconnect(struct run *r, unsigned i)
{
	struct peer *p = &r->peers[i];

	site_disconnect(r->site, i);
	buf_fini(&p->send);
	buf_fini(&p->got);
	*p = (struct peer){0};
}

static void
send_all(struct run *r, unsigned i)
{
	struct site_client *c = &r->site->clients[i];
	struct buf send = {0};

	if (c->fake != NULL && stream_fake_ended(c->fake, NULL)) {
		take_all(r);
		disconnect(r, i);
	}
	if (c->fake == NULL) {
		site_connect(r->site, i, NULL, false, false);
		r->peers[i].send.n = 0; /* meant for the old connection */
		put_command(&r->peers[i], 30, 0, 0);
		put_command(&r->peers[i], 26, 0, 0);
	}
	send = r->peers[i].send;
	r->peers[i].send = (struct buf){0};
	stream_fake_push(c->fake, buf_as_str(&send));
	buf_fini(&send);
	take_all(r);
}

static void
event(struct run *r, unsigned i, unsigned what)
{
	struct stream_fake *fake = r->site->clients[i].fake;

	if (what == DONE_LINE)
		buf_puts(&r->peers[i].send, "DONE\r\n");
	else if (what == A_WHILE)
		loop_fake_advance(r->site->loop, 60000);
	else if (what == FULL || what == UNKNOWN)
		engine_mem_fail(r->site->disk, ENGINE_MEM_COMMIT, 1,
		    what == FULL ? TS_FULL : TS_UNKNOWN, false);
	else if ((what == STOP || what == GO) && fake != NULL) {
		stream_fake_set_window(fake, what == STOP ? 0 : SIZE_MAX);
		r->peers[i].stopped = what == STOP;
	} else if (what == GONE)
		disconnect(r, i);
}

/* ---- one run */

static struct site *
make_site(void)
{
	static struct engine_mem_disk *disk; /* each run gets a copy of it */
	struct site_options options = {
	    .conf = STR("plaintext_login = always\nunauthenticate = everyone\n"
	                "timeouts { failed_login = 0; failed_login_max = 0; }\n")};
	struct site *site;

	if (disk != NULL) {
		options.disk = engine_mem_image(disk);
		return site_new(&options);
	}
	site = site_new(&options);
	site_user(site, "a", "b", NULL, false);
	site_user(site, "c", "d", "*", false);
	site_mailbox(site, "a", "Work");
	for (unsigned i = 0; i < 5; i++)
		site_message(site, "a", i < 3 ? "INBOX" : "Work", i == 1 ? "\\Deleted" : "word",
		    STR("Subject: * 1 EXPUNGE\r\n\r\ntext\r\n"));
	disk = engine_mem_image(site->disk);
	return site;
}

/* Completes all commands; then all clients see the current state. */
static void
settle(struct run *r)
{
	(void)engine_mem_count(r->site->disk, ENGINE_MEM_COMMIT);
	engine_mem_fail(r->site->disk, ENGINE_MEM_COMMIT, 0, TS_OK, false);
	for (unsigned i = 1; i <= CLIENTS; i++) {
		event(r, i, GO);
		if (r->site->clients[i].conn != NULL && r->site->clients[i].conn->cmd != NULL)
			event(r, i, DONE_LINE);
		send_all(r, i);
	}
	for (unsigned i = 1; i <= CLIENTS; i++) {
		put_command(&r->peers[i], 0, 0, 0);
		send_all(r, i);
		check_count(r, i, true);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run r = {0};

	log_set_sink(no_log, NULL);
	r.site = make_site();
	for (size_t at = 0; at + 1 < size && at < 400;) {
		unsigned i = 1 + data[at] % CLIENTS, what = data[at + 1] % OPERATIONS;
		bool wait = (data[at] & 0x40) == 0;

		at += 2;
		if (what < COMMANDS) {
			bool numbers = strstr(commands[what].text, "%u") != NULL && at < size;
			uint8_t both = numbers ? data[at++] : 0;

			put_command(&r.peers[i], what, 1 + (both & 7), 1 + (both >> 4 & 7));
		} else
			event(&r, i, what);
		if (wait || what >= COMMANDS)
			send_all(&r, i);
		for (unsigned k = 1; wait && k <= CLIENTS; k++)
			check_count(&r, k, false);
	}
	settle(&r);
	for (unsigned i = 1; i <= CLIENTS; i++)
		disconnect(&r, i);
	for (unsigned k = 0; k < ARENA_KINDS; k++)
		TS_ASSERT(r.site->il.pool.live_arenas[k] == 0);
	site_free(&r.site);
	return 0;
}
