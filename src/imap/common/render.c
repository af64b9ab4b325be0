/* SPDX-License-Identifier: Apache-2.0 */
/* FETCH responses: see render.h.  RFC 3501 and RFC 9051 sections 6.4.5 and 7.5.2, RFC 3516. */
#include "imap/common/render.h"
#include "wire/cmd/condstore.h"

#include "imap/common/surrogate.h"
#include "mail/header.h"
#include "mail/section.h"

/* Fields are selected from a header in pieces of this size, so at most this much waits for the end
 * of a field. */
#define HEADER_PIECE (64u * 1024)
/* A piece that continues in a nearly full window gets at least this many bytes, to make
 * progress. */
#define PIECE_LEAST 4096u
/* Bytes at the front of a message that are examined for a header in ASCII. */
#define FRONT 16384u
/* enough() is called after this many items and after each message. */
#define ASKED_ITEMS 8u

/* The outcome of an item; ITEM_NONE: nothing is sent for it. */
enum done { ITEM_DONE, ITEM_MORE, ITEM_FAILED, ITEM_NONE };

unsigned
imap_render_needs(const struct wire_fetch_item *item)
{
	switch (item->id) {
	case WIRE_FETCH_FLAGS:
	case WIRE_FETCH_INTERNALDATE:
	case WIRE_FETCH_UID:
	case WIRE_FETCH_RFC822_SIZE:
		return 0;
	case WIRE_FETCH_ENVELOPE:
	case WIRE_FETCH_BODY:
	case WIRE_FETCH_BODYSTRUCTURE:
		return IMAP_NEEDS_SUMMARY;
	case WIRE_FETCH_RFC822:
		return IMAP_NEEDS_BLOB;
	case WIRE_FETCH_BODY_SECTION:
		/* The whole message can be found without knowing its parts. */
		if (item->section.what == WIRE_SECTION_ALL && item->section.n_part == 0)
			return IMAP_NEEDS_BLOB;
		return IMAP_NEEDS_BLOB | IMAP_NEEDS_SUMMARY;
	case WIRE_FETCH_BINARY:
	case WIRE_FETCH_BINARY_SIZE:
	case WIRE_FETCH_OTHER:
		return imap_claimed(item)->row->needs;
	default:
		return IMAP_NEEDS_BLOB | IMAP_NEEDS_SUMMARY;
	}
}

void
imap_render_items(
    struct imap_render *r, struct arena *a, const struct wire_fetch_item *items, size_t n)
{
	r->items = items;
	r->item_count = n;
	r->names = arena_array(a, n, sizeof(*r->names));
	for (size_t i = 0; i < n; i++) {
		const struct wire_names *fields = &items[i].section.fields;
		struct str *v;

		r->may_need |= imap_claimed(&items[i]) != NULL &&
		               imap_claimed(&items[i])->row->needs_of != NULL;
		if (fields->n == 0)
			continue;
		/* The response names them in the client's order. */
		v = arena_array(a, fields->n, sizeof(*v));
		memcpy(v, fields->v, fields->n * sizeof(*v));
		mail_names_init(&r->names[i], v, fields->n);
	}
}

void
imap_render_next_window(struct imap_render *r)
{
	r->count = r->message = r->item = 0;
	r->summaries.n = 0;
	r->summaries_end = 0;
	r->summary_open = false;
}

void
imap_render_fini(struct imap_render *r)
{
	mail_choice_fini(&r->source.choice);
	mail_surrogate_fini(&r->source.header);
	buf_fini(&r->front);
	buf_fini(&r->lone);
	if (r->downgraded != NULL)
		roaring_bitmap_free(r->downgraded);
	if (r->keywords != NULL)
		imap_drop_keywords(r->keywords);
	buf_fini(&r->summaries);
	buf_fini(&r->out);
}

/* ---- summaries of the window, in one scan, or several if they are large */

