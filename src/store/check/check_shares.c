/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of properties: whoever gave them a meaning says what is wrong with one; and each right
 * has its row in the index of what is shared.  Rows without a right are no fault: the next start
 * removes them.
 */
#include "base/mem.h"
#include "store/check/check_int.h"

struct odd { /* what is to be told of an account */
	struct odd_one {
		uint32_t mailbox;
		struct buf key;   /* of the property */
		const char *what; /* NULL: it has no row */
		bool drop;
	} * v;
	size_t n, room;
};

static void
add_odd(struct odd *odd, uint32_t mailbox, struct str key, const char *what, bool drop)
{
	if (odd->n == odd->room) {
		odd->room = odd->room > 0 ? 2 * odd->room : 16;
		odd->v = mem_realloc(odd->v, odd->room * sizeof(*odd->v));
	}
	odd->v[odd->n] = (struct odd_one){.mailbox = mailbox, .what = what, .drop = drop};
	buf_str(&odd->v[odd->n++].key, key);
}

static struct str
property_of(struct str key)
{
	return (struct str){key.p + 13, key.n - 13};
}

static bool
has_row(struct check *c, uint64_t account, uint32_t mailbox, struct str who)
{
	struct buf value = {0};
	struct str body;
	struct key k;
	enum ts_err err;

	key_shared(&k, who, account, mailbox);
	err = store_get(c->store, &k, &value, &body);
	buf_fini(&value);
	return err != TS_NOT_FOUND; /* a damaged one was told of */
}

static void
look_at(struct check *c, uint64_t account, struct odd *odd, struct str key, struct str value)
{
	struct rd r = rd_of((struct str){key.p + 9, key.n - 9});
	uint32_t mailbox = rd_be32(&r);
	struct str name = property_of(key), who = shares_identifier(name);
	const char *what = NULL;
	bool drop = false;

	if (mailbox == 0) /* of the account itself: it gives no rights */
		return;
	if (c->opt->property != NULL)
		what = c->opt->property(name, value, &drop);
	if (what != NULL)
		add_odd(odd, mailbox, key, what, drop);
	else if (who.p != NULL && !has_row(c, account, mailbox, who))
		add_odd(odd, mailbox, key, NULL, false);
}

static bool
still_there(struct check *c, struct str key)
{
	struct buf value = {0};
	struct str body;
	struct key k = {.n = 0};
	enum ts_err err;

	key_bytes(&k, key);
	err = store_get(c->store, &k, &value, &body);
	buf_fini(&value);
	return err == TS_OK;
}

static const char *
put_row(struct check *c, uint64_t account, uint32_t mailbox, struct str who)
{
	struct engine_batch *batch = engine_batch_new();
	struct buf b = {0};
	struct key k;
	enum ts_err err;

	key_shared(&k, who, account, mailbox);
	value_begin(&b);
	buf_str(&b, c->account_name);
	batch_put_value(batch, &k, &b);
	err = check_commit(c, batch);
	buf_fini(&b);
	engine_batch_free(&batch);
	return err == TS_OK ? "it is put" : NULL;
}

static void
tell(struct check *c, uint64_t account, const struct odd_one *one)
{
	struct str key = buf_as_str(&one->key), name = property_of(key);
	struct str who = shares_identifier(name);

	/* It may be on its way: the row comes after the right. */
	if (!still_there(c, key) || (one->what == NULL && has_row(c, account, one->mailbox, who)))
		return;
	if (one->what == NULL)
		check_say(c, CHECK_LIST, 0,
		    c->opt->repair ? put_row(c, account, one->mailbox, who) : NULL,
		    "mailbox %u: the index of what is shared lacks %.*s", one->mailbox,
		    STR_ARG(who));
	else
		check_say(c, CHECK_LIST, 0,
		    one->drop && check_drop_row(c, key) ? "it is dropped" : NULL,
		    "mailbox %u: the property %.*s: %s", one->mailbox, STR_ARG(name), one->what);
}

enum ts_err
check_properties(struct check *c, uint64_t account)
{
	struct odd odd = {.n = 0};
	struct key prefix;
	struct scan scan;
	enum ts_err err;

	key_begin(&prefix, account, KEY_PROPERTY);
	scan_begin(&scan, c->store, &prefix);
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))
		if (err == TS_OK && scan.key.n > 13)
			look_at(c, account, &odd, scan.key, scan.body);
	scan_end(&scan);
	for (size_t i = 0; i < odd.n; i++) {
		tell(c, account, &odd.v[i]);
		buf_fini(&odd.v[i].key);
	}
	mem_free(odd.v);
	return err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}
