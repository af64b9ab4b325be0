/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_STATUS_H
#define WIRE_CMD_STATUS_H
/* Parses and prints STATUS (RFC 9051 sections 6.3.11 and 7.3.4, RFC 8438), also as a return option
 * of LIST. */
#include "wire/params.h"

enum wire_status_id {
	WIRE_STATUS_MESSAGES,
	WIRE_STATUS_RECENT,
	WIRE_STATUS_UIDNEXT,
	WIRE_STATUS_UIDVALIDITY,
	WIRE_STATUS_UNSEEN,
	WIRE_STATUS_DELETED,
	WIRE_STATUS_SIZE,
	WIRE_STATUS_COUNT
};
extern const struct wire_name wire_status_names[];

struct wire_status_items {
	unsigned mask;           /* 1u << WIRE_STATUS_... */
	struct wire_names other; /* capitals: items of extensions; BAD if nothing claims one */
};
/* "(MESSAGES UNSEEN)". */
bool wire_in_status_items(struct wire_in *in, struct wire_status_items *items_r);
void wire_out_status_items(struct buf *b, const struct wire_status_items *items);

struct wire_status {
	struct str mailbox;
	struct wire_status_items items;
};
bool wire_status_parse(struct wire_in *in, struct wire_status *cmd_r);
void wire_status_print(struct buf *b, const struct wire_dialect *d, const struct wire_status *cmd);

struct wire_status_values {
	unsigned mask; /* 1u << WIRE_STATUS_... */
	uint64_t v[WIRE_STATUS_COUNT];
};
/* Prints "* STATUS name (MESSAGES 3 ...)".  other: more items, already printed; n == 0: none. */
void wire_out_status(struct buf *b, const struct wire_dialect *d, struct str mailbox,
    const struct wire_status_values *values, struct str other);
/* Prints "NAME " for other, with a blank before it unless it is the first; its value must
 * follow. */
void wire_out_status_other(struct buf *b, const char *name);

struct wire_status_data {
	struct str mailbox; /* p == NULL: in an unknown encoding */
	struct wire_status_values values;
	struct wire_params other; /* items of extensions, with their raw values */
};
/* Parses the response from after its name. */
bool wire_in_status(struct wire_in *in, struct wire_status_data *data_r);
#endif
