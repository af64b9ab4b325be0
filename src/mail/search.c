/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Substring search: see search.h.
 *
 * Keys that search the same text form a group of needles.  The parts of a message are visited in
 * order; header and body of each are wanted as long as a group has needles to find there.  Text
 * passes through transfer decoding, charset conversion, removal of markup (for HTML) and folding to
 * the needles of all groups that it is for.
 */
#include "mail/search.h"

#include "base/err.h"
#include "base/mem.h"
#include "mail/fields.h"
#include "mail/text/html.h"
#include "mail/text/needles.h"
#include "mail/text/text.h"

#define PIECE 16384u /* bytes of a body taken at a time */

struct group {
	struct mail_needles *needles; /* NULL: no key searches there */
	bool known;                   /* all of the text was seen */
	bool looked; /* of a summary's text: what the summary has of it was searched */
};

struct key {
	enum mail_search_in in;
	enum mail_text which;
	struct str field;
	struct buf text; /* until it becomes a needle */
	struct group *group;
	size_t number; /* of the needle */
};

enum where { AT_HEADER, AT_BODY };

struct mail_search {
	struct key *keys;
	size_t n, cap;
	struct group body, text, texts[MAIL_TEXT_COUNT];
	struct group *fields; /* like names.v, and one more */
	struct mail_names names;
	struct str *name_v;
	size_t name_n;

	/* the message */
	struct mail_summary summary;
	uint32_t i; /* the current part */
	struct mail_part part;
	bool part_known;
	enum where where;
	struct mail_range range; /* of the current header or body */
	uint64_t done;           /* this much of it */
	bool within;
	struct group *to[2]; /* groups that this text is for, or NULL */
	/* and for the current field: by its name, and by its text in a summary that was cut */
	struct group *field, *cut;

	/* decoding */
	struct mail_fields header;
	struct mail_words words;
	struct mail_decoder decoder;
	struct mail_conv *conv;
	struct mail_html html;
	bool is_html, shown_blank, aside_blank;
	bool *oom;
	struct buf bytes, utf8, folded, shown, aside;
};

struct mail_search *
mail_search_try_new(bool *oom)
{
	struct mail_search *s = mem_try_zalloc(sizeof(*s), oom);

	if (s == NULL)
		return NULL;
	s->oom = oom;
	s->bytes.oom = s->utf8.oom = s->folded.oom = s->shown.oom = s->aside.oom = oom;
	return s;
}

struct mail_search *
mail_search_new(void)
{
	return mail_search_try_new(NULL);
}

/* Drops what belongs to the current text. */
static void
drop_text(struct mail_search *s)
{
	mail_fields_fini(&s->header);
	s->header = (struct mail_fields){0};
	mail_words_fini(&s->words);
	s->words = (struct mail_words){0};
	mail_conv_free(&s->conv);
	s->field = s->cut = NULL;
	s->within = false;
}

void
mail_search_free(struct mail_search **sp)
{
	struct mail_search *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	drop_text(s);
	buf_fini(&s->bytes);
	buf_fini(&s->utf8);
	buf_fini(&s->folded);
	buf_fini(&s->shown);
	buf_fini(&s->aside);
	mail_needles_free(&s->body.needles);
	mail_needles_free(&s->text.needles);
	for (size_t i = 0; i < MAIL_TEXT_COUNT; i++)
		mail_needles_free(&s->texts[i].needles);
	for (size_t i = 0; s->fields != NULL && i <= s->names.n; i++)
		mail_needles_free(&s->fields[i].needles);
	mem_free(s->fields);
	for (size_t i = 0; i < s->n; i++)
		buf_fini(&s->keys[i].text);
	mem_free(s->name_v);
	mem_free(s->keys);
	mem_free(s);
}

/* ---- keys ---- */

static bool
more_keys(struct mail_search *s)
{
	size_t cap = s->cap > 0 ? s->cap * 2 : 4;
	struct key *keys = mem_try_realloc(s->keys, cap * sizeof(*keys), s->oom);

	if (keys == NULL)
		return false;
	s->keys = keys;
	s->cap = cap;
	return true;
}

