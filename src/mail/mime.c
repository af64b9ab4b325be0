/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over the lines of a message: see mime_int.h.
 *
 * The open parts form a stack: the message, containers inside it, and on top
 * the part whose header or body the current line belongs to.  A delimiter line
 * of any open multipart closes all parts above it, so unterminated parts end
 * with those around them.
 *
 * It may be suspended at any byte: in a line, in a header whose fields are
 * being read, and between the headers that a delimiter ends.
 */
#include "mail/mime_int.h"

#include "base/err.h"
#include "base/mem.h"
#include "mail/header.h"

#define NAME_LIMIT 127 /* bytes of a charset name */

struct open {
	uint32_t part;
	bool in_header;
	bool delimited; /* a delimiter has been seen */
	bool closed;    /* the close-delimiter has been seen: the epilogue */
	uint32_t boundary_off,
	    boundary_len; /* in walk.boundaries; 0: not a multipart, or none given */
};

struct mime_walk {
	struct str message;
	const struct mail_limits *limits;
	struct mime *m;
	struct open *open;
	uint32_t depth;      /* open parts */
	uint32_t multiparts; /* those with a boundary to look for */
	struct buf boundaries;
	bool full;
	uint64_t off, at; /* the current line; searched up to here for its end */
	uint64_t lf;      /* line ends before it */
	/* The line is a delimiter of the part open at that depth. */
	enum mime_line what;
	uint32_t what_depth;
	bool reading; /* reading the fields of the top part's header */
	struct str rest;
	struct mail_field_scan scan;
};

/* Cost of comparing with a boundary, and of reading a parameter, in bytes looked at. */
#define MATCH_COST 8
#define PARAM_COST 16

static struct open *
top(struct mime_walk *w)
{
	return &w->open[w->depth - 1];
}

static bool
more_parts(struct mime *m)
{
	uint32_t cap = m->cap > 0 ? m->cap * 2 : 8;
	struct mime_part *v = mem_try_realloc(m->v, cap * sizeof(*v), m->names.oom);

	if (v == NULL)
		return false;
	m->v = v;
	m->cap = cap;
	return true;
}

/* Returns NULL if there is no memory. */
static struct mime_part *
push_part(struct mime_walk *w, uint32_t parent, uint64_t off, uint64_t lf)
{
	struct mime *m = w->m;
	struct mime_part *p;

	if (m->n == m->cap && !more_parts(m))
		return NULL;
	p = &m->v[m->n];
	*p = (struct mime_part){.parent = parent, .header_off = off, .body_off = off};
	p->lf_before = lf;
	p->end = m->n + 1;
	if (m->n > 0)
		p->number = ++m->v[parent].children;
	m->n++;
	return p;
}

static void
open_part(struct mime_walk *w, uint32_t parent, uint64_t off, uint64_t lf)
{
	if (push_part(w, parent, off, lf) == NULL)
		return;
	/* limits->nesting containers and the leaf in them; see `deep` in end_header(). */
	w->open[w->depth++] = (struct open){.part = w->m->n - 1, .in_header = true};
}

static struct mime_span
keep_lower(struct mime *m, struct str s)
{
	struct mime_span span = {(uint32_t)m->names.n, (uint32_t)s.n};

	for (size_t i = 0; i < s.n; i++)
		buf_putc(&m->names, (char)ascii_lower((unsigned char)s.p[i]));
	if (buf_failed(&m->names))
		span = (struct mime_span){0};
	return span;
}

static void
set_type(struct mime *m, struct mime_part *p, struct str type, struct str subtype)
{
	p->type = keep_lower(m, type);
	p->subtype = keep_lower(m, subtype);
}

/* For each name, the first field in a part counts. */
static void
note_field(struct mime_part *p, const struct mail_field *f)
{
	struct str tail;
	struct {
		struct str name;
		struct str *to;
	} wanted[] = {
	    {STR("type"), &p->f_type},
	    {STR("transfer-encoding"), &p->f_encoding},
	    {STR("id"), &p->f_id},
	    {STR("description"), &p->f_description},
	    {STR("md5"), &p->f_md5},
	    {STR("disposition"), &p->f_disposition},
	    {STR("language"), &p->f_language},
	    {STR("location"), &p->f_location},
	};

	if (f->name.n < 10 || !str_has_iprefix(f->name, STR("content-")))
		return;
	tail = (struct str){f->name.p + 8, f->name.n - 8};
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (str_ieq(tail, wanted[i].name) && wanted[i].to->p == NULL)
			*wanted[i].to = f->value;
}

