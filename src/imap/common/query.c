/* SPDX-License-Identifier: Apache-2.0 */
/* SEARCH programs: see query.h. */
#include "imap/common/query.h"

#include "mail/search.h"
#include "mail/text/text.h"

#define QUERY_WINDOW 256u
#define SUMMARIES_PIECE (256u * 1024)
#define BLOB_PIECE (256u * 1024)
/* Most sets that a loop may process for a SEARCH. */
#define CHEAP_NODES 64u
/* With this few keys, check after each piece of a message whether they are decided. */
#define FEW_NODES 64u

/* The cost of a key; children of an AND run in this order. */
enum cost { COST_SETS, COST_RECORDS, COST_SUMMARIES, COST_BLOBS };

struct node {
	enum wire_key_id id;
	enum cost cost;
	struct node *next, *child;
	const roaring_bitmap_t *set; /* for SET, UID, RECENT, and a flag; NULL: empty */
	int flag;                    /* store flag; -1: a keyword that no message has */
	struct str keyword;          /* its number is found in the read that takes the sets */
	struct node *next_keyword, *next_chosen;
	int64_t number;                    /* day, size, or time */
	size_t key;                        /* number in the search */
	const struct imap_search_key *row; /* of an extension; NULL: the engine implements it */
	const struct wire_key *asked;      /* with row */
};

/* Of the messages in question: those that match, and those that must be read to decide (NULL:
 * none). */
struct bounds {
	roaring_bitmap_t *yes, *may;
};

struct frame { /* a node being worked on, for these messages */
	const struct node *node, *next;
	roaring_bitmap_t *in;
	struct bounds out;
	uint32_t from; /* a walk over records continues here */
};

struct unread { /* a message to be read, with its summary */
	size_t record, off, n;
};

struct imap_query {
	struct store *store;
	struct store_mailbox *mailbox;
	struct mail_search *search;
	struct node *root;
	size_t nodes, depth, texts;
	bool reads_all; /* not only headers */
	roaring_bitmap_t *all, *flagged[STORE_FLAGS_MAX];
	struct store_hold *hold; /* of `all`, if records or more are read; else NULL */
	uint64_t modseq;         /* the mailbox's MODSEQ in that read */
	bool expunged;           /* messages of the view were gone by then */

	/* running: sets */
	struct frame *frames;
	size_t top;
	bool began, walked, done, failed;
	struct bounds result;

	/* reading: a window of messages, and those of them that their summaries do not decide */
	struct store_message *records;
	size_t count, scanned;
	uint32_t from;
	struct buf summaries;
	struct unread *unread;
	size_t unread_n, at;
	bool open; /* unread[at] is being read */
	struct mail_summary summary;
	struct buf bytes; /* a window of it, */
	uint64_t off;     /* starting here */

	bool (*enough)(void *arg);
	void *arg;
};

struct compiling {
	struct arena *arena;
	const struct imap_box *box;
	struct imap_query *query;
	struct str charset; /* empty: UTF-8, and so ASCII */
	bool holds;
	uint64_t room;
	size_t depth;
	struct node *keywords;       /* the keywords requested, by name */
	struct node *chosen;         /* whose sets extensions choose */
	bool flags[STORE_FLAGS_MAX]; /* asked for */
	bool may_read;               /* summaries, although records tell as a rule */
	enum imap_query_fault fault;
};

/* ---- compiling */

static void
free_bitmap(void *arg)
{
	roaring_bitmap_free(arg);
}

static void
take_room(struct compiling *c, uint64_t bytes)
{
	if (bytes > c->room)
		c->fault = IMAP_QUERY_TOO_BIG;
	else
		c->room -= bytes;
}

static void
compile_set(struct compiling *c, struct node *n, const struct wire_key *key)
{
	roaring_bitmap_t *set;

	if (c->fault != IMAP_QUERY_OK)
		return; /* it will not be run */
	set = imap_view_select(c->box, &key->set, key->id == WIRE_KEY_UID);
	arena_on_free(c->arena, free_bitmap, set);
	n->set = set;
	take_room(c, roaring_bitmap_portable_size_in_bytes(set));
}

static void
compile_text(struct compiling *c, struct node *n, const struct wire_key *key,
    enum mail_search_in in, enum mail_text which)
{
	struct buf utf8 = {0};

