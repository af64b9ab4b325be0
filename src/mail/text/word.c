/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoded words (RFC 2047) and the base subject (RFC 5256 section 2.1): see
 * text.h.
 */
#include "mail/text/decode.h"
#include "mail/text/lex.h"
#include "mail/text/text.h"

struct word {
	struct str charset;
	char encoding; /* b or q */
	struct str text;
	const char *end; /* after the word */
};

/* Most decoded bytes gathered before they are converted. */
#define GATHERED 16384u

/* The position of one call. */
struct words {
	const char *end;
	bool last;
	const char *mark; /* the next "?=" at or after the last position, or end */
};

enum found { FOUND, NOTHING, UNDECIDED };

/* Only the first search reads on; later ones reuse the position, so all together are linear. */
static const char *
find_mark(struct words *w, const char *from)
{
	const char *at;

	if (w->mark != NULL && w->mark >= from)
		return w->mark;
	at = memmem(from, (size_t)(w->end - from), "?=", 2);
	w->mark = at != NULL ? at : w->end;
	return w->mark;
}

/* What is at p would have to continue after the end. */
static enum found
cut_off(const struct words *w, const char *p)
{
	return w->last || w->end - p > (ptrdiff_t)MAIL_WORDS_HELD ? NOTHING : UNDECIDED;
}

/* RFC 2047 section 2, tolerating blanks inside; p points at "=". */
static enum found
word_at(struct words *w, const char *p, struct word *word_r)
{
	const char *q = p + 2, *limit, *mark;
	struct str charset, lang;

	if (w->end - p < 2)
		return cut_off(w, p);
	if (p[1] != '?')
		return NOTHING;
	limit = w->end - q > MAIL_WORD_CHARSET ? q + MAIL_WORD_CHARSET : w->end;
	while (q < limit && *q != '?' && !lex_blank(*q) && *q != '=')
		q++;
	if (q == limit)
		return limit == w->end ? cut_off(w, p) : NOTHING;
	if (*q != '?' || q == p + 2)
		return NOTHING;
	if (w->end - q < 5)
		return cut_off(w, p);
	charset = str_range(p + 2, q);
	str_split(&charset, '*', &lang); /* RFC 2231 section 5: charset*language */
	word_r->charset = lang;
	word_r->encoding = (char)ascii_lower((unsigned char)q[1]);
	if (q[2] != '?' || (word_r->encoding != 'b' && word_r->encoding != 'q'))
		return NOTHING;
	mark = find_mark(w, q + 3);
	if (mark == w->end)
		return cut_off(w, p);
	word_r->text = str_range(q + 3, mark);
	word_r->end = mark + 2;
	return FOUND;
}

static void
word_bytes(const struct word *word, struct buf *out)
{
	struct str s = word->text;
	const char *end = s.n > 0 ? s.p + s.n : s.p;
	struct mail_decoder d;

	if (word->encoding == 'b') {
		mail_decoder_init(&d, MAIL_ENCODING_BASE64);
		mail_decode(&d, s, true, out);
		return;
	}
	for (size_t i = 0; i < s.n; i++) {
		int hi, lo;

		if (s.p[i] == '=' && s.n - i > 2 && (hi = lex_hex(s.p[i + 1])) >= 0 &&
		    (lo = lex_hex(s.p[i + 2])) >= 0) {
			buf_putc(out, (char)(hi * 16 + lo));
			i += 2;
		} else if (s.p[i] == '_') {
			buf_putc(out, ' ');
		} else {
			lex_put_unfolded(s.p + i, end, out);
		}
	}
}

/* NUL and line ends do not belong in a decoded header, wherever they came from. */
static void
put_clean(struct str s, struct buf *out)
{
	const char *end = s.n > 0 ? s.p + s.n : s.p;
	char *q = buf_room(out, s.n);

	if (q == NULL)
		return;
	for (const char *p = s.p; p < end; p++) {
		char c = lex_unfolded(p, end);

		if (c != '\0')
			*q++ = c;
	}
	out->n = (size_t)(q - out->p);
}

