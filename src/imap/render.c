/* SPDX-License-Identifier: Apache-2.0 */
/* FETCH responses: see render.h.  RFC 3501 and RFC 9051 sections 6.4.5 and 7.5.2, RFC 3516. */
#include "imap/render.h"

#include "mail/header.h"
#include "mail/section.h"

/* What became of one item; ITEM_NONE: there is nothing to say. */
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
		/* All of the message is found without knowing its parts. */
		if (item->section.what == WIRE_SECTION_ALL && item->section.n_part == 0)
			return IMAP_NEEDS_BLOB;
		return IMAP_NEEDS_BLOB | IMAP_NEEDS_SUMMARY;
	default:
		return IMAP_NEEDS_BLOB | IMAP_NEEDS_SUMMARY;
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
	buf_fini(&r->summaries);
	buf_fini(&r->out);
}

/* ---- summaries of the window, in one scan, or several if they are large */

#define SUMMARIES_PIECE (1u << 20)

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
	m->summary_n = summary.n;
	if (err == TS_OK)
		buf_str(&r->summaries, summary);
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

/* The range of a section; *found_r is false for one that is not there (NIL).  False: unreadable. */
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

static void
cut_to_partial(const struct wire_fetch_item *item, uint64_t *off, uint64_t *len)
{
	uint64_t skip;

	if (!item->has_partial)
		return;
	skip = item->from < *len ? item->from : *len;
	*off += skip;
	*len -= skip;
	if (*len > item->length)
		*len = item->length;
}

static enum ts_err
read_exactly(struct imap_render *r, uint64_t off, uint64_t len, struct buf *out)
{
	size_t before = out->n;
	enum ts_err err;

	err = store_read_blob(r->store, r->messages[r->message].record.blob, off, len, out);
	if (err == TS_OK && out->n - before != len)
		err = TS_FAIL(TS_DAMAGED, "a message is shorter than its record says (UID %u)",
		    r->messages[r->message].record.uid);
	return err;
}

/* RFC 9051 section 4.3.1: only a literal8 may hold NUL.  What an APPEND or an import brought of it
 * goes out as 0x80 in all others, so that offsets and sizes stay; BINARY gives it as it is. */
static void
hide_nul(struct str bytes)
{
	char *p;

	while (bytes.n > 0 && (p = memchr(bytes.p, '\0', bytes.n)) != NULL) {
		*p = (char)0x80;
		bytes = str_range(p + 1, bytes.p + bytes.n);
	}
}

/* The next piece of the literal that is being sent. */
static enum done
source_piece(struct imap_render *r)
{
	struct imap_render_source *s = &r->source;
	struct buf raw = {0}, decoded = {0};
	uint64_t len = s->left < IMAP_RENDER_PIECE ? s->left : IMAP_RENDER_PIECE;
	uint64_t skip, take;
	size_t before = r->out.n;
	enum ts_err err;

	if (!s->decode) {
		err = read_exactly(r, s->off, len, &r->out);
		if (err == TS_OK)
			hide_nul((struct str){r->out.p + before, r->out.n - before});
	} else {
		err = read_exactly(r, s->off, len, &raw);
		if (err == TS_OK) {
			mail_decode(&s->decoder, buf_as_str(&raw), len == s->left, &decoded);
			skip = s->skip < decoded.n ? s->skip : decoded.n;
			take = decoded.n - skip < s->take ? decoded.n - skip : s->take;
			buf_put(&r->out, decoded.p + skip, (size_t)take);
			s->skip -= skip;
			s->take -= take;
		}
	}
	buf_fini(&raw);
	buf_fini(&decoded);
	if (err != TS_OK)
		return ITEM_FAILED;
	s->off += len;
	s->left -= len;
	s->active = s->left > 0 && (!s->decode || s->take > 0);
	return s->active ? ITEM_MORE : ITEM_DONE;
}

static void
put_name(struct imap_render *r, const struct wire_fetch_item *item)
{
	if (item->id == WIRE_FETCH_RFC822 || item->id == WIRE_FETCH_RFC822_HEADER ||
	    item->id == WIRE_FETCH_RFC822_TEXT)
		buf_puts(&r->out, wire_name_of(wire_fetch_names, item->id));
	else
		wire_out_fetch_section(&r->out, r->dialect, item);
	buf_putc(&r->out, ' ');
}

static enum done
put_nil(struct imap_render *r, const struct wire_fetch_item *item)
{
	put_name(r, item);
	buf_puts(&r->out, "NIL");
	return ITEM_DONE;
}

/* BODY[HEADER.FIELDS ...]: chosen from the header, which is read as a whole. */
static enum done
put_header_fields(
    struct imap_render *r, const struct wire_fetch_item *item, struct mail_range range)
{
	struct buf header = {0}, chosen = {0};
	uint64_t off = 0, len;

