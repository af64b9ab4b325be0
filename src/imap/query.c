/* SPDX-License-Identifier: Apache-2.0 */
/* SEARCH programs: see query.h. */
#include "imap/query.h"

#include "mail/search.h"
#include "mail/summary.h"
#include "mail/text.h"

#define QUERY_WINDOW 256u

/* What a key costs; children of an AND run in this order. */
enum cost { COST_SETS, COST_RECORDS, COST_SUMMARIES, COST_BLOBS };

struct node {
	enum wire_key_id id;
	enum cost cost;
	struct node *next, *child;
	const roaring_bitmap_t *set; /* SET, UID, RECENT */
	int flag;                    /* store flag; -1: a keyword that no message has */
	int64_t number;              /* day, size, or time */
	struct mail_needle *needle;
	struct str field;
	enum mail_text text;
};

struct imap_query {
	struct store *store;
	struct store_mailbox *mailbox;
	const struct imap_box *box;
	struct node *root;
};

struct compiling {
	struct arena *arena;
	const struct imap_box *box;
	struct str charset; /* empty: UTF-8, and so ASCII */
	int64_t now;
	uint64_t room;
	enum imap_query_fault fault;
};

struct running {
	const struct imap_query *query;
	bool failed;
};

/* ---- compiling */

static void
free_bitmap(void *arg)
{
	roaring_bitmap_free(arg);
}

static void
free_needle(void *arg)
{
	struct mail_needle *needle = arg;

	mail_needle_free(&needle);
}

static void
compile_set(struct compiling *c, struct node *n, const struct wire_key *key)
{
	roaring_bitmap_t *set;
	uint64_t bytes;

	if (c->fault != IMAP_QUERY_OK)
		return; /* it will not be run */
	if (!imap_view_resolve(c->box, &key->set, key->id == WIRE_KEY_UID, &set)) {
		c->fault = IMAP_QUERY_BAD_NUMBER;
		return;
	}
	arena_on_free(c->arena, free_bitmap, set);
	n->set = set;
	bytes = roaring_bitmap_portable_size_in_bytes(set);
	if (bytes > c->room)
		c->fault = IMAP_QUERY_TOO_BIG;
	else
		c->room -= bytes;
}

static void
compile_text(struct compiling *c, struct node *n, struct str text)
{
	struct buf utf8 = {0};

	if (c->charset.n == 0)
		buf_str(&utf8, text);
	else
		(void)mail_to_utf8(c->charset, text, &utf8); /* known, or we would not be here */
	if (!str_is_utf8(buf_as_str(&utf8))) {
		c->fault = IMAP_QUERY_BAD_TEXT;
	} else {
		n->needle = mail_needle_new(buf_as_str(&utf8));
		arena_on_free(c->arena, free_needle, n->needle);
	}
	buf_fini(&utf8);
}

static int
keyword_of(const struct imap_box *box, struct str name)
{
	int flag;

	store_mailbox_read_begin(box->mailbox);
	flag = store_mailbox_keyword_find(box->mailbox, name);
	store_mailbox_read_end(box->mailbox);
	return flag;
}

