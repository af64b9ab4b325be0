/* SPDX-License-Identifier: Apache-2.0 */
/* RENAME of a mailbox with more mailboxes below it than fit into one batch:
 * src/store/kinds/change_rename_many.c. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kit_watch.h"

#include "store/engine/rocks/rocks.h"
#include "store/memory/memory_int.h"

#define MANY 1300     /* three pieces of rows */
#define OPS_MOST 1100 /* of a batch: a piece of rows, or tombstones that come and go */

#define MSG "Subject: one\r\n\r\ntext\r\n"

static void
make(struct kit *kit, const char *parent, unsigned n)
{
	char name[64];

	for (unsigned i = 0; i < n; i++) {
		(void)snprintf(name, sizeof name, "%s/%04u", parent, i);
		assert_int_equal(kit_name(kit, STORE_CHANGE_CREATE, name, NULL), TS_OK);
	}
}

static unsigned
count_below(const struct kit *kit, const char *parent)
{
	struct store_mailbox_info info;
	char name[64];
	unsigned n = 0;

	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof name, "%s/%04u", parent, i);
		n += store_account_lookup(kit->account, str_of(name), &info);
	}
	return n;
}

static bool
count_one(const struct store_mailbox_info *info, void *arg)
{
	struct str *last = arg;

	/* In order, and none twice */
	assert_true(str_cmp(last[0], info->name) < 0);
	last[0] = info->name;
	last[1].n++;
	return true;
}

static size_t
listed(const struct kit *kit)
{
	struct str last[2] = {STR(""), {NULL, 0}};

	store_account_list(kit->account, count_one, last);
	return last[1].n;
}

/* P and the mailboxes below it, a name that was used, a subscribed one, one of each that stays. */
static void
set_up(struct kit *kit)
{
	struct store_mailbox *mb;

	kit_open(kit, 0);
	assert_int_equal(kit_name(kit, STORE_CHANGE_CREATE, "P", NULL), TS_OK);
	assert_int_equal(kit_name(kit, STORE_CHANGE_CREATE, "P!", NULL), TS_OK);
	assert_int_equal(kit_name(kit, STORE_CHANGE_CREATE, "Q/0003", NULL), TS_OK);
	assert_int_equal(kit_name(kit, STORE_CHANGE_DELETE, "Q/0003", NULL), TS_OK);
	assert_int_equal(kit_name(kit, STORE_CHANGE_SUBSCRIBE, "Q/0005", NULL), TS_OK);
	assert_int_equal(kit_name(kit, STORE_CHANGE_SUBSCRIBE, "P/0006", NULL), TS_OK);
	make(kit, "P", MANY);
	mb = kit_mailbox(kit->account, "P/0007");
	assert_int_equal(kit_append(kit, mb, MSG, 0), 1);
	store_mailbox_unref(&mb);
	store_background_wait(kit->store);
}

/* Whether all have the new names, or all the old ones.  Later steps are right in both cases. */
static bool
all_or_none(struct kit *kit)
{
	unsigned old = count_below(kit, "P"), new = count_below(kit, "Q");
	struct store_mailbox_info info;
	struct store_mailbox *mb;

	assert_true((old == MANY && new == 0) || (old == 0 && new == MANY));
	assert_true(store_account_lookup(kit->account, new ? STR("Q") : STR("P"), &info));
	assert_false(store_account_lookup(kit->account, new ? STR("P") : STR("Q"), &info));
	assert_true(store_account_lookup(kit->account, STR("P!"), &info));
	/* INBOX, P!, P or Q; subscriptions without a mailbox */
	assert_int_equal(listed(kit), MANY + 3 + 1);
	mb = kit_mailbox(kit->account, new ? "Q/0007" : "P/0007");
	kit_expect(mb, "1:");
	store_mailbox_unref(&mb);
	kit_assert_clean(kit);
	return new > 0;
}

