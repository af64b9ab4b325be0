/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Migrates a store of format 4 to the newest format: with everything that may have been in progress
 * when it was closed, killed before each batch, without room, read-only.  This program makes the
 * store, and then moves its rows to where format 4 had them; test/e2e has stores made by the older
 * programs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kit.h"

#include "base/mem.h"
#include "store/check.h"
#include "store/disk/keys.h"
#include "store/engine/rocks/rocks.h"

#define MSG "Subject: one\r\n\r\nHello\r\n"
#define IMAGES 400
#define MANY 501 /* a COPY of this many has several pieces, as does a RENAME */

/* ---- the way back to format 4 ---- */

struct back {
	struct engine_batch *batch;
	struct buf value;
};

static void
put(struct back *b, const struct key *k)
{
	batch_put_value(b->batch, k, &b->value);
}

/* A key of account 0 that contains the account, at that position of the rest. */
static void
old_key(struct key *k, struct str key, size_t at)
{
	key_begin(k, 0, (enum key_kind)key.p[8]);
	key_bytes(k, (struct str){key.p + 9, at});
	key_bytes(k, (struct str){key.p, 8});
	key_bytes(k, (struct str){key.p + 9 + at, key.n - 9 - at});
}

static void
back_intent(struct back *b, const struct key *k, struct str key, struct str body)
{
	struct rd target = rd_of(key), r = rd_of(body), pairs;
	uint64_t source = rd_le64(&r), n = 0;
	uint32_t mailbox = rd_le32(&r);
	struct key old;

	(void)k;
	pairs = r;
	for (; rd_left(&pairs) > 0; n++) {
		(void)rd_varint(&pairs);
		(void)rd_varint(&pairs);
	}
	key_begin(&old, 0, KEY_INTENT);
	key_bytes(&old, (struct str){key.p + 9, 8});
	value_begin(&b->value);
	buf_putc(&b->value, 1);
	buf_putc(&b->value, 1);
	buf_le64(&b->value, source);
	buf_le32(&b->value, mailbox);
	buf_le64(&b->value, rd_be64(&target));
	buf_le32(&b->value, 1);
	buf_varint(&b->value, n);
	buf_str(&b->value, rd_bytes(&r, rd_left(&r)));
	put(b, &old);
}

static void
back_row(struct back *b, struct str key, struct str body)
{
	bool own = memcmp(key.p, "\0\0\0\0\0\0\0\0", 8) == 0;
	struct key k;

	if (own) {
		if (strchr("BCMU", key.p[8]) != NULL)
			engine_batch_delete(b->batch, key);
		return;
	}
	if (strchr("BQPSTM", key.p[8]) == NULL)
		return;
	old_key(&k, key, key.p[8] == KEY_REF || key.p[8] == KEY_QUEUE ? 8 : 0);
	engine_batch_delete(b->batch, key);
	if (key.p[8] == KEY_INTENT) {
		back_intent(b, &k, key, body);
		return;
	}
	value_begin(&b->value);
	buf_str(&b->value, body);
	put(b, &k);
}

static void
put_version(struct back *b, uint32_t version)
{
	struct key k;

	key_begin(&k, 0, KEY_VERSION);
	value_begin(&b->value);
	buf_le32(&b->value, version);
	buf_puts(&b->value, "Turnstone mail store");
	put(b, &k);
}

/* A COPY to another account that had only its claims: of an existing message, and of one that has
 * gone since. */
static void
put_claims(struct back *b, uint64_t blob)
{
	struct key k;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t claimed = i == 0 ? blob : 900000;

		key_begin(&k, 0, KEY_REF);
		key_be64(&k, claimed);
		key_be64(&k, 0);
		key_be64(&k, 77);
		batch_put_empty(b->batch, &k);
		if (i == 0)
			continue;
		engine_batch_put_blob(b->batch, claimed, STR(MSG));
		key_begin(&k, 0, KEY_QUEUE);
		key_be64(&k, claimed);
		key_be64(&k, 1);
		key_be64(&k, (uint64_t)1 << 32 | 99);
		batch_put_empty(b->batch, &k);
	}
	key_begin(&k, 0, KEY_INTENT);
	key_be64(&k, 77);
	value_begin(&b->value);
	buf_putc(&b->value, 0);
	buf_putc(&b->value, 0);
	for (unsigned i = 0; i < 24; i++)
		buf_putc(&b->value, 0);
	buf_varint(&b->value, 2);
	buf_varint(&b->value, 1);
	buf_varint(&b->value, blob);
	buf_varint(&b->value, 99);
	buf_varint(&b->value, 900000);
	put(b, &k);
}

