/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of what is shared with whom, after a start: rows that a crash left out are put, and
 * rows of what is gone are removed.  Both are changes in the lane of the account, so that they go
 * by the rights of that moment.
 */
#include "store/upkeep/upkeep_int.h"

#include "base/mem.h"
#include "store/shares.h"

#define AT_ONCE 256u

/* Whether it is worth trying again: what is damaged stays as it is, and the check names it. */
static enum ts_err
unless_for_good(enum ts_err err)
{
	switch (err) {
	case TS_UNAVAILABLE:
	case TS_UNKNOWN:
	case TS_FULL:
	case TS_IO:
		return err;
	default:
		return TS_OK;
	}
}

struct wrong { /* rows that do not agree with the properties */
	struct wrong_row {
		uint64_t account;
		uint32_t mailbox;
		struct buf who, name; /* name: of the account */
	} v[AT_ONCE];
	size_t n;
};

static void
add_wrong(struct wrong *w, uint64_t account, uint32_t mailbox, struct str who, struct str name)
{
	struct wrong_row *r = &w->v[w->n++];

	*r = (struct wrong_row){.account = account, .mailbox = mailbox};
	buf_str(&r->who, who);
	buf_str(&r->name, name);
}

static void
free_wrong(struct wrong *w)
{
	for (size_t i = 0; i < w->n; i++) {
		buf_fini(&w->v[i].who);
		buf_fini(&w->v[i].name);
	}
	mem_free(w);
}

static bool
row_exists(struct store *store, const struct key *k, enum ts_err *err)
{
	struct buf value = {0};
	struct str body;
	enum ts_err got = store_get(store, k, &value, &body);

	buf_fini(&value);
	if (got != TS_OK && got != TS_NOT_FOUND && got != TS_DAMAGED && *err == TS_OK)
		*err = got;
	return got != TS_NOT_FOUND;
}

/* ---- missing rows, of one account ---- */

/* Finds some, from a property on; *from is then the last one. */
static enum ts_err
find_missing(struct store *store, uint64_t account, struct key *from, struct wrong *w)
{
	enum ts_err err, look = TS_OK;
	struct key end, row;
	struct scan scan;

	key_begin(&end, account, KEY_PROPERTY + 1);
	scan_begin_range(&scan, store, from, &end);
	while (w->n < AT_ONCE && look == TS_OK &&
	       ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))) {
		struct rd k = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});
		uint32_t mailbox = rd_be32(&k);
		struct str who = shares_identifier(rd_bytes(&k, rd_left(&k)));

		if (k.bad || mailbox == 0 || who.p == NULL)
			continue;
		key_shared(&row, who, account, mailbox);
		if (!row_exists(store, &row, &look))
			add_wrong(w, account, mailbox, who, STR(""));
		from->n = 0;
		key_bytes(from, scan.key);
	}
	scan_end(&scan);
	return look;
}

/* Loads the account by its name, which its row has. */
static enum ts_err
name_of(struct store *store, uint64_t account, struct buf *name)
{
	enum ts_err err;
	struct scan scan;
	struct key k;

	key_begin(&k, 0, KEY_NAME);
	scan_begin(&scan, store, &k);
	while ((err = scan_next(&scan)) == TS_OK) {
		struct rd r = rd_of(scan.body);

		if (rd_le64(&r) != account)
			continue;
		buf_str(name, (struct str){scan.key.p + 9, scan.key.n - 9});
		break;
	}
	scan_end(&scan);
	return err;
}

static enum ts_err
mend_all(struct store *store, struct wrong *w, struct str name)
{
	struct store_account *a = NULL;
	enum ts_err err = store_account_load(store, name, false, &a);

	for (size_t i = 0; i < w->n && err == TS_OK; i++)
		err = shares_mend_row(a, w->v[i].mailbox, buf_as_str(&w->v[i].who));
	store_account_unref(&a);
	return err;
}

