/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind of change, one after another, without threads; then the same read from disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "kit.h"
#include "store/engine/rocks/rocks.h"

#define F(flag) (1u << (flag))
#define MSG "From: a@b.example\r\nSubject: one\r\n\r\nHello\r\n"

static void
append_and_flags(void **state)
{
	struct kit kit = {0};
	struct store_counters c;
	(void)state;

	kit_open(&kit, 0);
	assert_int_equal(kit_append(&kit, kit.inbox, MSG, F(STORE_SEEN)), 1);
	assert_int_equal(kit_append(&kit, kit.inbox, MSG, 0), 2);
	assert_int_equal(kit_append(&kit, kit.inbox, MSG, F(STORE_DELETED)), 3);
	kit_expect(kit.inbox, "1:S 2: 3:D");
	assert_int_equal(
	    kit_flags(&kit, kit.inbox, 2, 9, STORE_FLAGS_ADD, F(STORE_FLAGGED), "$Todo"), TS_OK);
	kit_expect(kit.inbox, "1:S 2:F[$Todo] 3:FD[$Todo]");
	assert_int_equal(
	    kit_flags(&kit, kit.inbox, 1, 2, STORE_FLAGS_REPLACE, F(STORE_DRAFT), "$TODO"), TS_OK);
	kit_expect(kit.inbox, "1:R[$Todo] 2:R[$Todo] 3:FD[$Todo]");
	assert_int_equal(
	    kit_flags(&kit, kit.inbox, 1, 1, STORE_FLAGS_REMOVE, F(STORE_DRAFT), "$todo"), TS_OK);
	kit_expect(kit.inbox, "1: 2:R[$Todo] 3:FD[$Todo]");
	store_mailbox_counters(kit.inbox, &c);
	assert_int_equal(c.messages, 3);
	assert_int_equal(c.unseen, 3);
	assert_int_equal(c.deleted, 1);
	assert_int_equal(c.deleted_size, sizeof MSG - 1);
	assert_int_equal(c.size, 3 * (sizeof MSG - 1));
	assert_int_equal(c.recent, 3);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	kit_expect(kit.inbox, "1: 2:R[$Todo]");
	kit_crash(&kit);
	kit_expect(kit.inbox, "1: 2:R[$Todo]");
	assert_int_equal(kit_append(&kit, kit.inbox, MSG, 0), 4);
	store_mailbox_counters(kit.inbox, &c);
	assert_int_equal(c.messages, 3);
	assert_int_equal(c.deleted, 0);
	assert_int_equal(c.deleted_size, 0);
	kit_close(&kit);
}

static void
nothing_to_do(void **state)
{
	struct kit kit = {0};
	uint64_t commits;
	struct store_counters before, after;
	(void)state;

	kit_open(&kit, 0);
	kit_append(&kit, kit.inbox, MSG, F(STORE_SEEN));
	store_background_wait(kit.store);
	commits = engine_mem_count(kit.disk, ENGINE_MEM_COMMIT);
	store_mailbox_counters(kit.inbox, &before);
	assert_int_equal(
	    kit_flags(&kit, kit.inbox, 1, 1, STORE_FLAGS_ADD, F(STORE_SEEN), NULL), TS_OK);
	/* A keyword that no message gets is not made. */
	assert_int_equal(kit_flags(&kit, kit.inbox, 7, 9, STORE_FLAGS_ADD, 0, "none"), TS_OK);
	assert_int_equal(kit_flags(&kit, kit.inbox, 1, 9, STORE_FLAGS_REMOVE, 0, "none"), TS_OK);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	store_mailbox_counters(kit.inbox, &after);
	assert_int_equal(before.modseq, after.modseq);
	assert_int_equal(engine_mem_count(kit.disk, ENGINE_MEM_COMMIT), commits);
	store_mailbox_read_begin(kit.inbox);
	assert_int_equal(store_mailbox_keyword_find(kit.inbox, STR("none")), -1);
	store_mailbox_read_end(kit.inbox);
	kit_close(&kit);
}

