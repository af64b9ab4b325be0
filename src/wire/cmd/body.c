/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints BODY and BODYSTRUCTURE: see body.h. */
#include "wire/cmd/body.h"

#include "wire/params.h"
#include "wire/vec.h"

struct reader {
	struct wire_in *in;
	uint32_t depth;
};

static bool read_body(struct reader *r, struct wire_body *body);

/* ---- small parts */

static bool
read_fields(struct wire_in *in, struct wire_body_fields *fields)
{
	struct wire_vec vec = {0};

	if (wire_in_try_word(in, "NIL"))
		return true;
	if (!wire_in_open(in))
		return false;
	do {
		struct str *s = WIRE_VEC_PUSH(in, &vec, struct str, "Too many parameters");

		if (s == NULL || !wire_in_string(in, s))
			return false;
	} while (wire_in_more(in));
	if (vec.n % 2 != 0)
		return wire_in_fail(in, "The parameter has no value");
	*fields = (struct wire_body_fields){vec.v, vec.n};
	return wire_in_close(in);
}

static bool
read_disposition(struct wire_in *in, struct wire_body *body)
{
	if (wire_in_try_word(in, "NIL"))
		return true;
	return wire_in_open(in) && wire_in_string(in, &body->disposition) && wire_in_sp(in) &&
	       read_fields(in, &body->disposition_params) && wire_in_close(in);
}

/* NIL, a string, or a list of strings. */
static bool
read_languages(struct wire_in *in, struct wire_names *languages)
{
	if (wire_in_try_word(in, "NIL"))
		return true;
	if (wire_in_peek(in) == '(')
		return wire_in_astrings(in, languages);
	languages->v = arena_try_object(in->arena, struct str);
	if (languages->v == NULL)
		return wire_in_no_memory(in);
	languages->n = 1;
	return wire_in_string(in, languages->v);
}

/* ---- extension data */

static bool
read_extension_field(struct wire_in *in, struct wire_body *body, struct wire_vec *further)
{
	struct str *raw;

	switch (body->n_extension) {
	case 1:
		return body->kind == WIRE_BODY_MULTIPART ? read_fields(in, &body->params)
		                                         : wire_in_nstring(in, &body->md5);
	case 2:
		return read_disposition(in, body);
	case 3:
		return read_languages(in, &body->languages);
	case 4:
		return wire_in_nstring(in, &body->location);
	default:
		raw = WIRE_VEC_PUSH(in, further, struct str, "Too many fields of a part");
		return raw != NULL && wire_in_value(in, raw);
	}
}

static bool
read_extension(struct wire_in *in, struct wire_body *body)
{
	struct wire_vec further = {0};

	while (wire_in_more(in)) {
		body->n_extension++;
		if (!read_extension_field(in, body, &further))
			return false;
	}
	body->further = (struct wire_names){further.v, further.n};
	return in->error == NULL;
}

/* ---- parts */

static struct wire_body *
new_child(struct reader *r)
{
	struct wire_body *child = arena_try_object(r->in->arena, struct wire_body);

	if (child == NULL)
		(void)wire_in_no_memory(r->in);
	return child;
}

static bool
read_multipart(struct reader *r, struct wire_body *body)
{
	struct wire_body **tail = &body->child;

	body->kind = WIRE_BODY_MULTIPART;
	do {
		*tail = new_child(r);
		if (*tail == NULL || !read_body(r, *tail))
			return false;
		tail = &(*tail)->next;
	} while (wire_in_peek(r->in) == '(');
	return wire_in_sp(r->in) && wire_in_string(r->in, &body->subtype);
}

static bool
read_message(struct reader *r, struct wire_body *body)
{
	struct wire_in *in = r->in;

	body->kind = WIRE_BODY_MESSAGE;
	body->envelope = arena_try_object(in->arena, struct wire_envelope);
	body->child = new_child(r);
	if (body->envelope == NULL || body->child == NULL)
		return wire_in_no_memory(in);
	return wire_in_sp(in) && wire_in_envelope(in, body->envelope) && wire_in_sp(in) &&
	       read_body(r, body->child) && wire_in_sp(in) && wire_in_number64(in, &body->lines);
}

static bool
read_basic(struct wire_in *in, struct wire_body *body)
{
	return wire_in_string(in, &body->type) && wire_in_sp(in) &&
	       wire_in_string(in, &body->subtype) && wire_in_sp(in) &&
	       read_fields(in, &body->params) && wire_in_sp(in) && wire_in_nstring(in, &body->id) &&
	       wire_in_sp(in) && wire_in_nstring(in, &body->description) && wire_in_sp(in) &&
	       wire_in_string(in, &body->encoding) && wire_in_sp(in) &&
	       wire_in_number64(in, &body->size);
}