size_t
mail_search_add(struct mail_search *s, enum mail_search_in in, struct str field,
    enum mail_text which, struct str utf8)
{
	struct key *key;

	if (s->n == s->cap && !more_keys(s))
		return 0;
	key = &s->keys[s->n++];
	*key = (struct key){.in = in, .which = which, .field = field, .text.oom = s->oom};
	buf_str(&key->text, utf8);
	return s->n - 1;
}

/* Collects the names of fields, each once.  Returns false if there is no memory. */
static bool
gather_names(struct mail_search *s)
{
	size_t n = 0, once = 0;

	s->name_v = mem_try_zalloc((s->n + 1) * sizeof(*s->name_v), s->oom);
	if (s->name_v == NULL)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (s->keys[i].in == MAIL_SEARCH_FIELD)
			s->name_v[n++] = s->keys[i].field;
	mail_names_init(&s->names, s->name_v, n);
	for (size_t i = 0; i < n; i++)
		if (once == 0 || !str_ieq(s->name_v[once - 1], s->name_v[i]))
			s->name_v[once++] = s->name_v[i];
	s->names.n = once;
	s->fields = mem_try_zalloc((once + 1) * sizeof(*s->fields), s->oom);
	return s->fields != NULL;
}

static struct group *
group_of(struct mail_search *s, const struct key *key)
{
	switch (key->in) {
	case MAIL_SEARCH_BODY:
		return &s->body;
	case MAIL_SEARCH_TEXT:
		return &s->text;
	case MAIL_SEARCH_SUMMARY:
		return &s->texts[key->which];
	case MAIL_SEARCH_FIELD: /* the last one is for lines without a name */
		return &s->fields[mail_names_find(&s->names, key->field)];
	}
	TS_WRONG("a key that looks nowhere");
}

static size_t
bytes_of(const struct group *g)
{
	return g->needles != NULL ? mail_needles_bytes(g->needles) : 0;
}

static size_t
window_of(const struct group *g)
{
	return g->needles != NULL ? mail_needles_window(g->needles) : 0;
}

/* Adds each key to the needles of its group.  Returns false if there is no memory. */
static bool
hand_out_keys(struct mail_search *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct key *key = &s->keys[i];

		key->group = group_of(s, key);
		if (key->group->needles == NULL)
			key->group->needles = mail_needles_try_new(s->oom);
		if (key->group->needles == NULL)
			return false;
		key->number = mail_needles_add(key->group->needles, buf_as_str(&key->text));
		buf_fini(&key->text);
	}
	return true;
}

size_t
mail_search_ready(struct mail_search *s)
{
	size_t bytes = s->cap * sizeof(*s->keys), window = 0;

	if (!gather_names(s) || !hand_out_keys(s))
		return 0;
	for (size_t i = 0; i < MAIL_TEXT_COUNT; i++)
		bytes += bytes_of(&s->texts[i]);
	for (size_t i = 0; i <= s->names.n; i++) {
		size_t w = window_of(&s->fields[i]);

		bytes += bytes_of(&s->fields[i]) + sizeof(struct group) + sizeof(struct str);
		window = w > window ? w : window;
	}
	return bytes + bytes_of(&s->body) + bytes_of(&s->text) + window_of(&s->body) +
	       window_of(&s->text) + window;
}

/* ---- a message ---- */

static void
group_begin(struct group *g)
{
	g->known = g->looked = false;
	if (g->needles != NULL)
		mail_needles_begin(g->needles);
}

/* Returns whether something there is still to be found. */
static bool
open(const struct group *g)
{
	return g->needles != NULL && !g->known && mail_needles_left(g->needles) > 0;
}

static void
feed_plain(struct mail_search *s, struct group *g, struct str utf8)
{
	s->folded.n = 0;
	mail_needles_fold(utf8, &s->folded);
	mail_needles_feed(g->needles, MAIL_NEEDLES_PLAIN, buf_as_str(&s->folded));
}

/* What a limit left out of the summary is in the header: SEARCH TO finds what HEADER TO finds. */
static void
look_at_text(struct mail_search *s, struct group *g, enum mail_text which)
{
	struct str text = mail_summary_text(&s->summary, which);

	g->looked = true;
	g->known = text.p == NULL || (s->summary.flags & MAIL_SUMMARY_CUT) == 0;
	if (text.p == NULL)
		return;
	feed_plain(s, g, text);
	mail_needles_end(g->needles, MAIL_NEEDLES_PLAIN);
}

