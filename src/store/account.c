/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts in memory: finding, loading, the list of mailboxes, eviction.
 * An entry is a name; it has a published side, which readers see, and a head
 * side, which the lane prepares on.
 */
#include <stdlib.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/normal.h"
#include "store/store_int.h"

/* By bits that the shard's table does not take (HASH_FUNCTION): all names of a shard agree in
 * these, and would share a bucket. */
static struct shard *
shard_of(struct store *store, struct str name)
{
	return &store->shard[(XXH3_64bits(name.p, name.n) >> 32) % SHARDS];
}

bool
account_name_ok(struct str name)
{
	return name.n > 0 && name.n <= STORE_NAME_MAX && str_is_utf8(name) &&
	       memchr(name.p, 0, name.n) == NULL;
}

/* ---- entries ---- */

size_t
account_entry_at(const struct store_account *a, struct str name)
{
	size_t lo = 0, hi = a->entry_count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (str_cmp(entry_name(a->entry[mid]), name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct entry *
account_entry(const struct store_account *a, struct str name)
{
	size_t at = account_entry_at(a, name);

	return at < a->entry_count && str_eq(entry_name(a->entry[at]), name) ? a->entry[at] : NULL;
}

struct entry *
account_entry_new(struct str name)
{
	struct entry *e = mem_zalloc(sizeof *e);

	e->name = mem_dup(name.p, name.n);
	e->n = name.n;
	return e;
}

void
account_entry_free(struct entry *e)
{
	mem_free(e->name);
	mem_free(e);
}

static void
make_room(struct store_account *a)
{
	if (a->entry_count < a->entry_cap)
		return;
	a->entry_cap = a->entry_cap > 0 ? a->entry_cap * 2 : 8;
	a->entry = mem_realloc(a->entry, a->entry_cap * sizeof(struct entry *));
}

/* An entry, and its mailbox. */
static size_t
entry_cost(const struct entry *e)
{
	return mem_cost(sizeof *e) + mem_cost(e->n) + mem_cost(sizeof(struct store_mailbox));
}

/* Until the account is counted anew; its lock is held. */
static void
count_more(struct store_account *a, size_t bytes)
{
	atomic_fetch_add(&a->counted, bytes);
	atomic_fetch_add(&a->store->state_bytes, bytes);
}

struct entry *
account_entry_add(struct store_account *a, struct str name)
{
	size_t at = account_entry_at(a, name);

	if (at < a->entry_count && str_eq(entry_name(a->entry[at]), name))
		return a->entry[at];
	make_room(a);
	memmove(a->entry + at + 1, a->entry + at, (a->entry_count - at) * sizeof(struct entry *));
	a->entry_count++;
	a->entry[at] = account_entry_new(name);
	count_more(a, entry_cost(a->entry[at]));
	return a->entry[at];
}

void
account_entries_add(struct store_account *a, const struct str *names, size_t n, struct entry **out)
{
	struct entry **fresh = mem_zalloc((n + 1) * sizeof(*fresh));
	size_t old = a->entry_count, more = 0;

	for (size_t i = 0; i < n; i++) {
		out[i] = account_entry(a, names[i]);
		if (out[i] == NULL) {
			out[i] = fresh[more++] = account_entry_new(names[i]);
			count_more(a, entry_cost(out[i]));
		}
	}
	a->entry_count += more;
	if (a->entry_count > a->entry_cap) {
		a->entry_cap = a->entry_count;
		a->entry = mem_realloc(a->entry, a->entry_cap * sizeof(struct entry *));
	}
	/* Both are in order: from the back, so that nothing is moved twice. */
	for (size_t at = a->entry_count; more > 0;) {
		bool newer = old == 0 || str_cmp(entry_name(a->entry[old - 1]),
		                             entry_name(fresh[more - 1])) < 0;

		a->entry[--at] = newer ? fresh[--more] : a->entry[--old];
	}
	mem_free(fresh);
}

bool
account_entry_empty(const struct entry *e)
{
	return e->pub == NULL && e->head == NULL && !e->sub_pub && !e->sub_head &&
	       e->tombstone == 0 && e->ops == 0;
}

/* Of an account's place in its shard's table. */
#define TABLE_COST 16

void
account_count_bytes(struct store_account *a)
{
	size_t now = mem_cost(sizeof *a) + mem_cost(a->name.n) + TABLE_COST +
	             mem_cost(a->entry_cap * sizeof(struct entry *)),
	       before;

	now += properties_cost(a->properties);
	for (size_t i = 0; i < a->entry_count; i++) {
		const struct entry *e = a->entry[i];

		now += e->head != NULL ? entry_cost(e) : mem_cost(sizeof *e) + mem_cost(e->n);
		now += e->pub != NULL ? properties_cost(e->pub->properties) : 0;
	}
	before = atomic_exchange(&a->counted, now);
	atomic_fetch_add(&a->store->state_bytes, now);
	atomic_fetch_sub(&a->store->state_bytes, before);
}

void
account_count_properties(
    struct store_account *a, const struct store_properties *old, const struct store_properties *now)
{
	size_t less = properties_cost(old);

	count_more(a, properties_cost(now));
	atomic_fetch_sub(&a->counted, less);
	atomic_fetch_sub(&a->store->state_bytes, less);
}

void
account_reset_usage(struct store_account *a)
{
	static const struct counters_row none = {0};
	struct store_usage *u = &a->head_usage;

	*u = (struct store_usage){0};
	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++) {
		const struct store_mailbox *mb = a->entry[i]->head;
		struct counters_row listed;

		if (mb == NULL)
			continue;
		listed = mailbox_listed(mb);
		usage_change(u, &none, mb->state != NULL ? &mb->head.c : &listed);
		u->mailboxes++;
	}
	pthread_rwlock_unlock(&a->lock);
}

void
store_account_usage(const struct store_account *a, struct store_usage *u)
{
	pthread_mutex_t *counting = (pthread_mutex_t *)(uintptr_t)&a->counting;

	pthread_mutex_lock(counting);
	*u = a->usage;
	pthread_mutex_unlock(counting);
	store_looked(a->store);
}

void
account_tidy(struct store_account *a)
{
	size_t kept = 0;

	pthread_rwlock_wrlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++)
		if (account_entry_empty(a->entry[i]))
			account_entry_free(a->entry[i]);
		else
			a->entry[kept++] = a->entry[i];
	a->entry_count = kept;
	account_count_bytes(a);
	pthread_rwlock_unlock(&a->lock);
}

void
account_tidy_some(struct store_account *a)
{
	if (a->entry_count < a->tidy_at)
		return;
	account_tidy(a);
	a->tidy_at = 2 * a->entry_count + 1000;
}

/* ---- reading the list from disk ---- */

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

	/* Counters come first, ascending; then the infos of the same ids. */
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

/* One of a mailbox that there is not stays out of sight; the check says so. */
static bool
take_property(struct rows *rows, struct str tail, struct str body)
{
	struct rd k = rd_of(tail);
	uint32_t id = rd_be32(&k);
	struct str name = rd_bytes(&k, rd_left(&k));
	struct row *row = id != 0 && !k.bad ? listed_row(rows, id, false) : NULL;

	if (k.bad || !property_name_ok(name))
		return false;
	if (id != 0 && row == NULL)
		return true;
	return properties_add(row != NULL ? &row->properties : &rows->properties, name, body);
}

static bool
take_row(struct rows *rows, struct str key, struct str body)
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
read_rows(struct store *store, uint64_t id, struct rows *rows)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	key_begin(&from, id, KEY_ACCOUNT);
	key_begin(&end, id, KEY_INDEX);
	scan_begin_range(&scan, store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK || err == TS_DAMAGED)
		if (err == TS_DAMAGED || !take_row(rows, scan.key, scan.body)) {
			/* A damaged row costs its mailbox, or all when it is the account's. */
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

/* Takes the known mailboxes out of the entries, ordered by id, and empties the list. */
static struct store_mailbox **
detach_mailboxes(struct store_account *a, size_t *n_r)
{
	struct store_mailbox **known = mem_zalloc((a->entry_count + 1) * sizeof(*known));
	size_t n = 0;

	for (size_t i = 0; i < a->entry_count; i++) {
		if (a->entry[i]->pub != NULL) {
			known[n++] = a->entry[i]->pub;
			a->entry[i]->pub->head.gone = true; /* unless it is placed again */
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
	make_room(a);
	e = a->entry[a->entry_count++] = account_entry_new((struct str){row->name, row->n});
	e->pub = e->head = mb;
	a->head_mailboxes++;
}

/* One entry takes over what another one of the name says. */
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
			make_room(a);
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
 * Names come in normal form from outside (base/normal.h), but stores have others that were made
 * before that was so.  They get that form, too, unless another mailbox has the name: then each
 * keeps its own.
 */
struct respell {
	struct store *store;
	uint64_t account;
	struct rows *rows;
	struct arena *arena;        /* NULL: nothing is respelled */
	struct engine_batch *batch; /* likewise */
	struct str *name;           /* of rows, then of extras; p NULL: as it is */
};

/* STR_NONE: it stays as it is. */
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
	/* A tombstone stays with what it is of; the subscription of a mailbox goes with it. */
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

/* BLOCKING.  On disk first; without room there everything stays as it is. */
static enum ts_err
respell_rows(struct store *store, uint64_t account, struct rows *rows)
{
	struct respell r = {.store = store, .account = account, .rows = rows};
	enum ts_err err = TS_OK;

	r.name = mem_zalloc((rows->count + rows->extra_count + 1) * sizeof(*r.name));
	find_respelled(&r);
	if (r.batch != NULL) {
		if (!store->opt.engine_options.read_only)
			err = background_commit(store, r.batch);
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

/* Nobody knows the account yet, so nothing of it is under way: what is there is of an earlier
 * run.  A RENAME is ended by whoever reads the list. */
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
		err = read_rows(a->store, a->id, &rows);
	if (err == TS_OK)
		err = respell_rows(a->store, a->id, &rows);
	if (err == TS_OK)
		install_rows(a, &rows);
	rows_fini(&rows);
	return err;
}

/* ---- finding and loading ---- */

static struct store_account *
account_new(struct store *store, uint64_t id, struct str name)
{
	struct store_account *a = mem_zalloc(sizeof *a);
	pthread_rwlockattr_t attr;

	a->store = store;
	a->id = id;
	a->lane = lane_of(store, id);
	a->name = (struct str){mem_dup(name.p, name.n), name.n};
	a->next_mailbox = 1;
	atomic_store(&a->list_version, 1);
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&a->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&a->load, NULL);
	pthread_mutex_init(&a->watches, NULL);
	pthread_mutex_init(&a->counting, NULL);
	list_init(&a->watch_list);
	change_queue_init(&a->changes);
	atomic_fetch_add(&store->accounts_loaded, 1);
	return a;
}

void
account_free(struct store_account *a)
{
	for (size_t i = 0; i < a->entry_count; i++) {
		if (a->entry[i]->pub != NULL)
			mailbox_free(a->entry[i]->pub);
		account_entry_free(a->entry[i]);
	}
	mem_free(a->entry);
	store_properties_unref(&a->properties);
	store_properties_unref(&a->head_properties);
	pthread_rwlock_destroy(&a->lock);
	pthread_mutex_destroy(&a->load);
	pthread_mutex_destroy(&a->watches);
	pthread_mutex_destroy(&a->counting);
	atomic_fetch_sub(&a->store->state_bytes, atomic_load(&a->counted));
	atomic_fetch_sub(&a->store->accounts_loaded, 1);
	mem_free((char *)(uintptr_t)a->name.p);
	mem_free(a);
}

struct store_account *
store_account_find(struct store *store, struct str name)
{
	struct shard *shard = shard_of(store, name);
	struct store_account *a = NULL;

	pthread_mutex_lock(&shard->mutex);
	HASH_FIND(hh, shard->accounts, name.p, name.n, a);
	if (a != NULL)
		atomic_fetch_add(&a->refs, 1);
	pthread_mutex_unlock(&shard->mutex);
	return a;
}

enum ts_err
account_id(struct store *store, struct str name, uint64_t *id_r)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;

	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, name);

	enum ts_err err = store_get(store, &k, &b, &body);
	struct rd r = rd_of(body);

	if (err == TS_OK) {
		*id_r = rd_le64(&r);
		if (r.bad || *id_r == 0)
			err = TS_FAIL(
			    TS_DAMAGED, "store: the id of account %.*s is damaged", STR_ARG(name));
	}
	buf_fini(&b);
	return err;
}

enum ts_err
store_account_names(struct store *store, bool (*fn)(struct str name, void *arg), void *arg)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	key_begin(&k, 0, KEY_NAME);
	scan_begin(&scan, store, &k);
	/* One whose value is damaged is an account all the same: loading it says what is wrong. */
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))
		if (scan.key.n > 9 && !fn((struct str){scan.key.p + 9, scan.key.n - 9}, arg))
			break;
	scan_end(&scan);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

