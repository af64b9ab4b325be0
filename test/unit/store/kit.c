/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kit.h"

#include "store/check.h"

#include "base/mem.h"

/* Fixed, so that nothing is random. */
static const char own_id[STORE_OWN_ID_BYTES + 1] = "0123456789abcdef";

static int64_t
wall(void)
{
	return 1700000000;
}

enum ts_err
kit_one_account(const struct engine_batch *batch, void *arg)
{
	struct str first = STR_NONE;
	struct engine_op op;

	(void)arg;
	for (size_t at = 0; engine_batch_next(batch, &at, &op);) {
		if (op.kind == ENGINE_PUT_BLOB || op.kind == ENGINE_DELETE_BLOB)
			continue;
		if (first.p == NULL)
			first = op.key;
		assert_true(op.key.n >= 8);
		if (memcmp(first.p, op.key.p, 8) != 0)
			fail_msg("a batch has keys of two accounts, of kinds %c and %c", first.p[8],
			    op.key.p[8]);
	}
	return TS_OK;
}

static void
open_store(struct kit *kit)
{
	char *text = NULL;

	if (kit->path[0] != 0)
		kit->opt.engine_options.path = kit->path;
	else
		kit->opt.engine_options.own = kit->disk;

	enum ts_err err = store_open(&kit->opt, &kit->store, &text);

	if (text != NULL)
		print_message("open: %s\n", text);
	free(text);
	assert_int_equal(err, TS_OK);
	if (kit->opt.lanes == 0 && kit->path[0] == 0)
		engine_mem_hook(kit->disk, kit_one_account, NULL);
	assert_int_equal(store_account_load(kit->store, STR("ada"), true, &kit->account), TS_OK);
	kit->inbox = kit_mailbox(kit->account, "INBOX");
}

void
kit_open(struct kit *kit, unsigned lanes)
{
	unsigned fold = kit->opt.fold_after;
	const struct engine_class *engine = kit->opt.engine;
	uint64_t threshold = kit->opt.blob_threshold;
	bool own_seen = kit->opt.own_seen;

	block_watch();
	store_options_default(&kit->opt);
	kit->opt.engine = engine != NULL ? engine : &engine_mem_class;
	kit->opt.lanes = lanes;
	kit->opt.wall = wall;
	kit->opt.own_id = own_id;
	kit->opt.own_seen = own_seen;
	if (fold > 0)
		kit->opt.fold_after = fold;
	if (threshold > 0)
		kit->opt.blob_threshold = threshold;
	if (engine != NULL) {
		strcpy(kit->path, "/tmp/test-store-XXXXXX");
		assert_non_null(mkdtemp(kit->path));
		kit->opt.engine_options.free_space_mark = 0;
	} else if (kit->disk == NULL)
		kit->disk = engine_mem_disk_new();
	kit->loop = loop_new_fake();
	kit->pool = work_pool_new(0);
	open_store(kit);
}

static void
close_store(struct kit *kit)
{
	store_mailbox_unref(&kit->inbox);
	store_account_unref(&kit->account);
	loop_fake_run(kit->loop);
	store_close(&kit->store);
	if (kit->disk != NULL)
		engine_mem_hook(kit->disk, NULL, NULL);
}

void
kit_on(struct kit *kit, struct engine_mem_disk *disk)
{
	close_store(kit);
	engine_mem_disk_free(&kit->disk);
	kit->disk = disk;
	open_store(kit);
}

void
kit_crash(struct kit *kit)
{
	kit_on(kit, engine_mem_image(kit->disk));
}

void
kit_reopen(struct kit *kit)
{
	close_store(kit);
	open_store(kit);
}

void
kit_shut(struct kit *kit)
{
	close_store(kit);
	work_pool_free(&kit->pool);
	loop_free(&kit->loop);
}

void
kit_close(struct kit *kit)
{
	kit_shut(kit);
	if (kit->disk != NULL)
		engine_mem_disk_free(&kit->disk);
	if (kit->path[0] != 0) {
		char command[64];

		/* The name is our own and has only letters and digits. */
		(void)snprintf(command, sizeof command, "rm -r %s", kit->path);
		assert_int_equal(system(command), 0);
	}
}

struct store_mailbox *
kit_mailbox(struct store_account *account, const char *name)
{
	struct store_mailbox *mb;

	assert_int_equal(store_mailbox_load(account, str_of(name), &mb), TS_OK);
	return mb;
}

static void
uploaded(void *arg, enum ts_err err)
{
	*(enum ts_err *)arg = err;
}

struct store_upload *
kit_upload(struct kit *kit, struct str text)
{
	return kit_upload_restored(kit, text, NULL);
}