static void
unchanged_since(void **state)
{
	struct kit kit = {0};
	struct store_change *c;
	(void)state;

	kit_open(&kit, 0);
	for (int i = 0; i < 3; i++)
		kit_append(&kit, kit.inbox, MSG, 0);

	struct store_counters now;
	store_mailbox_counters(kit.inbox, &now);
	kit_flags(&kit, kit.inbox, 2, 2, STORE_FLAGS_ADD, F(STORE_SEEN), NULL);
	c = kit_change(&kit, STORE_CHANGE_FLAGS);
	c->mailbox = kit.inbox;
	c->mode = STORE_FLAGS_ADD;
	c->flags.w[0] = F(STORE_FLAGGED);
	c->check_unchanged = true;
	c->unchanged_since = now.modseq;
	assert_int_equal(kit_run(&kit, &c), TS_OK);
	assert_int_equal(roaring_bitmap_get_cardinality(c->failed), 1);
	assert_true(roaring_bitmap_contains(c->failed, 2));
	assert_int_equal(roaring_bitmap_get_cardinality(c->affected), 2);
	assert_int_equal(c->modseq, now.modseq + 2);
	store_change_free(&c);
	kit_expect(kit.inbox, "1:F 2:S 3:F");

	roaring_bitmap_t *set = roaring_bitmap_create();
	store_mailbox_read_begin(kit.inbox);
	store_mailbox_changed_since(kit.inbox, now.modseq, set);
	assert_int_equal(roaring_bitmap_get_cardinality(set), 3);
	roaring_bitmap_clear(set);
	store_mailbox_changed_since(kit.inbox, now.modseq + 1, set);
	assert_int_equal(roaring_bitmap_get_cardinality(set), 2);
	store_mailbox_read_end(kit.inbox);
	roaring_bitmap_free(set);
	kit_close(&kit);
}

static bool
check_summary(uint32_t uid, enum ts_err err, struct str summary, void *arg)
{
	unsigned *n = arg;

	(void)uid;
	assert_int_equal(err, TS_OK);
	assert_true(summary.n > 0);
	++*n;
	return true;
}

static void
copy_and_move(void **state)
{
	struct kit kit = {0};
	struct store_message m, m2;
	struct buf b = {0};
	unsigned n = 0;
	(void)state;

	kit_open(&kit, 0);
	for (int i = 0; i < 6; i++)
		kit_append(&kit, kit.inbox, MSG, i % 2 ? F(STORE_SEEN) : 0);
	kit_flags(&kit, kit.inbox, 2, 3, STORE_FLAGS_ADD, 0, "work");
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Box", NULL), TS_OK);

	struct store_mailbox *box = kit_mailbox(kit.account, "Box");

	assert_int_equal(kit_move(&kit, STORE_CHANGE_COPY, kit.inbox, box, 1, 3), TS_OK);
	kit_expect(box, "1: 2:S[work] 3:[work]");
	assert_int_equal(kit_move(&kit, STORE_CHANGE_MOVE, kit.inbox, box, 3, 5), TS_OK);
	kit_expect(box, "1: 2:S[work] 3:[work] 4:[work] 5:S 6:");
	kit_expect(kit.inbox, "1: 2:S[work] 6:S");
	/* Onto itself: new UIDs. */
	assert_int_equal(kit_move(&kit, STORE_CHANGE_MOVE, box, box, 1, 2), TS_OK);
	kit_expect(box, "3:[work] 4:[work] 5:S 6: 7: 8:S[work]");
	store_background_wait(kit.store);
	kit_expect(box, "3:[work] 4:[work] 5:S 6: 7: 8:S[work]");
	store_read_summaries(box, (uint32_t[]){3, 4, 5, 6, 7, 8}, 6, check_summary, &n);
	assert_int_equal(n, 6);
	/* The copy has the original's blob. */
	store_mailbox_read_begin(box);
	assert_true(store_mailbox_message(box, 8, &m));
	store_mailbox_read_end(box);
	store_mailbox_read_begin(kit.inbox);
	assert_true(store_mailbox_message(kit.inbox, 2, &m2));
	store_mailbox_read_end(kit.inbox);
	assert_int_equal(m.blob, m2.blob);
	assert_int_equal(store_read_blob(kit.store, m.blob, 0, 1000, &b), TS_OK);
	assert_int_equal(b.n, sizeof MSG - 1);
	assert_memory_equal(b.p, MSG, b.n);
	/* When the last one is gone, so is the blob. */
	kit_flags(&kit, kit.inbox, 2, 2, STORE_FLAGS_ADD, F(STORE_DELETED), NULL);
	kit_expunge(&kit, kit.inbox);
	store_background_wait(kit.store);
	b.n = 0;
	assert_int_equal(store_read_blob(kit.store, m.blob, 0, 1000, &b), TS_OK);
	kit_flags(&kit, box, 8, 8, STORE_FLAGS_ADD, F(STORE_DELETED), NULL);
	kit_expunge(&kit, box);
	store_background_wait(kit.store);
	assert_int_equal(store_read_blob(kit.store, m.blob, 0, 1000, &b), TS_NOT_FOUND);
	buf_fini(&b);
	store_mailbox_unref(&box);
	kit_close(&kit);
}

