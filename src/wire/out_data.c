/* SPDX-License-Identifier: Apache-2.0 */
/* Untagged data: see out.h. */
#include "wire/out.h"

#include "wire/utf7.h"

const struct wire_name wire_attr_names[] = {
    {"\\Noselect", WIRE_ATTR_NOSELECT},
    {"\\NonExistent", WIRE_ATTR_NONEXISTENT},
    {"\\Noinferiors", WIRE_ATTR_NOINFERIORS},
    {"\\HasChildren", WIRE_ATTR_HASCHILDREN},
    {"\\HasNoChildren", WIRE_ATTR_HASNOCHILDREN},
    {"\\Marked", WIRE_ATTR_MARKED},
    {"\\Unmarked", WIRE_ATTR_UNMARKED},
    {"\\Subscribed", WIRE_ATTR_SUBSCRIBED},
    {"\\Remote", WIRE_ATTR_REMOTE},
    {"\\All", WIRE_ATTR_ALL},
    {"\\Archive", WIRE_ATTR_ARCHIVE},
    {"\\Drafts", WIRE_ATTR_DRAFTS},
    {"\\Flagged", WIRE_ATTR_FLAGGED},
    {"\\Junk", WIRE_ATTR_JUNK},
    {"\\Sent", WIRE_ATTR_SENT},
    {"\\Trash", WIRE_ATTR_TRASH},
    {"\\Important", WIRE_ATTR_IMPORTANT},
    {NULL, 0},
};

void
wire_out_number(struct buf *b, uint32_t n, const char *name)
{
	buf_put(b, "* ", 2);
	buf_u64(b, n);
	buf_putc(b, ' ');
	buf_puts(b, name);
	buf_put(b, "\r\n", 2);
}

void
wire_out_flags_line(struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords)
{
	buf_put(b, "* FLAGS ", 8);
	wire_out_flags(b, system, keywords, n_keywords, false);
	buf_put(b, "\r\n", 2);
}

void
wire_out_line(struct buf *b, struct str line)
{
	buf_put(b, "* ", 2);
	buf_str(b, line);
	buf_put(b, "\r\n", 2);
}

void
wire_out_words(struct buf *b, const char *name, const struct str *words, size_t n)
{
	buf_puts(b, name);
	for (size_t i = 0; i < n; i++) {
		buf_putc(b, ' ');
		buf_str(b, words[i]);
	}
}

void
wire_out_words_line(struct buf *b, const char *name, const struct str *words, size_t n)
{
	buf_put(b, "* ", 2);
	wire_out_words(b, name, words, n);
	buf_put(b, "\r\n", 2);
}

static void
put_delimiter(struct buf *b, char delimiter)
{
	if (delimiter == '\0')
		buf_put(b, "NIL", 3);
	else
		wire_out_quoted(b, (struct str){&delimiter, 1});
}

/* RFC 5258 section 3.5: the criteria that a descendant meets. */
static void
put_childinfo(struct buf *b, unsigned criteria)
{
	const char *between = "\"CHILDINFO\" (";

	if (criteria == 0)
		return;
	for (const struct wire_name *c = wire_list_select_names; c->name != NULL; c++)
		if ((criteria & c->id) != 0) {
			buf_puts(b, between);
			wire_out_quoted(b, str_of(c->name));
			between = " ";
		}
	buf_putc(b, ')');
}

void
wire_out_list(struct buf *b, const struct wire_dialect *d, const struct wire_list_row *row)
{
	const char *between = "";

	buf_puts(b, row->lsub ? "* LSUB (" : "* LIST (");
	for (const struct wire_name *attr = wire_attr_names; attr->name != NULL; attr++)
		if ((row->attrs & attr->id) != 0) {
			buf_puts(b, between);
			buf_puts(b, attr->name);
			between = " ";
		}
	buf_put(b, ") ", 2);
	put_delimiter(b, row->delimiter);
	buf_putc(b, ' ');
	wire_out_mailbox(b, d, row->name);
	if (row->childinfo != 0 || row->oldname.p != NULL) {
		buf_put(b, " (", 2);
		put_childinfo(b, row->childinfo);
		if (row->oldname.p != NULL) { /* RFC 9051 section 6.3.9.7 */
			buf_puts(b, row->childinfo != 0 ? " \"OLDNAME\" (" : "\"OLDNAME\" (");
			wire_out_mailbox(b, d, row->oldname);
			buf_putc(b, ')');
		}
		buf_putc(b, ')');
	}
	buf_put(b, "\r\n", 2);
}

void
wire_out_status(struct buf *b, const struct wire_dialect *d, struct str mailbox,
    const struct wire_status_values *values, struct str other)
{
	const char *between = "";

	buf_puts(b, "* STATUS ");
	wire_out_mailbox(b, d, mailbox);
	buf_put(b, " (", 2);
	for (const struct wire_name *item = wire_status_names; item->name != NULL; item++)
		if ((values->mask & 1u << item->id) != 0) {
			buf_puts(b, between);
			buf_puts(b, item->name);
			buf_putc(b, ' ');
			buf_u64(b, values->v[item->id]);
			between = " ";
		}
	if (other.n > 0) {
		buf_puts(b, between);
		buf_str(b, other);
	}
	buf_put(b, ")\r\n", 3);
}

