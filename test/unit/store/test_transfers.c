/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that move between accounts, cut at each commit, and messages that several accounts
 * share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kit.h"

#include "base/mem.h"
#include "store/disk/keys.h"

#define F(flag) (1u << (flag))
#define MSG "Subject: one\r\n\r\nHello\r\n"

/* ---- between accounts ---- */

struct images {
	struct engine_mem_disk *disk, *image[16];
	unsigned n;
};

static enum ts_err
take_image(const struct engine_batch *batch, void *arg)
{
	struct images *images = arg;

	(void)batch;
	images->image[images->n++] = engine_mem_image(images->disk);
	return TS_OK;
}

static void
prepare_bob(struct kit *kit)
{
	struct store_mailbox *mb;

	kit_open(kit, 0);
	mb = kit_inbox_of(kit, "bob");
	kit_append(kit, kit->inbox, MSG, F(STORE_SEEN));
	kit_append(kit, kit->inbox, MSG, 0);
	kit_append(kit, kit->inbox, MSG, 0);
	kit_flags(kit, kit->inbox, 2, 2, STORE_FLAGS_ADD, 0, "word");
	kit_append(kit, mb, MSG, F(STORE_DRAFT));
	store_background_wait(kit->store);
	store_mailbox_unref(&mb);
}

static bool
readable(uint32_t uid, enum ts_err err, struct str summary, void *arg)
{
	(void)arg;
	(void)uid;
	assert_int_equal(err, TS_OK);
	assert_true(summary.n > 0);
	return true;
}

/* The blobs and summaries of all messages exist. */
static void
check_contents(struct kit *kit, struct store_mailbox *mb)
{
	struct store_message m[10];
	size_t n;

	store_mailbox_read_begin(mb);
	n = store_mailbox_window(mb, NULL, 0, m, 10);
	store_mailbox_read_end(mb);
	for (size_t i = 0; i < n; i++) {
		struct buf b = {0};

		assert_int_equal(store_read_blob(kit->store, m[i].blob, 0, 100, &b), TS_OK);
		assert_int_equal(b.n, sizeof MSG - 1);
		buf_fini(&b);
		store_read_summaries(mb, &m[i].uid, 1, readable, NULL);
	}
}

/* The number of keys of a kind, of accounts or of the store itself; through a second engine on an
 * image. */
static unsigned
count_keys(struct kit *kit, enum key_kind kind, bool own)
{
	struct engine_mem_disk *image = engine_mem_image(kit->disk);
	struct engine_options opt = {.own = image};
	struct engine *engine;
	struct str k, v;
	unsigned n = 0;
	char *text = NULL;

	assert_int_equal(engine_open(&engine_mem_class, &opt, &engine, &text), TS_OK);

	struct engine_iter *it = engine_iter_new(engine, STR_NONE, STR_NONE, false);

	while (engine_iter_next(it, &k, &v) == TS_OK)
		n += k.p[8] == (char)kind && (memcmp(k.p, "\0\0\0\0\0\0\0\0", 8) == 0) == own;
	engine_iter_free(&it);
	engine_close(&engine);
	engine_mem_disk_free(&image);
	return n;
}

static unsigned
keys(struct kit *kit, enum key_kind kind)
{
	return count_keys(kit, kind, false);
}

static unsigned
own_keys(struct kit *kit, enum key_kind kind)
{
	return count_keys(kit, kind, true);
}

