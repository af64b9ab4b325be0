/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures sorting with compact rows.
 *
 *	columns FOLDER MESSAGES
 *
 * makes a store in the empty folder, with one mailbox that has so many messages of a mailing list
 * (the subjects of some thousand threads, a few hundred people).  Once the background has made the
 * rows, it fills and ranks columns for all messages, three times, and prints the thread's processor
 * time, and memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/columns.h"
#include "store/engine/rocks/rocks.h"

enum { AT_ONCE = 500 };

static void
must(enum ts_err err, const char *what)
{
	if (err == TS_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, ts_err_name(err));
	exit(1);
}

static void
put_message(struct buf *m, unsigned i)
{
	unsigned thread = (unsigned)random() % 9000, who = (unsigned)random() % 400;

	m->n = 0;
	buf_printf(m, "From: \"Person %u of the list\" <person%u@example.org>\r\n", who, who);
	buf_printf(m, "To: list@example.org\r\nCc: other%u@example.org\r\n", i % 77);
	buf_printf(m, "Subject: %s[list] Thoughts on the matter of number %u, and what follows\r\n",
	    i % 3 == 0 ? "" : "Re: ", thread);
	buf_printf(m, "Date: %u Mar %u %02u:%02u:%02u +0200\r\n", 1 + i % 28, 2001 + i / 9000 % 20,
	    i % 24, i % 60, (unsigned)random() % 60);
	buf_printf(m, "Message-ID: <m%u.%u@example.org>\r\n", i, thread);
	for (unsigned r = 0; r < i % 5; r++)
		buf_printf(m, "%s <m%u.%u@example.org>\r\n", r == 0 ? "References:" : "", i - r - 1,
		    thread);
	buf_puts(m, "\r\nHello.\r\n");
}

static void
uploaded(void *arg, enum ts_err err)
{
	*(enum ts_err *)arg = err;
}

struct maker {
	struct store *store;
	struct store_account *account;
	struct store_mailbox *mailbox;
	struct loop *loop;
	struct work_pool *pool;
};

static void
append(struct maker *m, unsigned from, unsigned n)
{
	struct store_change *c =
	    store_change_new(m->account, STORE_CHANGE_APPEND, m->loop, NULL, NULL);
	struct buf text = {0};

	c->mailbox = m->mailbox;
	c->item_count = n;
	c->items = arena_array(c->arena, n, sizeof *c->items);
	for (unsigned i = 0; i < n; i++) {
		struct store_upload *u =
		    store_upload_new(m->store, m->pool, m->loop, (struct work_who){0});
		enum ts_err err = TS_BUG;

		put_message(&text, from + i);
		(void)store_upload_write(u, buf_as_str(&text), NULL, NULL);
		store_upload_finish(u, uploaded, &err);
		loop_fake_run(m->loop);
		must(err, "upload");
		c->items[i] = (struct store_append_item){.upload = u, .internaldate = 1000000 + i};
	}
	must(store_submit_wait(c), "append");
	store_change_free(&c);
	buf_fini(&text);
}

static double
cpu_ms(void)
{
	struct rusage r;

	getrusage(RUSAGE_THREAD, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

static void
measure(struct maker *m, const char *name, unsigned mask)
{
	double from = cpu_ms();
	struct store_columns *c =
	    store_columns_new(m->mailbox, NULL, store_mailbox_uids(m->mailbox), mask);
	uint64_t most = 0;
	bool done = false;

	while (!done)
		switch (store_columns_step(c, most, NULL, NULL)) {
		case STORE_COLUMNS_DONE:
			done = true;
			break;
		case STORE_COLUMNS_ROOM:
			most = store_columns_needs(c);
			break;
		default:
			must(TS_UNAVAILABLE, name);
		}
	printf("  %-16s %8.1f ms  %6.1f MiB\n", name, cpu_ms() - from, (double)most / (1 << 20));
	store_columns_free(&c);
}

static void
measure_all(struct maker *m, const char *when)
{
	static const struct {
		const char *name;
		unsigned mask;
	} sorts[] = {{"date", 1u << STORE_COLUMN_DATE}, {"subject", 1u << STORE_COLUMN_SUBJECT},
	    {"from", 1u << STORE_COLUMN_FROM}, {"displayfrom", 1u << STORE_COLUMN_DISPLAYFROM},
	    {"arrival", 1u << STORE_COLUMN_ARRIVAL}, {"size", 1u << STORE_COLUMN_SIZE},
	    {"ids", 1u << STORE_COLUMN_IDS},
	    {"subject date", 1u << STORE_COLUMN_SUBJECT | 1u << STORE_COLUMN_DATE},
	    {"for threads",
	        1u << STORE_COLUMN_SUBJECT | 1u << STORE_COLUMN_DATE | 1u << STORE_COLUMN_IDS}};

	printf("%s\n", when);
	for (size_t i = 0; i < sizeof(sorts) / sizeof(sorts[0]); i++)
		measure(m, sorts[i].name, sorts[i].mask);
}

int
main(int argc, char **argv)
{
	struct store_options opt;
	struct maker m = {.loop = loop_new_fake(), .pool = work_pool_new(0)};
	unsigned n = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	char *text = NULL;

	if (n == 0) {
		fprintf(stderr, "usage: columns FOLDER MESSAGES\n");
		return 2;
	}
	store_options_default(&opt);
	opt.engine = &engine_rocks_class;
	opt.engine_options.path = argv[1];
	opt.engine_options.cache_bytes = (uint64_t)256 << 20;
	opt.lanes = 1;
	must(store_open(&opt, &m.store, &text), text != NULL ? text : "open");
	must(store_account_load(m.store, STR("ada"), true, &m.account), "account");
	must(store_mailbox_load(m.account, STR("INBOX"), &m.mailbox), "mailbox");
	for (unsigned i = 0; i < n; i += AT_ONCE)
		append(&m, i, n - i < AT_ONCE ? n - i : AT_ONCE);
	store_background_wait(m.store);
	measure_all(&m, "the first time");
	measure_all(&m, "the second time");
	measure_all(&m, "the third time");
	store_mailbox_unref(&m.mailbox);
	store_account_unref(&m.account);
	store_close(&m.store);
	work_pool_free(&m.pool);
	loop_free(&m.loop);
	return 0;
}