	if (read_exactly(r, range.off, range.len, &header) != TS_OK) {
		buf_fini(&header);
		return ITEM_FAILED;
	}
	mail_header_fields(buf_as_str(&header), item->section.fields.v, item->section.fields.n,
	    item->section.what == WIRE_SECTION_HEADER_FIELDS_NOT, &chosen);
	len = chosen.n;
	cut_to_partial(item, &off, &len);
	put_name(r, item);
	hide_nul(buf_as_str(&chosen));
	wire_out_literal(&r->out, (struct str){chosen.n > 0 ? chosen.p + off : "", (size_t)len});
	buf_fini(&header);
	buf_fini(&chosen);
	return ITEM_DONE;
}

static enum done
put_range(struct imap_render *r, const struct wire_fetch_item *item, uint64_t off, uint64_t len)
{
	size_t before = r->out.n;
	enum done done;

	cut_to_partial(item, &off, &len);
	put_name(r, item);
	wire_out_literal_head(&r->out, len, false);
	r->source = (struct imap_render_source){.off = off, .left = len};
	if (len == 0)
		return ITEM_DONE;
	done = source_piece(r);
	if (done == ITEM_FAILED)
		r->out.n = before;
	return done;
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
	if (section->what == WIRE_SECTION_HEADER_FIELDS ||
	    section->what == WIRE_SECTION_HEADER_FIELDS_NOT)
		return put_header_fields(r, item, range);
	return put_range(r, item, range.off, range.len);
}

/* ---- BINARY (RFC 3516): content-transfer-encoding undone */

/* Decodes all of it once, to learn its size and whether it holds NUL. */
static enum ts_err
measure(struct imap_render *r, const struct mail_part *part, uint64_t *size_r, bool *nul_r)
{
	struct mail_decoder decoder;
	struct buf raw = {0}, decoded = {0};
	uint64_t done = 0;
	enum ts_err err = TS_OK;

	*size_r = 0;
	*nul_r = false;
	mail_decoder_init(&decoder, part->encoding);
	while (done < part->body_len && err == TS_OK) {
		uint64_t len = part->body_len - done;

		if (len > IMAP_RENDER_PIECE)
			len = IMAP_RENDER_PIECE;
		raw.n = decoded.n = 0;
		err = read_exactly(r, part->body_off + done, len, &raw);
		if (err != TS_OK)
			break;
		done += len;
		mail_decode(&decoder, buf_as_str(&raw), done == part->body_len, &decoded);
		*size_r += decoded.n;
		*nul_r = *nul_r || (decoded.n > 0 && memchr(decoded.p, '\0', decoded.n) != NULL);
	}
	buf_fini(&raw);
	buf_fini(&decoded);
	return err;
}

/* BINARY[] without a part number is the message as it is (RFC 9051 section 6.4.5). */
static bool
binary_part(struct imap_render *r, const struct wire_fetch_item *item, struct mail_part *part_r)
{
	if (!mail_section_part(&r->summary, item->section.part, item->section.n_part, part_r))
		return false;
	if (item->section.n_part == 0) {
		part_r->body_off = 0;
		part_r->body_len = r->messages[r->message].record.size;
		part_r->encoding = MAIL_ENCODING_BINARY;
	} else if (part_r->kind != MAIL_PART_LEAF) {
		part_r->encoding = MAIL_ENCODING_BINARY;
	}
	return true;
}

static enum done
put_binary(struct imap_render *r, const struct wire_fetch_item *item)
{
	size_t before = r->out.n;
	struct mail_part part;
	uint64_t size, off = 0;
	enum done done;
	bool nul;

	if (!open_summary(r))
		return ITEM_FAILED;
	if (!binary_part(r, item, &part)) /* a size is a number, never NIL */
		return item->id == WIRE_FETCH_BINARY_SIZE ? ITEM_NONE : put_nil(r, item);
	if (part.encoding == MAIL_ENCODING_UNKNOWN) {
		r->unknown_cte = true; /* RFC 3516 section 4.3 */
		return ITEM_NONE;
	}
	if (measure(r, &part, &size, &nul) != TS_OK)
		return ITEM_FAILED;
	if (item->id == WIRE_FETCH_BINARY_SIZE) {
		wire_out_fetch_section(&r->out, r->dialect, item);
		buf_putc(&r->out, ' ');
		buf_u64(&r->out, size);
		return ITEM_DONE;
	}
	cut_to_partial(item, &off, &size);
	put_name(r, item);
	wire_out_literal_head(&r->out, size, nul);
	r->source = (struct imap_render_source){
	    .off = part.body_off, .left = part.body_len, .skip = off, .take = size, .decode = true};
	if (size == 0)
		return ITEM_DONE;
	mail_decoder_init(&r->source.decoder, part.encoding);
	done = source_piece(r);
	if (done == ITEM_FAILED)
		r->out.n = before;
	return done;
}