static void
cut(enum store_change_kind kind)
{
	const char *ada_before = "1:S 2:[word] 3:", *bob_before = "1:R";
	const char *ada_after = kind == STORE_CHANGE_MOVE ? "3:" : ada_before;
	const char *bob_after = "1:R 2:S 3:[word]";
	struct kit kit = {0};
	struct images images = {0};
	struct store_mailbox *mb;
	unsigned done = 0;

	prepare_bob(&kit);
	mb = kit_inbox_of(&kit, "bob");
	images.disk = kit.disk;
	engine_mem_hook(kit.disk, take_image, &images);
	assert_int_equal(kit_move(&kit, kind, kit.inbox, mb, 1, 2), TS_OK);
	engine_mem_hook(kit.disk, NULL, NULL);
	kit_expect(kit.inbox, ada_after);
	kit_expect(mb, bob_after);
	store_mailbox_unref(&mb);
	images.image[images.n++] = engine_mem_image(kit.disk);
	assert_int_equal(images.n, kind == STORE_CHANGE_MOVE ? 6 : 4);
	for (unsigned i = 0; i < images.n; i++) {
		struct buf b = {0};

		kit_on(&kit, images.image[i]);
		mb = kit_inbox_of(&kit, "bob");
		kit_show(mb, &b);
		if (strcmp(buf_cstr(&b), bob_before) == 0) {
			kit_expect(kit.inbox, ada_before);
			assert_int_equal(done, 0);
		} else {
			assert_string_equal(buf_cstr(&b), bob_after);
			kit_expect(kit.inbox, ada_after);
			done++;
		}
		store_background_wait(kit.store);
		check_contents(&kit, mb);
		check_contents(&kit, kit.inbox);
		/* No intent, claim or queue is left; a shared blob has two holders. */
		assert_int_equal(keys(&kit, KEY_INTENT), 0);
		assert_int_equal(own_keys(&kit, KEY_INTENT), 0);
		assert_int_equal(own_keys(&kit, KEY_CLAIM), 0);
		if (done > 0)
			assert_int_equal(
			    own_keys(&kit, KEY_HOLDER), kind == STORE_CHANGE_MOVE ? 2 : 4);
		assert_int_equal(keys(&kit, KEY_QUEUE), 0);
		assert_int_equal(
		    keys(&kit, KEY_REF), 4 + 2 * (done > 0) * (kind == STORE_CHANGE_COPY));

		store_mailbox_unref(&mb);
		buf_fini(&b);
	}
	assert_true(done > 0 && done < images.n);
	kit_close(&kit);
}

static void
cut_copy(void **state)
{
	(void)state;
	cut(STORE_CHANGE_COPY);
}

static void
cut_move(void **state)
{
	(void)state;
	cut(STORE_CHANGE_MOVE);
}

/* After a refused import there is neither intent nor claim, and the messages are where they were.
 * So their bytes go with them. */
static void
assert_released(struct kit *kit)
{
	struct store_mailbox *mb = kit_inbox_of(kit, "bob");
	struct store_message m[3];
	struct buf none = {0};

	store_background_wait(kit->store);
	kit_expect(kit->inbox, "1:S 2:[word] 3:");
	kit_expect(mb, "1:R[his]");
	assert_int_equal(keys(kit, KEY_INTENT), 0);
	assert_int_equal(own_keys(kit, KEY_INTENT), 0);
	assert_int_equal(own_keys(kit, KEY_CLAIM), 0);
	assert_int_equal(keys(kit, KEY_QUEUE), 0);
	assert_int_equal(keys(kit, KEY_REF), 4);
	store_mailbox_read_begin(kit->inbox);
	assert_int_equal(store_mailbox_window(kit->inbox, NULL, 0, m, 3), 3);
	store_mailbox_read_end(kit->inbox);
	kit_flags(kit, kit->inbox, 1, 2, STORE_FLAGS_ADD, F(STORE_DELETED), NULL);
	assert_int_equal(kit_expunge(kit, kit->inbox), TS_OK);
	store_background_wait(kit->store);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(
		    store_read_blob(kit->store, m[i].blob, 0, 100, &none), TS_NOT_FOUND);
	assert_int_equal(store_read_blob(kit->store, m[2].blob, 0, 100, &none), TS_OK);
	buf_fini(&none);
	store_mailbox_unref(&mb);
}

/* Bob's INBOX has as many keywords as it may have. */
static void
prepare_full_bob(struct kit *kit)
{
	struct store_mailbox *mb;

	prepare_bob(kit);
	kit->opt.max_keywords = 1;
	kit_reopen(kit);
	mb = kit_inbox_of(kit, "bob");
	kit_flags(kit, mb, 1, 1, STORE_FLAGS_ADD, 0, "his");
	store_background_wait(kit->store);
	store_mailbox_unref(&mb);
}

enum after { GOES_ON, CRASHES, CLOSES };