static void
put_namespaces(struct buf *b, const struct wire_dialect *d, const struct wire_namespaces *set)
{
	if (set->n == 0) {
		buf_put(b, "NIL", 3);
		return;
	}
	buf_putc(b, '(');
	for (size_t i = 0; i < set->n; i++) {
		struct buf prefix = {0};

		buf_putc(b, '(');
		/* A string, not an astring, but in the encoding of names (RFC 2342 section 5). */
		if (d->utf8)
			buf_str(&prefix, set->v[i].prefix);
		else
			wire_utf8_to_utf7(&prefix, set->v[i].prefix);
		wire_out_string(b, d, buf_as_str(&prefix));
		buf_fini(&prefix);
		buf_putc(b, ' ');
		put_delimiter(b, set->v[i].delimiter);
		buf_putc(b, ')');
	}
	buf_putc(b, ')');
}

void
wire_out_namespace(
    struct buf *b, const struct wire_dialect *d, const struct wire_namespaces sets[3])
{
	buf_puts(b, "* NAMESPACE");
	for (int i = 0; i < 3; i++) {
		buf_putc(b, ' ');
		put_namespaces(b, d, &sets[i]);
	}
	buf_put(b, "\r\n", 2);
}

void
wire_out_id(struct buf *b, const struct wire_dialect *d, const struct wire_pair *pairs, size_t n)
{
	buf_puts(b, n > 0 ? "* ID (" : "* ID NIL");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_putc(b, ' ');
		wire_out_string(b, d, pairs[i].name);
		buf_putc(b, ' ');
		wire_out_nstring(b, d, pairs[i].value);
	}
	buf_puts(b, n > 0 ? ")\r\n" : "\r\n");
}

void
wire_out_search_begin(struct buf *b)
{
	buf_puts(b, "* SEARCH");
}

void
wire_out_search_add(struct buf *b, const uint32_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_putc(b, ' ');
		buf_u64(b, ids[i]);
	}
}

void
wire_out_search_end(struct buf *b)
{
	buf_put(b, "\r\n", 2);
}

static void
put_named(struct buf *b, const char *name, uint64_t n)
{
	buf_puts(b, name);
	buf_u64(b, n);
}

void
wire_out_esearch_begin(struct buf *b, const struct wire_esearch *e, struct wire_set_out *all_r)
{
	buf_puts(b, "* ESEARCH");
	if (e->tag.n > 0) {
		buf_puts(b, " (TAG ");
		wire_out_quoted(b, e->tag);
		buf_putc(b, ')');
	}
	if (e->uid)
		buf_puts(b, " UID");
	if ((e->has & WIRE_RETURN_MIN) != 0)
		put_named(b, " MIN ", e->min);
	if ((e->has & WIRE_RETURN_MAX) != 0)
		put_named(b, " MAX ", e->max);
	if ((e->has & WIRE_RETURN_COUNT) != 0)
		put_named(b, " COUNT ", e->count);
	if ((e->has & WIRE_RETURN_ALL) != 0)
		buf_puts(b, " ALL ");
	*all_r = (struct wire_set_out){.b = b};
}

void
wire_out_esearch_end(struct buf *b, struct wire_set_out *all)
{
	wire_set_out_end(all);
	buf_put(b, "\r\n", 2);
}

/* ---- FETCH */

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

void
wire_out_fetch_number(struct buf *b, enum wire_fetch_id id, uint64_t n)
{
	switch (id) { /* the two that matter, without a search in the table */
	case WIRE_FETCH_UID:
		buf_put(b, "UID ", 4);
		break;
	case WIRE_FETCH_RFC822_SIZE:
		buf_put(b, "RFC822.SIZE ", 12);
		break;
	default:
		buf_puts(b, wire_name_of(wire_fetch_names, id));
		buf_putc(b, ' ');
		break;
	}
	buf_u64(b, n);
}

static void
put_section(struct buf *b, const struct wire_dialect *d, const struct wire_section *section)
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
	for (size_t i = 0; i < section->fields.n; i++) {
		buf_puts(b, i == 0 ? " (" : " ");
		wire_out_astring(b, d, section->fields.v[i]);
	}
	if (section->fields.n > 0)
		buf_putc(b, ')');
}

void
wire_out_fetch_section(
    struct buf *b, const struct wire_dialect *d, const struct wire_fetch_item *item)
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
	put_section(b, d, &item->section);
	buf_putc(b, ']');
	if (item->has_partial) {
		buf_putc(b, '<');
		buf_u64(b, item->from);
		buf_putc(b, '>');
	}
}
