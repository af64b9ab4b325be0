/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Substring search: see search.h.
 *
 * Text flows through transfer decoding, charset conversion, of HTML the removal of
 * markup, and folding into a window, which memmem() goes through when it is full; glibc's is linear
 * whatever the needle.  The last bytes of a window, one less than the needle
 * has, are kept, so that a match across two windows is seen.
 */
#include "mail/search.h"

#include "base/err.h"
#include "base/mem.h"
#include "mail/header.h"
#include "mail/html.h"
#include "mail/text_int.h"

#define PIECE 16384u  /* bytes of a body taken at a time */
#define WINDOW 65536u /* folded bytes looked through at a time */

struct mail_needle {
	struct buf folded;
	struct buf squeezed; /* the same with each run of blanks made one */
};

struct window {
	struct str needle;
	bool squeeze;
	struct buf text;
	bool found;
};

static struct window
window(const struct mail_needle *n)
{
	return (struct window){.needle = {n->folded.p, n->folded.n}};
}

static struct window
squeezing_window(const struct mail_needle *n)
{
	return (struct window){.needle = {n->squeezed.p, n->squeezed.n}, .squeeze = true};
}

/* Folded headers have tabs where their readers see blanks. */
static void
blank_tabs(struct str text)
{
	char *p;

	while (text.n > 0 && (p = memchr(text.p, '\t', text.n)) != NULL) {
		*p = ' ';
		text = str_range(p + 1, text.p + text.n);
	}
}

/* Runs of blanks behind `from` become one. */
static void
squeeze(struct buf *b, size_t from)
{
	size_t n = from;

	for (size_t i = from; i < b->n; i++)
		if (b->p[i] != ' ' || n == 0 || b->p[n - 1] != ' ')
			b->p[n++] = b->p[i];
	b->n = n;
}

struct mail_needle *
mail_needle_new(struct str utf8)
{
	struct mail_needle *n = mem_zalloc(sizeof(*n));

	if (utf8.n == 0)
		return n;
	mail_casemap(utf8, &n->folded);
	blank_tabs(buf_as_str(&n->folded));
	buf_str(&n->squeezed, buf_as_str(&n->folded));
	for (size_t i = 0; i < n->squeezed.n; i++)
		if (n->squeezed.p[i] == '\r' || n->squeezed.p[i] == '\n')
			n->squeezed.p[i] = ' ';
	squeeze(&n->squeezed, 0);
	return n;
}

void
mail_needle_free(struct mail_needle **np)
{
	if (*np == NULL)
		return;
	buf_fini(&(*np)->folded);
	buf_fini(&(*np)->squeezed);
	mem_free(*np);
	*np = NULL;
}

static void
window_look(struct window *w)
{
	struct str needle = w->needle, text = buf_as_str(&w->text);

	if (text.n >= needle.n && str_find(text, needle) != NULL)
		w->found = true;
	if (text.n >= needle.n)
		buf_consume(&w->text, text.n - needle.n + 1);
}

/* utf8 holds whole characters. */
static void
window_feed(struct window *w, struct str utf8)
{
	size_t full = WINDOW + w->needle.n * 2;

	while (utf8.n > 0 && !w->found) {
		struct str piece = utf8;
		size_t from = w->text.n;

		if (piece.n > PIECE) {
			piece.n = PIECE;
			while (
			    piece.n > PIECE - 4 && ((unsigned char)utf8.p[piece.n] & 0xc0) == 0x80)
				piece.n--;
		}
		mail_casemap(piece, &w->text);
		blank_tabs((struct str){w->text.p + from, w->text.n - from});
		if (w->squeeze)
			squeeze(&w->text, from);
		utf8 = (struct str){utf8.p + piece.n, utf8.n - piece.n};
		if (w->text.n >= full)
			window_look(w);
	}
}

/* The text ends here: nothing matches across this point. */
static bool
window_end(struct window *w)
{
	if (!w->found)
		window_look(w);
	w->text.n = 0;
	return w->found;
}

bool
mail_needle_in(const struct mail_needle *n, struct str utf8)
{
	struct window w = window(n);

	if (n->folded.n == 0)
		return true;
	window_feed(&w, utf8);
	window_end(&w);
	buf_fini(&w.text);
	return w.found;
}

bool
mail_search_header(const struct mail_needle *n, struct str header, struct str field)
{
	struct mail_field f;
	struct buf text = {0};
	bool found = false;

	while (!found && mail_field_next(&header, &f)) {
		if (!str_ieq(f.name, field))
			continue;
		text.n = 0;
		mail_words_decode(f.value, &text);
		found = mail_needle_in(n, buf_as_str(&text));
	}
	buf_fini(&text);
	return found;
}

