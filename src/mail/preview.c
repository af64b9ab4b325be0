/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Previews: see preview.h.
 *
 * The bytes of a part pass through transfer decoding, charset conversion and, for HTML, removal of
 * markup, into lines; the front of a line decides what becomes of it.
 */
#include "mail/preview.h"

#include <endian.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "mail/header.h"

#define PIECE 256u        /* bytes decoded at a time: few are needed */
#define HEADER_MAX 16384u /* of a part's header: it says whether the part is an attachment */
#define HIDDEN_MAX 8u     /* characters without a shape in a row */
#define RULE_MIN 3u       /* a line of this many dashes is a rule */
#define MODE_DIGITS 3u    /* "begin 644 name" */
#define ASCII_VISIBLE '!' /* up to '~' */

/* ---- characters */

static bool
full(const struct mail_preview_text *t)
{
	return t->chars + t->blank >= MAIL_PREVIEW_CHARS;
}

/* Puts a visible character. */
static void
put(struct mail_preview_text *t, const char *p, size_t n)
{
	if (t->blank) {
		t->p[t->n++] = ' ';
		t->chars++;
		t->blank = false;
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
	t->chars++;
}

static void
put_blank(struct mail_preview_text *t)
{
	t->blank = t->n > 0;
}

/* Returns whether it modifies the previous character: joins it, or chooses a form. */
static bool
modifies(UChar32 c)
{
	return c == 0x200c || c == 0x200d || (c >= 0xfe00 && c <= 0xfe0f) ||
	       (c >= 0xe0020 && c <= 0xe007f) || (c >= 0xe0100 && c <= 0xe01ef);
}

static void
put_wide(struct mail_preview_text *t, const char *p, size_t n, UChar32 c)
{
	if (u_isUWhiteSpace(c) || u_charType(c) == U_CONTROL_CHAR) {
		put_blank(t);
	} else if (!u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT)) {
		t->hidden = 0;
		put(t, p, n);
	} else if (modifies(c) && t->n > 0 && !t->blank && t->hidden++ < HIDDEN_MAX) {
		put(t, p, n);
	}
}

#define EACH(byte) ((byte) * (uint64_t)0x0101010101010101)
#define WORD sizeof(uint64_t)

/* Returns whether eight bytes of text need no change: visible ASCII and single blanks. */
static bool
is_clean(uint64_t word)
{
	uint64_t z = word ^ EACH(0x20), blanks = ~((z + EACH(0x7f)) | z) & EACH(0x80);
	uint64_t controls = (word - EACH(0x20)) | (word + EACH(0x01)); /* and DEL */

	return ((word | controls) & EACH(0x80)) == 0 && (blanks & blanks << 8) == 0;
}

/* Puts as much of such text at the front as there is room for; returns its length in bytes. */
static size_t
put_clean(struct mail_preview_text *t, struct str utf8)
{
	size_t room = MAIL_PREVIEW_CHARS - t->chars, i = 0;
	char *to = t->p + t->n;
	uint64_t word;

	for (; i + WORD <= utf8.n && i + WORD + t->blank <= room; i += WORD) {
		memcpy(&word, utf8.p + i, WORD);
		if (!is_clean(le64toh(word)) || (utf8.p[i] == ' ' && (t->blank || to == t->p)))
			break;
		if (t->blank) {
			*to++ = ' ';
			room--;
			t->blank = false;
		}
		memcpy(to, &word, WORD);
		to += WORD;
		if (to[-1] == ' ') {
			to--;
			room++;
			t->blank = true;
		}
	}
	t->hidden = i > 0 ? 0 : t->hidden;
	t->chars += (unsigned)(to - t->p - (ptrdiff_t)t->n);
	t->n = (size_t)(to - t->p);
	return i;
}

/* Same, byte by byte, at most one word. */
static size_t
put_ascii(struct mail_preview_text *t, struct str utf8)
{
	size_t i = 0;

	for (; i < utf8.n && i < WORD && !full(t); i++)
		if (utf8.p[i] == ' ')
			put_blank(t);
		else if (utf8.p[i] >= ASCII_VISIBLE && utf8.p[i] <= '~')
			put(t, utf8.p + i, 1);
		else
			break;
	t->hidden = i > 0 ? 0 : t->hidden;
	return i;
}

