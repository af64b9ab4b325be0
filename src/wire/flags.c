/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints flags: see flags.h. */
#include "wire/flags.h"

#include "wire/vec.h"

static const struct wire_name flag_names[] = {{"Answered", WIRE_FLAG_ANSWERED},
    {"Flagged", WIRE_FLAG_FLAGGED}, {"Deleted", WIRE_FLAG_DELETED}, {"Seen", WIRE_FLAG_SEEN},
    {"Draft", WIRE_FLAG_DRAFT}, {NULL, 0}};

struct reader {
	struct wire_in *in;
	struct wire_flags *flags;
	struct wire_vec keywords;
	bool told;
};

static bool
add_keyword(struct reader *r, struct str name)
{
	struct str *keyword = WIRE_VEC_PUSH(r->in, &r->keywords, struct str, "Too many flags");

	if (keyword != NULL)
		*keyword = name;
	return keyword != NULL;
}

/* An unknown \Name, of which only the start is given. */
static bool
add_unknown(struct reader *r, struct str name)
{
	if (r->told && str_ieq(name, STR("\\Recent")))
		r->flags->system |= WIRE_FLAG_RECENT;
	else if (r->told && str_eq(name, STR("\\*")))
		r->flags->star = true;
	else if (r->told)
		return add_keyword(r, name);
	else if (r->flags->unknown.p == NULL)
		r->flags->unknown = name;
	return true;
}

static bool
read_flag(struct reader *r)
{
	const char *from = r->in->p;
	const struct wire_name *known = NULL;
	struct str name;

	if (!wire_in_try_char(r->in, '\\'))
		return wire_in_atom(r->in, &name) && add_keyword(r, name);
	if (!wire_in_try_char(r->in, '*')) {
		if (!wire_in_atom(r->in, &name))
			return false;
		known = wire_name_find(flag_names, name);
	}
	if (known == NULL)
		return add_unknown(r, str_range(from, r->in->p));
	r->flags->system |= known->id;
	return true;
}

static bool
read_flags(struct wire_in *in, bool list, bool told, struct wire_flags *flags_r)
{
	struct reader r = {.in = in, .flags = flags_r, .told = told};

	*flags_r = (struct wire_flags){0};
	if (list && !wire_in_open(in))
		return false;
	if (list && wire_in_try_char(in, ')'))
		return true;
	do {
		if (!read_flag(&r))
			return false;
	} while (wire_in_more(in));
	if (list && !wire_in_close(in))
		return false;
	flags_r->keywords = r.keywords.v;
	flags_r->n_keywords = r.keywords.n;
	return true;
}

bool
wire_in_flag_list(struct wire_in *in, struct wire_flags *flags_r)
{
	return read_flags(in, true, false, flags_r);
}

bool
wire_in_flags(struct wire_in *in, struct wire_flags *flags_r)
{
	return read_flags(in, wire_in_peek(in) == '(', false, flags_r);
}

bool
wire_in_flags_told(struct wire_in *in, struct wire_flags *flags_r)
{
	return read_flags(in, true, true, flags_r);
}

bool
wire_in_flags_line(struct wire_in *in, struct wire_flags *flags_r)
{
	return wire_in_sp(in) && wire_in_flags_told(in, flags_r) && wire_in_end(in);
}

/* ---- printing */

/* Each flag has a blank before it, and the first blank becomes the parenthesis. */
void
wire_out_flags(
    struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords, bool star)
{
	static const struct str names[] = {STR(" \\Answered"), STR(" \\Flagged"), STR(" \\Deleted"),
	    STR(" \\Seen"), STR(" \\Draft"), STR(" \\Recent")}; /* by the bits of WIRE_FLAG_* */
	size_t first = b->n;

	for (unsigned bits = system & (2 * WIRE_FLAG_RECENT - 1); bits != 0; bits &= bits - 1)
		buf_str(b, names[__builtin_ctz(bits)]);
	for (size_t i = 0; i < n_keywords; i++) {
		buf_putc(b, ' ');
		buf_str(b, keywords[i]);
	}
	if (star)
		buf_put(b, " \\*", 3);
	if (b->n == first)
		buf_putc(b, '(');
	else
		b->p[first] = '(';
	buf_putc(b, ')');
}

void
wire_out_flag_list(struct buf *b, const struct wire_flags *flags)
{
	wire_out_flags(b, flags->system, flags->keywords, flags->n_keywords, flags->star);
	if (flags->unknown.p == NULL)
		return;
	b->n -= b->n > 0; /* the parenthesis */
	if (flags->system != 0 || flags->n_keywords > 0 || flags->star)
		buf_putc(b, ' ');
	buf_str(b, flags->unknown);
	buf_putc(b, ')');
}

void
wire_out_flags_line(struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords)
{
	buf_put(b, "* FLAGS ", 8);
	wire_out_flags(b, system, keywords, n_keywords, false);
	buf_put(b, "\r\n", 2);
}
