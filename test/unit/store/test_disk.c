/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store on disk: folding, damage, versions, large mailboxes, uploads of both kinds, eviction.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "mail/summary.h"
#include "store/disk/keys.h"

#define F(flag) (1u << (flag))
#define MSG "Subject: one\r\n\r\nHello\r\n"

/* ---- folding ---- */

static void
folded(void **state)
{
	struct kit kit = {0};
	struct buf before = {0}, after = {0};
	uint64_t modseq;
	(void)state;

	kit.opt.fold_after = 10;
	kit_open(&kit, 0);
	for (int i = 0; i < 30; i++)
		kit_append(&kit, kit.inbox, MSG, i % 3 ? F(STORE_SEEN) : 0);
	kit_flags(&kit, kit.inbox, 5, 9, STORE_FLAGS_ADD, F(STORE_DELETED), "word");
	kit_expunge(&kit, kit.inbox);
	store_background_wait(kit.store);
	kit_flags(&kit, kit.inbox, 10, 12, STORE_FLAGS_ADD, F(STORE_DELETED), "other");
	kit_expunge(&kit, kit.inbox);
	kit_flags(&kit, kit.inbox, 20, 22, STORE_FLAGS_REPLACE, F(STORE_FLAGGED), "other");
	kit_show(kit.inbox, &before);
	store_mailbox_read_begin(kit.inbox);
	modseq = store_mailbox_modseq(kit.inbox);
	store_mailbox_read_end(kit.inbox);
	kit_crash(&kit);
	kit_show(kit.inbox, &after);
	assert_string_equal(buf_cstr(&before), buf_cstr(&after));

	roaring_bitmap_t *set = roaring_bitmap_create();

	store_mailbox_read_begin(kit.inbox);
	assert_int_equal(store_mailbox_modseq(kit.inbox), modseq);
	assert_int_equal(store_mailbox_expunged_since(kit.inbox, 0, set), 0);
	assert_int_equal(roaring_bitmap_get_cardinality(set), 8);
	roaring_bitmap_clear(set);
	store_mailbox_expunged_since(kit.inbox, modseq - 2, set);
	assert_int_equal(roaring_bitmap_get_cardinality(set), 3);
	roaring_bitmap_clear(set);
	store_mailbox_changed_since(kit.inbox, modseq - 1, set);
	assert_int_equal(roaring_bitmap_get_cardinality(set), 3);
	store_mailbox_read_end(kit.inbox);
	roaring_bitmap_free(set);
	buf_fini(&before);
	buf_fini(&after);
	kit_close(&kit);
}

/* ---- damage ---- */

static void
damage(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *mb;
	struct key k;
	(void)state;

	kit_open(&kit, 0);
	kit_name(&kit, STORE_CHANGE_CREATE, "hurt", NULL);
	mb = kit_mailbox(kit.account, "hurt");
	kit_append(&kit, mb, MSG, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	key_index(&k, store_account_id(kit.account), store_mailbox_id(mb), KEY_CHANGE);
	key_be64(&k, 2);
	assert_true(engine_mem_damage(kit.disk, key_str(&k)));
	store_mailbox_unref(&mb);
	kit_reopen(&kit);
	assert_int_equal(store_mailbox_load(kit.account, STR("hurt"), &mb), TS_DAMAGED);
	kit_expect(kit.inbox, "1:");
	assert_int_equal(kit_append(&kit, kit.inbox, MSG, 0), 2);
	/* It can be deleted. */
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "hurt", NULL), TS_OK);
	store_background_wait(kit.store);
	kit_close(&kit);
}

/* A value that is well-formed, but under the wrong key, or with one bit changed. */
static void
wrong_value(void **state)
{
	struct buf b = {0};
	struct key k1, k2;
	struct str body;
	(void)state;

	key_begin(&k1, 1, KEY_INFO);
	key_begin(&k2, 2, KEY_INFO);
	value_begin(&b);
	buf_puts(&b, "contents");
	value_seal(&b, key_str(&k1));
	assert_true(value_open(key_str(&k1), buf_as_str(&b), &body));
	assert_true(str_eq(body, STR("contents")));
	assert_false(value_open(key_str(&k2), buf_as_str(&b), &body));
	for (size_t i = 0; i < b.n * 8; i++) {
		b.p[i / 8] ^= (char)(1 << (i % 8));
		assert_false(value_open(key_str(&k1), buf_as_str(&b), &body));
		b.p[i / 8] ^= (char)(1 << (i % 8));
	}
	assert_false(value_open(key_str(&k1), (struct str){b.p, 7}, &body));
	buf_fini(&b);
}

