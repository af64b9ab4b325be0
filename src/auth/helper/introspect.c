/* SPDX-License-Identifier: Apache-2.0 */
/* See introspect.h. */
#include "auth/helper/introspect.h"

#include "auth/helper/wire_text.h"

void
auth_introspect_print(const struct auth_introspect *a, struct buf *out)
{
	/* Reserve it all at once: growing would leave a copy of the token in memory. */
	(void)buf_room(out, a->url.n + a->ca_file.n + a->client_id.n + a->client_secret_file.n +
	                        a->bearer_file.n + a->token.n + 80);
	buf_vstr(out, a->url);
	buf_vstr(out, a->ca_file);
	buf_vstr(out, a->client_id);
	buf_vstr(out, a->client_secret_file);
	buf_vstr(out, a->bearer_file);
	buf_varint(out, a->connect_ms);
	buf_vstr(out, a->token);
}

bool
auth_introspect_parse(struct str in, struct arena *arena, struct auth_introspect *ask_r)
{
	struct rd r = rd_of(in);

	*ask_r = (struct auth_introspect){.url = wire_text(&r, arena)};
	ask_r->ca_file = wire_text(&r, arena);
	ask_r->client_id = wire_text(&r, arena);
	ask_r->client_secret_file = wire_text(&r, arena);
	ask_r->bearer_file = wire_text(&r, arena);
	ask_r->connect_ms = rd_varint(&r);
	ask_r->token = wire_text(&r, arena);
	return !r.bad && rd_left(&r) == 0 && ask_r->token.n > 0;
}
