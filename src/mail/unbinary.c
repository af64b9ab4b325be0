/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary parts to base64: see unbinary.h.
 *
 * Bytes come in pieces of any size.  A line is held back only while it may be a delimiter, and in a
 * header; everything else passes.  In a body that is being encoded the last line end is held back
 * as well: before a delimiter it belongs to the delimiter (RFC 2046 section 5.1.1).
 */
#include "mail/unbinary.h"

#include "base/base64.h"
#include "base/mem.h"
#include "mail/mime_int.h"

#define NESTING 100u  /* nested multiparts */
#define HEADER 65536u /* bytes of a part's header */
#define LINE 57u      /* bytes that make a line of 76 */

struct open {
	size_t boundary_off, boundary_len; /* in boundaries */
	bool closed, digest;
};

struct mail_unbinary {
	struct open open[NESTING];
	size_t depth;
	struct buf boundaries;
	bool in_header, digest; /* digest: a message if it has no Content-Type */
	bool lost;              /* a header that is too long passes to its end */
	bool encoding;          /* encoding the current body */
	bool mid_line;          /* the line is known, its rest passes */
	struct buf line;        /* not known yet, or of a header */
	bool no_delimiter;      /* its front cannot be a delimiter's */
	struct buf header;
	struct buf raw; /* less than LINE, to be encoded */
	bool first;     /* nothing of this body has been encoded yet */
	char eol[2];    /* held back */
	uint8_t eol_n;
};

struct mail_unbinary *
mail_unbinary_try_new(bool *oom)
{
	struct mail_unbinary *u = mem_try_zalloc(sizeof(*u), oom);

	if (u == NULL)
		return NULL;
	u->in_header = true;
	u->boundaries.oom = u->line.oom = u->header.oom = u->raw.oom = oom;
	return u;
}

struct mail_unbinary *
mail_unbinary_new(void)
{
	return mail_unbinary_try_new(NULL);
}

void
mail_unbinary_free(struct mail_unbinary **up)
{
	struct mail_unbinary *u = *up;

	if (u == NULL)
		return;
	*up = NULL;
	buf_fini(&u->boundaries);
	buf_fini(&u->line);
	buf_fini(&u->header);
	buf_fini(&u->raw);
	mem_free(u);
}

/* ---- bodies ---- */

static void
put_base64_line(struct mail_unbinary *u, struct str bytes, struct buf *out)
{
	if (!u->first)
		buf_puts(out, "\r\n");
	u->first = false;
	base64_encode(bytes, out);
}

static void
encode_base64(struct mail_unbinary *u, struct str bytes, struct buf *out)
{
	while (u->raw.n + bytes.n >= LINE) {
		size_t take = LINE - u->raw.n;

		buf_put(&u->raw, bytes.p, take);
		put_base64_line(u, buf_as_str(&u->raw), out);
		u->raw.n = 0;
		bytes = (struct str){bytes.p + take, bytes.n - take};
	}
	if (bytes.n > 0)
		buf_put(&u->raw, bytes.p, bytes.n);
}

/* Takes bytes of a body; a line end only at their end. */
static void
body(struct mail_unbinary *u, struct str bytes, struct buf *out)
{
	size_t keep = 0;

	if (!u->encoding) {
		buf_str(out, bytes);
		return;
	}
	if (u->eol_n == 1 && u->eol[0] == '\r' && bytes.p[0] == '\n') {
		u->eol[u->eol_n++] = '\n';
		return;
	}
	encode_base64(u, (struct str){u->eol, u->eol_n}, out);
	if (bytes.p[bytes.n - 1] == '\n')
		keep = bytes.n > 1 && bytes.p[bytes.n - 2] == '\r' ? 2 : 1;
	else if (bytes.p[bytes.n - 1] == '\r')
		keep = 1;
	encode_base64(u, (struct str){bytes.p, bytes.n - keep}, out);
	memcpy(u->eol, bytes.p + bytes.n - keep, keep);
	u->eol_n = (uint8_t)keep;
}

