/* SPDX-License-Identifier: Apache-2.0 */
/* Goes through a store: its own records, then account by account; see check.h. */
#include "store/check.h"
#include "base/mem.h"
#include "store/check/check_int.h"

const char *
check_kind_name(enum check_kind kind)
{
	static const char *const names[CHECK_KINDS] = {"record", "account", "list", "index",
	    "counters", "summary", "message", "reference", "lost", "table"};

	return kind < CHECK_KINDS ? names[kind] : "?";
}

/* ---- the store's own records ---- */

struct own {                              /* what the store's own records showed */
	uint64_t account_top, intent_top; /* the highest ids in use */
	struct engine_batch *fix;
};

static bool
own_form(struct own *own, struct str key, struct str body)
{
	struct rd k = rd_of((struct str){key.p + 9, key.n - 9}), r = rd_of(body);
	uint64_t id;

	switch (key.p[8]) {
	case KEY_CLAIM:
		return key.n == 25;
	case KEY_DROPPED:
		return key.n == 17;
	case KEY_IDS:
		return key.n == 9 && body.n == 24;
	case KEY_INTENT:
		id = rd_be64(&k);
		own->intent_top = id > own->intent_top ? id : own->intent_top;
		return key.n == 17 && body.n == 8;
	case KEY_NAME:
		id = rd_le64(&r);
		own->account_top = id > own->account_top ? id : own->account_top;
		return key.n > 9 && !r.bad && id != 0;
	case KEY_RECORD:
		return key.n > 9;
	case KEY_OWN_ID:
		return key.n == 9 && body.n == STORE_OWN_ID_BYTES;
	case KEY_SHARED_WITH:
		return key.n > 9;
	case KEY_VERSION:
		return (key.n == 9 || key.n == 10) && body.n >= 4;
	default:
		return false;
	}
}

static const char *
own_name(char kind)
{
	switch (kind) {
	case KEY_CLAIM:
		return "the claim of a blob";
	case KEY_DROPPED:
		return "the note that an account is to be removed";
	case KEY_IDS:
		return "the record of ids";
	case KEY_INTENT:
		return "the note of a move between accounts";
	case KEY_NAME:
		return "the entry of an account's name";
	case KEY_RECORD:
		return "a server-wide record (a user)";
	case KEY_OWN_ID:
		return "the store's own id";
	case KEY_SHARED_WITH:
		return "the note that something is shared";
	case KEY_VERSION:
		return "the format version";
	default:
		return "a record of no known kind";
	}
}

/* Puts a row of which only the key counts. */
static void
put_empty(struct engine_batch *fix, struct str key)
{
	struct buf b = {0};

	value_begin(&b);
	value_seal(&b, key);
	engine_batch_put(fix, key, buf_as_str(&b));
	buf_fini(&b);
}

/* Repairs a damaged record without knowing its contents. */
static const char *
own_fix(struct own *own, struct str key)
{
	switch (key.p[8]) {
	case KEY_IDS:
	case KEY_OWN_ID: /* was repaired when the store was opened */
	case KEY_VERSION:
		if (key.n == 9)
			return "it is written anew";
		engine_batch_delete(own->fix, key); /* there is only one */
		return "it is dropped";
	case KEY_NAME:
		engine_batch_delete(own->fix, key);
		return "it is made anew from the account's row";
	case KEY_CLAIM:
	case KEY_DROPPED:
		if (key.n == (key.p[8] == KEY_CLAIM ? 25 : 17)) {
			put_empty(own->fix, key);
			return "it is written anew";
		}
		engine_batch_delete(own->fix, key);
		return "it is dropped";
	case KEY_RECORD:
		engine_batch_delete(own->fix, key);
		return "it is dropped: make the user again; the mail is not touched";
	default:
		engine_batch_delete(own->fix, key);
		return "it is dropped";
	}
}

