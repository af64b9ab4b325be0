/* SPDX-License-Identifier: Apache-2.0 */
/* Object ids: each object has its own, different in each store, and they lead back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kit.h"

#include "store/check.h"
#include "store/disk/keys.h"
#include "store/disk/properties.h"
#include "store/memory/memory_int.h"

#define BLOBS 2000u
#define ID STORE_OBJECT_ID

static void
put_blob(const struct kit *kit, uint64_t blob, struct buf *out)
{
	char id[ID];

	buf_str(out, store_blob_object_id(kit->store, 'M', blob, id));
}

static void
put_mailbox(const struct kit *kit, uint32_t mailbox, struct buf *out)
{
	char id[ID];

	buf_str(out, store_new_object_id(kit->account, mailbox, id));
}

static int
by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, ID);
}

static void
expect_form(struct str id, char letter)
{
	assert_int_equal(id.n, ID);
	assert_int_equal(id.p[0], letter);
	for (size_t i = 1; i < id.n; i++)
		assert_non_null(strchr("0123456789abcdef", id.p[i]));
}

static void
differ(void **state)
{
	struct kit kit = {0};
	struct buf ids = {0};
	size_t n;

	(void)state;
	kit_open(&kit, 0);
	for (uint64_t i = 1; i <= BLOBS; i++) {
		put_blob(&kit, i, &ids);
		put_blob(&kit, i | (uint64_t)1 << 63, &ids);
		put_mailbox(&kit, (uint32_t)i, &ids);
	}
	n = ids.n / ID;
	assert_int_equal(n, (size_t)3 * BLOBS);
	for (size_t i = 0; i < n; i++)
		expect_form((struct str){ids.p + i * ID, ID}, i % 3 == 2 ? 'F' : 'M');
	qsort(ids.p, n, ID, by_bytes);
	for (size_t i = 1; i < n; i++)
		assert_memory_not_equal(ids.p + (i - 1) * ID, ids.p + i * ID, ID);
	buf_fini(&ids);
	kit_close(&kit);
}

static void
lead_back(void **state)
{
	struct kit kit = {0};
	struct buf id = {0};
	uint64_t blob;

	(void)state;
	kit_open(&kit, 0);
	for (uint64_t i = 1; i <= BLOBS; i++) {
		id.n = 0;
		put_blob(&kit, i, &id);
		assert_true(store_object_id_blob(kit.store, 'M', buf_as_str(&id), &blob));
		assert_int_equal(blob, i);
	}
	/* One of another kind, one that was never assigned, and an invalid one. */
	assert_false(store_object_id_blob(kit.store, 'T', buf_as_str(&id), &blob));
	id.p[0] = 'T';
	assert_false(store_object_id_blob(kit.store, 'T', buf_as_str(&id), &blob));
	id.p[0] = 'M';
	id.p[9] = id.p[9] == '0' ? '1' : '0';
	assert_false(store_object_id_blob(kit.store, 'M', buf_as_str(&id), &blob));
	id.p[9] = 'A';
	assert_false(store_object_id_blob(kit.store, 'M', buf_as_str(&id), &blob));
	assert_false(store_object_id_blob(kit.store, 'M', STR("M1"), &blob));
	assert_false(store_object_id_blob(kit.store, 'M', STR(""), &blob));
	buf_fini(&id);
	kit_close(&kit);
}

/* The same numbers in another store, and in this one after reopening. */
static void
of_a_store(void **state)
{
	static const char other[STORE_OWN_ID_BYTES + 1] = "fedcba9876543210";
	struct kit kit = {0};
	struct buf first = {0}, second = {0};
	uint64_t blob;

	(void)state;
	kit_open(&kit, 0);
	put_blob(&kit, 7, &first);
	put_mailbox(&kit, 3, &first);
	kit_reopen(&kit);
	put_blob(&kit, 7, &second);
	put_mailbox(&kit, 3, &second);
	assert_true(str_eq(buf_as_str(&first), buf_as_str(&second)));
	kit.opt.own_id = other;
	kit_on(&kit, engine_mem_disk_new());
	assert_memory_equal(store_own_id(kit.store).p, other, STORE_OWN_ID_BYTES);
	assert_false(store_object_id_blob(kit.store, 'M', (struct str){first.p, ID}, &blob));
	second.n = 0;
	put_blob(&kit, 7, &second);
	put_mailbox(&kit, 3, &second);
	assert_memory_not_equal(first.p, second.p, ID);
	assert_memory_not_equal(first.p + ID, second.p + ID, ID);
	buf_fini(&first);
	buf_fini(&second);
	kit_close(&kit);
}

