/* SPDX-License-Identifier: Apache-2.0 */
/* Paths: see address.h. */
#include "lmtp/address.h"

static bool
is_let_dig(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c >= 0x80;
}

/* RFC 5322 section 3.2.3, and UTF8-non-ascii. */
static bool
is_atext(unsigned char c)
{
	return is_let_dig(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* sub-domain *("." sub-domain): letters, digits, hyphens inside only. */
static bool
domain_name_ok(struct str s)
{
	unsigned char before = '.';

	if (s.n == 0 || s.n > 255)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '.' || c == '-') {
			if (before == '.' || (c == '.' && before == '-'))
				return false;
		} else if (!is_let_dig(c))
			return false;
		before = c;
	}
	return is_let_dig(before);
}

/* "[" dcontent "]" (section 4.1.3). */
static bool
literal_ok(struct str s)
{
	if (s.n < 3 || s.n > 255 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	for (size_t i = 1; i < s.n - 1; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || (s.p[i] >= '[' && s.p[i] <= ']'))
			return false;
	return true;
}

bool
lmtp_domain_ok(struct str s)
{
	return (s.n > 0 && s.p[0] == '[') ? literal_ok(s) : domain_name_ok(s) && str_is_utf8(s);
}

/* Takes a quoted string.  *i is after the opening quote, then after the closing one. */
static bool
take_quoted_string(struct str in, size_t *i, struct buf *out)
{
	for (; *i < in.n; ++*i) {
		unsigned char c = (unsigned char)in.p[*i];

		if (c == '"') {
			++*i;
			return true;
		}
		if (c == '\\') {
			++*i;
			if (*i == in.n)
				return false;
			c = (unsigned char)in.p[*i];
		}
		if (c < ' ' || c == 0x7f)
			return false;
		buf_putc(out, (char)c);
	}
	return false;
}

static bool
take_dot_string(struct str in, size_t *i, struct buf *out)
{
	unsigned char before = '.';

	for (; *i < in.n; ++*i) {
		unsigned char c = (unsigned char)in.p[*i];

		if (c == '.' ? before == '.' : !is_atext(c))
			break;
		buf_putc(out, (char)c);
		before = c;
	}
	return before != '.';
}

/* The domain is everything up to the closing angle bracket. */
static bool
take_domain(struct str in, size_t *i, struct str *domain_r)
{
	size_t from = *i;

	while (*i < in.n && in.p[*i] != '>')
		++*i;
	*domain_r = (struct str){in.p + from, *i - from};
	return lmtp_domain_ok(*domain_r);
}

/* A-d-l ":" (section 4.1.2): must be accepted, should be ignored. */
static bool
skip_route(struct str in, size_t *i)
{
	while (*i < in.n && in.p[*i] == '@') {
		size_t from = ++*i;

		while (*i < in.n && strchr(",:>", in.p[*i]) == NULL)
			++*i;
		if (*i == in.n || !lmtp_domain_ok((struct str){in.p + from, *i - from}))
			return false;
		if (in.p[*i] == ':') {
			++*i;
			return true;
		}
		if (in.p[(*i)++] != ',')
			return false;
	}
	return false;
}

/* Starts after the opening angle bracket. */
static bool
take_mailbox(struct str in, size_t *i, struct buf *buf, struct lmtp_path *path)
{
	size_t from, was = buf->n;
	bool quoted;

	if (*i < in.n && in.p[*i] == '@' && !skip_route(in, i))
		return false;
	from = *i;
	quoted = *i < in.n && in.p[*i] == '"';
	if (quoted)
		++*i;
	if (!(quoted ? take_quoted_string(in, i, buf) : take_dot_string(in, i, buf)))
		return false;
	if (*i < in.n && in.p[*i] == '@') {
		++*i;
		if (!take_domain(in, i, &path->domain))
			return false;
	}
	if (buf->n == was)
		return false; /* "" is a valid string, but nobody's name */
	path->local = (struct str){buf->p + was, buf->n - was};
	path->text = (struct str){in.p + from, *i - from};
	return path->local.n <= LMTP_LOCAL_MAX;
}

bool
lmtp_path_parse(struct str *in, struct buf *buf, struct lmtp_path *path_r)
{
	size_t i = 1;

	*path_r = (struct lmtp_path){.local = STR_NONE};
	if (in->n < 2 || in->p[0] != '<')
		return false;
	if (in->p[1] != '>' && !take_mailbox(*in, &i, buf, path_r))
		return false;
	if (i >= in->n || in->p[i] != '>' || i > LMTP_PATH_MAX ||
	    !str_is_utf8((struct str){in->p, i}))
		return false;
	path_r->utf8 = !str_is_ascii((struct str){in->p, i});
	in->p += i + 1;
	in->n -= i + 1;
	return true;
}

/* ---- lenient: what a peer says about itself and about senders */

/* Takes everything before the closing angle bracket; a local part may be quoted. */
static bool
take_sender(struct str in, size_t *i)
{
	bool quoted = *i < in.n && in.p[*i] == '"';

	for (size_t from = *i; *i < in.n; ++*i) {
		unsigned char c = (unsigned char)in.p[*i];

		if (c < ' ' || c == 0x7f)
			return false;
		if (quoted && *i > from && c == '\\' && *i + 1 < in.n)
			++*i;
		else if (quoted && *i > from && c == '"')
			quoted = false;
		else if (!quoted && c == '>')
			return true;
		else if (!quoted && (c == ' ' || c == '<'))
			return false;
		if ((unsigned char)in.p[*i] < ' ')
			return false;
	}
	return false;
}

bool
lmtp_sender_parse(struct str *in, struct lmtp_path *path_r)
{
	size_t i = 1, from = 1;

	*path_r = (struct lmtp_path){.local = STR_NONE};
	if (in->n < 2 || in->p[0] != '<')
		return false;
	if (in->p[1] == '@' && skip_route(*in, &i))
		from = i;
	else
		i = from;
	if (!take_sender(*in, &i) || i > LMTP_PATH_MAX || !str_is_utf8((struct str){in->p, i}))
		return false;
	path_r->text = (struct str){in->p + from, i - from};
	path_r->utf8 = !str_is_ascii(path_r->text);
	in->p += i + 1;
	in->n -= i + 1;
	return true;
}

bool
lmtp_peer_name_ok(struct str s)
{
	if (s.n == 0 || s.n > 255 || !str_is_utf8(s))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
			return false;
	return true;
}

/* RFC 5321 section 4.4: a domain or an address literal. */
void
lmtp_peer_name_put(struct str name, struct buf *out)
{
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		buf_putc(out, is_let_dig(c) || strchr(".-_:[]", c) != NULL ? (char)c : '?');
	}
}