#define SUMMARIES_PIECE (256u * 1024)

struct reading {
	struct imap_render *r;
	size_t next;
	bool full;
};

static bool
keep_summary(uint32_t uid, enum ts_err err, struct str summary, void *arg)
{
	struct reading *reading = arg;
	struct imap_render *r = reading->r;
	struct imap_render_message *m;

	while (reading->next < r->count && r->messages[reading->next].record.uid < uid)
		reading->next++;
	if (reading->next == r->count || r->messages[reading->next].record.uid != uid)
		return true;
	m = &r->messages[reading->next++];
	m->summary_err = err;
	m->summary_off = r->summaries.n;
	if (err == TS_OK)
		buf_str(&r->summaries, summary);
	m->summary_n = r->summaries.n - m->summary_off;
	reading->full = r->summaries.n >= SUMMARIES_PIECE;
	return !reading->full;
}

static void
read_summaries(struct imap_render *r)
{
	uint32_t uids[IMAP_RENDER_WINDOW];
	struct reading reading = {.r = r, .next = r->message};
	size_t n = 0;

	r->summaries_end = r->count;
	r->summaries.n = 0;
	if ((r->needs & IMAP_NEEDS_SUMMARY) == 0)
		return;
	for (size_t i = r->message; i < r->count; i++) {
		uids[n++] = r->messages[i].record.uid;
		r->messages[i].summary_err = TS_NOT_FOUND;
	}
	store_read_summaries(r->mailbox, uids, n, keep_summary, &reading);
	if (reading.full)
		r->summaries_end = reading.next;
}

static bool
open_summary(struct imap_render *r)
{
	const struct imap_render_message *m = &r->messages[r->message];

	if (r->summary_open)
		return true;
	if (m->summary_err != TS_OK)
		return false;
	r->summary_open =
	    mail_summary_open(
	        (struct str){r->summaries.p + m->summary_off, m->summary_n}, &r->summary) == TS_OK;
	return r->summary_open;
}

/* ---- body sections */

static enum mail_section
section_kind(enum wire_section_what what)
{
	switch (what) {
	case WIRE_SECTION_HEADER:
	case WIRE_SECTION_HEADER_FIELDS:
	case WIRE_SECTION_HEADER_FIELDS_NOT:
		return MAIL_SECTION_HEADER;
	case WIRE_SECTION_TEXT:
		return MAIL_SECTION_TEXT;
	case WIRE_SECTION_MIME:
		return MAIL_SECTION_MIME;
	default:
		return MAIL_SECTION_WHOLE;
	}
}

/* Gets the range of a section; *found_r is false for a missing one (NIL).  Returns false if
 * unreadable. */
static bool
section_range(struct imap_render *r, const struct wire_section *section, struct mail_range *range_r,
    bool *found_r)
{
	*found_r = true;
	if (section->what == WIRE_SECTION_ALL && section->n_part == 0) {
		*range_r = (struct mail_range){0, r->messages[r->message].record.size};
		return true;
	}
	if (!open_summary(r))
		return false;
	*found_r = mail_section_find(
	    &r->summary, section->part, section->n_part, section_kind(section->what), range_r);
	return true;
}

static enum ts_err
read_exactly(struct imap_render *r, uint64_t off, uint64_t len, struct buf *out)
{
	size_t before = out->n;
	enum ts_err err;

	if (r->front_read && len <= r->front.n && off <= r->front.n - len) {
		wire_out_fetch_bytes(out, (struct str){r->front.p + off, (size_t)len});
		return TS_OK;
	}
	err = store_read_blob(r->store, r->messages[r->message].record.blob, off, len, out);
	if (err == TS_OK && out->n - before != len)
		err = TS_FAIL(TS_DAMAGED, "a message is shorter than its record says (UID %u)",
		    r->messages[r->message].record.uid);
	return err;
}

