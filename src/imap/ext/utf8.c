/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF8=ACCEPT (RFC 9755): UTF-8 in quoted strings and names of mailboxes, and in the headers of
 * messages, in IMAP4rev1.
 *
 * Once enabled it is the dialect of the login (wire/dialect.h).  Where it is not, a message with
 * UTF-8 in its header is told as a surrogate (section 7; imap/common/surrogate.h), and APPEND
 * refuses 8-bit bytes in the header (imap/cmd/append.c).  IMAP4rev2 is as good as UTF8=ACCEPT for
 * all of this, but for the charset of SEARCH, which it allows.  A client from which the capability
 * is hidden has a server without it: no surrogates, and APPEND takes anything.
 *
 * A message/global is a leaf in IMAP4rev1, UTF8=ACCEPT or not (section 5 leaves that to the
 * server). LOGIN is not extended (section 5), and does not have to be refused: it comes before
 * ENABLE.
 */
#include "imap/cmd.h"

static void
enable(struct imap_conn *conn)
{
	imap_login(conn)->dialect.utf8 = imap_login(conn)->dialect.utf8_only = true;
}

static const struct imap_enable enables[] = {
    {.name = "UTF8=ACCEPT", .enable = enable},
    {.name = NULL},
};

/* APPEND with "UTF8 (~{5}" is of RFC 6855 section 4, and no longer of RFC 9755.  Clients of the
 * former send it still. */
static const struct imap_append_data append_data[] = {
    {.name = "UTF8"},
    {.name = NULL},
};

static const struct imap_code codes[] = {
    {.name = "DOWNGRADED",
        .rfc = "6858",
        .when = "FETCH: of these UIDs a surrogate was told, without UTF-8 in its header"},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "UTF8=ACCEPT", .rfc = "9755", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_utf8 = {
    .name = "utf8",
    .title = "UTF8=ACCEPT (RFC 9755)",
    .caps = caps,
    .enables = enables,
    .codes = codes,
    .append_data = append_data,
};