static struct store_change *
record(struct kit *kit, const char *key, const char *value, bool new, bool exist)
{
	struct store_change *c = store_change_new_records(kit->store, kit->loop, NULL, NULL);

	c->record_count = 1;
	c->records = arena_array(c->arena, 1, sizeof *c->records);
	c->records[0].key = str_of(key);
	c->records[0].value = str_of(value);
	c->records[0].remove = value == NULL;
	c->records[0].must_be_new = new;
	c->records[0].must_exist = exist;
	return c;
}

static struct store_change *
swap(struct kit *kit, const char *key, const char *old, const char *value)
{
	struct store_change *c = record(kit, key, value, false, false);

	c->records[0].must_be = str_of(old);
	return c;
}

static bool
join(struct str key, struct str value, void *arg)
{
	buf_printf(arg, "%.*s=%.*s ", STR_ARG(key), STR_ARG(value));
	return true;
}

static void
records(void **state)
{
	struct kit kit = {0};
	struct buf b = {0};
	(void)state;

	kit_open(&kit, 0);
	assert_int_equal(kit_end(&kit, record(&kit, "u/ada", "1", true, false)), TS_OK);
	assert_int_equal(kit_end(&kit, record(&kit, "u/ada", "2", true, false)), TS_EXISTS);
	assert_int_equal(kit_end(&kit, record(&kit, "u/bob", "2", false, true)), TS_NOT_FOUND);
	assert_int_equal(kit_end(&kit, record(&kit, "u/bob", "3", false, false)), TS_OK);
	assert_int_equal(kit_end(&kit, record(&kit, "v/bob", "4", false, false)), TS_OK);
	assert_int_equal(kit_end(&kit, swap(&kit, "v/bob", "5", "6")), TS_CONDITION);
	assert_int_equal(kit_end(&kit, swap(&kit, "v/nobody", "5", "6")), TS_CONDITION);
	assert_int_equal(kit_end(&kit, swap(&kit, "v/bob", "4", "6")), TS_OK);
	assert_int_equal(kit_end(&kit, swap(&kit, "v/bob", "4", "7")), TS_CONDITION);
	assert_int_equal(kit_end(&kit, swap(&kit, "v/bob", "6", "4")), TS_OK);
	assert_int_equal(store_record_get(kit.store, STR("u/bob"), &b), TS_OK);
	assert_int_equal(b.n, 1);
	b.n = 0;
	assert_int_equal(store_record_list(kit.store, STR("u/"), join, &b), TS_OK);
	assert_string_equal(buf_cstr(&b), "u/ada=1 u/bob=3 ");
	assert_int_equal(kit_end(&kit, record(&kit, "u/ada", NULL, false, true)), TS_OK);
	kit_crash(&kit);
	b.n = 0;
	assert_int_equal(store_record_list(kit.store, STR(""), join, &b), TS_OK);
	assert_string_equal(buf_cstr(&b), "u/bob=3 v/bob=4 ");
	assert_int_equal(store_record_get(kit.store, STR("u/ada"), &b), TS_NOT_FOUND);
	buf_fini(&b);
	kit_close(&kit);
}

