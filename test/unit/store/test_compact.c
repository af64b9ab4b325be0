/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compact rows and the columns read from them: they must agree with a plain look at each message's
 * summary, whatever rows exist.
 */
#include <pthread.h>
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
#include "store/disk/compact.h"
#include "store/memory/memory_int.h"

#define ALL ((1u << STORE_COLUMNS) - 1)
#define COUNT 700u

/* ---- odd messages ---- */

static const char *
one_of(const char *const *words, size_t n)
{
	return words[(size_t)random() % n];
}
#define ONE_OF(...)                                                                                \
	one_of((const char *const[]){__VA_ARGS__},                                                 \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* Some have long common beginnings: they differ after what a row holds, or after a further
 * window. */
static void
put_subject(struct buf *m)
{
	size_t same = random() % 3 == 0 ? 130 : random() % 3 == 0 ? 500 : 0;

	if (random() % 10 == 0)
		return;
	buf_printf(m, "Subject: %s%s", ONE_OF("", "Re: ", "RE[2]: ", "[list] ", "fwd: ", "re"),
	    ONE_OF("", "tea", "Tea", "Te\xc3\xa9", "=?utf-8?q?=E2=98=95?=", "TEA_", "[tea]"));
	for (size_t i = 0; i < same; i++)
		buf_putc(m, 'x');
	buf_printf(m, "%s%s\r\n", ONE_OF("", "", "a", "B", "b", "\xf0\x9f\x98\x80", "\xc3\xa9"),
	    ONE_OF("", " (fwd)", " ", "z"));
}

static void
put_address(struct buf *m, const char *field)
{
	if (random() % 5 == 0)
		return;
	buf_printf(m, "%s: %s\r\n", field,
	    ONE_OF("ann@a.test", "Bob <bob@b.test>, c@d", "\"J\xc3\xb6rg\" <joerg@c.test>",
	        "=?utf-8?q?J=C3=B6rg?= <j@d>", "", "group: x@y;", "Ann <\"ann\"@z>", "<@r:q@s>",
	        "nobody",
	        "\"Ann the second of a long line of people whose names are long\" <a@b>"));
}

static void
put_references(struct buf *m)
{
	long n = random() % 6 == 0 ? 90 + random() % 30 : random() % 4;

	buf_printf(
	    m, "Message-ID: %s%ld@x>\r\n", ONE_OF("<", "<m", "none", "<\"q\""), random() % 500);
	if (random() % 3 == 0)
		buf_printf(m, "In-Reply-To: your mail %s <m%ld@x>\r\n", ONE_OF("", "<bad>"),
		    random() % 500);
	if (n == 0)
		return;
	buf_puts(m, "References:");
	for (; n > 0; n--)
		buf_printf(m, " %s%ld@x>\r\n", ONE_OF("<m", "<", "<bad> <"), random() % 500);
}

static void
put_date(struct buf *m)
{
	if (random() % 6 == 0)
		return;
	buf_printf(m, "Date: %ld %s %ld %02ld:%02ld:00 %s\r\n", random() % 32,
	    ONE_OF("Jan", "Feb", "Xxx"), 1990 + random() % 3, random() % 26, random() % 60,
	    ONE_OF("+0000", "-0800", "EST", "nowhere", ""));
}

static void
odd_message(struct buf *m)
{
	m->n = 0;
	put_subject(m);
	put_date(m);
	put_address(m, "From");
	put_address(m, "To");
	put_address(m, "Cc");
	put_references(m);
	buf_puts(m, "\r\n");
	for (long n = random() % 20; n > 0; n--)
		buf_puts(m, "text\r\n");
}

static void
append(struct kit *kit, unsigned n)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_APPEND);
	struct buf m = {0};

	c->mailbox = kit->inbox;
	c->item_count = n;
	c->items = arena_array(c->arena, n, sizeof *c->items);
	for (unsigned i = 0; i < n; i++) {
		odd_message(&m);
		c->items[i] =
		    (struct store_append_item){.upload = kit_upload(kit, str_of(buf_cstr(&m))),
		        .internaldate = 600000000 + random() % 100000000};
	}
	assert_int_equal(kit_end(kit, c), TS_OK);
	buf_fini(&m);
}

