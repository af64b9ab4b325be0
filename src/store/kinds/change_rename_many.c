/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RENAME of a mailbox with very many below it.  Writing that many rows would take a lane too long,
 * and nobody may see some with the old name and some with the new:
 *
 *   begin  holds the account's list: changes of the list wait.  When the batch ends, everything
 *          prepared before is published
 *   build  the copier's thread makes a new table of names, and decides everything else: which
 *          exist, UIDVALIDITYs, tombstones
 *   show   one small batch: a record of what is renamed ('T', keys.h), the tombstones, the
 *          account's row.  Publishing it replaces the old table by the new one, and the user gets
 *          the answer
 *   write  the copier's thread writes the rows in pieces, from what it finds on disk, without a
 *          lane.  The last piece removes the record
 *
 * Until then the list is held.  After a crash, whoever reads the list finishes the rest
 * (core/rename_rows.c).
 */
#include "base/mem.h"
#include "store/kinds/steps_int.h"

struct renamed {
	struct store_mailbox *mailbox;
	struct entry *to, *there; /* there: the current entry of the new name; NULL: none */
	uint32_t uidvalidity;     /* its new one; 0: keeps its own */
};

struct entries {
	struct entry **p;
	size_t n, cap;
};

struct renaming {
	struct errand errand;
	struct store_account *account; /* referenced */
	struct store_change *user;     /* NULL: it has been answered */
	struct buf old, new;
	bool shown;
	/* built */
	struct renamed *one; /* in order of names */
	size_t count, cap;
	struct entries table;      /* the new table; once it is shown, the old one */
	struct entries made, gone; /* entries only in the new table, and only in the old one */
	struct engine_batch *ops;
	uint64_t version;                 /* of the list that it is made from */
	uint32_t last_uidvalidity, limit; /* drops tombstones up to the limit */
	uint32_t floor, mailbox_id;
	size_t tombstones;
};

static void
entries_add(struct entries *list, struct entry *e)
{
	if (list->n == list->cap) {
		list->cap = list->cap > 0 ? 2 * list->cap : 64;
		list->p = mem_realloc(list->p, list->cap * sizeof(struct entry *));
	}
	list->p[list->n++] = e;
}

static void
entries_free_all(struct entries *list)
{
	for (size_t i = 0; i < list->n; i++)
		account_entry_free(list->p[i]);
	mem_free(list->p);
	*list = (struct entries){0};
}

/* Frees what is not needed once the fate of the new table is known. */
static void
free_built(struct renaming *t)
{
	entries_free_all(t->shown ? &t->gone : &t->made);
	mem_free(t->made.p);
	mem_free(t->gone.p);
	mem_free(t->table.p);
	mem_free(t->one);
	engine_batch_free(&t->ops);
	t->made = t->gone = t->table = (struct entries){0};
	t->one = NULL;
}

static void
renaming_free(struct renaming *t)
{
	free_built(t);
	buf_fini(&t->old);
	buf_fini(&t->new);
	store_account_unref(&t->account);
	mem_free(t);
}

/* ---- building; on the copier's thread.  Nobody changes the table, so its lock is not needed
 * ---- */

static bool
is_source(const struct renaming *t, const struct entry *e)
{
	return e->pub != NULL && rename_covers(buf_as_str(&t->old), entry_name(e));
}

static void
find_sources(struct renaming *t)
{
	const struct store_account *a = t->account;
	struct buf name = {0};

	for (size_t i = 0; i < a->entry_count; i++) {
		const struct entry *e = a->entry[i];
		struct entry *to;

		if (!is_source(t, e))
			continue;
		name.n = 0;
		buf_str(&name, buf_as_str(&t->new));
		buf_put(&name, e->name + t->old.n, e->n - t->old.n);
		to = account_entry_new(buf_as_str(&name));
		to->pub = to->head = e->pub;
		entries_add(&t->made, to);
		if (t->count == t->cap) {
			t->cap = t->cap > 0 ? 2 * t->cap : 1024;
			t->one = mem_realloc(t->one, t->cap * sizeof *t->one);
		}
		t->one[t->count++] = (struct renamed){.mailbox = e->pub, .to = to};
		if (e->n == t->old.n)
			t->mailbox_id = e->pub->id;
	}
	buf_fini(&name);
}

