/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The selected mailbox: made by SELECT, freed by whatever leaves it.  The view
 * (what the client has been told) starts as the mailbox is at that moment.
 */
#include "imap/conn_int.h"
#include "imap/rights.h"

static void
free_box(void *arg)
{
	struct imap_box *box = arg;

	store_watch_free(&box->watch);
	roaring_bitmap_free(box->uids);
	roaring_bitmap_free(box->recent);
	roaring_bitmap_free(box->pending);
	if (box->silent != NULL)
		roaring_bitmap_free(box->silent);
	if (box->saved != NULL)
		roaring_bitmap_free(box->saved);
	store_mailbox_unref(&box->mailbox);
}

void
imap_box_add_recent(struct imap_box *box, uint32_t mark)
{
	roaring_bitmap_t *range;

	if (roaring_bitmap_is_empty(box->uids) || roaring_bitmap_maximum(box->uids) <= mark)
		return;
	range = roaring_bitmap_create();
	roaring_bitmap_add_range(
	    range, (uint64_t)mark + 1, (uint64_t)roaring_bitmap_maximum(box->uids) + 1);
	roaring_bitmap_and_inplace(range, box->uids);
	roaring_bitmap_or_inplace(box->recent, range);
	roaring_bitmap_free(range);
}

void
imap_box_tell(struct imap_conn *conn)
{
	const struct imap_box *box = imap_box(conn);
	size_t before;

	if (conn->closing || conn->cmd == NULL || conn->cmd->changed == NULL || box == NULL ||
	    !box->dirty)
		return;
	/* A client that does not read is told once, when it does: drained() comes back here. */
	if (stream_out_pending(conn->stream) > conn->il->stream_limits.high)
		return;
	before = imap_out(conn)->n;
	conn->cmd->changed(conn->cmd);
	if (imap_out(conn)->n > before) {
		conn->bytes_out += imap_out(conn)->n - before;
		stream_kick(conn->stream);
	}
	/* One look tells a bounded piece. */
	if (!conn->closing && box->dirty)
		loop_post(conn->il->loop, &conn->task);
}

static void
watch_fired(void *arg)
{
	struct imap_conn *conn = arg;

	conn->turn->login->box->dirty = true;
	imap_box_tell(conn);
}

struct imap_box *
imap_box_open(struct imap_conn *conn, struct store_mailbox *mailbox, struct str name,
    unsigned rights, bool read_only)
{
	struct arena *a = arena_new(&conn->il->pool, ARENA_BOX, 320);
	struct imap_box *box = arena_new_object(a, struct imap_box);
	struct store_counters counters;

	imap_box_free(conn);
	box->arena = a;
	box->mailbox = mailbox;
	box->name = arena_str(a, name);
	box->rights = rights;
	/* RFC 4314 section 5.2 */
	read_only = read_only || (rights & IMAP_RIGHTS_CHANGE) == 0;
	box->read_only = read_only;
	box->slots = arena_zalloc(a, conn->server->reg.box_total);
	box->recent = roaring_bitmap_create();
	box->pending = roaring_bitmap_create();
	/* Before looking: what comes in between is told by the first sync. */
	box->watch = store_watch_new(imap_login(conn)->account, store_mailbox_id(mailbox),
	    conn->il->loop, watch_fired, conn);
	if (imap_dialect(conn)->rev2)
		box->recent_mark = UINT32_MAX;
	else if (read_only)
		box->recent_mark = store_mailbox_recent_mark(mailbox);
	else
		box->recent_mark = store_mailbox_claim_recent(mailbox);
	store_mailbox_counters(mailbox, &counters);
	box->uidvalidity = counters.uidvalidity;
	store_mailbox_read_begin(mailbox);
	box->uids = roaring_bitmap_copy(store_mailbox_uids(mailbox));
	box->modseq = store_mailbox_modseq(mailbox);
	store_mailbox_read_end(mailbox);
	imap_box_add_recent(box, box->recent_mark);
	arena_on_free(a, free_box, box);
	imap_login(conn)->box = box;
	imap_login(conn)->tally.selected++;
	return box;
}

void
imap_box_free(struct imap_conn *conn)
{
	struct arena *a;

	if (imap_box(conn) == NULL)
		return;
	a = imap_box(conn)->arena;
	imap_login(conn)->box = NULL;
	arena_free(&a);
}
