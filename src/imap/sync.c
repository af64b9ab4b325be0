/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Untagged updates of the selected mailbox: the one place that sends EXPUNGE,
 * EXISTS, RECENT, FLAGS and unasked FETCH (RFC 9051 sections 5.2 and 7.5).
 *
 * Looking and telling are apart: look() takes what changed in the mailbox
 * since last time into the box (new UIDs into the view, changed flags into
 * `pending`, expunged ones are noted by `stale`); what may be told now is
 * told, in bounded pieces, the rest by a later sync.
 */
#include "imap/conn_int.h"
#include "imap/rights.h"

/* Lines of one kind that one sync prints at the most: some 100 KiB. */
#define SYNC_LINES 4096u
#define WINDOW 64

static void
look_at_new(struct imap_conn *conn, struct imap_box *box, const roaring_bitmap_t *now)
{
	roaring_bitmap_t *fresh = roaring_bitmap_andnot(now, box->uids);

	if (!roaring_bitmap_is_empty(fresh)) {
		struct buf *out = imap_out(conn);

		roaring_bitmap_or_inplace(box->uids, fresh);
		wire_out_number(out, (uint32_t)roaring_bitmap_get_cardinality(box->uids), "EXISTS");
	}
	roaring_bitmap_free(fresh);
}

/* What the client did itself with STORE .SILENT is not told (RFC 9051 section 6.4.6). */
static void
drop_silent(struct imap_box *box)
{
	roaring_uint32_iterator_t it;
	struct store_message msg;

	if (box->silent == NULL)
		return;
	roaring_init_iterator(box->silent, &it);
	for (; it.has_value; roaring_advance_uint32_iterator(&it))
		if (roaring_bitmap_contains(box->pending, it.current_value) &&
		    store_mailbox_message(box->mailbox, it.current_value, &msg) &&
		    msg.modseq == box->silent_modseq)
			roaring_bitmap_remove(box->pending, it.current_value);
	roaring_bitmap_free(box->silent);
	box->silent = NULL;
}

/* Takes the mailbox's changes into the box.  New messages are announced at the end of it. */
static roaring_bitmap_t *
look(struct imap_box *box)
{
	roaring_bitmap_t *now = NULL;
	uint64_t modseq;

	store_mailbox_read_begin(box->mailbox);
	modseq = store_mailbox_modseq(box->mailbox);
	if (modseq != box->modseq) {
		now = roaring_bitmap_copy(store_mailbox_uids(box->mailbox));
		store_mailbox_changed_since(box->mailbox, box->modseq, box->pending);
		/* New messages are told by EXISTS; the client asks for their flags. */
		roaring_bitmap_and_inplace(box->pending, box->uids);
		drop_silent(box);
		box->modseq = modseq;
		if (!roaring_bitmap_is_subset(box->uids, now))
			box->stale = true;
	}
	store_mailbox_read_end(box->mailbox);
	return now;
}

/* EXPUNGE with sequence numbers that go down as one goes on (RFC 9051 section 7.5.1). */
static void
tell_expunged(struct imap_conn *conn, struct imap_box *box)
{
	struct buf *out = imap_out(conn);
	roaring_bitmap_t *gone;
	roaring_uint32_iterator_t it;
	unsigned n = 0;

	store_mailbox_read_begin(box->mailbox);
	gone = roaring_bitmap_andnot(box->uids, store_mailbox_uids(box->mailbox));
	store_mailbox_read_end(box->mailbox);
	roaring_init_iterator_last(gone, &it);
	/* From the last on, so that no number told before is moved by one told later. */
	for (; it.has_value && n < SYNC_LINES; n++) {
		wire_out_number(out, imap_view_seq(box, it.current_value), "EXPUNGE");
		roaring_bitmap_remove(box->uids, it.current_value);
		roaring_previous_uint32_iterator(&it);
	}
	box->stale = it.has_value;
	roaring_bitmap_free(gone);
	roaring_bitmap_and_inplace(box->recent, box->uids);
	roaring_bitmap_and_inplace(box->pending, box->uids);
	if (box->saved != NULL)
		roaring_bitmap_and_inplace(box->saved, box->uids);
}

