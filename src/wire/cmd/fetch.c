/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints FETCH: see fetch.h. */
#include "wire/cmd/fetch.h"

#include "base/ascii.h"
#include "base/err.h"
#include "wire/vec.h"

const struct wire_name wire_fetch_names[] = {
    {"FLAGS", WIRE_FETCH_FLAGS},
    {"INTERNALDATE", WIRE_FETCH_INTERNALDATE},
    {"UID", WIRE_FETCH_UID},
    {"RFC822.SIZE", WIRE_FETCH_RFC822_SIZE},
    {"ENVELOPE", WIRE_FETCH_ENVELOPE},
    {"BODYSTRUCTURE", WIRE_FETCH_BODYSTRUCTURE},
    {"BODY", WIRE_FETCH_BODY},
    {"RFC822", WIRE_FETCH_RFC822},
    {"RFC822.HEADER", WIRE_FETCH_RFC822_HEADER},
    {"RFC822.TEXT", WIRE_FETCH_RFC822_TEXT},
    {NULL, 0},
};

const struct wire_name wire_section_names[] = {
    {"HEADER", WIRE_SECTION_HEADER},
    {"HEADER.FIELDS", WIRE_SECTION_HEADER_FIELDS},
    {"HEADER.FIELDS.NOT", WIRE_SECTION_HEADER_FIELDS_NOT},
    {"TEXT", WIRE_SECTION_TEXT},
    {"MIME", WIRE_SECTION_MIME},
    {NULL, 0},
};

/* Names followed by a section. */
enum { PEEK = 256 };
static const struct wire_name section_items[] = {
    {"BODY", WIRE_FETCH_BODY_SECTION},
    {"BODY.PEEK", WIRE_FETCH_BODY_SECTION | PEEK},
    {"BINARY", WIRE_FETCH_BINARY},
    {"BINARY.PEEK", WIRE_FETCH_BINARY | PEEK},
    {"BINARY.SIZE", WIRE_FETCH_BINARY_SIZE | PEEK},
    {NULL, 0},
};

static const enum wire_fetch_id macro_items[] = {WIRE_FETCH_FLAGS, WIRE_FETCH_INTERNALDATE,
    WIRE_FETCH_RFC822_SIZE, WIRE_FETCH_ENVELOPE, WIRE_FETCH_BODY};
static const struct wire_name macros[] = {/* number of macro_items */
    {"FAST", 3}, {"ALL", 4}, {"FULL", 5}, {NULL, 0}};

/* Reads "1.2", up to what is not a digit after a dot; *more_r: a dot was read and a name
 * follows. */
static bool
read_part(struct wire_in *in, struct wire_section *section, bool *more_r)
{
	struct wire_vec vec = {0};

	*more_r = true;
	while (*more_r && ascii_is_digit(wire_in_peek(in))) {
		uint32_t *part = WIRE_VEC_PUSH(in, &vec, uint32_t, "Too many part numbers");

		if (part == NULL || !wire_in_nz_number(in, part))
			return false;
		*more_r = wire_in_try_char(in, '.');
	}
	section->part = vec.v;
	section->n_part = vec.n;
	return true;
}

static bool
read_fields(struct wire_in *in, struct wire_names *fields)
{
	return wire_in_sp(in) && wire_in_astrings(in, fields);
}

bool
wire_in_section(struct wire_in *in, struct wire_section *section, bool binary)
{
	const struct wire_name *known;
	struct str name;
	bool more;

	*section = (struct wire_section){0};
	if (wire_in_try_char(in, ']'))
		return true;
	if (!read_part(in, section, &more))
		return false;
	if (!more || (binary && section->n_part == 0))
		return wire_in_char(in, ']');
	if (binary) /* RFC 3516: part numbers only */
		return wire_in_fail(in, "Invalid section");
	if (!wire_in_name(in, &name))
		return false;
	known = wire_name_find(wire_section_names, name);
	if (known == NULL || (known->id == WIRE_SECTION_MIME && section->n_part == 0))
		return wire_in_fail(in, "Invalid section");
	section->what = known->id;
	if ((section->what == WIRE_SECTION_HEADER_FIELDS ||
	        section->what == WIRE_SECTION_HEADER_FIELDS_NOT) &&
	    !read_fields(in, &section->fields))
		return false;
	return wire_in_char(in, ']');
}

