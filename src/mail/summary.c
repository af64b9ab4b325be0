/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and opening summaries: see summary.h.  All numbers are little-endian:
 *
 *     0   4  "TSM" and the version, 3 (version 2 lacked the last text, 1 the last three)
 *     4   4  length of the whole
 *     8   8  XXH3 of all that follows, seeded with the version (version 1: with 0)
 *     16  8  size of the message
 *     24  8  length of its header
 *     32  8  sent
 *     40  4  sent_day
 *     44  4  flags
 *     48  4  number of parts
 *     52  4  offset of the names of types and charsets
 *     56  8  for each text: offset, length (0xffffffff: absent)
 *     …  64  for each part: see put_part()
 *     …      the texts, the names, the last text
 */
#include "mail/summary.h"

#include <endian.h>
#include <xxhash.h>

#include "base/mem.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/preview.h"
#include "mail/render_int.h"
#include "mail/text/lex.h"
#include "mail/text/text.h"

#define HEAD 56u
#define PART 64u
#define ABSENT UINT32_MAX
#define MAGIC "TSM"
#define VERSION 3
#define VERSION_NOTED 4 /* a note follows, and its length in the last byte */
/* The cost of decoding a byte, in bytes looked at. */
#define COST 16
/* For a preview: bytes per step, and the cost of each. */
#define PREVIEW_PIECE 1024u
#define PREVIEW_COST 8

_Static_assert(MAIL_TEXT_COUNT < 64, "the table of texts is small");

static void
put_le32(char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (char)(v >> (8 * i));
}

static uint32_t
get_le32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return le32toh(v);
}

static uint64_t
get_le64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return le64toh(v);
}

/* ---- making ---- */

struct making {
	struct render r;
	struct mime m;
	struct mime_walk *walk;
	struct envelope e;
	struct structure structure;
	struct buf *out;
	size_t base; /* start of the summary in out */
	struct buf key, body;
	uint32_t flags;
	unsigned stage;               /* in stages[] */
	unsigned item;                /* in texts[] */
	size_t at;                    /* position in the message, or in a list of addresses */
	size_t from;                  /* start of the text being put */
	struct mail_preview *preview; /* NULL: not begun */
};

/* Records what was appended to out since `from` as the text `which`. */
static void
note_text(struct making *k, enum mail_text which, size_t from)
{
	char *row = k->out->p + k->base + HEAD + (size_t)which * 8;

	put_le32(row, (uint32_t)(from - k->base));
	put_le32(row + 4, (uint32_t)(k->out->n - from));
}

static void
note_absent(struct making *k, enum mail_text which)
{
	put_le32(k->out->p + k->base + HEAD + (size_t)which * 8 + 4, ABSENT);
}

/* A base subject that is part of the subject, as most are, takes no bytes of its own. */
static void
put_base_subject(struct making *k, struct str subject)
{
	struct str base = buf_as_str(&k->key);
	const char *at = base.n > 0 ? str_find(subject, base) : NULL;
	size_t from = at != NULL ? (size_t)(at - k->out->p) : k->out->n;
	char *row = k->out->p + k->base + HEAD + (size_t)MAIL_TEXT_BASE_SUBJECT * 8;

	put_le32(row, (uint32_t)(from - k->base));
	put_le32(row + 4, (uint32_t)base.n);
	if (at == NULL)
		buf_str(k->out, base);
}

static void
put_subject(struct making *k)
{
	struct str subject = k->e.subject;
	size_t from = k->out->n;

	k->key.n = 0;
	k->flags |= MAIL_SUMMARY_BASE;
	if (subject.p == NULL) {
		note_absent(k, MAIL_TEXT_SUBJECT);
	} else {
		mail_words_decode(mail_field_fit(subject, k->r.limits->field, true), k->out);
		note_text(k, MAIL_TEXT_SUBJECT, from);
		subject = (struct str){k->out->p + from, k->out->n - from};
		if (mail_base_subject(subject, &k->key))
			k->flags |= MAIL_SUMMARY_REPLY;
	}
	put_base_subject(k, subject);
}

