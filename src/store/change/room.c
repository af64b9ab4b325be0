/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quota: whether there is room for what a change adds.  Checked in the lane, against the head, in
 * the step that adds it.  A transfer of several pieces reserves all its room before the first one.
 */
#include "store/change/batch_int.h"

static enum ts_err
no_room(struct store_change *c, enum store_quota_resource resource)
{
	store_quota_count_refusal(c->priv->store);
	return refuse(c, (enum store_limit)(STORE_LIMIT_QUOTA_STORAGE + resource));
}

static bool
fits(uint64_t limit, uint64_t used, uint64_t more)
{
	return limit == STORE_QUOTA_NONE || more == 0 || (used <= limit && more <= limit - used);
}

static bool
mailbox_fits(const struct store_mailbox *mb, const struct store_quota *base,
    enum store_quota_resource r, uint64_t used, const _Atomic uint64_t *reserved, uint64_t more)
{
	uint64_t own = atomic_load_explicit(&mb->quota[r], memory_order_relaxed);
	uint64_t limit = own != QUOTA_UNSET ? own : base->limit[r];

	return limit == STORE_QUOTA_NONE || fits(limit, used + atomic_load(reserved), more);
}

static bool
account_fits(const struct store_account *a, enum store_quota_resource r, uint64_t used,
    const _Atomic uint64_t *reserved, uint64_t more)
{
	uint64_t limit = quota_limit(a, r);

	return limit == STORE_QUOTA_NONE || fits(limit, used + atomic_load(reserved), more);
}

enum ts_err
room_for(struct store_change *c, struct store_mailbox *mb, const struct room *more)
{
	struct store_account *a = mb->account;
	const struct counters_row *head = &mb->head.c;
	struct store_quota base;

	if (!more->same_account && !account_fits(a, STORE_QUOTA_STORAGE, a->head_usage.bytes,
	                               &a->quota_reserved.bytes, more->bytes))
		return no_room(c, STORE_QUOTA_STORAGE);
	if (!more->same_account && !account_fits(a, STORE_QUOTA_MESSAGE, a->head_usage.messages,
	                               &a->quota_reserved.messages, more->messages))
		return no_room(c, STORE_QUOTA_MESSAGE);
	quota_of_mailbox(a, mb, true, &base);
	if (!mailbox_fits(
	        mb, &base, STORE_QUOTA_STORAGE, head->size, &mb->quota_reserved.bytes, more->bytes))
		return no_room(c, STORE_QUOTA_STORAGE);
	if (!mailbox_fits(mb, &base, STORE_QUOTA_MESSAGE, head->messages,
	        &mb->quota_reserved.messages, more->messages))
		return no_room(c, STORE_QUOTA_MESSAGE);
	return TS_OK;
}

enum ts_err
room_for_mailbox(struct store_change *c, const struct store_account *a)
{
	uint64_t limit = quota_limit(a, STORE_QUOTA_MAILBOX);

	return fits(limit, a->head_usage.mailboxes, 1) ? TS_OK : no_room(c, STORE_QUOTA_MAILBOX);
}

static void
add(struct quota_sum *sum, uint64_t bytes, uint64_t messages)
{
	atomic_fetch_add(&sum->bytes, bytes);
	atomic_fetch_add(&sum->messages, messages);
}

enum ts_err
room_reserve(struct store_change *c, struct store_mailbox *mb, const struct room *more)
{
	enum ts_err err = room_for(c, mb, more);

	if (err != TS_OK)
		return err;
	add(&mb->quota_reserved, more->bytes, more->messages);
	if (!more->same_account)
		add(&mb->account->quota_reserved, more->bytes, more->messages);
	return TS_OK;
}

void
room_give_back(struct store_mailbox *mb, struct room *reserved, uint64_t bytes, uint64_t messages)
{
	if (bytes > reserved->bytes)
		bytes = reserved->bytes;
	if (messages > reserved->messages)
		messages = reserved->messages;
	if (bytes == 0 && messages == 0)
		return;
	reserved->bytes -= bytes;
	reserved->messages -= messages;
	add(&mb->quota_reserved, -bytes, -messages);
	if (!reserved->same_account)
		add(&mb->account->quota_reserved, -bytes, -messages);
}

/* ---- setting limits ---- */

static void
put_value(const struct store_quota_wish *wish, unsigned r, struct buf *out)
{
	if (wish->limit[r] == STORE_QUOTA_NONE)
		buf_puts(out, "none");
	else
		buf_u64(out, r == STORE_QUOTA_STORAGE ? wish->limit[r] / 1024 : wish->limit[r]);
}

static struct store_property_op *
next_op(struct store_change *c, enum store_quota_resource r, bool warned)
{
	struct store_property_op *op = &c->properties[c->property_count++];
	struct buf name = {0};

	quota_property(r, warned, &name);
	op->name = arena_str(c->arena, buf_as_str(&name));
	buf_fini(&name);
	return op;
}

struct store_change *
store_quota_change(struct store_account *a, struct str mailbox, const struct store_quota_wish *wish,
    struct loop *loop, void (*done)(struct store_change *change), void *arg)
{
	struct store_change *c = store_change_new(a, STORE_CHANGE_PROPERTIES, loop, done, arg);

	c->quiet = true;
	if (mailbox.n > 0)
		c->name = arena_str(c->arena, mailbox);
	c->properties = arena_array(c->arena, STORE_QUOTA_RESOURCES, sizeof *c->properties);
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++) {
		struct store_property_op *op;
		struct buf value = {0};

		if (wish->set[r] == STORE_QUOTA_KEEP || (mailbox.n > 0 && r == STORE_QUOTA_MAILBOX))
			continue;
		op = next_op(c, r, false);
		op->remove = wish->set[r] == STORE_QUOTA_INHERIT;
		if (!op->remove)
			put_value(wish, r, &value);
		op->value = arena_str(c->arena, buf_as_str(&value));
		buf_fini(&value);
	}
	return c;
}

static struct str
percent(struct arena *a, unsigned n)
{
	struct buf text = {0};
	struct str value;

	buf_u64(&text, n);
	value = arena_str(a, buf_as_str(&text));
	buf_fini(&text);
	return value;
}

struct store_change *
store_quota_told(struct store_account *a, const struct store_quota_levels *levels, bool by_mail,
    struct loop *loop, void (*done)(struct store_change *change), void *arg)
{
	enum store_change_kind kind = STORE_CHANGE_PROPERTIES;
	struct store_change *c;

	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
		if (by_mail && levels->now[r] > levels->warned[r])
			kind = STORE_CHANGE_NOTICE;
	c = store_change_new(a, kind, loop, done, arg);
	c->properties = arena_array(c->arena, STORE_QUOTA_RESOURCES, sizeof *c->properties);
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++) {
		struct store_property_op *op;

		if (levels->now[r] == levels->warned[r])
			continue;
		op = next_op(c, r, true);
		op->remove = levels->now[r] == 0;
		op->value = percent(c->arena, levels->now[r]);
		op->must_be_new = levels->warned[r] == 0;
		if (!op->must_be_new)
			op->must_be = percent(c->arena, levels->warned[r]);
	}
	return c;
}
