/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_COMPRESS_H
#define WIRE_EXT_COMPRESS_H
/* COMPRESS both ways (RFC 4978 section 5). */
#include "wire/out.h"

/* Fails for an algorithm that there is not: DEFLATE is the only one, in any case. */
bool wire_compress_parse(struct wire_in *in);
void wire_compress_print(struct buf *b);
#endif