static void
recent(void **state)
{
	struct kit kit = {0};
	struct store_counters c;
	(void)state;

	kit_open(&kit, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	assert_int_equal(kit_claim(kit.inbox), 0);
	assert_int_equal(kit_claim(kit.inbox), 2);
	kit_append(&kit, kit.inbox, MSG, 0);
	store_mailbox_counters(kit.inbox, &c);
	assert_int_equal(c.recent, 1);
	kit_crash(&kit);
	assert_int_equal(kit_recent_mark(kit.inbox), 2);
	assert_int_equal(kit_claim(kit.inbox), 2);
	kit_close(&kit);
}

static void
limits(void **state)
{
	struct kit kit = {0};
	struct store_change *c;
	struct str words[200];
	char text[200][8];
	(void)state;

	kit_open(&kit, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	for (int i = 0; i < 200; i++)
		words[i] = (struct str){text[i], (size_t)snprintf(text[i], 8, "k%d", i)};
	c = kit_change(&kit, STORE_CHANGE_FLAGS);
	c->mailbox = kit.inbox;
	c->keywords = words;
	c->keyword_count = 129;
	assert_int_equal(kit_end(&kit, c), TS_LIMIT);
	kit_expect(kit.inbox, "1:");
	c = kit_change(&kit, STORE_CHANGE_FLAGS);
	c->mailbox = kit.inbox;
	c->keywords = words;
	c->keyword_count = 128;
	assert_int_equal(kit_end(&kit, c), TS_OK);
	assert_int_equal(kit_flags(&kit, kit.inbox, 1, 1, STORE_FLAGS_ADD, 0, "more"), TS_LIMIT);
	kit.opt.max_mailboxes = 2; /* INBOX is one */
	kit_reopen(&kit);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "a", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "b", NULL), TS_LIMIT);
	kit_close(&kit);
}

static bool
count_parts(uint32_t uid, enum ts_err err, struct str bytes, void *arg)
{
	struct mail_summary s;
	(void)uid;

	assert_int_equal(err, TS_OK);
	assert_int_equal(mail_summary_open(bytes, &s), TS_OK);
	*(uint32_t *)arg = s.part_count;
	return true;
}

static uint32_t
parts_of(struct kit *kit, uint32_t uid)
{
	uint32_t parts = 0;

	store_read_summaries(kit->inbox, &uid, 1, count_parts, &parts);
	return parts;
}

