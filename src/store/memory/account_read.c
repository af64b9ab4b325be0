/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an account from disk: its list, names to be normalized, leftovers of a crash. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/normal.h"
#include "store/memory/memory_int.h"

struct row { /* a mailbox on disk */
	uint32_t id, uidvalidity, use;
	int64_t created;
	bool counted, named;
	struct counters_row counters;
	char *name;
	size_t n;
	struct store_properties *properties;
};

struct rows {
	struct row *row;
	struct store_properties *properties;
	size_t count, cap;
	struct entry **extra; /* names of subscriptions and tombstones */
	size_t extra_count, extra_cap;
	uint32_t next_mailbox, last_uidvalidity, name_floor;
	int64_t created;
	bool found;
};

static void
rows_fini(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		mem_free(rows->row[i].name);
		store_properties_unref(&rows->row[i].properties);
	}
	store_properties_unref(&rows->properties);
	for (size_t i = 0; i < rows->extra_count; i++)
		account_entry_free(rows->extra[i]);
	mem_free(rows->row);
	mem_free(rows->extra);
}

static struct row *
listed_row(struct rows *rows, uint32_t id, bool add)
{
	size_t lo = 0, hi = rows->count;

	/* Counters come first, ascending, then the infos of the same ids. */
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (rows->row[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < rows->count && rows->row[lo].id == id)
		return &rows->row[lo];
	if (!add)
		return NULL;
	if (rows->count == rows->cap) {
		rows->cap = rows->cap > 0 ? rows->cap * 2 : 8;
		rows->row = mem_realloc(rows->row, rows->cap * sizeof *rows->row);
	}
	memmove(rows->row + lo + 1, rows->row + lo, (rows->count - lo) * sizeof *rows->row);
	rows->count++;
	rows->row[lo] = (struct row){.id = id};
	return &rows->row[lo];
}

static struct entry *
row_extra(struct rows *rows, struct str name)
{
	if (rows->extra_count == rows->extra_cap) {
		rows->extra_cap = rows->extra_cap > 0 ? rows->extra_cap * 2 : 8;
		rows->extra = mem_realloc(rows->extra, rows->extra_cap * sizeof(struct entry *));
	}
	return rows->extra[rows->extra_count++] = account_entry_new(name);
}

/* A property of a mailbox that does not exist stays hidden; the check reports it. */
static bool
take_property(struct rows *rows, struct str tail, struct str body)
{
	struct rd k = rd_of(tail);
	uint32_t id = rd_be32(&k);
	struct str name = rd_bytes(&k, rd_left(&k));
	struct row *row = id != 0 && !k.bad ? listed_row(rows, id, false) : NULL;

	if (k.bad || !store_property_name_ok(name))
		return false;
	if (id != 0 && row == NULL)
		return true;
	return properties_add(row != NULL ? &row->properties : &rows->properties, name, body);
}

static bool
read_row(struct rows *rows, struct str key, struct str body)
{
	struct rd k = rd_of((struct str){key.p + 9, key.n - 9}), r = rd_of(body);
	struct str tail = {key.p + 9, key.n - 9};
	struct row *row;
	struct str name;

	switch (key.p[8]) {
	case KEY_ACCOUNT:
		rows->next_mailbox = rd_le32(&r);
		rows->last_uidvalidity = rd_le32(&r);
		rows->created = (int64_t)rd_le64(&r);
		rows->found = rows->next_mailbox > 0;
		break;
	case KEY_COUNTERS:
		row = listed_row(rows, rd_be32(&k), true);
		value_take_counters(&r, &row->counters);
		row->counted = true;
		break;
	case KEY_INFO:
		row = listed_row(rows, rd_be32(&k), true);
		row->uidvalidity = rd_le32(&r);
		row->use = rd_le32(&r);
		row->created = (int64_t)rd_le64(&r);
		name = rd_bytes(&r, rd_left(&r));
		if (row->named || name.n == 0)
			return false;
		row->name = mem_dup(name.p, name.n);
		row->n = name.n;
		row->named = true;
		break;
	case KEY_PROPERTY:
		return take_property(rows, tail, body);
	case KEY_SUBSCRIBED:
		row_extra(rows, tail)->sub_pub = true;
		break;
	case KEY_TOMBSTONE:
		if (tail.n > 0)
			row_extra(rows, tail)->tombstone = rd_le32(&r);
		else
			rows->name_floor = rd_le32(&r);
		break;
	default:
		return false;
	}
	return !r.bad && !k.bad;
}

static enum ts_err
read_list(struct store *store, uint64_t id, struct rows *rows)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	key_begin(&from, id, KEY_ACCOUNT);
	key_begin(&end, id, KEY_INDEX);
	scan_begin_range(&scan, store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK || err == TS_DAMAGED)
		if (err == TS_DAMAGED || !read_row(rows, scan.key, scan.body)) {
			/* A damaged row costs its mailbox, or, if it is the account's,
			 * everything. */
			err = TS_FAIL(TS_DAMAGED,
			    "store: account %llu: a row of kind '%c' in the list is damaged",
			    (unsigned long long)id, scan.key.n > 8 ? scan.key.p[8] : '?');
			if (scan.key.n <= 8)
				break;
		}
	scan_end(&scan);
	if (err != TS_NOT_FOUND)
		return err;
	return rows->found ? TS_OK : TS_DAMAGED;
}

