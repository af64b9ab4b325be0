/* SPDX-License-Identifier: Apache-2.0 */
/* The cursor and the words of the grammar (RFC 9051 section 9): see in.h. */
#include "wire/in.h"

#include <string.h>

#include "base/ascii.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "wire/vec.h"

void
wire_in_init(struct wire_in *in, struct str bytes, struct arena *arena,
    const struct wire_dialect *dialect, const struct wire_limits *limits)
{
	if (bytes.p == NULL)
		bytes = STR("");
	*in = (struct wire_in){
	    .start = bytes.p,
	    .p = bytes.p,
	    .end = bytes.p + bytes.n,
	    .arena = arena,
	    .dialect = dialect != NULL ? dialect : &wire_dialect_rev1,
	    .limits = limits != NULL ? limits : &wire_limits_default,
	};
}

struct wire_in
wire_in_sub(const struct wire_in *in, struct str bytes)
{
	struct wire_in sub = *in;

	if (bytes.p == NULL)
		bytes = STR("");
	sub.p = bytes.p;
	sub.end = bytes.p + bytes.n;
	if (bytes.p < in->start || sub.end > in->end)
		sub.start = bytes.p;
	return sub;
}

bool
wire_in_fail(struct wire_in *in, const char *text)
{
	if (in->error == NULL) {
		in->error = text;
		in->error_at = (size_t)(in->p - in->start);
	}
	return false;
}

bool
wire_in_limit(struct wire_in *in, const char *text)
{
	in->too_much |= in->error == NULL;
	return wire_in_fail(in, text);
}

bool
wire_in_no_memory(struct wire_in *in)
{
	return wire_in_fail(in, "Out of memory");
}

struct str
wire_in_rest(const struct wire_in *in)
{
	return str_range(in->p, in->end);
}

static bool
is_line_end(const char *p, const char *end)
{
	return p == end || (end - p == 1 && *p == '\n') ||
	       (end - p == 2 && p[0] == '\r' && p[1] == '\n');
}

static const char *
past_blanks(const struct wire_in *in)
{
	const char *p = in->p;

	while (p < in->end && *p == ' ')
		p++;
	return p;
}

bool
wire_in_at_end(const struct wire_in *in)
{
	return is_line_end(past_blanks(in), in->end);
}

bool
wire_in_at_line_end(const struct wire_in *in)
{
	return is_line_end(in->p, in->end);
}

bool
wire_in_end(struct wire_in *in)
{
	if (in->error != NULL)
		return false;
	return wire_in_at_end(in) || wire_in_fail(in, "Unexpected arguments");
}

char
wire_in_peek(const struct wire_in *in)
{
	return in->p < in->end ? *in->p : '\0';
}

bool
wire_in_try_char(struct wire_in *in, char c)
{
	if (in->error != NULL || in->p == in->end || *in->p != c)
		return false;
	in->p++;
	return true;
}

bool
wire_in_char(struct wire_in *in, char c)
{
	if (wire_in_try_char(in, c))
		return true;
	switch (c) {
	case ' ':
		return wire_in_fail(
		    in, wire_in_at_end(in) ? "Missing arguments" : "Expected a space");
	case '(':
		return wire_in_fail(in, "Expected an opening parenthesis");
	case ')':
		return wire_in_fail(in, "Expected a closing parenthesis");
	case ']':
		return wire_in_fail(in, "Expected a closing bracket");
	default:
		return wire_in_fail(in, "Unexpected character");
	}
}

bool
wire_in_sp(struct wire_in *in)
{
	if (wire_in_at_end(in)) /* with or without blanks */
		return wire_in_fail(in, "Missing arguments");
	if (!wire_in_char(in, ' '))
		return false;
	in->p = past_blanks(in);
	return true;
}

bool
wire_in_try_open(struct wire_in *in)
{
	if (!wire_in_try_char(in, '('))
		return false;
	in->p = past_blanks(in);
	return true;
}

bool
wire_in_open(struct wire_in *in)
{
	return wire_in_try_open(in) || wire_in_char(in, '(');
}

bool
wire_in_more(struct wire_in *in)
{
	const char *p = past_blanks(in);

	if (in->error != NULL || p == in->p || is_line_end(p, in->end) || *p == ')')
		return false;
	in->p = p;
	return true;
}

bool
wire_in_close(struct wire_in *in)
{
	if (in->error == NULL)
		in->p = past_blanks(in);
	return wire_in_char(in, ')');
}

bool
wire_in_sp_then(const struct wire_in *in, char c)
{
	const char *p = past_blanks(in);

	return p > in->p && p < in->end && *p == c;
}

/* ATOM-CHAR; 8-bit characters are not. */
static bool
is_atom_char(char ch)
{
	unsigned char c = (unsigned char)ch;

	if (c <= ' ' || c >= 0x7F)
		return false;
	switch (c) {
	case '(':
	case ')':
	case '{':
	case '%':
	case '*':
	case '"':
	case '\\':
	case ']':
		return false;
	default:
		return true;
	}
}

static bool
is_astring_char(char c)
{
	return is_atom_char(c) || c == ']';
}

