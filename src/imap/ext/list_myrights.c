/* SPDX-License-Identifier: Apache-2.0 */
/* LIST-MYRIGHTS (RFC 8440): LIST RETURN (MYRIGHTS). */
#include "auth/grant/grant.h"
#include "imap/cmd.h"
#include "wire/ext/acl.h"

static void
print_listed_rights(struct imap_cmd *cmd, const struct imap_listed *mailbox, const void *kept)
{
	struct buf letters = {0};

	(void)kept;
	auth_rights_print(mailbox->rights, &letters);
	wire_out_myrights(imap_out(cmd->conn), imap_dialect(cmd->conn),
	    &(struct wire_myrights){mailbox->name, buf_as_str(&letters)});
	buf_fini(&letters);
}

static const struct imap_list_return list_returns[] = {
    {.name = "MYRIGHTS", .closed = true, .print = print_listed_rights},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "LIST-MYRIGHTS", .rfc = "8440", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_list_myrights = {
    .name = "list_myrights",
    .title = "LIST-MYRIGHTS (RFC 8440)",
    .caps = caps,
    .list_returns = list_returns,
};