static void
expunge(struct kit *kit, uint32_t from, uint32_t to)
{
	assert_int_equal(
	    kit_flags(kit, kit->inbox, from, to, STORE_FLAGS_ADD, 1u << STORE_DELETED, NULL),
	    TS_OK);
	assert_int_equal(kit_expunge(kit, kit->inbox), TS_OK);
}

static void
settle(struct kit *kit)
{
	while (store_background_step(kit->store))
		continue;
}

/* ---- the plain look ---- */

struct plain {
	uint32_t uid;
	struct mail_sort_keys keys;
	int64_t date, arrival;
	uint32_t size;
	bool reply;
	uint64_t id;
	struct buf refs;
};

struct look {
	struct kit *kit;
	struct plain *one;
	size_t n;
};

static bool
look_at(uint32_t uid, enum ts_err err, struct str bytes, void *arg)
{
	struct look *look = arg;
	struct plain *p = &look->one[look->n++];
	struct store_message m;
	struct mail_summary s;

	assert_int_equal(err, TS_OK);
	assert_int_equal(mail_summary_open(bytes, &s), TS_OK);
	assert_true(store_mailbox_message(look->kit->inbox, uid, &m));
	p->uid = uid;
	mail_sort_make(&s, UINT32_MAX, &p->keys);
	p->arrival = m.internaldate;
	p->size = m.size;
	p->date = (s.flags & MAIL_SUMMARY_DATED) != 0 ? s.sent : m.internaldate;
	p->reply = (s.flags & MAIL_SUMMARY_REPLY) != 0;
	mail_thread_ids(&s, &p->id, &p->refs);
	return true;
}

static void
look(struct kit *kit, struct look *look)
{
	size_t n = roaring_bitmap_get_cardinality(store_mailbox_uids(kit->inbox));
	uint32_t *uids = mem_zalloc((n + 1) * sizeof *uids);

	*look = (struct look){.kit = kit, .one = mem_zalloc((n + 1) * sizeof(struct plain))};
	roaring_bitmap_to_uint32_array(store_mailbox_uids(kit->inbox), uids);
	if (n > 0)
		store_read_summaries(kit->inbox, uids, n, look_at, look);
	assert_int_equal(look->n, n);
	mem_free(uids);
}

static void
look_fini(struct look *look)
{
	for (size_t i = 0; i < look->n; i++) {
		mail_sort_fini(&look->one[i].keys);
		buf_fini(&look->one[i].refs);
	}
	mem_free(look->one);
}

static int
sign(int64_t x, int64_t y)
{
	return x < y ? -1 : x > y;
}

static int
plain_compare(const struct plain *x, const struct plain *y, enum store_column column)
{
	if (column == STORE_COLUMN_DATE)
		return sign(x->date, y->date);
	if (column == STORE_COLUMN_ARRIVAL)
		return sign(x->arrival, y->arrival);
	if (column == STORE_COLUMN_SIZE)
		return sign(x->size, y->size);
	return sign(str_cmp(mail_sort_key(&x->keys, (enum mail_sort)column),
	                mail_sort_key(&y->keys, (enum mail_sort)column)),
	    0);
}

/* ---- the columns ---- */

static bool
always(void *arg)
{
	(void)arg;
	return true;
}

/* In one go, or stopped at each question, and at first without memory. */
static struct store_columns *
fill(struct store_mailbox *mb, struct store_hold *hold, const roaring_bitmap_t *uids, unsigned mask,
    bool pieces)
{
	struct store_columns *c = store_columns_new(mb, hold, uids, mask);
	uint64_t room = pieces ? 0 : UINT64_MAX;
	enum store_columns_state state;
	unsigned rounds = 0, rooms = 0;

	while ((state = store_columns_step(c, room, pieces ? always : NULL, NULL)) !=
	       STORE_COLUMNS_DONE) {
		assert_true(pieces && state != STORE_COLUMNS_FAILED);
		if (state == STORE_COLUMNS_ROOM) {
			assert_true(store_columns_needs(c) > room);
			room = store_columns_needs(c);
			rooms++;
		}
		rounds++;
	}
	assert_true(!pieces || (rooms > 0 && rounds > rooms));
	return c;
}

