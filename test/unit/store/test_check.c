/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check against every key of a store: each is removed, then damaged, by itself.  The check must
 * notice, a repair must restore every message whose bytes exist, and the next check must find
 * nothing.
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

#define MSG "Subject: one\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n\r\nHello\r\n"
#define SEEN (1u << STORE_SEEN)

struct keys {
	struct str key[1000], value[1000];
	size_t n;
};

static void
print_finding(const struct check_finding *f, void *arg)
{
	if (arg != NULL)
		printf("  %s %.*s/%.*s %u: %s (%s)\n", check_kind_name(f->kind),
		    STR_ARG(f->account), STR_ARG(f->mailbox), f->uid, f->what,
		    f->done != NULL ? f->done : "-");
}

static struct check_result
check(struct store *store, bool repair, bool show)
{
	struct check_result r;
	struct check_options opt = {
	    .repair = repair, .found = print_finding, .arg = show ? &r : NULL};

	assert_int_equal(store_check(store, &opt, &r), TS_OK);
	return r;
}

static void
put_property(struct kit *kit, struct store_mailbox *mb)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_PROPERTIES);

	c->mailbox = mb;
	c->properties = arena_array(c->arena, 1, sizeof *c->properties);
	c->properties[0] = (struct store_property_op){.name = STR("acl/bob"), .value = STR("lr")};
	c->property_count = 1;
	assert_int_equal(kit_end(kit, c), TS_OK);
}

/* A mailbox and a message that were brought back with their ids. */
static void
restore_some(struct kit *kit)
{
	static const struct store_message_ids ids = {"email", "thread"};
	struct store_change *c = kit_change(kit, STORE_CHANGE_CREATE);
	struct store_mailbox *back;

	c->name = STR("Back");
	c->wish_uidvalidity = 7;
	c->wish_object_id = STR("F0123456789abcdef0123456789abcdef");
	assert_int_equal(kit_end(kit, c), TS_OK);
	back = kit_mailbox(kit->account, "Back");
	assert_int_equal(
	    kit_append_upload(kit, back, kit_upload_restored(kit, STR(MSG), &ids)), TS_OK);
	store_mailbox_unref(&back);
}

/* Mailboxes, folded and not, a keyword, an expunge, large messages, others that were restored. */
static struct engine_mem_disk *
make(struct store_options *opt_r, struct keys *keys)
{
	struct kit kit = {.opt.fold_after = 8, .opt.blob_threshold = 4096, .opt.own_seen = true};
	struct str key, value;
	struct engine *e;
	char *text, *big = mem_zalloc(10001);

	kit_open(&kit, 0);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Work", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Work/Old", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "Work/Old", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_SUBSCRIBE, "Work", NULL), TS_OK);

	struct store_mailbox *work = kit_mailbox(kit.account, "Work");

	put_property(&kit, NULL);
	for (int i = 0; i < 12; i++)
		(void)kit_append(&kit, kit.inbox, MSG, i % 2 == 0 ? SEEN : 0);
	assert_int_equal(kit_flags(&kit, kit.inbox, 2, 3, STORE_FLAGS_ADD, 0, "blue"), TS_OK);
	assert_int_equal(
	    kit_flags(&kit, kit.inbox, 4, 4, STORE_FLAGS_ADD, 1u << STORE_DELETED, NULL), TS_OK);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	while (store_background_step(kit.store))
		;
	memset(big, 'x', 10000);
	(void)kit_append(&kit, work, big, 0);
	(void)kit_append(&kit, work, MSG, 0);
	restore_some(&kit);
	put_property(&kit, work); /* last: an empty record is missed only there */
	assert_int_equal(
	    kit_flags(&kit, kit.inbox, 5, 6, STORE_FLAGS_ADD, 1u << STORE_FLAGGED, NULL), TS_OK);
	mem_free(big);
	store_mailbox_unref(&work);
	kit_shut(&kit);
	*opt_r = kit.opt;
	opt_r->lanes = 0;
	opt_r->engine_options.own = kit.disk;
	assert_int_equal(engine_open(&engine_mem_class, &opt_r->engine_options, &e, &text), TS_OK);

	struct engine_iter *it = engine_iter_new(e, STR(""), STR_NONE, false);

	while (engine_iter_next(it, &key, &value) == TS_OK) {
		keys->key[keys->n] = (struct str){mem_dup(key.p, key.n), key.n};
		keys->value[keys->n++] = (struct str){mem_dup(value.p, value.n), value.n};
	}
	engine_iter_free(&it);
	engine_close(&e);
	return kit.disk;
}