/* opt.mail and opt.copy_memory */
static void
limits_of_messages(void **state)
{
	struct kit kit = {0};
	struct store_mailbox *box;
	struct buf text = {0};
	uint32_t uid;
	(void)state;

	buf_puts(&text, "Content-Type: multipart/mixed; boundary=x\r\n\r\n");
	for (int i = 0; i < 50; i++)
		buf_puts(&text, "--x\r\n\r\ntext\r\n");
	kit_open(&kit, 0);
	uid = kit_append(&kit, kit.inbox, buf_cstr(&text), 0);
	assert_int_equal(parts_of(&kit, uid), 51);
	kit.opt.mail.parts = 20;
	kit.opt.copy_memory = 4000;
	kit_reopen(&kit);
	uid = kit_append(&kit, kit.inbox, buf_cstr(&text), 0);
	assert_int_equal(parts_of(&kit, uid), 20);
	kit_name(&kit, STORE_CHANGE_CREATE, "box", NULL);
	box = kit_mailbox(kit.account, "box");
	/* All or nothing */
	assert_int_equal(kit_move(&kit, STORE_CHANGE_COPY, kit.inbox, box, 1, 2), TS_LIMIT);
	assert_int_equal(kit_move(&kit, STORE_CHANGE_MOVE, kit.inbox, box, 1, 2), TS_LIMIT);
	kit_expect(box, "");
	kit_expect(kit.inbox, "1: 2:");
	kit.opt.copy_memory = 1 << 20;
	store_mailbox_unref(&box);
	kit_reopen(&kit);
	box = kit_mailbox(kit.account, "box");
	assert_int_equal(kit_move(&kit, STORE_CHANGE_MOVE, kit.inbox, box, 1, 2), TS_OK);
	kit_expect(box, "1: 2:");
	store_mailbox_unref(&box);
	buf_fini(&text);
	kit_close(&kit);
}

/* What a session asks to find out whether somebody else made a change in between. */
static void
prior_modseq(void **state)
{
	struct kit kit = {0};
	struct store_change *c[2];
	struct store_counters before;
	(void)state;

	kit_open(&kit, 0);
	for (int i = 0; i < 3; i++)
		kit_append(&kit, kit.inbox, MSG, 0);
	store_mailbox_counters(kit.inbox, &before);
	kit_flags(&kit, kit.inbox, 2, 2, STORE_FLAGS_ADD, F(STORE_SEEN), NULL);
	/* Two in one batch: the second sees what the first did. */
	for (int i = 0; i < 2; i++) {
		c[i] = kit_change(&kit, STORE_CHANGE_FLAGS);
		c[i]->mailbox = kit.inbox;
		c[i]->mode = STORE_FLAGS_ADD;
		c[i]->flags.w[0] = i == 0 ? F(STORE_FLAGGED) : F(STORE_DRAFT);
		c[i]->uids = kit_range(i == 0 ? 1 : 2, i == 0 ? 1 : 9);
		store_submit(c[i]);
	}
	loop_fake_run(kit.loop);
	assert_int_equal(c[0]->prior_modseq, before.modseq - 2);
	assert_int_equal(c[1]->prior_modseq, before.modseq + 1);
	store_change_free(&c[0]);
	store_change_free(&c[1]);

	for (int i = 0; i < 2; i++) {
		c[i] = kit_change(&kit, STORE_CHANGE_FLAGS);
		c[i]->mailbox = kit.inbox;
		c[i]->mode = STORE_FLAGS_ADD;
		c[i]->flags.w[0] = i == 0 ? F(STORE_ANSWERED) : F(STORE_DELETED);
		c[i]->uids = kit_range(1, i == 0 ? 1 : 9);
		store_submit(c[i]);
	}
	loop_fake_run(kit.loop);
	assert_int_equal(c[0]->prior_modseq, before.modseq + 2);
	assert_int_equal(c[1]->prior_modseq, before.modseq + 4);
	store_change_free(&c[0]);
	store_change_free(&c[1]);
	kit_close(&kit);
}

/* A reloaded state does not show claimed messages as recent. */
static void
recent_evicted(void **state)
{
	struct kit kit = {0};
	struct store_stats stats;
	(void)state;

	kit_open(&kit, 0);
	kit.opt.state_budget = 1;
	kit_reopen(&kit); /* loading INBOX requests an eviction, which waits for the background */
	kit_name(&kit, STORE_CHANGE_CREATE, "Box", NULL);

	struct store_mailbox *box = kit_mailbox(kit.account, "Box");

	kit_append(&kit, box, MSG, 0);
	assert_int_equal(kit_claim(box), 0);
	store_mailbox_unref(&box);
	store_background_wait(kit.store);
	store_stats(kit.store, &stats);
	assert_int_equal(stats.mailboxes_loaded, 1);
	box = kit_mailbox(kit.account, "Box");
	assert_int_equal(kit_claim(box), 1);
	store_mailbox_unref(&box);
	kit_close(&kit);
}

