/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preparing changes of the list of mailboxes.
 *
 * UIDVALIDITY: the account's values only grow, so a new mailbox never gets one
 * that was given before.  A renamed mailbox keeps its own, unless its new name
 * was, or may have been, once another's (there is a tombstone, or some were
 * forgotten, see tombs.c): then it gets a new one, too.
 * A mailbox that comes from elsewhere may bring a lower value than the
 * account's last; per name the values grow all the same, since it must be above
 * the tombstone.  A value under which no UID was ever given does not count:
 * nobody can remember a message by it (RFC 9051 2.3.1.1).
 */
#include "base/mem.h"
#include "store/change/change_int.h"

#define INBOX STR("INBOX")

/* Are there so many ids and UIDVALIDITYs left?  They only grow, and have an end. */
static bool
numbers_left(const struct store_account *a, size_t mailboxes, size_t uidvalidities)
{
	return mailboxes <= UINT32_MAX - a->next_mailbox &&
	       uidvalidities <= UINT32_MAX - a->last_uidvalidity;
}

/* There is one: numbers_left(). */
static uint32_t
next_uidvalidity(struct store_account *a)
{
	int64_t now = store_wall(a->store);

	if (now > a->last_uidvalidity && now < UINT32_MAX)
		a->last_uidvalidity = (uint32_t)now;
	else
		a->last_uidvalidity++;
	return a->last_uidvalidity;
}

/* The wished one when the name may have it, a new one else. */
static uint32_t
wished_uidvalidity(struct store_account *a, const struct entry *e, uint32_t wish)
{
	if (wish == 0 || wish > STORE_UIDVALIDITY_WISH_MAX || wish <= tombs_highest(a, e))
		return next_uidvalidity(a);
	if (wish > a->last_uidvalidity)
		a->last_uidvalidity = wish;
	return wish;
}

static struct entry *
find_entry(struct store_account *a, struct str name)
{
	pthread_rwlock_rdlock(&a->lock);

	struct entry *e = account_entry(a, name);

	pthread_rwlock_unlock(&a->lock);
	return e;
}

static struct entry *
make_entry(struct store_account *a, struct str name)
{
	pthread_rwlock_wrlock(&a->lock);

	struct entry *e = account_entry_add(a, name);

	pthread_rwlock_unlock(&a->lock);
	return e;
}

/* The new one of the entry's mailboxes, in the head. */
static void
set_head(struct batch *b, struct store_account *a, struct entry *e, struct store_mailbox *mb)
{
	struct list_op *op = batch_list_op(b, e, a);

	e->head = mb;
	if (mb == NULL)
		return;
	op->mailbox = store_mailbox_ref(mb);
	op->uidvalidity = mb->head.uidvalidity;
}

/* ---- CREATE ---- */

/* The state of a mailbox that begins with a UIDNEXT and a MODSEQ: the index header says that what
 * was before is not known, so that QRESYNC with an older MODSEQ gets everything. */
static struct state *
begin_state(struct batch *b, struct store_mailbox *mb, const struct store_change *c)
{
	struct state *s = state_new();
	struct key k;

	if (c->wish_uidnext > s->counters.uidnext)
		s->counters.uidnext = c->wish_uidnext;
	if (c->wish_modseq <= s->counters.modseq)
		return s;
	s->counters.modseq = s->snapshot = s->expunge_floor = s->ring_floor = c->wish_modseq;
	key_index(&k, mb->account->id, mb->id, KEY_HEADER);
	value_begin(&b->value);
	buf_le64(&b->value, s->snapshot);
	buf_le64(&b->value, s->expunge_floor);
	buf_varint(&b->value, 0);
	batch_put_value(b->ops, &k, &b->value);
	return s;
}

static struct store_mailbox *
create(struct batch *b, const struct store_change *c, struct str name, unsigned use)
{
	struct store_account *a = c->account;
	struct store_mailbox *mb = mailbox_new(a, a->next_mailbox++);

	mb->head.uidvalidity = wished_uidvalidity(a, find_entry(a, name), c->wish_uidvalidity);
	mb->head.use = mb->use = use;
	mb->head.created = store_wall(a->store);
	atomic_store(&mb->uidvalidity, mb->head.uidvalidity);
	mailbox_install(mb, begin_state(b, mb, c));
	mailbox_reset_head(mb);
	account_put_row(a, b->ops);
	mailbox_put_info(mb, name, b->ops);
	mailbox_put_counters(mb, b->ops);
	set_head(b, a, make_entry(a, name), mb);
	b->list[b->list_count - 1].created = true;
	a->head_mailboxes++;
	a->head_usage.mailboxes++;
	return mb;
}