static void
newer_version(void **state)
{
	struct kit kit = {0};
	struct engine *engine;
	struct engine_batch *batch = engine_batch_new();
	struct store *store;
	struct key k;
	struct buf b = {0};
	char *text = NULL;
	(void)state;

	kit_open(&kit, 0);
	kit_shut(&kit);
	assert_int_equal(
	    engine_open(&engine_mem_class, &kit.opt.engine_options, &engine, &text), TS_OK);
	key_begin(&k, 0, KEY_VERSION);
	value_begin(&b);
	buf_le32(&b, KEYS_FORMAT + 1);
	batch_put_value(batch, &k, &b);
	assert_int_equal(engine_commit(engine, batch), TS_OK);
	engine_close(&engine);
	assert_int_equal(store_open(&kit.opt, &store, &text), TS_INVALID);
	assert_non_null(strstr(text, "newer"));
	free(text);
	engine_batch_free(&batch);
	buf_fini(&b);
	engine_mem_disk_free(&kit.disk);
}

static unsigned
count_tombstones(struct kit *kit, uint64_t account, uint32_t *floor_r)
{
	struct engine *engine;
	struct str key, value, body;
	struct key k;
	char *text = NULL;
	unsigned n = 0;

	assert_int_equal(
	    engine_open(&engine_mem_class, &kit->opt.engine_options, &engine, &text), TS_OK);
	key_begin(&k, account, KEY_TOMBSTONE);

	struct key end = k;

	key_after(&end);

	struct engine_iter *it = engine_iter_new(engine, key_str(&k), key_str(&end), false);

	*floor_r = 0;
	while (engine_iter_next(it, &key, &value) == TS_OK) {
		assert_true(value_open(key, value, &body));

		struct rd r = rd_of(body);

		if (key.n == 9)
			*floor_r = rd_le32(&r);
		n++;
	}
	engine_iter_free(&it);
	engine_close(&engine);
	return n;
}

/* A store of format 1 with as many tombstones as it ever had names. */
static void
older_version(void **state)
{
	struct kit kit = {0};
	struct engine *engine;
	struct engine_batch *batch = engine_batch_new();
	struct key k;
	struct buf b = {0};
	char *text = NULL, name[32];
	uint32_t floor, low = 1000; /* lower than the clock */
	uint64_t account;
	(void)state;

	kit_open(&kit, 0);
	account = store_account_id(kit.account);
	kit_shut(&kit);
	assert_int_equal(
	    engine_open(&engine_mem_class, &kit.opt.engine_options, &engine, &text), TS_OK);
	key_begin(&k, 0, KEY_VERSION);
	value_begin(&b);
	buf_le32(&b, 1);
	batch_put_value(batch, &k, &b);
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof(name), "old%04u", i);
		key_begin(&k, account, KEY_TOMBSTONE);
		key_bytes(&k, str_of(name));
		value_begin(&b);
		buf_le32(&b, low + i);
		batch_put_value(batch, &k, &b);
	}
	assert_int_equal(engine_commit(engine, batch), TS_OK);
	engine_close(&engine);
	assert_int_equal(count_tombstones(&kit, account, &floor), 3000);
	kit.opt.engine = NULL;
	kit_open(&kit, 0);
	/* A name whose tombstone is kept, and one whose is not: neither gets an earlier value. */
	for (unsigned i = 0; i < 3000; i += 2999) {
		struct store_change *c = kit_change(&kit, STORE_CHANGE_CREATE);

		(void)snprintf(name, sizeof(name), "old%04u", i);
		c->name = str_of(name);
		c->wish_uidvalidity = low + i;
		assert_int_equal(kit_run(&kit, &c), TS_OK);
		assert_true(c->uidvalidity > low + 3000);
		store_change_free(&c);
	}
	kit_shut(&kit);
	assert_true(count_tombstones(&kit, account, &floor) <= 512);
	assert_int_equal(floor, low + 3000 - 256 - 1);
	/* It has the new format now: no second migration, nothing else to do. */
	kit.opt.engine = NULL;
	kit_open(&kit, 0);
	kit_close(&kit);
	engine_batch_free(&batch);
	buf_fini(&b);
}

/* Mailboxes come and go under many names: the records do not grow, and no name gets a value that
 * another mailbox had under it. */