static void
to_format_4(const struct engine_class *class, struct engine_options opt, uint64_t claimed)
{
	struct back b = {.batch = engine_batch_new()};
	struct engine *engine;
	struct engine_iter *it;
	struct str key, value, body;
	char *text = NULL;

	assert_int_equal(engine_open(class, &opt, &engine, &text), TS_OK);
	it = engine_iter_new(engine, STR_NONE, STR_NONE, false);
	while (engine_iter_next(it, &key, &value) == TS_OK) {
		assert_true(value_open(key, value, &body));
		back_row(&b, key, body);
	}
	engine_iter_free(&it);
	put_version(&b, 4);
	if (claimed != 0)
		put_claims(&b, claimed);
	assert_int_equal(engine_commit(engine, b.batch), TS_OK);
	engine_close(&engine);
	engine_batch_free(&b.batch);
	buf_fini(&b.value);
}

/* ---- what is in a store ---- */

static void
show_messages(struct store *store, struct store_mailbox *mb, struct buf *out)
{
	struct store_message m[100];
	uint32_t from = 0;
	size_t n;

	do {
		store_mailbox_read_begin(mb);
		n = store_mailbox_window(mb, NULL, from, m, 100);
		store_mailbox_read_end(mb);
		for (size_t i = 0; i < n; i++) {
			struct buf b = {0};

			buf_printf(out, " %u/%x", m[i].uid, (unsigned)m[i].flags.w[0]);
			assert_int_equal(store_read_blob(store, m[i].blob, 0, 1 << 20, &b), TS_OK);
			assert_int_equal(b.n, m[i].size);
			buf_fini(&b);
			from = m[i].uid + 1;
		}
	} while (n == 100);
}

struct names {
	char *name[2 * MANY];
	size_t n;
};

static bool
note_name(const struct store_mailbox_info *info, void *arg)
{
	struct names *names = arg;

	char *name;

	if (info->id == 0)
		return true;
	name = names->name[names->n++] = mem_zalloc(info->name.n + 1);
	memcpy(name, info->name.p, info->name.n);
	return true;
}

static void
show_account(struct store *store, const char *name, struct buf *out)
{
	struct store_account *a;
	struct names names = {.n = 0};

	assert_int_equal(store_account_load(store, str_of(name), false, &a), TS_OK);
	buf_printf(out, "%s\n", name);
	store_account_list(a, note_name, &names);
	for (size_t i = 0; i < names.n; i++) {
		struct store_mailbox *mb = kit_mailbox(a, names.name[i]);

		buf_printf(out, "%s:", names.name[i]);
		show_messages(store, mb, out);
		buf_putc(out, '\n');
		store_mailbox_unref(&mb);
		mem_free(names.name[i]);
	}
	store_account_unref(&a);
}

/* Opens it, as the newest or an older one; it must always show the same. */
static void
show(struct store_options opt, struct engine_mem_disk *disk, struct buf *out)
{
	struct store *store;
	struct buf again = {0};
	char *text = NULL;

	opt.engine_options.own = disk;
	out->n = 0;
	if (store_open(&opt, &store, &text) != TS_OK)
		fail_msg("%s", text);
	kit_assert_sound(store);
	show_account(store, "ada", out);
	show_account(store, "bob", out);
	store_background_wait(store);
	kit_assert_sound(store);
	show_account(store, "ada", &again);
	show_account(store, "bob", &again);
	assert_string_equal(buf_cstr(out), buf_cstr(&again));
	store_close(&store);
	buf_fini(&again);
}

/* Rows of format 4 in account 0, and blobs. */
struct left {
	unsigned old, holders, blobs;
	uint32_t version;
};

static void
count_blob(uint64_t blob, void *arg)
{
	(void)blob;
	++*(unsigned *)arg;
}

static struct left
look(const struct engine_class *class, struct engine_options opt)
{
	struct left left = {0};
	struct engine *engine;
	struct engine_iter *it;
	struct str key, value, body;
	char *text = NULL;

	assert_int_equal(engine_open(class, &opt, &engine, &text), TS_OK);
	it = engine_iter_new(engine, STR_NONE, STR_NONE, false);
	while (engine_iter_next(it, &key, &value) == TS_OK) {
		if (memcmp(key.p, "\0\0\0\0\0\0\0\0", 8) != 0)
			break;
		left.old += strchr("QPST", key.p[8]) != NULL || (key.p[8] == 'B' && key.n == 33);
		left.holders += key.p[8] == 'B' && key.n == 25;
		if (key.p[8] == KEY_VERSION && key.n == 9 && value_open(key, value, &body)) {
			struct rd r = rd_of(body);

			left.version = rd_le32(&r);
		}
	}
	engine_iter_free(&it);
	assert_int_equal(engine_blob_each(engine, count_blob, &left.blobs), TS_OK);
	assert_int_equal(engine_blob_files(engine, count_blob, &left.blobs), TS_OK);
	engine_close(&engine);
	return left;
}

