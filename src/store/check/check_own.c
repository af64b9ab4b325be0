/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of users' own \Seen.  All rows of a mailbox are read in one scan, so they are of one
 * moment.  Of damaged rows what could be read is kept; numbers shown to clients never go back.
 */
#include "base/mem.h"
#include "store/check/check_int.h"

/* If the header is lost nobody knows how many changes there were, but there were not more than
 * this. */
#define JUMP ((uint64_t)1 << 32)

struct one { /* the rows of a mailbox */
	struct own_id id;
	struct own_seen *value;
	uint64_t top; /* number of the last change */
	bool bad, headless;
};

struct bad {
	struct own_id id;
	struct own_seen *value; /* to be written */
};

struct looking {
	struct check *c;
	struct one one;
	struct bad *bad;
	size_t n;
	struct buf strange; /* keys, vstr each */
};

/* Makes the value to write in place of damaged rows. */
static struct own_seen *
mended(const struct one *one)
{
	const struct own_seen *v = one->value;
	struct own_seen *o =
	    own_new(v != NULL ? roaring_bitmap_copy(v->seen) : roaring_bitmap_create(),
	        v != NULL ? v->recent_mark : 0);

	if (v != NULL) {
		o->floor_s = v->count > 0 ? v->step[v->count - 1]->s : v->floor_s;
		o->floor_u = v->u;
	}
	if (one->top > o->floor_u)
		o->floor_u = one->top;
	if (one->headless)
		o->floor_u += JUMP;
	o->u = o->floor_u;
	return o;
}

static void
end_one(struct looking *l)
{
	if (l->one.bad) {
		l->bad = mem_realloc(l->bad, (l->n + 1) * sizeof *l->bad);
		l->bad[l->n++] = (struct bad){l->one.id, mended(&l->one)};
	}
	own_unref(&l->one.value);
	l->one = (struct one){.bad = false};
}

static void
take_header(struct one *one, struct str body, bool good)
{
	if (good)
		one->value = own_take_header(body);
	one->headless = one->value == NULL;
	one->bad = one->bad || one->headless;
}

static void
take_change(struct one *one, uint64_t u, struct str body, bool good)
{
	one->top = u > one->top ? u : one->top;
	if (one->value == NULL)
		one->headless = true;
	one->bad = one->bad || one->headless || !good || !own_take_step(one->value, u, body);
}

static void
take_own_row(struct looking *l, struct str key, struct str body, bool good)
{
	struct rd r =
	    rd_of(key.n > 9 ? (struct str){key.p + 9, key.n - 9} : (struct str){key.p, 0});
	struct own_id id = {.owner = rd_be64(&r), .mailbox = rd_be32(&r)};
	unsigned kind = rd_u8(&r);

	if (r.bad) {
		buf_vstr(&l->strange, key);
		return;
	}
	if (memcmp(&id, &l->one.id, sizeof id) != 0) {
		end_one(l);
		l->one.id = id;
	}
	if (kind == OWN_HEADER && rd_left(&r) == 0)
		take_header(&l->one, body, good);
	else if (kind == OWN_CHANGE && rd_left(&r) == 8)
		take_change(&l->one, rd_be64(&r), body, good);
	else if (kind != OWN_ANNOTATION || !good)
		buf_vstr(&l->strange, key);
}

static const char *
mend(struct check *c, uint64_t account, const struct bad *bad)
{
	struct engine_batch *batch = engine_batch_new();
	struct key from, end;
	struct buf b = {0};
	enum ts_err err;

	own_key(&from, account, bad->id.owner, bad->id.mailbox, OWN_HEADER);
	own_key(&end, account, bad->id.owner, bad->id.mailbox, OWN_CHANGE + 1);
	engine_batch_delete_range(batch, key_str(&from), key_str(&end));
	value_begin(&b);
	own_put_header(bad->value, &b);
	batch_put_value(batch, &from, &b);
	err = check_commit(c, batch);
	buf_fini(&b);
	engine_batch_free(&batch);
	return err == TS_OK ? "what could be read is kept" : NULL;
}

static void
tell(struct looking *l, uint64_t account)
{
	struct check *c = l->c;

	for (size_t i = 0; i < l->n; i++) {
		check_say(c, CHECK_INDEX, 0, c->opt->repair ? mend(c, account, &l->bad[i]) : NULL,
		    "what the account has read in mailbox %u of account %llu is damaged",
		    l->bad[i].id.mailbox, (unsigned long long)l->bad[i].id.owner);
		own_unref(&l->bad[i].value);
	}
	for (struct rd r = rd_of(buf_as_str(&l->strange)); rd_left(&r) > 0 && !r.bad;) {
		struct str key = rd_vstr(&r);

		check_say(c, CHECK_INDEX, 0, check_drop_row(c, key) ? "it is dropped" : NULL,
		    "a row of what the account has read elsewhere is damaged");
	}
}

/* ---- the owner's ---- */

static bool
has_header(struct check *c, uint64_t account, uint32_t mailbox)
{
	struct buf value = {0};
	struct str body;
	struct key k;
	enum ts_err err;

	own_key(&k, account, account, mailbox, OWN_HEADER);
	err = store_get(c->store, &k, &value, &body);
	buf_fini(&value);
	return err != TS_NOT_FOUND; /* a damaged one was told of */
}

/* Of a mailbox in which \Seen is each user's own, its owner has a header since it became so. */
static void
look_for_header(struct check *c, uint64_t account, uint32_t mailbox)
{
	struct one one = {.id = {.owner = account, .mailbox = mailbox}, .headless = true};
	struct bad bad = {.id = one.id};

	if (has_header(c, account, mailbox))
		return;
	bad.value = mended(&one);
	check_say(c, CHECK_INDEX, 0, c->opt->repair ? mend(c, account, &bad) : NULL,
	    "what the owner has read in mailbox %u is missing", mailbox);
	own_unref(&bad.value);
}

static void
look_for_headers(struct check *c, uint64_t account)
{
	struct key prefix;
	struct scan scan;
	uint32_t *found = NULL;
	size_t n = 0;

	key_begin(&prefix, account, KEY_PROPERTY);
	scan_begin(&scan, c->store, &prefix);
	while (scan_next(&scan) == TS_OK) {
		struct rd k = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});
		uint32_t mailbox = rd_be32(&k);

		if (k.bad || !str_eq(rd_bytes(&k, rd_left(&k)), STR(STORE_OWN_SEEN_PROPERTY)))
			continue;
		found = mem_realloc(found, (n + 1) * sizeof *found);
		found[n++] = mailbox;
	}
	scan_end(&scan);
	for (size_t i = 0; i < n; i++)
		look_for_header(c, account, found[i]);
	mem_free(found);
}

enum ts_err
check_own_seen(struct check *c, uint64_t account)
{
	struct looking l = {.c = c};
	struct key prefix;
	struct scan scan;
	enum ts_err err;

	key_begin(&prefix, account, KEY_OWN);
	scan_begin(&scan, c->store, &prefix);
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))
		take_own_row(&l, scan.key, scan.body, err == TS_OK);
	scan_end(&scan);
	end_one(&l);
	if (err == TS_NOT_FOUND)
		err = TS_OK;
	tell(&l, account);
	look_for_headers(c, account);
	if (err != TS_OK)
		check_say(c, CHECK_TABLE, 0, NULL,
		    "what the account has read elsewhere cannot all be looked at: %s",
		    ts_err_name(err));
	mem_free(l.bad);
	buf_fini(&l.strange);
	return err == TS_DAMAGED ? TS_OK : err;
}
