/* SPDX-License-Identifier: Apache-2.0 */
/* WITHIN (RFC 5032): SEARCH by how long ago a message arrived. */
#include "imap/cmd.h"

/* Turns the number of seconds, at most 32 bits, into the moment it means. */
static void
age_to_moment(struct wire_key *key, const struct imap_box *box, int64_t now)
{
	(void)box;
	key->number = (uint64_t)(now - (int64_t)key->number);
}

static bool
older(const struct wire_key *key, const struct store_message *record)
{
	return record->internaldate <= (int64_t)key->number;
}

static bool
younger(const struct wire_key *key, const struct store_message *record)
{
	return record->internaldate >= (int64_t)key->number;
}

static const struct imap_search_key search_keys[] = {
    {.name = "OLDER", .begin = age_to_moment, .matches = older},
    {.name = "YOUNGER", .begin = age_to_moment, .matches = younger},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "WITHIN", .rfc = "5032", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_within = {
    .name = "within",
    .title = "WITHIN (RFC 5032)",
    .caps = caps,
    .search_keys = search_keys,
};