/* ---- what was brought back */

static const struct store_message_ids given = {
    {0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
#define GIVEN_EMAIL "Mff0102030405060708090a0b0c0d0e0f"
#define GIVEN_THREAD "T800102030405060708090a0b0c0d0e0f"
#define GIVEN_BOX "F0123456789abcdef0123456789abcdef"

struct looking {
	struct kit *kit;
	struct store_message record;
	struct buf ids; /* EMAILID and THREADID */
};

static bool
look_at(uint32_t uid, enum ts_err err, struct str bytes, void *arg)
{
	struct looking *l = arg;
	struct mail_summary summary;
	char id[ID];

	assert_int_equal(err, TS_OK);
	assert_int_equal(uid, l->record.uid);
	assert_int_equal(mail_summary_open(bytes, &summary), TS_OK);
	buf_str(&l->ids,
	    store_message_object_id(l->kit->store, STORE_ID_EMAIL, &l->record, &summary, id));
	buf_str(&l->ids,
	    store_message_object_id(l->kit->store, STORE_ID_THREAD, &l->record, &summary, id));
	return true;
}

/* Does the message have the ids that were given? */
static bool
has_given(struct kit *kit, struct store_mailbox *mb, uint32_t uid)
{
	struct looking l = {.kit = kit};
	bool has;

	store_mailbox_read_begin(mb);
	assert_true(store_mailbox_message(mb, uid, &l.record));
	store_mailbox_read_end(mb);
	store_read_summaries(mb, &uid, 1, look_at, &l);
	has = str_eq(buf_as_str(&l.ids), STR(GIVEN_EMAIL GIVEN_THREAD));
	buf_fini(&l.ids);
	return has;
}

static void
stay_with_a_message(void **state)
{
	struct kit kit = {.opt.blob_threshold = 100};
	struct store_mailbox *work, *other;
	static char large[5000];

	(void)state;
	memset(large, 'x', sizeof large);
	kit_open(&kit, 0);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Work", NULL), TS_OK);
	work = kit_mailbox(kit.account, "Work");
	other = kit_inbox_of(&kit, "bob");
	assert_int_equal(kit_append_upload(&kit, kit.inbox,
	                     kit_upload_restored(&kit, STR("Subject: x\r\n\r\n"), &given)),
	    TS_OK);
	assert_int_equal(kit_append_upload(&kit, kit.inbox,
	                     kit_upload_restored(&kit, (struct str){large, sizeof large}, &given)),
	    TS_OK);
	assert_int_equal(kit_append(&kit, kit.inbox, "Subject: new\r\n\r\n", 0), 3);
	assert_int_equal(kit_move(&kit, STORE_CHANGE_COPY, kit.inbox, work, 1, 3), TS_OK);
	assert_int_equal(kit_move(&kit, STORE_CHANGE_COPY, work, other, 1, 3), TS_OK);
	assert_int_equal(kit_move(&kit, STORE_CHANGE_MOVE, work, kit.inbox, 2, 2), TS_OK);
	store_mailbox_unref(&work);
	store_mailbox_unref(&other);
	kit_reopen(&kit);
	other = kit_inbox_of(&kit, "bob");
	for (uint32_t uid = 1; uid <= 4; uid++)
		assert_int_equal(has_given(&kit, kit.inbox, uid), uid != 3);
	for (uint32_t uid = 1; uid <= 3; uid++)
		assert_int_equal(has_given(&kit, other, uid), uid != 3);
	store_mailbox_unref(&other);
	while (store_background_step(kit.store))
		;
	kit_assert_sound(kit.store);
	kit_close(&kit);
}

/* Gives the error; the id that the mailbox has then. */
static enum ts_err
create(struct kit *kit, const char *name, uint32_t uidvalidity, const char *wish, bool replace,
    char id_r[ID + 1])
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_CREATE);
	struct store_mailbox *old = replace ? kit_mailbox(kit->account, name) : NULL, *mb;
	enum ts_err err;

	c->name = str_of(name);
	c->mailbox = old;
	c->wish_uidvalidity = uidvalidity;
	c->wish_object_id = str_of(wish);
	err = kit_end(kit, c);
	store_mailbox_unref(&old);
	memset(id_r, 0, ID + 1);
	if (err != TS_OK)
		return err;
	mb = kit_mailbox(kit->account, name);
	(void)store_mailbox_object_id(mb, id_r);
	store_mailbox_unref(&mb);
	return err;
}

