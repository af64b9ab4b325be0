/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Untagged updates of the selected mailbox: the one place that sends EXPUNGE or VANISHED,
 * EXISTS, RECENT, FLAGS and unasked FETCH (RFC 9051 sections 5.2 and 7.5, RFC 7162).
 *
 * Reading and telling are separate.  look_at_mailbox() reads the mailbox once: what is new, what is
 * gone, which flags changed, and the mark above which messages are recent, all of one moment.
 * accept_look() moves that into the box: new UIDs into the view, expunged ones into `expunged`,
 * changed ones into `pending`.  What may be told now is told from the box, in bounded pieces, the
 * rest by a later sync.
 */
#include "imap/box/box_int.h"
#include "imap/place/rights.h"
#include "wire/cmd/condstore.h"

#define WINDOW 64
#define VANISHED_PIECE 16384u /* messages in one response */

/* ---- looking */

struct look {
	uint64_t modseq;
	uint32_t mark;                  /* messages above it are recent for this session */
	roaring_bitmap_t *fresh, *gone; /* NULL: nothing changed */
	roaring_bitmap_t *changed;
};

/* What the client did itself with STORE .SILENT is not told (RFC 9051 section 6.4.6). */
static void
drop_silent(const struct imap_box *box, roaring_bitmap_t *changed)
{
	roaring_bitmap_t *mine, *later;

	/* With sets: one by one it takes long for a million messages, while the mailbox is
	 * locked. */
	for (unsigned i = 0; box->silent != NULL && i < 2; i++) {
		if (box->silent_modseq[i] == 0)
			continue;
		mine = roaring_bitmap_create();
		later = roaring_bitmap_create();
		store_reader_changed_since(&box->reader, box->silent_modseq[i] - 1, mine);
		store_reader_changed_since(&box->reader, box->silent_modseq[i], later);
		roaring_bitmap_andnot_inplace(mine, later);
		roaring_bitmap_and_inplace(mine, box->silent);
		roaring_bitmap_andnot_inplace(changed, mine);
		roaring_bitmap_free(mine);
		roaring_bitmap_free(later);
	}
}

/* Call during a read of the mailbox. */
static void
read_changes(const struct imap_box *box, struct look *l)
{
	const roaring_bitmap_t *now = store_mailbox_uids(box->mailbox);

	l->modseq = store_reader_modseq(&box->reader);
	if (l->modseq == box->modseq)
		return;
	l->fresh = roaring_bitmap_andnot(now, box->uids);
	l->gone = roaring_bitmap_andnot(box->uids, now);
	l->changed = roaring_bitmap_copy(box->pending);
	store_reader_changed_since(&box->reader, box->modseq, l->changed);
	/* EXISTS reports new messages; the client asks for their flags. */
	roaring_bitmap_and_inplace(l->changed, box->uids);
	drop_silent(box, l->changed);
}

static void
forget_look(struct look *l)
{
	if (l->fresh != NULL) {
		roaring_bitmap_free(l->fresh);
		roaring_bitmap_free(l->gone);
		roaring_bitmap_free(l->changed);
	}
	*l = (struct look){.fresh = NULL};
}

/* New messages must be claimed in the same read that finds them: an earlier read without a claim is
 * then discarded. */
static void
look_at_mailbox(struct imap_box *box, struct look *l)
{
	*l = (struct look){.fresh = NULL};
	store_reader_begin(&box->reader);
	read_changes(box, l);
	store_reader_end(&box->reader);
	if (l->fresh == NULL || roaring_bitmap_is_empty(l->fresh))
		return;
	forget_look(l);
	l->mark = imap_box_claim_begin(box);
	read_changes(box, l);
	imap_box_claim_end(box);
}

/* ---- messages that appear and disappear */

static void
tell_new(struct imap_conn *conn, struct imap_box *box, const struct look *l)
{
	uint64_t recent = roaring_bitmap_get_cardinality(box->recent), now;

	if (roaring_bitmap_is_empty(l->fresh))
		return;
	roaring_bitmap_or_inplace(box->uids, l->fresh);
	imap_box_add_recent(box, l->fresh, l->mark);
	wire_out_number(
	    imap_out(conn), (uint32_t)roaring_bitmap_get_cardinality(box->uids), "EXISTS");
	now = roaring_bitmap_get_cardinality(box->recent);
	if (now != recent)
		wire_out_number(imap_out(conn), (uint32_t)now, "RECENT");
}

/* Prints EXPUNGE responses in descending order (RFC 9051 section 7.5.1), and removes the messages
 * told from both sets. */