static void
refused_import(enum store_change_kind kind, enum after after)
{
	struct kit kit = {0};
	struct images images = {0};
	struct store_mailbox *mb;

	prepare_full_bob(&kit);
	mb = kit_inbox_of(&kit, "bob");
	images.disk = kit.disk;
	engine_mem_hook(kit.disk, take_image, &images);
	assert_int_equal(kit_move(&kit, kind, kit.inbox, mb, 1, 2), TS_LIMIT);
	engine_mem_hook(kit.disk, NULL, NULL);
	assert_int_equal(images.n, 2); /* the export and the abort */
	store_mailbox_unref(&mb);
	if (after == CRASHES)
		kit_on(&kit, images.image[1]);
	else if (after == CLOSES)
		kit_reopen(&kit);
	assert_released(&kit);
	for (unsigned i = 0; i < images.n; i++)
		if (images.image[i] != kit.disk)
			engine_mem_disk_free(&images.image[i]);
	kit_close(&kit);
}

static enum ts_err
full_after_the_first(const struct engine_batch *batch, void *arg)
{
	(void)batch;
	return ++*(unsigned *)arg == 1 ? TS_OK : TS_FULL;
}

/* The export was the last batch that could be written: import and abort are both refused, and the
 * background releases the claims once there is room again. */
static void
refused_abort(enum store_change_kind kind)
{
	struct kit kit = {0};
	struct store_mailbox *mb;
	unsigned n = 0;

	prepare_full_bob(&kit);
	mb = kit_inbox_of(&kit, "bob");
	engine_mem_hook(kit.disk, full_after_the_first, &n);
	assert_int_equal(kit_move(&kit, kind, kit.inbox, mb, 1, 2), TS_LIMIT);
	while (store_background_step(kit.store))
		continue;
	assert_true(n >= 2);
	assert_int_equal(own_keys(&kit, KEY_INTENT), 1);
	engine_mem_hook(kit.disk, NULL, NULL);
	store_mailbox_unref(&mb);
	assert_released(&kit);
	kit_close(&kit);
}

static void
refused(void **state)
{
	(void)state;
	for (enum after after = GOES_ON; after <= CLOSES; after++) {
		refused_import(STORE_CHANGE_COPY, after);
		refused_import(STORE_CHANGE_MOVE, after);
	}
	refused_abort(STORE_CHANGE_COPY);
	refused_abort(STORE_CHANGE_MOVE);
}

/* ---- one message, several handles ---- */

/*
 * The first recipient expunges the message before the second one gets it, and the collector skips
 * it.  used: the second one then gets the bytes; otherwise they go, without another visit.
 */
static void
shared_handle(uint64_t threshold, bool used)
{
	struct kit kit = {.opt.blob_threshold = threshold};
	struct store_upload *first, *second;
	struct store_mailbox *mb;
	struct store_message m;
	struct buf b = {0};

	kit_open(&kit, 0);
	mb = kit_inbox_of(&kit, "bob");
	first = kit_upload(&kit, STR(MSG));
	second = store_upload_share(first);
	assert_int_equal(kit_append_upload(&kit, kit.inbox, first), TS_OK);
	store_mailbox_read_begin(kit.inbox);
	assert_true(store_mailbox_message(kit.inbox, 1, &m));
	store_mailbox_read_end(kit.inbox);
	kit_flags(&kit, kit.inbox, 1, 1, STORE_FLAGS_ADD, F(STORE_DELETED), NULL);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	store_background_wait(kit.store);
	assert_int_equal(keys(&kit, KEY_QUEUE), 1);
	assert_int_equal(store_read_blob(kit.store, m.blob, 0, 100, &b), TS_OK);
	if (used)
		assert_int_equal(kit_append_upload(&kit, mb, second), TS_OK);
	else
		store_upload_free(&second);
	store_background_wait(kit.store);
	assert_int_equal(keys(&kit, KEY_QUEUE), 0);
	assert_int_equal(
	    store_read_blob(kit.store, m.blob, 0, 100, &b), used ? TS_OK : TS_NOT_FOUND);
	buf_fini(&b);
	store_mailbox_unref(&mb);
	kit_close(&kit);
}