static void
put_new_row(
    uint64_t id, struct str name, int64_t now, uint32_t mailboxes, struct engine_batch *batch)
{
	uint32_t uidvalidity = now > 0 ? (uint32_t)now : 1;
	struct key k;
	struct buf b = {0};

	key_begin(&k, id, KEY_ACCOUNT);
	value_begin(&b);
	buf_le32(&b, mailboxes + 1);
	buf_le32(&b, uidvalidity + mailboxes - 1);
	buf_le64(&b, (uint64_t)now);
	buf_str(&b, name);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

/* A mailbox of a new account, number from 1 on. */
static void
put_new_mailbox(uint64_t id, uint32_t number, const struct store_default *mailbox, int64_t now,
    struct engine_batch *batch)
{
	struct counters_row counters = {.uidnext = 1, .modseq = 1};
	uint32_t uidvalidity = (now > 0 ? (uint32_t)now : 1) + number - 1;
	struct key k;
	struct buf b = {0};

	key_begin(&k, id, KEY_COUNTERS);
	key_be32(&k, number);
	value_begin(&b);
	value_put_counters(&b, &counters);
	batch_put_value(batch, &k, &b);

	key_begin(&k, id, KEY_INFO);
	key_be32(&k, number);
	value_begin(&b);
	buf_le32(&b, uidvalidity);
	buf_le32(&b, mailbox->use);
	buf_le64(&b, (uint64_t)now);
	buf_str(&b, mailbox->name);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

void
account_put_name(uint64_t id, struct str name, struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, name);
	value_begin(&b);
	buf_le64(&b, id);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

void
account_put_new(uint64_t id, struct str name, int64_t now, const struct store_default *more,
    size_t n, struct engine_batch *batch)
{
	static const struct store_default inbox = {{"INBOX", 5}, 0};
	struct key k;

	put_new_row(id, name, now, (uint32_t)n + 1, batch);
	put_new_mailbox(id, 1, &inbox, now, batch);
	for (size_t i = 0; i < n; i++) {
		put_new_mailbox(id, (uint32_t)i + 2, &more[i], now, batch);
		key_begin(&k, id, KEY_SUBSCRIBED);
		key_bytes(&k, more[i].name);
		batch_put_empty(batch, &k);
	}
}

void
account_put_row(struct store_account *a, struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, a->id, KEY_ACCOUNT);
	value_begin(&b);
	buf_le32(&b, a->next_mailbox);
	buf_le32(&b, a->last_uidvalidity);
	buf_le64(&b, (uint64_t)a->created);
	buf_str(&b, a->name);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

static enum ts_err
create(struct store *store, struct str name, bool bare)
{
	struct store_change *c = store_change_new_account(store, name, NULL, NULL, NULL);
	enum ts_err err;

	if (bare)
		c->kind = (enum store_change_kind)INNER_NEW_BARE;
	err = store_submit_wait(c);
	store_change_free(&c);
	return err == TS_EXISTS ? TS_OK : err;
}

static bool
account_has_keys(struct store *store, uint64_t id)
{
	uint64_t next = 0;

	return account_next(store, id - 1, &next) != TS_NOT_FOUND && next <= id;
}

enum ts_err
account_next(struct store *store, uint64_t after, uint64_t *account_r)
{
	struct key from;
	struct str key, value;
	struct engine_iter *it;
	enum ts_err err;

	if (after == UINT64_MAX)
		return TS_NOT_FOUND;
	key_begin(&from, after + 1, 0);
	from.n = 8;
	it = engine_iter_new(store->engine, key_str(&from), STR_NONE, false);
	/* What is shorter belongs to nobody. */
	do
		err = engine_iter_next(it, &key, &value);
	while (err == TS_OK && key.n < 8);
	if (err == TS_OK) {
		struct rd r = rd_of(key);

		*account_r = rd_be64(&r);
	}
	engine_iter_free(&it);
	return err;
}

/* shard.load is held. */
static enum ts_err
load_account(struct store *store, struct str name, struct store_account **account_r)
{
	uint64_t id = 0;
	enum ts_err err = account_id(store, name, &id);

	if (err != TS_OK)
		return err;

	struct store_account *a = account_new(store, id, name);

	err = account_recover(a);
	if (err == TS_OK)
		err = account_read(a);
	/* Its name is there, its rows are to come, or a crash came in between: not yet made.  They
	 * come all at once; when that was between these looks, the next one finds them. */
	if (err == TS_DAMAGED)
		err = account_has_keys(store, id) ? account_read(a) : TS_NOT_FOUND;
	if (err != TS_OK) {
		account_free(a);
		return err;
	}

	struct shard *shard = shard_of(store, name);

	atomic_store(&a->refs, 1);
	pthread_mutex_lock(&shard->mutex);
	HASH_ADD_KEYPTR(hh, shard->accounts, a->name.p, a->name.n, a);
	pthread_mutex_unlock(&shard->mutex);
	*account_r = a;
	return TS_OK;
}

static enum ts_err
find_or_load(struct store *store, struct str name, struct store_account **account_r)
{
	struct shard *shard = shard_of(store, name);
	enum ts_err err = TS_OK;

	pthread_mutex_lock(&shard->load);
	*account_r = store_account_find(store, name);
	if (*account_r == NULL)
		err = load_account(store, name, account_r);
	pthread_mutex_unlock(&shard->load);
	return err;
}

enum making { MAKE_NOT, MAKE_WHOLE, MAKE_BARE }; /* when there is none */

static enum ts_err
find_or_make(
    struct store *store, struct str name, enum making make, struct store_account **account_r)
{
	enum ts_err err;

	*account_r = NULL;
	if (!account_name_ok(name))
		return TS_INVALID;
	err = find_or_load(store, name, account_r);
	/* Without a lock: others of the shard do not wait for the flush. */
	if (err == TS_NOT_FOUND && make != MAKE_NOT)
		err = create(store, name, make == MAKE_BARE);
	if (err == TS_OK && *account_r == NULL)
		err = find_or_load(store, name, account_r);
	account_ask_eviction(store);
	return err;
}

enum ts_err
store_account_load(
    struct store *store, struct str name, bool make, struct store_account **account_r)
{
	block_here("store_account_load");
	return find_or_make(store, name, make ? MAKE_WHOLE : MAKE_NOT, account_r);
}

enum ts_err
store_account_load_bare(struct store *store, struct str name, struct store_account **account_r)
{
	block_here("store_account_load_bare");
	return find_or_make(store, name, MAKE_BARE, account_r);
}

struct store_account *
store_account_ref(struct store_account *a)
{
	atomic_fetch_add(&a->refs, 1);
	return a;
}

void
store_account_unref(struct store_account **ap)
{
	struct store_account *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	atomic_store(&a->used, clock_mono_ms());
	/* Afterwards the background may free it at any time, unless it is gone. */
	if (atomic_fetch_sub(&a->refs, 1) == (REFS_GONE | 1))
		account_free(a);
}

uint64_t
store_account_id(const struct store_account *a)
{
	return a->id;
}

struct str
store_account_name(const struct store_account *a)
{
	return a->name;
}

struct store *
store_account_store(const struct store_account *a)
{
	return a->store;
}

void
account_publish_gone(struct store_account *a)
{
	struct shard *shard = shard_of(a->store, a->name);

	pthread_mutex_lock(&shard->mutex);
	HASH_DEL(shard->accounts, a);
	/* Nobody can find it any more; the batch holds a reference. */
	atomic_fetch_or(&a->refs, REFS_GONE);
	atomic_store(&a->gone, true);
	pthread_mutex_unlock(&shard->mutex);
	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++)
		if (a->entry[i]->pub != NULL)
			atomic_store(&a->entry[i]->pub->gone, true);
	for (size_t i = 0; i < a->entry_count; i++)
		if (a->entry[i]->pub != NULL)
			holds_keep_all(a->entry[i]->pub);
	pthread_rwlock_unlock(&a->lock);
	atomic_fetch_add(&a->list_version, 1);
}

enum ts_err
store_account_delete(struct store *store, struct str name)
{
	struct store_account *a;
	enum ts_err err = store_account_load(store, name, false, &a);

	if (err != TS_OK)
		return err;

	struct store_change *c = change_new_inner(store, a, INNER_DROP_ACCOUNT, NULL, NULL);

	err = store_submit_wait(c);
	store_change_free(&c);
	store_account_unref(&a);
	return err;
}

/* ---- eviction ---- */

static uint64_t
idle_since(const struct store_mailbox *mb)
{
	return atomic_load((_Atomic uint64_t *)(uintptr_t)&mb->used);
}

struct idle { /* a state, or an account, that nobody uses */
	uint64_t used;
	size_t bytes;
};

struct idles {
	struct idle *one;
	size_t count, cap;
	uint64_t bytes;
	uint64_t before; /* evict what was last used at or before */
};

static void
add_idle(struct idles *idles, uint64_t used, size_t bytes)
{
	if (idles->count == idles->cap) {
		idles->cap = idles->cap > 0 ? idles->cap * 2 : 64;
		idles->one = mem_realloc(idles->one, idles->cap * sizeof *idles->one);
	}
	idles->one[idles->count++] = (struct idle){used, bytes};
	idles->bytes += bytes;
}

static void
find_idle(struct store_account *a, struct idles *idles)
{
	if (atomic_load(&a->refs) == 0)
		add_idle(idles, atomic_load(&a->used), atomic_load(&a->counted));
	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++) {
		struct store_mailbox *mb = a->entry[i]->pub;

		if (mb == NULL || mb->state == NULL || atomic_load(&mb->refs) != 0)
			continue;
		add_idle(idles, idle_since(mb), mb->counted);
	}
	pthread_rwlock_unlock(&a->lock);
}

