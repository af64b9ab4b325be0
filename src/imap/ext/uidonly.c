/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UIDONLY (RFC 9586): message numbers are neither taken nor told.  Once enabled it is part of the
 * login's dialect (wire/dialect.h): commands with message numbers are refused where commands begin
 * (imap/conn/input.c), search programs in imap/common/criteria.c, match data in QRESYNC's
 * parameter; UIDFETCH is printed by wire, VANISHED by imap/box/sync.c, also without QRESYNC.
 *
 * A UIDFETCH response has the item UID only if the client asked for it.  "*" in a set of UIDs is
 * the highest UID, and stays.
 */
#include "imap/cmd.h"

static void
enable(struct imap_conn *conn)
{
	imap_login(conn)->dialect.uidonly = true;
}

static const struct imap_enable enables[] = {
    {.name = "UIDONLY", .enable = enable},
    {.name = NULL},
};

static const struct imap_code codes[] = {
    {"UIDREQUIRED", "9586", "UIDONLY is enabled, and the command is about message numbers"},
    {NULL, NULL, NULL},
};

static const struct imap_cap caps[] = {
    {.word = "UIDONLY", .rfc = "9586", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_uidonly = {.name = "uidonly",
    .title = "UIDONLY (RFC 9586)",
    .caps = caps,
    .enables = enables,
    .codes = codes};