/* Returns false if not all have been read. */
static bool
read_part_fields(struct mime_walk *w, size_t *budget)
{
	struct mail_field f;

	while (*budget > 0)
		switch (mail_field_step(&w->scan, &w->rest, budget, &f)) {
		case MAIL_FIELD_NONE:
			return true;
		case MAIL_FIELD_UNDECIDED:
			return false;
		case MAIL_FIELD_FOUND:
			note_field(&w->m->v[top(w)->part], &f);
			w->scan = (struct mail_field_scan){0};
		}
	return false;
}

static void
read_params(struct mime_walk *w, struct mime_part *p, const struct mail_params *params)
{
	const struct mail_param *charset = mail_params_find(params, STR("charset"));
	struct open *o = top(w);
	struct buf value = buf_like(&w->boundaries);

	if (charset != NULL)
		mail_param_value(charset, &value);
	if (value.n > 0 && value.n <= NAME_LIMIT)
		p->charset = keep_lower(w->m, str_trim(buf_as_str(&value)));
	buf_fini(&value);
	o->boundary_off = (uint32_t)w->boundaries.n;
	if (mime_boundary(params, &w->boundaries))
		o->boundary_len = (uint32_t)(w->boundaries.n - o->boundary_off);
}

static void
read_type(struct mime_walk *w, struct mime_part *p)
{
	bool digest = p->parent != (uint32_t)(p - w->m->v) && w->m->v[p->parent].digest;
	struct mail_params params;
	struct str type = STR_NONE, subtype = STR_NONE;

	mail_params_try_read(&params, p->f_type, w->limits->field, w->boundaries.oom);
	w->m->cut |= params.cut;
	if (mime_type_of(&params, &type, &subtype)) {
		set_type(w->m, p, type, subtype);
	} else {
		/* RFC 2045 section 5.2; RFC 2046 section 5.1.5 for parts of a digest. */
		p->defaulted = true;
		if (digest && p->f_type.p == NULL)
			set_type(w->m, p, STR("message"), STR("rfc822"));
		else
			set_type(w->m, p, STR("text"), STR("plain"));
	}
	read_params(w, p, &params);
	mail_params_fini(&params);
}

/* Makes it a leaf after all. */
static void
shut(struct mime_walk *w, struct mime_part *p)
{
	p->kind = MAIL_PART_LEAF;
	set_type(w->m, p, STR("application"), STR("octet-stream"));
	p->charset = (struct mime_span){0};
}

/*
 * RFC 2046 section 5.2.1 forbids it, RFC 6532 section 3.7 allows it for message/global: a message
 * in base64 or quoted-printable.  Its parts have no place among the bytes of the whole message, so
 * sections could not name them, and the grammar of BODYSTRUCTURE has no message/rfc822 without an
 * envelope.  It is shown as bytes that a client can decode.
 */
static bool
sealed(const struct mime_part *p)
{
	return p->kind == MAIL_PART_MESSAGE &&
	       (p->encoding == MAIL_ENCODING_BASE64 || p->encoding == MAIL_ENCODING_QP);
}

/* Ends the header of the top part at off, where its body begins, after lf line ends; its fields are
 * read next. */
static void
end_header(struct mime_walk *w, uint64_t off, uint64_t lf)
{
	struct open *o = top(w);
	struct mime_part *p = &w->m->v[o->part];

	p->header_len = off - p->header_off;
	p->body_off = off;
	p->lf_before = lf;
	o->in_header = false;
	w->reading = true;
	w->rest = (struct str){w->message.p + p->header_off, p->header_len};
	w->scan = (struct mail_field_scan){0};
}

/* Looks at no more of it than a limit allows. */
static void
read_encoding(struct mime_walk *w, struct mime_part *p)
{
	bool cut = p->f_encoding.n > w->limits->field;

	if (cut)
		p->f_encoding.n = (size_t)w->limits->field + 1;
	p->encoding = mail_encoding_of(p->f_encoding);
	w->m->cut |= cut && mail_encoding_word(p->f_encoding).n == 0;
}