static void
compare_ids(const struct store_columns *c, const struct look *l, size_t i)
{
	const uint64_t *refs;
	size_t n;

	assert_true(store_columns_ids(c, i, &refs, &n) == l->one[i].id);
	assert_int_equal(n * 8, l->one[i].refs.n);
	if (n > 0)
		assert_memory_equal(refs, l->one[i].refs.p, n * 8);
}

struct order {
	const struct look *look;
	enum store_column column;
};

static int
by_plain_look(const void *a, const void *b, void *arg)
{
	const struct order *order = arg;
	const struct plain *one = order->look->one;

	return plain_compare(&one[*(const uint32_t *)a], &one[*(const uint32_t *)b], order->column);
}

/* In the order of the plain look, ranks must increase exactly where it says so. */
static void
compare_ranks(const struct store_columns *c, const struct look *l, enum store_column column)
{
	const uint32_t *rank = store_columns_rank(c, column);
	uint32_t *i = mem_zalloc((l->n + 1) * sizeof *i);
	struct order order = {l, column};

	for (uint32_t k = 0; k < l->n; k++)
		i[k] = k;
	qsort_r(i, l->n, sizeof *i, by_plain_look, &order);
	for (size_t k = 1; k < l->n; k++)
		if (sign(rank[i[k - 1]], rank[i[k]]) != by_plain_look(&i[k - 1], &i[k], &order))
			fail_msg("column %d: UIDs %u and %u", column, l->one[i[k - 1]].uid,
			    l->one[i[k]].uid);
	mem_free(i);
}

static void
compare_all(const struct store_columns *c, const struct look *l, unsigned mask)
{
	assert_int_equal(store_columns_count(c), l->n);
	assert_int_equal(store_columns_lost(c, NULL), 0);
	for (size_t i = 0; i < l->n; i++) {
		assert_int_equal(store_columns_uids(c)[i], l->one[i].uid);
		if ((mask & 1u << STORE_COLUMN_IDS) != 0)
			compare_ids(c, l, i);
		if ((mask & 1u << STORE_COLUMN_SUBJECT) != 0) {
			assert_int_equal(store_columns_reply(c, i), l->one[i].reply);
			assert_int_equal(store_columns_subject(c, i),
			    mail_sort_key(&l->one[i].keys, MAIL_SORT_SUBJECT).n > 0);
		}
	}
	for (enum store_column col = 0; col < STORE_COLUMNS; col++)
		if (col != STORE_COLUMN_IDS && (mask & 1u << col) != 0)
			compare_ranks(c, l, col);
}

static void
same(struct kit *kit, unsigned mask, bool pieces)
{
	struct look l;
	struct store_columns *c;

	look(kit, &l);
	c = fill(kit->inbox, NULL, store_mailbox_uids(kit->inbox), mask, pieces);
	compare_all(c, &l, mask);
	store_columns_free(&c);
	look_fini(&l);
}

/* The number of keys of a kind in an index: compact rows by default. */
static unsigned
rows_of(struct kit *kit, uint32_t mailbox)
{
	struct key prefix;
	struct scan scan;
	unsigned n = 0;

	key_index(&prefix, store_account_id(kit->account), mailbox, KEY_COMPACT);
	scan_begin(&scan, kit->store, &prefix);
	while (scan_next(&scan) == TS_OK)
		n++;
	scan_end(&scan);
	return n;
}

static unsigned
rows(struct kit *kit)
{
	return rows_of(kit, store_mailbox_id(kit->inbox));
}

static void
drop_rows(struct kit *kit)
{
	struct engine_batch *batch = engine_batch_new();
	struct key from, end;

	key_index(&from, store_account_id(kit->account), store_mailbox_id(kit->inbox), KEY_COMPACT);
	end = from;
	key_after(&end);
	engine_batch_delete_range(batch, key_str(&from), key_str(&end));
	assert_int_equal(engine_commit(kit->store->engine, batch), TS_OK);
	engine_batch_free(&batch);
}

