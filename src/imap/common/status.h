/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_STATUS_H
#define IMAP_STATUS_H
/* STATUS responses, for STATUS and LIST RETURN (STATUS). */
#include "imap/cmd.h"

struct imap_status_items {
	unsigned mask; /* 1u << WIRE_STATUS_…: those that the engine implements */
	const struct imap_status_item **v; /* of extensions, in the requested order */
	size_t n;
};

/* Allocates in cmd->arena.  Returns false if nobody implements one of them. */
bool imap_status_find(
    struct imap_cmd *cmd, const struct wire_status_items *asked, struct imap_status_items *items_r);
/* Whether any of them differs between users where \Seen is their own (store/reader.h). */
bool imap_status_is_own(const struct imap_status_items *items);
/* account: the one that has the mailbox. */
void imap_status_print(struct imap_conn *conn, struct str name, const struct store_account *account,
    const struct store_mailbox_info *mailbox, const struct imap_status_items *items);
#endif