/* RFC 9051 section 4.3.1: only a literal8 may hold NUL.  NULs from an APPEND or an import are sent
 * as 0x80 in all others, which keeps offsets and sizes; BINARY sends them unchanged. */
static void
hide_nul(struct str bytes)
{
	char *p;

	while (bytes.n > 0 && (p = memchr(bytes.p, '\0', bytes.n)) != NULL) {
		*p = (char)0x80;
		bytes = str_range(p + 1, bytes.p + bytes.n);
	}
}

/* Puts the head of the response before its first item, a blank before the others. */
static void
begin_item(struct imap_render *r)
{
	if (r->begun) {
		wire_out_fetch_sp(&r->out);
		return;
	}
	r->begun = true;
	r->message_start = r->out.n;
	wire_out_fetch_begin(&r->out, r->dialect,
	    r->dialect->uidonly ? r->messages[r->message].record.uid : r->messages[r->message].seq);
}

static void
put_name(struct imap_render *r, const struct wire_fetch_item *item)
{
	begin_item(r);
	if (item->id == WIRE_FETCH_OTHER) {
		wire_out_fetch_other(&r->out, imap_claimed(item)->row->name);
		return;
	}
	wire_out_fetch_section(&r->out, r->dialect, item);
	wire_out_fetch_sp(&r->out);
}

static enum done
put_nil(struct imap_render *r, const struct wire_fetch_item *item)
{
	put_name(r, item);
	wire_out_nil(&r->out);
	return ITEM_DONE;
}

/* ---- literals */

/* Applies the client's partial range to that many bytes. */
static void
cut_to_partial(const struct wire_fetch_item *item, struct imap_render_source *s)
{
	s->skip = 0;
	s->take = s->size;
	if (!item->has_partial)
		return;
	s->skip = item->from < s->size ? item->from : s->size;
	s->take = s->size - s->skip;
	if (s->take > item->length)
		s->take = item->length;
}

static void
source_rewind(struct imap_render *r)
{
	struct imap_render_source *s = &r->source;

	s->done = 0;
	if (s->way == IMAP_DECODED)
		mail_decoder_init(&s->decoder, s->encoding);
	mail_surrogate_fini(&s->header);
	s->header = (struct mail_surrogate){0};
	s->part = 0;
	mail_choice_fini(&s->choice);
	s->choice = (struct mail_choice){.names = &r->names[r->item],
	    .not = r->items[r->item].section.what == WIRE_SECTION_HEADER_FIELDS_NOT};
}

/* Once the size is known, puts the name and the size; the bytes follow. */
static void
source_head(struct imap_render *r)
{
	const struct wire_fetch_item *item = &r->items[r->item];
	struct imap_render_source *s = &r->source;

	s->measuring = false;
	cut_to_partial(item, s);
	put_name(r, item);
	wire_out_literal_head(&r->out, s->take, s->way == IMAP_DECODED && s->nul);
	if (s->way == IMAP_AS_IS && !s->surrogate) { /* read only what is sent */
		s->begin += s->skip;
		s->len = s->take;
		s->skip = 0;
	}
	source_rewind(r);
	s->active = s->take > 0;
}

/* ---- surrogates (RFC 6858) */

/* Returns whether the header is ASCII, judging by the front of the message, which is kept so that
 * it is read only once.  A header that does not fit into the front counts as not ASCII. */
static bool
has_ascii_header(struct imap_render *r)
{
	uint64_t size = r->messages[r->message].record.size;
	struct str front;
	size_t n;

	if (!r->front_read) {
		r->front.n = 0;
		r->front_err = read_exactly(r, 0, size < FRONT ? size : FRONT, &r->front);
		r->front_read = true;
	}
	front = buf_as_str(&r->front);
	n = mail_header_len(front);
	if (r->front_err != TS_OK)
		return true;
	return (n < front.n || front.n == size) && str_is_ascii((struct str){front.p, n});
}