static enum ts_err
check_own_range(struct check *c, struct own *own, enum key_kind first, enum key_kind behind)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	key_begin(&from, 0, first);
	key_begin(&end, 0, behind);
	scan_begin_range(&scan, c->store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0)) {
		struct str name;

		if (scan.key.n >= 9 && err == TS_OK && own_form(own, scan.key, scan.body))
			continue;
		if (scan.key.n < 9) {
			check_say(c, CHECK_RECORD, 0, NULL, "a key of no known kind");
			continue;
		}
		name = scan.key.p[8] == KEY_NAME || scan.key.p[8] == KEY_RECORD
		           ? (struct str){scan.key.p + 9, scan.key.n - 9}
		           : STR_NONE;
		check_say(c, CHECK_RECORD, 0, c->opt->repair ? own_fix(own, scan.key) : NULL,
		    "%s%s%.*s is damaged", own_name(scan.key.p[8]), name.n > 0 ? " of " : "",
		    STR_ARG(name));
	}
	scan_end(&scan);
	if (err != TS_NOT_FOUND)
		check_say(c, CHECK_TABLE, 0, NULL, "the store's own records cannot all be read: %s",
		    ts_err_name(err));
	return err == TS_DAMAGED || err == TS_NOT_FOUND ? TS_OK : err;
}

/* Holders are checked separately. */
static enum ts_err
check_own(struct check *c, struct own *own)
{
	enum ts_err err = check_own_range(c, own, KEY_CLAIM, 'Z' + 1);

	if (err == TS_OK && c->opt->repair)
		err = check_commit(c, own->fix);
	engine_batch_clear(own->fix);
	return err;
}

/* ---- accounts ---- */

#define SUM_TRIES 5
/* Higher ids come from damage, and so do higher UIDVALIDITYs, unless they are about to be used
 * up. */
#define SANE STORE_UIDVALIDITY_WISH_MAX

struct rows { /* an account's list */
	struct {
		uint32_t id, uidvalidity;
		bool info, counters, damaged;
		char *name;
	} * one;
	size_t n, cap;
	bool has_row;
	struct buf row_name;
	uint32_t next_mailbox, last_uidvalidity;
	uint32_t top_id, sane_uidvalidity; /* in use, up to SANE */
	uint32_t top_uidvalidity;          /* among all */
	bool anew, renew; /* start numbering again; UIDVALIDITYs above SANE must go */
	uint64_t created;
	struct engine_batch *fix;
};

static size_t
row_place(struct rows *rows, uint32_t id)
{
	size_t lo = 0, hi = rows->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (rows->one[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < rows->n && rows->one[lo].id == id)
		return lo;
	if (rows->n == rows->cap) {
		rows->cap = rows->cap > 0 ? 2 * rows->cap : 16;
		rows->one = mem_realloc(rows->one, rows->cap * sizeof(*rows->one));
	}
	memmove(rows->one + lo + 1, rows->one + lo, (rows->n - lo) * sizeof(*rows->one));
	rows->n++;
	memset(&rows->one[lo], 0, sizeof(*rows->one));
	rows->one[lo].id = id;
	return lo;
}

static void
rows_fini(struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		mem_free(rows->one[i].name);
	mem_free(rows->one);
	buf_fini(&rows->row_name);
	engine_batch_free(&rows->fix);
}

static void
rewrite(struct rows *rows, struct str key, bool number, uint32_t value)
{
	struct buf b = {0};

	value_begin(&b);
	if (number)
		buf_le32(&b, value);
	value_seal(&b, key);
	engine_batch_put(rows->fix, key, buf_as_str(&b));
	buf_fini(&b);
}

static void
saw_id(struct rows *rows, uint32_t id)
{
	if (id <= SANE && id > rows->top_id)
		rows->top_id = id;
}

static void
saw_uidvalidity(struct rows *rows, uint32_t value)
{
	if (value <= SANE && value > rows->sane_uidvalidity)
		rows->sane_uidvalidity = value;
	if (value > rows->top_uidvalidity)
		rows->top_uidvalidity = value;
}

static void
take_info(struct check *c, struct rows *rows, uint32_t id, struct str body, bool good)
{
	size_t i = row_place(rows, id);
	struct rd r = rd_of(body);
	struct str name = STR_NONE;

	if (good) {
		rows->one[i].uidvalidity = rd_le32(&r);
		(void)rd_bytes(&r, 12);
		name = rd_bytes(&r, rd_left(&r));
	}
	if (r.bad || !mailbox_name_ok(name)) {
		rows->one[i].damaged = true;
		check_say(c, CHECK_LIST, 0,
		    c->opt->repair ? "it gets a name in \"Lost and found\" and a new UIDVALIDITY"
		                   : NULL,
		    "the name of mailbox %u is damaged", id);
		return;
	}
	rows->one[i].info = true;
	rows->one[i].name = mem_zalloc(name.n + 1);
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): a valid name has a text */
	memcpy(rows->one[i].name, name.p, name.n);
	saw_uidvalidity(rows, rows->one[i].uidvalidity);
}

