/* SPDX-License-Identifier: Apache-2.0 */
/* What FETCH sends of a message's structure: see render_int.h. */
#include "mail/render_int.h"

#include "mail/header.h"
#include "mail/text/lex.h"

/* The cost of a byte in a field that is parsed, in bytes looked at. */
#define COST 16

/* Puts a field value, unfolded and within limits; NIL if it is absent, or is not text for people
 * and nothing of it fits. */
static void
put_value(struct render *r, struct str value, bool text, struct buf *out)
{
	if (value.p != NULL) {
		r->cut |= value.n > r->limits->field;
		value = mail_field_fit(value, r->limits->field, text);
	}
	if (value.p == NULL) {
		buf_puts(out, "NIL");
		return;
	}
	r->scratch.n = 0;
	mail_unfold(value, &r->scratch);
	render_string(buf_as_str(&r->scratch), out);
}

/* ---- envelope ---- */

static void
take_addresses(struct render *r, struct str value, struct mail_addresses *list)
{
	mail_parse_addresses(value, r->limits->addresses, r->limits->address_field, list);
	r->cut |= list->cut;
}

/* Only the first From, Sender and Reply-To count; To, Cc and Bcc add up (RFC 5322 section
 * 4.5.3). */
static void
envelope_field(struct render *r, const struct mail_field *f, struct envelope *e)
{
	struct {
		struct str name;
		struct str *text;
		struct mail_addresses *list;
		bool *has;
		bool once;
	} known[] = {
	    {STR("date"), &e->date, NULL, NULL, true},
	    {STR("subject"), &e->subject, NULL, NULL, true},
	    {STR("in-reply-to"), &e->in_reply_to, NULL, NULL, true},
	    {STR("message-id"), &e->message_id, NULL, NULL, true},
	    {STR("references"), &e->references, NULL, NULL, true},
	    {STR("from"), NULL, &e->from, &e->has_from, true},
	    {STR("sender"), NULL, &e->sender, NULL, true},
	    {STR("reply-to"), NULL, &e->reply_to, NULL, true},
	    {STR("to"), NULL, &e->to, &e->has_to, false},
	    {STR("cc"), NULL, &e->cc, &e->has_cc, false},
	    {STR("bcc"), NULL, &e->bcc, &e->has_bcc, false},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!str_ieq(f->name, known[i].name))
			continue;
		if (known[i].has != NULL)
			*known[i].has = true;
		if (known[i].text != NULL && known[i].text->p == NULL)
			*known[i].text = f->value;
		if (known[i].list != NULL && (!known[i].once || known[i].list->n == 0))
			take_addresses(r, f->value, known[i].list);
		return;
	}
}

void
envelope_begin(struct envelope *e, struct str header, bool *oom)
{
	struct mail_addresses none = {.text.oom = oom};

	*e = (struct envelope){.rest = header,
	    .from = none,
	    .sender = none,
	    .reply_to = none,
	    .to = none,
	    .cc = none,
	    .bcc = none};
}

/* First letters of the names above: most fields have others. */
static bool
maybe_envelope(struct str name)
{
	return name.n > 0 && name.n <= 11 && name.p[0] != '\0' &&
	       strchr("dsimrftcb", ascii_lower((unsigned char)name.p[0])) != NULL;
}

bool
envelope_read(struct render *r, struct envelope *e, size_t *budget)
{
	struct mail_field f;

	while (*budget > 0)
		switch (mail_field_step(&e->scan, &e->rest, budget, &f)) {
		case MAIL_FIELD_NONE:
			return true;
		case MAIL_FIELD_UNDECIDED:
			return false;
		case MAIL_FIELD_FOUND:
			e->scan = (struct mail_field_scan){0};
			if (!maybe_envelope(f.name))
				break;
			mime_spend(budget, COST * (f.value.n < r->limits->address_field
			                                  ? f.value.n
			                                  : r->limits->address_field) +
			                       COST * 4);
			envelope_field(r, &f, e);
		}
	return false;
}

void
envelope_fini(struct envelope *e)
{
	struct mail_addresses *lists[] = {
	    &e->from, &e->sender, &e->reply_to, &e->to, &e->cc, &e->bcc};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		mail_addresses_fini(lists[i]);
}

