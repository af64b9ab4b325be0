/* SPDX-License-Identifier: Apache-2.0 */
/* The response FETCH both ways: see fetch_data.h. */
#include "wire/cmd/fetch_data.h"

#include "wire/vec.h"

/* ---- parsing */

struct reader {
	struct wire_in *in;
	struct wire_fetch_data *data;
	struct wire_vec contents, other;
};

static const struct wire_name section_names[] = {{"BODY", WIRE_FETCH_BODY_SECTION},
    {"BINARY", WIRE_FETCH_BINARY}, {"BINARY.SIZE", WIRE_FETCH_BINARY_SIZE}, {NULL, 0}};

/* "<0>" */
static bool
read_origin(struct wire_in *in, struct wire_fetch_item *item)
{
	if (!wire_in_try_char(in, '<'))
		return in->error == NULL;
	item->has_partial = true;
	return wire_in_number64(in, &item->from) && wire_in_char(in, '>');
}

static struct wire_fetch_content *
new_content(struct reader *r, enum wire_fetch_id id)
{
	struct wire_fetch_content *c =
	    WIRE_VEC_PUSH(r->in, &r->contents, struct wire_fetch_content, "Too many sections");

	if (c != NULL)
		c->item.id = id;
	return c;
}

/* Behind the bracket. */
static bool
read_section(struct reader *r, struct str name)
{
	const struct wire_name *known = wire_name_find(section_names, name);
	struct wire_fetch_content *c;

	if (known == NULL)
		return wire_in_fail(r->in, "No such item with a section");
	c = new_content(r, known->id);
	if (c == NULL ||
	    !wire_in_section(r->in, &c->item.section, known->id != WIRE_FETCH_BODY_SECTION))
		return false;
	if (known->id == WIRE_FETCH_BINARY_SIZE)
		return wire_in_sp(r->in) && wire_in_number64(r->in, &c->size);
	return read_origin(r->in, &c->item) && wire_in_sp(r->in) &&
	       wire_in_nstring8(r->in, &c->bytes);
}

static bool
read_content(struct reader *r, enum wire_fetch_id id)
{
	struct wire_fetch_content *c = new_content(r, id);

	return c != NULL && wire_in_nstring8(r->in, &c->bytes);
}

static bool
read_known(struct reader *r, enum wire_fetch_id id)
{
	struct wire_fetch_data *data = r->data;

	if (!wire_in_sp(r->in))
		return false;
	if (id <= WIRE_FETCH_BODY)
		data->has |= 1u << id;
	switch (id) {
	case WIRE_FETCH_FLAGS:
		return wire_in_flags_told(r->in, &data->flags);
	case WIRE_FETCH_INTERNALDATE:
		return wire_in_date_time(r->in, &data->internaldate);
	case WIRE_FETCH_UID:
		return wire_in_nz_number(r->in, &data->uid);
	case WIRE_FETCH_RFC822_SIZE:
		return wire_in_number64(r->in, &data->size);
	case WIRE_FETCH_ENVELOPE:
		return wire_in_envelope(r->in, &data->envelope);
	case WIRE_FETCH_BODYSTRUCTURE:
		return wire_in_body(r->in, &data->bodystructure);
	case WIRE_FETCH_BODY:
		return wire_in_body(r->in, &data->body);
	default:
		return read_content(r, id);
	}
}

static bool
read_other(struct reader *r, struct str name)
{
	struct wire_param *param =
	    WIRE_VEC_PUSH(r->in, &r->other, struct wire_param, "Too many items");

	if (param == NULL)
		return false;
	param->name = name;
	return wire_in_sp(r->in) && wire_in_value(r->in, &param->value);
}

static bool
read_item(struct reader *r)
{
	const struct wire_name *known;
	struct str name;

	if (!wire_in_fetch_name(r->in, &name))
		return false;
	if (wire_in_try_char(r->in, '['))
		return read_section(r, name);
	known = wire_name_find(wire_fetch_names, name);
	return known != NULL ? read_known(r, known->id) : read_other(r, name);
}

bool
wire_in_fetch(struct wire_in *in, struct wire_fetch_data *data_r)
{
	struct reader r = {.in = in, .data = data_r};

	*data_r = (struct wire_fetch_data){0};
	if (!wire_in_sp(in) || !wire_in_open(in))
		return false;
	do {
		if (!read_item(&r))
			return false;
	} while (wire_in_more(in));
	data_r->contents = r.contents.v;
	data_r->n_contents = r.contents.n;
	data_r->other = (struct wire_params){r.other.v, r.other.n};
	return wire_in_close(in) && wire_in_end(in);
}

/* ---- printing, item by item */

void
wire_out_fetch_begin(struct buf *b, uint32_t seq)
{
	buf_put(b, "* ", 2);
	buf_u64(b, seq);
	buf_put(b, " FETCH (", 8);
}