/* What it holds is no longer the account's. */
static void
leave_sums(struct store_mailbox *mb)
{
	static const struct counters_row none = {0};
	struct store_account *a = mb->account;

	pthread_rwlock_rdlock(&a->lock);
	usage_change(&a->head_usage, mb->state != NULL ? &mb->head.c : &mb->counters, &none);
	pthread_rwlock_unlock(&a->lock);
	a->head_usage.mailboxes--;
}

/* Takes the mailbox's rows away; its contents go in the background. */
static void
remove_rows(struct batch *b, struct store_mailbox *mb)
{
	const struct store_account *a = mb->account;
	struct key k;

	key_begin(&k, a->id, KEY_INFO);
	key_be32(&k, mb->id);
	engine_batch_delete(b->ops, key_str(&k));
	key_begin(&k, a->id, KEY_COUNTERS);
	key_be32(&k, mb->id);
	engine_batch_delete(b->ops, key_str(&k));
	key_job(&k, KEY_PURGE, a->id, mb->id, 0);
	batch_put_empty(b->ops, &k);
	properties_delete_rows(b, mb);
	leave_sums(mb);
	mb->head.gone = true;
	batch_job(b, a->id, BG_PURGE);
}

/* The new mailbox, which nobody knows yet, takes the properties of the one whose place it takes. */
static void
take_properties(struct batch *b, struct store_mailbox *mb, const struct store_mailbox *old)
{
	mb->properties = properties_ref(old->head_properties);
	mb->head_properties = properties_ref(old->head_properties);
	properties_put_rows(b, mb);
}

/* May the new mailbox take the place of the one that has the name? */
static enum ts_err
replaceable(const struct entry *e, const struct store_mailbox *mb)
{
	if (mb == NULL)
		return TS_EXISTS;
	if (e->head != mb)
		return TS_NOT_FOUND;

	enum ts_err err = prepare_usable(mb);

	if (err == TS_OK && (mb->head.c.messages > 0 || mb->head.c.uidnext > 1))
		err = TS_EXISTS;
	return err;
}

static enum ts_err
prepare_create(struct batch *b, struct store_change *c)
{
	struct store_account *a = c->account;
	struct store_mailbox *old = NULL;
	struct entry *e;

	if (!mailbox_name_ok(c->name) || c->wish_modseq > STORE_MODSEQ_WISH_MAX)
		return TS_INVALID;
	e = find_entry(a, c->name);
	if (e != NULL && e->head != NULL) {
		enum ts_err err = replaceable(e, c->mailbox);

		if (err != TS_OK)
			return err;
		old = e->head;
	} else if (a->head_mailboxes >= a->store->opt.max_mailboxes) {
		return TS_LIMIT;
	}
	if (!numbers_left(a, 1, 1))
		return TS_LIMIT;
	if (old != NULL) {
		remove_rows(b, old);
		a->head_mailboxes--;
	}

	struct store_mailbox *mb = create(b, c, c->name, c->use);

	if (old != NULL) {
		b->list[b->list_count - 1].gone = store_mailbox_ref(old);
		take_properties(b, mb, old);
	}
	c->mailbox_id = mb->id;
	c->uidvalidity = mb->head.uidvalidity;
	return TS_OK;
}

/* ---- DELETE ---- */

static enum ts_err
prepare_delete(struct batch *b, struct store_change *c)
{
	struct store_account *a = c->account;
	struct entry *e;

	account_tidy_some(a);
	e = find_entry(a, c->name);
	if (str_eq(c->name, INBOX))
		return TS_INVALID;
	if (e == NULL || e->head == NULL)
		return TS_NOT_FOUND;

	struct store_mailbox *mb = e->head;

	remove_rows(b, mb);
	tombs_bury(b, a, e, mb->head.uidvalidity);
	set_head(b, a, e, NULL);
	b->list[b->list_count - 1].gone = store_mailbox_ref(mb);
	a->head_mailboxes--;
	return TS_OK;
}