	if (c->charset.n == 0)
		buf_str(&utf8, key->text);
	else /* known, or the parser would have refused it */
		(void)mail_to_utf8(c->charset, key->text, &utf8);
	n->cost = in == MAIL_SEARCH_SUMMARY ? COST_SUMMARIES : COST_BLOBS;
	if (!str_is_utf8(buf_as_str(&utf8)))
		c->fault = IMAP_QUERY_BAD_TEXT;
	else
		n->key =
		    mail_search_add(c->query->search, in, key->field, which, buf_as_str(&utf8));
	c->query->texts++;
	c->query->reads_all |= in == MAIL_SEARCH_BODY || in == MAIL_SEARCH_TEXT;
	buf_fini(&utf8);
}

/* Compiles a key that an extension implements. */
static void
compile_other(struct compiling *c, struct node *n, const struct wire_key *key)
{
	const struct imap_search_key *row = key->ext;

	n->row = row;
	n->asked = key;
	if (row->matches != NULL) {
		n->cost = COST_RECORDS;
		c->may_read |= row->needs_summary != NULL;
	} else if (row->matches_summary != NULL) {
		n->cost = COST_SUMMARIES;
	} else if (row->text != NULL) {
		n->row = NULL; /* like the engine's own */
		compile_text(c, n, key, row->text->in, row->text->which);
	} else {
		n->next_chosen = c->chosen;
		c->chosen = n;
	}
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
	if (key->ext != NULL) {
		compile_other(c, n, key);
		return;
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (flags[i].id == key->id)
			n->flag = flags[i].flag;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (texts[i].id == key->id)
			compile_text(c, n, key, MAIL_SEARCH_SUMMARY, texts[i].text);
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
		n->keyword = arena_str(c->arena, key->text);
		n->next_keyword = c->keywords;
		c->keywords = n;
		break;
	case WIRE_KEY_BODY:
		compile_text(c, n, key, MAIL_SEARCH_BODY, MAIL_TEXT_COUNT);
		break;
	case WIRE_KEY_TEXT:
		compile_text(c, n, key, MAIL_SEARCH_TEXT, MAIL_TEXT_COUNT);
		break;
	case WIRE_KEY_HEADER:
		compile_text(c, n, key, MAIL_SEARCH_FIELD, MAIL_TEXT_COUNT);
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
	default:
		break;
	}
	if (n->flag >= 0)
		c->flags[n->flag] = true;
}

/* Cheap ones first; those of equal cost as written. */
static void
sort_children(struct node *n)
{
	struct node *first[COST_BLOBS + 1] = {0}, **tail[COST_BLOBS + 1], *next, **at = &n->child;

	for (int cost = 0; cost <= COST_BLOBS; cost++)
		tail[cost] = &first[cost];
	for (struct node *c = n->child; c != NULL; c = next) {
		next = c->next;
		c->next = NULL;
		*tail[c->cost] = c;
		tail[c->cost] = &c->next;
	}
	for (int cost = 0; cost <= COST_BLOBS; cost++) {
		*at = first[cost];
		if (first[cost] != NULL)
			at = tail[cost];
	}
}

/* The parser's limit on nesting bounds the depth. */
static struct node *
compile(struct compiling *c, const struct wire_key *key)
{
	struct node *n = arena_new_object(c->arena, struct node), **at = &n->child;

	n->id = key->id;
	c->query->nodes++;
	if (++c->depth > c->query->depth)
		c->query->depth = c->depth;
	compile_key(c, n, key);
	for (const struct wire_key *k = key->child; k != NULL; k = k->next) {
		*at = compile(c, k);
		if ((*at)->cost > n->cost)
			n->cost = (*at)->cost;
		at = &(*at)->next;
	}
	c->depth--;
	sort_children(n);
	return n;
}

/* Call during a read of the mailbox. */
static void
choose_sets(struct compiling *c)
{
	for (struct node *n = c->chosen; n != NULL && c->fault == IMAP_QUERY_OK;
	     n = n->next_chosen) {
		roaring_bitmap_t *set = n->row->choose(n->asked, c->box);

		arena_on_free(c->arena, free_bitmap, set);
		n->set = set;
		take_room(c, roaring_bitmap_portable_size_in_bytes(set));
	}
}

/* Takes all requested sets (current flags, and which messages exist) in one read, and gives them to
 * the nodes. */
