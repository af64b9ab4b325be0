/* SPDX-License-Identifier: Apache-2.0 */
/* Running SEARCH programs: see query.h. */
#include "imap/common/query_int.h"

#define SUMMARIES_PIECE (256u * 1024)
#define BLOB_PIECE (256u * 1024)
/* With this few keys, check after each piece of a message whether they are decided. */
#define FEW_NODES 64u

/* ---- sets */

/* Returns those of `in` that are (not) in set; set NULL is empty. */
static roaring_bitmap_t *
choose(const roaring_bitmap_t *in, const roaring_bitmap_t *set, bool wanted)
{
	if (set == NULL)
		return wanted ? roaring_bitmap_create() : roaring_bitmap_copy(in);
	return wanted ? roaring_bitmap_and(in, set) : roaring_bitmap_andnot(in, set);
}

static const roaring_bitmap_t *
flagged(const struct imap_query *q, const struct node *n)
{
	return n->flag >= 0 ? q->flagged[n->flag] : NULL;
}

/* Returns the messages of `in` that match. */
static roaring_bitmap_t *
choose_by_sets(const struct imap_query *q, const struct node *n, const roaring_bitmap_t *in)
{
	roaring_bitmap_t *recent, *out;

	switch (n->id) {
	case WIRE_KEY_SET:
	case WIRE_KEY_UID:
	case WIRE_KEY_RECENT:
	case WIRE_KEY_OTHER:
		return choose(in, n->set, true);
	case WIRE_KEY_OLD:
		return choose(in, n->set, false);
	case WIRE_KEY_NEW: /* RECENT UNSEEN */
		recent = choose(in, n->set, true);
		out = choose(recent, flagged(q, n), false);
		roaring_bitmap_free(recent);
		return out;
	case WIRE_KEY_ANSWERED:
	case WIRE_KEY_DELETED:
	case WIRE_KEY_DRAFT:
	case WIRE_KEY_FLAGGED:
	case WIRE_KEY_SEEN:
	case WIRE_KEY_KEYWORD:
		return choose(in, flagged(q, n), true);
	case WIRE_KEY_UNANSWERED:
	case WIRE_KEY_UNDELETED:
	case WIRE_KEY_UNDRAFT:
	case WIRE_KEY_UNFLAGGED:
	case WIRE_KEY_UNSEEN:
	case WIRE_KEY_UNKEYWORD:
		return choose(in, flagged(q, n), false);
	default: /* ALL */
		return roaring_bitmap_copy(in);
	}
}

/* Same for one message. */
static bool
sets_have(const struct imap_query *q, const struct node *n, uint32_t uid)
{
	const roaring_bitmap_t *set = n->flag >= 0 ? flagged(q, n) : n->set;
	bool in = set != NULL && roaring_bitmap_contains(set, uid);

	switch (n->id) {
	case WIRE_KEY_ALL:
		return true;
	case WIRE_KEY_NEW:
		return !in && n->set != NULL && roaring_bitmap_contains(n->set, uid);
	case WIRE_KEY_OLD:
	case WIRE_KEY_UNANSWERED:
	case WIRE_KEY_UNDELETED:
	case WIRE_KEY_UNDRAFT:
	case WIRE_KEY_UNFLAGGED:
	case WIRE_KEY_UNSEEN:
	case WIRE_KEY_UNKEYWORD:
		return !in;
	default:
		return in;
	}
}

/* The day on the calendar of the place where it was given (section 6.4.4: time and zone are
 * ignored). */
static int64_t
internal_day(const struct store_message *m)
{
	int64_t local = m->internaldate + (int64_t)m->zone * 60;

	return local >= 0 ? local / 86400 : -((-local + 86399) / 86400);
}

static bool
record_matches(const struct node *n, const struct store_message *m)
{
	if (n->row != NULL)
		return n->row->matches(n->asked, m);
	switch (n->id) {
	case WIRE_KEY_BEFORE:
		return internal_day(m) < n->number;
	case WIRE_KEY_ON:
		return internal_day(m) == n->number;
	case WIRE_KEY_SINCE:
		return internal_day(m) >= n->number;
	case WIRE_KEY_LARGER:
		return (int64_t)m->size > n->number;
	case WIRE_KEY_SMALLER:
		return (int64_t)m->size < n->number;
	default:
		TS_WRONG("a SEARCH key that is none of records");
	}
}

/* Of one whose record tells as a rule. */
static bool
needs_summary(const struct node *n, const struct store_message *m)
{
	return n->row != NULL && n->row->needs_summary != NULL && n->row->needs_summary(m);
}