/* Returns false if some remain. */
static bool
put_addresses_text(struct making *k, enum mail_text which, const struct mail_addresses *list,
    bool present, size_t *budget)
{
	if (!present) {
		note_absent(k, which);
		return true;
	}
	for (; k->at < list->n; k->at++) {
		size_t before = k->out->n;

		if (*budget == 0)
			return false;
		mail_addresses_text_one(list, k->at, k->out);
		mime_spend(budget, COST * (k->out->n - before + 8));
	}
	note_text(k, which, k->from);
	return true;
}

/* Puts the "<...>" pieces of a field, without blanks inside, up to max of them. */
static void
put_ids(struct making *k, enum mail_text which, struct str value, size_t max)
{
	size_t from = k->out->n, n = 0;

	if (value.n > k->r.limits->field) {
		value.n = k->r.limits->field;
		k->r.cut = true;
	}
	for (size_t i = 0; i < value.n && n < max; i++) {
		size_t id = k->out->n;

		if (value.p[i] != '<')
			continue;
		if (n > 0)
			buf_putc(k->out, ' ');
		for (; i < value.n && value.p[i] != '>'; i++)
			if (!lex_blank(value.p[i]) && value.p[i] != '\0')
				buf_putc(k->out, value.p[i]);
		if (i < value.n) {
			buf_putc(k->out, '>');
			n++;
		} else {
			k->out->n = id; /* never closed */
		}
	}
	if (n > 0)
		note_text(k, which, from);
	else
		note_absent(k, which);
}

static void
put_part(const struct mime_part *p, struct buf *out)
{
	buf_le32(out, p->parent);            /* 0 */
	buf_le32(out, p->number);            /* 4 */
	buf_le32(out, p->end);               /* 8 */
	buf_putc(out, (char)p->kind);        /* 12 */
	buf_putc(out, (char)p->encoding);    /* 13 */
	buf_putc(out, (char)p->type.len);    /* 14 */
	buf_putc(out, (char)p->subtype.len); /* 15 */
	buf_le64(out, p->header_off);        /* 16 */
	buf_le64(out, p->header_len);        /* 24 */
	buf_le64(out, p->body_len);          /* 32 */
	buf_le64(out, p->lines);             /* 40 */
	buf_le32(out, p->type.off);          /* 48 */
	buf_le32(out, p->subtype.off);       /* 52 */
	buf_le32(out, p->charset.off);       /* 56 */
	buf_le32(out, p->charset.len);       /* 60 */
}

/* ---- the stages: true if the next one may begin; in steps like mime_walk_step() ---- */

static bool
find_parts(struct making *k, size_t *budget)
{
	if (k->walk == NULL)
		k->walk = mime_walk_new(k->r.message, k->r.limits, &k->m, k->out->oom);
	if (k->walk == NULL || !mime_walk_step(k->walk, budget) || buf_failed(k->out))
		return false;
	mime_walk_free(&k->walk);
	envelope_begin(&k->e, (struct str){k->r.message.p, k->m.v[0].header_len}, k->out->oom);
	return true;
}

static bool
read_envelope(struct making *k, size_t *budget)
{
	return envelope_read(&k->r, &k->e, budget);
}

/* Returns the next bytes to look at, up to n. */
static struct str
piece(struct making *k, uint64_t n, size_t *budget)
{
	size_t left = (size_t)n - k->at;
	struct str s = {k->r.message.p + k->at, left < *budget ? left : *budget};

	mime_spend(budget, s.n);
	k->at += s.n;
	return s;
}

static bool
look_for_8bit(struct making *k, size_t *budget)
{
	uint64_t n = k->m.v[0].header_len;

	while (k->at<n && * budget> 0)
		if (!str_is_ascii(piece(k, n, budget))) {
			k->flags |= MAIL_SUMMARY_8BIT;
			return true;
		}
	return k->at >= n;
}