typedef bool char_class_f(char c);

static bool
take_chars(struct wire_in *in, char_class_f *class, const char *what, struct str *text_r)
{
	const char *p = in->p;

	*text_r = STR_NONE;
	if (in->error != NULL)
		return false;
	while (p < in->end && class(*p))
		p++;
	if (p == in->p)
		return wire_in_fail(in, wire_in_at_end(in) ? "Missing arguments" : what);
	*text_r = str_range(in->p, p);
	in->p = p;
	return true;
}

bool
wire_in_try_word(struct wire_in *in, const char *word)
{
	size_t n = strlen(word);

	if (in->error != NULL || (size_t)(in->end - in->p) < n ||
	    !str_ieq((struct str){in->p, n}, (struct str){word, n}))
		return false;
	if (in->p + n < in->end && is_astring_char(in->p[n]))
		return false;
	in->p += n;
	return true;
}

static bool
is_tag_char(char c)
{
	return is_astring_char(c) && c != '+';
}

bool
wire_in_tag(struct wire_in *in, struct str *tag_r)
{
	return take_chars(in, is_tag_char, N_("Expected a tag"), tag_r);
}

bool
wire_in_atom(struct wire_in *in, struct str *atom_r)
{
	return take_chars(in, is_atom_char, N_("Expected an atom"), atom_r);
}

/* Returns s itself if it is in capitals; STR_NONE: no memory. */
static struct str
capitals(struct arena *a, struct str s)
{
	char *copy;
	size_t i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] >= 'a' && s.p[i] <= 'z')
			break;
	if (i == s.n)
		return s;
	copy = arena_try_zalloc(a, s.n + 1);
	if (copy == NULL)
		return STR_NONE;
	for (i = 0; i < s.n; i++)
		copy[i] = (char)ascii_upper((unsigned char)s.p[i]);
	return (struct str){copy, s.n};
}

bool
wire_in_name(struct wire_in *in, struct str *name_r)
{
	if (!take_chars(in, is_atom_char, N_("Expected a name"), name_r))
		return false;
	*name_r = capitals(in->arena, *name_r);
	return name_r->p != NULL || wire_in_no_memory(in);
}

static struct str
without_escapes(struct arena *a, struct str s)
{
	char *copy = arena_try_zalloc(a, s.n + 1);
	size_t n = 0;

	if (copy == NULL)
		return STR_NONE;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		copy[n++] = s.p[i];
	}
	return (struct str){copy, n};
}

bool
wire_in_quoted(struct wire_in *in, struct str *text_r)
{
	const char *p;
	bool escapes = false, high = false;

	*text_r = STR_NONE;
	if (!wire_in_try_char(in, '"'))
		return wire_in_fail(in, "Expected a quoted string");
	for (p = in->p; p < in->end && *p != '"'; p++) {
		if (*p == '\\') {
			escapes = true;
			if (++p == in->end || (*p != '"' && *p != '\\')) {
				in->p = p;
				return wire_in_fail(in, "Invalid escape in a quoted string");
			}
		} else if (*p == '\r' || *p == '\n' || *p == '\0')
			break;
		else if ((unsigned char)*p >= 0x80)
			high = true;
	}
	if (p == in->end || *p != '"') {
		in->p = p;
		return wire_in_fail(in, "Unterminated quoted string");
	}
	*text_r = str_range(in->p, p);
	/* RFC 9051 section 4.3: UTF-8.  In RFC 3501 a quoted string has 7 bits, but its clients
	 * send UTF-8 with SEARCH CHARSET UTF-8 all the same; mailbox names stay strict. */
	if (high && !str_is_utf8(*text_r))
		return wire_in_fail(in, "The quoted string is not valid UTF-8");
	in->p = p + 1;
	if (escapes)
		*text_r = without_escapes(in->arena, *text_r);
	return text_r->p != NULL || wire_in_no_memory(in);
}

bool
wire_in_literal_head(struct wire_in *in, uint64_t *size_r, bool *literal8_r)
{
	const char *p;
	uint64_t size;

	*size_r = 0;
	*literal8_r = wire_in_try_char(in, '~');
	if (!wire_in_char(in, '{'))
		return false;
	for (p = in->p; p < in->end && ascii_is_digit(*p);)
		p++;
	if (!str_u64(str_range(in->p, p), INT64_MAX, &size))
		return wire_in_fail(in, "Invalid literal size");
	if (p < in->end && *p == '+') /* RFC 7888 */
		p++;
	if (p == in->end || *p++ != '}')
		return wire_in_fail(in, "Invalid literal");
	if (p < in->end && *p == '\r')
		p++;
	if (p == in->end || *p++ != '\n')
		return wire_in_fail(in, "Expected a line end after the literal size");
	in->p = p;
	*size_r = size;
	return true;
}