static void
tombstones_are_bounded(void **state)
{
	enum { NAMES = 700, STEPS = 6000 };
	struct kit kit = {0};
	uint32_t *highest = mem_zalloc(NAMES * sizeof(*highest));
	char name[32], to[32];
	uint32_t floor, seed = 1;
	unsigned kept = 0, renewed = 0;
	uint64_t account;
	(void)state;

	kit_open(&kit, 0);
	account = store_account_id(kit.account);
	for (unsigned i = 0; i < STEPS; i++) {
		struct store_mailbox_info was, info;
		unsigned at, other;
		struct store_change *c;
		bool there;

		seed = seed * 1103515245 + 12345;
		at = (seed >> 8) % NAMES;
		other = (seed >> 18) % NAMES;
		(void)snprintf(name, sizeof(name), "n%u", at);
		(void)snprintf(to, sizeof(to), "n%u", other);
		there = store_account_lookup(kit.account, str_of(name), &was);
		if (there && i % 3 != 0) {
			assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, name, NULL), TS_OK);
			continue;
		}
		if (there) {
			if (at == other || kit_name(&kit, STORE_CHANGE_RENAME, name, to) != TS_OK)
				continue;
			assert_true(store_account_lookup(kit.account, str_of(to), &info));
			kept += info.counters.uidvalidity == was.counters.uidvalidity;
			renewed += info.counters.uidvalidity != was.counters.uidvalidity;
			at = other;
		} else {
			c = kit_change(&kit, STORE_CHANGE_CREATE);
			c->name = str_of(name);
			c->wish_uidvalidity = i % 5 == 0 ? highest[at] + i % 2 : 0;
			assert_int_equal(kit_run(&kit, &c), TS_OK);
			store_change_free(&c);
			assert_true(store_account_lookup(kit.account, str_of(name), &info));
		}
		assert_true(info.counters.uidvalidity > highest[at]);
		highest[at] = info.counters.uidvalidity;
		if (i % 1000 == 999)
			kit_reopen(&kit);
	}
	print_message("renames: %u kept their UIDVALIDITY, %u got a new one\n", kept, renewed);
	assert_true(kept > 0 && renewed > 0);
	kit_shut(&kit);
	assert_in_range(count_tombstones(&kit, account, &floor), 200, 513);
	assert_true(floor > 0);
	engine_mem_disk_free(&kit.disk);
	mem_free(highest);
}

/* ---- sizes ---- */

static void
put_many(struct kit *kit, struct store_mailbox *mb, uint32_t n)
{
	struct store_mailbox *box;

	/* 1,000 by APPEND, then doubled by COPY. */
	for (uint32_t i = 0; i < 1000; i++)
		kit_append(kit, mb, MSG, i % 3 ? F(STORE_SEEN) : 0);
	kit_name(kit, STORE_CHANGE_CREATE, "tmp", NULL);
	box = kit_mailbox(kit->account, "tmp");
	kit_move(kit, STORE_CHANGE_COPY, mb, box, 1, 1000);
	for (uint32_t have = 1000; have < n; have += 1000)
		kit_move(kit, STORE_CHANGE_COPY, box, mb, 1, 1000);
	store_mailbox_unref(&box);
}

static void
large(void **state)
{
	struct kit kit = {0};
	struct store_counters c;
	uint64_t t0, t1;
	uint32_t n = 100000;
	(void)state;

	kit_open(&kit, 0);
	put_many(&kit, kit.inbox, n);
	store_background_wait(kit.store);
	t0 = clock_mono_ns();
	assert_int_equal(
	    kit_flags(&kit, kit.inbox, 20001, 30000, STORE_FLAGS_ADD, F(STORE_FLAGGED), NULL),
	    TS_OK);
	t1 = clock_mono_ns();
	print_message("+FLAGS on 10,000: %.2f ms\n", (double)(t1 - t0) / 1e6);
	store_mailbox_unref(&kit.inbox);
	kit_reopen(&kit);
	store_mailbox_unref(&kit.inbox);
	store_account_unref(&kit.account);
	store_close(&kit.store);

	char *text = NULL;
	assert_int_equal(store_open(&kit.opt, &kit.store, &text), TS_OK);
	assert_int_equal(store_account_load(kit.store, STR("ada"), false, &kit.account), TS_OK);
	t0 = clock_mono_ns();
	kit.inbox = kit_mailbox(kit.account, "INBOX");
	t1 = clock_mono_ns();
	print_message("loading 100,000 messages: %.2f ms\n", (double)(t1 - t0) / 1e6);
	store_mailbox_counters(kit.inbox, &c);
	assert_int_equal(c.messages, n);
	store_mailbox_read_begin(kit.inbox);
	assert_int_equal(
	    roaring_bitmap_get_cardinality(store_mailbox_flagged(kit.inbox, STORE_FLAGGED)), 10000);
	store_mailbox_read_end(kit.inbox);
	/* All expunged in one change: the background cleans up. */
	kit_flags(&kit, kit.inbox, 1, n, STORE_FLAGS_ADD, F(STORE_DELETED), NULL);
	t0 = clock_mono_ns();
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	t1 = clock_mono_ns();
	print_message("EXPUNGE of 100,000: %.2f ms\n", (double)(t1 - t0) / 1e6);
	kit_crash(&kit);
	kit_expect(kit.inbox, "");
	store_background_wait(kit.store);
	kit_close(&kit);
}

