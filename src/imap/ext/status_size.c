/* SPDX-License-Identifier: Apache-2.0 */
/* STATUS=SIZE (RFC 8438): the sum of RFC822.SIZE of all messages. */
#include "imap/cmd.h"

static void
print_size(struct imap_conn *conn, const struct store_account *account,
    const struct store_mailbox_info *mailbox, struct buf *out)
{
	(void)account;
	(void)conn;
	wire_out_u64(out, mailbox->counters.size);
}

static const struct imap_status_item status_items[] = {
    {.name = "SIZE", .print = print_size},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "STATUS=SIZE", .rfc = "8438", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_status_size = {
    .name = "status_size",
    .title = "STATUS=SIZE (RFC 8438)",
    .caps = caps,
    .status_items = status_items,
};
