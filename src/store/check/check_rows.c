/* SPDX-License-Identifier: Apache-2.0 */
/* Repair of rows of accounts and mailboxes. */
#include "store/check/check_int.h"

enum ts_err
check_put_info(
    struct check *c, uint64_t account, uint32_t mailbox, const char *name, uint32_t uidvalidity)
{
	struct engine_batch *batch = engine_batch_new();
	struct key k;
	struct buf b = {0};

	key_begin(&k, account, KEY_INFO);
	key_be32(&k, mailbox);
	value_begin(&b);
	buf_le32(&b, uidvalidity);
	buf_le32(&b, 0);
	buf_le64(&b, (uint64_t)store_wall(c->store));
	buf_puts(&b, name);
	batch_put_value(batch, &k, &b);

	enum ts_err err = check_commit(c, batch);

	engine_batch_free(&batch);
	buf_fini(&b);
	return err;
}

enum ts_err
check_raise_account(struct check *c, uint64_t account, uint32_t *mailbox_r, uint32_t *uidvalidity_r)
{
	struct engine_batch *batch = engine_batch_new();
	struct key k;
	struct buf b = {0}, v = {0};
	struct str body = STR_NONE;
	enum ts_err err;

	key_begin(&k, account, KEY_ACCOUNT);
	err = check_get(c, &k, &b, &body);
	if (err == TS_OK && body.n > 16) {
		struct rd r = rd_of(body);
		uint32_t next = rd_le32(&r), last = rd_le32(&r);
		int64_t now = store_wall(c->store);

		if (last == UINT32_MAX || (mailbox_r != NULL && next == UINT32_MAX))
			err = TS_FAIL(TS_LIMIT,
			    "store: account %llu has no id or UIDVALIDITY left for a mailbox",
			    (unsigned long long)account);
		if (mailbox_r != NULL && err == TS_OK)
			*mailbox_r = next++;
		if (err == TS_OK)
			last = now > last && now < UINT32_MAX ? (uint32_t)now : last + 1;
		*uidvalidity_r = last;
		value_begin(&v);
		buf_le32(&v, next);
		buf_le32(&v, last);
		buf_put(&v, body.p + 8, body.n - 8);
		batch_put_value(batch, &k, &v);
		if (err == TS_OK)
			err = check_commit(c, batch);
	}
	engine_batch_free(&batch);
	buf_fini(&b);
	buf_fini(&v);
	return err;
}

enum ts_err
check_new_uidvalidity(struct check *c, uint64_t account, uint32_t *value_r)
{
	return check_raise_account(c, account, NULL, value_r);
}

enum ts_err
check_renew(struct check *c, uint64_t account, uint32_t mailbox)
{
	struct key k;
	struct buf b = {0}, name = {0};
	struct str body = STR_NONE;
	uint32_t uidvalidity = 0;
	enum ts_err err;

	key_begin(&k, account, KEY_INFO);
	key_be32(&k, mailbox);
	err = check_get(c, &k, &b, &body);
	if (err == TS_OK && body.n > 16) {
		buf_put(&name, body.p + 16, body.n - 16);
		err = check_new_uidvalidity(c, account, &uidvalidity);
		if (err == TS_OK)
			err = check_put_info(c, account, mailbox, buf_cstr(&name), uidvalidity);
	}
	buf_fini(&b);
	buf_fini(&name);
	return err == TS_NOT_FOUND ? TS_OK : err;
}
