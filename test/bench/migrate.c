/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures the migration of a store from format 4 to the newest format.
 *
 *	migrate FOLDER MESSAGES [ACCOUNTS]
 *
 * makes one in the empty folder, without a server: accounts with their rows and counters, a
 * reference for each message, every twentieth blob shared by two accounts, a thousandth of the
 * messages in the queue.  It leaves out what the migration does not read (indexes, summaries,
 * bytes).  Then it opens the store and prints the time, space and memory that this took.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/disk/keys.h"
#include "store/engine/rocks/rocks.h"
#include "store/store.h"

enum { ROWS = 20000 }; /* per batch */

struct maker {
	struct engine *engine;
	struct engine_batch *batch;
	struct buf value;
};

static void
must(enum ts_err err, const char *what, const char *text)
{
	if (err == TS_OK)
		return;
	fprintf(stderr, "%s: %s%s%s\n", what, ts_err_name(err), text != NULL ? ": " : "",
	    text != NULL ? text : "");
	exit(1);
}

static void
flush(struct maker *m, size_t rows)
{
	if (engine_batch_count(m->batch) < rows)
		return;
	must(engine_commit(m->engine, m->batch), "commit", NULL);
	engine_batch_clear(m->batch);
}

static void
put_numbers(struct maker *m, const struct key *k, const uint64_t *numbers, size_t n)
{
	value_begin(&m->value);
	for (size_t i = 0; i < n; i++)
		buf_le64(&m->value, numbers[i]);
	batch_put_value(m->batch, k, &m->value);
}

static void
put_own(struct maker *m, uint64_t accounts, uint64_t messages)
{
	uint64_t ids[] = {accounts + 1, messages + 1, 1};
	struct key k;

	key_begin(&k, 0, KEY_IDS);
	put_numbers(m, &k, ids, 3);
	key_begin(&k, 0, KEY_VERSION);
	value_begin(&m->value);
	buf_le32(&m->value, 4);
	batch_put_value(m->batch, &k, &m->value);
}

static void
put_account(struct maker *m, uint64_t id, uint32_t messages)
{
	struct counters_row c = {
	    .messages = messages, .uidnext = messages + 1, .modseq = messages + 1};
	char name[32];
	struct key k;

	(void)snprintf(name, sizeof name, "user%llu", (unsigned long long)id);
	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, str_of(name));
	put_numbers(m, &k, &id, 1);
	key_begin(&k, id, KEY_ACCOUNT);
	value_begin(&m->value);
	buf_le32(&m->value, 2);
	buf_le32(&m->value, 1);
	buf_le64(&m->value, 1);
	buf_puts(&m->value, name);
	batch_put_value(m->batch, &k, &m->value);
	key_begin(&k, id, KEY_COUNTERS);
	key_be32(&k, 1);
	value_begin(&m->value);
	value_put_counters(&m->value, &c);
	batch_put_value(m->batch, &k, &m->value);
}

/* As in format 4, in account 0. */
static void
put_old(struct maker *m, enum key_kind kind, uint64_t blob, uint64_t account, uint32_t uid)
{
	struct key k;

	key_begin(&k, 0, kind);
	key_be64(&k, blob);
	key_be64(&k, account);
	key_be32(&k, 1);
	key_be32(&k, uid);
	batch_put_empty(m->batch, &k);
	flush(m, ROWS);
}

static void
make(struct engine_options opt, uint64_t messages, uint64_t accounts)
{
	struct maker m = {.batch = engine_batch_new()};
	char *text = NULL;

	must(engine_open(&engine_rocks_class, &opt, &m.engine, &text), "making", text);
	put_own(&m, accounts, messages);
	for (uint64_t id = 1; id <= accounts; id++)
		put_account(&m, id, (uint32_t)(messages / accounts));
	for (uint64_t i = 0; i < messages; i++) {
		uint64_t account = i % accounts + 1, blob = i + 1;

		put_old(&m, KEY_REF, blob, account, (uint32_t)(i / accounts + 1));
		if (i % 20 == 0)
			put_old(&m, KEY_REF, blob, account % accounts + 1, (uint32_t)blob);
		if (i % 1000 == 0)
			put_old(&m, KEY_QUEUE, blob, account, (uint32_t)blob + 1);
	}
	flush(&m, 1);
	engine_batch_free(&m.batch);
	buf_fini(&m.value);
	engine_close(&m.engine);
}

static long
peak_kib(void)
{
	struct rusage use;

	(void)getrusage(RUSAGE_SELF, &use);
	return use.ru_maxrss;
}

int
main(int argc, char **argv)
{
	struct store_options opt;
	struct store_stats before, after;
	struct store *store;
	uint64_t messages, accounts, began;
	char *text = NULL;
	double s;

	if (argc < 3) {
		fprintf(stderr, "migrate FOLDER MESSAGES [ACCOUNTS]\n");
		return 2;
	}
	messages = strtoull(argv[2], NULL, 10);
	accounts = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000;
	store_options_default(&opt);
	opt.engine = &engine_rocks_class;
	opt.engine_options.path = argv[1];
	opt.lanes = 0;
	began = clock_mono_ns();
	make(opt.engine_options, messages, accounts);
	printf("made in %.1f s, %ld KiB at most\n", (double)(clock_mono_ns() - began) / 1e9,
	    peak_kib());
	began = clock_mono_ns();
	must(store_open(&opt, &store, &text), "migrating", text);
	s = (double)(clock_mono_ns() - began) / 1e9;
	store_stats(store, &before);
	printf("migrated in %.1f s: %.0f messages a second, %.1f MiB committed, %.1f MiB used, "
	       "%ld KiB at most\n",
	    s, (double)messages / s, (double)before.engine.commit_bytes / 1048576,
	    (double)before.engine.used_bytes / 1048576, peak_kib());
	store_close(&store);
	began = clock_mono_ns();
	must(store_open(&opt, &store, &text), "opening", text);
	store_stats(store, &after);
	printf("opened again in %.2f s, %.1f MiB used\n", (double)(clock_mono_ns() - began) / 1e9,
	    (double)after.engine.used_bytes / 1048576);
	store_close(&store);
	return 0;
}