/* Those of a block. */
static void
drop_rows_of(struct kit *kit, uint32_t block)
{
	struct engine_batch *batch = engine_batch_new();

	for (enum store_column col = 0; col < COMPACT_COLUMNS; col++) {
		struct key k;

		compact_key(
		    &k, store_account_id(kit->account), store_mailbox_id(kit->inbox), col, block);
		engine_batch_delete(batch, key_str(&k));
	}
	assert_int_equal(engine_commit(kit->store->engine, batch), TS_OK);
	engine_batch_free(&batch);
}

/* ---- tests ---- */

/* Without rows, with some, with all; after expunges, more messages, a restart. */
static void
equal(void **state)
{
	struct kit kit = {.opt.fold_after = 4};

	(void)state;
	srandom(17);
	kit_open(&kit, 0);
	same(&kit, ALL, false);
	append(&kit, COUNT);
	assert_int_equal(rows(&kit), 0);
	same(&kit, ALL, false);
	same(&kit, ALL, true);
	settle(&kit);
	assert_int_equal(rows(&kit), COMPACT_COLUMNS);
	same(&kit, ALL, false);
	same(&kit, ALL, true);
	append(&kit, 20);
	expunge(&kit, 100, 180);
	same(&kit, ALL, true);
	append(&kit, COUNT);
	settle(&kit);
	assert_int_equal(rows(&kit), 2 * COMPACT_COLUMNS);
	for (enum store_column col = 0; col < STORE_COLUMNS; col++)
		same(&kit, 1u << col, col % 2 == 0);
	kit_assert_sound(kit.store);
	kit_reopen(&kit);
	same(&kit, ALL, true);
	kit_close(&kit);
}

/* Folding a few messages at a time gives the same rows as all at once. */
static void
grown(void **state)
{
	struct kit kit = {.opt.fold_after = 4};

	(void)state;
	srandom(18);
	kit_open(&kit, 0);
	for (unsigned i = 0; i < 6; i++) {
		append(&kit, 300);
		expunge(&kit, i * 290 + 1, i * 290 + 9);
		settle(&kit);
		kit_assert_sound(kit.store);
	}
	assert_int_equal(rows(&kit), 2 * COMPACT_COLUMNS);
	same(&kit, ALL, false);
	kit_close(&kit);
}

/* How often rows are asked for by the first fold after a start, of a mailbox with so many blocks.
 */
static uint64_t
asked_after_start(unsigned blocks)
{
	struct kit kit = {.opt.fold_after = 4};
	uint64_t before;

	srandom(26);
	kit_open(&kit, 0);
	for (unsigned i = 0; i < blocks; i++) {
		append(&kit, CHUNK_UIDS);
		settle(&kit);
	}
	assert_int_equal(rows(&kit), blocks * COMPACT_COLUMNS);
	kit_reopen(&kit);
	append(&kit, COUNT);
	before = engine_mem_count(kit.disk, ENGINE_MEM_GET);
	settle(&kit);
	before = engine_mem_count(kit.disk, ENGINE_MEM_GET) - before;
	assert_int_equal(rows(&kit), (blocks + 1) * COMPACT_COLUMNS);
	kit_close(&kit);
	return before;
}

/* After a start the last blocks tell what is missing, however many there are; also when the end
 * came in the middle. */
static void
after_a_start(void **state)
{
	struct kit kit = {.opt.fold_after = 4};

	(void)state;
	assert_int_equal(asked_after_start(4), asked_after_start(8));
	kit_open(&kit, 0);
	for (unsigned i = 0; i < 4; i++)
		append(&kit, CHUNK_UIDS);
	settle(&kit);
	for (uint32_t from = 3; from + 1 > 0; from--) {
		for (uint32_t block = from; block < 4; block++)
			drop_rows_of(&kit, block);
		assert_int_equal(rows(&kit), from * COMPACT_COLUMNS);
		kit_reopen(&kit);
		for (unsigned i = 0; i < 8; i++)
			append(&kit, 1);
		settle(&kit);
		assert_int_equal(rows(&kit), 4 * COMPACT_COLUMNS);
	}
	kit_close(&kit);
}

