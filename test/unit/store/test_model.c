/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random changes in two accounts, compared with a model that is too simple to be wrong.  After each
 * change the store, and a second store on an image of the disk (as after a power cut), must equal
 * the model.  Some commits fail: then both must equal the model before or after the change, nothing
 * in between (no change here is large enough to go in pieces).  TURNSTONE_SEED chooses other
 * changes than the default ones.
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
#include "store/engine/rocks/rocks.h"

#define BOXES 4
#define KEYWORDS 4
#define PROPERTIES 3
#define MESSAGES 400
#define UIDS_MAX 60 /* asked for */

struct mmsg {
	uint32_t uid, id, flags; /* flags: five system flags, then keywords */
};
struct mbox {
	bool there;
	uint32_t uidnext;
	size_t n;
	struct mmsg m[MESSAGES];
	unsigned property[PROPERTIES]; /* 0: none */
};
struct model {
	struct mbox box[2][BOXES]; /* by account and name; 0 is INBOX */
	unsigned subscribed[2];
	unsigned property[2][PROPERTIES];
};

static const char *const box_name[BOXES] = {"INBOX", "b1", "b2", "b2/c3"};
static const char *const property_name[PROPERTIES] = {"acl/bob", "acl/bob/x", "meta/comment"};
static const char *const keyword_name[KEYWORDS] = {"red", "Green", "$blue", "NonJunk"};

struct world {
	struct kit kit;
	struct store_account *bob;
	struct model model, after;
	uint32_t next_id;
	unsigned seed, fails, crashes;
};

static unsigned
rnd(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

/* ---- showing ---- */

static void
show_property(unsigned i, unsigned value, struct buf *out)
{
	if (value != 0)
		buf_printf(out, "{%s %u}", property_name[i], value);
}

static void
show_model(const struct model *m, struct buf *out)
{
	for (int a = 0; a < 2; a++) {
		for (unsigned i = 0; i < PROPERTIES; i++)
			show_property(i, m->property[a][i], out);
		for (int x = 0; x < BOXES; x++) {
			const struct mbox *box = &m->box[a][x];

			if ((m->subscribed[a] >> x & 1) != 0)
				buf_printf(out, "+%s", box_name[x]);
			if (!box->there)
				continue;
			buf_printf(out, "\n%d %s %u:", a, box_name[x], box->uidnext);
			for (size_t i = 0; i < box->n; i++)
				buf_printf(
				    out, " %u=%u/%x", box->m[i].uid, box->m[i].id, box->m[i].flags);
			for (unsigned i = 0; i < PROPERTIES; i++)
				show_property(i, box->property[i], out);
		}
		buf_putc(out, '\n');
	}
}

static uint32_t
model_flags(const struct store_mailbox *mb, const struct store_flags *flags)
{
	uint32_t out = (uint32_t)flags->w[0] & 31;

	struct store_keywords *table = store_mailbox_keywords(mb);

	for (unsigned k = 0; k < KEYWORDS; k++) {
		int f = store_keywords_find(table, str_of(keyword_name[k]));

		if (f >= 0 && store_flags_has(flags, (unsigned)f))
			out |= 32u << k;
	}
	store_keywords_unref(&table);
	return out;
}

static bool
check_summary(uint32_t uid, enum ts_err err, struct str summary, void *arg)
{
	(void)uid;
	(void)arg;
	assert_int_equal(err, TS_OK);
	assert_true(summary.n > 10);
	return true;
}

/* The size identifies the message; its text begins with the same number. */
static void
check_blob(struct store *store, const struct store_message *m)
{
	struct buf b = {0};

	assert_int_equal(store_read_blob(store, m->blob, 0, 1 << 20, &b), TS_OK);
	assert_int_equal(b.n, m->size);
	assert_int_equal(strtoul(buf_cstr(&b) + 9, NULL, 10), m->size);
	buf_fini(&b);
}

static void
show_mailbox(struct store *store, struct store_mailbox *mb, struct buf *out)
{
	static struct store_message w[MESSAGES];
	struct store_counters c;
	uint32_t uids[MESSAGES], unseen = 0, deleted = 0;
	uint64_t size = 0, deleted_size = 0;
	size_t n;

	store_mailbox_counters(mb, &c);
	store_mailbox_read_begin(mb);
	n = store_mailbox_window(mb, NULL, 0, w, MESSAGES);
	buf_printf(out, " %u:", c.uidnext);
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, " %u=%u/%x", w[i].uid, w[i].size, model_flags(mb, &w[i].flags));
		uids[i] = w[i].uid;
		size += w[i].size;
		unseen += !store_flags_has(&w[i].flags, STORE_SEEN);
		if (store_flags_has(&w[i].flags, STORE_DELETED)) {
			deleted++;
			deleted_size += w[i].size;
		}
	}
	store_mailbox_read_end(mb);
	assert_int_equal(c.messages, n);
	assert_int_equal(c.unseen, unseen);
	assert_int_equal(c.deleted, deleted);
	assert_int_equal(c.size, size);
	assert_int_equal(c.deleted_size, deleted_size);
	for (size_t i = 0; i < n; i++)
		check_blob(store, &w[i]);
	store_read_summaries(mb, uids, n, check_summary, NULL);
}

