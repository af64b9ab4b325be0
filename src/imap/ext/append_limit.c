/* SPDX-License-Identifier: Apache-2.0 */
/*
 * APPENDLIMIT (RFC 7889): the largest message allowed.  It is limits.append, the same for all
 * mailboxes (section 3).
 */
#include "imap/cmd.h"
#include "imap/settings.h"

static void
print_limit(const struct imap_conn *conn, struct buf *out)
{
	wire_out_u64(out, imap_settings(conn)->append_limit);
}

static void
print_status(struct imap_conn *conn, const struct store_account *account,
    const struct store_mailbox_info *mailbox, struct buf *out)
{
	(void)account;
	(void)mailbox;
	print_limit(conn, out);
}

static const struct imap_cap caps[] = {
    {.word = "APPENDLIMIT=", .rfc = "7889", .states = IMAP_LOGGED_IN, .value = print_limit},
    {.word = NULL},
};

static const struct imap_status_item status_items[] = {
    {.name = "APPENDLIMIT", .print = print_status},
    {.name = NULL},
};

const struct imap_ext imap_ext_append_limit = {
    .name = "append_limit",
    .title = "APPENDLIMIT (RFC 7889)",
    .caps = caps,
    .status_items = status_items,
};
