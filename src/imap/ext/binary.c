/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BINARY (RFC 3516; RFC 9051 section 6.4.5): decoded parts of a message, and incoming messages with
 * binary parts.
 */
#include "imap/cmd.h"
#include "mail/unbinary.h"

/* ---- FETCH BINARY[1], BINARY.SIZE[1] */

/* BINARY[] without a part number is the whole message, unchanged (RFC 9051 section 6.4.5). */
static void
whole_or_part(const struct imap_fetched *message, struct mail_part *part)
{
	if (message->item->section.n_part == 0) {
		part->body_off = 0;
		part->body_len = message->record->size;
		part->encoding = MAIL_ENCODING_BINARY;
	} else if (part->kind != MAIL_PART_LEAF) {
		part->encoding = MAIL_ENCODING_BINARY;
	}
}

static enum imap_located
locate_part(const struct imap_fetched *message, struct imap_value *value, enum imap_located missing)
{
	const struct wire_section *section = &message->item->section;
	struct mail_part part;

	if (!mail_section_part(message->summary, section->part, section->n_part, &part))
		return missing;
	whole_or_part(message, &part);
	if (part.encoding == MAIL_ENCODING_UNKNOWN) /* RFC 3516 section 4.3 */
		return IMAP_LOCATED_REFUSED;
	*value = (struct imap_value){{.off = part.body_off, .len = part.body_len}, part.encoding};
	return IMAP_LOCATED;
}

static enum imap_located
locate(const struct imap_fetched *message, struct imap_value *value)
{
	return locate_part(message, value, IMAP_LOCATED_NIL);
}

/* A size is a number, never NIL. */
static enum imap_located
locate_size(const struct imap_fetched *message, struct imap_value *value)
{
	return locate_part(message, value, IMAP_LOCATED_NOTHING);
}

static const struct imap_refusal unknown_cte = {
    "UNKNOWN-CTE", N_("A part has an unknown transfer encoding")};

static const struct imap_fetch_item fetch_items[] = {
    {.name = "BINARY",
        .needs = IMAP_NEEDS_SUMMARY | IMAP_NEEDS_BLOB,
        .sets_seen = true,
        .locate = locate,
        .refused = &unknown_cte},
    {.name = "BINARY.SIZE",
        .needs = IMAP_NEEDS_SUMMARY | IMAP_NEEDS_BLOB,
        .locate = locate_size,
        .size_only = true,
        .refused = &unknown_cte},
    {.name = NULL},
};

/* ---- APPEND with a literal8: binary parts are converted to base64 (section 4.4) */

static void *
begin_unbinary(void)
{
	return mail_unbinary_new();
}

static void
feed_unbinary(void *state, struct str piece, bool last, struct buf *out)
{
	mail_unbinary_feed(state, piece, last, out);
}

static void
end_unbinary(void *state)
{
	struct mail_unbinary *u = state;

	mail_unbinary_free(&u);
}

static const struct imap_append_data append_data[] = {
    {.name = "LITERAL8", .begin = begin_unbinary, .feed = feed_unbinary, .end = end_unbinary},
    {.name = NULL},
};

static const struct imap_code codes[] = {
    {.name = "UNKNOWN-CTE",
        .rfc = "3516",
        .when = "FETCH asked for a part whose transfer encoding is not known"},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "BINARY", .rfc = "3516", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_binary = {
    .name = "binary",
    .title = "BINARY (RFC 3516)",
    .caps = caps,
    .codes = codes,
    .fetch_items = fetch_items,
    .append_data = append_data,
};