static void
show_properties(struct store_properties *table, struct buf *out)
{
	for (size_t i = 0; i < store_properties_count(table); i++) {
		struct str name, value;
		uint64_t n = 0;

		store_properties_at(table, i, &name, &value);
		assert_true(str_u64(value, UINT32_MAX, &n));
		assert_true(str_eq(store_properties_get(table, name), value));
		for (unsigned p = 0; p < PROPERTIES; p++)
			if (str_eq(name, str_of(property_name[p])))
				show_property(p, (unsigned)n, out);
	}
	store_properties_unref(&table);
}

struct seen {
	unsigned sub, there;
	struct store_usage usage;
};

static bool
see(const struct store_mailbox_info *info, void *arg)
{
	struct seen *seen = arg;

	seen->usage.mailboxes += info->id != 0;
	seen->usage.messages += info->counters.messages;
	seen->usage.bytes += info->counters.size;
	seen->usage.deleted += info->counters.deleted;
	seen->usage.deleted_bytes += info->counters.deleted_size;
	for (unsigned x = 0; x < BOXES; x++)
		if (str_eq(info->name, str_of(box_name[x]))) {
			seen->there |= (unsigned)(info->id != 0) << x;
			seen->sub |= (unsigned)info->subscribed << x;
		}
	return true;
}

static void
show_account(struct store *store, struct store_account *account, int a, struct buf *out)
{
	struct seen list = {0};
	struct store_usage usage;

	store_account_list(account, see, &list);
	store_account_usage(account, &usage);
	assert_memory_equal(&usage, &list.usage, sizeof usage);
	show_properties(store_account_properties(account), out);
	for (unsigned x = 0; x < BOXES; x++) {
		if ((list.sub >> x & 1) != 0)
			buf_printf(out, "+%s", box_name[x]);
		if ((list.there >> x & 1) == 0)
			continue;

		struct store_mailbox *mb = kit_mailbox(account, box_name[x]);

		buf_printf(out, "\n%d %s", a, box_name[x]);
		show_mailbox(store, mb, out);
		show_properties(store_mailbox_properties(mb), out);
		store_mailbox_unref(&mb);
	}
	buf_putc(out, '\n');
}

/* ---- comparing ---- */

static void
show_store(struct world *w, struct buf *out)
{
	show_account(w->kit.store, w->kit.account, 0, out);
	show_account(w->kit.store, w->bob, 1, out);
}

static void
show_image(struct world *w, struct buf *out)
{
	struct store_options opt = w->kit.opt;
	struct engine_mem_disk *disk = engine_mem_image(w->kit.disk);
	struct store *store;
	struct store_account *ada, *bob;
	char *text = NULL;

	opt.lanes = 0;
	opt.engine_options.own = disk;
	assert_int_equal(store_open(&opt, &store, &text), TS_OK);
	assert_int_equal(store_account_load(store, STR("ada"), false, &ada), TS_OK);
	assert_int_equal(store_account_load(store, STR("bob"), false, &bob), TS_OK);
	if (rnd(w, 2) == 0)
		store_background_wait(store);
	show_account(store, ada, 0, out);
	show_account(store, bob, 1, out);
	store_account_unref(&ada);
	store_account_unref(&bob);
	store_close(&store);
	engine_mem_disk_free(&disk);
}

static void
compare(struct world *w, bool failed)
{
	struct buf before = {0}, after = {0}, real = {0}, image = {0};

	show_model(&w->model, &before);
	show_model(&w->after, &after);
	show_store(w, &real);
	if (w->kit.disk != NULL)
		show_image(w, &image);
	else
		buf_str(&image, buf_as_str(&real));
	if (failed && strcmp(buf_cstr(&real), buf_cstr(&before)) == 0) {
		assert_string_equal(buf_cstr(&image), buf_cstr(&before));
	} else {
		assert_string_equal(buf_cstr(&real), buf_cstr(&after));
		assert_string_equal(buf_cstr(&image), buf_cstr(&after));
		w->model = w->after;
	}
	buf_fini(&before);
	buf_fini(&after);
	buf_fini(&real);
	buf_fini(&image);
}

