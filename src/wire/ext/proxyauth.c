/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints PROXYAUTH: see proxyauth.h. */
#include "wire/ext/proxyauth.h"

bool
wire_proxyauth_parse(struct wire_in *in, struct str *user_r)
{
	return wire_in_sp(in) && wire_in_astring(in, user_r) && wire_in_end(in);
}

void
wire_proxyauth_print(struct buf *b, const struct wire_dialect *d, struct str user)
{
	buf_putc(b, ' ');
	wire_out_astring(b, d, user);
}