/* bytes: NUL and literal8 are allowed. */
static bool
read_literal(struct wire_in *in, bool bytes, struct str *text_r)
{
	uint64_t size;
	bool literal8;

	if (!wire_in_literal_head(in, &size, &literal8))
		return false;
	if (size > (size_t)(in->end - in->p))
		return wire_in_fail(in, "Incomplete literal");
	*text_r = (struct str){in->p, (size_t)size};
	if (!bytes && str_chr(*text_r, '\0') != NULL) /* CHAR8 */
		return wire_in_fail(in, "NUL in a literal");
	in->p += size;
	return true;
}

bool
wire_in_string(struct wire_in *in, struct str *text_r)
{
	*text_r = STR_NONE;
	if (in->error != NULL)
		return false;
	if (wire_in_peek(in) == '"')
		return wire_in_quoted(in, text_r);
	if (wire_in_peek(in) == '{')
		return read_literal(in, false, text_r);
	return wire_in_fail(in, wire_in_at_end(in) ? "Missing arguments" : "Expected a string");
}

bool
wire_in_astring(struct wire_in *in, struct str *text_r)
{
	if (wire_in_peek(in) == '"' || wire_in_peek(in) == '{')
		return wire_in_string(in, text_r);
	return take_chars(in, is_astring_char, N_("Expected a string"), text_r);
}

bool
wire_in_nstring(struct wire_in *in, struct str *text_r)
{
	*text_r = STR_NONE;
	return wire_in_try_word(in, "NIL") || wire_in_string(in, text_r);
}

bool
wire_in_nstring8(struct wire_in *in, struct str *text_r)
{
	char c = wire_in_peek(in);

	*text_r = STR_NONE;
	if (in->error == NULL && (c == '{' || c == '~'))
		return read_literal(in, true, text_r);
	return wire_in_nstring(in, text_r);
}

bool
wire_in_astrings(struct wire_in *in, struct wire_names *names_r)
{
	struct wire_vec vec = {0};

	*names_r = (struct wire_names){0};
	if (!wire_in_open(in))
		return false;
	do {
		struct str *name = WIRE_VEC_PUSH(in, &vec, struct str, "Too many strings");

		if (name == NULL || !wire_in_astring(in, name))
			return false;
	} while (wire_in_more(in));
	*names_r = (struct wire_names){vec.v, vec.n};
	return wire_in_close(in);
}

bool
wire_in_delimiter(struct wire_in *in, char *delimiter_r)
{
	struct str text;

	*delimiter_r = '\0';
	if (wire_in_try_word(in, "NIL"))
		return true;
	if (!wire_in_quoted(in, &text))
		return false;
	if (text.n != 1)
		return wire_in_fail(in, "Expected a hierarchy delimiter");
	*delimiter_r = text.p[0];
	return true;
}

static bool
read_number(struct wire_in *in, uint64_t max, uint64_t *n_r)
{
	const char *p = in->p;

	*n_r = 0;
	if (in->error != NULL)
		return false;
	while (p < in->end && ascii_is_digit(*p))
		p++;
	if (p == in->p)
		return wire_in_fail(in, "Expected a number");
	if (!str_u64(str_range(in->p, p), max, n_r))
		return wire_in_fail(in, "Number too large");
	in->p = p;
	return true;
}

bool
wire_in_number(struct wire_in *in, uint32_t *n_r)
{
	uint64_t n;
	bool ok = read_number(in, UINT32_MAX, &n);

	*n_r = (uint32_t)n;
	return ok;
}

bool
wire_in_nz_number(struct wire_in *in, uint32_t *n_r)
{
	*n_r = 0;
	if (wire_in_peek(in) == '0') /* nz-number: also no leading zeros */
		return wire_in_fail(in, "Expected a number without leading zeros");
	return wire_in_number(in, n_r);
}

bool
wire_in_number64(struct wire_in *in, uint64_t *n_r)
{
	return read_number(in, INT64_MAX, n_r);
}

static bool
is_base64_char(char c)
{
	return ascii_is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '+' ||
	       c == '/' || c == '=';
}

bool
wire_in_base64(struct wire_in *in, struct str *bytes_r)
{
	struct buf b = {.oom = arena_oom(in->arena)};
	struct str text;

	if (!take_chars(in, is_base64_char, N_("Expected base64"), &text))
		return false;
	if (str_eq(text, STR("="))) { /* RFC 4959 section 3 */
		*bytes_r = STR("");
		return true;
	}
	*bytes_r = STR_NONE;
	if (!base64_decode(text, &b)) {
		buf_wipe_fini(&b);
		return buf_failed(&b) ? wire_in_no_memory(in) : wire_in_fail(in, "Invalid base64");
	}
	*bytes_r = arena_try_str(in->arena, buf_as_str(&b));
	buf_wipe_fini(&b);
	return bytes_r->p != NULL || wire_in_no_memory(in);
}

const struct wire_name *
wire_name_find(const struct wire_name *table, struct str name)
{
	for (; table->name != NULL; table++)
		if (str_ieq(str_of(table->name), name))
			return table;
	return NULL;
}

const char *
wire_name_of(const struct wire_name *table, unsigned id)
{
	for (; table->name != NULL; table++)
		if (table->id == id)
			return table->name;
	TS_WRONG("no name for this id");
}