static struct left
look_at(struct engine_mem_disk *disk)
{
	struct engine_mem_disk *image = engine_mem_image(disk);
	struct left left = look(&engine_mem_class, (struct engine_options){.own = image});

	engine_mem_disk_free(&image);
	return left;
}

/* ---- a store that was in the middle of everything ---- */

static void
to_both(struct kit *kit, struct store_mailbox *bob, const char *text)
{
	struct store_upload *first = kit_upload(kit, str_of(text));
	struct store_upload *second = store_upload_share(first);

	assert_int_equal(kit_append_upload(kit, kit->inbox, first), TS_OK);
	assert_int_equal(kit_append_upload(kit, bob, second), TS_OK);
}

static enum ts_err
stop_at(const struct engine_batch *batch, void *arg)
{
	unsigned *n = arg;

	(void)batch;
	if (*n > 0)
		--*n;
	return *n == 0 ? TS_UNKNOWN : TS_OK;
}

static void
fill(struct kit *kit)
{
	struct store_mailbox *bob = kit_inbox_of(kit, "bob"), *work;
	char big[400];

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	assert_int_equal(kit_name(kit, STORE_CHANGE_CREATE, "work", NULL), TS_OK);
	assert_int_equal(kit_name(kit, STORE_CHANGE_CREATE, "gone", NULL), TS_OK);
	work = kit_mailbox(kit->account, "gone");
	kit_append(kit, work, MSG, 0);
	store_mailbox_unref(&work);
	work = kit_mailbox(kit->account, "work");
	for (unsigned i = 0; i < 6; i++)
		kit_append(kit, kit->inbox, i == 3 ? big : MSG, i == 2 ? 1u << STORE_DELETED : 0);
	to_both(kit, bob, MSG);
	to_both(kit, bob, big);
	assert_int_equal(kit_move(kit, STORE_CHANGE_COPY, kit->inbox, work, 1, 4), TS_OK);
	store_background_wait(kit->store);
	/* From here on the background is stopped: a queue, and a mailbox to be removed. */
	assert_int_equal(kit_expunge(kit, kit->inbox), TS_OK);
	assert_int_equal(kit_name(kit, STORE_CHANGE_DELETE, "gone", NULL), TS_OK);
	store_mailbox_unref(&work);
	store_mailbox_unref(&bob);
}

/* All images of a migration: before each of its batches, and after the last. */
struct images {
	struct engine_mem_disk *disk, *image[IMAGES];
	unsigned n;
};

static enum ts_err
take_image(const struct engine_batch *batch, void *arg)
{
	struct images *images = arg;

	(void)batch;
	assert_true(images->n < IMAGES);
	images->image[images->n++] = engine_mem_image(images->disk);
	return TS_OK;
}

/* Migrates the disk, in pieces of so many rows, killed before each batch.  All must lead to the
 * same result. */
static void
migrate_and_kill(
    struct store_options opt, struct engine_mem_disk *disk, uint32_t rows, const char *want)
{
	struct images images = {.disk = disk};
	struct buf b = {0};
	struct left left;
	struct store *store;
	char *text = NULL;

	opt.migrate_rows = rows;
	opt.engine_options.own = disk;
	engine_mem_hook(disk, take_image, &images);
	assert_int_equal(store_open(&opt, &store, &text), TS_OK);
	engine_mem_hook(disk, NULL, NULL);
	store_close(&store);
	assert_true(images.n > 3);
	show(opt, disk, &b);
	if (want != NULL)
		assert_string_equal(buf_cstr(&b), want);
	left = look_at(disk);
	assert_int_equal(left.old, 0);
	assert_int_equal(left.version, KEYS_FORMAT);
	print_message("%u batches\n", images.n);
	for (unsigned i = 0; i < images.n; i++) {
		struct buf again = {0};

		assert_int_equal(look_at(images.image[i]).version, i == 0 ? 4 : KEYS_FORMAT);
		show(opt, images.image[i], &again);
		assert_string_equal(buf_cstr(&b), buf_cstr(&again));
		assert_int_equal(look_at(images.image[i]).blobs, left.blobs);
		assert_int_equal(look_at(images.image[i]).holders, left.holders);
		assert_int_equal(look_at(images.image[i]).old, 0);
		engine_mem_disk_free(&images.image[i]);
		buf_fini(&again);
	}
	buf_fini(&b);
}

static void
shut_to_format_4(struct kit *kit, uint64_t claimed)
{
	kit_shut(kit);
	engine_mem_hook(kit->disk, NULL, NULL);
	to_format_4(&engine_mem_class, (struct engine_options){.own = kit->disk}, claimed);
}