static void
put(struct store_options *opt, struct str key, struct str value)
{
	struct engine_batch *batch = engine_batch_new();
	struct engine *e;
	char *text;

	assert_int_equal(engine_open(&engine_mem_class, &opt->engine_options, &e, &text), TS_OK);
	if (value.n > 0)
		engine_batch_put(batch, key, value);
	else
		engine_batch_delete(batch, key);
	assert_int_equal(engine_commit(e, batch), TS_OK);
	engine_batch_free(&batch);
	engine_close(&e);
}

static void
one(struct engine_mem_disk *disk, struct store_options opt, struct str key, struct str value,
    uint64_t messages, bool must_see)
{
	struct engine_mem_disk *image = engine_mem_image(disk);
	struct check_result r;
	struct store *store;
	char *text = NULL;

	opt.engine_options.own = image;
	opt.salvage = true;
	put(&opt, key, value);
	assert_int_equal(store_open(&opt, &store, &text), TS_OK);
	r = check(store, false, false);
	if (must_see && r.found == 0)
		print_error(
		    "not seen: key of kind %c %c\n", key.p[8], key.n > 13 ? key.p[13] : ' ');
	assert_true(!must_see || r.found > 0);
	assert_int_equal(r.mended, 0);
	r = check(store, true, false);
	store_close(&store);
	assert_int_equal(store_open(&opt, &store, &text), TS_OK);
	r = check(store, false, true);
	if (r.found > 0 || r.messages < messages)
		print_error("after key of kind %c %c (%s): %llu messages of %llu\n", key.p[8],
		    key.n > 13 ? key.p[13] : ' ', value.n > 0 ? "damaged" : "gone",
		    (unsigned long long)r.messages, (unsigned long long)messages);
	assert_int_equal(r.found, 0);
	assert_true(r.messages >= messages);
	while (store_background_step(store))
		;
	assert_int_equal(check(store, false, true).found, 0);
	store_close(&store);
	engine_mem_disk_free(&image);
}

static void
test_every_key(void **state)
{
	struct keys *keys = mem_zalloc(sizeof(*keys));
	struct store_options opt;
	struct engine_mem_disk *disk = make(&opt, keys);
	struct check_result r;
	struct store *store;
	char *text;

	(void)state;
	assert_int_equal(store_open(&opt, &store, &text), TS_OK);
	r = check(store, false, true);
	store_close(&store);
	assert_int_equal(r.found, 0);
	assert_int_equal(r.messages, 14);
	for (size_t i = 0; i < keys->n; i++) {
		struct str key = keys->key[i], value = keys->value[i];
		char kind = key.p[8], part = key.n > 13 ? key.p[13] : ' ';
		/* Nothing shows that these ever existed. */
		bool silent = kind == KEY_SUBSCRIBED || kind == KEY_TOMBSTONE ||
		              (kind == KEY_INDEX && part == KEY_EXPUNGED) || kind == KEY_QUEUE ||
		              kind == KEY_PURGE || kind == KEY_VERSION || kind == KEY_IDS ||
		              kind == KEY_OWN_ID || kind == KEY_PROPERTY;
		char *bad = mem_dup(value.p, value.n);

		one(disk, opt, key, STR_NONE, 14, !silent);
		bad[value.n - 1] ^= 0x10;
		one(disk, opt, key, (struct str){bad, value.n}, 14,
		    kind != KEY_VERSION && kind != KEY_IDS && kind != KEY_OWN_ID);
		mem_free(bad);
	}
	printf("%zu keys\n", keys->n);
	for (size_t i = 0; i < keys->n; i++) {
		mem_free((char *)(uintptr_t)keys->key[i].p);
		mem_free((char *)(uintptr_t)keys->value[i].p);
	}
	mem_free(keys);
	engine_mem_disk_free(&disk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_key)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