struct store_upload *
kit_upload_restored(struct kit *kit, struct str text, const struct store_message_ids *ids)
{
	struct store_upload *u =
	    store_upload_new(kit->store, kit->pool, kit->loop, (struct work_who){0});
	enum ts_err err = TS_BUG;

	if (ids != NULL)
		store_upload_restored(u, ids);
	(void)store_upload_write(u, text, NULL, NULL);
	store_upload_finish(u, uploaded, &err);
	assert_int_equal(err, TS_BUG);
	loop_fake_run(kit->loop);
	assert_int_equal(err, TS_OK);
	return u;
}

struct store_change *
kit_change(struct kit *kit, enum store_change_kind kind)
{
	return store_change_new(kit->account, kind, kit->loop, NULL, NULL);
}

static void
done(struct store_change *c)
{
	*(bool *)c->arg = true;
}

static void
own(struct store_change *c, struct str *s)
{
	if (s->p != NULL)
		*s = arena_str(c->arena, *s);
}

void
kit_own(struct store_change *c)
{
	own(c, &c->name);
	own(c, &c->new_name);
	own(c, &c->wish_object_id);
	c->keywords = store_change_names(c, c->keywords, c->keyword_count);
	if (c->item_count > 0) {
		struct store_append_item *items =
		    arena_array(c->arena, c->item_count, sizeof *items);

		memcpy(items, c->items, c->item_count * sizeof *items);
		c->items = items;
	}
	for (size_t i = 0; i < c->item_count; i++)
		c->items[i].keywords =
		    store_change_names(c, c->items[i].keywords, c->items[i].keyword_count);
	if (c->record_count > 0) {
		struct store_record_op *records =
		    arena_array(c->arena, c->record_count, sizeof *records);

		memcpy(records, c->records, c->record_count * sizeof *records);
		c->records = records;
	}
	for (size_t i = 0; i < c->record_count; i++) {
		own(c, &c->records[i].key);
		own(c, &c->records[i].value);
		own(c, &c->records[i].must_be);
	}
	if (c->property_count > 0) {
		struct store_property_op *properties =
		    arena_array(c->arena, c->property_count, sizeof *properties);

		memcpy(properties, c->properties, c->property_count * sizeof *properties);
		c->properties = properties;
	}
	for (size_t i = 0; i < c->property_count; i++) {
		own(c, &c->properties[i].name);
		own(c, &c->properties[i].value);
		own(c, &c->properties[i].must_be);
	}
}

enum ts_err
kit_run(struct kit *kit, struct store_change **c)
{
	bool flag = false;

	if (kit->opt.lanes > 0)
		return store_submit_wait(*c);
	(*c)->done = done;
	(*c)->arg = &flag;
	kit_own(*c);
	store_submit(*c);
	assert_false(flag);
	loop_fake_run(kit->loop);
	assert_true(flag);
	return (*c)->err;
}

enum ts_err
kit_end(struct kit *kit, struct store_change *c)
{
	enum ts_err err = kit_run(kit, &c);

	store_change_free(&c);
	return err;
}

uint32_t
kit_append(struct kit *kit, struct store_mailbox *mb, const char *text, unsigned flags)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_APPEND);

	c->mailbox = mb;
	c->item_count = 1;
	c->items = arena_array(c->arena, 1, sizeof *c->items);
	c->items[0].upload = kit_upload(kit, str_of(text));
	c->items[0].flags.w[0] = flags;

	uint32_t uid = kit_run(kit, &c) == TS_OK ? c->first_uid : 0;

	store_change_free(&c);
	return uid;
}

roaring_bitmap_t *
kit_range(uint32_t from, uint32_t to)
{
	roaring_bitmap_t *set = roaring_bitmap_create();

	roaring_bitmap_add_range_closed(set, from, to);
	return set;
}

enum ts_err
kit_flags(struct kit *kit, struct store_mailbox *mb, uint32_t from, uint32_t to,
    enum store_flag_mode mode, unsigned flags, const char *keyword)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_FLAGS);
	struct str k = str_of(keyword);

	c->mailbox = mb;
	c->uids = kit_range(from, to);
	c->mode = mode;
	c->flags.w[0] = flags;
	c->keywords = &k;
	c->keyword_count = keyword != NULL;
	return kit_end(kit, c);
}

enum ts_err
kit_expunge(struct kit *kit, struct store_mailbox *mb)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_EXPUNGE);

	c->mailbox = mb;
	return kit_end(kit, c);
}

enum ts_err
kit_name(struct kit *kit, enum store_change_kind kind, const char *name, const char *to)
{
	struct store_change *c = kit_change(kit, kind);

	c->name = str_of(name);
	c->new_name = str_of(to);
	if (kind == STORE_CHANGE_RENAME && str_eq(c->name, STR("INBOX")))
		c->source = kit->inbox;
	return kit_end(kit, c);
}