static void
take_account_row(struct check *c, struct rows *rows, struct str body, bool good)
{
	struct rd r = rd_of(body);

	if (good && body.n > 16) {
		rows->next_mailbox = rd_le32(&r);
		rows->last_uidvalidity = rd_le32(&r);
		rows->created = rd_le64(&r);
		buf_put(&rows->row_name, r.p, rd_left(&r));
		rows->has_row = true;
	} else {
		check_say(c, CHECK_ACCOUNT, 0, c->opt->repair ? "it is made anew" : NULL,
		    "the account's row is damaged");
	}
}

/* Names come earlier in the scan, so every mailbox that has or had one is in the rows. */
static void
take_property_row(struct check *c, struct rows *rows, struct str key, struct str body, bool good)
{
	struct rd k = rd_of((struct str){key.p + 9, key.n - 9});
	uint32_t id = rd_be32(&k);
	struct str name = rd_bytes(&k, rd_left(&k));
	bool there = id == 0 && !k.bad;

	for (size_t i = 0; i < rows->n && !there && !k.bad; i++)
		there = rows->one[i].id == id && (rows->one[i].info || rows->one[i].damaged);
	if (there && good && store_property_name_ok(name) && quota_property_ok(name, body))
		return;
	if (c->opt->repair)
		engine_batch_delete(rows->fix, key);
	if (id == 0 && there)
		check_say(c, CHECK_LIST, 0, c->opt->repair ? "it is dropped" : NULL,
		    "the property %.*s of the account is damaged", STR_ARG(name));
	else
		check_say(c, CHECK_LIST, 0, c->opt->repair ? "it is dropped" : NULL,
		    there ? "the property %.*s of mailbox %u is damaged"
		          : "the property %.*s is of mailbox %u, which is not there",
		    STR_ARG(name), id);
}

static void
take_list_row(struct check *c, struct rows *rows, struct str key, struct str body, bool good)
{
	struct rd k = rd_of((struct str){key.p + 9, key.n - 9});
	uint32_t id;
	size_t i;
	char kind = key.p[8];

	if ((kind == KEY_ACCOUNT && key.n != 9) ||
	    ((kind == KEY_COUNTERS || kind == KEY_INFO) && key.n != 13))
		kind = 0;
	switch (kind) {
	case KEY_ACCOUNT:
		take_account_row(c, rows, body, good);
		break;
	case KEY_COUNTERS:
		id = rd_be32(&k);
		i = row_place(rows, id); /* may move the rows */
		rows->one[i].counters = good && body.n == 48;
		if (!good || body.n != 48)
			check_say(c, CHECK_COUNTERS, 0,
			    c->opt->repair ? "they are counted anew; new UIDVALIDITY" : NULL,
			    "the counters of mailbox %u are damaged", id);
		saw_id(rows, id);
		break;
	case KEY_INFO:
		id = rd_be32(&k);
		saw_id(rows, id);
		take_info(c, rows, id, body, good);
		break;
	case KEY_PROPERTY:
		take_property_row(c, rows, key, body, good);
		break;
	case KEY_SUBSCRIBED:
	case KEY_TOMBSTONE:
		if (good && (key.p[8] == KEY_SUBSCRIBED || body.n == 4))
			break;
		if (c->opt->repair)
			rewrite(rows, key, key.p[8] == KEY_TOMBSTONE, UINT32_MAX);
		check_say(c, CHECK_LIST, 0, c->opt->repair ? "it is written anew" : NULL,
		    "the %s of %.*s is damaged",
		    key.p[8] == KEY_SUBSCRIBED ? "subscription" : "tombstone", (int)(key.n - 9),
		    key.p + 9);
		break;
	default:
		check_say(c, CHECK_LIST, 0, NULL, "a key of no known kind in the account");
	}
}