/* ---- flags */

static size_t
known_keywords(const struct imap_box *box, unsigned upto, struct str *names)
{
	size_t n = 0;

	for (unsigned f = STORE_FIRST_KEYWORD; f < upto && n < STORE_KEYWORDS_MAX; f++)
		names[n++] = store_mailbox_keyword(box->mailbox, f);
	return n;
}

void
imap_print_known_flags(struct imap_conn *conn)
{
	const unsigned system = WIRE_FLAG_ANSWERED | WIRE_FLAG_FLAGGED | WIRE_FLAG_DELETED |
	                        WIRE_FLAG_SEEN | WIRE_FLAG_DRAFT;
	struct imap_box *box = imap_box(conn);
	struct str names[STORE_KEYWORDS_MAX];
	struct store_flag_bounds bounds = imap_rights_bounds(box->rights);
	struct buf *out = imap_out(conn);
	size_t n;

	store_mailbox_read_begin(box->mailbox);
	box->keywords_told = store_mailbox_flag_count(box->mailbox);
	n = known_keywords(box, box->keywords_told, names);
	store_mailbox_read_end(box->mailbox);
	buf_puts(out, "* FLAGS ");
	wire_out_flags(out, system, names, n, false);
	buf_puts(out, "\r\n* OK [PERMANENTFLAGS ");
	if (box->read_only)
		buf_puts(out, "()");
	else /* RFC 4314 section 5.1.1: those that this login may change */
		wire_out_flags(
		    out, (unsigned)bounds.system, names, bounds.keywords ? n : 0, bounds.keywords);
	buf_puts(out, "] Flags that are kept\r\n");
}

/* names: as many as box->keywords_told says, at least up to the highest of the message. */
static void
print_flags(const struct imap_box *box, const struct store_message *msg, const struct str *names,
    size_t n_names, struct buf *out)
{
	struct str set[STORE_KEYWORDS_MAX];
	unsigned system = (unsigned)(msg->flags.w[0] & ((1u << STORE_FIRST_KEYWORD) - 1));
	size_t n = 0;

	if (roaring_bitmap_contains(box->recent, msg->uid))
		system |= WIRE_FLAG_RECENT;
	for (size_t i = 0; i < n_names; i++)
		if (store_flags_has(&msg->flags, (unsigned)(STORE_FIRST_KEYWORD + i)))
			set[n++] = names[i];
	wire_out_flags(out, system, set, n, false);
}

static bool
has_keywords(const struct store_message *msg)
{
	uint64_t any = msg->flags.w[0] >> STORE_FIRST_KEYWORD;

	for (unsigned i = 1; i < STORE_FLAG_WORDS; i++)
		any |= msg->flags.w[i];
	return any != 0;
}

void
imap_print_flags(const struct imap_box *box, const struct store_message *msg, struct buf *out)
{
	struct str names[STORE_KEYWORDS_MAX];
	size_t n = 0;

	if (has_keywords(msg)) {
		store_mailbox_read_begin(box->mailbox);
		n = known_keywords(box, store_mailbox_flag_count(box->mailbox), names);
		store_mailbox_read_end(box->mailbox);
	}
	print_flags(box, msg, names, n, out);
}

static void
print_window(struct imap_conn *conn, const struct store_message *msgs, size_t n, bool uid,
    const struct str *names, size_t n_names)
{
	struct imap_box *box = imap_box(conn);
	struct buf *out = imap_out(conn);

	for (size_t i = 0; i < n; i++) {
		uint32_t seq = imap_view_seq(box, msgs[i].uid);

		if (seq == 0)
			continue;
		wire_out_fetch_begin(out, seq);
		if (uid) {
			wire_out_fetch_number(out, WIRE_FETCH_UID, msgs[i].uid);
			buf_putc(out, ' ');
		}
		buf_puts(out, "FLAGS ");
		print_flags(box, &msgs[i], names, n_names, out);
		wire_out_fetch_end(out);
	}
}

