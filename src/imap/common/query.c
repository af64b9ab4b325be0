/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling SEARCH programs: see query.h. */
#include "imap/common/query_int.h"

/* Most sets that a loop may process for a SEARCH. */
#define CHEAP_NODES 64u

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
		roaring_bitmap_t *set = n->row->choose(n->asked, c->box, &c->query->reader);

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

	store_reader_begin(&q->reader);
	for (struct node *n = c->keywords; n != NULL; n = n->next_keyword) {
		n->flag = store_mailbox_keyword_find(q->mailbox, n->keyword);
		if (n->flag >= 0)
			c->flags[n->flag] = true;
	}
	choose_sets(c);
	q->modseq = store_reader_modseq(&q->reader);
	q->all = roaring_bitmap_and(c->box->uids, store_mailbox_uids(q->mailbox));
	if (q->root->cost != COST_SETS || c->holds)
		q->hold = store_hold_begin(q->mailbox, q->all);
	for (unsigned f = 0; f < STORE_FLAGS_MAX && c->fault == IMAP_QUERY_OK; f++) {
		const roaring_bitmap_t *set =
		    c->flags[f] ? store_reader_flagged(&q->reader, f) : NULL;

		if (set == NULL)
			continue;
		take_room(c, roaring_bitmap_portable_size_in_bytes(set));
		if (c->fault == IMAP_QUERY_OK)
			q->flagged[f] = roaring_bitmap_and(q->all, set);
	}
	store_reader_end(&q->reader);
	q->expunged =
	    roaring_bitmap_get_cardinality(q->all) < roaring_bitmap_get_cardinality(c->box->uids);
}

void
imap_query_free_bounds(struct bounds *b)
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
		imap_query_free_bounds(&q->frames[i].out);
	}
	imap_query_free_bounds(&q->result);
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
	query->reader = box->reader;
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