static bool
job_form(char kind, size_t n, size_t body)
{
	switch (kind) {
	case KEY_THREAD:
		return true; /* of a newer program */
	case KEY_INTENT:
		return n == 17 && body >= 12;
	case KEY_PURGE:
	case KEY_STAGED:
		return n == 21;
	case KEY_QUEUE:
		return n == 25;
	case KEY_RENAME:
		return n == 9 || n == 10;
	default:
		return false;
	}
}

static const char *
job_name(char kind)
{
	switch (kind) {
	case KEY_INTENT:
		return "the record of a move between accounts";
	case KEY_PURGE:
		return "the note of what is to be removed";
	case KEY_QUEUE:
		return "the note of a blob to be looked at";
	case KEY_RENAME:
		return "the note of a RENAME under way";
	case KEY_STAGED:
		return "the note of a COPY under way";
	default:
		return "a record of no known kind";
	}
}

static const char *
job_fix(struct rows *rows, struct str key)
{
	if (key.p[8] == KEY_QUEUE && key.n == 25) {
		put_empty(rows->fix, key);
		return "it is written anew";
	}
	engine_batch_delete(rows->fix, key);
	return key.p[8] == KEY_PURGE || key.p[8] == KEY_STAGED
	           ? "it is dropped; what it named comes back as found below"
	           : "it is dropped";
}

/* Checks the account's jobs.  None may get the id of a mailbox that is being removed. */
static enum ts_err
check_jobs(struct check *c, uint64_t account, struct rows *rows)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	key_begin(&from, account, KEY_REF + 1);
	key_begin(&end, account, KEY_ACCOUNT);
	scan_begin_range(&scan, c->store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0)) {
		struct rd r = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});

		if (scan.key.p[8] == KEY_PURGE && scan.key.n == 21)
			saw_id(rows, rd_be32(&r));
		if (err == TS_OK && job_form(scan.key.p[8], scan.key.n, scan.body.n))
			continue;
		check_say(c, CHECK_RECORD, 0, c->opt->repair ? job_fix(rows, scan.key) : NULL,
		    "%s is damaged", job_name(scan.key.p[8]));
	}
	scan_end(&scan);
	return err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

static enum ts_err
read_list_rows(struct check *c, uint64_t account, struct rows *rows)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	key_begin(&from, account, KEY_ACCOUNT);
	key_begin(&end, account, KEY_INDEX);
	scan_begin_range(&scan, c->store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))
		if (scan.key.n > 8)
			take_list_row(c, rows, scan.key, scan.body, err == TS_OK);
	scan_end(&scan);
	if (err == TS_NOT_FOUND || err == TS_DAMAGED)
		err = check_jobs(c, account, rows) == TS_OK ? err : TS_IO;
	if (err != TS_NOT_FOUND)
		check_say(c, CHECK_TABLE, 0, NULL,
		    "the account's list of mailboxes cannot all be read: %s", ts_err_name(err));
	return err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