/* ---- RENAME ---- */

struct rename { /* one of the names that change */
	struct entry *from;
	char *to;
	size_t n;
};

struct renames {
	struct rename *one;
	size_t count, cap;
};

static void
add_rename(struct renames *r, struct entry *e, struct str old, struct str new)
{
	struct buf b = {0};

	if (r->count == r->cap) {
		r->cap = r->cap > 0 ? r->cap * 2 : 4;
		r->one = mem_realloc(r->one, r->cap * sizeof *r->one);
	}
	buf_str(&b, new);
	buf_put(&b, e->name + old.n, e->n - old.n);
	r->one[r->count++] = (struct rename){e, b.p, b.n};
}

/* The mailbox and all below it, as the head has them. */
static void
find_renames(struct store_account *a, struct str old, struct str new, struct renames *r)
{
	struct buf prefix = {0};

	buf_str(&prefix, old);
	buf_putc(&prefix, '/');
	pthread_rwlock_rdlock(&a->lock);

	struct entry *e = account_entry(a, old);

	if (e != NULL && e->head != NULL)
		add_rename(r, e, old, new);
	for (size_t i = account_entry_at(a, buf_as_str(&prefix)); i < a->entry_count; i++) {
		e = a->entry[i];
		if (!str_has_prefix(entry_name(e), buf_as_str(&prefix)))
			break;
		if (e->head != NULL)
			add_rename(r, e, old, new);
	}
	pthread_rwlock_unlock(&a->lock);
	buf_fini(&prefix);
}

static enum ts_err
check_renames(struct store_account *a, const struct renames *r)
{
	if (r->count == 0)
		return TS_NOT_FOUND;
	for (size_t i = 0; i < r->count; i++) {
		struct str to = {r->one[i].to, r->one[i].n};
		struct entry *e = find_entry(a, to);

		if (!mailbox_name_ok(to))
			return TS_INVALID;
		if (e != NULL && e->head != NULL)
			return TS_EXISTS;
	}
	/* Each may need a new UIDVALIDITY. */
	return numbers_left(a, 0, r->count) ? TS_OK : TS_LIMIT;
}

static void
rename_one(struct batch *b, struct store_account *a, const struct rename *one, struct entry *to)
{
	struct store_mailbox *mb = one->from->head;
	struct str name = {one->to, one->n};

	set_head(b, a, one->from, NULL);
	if (to->tombstone != 0 || mb->head.uidvalidity <= tombs_highest(a, to))
		mb->head.uidvalidity = next_uidvalidity(a);
	mailbox_put_info(mb, name, b->ops);
	set_head(b, a, to, mb);
}

/* Very many are renamed otherwise (rename.c). */
static void
rename_all(struct batch *b, struct store_account *a, const struct renames *r)
{
	struct str *name = mem_zalloc((r->count + 1) * sizeof(*name));
	struct entry **from = mem_zalloc((r->count + 1) * sizeof(*from));
	struct entry **to = mem_zalloc((r->count + 1) * sizeof(*to));
	uint32_t *was = mem_zalloc((r->count + 1) * sizeof(*was));

	for (size_t i = 0; i < r->count; i++) {
		name[i] = (struct str){r->one[i].to, r->one[i].n};
		from[i] = r->one[i].from;
		was[i] = from[i]->head->head.uidvalidity;
	}
	/* What is behind the old name and the new one is the same: they are in order. */
	pthread_rwlock_wrlock(&a->lock);
	account_entries_add(a, name, r->count, to);
	pthread_rwlock_unlock(&a->lock);
	for (size_t i = 0; i < r->count; i++)
		rename_one(b, a, &r->one[i], to[i]);
	tombs_bury_all(b, a, from, was, r->count);
	mem_free(name);
	mem_free(from);
	mem_free(to);
	mem_free(was);
}