static void
evicted(void **state)
{
	struct kit kit = {0};
	struct store_stats stats;
	enum ts_err err;
	(void)state;

	kit_open(&kit, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	kit_name(&kit, STORE_CHANGE_CREATE, "box", NULL);
	store_stats(kit.store, &stats);
	assert_int_equal(stats.mailboxes_loaded, 2);
	kit_shut(&kit);
	kit.opt.state_budget = 1;
	kit.loop = loop_new_fake();
	kit.pool = work_pool_new(0);

	char *text = NULL;
	assert_int_equal(store_open(&kit.opt, &kit.store, &text), TS_OK);
	assert_int_equal(store_account_load(kit.store, STR("ada"), false, &kit.account), TS_OK);

	struct store_mailbox *box = kit_mailbox(kit.account, "box");

	store_mailbox_unref(&box);
	kit.inbox = kit_mailbox(kit.account, "INBOX");
	store_background_wait(kit.store);
	store_stats(kit.store, &stats);
	assert_int_equal(stats.mailboxes_loaded, 1);
	assert_null(store_mailbox_find(kit.account, STR("box"), &err));
	assert_int_equal(err, TS_UNAVAILABLE);
	assert_null(store_mailbox_find(kit.account, STR("none"), &err));
	assert_int_equal(err, TS_NOT_FOUND);
	kit_expect(kit.inbox, "1:");
	kit_close(&kit);
}

/* Accounts count, too: unused ones are evicted. */
static void
accounts_evicted(void **state)
{
	struct kit kit = {0};
	struct store_account *other;
	struct store_stats stats, again;
	(void)state;

	kit_open(&kit, 0);
	store_stats(kit.store, &stats);
	assert_int_equal(store_account_load(kit.store, STR("bob"), true, &other), TS_OK);
	store_stats(kit.store, &again);
	assert_true(again.state_bytes > stats.state_bytes);
	assert_int_equal(again.accounts_loaded, stats.accounts_loaded + 1);
	store_account_unref(&other);
	kit.opt.state_budget = 1;
	kit_shut(&kit);
	kit.loop = loop_new_fake();
	kit.pool = work_pool_new(0);

	char *text = NULL;
	assert_int_equal(store_open(&kit.opt, &kit.store, &text), TS_OK);
	assert_int_equal(store_account_load(kit.store, STR("bob"), false, &other), TS_OK);
	store_account_unref(&other);
	store_background_wait(kit.store);
	store_stats(kit.store, &stats);
	assert_int_equal(stats.accounts_loaded, 0);
	assert_int_equal(stats.state_bytes, 0);
	assert_int_equal(store_account_load(kit.store, STR("ada"), false, &kit.account), TS_OK);
	kit.inbox = kit_mailbox(kit.account, "INBOX");
	kit_close(&kit);
}

/* ---- uploads ---- */

static void
ready(void *arg)
{
	++*(unsigned *)arg;
}

static void
ended(void *arg, enum ts_err err)
{
	*(enum ts_err *)arg = err;
}

static struct store_upload *
upload_large(struct kit *kit, size_t size, enum ts_err *err_r)
{
	struct store_upload *u =
	    store_upload_new(kit->store, kit->pool, kit->loop, (struct work_who){0});
	char piece[10000];
	unsigned calls = 0, held = 0;

	memset(piece, 'x', sizeof piece);
	memcpy(piece, "Subject: big\r\n\r\n", 16);
	for (size_t at = 0; at < size; at += sizeof piece) {
		if (!store_upload_write(u, (struct str){piece, sizeof piece}, ready, &calls)) {
			held++;
			loop_fake_run(kit->loop);
			assert_int_equal(calls, held);
		}
	}
	/* No more than a megabyte is ever in flight, so input was held back now and then. */
	assert_true(held >= size / (1 << 20));
	*err_r = TS_BUG;
	store_upload_finish(u, ended, err_r);
	loop_fake_run(kit->loop);
	return u;
}

static struct store_change *
append_upload(struct kit *kit, struct store_upload *u)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_APPEND);

	c->mailbox = kit->inbox;
	c->item_count = 1;
	c->items = arena_array(c->arena, 1, sizeof *c->items);
	c->items[0].upload = u;
	return c;
}

