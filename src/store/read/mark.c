/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be told about accounts without loading them: marks and totals.
 *
 * Equal marks mean that nothing happened to an account.  A mark is the sum of
 * the hashes of all things in the list, so that rows on disk and the list in
 * memory give the same mark in any order.
 */
#include "base/mem.h"
#include "store/own_seen.h"
#include "store/read/read_int.h"

static void
add(struct store_mark *mark, struct buf *b)
{
	XXH128_hash_t h = XXH3_128bits(b->p, b->n);

	mark->low += h.low64;
	mark->high += h.high64;
	b->n = 0;
}

static void
add_info(struct store_mark *mark, struct buf *b, uint32_t id, uint32_t uidvalidity, uint32_t use,
    struct str name)
{
	buf_putc(b, KEY_INFO);
	buf_le32(b, id);
	buf_le32(b, uidvalidity);
	buf_le32(b, use);
	buf_str(b, name);
	add(mark, b);
}

static void
add_counters(struct store_mark *mark, struct buf *b, uint32_t id, uint32_t uidnext, uint64_t modseq)
{
	buf_putc(b, KEY_COUNTERS);
	buf_le32(b, id);
	buf_le32(b, uidnext);
	buf_le64(b, modseq);
	add(mark, b);
}

static void
add_subscribed(struct store_mark *mark, struct buf *b, struct str name)
{
	buf_putc(b, KEY_SUBSCRIBED);
	buf_str(b, name);
	add(mark, b);
}

static void
add_property(struct store_mark *mark, struct buf *b, uint32_t id, struct str name, struct str value)
{
	buf_putc(b, KEY_PROPERTY);
	buf_le32(b, id);
	buf_vstr(b, name);
	buf_str(b, value);
	add(mark, b);
}

static void
add_properties(
    struct store_mark *mark, struct buf *b, uint32_t id, const struct store_properties *properties)
{
	for (size_t i = 0; i < store_properties_count(properties); i++) {
		struct str name, value;

		store_properties_at(properties, i, &name, &value);
		add_property(mark, b, id, name, value);
	}
}

void
store_mark_add_properties(struct store_mark *mark, const struct store_properties *properties)
{
	struct buf b = {0};

	add_properties(mark, &b, 0, properties);
	buf_fini(&b);
}

void
store_mark_add_own(struct store_mark *mark, uint32_t mailbox, uint64_t changes)
{
	struct buf b = {0};

	if (changes == 0)
		return;
	buf_putc(&b, KEY_OWN);
	buf_le32(&b, mailbox);
	buf_le64(&b, changes);
	add(mark, &b);
	buf_fini(&b);
}

void
store_mark_add(struct store_mark *mark, const struct store_mailbox_info *info)
{
	const struct store_counters *c = &info->counters;
	struct buf b = {0};

	if (info->id != 0) {
		add_info(mark, &b, info->id, c->uidvalidity, info->use, info->name);
		add_counters(mark, &b, info->id, c->uidnext, c->modseq);
		add_properties(mark, &b, info->id, info->properties);
	}
	if (info->subscribed)
		add_subscribed(mark, &b, info->name);
	buf_fini(&b);
}

/* ---- from disk ---- */

static bool
add_row(struct store_mark *mark, struct buf *b, const struct scan *scan)
{
	struct str tail = {scan->key.p + 9, scan->key.n - 9};
	struct rd k = rd_of(tail), r = rd_of(scan->body);
	struct counters_row counters;
	uint32_t id, uidvalidity, use;

	switch (scan->key.p[8]) {
	case KEY_COUNTERS:
		id = rd_be32(&k);
		value_take_counters(&r, &counters);
		add_counters(mark, b, id, counters.uidnext, counters.modseq);
		break;
	case KEY_INFO:
		id = rd_be32(&k);
		uidvalidity = rd_le32(&r);
		use = rd_le32(&r);
		(void)rd_le64(&r);
		add_info(mark, b, id, uidvalidity, use, rd_bytes(&r, rd_left(&r)));
		break;
	case KEY_PROPERTY:
		id = rd_be32(&k);
		add_property(mark, b, id, rd_bytes(&k, rd_left(&k)), scan->body);
		break;
	case KEY_SUBSCRIBED:
		add_subscribed(mark, b, tail);
		break;
	default:
		return false;
	}
	return !k.bad && !r.bad;
}

