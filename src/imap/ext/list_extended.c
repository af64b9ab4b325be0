/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIST-EXTENDED (RFC 5258): which names LIST selects, and whether they are subscribed.  There are
 * no mailboxes on other servers, so REMOTE adds nothing.  RETURN (CHILDREN) is in children.c.
 */
#include "imap/cmd.h"

/* Includes names that are no longer mailboxes (section 3.1). */
static bool
is_subscribed(unsigned attrs, bool exists)
{
	(void)exists;
	return (attrs & WIRE_ATTR_SUBSCRIBED) != 0;
}

static const struct imap_list_select list_selects[] = {
    {.name = "SUBSCRIBED", .attrs = WIRE_ATTR_SUBSCRIBED, .meets = is_subscribed},
    {.name = "REMOTE"},
    {.name = "RECURSIVEMATCH", .recursive = true},
    {.name = NULL},
};

static const struct imap_list_return list_returns[] = {
    {.name = "SUBSCRIBED", .attrs = WIRE_ATTR_SUBSCRIBED},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "LIST-EXTENDED", .rfc = "5258", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_list_extended = {
    .name = "list_extended",
    .title = "LIST-EXTENDED (RFC 5258)",
    .caps = caps,
    .list_selects = list_selects,
    .list_returns = list_returns,
};
