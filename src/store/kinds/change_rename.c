/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RENAME of a mailbox and all below it in one batch; RENAME of INBOX, by moving its messages
 * (change_copy.c).  change_rename_many.c renames very many mailboxes.
 */
#include "base/mem.h"
#include "store/kinds/steps_int.h"

#define INBOX STR("INBOX")

struct rename { /* one of the names to change */
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

/* Finds the mailbox and all below it, as in the head. */
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
		struct entry *e = names_find(a, to);

		if (!mailbox_name_ok(to))
			return TS_INVALID;
		if (e != NULL && e->head != NULL)
			return TS_EXISTS;
	}
	/* Each may need a new UIDVALIDITY. */
	return names_numbers_left(a, 0, r->count) ? TS_OK : TS_LIMIT;
}

static void
rename_one(struct batch *b, struct store_account *a, const struct rename *one, struct entry *to)
{
	struct store_mailbox *mb = one->from->head;
	struct str name = {one->to, one->n};

	names_set_head(b, a, one->from, NULL);
	if (to->tombstone != 0 || mb->head.uidvalidity <= tombs_highest(a, to))
		mb->head.uidvalidity = names_next_uidvalidity(a);
	mailbox_put_info(mb, name, b->ops);
	names_set_head(b, a, to, mb);
}

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
	/* Old and new names have the same suffixes, so the new names are in order too. */
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
	struct entry *inbox = names_find(a, INBOX), *e = names_find(a, c->new_name);

	if (!mailbox_name_ok(c->new_name))
		return TS_INVALID;
	if (e != NULL && e->head != NULL)
		return TS_EXISTS;
	if (inbox == NULL || inbox->head == NULL)
		return TS_NOT_FOUND;
	if (c->source != inbox->head || prepare_usable(c->source) != TS_OK)
		return TS_UNAVAILABLE;
	if (a->head_mailboxes >= a->store->opt.max_mailboxes || !names_numbers_left(a, 1, 1))
		return TS_LIMIT;

	enum ts_err err = room_for_mailbox(c, a);

	if (err != TS_OK)
		return err;
	/* It may have more keywords than are allowed now. */
	if (head_keywords(b, c->source) > a->store->opt.max_keywords)
		return refuse(c, STORE_LIMIT_KEYWORDS);
	if (!copy_fits(a->store, c->source->head.c.messages))
		return refuse(c, STORE_LIMIT_MEMORY);

	/* RFC 3501 section 6.3.5: the messages move, INBOX and what is below it stay.  The first
	 * messages are moved in this batch (change_copy.c): a small INBOX is moved whole or not at
	 * all. */
	struct store_mailbox *mb = names_create(b, c, c->new_name, 0);

	c->priv->move_to = store_mailbox_ref(mb);
	c->mailbox_id = mb->id;
	c->uidvalidity = mb->head.uidvalidity;
	return TS_OK;
}

/* Returns whether the names allow the RENAME, whatever exists.  Not for INBOX. */
static bool
rename_names_ok(const struct store_change *c)
{
	/* Not into itself. */
	bool below = str_has_prefix(c->new_name, c->name) && c->new_name.n > c->name.n &&
	             c->new_name.p[c->name.n] == '/';

	return mailbox_name_ok(c->name) && mailbox_name_ok(c->new_name) && !below &&
	       !str_eq(c->name, INBOX);
}

enum ts_err
rename_prepare(struct batch *b, struct store_change *c)
{
	struct store_account *a = c->account;
	struct renames r = {0};
	enum ts_err err = names_usable(c);

	if (err != TS_OK)
		return err;
	account_tidy_some(a);
	if (str_eq(c->name, INBOX))
		return rename_inbox(b, c);
	if (!rename_names_ok(c))
		return TS_INVALID;
	find_renames(a, c->name, c->new_name, &r);

	err = check_renames(a, &r);
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

/* ---- in the lane: one batch, or a separate procedure ---- */

/* With more than this below a name, change_rename_many.c renames it. */
#define MANY 500

/* Counts the names below, with or without mailboxes. */
static size_t
names_below(struct store_account *a, struct str name)
{
	struct buf b = {0};
	size_t from, end;

	buf_str(&b, name);
	buf_putc(&b, '/');
	pthread_rwlock_rdlock(&a->lock);
	from = account_entry_at(a, buf_as_str(&b));
	b.p[b.n - 1] = '/' + 1;
	end = account_entry_at(a, buf_as_str(&b));
	pthread_rwlock_unlock(&a->lock);
	buf_fini(&b);
	return end - from;
}

static bool
is_many(const struct store_change *c)
{
	struct store_account *a = c->account;

	return rename_names_ok(c) && !a->head_gone && !a->stale &&
	       !a->store->opt.engine_options.read_only && names_below(a, c->name) > MANY;
}

enum hold
rename_hold(struct lane *lane, struct store_change *c)
{
	enum hold hold = hold_for_list(lane, c);

	if (hold == HOLD_GO && c->account != NULL && is_many(c)) {
		rename_many_begin(c);
		return HOLD_WAIT;
	}
	return hold;
}

/* Without its INBOX the change goes to the lane, which refuses it. */
void
rename_send(struct store_change *c)
{
	if (c->mailbox == NULL && c->source != NULL && c->source->account == c->account &&
	    str_eq(c->name, INBOX))
		copy_submit(c);
	else
		lane_enqueue(c);
}

void
rename_ended(struct store_change *c)
{
	store_mailbox_unref(&c->priv->move_to);
}