/* ---- changes ---- */

static struct mbox *
pick(struct world *w, int *a_r, int *x_r)
{
	do {
		*a_r = (int)rnd(w, 2);
		*x_r = (int)rnd(w, BOXES);
	} while (!w->after.box[*a_r][*x_r].there);
	return &w->after.box[*a_r][*x_r];
}

static struct store_mailbox *
open_box(struct world *w, int a, int x)
{
	return kit_mailbox(a == 0 ? w->kit.account : w->bob, box_name[x]);
}

static struct store_change *
change_on(struct world *w, int a, enum store_change_kind kind)
{
	return store_change_new(a == 0 ? w->kit.account : w->bob, kind, w->kit.loop, NULL, NULL);
}

static roaring_bitmap_t *
some_uids(struct world *w, const struct mbox *box, bool *has)
{
	roaring_bitmap_t *set = roaring_bitmap_create();
	uint32_t from = rnd(w, box->uidnext + 1), len = 1 + rnd(w, rnd(w, 2) ? 3 : UIDS_MAX);

	for (size_t i = 0; i < MESSAGES; i++)
		has[i] = false;
	for (uint32_t uid = from; uid < from + len; uid++)
		if (rnd(w, 8) != 0)
			roaring_bitmap_add(set, uid);
	for (size_t i = 0; i < box->n; i++)
		has[i] = roaring_bitmap_contains(set, box->m[i].uid);
	return set;
}

static void
add_keywords(
    struct world *w, struct store_change *c, unsigned bits, const struct str **p, size_t *n)
{
	struct str *k = arena_array(c->arena, KEYWORDS, sizeof *k);

	(void)w;
	*n = 0;
	for (unsigned i = 0; i < KEYWORDS; i++)
		if ((bits >> i & 1) != 0)
			k[(*n)++] = str_of(keyword_name[i]);
	*p = k;
}

static struct store_change *
do_append(struct world *w)
{
	int a, x;
	struct mbox *box = pick(w, &a, &x);
	struct store_change *c = change_on(w, a, STORE_CHANGE_APPEND);
	size_t n = 1 + rnd(w, 4);

	if (box->n + n > 300)
		n = 0;
	c->mailbox = open_box(w, a, x);
	c->items = arena_array(c->arena, n, sizeof *c->items);
	c->item_count = n;
	for (size_t i = 0; i < n; i++) {
		struct buf b = {0};
		uint32_t id = w->next_id++;
		unsigned flags = rnd(w, 32), words = rnd(w, 3) ? 0 : rnd(w, 1u << KEYWORDS);

		buf_printf(&b, "Subject: %08u\r\n\r\n", id);
		while (b.n < id)
			buf_putc(&b, (char)('a' + b.n % 26));
		c->items[i].upload = kit_upload(&w->kit, buf_as_str(&b));
		c->items[i].flags.w[0] = flags;
		add_keywords(w, c, words, &c->items[i].keywords, &c->items[i].keyword_count);
		box->m[box->n++] = (struct mmsg){box->uidnext++, id, flags | words << 5};
		buf_fini(&b);
	}
	return c;
}

static struct store_change *
do_flags(struct world *w)
{
	int a, x;
	struct mbox *box = pick(w, &a, &x);
	struct store_change *c = change_on(w, a, STORE_CHANGE_FLAGS);
	unsigned flags = rnd(w, 32), words = rnd(w, 2) ? 0 : rnd(w, 1u << KEYWORDS);
	bool has[MESSAGES];

	c->mailbox = open_box(w, a, x);
	c->uids = some_uids(w, box, has);
	c->mode = (enum store_flag_mode)rnd(w, 3);
	c->flags.w[0] = flags;
	add_keywords(w, c, words, &c->keywords, &c->keyword_count);
	flags |= words << 5;
	for (size_t i = 0; i < box->n; i++) {
		uint32_t *f = &box->m[i].flags;

		if (has[i])
			*f = c->mode == STORE_FLAGS_ADD      ? *f | flags
			     : c->mode == STORE_FLAGS_REMOVE ? *f & ~flags
			                                     : flags;
	}
	return c;
}

