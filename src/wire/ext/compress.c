/* SPDX-License-Identifier: Apache-2.0 */
/* COMPRESS both ways: see compress.h. */
#include "wire/ext/compress.h"

bool
wire_compress_parse(struct wire_in *in)
{
	struct str algorithm;

	if (!wire_in_sp(in) || !wire_in_atom(in, &algorithm))
		return false;
	if (!str_ieq(algorithm, STR("DEFLATE")))
		return wire_in_fail(in, "Unknown compression algorithm");
	return wire_in_end(in);
}

void
wire_compress_print(struct buf *b)
{
	buf_puts(b, " DEFLATE");
}