enum ts_err
kit_move(struct kit *kit, enum store_change_kind kind, struct store_mailbox *source,
    struct store_mailbox *target, uint32_t from, uint32_t to)
{
	struct store_change *c =
	    store_change_new(store_mailbox_account(target), kind, kit->loop, NULL, NULL);

	c->source = source;
	c->mailbox = target;
	c->uids = kit_range(from, to);
	return kit_end(kit, c);
}

static void
show_message(struct store_mailbox *mb, const struct store_message *m, struct buf *out)
{
	const char letters[] = "AFDSR";

	buf_printf(out, "%s%u:", out->n > 0 ? " " : "", m->uid);
	for (unsigned f = 0; f < STORE_FIRST_KEYWORD; f++)
		if (store_flags_has(&m->flags, f))
			buf_putc(out, letters[f]);

	struct store_keywords *keywords = store_mailbox_keywords(mb);

	for (unsigned f = STORE_FIRST_KEYWORD; f < STORE_FLAGS_MAX; f++)
		if (store_flags_has(&m->flags, f))
			buf_printf(out, "[%.*s]", STR_ARG(store_keywords_name(keywords, f)));
	store_keywords_unref(&keywords);
}

void
kit_show(struct store_mailbox *mb, struct buf *out)
{
	struct store_message w[100];
	uint32_t from = 0;
	size_t n;

	store_mailbox_read_begin(mb);
	while ((n = store_mailbox_window(mb, NULL, from, w, 100)) > 0) {
		for (size_t i = 0; i < n; i++)
			show_message(mb, &w[i], out);
		from = w[n - 1].uid + 1;
	}
	store_mailbox_read_end(mb);
}

void
kit_expect(struct store_mailbox *mb, const char *text)
{
	struct buf b = {0};

	kit_show(mb, &b);
	assert_string_equal(buf_cstr(&b), text);
	buf_fini(&b);
}

uint32_t
kit_uidvalidity(const struct kit *kit, const char *name)
{
	struct store_mailbox_info info;

	assert_true(store_account_lookup(kit->account, str_of(name), &info));
	return info.counters.uidvalidity;
}

uint32_t
kit_claim(struct store_mailbox *mb)
{
	uint32_t mark = store_mailbox_claim_begin(mb);

	store_mailbox_claim_end(mb);
	return mark;
}

uint32_t
kit_recent_mark(const struct store_mailbox *mb)
{
	store_mailbox_read_begin(mb);

	uint32_t mark = store_mailbox_recent_mark(mb);

	store_mailbox_read_end(mb);
	return mark;
}

static void
count_file(uint64_t blob, void *arg)
{
	(void)blob;
	++*(unsigned *)arg;
}

unsigned
kit_files(struct kit *kit)
{
	struct engine_mem_disk *image = engine_mem_image(kit->disk);
	struct engine_options opt = {.own = image};
	struct engine *engine;
	unsigned n = 0;
	char *text = NULL;

	assert_int_equal(engine_open(&engine_mem_class, &opt, &engine, &text), TS_OK);
	assert_int_equal(engine->class->blob_files(engine, count_file, &n), TS_OK);
	engine_close(&engine);
	engine_mem_disk_free(&image);
	return n;
}

struct store_mailbox *
kit_inbox_of(struct kit *kit, const char *name)
{
	struct store_account *a;
	struct store_mailbox *mb;

	assert_int_equal(store_account_load(kit->store, str_of(name), true, &a), TS_OK);
	mb = kit_mailbox(a, "INBOX");
	store_account_unref(&a);
	return mb;
}

enum ts_err
kit_append_upload(struct kit *kit, struct store_mailbox *mb, struct store_upload *upload)
{
	struct store_change *c =
	    store_change_new(store_mailbox_account(mb), STORE_CHANGE_APPEND, kit->loop, NULL, NULL);

	c->mailbox = mb;
	c->item_count = 1;
	c->items = arena_array(c->arena, 1, sizeof *c->items);
	c->items[0].upload = upload;
	return kit_end(kit, c);
}

static void
fail_finding(const struct check_finding *f, void *arg)
{
	(void)arg;
	fail_msg("%.*s/%.*s %u: %s", STR_ARG(f->account), STR_ARG(f->mailbox), f->uid, f->what);
}

void
kit_assert_sound(struct store *store)
{
	struct check_options opt = {.found = fail_finding};
	struct check_result r;

	assert_int_equal(store_check(store, &opt, &r), TS_OK);
}