static size_t
window_of(struct imap_query *q, const roaring_bitmap_t *in, uint32_t from)
{
	size_t n;

	store_reader_begin(&q->reader);
	n = store_reader_hold_window(&q->reader, q->hold, in, from, q->records, QUERY_WINDOW);
	store_reader_end(&q->reader);
	return n;
}

/* Returns where the next window begins; false: this was the last one. */
static bool
window_next(const struct imap_query *q, size_t n, uint32_t *from)
{
	if (n < QUERY_WINDOW || q->records[n - 1].uid == UINT32_MAX)
		return false;
	*from = q->records[n - 1].uid + 1;
	return true;
}

/* ---- the first stage: sets and records */

static bool
is_inner(const struct node *n)
{
	return n->id == WIRE_KEY_AND || n->id == WIRE_KEY_OR || n->id == WIRE_KEY_NOT;
}

/* Takes over in. */
static void
push(struct imap_query *q, const struct node *n, roaring_bitmap_t *in)
{
	struct frame *f = &q->frames[q->top++];

	*f = (struct frame){.node = n, .next = n->child, .in = in};
	f->out.yes = n->id == WIRE_KEY_AND ? roaring_bitmap_copy(in) : roaring_bitmap_create();
}

/* Returns the messages for a node's next child: those on which it can make a difference. */
static roaring_bitmap_t *
asked(const struct frame *f)
{
	if (f->node->id == WIRE_KEY_OR)
		return roaring_bitmap_andnot(f->in, f->out.yes);
	if (f->node->id == WIRE_KEY_NOT)
		return roaring_bitmap_copy(f->in);
	if (f->out.may == NULL)
		return roaring_bitmap_copy(f->out.yes);
	return roaring_bitmap_or(f->out.yes, f->out.may);
}

static void
set_may(struct bounds *b, roaring_bitmap_t *may)
{
	if (b->may != NULL)
		roaring_bitmap_free(b->may);
	b->may = may;
	if (may != NULL && roaring_bitmap_is_empty(may)) {
		roaring_bitmap_free(may);
		b->may = NULL;
	}
}

static void
add_may(struct bounds *b, uint32_t uid)
{
	if (b->may == NULL)
		b->may = roaring_bitmap_create();
	roaring_bitmap_add(b->may, uid);
}

/* All of the child's that are not surely in both. */
static void
combine_and(struct bounds *out, struct bounds *child)
{
	roaring_bitmap_t *may = NULL;

	roaring_bitmap_and_inplace(out->yes, child->yes);
	if (child->may != NULL || out->may != NULL) {
		may = roaring_bitmap_andnot(child->yes, out->yes);
		if (child->may != NULL)
			roaring_bitmap_or_inplace(may, child->may);
	}
	set_may(out, may);
}

static void
combine_or(struct bounds *out, struct bounds *child)
{
	roaring_bitmap_t *may = NULL;

	roaring_bitmap_or_inplace(out->yes, child->yes);
	if (out->may != NULL || child->may != NULL) {
		may = out->may != NULL ? roaring_bitmap_copy(out->may) : roaring_bitmap_create();
		if (child->may != NULL)
			roaring_bitmap_or_inplace(may, child->may);
		roaring_bitmap_andnot_inplace(may, out->yes);
	}
	set_may(out, may);
}

/* Takes over what a child of the topmost node, or the root, has found. */
static void
combine(struct imap_query *q, struct bounds *found)
{
	struct frame *f;

	if (q->top == 0) {
		q->result = *found;
		return;
	}
	f = &q->frames[q->top - 1];
	if (f->node->id == WIRE_KEY_AND) {
		combine_and(&f->out, found);
	} else if (f->node->id == WIRE_KEY_OR) {
		combine_or(&f->out, found);
	} else {
		roaring_bitmap_or_inplace(f->out.yes, f->in);
		roaring_bitmap_andnot_inplace(f->out.yes, found->yes);
		if (found->may != NULL)
			roaring_bitmap_andnot_inplace(f->out.yes, found->may);
		set_may(&f->out, found->may);
		found->may = NULL;
	}
	imap_query_free_bounds(found);
}

/* The topmost node is done. */
static void
pop(struct imap_query *q)
{
	struct frame *f = &q->frames[--q->top];
	struct bounds out = f->out;

	roaring_bitmap_free(f->in);
	f->out = (struct bounds){0};
	combine(q, &out);
}

/* Processes a window of a walk over records. */
static void
walk(struct imap_query *q, struct frame *f)
{
	size_t n = window_of(q, f->in, f->from);

	for (size_t i = 0; i < n; i++) {
		const struct store_message *m = &q->records[i];

		if (needs_summary(f->node, m))
			add_may(&f->out, m->uid);
		else if (record_matches(f->node, m))
			roaring_bitmap_add(f->out.yes, m->uid);
	}
	if (!window_next(q, n, &f->from))
		pop(q);
}