static bool
summary_of_big(uint32_t uid, enum ts_err err, struct str summary, void *arg)
{
	struct mail_summary s;

	(void)uid;
	assert_int_equal(err, TS_OK);
	assert_int_equal(mail_summary_open(summary, &s), TS_OK);
	assert_int_equal(s.size, *(uint64_t *)arg);
	assert_int_equal(s.header_len, 16);
	return true;
}

static void
uploads(void **state)
{
	struct kit kit = {0};
	enum ts_err err;
	uint64_t size = 3000000;
	struct store_upload *u;
	struct store_message m;
	struct buf b = {0};
	(void)state;

	kit_open(&kit, 0);
	u = upload_large(&kit, size, &err);
	assert_int_equal(err, TS_OK);
	assert_int_equal(kit_end(&kit, append_upload(&kit, u)), TS_OK);
	store_background_wait(kit.store);
	assert_int_equal(kit_files(&kit), 1);
	kit_crash(&kit);
	store_background_wait(kit.store);
	store_mailbox_read_begin(kit.inbox);
	assert_true(store_mailbox_message(kit.inbox, 1, &m));
	store_mailbox_read_end(kit.inbox);
	assert_int_equal(m.size, size);
	assert_true((m.blob & STORE_BLOB_FILE) != 0);
	assert_int_equal(store_read_blob(kit.store, m.blob, size - 5, 100, &b), TS_OK);
	assert_int_equal(b.n, 5);
	store_read_summaries(kit.inbox, &m.uid, 1, summary_of_big, &size);

	/* Abandoned: during writing, after finishing, with a change that fails. */
	u = store_upload_new(kit.store, kit.pool, kit.loop, (struct work_who){0});
	b.n = 0;
	memset(buf_room(&b, 300000), 'y', 300000);
	b.n = 300000;
	(void)store_upload_write(u, buf_as_str(&b), ready, NULL);
	store_upload_free(&u);
	loop_fake_run(kit.loop);
	u = store_upload_new(kit.store, kit.pool, kit.loop, (struct work_who){0});
	(void)store_upload_write(u, buf_as_str(&b), ready, NULL);
	loop_fake_run(kit.loop);
	store_upload_free(&u);
	loop_fake_run(kit.loop);
	u = upload_large(&kit, size, &err);
	assert_int_equal(err, TS_OK);
	assert_int_equal(kit_files(&kit), 2);
	store_upload_free(&u);
	u = upload_large(&kit, size, &err);
	engine_mem_full(kit.disk, true);
	assert_int_equal(kit_end(&kit, append_upload(&kit, u)), TS_FULL);
	engine_mem_full(kit.disk, false);
	store_background_wait(kit.store);
	assert_int_equal(kit_files(&kit), 1);

	/* A file that cannot be written. */
	engine_mem_fail(kit.disk, ENGINE_MEM_BLOB_WRITE, 3, TS_FULL, false);
	u = upload_large(&kit, size, &err);
	assert_int_equal(err, TS_FULL);
	store_upload_free(&u);
	engine_mem_fail(kit.disk, ENGINE_MEM_BLOB_FINISH, 1, TS_IO, false);
	u = upload_large(&kit, size, &err);
	assert_int_equal(err, TS_IO);
	assert_int_equal(kit_end(&kit, append_upload(&kit, u)), TS_IO);
	assert_int_equal(kit_files(&kit), 1);

	/* A crash between the file and its batch: found when the store is opened next. */
	u = upload_large(&kit, size, &err);
	assert_int_equal(err, TS_OK);

	struct engine_mem_disk *image = engine_mem_image(kit.disk);

	store_upload_free(&u);
	kit_on(&kit, image);
	assert_int_equal(kit_files(&kit), 2);
	store_background_wait(kit.store);
	assert_int_equal(kit_files(&kit), 1);
	kit_expect(kit.inbox, "1:");
	buf_fini(&b);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(folded),
	    cmocka_unit_test(damage),
	    cmocka_unit_test(wrong_value),
	    cmocka_unit_test(newer_version),
	    cmocka_unit_test(older_version),
	    cmocka_unit_test(tombstones_are_bounded),
	    cmocka_unit_test(large),
	    cmocka_unit_test(evicted),
	    cmocka_unit_test(accounts_evicted),
	    cmocka_unit_test(uploads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
