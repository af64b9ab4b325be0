/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML to text: see html.h.  The states are those of the tokenizer in the HTML standard (section
 * 13.2.5), as far as they decide what is text.
 */
#include "mail/text/html.h"

#include "base/ascii.h"
#include "base/err.h"
#include "mail/text/text.h"

enum state {
	TEXT,
	REFERENCE, /* after & */
	LESS,      /* after < */
	END_LESS,  /* after </ */
	TAG_NAME,
	TAG, /* between attributes */
	ATTR_NAME,
	ATTR_IS, /* after the name, = may come */
	VALUE,   /* after = */
	IN_DOUBLE,
	IN_SINGLE,
	IN_BARE,
	BANG,      /* after <! */
	BANG_DASH, /* after <!- */
	COMMENT,
	COMMENT_BANG, /* after --!  in a comment */
	DECLARATION,  /* up to > */
	RAW,          /* script, style */
	RAW_LESS,
	RAW_END /* after </ in it */
};

/* <!--> and <!---> are complete comments. */
#define COMMENT_BEGINS 3

struct feed {
	struct mail_html *h;
	struct buf *text, *aside;
};

void
mail_html_init(struct mail_html *h)
{
	*h = (struct mail_html){.state = TEXT};
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool
letter(char c)
{
	return ascii_lower((unsigned char)c) >= 'a' && ascii_lower((unsigned char)c) <= 'z';
}

/* ---- names ---- */

static void
name_begin(struct mail_html *h)
{
	h->name_n = 0;
}

static void
name_add(struct mail_html *h, char c)
{
	if (h->name_n < MAIL_HTML_NAME)
		h->name[h->name_n] = (char)ascii_lower((unsigned char)c);
	if (h->name_n <= MAIL_HTML_NAME)
		h->name_n++;
}

static struct str
tag_name(const struct mail_html *h)
{
	return h->name_n <= MAIL_HTML_NAME ? (struct str){h->name, h->name_n} : STR("");
}

static bool
is_one_of(struct str name, const char *const *list)
{
	for (; *list != NULL; list++)
		if (str_eq(name, str_of(*list)))
			return true;
	return false;
}

/* Returns whether the element stands by itself, so that text before and after it is not one word.
 * Sorted. */
static bool
breaks(struct str name)
{
	static const char *const list[] = {"address", "article", "aside", "audio", "blockquote",
	    "body", "br", "button", "caption", "center", "col", "colgroup", "dd", "details",
	    "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer",
	    "form", "frame", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header",
	    "hgroup", "hr", "html", "iframe", "img", "input", "legend", "li", "link", "main",
	    "menu", "meta", "nav", "noframes", "noscript", "object", "ol", "optgroup", "option",
	    "p", "pre", "script", "search", "section", "select", "style", "summary", "svg", "table",
	    "tbody", "td", "template", "textarea", "tfoot", "th", "thead", "title", "tr", "ul",
	    "video"};
	size_t low = 0, high = sizeof(list) / sizeof(list[0]);

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = str_cmp(name, str_of(list[mid]));

		if (order == 0)
			return true;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

static bool
is_raw(struct str name)
{
	static const char *const list[] = {"style", "script", NULL};

	return is_one_of(name, list);
}

/* Returns whether the value of this attribute is shown. */
static bool
is_seen(struct str name)
{
	static const char *const list[] = {"alt", "title", "href", NULL};

	return is_one_of(name, list);
}

/* ---- text ---- */

static bool
in_value(uint8_t state)
{
	return state == IN_DOUBLE || state == IN_SINGLE || state == IN_BARE;
}

/* Returns where text of this state goes; NULL: nowhere. */
static struct buf *
target(const struct feed *f, uint8_t state)
{
	if (!in_value(state))
		return f->text;
	return f->h->seen ? f->aside : NULL;
}

/* A line end in the source is a blank to the reader. */
static void
put_shown(const struct feed *f, uint8_t state, const char *p, size_t n)
{
	struct buf *to = target(f, state);
	size_t from;

	if (to == NULL)
		return;
	from = to->n;
	buf_put(to, p, n);
	for (; from < to->n; from++)
		if (is_space(to->p[from]))
			to->p[from] = ' ';
}

static void
put_char(const struct feed *f, uint8_t state, uint32_t c)
{
	struct buf *to = target(f, state);

	if (to != NULL)
		text_put_char(to, c < 0x80 && is_space((char)c) ? ' ' : c);
}

/* ---- character references ---- */

/* 13.2.5.80: the character for a number. */
static uint32_t
numbered(struct str digits, uint32_t base)
{
	static const uint16_t windows[32] = {0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020,
	    0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f, 0x90, 0x2018, 0x2019,
	    0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d,
	    0x17e, 0x178};
	uint32_t v = 0;

	for (size_t i = 0; i < digits.n && v < 0x110000; i++) {
		uint32_t d = (uint32_t)ascii_lower((unsigned char)digits.p[i]);

		v = v * base + (d <= '9' ? d - '0' : d - 'a' + 10);
	}
	if (v >= 0x80 && v < 0xa0)
		return windows[v - 0x80];
	return v == 0 || v >= 0x110000 || (v >= 0xd800 && v < 0xe000) ? 0xfffd : v;
}

/* Returns whether c, the next character, is part of the reference. */
static bool
ref_goes_on(const struct mail_html *h, char c)
{
	if (h->ref_n == 0)
		return c == '#' || letter(c);
	if (h->ref_n == sizeof(h->ref))
		return false;
	if (h->ref[0] != '#')
		return letter(c) || ascii_is_digit(c);
	if (h->ref_n > 1 && (h->ref[1] == 'x' || h->ref[1] == 'X'))
		return ascii_is_digit(c) || (ascii_lower((unsigned char)c) >= 'a' &&
		                                ascii_lower((unsigned char)c) <= 'f');
	return ascii_is_digit(c) || (h->ref_n == 1 && (c == 'x' || c == 'X'));
}

/* Those that old documents write without a semicolon: Latin-1, and the four of markup. */
static bool
may_stand_open(struct str name, uint32_t c)
{
	static const char *const later[] = {"angst", "Cedilla", "CenterDot", "centerdot",
	    "circledR", "DiacriticalAcute", "die", "div", "Dot", "DoubleDot", "half",
	    "NonBreakingSpace", "PlusMinus", "pm", "strns", NULL};
	static const char *const markup[] = {
	    "amp", "lt", "gt", "quot", "AMP", "LT", "GT", "QUOT", NULL};

	return c >= 0xa0 ? c < 0x100 && !is_one_of(name, later) : is_one_of(name, markup);
}

/* Returns how many bytes of the name are a reference; *c_r is its character. */
static size_t
named(struct str name, bool closed, bool attribute, char next, uint32_t *c_r)
{
	*c_r = mail_html_character(name);
	if (*c_r != 0 && (closed || (may_stand_open(name, *c_r) && !(attribute && next == '='))))
		return name.n;
	if (attribute) /* "?a=1&copy2=3" is a URL */
		return 0;
	for (size_t n = name.n - 1; n > 1; n--) {
		struct str front = {name.p, n};

		*c_r = mail_html_character(front);
		if (*c_r != 0 && may_stand_open(front, *c_r))
			return n;
	}
	return 0;
}

/* Ends the reference before next.  Returns true if next, a semicolon, belongs to it. */
static bool
ref_end(const struct feed *f, char next)
{
	struct mail_html *h = f->h;
	struct str ref = {h->ref, h->ref_n};
	size_t used = 0, head = ref.n > 1 && (ref.p[1] | 0x20) == 'x' ? 2 : 1;
	bool closed = next == ';';
	uint32_t c = 0;

	h->state = h->back;
	if (ref.n > 1 && ref.p[0] != '#') {
		used = named(ref, closed, in_value(h->back), next, &c);
	} else if (ref.n > head && ref.p[0] == '#') {
		c = numbered((struct str){ref.p + head, ref.n - head}, head == 2 ? 16 : 10);
		used = ref.n;
	}
	if (used > 0)
		put_char(f, h->back, c);
	else
		put_shown(f, h->back, "&", 1);
	put_shown(f, h->back, ref.p + used, ref.n - used);
	return closed && used == ref.n && used > 0;
}

static void
ref_begin(struct mail_html *h)
{
	h->back = h->state;
	h->state = REFERENCE;
	h->ref_n = 0;
}

/* ---- tags ---- */

static void
tag_named(const struct feed *f)
{
	struct mail_html *h = f->h;
	struct str name = tag_name(h);

	if (breaks(name))
		buf_putc(f->text, '\n');
	h->element_n = (uint8_t)name.n;
	memcpy(h->element, name.p, name.n);
	h->state = TAG;
}

static void
tag_end(struct mail_html *h)
{
	struct str element = {h->element, h->element_n};

	h->state =
	    !h->end_tag && (is_raw(element) || (h->no_title && str_eq(element, STR("title"))))
	        ? RAW
	        : TEXT;
}

static void
value_end(const struct feed *f)
{
	if (f->h->seen)
		buf_putc(f->aside, '\n');
	f->h->seen = false;
	f->h->state = TAG;
}

static void
in_tag(const struct feed *f, char c)
{
	struct mail_html *h = f->h;

	if (c == '>') {
		tag_end(h);
	} else if (!is_space(c) && c != '/') {
		name_begin(h);
		name_add(h, c);
		h->state = ATTR_NAME;
	}
}

static void
attr_named(struct mail_html *h)
{
	h->seen = !h->end_tag && is_seen(tag_name(h));
	h->state = ATTR_IS;
}

/* ---- one byte ---- */

/* Returns false if c must be processed again, in the new state. */
static bool
step_markup(const struct feed *f, char c)
{
	struct mail_html *h = f->h;

	switch ((enum state)h->state) {
	case LESS:
		if (c == '!' || c == '/' || c == '?') {
			h->state = c == '!' ? BANG : c == '/' ? END_LESS : DECLARATION;
			return true;
		}
		if (!letter(c)) {
			h->state = TEXT;
			put_shown(f, TEXT, "<", 1);
			return false;
		}
		h->end_tag = false;
		name_begin(h);
		h->state = TAG_NAME;
		return false;
	case END_LESS:
		h->end_tag = true;
		name_begin(h);
		h->state = letter(c) ? TAG_NAME : c == '>' ? TEXT : DECLARATION;
		return !letter(c);
	case TAG_NAME:
		if (is_space(c) || c == '/' || c == '>') {
			tag_named(f);
			return false;
		}
		name_add(h, c);
		return true;
	case BANG:
		h->state = c == '-' ? BANG_DASH : DECLARATION;
		return c == '-';
	case BANG_DASH:
		h->state = c == '-' ? COMMENT : DECLARATION;
		h->dashes = COMMENT_BEGINS;
		return c == '-';
	case COMMENT:
		if (c == '-')
			h->dashes = h->dashes == 0 ? 1 : 2;
		else if ((h->dashes >= 2 && c == '>') || (h->dashes == 2 && c == '!'))
			h->state = c == '>' ? TEXT : COMMENT_BANG;
		else
			h->dashes = 0;
		return true;
	case COMMENT_BANG:
		h->state = c == '>' ? TEXT : COMMENT;
		h->dashes = 0;
		return c == '>';
	case DECLARATION:
		if (c == '>')
			h->state = TEXT;
		return true;
	default:
		TS_WRONG("not a state of markup");
	}
}

static bool
step_attribute(const struct feed *f, char c)
{
	struct mail_html *h = f->h;

	switch ((enum state)h->state) {
	case TAG:
		in_tag(f, c);
		return true;
	case ATTR_NAME:
		if (is_space(c) || c == '/' || c == '>' || c == '=') {
			attr_named(h);
			return false;
		}
		name_add(h, c);
		return true;
	case ATTR_IS:
		if (is_space(c))
			return true;
		h->state = c == '=' ? VALUE : TAG;
		return c == '=';
	case VALUE:
		if (is_space(c))
			return true;
		h->state = c == '"' ? IN_DOUBLE : c == '\'' ? IN_SINGLE : c == '>' ? TAG : IN_BARE;
		return c == '"' || c == '\'';
	case IN_DOUBLE:
	case IN_SINGLE:
		if (c == (h->state == IN_DOUBLE ? '"' : '\''))
			value_end(f);
		else if (c == '&')
			ref_begin(h);
		else
			put_shown(f, h->state, &c, 1);
		return true;
	case IN_BARE:
		if (is_space(c) || c == '>') {
			value_end(f);
			return false;
		}
		if (c == '&')
			ref_begin(h);
		else
			put_shown(f, h->state, &c, 1);
		return true;
	default:
		TS_WRONG("not a state of attributes");
	}
}

/* Scripts and style sheets, up to their end tag. */
static bool
step_raw(struct mail_html *h, char c)
{
	struct str element = {h->element, h->element_n};

	switch ((enum state)h->state) {
	case RAW:
		if (c == '<')
			h->state = RAW_LESS;
		return true;
	case RAW_LESS:
		name_begin(h);
		h->state = c == '/' ? RAW_END : RAW;
		return c == '/';
	case RAW_END:
		if (letter(c)) {
			name_add(h, c);
			return true;
		}
		h->end_tag = true;
		h->state = (is_space(c) || c == '/' || c == '>') && str_eq(tag_name(h), element)
		               ? TAG
		               : RAW;
		return false;
	default:
		TS_WRONG("not a state of raw text");
	}
}

static bool
take_char(const struct feed *f, char c)
{
	struct mail_html *h = f->h;

	switch ((enum state)h->state) {
	case TEXT:
		if (c == '<')
			h->state = LESS;
		else if (c == '&')
			ref_begin(h);
		else
			put_shown(f, TEXT, &c, 1);
		return true;
	case REFERENCE:
		if (ref_goes_on(h, c)) {
			h->ref[h->ref_n++] = c;
			return true;
		}
		return ref_end(f, c);
	case LESS:
	case END_LESS:
	case TAG_NAME:
	case BANG:
	case BANG_DASH:
	case COMMENT:
	case COMMENT_BANG:
	case DECLARATION:
		return step_markup(f, c);
	case TAG:
	case ATTR_NAME:
	case ATTR_IS:
	case VALUE:
	case IN_DOUBLE:
	case IN_SINGLE:
	case IN_BARE:
		return step_attribute(f, c);
	case RAW:
	case RAW_LESS:
	case RAW_END:
		return step_raw(h, c);
	}
	TS_WRONG("no such state");
}

/* Ends a construct that can only have been text. */
static void
end_text(const struct feed *f)
{
	if (f->h->state == REFERENCE)
		(void)ref_end(f, '\0');
	if (f->h->state == LESS)
		put_shown(f, TEXT, "<", 1);
	else if (f->h->state == END_LESS)
		put_shown(f, TEXT, "</", 2);
}

/* Returns how many bytes at the front can be skipped because only one certain byte ends the
 * state. */
static size_t
bytes_to_skip(const struct mail_html *h, struct str s)
{
	char until;
	const char *at;

	switch ((enum state)h->state) {
	case IN_DOUBLE:
	case IN_SINGLE:
		if (h->seen)
			return 0;
		until = h->state == IN_DOUBLE ? '"' : '\'';
		break;
	case COMMENT:
		if (h->dashes > 0)
			return 0;
		until = '-';
		break;
	case RAW:
		until = '<';
		break;
	case DECLARATION:
		until = '>';
		break;
	default:
		return 0;
	}
	at = str_chr(s, until);
	return at != NULL ? (size_t)(at - s.p) : s.n;
}

void
mail_html_feed(struct mail_html *h, struct str utf8, bool last, struct buf *text, struct buf *aside)
{
	struct feed f = {h, text, aside};

	for (size_t i = 0; i < utf8.n;) {
		size_t from = i;

		/* Most of it is text. */
		while (h->state == TEXT && i < utf8.n && utf8.p[i] != '<' && utf8.p[i] != '&')
			i++;
		if (i > from)
			put_shown(&f, TEXT, utf8.p + from, i - from);
		i += bytes_to_skip(h, (struct str){utf8.p + i, utf8.n - i});
		if (i < utf8.n && take_char(&f, utf8.p[i]))
			i++;
	}
	if (last)
		end_text(&f);
}