/* Old and new names have the same suffixes, so the new names are in order too. */
static enum ts_err
look_at_targets(struct renaming *t)
{
	const struct store_account *a = t->account;
	size_t at = 0;

	for (size_t i = 0; i < t->count; i++) {
		struct renamed *one = &t->one[i];
		struct str name = entry_name(one->to);

		if (!mailbox_name_ok(name))
			return TS_INVALID;
		while (at < a->entry_count && str_cmp(entry_name(a->entry[at]), name) < 0)
			at++;
		if (at == a->entry_count || !str_eq(entry_name(a->entry[at]), name))
			continue;
		one->there = a->entry[at];
		if (one->there->pub != NULL)
			return TS_EXISTS;
	}
	return t->count > 0 ? TS_OK : TS_NOT_FOUND;
}

static uint32_t
own_uidvalidity(const struct store_mailbox *mb)
{
	return atomic_load((_Atomic uint32_t *)(uintptr_t)&mb->uidvalidity);
}

/* Decides as rename_one() in change_rename.c does. */
static roaring_bitmap_t *
who_needs_another(const struct renaming *t)
{
	roaring_bitmap_t *fresh = roaring_bitmap_create();

	for (size_t i = 0; i < t->count; i++) {
		const struct renamed *one = &t->one[i];

		if ((one->there != NULL && one->there->tombstone != 0) ||
		    own_uidvalidity(one->mailbox) <= tombs_highest(t->account, one->there))
			roaring_bitmap_add(fresh, one->mailbox->id);
	}
	roaring_bitmap_run_optimize(fresh);
	return fresh;
}

static void
put_record(struct renaming *t, uint32_t first, const roaring_bitmap_t *fresh)
{
	struct key k;
	struct buf b = {0};

	rename_written_key(&k, t->account->id);
	engine_batch_delete(t->ops, key_str(&k));
	rename_record_key(&k, t->account->id);
	value_begin(&b);
	buf_vstr(&b, buf_as_str(&t->old));
	buf_vstr(&b, buf_as_str(&t->new));
	buf_le32(&b, first);
	value_put_set(&b, fresh);
	batch_put_value(t->ops, &k, &b);
	buf_fini(&b);
}

static enum ts_err
give_uidvalidities(struct renaming *t)
{
	uint32_t last = t->account->last_uidvalidity, first = last + 1;
	int64_t now = store_wall(t->errand.store);
	roaring_bitmap_t *fresh = who_needs_another(t);
	uint64_t n = roaring_bitmap_get_cardinality(fresh);
	enum ts_err err = TS_LIMIT;

	if (last < UINT32_MAX && now > last && now < UINT32_MAX)
		first = (uint32_t)now;
	if (n == 0 || (last < UINT32_MAX && n <= UINT32_MAX - first)) {
		for (size_t i = 0; i < t->count && n > 0; i++) {
			uint32_t id = t->one[i].mailbox->id;

			if (roaring_bitmap_contains(fresh, id))
				t->one[i].uidvalidity =
				    first + (uint32_t)roaring_bitmap_rank(fresh, id) - 1;
		}
		t->last_uidvalidity = n > 0 ? first + (uint32_t)n - 1 : last;
		put_record(t, first, fresh);
		err = TS_OK;
	}
	roaring_bitmap_free(fresh);
	return err;
}

/* Returns the tombstone that the name would have if all were kept. */
static uint32_t
tombstone_of(const struct renaming *t, const struct entry *e)
{
	return is_source(t, e) ? own_uidvalidity(e->pub) : e->tombstone;
}

static void
bound_tombstones(struct renaming *t)
{
	const struct store_account *a = t->account;
	uint32_t *values = mem_zalloc((a->entry_count + 1) * sizeof(*values));
	size_t n = 0;

	for (size_t i = 0; i < a->entry_count; i++) {
		values[n] = tombstone_of(t, a->entry[i]);
		n += values[n] != 0;
	}
	t->limit = tombs_limit(values, n);
	mem_free(values);
	t->floor = t->limit > a->name_floor ? t->limit : a->name_floor;
	if (t->floor != a->name_floor)
		tombs_put(t->ops, a->id, STR_NONE, t->floor);
}

