/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PARTIAL (RFC 9394): a range of the messages that SEARCH or SORT finds, and UID FETCH of a range.
 *
 * The numbers of a SEARCH are in the order of UIDs, those of a SORT in the order of the SORT, as
 * RFC 5267 section 4.4 says.  Both come by rank, so that nothing is walked over.
 */
#include "wire/ext/partial.h"
#include "imap/cmd.h"

static bool
read_range(struct wire_in *in, const void **kept_r)
{
	struct wire_partial *partial = arena_new_object(in->arena, struct wire_partial);

	*kept_r = partial;
	return wire_partial_parse(in, partial);
}

/* Returns whether any of n results are in the range: from *lo_r on, up to and without *end_r, both
 * counted from 0. */
static bool
in_range(const struct wire_partial *p, uint64_t n, uint64_t *lo_r, uint64_t *end_r)
{
	uint64_t lo = p->from < p->to ? p->from : p->to, hi = p->from < p->to ? p->to : p->from;

	if (lo > n)
		return false;
	if (hi > n)
		hi = n;
	*lo_r = p->last ? n - hi : lo - 1;
	*end_r = p->last ? n - lo + 1 : hi;
	return true;
}

/* ---- SEARCH and SORT */

/* RFC 9394 section 3.1: one PARTIAL, one ALL, or neither. */
static const char *
check_options(const struct wire_search *args)
{
	unsigned n = (args->returns & WIRE_RETURN_ALL) != 0;

	for (size_t i = 0; i < args->return_other.n; i++)
		n += str_eq(args->return_other.v[i].name, STR("PARTIAL"));
	return n < 2 ? NULL : N_("PARTIAL goes with neither ALL nor another PARTIAL");
}

static void
pick(const struct imap_found *found, const void *kept, roaring_bitmap_t *uids)
{
	const roaring_bitmap_t *view = imap_box(found->cmd->conn)->uids;
	uint64_t at, end;
	uint32_t uid;

	if (!in_range(kept, roaring_bitmap_get_cardinality(found->uids), &at, &end))
		return;
	if (found->order == NULL) {
		roaring_uint32_iterator_t it;

		if (!roaring_bitmap_select(found->uids, (uint32_t)at, &uid))
			return;
		roaring_init_iterator(found->uids, &it);
		(void)roaring_move_uint32_iterator_equalorlarger(&it, uid);
		for (; at < end && it.has_value; at++) {
			roaring_bitmap_add(uids, it.current_value);
			roaring_advance_uint32_iterator(&it);
		}
		return;
	}
	for (; at < end; at++) {
		uid = found->order[at];
		if (found->cmd->uid || roaring_bitmap_select(view, uid - 1, &uid))
			roaring_bitmap_add(uids, uid);
	}
}

static void
put_sorted(const struct imap_found *found, uint64_t at, uint64_t end, struct wire_set_out *set)
{
	for (; at < end; at++)
		wire_set_out_add(set, found->order[at], found->order[at]);
}

static void
put_found(const struct imap_found *found, uint64_t at, uint64_t end, struct wire_set_out *set)
{
	roaring_uint32_iterator_t it;
	uint32_t uid;

	if (!roaring_bitmap_select(found->uids, (uint32_t)at, &uid))
		return;
	roaring_init_iterator(found->uids, &it);
	(void)roaring_move_uint32_iterator_equalorlarger(&it, uid);
	for (; at < end && it.has_value; at++) {
		uint32_t n = imap_found_number(found, it.current_value);

		wire_set_out_add(set, n, n);
		roaring_advance_uint32_iterator(&it);
	}
}

static void
print_range(const struct imap_found *found, const void *kept, struct buf *out)
{
	struct wire_set_out set;
	uint64_t at, end;

	wire_out_esearch_partial_begin(out, kept, &set);
	if (in_range(kept, roaring_bitmap_get_cardinality(found->uids), &at, &end)) {
		if (found->order != NULL)
			put_sorted(found, at, end, &set);
		else
			put_found(found, at, end, &set);
	}
	wire_out_esearch_partial_end(&set);
}

static const struct imap_search_return search_returns[] = {
    {.name = "PARTIAL",
        .parse = read_range,
        .print = print_range,
        .says_none = true,
        .picks = pick,
        .check = check_options},
    {.name = NULL},
};

/* ---- UID FETCH */

static const char *
check_fetch(const struct imap_cmd *cmd, const struct wire_fetch *args)
{
	(void)args;
	return cmd->uid ? NULL : N_("PARTIAL is for UID FETCH only");
}

static void
keep_range(struct imap_cmd *cmd, const void *kept, roaring_bitmap_t *uids)
{
	uint64_t at, end, n = roaring_bitmap_get_cardinality(uids);
	uint32_t first, last;

	(void)cmd;
	if (!in_range(kept, n, &at, &end) || !roaring_bitmap_select(uids, (uint32_t)at, &first) ||
	    !roaring_bitmap_select(uids, (uint32_t)(end - 1), &last)) {
		roaring_bitmap_clear(uids);
		return;
	}
	roaring_bitmap_remove_range(uids, 0, first);
	roaring_bitmap_remove_range(uids, (uint64_t)last + 1, (uint64_t)UINT32_MAX + 1);
}

static const struct imap_fetch_modifier fetch_modifiers[] = {
    {.name = "PARTIAL",
        .parse = read_range,
        .check = check_fetch,
        .first = true, /* section 3.4: before CHANGEDSINCE */
        .narrow = keep_range},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "PARTIAL", .rfc = "9394", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_partial = {
    .name = "partial",
    .title = "PARTIAL (RFC 9394)",
    .caps = caps,
    .search_returns = search_returns,
    .fetch_modifiers = fetch_modifiers,
};
