/* SPDX-License-Identifier: Apache-2.0 */
/* LDAP requests and replies as bytes: a varint length and the server's settings, then the rest. */
#include "auth/helper/ldap_wire.h"

#include "auth/helper/wire_text.h"

void
auth_ldap_request_print(const struct auth_ldap_request *r, struct buf *out)
{
	struct buf server = {0};

	buf_varint(&server, r->uri_count);
	for (size_t i = 0; i < r->uri_count; i++)
		buf_vstr(&server, r->uris[i]);
	buf_putc(&server, r->starttls ? 1 : 0);
	buf_vstr(&server, r->ca_file);
	buf_vstr(&server, r->bind_dn);
	buf_vstr(&server, r->bind_password_file);
	buf_varint(&server, r->connect_ms);
	buf_varint(&server, r->connections);
	buf_vstr(out, buf_as_str(&server));
	buf_fini(&server);
	buf_putc(out, r->verify ? 1 : 0);
	buf_vstr(out, r->dn);
	buf_vstr(out, r->password);
	buf_vstr(out, r->base);
	buf_vstr(out, r->filter);
	buf_putc(out, (char)r->scope);
	buf_vstr(out, r->name_attribute);
	buf_vstr(out, r->password_attribute);
	buf_vstr(out, r->disabled_filter);
}

struct str
auth_ldap_request_server(struct str printed)
{
	struct rd r = rd_of(printed);

	return rd_vstr(&r);
}

static bool
parse_server(struct str in, struct arena *arena, struct auth_ldap_request *r_r)
{
	struct rd r = rd_of(in);

	r_r->uri_count = rd_varint(&r);
	if (r_r->uri_count == 0 || r_r->uri_count > AUTH_LDAP_URIS)
		return false;
	for (size_t i = 0; i < r_r->uri_count; i++)
		r_r->uris[i] = wire_text(&r, arena);
	r_r->starttls = rd_u8(&r) != 0;
	r_r->ca_file = wire_text(&r, arena);
	r_r->bind_dn = wire_text(&r, arena);
	r_r->bind_password_file = wire_text(&r, arena);
	r_r->connect_ms = rd_varint(&r);
	r_r->connections = rd_varint(&r);
	return !r.bad && rd_left(&r) == 0;
}

bool
auth_ldap_request_parse(struct str in, struct arena *arena, struct auth_ldap_request *r_r)
{
	struct rd r = rd_of(in);

	*r_r = (struct auth_ldap_request){0};
	if (!parse_server(rd_vstr(&r), arena, r_r))
		return false;
	r_r->verify = rd_u8(&r) != 0;
	r_r->dn = wire_text(&r, arena);
	r_r->password = arena_str(arena, rd_vstr(&r));
	r_r->base = wire_text(&r, arena);
	r_r->filter = wire_text(&r, arena);
	r_r->scope = rd_u8(&r);
	r_r->name_attribute = wire_text(&r, arena);
	r_r->password_attribute = wire_text(&r, arena);
	r_r->disabled_filter = wire_text(&r, arena);
	return !r.bad && rd_left(&r) == 0;
}

void
auth_ldap_reply_print(const struct auth_ldap_reply *r, struct buf *out)
{
	buf_putc(out, (char)r->answer);
	buf_putc(out, r->disabled ? 1 : 0);
	buf_vstr(out, r->dn);
	buf_vstr(out, r->name);
	buf_varint(out, r->password_count);
	for (size_t i = 0; i < r->password_count; i++)
		buf_vstr(out, r->passwords[i]);
}

bool
auth_ldap_reply_parse(struct str in, struct arena *arena, struct auth_ldap_reply *r_r)
{
	struct rd r = rd_of(in);

	*r_r = (struct auth_ldap_reply){.answer = (enum auth_ldap_answer)rd_u8(&r)};
	r_r->disabled = rd_u8(&r) != 0;
	r_r->dn = arena_str(arena, rd_vstr(&r));
	r_r->name = arena_str(arena, rd_vstr(&r));
	r_r->password_count = rd_varint(&r);
	if (r.bad || r_r->password_count > AUTH_LDAP_PASSWORDS)
		return false;
	for (size_t i = 0; i < r_r->password_count; i++)
		r_r->passwords[i] = arena_str(arena, rd_vstr(&r));
	return !r.bad && rd_left(&r) == 0 && r_r->answer >= AUTH_LDAP_OK &&
	       r_r->answer <= AUTH_LDAP_UNAVAILABLE;
}