static void
put_nstring(struct str s, struct buf *out)
{
	if (s.p == NULL)
		buf_puts(out, "NIL");
	else
		render_string(s, out);
}

static void
put_address(const struct mail_address *a, struct buf *out)
{
	if (a->kind == MAIL_ADDRESS_END) {
		buf_puts(out, "(NIL NIL NIL NIL)");
		return;
	}
	buf_putc(out, '(');
	put_nstring(a->name, out);
	buf_putc(out, ' ');
	put_nstring(a->route, out);
	buf_putc(out, ' ');
	render_string(a->mailbox, out);
	buf_putc(out, ' ');
	/* A host of NIL would start a group, so a missing host is "". */
	if (a->kind == MAIL_ADDRESS_GROUP)
		buf_puts(out, "NIL");
	else
		render_string(a->host, out);
	buf_putc(out, ')');
}

static void
put_addresses(const struct mail_addresses *list, struct buf *out)
{
	if (list->n == 0) {
		buf_puts(out, "NIL");
		return;
	}
	buf_putc(out, '(');
	for (size_t i = 0; i < list->n; i++)
		put_address(&list->v[i], out);
	buf_putc(out, ')');
}

bool
render_envelope(struct render *r, struct envelope *e, size_t *budget, struct buf *out)
{
	/* RFC 9051 section 7.5.2: an absent or empty Sender or Reply-To equals From. */
	const struct mail_addresses *lists[] = {&e->from, e->sender.n > 0 ? &e->sender : &e->from,
	    e->reply_to.n > 0 ? &e->reply_to : &e->from, &e->to, &e->cc, &e->bcc};

	while (e->put < 10 && *budget > 0) {
		size_t from = out->n;

		buf_putc(out, e->put == 0 ? '(' : ' ');
		switch (e->put) {
		case 0:
			put_value(r, e->date, false, out);
			break;
		case 1:
			put_value(r, e->subject, true, out);
			break;
		case 8:
			put_value(r, e->in_reply_to, false, out);
			break;
		case 9:
			put_value(r, e->message_id, false, out);
			buf_putc(out, ')');
			break;
		default:
			put_addresses(lists[e->put - 2], out);
		}
		e->put++;
		mime_spend(budget, out->n - from + COST);
	}
	return e->put == 10;
}

/* ---- structure ---- */

static void
share(struct structure *s)
{
	if (s->body->n > s->shared)
		buf_put(s->bodystructure, s->body->p + s->shared, s->body->n - s->shared);
	s->shared = s->body->n;
}

static void
read_params(struct structure *s, struct str value, struct mail_params *p)
{
	mail_params_try_read(p, value, s->r->limits->field, s->r->scratch.oom);
	s->r->cut |= p->cut;
	s->differs |= p->extended;
}

static void
put_type_params(struct structure *s, const struct mime_part *p, const struct mail_params *params,
    struct buf *out)
{
	if (p->f_type.p != NULL)
		render_params(params, s->rev2, out);
	else /* RFC 2045 section 5.2; a nested message has no charset. */
		buf_puts(out, p->kind == MAIL_PART_LEAF ? "(\"charset\" \"us-ascii\")" : "NIL");
}

static struct str
language_part(struct str *rest)
{
	struct str part = STR("");

	while (part.n == 0 && str_split(rest, ',', &part))
		part = lex_first_word(part);
	return part;
}

/* RFC 3282: a list of tags; comments are removed. */
static void
put_language(struct structure *s, struct str value, struct buf *out)
{
	struct mail_params p;
	struct str rest, part;
	size_t from = out->n;

	s->r->cut |= value.n > s->r->limits->field;
	if (value.p != NULL)
		value = mail_field_fit(value, s->r->limits->field, false);
	mail_params_try_read(&p, value, SIZE_MAX, s->r->scratch.oom);
	for (rest = p.first; rest.p != NULL && (part = language_part(&rest)).n > 0;) {
		buf_putc(out, out->n == from ? '(' : ' ');
		render_string(part, out);
	}
	if (out->n == from)
		buf_puts(out, "NIL");
	else
		buf_putc(out, ')');
	mail_params_fini(&p);
}

