/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints names of mailboxes and patterns of LIST: see in.h and out.h. */
#include <string.h>

#include "base/normal.h"
#include "wire/in.h"
#include "wire/out.h"
#include "wire/utf7.h"

/* ---- the separator */

static char
swapped(char c, char separator)
{
	return c == separator ? '/' : c == '/' ? separator : c;
}

static bool
is_swapped(const struct wire_dialect *d, struct str name)
{
	char separator = wire_separator(d);

	return separator != '/' && (str_chr(name, '/') != NULL || str_chr(name, separator) != NULL);
}

/* ---- parsing */

/* Converts modified UTF-7 to UTF-8; a text without "&" is the same in both.  Returns false if it is
 * not a name, or if the cursor failed for lack of memory. */
static bool
utf7_to_utf8(struct wire_in *in, struct str *name)
{
	struct buf b = {.oom = arena_oom(in->arena)};
	bool ok;

	if (in->dialect->utf8)
		return true;
	if (str_chr(*name, '&') == NULL && str_is_ascii(*name))
		return true;
	ok = wire_utf7_to_utf8(&b, *name);
	*name = ok ? arena_try_str(in->arena, buf_as_str(&b)) : STR_NONE;
	buf_fini(&b);
	if (buf_failed(&b))
		return wire_in_no_memory(in);
	return ok;
}

/* The same, and puts '/' between levels. */
static bool
name_to_utf8(struct wire_in *in, struct str *name)
{
	char *copy;

	if (!utf7_to_utf8(in, name))
		return false;
	if (!is_swapped(in->dialect, *name))
		return true;
	copy = arena_try_zalloc(in->arena, name->n);
	if (copy == NULL)
		return wire_in_no_memory(in);
	for (size_t i = 0; i < name->n; i++)
		copy[i] = swapped(name->p[i], wire_separator(in->dialect));
	*name = (struct str){copy, name->n};
	return true;
}

bool
wire_in_mailbox(struct wire_in *in, struct str *name_r)
{
	const char *fault = NULL;
	struct str given;

	if (!wire_in_astring(in, name_r))
		return false;
	if (!name_to_utf8(in, name_r))
		fault = N_("The mailbox name is not valid modified UTF-7");
	else if (name_r->n == 0)
		fault = N_("The mailbox name is empty");
	else if (!wire_name_ok(*name_r))
		fault = N_("The mailbox name contains characters that are not allowed");
	if (fault != NULL) { /* unless memory ran out */
		in->impossible = in->error == NULL;
		return wire_in_fail(in, fault);
	}
	given = *name_r;
	*name_r = str_normal(in->arena, given);
	in->given = name_r->p != given.p ? given : STR_NONE;
	*name_r = wire_name_kept(in->arena, *name_r);
	return name_r->p != NULL || wire_in_no_memory(in);
}

bool
wire_in_mailbox_told(struct wire_in *in, struct str *name_r)
{
	if (!wire_in_astring(in, name_r))
		return false;
	if (!name_to_utf8(in, name_r) || !str_is_utf8(*name_r))
		*name_r = STR_NONE;
	return in->error == NULL;
}

static bool
is_list_char(char c)
{
	unsigned char u = (unsigned char)c;

	return u > ' ' && u < 0x7F && strchr("(){\"\\", c) == NULL;
}

bool
wire_in_list_mailbox(struct wire_in *in, struct str *pattern_r)
{
	const char *p = in->p;

	*pattern_r = STR_NONE;
	if (wire_in_peek(in) == '"' || wire_in_peek(in) == '{') {
		if (!wire_in_string(in, pattern_r))
			return false;
	} else {
		while (p < in->end && is_list_char(*p))
			p++;
		if (p == in->p || in->error != NULL)
			return wire_in_fail(in, "Expected a mailbox pattern");
		*pattern_r = str_range(in->p, p);
		in->p = p;
	}
	/* RFC 9051 section 6.3.9: a pattern that is not accepted is silently ignored. */
	if (!name_to_utf8(in, pattern_r) || (pattern_r->n > 0 && !wire_name_ok(*pattern_r))) {
		*pattern_r = STR_NONE;
		return in->error == NULL;
	}
	*pattern_r = str_normal(in->arena, *pattern_r);
	return pattern_r->p != NULL || wire_in_no_memory(in);
}

/* ---- printing */

/* Returns whether the name is the same in modified UTF-7, or that is not used. */
static bool
as_it_is(const struct wire_dialect *d, struct str name)
{
	return d->utf8 || (str_is_ascii(name) && str_chr(name, '&') == NULL);
}

typedef void put_f(struct buf *b, const struct wire_dialect *d, struct str s);

static void
put_utf8_name(struct buf *b, const struct wire_dialect *d, struct str name, put_f *put)
{
	struct buf utf7 = buf_like(b);

	if (as_it_is(d, name)) {
		put(b, d, name);
		return;
	}
	wire_utf8_to_utf7(&utf7, name);
	put(b, d, buf_as_str(&utf7));
	buf_fini(&utf7);
}

static void
put_mailbox_name(struct buf *b, const struct wire_dialect *d, struct str name, put_f *put)
{
	struct buf copy = buf_like(b);

	if (!is_swapped(d, name)) {
		put_utf8_name(b, d, name, put);
		return;
	}
	for (size_t i = 0; i < name.n; i++)
		buf_putc(&copy, swapped(name.p[i], wire_separator(d)));
	put_utf8_name(b, d, buf_as_str(&copy), put);
	buf_fini(&copy);
}

void
wire_out_mailbox(struct buf *b, const struct wire_dialect *d, struct str name)
{
	put_mailbox_name(b, d, name, wire_out_astring);
}

void
wire_out_mailbox_string(struct buf *b, const struct wire_dialect *d, struct str name)
{
	put_mailbox_name(b, d, name, wire_out_string);
}