static void
whole(const struct engine_class *engine)
{
	struct kit kit = {.opt.engine = engine};
	struct kit_commits seen = {.kit = &kit};
	struct store_change *c;
	struct store_mailbox_info info;
	uint32_t was[MANY];
	unsigned renamed = 0;
	char name[16];

	set_up(&kit);
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof name, "P/%04u", i);
		was[i] = kit_uidvalidity(&kit, name);
	}
	assert_true(store_account_lookup(kit.account, STR("P"), &info));
	if (engine == NULL)
		engine_mem_hook(kit.disk, kit_commit, &seen);
	c = kit_change(&kit, STORE_CHANGE_RENAME);
	c->name = STR("P");
	c->new_name = STR("Q");
	assert_int_equal(kit_run(&kit, &c), TS_OK);
	assert_int_equal(c->mailbox_id, info.id);
	store_change_free(&c);
	if (engine == NULL)
		engine_mem_hook(kit.disk, NULL, NULL);
	for (unsigned round = 0; round < 2; round++) {
		assert_true(all_or_none(&kit));
		for (unsigned i = 0; i < MANY; i++) {
			(void)snprintf(name, sizeof name, "Q/%04u", i);
			if (i == 3) /* another had that name */
				assert_true(kit_uidvalidity(&kit, name) > was[MANY - 1]);
			else
				assert_int_equal(kit_uidvalidity(&kit, name), was[i]);
		}
		kit_reopen(&kit);
	}
	/* The old names do not get an earlier value. */
	for (unsigned i = 0; i < MANY; i += MANY - 1) {
		(void)snprintf(name, sizeof name, "P/%04u", i);
		c = kit_change(&kit, STORE_CHANGE_CREATE);
		c->name = str_of(name);
		c->wish_uidvalidity = was[i];
		assert_int_equal(kit_run(&kit, &c), TS_OK);
		assert_true(c->uidvalidity > was[i]);
		store_change_free(&c);
	}
	/* As the power goes before each of the commits */
	assert_true(engine != NULL || (seen.commits >= 4 && seen.most < OPS_MOST));
	for (unsigned i = 0; i < seen.commits; i++) {
		kit_on(&kit, seen.image[i]);
		renamed += all_or_none(&kit);
		assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "After", NULL), TS_OK);
	}
	/* The first commit does it. */
	assert_true(engine != NULL || renamed == seen.commits - 1);
	kit_close(&kit);
}

static void
crashes(void **state)
{
	(void)state;
	whole(NULL);
	whole(&engine_rocks_class);
}

/* The nth commit fails; err is what the user gets. */
static void
fails(uint64_t nth, enum ts_err fault, bool happened, enum ts_err err, bool renamed)
{
	struct kit kit = {0};

	set_up(&kit);
	engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, nth, fault, happened);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "P", "Q"), err);
	assert_int_equal(count_below(&kit, "Q"), renamed ? MANY : 0);
	assert_int_equal(count_below(&kit, "P"), renamed ? 0 : MANY);
	/* Rows that cannot be written: no more names change until they are. */
	if (nth > 1)
		assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "X", NULL), TS_UNAVAILABLE);
	while (store_background_step(kit.store))
		;
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "X", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "X", NULL), TS_OK);
	assert_int_equal(all_or_none(&kit), renamed);
	kit_reopen(&kit);
	assert_int_equal(all_or_none(&kit), renamed);
	if (!renamed)
		assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "P", "Q"), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "Q", "P"), TS_OK);
	assert_int_equal(count_below(&kit, "P"), MANY);
	kit_assert_clean(&kit);
	kit_close(&kit);
}

static void
failures(void **state)
{
	(void)state;
	fails(1, TS_FULL, false, TS_FULL, false);
	fails(1, TS_UNKNOWN, false, TS_UNKNOWN, false);
	fails(1, TS_UNKNOWN, true, TS_UNKNOWN, true);
	for (uint64_t nth = 2; nth <= 4; nth++) {
		fails(nth, TS_FULL, false, TS_OK, true);
		fails(nth, TS_UNKNOWN, false, TS_OK, true);
		fails(nth, TS_UNKNOWN, true, TS_OK, true);
	}
}

/* Writing the rows fails, and the server is stopped before they can be written. */
static void
put_off(void **state)
{
	struct kit kit = {0};
	(void)state;

	set_up(&kit);
	engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 3, TS_FULL, false);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "P", "Q"), TS_OK);
	assert_true(rename_pending(kit.store, kit.account->id));
	kit_reopen(&kit);
	assert_true(all_or_none(&kit));
	/* Not at the start either: whoever wants to read the names waits for it. */
	engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 3, TS_FULL, false);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "Q", "P"), TS_OK);
	kit_shut(&kit);
	engine_mem_full(kit.disk, true);

	struct store *store;
	struct store_account *a;
	char *text;

	assert_int_equal(store_open(&kit.opt, &store, &text), TS_OK);
	free(text);
	assert_int_equal(store_account_load(store, STR("ada"), false, &a), TS_FULL);
	engine_mem_full(kit.disk, false);
	assert_int_equal(store_account_load(store, STR("ada"), false, &a), TS_OK);
	kit.account = a;
	assert_int_equal(count_below(&kit, "P"), MANY);
	store_account_unref(&a);
	while (store_background_step(store))
		;
	store_close(&store);
	engine_mem_disk_free(&kit.disk);
}

