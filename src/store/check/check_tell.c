/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the parts of the check: reporting, reading a row, dropping one, committing. */
#include <stdarg.h>

#include "store/check/check_int.h"

static void
tell_finding(
    struct check *c, enum check_kind kind, uint32_t uid, const char *what, const char *done)
{
	struct check_finding f = {kind, c->account_name, c->mailbox_name, uid, what, done};

	c->res->found++;
	c->res->mended += done != NULL;
	c->res->unreadable |= kind == CHECK_TABLE;
	if (c->opt->found != NULL)
		c->opt->found(&f, c->opt->arg);
}

void
check_say(
    struct check *c, enum check_kind kind, uint32_t uid, const char *done, const char *fmt, ...)
{
	struct buf b = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	tell_finding(c, kind, uid, buf_cstr(&b), done);
	buf_fini(&b);
}

void
check_tick(struct check *c, const char *what, uint64_t done, uint64_t total)
{
	if (c->opt->progress != NULL)
		c->opt->progress(what, done, total, c->opt->arg);
}

enum ts_err
check_get(struct check *c, const struct key *k, struct buf *value, struct str *body_r)
{
	value->n = 0;

	enum ts_err err = engine_get(c->store->engine, key_str(k), value);

	return err == TS_OK && !value_open(key_str(k), buf_as_str(value), body_r) ? TS_DAMAGED
	                                                                          : err;
}

enum ts_err
check_commit(struct check *c, struct engine_batch *batch)
{
	return engine_batch_count(batch) == 0 ? TS_OK : engine_commit(c->store->engine, batch);
}

bool
check_drop_row(struct check *c, struct str key)
{
	struct engine_batch *batch;
	enum ts_err err;

	if (!c->opt->repair)
		return false;
	batch = engine_batch_new();
	engine_batch_delete(batch, key);
	err = check_commit(c, batch);
	engine_batch_free(&batch);
	return err == TS_OK;
}