static struct store_change *
identity(struct kit *kit, const char *name, struct store_mailbox *old, uint32_t uidvalidity)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_CREATE);

	c->name = str_of(name);
	c->mailbox = old;
	c->wish_uidvalidity = uidvalidity;
	return c;
}

static enum ts_err
append_as(struct kit *kit, struct store_mailbox *mb, uint32_t first, uint32_t second)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_APPEND);

	c->mailbox = mb;
	c->item_count = 2;
	c->items = arena_array(c->arena, 2, sizeof *c->items);
	for (int i = 0; i < 2; i++)
		c->items[i].upload = kit_upload(kit, STR(MSG));
	c->items[0].uid = first;
	c->items[1].uid = second;
	c->items[1].savedate = 12345;
	return kit_end(kit, c);
}

static enum ts_err
raise_to(struct kit *kit, struct store_mailbox *mb, uint32_t uidnext, uint64_t modseq)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_RAISE);

	c->mailbox = mb;
	c->wish_uidnext = uidnext;
	c->wish_modseq = modseq;
	return kit_end(kit, c);
}

static void
wished_uids(struct kit *kit)
{
	struct store_counters c;
	struct store_message m;

	assert_int_equal(append_as(kit, kit->inbox, 7, 7), TS_INVALID);
	assert_int_equal(append_as(kit, kit->inbox, 7, 6), TS_INVALID);
	assert_int_equal(append_as(kit, kit->inbox, 7, UINT32_MAX), TS_LIMIT);
	kit_expect(kit->inbox, "");
	assert_int_equal(append_as(kit, kit->inbox, 7, 0), TS_OK);
	assert_int_equal(append_as(kit, kit->inbox, 8, 0), TS_INVALID);
	assert_int_equal(append_as(kit, kit->inbox, 0, 3000), TS_OK);
	for (int i = 0; i < 3; i++) {
		kit_expect(kit->inbox, "7: 8: 9: 3000:");
		store_mailbox_counters(kit->inbox, &c);
		assert_int_equal(c.uidnext, i == 0 ? 3001 : 5000);
		assert_int_equal(c.messages, 4);
		assert_int_equal(c.modseq, i == 0 ? 3 : 900000000000);
		store_mailbox_read_begin(kit->inbox);
		assert_true(store_mailbox_message(kit->inbox, 3000, &m));
		store_mailbox_read_end(kit->inbox);
		assert_int_equal(m.savedate, 12345);
		assert_int_equal(raise_to(kit, kit->inbox, 5000, 900000000000), TS_OK);
		assert_int_equal(raise_to(kit, kit->inbox, 1, 1), TS_OK);
		assert_int_equal(raise_to(kit, kit->inbox, 1, UINT64_MAX), TS_INVALID);
		if (i == 0)
			kit_reopen(kit);
		store_background_wait(kit->store);
	}
	assert_int_equal(kit_append(kit, kit->inbox, MSG, 0), 5000);
	kit_reopen(kit);
	kit_expect(kit->inbox, "7: 8: 9: 3000: 5000:");
}

