/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I18NLEVEL=1 (RFC 5255 section 4.3): SEARCH, SORT and THREAD compare texts by the collation
 * i;unicode-casemap (RFC 5051), to which they are folded (mail/text/collate.c).  Clients have
 * nothing to choose.
 */
#include "imap/cmd.h"

static const struct imap_cap caps[] = {
    {.word = "I18NLEVEL=1", .rfc = "5255", .states = IMAP_LOGGED_IN, .brings = ""},
    {.word = NULL},
};

const struct imap_ext imap_ext_i18nlevel = {
    .name = "i18nlevel",
    .title = "I18NLEVEL=1 (RFC 5255)",
    .caps = caps,
};
