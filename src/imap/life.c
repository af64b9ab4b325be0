/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a connection at any moment: its login, mailbox and dialect, its name in the log, how
 * long it may be silent, and how it is told to leave.  The rest of the engine builds on this.
 */
#include "imap/life.h"
#include "base/clock.h"
#include "base/log.h"
#include "imap/cmd.h"
#include "imap/settings.h"
#include "net/tally.h"

struct imap_box *
imap_box(const struct imap_conn *conn)
{
	return conn->turn->login != NULL ? conn->turn->login->box : NULL;
}

unsigned
imap_state(const struct imap_conn *conn)
{
	if (imap_login(conn) == NULL)
		return IMAP_NOAUTH;
	return imap_box(conn) == NULL ? IMAP_AUTH : IMAP_SELECTED;
}

const struct wire_dialect *
imap_dialect(const struct imap_conn *conn)
{
	return imap_login(conn) != NULL ? &imap_login(conn)->dialect : &wire_dialect_rev1;
}

struct buf *
imap_out(struct imap_conn *conn)
{
	return stream_out(conn->session.stream);
}

/* ---- who it is */

const struct tls_identity *
imap_identity(const struct imap_conn *conn)
{
	if (conn->session.stream == NULL)
		return &tls_identity_none;
	return stream_identity(conn->session.stream, conn->server->tls);
}

struct str
imap_client_address(const struct imap_conn *conn)
{
	if (conn->turn != NULL && conn->turn->told != NULL)
		return str_of(conn->turn->told->address);
	return conn->session.address;
}

struct work_who
imap_work_who(const struct imap_server *server, const struct auth_login *who)
{
	return (struct work_who){.user = tally_hash(server->users, buf_as_str(&who->user)),
	    .identity = tally_hash(server->users, buf_as_str(&who->authcid)) | 1};
}

struct work_pool *
imap_job_pool(const struct imap_server *server, bool waits)
{
	return waits && server->waiters != NULL ? server->waiters : server->workers;
}

/* ---- the log */

void
imap_event_certificate(const struct imap_conn *conn, struct log_event *e)
{
	const struct tls_identity *id = imap_identity(conn);

	if (id->standing == TLS_PEER_NONE)
		return;
	if (id->standing == TLS_PEER_KNOWN) {
		log_event_str(e, "certificate_user", id->user);
		log_event_str(e, "certificate_map", id->rule);
	} else
		log_event_str(e, "certificate_why", str_of(id->why));
	log_event_str(e, "subject", id->subject);
	log_event_str(e, "issuer", id->issuer);
	log_event_str(e, "certificate", id->fingerprint);
}

void
imap_event(const struct imap_conn *conn, struct log_event *e, struct str message)
{
	const struct imap_login *login = conn->turn != NULL ? conn->turn->login : NULL;
	const struct imap_cmd *cmd = conn->cmd;

	session_event(&conn->session, e, message);
	if (login != NULL) {
		log_event_str(e, "user", login->user);
		if (!str_eq(login->user, login->authcid))
			log_event_str(e, "authcid", login->authcid);
	}
	if (cmd == NULL || cmd->tag.n == 0)
		return;
	log_event_str(e, "tag", cmd->tag);
	log_event_str(e, "command", str_of(cmd->def != NULL ? cmd->def->name : "unknown"));
	log_event_u64(e, "ms", (clock_mono_ns() - cmd->started_ns) / 1000000);
}

void
imap_log(const struct imap_conn *conn, int level, const char *fmt, ...)
{
	struct log_event e;
	va_list ap;

	if (!log_wants((enum log_level)level))
		return;
	imap_event(conn, &e, STR_NONE);
	va_start(ap, fmt);
	log_event_vput(&e, (enum log_level)level, fmt, ap);
	va_end(ap);
}

/* ---- end */

/* Nobody waits for the job any more. */
void
conn_cancel_job(struct imap_conn *conn)
{
	if (conn->cmd != NULL && conn->cmd->job != NULL)
		work_cancel(&conn->cmd->job->work);
}

void
imap_bye(struct imap_conn *conn, const char *code, const char *text)
{
	if (conn->session.closing)
		return;
	imap_check_code(conn, str_of(code));
	if (conn->cmd == NULL || !conn->cmd->midway)
		imap_say(conn, WIRE_BYE, str_of(code), text);
	imap_log(conn, LOG_INFO, "BYE %s", text);
	session_close(&conn->session, "BYE");
	conn_cancel_job(conn);
}

/* ---- time-outs */

static bool
waits_for_worker(const struct imap_cmd *cmd)
{
	return cmd->job != NULL || cmd->waits_for_errands;
}

/* Returns whether it has bytes to be written that are not written yet. */
static bool
waits_for_disk(const struct imap_cmd *cmd)
{
	return cmd->change_waits ||
	       (cmd->result == IMAP_RESULT_NONE && (cmd->held || cmd->upload_waits));
}

void
conn_set_timer(struct imap_conn *conn)
{
	const struct imap_settings *s = imap_settings(conn);
	const struct imap_cmd *cmd = conn->cmd;
	struct session *session = &conn->session;

	if (cmd != NULL && waits_for_disk(cmd))
		session_wait(session, s->store_time);
	else if (cmd != NULL && waits_for_worker(cmd))
		session_wait(session, s->job_time);
	else if (imap_login(conn) != NULL)
		session_wait(session, s->idle_time);
	else if (conn->turns > 0)
		session_wait(session, s->turn_time);
	else /* the time of the first login, however busy the client is */
		session_wait_by_deadline(session, s->login_time);
}

void
conn_timed_out(void *arg)
{
	struct imap_conn *conn = arg;
	const struct imap_cmd *cmd = conn->cmd;

	if (cmd != NULL && (waits_for_disk(cmd) || waits_for_worker(cmd))) {
		imap_log(conn, LOG_WARNING, "no answer from the store: closed");
		imap_bye(conn, "UNAVAILABLE", "The mail store is not responding");
	} else if (cmd != NULL && cmd->yielded)
		conn_set_timer(conn); /* waits for the client to read: the stream's job */
	else {
		conn->session.ending = "timeout";
		imap_bye(
		    conn, NULL, imap_login(conn) == NULL ? "Login timed out" : "Idle for too long");
	}
}