/* Finds mailboxes that have an index, but neither name nor counters. */
static void
find_indexes(struct check *c, uint64_t account, struct rows *rows)
{
	uint32_t next = 0;

	for (;;) {
		struct key from, end;
		struct str key, value;

		key_begin(&from, account, KEY_INDEX);
		key_be32(&from, next);
		key_begin(&end, account, KEY_INDEX + 1);

		struct engine_iter *it =
		    engine_iter_new(c->store->engine, key_str(&from), key_str(&end), false);
		enum ts_err err = engine_iter_next(it, &key, &value);
		struct rd r = rd_of(
		    err == TS_OK && key.n >= 13 ? (struct str){key.p + 9, key.n - 9} : STR_NONE);
		uint32_t id = rd_be32(&r);

		engine_iter_free(&it);
		if (err != TS_OK || r.bad)
			break;
		(void)row_place(rows, id);
		saw_id(rows, id);
		if (id == UINT32_MAX)
			break;
		next = id + 1;
	}
}

static void
put_account_row(struct check *c, uint64_t account, struct rows *rows)
{
	struct key k;
	struct buf b = {0};
	uint32_t next = rows->next_mailbox > rows->top_id ? rows->next_mailbox : rows->top_id + 1;
	uint32_t last = rows->last_uidvalidity, now = (uint32_t)store_wall(c->store);

	if (last < rows->top_uidvalidity)
		last = rows->top_uidvalidity;
	if ((!rows->has_row || rows->anew) && last < now)
		last = now;
	key_begin(&k, account, KEY_ACCOUNT);
	value_begin(&b);
	buf_le32(&b, next);
	buf_le32(&b, last);
	buf_le64(&b, rows->created);
	buf_str(&b, c->account_name);
	batch_put_value(rows->fix, &k, &b);
	buf_fini(&b);
}

/* Numbers only grow, and have reached their end, or a damaged row says so.  A repair continues
 * above those in use; mailboxes at the end themselves get new values. */
static void
check_used_up(struct check *c, struct rows *rows)
{
	bool ids = rows->has_row && rows->next_mailbox > SANE;

	rows->renew = rows->top_uidvalidity == UINT32_MAX ||
	              (rows->has_row && rows->last_uidvalidity == UINT32_MAX);
	rows->anew = ids || rows->renew;
	if (!rows->anew)
		return;
	check_say(c, CHECK_ACCOUNT, 0, c->opt->repair ? "it goes on above those in use" : NULL,
	    "the account has no ids or UIDVALIDITYs left for new mailboxes");
	if (ids)
		rows->next_mailbox = rows->top_id + 1;
	if (rows->renew)
		rows->last_uidvalidity = rows->top_uidvalidity = rows->sane_uidvalidity;
}

/* A crash came between the name and the first rows: they are made when somebody makes the account
 * again. */
static bool
is_new(struct check *c, uint64_t account, const struct rows *rows)
{
	uint64_t next = 0;

	return !rows->has_row && rows->n == 0 &&
	       (account_next(c->store, account - 1, &next) != TS_OK || next != account);
}

static void
check_account_row(struct check *c, uint64_t account, struct rows *rows)
{
	check_used_up(c, rows);

	bool low = rows->has_row && (rows->next_mailbox <= rows->top_id ||
	                                rows->last_uidvalidity < rows->top_uidvalidity);
	bool named = !rows->has_row || str_eq(buf_as_str(&rows->row_name), c->account_name);

	if (!rows->has_row && !c->live && !is_new(c, account, rows))
		check_say(c, CHECK_ACCOUNT, 0, c->opt->repair ? "made from what there is" : NULL,
		    "the account has no row");
	if (low)
		check_say(c, CHECK_ACCOUNT, 0, c->opt->repair ? "raised" : NULL,
		    "the account's next id or UIDVALIDITY is too low");
	if (!named)
		check_say(c, CHECK_ACCOUNT, 0,
		    c->opt->repair ? "set to the name it is found by" : NULL,
		    "the account's row has another name: %.*s",
		    STR_ARG(buf_as_str(&rows->row_name)));
	if (c->opt->repair && !is_new(c, account, rows) &&
	    (!rows->has_row || low || !named || rows->anew))
		put_account_row(c, account, rows);
}

