/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SAVEDATE (RFC 8514): when a message came into this mailbox, by APPEND, COPY, MOVE or delivery.
 *
 * The store keeps it for every message, so it is never NIL, and SAVEDATESUPPORTED is true for every
 * mailbox.  It is sent in UTC, and days are those of UTC, so that the date in the response and the
 * date in a key mean the same (section 4.3: time and zone are disregarded).
 */
#include "imap/cmd.h"

#define DAY_S 86400

static void
print_savedate(const struct imap_fetched *message, struct buf *out)
{
	wire_out_time(out, (struct wire_time){.unix_s = message->record->savedate});
}

static bool
read_day(struct wire_in *in, struct wire_key *key)
{
	return wire_in_sp(in) && wire_in_date(in, &key->day);
}

static int64_t
saved_day(const struct store_message *record)
{
	int64_t at = record->savedate;

	return at >= 0 ? at / DAY_S : -((-at + DAY_S - 1) / DAY_S);
}

static bool
saved_before(const struct wire_key *key, const struct store_message *record)
{
	return saved_day(record) < key->day;
}

static bool
saved_on(const struct wire_key *key, const struct store_message *record)
{
	return saved_day(record) == key->day;
}

static bool
saved_since(const struct wire_key *key, const struct store_message *record)
{
	return saved_day(record) >= key->day;
}

static bool
supported(const struct wire_key *key, const struct store_message *record)
{
	(void)key;
	(void)record;
	return true;
}

static const struct imap_fetch_item fetch_items[] = {
    {.name = "SAVEDATE", .print = print_savedate},
    {.name = NULL},
};

static const struct imap_search_key search_keys[] = {
    {.name = "SAVEDBEFORE", .parse = read_day, .matches = saved_before},
    {.name = "SAVEDON", .parse = read_day, .matches = saved_on},
    {.name = "SAVEDSINCE", .parse = read_day, .matches = saved_since},
    {.name = "SAVEDATESUPPORTED", .matches = supported},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "SAVEDATE", .rfc = "8514", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_savedate = {
    .name = "savedate",
    .title = "SAVEDATE (RFC 8514)",
    .caps = caps,
    .fetch_items = fetch_items,
    .search_keys = search_keys,
};