/* Mailboxes of older programs have none: the first reader asks for them. */
static void
asked_for(void **state)
{
	struct kit kit = {.opt.fold_after = 100000};
	struct store_columns *c;
	roaring_bitmap_t *few = kit_range(5, 8);

	(void)state;
	srandom(19);
	kit_open(&kit, 0);
	append(&kit, COUNT);
	settle(&kit);
	assert_int_equal(rows(&kit), 0);
	c = fill(kit.inbox, NULL, few, ALL, false);
	assert_int_equal(store_columns_count(c), 4);
	store_columns_free(&c);
	settle(&kit);
	assert_int_equal(rows(&kit), 0);
	same(&kit, ALL, false);
	settle(&kit);
	assert_int_equal(rows(&kit), COMPACT_COLUMNS);
	same(&kit, ALL, false);
	/* Also a lost one, whatever was known before. */
	drop_rows(&kit);
	same(&kit, 1u << STORE_COLUMN_CC, false);
	settle(&kit);
	assert_int_equal(rows(&kit), COMPACT_COLUMNS);
	roaring_bitmap_free(few);
	kit_close(&kit);
}

/* Others expunge messages while a command reads: it continues as long as it holds them. */
static void
held(void **state)
{
	struct kit kit = {.opt.fold_after = 4};
	struct store_hold *hold;
	struct store_columns *c;
	struct look l;

	(void)state;
	srandom(20);
	kit_open(&kit, 0);
	append(&kit, 40);
	look(&kit, &l);
	store_mailbox_read_begin(kit.inbox);
	hold = store_hold_begin(kit.inbox, store_mailbox_uids(kit.inbox));
	store_mailbox_read_end(kit.inbox);
	expunge(&kit, 1, 40);
	settle(&kit);
	c = fill(kit.inbox, hold, store_hold_uids(hold), ALL, true);
	compare_all(c, &l, ALL);
	store_columns_free(&c);
	roaring_bitmap_t *were = roaring_bitmap_copy(store_hold_uids(hold));
	store_hold_end(&hold);
	settle(&kit);
	c = fill(kit.inbox, NULL, were, ALL, false);
	assert_int_equal(store_columns_lost(c, NULL), 40);
	store_columns_free(&c);
	roaring_bitmap_free(were);
	look_fini(&l);
	kit_close(&kit);
}

struct batches {
	struct engine_mem_disk *disk, *image[64];
	unsigned n, with_rows;
};

static enum ts_err
take_image(const struct engine_batch *batch, void *arg)
{
	struct batches *b = arg;
	struct engine_op op;
	size_t at = 0;
	unsigned rows = 0, others = 0;

	while (engine_batch_next(batch, &at, &op))
		if (op.kind == ENGINE_PUT && op.key.n == 19 && op.key.p[8] == KEY_INDEX &&
		    op.key.p[13] == KEY_COMPACT)
			rows++;
		else
			others++;
	/* All rows of a block at once, and nothing else: no change pays for them. */
	assert_true(rows == 0 || (rows == COMPACT_COLUMNS && others == 0));
	b->with_rows += rows > 0;
	assert_true(b->n < 64);
	b->image[b->n++] = engine_mem_image(b->disk);
	return kit_one_account(batch, NULL);
}

/* A crash before each of its batches: whatever exists then is right, and the rest follows. */
static void
crashes(void **state)
{
	struct kit kit = {.opt.fold_after = 4};
	struct batches b = {.n = 0};

	(void)state;
	srandom(21);
	kit_open(&kit, 0);
	settle(&kit);
	b.disk = kit.disk;
	engine_mem_hook(kit.disk, take_image, &b);
	for (unsigned i = 0; i < 5; i++)
		append(&kit, 300);
	settle(&kit);
	engine_mem_hook(kit.disk, NULL, NULL);
	assert_true(b.with_rows >= 2);
	kit_close(&kit);
	for (unsigned i = 0; i < b.n; i++) {
		struct kit again = {.opt.fold_after = 4, .disk = b.image[i]};

		kit_open(&again, 0);
		kit_assert_sound(again.store);
		same(&again, 1u << STORE_COLUMN_SUBJECT | 1u << STORE_COLUMN_DATE, false);
		settle(&again);
		same(&again, 1u << STORE_COLUMN_DISPLAYTO | 1u << STORE_COLUMN_IDS, true);
		kit_close(&again);
	}
}