static bool
read_partial(struct wire_in *in, struct wire_fetch_item *item)
{
	if (!wire_in_try_char(in, '<'))
		return in->error == NULL;
	item->has_partial = true;
	if (!wire_in_number64(in, &item->from) || !wire_in_char(in, '.') ||
	    !wire_in_number64(in, &item->length) || !wire_in_char(in, '>'))
		return false;
	return item->length > 0 || wire_in_fail(in, "Empty partial range");
}

bool
wire_in_fetch_name(struct wire_in *in, struct str *name_r)
{
	struct wire_in atom = *in;

	if (!wire_in_name(&atom, name_r)) {
		*in = atom;
		return false;
	}
	for (size_t i = 0; i < name_r->n; i++)
		if (name_r->p[i] == '[' || name_r->p[i] == '<') {
			name_r->n = i;
			break;
		}
	if (name_r->n == 0)
		return wire_in_fail(in, "Expected a name");
	in->p += name_r->n;
	return true;
}

static bool
read_item(struct wire_in *in, bool list, struct wire_fetch_item *item)
{
	const struct wire_name *known;
	struct str name;

	if (!wire_in_fetch_name(in, &name))
		return false;
	if (wire_in_try_char(in, '[')) {
		known = wire_name_find(section_items, name);
		if (known == NULL)
			return wire_in_fail(in, "This item does not take a section");
		item->id = known->id & ~(unsigned)PEEK;
		item->peek = (known->id & PEEK) != 0;
		return wire_in_section(in, &item->section, item->id != WIRE_FETCH_BODY_SECTION) &&
		       (item->id == WIRE_FETCH_BINARY_SIZE || read_partial(in, item));
	}
	if (wire_in_peek(in) == '<')
		return wire_in_fail(in, "Partial range without a section");
	known = wire_name_find(wire_fetch_names, name);
	if (known != NULL) {
		item->id = known->id;
		item->peek = known->id == WIRE_FETCH_RFC822_HEADER;
		return true;
	}
	if (wire_name_find(section_items, name) != NULL)
		return wire_in_fail(in, "Expected a section");
	item->id = WIRE_FETCH_OTHER;
	item->name = name;
	/* For a single item, a list after it may be the modifiers of FETCH: see
	 * read_modifiers(). */
	if (list && wire_in_sp_then(in, '('))
		return wire_in_sp(in) && wire_in_value(in, &item->args);
	return true;
}

static bool
read_macro(struct wire_in *in, struct wire_vec *items)
{
	for (const struct wire_name *m = macros; m->name != NULL; m++) {
		if (!wire_in_try_word(in, m->name))
			continue;
		for (unsigned i = 0; i < m->id; i++) {
			struct wire_fetch_item *item =
			    WIRE_VEC_PUSH(in, items, struct wire_fetch_item, "Too many items");

			if (item == NULL)
				return false;
			item->id = macro_items[i];
		}
		return true;
	}
	return false;
}

static bool
read_items(struct wire_in *in, struct wire_fetch *cmd, bool *alone_r)
{
	struct wire_vec vec = {0};
	bool list = wire_in_try_open(in);

	*alone_r = !list;
	if (list || !read_macro(in, &vec)) {
		do {
			struct wire_fetch_item *item =
			    WIRE_VEC_PUSH(in, &vec, struct wire_fetch_item, "Too many items");

			if (item == NULL || !read_item(in, list, item))
				return false;
		} while (list && wire_in_more(in));
	}
	cmd->items = vec.v;
	cmd->n_items = vec.n;
	return !list || wire_in_close(in);
}

/* If two lists follow a single item, the first belongs to the item; a single list is ambiguous
 * here. */
static bool
read_modifiers(struct wire_in *in, bool alone, struct wire_fetch *cmd)
{
	const char *from;
	struct str raw;

	if (!wire_in_sp(in))
		return false;
	from = in->p;
	if (!wire_in_params(in, &cmd->modifiers))
		return false;
	raw = str_range(from, in->p);
	if (!alone || cmd->items[0].id != WIRE_FETCH_OTHER)
		return wire_in_end(in);
	if (!wire_in_sp_then(in, '(')) {
		cmd->either = raw;
		return wire_in_end(in);
	}
	cmd->items[0].args = raw;
	return wire_in_sp(in) && wire_in_params(in, &cmd->modifiers) && wire_in_end(in);
}

