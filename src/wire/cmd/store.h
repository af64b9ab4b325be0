/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_STORE_H
#define WIRE_CMD_STORE_H
/* Parses and prints STORE and UID STORE (RFC 9051 section 6.4.6, RFC 4466).  The response is FETCH
 * (wire/cmd/fetch.h). */
#include "wire/flags.h"
#include "wire/params.h"
#include "wire/set.h"

enum wire_store_op { WIRE_STORE_SET, WIRE_STORE_ADD, WIRE_STORE_REMOVE };
struct wire_store {
	struct wire_set set;
	struct wire_params modifiers; /* UNCHANGEDSINCE n */
	enum wire_store_op op;
	bool silent;
	struct wire_flags flags;
};
bool wire_store_parse(struct wire_in *in, struct wire_store *cmd_r);
void wire_store_print(struct buf *b, const struct wire_store *cmd);
#endif