void
wire_out_fetch_end(struct buf *b)
{
	buf_put(b, ")\r\n", 3);
}

/* By enum wire_fetch_id; those that a section may follow have none. */
static const struct str item_names[] = {
    [WIRE_FETCH_FLAGS] = STR("FLAGS "),
    [WIRE_FETCH_INTERNALDATE] = STR("INTERNALDATE "),
    [WIRE_FETCH_UID] = STR("UID "),
    [WIRE_FETCH_RFC822_SIZE] = STR("RFC822.SIZE "),
    [WIRE_FETCH_ENVELOPE] = STR("ENVELOPE "),
    [WIRE_FETCH_BODYSTRUCTURE] = STR("BODYSTRUCTURE "),
    [WIRE_FETCH_BODY] = STR("BODY "),
};

void
wire_out_fetch_name(struct buf *b, enum wire_fetch_id id)
{
	TS_ASSERT(id <= WIRE_FETCH_BODY);
	buf_str(b, item_names[id]);
}

void
wire_out_fetch_number(struct buf *b, enum wire_fetch_id id, uint64_t n)
{
	wire_out_fetch_name(b, id);
	buf_u64(b, n);
}

void
wire_out_fetch_other(struct buf *b, const char *name)
{
	buf_puts(b, name);
	buf_putc(b, ' ');
}

static void
put_bracketed(struct buf *b, const struct wire_dialect *d, const struct wire_fetch_item *item)
{
	switch (item->id) {
	case WIRE_FETCH_BINARY:
		buf_put(b, "BINARY[", 7);
		break;
	case WIRE_FETCH_BINARY_SIZE:
		buf_put(b, "BINARY.SIZE[", 12);
		break;
	default:
		buf_put(b, "BODY[", 5);
		break;
	}
	wire_out_section(b, d, &item->section);
	buf_putc(b, ']');
	if (!item->has_partial)
		return;
	buf_putc(b, '<');
	buf_u64(b, item->from);
	buf_putc(b, '>');
}

void
wire_out_fetch_section(
    struct buf *b, const struct wire_dialect *d, const struct wire_fetch_item *item)
{
	switch (item->id) {
	case WIRE_FETCH_RFC822:
	case WIRE_FETCH_RFC822_HEADER:
	case WIRE_FETCH_RFC822_TEXT:
		buf_puts(b, wire_name_of(wire_fetch_names, item->id));
		break;
	default:
		put_bracketed(b, d, item);
		break;
	}
}

/* ---- printing as a whole */

static void
put_content(struct buf *b, const struct wire_dialect *d, const struct wire_fetch_content *c)
{
	wire_out_fetch_section(b, d, &c->item);
	buf_putc(b, ' ');
	if (c->item.id == WIRE_FETCH_BINARY_SIZE)
		buf_u64(b, c->size);
	else if (c->bytes.p == NULL)
		buf_put(b, "NIL", 3);
	else {
		wire_out_literal_head(b, c->bytes.n, str_chr(c->bytes, '\0') != NULL);
		buf_str(b, c->bytes);
	}
}

static void
put_known(struct buf *b, const struct wire_dialect *d, const struct wire_fetch_data *data,
    enum wire_fetch_id id)
{
	wire_out_fetch_name(b, id);
	switch (id) {
	case WIRE_FETCH_FLAGS:
		wire_out_flag_list(b, &data->flags);
		break;
	case WIRE_FETCH_INTERNALDATE:
		wire_out_time(b, data->internaldate);
		break;
	case WIRE_FETCH_UID:
		buf_u64(b, data->uid);
		break;
	case WIRE_FETCH_RFC822_SIZE:
		buf_u64(b, data->size);
		break;
	case WIRE_FETCH_ENVELOPE:
		wire_out_envelope(b, d, &data->envelope);
		break;
	case WIRE_FETCH_BODYSTRUCTURE:
		wire_out_body(b, d, &data->bodystructure);
		break;
	default:
		wire_out_body(b, d, &data->body);
		break;
	}
}

void
wire_out_fetch(
    struct buf *b, const struct wire_dialect *d, uint32_t seq, const struct wire_fetch_data *data)
{
	size_t first;

	wire_out_fetch_begin(b, seq);
	first = b->n;
	for (unsigned id = 0; id <= WIRE_FETCH_BODY; id++)
		if ((data->has & 1u << id) != 0) {
			if (b->n > first)
				wire_out_fetch_sp(b);
			put_known(b, d, data, id);
		}
	for (size_t i = 0; i < data->n_contents; i++) {
		if (b->n > first)
			wire_out_fetch_sp(b);
		put_content(b, d, &data->contents[i]);
	}
	if (data->other.n > 0 && b->n > first)
		wire_out_fetch_sp(b);
	wire_out_params(b, &data->other);
	wire_out_fetch_end(b);
}