static void
expect_id(struct kit *kit, const char *name, const char *id)
{
	struct store_mailbox_info info;
	char is[ID];

	assert_true(store_account_lookup(kit->account, str_of(name), &info));
	assert_int_equal(
	    str_eq(store_listed_object_id(kit->account, &info, is), STR(GIVEN_BOX)), id != NULL);
}

static void
stay_with_a_mailbox(void **state)
{
	struct kit kit = {0};
	struct store_change *c;
	char id[ID + 1], first[ID + 1];

	(void)state;
	kit_open(&kit, 0);
	assert_int_equal(create(&kit, "a", 7, "F012", false, id), TS_INVALID);
	assert_int_equal(create(&kit, "a", 7, GIVEN_BOX, false, id), TS_OK);
	assert_string_equal(id, GIVEN_BOX);
	/* Another one of the account has it; or one has it by its number. */
	assert_int_equal(create(&kit, "b", 8, GIVEN_BOX, false, first), TS_OK);
	assert_string_not_equal(first, GIVEN_BOX);
	assert_int_equal(create(&kit, "c", 9, first, false, id), TS_OK);
	assert_string_not_equal(id, first);
	/* It goes where the mailbox goes; one that takes the place of a mailbox is another one. */
	assert_int_equal(kit_name(&kit, STORE_CHANGE_RENAME, "a", "moved"), TS_OK);
	kit_reopen(&kit);
	expect_id(&kit, "moved", GIVEN_BOX);
	expect_id(&kit, "b", NULL);
	assert_int_equal(create(&kit, "moved", 0, NULL, true, id), TS_OK);
	expect_id(&kit, "moved", NULL);
	/* And again: the id is free; not with another UIDVALIDITY than it had. */
	assert_int_equal(create(&kit, "moved", 5, GIVEN_BOX, true, id), TS_OK);
	assert_string_equal(id, GIVEN_BOX);
	assert_int_equal(create(&kit, "moved", 6, GIVEN_BOX, true, id), TS_OK);
	assert_string_equal(id, GIVEN_BOX);
	assert_int_equal(create(&kit, "d", UINT32_MAX, GIVEN_BOX, false, id), TS_OK);
	assert_string_not_equal(id, GIVEN_BOX);
	/* No change of properties touches it. */
	c = kit_change(&kit, STORE_CHANGE_PROPERTIES);
	c->name = STR("moved");
	c->quiet = true;
	c->properties = arena_array(c->arena, 1, sizeof *c->properties);
	c->properties[0] =
	    (struct store_property_op){.name = STR(STORE_OBJECT_ID_PROPERTY), .remove = true};
	c->property_count = 1;
	assert_int_equal(kit_end(&kit, c), TS_INVALID);
	expect_id(&kit, "moved", GIVEN_BOX);
	/* What is deleted gives it free. */
	assert_int_equal(kit_name(&kit, STORE_CHANGE_DELETE, "moved", NULL), TS_OK);
	assert_int_equal(create(&kit, "e", 11, GIVEN_BOX, false, id), TS_OK);
	assert_string_equal(id, GIVEN_BOX);
	kit_reopen(&kit);
	expect_id(&kit, "e", GIVEN_BOX);
	kit_assert_sound(kit.store);
	kit_close(&kit);
}