static void
shared(void **state)
{
	(void)state;
	shared_handle(0, false);
	shared_handle(0, true);
	shared_handle(1, false);
	shared_handle(1, true);
}

/* A move was cut in two and its record is damaged: the store opens nevertheless. */
static void
damaged_intent(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *mb;
	struct key k;
	(void)state;

	prepare_bob(&kit);
	mb = kit_inbox_of(&kit, "bob");
	engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 2, TS_UNKNOWN, false);
	assert_int_equal(kit_move(&kit, STORE_CHANGE_MOVE, kit.inbox, mb, 1, 2), TS_UNKNOWN);
	store_mailbox_unref(&mb);
	key_begin(&k, 0, KEY_INTENT);
	key_be64(&k, 1);

	struct engine_mem_disk *image = engine_mem_image(kit.disk);

	assert_true(engine_mem_damage(image, key_str(&k)));
	kit_on(&kit, image);
	kit_expect(kit.inbox, "1:S 2:[word] 3:");
	kit_close(&kit);
}

/* ---- a transfer into an account whose holder of the message goes just now ---- */

struct comes {
	struct kit *kit;
	struct store_mailbox *source, *target;
	unsigned at; /* the look at which it begins; 0: none */
	unsigned looks, done;
};

static void
came(struct store_change *c)
{
	struct comes *w = c->arg;

	assert_int_equal(c->err, TS_OK);
	w->done++;
	store_change_free(&c);
}

static void
comes(void *arg)
{
	struct comes *w = arg;
	struct store_change *c;

	if (w->at == 0 || ++w->looks != w->at)
		return;
	c = store_change_new(
	    store_mailbox_account(w->target), STORE_CHANGE_COPY, w->kit->loop, came, w);
	c->source = w->source;
	c->mailbox = w->target;
	c->uids = kit_range(1, 1);
	store_submit(c);
	loop_fake_run(w->kit->loop);
}

static void
expunge_first(struct kit *kit, struct store_mailbox *mb, uint32_t uid)
{
	kit_flags(kit, mb, uid, uid, STORE_FLAGS_ADD, F(STORE_DELETED), NULL);
	assert_int_equal(kit_expunge(kit, mb), TS_OK);
}

/* Bob had a message of Ada's, and gets it again while his holder, or claim, is being removed.  Then
 * Ada expunges hers: he keeps his.  False: there were fewer looks. */
static bool
comes_again(unsigned at, bool claim)
{
	struct kit kit = {0};
	struct comes w = {.kit = &kit};
	unsigned n = 0;

	prepare_full_bob(&kit);
	kit.opt.looked = comes;
	kit.opt.looked_arg = &w;
	kit_reopen(&kit);
	w.source = kit.inbox;
	w.target = kit_inbox_of(&kit, "bob");
	if (claim) { /* the import is refused, and so is what would end it */
		engine_mem_hook(kit.disk, full_after_the_first, &n);
		assert_int_equal(
		    kit_move(&kit, STORE_CHANGE_COPY, w.source, w.target, 1, 2), TS_LIMIT);
		engine_mem_hook(kit.disk, NULL, NULL);
	} else {
		assert_int_equal(
		    kit_move(&kit, STORE_CHANGE_COPY, w.source, w.target, 1, 1), TS_OK);
		store_background_wait(kit.store);
		expunge_first(&kit, w.target, 2);
	}
	w.at = at;
	store_background_wait(kit.store);
	w.at = 0;
	loop_fake_run(kit.loop);
	store_background_wait(kit.store);
	expunge_first(&kit, w.source, 1);
	store_background_wait(kit.store);
	check_contents(&kit, w.target);
	assert_int_equal(w.done, w.looks >= at);
	store_mailbox_unref(&w.target);
	kit_close(&kit);
	return w.done > 0;
}

static void
comes_while_it_goes(void **state)
{
	unsigned at;
	(void)state;

	for (at = 1; comes_again(at, false); at++)
		continue;
	assert_true(at > 2);
	for (at = 1; comes_again(at, true); at++)
		continue;
	assert_true(at > 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(cut_copy),
	    cmocka_unit_test(cut_move),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(shared),
	    cmocka_unit_test(damaged_intent),
	    cmocka_unit_test(comes_while_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
