/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints object ids: see objectid.h. */
#include "wire/ext/objectid.h"

static bool
is_objectid(struct str id)
{
	for (size_t i = 0; i < id.n; i++) {
		unsigned char c = ascii_lower((unsigned char)id.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
			return false;
	}
	return id.n <= WIRE_OBJECTID_MAX;
}

bool
wire_in_objectid(struct wire_in *in, struct str *id_r)
{
	return wire_in_atom(in, id_r) &&
	       (is_objectid(*id_r) || wire_in_fail(in, "Invalid object ID"));
}

bool
wire_in_objectid_told(struct wire_in *in, struct str *id_r)
{
	*id_r = STR_NONE;
	if (wire_in_try_word(in, "NIL"))
		return true;
	return wire_in_open(in) && wire_in_objectid(in, id_r) && wire_in_close(in);
}

void
wire_out_objectid(struct buf *b, struct str id)
{
	if (id.p == NULL) {
		wire_out_nil(b);
		return;
	}
	buf_putc(b, '(');
	buf_str(b, id);
	buf_putc(b, ')');
}

void
wire_out_code_mailboxid(struct buf *b, struct str id)
{
	buf_puts(b, "MAILBOXID ");
	wire_out_objectid(b, id);
}