/* ---- the check */

struct told {
	unsigned n;
	char what[2][200], done[2][200];
};

static void
note_finding(const struct check_finding *f, void *arg)
{
	struct told *told = arg;

	assert_true(told->n < 2);
	snprintf(told->what[told->n], sizeof told->what[0], "%s", f->what);
	snprintf(told->done[told->n++], sizeof told->done[0], "%s", f->done);
}

/* Writes the row into the store while it is closed (NULL: takes it away), mends it, and tells. */
static void
mend(struct kit *kit, const struct key *k, const char *body, struct told *told)
{
	struct check_options opt = {.repair = true, .found = note_finding, .arg = told};
	struct engine_batch *batch = engine_batch_new();
	struct check_result r;
	struct buf b = {0};

	*told = (struct told){0};
	value_begin(&b);
	if (body != NULL) {
		buf_puts(&b, body);
		batch_put_value(batch, k, &b);
	} else {
		engine_batch_delete(batch, key_str(k));
	}
	assert_int_equal(engine_commit(kit->store->engine, batch), TS_OK);
	engine_batch_free(&batch);
	buf_fini(&b);
	kit_reopen(kit);
	assert_int_equal(store_check(kit->store, &opt, &r), TS_OK);
	kit_reopen(kit);
	kit_assert_sound(kit->store);
}

static void
check_sees(void **state)
{
	struct kit kit = {0};
	struct told told;
	struct key k;
	struct store_mailbox_info info;
	char id[ID + 1];

	(void)state;
	kit_open(&kit, 0);
	assert_int_equal(create(&kit, "a", 7, GIVEN_BOX, false, id), TS_OK);
	assert_int_equal(create(&kit, "b", 8, NULL, false, id), TS_OK);
	assert_int_equal(kit_append_upload(&kit, kit.inbox,
	                     kit_upload_restored(&kit, STR("Subject: x\r\n\r\n"), &given)),
	    TS_OK);
	assert_int_equal(kit_append(&kit, kit.inbox, "Subject: new\r\n\r\n", 0), 2);
	/* A summary that is made anew: whose ids are lost is said. */
	for (uint32_t uid = 1; uid <= 2; uid++) {
		key_index(
		    &k, store_account_id(kit.account), store_mailbox_id(kit.inbox), KEY_SUMMARY);
		key_be32(&k, uid);
		assert_int_equal(has_given(&kit, kit.inbox, uid), uid == 1);
		mend(&kit, &k, NULL, &told);
		assert_int_equal(told.n, 1);
		assert_int_equal(strstr(told.done[0], "EMAILID") != NULL, uid == 1);
		assert_false(has_given(&kit, kit.inbox, uid));
	}
	/* Two mailboxes with one id, and one that is none. */
	assert_true(store_account_lookup(kit.account, STR("b"), &info));
	property_key(&k, store_account_id(kit.account), info.id, STR(STORE_OBJECT_ID_PROPERTY));
	mend(&kit, &k, GIVEN_BOX, &told);
	assert_int_equal(told.n, 1);
	assert_non_null(strstr(told.what[0], "has the object id of mailbox"));
	expect_id(&kit, "a", GIVEN_BOX);
	expect_id(&kit, "b", NULL);
	mend(&kit, &k, "F12", &told);
	assert_int_equal(told.n, 1);
	assert_non_null(strstr(told.what[0], "is none"));
	/* One that another mailbox has by its number. */
	assert_true(store_account_lookup(kit.account, STR("a"), &info));
	(void)store_new_object_id(kit.account, store_mailbox_id(kit.inbox), id);
	id[ID] = 0;
	mend(&kit, &k, id, &told);
	assert_int_equal(told.n, 1);
	assert_non_null(strstr(told.what[0], "has the object id of mailbox"));
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(differ),
	    cmocka_unit_test(lead_back),
	    cmocka_unit_test(of_a_store),
	    cmocka_unit_test(stay_with_a_message),
	    cmocka_unit_test(stay_with_a_mailbox),
	    cmocka_unit_test(check_sees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