void
mail_search_begin(struct mail_search *s, const struct mail_summary *summary)
{
	drop_text(s);
	s->summary = *summary;
	s->i = 0;
	s->part_known = false;
	s->where = AT_HEADER;
	for (size_t i = 0; i < MAIL_TEXT_COUNT; i++)
		group_begin(&s->texts[i]);
	for (size_t i = 0; i <= s->names.n; i++)
		group_begin(&s->fields[i]);
	group_begin(&s->body);
	group_begin(&s->text);
	/* The empty text is in every message. */
	if (s->body.needles != NULL)
		mail_needles_end(s->body.needles, MAIL_NEEDLES_PLAIN);
	if (s->text.needles != NULL)
		mail_needles_end(s->text.needles, MAIL_NEEDLES_PLAIN);
	/* Decide now: later the header may have passed. */
	for (size_t i = 0; (summary->flags & MAIL_SUMMARY_CUT) != 0 && i < MAIL_TEXT_COUNT; i++)
		if (s->texts[i].needles != NULL)
			look_at_text(s, &s->texts[i], (enum mail_text)i);
}

enum mail_search_found
mail_search_key(struct mail_search *s, size_t number)
{
	const struct key *key = &s->keys[number];

	if (key->in == MAIL_SEARCH_SUMMARY && !key->group->looked)
		look_at_text(s, key->group, key->which);
	if (mail_needles_found(key->group->needles, key->number))
		return MAIL_SEARCH_YES;
	return key->group->known ? MAIL_SEARCH_NO : MAIL_SEARCH_OPEN;
}

/* ---- headers ---- */

static bool
for_any(const struct mail_search *s)
{
	return s->to[0] != NULL || s->to[1] != NULL;
}

static void
feed_folded(struct mail_search *s, enum mail_needles_stream stream)
{
	for (int i = 0; i < 2; i++)
		if (s->to[i] != NULL)
			mail_needles_feed(s->to[i]->needles, stream, buf_as_str(&s->folded));
}

/* Returns the text of a summary that has the field of that name, if it was cut and is searched
 * for. */
static struct group *
cut_text(struct mail_search *s, struct str name)
{
	static const struct {
		struct str name;
		enum mail_text text;
	} texts[] = {
	    {{"subject", 7}, MAIL_TEXT_SUBJECT},
	    {{"from", 4}, MAIL_TEXT_FROM},
	    {{"to", 2}, MAIL_TEXT_TO},
	    {{"cc", 2}, MAIL_TEXT_CC},
	    {{"bcc", 3}, MAIL_TEXT_BCC},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct group *g = &s->texts[texts[i].text];

		if (g->looked && open(g) && str_ieq(name, texts[i].name))
			return g;
	}
	return NULL;
}

/* A field's name goes to the groups that search the header, like its value. */
static void
field_begin(struct mail_search *s, struct str name)
{
	struct group *g = &s->fields[mail_names_find(&s->names, name)];
	bool listed = g < s->fields + s->names.n || name.n == 0;

	s->field = s->i == 0 && listed && open(g) ? g : NULL;
	s->cut = s->i == 0 ? cut_text(s, name) : NULL;
	if (!for_any(s))
		return;
	if (text_ascii_run(name) == name.n)
		buf_str(&s->utf8, name);
	buf_puts(&s->utf8, ": ");
}