/* All fields of a header, decoded, one a line. */
static void
search_fields(struct window *w, struct str header)
{
	struct mail_field f;
	struct buf text = {0};

	while (!w->found && mail_field_next(&header, &f)) {
		text.n = 0;
		if (text_ascii_run(f.name) == f.name.n)
			buf_str(&text, f.name);
		buf_puts(&text, ": ");
		mail_words_decode(f.value, &text);
		buf_puts(&text, "\r\n");
		window_feed(w, buf_as_str(&text));
	}
	window_end(w);
	buf_fini(&text);
}

static bool
encoded(enum mail_encoding e)
{
	return e == MAIL_ENCODING_BASE64 || e == MAIL_ENCODING_QP;
}

/* Where the decoded text of a part goes. */
struct sink {
	bool is_html;
	struct window text;
	struct window aside; /* what attributes show of HTML */
	struct mail_html html;
	struct buf html_text, html_aside;
};

static void
sink_init(struct sink *s, const struct mail_needle *n, const struct mail_part *p)
{
	*s = (struct sink){.is_html = str_eq(p->subtype, STR("html"))};
	s->text = s->is_html ? squeezing_window(n) : window(n);
	s->aside = squeezing_window(n);
	mail_html_init(&s->html);
}

static void
sink_feed(struct sink *s, struct str utf8, bool last)
{
	if (!s->is_html) {
		window_feed(&s->text, utf8);
		return;
	}
	s->html_text.n = s->html_aside.n = 0;
	mail_html_feed(&s->html, utf8, last, &s->html_text, &s->html_aside);
	window_feed(&s->text, buf_as_str(&s->html_text));
	window_feed(&s->aside, buf_as_str(&s->html_aside));
}

static bool
sink_found(const struct sink *s)
{
	return s->text.found || s->aside.found;
}

/* Nothing comes any more.  Found? */
static bool
sink_end(struct sink *s)
{
	window_end(&s->text);
	window_end(&s->aside);
	buf_fini(&s->text.text);
	buf_fini(&s->aside.text);
	buf_fini(&s->html_text);
	buf_fini(&s->html_aside);
	return sink_found(s);
}

static bool
search_body(const struct mail_needle *n, const struct mail_part *p, struct str body)
{
	struct mail_conv *conv = mail_conv_new(p->charset.n > 0 ? p->charset : STR("us-ascii"));
	struct mail_decoder d;
	struct sink sink;
	struct buf bytes = {0}, text = {0};

	sink_init(&sink, n, p);
	mail_decoder_init(&d, p->encoding);
	while (body.n > 0 && !sink_found(&sink)) {
		struct str piece = {body.p, body.n < PIECE ? body.n : PIECE};
		bool last = piece.n == body.n;

		body = (struct str){body.p + piece.n, body.n - piece.n};
		if (encoded(p->encoding)) {
			bytes.n = 0;
			mail_decode(&d, piece, last, &bytes);
			piece = buf_as_str(&bytes);
		}
		if (text_conv_passes_ascii(conv) && text_ascii_run(piece) == piece.n) {
			sink_feed(&sink, piece, last);
			continue;
		}
		text.n = 0;
		mail_conv_feed(conv, piece, last, &text);
		sink_feed(&sink, buf_as_str(&text), last);
	}
	buf_fini(&bytes);
	buf_fini(&text);
	mail_conv_free(&conv);
	return sink_end(&sink);
}

static bool
is_message(const struct mail_summary *s, const struct mail_part *p)
{
	struct mail_part parent;

	mail_summary_part(s, p->parent, &parent);
	return parent.kind == MAIL_PART_MESSAGE;
}

bool
mail_search_message(const struct mail_needle *n, struct str message, const struct mail_summary *s,
    enum mail_search which)
{
	struct window w = window(n);

	TS_ASSERT(message.n == s->size);
	if (n->folded.n == 0)
		return true;
	for (uint32_t i = 0; i < s->part_count && !w.found; i++) {
		struct mail_part p;

		mail_summary_part(s, i, &p);
		if (which == MAIL_SEARCH_TEXT || (i > 0 && is_message(s, &p)))
			search_fields(&w, (struct str){message.p + p.header_off, p.header_len});
		if (!w.found && p.kind == MAIL_PART_LEAF && str_eq(p.type, STR("text")))
			w.found =
			    search_body(n, &p, (struct str){message.p + p.body_off, p.body_len});
	}
	buf_fini(&w.text);
	return w.found;
}