bool
wire_fetch_parse(struct wire_in *in, struct wire_fetch *cmd_r)
{
	bool alone;

	*cmd_r = (struct wire_fetch){0};
	if (!wire_in_sp(in) || !wire_in_set(in, &cmd_r->set) || !wire_in_sp(in) ||
	    !read_items(in, cmd_r, &alone))
		return false;
	return wire_in_at_end(in) || read_modifiers(in, alone, cmd_r);
}

/* ---- the command, printing */

void
wire_out_section(struct buf *b, const struct wire_dialect *d, const struct wire_section *section)
{
	for (size_t i = 0; i < section->n_part; i++) {
		if (i > 0)
			buf_putc(b, '.');
		buf_u64(b, section->part[i]);
	}
	if (section->what == WIRE_SECTION_ALL)
		return;
	if (section->n_part > 0)
		buf_putc(b, '.');
	buf_puts(b, wire_name_of(wire_section_names, section->what));
	if (section->fields.n > 0) {
		buf_putc(b, ' ');
		wire_out_astrings(b, d, &section->fields);
	}
}

static bool
has_section(enum wire_fetch_id id)
{
	return id == WIRE_FETCH_BODY_SECTION || id == WIRE_FETCH_BINARY ||
	       id == WIRE_FETCH_BINARY_SIZE;
}

static void
put_partial(struct buf *b, const struct wire_fetch_item *item)
{
	if (!item->has_partial)
		return;
	buf_putc(b, '<');
	buf_u64(b, item->from);
	buf_putc(b, '.');
	buf_u64(b, item->length);
	buf_putc(b, '>');
}

static void
put_item(struct buf *b, const struct wire_dialect *d, const struct wire_fetch_item *item)
{
	unsigned peek = item->peek || item->id == WIRE_FETCH_BINARY_SIZE ? PEEK : 0;

	if (has_section(item->id)) {
		buf_puts(b, wire_name_of(section_items, item->id | peek));
		buf_putc(b, '[');
		wire_out_section(b, d, &item->section);
		buf_putc(b, ']');
		put_partial(b, item);
	} else if (item->id != WIRE_FETCH_OTHER) {
		buf_puts(b, wire_name_of(wire_fetch_names, item->id));
	} else {
		buf_str(b, item->name);
		if (item->args.p != NULL) {
			buf_putc(b, ' ');
			buf_str(b, item->args);
		}
	}
}

void
wire_fetch_print(struct buf *b, const struct wire_dialect *d, const struct wire_fetch *cmd)
{
	buf_putc(b, ' ');
	wire_set_print(b, &cmd->set);
	for (size_t i = 0; i < cmd->n_items; i++) {
		buf_puts(b, i == 0 ? " (" : " ");
		put_item(b, d, &cmd->items[i]);
	}
	buf_putc(b, ')');
	if (cmd->modifiers.n == 0)
		return;
	buf_putc(b, ' ');
	wire_out_param_list(b, &cmd->modifiers);
}

/* ---- the response, parsing */

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

/* Starts after the bracket. */
static bool
read_section(struct reader *r, struct str name)
{
	const struct wire_name *known = wire_name_find(section_names, name);
	struct wire_fetch_content *c;

	if (known == NULL)
		return wire_in_fail(r->in, "This item does not take a section");
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
read_told(struct reader *r)
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
		if (!read_told(&r))
			return false;
	} while (wire_in_more(in));
	data_r->contents = r.contents.v;
	data_r->n_contents = r.contents.n;
	data_r->other = (struct wire_params){r.other.v, r.other.n};
	return wire_in_close(in) && wire_in_end(in);
}

/* ---- the response, item by item */

void
wire_out_fetch_begin(struct buf *b, const struct wire_dialect *d, uint32_t number)
{
	buf_put(b, "* ", 2);
	buf_u64(b, number);
	buf_puts(b, d->uidonly ? " UIDFETCH (" : " FETCH (");
}

void
wire_out_fetch_end(struct buf *b)
{
	buf_put(b, ")\r\n", 3);
}

/* By enum wire_fetch_id; names that a section may follow have none. */
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

/* ---- the response as a whole */

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

	wire_out_fetch_begin(b, d, seq);
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