/* The fields of the top part's header have been read: decides what it is. */
static void
begin_body(struct mime_walk *w, size_t *budget)
{
	struct open *o = top(w);
	uint32_t index = o->part;
	struct mime_part *p = &w->m->v[index];
	bool deep = w->depth > w->limits->nesting || w->m->n >= w->limits->parts;
	size_t read = p->f_type.n < w->limits->field ? p->f_type.n : w->limits->field;

	mime_spend(budget, PARAM_COST * (read + 16));
	w->reading = false;
	read_encoding(w, p);
	read_type(w, p);
	p->kind = mime_kind_of(mime_name(w->m, p->type), mime_name(w->m, p->subtype));
	if (p->kind != MAIL_PART_LEAF && deep) {
		p->opaque = w->m->cut = true;
		shut(w, p);
	} else if (sealed(p)) {
		p->sealed = true;
		shut(w, p);
	}
	if (p->kind != MAIL_PART_MULTIPART) {
		w->boundaries.n -= o->boundary_len;
		o->boundary_len = 0;
	}
	w->multiparts += o->boundary_len > 0;
	p->digest =
	    p->kind == MAIL_PART_MULTIPART && str_eq(mime_name(w->m, p->subtype), STR("digest"));
	if (p->kind == MAIL_PART_MESSAGE)
		open_part(w, index, p->body_off, p->lf_before);
}

/* RFC 3501 says nothing about a multipart without parts, and its grammar has no room for one: it
 * gets one text part. */
static void
make_up_child(struct mime_walk *w, uint32_t index, bool delimited)
{
	struct mime_part *p = &w->m->v[index], *child;
	uint64_t off = delimited ? p->body_off + p->body_len : p->body_off;

	child = push_part(w, index, off, w->lf);
	if (child == NULL)
		return;
	p = &w->m->v[index];
	child->made_up = child->defaulted = true;
	child->body_len = delimited ? 0 : p->body_len;
	child->lines = delimited ? 0 : p->lines;
	set_type(w->m, child, STR("text"), STR("plain"));
}

/* Ends the top part at off; lf line ends precede that in the message. */
static void
close_part(struct mime_walk *w, uint64_t off, uint64_t lf)
{
	struct open o = *top(w);
	struct mime_part *p = &w->m->v[o.part];

	/* The blank line of a message in a part may be the line end that belongs to the delimiter.
	 * Then the message has no body (RFC 9051 section 6.4.5.1), and no part of it is outside the
	 * part. */
	if (off < p->body_off && o.part > 0 && w->m->v[p->parent].kind == MAIL_PART_MESSAGE) {
		p->header_len = off > p->header_off ? off - p->header_off : 0;
		p->body_off = p->header_off + p->header_len;
	}
	if (off > p->body_off) {
		p->body_len = off - p->body_off;
		p->lines = lf - p->lf_before + (w->message.p[off - 1] != '\n');
	}
	if (p->kind == MAIL_PART_MULTIPART && p->children == 0)
		make_up_child(w, o.part, o.delimited);
	w->m->v[o.part].end = w->m->n;
	w->boundaries.n -= o.boundary_len;
	w->multiparts -= o.boundary_len > 0;
	w->depth--;
}

/* Finds whose delimiter this line is, which begins with "--". */
static enum mime_line
match(struct mime_walk *w, struct str line, uint32_t *depth_r)
{
	struct mime_match found = {.line = line};

	for (uint32_t i = w->depth; i-- > 0;) {
		const struct open *o = &w->open[i];

		if (!o->closed &&
		    mime_line_match(
		        &found, (struct str){w->boundaries.p + o->boundary_off, o->boundary_len}))
			*depth_r = i + 1;
	}
	return found.what;
}

/* Moves past the current line. */
static void
pass_line(struct mime_walk *w)
{
	w->lf += w->message.p[w->at - 1] == '\n';
	w->off = w->at;
	w->what = MIME_LINE_OTHER;
}

/* The current line is a delimiter, and no header is open any more. */
static void
delimiter(struct mime_walk *w)
{
	const char *s = w->message.p;
	uint64_t end = w->off, lf = w->lf;
	struct open *o = &w->open[w->what_depth - 1];

	/* RFC 2046 section 5.1.1: the line end before the delimiter belongs to it. */
	if (end > 0 && s[end - 1] == '\n') {
		end--;
		lf--;
		if (end > 0 && s[end - 1] == '\r')
			end--;
	}
	while (w->depth > w->what_depth)
		close_part(w, end, lf);
	o->delimited = true;
	if (w->what == MIME_LINE_CLOSE)
		o->closed = true;
	else /* the new part begins after this line */
		open_part(w, o->part, w->at, w->lf + 1);
	pass_line(w);
}