static int
entry_order(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return str_cmp(entry_name(*x), entry_name(*y));
}

static int
id_order(const void *a, const void *b)
{
	struct store_mailbox *const *x = a, *const *y = b;

	return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

/* Empties the list; returns the mailboxes that its entries had, ordered by id. */
static struct store_mailbox **
detach_mailboxes(struct store_account *a, size_t *n_r)
{
	struct store_mailbox **known = mem_zalloc((a->entry_count + 1) * sizeof(*known));
	size_t n = 0;

	for (size_t i = 0; i < a->entry_count; i++) {
		if (a->entry[i]->pub != NULL) {
			known[n++] = a->entry[i]->pub;
			a->entry[i]->pub->head.gone = true; /* unless it is put back */
		}
		account_entry_free(a->entry[i]);
	}
	a->entry_count = 0;
	if (n > 0)
		qsort(known, n, sizeof(*known), id_order);
	*n_r = n;
	return known;
}

static int
by_id(const void *key, const void *element)
{
	struct store_mailbox *const *mb = element;
	uint32_t id = *(const uint32_t *)key;

	return id < (*mb)->id ? -1 : id > (*mb)->id;
}

static struct store_mailbox *
find_known(struct store_mailbox **known, size_t n, uint32_t id)
{
	struct store_mailbox **at = n > 0 ? bsearch(&id, known, n, sizeof(*known), by_id) : NULL;

	return at != NULL ? *at : NULL;
}

static void
place_properties(
    struct store_properties **pub, struct store_properties **head, struct store_properties *table)
{
	store_properties_unref(pub);
	store_properties_unref(head);
	*pub = properties_ref(table);
	*head = properties_ref(table);
}

static void
place_row(struct store_account *a, struct row *row, struct store_mailbox *mb)
{
	struct entry *e;

	if (mb == NULL)
		mb = mailbox_new(a, row->id);
	mb->use = mb->head.use = row->use;
	mb->head.created = row->created;
	mb->head.uidvalidity = row->uidvalidity;
	mb->head.gone = false;
	atomic_store(&mb->uidvalidity, row->uidvalidity);
	mailbox_list_counters(mb, &row->counters);
	mailbox_sum(mb, true);
	place_properties(&mb->properties, &mb->head_properties, row->properties);
	own_note(mb);
	quota_read_head(a, mb);
	account_make_room(a);
	e = a->entry[a->entry_count++] = account_entry_new((struct str){row->name, row->n});
	e->pub = e->head = mb;
	a->head_mailboxes++;
}

/* Moves into an entry what another entry of the same name says. */
static void
merge_entry(struct entry *e, const struct entry *other)
{
	e->sub_pub = e->sub_head = e->sub_pub || other->sub_pub;
	if (other->tombstone != 0)
		e->tombstone = other->tombstone;
}

static void
place_extra(struct store_account *a, struct rows *rows, size_t ordered)
{
	for (size_t i = 0; i < rows->extra_count; i++) {
		struct entry *x = rows->extra[i];
		size_t all = a->entry_count;

		a->entry_count = ordered;

		struct entry *e = account_entry(a, entry_name(x));

		a->entry_count = all;
		if (e == NULL) {
			account_make_room(a);
			e = a->entry[a->entry_count++] = account_entry_new(entry_name(x));
		}
		merge_entry(e, x);
	}
	qsort(a->entry, a->entry_count, sizeof(struct entry *), entry_order);
	/* A name that is subscribed and has a tombstone came twice. */
	size_t kept = 0;
	for (size_t i = 0; i < a->entry_count; i++) {
		struct entry *e = a->entry[i], *last = kept > 0 ? a->entry[kept - 1] : NULL;

		if (last == NULL || !str_eq(entry_name(last), entry_name(e))) {
			a->entry[kept++] = e;
			continue;
		}
		merge_entry(last, e);
		TS_ASSERT(e->pub == NULL);
		account_entry_free(e);
	}
	a->entry_count = kept;
}

static const struct row *
row_named(const struct rows *rows, struct str name)
{
	for (size_t i = 0; i < rows->count; i++)
		if (rows->row[i].named &&
		    str_eq((struct str){rows->row[i].name, rows->row[i].n}, name))
			return &rows->row[i];
	return NULL;
}

/*
 * Names from outside are in normal form (base/normal.h), but stores have older names that are not.
 * These are normalized too, unless another mailbox has the name: then each keeps its own.
 */
struct respell {
	struct store *store;
	uint64_t account;
	struct rows *rows;
	struct arena *arena;        /* NULL: no name changes */
	struct engine_batch *batch; /* NULL: no name changes */
	struct str *name;           /* of rows, then of extras; p NULL: unchanged */
};

/* Returns STR_NONE if the name stays as it is. */
static struct str
respelled(struct respell *r, struct str old, bool is_row)
{
	struct str name;

	if (str_is_ascii(old))
		return STR_NONE;
	if (r->arena == NULL)
		r->arena = arena_new(NULL, ARENA_OTHER, 4096);
	name = str_normal(r->arena, old);
	if (name.p == old.p || row_named(r->rows, is_row ? name : old) != NULL)
		return STR_NONE;
	for (size_t i = 0; is_row && i < r->rows->count; i++)
		if (r->name[i].p != NULL && str_eq(r->name[i], name))
			return STR_NONE;
	if (r->batch == NULL)
		r->batch = engine_batch_new();
	return name;
}

static void
respell_row(struct respell *r, const struct row *row, struct str name)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, r->account, KEY_INFO);
	key_be32(&k, row->id);
	value_begin(&b);
	buf_le32(&b, row->uidvalidity);
	buf_le32(&b, row->use);
	buf_le64(&b, (uint64_t)row->created);
	buf_str(&b, name);
	batch_put_value(r->batch, &k, &b);
	buf_fini(&b);
}

