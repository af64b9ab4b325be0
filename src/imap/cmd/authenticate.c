/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AUTHENTICATE (RFC 3501 and RFC 9051 section 6.2.2; SASL-IR RFC 4959): runs a
 * mechanism's exchange, and passes what it proves or asks for to the login.
 */
#include "base/log.h"
#include "imap/cmd.h"
#include "imap/cmd/login.h"
#include "imap/hide.h"
#include "imap/mechs.h"
#include "imap/settings.h"

enum { COMMAND_MAX = 256 }; /* "tag AUTHENTICATE MECHANISM " before a very long response */

/* Returns the bytes of a line with the longest response in base64. */
static size_t
line_max(const struct sasl_mech *mech)
{
	return (sasl_mech_response_max(mech) + 2) / 3 * 4 + 2;
}

static void auth_line(struct imap_cmd *cmd, struct str line);
static enum imap_next exchange_moved(struct imap_cmd *cmd, enum sasl_step step);
static enum imap_next token_shown(struct imap_cmd *cmd);

/* ---- the keys of SCRAM */

static enum work_end
keys_run(struct imap_job *job)
{
	struct imap_try *s = job->state;

	s->result = auth_scram_keys(
	    s->auth, s->req.authcid, s->exchange->mech->hash, s->req.may_wait, &s->scram);
	return WORK_DONE;
}

static enum imap_next
got_keys(struct imap_cmd *cmd)
{
	static const struct imap_step again = {"auth-keys", got_keys};
	struct imap_try *s = cmd->state;

	if (imap_try_must_wait(s))
		return imap_try_job(cmd, keys_run, &again);
	if (s->result != AUTH_OK)
		return cmd_no(
		    cmd, "UNAVAILABLE", "The user database is unavailable; try again later");
	return exchange_moved(cmd, sasl_exchange_keys(s->exchange, &s->scram.keys, s->scram.known));
}

/* ---- one move of the exchange, on a worker if it may block */

static enum sasl_step
move(struct imap_try *s)
{
	if (s->started)
		return sasl_exchange_step(s->exchange, s->response);
	s->started = true;
	return sasl_exchange_start(s->exchange, s->has_response ? &s->response : NULL);
}

static enum work_end
move_run(struct imap_job *job)
{
	struct imap_try *s = job->state;

	s->step = move(s);
	return WORK_DONE;
}

static enum imap_next
moved(struct imap_cmd *cmd)
{
	struct imap_try *s = cmd->state;

	return exchange_moved(cmd, s->step);
}

static enum imap_next
exchange_move(struct imap_cmd *cmd)
{
	static const struct imap_step next = {"auth-moved", moved};
	struct imap_try *s = cmd->state;

	if ((s->exchange->mech->flags & SASL_BLOCKS) != 0)
		return imap_try_job(cmd, move_run, &next);
	return exchange_moved(cmd, move(s));
}

/* ---- tokens */

/* Tells what the client should ask its issuer for; whatever it answers, the login has failed. */
static enum imap_next
deny(struct imap_cmd *cmd)
{
	struct imap_try *s = cmd->state;
	struct buf scope = {0}, configuration = {0};
	enum sasl_step step;

	if (s->result == AUTH_DENIED) /* the token is right */
		return imap_try_failed(cmd);
	auth_token_hints(s->auth, &scope, &configuration);
	step = sasl_exchange_deny(
	    s->exchange, &(struct sasl_denial){buf_as_str(&scope), buf_as_str(&configuration)});
	buf_fini(&scope);
	buf_fini(&configuration);
	return exchange_moved(cmd, step);
}

static enum imap_next
token_shown(struct imap_cmd *cmd)
{
	static const struct imap_step denied = {"auth-deny", deny};
	struct imap_try *s = cmd->state;

	s->req.proof = AUTH_BY_TOKEN;
	s->req.secret = s->exchange->result.token;
	s->req.host = s->exchange->result.host;
	s->when_failed = &denied;
	if (s->req.secret.n > 0)
		return imap_try_verify(cmd);
	/* It asks what a token should be for (RFC 7628 section 4.3), which is not a guess. */
	s->result = AUTH_FAILED;
	return deny(cmd);
}