static bool
keep_lone(uint32_t uid, enum ts_err err, struct str summary, void *arg)
{
	struct imap_render *r = arg;

	(void)uid;
	if (err == TS_OK)
		buf_str(&r->lone, summary);
	return true;
}

/* Opens the summary of this message alone, if the window's are not read. */
static bool
open_lone(struct imap_render *r)
{
	r->lone.n = 0;
	store_read_summaries(r->mailbox, &r->messages[r->message].record.uid, 1, keep_lone, r);
	r->summary_open =
	    r->lone.n > 0 && mail_summary_open(buf_as_str(&r->lone), &r->summary) == TS_OK;
	return r->summary_open;
}

/* Returns whether the current message is sent as a surrogate: not if only the headers of its parts
 * have UTF-8. */
static bool
tells_surrogate(struct imap_render *r)
{
	if (!r->surrogates)
		return false;
	if ((r->needs & IMAP_NEEDS_SUMMARY) != 0) {
		if (!open_summary(r))
			return false;
	} else if (!r->summary_open && (has_ascii_header(r) || !open_lone(r))) {
		return false;
	}
	return (r->summary.flags & MAIL_SUMMARY_8BIT) != 0;
}

static void
note_surrogate(struct imap_render *r)
{
	if (r->downgraded == NULL)
		r->downgraded = roaring_bitmap_create();
	roaring_bitmap_add(r->downgraded, r->messages[r->message].record.uid);
}

/* Finds the first header that ends after `at`, and sets source.part.  Skips what is inside a
 * message/global: that type may contain UTF-8. */
static bool
next_header(struct imap_render *r, uint64_t at, struct mail_range *range_r)
{
	struct imap_render_source *s = &r->source;
	struct mail_part part;

	while (s->part < r->summary.part_count) {
		mail_summary_part(&r->summary, s->part, &part);
		if (part.header_off + part.header_len > at) {
			*range_r = (struct mail_range){part.header_off, part.header_len};
			return true;
		}
		s->part = part.kind == MAIL_PART_MESSAGE && str_eq(part.subtype, STR("global"))
		              ? part.end
		              : s->part + 1;
	}
	return false;
}

/* Returns whether the range includes a header that a surrogate may change. */
static bool
has_header(struct imap_render *r, struct mail_range range)
{
	struct mail_range header;

	return next_header(r, range.off, &header) && header.off < range.off + range.len;
}

static void
header_piece(struct imap_render *r, struct str bytes, bool last, struct buf *out)
{
	struct imap_render_source *s = &r->source;

	mail_surrogate_feed(&s->header, bytes, last, out);
	if (!last)
		return;
	if (s->header.changed)
		note_surrogate(r);
	mail_surrogate_fini(&s->header);
	s->header = (struct mail_surrogate){0};
}

/* Gets the next piece of the message, with the headers of its surrogate if one is sent. */
static enum ts_err
source_raw(struct imap_render *r, uint64_t len, struct buf *out)
{
	struct imap_render_source *s = &r->source;
	uint64_t at = s->begin + s->done;
	struct mail_range header;
	struct buf raw = {0};
	enum ts_err err;

	if (!s->surrogate || !next_header(r, at, &header)) {
		s->done += len;
		return read_exactly(r, at, len, out);
	}
	if (at < header.off) {
		len = header.off - at < len ? header.off - at : len;
		s->done += len;
		return read_exactly(r, at, len, out);
	}
	len = header.off + header.len - at < len ? header.off + header.len - at : len;
	s->done += len;
	err = read_exactly(r, at, len, &raw);
	if (err == TS_OK)
		header_piece(r, buf_as_str(&raw),
		    at + len == header.off + header.len || s->done == s->len, out);
	buf_fini(&raw);
	return err;
}

/* Gets the next piece of a header from which fields are selected.  For a surrogate they are
 * selected first, then converted. */
