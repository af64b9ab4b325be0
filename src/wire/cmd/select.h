/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_SELECT_H
#define WIRE_CMD_SELECT_H
/*
 * Parses and prints SELECT and EXAMINE (RFC 9051 sections 6.3.2 and 6.3.3).  Their responses are
 * FLAGS (wire/flags.h), numbers (wire/response.h), codes (wire/code.h) and LIST (wire/cmd/list.h).
 */
#include "wire/params.h"

struct wire_select {
	struct str mailbox;
	struct wire_params params; /* RFC 4466: CONDSTORE, QRESYNC (...), ... */
};
bool wire_select_parse(struct wire_in *in, struct wire_select *cmd_r); /* also for EXAMINE */
void wire_select_print(struct buf *b, const struct wire_dialect *d, const struct wire_select *cmd);
#endif