/* A new name above the old one: no row is written twice. */
static void
upwards(void **state)
{
	struct kit kit = {0};
	struct kit_commits seen = {.kit = &kit};
	(void)state;

	kit_open(&kit, 0);
	make(&kit, "a/b/b/b", MANY);
	store_background_wait(kit.store);
	engine_mem_hook(kit.disk, kit_commit, &seen);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "a/b", "a"), TS_OK);
	engine_mem_hook(kit.disk, NULL, NULL);
	assert_int_equal(count_below(&kit, "a/b/b"), MANY);
	kit_reopen(&kit);
	assert_int_equal(count_below(&kit, "a/b/b"), MANY);
	for (unsigned i = 0; i < seen.commits; i++) {
		kit_on(&kit, seen.image[i]);
		assert_int_equal(count_below(&kit, i == 0 ? "a/b/b/b" : "a/b/b"), MANY);
		assert_int_equal(listed(&kit), MANY + 1);
		kit_assert_clean(&kit);
	}
	kit_close(&kit);
}

/* Used names all get a new UIDVALIDITY, each a different one, above all earlier ones. */
static void
there_and_back(void **state)
{
	struct kit kit = {0};
	uint32_t top = 0, last;
	char name[16];
	(void)state;

	set_up(&kit);
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof name, "P/%04u", i);
		top = kit_uidvalidity(&kit, name) > top ? kit_uidvalidity(&kit, name) : top;
	}
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "P", "Q"), TS_OK);
	top = kit_uidvalidity(&kit, "Q/0003");
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "Q", "P"), TS_OK);
	for (unsigned round = 0; round < 2; round++) {
		last = top;
		for (unsigned i = 0; i < MANY; i++) {
			(void)snprintf(name, sizeof name, "P/%04u", i);
			if (i == 3) { /* has one that this name never had */
				assert_int_equal(kit_uidvalidity(&kit, name), top);
				continue;
			}
			assert_true(kit_uidvalidity(&kit, name) > last);
			last = kit_uidvalidity(&kit, name);
		}
		kit_reopen(&kit);
	}
	assert_true(kit.account->last_uidvalidity >= last);
	assert_true(kit.account->tombstones <= 512);
	kit_assert_clean(&kit);
	kit_close(&kit);
}

static void
refused(void **state)
{
	struct kit kit = {0};
	char name[1024], longer[1024];
	(void)state;

	set_up(&kit);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Q/1299", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "P", "Q"), TS_EXISTS);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "Q/1299", NULL), TS_OK);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "P", "P/x"), TS_INVALID);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "P", "INBOX"), TS_EXISTS);
	memset(name, 'n', sizeof name);
	(void)snprintf(longer, sizeof longer, "%.*s", 996, name);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "P", longer), TS_INVALID);
	kit.account->last_uidvalidity = UINT32_MAX; /* one of them needs a value */
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "P", "Q"), TS_LIMIT);
	assert_false(all_or_none(&kit));
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof name, "S/%04u", i);
		assert_int_equal(kit_name(&kit, STORE_CHANGE_SUBSCRIBE, name, NULL), TS_OK);
	}
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "S", "Q"), TS_NOT_FOUND);
	kit_close(&kit);
}

/* ---- others meanwhile ---- */

struct gate {
	sem_t entered, go;
	_Atomic int
	    wait_for; /* the next commit by the copier (1), or by the lane, which shows it (2) */
};

/* The copier's batch has more rows than any other; the one that shows it has a record of a
 * RENAME. */