static void
put_text(struct mail_preview_text *t, struct str utf8)
{
	size_t i = 0;

	while (i < utf8.n && !full(t)) {
		size_t from = i;
		UChar32 c;

		i += put_clean(t, (struct str){utf8.p + i, utf8.n - i});
		i += put_ascii(t, (struct str){utf8.p + i, utf8.n - i});
		if (i > from)
			continue;
		if ((unsigned char)utf8.p[i] < 0x80) {
			put_blank(t);
			i++;
		} else {
			U8_NEXT_OR_FFFD(utf8.p, i, utf8.n, c);
			put_wide(t, utf8.p + from, i - from, c);
		}
	}
}

/* ---- lines */

static bool
begins(struct str line, const char *with)
{
	return str_has_prefix(line, str_of(with));
}

/* Nothing but dashes and the like. */
static bool
is_rule(struct str line)
{
	for (size_t i = 0; i < line.n; i++)
		if (strchr("-=_*#~+ \t\r", line.p[i]) == NULL)
			return false;
	return line.n >= RULE_MIN;
}

static bool
is_uuencoded(struct str line)
{
	size_t i = strlen("begin "), from = i;

	if (!begins(line, "begin "))
		return false;
	while (i < line.n && line.p[i] >= '0' && line.p[i] <= '7')
		i++;
	return i == from + MODE_DIGITS && i < line.n && line.p[i] == ' ';
}

/* Returns whether what follows is not for people, or not for everybody. */
static bool
ends_text(struct str line)
{
	return str_eq(line, STR("--")) || str_eq(line, STR("-- ")) ||
	       begins(line, "-----BEGIN PGP MESSAGE-----") ||
	       begins(line, "-----BEGIN PGP SIGNATURE-----") || is_uuencoded(line);
}

/* Drops "Ann wrote:", which announces the quote that begins. */
static void
drop_announcement(struct mail_preview_text *t)
{
	if (t->n == 0 || t->p[t->n - 1] != ':')
		return;
	t->n = t->line_n;
	t->chars = t->line_chars;
	t->blank = t->n > 0;
}

static struct str
unquoted(struct str line)
{
	while (line.n > 0 && (line.p[0] == '>' || line.p[0] == ' '))
		line = (struct str){line.p + 1, line.n - 1};
	return line;
}

static struct str
plain_line(struct mail_preview_text *t, struct str line)
{
	t->line_n = t->n;
	t->line_chars = t->chars;
	return line;
}

/* Handles a line that may be more than text.  Returns the part of it that is text. */
static struct str
odd_line(struct mail_preview *p, struct str line, bool whole)
{
	struct str blank = str_trim(line);

	if (p->skipping || ends_text(line)) {
		p->ended = !p->skipping;
		p->skipping = p->skipping && !(whole && blank.n == 0);
		return STR("");
	}
	if (begins(line, "-----BEGIN PGP SIGNED MESSAGE-----")) {
		p->skipping = true;
		return STR("");
	}
	if (whole && (blank.n == 0 || is_rule(line)))
		return STR("");
	p->quote = blank.n > 0 && blank.p[0] == '>';
	if (!p->quote)
		return plain_line(&p->text, line);
	drop_announcement(&p->text);
	return unquoted(blank);
}

/* Nearly all lines begin in a way that only text does. */
static bool
may_be_odd(struct str line)
{
	return line.n == 0 || line.p[0] == 'b' || line.p[0] < '0';
}

/* Handles the front of a line, or all of it. */
static struct str
line_begin(struct mail_preview *p, struct str line, bool whole)
{
	p->quote = false;
	if (p->skipping || may_be_odd(line) || strchr("=_~>", line.p[0]) != NULL)
		return odd_line(p, line, whole);
	return plain_line(&p->text, line);
}

/* Puts what a line has become. */
static void
line_out(struct mail_preview *p, struct str line, bool ends)
{
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (!p->begun)
		line = line_begin(p, line, ends);
	else if (p->skipping)
		line = STR("");
	if (!p->ended)
		put_text(p->quote ? &p->quoted : &p->text, line);
	if (ends) {
		put_blank(&p->text);
		put_blank(&p->quoted);
	}
	p->begun = !ends;
}

static void
kept_line_out(struct mail_preview *p, bool ends)
{
	line_out(p, (struct str){p->line, p->line_n}, ends);
	p->line_n = 0;
}

