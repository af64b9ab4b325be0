/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_UIDBATCHES_H
#define WIRE_EXT_UIDBATCHES_H
/* Parses and prints UIDBATCHES (RFC 10022), and its response. */
#include "wire/in.h"
#include "wire/out.h"

struct wire_uidbatches {
	uint32_t size;        /* messages in a batch */
	bool some;            /* only those from first to last; 1 has the highest UIDs */
	uint32_t first, last; /* as sent */
};
bool wire_uidbatches_parse(struct wire_in *in, struct wire_uidbatches *cmd_r);
void wire_uidbatches_print(struct buf *b, const struct wire_uidbatches *cmd);

/* Print "* UIDBATCHES (TAG "d1") 99:50,49:1", in any number of pieces; the tag is always told. */
void wire_out_uidbatches_begin(struct buf *b, struct str tag);
void wire_out_uidbatches_add(struct buf *b, bool first, uint32_t high, uint32_t low);
void wire_out_uidbatches_end(struct buf *b);
#endif