/* ---- items, messages */

static enum done
put_envelope(struct imap_render *r)
{
	if (!open_summary(r))
		return ITEM_FAILED;
	buf_puts(&r->out, "ENVELOPE ");
	buf_str(&r->out, mail_summary_text(&r->summary, MAIL_TEXT_ENVELOPE));
	return ITEM_DONE;
}

static enum done
put_structure(struct imap_render *r, const char *name, bool extended)
{
	if (!open_summary(r))
		return ITEM_FAILED;
	buf_puts(&r->out, name);
	buf_str(&r->out, mail_summary_structure(&r->summary, r->dialect->rev2, extended));
	return ITEM_DONE;
}

static enum done
put_item(struct imap_render *r, const struct wire_fetch_item *item)
{
	const struct store_message *record = &r->messages[r->message].record;

	switch (item->id) {
	case WIRE_FETCH_FLAGS:
		buf_puts(&r->out, "FLAGS ");
		imap_print_flags(r->box, record, &r->out);
		return ITEM_DONE;
	case WIRE_FETCH_UID:
		buf_puts(&r->out, "UID ");
		buf_u64(&r->out, record->uid);
		return ITEM_DONE;
	case WIRE_FETCH_RFC822_SIZE:
		buf_puts(&r->out, "RFC822.SIZE ");
		buf_u64(&r->out, record->size);
		return ITEM_DONE;
	case WIRE_FETCH_INTERNALDATE:
		buf_puts(&r->out, "INTERNALDATE ");
		wire_out_time(&r->out,
		    (struct wire_time){.unix_s = record->internaldate, .zone_min = record->zone});
		return ITEM_DONE;
	case WIRE_FETCH_ENVELOPE:
		return put_envelope(r);
	case WIRE_FETCH_BODY:
		return put_structure(r, "BODY ", false);
	case WIRE_FETCH_BODYSTRUCTURE:
		return put_structure(r, "BODYSTRUCTURE ", true);
	case WIRE_FETCH_BODY_SECTION:
	case WIRE_FETCH_RFC822:
	case WIRE_FETCH_RFC822_HEADER:
	case WIRE_FETCH_RFC822_TEXT:
		return put_section(r, item);
	case WIRE_FETCH_BINARY:
	case WIRE_FETCH_BINARY_SIZE:
		return put_binary(r, item);
	case WIRE_FETCH_OTHER:
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
	r->summary_open = r->begun = false;
}

static void
message_failed(struct imap_render *r)
{
	r->failed = true;
	r->source.active = false;
	if (r->begun && r->message_start == SIZE_MAX)
		r->broken = true;
	else if (r->begun)
		r->out.n = r->message_start;
	next_message(r);
}

/* The head of the response before its first item, a blank before the others. */
static void
begin_item(struct imap_render *r)
{
	if (r->begun) {
		buf_putc(&r->out, ' ');
		return;
	}
	r->begun = true;
	r->message_start = r->out.n;
	wire_out_fetch_begin(&r->out, r->messages[r->message].seq);
}

static void
message_ended(struct imap_render *r)
{
	if (r->messages[r->message].tell_flags && !r->has_flags) {
		begin_item(r);
		buf_puts(&r->out, "FLAGS ");
		imap_print_flags(r->box, &r->messages[r->message].record, &r->out);
	}
	if (r->begun)
		wire_out_fetch_end(&r->out);
	next_message(r);
}

/* One item, or one piece of one. */
static void
step(struct imap_render *r)
{
	enum done done;

	if (r->source.active) {
		done = source_piece(r);
	} else {
		size_t before = r->out.n;
		bool begun = r->begun;

		begin_item(r);
		done = put_item(r, &r->items[r->item]);
		if (done == ITEM_NONE) {
			r->out.n = before;
			r->begun = begun;
		}
	}
	if (done == ITEM_FAILED) {
		message_failed(r);
		return;
	}
	if (done == ITEM_MORE)
		return;
	if (++r->item == r->item_count)
		message_ended(r);
}

void
imap_render_run(struct imap_render *r)
{
	/* What was rendered before has been handed over. */
	r->message_start = r->out.n == 0 && r->begun ? SIZE_MAX : r->message_start;
	while (r->message < r->count && r->out.n < IMAP_RENDER_PIECE && !r->broken) {
		if (r->message == r->summaries_end)
			read_summaries(r);
		step(r);
	}
}
