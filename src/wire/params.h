/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_PARAMS_H
#define WIRE_PARAMS_H
/*
 * Parameters of extensions both ways (RFC 4466): a name and, sometimes, a value, raw as it was
 * sent: a list with its parentheses, a string with its quotes.  Whoever knows the name reads the
 * value with wire_in_sub().
 */
#include "base/buf.h"
#include "wire/in.h"

struct wire_param {
	struct str name;  /* capitals */
	struct str value; /* p == NULL: none */
};
struct wire_params {
	struct wire_param *v;
	size_t n;
};

/* "(NAME value NAME (a b) NAME)". */
bool wire_in_params(struct wire_in *in, struct wire_params *params_r);
/* One raw value: a word, a string, or a list. */
bool wire_in_value(struct wire_in *in, struct str *raw_r);
/* One more "NAME value" for the end of a list, as responses have them. */
bool wire_in_param(struct wire_in *in, struct wire_param *param_r);

/* "NAME value NAME", without parentheses; n == 0 prints nothing. */
void wire_out_params(struct buf *b, const struct wire_params *params);
/* The same in parentheses, with them for none, too. */
void wire_out_param_list(struct buf *b, const struct wire_params *params);
#endif