static void
print_expunged(struct imap_conn *conn, struct imap_box *box)
{
	struct buf *out = imap_out(conn);
	roaring_uint32_iterator_t it;
	size_t before = out->n;
	uint32_t from = 0;

	roaring_init_iterator_last(box->expunged, &it);
	/* From the last one down, so that no number already told is changed by a later one. */
	while (it.has_value && out->n - before < IMAP_PRINT_BYTES) {
		from = it.current_value;
		wire_out_number(out, imap_view_seq(box, from), "EXPUNGE");
		roaring_bitmap_remove(box->uids, from);
		roaring_previous_uint32_iterator(&it);
	}
	roaring_bitmap_remove_range(box->expunged, from, (uint64_t)UINT32_MAX + 1);
}

uint32_t
imap_print_vanished(struct imap_conn *conn, const roaring_bitmap_t *uids, bool earlier)
{
	struct buf *out = imap_out(conn);
	roaring_uint32_iterator_t it;
	struct wire_set_out set;
	size_t before = out->n;
	uint32_t last = 0;

	wire_out_vanished_begin(out, earlier, &set);
	roaring_init_iterator(uids, &it);
	for (uint32_t n = 0;
	     it.has_value && n < VANISHED_PIECE && out->n - before < IMAP_PRINT_BYTES; n++) {
		last = it.current_value;
		wire_set_out_add(&set, last, last);
		roaring_advance_uint32_iterator(&it);
	}
	wire_out_vanished_end(&set);
	return last;
}

/* The same as print_expunged() with UIDs (RFC 7162 section 3.2.10.2, RFC 9586 section 3.3). */
static void
print_vanished(struct imap_conn *conn, struct imap_box *box)
{
	uint64_t end = (uint64_t)imap_print_vanished(conn, box->expunged, false) + 1;
	roaring_bitmap_t *gone = roaring_bitmap_copy(box->expunged);

	roaring_bitmap_remove_range(gone, end, (uint64_t)UINT32_MAX + 1);
	roaring_bitmap_andnot_inplace(box->uids, gone);
	roaring_bitmap_remove_range(box->expunged, 0, end);
	roaring_bitmap_free(gone);
}

static void
tell_expunged(struct imap_conn *conn, struct imap_box *box)
{
	if (roaring_bitmap_is_empty(box->expunged))
		return;
	if (imap_dialect(conn)->qresync || imap_dialect(conn)->uidonly)
		print_vanished(conn, box);
	else
		print_expunged(conn, box);
	roaring_bitmap_and_inplace(box->recent, box->uids);
	roaring_bitmap_and_inplace(box->pending, box->uids);
	for (size_t i = 0; conn->server->reg.expunged[i] != NULL; i++)
		conn->server->reg.expunged[i](box);
}

/* ---- flags */

/* Returns false if it is not in the view. */
static bool
print_fetch_flags(struct imap_conn *conn, const struct imap_keywords *keywords,
    const struct store_message *msg, unsigned what)
{
	struct imap_box *box = imap_box(conn);
	const struct wire_dialect *d = imap_dialect(conn);
	bool modseq = d->condstore;
	struct buf *out = imap_out(conn);
	uint32_t seq = imap_view_seq(box, msg->uid);

	if (seq == 0)
		return false;
	wire_out_fetch_begin(out, d, d->uidonly ? msg->uid : seq);
	/* RFC 7162 section 3.2.4; in UIDONLY the response begins with it */
	if (((what & IMAP_PRINT_UID) != 0 || modseq) && !d->uidonly) {
		wire_out_fetch_number(out, WIRE_FETCH_UID, msg->uid);
		wire_out_fetch_sp(out);
	}
	if ((what & IMAP_PRINT_FLAGS) != 0)
		imap_print_flags(box, keywords, msg, out);
	if ((what & IMAP_PRINT_FLAGS) != 0 && modseq)
		wire_out_fetch_sp(out);
	if (modseq) {
		wire_out_fetch_other(out, "MODSEQ");
		wire_out_modseq(out, msg->modseq);
		imap_modseq_tell(box, msg->modseq);
	}
	wire_out_fetch_end(out);
	return true;
}