static bool
look_for_nul(struct making *k, size_t *budget)
{
	while (k->at<k->r.message.n && * budget> 0)
		if (str_chr(piece(k, k->r.message.n, budget), '\0') != NULL) {
			k->flags |= MAIL_SUMMARY_NUL;
			return true;
		}
	return k->at >= k->r.message.n;
}

static bool
put_envelope_text(struct making *k, size_t *budget)
{
	if (!render_envelope(&k->r, &k->e, budget, k->out))
		return false;
	note_text(k, MAIL_TEXT_ENVELOPE, k->from);
	note_absent(k, MAIL_TEXT_BODY_REV2);
	note_absent(k, MAIL_TEXT_BODYSTRUCTURE_REV2);
	return true;
}

static bool
put_structure(
    struct making *k, bool rev2, enum mail_text body, enum mail_text bodystructure, size_t *budget)
{
	struct structure *s = &k->structure;

	if (s->r == NULL)
		*s = (struct structure){.r = &k->r,
		    .m = &k->m,
		    .rev2 = rev2,
		    .body = &k->body,
		    .bodystructure = k->out};
	if (!render_structure(s, budget))
		return false;
	s->r = NULL;
	note_text(k, bodystructure, k->from);
	k->from = k->out->n;
	buf_str(k->out, buf_as_str(&k->body));
	k->body.n = 0;
	note_text(k, body, k->from);
	return true;
}

static bool
put_rev1(struct making *k, size_t *budget)
{
	return put_structure(k, false, MAIL_TEXT_BODY, MAIL_TEXT_BODYSTRUCTURE, budget);
}

static bool
put_rev2(struct making *k, size_t *budget)
{
	if (k->structure.r == NULL && !k->structure.differs)
		return true;
	return put_structure(k, true, MAIL_TEXT_BODY_REV2, MAIL_TEXT_BODYSTRUCTURE_REV2, budget);
}

static bool
put_next_text(struct making *k, size_t *budget)
{
	struct envelope *e = &k->e;

	switch (k->item) {
	case MAIL_TEXT_SUBJECT: /* and MAIL_TEXT_BASE_SUBJECT */
		put_subject(k);
		break;
	case MAIL_TEXT_FROM:
		return put_addresses_text(k, k->item, &e->from, e->has_from, budget);
	case MAIL_TEXT_TO:
		return put_addresses_text(k, k->item, &e->to, e->has_to, budget);
	case MAIL_TEXT_CC:
		return put_addresses_text(k, k->item, &e->cc, e->has_cc, budget);
	case MAIL_TEXT_BCC:
		return put_addresses_text(k, k->item, &e->bcc, e->has_bcc, budget);
	case MAIL_TEXT_MESSAGE_ID:
		put_ids(k, k->item, e->message_id, 1);
		break;
	case MAIL_TEXT_IN_REPLY_TO:
		put_ids(k, k->item, e->in_reply_to, 1);
		break;
	case MAIL_TEXT_REFERENCES:
		put_ids(k, k->item, e->references, SIZE_MAX);
		break;
	case MAIL_TEXT_BASE_SUBJECT:
		break;
	default:
		note_absent(k, k->item);
	}
	return true;
}

static bool
put_texts(struct making *k, size_t *budget)
{
	if (k->item == 0)
		k->item = MAIL_TEXT_SUBJECT;
	while (k->item <= MAIL_TEXT_REFERENCES && *budget > 0) {
		size_t before = k->out->n;

		if (!put_next_text(k, budget))
			return false;
		mime_spend(budget, COST * (k->out->n - before) + COST);
		k->item++;
		k->at = 0;
		k->from = k->out->n;
	}
	return k->item > MAIL_TEXT_REFERENCES;
}