static bool
delimits(struct mime_walk *w, struct str line, size_t *budget)
{
	if (line.p[0] != '-' || line.n <= 2 || line.p[1] != '-' || w->multiparts == 0 || w->full)
		return false;
	mime_spend(budget, MATCH_COST * (size_t)w->depth);
	w->what = match(w, line, &w->what_depth);
	if (w->what == MIME_LINE_DELIMITER && w->m->n >= w->limits->parts) {
		/* From here on all text belongs to the part that is open. */
		w->full = w->m->cut = true;
		w->what = MIME_LINE_OTHER;
	}
	return w->what != MIME_LINE_OTHER;
}

/* Handles the current line, which ends at w->at. */
static void
take_line(struct mime_walk *w, size_t *budget)
{
	struct str line = {w->message.p + w->off, w->at - w->off};

	if (delimits(w, line, budget))
		return;
	if (top(w)->in_header && (line.p[0] == '\n' || (line.n == 2 && line.p[0] == '\r')))
		end_header(w, w->at, w->lf + 1); /* the body begins after the empty line */
	pass_line(w);
}

/* Returns false if its end has not been found yet. */
static bool
find_line(struct mime_walk *w, size_t *budget)
{
	const char *p = w->message.p + w->at, *nl;
	size_t left = w->message.n - w->at, n = left < *budget ? left : *budget;

	nl = memchr(p, '\n', n);
	n = nl != NULL ? (size_t)(nl - p) + 1 : n;
	*budget -= n;
	w->at += n;
	return nl != NULL || w->at == w->message.n;
}

/* Lines no longer matter: everything left is the body of open parts. */
static bool
in_text(const struct mime_walk *w)
{
	return (w->multiparts == 0 || w->full) && !w->open[w->depth - 1].in_header;
}

static void
pass_text(struct mime_walk *w, size_t *budget)
{
	const char *p = w->message.p + w->at, *end, *nl;
	size_t left = w->message.n - w->at, n = left < *budget ? left : *budget;

	end = p + n;
	while (p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		w->lf++;
		p = nl + 1;
	}
	*budget -= n;
	w->at += n;
	w->off = w->at;
}

struct mime_walk *
mime_walk_new(struct str message, const struct mail_limits *limits, struct mime *m, bool *oom)
{
	struct mime_walk *w = mem_try_zalloc(sizeof(*w), oom);

	*m = (struct mime){.names.oom = oom};
	if (w == NULL)
		return NULL;
	*w =
	    (struct mime_walk){.message = message, .limits = limits, .m = m, .boundaries.oom = oom};
	w->open = mem_try_zalloc(((size_t)limits->nesting + 2) * sizeof(*w->open), oom);
	if (w->open != NULL)
		open_part(w, 0, 0, 0);
	return w;
}

bool
mime_walk_step(struct mime_walk *w, size_t *budget)
{
	while (w->depth > 0 && !buf_failed(&w->boundaries)) {
		if (*budget == 0)
			return false;
		if (w->reading) {
			if (read_part_fields(w, budget))
				begin_body(w, budget);
		} else if ((w->what != MIME_LINE_OTHER || w->off == w->message.n) &&
		           top(w)->in_header) {
			end_header(w, w->off, w->lf);
		} else if (w->what != MIME_LINE_OTHER) {
			delimiter(w);
		} else if (w->off == w->message.n) {
			close_part(w, w->message.n, w->lf);
		} else if (in_text(w)) {
			pass_text(w, budget);
		} else if (find_line(w, budget)) {
			take_line(w, budget);
		}
	}
	return true;
}

void
mime_walk_free(struct mime_walk **walk)
{
	struct mime_walk *w = *walk;

	*walk = NULL;
	if (w == NULL)
		return;
	buf_fini(&w->boundaries);
	mem_free(w->open);
	mem_free(w);
}

void
mime_fini(struct mime *m)
{
	mem_free(m->v);
	buf_fini(&m->names);
	*m = (struct mime){0};
}