/* ---- EXTERNAL (RFC 4422 appendix A) */

/*
 * Judges the certificate again at the moment it lets somebody in (net/tls/peer.h): it may have
 * expired or been revoked since the handshake, or while the client was deciding on its answer.
 */
static enum imap_next
certificate_shown(struct imap_cmd *cmd)
{
	struct imap_try *s = cmd->state;
	const struct tls_identity *id = imap_identity(cmd->conn);

	s->req.proof = AUTH_BY_CERTIFICATE;
	if (id->standing != TLS_PEER_KNOWN)
		return imap_try_refuse(cmd, id->why);
	if (!str_eq(id->user, s->req.authcid))
		return imap_try_refuse(cmd, "the certificate stands for another user by now");
	return imap_try_verify(cmd);
}

/* Puts its identity into the exchange.  Returns false if the certificate stands for nobody. */
static bool
identify(struct imap_cmd *cmd, struct sasl_exchange *x)
{
	const struct tls_identity *id = imap_identity(cmd->conn);

	if (id->standing == TLS_PEER_KNOWN)
		sasl_exchange_identify(x, id->user);
	return id->standing == TLS_PEER_KNOWN;
}

enum imap_next
imap_preauth(struct imap_cmd *cmd)
{
	struct imap_try *s = imap_try_new(cmd, STR("PREAUTH"));

	s->req.authcid = arena_str(cmd->arena, imap_identity(cmd->conn)->user);
	return certificate_shown(cmd);
}

/* ---- */

static enum imap_next
exchange_moved(struct imap_cmd *cmd, enum sasl_step step)
{
	static const struct imap_step keys_found = {"auth-keys", got_keys};
	struct imap_try *s = cmd->state;

	s->req.authcid = s->exchange->result.authcid;
	s->req.authzid = s->exchange->result.authzid;
	s->req.secret = s->exchange->result.password;
	switch (step) {
	case SASL_STEP_CHALLENGE:
		wire_out_challenge(imap_out(cmd->conn), s->exchange->challenge);
		cmd->line = auth_line;
		cmd->line_max = line_max(s->exchange->mech);
		return IMAP_WAIT;
	case SASL_STEP_KEYS:
		return imap_try_job(cmd, keys_run, &keys_found);
	case SASL_STEP_PROVEN:
		if ((s->exchange->mech->flags & SASL_FROM_CHANNEL) != 0)
			return certificate_shown(cmd);
		s->req.proof = (s->exchange->mech->flags & SASL_VOUCHES) != 0 ? AUTH_BY_MECHANISM
		                                                              : AUTH_BY_KEYS;
		s->req.stamp =
		    s->exchange->mech->server_keys != NULL ? s->scram.stamp : s->exchange->stamp;
		return imap_try_verify(cmd);
	case SASL_STEP_PASSWORD:
		return imap_try_named(cmd);
	case SASL_STEP_TOKEN:
		return token_shown(cmd);
	case SASL_STEP_REFUSED:
		return imap_try_refuse(
		    cmd, s->scram.disabled ? "disabled, whatever the proof" : s->exchange->why);
	case SASL_STEP_UNAVAILABLE:
		imap_log(cmd->conn, LOG_WARNING, "AUTHENTICATE %.*s: %s", STR_ARG(s->req.mechanism),
		    s->exchange->why);
		return cmd_no(cmd, "UNAVAILABLE",
		    "Authentication is temporarily unavailable; try again later");
	case SASL_STEP_MALFORMED:
		imap_log(cmd->conn, LOG_INFO, "AUTHENTICATE %.*s: %s", STR_ARG(s->req.mechanism),
		    s->exchange->why);
		return cmd_bad(cmd, "Malformed SASL response");
	}
	TS_WRONG("no such step");
}

