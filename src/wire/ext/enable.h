/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_ENABLE_H
#define WIRE_EXT_ENABLE_H
/* Parses and prints ENABLE and ENABLED (RFC 9051 sections 6.3.1 and 7.2.1, RFC 5161). */
#include "wire/capability.h"

/* In capitals; at least one. */
bool wire_enable_parse(struct wire_in *in, struct wire_names *names_r);
void wire_enable_print(struct buf *b, const struct wire_names *names);

/* Prints "* ENABLED CONDSTORE"; none is allowed. */
void wire_out_enabled(struct buf *b, const struct wire_names *names);
bool wire_in_enabled(struct wire_in *in, struct wire_names *names_r);
#endif
