/* SPDX-License-Identifier: Apache-2.0 */
/* CHILDREN (RFC 3348; RETURN (CHILDREN): RFC 5258): \HasChildren and \HasNoChildren, which LIST
 * shows for each name, requested or not. */
#include "imap/cmd.h"

static const struct imap_list_return list_returns[] = {
    {.name = "CHILDREN"},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "CHILDREN", .rfc = "3348", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_children = {
    .name = "children",
    .title = "CHILDREN (RFC 3348)",
    .caps = caps,
    .list_returns = list_returns,
};
