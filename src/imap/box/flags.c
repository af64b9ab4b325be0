/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flags as the client sees them: the names of a mailbox's keywords, FLAGS and PERMANENTFLAGS, and
 * those of a message (RFC 9051 sections 2.3.2, 7.1, 7.3.5).
 */
#include "imap/place/rights.h"

struct store_flags
imap_flags_of(const struct wire_flags *flags)
{
	struct store_flags f = {{0}};

	_Static_assert(WIRE_FLAG_ANSWERED == 1 << STORE_ANSWERED &&
	                   WIRE_FLAG_FLAGGED == 1 << STORE_FLAGGED &&
	                   WIRE_FLAG_DELETED == 1 << STORE_DELETED &&
	                   WIRE_FLAG_SEEN == 1 << STORE_SEEN && WIRE_FLAG_DRAFT == 1 << STORE_DRAFT,
	    "the grammar's flags have the store's positions");
	f.w[0] = flags->system & ((1u << STORE_FIRST_KEYWORD) - 1);
	return f;
}

void
imap_read_keywords(const struct imap_box *box, struct imap_keywords *keywords)
{
	imap_drop_keywords(keywords);
	keywords->table = store_mailbox_keywords(box->mailbox);
	keywords->room = store_mailbox_keyword_room(box->mailbox);
}

void
imap_drop_keywords(struct imap_keywords *keywords)
{
	store_keywords_unref(&keywords->table);
}

static size_t
all_names(const struct store_keywords *table, struct str *names)
{
	size_t n = 0;

	for (unsigned f = STORE_FIRST_KEYWORD; f < store_keywords_end(table); f++) {
		names[n] = store_keywords_name(table, f);
		n += names[n].p != NULL;
	}
	return n;
}

/* Gets the keywords that a message has: the cost depends on them, not on how many the mailbox
 * has. */
static size_t
names_of(const struct store_keywords *table, const struct store_flags *flags, struct str *names)
{
	size_t n = 0;

	for (unsigned w = 0; w < STORE_FLAG_WORDS; w++) {
		uint64_t bits = flags->w[w];

		if (w == 0)
			bits &= ~(uint64_t)0 << STORE_FIRST_KEYWORD;
		for (; bits != 0; bits &= bits - 1) {
			names[n] =
			    store_keywords_name(table, w * 64 + (unsigned)__builtin_ctzll(bits));
			n += names[n].p != NULL;
		}
	}
	return n;
}

void
imap_print_known_flags(struct imap_conn *conn, const struct imap_keywords *keywords)
{
	const unsigned system = WIRE_FLAG_ANSWERED | WIRE_FLAG_FLAGGED | WIRE_FLAG_DELETED |
	                        WIRE_FLAG_SEEN | WIRE_FLAG_DRAFT;
	struct imap_box *box = imap_box(conn);
	struct str names[STORE_KEYWORDS_MAX + 1];
	struct store_flag_bounds bounds = imap_rights_bounds(box->rights);
	struct buf *out = imap_out(conn);
	size_t n = all_names(keywords->table, names);

	box->keywords_told = store_keywords_id(keywords->table);
	box->room_told = keywords->room;
	box->rights_told = box->rights;
	wire_out_flags_line(out, system, names, n);
	wire_out_ok_begin(out);
	if (box->read_only)
		wire_out_code_permanentflags(out, 0, NULL, 0, false);
	else /* RFC 4314 section 5.1.1: those that this login may change */
		wire_out_code_permanentflags(out, (unsigned)bounds.system, names,
		    bounds.keywords ? n : 0, bounds.keywords && keywords->room);
	imap_say_end(conn, "Flags permitted");
}

void
imap_tell_keywords(struct imap_conn *conn, const struct imap_keywords *keywords)
{
	const struct imap_box *box = imap_box(conn);

	if (store_keywords_id(keywords->table) != box->keywords_told ||
	    (!box->read_only && keywords->room != box->room_told) ||
	    ((box->rights ^ box->rights_told) & IMAP_RIGHTS_FLAGS) != 0)
		imap_print_known_flags(conn, keywords);
}

void
imap_print_flags(const struct imap_box *box, const struct imap_keywords *keywords,
    const struct store_message *msg, struct buf *out)
{
	struct str names[STORE_KEYWORDS_MAX + 1];
	unsigned system = (unsigned)(msg->flags.w[0] & ((1u << STORE_FIRST_KEYWORD) - 1));
	size_t n = names_of(keywords->table, &msg->flags, names);

	if (roaring_bitmap_contains(box->recent, msg->uid))
		system |= WIRE_FLAG_RECENT;
	wire_out_fetch_name(out, WIRE_FETCH_FLAGS);
	wire_out_flags(out, system, names, n, false);
	for (size_t i = 0; box->reg->flags_printed[i] != NULL; i++)
		box->reg->flags_printed[i](box, msg, out);
}