static enum ts_err
source_chosen(struct imap_render *r, uint64_t len, struct buf *out)
{
	struct imap_render_source *s = &r->source;
	struct buf raw = {0}, chosen = {0};
	enum ts_err err = read_exactly(r, s->begin + s->done, len, &raw);
	bool last = s->done + len == s->len;

	s->done += len;
	if (err == TS_OK)
		mail_choose(&s->choice, buf_as_str(&raw), last, s->surrogate ? &chosen : out);
	if (err == TS_OK && s->surrogate)
		header_piece(r, buf_as_str(&chosen), last, out);
	buf_fini(&raw);
	buf_fini(&chosen);
	return err;
}

/* For a surrogate: returns how many bytes before the next header are unchanged, and can be counted
 * without reading them. */
static uint64_t
plain_front(struct imap_render *r)
{
	struct imap_render_source *s = &r->source;
	uint64_t at = s->begin + s->done, left = s->len - s->done;
	struct mail_range header;

	if (s->way != IMAP_AS_IS || !s->surrogate)
		return 0;
	if (!next_header(r, at, &header))
		return left;
	if (at >= header.off)
		return 0;
	return header.off - at < left ? header.off - at : left;
}

static void
skip_plain(struct imap_render *r)
{
	struct imap_render_source *s = &r->source;
	uint64_t n = s->skip > 0 ? plain_front(r) : 0;

	n = n < s->skip ? n : s->skip;
	s->done += n;
	s->skip -= n;
}

/* Reads the next piece and appends its converted form. */
static enum ts_err
source_read(struct imap_render *r, uint64_t most, struct buf *out)
{
	struct imap_render_source *s = &r->source;
	uint64_t left = s->len - s->done, len = left < most ? left : most;
	struct buf raw = {0};
	enum ts_err err;

	if (s->way == IMAP_AS_IS)
		return source_raw(r, len, out);
	if (s->way == IMAP_CHOSEN)
		return source_chosen(r, len, out);
	err = source_raw(r, len, &raw);
	if (err == TS_OK)
		mail_decode(&s->decoder, buf_as_str(&raw), s->done == s->len, out);
	buf_fini(&raw);
	return err;
}

/* Sends the requested bytes of the literal. */
static void
source_send(struct imap_render *r, struct str bytes)
{
	struct imap_render_source *s = &r->source;
	size_t skip = s->skip < bytes.n ? (size_t)s->skip : bytes.n;
	size_t take = s->take < bytes.n - skip ? (size_t)s->take : bytes.n - skip;
	size_t before = r->out.n;

	if (take > 0)
		wire_out_fetch_bytes(&r->out, (struct str){bytes.p + skip, take});
	if (s->way != IMAP_DECODED && take > 0)
		hide_nul((struct str){r->out.p + before, take});
	s->skip -= skip;
	s->take -= take;
}

static enum done
source_ended(struct imap_render *r)
{
	mail_choice_fini(&r->source.choice);
	mail_surrogate_fini(&r->source.header);
	r->source.active = false;
	return ITEM_DONE;
}

static enum done
measured(struct imap_render *r, struct str all)
{
	const struct wire_fetch_item *item = &r->items[r->item];
	struct imap_render_source *s = &r->source;

	if (s->size_only) {
		put_name(r, item);
		wire_out_u64(&r->out, s->size);
		return source_ended(r);
	}
	source_head(r);
	if (s->active && all.n == s->size) { /* read already */
		source_send(r, all);
		return source_ended(r);
	}
	return s->active ? ITEM_MORE : source_ended(r);
}

