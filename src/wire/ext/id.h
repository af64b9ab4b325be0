/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_ID_H
#define WIRE_EXT_ID_H
/* Parses and prints ID (RFC 2971): the response has the same form as the command. */
#include "wire/out.h"

/* NIL has no pairs; a value may be NIL (p == NULL). */
struct wire_pair {
	struct str name, value;
};
struct wire_id {
	struct wire_pair *v;
	size_t n;
};
bool wire_id_parse(struct wire_in *in, struct wire_id *id_r);
void wire_id_print(struct buf *b, const struct wire_dialect *d, const struct wire_id *id);

/* Prints "* ID (…)"; n == 0: NIL. */
void wire_out_id(
    struct buf *b, const struct wire_dialect *d, const struct wire_pair *pairs, size_t n);
bool wire_in_id(struct wire_in *in, struct wire_id *id_r);
#endif