static void
compile_key(struct compiling *c, struct node *n, const struct wire_key *key)
{
	static const struct {
		enum wire_key_id id;
		int flag;
	} flags[] = {
	    {WIRE_KEY_ANSWERED, STORE_ANSWERED},
	    {WIRE_KEY_UNANSWERED, STORE_ANSWERED},
	    {WIRE_KEY_DELETED, STORE_DELETED},
	    {WIRE_KEY_UNDELETED, STORE_DELETED},
	    {WIRE_KEY_DRAFT, STORE_DRAFT},
	    {WIRE_KEY_UNDRAFT, STORE_DRAFT},
	    {WIRE_KEY_FLAGGED, STORE_FLAGGED},
	    {WIRE_KEY_UNFLAGGED, STORE_FLAGGED},
	    {WIRE_KEY_SEEN, STORE_SEEN},
	    {WIRE_KEY_UNSEEN, STORE_SEEN},
	    {WIRE_KEY_NEW, STORE_SEEN},
	};
	static const struct {
		enum wire_key_id id;
		enum mail_text text;
	} texts[] = {
	    {WIRE_KEY_BCC, MAIL_TEXT_BCC},
	    {WIRE_KEY_CC, MAIL_TEXT_CC},
	    {WIRE_KEY_FROM, MAIL_TEXT_FROM},
	    {WIRE_KEY_SUBJECT, MAIL_TEXT_SUBJECT},
	    {WIRE_KEY_TO, MAIL_TEXT_TO},
	};

	n->flag = -1;
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (flags[i].id == key->id)
			n->flag = flags[i].flag;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (texts[i].id == key->id) {
			n->text = texts[i].text;
			n->cost = COST_SUMMARIES;
			compile_text(c, n, key->text);
		}
	}
	switch (key->id) {
	case WIRE_KEY_SET:
	case WIRE_KEY_UID:
		compile_set(c, n, key);
		break;
	case WIRE_KEY_NEW:
	case WIRE_KEY_OLD:
	case WIRE_KEY_RECENT:
		n->set = c->box->recent;
		break;
	case WIRE_KEY_KEYWORD:
	case WIRE_KEY_UNKEYWORD:
		n->flag = keyword_of(c->box, key->text);
		break;
	case WIRE_KEY_BODY:
	case WIRE_KEY_TEXT:
	case WIRE_KEY_HEADER:
		n->cost = COST_BLOBS;
		n->field = arena_str(c->arena, key->field);
		compile_text(c, n, key->text);
		break;
	case WIRE_KEY_BEFORE:
	case WIRE_KEY_ON:
	case WIRE_KEY_SINCE:
		n->cost = COST_RECORDS;
		n->number = key->day;
		break;
	case WIRE_KEY_SENTBEFORE:
	case WIRE_KEY_SENTON:
	case WIRE_KEY_SENTSINCE:
		n->cost = COST_SUMMARIES;
		n->number = key->day;
		break;
	case WIRE_KEY_LARGER:
	case WIRE_KEY_SMALLER:
		n->cost = COST_RECORDS;
		n->number = key->number > INT64_MAX ? INT64_MAX : (int64_t)key->number;
		break;
	case WIRE_KEY_OLDER: /* RFC 5032 section 3 */
	case WIRE_KEY_YOUNGER:
		n->cost = COST_RECORDS;
		n->number = c->now - (int64_t)key->number;
		break;
	default:
		break;
	}
}

/* Depth is bounded by the parser's limit on nesting. */
static struct node *
compile(struct compiling *c, const struct wire_key *key)
{
	struct node *n = arena_new_object(c->arena, struct node), **at;

	n->id = key->id;
	compile_key(c, n, key);
	for (const struct wire_key *k = key->child; k != NULL; k = k->next) {
		struct node *child = compile(c, k);

		/* Cheap ones first; those of one cost as they were written. */
		for (at = &n->child; *at != NULL && (*at)->cost <= child->cost; at = &(*at)->next)
			continue;
		child->next = *at;
		*at = child;
		if (child->cost > n->cost)
			n->cost = child->cost;
	}
	return n;
}

enum imap_query_fault
imap_query_new(struct arena *a, const struct imap_box *box, struct store *store,
    const struct wire_search *args, int64_t now, uint64_t room, struct imap_query **query_r)
{
	struct compiling c = {.arena = a, .box = box, .now = now, .room = room};
	struct imap_query *query = arena_new_object(a, struct imap_query);

	*query_r = query;
	if (args->charset.p != NULL && !str_ieq(args->charset, STR("UTF-8")) &&
	    !str_ieq(args->charset, STR("US-ASCII"))) {
		if (!mail_charset_known(args->charset))
			return IMAP_QUERY_BAD_CHARSET;
		c.charset = args->charset;
	}
	query->store = store;
	query->mailbox = box->mailbox;
	query->box = box;
	query->root = compile(&c, args->root);
	return c.fault;
}

bool
imap_query_is_cheap(const struct imap_query *query)
{
	return query->root->cost == COST_SETS;
}

/* ---- running */