static void
put_disposition(struct structure *s, struct str value, struct buf *out)
{
	struct mail_params p;
	struct str kind;

	read_params(s, value, &p);
	kind = lex_first_word(p.first);
	if (kind.n == 0) {
		buf_puts(out, "NIL");
	} else {
		buf_putc(out, '(');
		render_string(kind, out);
		buf_putc(out, ' ');
		render_params(&p, s->rev2, out);
		buf_putc(out, ')');
	}
	mail_params_fini(&p);
}

/* Returns whether the blank at text[i..end) is between two encoded words. */
static bool
between_words(struct str text, size_t i, size_t end)
{
	return i >= 2 && memcmp(text.p + i - 2, "?=", 2) == 0 && text.n - end >= 2 &&
	       memcmp(text.p + end, "=?", 2) == 0;
}

/*
 * RFC 2557 section 4.4.2: blanks in a long URI come from folding and are not part of it.  Those
 * between encoded words stay: without a blank these would not be encoded words (RFC 2047 section
 * 5), and decoding drops it.
 */
static void
put_location(struct render *r, struct str value, struct buf *out)
{
	struct str text;
	size_t n = 0, end;

	if (value.p != NULL) {
		r->cut |= value.n > r->limits->field;
		value = mail_field_fit(value, r->limits->field, false);
	}
	if (value.p == NULL) {
		buf_puts(out, "NIL");
		return;
	}
	r->scratch.n = 0;
	mail_unfold(value, &r->scratch);
	text = buf_as_str(&r->scratch);
	for (size_t i = 0; i < text.n; i = end) {
		for (end = i; end < text.n && (text.p[end] == ' ' || text.p[end] == '\t');)
			end++;
		if (end > i && between_words(text, i, end))
			r->scratch.p[n++] = ' ';
		if (end == i)
			r->scratch.p[n++] = text.p[end++];
	}
	r->scratch.n = n;
	render_string(buf_as_str(&r->scratch), out);
}

/* Puts ` disposition language location)`, the end of both extension lists, after a common part. */
static void
put_extension_tail(struct structure *s, const struct mime_part *p)
{
	struct buf *out = s->bodystructure;

	buf_putc(out, ' ');
	put_disposition(s, p->f_disposition, out);
	buf_putc(out, ' ');
	put_language(s, p->f_language, out);
	buf_putc(out, ' ');
	put_location(s->r, p->f_location, out);
	buf_putc(out, ')');
	buf_putc(s->body, ')');
	s->shared = s->body->n;
}

/* Puts the type as written in the message, or in lower case if there is none. */
static void
put_type(struct structure *s, const struct mime_part *p, struct buf *out)
{
	const struct mime *m = s->m;
	struct mail_params params;
	struct str type = mime_name(m, p->type), subtype = mime_name(m, p->subtype);

	read_params(s, p->f_type, &params);
	if (!p->defaulted && !p->opaque && !p->sealed)
		(void)mime_type_of(&params, &type, &subtype);
	if (p->kind != MAIL_PART_MULTIPART) {
		render_string(type, out);
		buf_putc(out, ' ');
	}
	render_string(subtype, out);
	if (p->kind != MAIL_PART_MULTIPART) {
		buf_putc(out, ' ');
		if (p->opaque)
			buf_puts(out, "NIL"); /* a container's parameters would say too much */
		else
			put_type_params(s, p, &params, out);
	} else {
		share(s);
		buf_putc(s->bodystructure, ' ');
		put_type_params(s, p, &params, s->bodystructure);
	}
	mail_params_fini(&params);
}

/* RFC 9051 body-fields: parameters were already sent with the type. */
static void
put_basic(struct structure *s, const struct mime_part *p)
{
	struct buf *out = s->body;
	struct str encoding = mail_encoding_word(p->f_encoding);

	put_type(s, p, out);
	buf_putc(out, ' ');
	put_value(s->r, p->f_id, false, out);
	buf_putc(out, ' ');
	put_value(s->r, p->f_description, true, out);
	buf_putc(out, ' ');
	if (encoding.n > s->r->limits->field) { /* unknown in any case */
		encoding.n = s->r->limits->field;
		s->r->cut = true;
	}
	render_string(encoding.n > 0 ? encoding : STR("7bit"), out);
	buf_putc(out, ' ');
	buf_u64(out, p->body_len);
}