/* Returns the tombstone that the name has from now on. */
static uint32_t
bury(struct renaming *t, const struct entry *e)
{
	uint32_t value = tombstone_of(t, e);

	if (value <= t->limit)
		value = 0;
	if (value != e->tombstone)
		tombs_put(t->ops, t->account->id, entry_name(e), value);
	t->tombstones += value != 0;
	return value;
}

/* Copies a name of the old table, unless it is the new name of a mailbox. */
static void
keep_name(struct renaming *t, struct entry *e)
{
	uint32_t tombstone = bury(t, e);
	bool moves = is_source(t, e);
	struct entry *copy;

	if (!moves && tombstone == e->tombstone && !account_entry_empty(e)) {
		entries_add(&t->table, e);
		return;
	}
	entries_add(&t->gone, e);
	if (tombstone == 0 && !e->sub_pub && (moves || e->pub == NULL))
		return;
	copy = account_entry_new(entry_name(e));
	copy->pub = copy->head = moves ? NULL : e->pub;
	copy->sub_pub = copy->sub_head = e->sub_pub;
	copy->tombstone = tombstone;
	entries_add(&t->made, copy);
	entries_add(&t->table, copy);
}

static void
take_name(struct renaming *t, struct renamed *one)
{
	struct entry *there = one->there;

	if (there != NULL) {
		one->to->sub_pub = one->to->sub_head = there->sub_pub;
		one->to->tombstone = bury(t, there);
		entries_add(&t->gone, there);
	}
	entries_add(&t->table, one->to);
}

static void
merge_renamed(struct renaming *t)
{
	const struct store_account *a = t->account;
	size_t old = 0, new = 0;

	while (old < a->entry_count || new < t->count) {
		struct entry *e = old < a->entry_count ? a->entry[old] : NULL;
		struct renamed *one = new < t->count ? &t->one[new] : NULL;

		if (one == NULL || (e != NULL && str_cmp(entry_name(e), entry_name(one->to)) < 0)) {
			keep_name(t, e);
			old++;
		} else {
			take_name(t, one);
			old += one->there != NULL;
			new ++;
		}
	}
}

static enum ts_err
build(struct renaming *t)
{
	enum ts_err err;

	t->ops = engine_batch_new();
	t->version = store_account_list_version(t->account);
	find_sources(t);
	err = look_at_targets(t);
	if (err == TS_OK)
		err = give_uidvalidities(t);
	if (err != TS_OK)
		return err;
	bound_tombstones(t);
	merge_renamed(t);
	return TS_OK;
}

/* ---- the lane's part ---- */

/* By then everything prepared before is published. */
enum ts_err
rename_begin_prepare(struct batch *b, struct store_change *c)
{
	(void)b;
	(void)c;
	return TS_OK;
}

enum ts_err
rename_show_prepare(struct batch *b, struct store_change *c)
{
	struct renaming *t = c->priv->renaming;
	struct store_account *a = t->account;
	struct engine_op op;

	if (a->head_gone)
		return TS_NOT_FOUND;
	if (a->stale || store_account_list_version(a) != t->version)
		return TS_UNAVAILABLE;
	for (size_t at = 0; engine_batch_next(t->ops, &at, &op);)
		if (op.kind == ENGINE_PUT)
			engine_batch_put(b->ops, op.key, op.value);
		else
			engine_batch_delete(b->ops, op.key);
	for (size_t i = 0; i < t->count; i++)
		if (t->one[i].uidvalidity != 0)
			t->one[i].mailbox->head.uidvalidity = t->one[i].uidvalidity;
	a->last_uidvalidity = t->last_uidvalidity;
	account_put_row(a, b->ops);
	return TS_OK;
}

void
rename_show_apply(struct batch *b, struct store_change *c)
{
	struct renaming *t = c->priv->renaming;
	struct store_account *a = t->account;
	struct entries old;

	(void)b;
	pthread_rwlock_wrlock(&a->lock);
	old = (struct entries){a->entry, a->entry_count, a->entry_cap};
	a->entry = t->table.p;
	a->entry_count = t->table.n;
	a->entry_cap = t->table.cap;
	t->table = old;
	a->tombstones = t->tombstones;
	a->name_floor = t->floor;
	a->tidy_at = 2 * a->entry_count + 1000;
	for (size_t i = 0; i < t->count; i++)
		if (t->one[i].uidvalidity != 0)
			atomic_store(&t->one[i].mailbox->uidvalidity, t->one[i].uidvalidity);
	pthread_rwlock_unlock(&a->lock);
	t->shown = true;
	atomic_fetch_add(&a->list_version, 1);
	watch_notify(a, 0);
}

