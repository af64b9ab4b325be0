/* SPDX-License-Identifier: Apache-2.0 */
/* Which SASL mechanisms a connection is offered. */
#include "imap/mechs.h"

#include "imap/hide.h"
#include "imap/settings.h"
#include "wire/capability.h"

const struct sasl_mech *
imap_mech_find(const struct imap_server *server, struct str name)
{
	const struct sasl_mech *mech = sasl_mech_find(name);

	for (size_t i = 0; mech == NULL && i < server->more_mechs.n; i++)
		if (str_ieq(name, str_of(server->more_mechs.mechs[i]->name)))
			mech = server->more_mechs.mechs[i];
	return mech;
}

static bool
is_hidden(const struct imap_conn *conn, const struct sasl_mech *mech)
{
	struct buf word = {0};
	bool hidden;

	if (!imap_hides_any(conn))
		return false;
	buf_puts(&word, "AUTH=");
	buf_puts(&word, mech->name);
	hidden = imap_is_hidden(conn, buf_as_str(&word));
	buf_fini(&word);
	return hidden;
}

bool
imap_mech_offered(const struct imap_conn *conn, const struct sasl_mech *mech)
{
	return imap_mechanism_on(imap_settings(conn), str_of(mech->name)) &&
	       !is_hidden(conn, mech) &&
	       ((mech->flags & SASL_BINDS) == 0 || stream_binds(conn->session.stream)) &&
	       ((mech->flags & SASL_TOKENS) == 0 || auth_takes_tokens(conn->server->auth)) &&
	       ((mech->flags & SASL_TLS_ONLY) == 0 || stream_is_tls(conn->session.stream)) &&
	       ((mech->flags & SASL_FROM_CHANNEL) == 0 ||
	           imap_identity(conn)->standing != TLS_PEER_NONE);
}

bool
imap_more_mechs(const struct imap_conn *conn)
{
	return conn->server->more_mechs.n > 0;
}

uint64_t
imap_more_mechs_key(const struct imap_conn *conn)
{
	const struct sasl_mech_list *list = &conn->server->more_mechs;
	uint64_t key = 1;

	for (size_t i = 0; i < list->n; i++)
		key = key << 1 | imap_mech_offered(conn, list->mechs[i]);
	return key;
}

void
imap_more_mechs_print(const struct imap_conn *conn, struct buf *out)
{
	const struct sasl_mech_list *list = &conn->server->more_mechs;
	for (size_t i = 0; i < list->n; i++) {
		if (!imap_mech_offered(conn, list->mechs[i]))
			continue;
		wire_out_capability(out, "AUTH=", list->mechs[i]->name);
	}
}
