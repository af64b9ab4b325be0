/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_PARAMS_H
#define WIRE_PARAMS_H
/*
 * Parses and prints parameters of extensions (RFC 4466): a name and sometimes a value, kept raw as
 * sent: a list with its parentheses, a string with its quotes.  Code that knows the name parses the
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

/* Parses "(NAME value NAME (a b) NAME)". */
bool wire_in_params(struct wire_in *in, struct wire_params *params_r);
/* Parses one raw value: a word, a string, or a list. */
bool wire_in_value(struct wire_in *in, struct str *raw_r);
/* Parses one more "NAME value" at the end of a list, for responses. */
bool wire_in_param(struct wire_in *in, struct wire_param *param_r);

/* Prints "NAME value NAME", without parentheses; n == 0 prints nothing. */
void wire_out_params(struct buf *b, const struct wire_params *params);
/* Same in parentheses, which are printed even for none. */
void wire_out_param_list(struct buf *b, const struct wire_params *params);
#endif
