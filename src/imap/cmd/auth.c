/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STARTTLS and LOGIN (RFC 3501 and RFC 9051 section 6.2), and the way from any
 * claim to a login; AUTHENTICATE is in authenticate.c.
 *
 * A credential that was checked a moment ago and an account in memory make a
 * login without leaving the loop; otherwise a worker hashes the password, and
 * a worker loads the account.  What the client learns of a failure does not
 * depend on whether the user exists.
 */
#include "base/log.h"
#include "imap/audit.h"
#include "imap/cmd.h"
#include "imap/cmd/login.h"
#include "imap/common/failed.h"
#include "imap/layer.h"
#include "imap/mechs.h"
#include "imap/settings.h"
#include "net/layer.h"
#include "net/tally.h"

enum { DECIDE_MAX = 8 }; /* user records that change without end keep nobody waiting for ever */

/* ---- what is offered */

static bool
is_loopback(struct str address)
{
	return str_has_prefix(address, STR("127.")) || str_eq(address, STR("::1")) ||
	       str_has_prefix(address, STR("::ffff:127.")) || str_eq(address, STR("unix"));
}

bool
imap_password_allowed(const struct imap_conn *conn)
{
	return stream_is_tls(conn->session.stream) ||
	       imap_settings(conn)->plaintext == IMAP_PLAIN_ALWAYS ||
	       (imap_settings(conn)->plaintext == IMAP_PLAIN_LOOPBACK &&
	           is_loopback(conn->session.address));
}

static bool
password_refused(const struct imap_conn *conn)
{
	return !imap_password_allowed(conn);
}

static bool
tokens_taken(const struct imap_conn *conn)
{
	return imap_password_allowed(conn) && auth_takes_tokens(conn->server->auth);
}

static bool
binds(const struct imap_conn *conn)
{
	return stream_binds(conn->session.stream);
}

/* RFC 4422 section 6.1.2: whoever took a mechanism away in clear is found out in the layer. */
static bool
in_layer(const struct imap_conn *conn)
{
	return stream_has_layers(conn->session.stream);
}

static bool
identified(const struct imap_conn *conn)
{
	return imap_identity(conn)->standing == TLS_PEER_KNOWN;
}

static bool
offers_tls(const struct imap_conn *conn)
{
	return conn->server->tls != NULL && !conn->entrance->implicit_tls &&
	       !stream_is_tls(conn->session.stream) && tls_slot_filled(conn->server->tls);
}

static enum imap_next
cmd_starttls(struct imap_cmd *cmd)
{
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	if (!offers_tls(cmd->conn))
		return cmd_bad(cmd, "TLS is not offered here");
	cmd->after = IMAP_AFTER_STARTTLS;
	return cmd_ok(cmd, "Begin TLS negotiation now");
}

/* ---- from a request to a login */

static void
drop_state(void *arg)
{
	struct imap_try *s = arg;

	auth_login_fini(&s->who);
	store_account_unref(&s->account);
	sasl_exchange_free(&s->exchange);
}

struct imap_try *
imap_try_new(struct imap_cmd *cmd, struct str mechanism)
{
	struct imap_try *s = arena_new_object(cmd->arena, struct imap_try);

	s->auth = cmd->conn->server->auth;
	s->store = cmd->conn->server->store;
	s->req.mechanism = mechanism;
	s->req.address = imap_client_address(cmd->conn);
	s->req.tls = stream_is_tls(cmd->conn->session.stream);
	s->asked_ms = loop_now(cmd->conn->il->loop);
	arena_on_free(cmd->arena, drop_state, s);
	cmd->state = s;
	return s;
}

enum imap_next
imap_try_failed(struct imap_cmd *cmd)
{
	const struct imap_try *s = cmd->state;
	struct imap_conn *conn = cmd->conn;

	if (failed_too_often(conn)) {
		wire_out_cond(
		    imap_out(conn), STR_NONE, WIRE_BYE, STR_NONE, STR("Too many failed logins"));
		cmd->after = IMAP_AFTER_CLOSE;
	}
	if (s->result == AUTH_DENIED)
		return cmd_no(cmd, "AUTHORIZATIONFAILED", "Not permitted to act for that user");
	return cmd_no(cmd, "AUTHENTICATIONFAILED", "Authentication failed");
}

static const char *
why_failed(const struct imap_try *s)
{
	return s->why != NULL               ? s->why
	       : s->who.why != NULL         ? s->who.why
	       : s->result == AUTH_DENIED   ? "may not act for that user"
	       : s->result == AUTH_DISABLED ? "disabled"
	                                    : "wrong name or password";
}

