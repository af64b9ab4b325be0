/* SPDX-License-Identifier: Apache-2.0 */
/* Sort keys and hashed ids: see sort.h. */
#include "mail/sort.h"

#include <xxhash.h>

#include "mail/text/lex.h"
#include "mail/text/text.h"

/* ---- the envelope in the form ready to send ---- */

/* Takes a number of bytes in braces; the reader is after the line end. */
static size_t
take_literal(struct rd *r)
{
	size_t n = 0;
	uint8_t c;

	while ((c = rd_u8(r)) != '}' && !r->bad)
		n = n > SIZE_MAX / 16 ? SIZE_MAX / 16 : n * 10 + (c - '0');
	(void)rd_bytes(r, 2);
	return n;
}

/* Appends a string; returns false if it is NIL. */
static bool
take_nstring(struct rd *r, struct buf *out)
{
	uint8_t c = rd_u8(r);

	if (c == '{') {
		buf_str(out, rd_bytes(r, take_literal(r)));
		return !r->bad;
	}
	if (c != '"') {
		(void)rd_bytes(r, 2);
		return false;
	}
	while ((c = rd_u8(r)) != '"' && !r->bad)
		buf_putc(out, (char)(c == '\\' ? rd_u8(r) : c));
	return !r->bad;
}

static void
skip_blank(struct rd *r)
{
	(void)rd_bytes(r, 1);
}

/* Skips a list of addresses, or NIL. */
static void
skip_list(struct rd *r, struct buf *scratch)
{
	unsigned depth = 0;

	do {
		uint8_t c = rd_left(r) > 0 ? *r->p : ')';

		if (c == '(' || c == ')' || c == ' ') {
			depth += (unsigned)(c == '(') - (unsigned)(c == ')');
			(void)rd_u8(r);
		} else {
			scratch->n = 0;
			(void)take_nstring(r, scratch);
		}
	} while (depth > 0 && !r->bad);
}

/* Skips date and subject: the reader is before the blank of the first list. */
static struct rd
envelope_of(const struct mail_summary *s, struct buf *scratch)
{
	struct rd r = rd_of(mail_summary_text(s, MAIL_TEXT_ENVELOPE));

	skip_blank(&r);
	for (int i = 0; i < 2; i++) {
		scratch->n = 0;
		(void)take_nstring(&r, scratch);
		if (i == 0)
			skip_blank(&r);
	}
	return r;
}

/* ---- keys of addresses ---- */

struct first { /* of a list: where its parts are in the scratch buffer */
	bool any, name, mailbox, host;
	size_t end[4];
};

/* The list stays unread for the caller, since r is a copy. */
static void
read_first(struct rd r, struct buf *scratch, struct first *a)
{
	bool there[4];

	*a = (struct first){.any = false};
	scratch->n = 0;
	for (int i = 0; i < 2; i++)
		if (rd_u8(&r) != '(')
			return;
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			skip_blank(&r);
		there[i] = take_nstring(&r, scratch);
		a->end[i] = scratch->n;
	}
	a->any = !r.bad;
	a->name = there[0];
	a->mailbox = there[2];
	a->host = there[3];
}

static struct str
part_of(const struct buf *scratch, const struct first *a, int i)
{
	size_t from = i > 0 ? a->end[i - 1] : 0;

	if (a->end[i] == from) /* also if the buffer is empty */
		return STR("");
	return (struct str){scratch->p + from, a->end[i] - from};
}

static void
put_mailbox(const struct buf *scratch, const struct first *a, struct buf *out)
{
	if (a->mailbox)
		mail_words_decode(part_of(scratch, a, 2), out);
}

static void
put_display(const struct buf *scratch, const struct first *a, struct buf *out)
{
	if (a->name)
		mail_words_decode(part_of(scratch, a, 0), out);
	if (out->n > 0)
		return;
	put_mailbox(scratch, a, out);
	if (a->mailbox && a->host) {
		buf_putc(out, '@');
		mail_words_decode(part_of(scratch, a, 3), out);
	}
}

/* ---- keys ---- */

static void
put_key(struct mail_sort_keys *k, enum mail_sort which, struct str text)
{
	k->key[which].off = k->bytes.n;
	mail_collate(text, &k->bytes);
	k->key[which].n = k->bytes.n - k->key[which].off;
}

static void
make_subject(const struct mail_summary *s, struct mail_sort_keys *k)
{
	struct str subject = mail_summary_text(s, MAIL_TEXT_SUBJECT);
	struct buf base = buf_like(&k->bytes);

	if ((s->flags & MAIL_SUMMARY_BASE) != 0) {
		put_key(k, MAIL_SORT_SUBJECT, mail_summary_text(s, MAIL_TEXT_BASE_SUBJECT));
		return;
	}
	if (subject.n > 0)
		(void)mail_base_subject(subject, &base);
	put_key(k, MAIL_SORT_SUBJECT, buf_as_str(&base));
	buf_fini(&base);
}

/* The keys made from a list of addresses. */
struct source {
	enum mail_sort mailbox, display; /* MAIL_SORTS: none */
};

static void
make_from_list(struct rd r, const struct source *source, unsigned mask, struct mail_sort_keys *k)
{
	struct first a;
	struct buf text = buf_like(&k->bytes);

	read_first(r, &k->scratch, &a);
	if (!a.any)
		return;
	if ((mask & 1u << source->mailbox) != 0) {
		put_mailbox(&k->scratch, &a, &text);
		put_key(k, source->mailbox, buf_as_str(&text));
	}
	text.n = 0;
	if (source->display < MAIL_SORTS && (mask & 1u << source->display) != 0) {
		put_display(&k->scratch, &a, &text);
		put_key(k, source->display, buf_as_str(&text));
	}
	buf_fini(&text);
}