/* Prints up to max of set; returns the UID to go on from, 0 when all are done. */
static uint32_t
print_fetch_flags(struct imap_conn *conn, const roaring_bitmap_t *set, bool uid, unsigned max)
{
	struct imap_box *box = imap_box(conn);
	struct store_message msgs[WINDOW];
	struct str names[STORE_KEYWORDS_MAX];
	size_t n, n_names;
	uint32_t from = 1;

	do {
		store_mailbox_read_begin(box->mailbox);
		n = store_mailbox_window(box->mailbox, set, from, msgs, WINDOW);
		n_names = known_keywords(box, store_mailbox_flag_count(box->mailbox), names);
		store_mailbox_read_end(box->mailbox);
		print_window(conn, msgs, n, uid, names, n_names);
		if (n < WINDOW || msgs[n - 1].uid == UINT32_MAX)
			return 0;
		from = msgs[n - 1].uid + 1;
		max -= max < WINDOW ? max : WINDOW;
	} while (max > 0);
	return from;
}

void
imap_print_fetch_flags(struct imap_conn *conn, const roaring_bitmap_t *set, bool uid)
{
	(void)print_fetch_flags(conn, set, uid, UINT32_MAX);
}

static void
tell_flags(struct imap_conn *conn, struct imap_box *box)
{
	unsigned count;
	uint32_t from;

	if (roaring_bitmap_is_empty(box->pending))
		return;
	store_mailbox_read_begin(box->mailbox);
	count = store_mailbox_flag_count(box->mailbox);
	store_mailbox_read_end(box->mailbox);
	if (count > box->keywords_told)
		imap_print_known_flags(conn);
	/* With UID, since RFC 9051 section 6.4.9 wants it there for the UID commands. */
	from = print_fetch_flags(conn, box->pending, true, SYNC_LINES);
	if (from == 0)
		roaring_bitmap_clear(box->pending);
	else
		roaring_bitmap_remove_range(box->pending, 0, from);
}

bool
imap_sync(struct imap_conn *conn, bool may_expunge)
{
	struct imap_box *box = imap_box(conn);
	roaring_bitmap_t *now;
	uint32_t mark = box->recent_mark;
	uint64_t recent;
	bool fresh = false;

	box->dirty = false;
	if (store_mailbox_gone(box->mailbox)) {
		/* RFC 2180 section 3.3 */
		imap_bye(conn, "NONEXISTENT", "The selected mailbox is gone");
		return false;
	}
	recent = roaring_bitmap_get_cardinality(box->recent);
	now = look(box);
	if (may_expunge && box->stale)
		tell_expunged(conn, box);
	if (now != NULL) {
		/* RFC 3501 section 2.3.2: recent for whoever is told first. */
		fresh = !roaring_bitmap_is_subset(now, box->uids);
		if (fresh && box->recent_mark != UINT32_MAX && !box->read_only)
			mark = store_mailbox_claim_recent(box->mailbox);
		look_at_new(conn, box, now);
		imap_box_add_recent(box, mark);
		roaring_bitmap_free(now);
	}
	if (box->recent_mark != UINT32_MAX &&
	    recent != roaring_bitmap_get_cardinality(box->recent) && fresh)
		wire_out_number(imap_out(conn),
		    (uint32_t)roaring_bitmap_get_cardinality(box->recent), "RECENT");
	if (box->silent != NULL) {
		roaring_bitmap_free(box->silent);
		box->silent = NULL;
	}
	tell_flags(conn, box);
	box->dirty = (may_expunge && box->stale) || !roaring_bitmap_is_empty(box->pending);
	return true;
}