/* Returns up to n bytes of it, in whole characters. */
static size_t
whole_characters(struct str utf8, size_t n)
{
	while (n > 0 && n < utf8.n && ((unsigned char)utf8.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static bool
satisfied(const struct mail_preview *p)
{
	return p->ended || full(&p->text);
}

static void
take_text(struct mail_preview *p, struct str utf8)
{
	while (utf8.n > 0 && !satisfied(p)) {
		const char *lf = memchr(utf8.p, '\n', utf8.n);
		size_t room = sizeof(p->line) - p->line_n;
		size_t n = lf != NULL ? (size_t)(lf - utf8.p) : utf8.n;

		if (lf != NULL && p->line_n == 0 && n <= room) { /* nearly always */
			line_out(p, (struct str){utf8.p, n}, true);
			utf8 = (struct str){lf + 1, utf8.n - n - 1};
			continue;
		}
		if (n > room)
			n = whole_characters(utf8, room);
		memcpy(p->line + p->line_n, utf8.p, n);
		p->line_n += n;
		utf8 = (struct str){utf8.p + n, utf8.n - n};
		if (utf8.n > 0 && utf8.p[0] == '\n') {
			utf8 = (struct str){utf8.p + 1, utf8.n - 1};
			kept_line_out(p, true);
		} else if (utf8.n > 0) {
			kept_line_out(p, false);
		}
	}
}

/* ---- bodies */

static void
body_begin(struct mail_preview *p)
{
	p->is_html = str_eq(p->part.subtype, STR("html"));
	mail_decoder_init(&p->decoder, p->part.encoding);
	mail_html_init(&p->html);
	p->html.no_title = true;
	p->line_n = 0;
	p->begun = p->quote = p->skipping = p->ended = false;
}

static void
take_shown(struct mail_preview *p, struct str utf8, bool last)
{
	if (!p->is_html) {
		take_text(p, utf8);
		return;
	}
	p->shown.n = p->aside.n = 0;
	mail_html_feed(&p->html, utf8, last, &p->shown, &p->aside);
	take_text(p, buf_as_str(&p->shown));
}

/* Most text is ASCII under a name known to pass it unchanged. */
static bool
is_converted(struct mail_preview *p, struct str piece)
{
	struct str charset = p->part.charset.n > 0 ? p->part.charset : STR("us-ascii");
	bool ascii = text_ascii_run(piece) == piece.n;

	if (p->conv == NULL && ascii &&
	    (str_eq(charset, STR("us-ascii")) || str_eq(charset, STR("utf-8"))))
		return false;
	if (p->conv == NULL)
		p->conv = mail_conv_try_new(charset, p->bytes.oom);
	return p->conv != NULL && !(ascii && text_conv_passes_ascii(p->conv));
}

static void
decode_piece(struct mail_preview *p, struct str piece, bool last)
{
	enum mail_encoding e = p->part.encoding;

	if (e == MAIL_ENCODING_BASE64 || e == MAIL_ENCODING_QP) {
		p->bytes.n = 0;
		mail_decode(&p->decoder, piece, last, &p->bytes);
		piece = buf_as_str(&p->bytes);
	}
	if (is_converted(p, piece)) {
		p->utf8.n = 0;
		mail_conv_feed(p->conv, piece, last, &p->utf8);
		piece = buf_as_str(&p->utf8);
	}
	take_shown(p, piece, last);
}

static void
body_end(struct mail_preview *p)
{
	if (!satisfied(p))
		kept_line_out(p, true);
	mail_conv_free(&p->conv);
	p->at = p->text.n > 0 || p->quoted.n > 0 || p->left == 0 ? MAIL_PREVIEW_DONE
	                                                         : MAIL_PREVIEW_BETWEEN;
}

static void
feed_body(struct mail_preview *p, struct str bytes)
{
	while (bytes.n > 0 && !satisfied(p)) {
		size_t n = bytes.n < PIECE ? bytes.n : PIECE;

		decode_piece(p, (struct str){bytes.p, n}, n == bytes.n && p->range.len == 0);
		bytes = (struct str){bytes.p + n, bytes.n - n};
	}
	if (satisfied(p) || p->range.len == 0)
		body_end(p);
}

/* ---- choosing the part */

static bool
is_text(const struct mail_part *part)
{
	return part->kind == MAIL_PART_LEAF && str_eq(part->type, STR("text")) &&
	       (str_eq(part->subtype, STR("plain")) || str_eq(part->subtype, STR("html"))) &&
	       part->encoding != MAIL_ENCODING_UNKNOWN && part->body_len > 0;
}

static bool
is_encrypted(const struct mail_part *part)
{
	return part->kind == MAIL_PART_MULTIPART && str_eq(part->subtype, STR("encrypted"));
}

static void
want(struct mail_preview *p, enum mail_preview_at at, uint64_t off, uint64_t len, uint32_t most)
{
	p->at = at;
	p->range = (struct mail_range){off, len < most ? len : most};
	if (p->range.len > p->left)
		p->range.len = p->left;
}

static void
want_body(struct mail_preview *p)
{
	want(p, MAIL_PREVIEW_BODY, p->part.body_off, p->part.body_len, MAIL_PREVIEW_BYTES);
	body_begin(p);
}

static void
next_part(struct mail_preview *p)
{
	while (p->next < p->summary.part_count && p->left > 0) {
		uint32_t i = p->next;

		mail_summary_part(&p->summary, i, &p->part);
		p->next = is_encrypted(&p->part) ? p->part.end : i + 1;
		/* If its header is not read to the end it may be an attachment. */
		if (!is_text(&p->part) || (i > 0 && p->part.header_len > HEADER_MAX))
			continue;
		/* The message's own header does not say whether it is an attachment. */
		if (i > 0 && p->part.header_len > 0)
			want(p, MAIL_PREVIEW_HEADER, p->part.header_off, p->part.header_len,
			    HEADER_MAX);
		else
			want_body(p);
		return;
	}
	p->at = MAIL_PREVIEW_DONE;
}

static bool
is_attachment(const struct buf *header)
{
	struct str value = mail_field_find(buf_as_str(header), STR("content-disposition"));
	struct mail_params params = {0};
	bool is;

	if (value.p == NULL)
		return false;
	mail_params_try_read(&params, value, HEADER_MAX, header->oom);
	is = str_ieq(params.first, STR("attachment"));
	mail_params_fini(&params);
	return is;
}

static void
feed_header(struct mail_preview *p, struct str bytes)
{
	struct buf *header = &p->bytes;

	buf_str(header, bytes);
	if (p->range.len > 0)
		return;
	if (is_attachment(header) || p->left == 0)
		p->at = MAIL_PREVIEW_BETWEEN;
	else
		want_body(p);
	header->n = 0;
}

/* ---- all of it */

void
mail_preview_begin(struct mail_preview *p, const struct mail_summary *summary)
{
	memset(p, 0, offsetof(struct mail_preview, line));
	p->summary = *summary;
	p->left = MAIL_PREVIEW_BYTES;
	p->text.p = p->text_bytes;
	p->quoted.p = p->quoted_bytes;
}

void
mail_preview_tell_oom(struct mail_preview *p, bool *oom)
{
	p->bytes.oom = p->utf8.oom = p->shown.oom = p->aside.oom = oom;
}

bool
mail_preview_wants(struct mail_preview *p, struct mail_range *range_r)
{
	if (p->at == MAIL_PREVIEW_BETWEEN)
		next_part(p);
	*range_r = p->range;
	return p->at != MAIL_PREVIEW_DONE;
}

void
mail_preview_feed(struct mail_preview *p, struct str bytes)
{
	TS_ASSERT(bytes.n > 0 && bytes.n <= p->range.len);
	p->range.off += bytes.n;
	p->range.len -= bytes.n;
	p->left -= (uint32_t)bytes.n;
	if (p->at == MAIL_PREVIEW_HEADER)
		feed_header(p, bytes);
	else
		feed_body(p, bytes);
}

struct str
mail_preview_text(const struct mail_preview *p)
{
	const struct mail_preview_text *t = p->text.n > 0 ? &p->text : &p->quoted;

	return (struct str){t->p, t->n};
}

void
mail_preview_fini(struct mail_preview *p)
{
	struct buf *bufs[] = {&p->bytes, &p->utf8, &p->shown, &p->aside};

	mail_conv_free(&p->conv);
	for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++)
		buf_fini(bufs[i]);
}
