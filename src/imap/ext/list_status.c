/* SPDX-License-Identifier: Apache-2.0 */
/* LIST-STATUS (RFC 5819): LIST RETURN (STATUS (MESSAGES …)). */
#include "imap/common/status.h"

static void *
begin_status(struct imap_cmd *cmd, const struct wire_list *args, const char **fault)
{
	struct imap_status_items *items = arena_new_object(cmd->arena, struct imap_status_items);

	if (!imap_status_find(cmd, &args->status, items))
		*fault = N_("Unknown STATUS item");
	return items;
}

static bool
counts_own(const void *kept)
{
	return imap_status_is_own(kept);
}

static void
print_listed_status(struct imap_cmd *cmd, const struct imap_listed *mailbox, const void *kept)
{
	imap_status_print(cmd->conn, mailbox->name, mailbox->account, mailbox->info, kept);
}

static const struct imap_list_return list_returns[] = {
    {.name = "STATUS", .begin = begin_status, .counts = counts_own, .print = print_listed_status},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "LIST-STATUS", .rfc = "5819", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_list_status = {
    .name = "list_status",
    .title = "LIST-STATUS (RFC 5819)",
    .caps = caps,
    .list_returns = list_returns,
};