static void
evict_idle(struct store_account *a, struct idles *idles)
{
	pthread_rwlock_wrlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++) {
		struct store_mailbox *mb = a->entry[i]->pub;

		/* Finding one takes the lock: with no references now, there will be none. */
		if (mb != NULL && mb->state != NULL && atomic_load(&mb->refs) == 0 &&
		    idle_since(mb) <= idles->before)
			mailbox_drop_state(mb);
	}
	pthread_rwlock_unlock(&a->lock);
}

static int
idle_order(const void *a, const void *b)
{
	const struct idle *x = a, *y = b;

	return x->used < y->used ? -1 : x->used > y->used;
}

static void
each_account(
    struct store *store, void (*fn)(struct store_account *, struct idles *), struct idles *idles)
{
	for (unsigned i = 0; i < SHARDS; i++) {
		struct store_account *a, *tmp;

		/* Held while fn runs, which takes microseconds for an ordinary account. */
		pthread_mutex_lock(&store->shard[i].mutex);
		HASH_ITER(hh, store->shard[i].accounts, a, tmp)
		fn(a, idles);
		pthread_mutex_unlock(&store->shard[i].mutex);
	}
}

/* An account without users and loaded mailboxes; the shard's mutex is held. */
static void
evict_account(struct store_account *a, struct idles *idles)
{
	if (atomic_load(&a->refs) != 0 || atomic_load(&a->used) > idles->before)
		return;
	HASH_DEL(a->store->shard[shard_of(a->store, a->name) - a->store->shard].accounts, a);
	account_free(a);
}