static enum done
source_measure(struct imap_render *r)
{
	struct imap_render_source *s = &r->source;
	uint64_t plain = plain_front(r);
	struct buf made = {0};
	enum done done = ITEM_MORE;

	s->done += plain;
	s->size += plain;
	if (s->done == s->len)
		return measured(r, STR(""));
	if (source_read(r, s->way == IMAP_CHOSEN ? HEADER_PIECE : IMAP_RENDER_PIECE, &made) !=
	    TS_OK) {
		done = ITEM_FAILED;
	} else {
		s->size += made.n;
		s->nul = s->nul || (made.n > 0 && memchr(made.p, '\0', made.n) != NULL);
		if (s->done == s->len)
			done = measured(r, buf_as_str(&made));
	}
	buf_fini(&made);
	return done;
}

/* Handles the next piece of the literal being measured or sent. */
static enum done
source_piece(struct imap_render *r)
{
	struct imap_render_source *s = &r->source;
	uint64_t most = r->out.n < IMAP_RENDER_PIECE ? IMAP_RENDER_PIECE - r->out.n : 0;
	struct buf made = {0};
	enum ts_err err;

	if (s->measuring)
		return source_measure(r);
	most = most < PIECE_LEAST ? PIECE_LEAST : most;
	if (s->way == IMAP_AS_IS && !s->surrogate) { /* without a copy */
		size_t before = r->out.n;

		err = source_read(r, most, &r->out);
		hide_nul((struct str){r->out.p + before, r->out.n - before});
		s->take -= r->out.n - before;
	} else {
		if (s->way == IMAP_CHOSEN && most > HEADER_PIECE)
			most = HEADER_PIECE;
		skip_plain(r);
		err = source_read(r, most, &made);
		source_send(r, buf_as_str(&made));
	}
	buf_fini(&made);
	if (err != TS_OK)
		return ITEM_FAILED;
	return s->take > 0 && s->done < s->len ? ITEM_MORE : source_ended(r);
}

static enum done
source_begin(struct imap_render *r, enum imap_render_way way, struct imap_value value)
{
	bool surrogate;

	r->source = (struct imap_render_source){.part = 0};
	surrogate = tells_surrogate(r) && has_header(r, value.range);
	if (r->front_read && r->front_err != TS_OK)
		return ITEM_FAILED;
	r->source = (struct imap_render_source){.way = way,
	    .active = true,
	    .measuring = way != IMAP_AS_IS || surrogate,
	    .surrogate = surrogate,
	    .size_only = way == IMAP_DECODED && imap_claimed(&r->items[r->item])->row->size_only,
	    .begin = value.range.off,
	    .len = value.range.len,
	    .size = value.range.len,
	    .encoding = value.encoding};
	if (!r->source.measuring) {
		source_head(r);
		if (!r->source.active)
			return ITEM_DONE;
	} else {
		r->source.size = 0;
		source_rewind(r);
	}
	return source_piece(r);
}

static enum done
put_section(struct imap_render *r, const struct wire_fetch_item *item)
{
	static const struct wire_section header = {.what = WIRE_SECTION_HEADER},
	                                 text = {.what = WIRE_SECTION_TEXT},
	                                 all = {.what = WIRE_SECTION_ALL};
	const struct wire_section *section = &item->section;
	struct mail_range range;
	bool found;

	if (item->id == WIRE_FETCH_RFC822)
		section = &all;
	else if (item->id == WIRE_FETCH_RFC822_HEADER)
		section = &header;
	else if (item->id == WIRE_FETCH_RFC822_TEXT)
		section = &text;
	if (!section_range(r, section, &range, &found))
		return ITEM_FAILED;
	if (!found)
		return put_nil(r, item);
	return source_begin(r,
	    section->what == WIRE_SECTION_HEADER_FIELDS ||
	            section->what == WIRE_SECTION_HEADER_FIELDS_NOT
	        ? IMAP_CHOSEN
	        : IMAP_AS_IS,
	    (struct imap_value){range, MAIL_ENCODING_BINARY});
}

/* ---- items, messages */

/* Puts a text that was made at delivery. */
static void
put_made(
    struct imap_render *r, struct str text, bool (*surrogate)(struct str text, struct buf *out))
{
	if (!tells_surrogate(r))
		wire_out_fetch_bytes(&r->out, text);
	else if (surrogate(text, &r->out))
		note_surrogate(r);
}