/* Those of `in` that are (not) in set; set NULL is the empty one. */
static roaring_bitmap_t *
choose(const roaring_bitmap_t *in, const roaring_bitmap_t *set, bool wanted)
{
	if (set == NULL)
		return wanted ? roaring_bitmap_create() : roaring_bitmap_copy(in);
	return wanted ? roaring_bitmap_and(in, set) : roaring_bitmap_andnot(in, set);
}

static roaring_bitmap_t *
choose_flag(const struct running *run, const roaring_bitmap_t *in, int flag, bool wanted)
{
	roaring_bitmap_t *out;

	store_mailbox_read_begin(run->query->mailbox);
	out = choose(in,
	    flag >= 0 ? store_mailbox_flagged(run->query->mailbox, (unsigned)flag) : NULL, wanted);
	store_mailbox_read_end(run->query->mailbox);
	return out;
}

/* The day on the calendar of the place where it was given (section 6.4.4: time and zone are not
 * looked at). */
static int64_t
internal_day(const struct store_message *m)
{
	int64_t local = m->internaldate + (int64_t)m->zone * 60;

	return local >= 0 ? local / 86400 : -((-local + 86399) / 86400);
}

static bool
record_matches(const struct node *n, const struct store_message *m)
{
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
	case WIRE_KEY_OLDER:
		return m->internaldate <= n->number;
	case WIRE_KEY_YOUNGER:
		return m->internaldate >= n->number;
	default:
		TS_WRONG("a SEARCH key that is none of records");
	}
}

static size_t
window_of(const struct running *run, const roaring_bitmap_t *in, uint32_t from,
    struct store_message *records)
{
	size_t n;

	store_mailbox_read_begin(run->query->mailbox);
	n = store_mailbox_window(run->query->mailbox, in, from, records, QUERY_WINDOW);
	store_mailbox_read_end(run->query->mailbox);
	return n;
}

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

static bool
blob_matches(struct running *run, const struct node *n, const struct mail_summary *s, uint64_t blob)
{
	struct buf bytes = {0};
	uint64_t len = n->id == WIRE_KEY_HEADER ? s->header_len : s->size;
	bool found = false;

	if (store_read_blob(run->query->store, blob, 0, len, &bytes) != TS_OK)
		run->failed = true;
	else if (n->id == WIRE_KEY_HEADER)
		found = mail_search_header(n->needle, buf_as_str(&bytes), n->field);
	else
		found = mail_search_message(n->needle, buf_as_str(&bytes), s,
		    n->id == WIRE_KEY_BODY ? MAIL_SEARCH_BODY : MAIL_SEARCH_TEXT);
	buf_fini(&bytes);
	return found;
}

struct scanning {
	struct running *run;
	const struct node *node;
	const struct store_message *records;
	size_t count, next;
	roaring_bitmap_t *out;
};

static bool
scan_summary(uint32_t uid, enum ts_err err, struct str bytes, void *arg)
{
	struct scanning *s = arg;
	struct mail_summary summary;
	bool found;

	while (s->next < s->count && s->records[s->next].uid < uid)
		s->next++;
	if (s->next == s->count || s->records[s->next].uid != uid)
		return true;
	if (err != TS_OK || mail_summary_open(bytes, &summary) != TS_OK) {
		s->run->failed = true;
		return true;
	}
	if (s->node->cost == COST_BLOBS) {
		found = blob_matches(s->run, s->node, &summary, s->records[s->next].blob);
	} else if (s->node->needle != NULL) {
		struct str text = mail_summary_text(&summary, s->node->text);

		found = text.p != NULL && mail_needle_in(s->node->needle, text);
	} else {
		found = sent_matches(s->node, &summary);
	}
	if (found)
		roaring_bitmap_add(s->out, uid);
	return true;
}