void
account_evict(struct store *store)
{
	struct idles idles = {0};
	uint64_t gone = 0;

	each_account(store, find_idle, &idles);
	if (idles.bytes > store->opt.state_budget) {
		qsort(idles.one, idles.count, sizeof *idles.one, idle_order);
		/* A little below the budget, so that the next load does not come here again. */
		uint64_t keep = store->opt.state_budget - store->opt.state_budget / 8;

		for (size_t i = 0; i < idles.count && idles.bytes - gone > keep; i++) {
			gone += idles.one[i].bytes;
			idles.before = idles.one[i].used;
		}
		each_account(store, evict_idle, &idles);
		each_account(store, evict_account, &idles);
	}
	mem_free(idles.one);
}

/* ---- the list ---- */

static void
fill_info(const struct store_mailbox *mb, const struct entry *e, struct store_mailbox_info *info)
{
	struct counters_row c;

	*info = (struct store_mailbox_info){.subscribed = e->sub_pub};
	if (mb == NULL)
		return;
	info->id = mb->id;
	info->use = mb->use;
	info->properties = mb->properties;
	c = mailbox_listed(mb);
	info->counters = (struct store_counters){.messages = c.messages,
	    .unseen = c.unseen,
	    .deleted = c.deleted,
	    .recent = c.recent,
	    .uidnext = c.uidnext,
	    .uidvalidity = atomic_load(&mb->uidvalidity),
	    .size = c.size,
	    .modseq = c.modseq,
	    .deleted_size = c.deleted_size};
}

