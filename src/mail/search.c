/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Substring search: see search.h.
 *
 * Text flows through transfer decoding, charset conversion and folding into a
 * window, which memmem() goes through when it is full; glibc's is linear
 * whatever the needle.  The last bytes of a window, one less than the needle
 * has, are kept, so that a match across two windows is seen.
 */
#include "mail/search.h"

#include "base/err.h"
#include "base/mem.h"
#include "mail/header.h"
#include "mail/text_int.h"

#define PIECE 16384u  /* bytes of a body taken at a time */
#define WINDOW 65536u /* folded bytes looked through at a time */

struct mail_needle {
	struct buf folded;
};

struct window {
	const struct mail_needle *needle;
	struct buf text;
	bool found;
};

struct mail_needle *
mail_needle_new(struct str utf8)
{
	struct mail_needle *n = mem_zalloc(sizeof(*n));

	if (utf8.n > 0)
		mail_casemap(utf8, &n->folded);
	return n;
}

void
mail_needle_free(struct mail_needle **np)
{
	if (*np == NULL)
		return;
	buf_fini(&(*np)->folded);
	mem_free(*np);
	*np = NULL;
}

static void
window_look(struct window *w)
{
	struct str needle = buf_as_str(&w->needle->folded), text = buf_as_str(&w->text);

	if (text.n >= needle.n && str_find(text, needle) != NULL)
		w->found = true;
	if (text.n >= needle.n)
		buf_consume(&w->text, text.n - needle.n + 1);
}

/* utf8 holds whole characters. */
static void
window_feed(struct window *w, struct str utf8)
{
	size_t full = WINDOW + w->needle->folded.n * 2;

	while (utf8.n > 0 && !w->found) {
		struct str piece = utf8;

		if (piece.n > PIECE) {
			piece.n = PIECE;
			while (
			    piece.n > PIECE - 4 && ((unsigned char)utf8.p[piece.n] & 0xc0) == 0x80)
				piece.n--;
		}
		mail_casemap(piece, &w->text);
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
	struct window w = {.needle = n};

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

static void
search_body(struct window *w, const struct mail_part *p, struct str body)
{
	struct mail_conv *conv = mail_conv_new(p->charset.n > 0 ? p->charset : STR("us-ascii"));
	struct mail_decoder d;
	struct buf bytes = {0}, text = {0};

	mail_decoder_init(&d, p->encoding);
	while (body.n > 0 && !w->found) {
		struct str piece = {body.p, body.n < PIECE ? body.n : PIECE};
		bool last = piece.n == body.n;

		body = (struct str){body.p + piece.n, body.n - piece.n};
		if (encoded(p->encoding)) {
			bytes.n = 0;
			mail_decode(&d, piece, last, &bytes);
			piece = buf_as_str(&bytes);
		}
		if (text_conv_passes_ascii(conv) && text_ascii_run(piece) == piece.n) {
			window_feed(w, piece);
			continue;
		}
		text.n = 0;
		mail_conv_feed(conv, piece, last, &text);
		window_feed(w, buf_as_str(&text));
	}
	window_end(w);
	buf_fini(&bytes);
	buf_fini(&text);
	mail_conv_free(&conv);
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
	struct window w = {.needle = n};

	TS_ASSERT(message.n == s->size);
	if (n->folded.n == 0)
		return true;
	for (uint32_t i = 0; i < s->part_count && !w.found; i++) {
		struct mail_part p;

		mail_summary_part(s, i, &p);
		if (which == MAIL_SEARCH_TEXT || (i > 0 && is_message(s, &p)))
			search_fields(&w, (struct str){message.p + p.header_off, p.header_len});
		if (!w.found && p.kind == MAIL_PART_LEAF && str_eq(p.type, STR("text")))
			search_body(&w, &p, (struct str){message.p + p.body_off, p.body_len});
	}
	buf_fini(&w.text);
	return w.found;
}
