/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QRESYNC (RFC 7162 section 3.2): sends a returning client everything it missed, in one command,
 * and VANISHED instead of EXPUNGE (imap/box/sync.c).
 *
 * VANISHED (EARLIER) never contains a UID of the view: a plain VANISHED reports it later, and
 * shifts the sequence numbers.  doc/store.md says how far back single expunges are remembered; a
 * client that asks for earlier ones gets all UIDs that do not exist.
 */
#include "imap/cmd.h"
#include "wire/cmd/condstore.h"

#define MATCH_RANGES 1000u /* ranges of match data to use, from the last backwards */

static void
enable_qresync(struct imap_conn *conn)
{
	imap_login(conn)->dialect.qresync = true;
	imap_condstore_on(conn);
}

/* ---- what has vanished */

struct missed { /* since a MODSEQ, among the messages the client knows */
	roaring_bitmap_t *vanished, *changed;
	uint32_t from; /* the next UID of changed */
	uint64_t told;
};

static void
free_missed(void *arg)
{
	struct missed *m = arg;

	roaring_bitmap_free(m->vanished);
	roaring_bitmap_free(m->changed);
}

/* Returns the UIDs up to max; "*" is the last UID assigned. */
static roaring_bitmap_t *
known_uids(const struct wire_set *set, uint32_t max)
{
	roaring_bitmap_t *uids = roaring_bitmap_create();

	for (size_t i = 0; i < set->n; i++) {
		struct wire_range r = wire_range_resolve(set->v[i], max);

		if (r.hi > max)
			r.hi = max;
		if (r.lo > 0 && r.lo <= r.hi)
			roaring_bitmap_add_range(uids, r.lo, (uint64_t)r.hi + 1);
	}
	return uids;
}

/* Reads what changed and what vanished; known NULL: all UIDs. */
static struct missed *
look_for_missed(struct imap_cmd *cmd, uint64_t since, const struct wire_set *known)
{
	const struct imap_box *box = imap_box(cmd->conn);
	struct missed *m = arena_new_object(cmd->arena, struct missed);
	struct wire_range every = {.lo = 1, .hi = UINT32_MAX};
	struct wire_set all = {.v = &every, .n = 1};
	struct store_reader reader = box->reader;
	struct store_counters counters;
	roaring_bitmap_t *uids;

	m->vanished = roaring_bitmap_create();
	m->changed = roaring_bitmap_create();
	arena_on_free(cmd->arena, free_missed, m);
	store_reader_begin(&reader);
	store_mailbox_read_counters(box->mailbox, &counters);
	uids = known_uids(known != NULL ? known : &all, counters.uidnext - 1);
	store_reader_changed_since(&reader, since, m->changed);
	if (store_reader_expunged_since(&reader, since, m->vanished) > since)
		roaring_bitmap_overwrite(
		    m->vanished, uids); /* section 3.2.6: all that do not exist */
	store_reader_end(&reader);
	roaring_bitmap_and_inplace(m->vanished, uids);
	roaring_bitmap_andnot_inplace(m->vanished, box->uids);
	roaring_bitmap_and_inplace(m->changed, uids);
	roaring_bitmap_and_inplace(m->changed, box->uids);
	roaring_bitmap_free(uids);
	return m;
}

/* Sends a piece of VANISHED (EARLIER); returns true when all is sent. */
static bool
tell_vanished(struct imap_conn *conn, struct missed *m)
{
	uint32_t last;

	if (roaring_bitmap_is_empty(m->vanished))
		return true;
	last = imap_print_vanished(conn, m->vanished, true);
	roaring_bitmap_remove_range(m->vanished, 0, (uint64_t)last + 1);
	return roaring_bitmap_is_empty(m->vanished);
}

/* ---- UID FETCH (CHANGEDSINCE n VANISHED) */

/* Returns the value as it was sent; p == NULL: none was. */
static struct str
changedsince(const struct wire_fetch *args)
{
	for (size_t i = 0; i < args->modifiers.n; i++)
		if (str_eq(args->modifiers.v[i].name, STR("CHANGEDSINCE")))
			return args->modifiers.v[i].value;
	return STR_NONE;
}

/* Section 3.2.6 */
static const char *
check_vanished(const struct imap_cmd *cmd, const struct wire_fetch *args)
{
	if (!cmd->uid)
		return N_("VANISHED is for UID FETCH only");
	if (!imap_dialect(cmd->conn)->qresync)
		return N_("VANISHED needs ENABLE QRESYNC");
	return changedsince(args).p != NULL ? NULL : N_("VANISHED needs CHANGEDSINCE");
}