static void
killed(void **state)
{
	struct kit kit = {.opt.blob_threshold = 300, .opt.fold_after = 5};
	struct buf want = {0};
	struct store_message m;
	struct left left;

	(void)state;
	kit_open(&kit, 0);
	fill(&kit);
	store_mailbox_read_begin(kit.inbox);
	assert_true(store_mailbox_message(kit.inbox, 1, &m));
	store_mailbox_read_end(kit.inbox);
	show_account(kit.store, "ada", &want);
	show_account(kit.store, "bob", &want);
	shut_to_format_4(&kit, m.blob);
	left = look_at(kit.disk);
	assert_true(left.old > 14 && left.holders == 0);
	for (uint32_t rows = 1; rows < 100; rows = rows * 3 + 1) {
		struct engine_mem_disk *disk = engine_mem_image(kit.disk);

		migrate_and_kill(kit.opt, disk, rows, buf_cstr(&want));
		/* The two that ada and bob share. */
		assert_int_equal(look_at(disk).holders, 4);
		engine_mem_disk_free(&disk);
	}
	engine_mem_disk_free(&kit.disk);
	buf_fini(&want);
}

/* A MOVE whose target was durable is finished, a COPY of many that was not shown is removed, a
 * RENAME of many gets its rows. */
static void
cut_off(void **state)
{
	(void)state;
	for (unsigned what = 0; what < 3; what++) {
		static const unsigned at[] = {3, 3, 2};
		struct kit kit = {0};
		struct store_mailbox *bob, *work;
		unsigned n = at[what];

		kit_open(&kit, 0);
		bob = kit_inbox_of(&kit, "bob");
		assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "work", NULL), TS_OK);
		work = kit_mailbox(kit.account, "work");
		for (unsigned i = 0; i < (what == 1 ? MANY : 3); i++)
			kit_append(&kit, kit.inbox, MSG, 0);
		for (unsigned i = 0; i < MANY && what == 2; i++) {
			char name[20];

			(void)snprintf(name, sizeof name, "a/%u", i);
			assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, name, NULL), TS_OK);
		}
		store_background_wait(kit.store);
		engine_mem_hook(kit.disk, stop_at, &n);
		if (what == 0)
			(void)kit_move(&kit, STORE_CHANGE_MOVE, kit.inbox, bob, 1, 2);
		else if (what == 1)
			(void)kit_move(&kit, STORE_CHANGE_COPY, kit.inbox, work, 1, MANY);
		else
			(void)kit_name(&kit, STORE_CHANGE_RENAME, "a", "b");
		assert_int_equal(n, 0);

		/* As it was at the cut: what the store does about it is not in the image. */
		struct engine_mem_disk *disk = engine_mem_image(kit.disk);

		store_mailbox_unref(&work);
		store_mailbox_unref(&bob);
		kit_close(&kit);
		to_format_4(&engine_mem_class, (struct engine_options){.own = disk}, 0);
		migrate_and_kill(kit.opt, disk, 200, NULL);
		engine_mem_disk_free(&disk);
	}
}

/* ---- refused ---- */

static void
reading_only(void **state)
{
	struct kit kit = {0};
	struct store *store;
	char *text = NULL;

	(void)state;
	kit_open(&kit, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	shut_to_format_4(&kit, 0);
	kit.opt.engine_options.read_only = true;
	assert_int_equal(store_open(&kit.opt, &store, &text), TS_INVALID);
	assert_non_null(strstr(text, "start the server"));
	free(text);
	assert_int_equal(look_at(kit.disk).version, 4);
	engine_mem_disk_free(&kit.disk);
}

/* On a real disk; without room nothing changes, with room everything does. */
static void
without_room(void **state)
{
	struct kit kit = {.opt.engine = &engine_rocks_class};
	struct engine_options opt;
	struct store *store;
	char *text = NULL;

	(void)state;
	kit_open(&kit, 0);
	fill(&kit);
	kit_shut(&kit);
	opt = kit.opt.engine_options;
	to_format_4(&engine_rocks_class, opt, 0);
	kit.opt.engine_options.free_space_mark = (uint64_t)1 << 60;
	assert_int_equal(store_open(&kit.opt, &store, &text), TS_FULL);
	assert_non_null(strstr(text, "make room"));
	free(text);
	assert_int_equal(look(&engine_rocks_class, opt).version, 4);
	kit.opt.engine_options.free_space_mark = 0;
	text = NULL;
	assert_int_equal(store_open(&kit.opt, &store, &text), TS_OK);
	kit_assert_sound(store);
	store_background_wait(store);
	kit_assert_sound(store);
	store_close(&store);
	assert_int_equal(look(&engine_rocks_class, opt).old, 0);
	kit.loop = loop_new_fake();
	kit.pool = work_pool_new(0);
	assert_int_equal(store_open(&kit.opt, &kit.store, &text), TS_OK);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(killed),
	    cmocka_unit_test(cut_off),
	    cmocka_unit_test(reading_only),
	    cmocka_unit_test(without_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
