/* SPDX-License-Identifier: Apache-2.0 */
/* See audit.h.  A switch costs two of these lines, so nothing is copied before they are
 * formatted. */
#include "imap/log/audit.h"

#include "auth/grant/grant.h"
#include "base/log.h"
#include "net/tls/peer.h"

/* The channel they used: fields of "login" and "login failed". */
static void
add_way(struct log_event *e, const struct imap_conn *conn, const struct auth_request *req)
{
	struct str address = imap_client_address(conn);
	struct stream_tls_info tls;

	log_event_str(e, "mech", req->mechanism);
	if (conn->session.stream != NULL && stream_tls_info(conn->session.stream, &tls)) {
		log_event_str(e, "tls", str_of(tls.version));
		log_event_str(e, "cipher", str_of(tls.cipher));
	} else
		log_event_str(e, "tls", STR("no"));
	if (req->layer > 0)
		log_event_u64(e, "layer", req->layer);
	log_event_str(e, "address", address);
	if (!str_eq(address, conn->session.address))
		log_event_str(e, "front", conn->session.address);
	log_event_str(e, "id", conn->id_name);
	/* 0: the first user of the connection. */
	log_event_u64(e, "switch", conn->turns);
}

static void
add_certificate(struct log_event *e, const struct imap_conn *conn, enum auth_proof proof)
{
	const struct tls_identity *id;

	if (proof == AUTH_BY_CERTIFICATE) {
		imap_event_certificate(conn, e);
		return;
	}
	id = imap_identity(conn);
	if (id->standing != TLS_PEER_NONE)
		log_event_str(e, "certificate", id->fingerprint);
}

/* imap_event() names the authentication identity if it differs; here it is always named. */
static void
add_who(struct log_event *e, const struct imap_login *login)
{
	if (str_eq(login->user, login->authcid))
		log_event_str(e, "authcid", login->authcid);
	log_event_str(e, "grant", login->grant != NULL ? login->grant->name : STR(""));
}

void
audit_login(const struct imap_conn *conn, const struct auth_request *req)
{
	struct log_event e;

	if (!log_wants(LOG_INFO))
		return;
	imap_event(conn, &e, STR("login"));
	add_who(&e, imap_login(conn));
	add_way(&e, conn, req);
	add_certificate(&e, conn, imap_login(conn)->proof);
	log_event_put(&e, LOG_INFO);
}

void
audit_logout(const struct imap_conn *conn, const struct imap_login *login, const char *how)
{
	uint64_t ms = loop_now(conn->il->loop) - login->since_ms;
	const struct imap_counts *t = &login->counts;
	struct log_event e;

	if (!log_wants(LOG_INFO))
		return;
	imap_event(conn, &e, STR("logout"));
	add_who(&e, login);
	log_event_str(&e, "how", str_of(how));
	log_event_str(&e, "mech", login->mechanism);
	log_event_u64(&e, "commands", conn->commands - login->commands);
	log_event_u64(&e, "bytes_in", conn->session.bytes_in - login->bytes_in);
	log_event_u64(&e, "bytes_out", conn->session.bytes_out - login->bytes_out);
	log_event_u64(&e, "selected", t->selected);
	log_event_u64(&e, "fetched", t->fetched);
	log_event_u64(&e, "appended", t->appended);
	log_event_u64(&e, "expunged", t->expunged);
	log_event_u64(&e, "login_ms", ms);
	log_event_put(&e, LOG_INFO);
}

void
audit_fetch(const struct imap_conn *conn, const char *item, uint64_t messages)
{
	struct log_event e;

	if (!log_wants(LOG_INFO))
		return;
	imap_event(conn, &e, STR("fetch"));
	add_who(&e, imap_login(conn));
	log_event_str(&e, "item", str_of(item));
	log_event_u64(&e, "messages", messages);
	log_event_put(&e, LOG_INFO);
}

void
audit_acl(const struct imap_conn *conn, struct str mailbox, struct str owner, struct str identifier,
    struct str before, struct str after)
{
	struct log_event e;

	if (!log_wants(LOG_INFO))
		return;
	imap_event(conn, &e, STR("acl"));
	add_who(&e, imap_login(conn));
	log_event_str(&e, "mailbox", mailbox);
	log_event_str(&e, "owner", owner);
	log_event_str(&e, "identifier", identifier);
	log_event_str(&e, "before", before);
	log_event_str(&e, "after", after);
	log_event_put(&e, LOG_INFO);
}

void
audit_failed(const struct imap_conn *conn, const struct auth_request *req, struct str proven,
    const char *why)
{
	const struct imap_login *login = imap_login(conn);
	struct log_event e;

	if (!log_wants(LOG_WARNING))
		return;
	imap_event(conn, &e, STR("login failed"));
	/* If somebody logged in acts for another, the event has it already. */
	if (proven.n > 0 && (login == NULL || str_eq(login->user, login->authcid)))
		log_event_str(&e, "authcid", proven);
	add_way(&e, conn, req);
	log_event_str(&e, "claimed_authcid", req->authcid);
	log_event_str(&e, "claimed_authzid", req->authzid);
	log_event_str(&e, "why", str_of(why));
	add_certificate(&e, conn, req->proof);
	log_event_put(&e, LOG_WARNING);
}