static struct store_change *
do_expunge(struct world *w)
{
	int a, x;
	struct mbox *box = pick(w, &a, &x);
	struct store_change *c = change_on(w, a, STORE_CHANGE_EXPUNGE);
	bool has[MESSAGES], all = rnd(w, 3) == 0;
	size_t kept = 0;

	c->mailbox = open_box(w, a, x);
	c->uids = some_uids(w, box, has);
	if (all) {
		roaring_bitmap_free(c->uids);
		c->uids = NULL;
	}
	for (size_t i = 0; i < box->n; i++)
		if ((!all && !has[i]) || (box->m[i].flags >> STORE_DELETED & 1) == 0)
			box->m[kept++] = box->m[i];
	box->n = kept;
	return c;
}

static struct store_change *
do_copy(struct world *w, bool move)
{
	int sa, sx, ta, tx;
	struct mbox *source = pick(w, &sa, &sx), *target = pick(w, &ta, &tx);
	bool has[MESSAGES];

	while (rnd(w, 2) != 0 && sa != ta)
		target = pick(w, &ta, &tx);

	struct store_change *c = change_on(w, ta, move ? STORE_CHANGE_MOVE : STORE_CHANGE_COPY);
	size_t n = source->n, kept = 0;

	c->source = open_box(w, sa, sx);
	c->mailbox = open_box(w, ta, tx);
	c->uids = some_uids(w, source, has);
	if (target->n + UIDS_MAX > 300) {
		roaring_bitmap_clear(c->uids);
		return c;
	}
	for (size_t i = 0; i < n; i++)
		if (has[i]) {
			struct mmsg m = source->m[i];

			m.uid = target->uidnext++;
			target->m[target->n++] = m;
		}
	for (size_t i = 0; i < source->n && move; i++)
		if (i >= n || !has[i])
			source->m[kept++] = source->m[i];
	if (move)
		source->n = kept;
	return c;
}

static struct store_change *
do_name(struct world *w, enum ts_err *want)
{
	int a = (int)rnd(w, 2), x = (int)rnd(w, BOXES);
	enum store_change_kind kind = (enum store_change_kind)(
	    STORE_CHANGE_CREATE + rnd(w, STORE_CHANGE_UNSUBSCRIBE - STORE_CHANGE_CREATE + 1));
	struct store_change *c = change_on(w, a, kind);
	struct mbox *box = &w->after.box[a][x], *to = &w->after.box[a][1];

	c->name = str_of(box_name[x]);
	if (kind == STORE_CHANGE_CREATE) {
		*want = box->there ? TS_EXISTS : TS_OK;
		if (!box->there)
			*box = (struct mbox){.there = true, .uidnext = 1};
	} else if (kind == STORE_CHANGE_DELETE) {
		*want = x == 0 ? TS_INVALID : box->there ? TS_OK : TS_NOT_FOUND;
		if (*want == TS_OK)
			box->there = false;
	} else if (kind == STORE_CHANGE_RENAME) {
		c->new_name = str_of(box_name[1]);
		if (x == 0)
			c->source = open_box(w, a, 0);
		if (x == 2) { /* it has a child, whose new name the model does not know */
			c->kind = STORE_CHANGE_SUBSCRIBE;
			w->after.subscribed[a] |= 1u << x;
		} else if (!box->there) {
			*want = TS_NOT_FOUND;
		} else if (to->there) {
			*want = TS_EXISTS;
		} else if (x == 0) {
			*to = (struct mbox){.there = true, .uidnext = 1};
			for (size_t i = 0; i < box->n; i++) {
				to->m[to->n] = box->m[i];
				to->m[to->n++].uid = to->uidnext++;
			}
			box->n = 0;
		} else {
			*to = *box;
			box->there = false;
		}
	} else if (kind == STORE_CHANGE_SUBSCRIBE) {
		w->after.subscribed[a] |= 1u << x;
	} else {
		w->after.subscribed[a] &= ~(1u << x);
	}
	return c;
}

