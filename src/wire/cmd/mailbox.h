/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_MAILBOX_H
#define WIRE_CMD_MAILBOX_H
/*
 * Parses and prints the commands that only name mailboxes (RFC 9051 sections 6.3.4 to 6.3.8):
 * CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.  They have no responses of their own.
 */
#include "wire/params.h"

struct wire_create {
	struct str mailbox;
	struct wire_names use; /* RFC 6154: "\Sent", as sent */
	bool has_use;
	struct wire_params params; /* all others */
};
bool wire_create_parse(struct wire_in *in, struct wire_create *cmd_r);
void wire_create_print(struct buf *b, const struct wire_dialect *d, const struct wire_create *cmd);

/* For DELETE, SUBSCRIBE, UNSUBSCRIBE, and every other command with one mailbox. */
bool wire_mailbox_parse(struct wire_in *in, struct str *mailbox_r);
void wire_mailbox_print(struct buf *b, const struct wire_dialect *d, struct str mailbox);

struct wire_rename {
	struct str from, to;
	struct str given; /* original spelling of from; p == NULL: both are in stored form */
};
bool wire_rename_parse(struct wire_in *in, struct wire_rename *cmd_r);
void wire_rename_print(struct buf *b, const struct wire_dialect *d, const struct wire_rename *cmd);
#endif