/* Converts what was gathered.  end: the text of these words ends here. */
static void
words_convert(struct mail_words *w, bool end, struct buf *out)
{
	struct str charset = {w->charset, w->charset_n};
	struct buf text = buf_like(out);

	if (w->bytes.n == 0 && w->conv == NULL)
		return;
	if (w->conv == NULL && !end)
		w->conv = mail_conv_try_new(charset, out->oom);
	if (w->conv != NULL)
		mail_conv_feed(w->conv, buf_as_str(&w->bytes), end, &text);
	else
		mail_to_utf8(charset, buf_as_str(&w->bytes), &text);
	put_clean(buf_as_str(&text), out);
	buf_fini(&text);
	w->bytes.n = 0;
	if (end)
		mail_conv_free(&w->conv);
}

static void
put_raw(struct str s, struct buf *out)
{
	struct buf text = buf_like(out);

	if (text_ascii_run(s) == s.n) {
		put_clean(s, out);
		return;
	}
	mail_to_utf8(STR("us-ascii"), s, &text); /* RFC 6532, or whatever it may be */
	put_clean(buf_as_str(&text), out);
	buf_fini(&text);
}

/* Charsets whose words begin and end in the same state; when joined, the switches in the middle
 * would look like damage. */
static bool
stateful(struct str charset)
{
	return str_has_iprefix(charset, STR("iso-2022-")) || str_ieq(charset, STR("utf-7")) ||
	       str_has_iprefix(charset, STR("hz"));
}

static void
words_add(struct mail_words *w, const struct word *word, struct buf *out)
{
	struct str charset = {w->charset, w->charset_n};

	if (!str_ieq(charset, word->charset) || stateful(word->charset))
		words_convert(w, true, out);
	memcpy(w->charset, word->charset.p, word->charset.n);
	w->charset_n = word->charset.n;
	word_bytes(word, &w->bytes);
	if (w->bytes.n > GATHERED)
		words_convert(w, false, out);
	w->after_word = true;
}

static void
words_raw(struct mail_words *w, struct str raw, struct buf *out)
{
	words_convert(w, true, out);
	put_raw(raw, out);
	w->after_word = false;
}

/* Returns how much of [raw, end) can be written: no blanks at its end, which may vanish, and no
 * partial characters. */
static const char *
written_up_to(const char *raw, const char *end, bool cut)
{
	const char *e = end;

	for (int i = 1; cut && i < 4 && end - raw >= i; i++) {
		unsigned char c = (unsigned char)end[-i];

		if (c >= 0xc0)
			e = end - i;
		if (c < 0x80 || c >= 0xc0)
			break;
	}
	/* These come last, since a line end is nothing or a blank depending on what follows. */
	while (e > raw && lex_blank(e[-1]) && end - e < (ptrdiff_t)MAIL_WORDS_HELD)
		e--;
	return e;
}

/* Returns how many bytes were used. */
static size_t
words_take(struct mail_words *w, struct str s, bool last, struct buf *out)
{
	struct words at = {.end = s.p + s.n, .last = last};
	const char *p = s.p, *raw, *gap, *e;

	while (last && at.end > p && lex_blank(at.end[-1]))
		at.end--;
	while (!w->begun && p < at.end && lex_blank(*p))
		p++;
	w->begun = w->begun || p < at.end;
	raw = p; /* start of what has been read but not written */
	while (p < at.end) {
		const char *next = memchr(p, '=', (size_t)(at.end - p));
		enum found found;
		struct word word;

		p = next != NULL ? next : at.end;
		found = next != NULL ? word_at(&at, p, &word) : NOTHING;
		if (found == UNDECIDED)
			break;
		if (found == NOTHING) {
			p += p < at.end;
			continue;
		}
		for (gap = raw; gap < p && lex_blank(*gap);)
			gap++;
		if (!w->after_word || gap < p) /* RFC 2047 section 6.2 */
			words_raw(w, str_range(raw, p), out);
		words_add(w, &word, out);
		p = raw = word.end;
	}
	e = last ? at.end : written_up_to(raw, p, p == at.end);
	if (e > raw)
		words_raw(w, str_range(raw, e), out);
	return last ? s.n : (size_t)((e > raw ? e : raw) - s.p);
}

