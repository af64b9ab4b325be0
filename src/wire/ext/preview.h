/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_PREVIEW_H
#define WIRE_EXT_PREVIEW_H
/* Parses and prints the FETCH item PREVIEW (RFC 8970): its modifiers; its value is an nstring. */
#include "wire/in.h"
#include "wire/out.h"

struct wire_preview {
	bool lazy;
};
bool wire_preview_parse(struct wire_in *in, struct wire_preview *preview_r); /* "(LAZY)" */
/* Prints what follows the name, with a blank before it; nothing for none. */
void wire_preview_print(struct buf *b, const struct wire_preview *preview);
#endif
