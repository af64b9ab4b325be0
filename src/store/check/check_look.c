/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at one mailbox as it is on disk, and notes what is wrong. */
#include <stdarg.h>

#include "base/mem.h"
#include "mail/summary.h"
#include "store/check/check_int.h"
#include "store/disk/keywords.h"

#define TRIES 5

void
looked_fini(struct looked *l)
{
	state_free(&l->state);
	for (size_t i = 0; i < l->faults; i++)
		mem_free(l->fault[i].text);
	mem_free(l->fault);
	if (l->summaries != NULL) {
		roaring_bitmap_free(l->summaries);
		roaring_bitmap_free(l->bad);
		roaring_bitmap_free(l->gone);
		roaring_bitmap_free(l->unreferred);
	}
	*l = (struct looked){.account = l->account, .mailbox = l->mailbox};
}

/* Notes a fault; done: what a repair does about it. */
static void __attribute__((format(printf, 5, 6))) check_fault(
    struct looked *l, enum check_kind kind, uint32_t uid, const char *done, const char *fmt, ...)
{
	struct buf b = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	(void)buf_cstr(&b);
	if (l->faults == l->fault_cap) {
		l->fault_cap = l->fault_cap > 0 ? 2 * l->fault_cap : 8;
		l->fault = mem_realloc(l->fault, l->fault_cap * sizeof(*l->fault));
	}
	l->fault[l->faults++] = (struct fault){kind, uid, b.p, done};
}

/* ---- reading ---- */

static void
check_summary(struct looked *l, struct str key, struct str body, bool good)
{
	struct rd k = rd_of((struct str){key.p + 14, key.n - 14});
	uint32_t uid = rd_be32(&k);
	struct mail_summary s;

	if (!roaring_bitmap_contains(l->state->uids, uid)) {
		roaring_bitmap_add(l->bad, uid); /* reported later, unless expunging */
		return;
	}

	const struct record *r = state_record(l->state, uid);

	if (good && mail_summary_open(body, &s) == TS_OK && (r == NULL || s.size == r->size))
		roaring_bitmap_add(l->summaries, uid);
	else
		roaring_bitmap_add(l->bad, uid);
}

static bool
block_good(struct str key, struct str body)
{
	struct state *s = state_new();
	struct rd k = rd_of((struct str){key.p + 14, key.n - 14});
	bool good = block_decode(s, rd_be32(&k), body);

	state_free(&s);
	return good;
}

static void
judge_row(struct looked *l, struct str key, struct str body, bool good)
{
	static const char *const what[] = {"header", "block", "log of expunges", "change record"};
	struct state *s = l->state;
	unsigned kind;

	if (key.n < 14)
		return;
	if (key.p[13] == KEY_SUMMARY) {
		check_summary(l, key, body, good);
		return;
	}
	if (good && key.p[13] == KEY_BLOCK)
		good = block_good(key, body);
	if (good && mailbox_take_item(s, key, body)) {
		if (s->counters.modseq < s->snapshot)
			s->counters.modseq = s->snapshot;
		return;
	}
	kind = key.p[13] == KEY_HEADER     ? 0
	       : key.p[13] == KEY_BLOCK    ? 1
	       : key.p[13] == KEY_EXPUNGED ? 2
	                                   : 3;
	check_fault(l, CHECK_INDEX, 0, "the index is made anew; flags that stood there are lost",
	    "a %s of the index is damaged", what[kind]);
}

static enum ts_err
read_counters(struct check *c, const struct looked *l, struct counters_row *row)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;

	key_begin(&k, l->account, KEY_COUNTERS);
	key_be32(&k, l->mailbox);

	enum ts_err err = check_get(c, &k, &b, &body);
	struct rd r = rd_of(body);

	if (err == TS_OK) {
		value_take_counters(&r, row);
		err = r.bad ? TS_DAMAGED : TS_OK;
	}
	buf_fini(&b);
	return err;
}

static enum ts_err
read_index(struct check *c, struct looked *l, bool messages)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	key_index(&from, l->account, l->mailbox, KEY_HEADER);
	key_index(&end, l->account, l->mailbox, messages ? KEY_SUMMARY + 1 : KEY_SUMMARY);
	scan_begin_range(&scan, c->store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))
		judge_row(l, scan.key, scan.body, err == TS_OK);
	scan_end(&scan);
	if (err == TS_NOT_FOUND)
		return TS_OK;
	l->unreadable = true;
	check_fault(l, CHECK_TABLE, 0, NULL, "the index cannot all be read: %s", ts_err_name(err));
	return err == TS_DAMAGED ? TS_OK : err;
}