/* They follow their mailbox when it is renamed, and are deleted with it; COPY makes its own. */
static void
with_the_mailbox(void **state)
{
	struct kit kit = {.opt.fold_after = 4};
	struct store_mailbox *copy;
	uint32_t id;

	(void)state;
	srandom(22);
	kit_open(&kit, 0);
	append(&kit, COUNT);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "one", NULL), TS_OK);
	copy = kit_mailbox(kit.account, "one");
	id = store_mailbox_id(copy);
	assert_int_equal(kit_move(&kit, STORE_CHANGE_COPY, kit.inbox, copy, 1, COUNT), TS_OK);
	settle(&kit);
	assert_int_equal(rows(&kit), COMPACT_COLUMNS);
	assert_int_equal(rows_of(&kit, id), COMPACT_COLUMNS);
	store_mailbox_unref(&copy);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "one", "two"), TS_OK);
	assert_int_equal(rows_of(&kit, id), COMPACT_COLUMNS);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "two", NULL), TS_OK);
	settle(&kit);
	assert_int_equal(rows_of(&kit, id), 0);
	kit_assert_sound(kit.store);
	kit_close(&kit);
}

/* ---- threads ---- */

struct reader {
	struct kit *kit;
	pthread_t thread;
	atomic_bool *stop;
	unsigned rounds, wrong;
};

/* Nothing that a command holds is lost. */
static void *
read_on(void *arg)
{
	struct reader *r = arg;

	do {
		struct store_hold *hold;
		struct store_columns *c;

		store_mailbox_read_begin(r->kit->inbox);
		hold = store_hold_begin(r->kit->inbox, store_mailbox_uids(r->kit->inbox));
		store_mailbox_read_end(r->kit->inbox);
		c = store_columns_new(r->kit->inbox, hold, store_hold_uids(hold), ALL);
		r->wrong += store_columns_step(c, UINT64_MAX, NULL, NULL) != STORE_COLUMNS_DONE;
		r->wrong += store_columns_lost(c, NULL) > 0;
		store_columns_free(&c);
		store_hold_end(&hold);
		r->rounds++;
	} while (!atomic_load(r->stop));
	return NULL;
}

/* Readers, writers and the background at the same time. */
static void
beside_others(void **state)
{
	struct kit kit = {.opt.fold_after = 4};
	atomic_bool stop = false;
	struct reader reader[2] = {{.kit = &kit, .stop = &stop}, {.kit = &kit, .stop = &stop}};

	(void)state;
	srandom(26);
	kit_open(&kit, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&reader[i].thread, NULL, read_on, &reader[i]), 0);
	for (unsigned i = 0; i < 6; i++) {
		append(&kit, COUNT);
		expunge(&kit, i * 190 + 1, i * 190 + 9);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(reader[i].thread, NULL), 0);
		assert_true(reader[i].rounds > 0 && reader[i].wrong == 0);
	}
	store_background_wait(kit.store);
	same(&kit, ALL, false);
	kit_assert_sound(kit.store);
	kit_close(&kit);
}

/* ---- damage ---- */

static struct check_result
check(struct kit *kit, bool repair, bool quick)
{
	struct check_result r;
	struct check_options opt = {.repair = repair, .quick = quick};

	assert_int_equal(store_check(kit->store, &opt, &r), TS_OK);
	return r;
}

/* Changes a byte of a row's body, or truncates it, with a correct checksum or not. */
static void
damage(struct kit *kit, enum store_column column, size_t at, bool sealed)
{
	struct engine_batch *batch = engine_batch_new();
	struct buf value = {0}, other = {0};
	struct key k;

	compact_key(&k, store_account_id(kit->account), store_mailbox_id(kit->inbox), column, 0);
	assert_int_equal(engine_get(kit->store->engine, key_str(&k), &value), TS_OK);
	at = 8 + at % (value.n - 8);
	value.p[at] = (char)(value.p[at] ^ 0x41);
	if (sealed) {
		value_begin(&other);
		buf_put(&other, value.p + 8, value.n - 8);
		batch_put_value(batch, &k, &other);
	} else {
		engine_batch_put(batch, key_str(&k), buf_as_str(&value));
	}
	assert_int_equal(engine_commit(kit->store->engine, batch), TS_OK);
	engine_batch_free(&batch);
	buf_fini(&value);
	buf_fini(&other);
}