static roaring_bitmap_t *
walk(struct running *run, const struct node *n, const roaring_bitmap_t *in)
{
	struct store_message records[QUERY_WINDOW];
	uint32_t uids[QUERY_WINDOW], from = 0;
	roaring_bitmap_t *out = roaring_bitmap_create();
	size_t count;

	while ((count = window_of(run, in, from, records)) > 0) {
		if (n->cost == COST_RECORDS) {
			for (size_t i = 0; i < count; i++)
				if (record_matches(n, &records[i]))
					roaring_bitmap_add(out, records[i].uid);
		} else {
			struct scanning s = {
			    .run = run, .node = n, .records = records, .count = count, .out = out};

			for (size_t i = 0; i < count; i++)
				uids[i] = records[i].uid;
			store_read_summaries(run->query->mailbox, uids, count, scan_summary, &s);
		}
		if (count < QUERY_WINDOW || records[count - 1].uid == UINT32_MAX)
			break;
		from = records[count - 1].uid + 1;
	}
	return out;
}

static roaring_bitmap_t *eval(
    struct running *run, const struct node *n, const roaring_bitmap_t *in);

static roaring_bitmap_t *
eval_and(struct running *run, const struct node *n, const roaring_bitmap_t *in)
{
	roaring_bitmap_t *left = roaring_bitmap_copy(in), *next;

	for (const struct node *c = n->child; c != NULL && !roaring_bitmap_is_empty(left);
	     c = c->next) {
		next = eval(run, c, left);
		roaring_bitmap_free(left);
		left = next;
	}
	return left;
}

static roaring_bitmap_t *
eval_or(struct running *run, const struct node *n, const roaring_bitmap_t *in)
{
	roaring_bitmap_t *found = roaring_bitmap_create(), *rest, *more;

	for (const struct node *c = n->child; c != NULL; c = c->next) {
		rest = roaring_bitmap_andnot(in, found);
		more = eval(run, c, rest);
		roaring_bitmap_or_inplace(found, more);
		roaring_bitmap_free(rest);
		roaring_bitmap_free(more);
	}
	return found;
}

static roaring_bitmap_t *
eval_not(struct running *run, const struct node *n, const roaring_bitmap_t *in)
{
	roaring_bitmap_t *found = eval(run, n->child, in), *out = roaring_bitmap_andnot(in, found);

	roaring_bitmap_free(found);
	return out;
}

/* The messages of `in` that match; the caller's. */
static roaring_bitmap_t *
eval(struct running *run, const struct node *n, const roaring_bitmap_t *in)
{
	roaring_bitmap_t *recent, *out;

	switch (n->id) {
	case WIRE_KEY_AND:
		return eval_and(run, n, in);
	case WIRE_KEY_OR:
		return eval_or(run, n, in);
	case WIRE_KEY_NOT:
		return eval_not(run, n, in);
	case WIRE_KEY_ALL:
		return roaring_bitmap_copy(in);
	case WIRE_KEY_SET:
	case WIRE_KEY_UID:
	case WIRE_KEY_RECENT:
		return choose(in, n->set, true);
	case WIRE_KEY_OLD:
		return choose(in, n->set, false);
	case WIRE_KEY_NEW: /* RECENT UNSEEN */
		recent = choose(in, n->set, true);
		out = choose_flag(run, recent, STORE_SEEN, false);
		roaring_bitmap_free(recent);
		return out;
	case WIRE_KEY_ANSWERED:
	case WIRE_KEY_DELETED:
	case WIRE_KEY_DRAFT:
	case WIRE_KEY_FLAGGED:
	case WIRE_KEY_SEEN:
	case WIRE_KEY_KEYWORD:
		return choose_flag(run, in, n->flag, true);
	case WIRE_KEY_UNANSWERED:
	case WIRE_KEY_UNDELETED:
	case WIRE_KEY_UNDRAFT:
	case WIRE_KEY_UNFLAGGED:
	case WIRE_KEY_UNSEEN:
	case WIRE_KEY_UNKEYWORD:
		return choose_flag(run, in, n->flag, false);
	default:
		return walk(run, n, in);
	}
}

roaring_bitmap_t *
imap_query_run(const struct imap_query *query, bool *failed_r)
{
	struct running run = {.query = query};
	roaring_bitmap_t *all, *out;

	store_mailbox_read_begin(query->mailbox);
	all = roaring_bitmap_and(query->box->uids, store_mailbox_uids(query->mailbox));
	store_mailbox_read_end(query->mailbox);
	out = eval(&run, query->root, all);
	roaring_bitmap_free(all);
	*failed_r = run.failed;
	return out;
}