/* Sets or removes several at once, of the account or of one of its mailboxes. */
static struct store_change *
do_properties(struct world *w)
{
	int a, x;
	struct mbox *box = pick(w, &a, &x);
	struct store_change *c = change_on(w, a, STORE_CHANGE_PROPERTIES);
	bool own = rnd(w, 4) == 0;
	unsigned *property = own ? w->after.property[a] : box->property;
	size_t n = 1 + rnd(w, 3);

	c->quiet = rnd(w, 3) == 0;
	if (!own && c->quiet && rnd(w, 2) == 0)
		c->name = str_of(box_name[x]);
	else if (!own)
		c->mailbox = open_box(w, a, x);
	c->properties = arena_array(c->arena, n, sizeof *c->properties);
	c->property_count = n;
	for (size_t i = 0; i < n; i++) {
		unsigned p = rnd(w, PROPERTIES), value = rnd(w, 3) == 0 ? 0 : 1 + rnd(w, 1000);
		struct buf b = {0};

		buf_u64(&b, value);
		c->properties[i] = (struct store_property_op){.name = str_of(property_name[p]),
		    .value = arena_str(c->arena, buf_as_str(&b)),
		    .remove = value == 0};
		property[p] = value;
		buf_fini(&b);
	}
	return c;
}

static struct store_change *
some_change(struct world *w, enum ts_err *want)
{
	unsigned r = rnd(w, 100);

	*want = TS_OK;
	return r < 30   ? do_append(w)
	       : r < 55 ? do_flags(w)
	       : r < 65 ? do_properties(w)
	       : r < 75 ? do_expunge(w)
	       : r < 83 ? do_copy(w, false)
	       : r < 91 ? do_copy(w, true)
	                : do_name(w, want);
}

static void
step(struct world *w, bool faults)
{
	enum ts_err want;
	bool fault = faults && rnd(w, 4) == 0;

	w->after = w->model;

	struct store_change *c = some_change(w, &want);
	struct store_mailbox *mb = c->mailbox, *source = c->source;
	enum ts_err bad = rnd(w, 3) == 0 ? TS_FULL : TS_UNKNOWN;

	if (fault)
		engine_mem_fail(w->kit.disk, ENGINE_MEM_COMMIT, 1 + rnd(w, 3), bad, rnd(w, 2) != 0);

	enum ts_err err = kit_run(&w->kit, &c);

	if (w->kit.disk != NULL)
		engine_mem_fail(w->kit.disk, ENGINE_MEM_COMMIT, 0, TS_OK, false);
	if (err == want) {
		fault = false;
	} else {
		assert_true(fault);
		/* TS_UNKNOWN: a MOVE to another account, which the background finishes. */
		assert_true(err == bad || err == TS_UNAVAILABLE || err == TS_UNKNOWN);
		w->fails++;
		store_background_wait(w->kit.store);
	}
	store_change_free(&c);
	store_mailbox_unref(&mb);
	store_mailbox_unref(&source);
	if (rnd(w, 3) == 0)
		(void)store_background_step(w->kit.store);
	compare(w, fault);
}

static void
reopen_bob(struct world *w)
{
	assert_int_equal(store_account_load(w->kit.store, STR("bob"), true, &w->bob), TS_OK);
}

static void
run_model(unsigned seed, unsigned steps, bool faults, const struct engine_class *engine)
{
	struct world *w = mem_zalloc(sizeof *w);

	print_message("seed %u\n", seed);
	w->seed = seed;
	w->next_id = 60;
	w->kit.opt.engine = engine;
	w->kit.opt.fold_after = 7;
	w->kit.opt.blob_threshold = 200;
	kit_open(&w->kit, 0);
	reopen_bob(w);
	w->model.box[0][0] = w->model.box[1][0] = (struct mbox){.there = true, .uidnext = 1};
	for (unsigned i = 0; i < steps; i++) {
		step(w, faults);
		if (rnd(w, 40) == 0) {
			store_account_unref(&w->bob);
			if (w->kit.disk != NULL)
				kit_crash(&w->kit);
			else
				kit_reopen(&w->kit);
			reopen_bob(w);
			w->crashes++;
		}
	}
	print_message("%u failures, %u crashes\n", w->fails, w->crashes);
	if (faults)
		assert_true(w->fails > 0);
	store_account_unref(&w->bob);
	kit_close(&w->kit);
	mem_free(w);
}

static unsigned
given_seed(void)
{
	const char *given = getenv("TURNSTONE_SEED");

	return given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1;
}

static void
without_faults(void **state)
{
	(void)state;
	run_model(given_seed(), 400, false, NULL);
}

static void
with_faults(void **state)
{
	(void)state;
	run_model(given_seed() + 1, 400, true, NULL);
}

static void
on_rocks(void **state)
{
	(void)state;
	run_model(given_seed() + 2, 200, false, &engine_rocks_class);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_faults),
	    cmocka_unit_test(with_faults),
	    cmocka_unit_test(on_rocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