static void
field_piece(struct mail_search *s, const struct mail_fields_piece *p)
{
	size_t value;

	s->utf8.n = 0;
	if (p->first)
		field_begin(s, p->field.name);
	if (!for_any(s) && s->field == NULL && s->cut == NULL)
		return;
	value = s->utf8.n;
	mail_words_feed(&s->words, p->field.value, p->last, &s->utf8);
	if (buf_failed(&s->utf8))
		return;
	if (s->field != NULL)
		feed_plain(s, s->field, (struct str){s->utf8.p + value, s->utf8.n - value});
	if (s->cut != NULL)
		feed_plain(s, s->cut, (struct str){s->utf8.p + value, s->utf8.n - value});
	if (for_any(s)) {
		if (p->last)
			buf_puts(&s->utf8, "\r\n");
		s->folded.n = 0;
		mail_needles_fold(buf_as_str(&s->utf8), &s->folded);
		feed_folded(s, MAIL_NEEDLES_PLAIN);
	}
	if (!p->last)
		return;
	mail_words_fini(&s->words);
	s->words = (struct mail_words){0};
	if (s->field != NULL)
		mail_needles_end(s->field->needles, MAIL_NEEDLES_PLAIN);
	if (s->cut != NULL)
		mail_needles_end(s->cut->needles, MAIL_NEEDLES_PLAIN);
}

/* Feeds all fields of a header, decoded, one per line. */
static void
feed_header(struct mail_search *s, struct str bytes, bool last)
{
	struct mail_fields_piece p;

	s->header.held.oom = s->oom;
	mail_fields_feed(&s->header, bytes, last);
	while (mail_fields_next(&s->header, &p))
		if (!p.blank)
			field_piece(s, &p);
}

/* ---- bodies ---- */

static void
body_begin(struct mail_search *s)
{
	s->is_html = str_eq(s->part.type, STR("text")) && str_eq(s->part.subtype, STR("html"));
	s->shown_blank = s->aside_blank = false;
	s->conv =
	    mail_conv_try_new(s->part.charset.n > 0 ? s->part.charset : STR("us-ascii"), s->oom);
	mail_decoder_init(&s->decoder, s->part.encoding);
	mail_html_init(&s->html);
}

static void
body_shown(struct mail_search *s, enum mail_needles_stream stream, struct str utf8, bool *blank)
{
	s->folded.n = 0;
	mail_needles_fold(utf8, &s->folded);
	mail_needles_squeeze(&s->folded, 0, blank);
	feed_folded(s, stream);
}

static void
body_text(struct mail_search *s, struct str utf8, bool last)
{
	if (!s->is_html) {
		s->folded.n = 0;
		mail_needles_fold(utf8, &s->folded);
		feed_folded(s, MAIL_NEEDLES_PLAIN);
		return;
	}
	s->shown.n = s->aside.n = 0;
	mail_html_feed(&s->html, utf8, last, &s->shown, &s->aside);
	body_shown(s, MAIL_NEEDLES_SHOWN, buf_as_str(&s->shown), &s->shown_blank);
	body_shown(s, MAIL_NEEDLES_ASIDE, buf_as_str(&s->aside), &s->aside_blank);
}

static bool
encoded(enum mail_encoding e)
{
	return e == MAIL_ENCODING_BASE64 || e == MAIL_ENCODING_QP;
}

static void
body_piece(struct mail_search *s, struct str piece, bool last)
{
	if (s->conv == NULL)
		return;
	if (encoded(s->part.encoding)) {
		s->bytes.n = 0;
		mail_decode(&s->decoder, piece, last, &s->bytes);
		piece = buf_as_str(&s->bytes);
	}
	if (text_conv_passes_ascii(s->conv) && text_ascii_run(piece) == piece.n) {
		body_text(s, piece, last);
		return;
	}
	s->utf8.n = 0;
	mail_conv_feed(s->conv, piece, last, &s->utf8);
	body_text(s, buf_as_str(&s->utf8), last);
}

static void
feed_body(struct mail_search *s, struct str bytes, bool last)
{
	while (bytes.n > 0) {
		size_t n = bytes.n < PIECE ? bytes.n : PIECE;

		body_piece(s, (struct str){bytes.p, n}, last && n == bytes.n);
		bytes = (struct str){bytes.p + n, bytes.n - n};
	}
}

/* Returns whether the leaf is text for people.  A message in a special form is (delivery-status,
 * disposition-notification, ...; RFC 9051 section 6.4.4 BODY). */
static bool
is_text(const struct mail_part *p)
{
	return str_eq(p->type, STR("text")) || str_eq(p->type, STR("message"));
}

/* ---- what is wanted ---- */

