/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_COPY_H
#define WIRE_CMD_COPY_H
/*
 * Parses and prints COPY, MOVE and UID EXPUNGE (RFC 9051 sections 6.4.7, 6.4.8 and 6.4.9, RFC 6851,
 * RFC 4315).  Their response is the code COPYUID (wire/code.h); EXPUNGE's is a number
 * (wire/response.h).
 */
#include "wire/set.h"

struct wire_copy {
	struct wire_set set;
	struct str mailbox;
};
bool wire_copy_parse(struct wire_in *in, struct wire_copy *cmd_r); /* MOVE and UID forms too */
void wire_copy_print(struct buf *b, const struct wire_dialect *d, const struct wire_copy *cmd);

bool wire_uid_expunge_parse(struct wire_in *in, struct wire_set *set_r);
void wire_uid_expunge_print(struct buf *b, const struct wire_set *set);
#endif
