/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a mailbox's index (header, blocks and change records) from disk into a state. */
#include "base/log.h"
#include "store/core/core_int.h"

static bool
take_header(struct state *s, struct str body)
{
	struct rd r = rd_of(body);

	s->snapshot = rd_le64(&r);
	s->expunge_floor = rd_le64(&r);
	for (uint64_t n = rd_varint(&r); n > 0 && !r.bad; n--) {
		uint64_t flag = rd_varint(&r);
		struct str v = rd_vstr(&r);

		if (r.bad || flag < STORE_FIRST_KEYWORD || flag >= STORE_FLAGS_MAX) {
			r.bad = true;
			break;
		}
		keywords_put(&s->keywords, (unsigned)flag, v);
	}
	return !r.bad && rd_left(&r) == 0;
}

static bool
take_change(struct state *s, uint64_t modseq, struct str body)
{
	struct delta *d = delta_decode(modseq, body);

	if (d == NULL)
		return false;
	s->counters.modseq = modseq; /* so that expunges are remembered in order */
	state_apply(s, d);
	delta_free(&d);
	return true;
}

bool
mailbox_take_item(struct state *s, struct str key, struct str body)
{
	/* account:8 'x' mailbox:4 kind, then the number */
	struct rd k = rd_of((struct str){key.p + 14, key.n - 14}), r = rd_of(body);
	roaring_bitmap_t *set;

	switch (key.p[13]) {
	case KEY_HEADER:
		return take_header(s, body);
	case KEY_BLOCK:
		return block_decode(s, rd_be32(&k), body);
	case KEY_EXPUNGED:
		set = value_take_set(&r);
		if (set != NULL)
			state_push_expunged(s, rd_be64(&k), set);
		return set != NULL && !r.bad;
	case KEY_CHANGE:
		return take_change(s, rd_be64(&k), body);
	default:
		return false;
	}
}

/* The result of header, blocks and changes must agree with the counters. */
static bool
agrees(struct state *s, const struct counters_row *c)
{
	uint64_t all = roaring_bitmap_get_cardinality(s->uids);
	const roaring_bitmap_t *seen = state_flagged(s, STORE_SEEN);
	const roaring_bitmap_t *deleted = state_flagged(s, STORE_DELETED);
	uint64_t n_seen = seen != NULL ? roaring_bitmap_get_cardinality(seen) : 0;
	uint64_t n_deleted = deleted != NULL ? roaring_bitmap_get_cardinality(deleted) : 0;

	if (state_nameless(s) < STORE_FLAGS_MAX)
		return false;
	return all == c->messages && all - n_seen == c->unseen && n_deleted == c->deleted &&
	       s->counters.modseq == c->modseq &&
	       (all == 0 || roaring_bitmap_maximum(s->uids) < c->uidnext);
}

enum ts_err
mailbox_read(struct store *store, uint64_t account, uint32_t id,
    const struct counters_row *counters, struct state **state_r)
{
	struct state *s = state_new();
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	key_index(&from, account, id, KEY_HEADER);
	key_index(&end, account, id, KEY_SUMMARY);
	scan_begin_range(&scan, store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK) {
		if (!mailbox_take_item(s, scan.key, scan.body)) {
			err = TS_DAMAGED;
			break;
		}
		if (s->counters.modseq < s->snapshot)
			s->counters.modseq = s->snapshot;
	}

	char kind = scan.key.n > 13 ? scan.key.p[13] : '?';

	scan_end(&scan);
	if (err == TS_NOT_FOUND)
		err = counters == NULL || agrees(s, counters) ? TS_OK : TS_DAMAGED;
	if (err != TS_OK) {
		log_msg(LOG_ERROR, NULL,
		    "store: account %llu mailbox %u cannot be read: %s (record of kind '%c')",
		    (unsigned long long)account, id, ts_err_name(err), kind);
		state_free(&s);
		return err;
	}
	if (counters != NULL)
		s->counters = *counters;
	state_forget_changes(s);
	state_measure(s);
	*state_r = s;
	return TS_OK;
}