void
mail_words_feed(struct mail_words *w, struct str piece, bool last, struct buf *out)
{
	size_t used;

	w->held.oom = w->bytes.oom = out->oom;
	if (w->held.n > 0) {
		buf_str(&w->held, piece);
		used = words_take(w, buf_as_str(&w->held), last, out);
		buf_consume(&w->held, used);
	} else if (piece.n > 0) {
		used = words_take(w, piece, last, out);
		buf_put(&w->held, piece.p + used, piece.n - used);
	}
	if (last)
		words_convert(w, true, out);
}

void
mail_words_fini(struct mail_words *w)
{
	buf_fini(&w->held);
	buf_fini(&w->bytes);
	mail_conv_free(&w->conv);
}

void
mail_words_decode(struct str value, struct buf *out)
{
	struct mail_words w = {0};

	if (value.n == 0 || memchr(value.p, '=', value.n) == NULL) { /* without encoded words */
		put_raw(str_trim(value), out);
		return;
	}
	mail_words_feed(&w, value, true, out);
	mail_words_fini(&w);
}

/* ---- base subject ---- */

/* Returns the index after the subj-blob "[...]" and its blanks at i, or i if there is none. */
static size_t
skip_blob(struct str s, size_t i)
{
	size_t j = i;

	if (j >= s.n || s.p[j] != '[')
		return i;
	for (j++; j < s.n && s.p[j] != '[' && s.p[j] != ']';)
		j++;
	if (j >= s.n || s.p[j] != ']')
		return i;
	for (j++; j < s.n && s.p[j] == ' ';)
		j++;
	return j;
}

/* Returns the index after the subj-refwd ("Re:", "Fwd [x]:") at i, or i if there is none. */
static size_t
skip_refwd(struct str s, size_t i)
{
	struct str t = {s.p + i, s.n - i};
	size_t j;

	if (str_has_iprefix(t, STR("re")))
		j = i + 2;
	else if (str_has_iprefix(t, STR("fwd")))
		j = i + 3;
	else if (str_has_iprefix(t, STR("fw")))
		j = i + 2;
	else
		return i;
	while (j < s.n && s.p[j] == ' ')
		j++;
	j = skip_blob(s, j);
	return j < s.n && s.p[j] == ':' ? j + 1 : i;
}

/*
 * Steps 3 to 5: removes leaders and blobs from the front.  Looks at a run of
 * blobs only once, whether a "Re:" follows it or not, so this is linear.
 */
static struct str
cut_front(struct str s, bool *reply)
{
	size_t i = 0;

	for (;;) {
		size_t run, last, next;

		while (i < s.n && s.p[i] == ' ')
			i++;
		for (run = last = i; (next = skip_blob(s, run)) > run; run = next)
			last = run;
		if ((next = skip_refwd(s, run)) > run) {
			*reply = true;
			i = next;
			continue;
		}
		/* Remove a blob only if something is left after it. */
		i = run < s.n ? run : last;
		return (struct str){s.p + i, s.n - i};
	}
}

static struct str
cut_back(struct str s, bool *reply)
{
	for (;;) {
		while (s.n > 0 && s.p[s.n - 1] == ' ')
			s.n--;
		if (s.n < 5 || !str_ieq((struct str){s.p + s.n - 5, 5}, STR("(fwd)")))
			return s;
		s.n -= 5;
		*reply = true;
	}
}

bool
mail_base_subject(struct str utf8, struct buf *out)
{
	struct buf line = buf_like(out);
	bool reply = false;
	struct str s;

	for (size_t i = 0; i < utf8.n; i++) { /* step 1: runs of blanks become one space */
		char c = lex_blank(utf8.p[i]) ? ' ' : utf8.p[i];

		if (c != ' ' || (line.n > 0 && line.p[line.n - 1] != ' '))
			buf_putc(&line, c);
	}
	s = line.n > 0 ? buf_as_str(&line) : STR("");
	for (;;) {
		s = cut_front(cut_back(s, &reply), &reply);
		/* Step 6: "[fwd: ...]" around all of it. */
		if (s.n < 6 || !str_has_iprefix(s, STR("[fwd:")) || s.p[s.n - 1] != ']')
			break;
		reply = true;
		s = (struct str){s.p + 5, s.n - 6};
	}
	buf_str(out, s);
	buf_fini(&line);
	return reply;
}
