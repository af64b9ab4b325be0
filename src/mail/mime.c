/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over the lines of a message: see mime_int.h.
 *
 * The open parts form a stack: the message, containers inside it, and on top
 * the part whose header or body the current line belongs to.  A delimiter
 * line of any open multipart closes all that is above it, so parts that were
 * never ended are ended by those around them.
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

struct walk {
	struct str message;
	const struct mail_limits *limits;
	struct mime *m;
	struct open *open;
	uint32_t depth;      /* open parts */
	uint32_t multiparts; /* of them with a boundary to look for */
	struct buf boundaries;
	uint64_t lf; /* line ends before the current line */
	bool full;
};

static struct open *
top(struct walk *w)
{
	return &w->open[w->depth - 1];
}

static struct mime_part *
push(struct walk *w, uint32_t parent, uint64_t off)
{
	struct mime *m = w->m;
	struct mime_part *p;

	if (m->n == m->cap) {
		m->cap = m->cap > 0 ? m->cap * 2 : 8;
		m->v = mem_realloc(m->v, m->cap * sizeof(*m->v));
	}
	p = &m->v[m->n];
	*p = (struct mime_part){.parent = parent, .header_off = off, .body_off = off};
	p->lf_before = w->lf;
	p->end = m->n + 1;
	if (m->n > 0)
		p->number = ++m->v[parent].children;
	m->n++;
	return p;
}

static void
open_part(struct walk *w, uint32_t parent, uint64_t off)
{
	push(w, parent, off);
	/* limits->nesting containers and the leaf in them; see `deep` in end_header(). */
	w->open[w->depth++] = (struct open){.part = w->m->n - 1, .in_header = true};
}

static struct mime_span
put_name(struct mime *m, struct str s)
{
	struct mime_span span = {(uint32_t)m->names.n, (uint32_t)s.n};

	for (size_t i = 0; i < s.n; i++)
		buf_putc(&m->names, (char)ascii_lower((unsigned char)s.p[i]));
	return span;
}

static void
set_type(struct mime *m, struct mime_part *p, struct str type, struct str subtype)
{
	p->type = put_name(m, type);
	p->subtype = put_name(m, subtype);
}

/* The fields that a part is made of: the first of each name counts. */
static void
read_fields(struct walk *w, struct mime_part *p)
{
	struct str rest = {w->message.p + p->header_off, p->header_len};
	struct mail_field f;
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

	while (mail_field_next(&rest, &f)) {
		struct str tail;

		if (f.name.n < 10 || !str_has_iprefix(f.name, STR("content-")))
			continue;
		tail = (struct str){f.name.p + 8, f.name.n - 8};
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
			if (str_ieq(tail, wanted[i].name) && wanted[i].to->p == NULL)
				*wanted[i].to = f.value;
	}
}

static void
read_params(struct walk *w, struct mime_part *p, const struct mail_params *params)
{
	const struct mail_param *charset = mail_params_find(params, STR("charset"));
	struct open *o = top(w);
	struct buf value = {0};

	if (charset != NULL)
		mail_param_value(charset, &value);
	if (value.n > 0 && value.n <= NAME_LIMIT)
		p->charset = put_name(w->m, str_trim(buf_as_str(&value)));
	buf_fini(&value);
	o->boundary_off = (uint32_t)w->boundaries.n;
	if (mime_boundary(params, &w->boundaries))
		o->boundary_len = (uint32_t)(w->boundaries.n - o->boundary_off);
}

static void
read_type(struct walk *w, struct mime_part *p)
{
	bool digest = p->parent != (uint32_t)(p - w->m->v) && w->m->v[p->parent].digest;
	struct mail_params params;
	struct str type = STR_NONE, subtype = STR_NONE;

	mail_params_read(&params, p->f_type, w->limits->field);
	w->m->cut |= params.cut;
	if (mime_type_of(&params, &type, &subtype)) {
		set_type(w->m, p, type, subtype);
	} else {
		/* RFC 2045 5.2; RFC 2046 5.1.5 for what is in a digest. */
		p->defaulted = true;
		if (digest && p->f_type.p == NULL)
			set_type(w->m, p, STR("message"), STR("rfc822"));
		else
			set_type(w->m, p, STR("text"), STR("plain"));
	}
	read_params(w, p, &params);
	mail_params_fini(&params);
}

/* A leaf all the same. */
static void
shut(struct walk *w, struct mime_part *p)
{
	p->kind = MAIL_PART_LEAF;
	set_type(w->m, p, STR("application"), STR("octet-stream"));
	p->charset = (struct mime_span){0};
}

/*
 * RFC 2046 5.2.1 forbids it, RFC 6532 3.7 allows it for message/global: a message
 * in base64 or quoted-printable.  Its parts have no place among the bytes of the whole
 * message, so sections could not name them, and the grammar of BODYSTRUCTURE has no
 * message/rfc822 without an envelope.  It is shown as bytes that a client can decode.
 */