static bool
put_summary_head(struct making *k, size_t *budget)
{
	struct mail_date date = {0};

	if (mail_date_sent(k->e.date, &date))
		k->flags |= MAIL_SUMMARY_DATED;
	buf_put(k->out, MAGIC, 3);
	buf_putc(k->out, VERSION);
	buf_le32(k->out, 0);
	buf_le64(k->out, 0);
	buf_le64(k->out, k->r.message.n);
	buf_le64(k->out, k->m.v[0].header_len);
	buf_le64(k->out, (uint64_t)date.utc);
	buf_le32(k->out, (uint32_t)date.day);
	buf_le32(k->out, 0);
	buf_le32(k->out, k->m.n);
	buf_le32(k->out, 0);
	for (int i = 0; i < MAIL_TEXT_COUNT; i++)
		buf_le64(k->out, 0);
	for (uint32_t i = 0; i < k->m.n; i++)
		put_part(&k->m.v[i], k->out);
	mime_spend(budget, k->m.n * PART);
	return true;
}

static bool
put_tail(struct making *k, size_t *budget)
{
	char *head = k->out->p + k->base;

	put_le32(head + 52, (uint32_t)(k->out->n - k->base));
	buf_str(k->out, buf_as_str(&k->m.names));
	if (k->r.cut || k->m.cut)
		k->flags |= MAIL_SUMMARY_CUT;
	head = k->out->p + k->base;
	put_le32(head + 44, k->flags);
	mime_spend(budget, k->m.names.n);
	return true;
}

/* Views what was made so far, all but the last text; valid until that is put. */
static struct mail_summary
view_of(const struct making *k)
{
	return (struct mail_summary){.bytes = {k->out->p + k->base, k->out->n - k->base},
	    .size = k->r.message.n,
	    .header_len = k->m.v[0].header_len,
	    .part_count = k->m.n,
	    .text_count = MAIL_TEXT_COUNT};
}

static bool
put_preview(struct making *k, size_t *budget)
{
	struct mail_summary view = view_of(k);
	struct mail_range want;

	if (k->preview == NULL) {
		k->preview = mem_try_realloc(NULL, sizeof(*k->preview), k->out->oom);
		if (k->preview == NULL)
			return true;
		mail_preview_begin(k->preview, &view);
		mail_preview_tell_oom(k->preview, k->out->oom);
	}
	while (mail_preview_wants(k->preview, &want)) {
		size_t n = want.len < PREVIEW_PIECE ? (size_t)want.len : PREVIEW_PIECE;

		if (*budget == 0)
			return false;
		mail_preview_feed(k->preview, (struct str){k->r.message.p + want.off, n});
		mime_spend(budget, PREVIEW_COST * n);
	}
	buf_str(k->out, mail_preview_text(k->preview));
	note_text(k, MAIL_TEXT_PREVIEW, k->from);
	return true;
}

static bool (*const stages[])(struct making *k, size_t *budget) = {find_parts, read_envelope,
    look_for_8bit, look_for_nul, put_summary_head, put_envelope_text, put_rev1, put_rev2, put_texts,
    put_tail, put_preview};

#define STAGES (sizeof(stages) / sizeof(stages[0]))

static void
making_step(struct making *k, size_t *budget)
{
	if (!stages[k->stage](k, budget))
		return;
	k->stage++;
	k->at = 0;
	k->from = k->out->n;
}

static void
making_fini(struct making *k)
{
	mime_walk_free(&k->walk);
	envelope_fini(&k->e);
	structure_fini(&k->structure);
	mime_fini(&k->m);
	if (k->preview != NULL)
		mail_preview_fini(k->preview);
	mem_free(k->preview);
	buf_fini(&k->r.scratch);
	buf_fini(&k->key);
	buf_fini(&k->body);
}