static void
look_at_flags(struct compiling *c)
{
	struct imap_query *q = c->query;

	store_mailbox_read_begin(q->mailbox);
	for (struct node *n = c->keywords; n != NULL; n = n->next_keyword) {
		n->flag = store_mailbox_keyword_find(q->mailbox, n->keyword);
		if (n->flag >= 0)
			c->flags[n->flag] = true;
	}
	choose_sets(c);
	q->modseq = store_mailbox_modseq(q->mailbox);
	q->all = roaring_bitmap_and(c->box->uids, store_mailbox_uids(q->mailbox));
	if (q->root->cost != COST_SETS || c->holds)
		q->hold = store_hold_begin(q->mailbox, q->all);
	for (unsigned f = 0; f < STORE_FLAGS_MAX && c->fault == IMAP_QUERY_OK; f++) {
		const roaring_bitmap_t *set =
		    c->flags[f] ? store_mailbox_flagged(q->mailbox, f) : NULL;

		if (set == NULL)
			continue;
		take_room(c, roaring_bitmap_portable_size_in_bytes(set));
		if (c->fault == IMAP_QUERY_OK)
			q->flagged[f] = roaring_bitmap_and(q->all, set);
	}
	store_mailbox_read_end(q->mailbox);
	q->expunged =
	    roaring_bitmap_get_cardinality(q->all) < roaring_bitmap_get_cardinality(c->box->uids);
}

static void
free_bounds(struct bounds *b)
{
	if (b->yes != NULL)
		roaring_bitmap_free(b->yes);
	if (b->may != NULL)
		roaring_bitmap_free(b->may);
	*b = (struct bounds){0};
}

static void
free_query(void *arg)
{
	struct imap_query *q = arg;

	store_hold_end(&q->hold);
	mail_search_free(&q->search);
	for (size_t i = 0; i < q->top; i++) {
		roaring_bitmap_free(q->frames[i].in);
		free_bounds(&q->frames[i].out);
	}
	free_bounds(&q->result);
	for (unsigned f = 0; f < STORE_FLAGS_MAX; f++)
		if (q->flagged[f] != NULL)
			roaring_bitmap_free(q->flagged[f]);
	if (q->all != NULL)
		roaring_bitmap_free(q->all);
	buf_fini(&q->summaries);
	buf_fini(&q->bytes);
}

enum imap_query_fault
imap_query_new(struct arena *a, const struct imap_box *box, struct store *store,
    const struct wire_search *args, bool holds, uint64_t room, struct imap_query **query_r)
{
	struct imap_query *query = arena_new_object(a, struct imap_query);
	struct compiling c = {.arena = a, .box = box, .query = query, .holds = holds, .room = room};

	*query_r = query;
	if (args->charset.p != NULL && !str_ieq(args->charset, STR("UTF-8")) &&
	    !str_ieq(args->charset, STR("US-ASCII"))) {
		if (!mail_charset_known(args->charset))
			return IMAP_QUERY_BAD_CHARSET;
		c.charset = args->charset;
	}
	query->store = store;
	query->mailbox = box->mailbox;
	query->search = mail_search_new();
	arena_on_free(a, free_query, query);
	query->root = compile(&c, args->root);
	take_room(&c, mail_search_ready(query->search));
	if (c.fault != IMAP_QUERY_OK)
		return c.fault;
	look_at_flags(&c);
	/* Each node being worked on has some sets. */
	take_room(&c, roaring_bitmap_portable_size_in_bytes(query->all) * (query->depth * 4 + 4));
	query->frames = arena_array(a, query->depth + 1, sizeof(*query->frames));
	if (query->root->cost >= COST_RECORDS)
		query->records = arena_array(a, QUERY_WINDOW, sizeof(*query->records));
	if (query->root->cost >= COST_SUMMARIES || c.may_read)
		query->unread = arena_array(a, QUERY_WINDOW, sizeof(*query->unread));
	return c.fault;
}

bool
imap_query_is_cheap(const struct imap_query *query)
{
	return query->root->cost == COST_SETS && query->nodes <= CHEAP_NODES;
}

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

	store_mailbox_read_begin(q->mailbox);
	n = store_hold_window(q->hold, in, from, q->records, QUERY_WINDOW);
	store_mailbox_read_end(q->mailbox);
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
	free_bounds(found);
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
	uint64_t highest;

	store_mailbox_read_begin(q->mailbox);
	highest = store_mailbox_highest(q->mailbox, uids);
	store_mailbox_read_end(q->mailbox);
	return highest > 0 && highest < q->modseq ? highest : q->modseq;
}

bool
imap_query_expunged(const struct imap_query *q)
{
	return q->expunged || (q->hold != NULL && store_hold_touched(q->hold));
}