/* Ends the body; if a delimiter follows, the last line end is not part of it. */
static void
body_end(struct mail_unbinary *u, bool delimiter, struct buf *out)
{
	if (!u->encoding)
		return;
	if (!delimiter)
		encode_base64(u, (struct str){u->eol, u->eol_n}, out);
	if (u->raw.n > 0)
		put_base64_line(u, buf_as_str(&u->raw), out);
	if (delimiter)
		buf_put(out, u->eol, u->eol_n);
	u->raw.n = u->eol_n = 0;
	u->encoding = false;
}

/* ---- headers ---- */

static void
put_encoded_header(const struct mail_unbinary *u, struct buf *out)
{
	struct str rest = buf_as_str(&u->header);
	struct mail_field f;
	bool done = false;

	while (mail_field_next(&rest, &f)) {
		if (done || !str_ieq(f.name, STR("Content-Transfer-Encoding"))) {
			buf_str(out, f.all);
			continue;
		}
		done = true;
		buf_puts(out, "Content-Transfer-Encoding: base64");
		buf_puts(out, f.all.n > 1 && f.all.p[f.all.n - 2] == '\r' ? "\r\n" : "\n");
	}
	buf_str(out, rest);
}

static void
push_boundary(struct mail_unbinary *u, const struct mail_params *params, bool digest)
{
	size_t off = u->boundaries.n;

	if (u->depth < NESTING && mime_boundary(params, &u->boundaries))
		u->open[u->depth++] = (struct open){
		    .boundary_off = off, .boundary_len = u->boundaries.n - off, .digest = digest};
}

/* Finds what the body after this header is, as mime.c sees it; a multipart is open from here on. */
static enum mail_part_kind
read_type(struct mail_unbinary *u, struct str header)
{
	struct str content = mail_field_find(header, STR("Content-Type")), type, subtype;
	enum mail_part_kind kind = MAIL_PART_LEAF;
	struct mail_params params;

	mail_params_try_read(&params, content, HEADER, u->line.oom);
	if (mime_type_of(&params, &type, &subtype))
		kind = mime_kind_of(type, subtype);
	else if (u->digest && content.p == NULL)
		kind = MAIL_PART_MESSAGE;
	if (kind == MAIL_PART_MULTIPART)
		push_boundary(u, &params, str_ieq(subtype, STR("digest")));
	mail_params_fini(&params);
	return kind;
}

/* The empty line has come: decide what follows. */
static void
header_end(struct mail_unbinary *u, struct buf *out)
{
	struct str header = buf_as_str(&u->header);
	enum mail_encoding encoding =
	    mail_encoding_of(mail_field_find(header, STR("Content-Transfer-Encoding")));
	bool encoded = encoding == MAIL_ENCODING_BASE64 || encoding == MAIL_ENCODING_QP;
	enum mail_part_kind kind = read_type(u, header);

	u->in_header = false;
	if (encoding == MAIL_ENCODING_BINARY && kind == MAIL_PART_LEAF) {
		put_encoded_header(u, out);
		u->encoding = u->first = true;
	} else {
		buf_str(out, header);
	}
	if (kind == MAIL_PART_MESSAGE && !encoded) { /* its own header follows */
		u->in_header = true;
		u->digest = false;
	}
	u->header.n = 0;
}

static void
header_line(struct mail_unbinary *u, struct str line, struct buf *out)
{
	bool empty = line.p[0] == '\n' || (line.n == 2 && line.p[0] == '\r' && line.p[1] == '\n');

	if (u->lost) {
		buf_str(out, line);
		u->lost = u->in_header = !empty;
		return;
	}
	buf_str(&u->header, line);
	if (empty) {
		header_end(u, out);
	} else if (u->header.n > HEADER) {
		buf_str(out, buf_as_str(&u->header));
		u->header.n = 0;
		u->lost = true;
	}
}

/* ---- delimiters ---- */