/*
 * The answer is held back, longer each time.  It comes at a time that is set when the client has
 * said all, however long the check took: that may hang on who there is.
 */
static enum imap_next
hold_back(struct imap_cmd *cmd)
{
	static const struct imap_step failed = {"login-failed", imap_try_failed};
	const struct imap_try *s = cmd->state;
	const struct imap_step *next = s->when_failed != NULL ? s->when_failed : &failed;
	struct imap_conn *conn = cmd->conn;
	uint64_t due = s->asked_ms + failed_count(conn, s->result, s->req.authcid);
	uint64_t now = loop_now(conn->il->loop);

	audit_failed(conn, &s->req,
	    s->result == AUTH_DENIED ? buf_as_str(&s->who.authcid) : STR_NONE, why_failed(s));
	if (due <= now)
		return cmd_goto(cmd, next);
	return cmd_sleep(cmd, due - now, next);
}

enum imap_next
imap_try_refuse(struct imap_cmd *cmd, const char *why)
{
	struct imap_try *s = cmd->state;

	s->result = AUTH_FAILED;
	s->why = why;
	return hold_back(cmd);
}

/* The security layer that was negotiated is the login's, and begins behind the OK. */
static void
take_layer(struct imap_cmd *cmd)
{
	struct imap_try *s = cmd->state;
	struct sasl_layer *layer = s->exchange != NULL ? sasl_exchange_layer(s->exchange) : NULL;

	if (layer == NULL)
		return;
	imap_layer_push(imap_login(cmd->conn), imap_layer_new(layer));
	s->req.layer = layer->strength;
	cmd->after = IMAP_AFTER_LAYER;
	/* RFC 3501 and RFC 9051 section 6.2.2: the OK is not in the layer, so the client asks anew.
	 */
	cmd->tell_capabilities = false;
}

/* The user may have been disabled or removed, and their sessions ended, while a worker was busy. */
static enum imap_next
decide_again(struct imap_cmd *cmd)
{
	struct imap_try *s = cmd->state;

	store_account_unref(&s->account);
	if (s->decided >= DECIDE_MAX)
		return cmd_no(cmd, "UNAVAILABLE", "Users are being changed, try again later");
	return imap_try_verify(cmd);
}

static enum imap_next
login_loaded(struct imap_cmd *cmd)
{
	struct imap_try *s = cmd->state;
	struct imap_conn *conn = cmd->conn;

	if (s->account == NULL) {
		conn->il->stats.login_results[IMAP_LOGIN_UNAVAILABLE]++;
		audit_failed(
		    conn, &s->req, buf_as_str(&s->who.authcid), "the user's mail cannot be opened");
		return cmd_err(cmd, s->err);
	}
	if (!auth_is_current(s->auth, &s->who))
		return decide_again(cmd);
	if (!imap_login_open(conn, &s->who, s->req.mechanism, s->account)) {
		imap_log(conn, LOG_WARNING, "more than limits.logins_per_user of %.*s: refused",
		    STR_ARG(buf_as_str(&s->who.user)));
		audit_failed(
		    conn, &s->req, buf_as_str(&s->who.authcid), "more than limits.logins_per_user");
		conn->il->stats.login_results[IMAP_LOGIN_LIMIT]++;
		return cmd_no(cmd, "LIMIT", "Too many logins of this user");
	}
	s->account = NULL; /* the login's now */
	cmd->tell_capabilities = true;
	take_layer(cmd);
	audit_login(conn, &s->req);
	return cmd_ok(cmd, "Logged in");
}

static enum work_end
load_run(struct imap_job *job)
{
	struct imap_try *s = job->state;

	s->err = store_account_load(s->store, buf_as_str(&s->who.user), false, &s->account);
	if (s->err != TS_OK)
		s->account = NULL;
	return WORK_DONE;
}

static enum imap_next
start_loading(struct imap_cmd *cmd, const struct imap_step *next)
{
	struct imap_try *s = cmd->state;

	return cmd_job_of(
	    cmd, WORK_SHORT, imap_work_who(cmd->conn->server, &s->who), false, load_run, s, next);
}

static enum imap_next
login_made(struct imap_cmd *cmd)
{
	static const struct imap_step loaded = {"login-loaded", login_loaded};
	struct imap_try *s = cmd->state;

	/* Another login, or a delivery, may have been faster. */
	if (cmd->change->err == TS_OK || cmd->change->err == TS_EXISTS)
		return start_loading(cmd, &loaded);
	s->err = cmd->change->err;
	return cmd_goto(cmd, &loaded);
}

