/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of accounts and mailboxes: their tables, and the change that makes others. */
#include "store/properties.h"

#include "base/mem.h"
#include "store/store_int.h"

struct property {
	_Atomic unsigned refs;
	struct str name, value; /* behind it, in the same block */
};

/* ---- tables ---- */

static struct property *
property_new(struct str name, struct str value)
{
	struct property *p = mem_zalloc(sizeof(*p) + name.n + value.n);
	char *bytes = (char *)(p + 1);

	p->refs = 1;
	memcpy(bytes, name.p, name.n);
	if (value.n > 0)
		memcpy(bytes + name.n, value.p, value.n);
	p->name = (struct str){bytes, name.n};
	p->value = (struct str){bytes + name.n, value.n};
	return p;
}

static void
property_unref(struct property *p)
{
	if (atomic_fetch_sub(&p->refs, 1) == 1)
		mem_free(p);
}

struct store_properties *
properties_ref(struct store_properties *t)
{
	if (t != NULL)
		atomic_fetch_add(&t->refs, 1);
	return t;
}

void
store_properties_unref(struct store_properties **tp)
{
	struct store_properties *t = *tp;

	*tp = NULL;
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) > 1)
		return;
	for (size_t i = 0; i < t->count; i++)
		property_unref(t->one[i]);
	mem_free(t->one);
	mem_free(t);
}

size_t
store_properties_count(const struct store_properties *t)
{
	return t != NULL ? t->count : 0;
}

void
store_properties_at(
    const struct store_properties *t, size_t i, struct str *name_r, struct str *value_r)
{
	TS_ASSERT(i < t->count);
	*name_r = t->one[i]->name;
	*value_r = t->one[i]->value;
}