static enum imap_next
client_answered(struct imap_cmd *cmd)
{
	struct imap_try *s = cmd->state;
	struct str bytes;

	s->asked_ms = loop_now(cmd->conn->il->loop);
	if (s->when_failed != NULL) /* RFC 7628 section 4.3: NO, even if the client cancels */
		return imap_try_failed(cmd);
	/* RFC 9051 section 6.2.2: BAD both for "*" and for invalid base64. */
	switch (wire_sasl_line_parse(cmd->arena, cmd->segment, &bytes)) {
	case WIRE_SASL_CANCEL:
		return cmd_bad(cmd, "Authentication cancelled");
	case WIRE_SASL_BAD:
		return cmd_bad(cmd, "Invalid base64");
	case WIRE_SASL_DATA:
		break;
	}
	if (bytes.n > sasl_mech_response_max(s->exchange->mech))
		return cmd_bad(cmd, "SASL response too long");
	s->response = bytes;
	s->has_response = true;
	return exchange_move(cmd);
}

static void
auth_line(struct imap_cmd *cmd, struct str line)
{
	static const struct imap_step answered = {"auth-answered", client_answered};

	cmd->line = NULL;
	cmd->segment = arena_str(cmd->arena, line);
	cmd->step = &answered;
	imap_resume(cmd);
}

/* Finds the mechanism of that name, if this connection may use it; passwords are checked
 * separately. */
static const struct sasl_mech *
find_mech(const struct imap_conn *conn, struct str name)
{
	const struct sasl_mech *mech = imap_mech_find(conn->server, name);

	return mech != NULL && imap_mech_offered(conn, mech) ? mech : NULL;
}

size_t
imap_authenticate_line_max(const struct imap_conn *conn, struct wire_in *in)
{
	const struct sasl_mech *mech;
	struct str name;

	if (!wire_in_sp(in) || !wire_in_name(in, &name) || (mech = find_mech(conn, name)) == NULL ||
	    ((mech->flags & SASL_CLEAR_PASSWORD) != 0 && !imap_password_allowed(conn)))
		return 0;
	return COMMAND_MAX + line_max(mech);
}

/*
 * RFC 5802 section 6: a client that says "y" saw no -PLUS.  If one was offered, somebody removed it
 * from the list; if none was, because of the channel or of the configuration, the client is right.
 */
static bool
plus_offered(const struct imap_conn *conn, const struct sasl_mech *mech)
{
	struct buf name = {0};
	bool offered;

	if ((mech->flags & SASL_BINDS) != 0)
		return true;
	buf_puts(&name, mech->name);
	buf_puts(&name, "-PLUS");
	offered = find_mech(conn, buf_as_str(&name)) != NULL;
	buf_fini(&name);
	return offered;
}

enum imap_next
imap_authenticate(struct imap_cmd *cmd)
{
	struct wire_authenticate args;
	const struct sasl_mech *mech;
	struct sasl_binding binding;
	struct imap_try *s;

	if (!wire_authenticate_parse(&cmd->in, &args))
		return cmd_bad_syntax(cmd);
	mech = find_mech(cmd->conn, args.mech);
	if (mech == NULL)
		return cmd_no(cmd, "CANNOT", "Unknown authentication mechanism");
	if (args.has_initial && imap_is_hidden(cmd->conn, STR("SASL-IR")))
		return cmd_bad(cmd, "Initial responses are not accepted");
	if ((mech->flags & SASL_CLEAR_PASSWORD) != 0 && !imap_password_allowed(cmd->conn))
		return imap_privacy_required(cmd);
	if (args.initial.n > sasl_mech_response_max(mech))
		return cmd_bad(cmd, "SASL response too long");
	s = imap_try_new(cmd, str_of(mech->name));
	s->exchange = sasl_exchange_new(mech);
	if ((mech->flags & SASL_FROM_CHANNEL) != 0 && !identify(cmd, s->exchange))
		return certificate_shown(cmd);
	if (stream_is_tls(cmd->conn->session.stream) && plus_offered(cmd->conn, mech) &&
	    stream_tls_binding(cmd->conn->session.stream, &binding))
		sasl_exchange_bind(s->exchange, &binding);
	if (stream_is_tls(cmd->conn->session.stream))
		sasl_exchange_tls(s->exchange);
	s->has_response = args.has_initial;
	s->response = args.initial;
	return exchange_move(cmd);
}
