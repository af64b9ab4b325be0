/* SPDX-License-Identifier: Apache-2.0 */
/* FETCH and STORE: see fetch.h. */
#include "wire/fetch.h"

#include <string.h>

#include "wire/vec_int.h"

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

/* Names with a section behind them. */
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
static const struct wire_name macros[] = {/* how many of macro_items */
    {"FAST", 3}, {"ALL", 4}, {"FULL", 5}, {NULL, 0}};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "1.2", up to what is no digit behind a dot; *more_r: a dot was read and a name follows. */
static bool
read_part(struct wire_in *in, struct wire_section *section, bool *more_r)
{
	struct wire_vec vec = {0};

	*more_r = true;
	while (*more_r && is_digit(wire_in_peek(in))) {
		if (vec.n >= in->limits->items)
			return wire_in_limit(in, "Too many part numbers");
		if (!wire_in_nz_number(in, WIRE_VEC_PUSH(in->arena, &vec, uint32_t)))
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
	struct wire_vec vec = {0};

	if (!wire_in_sp(in) || !wire_in_open(in))
		return false;
	do {
		if (vec.n >= in->limits->items)
			return wire_in_limit(in, "Too many header fields");
		if (!wire_in_astring(in, WIRE_VEC_PUSH(in->arena, &vec, struct str)))
			return false;
	} while (wire_in_more(in));
	*fields = (struct wire_names){vec.v, vec.n};
	return wire_in_close(in);
}

/* Behind "[", up to and with "]". */
static bool
read_section(struct wire_in *in, struct wire_section *section, bool binary)
{
	const struct wire_name *known;
	struct str name;
	bool more;

	if (wire_in_try_char(in, ']'))
		return true;
	if (!read_part(in, section, &more))
		return false;
	if (!more || (binary && section->n_part == 0))
		return wire_in_char(in, ']');
	if (binary) /* RFC 3516: part numbers only */
		return wire_in_fail(in, "Bad section");
	if (!wire_in_name(in, &name))
		return false;
	known = wire_name_find(wire_section_names, name);
	if (known == NULL || (known->id == WIRE_SECTION_MIME && section->n_part == 0))
		return wire_in_fail(in, "Bad section");
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
	return item->length > 0 || wire_in_fail(in, "Partial of no bytes");
}

/* A name up to "[" (which is an ATOM-CHAR) or the end of the atom. */
static bool
read_item_name(struct wire_in *in, struct str *name_r)
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
		return wire_in_fail(in, "A name expected");
	in->p += name_r->n;
	return true;
}

static bool
read_item(struct wire_in *in, bool list, struct wire_fetch_item *item)
{
	const struct wire_name *known;
	struct str name;

	if (!read_item_name(in, &name))
		return false;
	if (wire_in_try_char(in, '[')) {
		known = wire_name_find(section_items, name);
		if (known == NULL)
			return wire_in_fail(in, "No such item with a section");
		item->id = known->id & ~(unsigned)PEEK;
		item->peek = (known->id & PEEK) != 0;
		return read_section(in, &item->section, item->id != WIRE_FETCH_BODY_SECTION) &&
		       (item->id == WIRE_FETCH_BINARY_SIZE || read_partial(in, item));
	}
	if (wire_in_peek(in) == '<')
		return wire_in_fail(in, "Partial without a section");
	known = wire_name_find(wire_fetch_names, name);
	if (known != NULL) {
		item->id = known->id;
		item->peek = known->id == WIRE_FETCH_RFC822_HEADER;
		return true;
	}
	if (wire_name_find(section_items, name) != NULL)
		return wire_in_fail(in, "A section expected");
	item->id = WIRE_FETCH_OTHER;
	item->name = name;
	/* Alone, a list behind it would be the modifiers of FETCH. */
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
		for (unsigned i = 0; i < m->id; i++)
			WIRE_VEC_PUSH(in->arena, items, struct wire_fetch_item)->id =
			    macro_items[i];
		return true;
	}
	return false;
}

static bool
read_items(struct wire_in *in, struct wire_fetch *cmd)
{
	struct wire_vec vec = {0};
	bool list = wire_in_try_open(in);

	if (list || !read_macro(in, &vec)) {
		do {
			if (vec.n >= in->limits->items)
				return wire_in_limit(in, "Too many items");
			if (!read_item(
			        in, list, WIRE_VEC_PUSH(in->arena, &vec, struct wire_fetch_item)))
				return false;
		} while (list && wire_in_more(in));
	}
	cmd->items = vec.v;
	cmd->n_items = vec.n;
	return !list || wire_in_close(in);
}

bool
wire_fetch_parse(struct wire_in *in, struct wire_fetch *cmd_r)
{
	*cmd_r = (struct wire_fetch){0};
	if (!wire_in_sp(in) || !wire_in_set(in, &cmd_r->set) || !wire_in_sp(in) ||
	    !read_items(in, cmd_r))
		return false;
	if (wire_in_at_end(in))
		return true;
	return wire_in_sp(in) && wire_in_params(in, &cmd_r->modifiers) && wire_in_end(in);
}

bool
wire_store_parse(struct wire_in *in, struct wire_store *cmd_r)
{
	*cmd_r = (struct wire_store){0};
	if (!wire_in_sp(in) || !wire_in_set(in, &cmd_r->set) || !wire_in_sp(in))
		return false;
	if (wire_in_peek(in) == '(' && (!wire_in_params(in, &cmd_r->modifiers) || !wire_in_sp(in)))
		return false;
	if (wire_in_try_char(in, '+'))
		cmd_r->op = WIRE_STORE_ADD;
	else if (wire_in_try_char(in, '-'))
		cmd_r->op = WIRE_STORE_REMOVE;
	cmd_r->silent = wire_in_try_word(in, "FLAGS.SILENT");
	if (!cmd_r->silent && !wire_in_try_word(in, "FLAGS"))
		return wire_in_fail(in, "FLAGS expected");
	return wire_in_sp(in) && wire_in_flags(in, &cmd_r->flags) && wire_in_end(in);
}