static void
wished_mailbox(struct kit *kit)
{
	struct store_change *c = identity(kit, "INBOX", NULL, 77);
	struct store_counters n;
	uint64_t modseq = 1000000;
	roaring_bitmap_t *set = roaring_bitmap_create();

	assert_int_equal(kit_end(kit, c), TS_EXISTS);
	c = identity(kit, "INBOX", kit->inbox, 77);
	c->wish_modseq = modseq;
	c->use = STORE_USE_ALL;
	assert_int_equal(kit_run(kit, &c), TS_OK);
	assert_int_equal(c->uidvalidity, 77);
	store_change_free(&c);
	assert_true(store_mailbox_gone(kit->inbox));
	store_mailbox_unref(&kit->inbox);
	kit->inbox = kit_mailbox(kit->account, "INBOX");
	for (int i = 0; i < 2; i++) {
		store_mailbox_counters(kit->inbox, &n);
		assert_int_equal(n.uidvalidity, 77);
		assert_int_equal(n.modseq, modseq + (unsigned)i);
		store_mailbox_read_begin(kit->inbox);
		assert_int_equal(store_mailbox_expunged_since(kit->inbox, 1, set), modseq);
		store_mailbox_read_end(kit->inbox);
		if (i == 0)
			assert_int_equal(kit_append(kit, kit->inbox, MSG, 0), 1);
		kit_reopen(kit);
	}
	roaring_bitmap_free(set);
	/* It has had a message. */
	assert_int_equal(kit_end(kit, identity(kit, "INBOX", kit->inbox, 78)), TS_EXISTS);
}

static void
wished_again(struct kit *kit)
{
	assert_int_equal(kit_end(kit, identity(kit, "w", NULL, 500)), TS_OK);
	assert_int_equal(kit_uidvalidity(kit, "w"), 500);
	assert_int_equal(kit_name(kit, STORE_CHANGE_DELETE, "w", NULL), TS_OK);
	/* Never the same for a name twice, and never a lower one, even after a restart. */
	kit_reopen(kit);
	for (uint32_t wish = 499; wish <= 501; wish++) {
		struct store_change *c = identity(kit, "w", NULL, wish);

		assert_int_equal(kit_run(kit, &c), TS_OK);
		if (wish == 501)
			assert_int_not_equal(c->uidvalidity, wish);
		else
			assert_true(c->uidvalidity > 501);
		store_change_free(&c);
		assert_int_equal(kit_name(kit, STORE_CHANGE_DELETE, "w", NULL), TS_OK);
	}
	/* Those of new mailboxes are above. */
	assert_int_equal(kit_end(kit, identity(kit, "v", NULL, 3000000000u)), TS_OK);
	assert_int_equal(kit_uidvalidity(kit, "v"), 3000000000u);
	assert_int_equal(kit_name(kit, STORE_CHANGE_CREATE, "u", NULL), TS_OK);
	assert_int_equal(kit_uidvalidity(kit, "u"), 3000000001u);
	assert_int_equal(kit_end(kit, identity(kit, "t", NULL, UINT32_MAX)), TS_OK);
	assert_int_equal(kit_uidvalidity(kit, "t"), 3000000002u);
}

static void
wishes(void **state)
{
	const struct engine_class *engines[] = {NULL, &engine_rocks_class};
	(void)state;

	for (unsigned i = 0; i < 2; i++)
		for (unsigned part = 0; part < 3; part++) {
			struct kit kit = {.opt = {.engine = engines[i], .fold_after = 2}};

			kit_open(&kit, 0);
			(part == 0 ? wished_uids : part == 1 ? wished_mailbox : wished_again)(&kit);
			kit_close(&kit);
		}
}

/* A message expunged under a pin is readable until the pin is freed or expires. */
static void
pins(void **state)
{
	struct kit kit = {0};
	struct store_message m = {0};
	struct store_pin *pin, *second;
	struct buf body = {0};
	(void)state;

	kit_open(&kit, 0);
	kit_append(&kit, kit.inbox, MSG, F(STORE_DELETED));
	store_background_wait(kit.store);
	pin = store_pin_new(kit.store, 60);
	second = store_pin_new(kit.store, 60);
	store_mailbox_read_begin(kit.inbox);
	assert_true(store_mailbox_message(kit.inbox, 1, &m));
	store_mailbox_read_end(kit.inbox);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	store_background_wait(kit.store);
	assert_true(store_pin_renew(pin, 60));
	store_pin_free(&pin);
	store_background_wait(kit.store);
	assert_int_equal(store_read_blob(kit.store, m.blob, 0, 1000, &body), TS_OK);
	assert_string_equal(buf_cstr(&body), MSG);
	/* Expires at once. */
	assert_true(store_pin_renew(second, 0));
	assert_false(store_pin_renew(second, 60));
	store_background_wait(kit.store);
	assert_int_equal(store_read_blob(kit.store, m.blob, 0, 1000, &body), TS_NOT_FOUND);
	store_pin_free(&second);
	buf_fini(&body);
	kit_close(&kit);
}