static int
kind_of(const struct engine_batch *batch)
{
	struct engine_op op;
	int kind = 0;

	for (size_t at = 0; engine_batch_next(batch, &at, &op);)
		if (op.key.n == 9 && op.key.p[8] == KEY_RENAME && op.kind == ENGINE_PUT)
			kind = 2;
		else if (kind == 0 && op.key.n == 10 && op.key.p[8] == KEY_RENAME)
			kind = 1;
	return kind;
}

static enum ts_err
hold(const struct engine_batch *batch, void *arg)
{
	struct gate *gate = arg;
	int kind = kind_of(batch);

	if (kind != 0 && atomic_compare_exchange_strong(&gate->wait_for, &kind, 0)) {
		sem_post(&gate->entered);
		sem_wait(&gate->go);
	}
	return TS_OK;
}

static void
counted(struct store_change *c)
{
	++*(unsigned *)c->arg;
}

static struct store_change *
submit(struct kit *kit, struct loop *loop, enum store_change_kind kind, const char *name,
    const char *to, unsigned *done)
{
	struct store_change *c = store_change_new(kit->account, kind, loop, counted, done);

	c->name = str_of(name);
	c->new_name = to != NULL ? str_of(to) : STR_NONE;
	kit_own(c);
	store_submit(c);
	return c;
}

static bool
take_mark(struct str name, uint64_t account, const struct store_mark *mark, void *arg)
{
	(void)account;
	if (str_eq(name, STR("ada")))
		*(struct store_mark *)arg = *mark;
	return true;
}

/* While it is shown, and while its rows are written: others in the account, and in the lane. */
static void
meanwhile(void **state)
{
	struct kit kit = {0};
	struct gate gate = {.wait_for = 0};
	struct store_change *c[4];
	struct store_mailbox *mb;
	struct store_mark mark;
	struct loop *loop;
	unsigned done = 0;
	(void)state;

	set_up(&kit);
	kit_shut(&kit);
	kit.opt.engine = NULL;
	kit_open(&kit, 1);
	loop = loop_new_fake();
	sem_init(&gate.entered, 0, 0);
	sem_init(&gate.go, 0, 0);
	engine_mem_hook(kit.disk, hold, &gate);
	mb = kit_mailbox(kit.account, "P/0007");

	gate.wait_for = 2;
	c[0] = submit(&kit, loop, STORE_CHANGE_RENAME, "P", "Q", &done);
	sem_wait(&gate.entered);
	/* Not yet durable, so nobody sees it. */
	assert_int_equal(count_below(&kit, "P"), MANY);
	gate.wait_for = 1;
	sem_post(&gate.go);
	sem_wait(&gate.entered);
	/* The copier waits for its flush, and the lane for nothing. */
	assert_int_equal(count_below(&kit, "Q"), MANY);
	assert_int_equal(kit_append(&kit, mb, MSG, 0), 2);
	assert_int_equal(kit_append(&kit, kit.inbox, MSG, 0), 1);
	loop_fake_run(loop);
	assert_int_equal(done, 1);
	assert_int_equal(c[0]->err, TS_OK);
	/* Changes of the list wait; nobody believes that nothing has happened to it. */
	c[1] = submit(&kit, loop, STORE_CHANGE_CREATE, "P", NULL, &done);
	c[2] = submit(&kit, loop, STORE_CHANGE_RENAME, "Q", "R", &done);
	c[3] = submit(&kit, loop, STORE_CHANGE_SUBSCRIBE, "R", NULL, &done);
	assert_int_equal(kit_append(&kit, kit.inbox, MSG, 0), 2);
	loop_fake_run(loop);
	assert_int_equal(done, 1);
	assert_int_equal(store_account_marks(kit.store, STR(""), 10, take_mark, &mark), TS_OK);
	assert_true(mark.low == 0 && mark.high == 0);
	sem_post(&gate.go);
	while (done < 4)
		loop_fake_run(loop);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(c[i]->err, TS_OK);
		store_change_free(&c[i]);
	}
	kit_expect(mb, "1: 2:");
	store_mailbox_unref(&mb);
	engine_mem_hook(kit.disk, NULL, NULL);
	kit_reopen(&kit);
	assert_int_equal(count_below(&kit, "R"), MANY);
	kit_assert_clean(&kit);
	sem_destroy(&gate.entered);
	sem_destroy(&gate.go);
	kit_close(&kit);
	loop_free(&loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(crashes),
	    cmocka_unit_test(failures),
	    cmocka_unit_test(put_off),
	    cmocka_unit_test(upwards),
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
