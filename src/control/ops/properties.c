/* SPDX-License-Identifier: Apache-2.0 */
/* See properties.h. */
#include "control/ops/properties.h"

const char *
properties_limit(enum store_limit limit)
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

	c->mailbox = put->mailbox;
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
	const char *why = err == TS_LIMIT     ? properties_limit(limit)
	                  : err == TS_INVALID ? "no property can have that name"
	                                      : NULL;

	if (err == TS_EXISTS)
		return TS_OK;
	if (why == NULL)
		return err;
	return put->refused(op->name, why, put->arg) ? TS_OK : TS_CANCELLED;
}

enum ts_err
properties_put_all(struct properties_put *put, const struct store_property_op *ops, size_t n)
{
	enum store_limit limit;
	enum ts_err err = n > 0 ? put_some(put, ops, n, &limit) : TS_OK;

	if (err != TS_LIMIT && err != TS_INVALID && err != TS_EXISTS)
		return err;
	err = TS_OK;
	for (size_t i = 0; i < n && err == TS_OK; i++)
		err = put_one(put, &ops[i]);
	return err;
}