static void
respell_subscription(struct respell *r, struct str old, struct str name)
{
	struct key k;

	key_begin(&k, r->account, KEY_SUBSCRIBED);
	key_bytes(&k, old);
	engine_batch_delete(r->batch, key_str(&k));
	key_begin(&k, r->account, KEY_SUBSCRIBED);
	key_bytes(&k, name);
	batch_put_empty(r->batch, &k);
}

static void
find_respelled(struct respell *r)
{
	struct rows *rows = r->rows;

	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->row[i];

		if (row->named)
			r->name[i] = respelled(r, (struct str){row->name, row->n}, true);
		if (r->name[i].p != NULL)
			respell_row(r, row, r->name[i]);
	}
	/* A tombstone stays with its mailbox, and so does the subscription of a mailbox. */
	for (size_t i = 0; i < rows->extra_count; i++) {
		struct str old = entry_name(rows->extra[i]), *name = &r->name[rows->count + i];

		if (!rows->extra[i]->sub_pub || str_is_ascii(old))
			continue;
		for (size_t k = 0; k < rows->count && name->p == NULL; k++)
			if (r->name[k].p != NULL &&
			    str_eq(old, (struct str){rows->row[k].name, rows->row[k].n}))
				*name = r->name[k];
		if (name->p == NULL)
			*name = respelled(r, old, false);
		if (name->p != NULL)
			respell_subscription(r, old, *name);
	}
}

static void
use_respelled(struct respell *r)
{
	struct rows *rows = r->rows;

	for (size_t i = 0; i < rows->count + rows->extra_count; i++) {
		struct entry *e = i < rows->count ? NULL : rows->extra[i - rows->count];
		char **text = e != NULL ? &e->name : &rows->row[i].name;

		if (r->name[i].p == NULL)
			continue;
		mem_free(*text);
		*text = mem_dup(r->name[i].p, r->name[i].n);
		*(e != NULL ? &e->n : &rows->row[i].n) = r->name[i].n;
	}
}