static bool
sealed(const struct mime_part *p)
{
	return p->kind == MAIL_PART_MESSAGE &&
	       (p->encoding == MAIL_ENCODING_BASE64 || p->encoding == MAIL_ENCODING_QP);
}

/* The header of the top part ends at off, where its body begins. */
static void
end_header(struct walk *w, uint64_t off)
{
	struct open *o = top(w);
	uint32_t index = o->part;
	struct mime_part *p = &w->m->v[index];
	bool deep = w->depth > w->limits->nesting || w->m->n >= w->limits->parts;

	p->header_len = off - p->header_off;
	p->body_off = off;
	p->lf_before = w->lf;
	o->in_header = false;
	read_fields(w, p);
	p->encoding = mail_encoding_of(p->f_encoding);
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
		open_part(w, index, off);
}

/* RFC 3501 says nothing of a multipart without parts, and its grammar has no
 * room for one: it gets one text part. */
static void
make_up_child(struct walk *w, uint32_t index, bool delimited)
{
	struct mime_part *p = &w->m->v[index], *child;
	uint64_t off = delimited ? p->body_off + p->body_len : p->body_off;

	child = push(w, index, off);
	p = &w->m->v[index];
	child->made_up = child->defaulted = true;
	child->body_len = delimited ? 0 : p->body_len;
	child->lines = delimited ? 0 : p->lines;
	set_type(w->m, child, STR("text"), STR("plain"));
}

/* The top part ends at off; lf line ends stand before it in the message. */
static void
close_part(struct walk *w, uint64_t off, uint64_t lf)
{
	struct open o = *top(w);
	struct mime_part *p = &w->m->v[o.part];

	/* The blank line of a message in a part may be the line end that belongs to the delimiter:
	 * a message without body, then (RFC 9051 6.4.5.1), and nothing of it is outside the part.
	 */
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

/* Whose delimiter is this line, which begins with "--"? */
static enum mime_line
match(struct walk *w, struct str line, uint32_t *depth_r)
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

/* A delimiter line of the open multipart at depth, from off to next. */
static void
delimiter(struct walk *w, uint32_t depth, enum mime_line what, uint64_t off, uint64_t next)
{
	const char *s = w->message.p;
	uint64_t end = off, lf = w->lf;

	while (top(w)->in_header)
		end_header(w, off);
	/* RFC 2046 5.1.1: the line end before the delimiter belongs to it. */
	if (end > 0 && s[end - 1] == '\n') {
		end--;
		lf--;
		if (end > 0 && s[end - 1] == '\r')
			end--;
	}
	while (w->depth > depth)
		close_part(w, end, lf);
	w->open[depth - 1].delimited = true;
	if (what == MIME_LINE_CLOSE) {
		w->open[depth - 1].closed = true;
	} else {
		w->lf++; /* the new part begins behind this line */
		open_part(w, w->open[depth - 1].part, next);
		w->lf--;
	}
}

static void
take_line(struct walk *w, uint64_t off, uint64_t next)
{
	struct str line = {w->message.p + off, next - off};
	uint32_t depth = 0;
	enum mime_line what;

	if (line.p[0] == '-' && line.n > 2 && line.p[1] == '-' && w->multiparts > 0 && !w->full) {
		what = match(w, line, &depth);
		if (what == MIME_LINE_DELIMITER && w->m->n >= w->limits->parts) {
			/* From here on all text belongs to the part that is open. */
			w->full = w->m->cut = true;
			what = MIME_LINE_OTHER;
		}
		if (what != MIME_LINE_OTHER) {
			delimiter(w, depth, what, off, next);
			return;
		}
	}
	if (top(w)->in_header && (line.p[0] == '\n' || (line.n == 2 && line.p[0] == '\r'))) {
		w->lf++; /* the body begins behind the empty line */
		end_header(w, next);
		w->lf--;
	}
}

void
mime_parse(struct str message, const struct mail_limits *limits, struct mime *m)
{
	struct walk w = {.message = message, .limits = limits, .m = m};
	uint64_t off = 0;

	*m = (struct mime){0};
	w.open = mem_zalloc(((size_t)limits->nesting + 2) * sizeof(*w.open));
	open_part(&w, 0, 0);
	while (off < message.n) {
		const char *nl = memchr(message.p + off, '\n', message.n - off);
		uint64_t next = nl != NULL ? (uint64_t)(nl - message.p) + 1 : message.n;

		take_line(&w, off, next);
		w.lf += nl != NULL;
		off = next;
	}
	while (top(&w)->in_header)
		end_header(&w, message.n);
	while (w.depth > 0)
		close_part(&w, message.n, w.lf);
	buf_fini(&w.boundaries);
	mem_free(w.open);
}

void
mime_fini(struct mime *m)
{
	mem_free(m->v);
	buf_fini(&m->names);
	*m = (struct mime){0};
}