static enum done
put_envelope(struct imap_render *r)
{
	if (!open_summary(r))
		return ITEM_FAILED;
	begin_item(r);
	wire_out_fetch_name(&r->out, WIRE_FETCH_ENVELOPE);
	put_made(r, mail_summary_text(&r->summary, MAIL_TEXT_ENVELOPE), imap_surrogate_envelope);
	return ITEM_DONE;
}

static enum done
put_structure(struct imap_render *r, enum wire_fetch_id id)
{
	if (!open_summary(r))
		return ITEM_FAILED;
	begin_item(r);
	wire_out_fetch_name(&r->out, id);
	put_made(r,
	    mail_summary_structure(&r->summary, r->dialect->rev2, id == WIRE_FETCH_BODYSTRUCTURE),
	    imap_surrogate_structure);
	return ITEM_DONE;
}

static enum done
put_located(
    struct imap_render *r, const struct wire_fetch_item *item, const struct imap_fetched *message)
{
	const struct imap_fetch_item *row = imap_claimed(item)->row;
	struct imap_value value;

	switch (row->locate(message, &value)) {
	case IMAP_LOCATED:
		return source_begin(r, IMAP_DECODED, value);
	case IMAP_LOCATED_NIL:
		return put_nil(r, item);
	case IMAP_LOCATED_NOTHING:
		break;
	case IMAP_LOCATED_REFUSED:
		r->refused = row->refused;
		break;
	}
	return ITEM_NONE;
}

static bool
read_for_item(const struct imap_fetched *message, struct mail_range range, struct buf *out)
{
	struct imap_render *r = message->render;

	if (read_exactly(r, range.off, range.len, out) == TS_OK)
		return true;
	r->item_failed = true;
	return false;
}

static unsigned
needs_of(const struct imap_fetch_item *row, const struct store_message *record)
{
	return row->needs | (row->needs_of != NULL ? row->needs_of(record) : 0);
}

unsigned
imap_render_needs_of(const struct imap_render *r, const struct store_message *record)
{
	unsigned needs = 0;

	for (size_t i = 0; i < r->item_count; i++) {
		const struct imap_claimed *claimed = imap_claimed(&r->items[i]);

		if (claimed != NULL)
			needs |= needs_of(claimed->row, record);
	}
	return needs;
}

/* Puts an extension's item. */
static enum done
put_other(struct imap_render *r, const struct wire_fetch_item *item)
{
	const struct imap_claimed *claimed = imap_claimed(item);
	struct imap_fetched message = {.record = &r->messages[r->message].record,
	    .item = item,
	    .args = claimed->args,
	    .store = r->store,
	    .read = read_for_item,
	    .render = r};

	if ((needs_of(claimed->row, message.record) & IMAP_NEEDS_SUMMARY) != 0) {
		if (!open_summary(r))
			return ITEM_FAILED;
		message.summary = &r->summary;
	}
	if (claimed->row->locate != NULL)
		return put_located(r, item, &message);
	put_name(r, item);
	r->item_failed = false;
	claimed->row->print(&message, &r->out);
	return r->item_failed ? ITEM_FAILED : ITEM_DONE;
}