/* The first time that there is something for this user: the loop waits for the flush, not a worker,
 * which others need. */
static enum imap_next
login_looked(struct imap_cmd *cmd)
{
	static const struct imap_step made = {"login-made", login_made};
	static const struct imap_step loaded = {"login-loaded", login_loaded};
	struct imap_try *s = cmd->state;

	if (s->account == NULL && s->err == TS_NOT_FOUND)
		return cmd_change(cmd,
		    store_change_new_account(
		        s->store, buf_as_str(&s->who.user), cmd->conn->il->loop, NULL, NULL),
		    &made);
	return cmd_goto(cmd, &loaded);
}

static enum work_end
check_run(struct imap_job *job)
{
	struct imap_try *s = job->state;

	s->result = auth_check(s->auth, &s->req, &s->who);
	return WORK_DONE;
}

static enum imap_next
login_checked(struct imap_cmd *cmd)
{
	static const struct imap_step looked = {"login-looked", login_looked};
	static const struct imap_step loaded = {"login-loaded", login_loaded};
	static const struct imap_step again = {"login-checked", login_checked};
	struct imap_try *s = cmd->state;

	if (imap_try_must_wait(s))
		return imap_try_job(cmd, check_run, &again);
	switch (s->result) {
	case AUTH_OK:
		s->account = store_account_find(s->store, buf_as_str(&s->who.user));
		cmd->conn->il->stats.account[s->account != NULL]++;
		if (s->account == NULL)
			return start_loading(cmd, &looked);
		return cmd_goto(cmd, &loaded);
	case AUTH_FAILED:
	case AUTH_DENIED:
	case AUTH_DISABLED:
		return hold_back(cmd);
	case AUTH_UNAVAILABLE:
		cmd->conn->il->stats.login_results[IMAP_LOGIN_UNAVAILABLE]++;
		audit_failed(cmd->conn, &s->req, STR_NONE, "a user database cannot be asked");
		return cmd_no(cmd, "UNAVAILABLE", "Users cannot be looked up at the moment");
	case AUTH_AGAIN:
		break;
	}
	TS_WRONG("a check that decided nothing");
}

/* The client's network as a number: who asks for many checks waits behind his own. */
static uint64_t
source_of(const struct imap_conn *conn)
{
	char text[TALLY_NETWORK_MAX];

	return tally_hash(conn->server->sessions.addresses,
	    tally_network(
	        imap_client_address(conn), (unsigned)imap_settings(conn)->address_v6_bits, text));
}

static enum imap_next
job_waited(struct imap_cmd *cmd)
{
	const struct imap_try *s = cmd->state;

	return imap_try_job(cmd, s->job_run, s->job_next);
}

enum imap_next
imap_try_job(struct imap_cmd *cmd, imap_job_f *run, const struct imap_step *next)
{
	static const struct imap_step waited = {"login-waited", job_waited};
	struct imap_conn *conn = cmd->conn;
	struct imap_try *s = cmd->state;
	uint64_t source = source_of(conn), wait = s->waited ? 0 : failed_wait(conn);
	struct work_pool *pool = imap_job_pool(conn->server, s->req.may_wait);

	if (wait > 0) { /* once for each attempt */
		s->waited = true;
		s->job_run = run;
		s->job_next = next;
		return cmd_sleep(cmd, wait, &waited);
	}
	if (work_pool_waiting_of(pool, source) >= (size_t)imap_settings(conn)->waiting_logins) {
		conn->il->stats.login_results[IMAP_LOGIN_LIMIT]++;
		audit_failed(conn, &s->req, STR_NONE, "more than limits.waiting_logins");
		return cmd_no(cmd, "UNAVAILABLE", "Too many logins at once, try again later");
	}
	return cmd_job_of(cmd, WORK_LOGIN, (struct work_who){.user = source}, s->req.may_wait, run,
	    cmd->state, next);
}

bool
imap_try_must_wait(struct imap_try *s)
{
	if (s->result != AUTH_AGAIN || s->req.may_wait)
		return false;
	s->req.may_wait = true;
	return true;
}

enum imap_next
imap_try_verify(struct imap_cmd *cmd)
{
	static const struct imap_step checked = {"login-checked", login_checked};
	struct imap_try *s = cmd->state;

	s->decided++;
	s->result = auth_try(s->auth, &s->req, &s->who);
	cmd->conn->il->stats.credential[s->result != AUTH_AGAIN]++;
	if (s->result == AUTH_AGAIN)
		return imap_try_job(cmd, check_run, &checked);
	return cmd_goto(cmd, &checked);
}