/* Handles the next child; one that has children, or walks, becomes the topmost node. */
static void
ask_child(struct imap_query *q, struct frame *f)
{
	const struct node *child = f->next;
	roaring_bitmap_t *in = asked(f);
	struct bounds found = {0};

	f->next = child->next;
	if (is_inner(child) || child->cost == COST_RECORDS) {
		push(q, child, in);
		return;
	}
	if (child->cost == COST_SETS) {
		found.yes = choose_by_sets(q, child, in);
		roaring_bitmap_free(in);
	} else {
		found.yes = roaring_bitmap_create();
		set_may(&found, in);
	}
	combine(q, &found);
}

static void
step_sets(struct imap_query *q)
{
	struct frame *f = &q->frames[q->top - 1];

	if (!is_inner(f->node))
		walk(q, f);
	else if (f->next == NULL || (f->node->id == WIRE_KEY_AND && f->out.may == NULL &&
	                                roaring_bitmap_is_empty(f->out.yes)))
		pop(q);
	else
		ask_child(q, f);
}

/* ---- the second stage: one message after the other */

static bool
sent_matches(const struct node *n, const struct mail_summary *s)
{
	if ((s->flags & MAIL_SUMMARY_DATED) == 0)
		return false;
	if (n->id == WIRE_KEY_SENTBEFORE)
		return s->sent_day < n->number;
	if (n->id == WIRE_KEY_SENTON)
		return s->sent_day == n->number;
	return s->sent_day >= n->number;
}

static enum mail_search_found
sure(bool found)
{
	return found ? MAIL_SEARCH_YES : MAIL_SEARCH_NO;
}

/* Decides whether the message matches, as far as is known by now. */
static enum mail_search_found
judge(const struct imap_query *q, const struct node *n, const struct store_message *m)
{
	enum mail_search_found all = sure(n->id != WIRE_KEY_OR), one;

	switch (n->id) {
	case WIRE_KEY_AND:
	case WIRE_KEY_OR:
		for (const struct node *c = n->child; c != NULL; c = c->next) {
			one = judge(q, c, m);
			if (one == sure(n->id == WIRE_KEY_OR))
				return one;
			if (one == MAIL_SEARCH_OPEN)
				all = one;
		}
		return all;
	case WIRE_KEY_NOT:
		one = judge(q, n->child, m);
		return one == MAIL_SEARCH_OPEN ? one : sure(one == MAIL_SEARCH_NO);
	case WIRE_KEY_SENTBEFORE:
	case WIRE_KEY_SENTON:
	case WIRE_KEY_SENTSINCE:
		return sure(sent_matches(n, &q->summary));
	default:
		if (n->cost == COST_SETS)
			return sure(sets_have(q, n, m->uid));
		if (n->cost == COST_RECORDS && !needs_summary(n, m))
			return sure(record_matches(n, m));
		if (n->row != NULL)
			return sure(n->row->matches_summary(n->asked, m, &q->summary));
		return mail_search_key(q->search, n->key);
	}
}

static bool
enough(const struct imap_query *q)
{
	return q->enough != NULL && q->enough(q->arg);
}

static void
judged(struct imap_query *q, const struct store_message *m, enum mail_search_found found)
{
	if (found == MAIL_SEARCH_YES)
		roaring_bitmap_add(q->result.yes, m->uid);
}

static bool
begin_message(struct imap_query *q, struct str summary)
{
	if (mail_summary_open(summary, &q->summary) != TS_OK)
		return false;
	mail_search_begin(q->search, &q->summary);
	return true;
}

/* A message that was expunged and could not be kept does not match, which is no error. */
static void
unreadable(struct imap_query *q, const struct store_message *m)
{
	if (!store_hold_has(q->hold, m->uid))
		return;
	q->failed = true;
	imap_log_unreadable(q->mailbox, m->uid, 0);
}

/* A message decided by its summary needs no more; the summaries of others are kept. */
static bool
judge_summary(
    struct imap_query *q, const struct store_message *m, enum ts_err err, struct str bytes)
{
	enum mail_search_found found;

	if (err != TS_OK || !begin_message(q, bytes)) {
		unreadable(q, m);
		return !enough(q);
	}
	found = judge(q, q->root, m);
	if (found != MAIL_SEARCH_OPEN) {
		judged(q, m, found);
		return !enough(q);
	}
	q->unread[q->unread_n++] = (struct unread){q->scanned - 1, q->summaries.n, bytes.n};
	buf_str(&q->summaries, bytes);
	return q->summaries.n < SUMMARIES_PIECE;
}