/* A change within bounds, submitted and waited for. */
static void
bounded(struct kit *kit, enum store_change_kind kind, struct store_mailbox *source,
    struct store_mailbox *target, uint64_t system, bool keywords)
{
	static const struct str word = {"word", 4};
	struct store_change *c =
	    store_change_new(store_mailbox_account(target), kind, kit->loop, NULL, NULL);

	c->mailbox = target;
	c->source = source;
	c->uids = kit_range(1, 2);
	c->bounds = (struct store_flag_bounds){true, keywords, system};
	c->mode = STORE_FLAGS_REPLACE;
	store_flags_set(&c->flags, STORE_ANSWERED);
	c->keywords = &word;
	c->keyword_count = kind == STORE_CHANGE_FLAGS ? 1 : 0;
	assert_int_equal(kit_end(kit, c), TS_OK);
}

/* RFC 4314 section 4: flags that may not be set are neither given nor changed. */
static void
flag_bounds(void **state)
{
	const uint64_t seen = 1u << STORE_SEEN, answered = 1u << STORE_ANSWERED;
	struct kit kit = {0};
	struct store_account *other;
	struct store_mailbox *box, *far;
	(void)state;

	kit_open(&kit, 0);
	kit_append(&kit, kit.inbox, MSG, F(STORE_SEEN) | F(STORE_DELETED));
	kit_append(&kit, kit.inbox, MSG, F(STORE_FLAGGED));
	kit_flags(&kit, kit.inbox, 2, 2, STORE_FLAGS_ADD, 0, "work");
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Box", NULL), TS_OK);
	box = kit_mailbox(kit.account, "Box");
	assert_int_equal(store_account_load(kit.store, STR("bob"), true, &other), TS_OK);
	far = kit_mailbox(other, "INBOX");

	bounded(&kit, STORE_CHANGE_COPY, kit.inbox, box, seen, false);
	kit_expect(box, "1:S 2:");
	/* To another account, in several steps. */
	bounded(&kit, STORE_CHANGE_COPY, kit.inbox, far, seen, true);
	kit_expect(far, "1:S 2:[work]");
	bounded(&kit, STORE_CHANGE_MOVE, kit.inbox, box, 0, false);
	kit_expect(box, "1:S 2: 3: 4:");

	/* Replaced within bounds: the others stay; a keyword that may not be set is not made. */
	bounded(&kit, STORE_CHANGE_FLAGS, NULL, far, answered, false);
	kit_expect(far, "1:AS 2:A[work]");
	store_mailbox_read_begin(far);
	assert_int_equal(store_mailbox_keyword_find(far, STR("word")), -1);
	store_mailbox_read_end(far);
	bounded(&kit, STORE_CHANGE_FLAGS, NULL, far, seen, true);
	kit_expect(far, "1:A[word] 2:A[word]");
	store_mailbox_unref(&box);
	store_mailbox_unref(&far);
	store_account_unref(&other);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(append_and_flags),
	    cmocka_unit_test(flag_bounds),
	    cmocka_unit_test(nothing_to_do),
	    cmocka_unit_test(unchanged_since),
	    cmocka_unit_test(copy_and_move),
	    cmocka_unit_test(records),
	    cmocka_unit_test(recent),
	    cmocka_unit_test(limits),
	    cmocka_unit_test(limits_of_messages),
	    cmocka_unit_test(prior_modseq),
	    cmocka_unit_test(recent_evicted),
	    cmocka_unit_test(wishes),
	    cmocka_unit_test(pins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
