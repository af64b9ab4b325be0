/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The selected mailbox: made by SELECT, freed when it is closed.  The view
 * (what the client has been told) starts as the mailbox is at that moment.
 */
#include "imap/box/box_int.h"
#include "imap/errand.h"
#include "imap/place/rights.h"
#include "imap/tell.h"
#include "store/own.h"

static void
free_box(void *arg)
{
	struct imap_box *box = arg;

	store_watch_free(&box->watch);
	store_watch_free(&box->own_watch);
	roaring_bitmap_free(box->uids);
	roaring_bitmap_free(box->recent);
	roaring_bitmap_free(box->pending);
	roaring_bitmap_free(box->expunged);
	if (box->silent != NULL)
		roaring_bitmap_free(box->silent);
	if (box->saved != NULL)
		roaring_bitmap_free(box->saved);
	store_own_unref(&box->reader.own);
	store_mailbox_unref(&box->mailbox);
}

static void
watch_fired(void *arg)
{
	struct imap_conn *conn = arg;
	struct imap_box *box = imap_box(conn);

	/* Whoever may no longer read it is told at once, not at the next command. */
	if (!imap_rights_read(imap_login(conn), box))
		box->teller.when |= IMAP_TELL_QUIET;
	box->teller.due = true;
	imap_tell_soon(conn);
}

/* Returns 0 if all are \Seen.  With sets: one by one it takes milliseconds in a large mailbox that
 * is being read. */
static uint32_t
first_unseen(const struct store_reader *reader, const struct store_counters *counters)
{
	const roaring_bitmap_t *uids = store_mailbox_uids(reader->mailbox);
	const roaring_bitmap_t *seen = store_reader_flagged(reader, STORE_SEEN);
	roaring_bitmap_t *unseen;
	uint32_t first;

	if (counters->unseen == 0)
		return 0;
	if (seen == NULL)
		return roaring_bitmap_minimum(uids);
	unseen = roaring_bitmap_andnot(uids, seen);
	first = roaring_bitmap_is_empty(unseen) ? 0 : roaring_bitmap_minimum(unseen);
	roaring_bitmap_free(unseen);
	return first;
}

/* All that SELECT reports is of one moment. */
static void
look_first(struct imap_box *box, struct imap_selected *selected)
{
	struct store_counters counters;
	uint32_t mark = imap_box_claim_begin(box);

	store_reader_counters(&box->reader, &counters);
	box->uids = roaring_bitmap_copy(store_mailbox_uids(box->mailbox));
	selected->unseen = box->recents ? first_unseen(&box->reader, &counters) : 0;
	imap_read_keywords(box, &selected->keywords);
	imap_box_claim_end(box);
	box->modseq = box->complete = counters.modseq;
	box->uidvalidity = counters.uidvalidity;
	selected->uidnext = counters.uidnext;
	imap_box_add_recent(box, box->uids, mark);
}

/* Hears what other sessions of the user mark read.  The owner's mailbox may become so later. */
static void
watch_own(struct imap_conn *conn, struct imap_box *box)
{
	struct imap_place user;

	imap_place_own(imap_login(conn), STR_NONE, &user);
	if (store_mailbox_account(box->mailbox) == user.account) {
		store_watch_add(box->watch, STORE_WATCH_OWN);
	} else if (box->reader.own != NULL) {
		box->own_watch = store_watch_new(user.account, conn->il->loop, watch_fired, conn);
		store_watch_add(box->own_watch, STORE_WATCH_OWN);
	}
}

struct imap_box *
imap_box_open(struct imap_conn *conn, const struct imap_open *open, bool read_only,
    struct imap_selected *selected)
{
	struct arena *a = arena_new(&conn->il->pool, ARENA_BOX, 320);
	struct imap_box *box = arena_new_object(a, struct imap_box);

	imap_box_free(conn);
	box->arena = a;
	box->reg = &conn->server->reg;
	box->serial = ++conn->il->serial;
	box->mailbox = store_mailbox_ref(open->mailbox);
	box->reader.mailbox = box->mailbox;
	if (open->own != NULL)
		box->reader.own = store_own_ref(open->own);
	box->name = arena_str(a, open->name);
	box->rights = open->rights;
	box->examined = read_only;
	/* RFC 4314 section 5.2 */
	box->read_only = read_only || (open->rights & IMAP_RIGHTS_CHANGE) == 0;
	box->recent = roaring_bitmap_create();
	box->pending = roaring_bitmap_create();
	box->expunged = roaring_bitmap_create();
	box->recents = !imap_dialect(conn)->rev2;
	/* Before the read, so that the first sync tells what comes in between. */
	box->watch =
	    store_watch_new(store_mailbox_account(box->mailbox), conn->il->loop, watch_fired, conn);
	store_watch_add(box->watch, store_mailbox_id(box->mailbox));
	watch_own(conn, box);
	arena_on_free(a, free_box, box);
	box->slots = imap_slots_new(&conn->server->reg, IMAP_LIFE_BOX, a);
	look_first(box, selected);
	box->teller =
	    (struct imap_teller){.when = IMAP_TELL_REPLY | IMAP_TELL_WAITING, .tell = imap_sync};
	imap_teller_add(imap_login(conn), &box->teller, true);
	imap_login(conn)->box = box;
	imap_login(conn)->counts.selected++;
	return box;
}

void
imap_box_free(struct imap_conn *conn)
{
	struct arena *a;

	if (imap_box(conn) == NULL)
		return;
	imap_errands_leave(conn, true);
	imap_teller_remove(&imap_box(conn)->teller);
	a = imap_box(conn)->arena;
	imap_login(conn)->box = NULL;
	arena_free(&a);
}
