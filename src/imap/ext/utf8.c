/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF8=ACCEPT (RFC 9755): UTF-8 in quoted strings and names of mailboxes, and in the headers of
 * messages, in IMAP4rev1.
 *
 * Once enabled it is part of the login's dialect (wire/dialect.h).  Otherwise a message with UTF-8
 * in its header is sent as a surrogate (section 7; imap/common/surrogate.h), and APPEND refuses
 * 8-bit bytes in the header (imap/cmd/append.c).  IMAP4rev2 is equivalent to UTF8=ACCEPT in all
 * this, except for the charset of SEARCH, which it allows.  For a client from which the capability
 * is hidden, the server does not have it: no surrogates, and APPEND takes anything.
 *
 * A message/global is a leaf in IMAP4rev1, with or without UTF8=ACCEPT (section 5 leaves that to
 * the server).  LOGIN is not extended (section 5), and need not be refused: it comes before ENABLE.
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

/* APPEND with "UTF8 (~{5}" is from RFC 6855 section 4, and no longer in RFC 9755.  Clients of the
 * former still send it. */
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