/* RFC 9051 has a message/global with envelope and structure; in the grammar of RFC 3501
 * (media-message) it is a leaf like any other. */
static bool
shows_inside(struct structure *s, const struct mime_part *p)
{
	if (p->kind != MAIL_PART_MESSAGE)
		return false;
	if (!str_eq(mime_name(s->m, p->subtype), STR("global")))
		return true;
	s->differs = true;
	return s->rev2;
}

static void
put_leaf_lines(struct structure *s, const struct mime_part *p)
{
	if (!str_eq(mime_name(s->m, p->type), STR("text")))
		return;
	buf_putc(s->body, ' ');
	buf_u64(s->body, p->lines);
}

/*
 * Parts in order: each is opened, then those inside it, then closed.  The tree is walked by its
 * numbers, without recursion.
 */
enum { OPEN, ENVELOPE, ENVELOPE_PUT, CLOSE_MESSAGE, CLOSE_MULTIPART, MD5, TAIL, DONE };

static unsigned
begin_structure(struct structure *s, const struct mime_part *p)
{
	buf_putc(s->body, '(');
	if (p->kind == MAIL_PART_MULTIPART) {
		share(s);
		s->index++;
		return OPEN;
	}
	put_basic(s, p);
	if (shows_inside(s, p)) {
		const struct mime_part *child = p + 1;

		envelope_begin(&s->envelope,
		    (struct str){s->r->message.p + child->header_off, child->header_len},
		    s->r->scratch.oom);
		return ENVELOPE;
	}
	put_leaf_lines(s, p);
	return MD5;
}

/* The part is closed: continue with its next sibling, or with its parent. */
static unsigned
next_part(struct structure *s, const struct mime_part *p)
{
	const struct mime_part *parent = &s->m->v[p->parent];

	if (s->index == 0)
		return DONE;
	if (p->end < parent->end) {
		s->index = p->end;
		return OPEN;
	}
	s->index = p->parent;
	return parent->kind == MAIL_PART_MESSAGE ? CLOSE_MESSAGE : CLOSE_MULTIPART;
}

static unsigned
share_envelope(struct structure *s)
{
	envelope_fini(&s->envelope);
	buf_putc(s->body, ' ');
	share(s);
	s->index++;
	return OPEN;
}

static unsigned
put_step(struct structure *s, size_t *budget)
{
	const struct mime_part *p = &s->m->v[s->index];

	switch (s->next) {
	case OPEN:
		return begin_structure(s, p);
	case ENVELOPE:
		if (!envelope_read(s->r, &s->envelope, budget))
			return ENVELOPE;
		buf_putc(s->body, ' ');
		return ENVELOPE_PUT;
	case ENVELOPE_PUT:
		if (!render_envelope(s->r, &s->envelope, budget, s->body))
			return ENVELOPE_PUT;
		return share_envelope(s);
	case CLOSE_MESSAGE:
		buf_putc(s->body, ' ');
		buf_u64(s->body, p->lines);
		return MD5;
	case CLOSE_MULTIPART:
		buf_putc(s->body, ' ');
		put_type(s, p, s->body);
		return TAIL;
	case MD5:
		share(s);
		buf_putc(s->bodystructure, ' ');
		put_value(s->r, p->f_md5, false, s->bodystructure);
		return TAIL;
	default:
		put_extension_tail(s, p);
		return next_part(s, p);
	}
}

bool
render_structure(struct structure *s, size_t *budget)
{
	while (s->next != DONE && *budget > 0) {
		size_t from = s->body->n + s->bodystructure->n;

		s->next = put_step(s, budget);
		mime_spend(budget, (COST / 2) * (s->body->n + s->bodystructure->n - from) + COST);
	}
	return s->next == DONE;
}

void
structure_fini(struct structure *s)
{
	envelope_fini(&s->envelope);
}
