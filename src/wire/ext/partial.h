/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_PARTIAL_H
#define WIRE_EXT_PARTIAL_H
/* Parses and prints ranges of results (PARTIAL, RFC 9394 section 4): "1:500", or "-1:-500", which
 * counts from the end. */
#include "wire/in.h"
#include "wire/out.h"
#include "wire/set.h"

struct wire_partial {
	bool last;         /* counts from the end */
	uint32_t from, to; /* as sent: 500:400 is the same as 400:500; from 1 on */
};
bool wire_partial_parse(struct wire_in *in, struct wire_partial *partial_r);
void wire_partial_print(struct buf *b, const struct wire_partial *partial);

/* " PARTIAL (-1:-500 7,9)" in an ESEARCH response: add the numbers to the set; without any it is
 * NIL. */
void wire_out_esearch_partial_begin(
    struct buf *b, const struct wire_partial *partial, struct wire_set_out *set_r);
void wire_out_esearch_partial_end(struct wire_set_out *set);
#endif