/* The rows of a mailbox that no longer exists stay until the next start. */
static enum ts_err
add_own_of(struct store_mark *mark, struct store *store, uint64_t account, uint32_t mailbox,
    uint64_t changes)
{
	struct buf value = {0};
	struct str body;
	struct key k;
	enum ts_err err;

	if (changes == 0)
		return TS_OK;
	key_begin(&k, account, KEY_COUNTERS);
	key_be32(&k, mailbox);
	err = store_get(store, &k, &value, &body);
	if (err == TS_OK)
		store_mark_add_own(mark, mailbox, changes);
	buf_fini(&value);
	return err == TS_NOT_FOUND ? TS_OK : err;
}

/* Returns how many changes had been made when the row was written; 0: it is damaged. */
static bool
read_own_row(const struct scan *scan, uint32_t *mailbox_r, uint64_t *changes_r)
{
	struct rd k = rd_of((struct str){scan->key.p + 17, scan->key.n - 17});
	struct own_seen *value = NULL;
	unsigned kind;

	*mailbox_r = rd_be32(&k);
	kind = rd_u8(&k);
	if (kind == OWN_HEADER) {
		value = own_take_header(scan->body);
		*changes_r = value != NULL ? value->u : 0;
		if (value == NULL)
			return false;
		own_unref(&value);
	} else if (kind == OWN_CHANGE)
		*changes_r = rd_be64(&k);
	return !k.bad && (kind == OWN_HEADER || kind == OWN_CHANGE);
}

/* What the owner has read in mailboxes of the account that are shared. */
static enum ts_err
add_owns(struct store_mark *mark, struct store *store, uint64_t account)
{
	uint64_t changes = 0, more;
	uint32_t mailbox = 0, next;
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	own_key(&from, account, account, 0, 0);
	own_key(&end, account, account, UINT32_MAX, 0xff);
	scan_begin_range(&scan, store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK) {
		if (scan.key.n <= OWN_KEY_HEAD || !read_own_row(&scan, &next, &more)) {
			err = TS_DAMAGED;
			break;
		}
		if (next != mailbox) {
			err = add_own_of(mark, store, account, mailbox, changes);
			mailbox = next;
			changes = 0;
		}
		if (err != TS_OK)
			break;
		changes = changes < more ? more : changes;
	}
	scan_end(&scan);
	return err == TS_NOT_FOUND ? add_own_of(mark, store, account, mailbox, changes) : err;
}

/* Leaves no mark if anything is damaged: loading the account says what is wrong.  The same if a
 * RENAME has rows left to write: in memory all mailboxes have their new names. */
static enum ts_err
read_mark(struct store *store, uint64_t id, struct buf *b, struct store_mark *mark)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	*mark = (struct store_mark){0};
	if (rename_pending(store, id))
		return TS_OK;
	key_begin(&from, id, KEY_COUNTERS);
	key_begin(&end, id, KEY_TOMBSTONE);
	scan_begin_range(&scan, store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK && scan.key.n > 9)
		if (!add_row(mark, b, &scan)) {
			err = TS_DAMAGED;
			break;
		}
	scan_end(&scan);
	if (err == TS_NOT_FOUND)
		err = add_owns(mark, store, id);
	if (err == TS_DAMAGED)
		*mark = (struct store_mark){0};
	return err == TS_DAMAGED ? TS_OK : err;
}