size_t
store_properties_from(const struct store_properties *t, struct str name)
{
	size_t lo = 0, hi = store_properties_count(t);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (str_cmp(t->one[mid]->name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
is_at(const struct store_properties *t, size_t at, struct str name)
{
	return at < store_properties_count(t) && str_eq(t->one[at]->name, name);
}

struct str
store_properties_get(const struct store_properties *t, struct str name)
{
	size_t at = store_properties_from(t, name);

	return is_at(t, at, name) ? t->one[at]->value : STR_NONE;
}

/* A copy with room for one more. */
static struct store_properties *
copy(const struct store_properties *t)
{
	struct store_properties *c = mem_zalloc(sizeof *c);

	c->refs = 1;
	c->count = store_properties_count(t);
	c->bytes = t != NULL ? t->bytes : 0;
	c->one = mem_zalloc((c->count + 1) * sizeof(struct property *));
	for (size_t i = 0; i < c->count; i++) {
		c->one[i] = t->one[i];
		atomic_fetch_add(&c->one[i]->refs, 1);
	}
	return c;
}

static void
take_out(struct store_properties *t, size_t at)
{
	t->bytes -= t->one[at]->name.n + t->one[at]->value.n;
	property_unref(t->one[at]);
	t->count--;
	memmove(&t->one[at], &t->one[at + 1], (t->count - at) * sizeof(struct property *));
}

void
properties_put(struct store_properties **tp, struct str name, struct str value)
{
	struct store_properties *t = copy(*tp);
	size_t at = store_properties_from(t, name);

	if (is_at(t, at, name))
		take_out(t, at);
	memmove(&t->one[at + 1], &t->one[at], (t->count - at) * sizeof(struct property *));
	t->one[at] = property_new(name, value);
	t->count++;
	t->bytes += name.n + value.n;
	store_properties_unref(tp);
	*tp = t;
}

void
properties_remove(struct store_properties **tp, struct str name)
{
	size_t at = store_properties_from(*tp, name);
	struct store_properties *t = NULL;

	if (!is_at(*tp, at, name))
		return;
	if ((*tp)->count > 1) {
		t = copy(*tp);
		take_out(t, at);
	}
	store_properties_unref(tp);
	*tp = t;
}

bool
properties_add(struct store_properties **tp, struct str name, struct str value)
{
	struct store_properties *t = *tp;

	if (t == NULL) {
		t = *tp = mem_zalloc(sizeof *t);
		t->refs = 1;
	}
	if (t->count > 0 && str_cmp(t->one[t->count - 1]->name, name) >= 0)
		return false;
	/* The room doubles. */
	if ((t->count & (t->count - 1)) == 0)
		t->one = mem_realloc(t->one, (2 * t->count + 1) * sizeof(struct property *));
	t->one[t->count++] = property_new(name, value);
	t->bytes += name.n + value.n;
	return true;
}

size_t
properties_cost(const struct store_properties *t)
{
	size_t bytes = 0;

	if (t == NULL)
		return 0;
	for (size_t i = 0; i < t->count; i++)
		bytes += mem_cost(sizeof(struct property) + t->one[i]->name.n + t->one[i]->value.n);
	return bytes + mem_cost(sizeof *t) + mem_cost(t->count * sizeof(struct property *));
}

/* ---- rows ---- */

void
property_key(struct key *k, uint64_t account, uint32_t mailbox, struct str name)
{
	key_begin(k, account, KEY_PROPERTY);
	key_be32(k, mailbox);
	key_bytes(k, name);
}

bool
property_name_ok(struct str name)
{
	return name.n > 0 && name.n <= STORE_NAME_MAX && memchr(name.p, 0, name.n) == NULL;
}

static void
put_row(struct batch *b, uint64_t account, uint32_t mailbox, struct str name, struct str value)
{
	struct key k;

	property_key(&k, account, mailbox, name);
	value_begin(&b->value);
	buf_str(&b->value, value);
	batch_put_value(b->ops, &k, &b->value);
}

void
properties_put_rows(struct batch *b, const struct store_mailbox *mb)
{
	const struct store_properties *t = mb->head_properties;

	for (size_t i = 0; t != NULL && i < t->count; i++)
		put_row(b, mb->account->id, mb->id, t->one[i]->name, t->one[i]->value);
}

void
properties_delete_rows(struct batch *b, const struct store_mailbox *mb)
{
	const struct store_properties *t = mb->head_properties;
	struct key k;

	for (size_t i = 0; t != NULL && i < t->count; i++) {
		property_key(&k, mb->account->id, mb->id, t->one[i]->name);
		engine_batch_delete(b->ops, key_str(&k));
	}
}

/* ---- what is published ---- */

static pthread_rwlock_t *
list_lock(const struct store_account *a)
{
	return (pthread_rwlock_t *)(uintptr_t)&a->lock;
}

struct store_properties *
store_account_properties(const struct store_account *a)
{
	struct store_properties *t;

	pthread_rwlock_rdlock(list_lock(a));
	t = properties_ref(a->properties);
	pthread_rwlock_unlock(list_lock(a));
	store_looked(a->store);
	return t;
}

struct store_properties *
store_mailbox_properties(const struct store_mailbox *mb)
{
	struct store_properties *t;

	pthread_rwlock_rdlock(list_lock(mb->account));
	t = properties_ref(mb->properties);
	pthread_rwlock_unlock(list_lock(mb->account));
	store_looked(mb->account->store);
	return t;
}

/* ---- the change ---- */

struct prop_op { /* another table, to be published */
	struct prop_op *next;
	struct store_account *account;  /* referenced */
	struct store_mailbox *mailbox;  /* referenced; NULL: the account's */
	struct store_properties *table; /* referenced */
};

static struct store_properties **
head_of(struct store_account *a, struct store_mailbox *mb)
{
	return mb != NULL ? &mb->head_properties : &a->head_properties;
}

static struct store_properties **
published_of(const struct prop_op *op)
{
	return op->mailbox != NULL ? &op->mailbox->properties : &op->account->properties;
}

/* Whose they are: of a mailbox, or, NULL, of the account itself. */
static enum ts_err
find_target(const struct store_change *c, struct store_account **a_r, struct store_mailbox **mb_r)
{
	struct store_account *a = c->account;
	struct entry *e;

	*a_r = a;
	*mb_r = c->mailbox;
	if (a == NULL || (c->mailbox != NULL && c->mailbox->account != a))
		return TS_INVALID;
	if (a->head_gone || a->stale)
		return a->head_gone ? TS_NOT_FOUND : TS_UNAVAILABLE;
	if (c->mailbox != NULL && c->quiet)
		return c->mailbox->head.gone ? TS_NOT_FOUND : TS_OK;
	if (c->mailbox != NULL)
		return prepare_usable(c->mailbox);
	if (c->name.n == 0)
		return TS_OK;
	pthread_rwlock_rdlock(&a->lock);
	e = account_entry(a, c->name);
	*mb_r = e != NULL ? e->head : NULL;
	pthread_rwlock_unlock(&a->lock);
	if (*mb_r == NULL)
		return TS_NOT_FOUND;
	return c->quiet ? TS_OK : TS_INVALID; /* nobody holds its state */
}

static enum ts_err
apply_op(const struct store_property_op *op, struct store_properties **table)
{
	struct str old = store_properties_get(*table, op->name);

	if (!property_name_ok(op->name))
		return TS_INVALID;
	if (op->must_be_new && old.p != NULL)
		return TS_EXISTS;
	if (op->must_be.p != NULL && (old.p == NULL || !str_eq(old, op->must_be)))
		return TS_CONDITION;
	if (op->remove)
		properties_remove(table, op->name);
	else if (old.p == NULL || !str_eq(old, op->value))
		properties_put(table, op->name, op->value);
	return TS_OK;
}

/* Of all that the account has in the head. */
static size_t
bytes_of_all(struct store_account *a)
{
	size_t n = a->head_properties != NULL ? a->head_properties->bytes : 0;

	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->entry_count; i++) {
		const struct store_mailbox *mb = a->entry[i]->head;

		if (mb != NULL && mb->head_properties != NULL)
			n += mb->head_properties->bytes;
	}
	pthread_rwlock_unlock(&a->lock);
	return n;
}

/* What is above a limit already may become less. */
static enum ts_err
check_limits(struct store_change *c, struct store_account *a, const struct store_properties *old,
    const struct store_properties *new)
{
	const struct store_options *opt = &a->store->opt;
	size_t had = store_properties_count(old), has = store_properties_count(new);
	size_t bytes = old != NULL ? old->bytes : 0, now = new != NULL ? new->bytes : 0;

	for (size_t i = 0; i < c->property_count; i++)
		if (!c->properties[i].remove && c->properties[i].value.n > opt->property_bytes)
			return refuse(c, STORE_LIMIT_PROPERTY_BYTES);
	if (has > had && has > opt->max_properties)
		return refuse(c, STORE_LIMIT_PROPERTIES);
	if (now > bytes && bytes_of_all(a) - bytes + now > opt->property_total)
		return refuse(c, STORE_LIMIT_PROPERTY_TOTAL);
	return TS_OK;
}

static void
put_changed(struct batch *b, const struct store_change *c, struct store_account *a,
    const struct store_mailbox *mb, const struct store_properties *table)
{
	uint32_t id = mb != NULL ? mb->id : 0;

	for (size_t i = 0; i < c->property_count; i++) {
		struct str name = c->properties[i].name, value = store_properties_get(table, name);
		struct key k;

		property_key(&k, a->id, id, name);
		if (value.p != NULL)
			put_row(b, a->id, id, name, value);
		else
			engine_batch_delete(b->ops, key_str(&k));
	}
}

/* From now on later changes see it. */
static void
show(struct batch *b, struct store_account *a, struct store_mailbox *mb,
    struct store_properties *table_take)
{
	struct prop_op *op = mem_zalloc(sizeof *op);
	struct store_properties **head = head_of(a, mb);

	*op = (struct prop_op){.account = store_account_ref(a),
	    .mailbox = mb != NULL ? store_mailbox_ref(mb) : NULL,
	    .table = properties_ref(table_take)};
	store_properties_unref(head);
	*head = table_take;
	*b->properties_last = op;
	b->properties_last = &op->next;
}

/* A record without contents: the mailbox is another one than before. */
static void
raise_modseq(struct batch *b, struct store_change *c)
{
	struct change_delta cd;

	delta_begin(&cd, b, c->mailbox);
	delta_commit(&cd);
	c->modseq = c->mailbox->head.c.modseq;
}

enum ts_err
prepare_properties(struct batch *b, struct store_change *c)
{
	struct store_properties *table;
	struct store_account *a;
	struct store_mailbox *mb;
	enum ts_err err = find_target(c, &a, &mb);

	if (err != TS_OK)
		return err;
	table = properties_ref(*head_of(a, mb));
	for (size_t i = 0; i < c->property_count && err == TS_OK; i++)
		err = apply_op(&c->properties[i], &table);
	if (err == TS_OK)
		err = check_limits(c, a, *head_of(a, mb), table);
	if (mb != NULL && c->mailbox != NULL && mb->state != NULL)
		c->modseq = mb->head.c.modseq;
	if (err != TS_OK || table == *head_of(a, mb)) {
		store_properties_unref(&table);
		return err;
	}
	put_changed(b, c, a, mb, table);
	show(b, a, mb, table);
	if (mb != NULL && !c->quiet)
		raise_modseq(b, c);
	return TS_OK;
}

void
properties_publish(struct batch *b)
{
	for (struct prop_op *op = b->properties; op != NULL; op = op->next) {
		struct store_account *a = op->account;
		struct store_properties **pub = published_of(op), *old;

		pthread_rwlock_wrlock(&a->lock);
		old = *pub;
		*pub = properties_ref(op->table);
		account_count_properties(a, old, op->table);
		pthread_rwlock_unlock(&a->lock);
		store_properties_unref(&old);
		atomic_fetch_add(&a->list_version, 1);
		watch_notify(a, op->mailbox != NULL ? op->mailbox->id : 0);
	}
}

void
properties_drop(struct batch *b)
{
	for (struct prop_op *op = b->properties; op != NULL; op = op->next) {
		struct store_properties **head = head_of(op->account, op->mailbox);

		store_properties_unref(head);
		pthread_rwlock_rdlock(&op->account->lock);
		*head = properties_ref(*published_of(op));
		pthread_rwlock_unlock(&op->account->lock);
	}
}

void
properties_doubt(struct batch *b, void (*doubt)(struct lane *lane, struct store_account *account))
{
	for (struct prop_op *op = b->properties; op != NULL; op = op->next)
		doubt(b->lane, op->account);
}

void
properties_clear(struct batch *b)
{
	while (b->properties != NULL) {
		struct prop_op *op = b->properties;

		b->properties = op->next;
		store_properties_unref(&op->table);
		store_mailbox_unref(&op->mailbox);
		store_account_unref(&op->account);
		mem_free(op);
	}
	b->properties_last = &b->properties;
}