static void
look_new(struct looked *l)
{
	l->state = state_new();
	l->summaries = roaring_bitmap_create();
	l->bad = roaring_bitmap_create();
	l->gone = roaring_bitmap_create();
	l->unreferred = roaring_bitmap_create();
}

/* Reads index and counters of one moment; reads again if the counters changed meanwhile. */
static enum ts_err
read_both(struct check *c, struct looked *l, bool messages)
{
	struct counters_row after;
	enum ts_err err = TS_OK;

	for (unsigned i = 0; i < (c->live ? TRIES : 1u); i++) {
		looked_fini(l);
		look_new(l);
		err = read_counters(c, l, &l->counters);
		l->has_counters = err == TS_OK;
		if (err != TS_OK && err != TS_NOT_FOUND && err != TS_DAMAGED)
			return err;
		err = read_index(c, l, messages);
		if (err != TS_OK || !c->live)
			return err;
		l->counters_moved = read_counters(c, l, &after) != TS_OK || !l->has_counters ||
		                    after.modseq != l->counters.modseq ||
		                    after.messages != l->counters.messages;
		if (!l->counters_moved)
			break;
	}
	return err;
}

/* ---- counters ---- */

static uint64_t
count_flagged(const struct state *s, unsigned flag)
{
	const roaring_bitmap_t *set = state_flagged(s, flag);

	return set != NULL ? roaring_bitmap_and_cardinality(set, s->uids) : 0;
}

static void
compare_number(struct looked *l, const char *what, uint64_t says, uint64_t is)
{
	if (says != is)
		check_fault(l, CHECK_COUNTERS, 0, "set to what is there",
		    "%s: the counters say %llu, there are %llu", what, (unsigned long long)says,
		    (unsigned long long)is);
}

static void
compare_counters(struct looked *l)
{
	const struct counters_row *c = &l->counters;
	struct state *s = l->state;
	uint64_t all = roaring_bitmap_get_cardinality(s->uids), size = 0, deleted = 0, top = 0;
	const roaring_bitmap_t *del = state_flagged(s, STORE_DELETED);

	for (size_t i = 0; i < s->chunk_count; i++)
		for (uint32_t j = 0; j < s->chunk[i]->n; j++) {
			const struct record *r = &s->chunk[i]->rec[j];
			uint32_t uid = s->chunk[i]->number << CHUNK_BITS | r->off;

			size += r->size;
			top = r->modseq > top ? r->modseq : top;
			if (del != NULL && roaring_bitmap_contains(del, uid))
				deleted += r->size;
		}
	compare_number(l, "messages", c->messages, all);
	compare_number(l, "unseen", c->unseen, all - count_flagged(s, STORE_SEEN));
	compare_number(l, "deleted", c->deleted, count_flagged(s, STORE_DELETED));
	compare_number(l, "size", c->size, size);
	compare_number(l, "size of deleted", c->deleted_size, deleted);
	compare_number(l, "MODSEQ", c->modseq, s->counters.modseq);
	if (top > c->modseq)
		check_fault(l, CHECK_COUNTERS, 0, "raised",
		    "a message has MODSEQ %llu, the mailbox %llu", (unsigned long long)top,
		    (unsigned long long)c->modseq);
	if (all > 0 && roaring_bitmap_maximum(s->uids) >= c->uidnext)
		check_fault(l, CHECK_COUNTERS, 0, "raised", "UIDNEXT %u is not above UID %u",
		    c->uidnext, roaring_bitmap_maximum(s->uids));
}

static void
check_keywords(struct looked *l)
{
	struct state *s = l->state;

	for (unsigned f = 0; f < s->flag_count; f++) {
		if (f >= STORE_FIRST_KEYWORD && state_flagged(s, f) != NULL &&
		    keywords_stored(s->keywords, f).p == NULL)
			check_fault(l, CHECK_INDEX, 0, "it is called lost-keyword-NUMBER",
			    "keyword number %u has no name", f);
		if (s->flag[f] != NULL && !roaring_bitmap_is_subset(s->flag[f], s->uids))
			check_fault(
			    l, CHECK_INDEX, 0, "left out", "flag %u is set on no message", f);
	}
	for (unsigned f = STORE_FIRST_KEYWORD; f < store_keywords_end(s->keywords); f++)
		if (keywords_stored(s->keywords, f).p != NULL &&
		    store_keywords_name(s->keywords, f).p == NULL)
			check_fault(l, CHECK_INDEX, 0, "it is called lost-keyword-NUMBER",
			    "keyword number %u has a name that is none: no client sees it", f);
}

/* ---- messages ---- */