static bool
scan_summary(uint32_t uid, enum ts_err err, struct str bytes, void *arg)
{
	struct imap_query *q = arg;
	const struct store_message *m;

	while (q->scanned < q->count && q->records[q->scanned].uid < uid)
		q->scanned++;
	if (q->scanned == q->count || q->records[q->scanned].uid != uid)
		return true;
	m = &q->records[q->scanned++];
	return judge_summary(q, m, err, bytes);
}

static void
scan_window(struct imap_query *q)
{
	uint32_t uids[QUERY_WINDOW];
	size_t n = 0;

	q->unread_n = q->at = 0;
	q->summaries.n = 0;
	for (size_t i = q->scanned; i < q->count; i++)
		uids[n++] = q->records[i].uid;
	store_read_summaries(q->mailbox, uids, n, scan_summary, q);
	if (q->unread_n == 0 && !enough(q))
		q->scanned = q->count;
}

/* Gets the bytes of the message at a range. */
static bool
bytes_at(struct imap_query *q, uint64_t blob, struct mail_range range, struct str *bytes_r)
{
	uint64_t len = range.len;

	if (range.off < q->off || range.off + range.len > q->off + q->bytes.n) {
		if (q->reads_all && len < BLOB_PIECE)
			len = q->summary.size - range.off < BLOB_PIECE ? q->summary.size - range.off
			                                               : BLOB_PIECE;
		q->bytes.n = 0;
		q->off = range.off;
		if (store_read_blob(q->store, blob, range.off, len, &q->bytes) != TS_OK)
			return false;
		if (q->bytes.n < range.len)
			return false;
	}
	*bytes_r = (struct str){q->bytes.p + (range.off - q->off), (size_t)range.len};
	return true;
}

/* Reads on in a message until it is decided, or enough() says so.  Returns true if decided. */
static bool
read_message(struct imap_query *q, const struct store_message *m)
{
	enum mail_search_found found = MAIL_SEARCH_OPEN;
	struct mail_range range;
	struct str bytes;

	while (found == MAIL_SEARCH_OPEN) {
		bool more = mail_search_wants(q->search, &range);

		if (more) {
			if (!bytes_at(q, m->blob, range, &bytes)) {
				unreadable(q, m);
				return true;
			}
			mail_search_feed(q->search, bytes);
		}
		if (!more || q->nodes <= FEW_NODES || !mail_search_within(q->search))
			found = judge(q, q->root, m);
		TS_ASSERT(more || found != MAIL_SEARCH_OPEN);
		if (found == MAIL_SEARCH_OPEN && enough(q))
			return false;
	}
	judged(q, m, found);
	return true;
}

static void
step_message(struct imap_query *q)
{
	const struct unread *u = &q->unread[q->at];
	const struct store_message *m = &q->records[u->record];

	if (!q->open) { /* the summary was whole a moment ago */
		q->open = begin_message(q, (struct str){q->summaries.p + u->off, u->n});
		q->bytes.n = 0;
		q->failed |= !q->open;
	}
	if (q->open && !read_message(q, m))
		return;
	q->open = false;
	q->at++;
}

/* Returns false if nothing is left to be read. */
static bool
step_reading(struct imap_query *q)
{
	if (q->at < q->unread_n) {
		step_message(q);
	} else if (q->scanned < q->count) {
		scan_window(q);
	} else {
		if (q->walked || q->result.may == NULL)
			return false;
		q->count = window_of(q, q->result.may, q->from);
		q->scanned = 0;
		q->walked = !window_next(q, q->count, &q->from);
	}
	return true;
}

bool
imap_query_run(struct imap_query *q, bool (*enough_f)(void *arg), void *arg)
{
	q->enough = enough_f;
	q->arg = arg;
	if (!q->began)
		push(q, q->root, roaring_bitmap_copy(q->all)); /* an AND */
	q->began = true;
	while (q->top > 0) {
		step_sets(q);
		if (q->top > 0 && enough(q))
			return false;
	}
	while (step_reading(q))
		if (enough(q))
			return false;
	return true;
}

roaring_bitmap_t *
imap_query_found(struct imap_query *q, bool *failed_r)
{
	roaring_bitmap_t *found = q->result.yes;

	q->result.yes = NULL;
	*failed_r = q->failed;
	return found;
}

struct store_hold *
imap_query_hold(const struct imap_query *q)
{
	return q->hold;
}

uint64_t
imap_query_modseq(const struct imap_query *q, const roaring_bitmap_t *uids)
{
	struct store_reader reader = q->reader;
	uint64_t highest;

	store_reader_begin(&reader);
	highest = store_reader_highest(&reader, uids);
	store_reader_end(&reader);
	return highest > 0 && highest < q->modseq ? highest : q->modseq;
}

bool
imap_query_expunged(const struct imap_query *q)
{
	return q->expunged || (q->hold != NULL && store_hold_touched(q->hold));
}
