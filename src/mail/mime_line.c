/* SPDX-License-Identifier: Apache-2.0 */
/* Types, boundaries and delimiter lines: see mime_int.h. */
#include "mail/mime_int.h"

#include "mail/text/lex.h"

#define NAME_LIMIT 127 /* bytes of a type or subtype */

static bool
is_name(struct str s)
{
	return s.n <= NAME_LIMIT && lex_is_token(s);
}

bool
mime_type_of(const struct mail_params *p, struct str *type_r, struct str *subtype_r)
{
	*subtype_r = p->first;
	if (!str_split(subtype_r, '/', type_r))
		return false;
	*type_r = str_trim(*type_r);
	*subtype_r = lex_first_word(*subtype_r);
	return is_name(*type_r) && is_name(*subtype_r);
}

enum mail_part_kind
mime_kind_of(struct str type, struct str subtype)
{
	if (str_ieq(type, STR("multipart")))
		return MAIL_PART_MULTIPART;
	if (str_ieq(type, STR("message")) &&
	    (str_ieq(subtype, STR("rfc822")) || str_ieq(subtype, STR("global"))))
		return MAIL_PART_MESSAGE;
	return MAIL_PART_LEAF;
}

bool
mime_boundary(const struct mail_params *p, struct buf *out)
{
	const struct mail_param *found = mail_params_find(p, STR("boundary"));
	struct buf value = buf_like(out);
	struct str boundary;
	bool usable;

	if (found == NULL)
		return false;
	mail_param_value(found, &value);
	boundary = str_trim(value.n > 0 ? buf_as_str(&value) : STR(""));
	usable = boundary.n > 0 && boundary.n <= MIME_BOUNDARY_MAX;
	if (usable)
		buf_str(out, boundary);
	buf_fini(&value);
	return usable && !buf_failed(out);
}

/* RFC 2046 section 5.1.1 bcharsnospace: returns whether a boundary may continue with c. */
static bool
boundary_char(char c)
{
	unsigned char l = ascii_lower((unsigned char)c);

	return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("'()+_,-./:=?", c) != NULL);
}

static bool
ends_at(struct str line, size_t i)
{
	return i == line.n || (i < line.n && !boundary_char(line.p[i]));
}

bool
mime_line_match(struct mime_match *m, struct str boundary)
{
	struct str line = {m->line.p + 2, m->line.n - 2};
	size_t n = boundary.n;
	bool close;

	if (n <= m->longest || n > line.n)
		return false;
	close = line.n - n >= 2 && memcmp(line.p + n, "--", 2) == 0 && ends_at(line, n + 2);
	if ((!close && !ends_at(line, n)) || memcmp(line.p, boundary.p, n) != 0)
		return false;
	m->longest = n;
	m->what = close ? MIME_LINE_CLOSE : MIME_LINE_DELIMITER;
	return true;
}