static bool
is_message(const struct mail_search *s)
{
	struct mail_part parent;

	mail_summary_part(&s->summary, s->part.parent, &parent);
	return s->i > 0 && parent.kind == MAIL_PART_MESSAGE;
}

static bool
any_field_open(const struct mail_search *s)
{
	for (size_t i = 0; i <= s->names.n; i++)
		if (open(&s->fields[i]))
			return true;
	for (size_t i = 0; i < MAIL_TEXT_COUNT; i++)
		if (s->texts[i].looked && open(&s->texts[i]))
			return true;
	return false;
}

/* Decides whether the current header or body is searched, and for whom. */
static bool
choose_range(struct mail_search *s)
{
	bool here;

	if (s->where == AT_HEADER) {
		s->range = (struct mail_range){s->part.header_off, s->part.header_len};
		s->to[0] = open(&s->text) ? &s->text : NULL;
		s->to[1] = open(&s->body) && is_message(s) ? &s->body : NULL;
		here = s->to[0] != NULL || s->to[1] != NULL || (s->i == 0 && any_field_open(s));
	} else {
		s->range = (struct mail_range){s->part.body_off, s->part.body_len};
		s->to[0] = open(&s->text) ? &s->text : NULL;
		s->to[1] = open(&s->body) ? &s->body : NULL;
		here = s->part.kind == MAIL_PART_LEAF && is_text(&s->part) &&
		       (s->to[0] != NULL || s->to[1] != NULL);
	}
	return here && s->range.len > 0;
}

/* The text ends here: nothing matches across this point. */
static void
end_text(struct mail_search *s)
{
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < MAIL_NEEDLES_STREAMS && s->to[i] != NULL; k++)
			mail_needles_end(s->to[i]->needles, (enum mail_needles_stream)k);
	drop_text(s);
}

static void
next_text(struct mail_search *s)
{
	if (s->where == AT_HEADER) {
		if (s->i == 0)
			for (size_t i = 0; i <= s->names.n; i++)
				s->fields[i].known = true;
		for (size_t i = 0; s->i == 0 && i < MAIL_TEXT_COUNT; i++)
			s->texts[i].known = s->texts[i].looked;
		s->where = AT_BODY;
		return;
	}
	s->where = AT_HEADER;
	s->part_known = false;
	s->i++;
}

bool
mail_search_wants(struct mail_search *s, struct mail_range *range_r)
{
	while (s->i < s->summary.part_count && (s->i == 0 || open(&s->text) || open(&s->body))) {
		if (!s->part_known)
			mail_summary_part(&s->summary, s->i, &s->part);
		s->part_known = true;
		if (!s->within && choose_range(s)) {
			s->within = true;
			s->done = 0;
			if (s->where == AT_BODY)
				body_begin(s);
		}
		if (s->within) {
			uint64_t left = s->range.len - s->done;

			*range_r = (struct mail_range){s->range.off + s->done,
			    left < MAIL_SEARCH_PIECE ? left : MAIL_SEARCH_PIECE};
			return true;
		}
		next_text(s);
	}
	s->body.known = s->text.known = true;
	return false;
}

/* Returns whether nothing more is to be found in this text. */
static bool
satisfied(const struct mail_search *s)
{
	for (int i = 0; i < 2; i++)
		if (s->to[i] != NULL && open(s->to[i]))
			return false;
	return s->where == AT_BODY || s->i > 0 || !any_field_open(s);
}

void
mail_search_feed(struct mail_search *s, struct str bytes)
{
	bool last;

	TS_ASSERT(s->within && bytes.n <= s->range.len - s->done);
	s->done += bytes.n;
	last = s->done == s->range.len;
	if (s->where == AT_HEADER)
		feed_header(s, bytes, last);
	else
		feed_body(s, bytes, last);
	if (!last && !satisfied(s))
		return;
	end_text(s);
	next_text(s);
}

bool
mail_search_within(const struct mail_search *s)
{
	return s->within;
}

size_t
mail_search_held(const struct mail_search *s)
{
	return s->header.held.cap + s->words.held.cap + s->words.bytes.cap + s->bytes.cap +
	       s->utf8.cap + s->folded.cap + s->shown.cap + s->aside.cap;
}