static uint32_t
least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Each row has smaller limits; with the last, a summary fits into MAIL_SUMMARY_MIN. */
static struct mail_limits
tighten(const struct mail_limits *l, size_t step)
{
	static const struct mail_limits steps[] = {
	    {.nesting = 100,
	        .parts = 2000,
	        .addresses = 2000,
	        .field = 65536,
	        .address_field = 65536},
	    {.nesting = 100, .parts = 200, .addresses = 100, .field = 4096, .address_field = 4096},
	    {.nesting = 20, .parts = 30, .addresses = 20, .field = 512, .address_field = 512},
	    {.nesting = 3, .parts = 4, .addresses = 2, .field = 80, .address_field = 80},
	    {.nesting = 1, .parts = 1, .addresses = 1, .field = 60, .address_field = 60},
	};

	TS_ASSERT(step < sizeof(steps) / sizeof(steps[0]));
	return (struct mail_limits){.nesting = least(l->nesting, steps[step].nesting),
	    .parts = least(l->parts, steps[step].parts),
	    .addresses = least(l->addresses, steps[step].addresses),
	    .field = least(l->field, steps[step].field),
	    .address_field = least(l->address_field, steps[step].address_field),
	    .summary = l->summary};
}

struct mail_summarizer {
	struct mail_limits given, limits; /* limits: those in force */
	size_t tries;
	bool done;
	struct making k;
};

static void
begin_making(struct mail_summarizer *s, struct str message, uint32_t flags, struct buf *out)
{
	s->k = (struct making){.out = out, .base = out->n, .from = out->n, .flags = flags};
	s->k.r.message = message;
	s->k.r.limits = &s->limits;
	s->k.r.scratch = s->k.key = s->k.body = buf_like(out);
}

static bool
too_large(const struct mail_summarizer *s)
{
	return s->k.out->n - s->k.base + s->k.body.n > s->limits.summary;
}

/* A summary only grows, so one that is too large is not completed first. */
static void
begin_again(struct mail_summarizer *s)
{
	struct str message = s->k.r.message;
	struct buf *out = s->k.out;

	out->n = s->k.base;
	making_fini(&s->k);
	s->limits = tighten(&s->given, s->tries++);
	begin_making(s, message, MAIL_SUMMARY_CUT, out);
}

static void
seal(struct buf *out, size_t base, unsigned version)
{
	char *head = out->p + base;
	XXH64_hash_t hash = XXH3_64bits_withSeed(head + 16, out->n - base - 16, version);

	head[3] = (char)version;
	put_le32(head + 4, (uint32_t)(out->n - base));
	put_le32(head + 8, (uint32_t)hash);
	put_le32(head + 12, (uint32_t)(hash >> 32));
}

struct mail_summarizer *
mail_summarizer_new(struct str message, const struct mail_limits *limits, struct buf *out)
{
	struct mail_summarizer *s = mem_try_zalloc(sizeof(*s), out->oom);
	struct mail_limits *l;

	if (s == NULL)
		return NULL;
	l = &s->given;
	*l = limits != NULL ? *limits : MAIL_LIMITS_DEFAULT;
	if (message.p == NULL)
		message = STR("");
	l->nesting = least(l->nesting, MAIL_NESTING_MAX);
	l->parts = l->parts > 0 ? l->parts : 1;
	l->summary = l->summary > MAIL_SUMMARY_MIN ? least(l->summary, 1u << 30) : MAIL_SUMMARY_MIN;
	s->limits = *l;
	begin_making(s, message, 0, out);
	return s;
}

bool
mail_summarizer_step(struct mail_summarizer *s, size_t budget)
{
	while (!s->done && budget > 0) {
		making_step(&s->k, &budget);
		if (buf_failed(s->k.out)) {
			s->k.out->n = s->k.base;
			s->done = true;
			return true;
		}
		if (too_large(s))
			begin_again(s);
		else if (s->k.stage == STAGES)
			s->done = true;
		if (s->done)
			seal(s->k.out, s->k.base, VERSION);
	}
	return s->done;
}