static enum ts_err
rename_inbox(struct batch *b, struct store_change *c)
{
	struct store_account *a = c->account;
	struct entry *inbox = find_entry(a, INBOX), *e = find_entry(a, c->new_name);

	if (!mailbox_name_ok(c->new_name))
		return TS_INVALID;
	if (e != NULL && e->head != NULL)
		return TS_EXISTS;
	if (inbox == NULL || inbox->head == NULL)
		return TS_NOT_FOUND;
	if (c->source != inbox->head || prepare_usable(c->source) != TS_OK)
		return TS_UNAVAILABLE;
	if (a->head_mailboxes >= a->store->opt.max_mailboxes || !numbers_left(a, 1, 1))
		return TS_LIMIT;
	/* It may have more of them than are allowed now. */
	if (head_keywords(b, c->source) > a->store->opt.max_keywords)
		return refuse(c, STORE_LIMIT_KEYWORDS);
	if (!copy_fits(a->store, c->source->head.c.messages))
		return refuse(c, STORE_LIMIT_MEMORY);

	/* RFC 3501 6.3.5: the messages move, INBOX stays; what is below INBOX stays as well.
	 * The first ones go in this batch (copy.c): a small INBOX goes whole or not at all. */
	struct store_mailbox *mb = create(b, c, c->new_name, 0);

	c->priv->move_to = store_mailbox_ref(mb);
	c->mailbox_id = mb->id;
	c->uidvalidity = mb->head.uidvalidity;
	return TS_OK;
}

bool
rename_names_ok(const struct store_change *c)
{
	/* Not into itself. */
	bool below = str_has_prefix(c->new_name, c->name) && c->new_name.n > c->name.n &&
	             c->new_name.p[c->name.n] == '/';

	return mailbox_name_ok(c->name) && mailbox_name_ok(c->new_name) && !below &&
	       !str_eq(c->name, INBOX);
}

static enum ts_err
prepare_rename(struct batch *b, struct store_change *c)
{
	struct store_account *a = c->account;
	struct renames r = {0};

	account_tidy_some(a);

	if (str_eq(c->name, INBOX))
		return rename_inbox(b, c);
	if (!rename_names_ok(c))
		return TS_INVALID;
	find_renames(a, c->name, c->new_name, &r);

	enum ts_err err = check_renames(a, &r);

	if (err == TS_OK) {
		TS_ASSERT(r.one != NULL);
		if (r.one[0].from->n == c->name.n)
			c->mailbox_id = r.one[0].from->head->id;
		rename_all(b, a, &r);
		account_put_row(a, b->ops);
	}
	for (size_t i = 0; i < r.count; i++)
		mem_free(r.one[i].to);
	mem_free(r.one);
	return err;
}

/* ---- SUBSCRIBE ---- */

static enum ts_err
prepare_subscribe(struct batch *b, struct store_change *c, bool on)
{
	struct store_account *a = c->account;
	struct entry *e = find_entry(a, c->name);
	struct key k;

	if (!mailbox_name_ok(c->name))
		return TS_INVALID;
	if ((e != NULL && e->sub_head) == on)
		return TS_OK;
	if (e == NULL) {
		size_t most = 2 * (size_t)a->store->opt.max_mailboxes + 1000;

		if (a->entry_count >= most)
			account_tidy(a);
		if (on && a->entry_count >= most)
			return TS_LIMIT;
		e = make_entry(a, c->name);
	}
	key_begin(&k, a->id, KEY_SUBSCRIBED);
	key_bytes(&k, c->name);
	if (on)
		batch_put_empty(b->ops, &k);
	else
		engine_batch_delete(b->ops, key_str(&k));
	e->sub_head = on;

	struct list_op *op = batch_list_op(b, e, a);

	op->subscription = true;
	op->subscribed = on;
	return TS_OK;
}

enum ts_err
prepare_list_change(struct batch *b, struct store_change *c)
{
	if (c->account == NULL)
		return TS_INVALID;
	if (c->account->head_gone)
		return TS_NOT_FOUND;
	if (c->account->stale)
		return TS_UNAVAILABLE;
	switch (c->kind) {
	case STORE_CHANGE_CREATE:
		return prepare_create(b, c);
	case STORE_CHANGE_DELETE:
		return prepare_delete(b, c);
	case STORE_CHANGE_RENAME:
		return prepare_rename(b, c);
	case STORE_CHANGE_SUBSCRIBE:
		return prepare_subscribe(b, c, true);
	case STORE_CHANGE_UNSUBSCRIBE:
		return prepare_subscribe(b, c, false);
	default:
		TS_WRONG("a change of no known kind");
	}
}
