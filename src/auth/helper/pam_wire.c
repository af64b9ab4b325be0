/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to PAM as bytes: the kind of request, then five texts. */
#include "auth/helper/pam_wire.h"

#include "auth/helper/wire_text.h"

void
auth_pam_request_print(const struct auth_pam_request *r, struct buf *out)
{
	buf_putc(out, r->look_up ? 1 : 0);
	buf_vstr(out, r->service);
	buf_vstr(out, r->confdir);
	buf_vstr(out, r->user);
	buf_vstr(out, r->password);
	buf_vstr(out, r->address);
}

bool
auth_pam_request_parse(struct str in, struct arena *arena, struct auth_pam_request *r_r)
{
	struct rd r = rd_of(in);

	r_r->look_up = rd_u8(&r) != 0;
	r_r->service = wire_text(&r, arena);
	r_r->confdir = wire_text(&r, arena);
	r_r->user = wire_text(&r, arena);
	r_r->password = wire_text(&r, arena);
	r_r->address = wire_text(&r, arena);
	return !r.bad && rd_left(&r) == 0 && r_r->service.n > 0 && r_r->user.n > 0;
}