void
mail_summarizer_free(struct mail_summarizer **summarizer)
{
	struct mail_summarizer *s = *summarizer;

	*summarizer = NULL;
	if (s == NULL)
		return;
	making_fini(&s->k);
	mem_free(s);
}

void
mail_summarize(struct str message, const struct mail_limits *limits, struct buf *out)
{
	struct mail_summarizer *s = mail_summarizer_new(message, limits, out);

	while (s != NULL && !mail_summarizer_step(s, MAIL_SUMMARIZER_STEP))
		continue;
	mail_summarizer_free(&s);
}

void
mail_summary_add_note(struct buf *out, size_t base, struct str note)
{
	TS_ASSERT(note.n <= MAIL_SUMMARY_NOTE_MAX && out->n - base >= HEAD &&
	          out->p[base + 3] == VERSION);
	buf_str(out, note);
	buf_putc(out, (char)note.n);
	if (!buf_failed(out))
		seal(out, base, VERSION_NOTED);
}

/* ---- opening ---- */

static bool
within(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

static bool
texts_sound(const struct mail_summary *s)
{
	for (size_t i = 0; i < s->text_count; i++) {
		const char *row = s->bytes.p + HEAD + i * 8;

		if (get_le32(row + 4) != ABSENT &&
		    !within(get_le32(row), get_le32(row + 4), s->bytes.n))
			return false;
	}
	return true;
}

static const char *
part_row(const struct mail_summary *s, uint32_t i)
{
	return s->bytes.p + HEAD + (size_t)s->text_count * 8 + (size_t)i * PART;
}

/* Checks that ranges are within the message, names within the summary, and the parts form a
 * tree. */
static bool
part_sound(const struct mail_summary *s, uint32_t i, uint32_t names)
{
	const char *row = part_row(s, i);
	uint32_t parent = get_le32(row), end = get_le32(row + 8);
	uint64_t off = get_le64(row + 16), header_len = get_le64(row + 24),
	         left = s->bytes.n - names;

	if ((i == 0 ? parent != 0 || end != s->part_count : parent >= i) || end <= i ||
	    end > s->part_count || (i > 0 && end > get_le32(part_row(s, parent) + 8)))
		return false;
	if ((uint8_t)row[12] > MAIL_PART_MESSAGE || (uint8_t)row[13] > MAIL_ENCODING_UNKNOWN ||
	    (row[12] != MAIL_PART_LEAF && end == i + 1))
		return false;
	return get_le64(row + 40) <= get_le64(row + 32) && within(off, header_len, s->size) &&
	       within(off + header_len, get_le64(row + 32), s->size) &&
	       within(get_le32(row + 48), (uint8_t)row[14], left) &&
	       within(get_le32(row + 52), (uint8_t)row[15], left) &&
	       within(get_le32(row + 56), get_le32(row + 60), left);
}

/* The seed is the version, so a wrong version is detected, too. */
static uint64_t
summary_hash(struct str bytes)
{
	uint8_t version = (uint8_t)bytes.p[3];

	return XXH3_64bits_withSeed(bytes.p + 16, bytes.n - 16, version == 1 ? 0 : version);
}

static uint32_t
text_count(struct str bytes)
{
	static const uint32_t counts[] = {[1] = MAIL_TEXT_BODY_REV2,
	    [2] = MAIL_TEXT_PREVIEW,
	    [VERSION] = MAIL_TEXT_COUNT,
	    [VERSION_NOTED] = MAIL_TEXT_COUNT};

	return counts[(uint8_t)bytes.p[3]];
}

uint32_t
mail_summary_flags(struct str made)
{
	return made.n >= HEAD ? get_le32(made.p + 44) : 0;
}

enum ts_err
mail_summary_open(struct str bytes, struct mail_summary *view_r)
{
	struct mail_summary *s = view_r;
	uint32_t names;

	*s = (struct mail_summary){.bytes = bytes};
	if (bytes.n < HEAD || memcmp(bytes.p, MAGIC, 3) != 0 || bytes.p[3] < 1 ||
	    bytes.p[3] > VERSION_NOTED || get_le32(bytes.p + 4) != bytes.n ||
	    bytes.n < HEAD + (size_t)text_count(bytes) * 8)
		return TS_FAIL(
		    TS_DAMAGED, "summary of %zu bytes: not one of this version", bytes.n);
	if (get_le64(bytes.p + 8) != summary_hash(bytes))
		return TS_FAIL(TS_DAMAGED, "summary of %zu bytes: checksum", bytes.n);
	s->text_count = text_count(bytes);
	s->size = get_le64(bytes.p + 16);
	s->header_len = get_le64(bytes.p + 24);
	s->sent = (int64_t)get_le64(bytes.p + 32);
	s->sent_day = (int32_t)get_le32(bytes.p + 40);
	s->flags = get_le32(bytes.p + 44);
	s->part_count = get_le32(bytes.p + 48);
	names = get_le32(bytes.p + 52);
	if (bytes.p[3] == VERSION_NOTED) {
		size_t n = (uint8_t)bytes.p[bytes.n - 1];

		if (n > MAIL_SUMMARY_NOTE_MAX || n + 1 > bytes.n - HEAD)
			return TS_FAIL(TS_DAMAGED, "summary of %zu bytes: its note", bytes.n);
		s->note = (struct str){bytes.p + bytes.n - 1 - n, n};
	}
	if (s->part_count == 0 || s->header_len > s->size || names > bytes.n ||
	    s->part_count > (bytes.n - HEAD - (size_t)s->text_count * 8) / PART || !texts_sound(s))
		return TS_FAIL(TS_DAMAGED, "summary of %zu bytes: its head", bytes.n);
	for (uint32_t i = 0; i < s->part_count; i++)
		if (!part_sound(s, i, names))
			return TS_FAIL(TS_DAMAGED, "summary of %zu bytes: part %u", bytes.n, i);
	return TS_OK;
}

struct str
mail_summary_text(const struct mail_summary *s, enum mail_text which)
{
	const char *row = s->bytes.p + HEAD + (size_t)which * 8;

	TS_ASSERT(which < MAIL_TEXT_COUNT);
	if (which >= s->text_count || get_le32(row + 4) == ABSENT)
		return STR_NONE;
	return (struct str){s->bytes.p + get_le32(row), get_le32(row + 4)};
}

struct str
mail_summary_structure(const struct mail_summary *s, bool rev2, bool extended)
{
	struct str text = STR_NONE;

	if (rev2)
		text = mail_summary_text(
		    s, extended ? MAIL_TEXT_BODYSTRUCTURE_REV2 : MAIL_TEXT_BODY_REV2);
	if (text.p == NULL)
		text = mail_summary_text(s, extended ? MAIL_TEXT_BODYSTRUCTURE : MAIL_TEXT_BODY);
	return text;
}

void
mail_summary_part(const struct mail_summary *s, uint32_t i, struct mail_part *part_r)
{
	const char *row = part_row(s, i), *names = s->bytes.p + get_le32(s->bytes.p + 52);

	TS_ASSERT(i < s->part_count);
	*part_r = (struct mail_part){
	    .kind = (enum mail_part_kind)row[12],
	    .encoding = (enum mail_encoding)row[13],
	    .parent = get_le32(row),
	    .number = get_le32(row + 4),
	    .end = get_le32(row + 8),
	    .header_off = get_le64(row + 16),
	    .header_len = get_le64(row + 24),
	    .body_off = get_le64(row + 16) + get_le64(row + 24),
	    .body_len = get_le64(row + 32),
	    .lines = get_le64(row + 40),
	    .type = {names + get_le32(row + 48), (uint8_t)row[14]},
	    .subtype = {names + get_le32(row + 52), (uint8_t)row[15]},
	    .charset = {names + get_le32(row + 56), get_le32(row + 60)},
	};
}