enum ts_err
shares_sweep(struct store *store, uint64_t account)
{
	struct buf name = {0};
	struct key from;
	enum ts_err err = TS_OK;
	bool more = account != 0;

	key_begin(&from, account, KEY_PROPERTY);
	while (more && err == TS_OK) {
		struct wrong *w = mem_zalloc(sizeof(*w));

		err = find_missing(store, account, &from, w);
		more = w->n == AT_ONCE;
		if (err == TS_OK && w->n > 0 && name.n == 0)
			err = name_of(store, account, &name);
		if (err == TS_OK && w->n > 0)
			err = mend_all(store, w, buf_as_str(&name));
		free_wrong(w);
	}
	buf_fini(&name);
	/* An account without a name is about to be removed. */
	return unless_for_good(err);
}

/* ---- rows of what is gone ---- */

static bool
has_property(struct store *store, uint64_t account, uint32_t mailbox, struct str who,
    const char *prefix, enum ts_err *err)
{
	struct buf name = {0};
	struct key k;
	bool has;

	buf_puts(&name, prefix);
	buf_str(&name, who);
	property_key(&k, account, mailbox, buf_as_str(&name));
	has = row_exists(store, &k, err);
	buf_fini(&name);
	return has;
}

static enum ts_err
find_stale(struct store *store, struct key *from, struct wrong *w)
{
	enum ts_err err, look = TS_OK;
	struct scan scan;
	struct key end;

	key_begin(&end, 0, KEY_SHARED_WITH + 1);
	scan_begin_range(&scan, store, from, &end);
	while (w->n < AT_ONCE && look == TS_OK &&
	       ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))) {
		struct str ids = {scan.key.p + scan.key.n - 12, 12};
		struct rd r = rd_of(ids);
		struct str who = {scan.key.p + 9, scan.key.n - 22};
		uint64_t account;
		uint32_t mailbox;

		if (scan.key.n < 23)
			continue;
		account = rd_be64(&r);
		mailbox = rd_be32(&r);
		if (!has_property(store, account, mailbox, who, STORE_SHARE_PREFIX, &look) &&
		    !has_property(store, account, mailbox, who, STORE_SHARE_PREFIX "-", &look))
			add_wrong(w, account, mailbox, who, err == TS_OK ? scan.body : STR(""));
		from->n = 0;
		key_bytes(from, scan.key);
	}
	scan_end(&scan);
	key_bytes(from, (struct str){"", 1}); /* behind the last */
	return look;
}

/* An account that is gone has no lane, and never comes back. */
static enum ts_err
drop_row(struct store *store, const struct wrong_row *row)
{
	struct engine_batch *batch = engine_batch_new();
	struct key k;
	enum ts_err err;

	key_shared(&k, buf_as_str(&row->who), row->account, row->mailbox);
	engine_batch_delete(batch, key_str(&k));
	err = store_commit(store, batch);
	engine_batch_free(&batch);
	return err;
}

static enum ts_err
mend_stale(struct store *store, const struct wrong_row *row)
{
	struct store_account *a = NULL;
	enum ts_err err = row->name.n > 0
	                      ? store_account_load(store, buf_as_str(&row->name), false, &a)
	                      : TS_NOT_FOUND;

	if (err == TS_OK && a->id == row->account)
		err = shares_mend_row(a, row->mailbox, buf_as_str(&row->who));
	else if (err == TS_OK || err == TS_NOT_FOUND)
		err = drop_row(store, row);
	store_account_unref(&a);
	return unless_for_good(err);
}

enum ts_err
shares_sweep_rows(struct store *store)
{
	enum ts_err err = TS_OK;
	struct key from;
	bool more = true;

	key_begin(&from, 0, KEY_SHARED_WITH);
	while (more && err == TS_OK) {
		struct wrong *w = mem_zalloc(sizeof(*w));

		err = find_stale(store, &from, w);
		more = w->n == AT_ONCE;
		for (size_t i = 0; i < w->n && err == TS_OK; i++)
			err = mend_stale(store, &w->v[i]);
		free_wrong(w);
	}
	return unless_for_good(err);
}