uint32_t
imap_print_fetch_flags(struct imap_conn *conn, const roaring_bitmap_t *set, uint32_t from,
    unsigned what, uint64_t *told)
{
	const struct imap_box *box = imap_box(conn);
	struct store_reader reader = box->reader;
	const struct buf *out = imap_out(conn);
	struct imap_keywords keywords = {NULL, false};
	struct store_message msgs[WINDOW];
	size_t n, i, before = out->n;

	do {
		store_reader_begin(&reader);
		n = store_reader_window(&reader, set, from, msgs, WINDOW);
		imap_read_keywords(box, &keywords);
		store_reader_end(&reader);
		if (n > 0 && (what & IMAP_PRINT_FLAGS) != 0)
			imap_tell_keywords(conn, &keywords);
		for (i = 0; i < n && (i == 0 || out->n - before < IMAP_PRINT_BYTES); i++)
			*told += print_fetch_flags(conn, &keywords, &msgs[i], what);
		if (i > 0)
			from = msgs[i - 1].uid + 1; /* 0 after the highest possible UID */
	} while (n == WINDOW && from != 0 && out->n - before < IMAP_PRINT_BYTES);
	imap_drop_keywords(&keywords);
	return i == n && n < WINDOW ? 0 : from;
}

/* FLAGS also follows if no message says so: a keyword was forgotten, or there is room for
 * others. */
static void
tell_known_flags(struct imap_conn *conn, const struct imap_box *box)
{
	struct imap_keywords keywords = {NULL, false};

	store_mailbox_read_begin(box->mailbox);
	imap_read_keywords(box, &keywords);
	store_mailbox_read_end(box->mailbox);
	imap_tell_keywords(conn, &keywords);
	imap_drop_keywords(&keywords);
}

static void
tell_flags(struct imap_conn *conn, struct imap_box *box)
{
	uint64_t told = 0;
	uint32_t from;

	tell_known_flags(conn, box);
	if (roaring_bitmap_is_empty(box->pending))
		return;
	/* Sends UID too: RFC 9051 section 6.4.9 requires it for UID commands. */
	from =
	    imap_print_fetch_flags(conn, box->pending, 0, IMAP_PRINT_FLAGS | IMAP_PRINT_UID, &told);
	if (from == 0)
		roaring_bitmap_clear(box->pending);
	else
		roaring_bitmap_remove_range(box->pending, 0, from);
}

static void
accept_look(struct imap_box *box, const struct look *l)
{
	box->modseq = l->modseq;
	roaring_bitmap_or_inplace(box->expunged, l->gone);
	roaring_bitmap_overwrite(box->pending, l->changed);
}

static const roaring_bitmap_t *
unless_empty(const roaring_bitmap_t *uids)
{
	return uids == NULL || roaring_bitmap_is_empty(uids) ? NULL : uids;
}

/* Tells extensions what is about to be told. */
static void
announce(struct imap_conn *conn, const struct imap_box *box, const struct look *l, bool may_expunge)
{
	struct imap_news news = {.fresh = unless_empty(l->fresh),
	    .changed = unless_empty(box->pending),
	    .expunged = may_expunge ? unless_empty(box->expunged) : NULL};

	if (news.fresh == NULL && news.changed == NULL && news.expunged == NULL)
		return;
	for (size_t i = 0; box->reg->about_to_tell[i] != NULL; i++)
		box->reg->about_to_tell[i](conn, &news);
}

static void
drop_old_silent(struct imap_box *box)
{
	if (box->silent != NULL)
		roaring_bitmap_free(box->silent);
	box->silent = NULL;
}

bool
imap_sync(struct imap_teller *teller, struct imap_conn *conn, bool may_expunge)
{
	struct imap_box *box = list_entry(teller, struct imap_box, teller);
	struct look l;

	teller->due = false;
	/* The reply of a command under way still comes.  The next one gets the BYE, unless it
	 * leaves: an UNAUTHENTICATE that was sent already is OK. */
	if (conn->cmd != NULL && !conn->cmd->lets_tell && !imap_rights_read(imap_login(conn), box))
		return true;
	if (!imap_rights_ask(conn))
		return false;
	if (store_mailbox_gone(box->mailbox)) {
		/* RFC 2180 section 3.3 */
		imap_bye(conn, "NONEXISTENT", "The selected mailbox no longer exists");
		return false;
	}
	look_at_mailbox(box, &l);
	drop_old_silent(box);
	if (l.fresh != NULL)
		accept_look(box, &l);
	announce(conn, box, &l, may_expunge);
	if (may_expunge)
		tell_expunged(conn, box);
	if (l.fresh != NULL)
		tell_new(conn, box, &l);
	forget_look(&l);
	teller->due = may_expunge && !roaring_bitmap_is_empty(box->expunged);
	if (!teller->due) /* no MODSEQ may precede an EXPUNGE that is allowed now */
		tell_flags(conn, box);
	teller->due |= !roaring_bitmap_is_empty(box->pending);
	if (roaring_bitmap_is_empty(box->expunged) && roaring_bitmap_is_empty(box->pending))
		box->complete = box->modseq;
	return true;
}
