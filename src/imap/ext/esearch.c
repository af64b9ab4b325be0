/* SPDX-License-Identifier: Apache-2.0 */
/* ESEARCH (RFC 4731; RFC 9051 section 6.4.4): what SEARCH returns; also for SORT (ESORT, RFC 5267
 * section 3.1), where the lowest message is the one that comes first. */
#include "imap/cmd.h"

static void
tell_min(const struct imap_found *found, struct wire_esearch *e)
{
	e->has |= WIRE_RETURN_MIN;
	e->min = imap_found_number(found, found->first);
}

static void
tell_max(const struct imap_found *found, struct wire_esearch *e)
{
	e->has |= WIRE_RETURN_MAX;
	e->max = imap_found_number(found, found->last);
}

static void
pick_min(const struct imap_found *found, const void *kept, roaring_bitmap_t *uids)
{
	(void)kept;
	roaring_bitmap_add(uids, found->first);
}

static void
pick_max(const struct imap_found *found, const void *kept, roaring_bitmap_t *uids)
{
	(void)kept;
	roaring_bitmap_add(uids, found->last);
}

/* The engine prints them, a piece at a time. */
static void
tell_all(const struct imap_found *found, struct wire_esearch *e)
{
	(void)found;
	e->has |= WIRE_RETURN_ALL;
}

static void
tell_count(const struct imap_found *found, struct wire_esearch *e)
{
	e->has |= WIRE_RETURN_COUNT;
	e->count = roaring_bitmap_get_cardinality(found->uids);
}

static const struct imap_search_return search_returns[] = {
    {.name = "MIN", .tell = tell_min, .picks = pick_min},
    {.name = "MAX", .tell = tell_max, .picks = pick_max},
    {.name = "ALL", .tell = tell_all},
    {.name = "COUNT", .tell = tell_count, .says_none = true},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "ESEARCH", .rfc = "4731", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_esearch = {
    .name = "esearch",
    .title = "ESEARCH (RFC 4731)",
    .caps = caps,
    .search_returns = search_returns,
};