enum ts_err
check_read_blob(struct check *c, uint64_t blob, struct buf *bytes, bool *rescued_r)
{
	enum ts_err err = store_read_blob(c->store, blob, 0, UINT64_MAX, bytes), again;

	*rescued_r = false;
	if ((err != TS_NOT_FOUND && err != TS_DAMAGED) || !c->opt->repair)
		return err;
	again = engine_blob_rescue(c->store->engine, blob);
	if (again == TS_NOT_FOUND)
		return err;
	*rescued_r = again == TS_OK;
	return again == TS_OK ? store_read_blob(c->store, blob, 0, UINT64_MAX, bytes) : again;
}

static void
check_blob(struct check *c, struct looked *l, uint32_t uid, const struct record *r, struct buf *b)
{
	uint64_t size = r->size;
	bool rescued = false;
	enum ts_err err;

	b->n = 0;
	if (!c->opt->quick) {
		err = check_read_blob(c, r->blob, b, &rescued);
		size = b->n;
		c->res->bytes += b->n;
	} else if ((r->blob & STORE_BLOB_FILE) != 0) {
		err = engine_blob_size(c->store->engine, r->blob, &size);
	} else {
		return;
	}
	if (rescued)
		check_fault(l, CHECK_MESSAGE, uid,
		    "put back from a file of messages that nothing pointed to",
		    "its bytes (%u, blob %llx) could not be read", r->size,
		    (unsigned long long)r->blob);
	if (err == TS_OK && size == r->size)
		return;
	if (err != TS_OK && err != TS_NOT_FOUND && err != TS_DAMAGED) {
		check_fault(l, CHECK_MESSAGE, uid, NULL, "its bytes cannot be read now: %s",
		    ts_err_name(err));
		return;
	}
	roaring_bitmap_add(l->gone, uid);
	check_fault(l, CHECK_MESSAGE, uid, "removed from the mailbox (expunged)",
	    "its bytes (%u, blob %llx) are %s", r->size, (unsigned long long)r->blob,
	    err == TS_NOT_FOUND ? "gone"
	    : err == TS_OK      ? "not as many"
	                        : "damaged");
}

static void
check_message(
    struct check *c, struct looked *l, uint32_t uid, const struct record *r, struct buf *b)
{
	struct key k;

	if (!roaring_bitmap_contains(l->summaries, uid))
		check_fault(l, CHECK_SUMMARY, uid,
		    (r->blob & STORE_BLOB_IDS) != 0
		        ? "made anew from the message; its EMAILID is another one than before"
		        : "made anew from the message",
		    roaring_bitmap_contains(l->bad, uid) ? "its summary is damaged"
		                                         : "its summary is missing");
	key_ref(&k, KEY_REF, l->account, r->blob, l->mailbox, uid);
	b->n = 0;

	enum ts_err err = engine_get(c->store->engine, key_str(&k), b);
	struct str body;

	if (err != TS_OK || !value_open(key_str(&k), buf_as_str(b), &body)) {
		roaring_bitmap_add(l->unreferred, uid);
		check_fault(l, CHECK_REF, uid, "written anew", "its reference to blob %llx is %s",
		    (unsigned long long)r->blob, err == TS_NOT_FOUND ? "missing" : "damaged");
	}
	check_blob(c, l, uid, r, b);
	c->res->messages++;
	if (c->res->messages % 64 == 0)
		check_tick(c, "messages", c->res->messages, 0);
}

static void
check_messages(struct check *c, struct looked *l)
{
	struct buf b = {0};
	const struct state *s = l->state;
	roaring_bitmap_t *stray = roaring_bitmap_andnot(l->bad, s->uids);

	for (size_t i = 0; i < s->chunk_count; i++)
		for (uint32_t j = 0; j < s->chunk[i]->n; j++)
			check_message(c, l,
			    s->chunk[i]->number << CHUNK_BITS | s->chunk[i]->rec[j].off,
			    &s->chunk[i]->rec[j], &b);
	if (!roaring_bitmap_is_empty(stray) && !check_summaries_pending(c, l->account, l->mailbox))
		check_fault(l, CHECK_SUMMARY, roaring_bitmap_minimum(stray), "removed",
		    "%llu summaries have no message, the first with this UID",
		    (unsigned long long)roaring_bitmap_get_cardinality(stray));
	roaring_bitmap_free(stray);
	buf_fini(&b);
}

enum ts_err
check_look(struct check *c, struct looked *l, bool messages)
{
	enum ts_err err = read_both(c, l, messages);

	if (err != TS_OK)
		return err;
	if (!l->has_counters && !c->live)
		check_fault(l, CHECK_COUNTERS, 0, "counted; new UIDVALIDITY", "it has no counters");
	else if (l->has_counters && !l->counters_moved)
		compare_counters(l);
	check_keywords(l);
	if (messages)
		check_messages(c, l);
	return l->faults > 0 ? TS_DAMAGED : TS_OK;
}
