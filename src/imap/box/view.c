/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The view: sequence numbers and UIDs as the client knows them (RFC 9051
 * section 2.3.1).  It is a bitmap of UIDs; a sequence number is a rank.
 */
#include "base/log.h"
#include "imap/box/box_int.h"

uint32_t
imap_view_seq(const struct imap_box *box, uint32_t uid)
{
	if (!roaring_bitmap_contains(box->uids, uid))
		return 0;
	return (uint32_t)roaring_bitmap_rank(box->uids, uid);
}

uint32_t
imap_view_uid(const struct imap_box *box, uint32_t seq)
{
	uint32_t uid;

	if (seq == 0 || !roaring_bitmap_select(box->uids, seq - 1, &uid))
		return 0;
	return uid;
}

static bool
resolve_seq(const struct imap_box *box, const struct wire_set *set, roaring_bitmap_t *out)
{
	uint32_t count = (uint32_t)roaring_bitmap_get_cardinality(box->uids), lo, hi;

	for (size_t i = 0; i < set->n; i++) {
		struct wire_range r = wire_range_resolve(set->v[i], count);

		/* RFC 9051 section 9, seq-number: numbers beyond the mailbox are an error, and so
		 * is "*" in an empty one. */
		if (r.lo == 0 || r.hi > count)
			return false;
		lo = imap_view_uid(box, r.lo);
		hi = imap_view_uid(box, r.hi);
		roaring_bitmap_add_range(out, lo, (uint64_t)hi + 1);
	}
	return true;
}

static void
resolve_uids(const struct imap_box *box, const struct wire_set *set, roaring_bitmap_t *out)
{
	uint32_t max = roaring_bitmap_is_empty(box->uids) ? 0 : roaring_bitmap_maximum(box->uids);

	for (size_t i = 0; i < set->n; i++) {
		struct wire_range r = wire_range_resolve(set->v[i], max);

		/* A client may name UIDs far beyond: only what is in the view may cost memory. */
		if (r.hi > max)
			r.hi = max;
		if (r.lo <= r.hi)
			roaring_bitmap_add_range(out, r.lo, (uint64_t)r.hi + 1);
	}
}

/* Ignores numbers beyond the mailbox, as for UIDs, and "*" in an empty one. */
static void
resolve_seq_known(const struct imap_box *box, const struct wire_set *set, roaring_bitmap_t *out)
{
	uint32_t count = (uint32_t)roaring_bitmap_get_cardinality(box->uids);

	for (size_t i = 0; i < set->n; i++) {
		struct wire_range r = wire_range_resolve(set->v[i], count);

		if (r.hi > count)
			r.hi = count;
		if (r.lo > 0 && r.lo <= r.hi)
			roaring_bitmap_add_range(
			    out, imap_view_uid(box, r.lo), (uint64_t)imap_view_uid(box, r.hi) + 1);
	}
}

/* "$": a subset of the view, since what leaves the view leaves this too (imap/ext/searchres.c). */
static roaring_bitmap_t *
saved_copy(const struct imap_box *box)
{
	return box->saved != NULL ? roaring_bitmap_copy(box->saved) : roaring_bitmap_create();
}

bool
imap_view_resolve(
    const struct imap_box *box, const struct wire_set *set, bool uid, roaring_bitmap_t **uids_r)
{
	roaring_bitmap_t *out;

	*uids_r = NULL;
	if (set->saved) {
		*uids_r = saved_copy(box);
		return true;
	}
	out = roaring_bitmap_create();
	if (uid) {
		resolve_uids(box, set, out);
	} else if (!resolve_seq(box, set, out)) {
		roaring_bitmap_free(out);
		return false;
	}
	roaring_bitmap_and_inplace(out, box->uids);
	*uids_r = out;
	return true;
}

roaring_bitmap_t *
imap_view_select(const struct imap_box *box, const struct wire_set *set, bool uid)
{
	roaring_bitmap_t *out;

	if (set->saved)
		return saved_copy(box);
	out = roaring_bitmap_create();
	if (uid)
		resolve_uids(box, set, out);
	else
		resolve_seq_known(box, set, out);
	roaring_bitmap_and_inplace(out, box->uids);
	return out;
}

/* ---- \Recent */

/* RFC 3501 section 2.3.2: recent for the session that is told first; read-only sessions do not
 * claim it. */
uint32_t
imap_box_claim_begin(struct imap_box *box)
{
	if (box->recents && !box->read_only)
		return store_reader_claim_begin(&box->reader);
	store_reader_begin(&box->reader);
	return box->recents ? store_reader_recent_mark(&box->reader) : UINT32_MAX;
}

void
imap_box_claim_end(struct imap_box *box)
{
	if (box->recents && !box->read_only)
		store_reader_claim_end(&box->reader);
	else
		store_reader_end(&box->reader);
}

void
imap_box_add_recent(struct imap_box *box, const roaring_bitmap_t *uids, uint32_t mark)
{
	roaring_bitmap_t *above;

	if (roaring_bitmap_is_empty(uids) || roaring_bitmap_maximum(uids) <= mark)
		return;
	above = roaring_bitmap_copy(uids);
	roaring_bitmap_remove_range(above, 0, (uint64_t)mark + 1);
	roaring_bitmap_or_inplace(box->recent, above);
	roaring_bitmap_free(above);
}

void
imap_log_unreadable(const struct store_mailbox *mailbox, uint32_t uid, size_t others)
{
	struct buf more = {0};

	if (others > 0)
		buf_printf(&more, ", and %zu more of the mailbox", others);
	log_msg(LOG_ERROR, NULL, "a message cannot be read: user %.*s, mailbox number %u, UID %u%s",
	    STR_ARG(store_account_name(store_mailbox_account(mailbox))), store_mailbox_id(mailbox),
	    uid, others > 0 ? buf_cstr(&more) : "");
	buf_fini(&more);
}