enum imap_next
imap_privacy_required(struct imap_cmd *cmd)
{
	return cmd_no(cmd, "PRIVACYREQUIRED", "Passwords are taken under TLS only");
}

static enum imap_next
cmd_login(struct imap_cmd *cmd)
{
	struct wire_login args;
	struct imap_try *s;

	if (!wire_login_parse(&cmd->in, &args))
		return cmd_bad_syntax(cmd);
	if (!imap_password_allowed(cmd->conn))
		return imap_privacy_required(cmd);
	s = imap_try_new(cmd, STR("LOGIN-command"));
	s->req.authcid = args.user;
	s->req.secret = args.password;
	return imap_try_verify(cmd);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "STARTTLS", .states = IMAP_NOAUTH, .start = cmd_starttls},
    {.name = "LOGIN", .states = IMAP_NOAUTH, .traits = IMAP_TRAIT_SECRET, .start = cmd_login},
    {.name = "(PREAUTH)", .start = imap_preauth}, /* no client's: see conn.c */
    {.name = "AUTHENTICATE",
        .states = IMAP_NOAUTH,
        .traits = IMAP_TRAIT_SECRET,
        .start = imap_authenticate,
        .line_max = imap_authenticate_line_max},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "STARTTLS",
        .rfc = "3501, 9051",
        .states = IMAP_NOAUTH,
        .when = offers_tls,
        .shown = "in clear, with a certificate"},
    {.word = "LOGINDISABLED",
        .rfc = "3501, 9051",
        .states = IMAP_NOAUTH,
        .when = password_refused,
        .shown = "where passwords are refused"},
    {.word = "SASL-IR", .rfc = "4959", .states = IMAP_NOAUTH},
    {.word = "AUTH=EXTERNAL",
        .rfc = "4422",
        .states = IMAP_NOAUTH,
        .when = identified,
        .shown = "where the client's certificate stands for somebody"},
    {.word = "AUTH=SCRAM-SHA-256-PLUS",
        .rfc = "7677, 5929, 9266",
        .states = IMAP_NOAUTH,
        .when = binds,
        .shown = "under TLS that has a channel binding"},
    {.word = "AUTH=SCRAM-SHA-256", .rfc = "7677", .states = IMAP_NOAUTH},
    {.word = "AUTH=SCRAM-SHA-1-PLUS",
        .rfc = "5802, 5929, 9266",
        .states = IMAP_NOAUTH,
        .when = binds,
        .shown = "under TLS that has a channel binding"},
    {.word = "AUTH=SCRAM-SHA-1", .rfc = "5802", .states = IMAP_NOAUTH},
    {.word = "AUTH=OAUTHBEARER",
        .rfc = "7628",
        .states = IMAP_NOAUTH,
        .when = tokens_taken,
        .shown = "where passwords are taken and a database takes tokens"},
    {.word = "AUTH=XOAUTH2",
        .states = IMAP_NOAUTH,
        .when = tokens_taken,
        .shown = "where passwords are taken and a database takes tokens"},
    {.word = "AUTH=PLAIN",
        .rfc = "4616",
        .states = IMAP_NOAUTH,
        .when = imap_password_allowed,
        .shown = "where passwords are taken"},
    {.word = "AUTH=",
        .rfc = "4422",
        .states = IMAP_NOAUTH,
        .when = imap_more_mechs,
        .shown = "one for each mechanism of libsasl2 that `mechanisms` names",
        .words = imap_more_mechs_print,
        .key = imap_more_mechs_key},
    {.word = "AUTH=LOGIN",
        .states = IMAP_NOAUTH,
        .when = imap_password_allowed,
        .shown = "where passwords are taken"},
    {.word = "AUTH=",
        .rfc = "4422",
        .states = IMAP_LOGGED_IN,
        .when = in_layer,
        .shown = "within a security layer, those that were offered before login",
        .words = imap_auth_words_print,
        .key = imap_auth_words_key},
    {.word = NULL},
};

static const struct imap_code codes[] = {
    {"AUTHENTICATIONFAILED", "9051", "the credentials are not right, or the user may not log in"},
    {"AUTHORIZATIONFAILED", "9051", "they are, but not for this user"},
    {"EXPIRED", "9051", "the token of the login has expired"},
    {"PRIVACYREQUIRED", "9051", "a password would be taken under TLS only"},
    {NULL, NULL, NULL},
};

const struct imap_ext imap_ext_auth = {
    .name = "auth",
    .title = "STARTTLS, LOGIN, AUTHENTICATE, SASL-IR (RFC 4959)",
    .caps = caps,
    .cmds = cmds,
    .codes = codes,
};
