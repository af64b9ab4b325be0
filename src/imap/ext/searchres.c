/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEARCHRES (RFC 5182; RFC 9051 section 6.4.4.1): the result of SEARCH RETURN (SAVE) is "$" until
 * the next one, or until the mailbox is closed.  The view resolves the set (imap/box/view.c).
 */
#include "imap/cmd.h"

static void
save(struct imap_box *box, roaring_bitmap_t *set)
{
	if (box->saved != NULL)
		roaring_bitmap_free(box->saved);
	box->saved = set;
}

/* Section 2.4, and RFC 9394 section 3.2: if the reply tells only some, these. */
static void
save_found(const struct imap_found *found)
{
	save(imap_box(found->cmd->conn), roaring_bitmap_copy(found->told));
}

/* If a SEARCH that should save fails, nothing is saved (section 2.1). */
static void
forget_saved(struct imap_cmd *cmd)
{
	save(imap_box(cmd->conn), NULL);
}

/* Section 2.1: it does not contain what was expunged since. */
static void
drop_expunged(struct imap_box *box)
{
	if (box->saved != NULL)
		roaring_bitmap_and_inplace(box->saved, box->uids);
}

static const struct imap_search_return search_returns[] = {
    {.name = "SAVE", .done = save_found, .failed = forget_saved},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "SEARCHRES", .rfc = "5182", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_searchres = {
    .name = "searchres",
    .title = "SEARCHRES (RFC 5182)",
    .caps = caps,
    .search_returns = search_returns,
    .expunged = drop_expunged,
};