/* Handles a mailbox that has lost its name and is not being removed. */
static void
name_lost(struct check *c, uint64_t account, struct rows *rows, size_t i)
{
	uint32_t uidvalidity, id = rows->one[i].id;
	struct buf b = {0};

	buf_printf(&b, "Lost and found/mailbox %u", id);
	if (!rows->one[i].damaged)
		check_say(c, CHECK_LIST, 0, c->opt->repair ? buf_cstr(&b) : NULL,
		    "mailbox %u has messages and no name", id);
	if (c->opt->repair && check_new_uidvalidity(c, account, &uidvalidity) == TS_OK &&
	    check_put_info(c, account, id, buf_cstr(&b), uidvalidity) == TS_OK) {
		mem_free(rows->one[i].name);
		rows->one[i].name = mem_strdup(buf_cstr(&b));
	}
	buf_fini(&b);
}

static void
check_one_mailbox(struct check *c, uint64_t account, struct rows *rows, size_t i)
{
	if (!rows->one[i].info) {
		if (check_summaries_pending(c, account, rows->one[i].id))
			return;
		if (!c->live)
			name_lost(c, account, rows, i);
	}
	c->mailbox_name = rows->one[i].name != NULL ? str_of(rows->one[i].name) : STR_NONE;
	if (c->opt->mailbox.n == 0 || str_eq(c->opt->mailbox, c->mailbox_name))
		check_mailbox(c, account, rows->one[i].id);
	c->mailbox_name = STR_NONE;
}

static bool
same_usage(const struct store_usage *a, const struct store_usage *b)
{
	return a->mailboxes == b->mailboxes && a->messages == b->messages && a->bytes == b->bytes &&
	       a->deleted == b->deleted && a->deleted_bytes == b->deleted_bytes;
}

/* Compares the sums in memory, if the account is there, with those on disk.  A batch is on disk
 * before it is published, so what differs while nothing is under flush is looked at again. */
static void
check_sums(struct check *c, uint64_t account, struct str name)
{
	struct store_account *a = store_account_find(c->store, name);
	struct store_usage before = {0}, disk = {0}, after = {0};
	bool same = a == NULL || a->id != account;

	for (unsigned i = 0; i < SUM_TRIES && !same; i++) {
		store_account_usage(a, &before);
		same = !lanes_settle(c->store) || usage_of_rows(c->store, account, &disk) != TS_OK;
		store_account_usage(a, &after);
		same = same || same_usage(&after, &disk) || atomic_load(&a->gone);
	}
	if (!same && same_usage(&before, &after))
		check_say(c, CHECK_COUNTERS, 0, NULL,
		    "the account's sums in memory are not those of its mailboxes: %llu messages, "
		    "%llu on disk; they are made anew when the server is started",
		    (unsigned long long)after.messages, (unsigned long long)disk.messages);
	store_account_unref(&a);
}

static enum ts_err
check_account(struct check *c, uint64_t account, struct str name)
{
	struct rows rows = {.fix = engine_batch_new()};

	c->account_name = name;

	enum ts_err err = read_list_rows(c, account, &rows);

	if (err == TS_OK) {
		find_indexes(c, account, &rows);
		check_account_row(c, account, &rows);
		check_object_ids(c, account, rows.fix);
		check_sums(c, account, name);
		err = c->opt->repair ? check_commit(c, rows.fix) : TS_OK;
	}
	for (size_t i = 0; i < rows.n && err == TS_OK && c->opt->repair && rows.renew; i++)
		if (rows.one[i].info && rows.one[i].uidvalidity > SANE)
			err = check_renew(c, account, rows.one[i].id);
	for (size_t i = 0; i < rows.n && err == TS_OK; i++)
		check_one_mailbox(c, account, &rows, i);
	if (err == TS_OK)
		err = check_own_seen(c, account);
	if (err == TS_OK)
		err = check_properties(c, account);
	if (err == TS_OK)
		check_references(c, account);
	c->res->accounts++;
	rows_fini(&rows);
	c->account_name = STR_NONE;
	return err;
}