static enum mime_line
match(const struct mail_unbinary *u, struct str line, size_t *depth_r)
{
	struct mime_match found = {.line = line};

	if (line.n < 3 || line.p[0] != '-' || line.p[1] != '-')
		return MIME_LINE_OTHER;
	for (size_t i = u->depth; i-- > 0;) {
		const struct open *o = &u->open[i];

		if (!o->closed &&
		    mime_line_match(
		        &found, (struct str){u->boundaries.p + o->boundary_off, o->boundary_len}))
			*depth_r = i + 1;
	}
	return found.what;
}

/* Handles a delimiter line, or the front of one, whose rest passes.  Returns false if it is not
 * one. */
static bool
delimiter_line(struct mail_unbinary *u, struct str line, struct buf *out)
{
	size_t depth = 0;
	enum mime_line what = match(u, line, &depth);

	if (what == MIME_LINE_OTHER)
		return false;
	buf_str(out, buf_as_str(&u->header)); /* a header without an end */
	u->header.n = 0;
	body_end(u, true, out);
	buf_str(out, line);
	u->depth = depth;
	u->boundaries.n = u->open[depth - 1].boundary_off + u->open[depth - 1].boundary_len;
	u->open[depth - 1].closed = what == MIME_LINE_CLOSE;
	u->in_header = what == MIME_LINE_DELIMITER;
	u->digest = u->open[depth - 1].digest;
	u->lost = false;
	return true;
}

static void
whole_line(struct mail_unbinary *u, struct str line, struct buf *out)
{
	if (!u->no_delimiter && delimiter_line(u, line, out))
		return;
	if (u->in_header)
		header_line(u, line, out);
	else
		body(u, line, out);
}

/* Returns whether the start of a line may be, or become, one that must be seen as a whole. */
static bool
has_to_wait(const struct mail_unbinary *u)
{
	struct str line = buf_as_str(&u->line);

	if (u->in_header)
		return line.n <= HEADER;
	return u->depth > 0 && !u->no_delimiter && line.p[0] == '-' &&
	       (line.n == 1 || line.p[1] == '-');
}

/* Passes the rest of a line, and its end. */
static void
pass(struct mail_unbinary *u, struct str bytes, struct buf *out)
{
	u->mid_line = bytes.p[bytes.n - 1] != '\n';
	if (u->in_header)
		buf_str(out, bytes);
	else
		body(u, bytes, out);
}

/* Takes bytes of one line: a line end only at their end. */
static void
take_part_of_line(struct mail_unbinary *u, struct str bytes, struct buf *out)
{
	if (u->mid_line) {
		pass(u, bytes, out);
		return;
	}
	buf_str(&u->line, bytes);
	if (buf_failed(&u->line))
		return;
	if (bytes.p[bytes.n - 1] == '\n') {
		whole_line(u, buf_as_str(&u->line), out);
		u->line.n = 0;
		u->no_delimiter = false;
		return;
	}
	if (!u->no_delimiter && u->line.n >= MIME_LINE_MAX) {
		u->mid_line = delimiter_line(u, buf_as_str(&u->line), out);
		u->no_delimiter = !u->mid_line;
		if (u->mid_line)
			u->line.n = 0;
	}
	if (!u->mid_line && !has_to_wait(u)) {
		if (u->in_header) { /* a line of more than HEADER bytes */
			buf_str(out, buf_as_str(&u->header));
			u->header.n = 0;
			u->lost = true;
		}
		pass(u, buf_as_str(&u->line), out);
		u->line.n = 0;
		u->no_delimiter = false;
	}
}

void
mail_unbinary_feed(struct mail_unbinary *u, struct str piece, bool last, struct buf *out)
{
	while (piece.n > 0) {
		const char *nl = str_chr(piece, '\n');
		size_t n = nl != NULL ? (size_t)(nl - piece.p) + 1 : piece.n;

		take_part_of_line(u, (struct str){piece.p, n}, out);
		piece = (struct str){piece.p + n, piece.n - n};
	}
	if (!last)
		return;
	if (u->line.n > 0)
		whole_line(u, buf_as_str(&u->line), out);
	u->line.n = 0;
	buf_str(out, buf_as_str(&u->header));
	u->header.n = 0;
	body_end(u, false, out);
}
