/* SPDX-License-Identifier: Apache-2.0 */
/* See properties.h. */
#include "control/ops/properties.h"

#include "control/dialogue.h"

/* The option that refuses it, in words. */
static const char *
limit_text(enum store_limit limit)
{
	switch (limit) {
	case STORE_LIMIT_PROPERTIES:
		return "there are as many as store.max_properties allows";
	case STORE_LIMIT_PROPERTY_BYTES:
		return "its value is longer than store.property_size allows";
	case STORE_LIMIT_PROPERTY_TOTAL:
		return "all of the account together would be more than store.property_total allows";
	default:
		return "a limit is reached";
	}
}

static enum ts_err
put_some(struct properties_put *put, const struct store_property_op *ops, size_t n,
    enum store_limit *limit_r)
{
	struct store_change *c =
	    store_change_new(put->account, STORE_CHANGE_PROPERTIES, NULL, NULL, NULL);
	enum ts_err err;

	c->mailbox = put->of_mailbox ? put->mailbox : NULL;
	c->quiet = put->quiet;
	c->properties = arena_array(c->arena, n, sizeof(*c->properties));
	memcpy(c->properties, ops, n * sizeof(*ops));
	c->property_count = n;
	err = store_submit_wait(c);
	*limit_r = c->limit;
	store_change_free(&c);
	if (err == TS_OK)
		put->put += n;
	return err;
}

static enum ts_err
put_one(struct properties_put *put, const struct store_property_op *op)
{
	enum store_limit limit;
	enum ts_err err = put_some(put, op, 1, &limit);
	const char *why = err == TS_LIMIT     ? limit_text(limit)
	                  : err == TS_INVALID ? "no property can have that name"
	                                      : NULL;

	if (err == TS_EXISTS)
		return TS_OK;
	if (why == NULL)
		return err;
	return put->refused(op->name, why, put->arg) ? TS_OK : TS_CANCELLED;
}

/* ---- in a run that changes nothing ---- */

static uint64_t
bytes_of(const struct store_properties *properties)
{
	struct str name, value;
	uint64_t sum = 0;

	for (size_t i = 0; i < store_properties_count(properties); i++) {
		store_properties_at(properties, i, &name, &value);
		sum += store_property_is_reserved(name) ? 0 : name.n + value.n;
	}
	return sum;
}

static bool
add_bytes(const struct store_mailbox_info *info, void *arg)
{
	struct properties_dry *dry = arg;

	dry->sum += bytes_of(info->properties);
	return true;
}

void
properties_dry_begin(struct properties_dry *dry, const struct store_options *opt,
    const struct store_account *account)
{
	struct store_properties *own;

	*dry = (struct properties_dry){.opt = opt};
	if (account == NULL)
		return;
	own = store_account_properties(account);
	dry->sum = bytes_of(own);
	store_properties_unref(&own);
	store_account_list(account, add_bytes, dry);
}

/* NULL: it would be added. */
static const char *
dry_put(struct properties_dry *dry, const struct store_properties *there, struct str name,
    struct str value)
{
	struct str old = store_properties_get(there, name);
	uint64_t less = old.p != NULL ? name.n + old.n : 0, now = name.n + value.n;
	bool id = store_properties_get(there, STR(STORE_OBJECT_ID_PROPERTY)).p != NULL;
	int64_t count = (int64_t)store_properties_count(there) + dry->more - (int64_t)id;

	if (value.n > dry->opt->property_bytes)
		return limit_text(STORE_LIMIT_PROPERTY_BYTES);
	if (old.p == NULL && count >= (int64_t)dry->opt->max_properties)
		return limit_text(STORE_LIMIT_PROPERTIES);
	if (now > less && dry->sum - less + now > dry->opt->property_total)
		return limit_text(STORE_LIMIT_PROPERTY_TOTAL);
	dry->more += old.p == NULL;
	dry->sum = dry->sum - less + now;
	return NULL;
}

static void
dry_remove(struct properties_dry *dry, const struct store_properties *there, struct str name)
{
	struct str old = store_properties_get(there, name);

	if (old.p == NULL)
		return;
	dry->more--;
	dry->sum -= name.n + old.n;
}

/* With a reference; or NULL. */
static struct store_properties *
properties_there(const struct properties_put *put)
{
	if (put->of_mailbox)
		return put->mailbox != NULL ? store_mailbox_properties(put->mailbox) : NULL;
	return put->account != NULL ? store_account_properties(put->account) : NULL;
}

static enum ts_err
put_dry(struct properties_put *put, const struct store_property_op *ops, size_t n)
{
	struct store_properties *there = properties_there(put);
	bool ok = true;

	for (size_t i = 0; ok && i < n; i++) {
		const char *why = NULL;

		if (ops[i].must_be_new && store_properties_get(there, ops[i].name).p != NULL)
			continue;
		if (ops[i].remove)
			dry_remove(put->dry, there, ops[i].name);
		else
			why = dry_put(put->dry, there, ops[i].name, ops[i].value);
		if (why == NULL)
			put->put++;
		else
			ok = put->refused(ops[i].name, why, put->arg);
	}
	store_properties_unref(&there);
	return ok ? TS_OK : TS_CANCELLED;
}

/* ---- all ---- */

enum ts_err
properties_put_all(struct properties_put *put, const struct store_property_op *ops, size_t n)
{
	enum store_limit limit;
	enum ts_err err;

	if (put->dry != NULL)
		return put_dry(put, ops, n);
	err = n > 0 ? put_some(put, ops, n, &limit) : TS_OK;
	if (err != TS_LIMIT && err != TS_INVALID && err != TS_EXISTS)
		return err;
	err = TS_OK;
	for (size_t i = 0; i < n && err == TS_OK; i++)
		err = put_one(put, &ops[i]);
	return err;
}

bool
properties_send(
    struct op_io *io, char type, const struct store_properties *properties, struct buf *b)
{
	size_t head = b->n;
	bool ok = true;

	for (size_t i = 0; ok && i < store_properties_count(properties); i++) {
		struct str name, value;

		store_properties_at(properties, i, &name, &value);
		b->n = head;
		buf_vstr(b, name);
		buf_vstr(b, value);
		ok = dialogue_send(io, type, buf_as_str(b));
	}
	return ok;
}