/* ---- names ---- */

struct named {
	uint64_t id;
	char *name;
	size_t n;
};

struct names {
	struct named *one;
	size_t n, cap;
};

static int
by_id(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static enum ts_err
read_names(struct check *c, struct names *names)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	key_begin(&k, 0, KEY_NAME);
	scan_begin(&scan, c->store, &k);
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0)) {
		struct rd r = rd_of(scan.body);

		if (err != TS_OK)
			continue;
		if (names->n == names->cap) {
			names->cap = names->cap > 0 ? 2 * names->cap : 64;
			names->one = mem_realloc(names->one, names->cap * sizeof(*names->one));
		}
		names->one[names->n++] = (struct named){rd_le64(&r),
		    mem_dup(scan.key.p + 9, scan.key.n - 9 + (scan.key.n == 9)), scan.key.n - 9};
	}
	scan_end(&scan);
	if (names->n > 1)
		qsort(names->one, names->n, sizeof(*names->one), by_id);
	return err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

static void
put_name(struct check *c, uint64_t account, struct str name)
{
	struct engine_batch *batch = engine_batch_new();
	struct key k;
	struct buf b = {0};

	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, name);
	value_begin(&b);
	buf_le64(&b, account);
	batch_put_value(batch, &k, &b);
	(void)check_commit(c, batch);
	engine_batch_free(&batch);
	buf_fini(&b);
}

static bool
dropped(struct check *c, uint64_t account)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, 0, KEY_DROPPED);
	key_be64(&k, account);

	enum ts_err err = engine_get(c->store->engine, key_str(&k), &b);

	buf_fini(&b);
	return err == TS_OK;
}

/* Finds the name of an account without one in its row, if that is whole. */
static enum ts_err
nameless(struct check *c, uint64_t account)
{
	struct key k;
	struct buf b = {0}, name = {0};
	struct str body = STR_NONE;

	if (dropped(c, account) || c->live)
		return TS_OK;
	key_begin(&k, account, KEY_ACCOUNT);
	if (check_get(c, &k, &b, &body) == TS_OK && body.n > 16)
		buf_put(&name, body.p + 16, body.n - 16);
	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, buf_as_str(&name));
	b.n = 0;
	if (name.n == 0 || engine_get(c->store->engine, key_str(&k), &b) != TS_NOT_FOUND) {
		name.n = 0;
		buf_printf(&name, "lost+found-%llu", (unsigned long long)account);
	}
	check_say(c, CHECK_ACCOUNT, 0, c->opt->repair ? buf_cstr(&name) : NULL,
	    "account %llu has no name", (unsigned long long)account);
	if (c->opt->repair)
		put_name(c, account, buf_as_str(&name));

	enum ts_err err = check_account(c, account, buf_as_str(&name));

	buf_fini(&b);
	buf_fini(&name);
	return err;
}

static void
row_name(struct check *c, uint64_t account, struct buf *name)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;

	name->n = 0;
	key_begin(&k, account, KEY_ACCOUNT);
	if (check_get(c, &k, &b, &body) == TS_OK && body.n > 16)
		buf_put(name, body.p + 16, body.n - 16);
	buf_fini(&b);
}

/* Drops a name that is one too many: it leads to an account with another name. */
static void
drop_name(struct check *c, const struct named *one)
{
	struct key k;

	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, (struct str){one->name, one->n});
	check_say(c, CHECK_ACCOUNT, 0, check_drop_row(c, key_str(&k)) ? "it is dropped" : NULL,
	    "the name %.*s leads to an account that another name leads to", (int)one->n, one->name);
}