/* Reads names and ids; id 0: damaged. */
static enum ts_err
read_names(struct store *store, struct str from, size_t max, struct buf *out)
{
	struct key k, end;
	struct scan scan;
	enum ts_err err;
	size_t n = 0;

	key_begin(&end, 0, KEY_NAME);
	key_after(&end);
	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, from);
	scan_begin_range(&scan, store, &k, &end);
	while (n < max &&
	       ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))) {
		struct rd r = rd_of(err == TS_OK ? scan.body : STR_NONE);

		if (scan.key.n <= 9)
			continue;
		buf_vstr(out, (struct str){scan.key.p + 9, scan.key.n - 9});
		buf_le64(out, rd_le64(&r));
		n++;
	}
	scan_end(&scan);
	return n == max || err == TS_NOT_FOUND ? TS_OK : err;
}

enum ts_err
store_account_marks(struct store *store, struct str from, size_t max,
    bool (*fn)(struct str name, uint64_t account, const struct store_mark *mark, void *arg),
    void *arg)
{
	struct buf names = {0}, scratch = {0};
	enum ts_err err =
	    from.n <= STORE_NAME_MAX + 1 ? read_names(store, from, max, &names) : TS_INVALID;
	struct rd r = rd_of(buf_as_str(&names));

	while (err == TS_OK && rd_left(&r) > 0) {
		struct str name = rd_vstr(&r);
		uint64_t id = rd_le64(&r);
		struct store_mark mark = {0};

		if (id != 0)
			err = read_mark(store, id, &scratch, &mark);
		if (err == TS_OK && !fn(name, id, &mark, arg))
			break;
	}
	buf_fini(&names);
	buf_fini(&scratch);
	return err;
}

/* ---- totals ---- */

enum { TOTALS_STEP = 1024 }; /* names read at a time */

/* Damaged rows are left out: `check` says what is wrong. */
enum ts_err
usage_of_rows(struct store *store, uint64_t id, struct store_usage *usage)
{
	static const struct counters_row none = {0};
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	*usage = (struct store_usage){0};
	key_begin(&from, id, KEY_COUNTERS);
	end = from;
	key_after(&end);
	scan_begin_range(&scan, store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK) {
		struct rd r = rd_of(scan.body);
		struct counters_row counters;

		value_take_counters(&r, &counters);
		if (r.bad)
			continue;
		usage->mailboxes++;
		usage_change(usage, &none, &counters);
	}
	scan_end(&scan);
	return err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

enum ts_err
store_usage_read(struct store *store, struct str name, struct store_usage *usage_r)
{
	struct store_account *a = store_account_find(store, name);
	uint64_t id = 0;
	enum ts_err err = TS_OK;

	block_here("store_usage_read");
	*usage_r = (struct store_usage){0};
	if (a != NULL)
		store_account_usage(a, usage_r);
	else
		err = account_id(store, name, &id);
	if (err == TS_OK && a == NULL)
		err = usage_of_rows(store, id, usage_r);
	store_account_unref(&a);
	return err;
}

static enum ts_err
add_totals(struct store *store, uint64_t id, struct store_totals *totals)
{
	struct store_usage usage = {0};
	enum ts_err err = usage_of_rows(store, id, &usage);

	totals->mailboxes += usage.mailboxes;
	totals->messages += usage.messages;
	totals->bytes += usage.bytes;
	return err;
}

enum ts_err
store_totals(struct store *store, bool (*go_on)(void *arg), void *arg,
    struct store_totals *totals_r, bool *whole_r)
{
	struct buf names = {0}, from = {0};
	enum ts_err err = TS_OK;
	size_t n = TOTALS_STEP;

	*totals_r = (struct store_totals){0};
	*whole_r = true;
	while (err == TS_OK && *whole_r && n == TOTALS_STEP) {
		struct rd r;

		names.n = n = 0;
		err = read_names(store, buf_as_str(&from), TOTALS_STEP, &names);
		r = rd_of(buf_as_str(&names));
		while (err == TS_OK && rd_left(&r) > 0 && (*whole_r = go_on(arg))) {
			struct str name = rd_vstr(&r);
			uint64_t id = rd_le64(&r);

			from.n = 0;
			buf_str(&from, name);
			buf_putc(&from, 0); /* the next name */
			totals_r->accounts++;
			n++;
			if (id != 0)
				err = add_totals(store, id, totals_r);
		}
	}
	buf_fini(&names);
	buf_fini(&from);
	return err;
}