/* The check notices, a repair makes the row anew, and until then readers use the summaries if it is
 * not a valid row. */
static void
damaged(void **state)
{
	struct kit kit = {.opt.fold_after = 4};

	(void)state;
	srandom(23);
	kit_open(&kit, 0);
	append(&kit, 300);
	settle(&kit);
	for (unsigned i = 0; i < 60; i++) {
		enum store_column column = (enum store_column)(i % COMPACT_COLUMNS);
		bool sealed = i % 3 != 0;

		/* After the version: a row of another version is not a fault. */
		damage(&kit, column, 7 + (size_t)random() % 2000, sealed);
		if (!sealed)
			same(&kit, 1u << column, false);
		if (check(&kit, false, false).found != 1)
			fail_msg("damage %u of column %d is not seen", i, column);
		assert_int_equal(check(&kit, true, false).mended, 1);
		assert_int_equal(check(&kit, false, false).found, 0);
		same(&kit, 1u << column, false);
	}
	damage(&kit, STORE_COLUMN_TO, 100, false);
	assert_int_equal(check(&kit, false, true).found, 1);
	assert_int_equal(check(&kit, true, true).mended, 1);
	same(&kit, ALL, false);
	settle(&kit);
	assert_int_equal(check(&kit, false, false).found, 0);
	assert_int_equal(rows(&kit), COMPACT_COLUMNS);
	kit_close(&kit);
}

/* The number of columns with a row of this version. */
static unsigned
usable(struct kit *kit)
{
	unsigned n = 0;

	for (enum store_column col = 0; col < COMPACT_COLUMNS; col++) {
		struct compact_reader r;
		struct buf value = {0};
		struct str body;
		struct key k;

		compact_key(
		    &k, store_account_id(kit->account), store_mailbox_id(kit->inbox), col, 0);
		n += store_get(kit->store, &k, &value, &body) == TS_OK &&
		     compact_open(&r, col, 0, body);
		buf_fini(&value);
	}
	return n;
}

/* Of another Unicode version, or another format: not used, and made anew when somebody needs it. */
static void
other_versions(void **state)
{
	struct kit kit = {.opt.fold_after = 4};

	(void)state;
	srandom(24);
	kit_open(&kit, 0);
	append(&kit, COUNT);
	settle(&kit);
	for (enum store_column col = 0; col < COMPACT_COLUMNS; col++)
		damage(&kit, col, col % 5, true);
	assert_int_equal(check(&kit, false, false).found, 0);
	assert_int_equal(usable(&kit), 0);
	same(&kit, ALL, false);
	settle(&kit);
	assert_int_equal(usable(&kit), COMPACT_COLUMNS);
	kit_close(&kit);
}

/* Reading a row of any bytes ends somehow. */
static void
any_bytes(void **state)
{
	(void)state;
	srandom(25);
	for (int round = 0; round < 20000; round++) {
		enum store_column column = (enum store_column)(random() % COMPACT_COLUMNS);
		struct compact_writer w = {.count = 0};
		struct compact_reader r;
		struct compact_cell cell;
		struct buf row = {0};
		uint32_t uid, last = 0;

		compact_begin(&w, 3);
		w.count = (uint32_t)random() % 300;
		for (long n = random() % 200; n > 0; n--)
			buf_putc(&w.cells, (char)(random() % 3 == 0 ? random() : random() % 8));
		compact_end(&w, &row);
		if (compact_open(&r, column, 3, buf_as_str(&row)))
			while (compact_next(&r, &uid, &cell)) {
				assert_true(uid >> CHUNK_BITS == 3 && uid >= last);
				assert_true(cell.key.n <= COMPACT_CUT);
				last = uid;
			}
		compact_writer_fini(&w);
		buf_fini(&row);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(equal),
	    cmocka_unit_test(grown),
	    cmocka_unit_test(after_a_start),
	    cmocka_unit_test(asked_for),
	    cmocka_unit_test(held),
	    cmocka_unit_test(crashes),
	    cmocka_unit_test(with_the_mailbox),
	    cmocka_unit_test(beside_others),
	    cmocka_unit_test(damaged),
	    cmocka_unit_test(other_versions),
	    cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
