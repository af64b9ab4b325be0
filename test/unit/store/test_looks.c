/* SPDX-License-Identifier: Apache-2.0 */
/* An answer comes from one look, whatever happens between two looks. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "kit.h"

#include "store/memory/memory_int.h"

#define MSG "Subject: one\r\n\r\nHello\r\n"

struct wait {
	struct loop *loop;
	uint32_t uid;
};

static void
appended(struct store_change *c)
{
	struct wait *w = c->arg;

	assert_int_equal(c->err, TS_OK);
	w->uid = c->first_uid;
	store_change_free(&c);
	loop_stop(w->loop);
}

static void
append(struct kit *kit, struct store_mailbox *mb, struct wait *w)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_APPEND);

	c->mailbox = mb;
	c->item_count = 1;
	c->items = arena_array(c->arena, 1, sizeof *c->items);
	c->items[0].upload = kit_upload(kit, STR(MSG));
	c->loop = w->loop;
	c->done = appended;
	c->arg = w;
	store_submit(c);
}

/* Whoever sees a message in the mailbox also sees it in the list, even while the list is in use. */
static void
list_and_mailbox(void **state)
{
	struct wait w = {.loop = loop_new()};
	struct kit kit = {0};
	struct store_counters c;
	(void)state;

	kit_open(&kit, 1);
	pthread_rwlock_rdlock(&kit.account->lock);
	append(&kit, kit.inbox, &w);
	do {
		store_mailbox_counters(kit.inbox, &c);
		usleep(100);
	} while (c.messages == 0);
	assert_int_equal(mailbox_listed(kit.inbox).messages, 1);
	assert_int_equal(mailbox_listed(kit.inbox).recent, 1);
	pthread_rwlock_unlock(&kit.account->lock);
	loop_run(w.loop);
	/* The same for what is claimed. */
	assert_int_equal(store_mailbox_claim_begin(kit.inbox), 0);
	assert_int_equal(mailbox_listed(kit.inbox).recent, 0);
	store_mailbox_claim_end(kit.inbox);
	kit_close(&kit);
	loop_free(&w.loop);
}

/* ---- a name that means another mailbox before the one that was found is loaded */

struct swap {
	struct kit *kit;
	struct store_mailbox *other;
	struct wait wait;
	sem_t entered, go;
	_Atomic bool hold;
	bool armed;
};

static enum ts_err
commit(const struct engine_batch *batch, void *arg)
{
	struct swap *s = arg;

	(void)batch;
	if (atomic_exchange(&s->hold, false)) {
		sem_post(&s->entered);
		sem_wait(&s->go);
	}
	return TS_OK;
}

/* After the look: A becomes C, B becomes A, and B gets a message that is not yet on disk. */
static void
looked(void *arg)
{
	struct swap *s = arg;

	if (!s->armed)
		return;
	s->armed = false;
	assert_int_equal(kit_name(s->kit, STORE_CHANGE_RENAME, "A", "C"), TS_OK);
	assert_int_equal(kit_name(s->kit, STORE_CHANGE_RENAME, "B", "A"), TS_OK);
	atomic_store(&s->hold, true);
	append(s->kit, s->other, &s->wait);
	sem_wait(&s->entered);
}

static void
renamed_while_loading(void **state)
{
	struct kit kit = {0};
	struct swap s = {.kit = &kit, .wait.loop = loop_new()};
	struct store_mailbox_info info;
	struct store_mailbox *mb;
	(void)state;

	kit_open(&kit, 1);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "A", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "B", NULL), TS_OK);
	kit.opt.looked = looked;
	kit.opt.looked_arg = &s;
	kit_reopen(&kit);
	s.other = kit_mailbox(kit.account, "B");
	assert_int_equal(kit_append(&kit, s.other, MSG, 0), 1);
	store_background_wait(kit.store);
	assert_true(store_account_lookup(kit.account, STR("A"), &info));
	sem_init(&s.entered, 0, 0);
	sem_init(&s.go, 0, 0);
	engine_mem_hook(kit.disk, commit, &s);

	s.armed = true;
	assert_int_equal(store_mailbox_load(kit.account, STR("A"), &mb), TS_OK);
	sem_post(&s.go);
	loop_run(s.wait.loop);
	engine_mem_hook(kit.disk, NULL, NULL);
	/* The one that was found, whatever its name; nobody reread the other one. */
	assert_int_equal(store_mailbox_id(mb), info.id);
	assert_int_equal(s.wait.uid, 2);
	assert_int_equal(kit_append(&kit, s.other, MSG, 0), 3);
	kit_expect(s.other, "1: 2: 3:");
	kit_expect(mb, "");
	store_mailbox_unref(&mb);
	store_mailbox_unref(&s.other);
	kit_close(&kit);
	loop_free(&s.wait.loop);
	sem_destroy(&s.entered);
	sem_destroy(&s.go);
}

/* ---- freeing ---- */

struct last {
	struct kit *kit;
	struct store_mailbox *inbox;
	struct store_hold *hold;
	_Atomic bool armed;
};

/* Nobody holds the blob: now a hold begins, and the last reference goes. */
static void
expunges(void *arg)
{
	struct last *l = arg;
	roaring_bitmap_t *one = roaring_bitmap_from_range(1, 2, 1);

	if (!atomic_exchange(&l->armed, false)) {
		roaring_bitmap_free(one);
		return;
	}
	store_mailbox_read_begin(l->inbox);
	l->hold = store_hold_begin(l->inbox, one);
	store_mailbox_read_end(l->inbox);
	roaring_bitmap_free(one);
	assert_int_equal(kit_expunge(l->kit, l->inbox), TS_OK);
}

static void
held_while_collecting(void **state)
{
	struct kit kit = {0};
	struct last l = {.kit = &kit};
	struct store_mailbox *other;
	struct store_message m;
	struct buf text = {0};
	(void)state;

	kit_open(&kit, 1);
	kit.opt.looked = expunges;
	kit.opt.looked_arg = &l;
	kit_reopen(&kit);
	l.inbox = kit.inbox;
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Other", NULL), TS_OK);
	other = kit_mailbox(kit.account, "Other");
	assert_int_equal(kit_append(&kit, kit.inbox, MSG, 1u << STORE_DELETED), 1);
	assert_int_equal(kit_move(&kit, STORE_CHANGE_COPY, kit.inbox, other, 1, 1), TS_OK);
	store_background_wait(kit.store);
	/* The copy goes; while the collector handles it, so does the message itself. */
	atomic_store(&l.armed, true);
	assert_int_equal(kit_expunge(&kit, other), TS_OK);
	store_background_wait(kit.store);
	assert_false(atomic_load(&l.armed));
	store_mailbox_read_begin(kit.inbox);
	assert_int_equal(store_hold_window(l.hold, NULL, 1, &m, 1), 1);
	store_mailbox_read_end(kit.inbox);
	assert_int_equal(store_read_blob(kit.store, m.blob, 0, m.size, &text), TS_OK);
	assert_int_equal(text.n, strlen(MSG));
	store_hold_end(&l.hold);
	store_background_wait(kit.store);
	text.n = 0;
	assert_int_equal(store_read_blob(kit.store, m.blob, 0, m.size, &text), TS_NOT_FOUND);
	buf_fini(&text);
	store_mailbox_unref(&other);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(list_and_mailbox),
	    cmocka_unit_test(renamed_while_loading),
	    cmocka_unit_test(held_while_collecting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