/* If an account has several names, keeps the one in its row, or else the first. */
static void
drop_twins(struct check *c, struct names *names)
{
	struct buf name = {0};
	size_t kept = 0, end;

	for (size_t i = 0; i < names->n; i = end) {
		size_t keep = i;

		for (end = i + 1; end < names->n && names->one[end].id == names->one[i].id;)
			end++;
		if (end > i + 1)
			row_name(c, names->one[i].id, &name);
		for (size_t k = i + 1; k < end; k++)
			if (str_eq((struct str){names->one[k].name, names->one[k].n},
			        buf_as_str(&name)))
				keep = k;
		for (size_t k = i; k < end; k++) {
			if (k == keep)
				continue;
			drop_name(c, &names->one[k]);
			mem_free(names->one[k].name);
		}
		names->one[kept++] = names->one[keep];
	}
	names->n = kept;
	buf_fini(&name);
}

static enum ts_err
check_accounts(struct check *c, struct names *names, struct own *own)
{
	enum ts_err err = TS_OK;
	uint64_t id = 0;
	size_t i = 0;

	for (; err == TS_OK && i < names->n; i++) {
		struct str name = {names->one[i].name, names->one[i].n};

		if (c->opt->user.n > 0 && !str_eq(name, c->opt->user))
			continue;
		check_tick(c, "accounts", i, names->n);
		err = check_account(c, names->one[i].id, name);
	}
	if (c->opt->user.n > 0)
		return err != TS_OK ? err : c->res->accounts > 0 ? TS_OK : TS_NOT_FOUND;
	while (err == TS_OK && (err = account_next(c->store, id, &id)) == TS_OK) {
		struct named want = {.id = id};

		own->account_top = id > own->account_top ? id : own->account_top;
		if (names->n == 0 ||
		    bsearch(&want, names->one, names->n, sizeof want, by_id) == NULL)
			err = nameless(c, id);
	}
	return err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

/* Verifies what reading would not look at, such as a table's filter. */
static void
check_tables(struct check *c)
{
	char *text;
	enum ts_err err = engine_verify(c->store->engine, &text);

	if (err == TS_DAMAGED)
		check_say(c, CHECK_TABLE, 0, NULL,
		    "a table of the store is damaged; a repair makes it anew from what is whole: "
		    "%s",
		    text);
	else if (err != TS_OK)
		check_say(c, CHECK_TABLE, 0, NULL, "the tables of the store cannot all be read: %s",
		    text != NULL ? text : ts_err_name(err));
	mem_free(text);
}

enum ts_err
store_check(struct store *store, const struct check_options *opt, struct check_result *result)
{
	struct check c = {.store = store,
	    .opt = opt,
	    .res = result,
	    .live = store->opt.lanes > 0,
	    .piece = mem_realloc(NULL, CHECK_CHUNK * sizeof(*c.piece))};
	struct own own = {.fix = engine_batch_new()};
	struct names names = {0};
	enum ts_err err = TS_OK;

	block_here("store_check");
	*result = (struct check_result){0};
	if (opt->repair && c.live)
		err = TS_INVALID;
	if (err == TS_OK && opt->user.n == 0 && !opt->quick)
		check_tables(&c);
	if (err == TS_OK && opt->user.n == 0)
		err = check_own(&c, &own);
	if (err == TS_OK)
		err = read_names(&c, &names);
	if (err == TS_OK) {
		drop_twins(&c, &names);
		err = check_accounts(&c, &names, &own);
	}
	if (err == TS_OK && opt->user.n == 0) {
		check_holders(&c);
		check_strays(&c);
	}
	for (size_t i = 0; i < names.n; i++)
		mem_free(names.one[i].name);
	mem_free(names.one);
	mem_free(c.piece);
	engine_batch_free(&own.fix);
	return err;
}