static enum done
put_item(struct imap_render *r, const struct wire_fetch_item *item)
{
	const struct store_message *record = &r->messages[r->message].record;

	switch (item->id) {
	case WIRE_FETCH_FLAGS:
		begin_item(r);
		imap_print_flags(r->box, r->keywords, record, &r->out);
		return ITEM_DONE;
	case WIRE_FETCH_UID:
		begin_item(r);
		wire_out_fetch_number(&r->out, item->id, record->uid);
		return ITEM_DONE;
	case WIRE_FETCH_RFC822_SIZE:
		begin_item(r);
		wire_out_fetch_number(&r->out, item->id, record->size);
		return ITEM_DONE;
	case WIRE_FETCH_INTERNALDATE:
		begin_item(r);
		wire_out_fetch_name(&r->out, item->id);
		wire_out_time(&r->out,
		    (struct wire_time){.unix_s = record->internaldate, .zone_min = record->zone});
		return ITEM_DONE;
	case WIRE_FETCH_ENVELOPE:
		return put_envelope(r);
	case WIRE_FETCH_BODY:
	case WIRE_FETCH_BODYSTRUCTURE:
		return put_structure(r, item->id);
	case WIRE_FETCH_BODY_SECTION:
	case WIRE_FETCH_RFC822:
	case WIRE_FETCH_RFC822_HEADER:
	case WIRE_FETCH_RFC822_TEXT:
		return put_section(r, item);
	case WIRE_FETCH_BINARY:
	case WIRE_FETCH_BINARY_SIZE:
	case WIRE_FETCH_OTHER:
		return put_other(r, item);
	case WIRE_FETCH_COUNT:
		break;
	}
	TS_WRONG("a FETCH item that nobody renders");
}

static void
next_message(struct imap_render *r)
{
	r->message++;
	r->item = 0;
	r->summary_open = r->front_read = r->begun = false;
}

static void
message_failed(struct imap_render *r)
{
	uint32_t uid = r->messages[r->message].record.uid;

	if (r->hold != NULL && !store_hold_has(r->hold, uid)) {
		r->expunged = true;
	} else {
		r->failed = true;
		imap_log_unreadable(r->mailbox, uid, 0);
	}
	(void)source_ended(r);
	if (r->begun && r->message_start == SIZE_MAX)
		r->broken = true;
	else if (r->begun)
		r->out.n = r->message_start;
	next_message(r);
}

/* Called if this command set \Seen: sends FLAGS, and what goes with it (RFC 7162 section 3.2.4),
 * even if not requested. */
static void
tell_seen(struct imap_render *r)
{
	const struct store_message *record = &r->messages[r->message].record;

	if (!r->has_flags) {
		begin_item(r);
		imap_print_flags(r->box, r->keywords, record, &r->out);
	}
	if (r->dialect->condstore && !r->has_uid && !r->dialect->uidonly) {
		begin_item(r);
		wire_out_fetch_number(&r->out, WIRE_FETCH_UID, record->uid);
	}
	if (r->dialect->condstore && !r->has_modseq) {
		begin_item(r);
		wire_out_fetch_other(&r->out, "MODSEQ");
		wire_out_modseq(&r->out, record->modseq);
	}
}

static void
message_ended(struct imap_render *r)
{
	if (r->messages[r->message].tell_flags)
		tell_seen(r);
	if (r->begun)
		wire_out_fetch_end(&r->out);
	next_message(r);
}

/* Handles one item, or one piece of one. */
static void
do_one_piece(struct imap_render *r)
{
	enum done done = r->source.active ? source_piece(r) : put_item(r, &r->items[r->item]);
	if (done == ITEM_FAILED) {
		message_failed(r);
		return;
	}
	if (done == ITEM_MORE)
		return;
	if (++r->item == r->item_count)
		message_ended(r);
}

bool
imap_render_run(struct imap_render *r, bool (*enough)(void *arg), void *arg)
{
	/* The caller has sent what was rendered before. */
	r->message_start = r->out.n == 0 && r->begun ? SIZE_MAX : r->message_start;
	while (r->message < r->count && r->out.n < IMAP_RENDER_PIECE && !r->broken) {
		if (r->message == r->summaries_end)
			read_summaries(r);
		do_one_piece(r);
		if (enough != NULL && (r->source.active || r->item % ASKED_ITEMS == 0) &&
		    enough(arg))
			return r->message == r->count || r->out.n >= IMAP_RENDER_PIECE || r->broken;
	}
	return true;
}
