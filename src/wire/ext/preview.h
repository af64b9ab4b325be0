/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_PREVIEW_H
#define WIRE_EXT_PREVIEW_H
/* The FETCH item PREVIEW both ways (RFC 8970): its modifiers; its value is an nstring. */
#include "wire/in.h"
#include "wire/out.h"

struct wire_preview {
	bool lazy;
};
bool wire_preview_parse(struct wire_in *in, struct wire_preview *preview_r); /* "(LAZY)" */
/* What stands behind the name, with its blank; nothing for none. */
void wire_preview_print(struct buf *b, const struct wire_preview *preview);
#endif