static pthread_rwlock_t *
list_lock(const struct store_account *a)
{
	return (pthread_rwlock_t *)(uintptr_t)&a->lock;
}

uint64_t
store_account_list_from(const struct store_account *a, struct str from,
    bool (*fn)(const struct store_mailbox_info *info, void *arg), void *arg)
{
	uint64_t version;

	pthread_rwlock_rdlock(list_lock(a));
	version = store_account_list_version(a);
	for (size_t i = from.n > 0 ? account_entry_at(a, from) : 0; i < a->entry_count; i++) {
		const struct entry *e = a->entry[i];
		struct store_mailbox_info info;

		if (e->pub == NULL && !e->sub_pub)
			continue;
		fill_info(e->pub, e, &info);
		info.name = entry_name(e);
		if (!fn(&info, arg))
			break;
	}
	pthread_rwlock_unlock(list_lock(a));
	store_looked(a->store);
	return version;
}

void
store_account_list(const struct store_account *a,
    bool (*fn)(const struct store_mailbox_info *info, void *arg), void *arg)
{
	(void)store_account_list_from(a, STR(""), fn, arg);
}

bool
store_account_lookup(
    const struct store_account *a, struct str name, struct store_mailbox_info *info)
{
	bool found = false;

	pthread_rwlock_rdlock(list_lock(a));

	const struct entry *e = account_entry(a, name);

	if (e != NULL && e->pub != NULL) {
		fill_info(e->pub, e, info);
		info->properties = NULL; /* it may go when the lock does */
		found = true;
	}
	pthread_rwlock_unlock(list_lock(a));
	store_looked(a->store);
	return found;
}

bool
store_account_has_children(const struct store_account *a, struct str name)
{
	struct buf b = {0};
	bool found = false;

	buf_str(&b, name);
	buf_putc(&b, '/');
	pthread_rwlock_rdlock(list_lock(a));
	for (size_t i = account_entry_at(a, buf_as_str(&b)); i < a->entry_count && !found; i++) {
		if (!str_has_prefix(entry_name(a->entry[i]), buf_as_str(&b)))
			break;
		found = a->entry[i]->pub != NULL;
	}
	pthread_rwlock_unlock(list_lock(a));
	store_looked(a->store);
	buf_fini(&b);
	return found;
}

uint64_t
store_account_list_version(const struct store_account *a)
{
	return atomic_load((_Atomic uint64_t *)(uintptr_t)&a->list_version);
}