/* In IMAP4rev1 a message/global is a leaf.  What follows tells: an envelope, or extension data. */
static bool
is_message(const struct wire_in *in, const struct wire_body *body)
{
	return str_ieq(body->type, STR("message")) &&
	       (str_ieq(body->subtype, STR("rfc822")) || str_ieq(body->subtype, STR("global"))) &&
	       wire_in_sp_then(in, '(');
}

static bool
read_single(struct reader *r, struct wire_body *body)
{
	if (!read_basic(r->in, body))
		return false;
	if (is_message(r->in, body))
		return read_message(r, body);
	if (!str_ieq(body->type, STR("text")))
		return true;
	body->kind = WIRE_BODY_TEXT;
	return wire_in_sp(r->in) && wire_in_number64(r->in, &body->lines);
}

/* Bounds the recursion. */
static bool
read_body(struct reader *r, struct wire_body *body)
{
	bool ok;

	if (++r->depth > r->in->limits->list_depth)
		return wire_in_limit(r->in, "Parts too deeply nested");
	if (!wire_in_open(r->in))
		return false;
	ok = wire_in_peek(r->in) == '(' ? read_multipart(r, body) : read_single(r, body);
	r->depth--;
	return ok && read_extension(r->in, body) && wire_in_close(r->in);
}

bool
wire_in_body(struct wire_in *in, struct wire_body *body_r)
{
	struct reader r = {.in = in};

	*body_r = (struct wire_body){0};
	return read_body(&r, body_r);
}

/* ---- printing */

static void
put_fields(struct buf *b, const struct wire_dialect *d, const struct wire_body_fields *fields)
{
	if (fields->n == 0) {
		buf_put(b, "NIL", 3);
		return;
	}
	for (size_t i = 0; i < fields->n; i++) {
		buf_putc(b, i == 0 ? '(' : ' ');
		wire_out_string(b, d, fields->v[i]);
	}
	buf_putc(b, ')');
}

static void
put_disposition(struct buf *b, const struct wire_dialect *d, const struct wire_body *body)
{
	if (body->disposition.p == NULL) {
		buf_put(b, "NIL", 3);
		return;
	}
	buf_putc(b, '(');
	wire_out_string(b, d, body->disposition);
	buf_putc(b, ' ');
	put_fields(b, d, &body->disposition_params);
	buf_putc(b, ')');
}

static void
put_languages(struct buf *b, const struct wire_dialect *d, const struct wire_names *languages)
{
	if (languages->n == 0)
		buf_put(b, "NIL", 3);
	else if (languages->n == 1)
		wire_out_string(b, d, languages->v[0]);
	else
		put_fields(b, d, &(struct wire_body_fields){.v = languages->v, .n = languages->n});
}

static void
put_extension_field(
    struct buf *b, const struct wire_dialect *d, const struct wire_body *body, unsigned field)
{
	switch (field) {
	case 1:
		if (body->kind == WIRE_BODY_MULTIPART)
			put_fields(b, d, &body->params);
		else
			wire_out_nstring(b, d, body->md5);
		break;
	case 2:
		put_disposition(b, d, body);
		break;
	case 3:
		put_languages(b, d, &body->languages);
		break;
	case 4:
		wire_out_nstring(b, d, body->location);
		break;
	default:
		buf_str(b, body->further.v[field - 5]);
		break;
	}
}

static void
put_single(struct buf *b, const struct wire_dialect *d, const struct wire_body *body)
{
	wire_out_string(b, d, body->type);
	buf_putc(b, ' ');
	wire_out_string(b, d, body->subtype);
	buf_putc(b, ' ');
	put_fields(b, d, &body->params);
	buf_putc(b, ' ');
	wire_out_nstring(b, d, body->id);
	buf_putc(b, ' ');
	wire_out_nstring(b, d, body->description);
	buf_putc(b, ' ');
	wire_out_string(b, d, body->encoding);
	buf_putc(b, ' ');
	buf_u64(b, body->size);
	if (body->kind == WIRE_BODY_MESSAGE) {
		buf_putc(b, ' ');
		wire_out_envelope(b, d, body->envelope);
		buf_putc(b, ' ');
		wire_out_body(b, d, body->child);
	}
	if (body->kind == WIRE_BODY_MESSAGE || body->kind == WIRE_BODY_TEXT) {
		buf_putc(b, ' ');
		buf_u64(b, body->lines);
	}
}

void
wire_out_body(struct buf *b, const struct wire_dialect *d, const struct wire_body *body)
{
	buf_putc(b, '(');
	if (body->kind == WIRE_BODY_MULTIPART) {
		for (const struct wire_body *child = body->child; child != NULL;
		     child = child->next)
			wire_out_body(b, d, child);
		buf_putc(b, ' ');
		wire_out_string(b, d, body->subtype);
	} else
		put_single(b, d, body);
	for (unsigned field = 1; field <= body->n_extension; field++) {
		buf_putc(b, ' ');
		put_extension_field(b, d, body, field);
	}
	buf_putc(b, ')');
}