void
rename_show_undo(struct batch *b, struct store_change *c, bool doubt)
{
	struct renaming *t = c->priv->renaming;

	for (size_t i = 0; i < t->count; i++)
		t->one[i].mailbox->head.uidvalidity = own_uidvalidity(t->one[i].mailbox);
	if (doubt)
		lane_doubt(b->lane, t->account);
}

/* ---- from step to step ---- */

static void after_rename_step(struct store_change *c);

static void
next_rename_step(struct renaming *t, enum inner_kind kind)
{
	struct store_change *c =
	    change_new_inner(t->errand.store, t->account, (int)kind, after_rename_step, t);

	c->priv->renaming = t;
	change_submit_inner(c);
}

static void
answer_rename(struct renaming *t, enum ts_err err)
{
	struct store_change *user = t->user;

	t->user = NULL;
	user->err = err;
	if (err == TS_OK)
		user->mailbox_id = t->mailbox_id;
	change_complete(user);
}

static void
done(struct renaming *t)
{
	struct store *store = t->errand.store;

	gate_open(lane_of_account(t->account), &t->account->gate, t);
	renaming_free(t);
	copier_end(store);
}

static void
end_rename(struct renaming *t, enum ts_err err)
{
	answer_rename(t, err);
	done(t);
}

/* Frees what is left of the old table.  Nobody waits for this, and nobody changes the new table. */
static void
tidy_up(struct renaming *t)
{
	free_built(t);
	account_count_bytes(t->account);
}

static void
write_some(struct renaming *t)
{
	bool more;
	enum ts_err err = rename_write_piece(t->errand.store, t->account->id, &more);

	if (err != TS_OK) {
		gate_stick(lane_of_account(t->account), &t->account->gate, t);
		copier_put_off(&t->errand);
	} else if (more) {
		copier_put(&t->errand);
	} else {
		done(t);
	}
}

static void
run_rename(struct errand *errand)
{
	struct renaming *t = (struct renaming *)(void *)errand;
	enum ts_err err = TS_OK;

	if (t->shown) {
		if (t->ops != NULL)
			tidy_up(t);
		write_some(t);
		return;
	}
	err = build(t);
	if (err != TS_OK)
		end_rename(t, err);
	else
		next_rename_step(t, INNER_RENAME_SHOW);
}

static void
again(struct errand *errand)
{
	copier_put(errand);
}

static void
drop_rename(struct errand *errand)
{
	struct renaming *t = (struct renaming *)(void *)errand;

	t->account->gate.by = NULL;
	renaming_free(t);
}

/* Runs on a lane's thread, after a step's batch. */
static void
after_rename_step(struct store_change *c)
{
	struct renaming *t = c->priv->complete_arg;
	int kind = (int)c->kind;
	enum ts_err err = c->err;

	store_change_free(&c);
	if (err == TS_OK) {
		if (kind == INNER_RENAME_SHOW)
			answer_rename(t, TS_OK);
		copier_put(&t->errand);
		return;
	}
	/* None of it was in the batch. */
	if (kind == INNER_RENAME_BEGIN && err == TS_UNKNOWN)
		err = TS_UNAVAILABLE;
	end_rename(t, err);
}

void
rename_many_begin(struct store_change *user)
{
	struct renaming *t = mem_zalloc(sizeof *t);
	struct store_account *a = user->account;

	t->errand = (struct errand){
	    .store = a->store, .run = run_rename, .again = again, .drop = drop_rename};
	t->account = store_account_ref(a);
	t->user = user;
	buf_str(&t->old, user->name);
	buf_str(&t->new, user->new_name);
	copier_begin(a->store);
	gate_close(lane_of_account(a), &a->gate, t);
	next_rename_step(t, INNER_RENAME_BEGIN);
}