static bool
tell_fetch_vanished(struct imap_cmd *cmd, const struct wire_fetch *args, void **state)
{
	if (args->set.saved) /* "$" holds only UIDs of the view */
		return true;
	if (*state == NULL) {
		struct wire_in in = wire_in_sub(&cmd->in, changedsince(args));
		uint64_t since = 0;

		(void)wire_in_modseq(&in, &since); /* CHANGEDSINCE has parsed it already */
		*state = look_for_missed(cmd, since, &args->set);
	}
	return tell_vanished(cmd->conn, *state);
}

static const struct imap_fetch_modifier fetch_modifiers[] = {
    {.name = "VANISHED", .check = check_vanished, .before = tell_fetch_vanished},
    {.name = NULL},
};

/* ---- SELECT (QRESYNC (…)) */

/*
 * Returns the last matching pair within a range of numbers and a range of UIDs; 0: none matches.
 * UIDs grow at least as fast as numbers, so the matching pairs are contiguous.
 */
static uint32_t
last_match(const struct imap_box *box, uint32_t number, uint32_t uid, uint32_t count)
{
	uint32_t lo = 0, hi = count; /* the pairs before lo are not beyond, those from hi on are */

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2, there = imap_view_uid(box, number + mid);

		if (there != 0 && there - mid <= uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && imap_view_uid(box, number + lo - 1) == uid + lo - 1 ? uid + lo - 1 : 0;
}

/* Section 3.2.5.2: returns the highest UID up to which the client knows the expunges; 0: none. */
static uint32_t
matched_uid(const struct imap_box *box, const struct wire_qresync *q)
{
	size_t i = q->numbers.n, k = q->uids.n;
	uint32_t number, uid, in_numbers = 0, in_uids = 0; /* remaining in the current ranges */

	for (uint32_t n = 0; n < MATCH_RANGES; n++) {
		uint32_t count, found;

		if (in_numbers == 0) {
			if (i == 0)
				return 0;
			i--;
			in_numbers = q->numbers.v[i].hi - q->numbers.v[i].lo + 1;
		}
		if (in_uids == 0) {
			k--;
			in_uids = q->uids.v[k].hi - q->uids.v[k].lo + 1;
		}
		count = in_numbers < in_uids ? in_numbers : in_uids;
		in_numbers -= count;
		in_uids -= count;
		number = q->numbers.v[i].lo + in_numbers;
		uid = q->uids.v[k].lo + in_uids;
		found = last_match(box, number, uid, count);
		if (found != 0)
			return found;
	}
	return 0;
}

static bool
read_qresync(struct wire_in *in, const void **kept_r)
{
	struct wire_qresync *q = arena_new_object(in->arena, struct wire_qresync);

	*kept_r = q;
	if (!wire_in_qresync(in, q))
		return false;
	/* RFC 9586 section 3.5 */
	return !in->dialect->uidonly || q->numbers.n == 0 ||
	       wire_in_fail(in, "UIDONLY is enabled: QRESYNC takes no message numbers");
}

static const char *
check_qresync(const struct imap_cmd *cmd)
{
	return imap_dialect(cmd->conn)->qresync ? NULL : N_("QRESYNC needs ENABLE QRESYNC");
}

/* Section 3.2.5.1; sends nothing if UIDVALIDITY differs (section 3.2.5). */
static bool
tell_missed(struct imap_cmd *cmd, const void *kept, void **state)
{
	const struct wire_qresync *q = kept;
	const struct imap_box *box = imap_box(cmd->conn);
	struct missed *m = *state;

	if (q->uidvalidity != box->uidvalidity)
		return true;
	if (m == NULL) {
		*state = m = look_for_missed(cmd, q->modseq, q->known.n > 0 ? &q->known : NULL);
		roaring_bitmap_remove_range(m->vanished, 0, (uint64_t)matched_uid(box, q) + 1);
	}
	if (!tell_vanished(cmd->conn, m))
		return false;
	m->from = imap_print_fetch_flags(
	    cmd->conn, m->changed, m->from, IMAP_PRINT_UID | IMAP_PRINT_FLAGS, &m->told);
	return m->from == 0;
}

static const struct imap_select_param select_params[] = {
    {.name = "QRESYNC", .parse = read_qresync, .check = check_qresync, .selected = tell_missed},
    {.name = NULL},
};

/* ---- ENABLE */

static const struct imap_enable enables[] = {
    {.name = "QRESYNC", .enable = enable_qresync},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "QRESYNC", .rfc = "7162", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_qresync = {
    .name = "qresync",
    .title = "QRESYNC (RFC 7162)",
    .caps = caps,
    .enables = enables,
    .fetch_modifiers = fetch_modifiers,
    .select_params = select_params,
};