/* BLOCKING.  Changes the disk first; if that fails, everything stays as it is. */
static enum ts_err
respell_rows(struct store *store, uint64_t account, struct rows *rows)
{
	struct respell r = {.store = store, .account = account, .rows = rows};
	enum ts_err err = TS_OK;

	r.name = mem_zalloc((rows->count + rows->extra_count + 1) * sizeof(*r.name));
	find_respelled(&r);
	if (r.batch != NULL) {
		if (!store->opt.engine_options.read_only)
			err = store_commit(store, r.batch);
		if (err == TS_OK)
			use_respelled(&r);
		engine_batch_free(&r.batch);
	}
	mem_free(r.name);
	arena_free(&r.arena);
	return err == TS_FULL ? TS_OK : err;
}

static void
install_rows(struct store_account *a, struct rows *rows)
{
	size_t known_count;

	pthread_rwlock_wrlock(&a->lock);

	struct store_mailbox **known = detach_mailboxes(a, &known_count);

	a->next_mailbox =
	    rows->next_mailbox > a->next_mailbox ? rows->next_mailbox : a->next_mailbox;
	if (rows->last_uidvalidity > a->last_uidvalidity)
		a->last_uidvalidity = rows->last_uidvalidity;
	if (rows->name_floor > a->name_floor)
		a->name_floor = rows->name_floor;
	a->created = rows->created;
	place_properties(&a->properties, &a->head_properties, rows->properties);
	quota_read_head(a, NULL);
	a->head_mailboxes = 0;
	for (size_t i = 0; i < rows->count; i++) {
		struct row *row = &rows->row[i];

		if (row->named && row->counted)
			place_row(a, row, find_known(known, known_count, row->id));
		else
			log_msg(LOG_ERROR, NULL,
			    "store: account %llu mailbox %u: %s is missing, it cannot be shown",
			    (unsigned long long)a->id, row->id,
			    row->named ? "its counters record" : "its name");
	}
	qsort(a->entry, a->entry_count, sizeof(struct entry *), entry_order);
	place_extra(a, rows, a->entry_count);
	a->tombstones = 0;
	for (size_t i = 0; i < a->entry_count; i++)
		a->tombstones += a->entry[i]->tombstone != 0;
	for (size_t i = 0; i < known_count; i++)
		if (known[i]->head.gone) {
			mailbox_sum(known[i], false);
			atomic_store(&known[i]->gone, true);
			if (atomic_fetch_or(&known[i]->refs, REFS_GONE) == 0)
				mailbox_free(known[i]);
		}
	mem_free(known);
	account_count_bytes(a);
	pthread_rwlock_unlock(&a->lock);
	account_reset_usage(a);
	atomic_fetch_add(&a->list_version, 1);
}

static enum ts_err
left_by_crash(struct store *store, uint64_t account, enum key_kind *kind_r)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	key_begin(&from, account, KEY_STAGED);
	key_begin(&end, account, KEY_RENAME + 1);
	scan_begin_range(&scan, store, &from, &end);
	err = scan_next(&scan);
	*kind_r = scan.key.n > 8 ? (enum key_kind)scan.key.p[8] : 0;
	scan_end(&scan);
	return err == TS_NOT_FOUND || *kind_r != 0 ? TS_OK : err;
}

/* Nobody knows the account yet, so all leftovers are of an earlier run.  A RENAME is finished by
 * whoever reads the list. */
enum ts_err
account_recover(struct store_account *a)
{
	enum key_kind kind;
	enum ts_err err = left_by_crash(a->store, a->id, &kind);

	if (err == TS_OK && kind == KEY_STAGED)
		atomic_store(&a->staged_left, a->store->opt.engine_options.read_only ||
		                                  staged_recover(a->store, a->id) != TS_OK);
	return err;
}

enum ts_err
account_read(struct store_account *a)
{
	struct rows rows = {0};
	enum ts_err err = rename_finish(a->store, a->id);

	if (err == TS_OK)
		err = read_list(a->store, a->id, &rows);
	if (err == TS_OK)
		err = respell_rows(a->store, a->id, &rows);
	if (err == TS_OK)
		install_rows(a, &rows);
	rows_fini(&rows);
	return err == TS_OK ? owns_reread(a) : err;
}