void
mail_sort_make(const struct mail_summary *s, unsigned mask, struct mail_sort_keys *k)
{
	/* From, Sender, Reply-To, To, Cc */
	static const struct source sources[] = {{MAIL_SORT_FROM, MAIL_SORT_DISPLAYFROM},
	    {MAIL_SORTS, MAIL_SORTS}, {MAIL_SORTS, MAIL_SORTS}, {MAIL_SORT_TO, MAIL_SORT_DISPLAYTO},
	    {MAIL_SORT_CC, MAIL_SORTS}};
	struct rd r;

	k->bytes.n = 0;
	memset(k->key, 0, sizeof k->key);
	if ((mask & 1u << MAIL_SORT_SUBJECT) != 0)
		make_subject(s, k);
	if ((mask & ~(1u << MAIL_SORT_SUBJECT)) == 0)
		return;
	r = envelope_of(s, &k->scratch);
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]) && !r.bad; i++) {
		skip_blank(&r);
		if (sources[i].mailbox < MAIL_SORTS)
			make_from_list(r, &sources[i], mask, k);
		skip_list(&r, &k->scratch);
	}
}

struct str
mail_sort_key(const struct mail_sort_keys *k, enum mail_sort which)
{
	if (k->key[which].n == 0)
		return STR("");
	return (struct str){k->bytes.p + k->key[which].off, k->key[which].n};
}

void
mail_sort_fini(struct mail_sort_keys *k)
{
	buf_fini(&k->bytes);
	buf_fini(&k->scratch);
}

/* ---- ids ---- */

/* Hashes what is between the angle brackets, without quoting; 0 unless it has a left and a right
 * side. */
static uint64_t
hash_id(struct str id, struct buf *scratch)
{
	bool quoted = false, at = false;
	size_t left = 0;
	uint64_t hash;

	scratch->n = 0;
	for (size_t i = 0; i < id.n; i++) {
		if (id.p[i] == '"') {
			quoted = !quoted;
			continue;
		}
		if (id.p[i] == '\\' && i + 1 < id.n) {
			i++;
		} else if (id.p[i] == '@' && !quoted && !at) {
			at = true;
			left = scratch->n;
		}
		buf_putc(scratch, id.p[i]);
	}
	if (quoted || !at || left == 0 || scratch->n < left + 2)
		return 0;
	hash = XXH3_64bits(scratch->p, scratch->n);
	return hash != 0 ? hash : 1; /* 0 means none */
}

/* Takes the next "<...>" in the text, without blanks, whether or not the text still has them. */
static bool
next_id(struct str *text, struct buf *id)
{
	const char *open, *end;

	id->n = 0;
	if (text->n == 0 || (open = str_chr(*text, '<')) == NULL)
		return false;
	*text = str_range(open + 1, text->p + text->n);
	end = str_chr(*text, '>');
	if (end == NULL)
		return false;
	for (const char *p = text->p; p < end; p++)
		if (!lex_blank(*p))
			buf_putc(id, *p);
	*text = str_range(end + 1, text->p + text->n);
	return true;
}

/* Returns the first valid id, or 0. */
static uint64_t
first_id(struct str text, struct buf *id, struct buf *scratch)
{
	uint64_t hash = 0;

	while (hash == 0 && next_id(&text, id))
		hash = hash_id(buf_as_str(id), scratch);
	return hash;
}

/* Of two fields the summary only has the first thing that looks like an id; if that is invalid, a
 * later one in the envelope may be valid. */
static uint64_t
first_in_envelope(
    const struct mail_summary *s, bool message_id, struct buf *id, struct buf *scratch)
{
	struct buf text = buf_like(scratch);
	struct rd r = envelope_of(s, scratch);
	uint64_t hash = 0;

	for (int i = 0; i < 6; i++) {
		skip_blank(&r);
		skip_list(&r, scratch);
	}
	for (int i = 0; i < (message_id ? 2 : 1); i++) {
		skip_blank(&r);
		text.n = 0;
		(void)take_nstring(&r, &text);
	}
	if (!r.bad)
		hash = first_id(buf_as_str(&text), id, scratch);
	buf_fini(&text);
	return hash;
}

static uint64_t
id_of(const struct mail_summary *s, enum mail_text which, struct buf *id, struct buf *scratch)
{
	struct str text = mail_summary_text(s, which);
	uint64_t hash = first_id(text, id, scratch);

	return hash != 0 || text.p == NULL
	           ? hash
	           : first_in_envelope(s, which == MAIL_TEXT_MESSAGE_ID, id, scratch);
}

void
mail_thread_ids(const struct mail_summary *s, uint64_t *id_r, struct buf *refs_r)
{
	struct str text = mail_summary_text(s, MAIL_TEXT_REFERENCES);
	struct buf id = buf_like(refs_r), scratch = buf_like(refs_r);
	size_t before = refs_r->n;
	uint64_t hash;

	*id_r = id_of(s, MAIL_TEXT_MESSAGE_ID, &id, &scratch);
	while (next_id(&text, &id))
		if ((hash = hash_id(buf_as_str(&id), &scratch)) != 0)
			buf_le64(refs_r, hash);
	if (refs_r->n == before && (hash = id_of(s, MAIL_TEXT_IN_REPLY_TO, &id, &scratch)) != 0)
		buf_le64(refs_r, hash);
	buf_fini(&id);
	buf_fini(&scratch);
}
