/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from any claim to a login: see try.h.
 *
 * With a credential that was checked a moment ago and an account in memory, a
 * login never leaves the loop; otherwise a worker hashes the password, and a
 * worker loads the account.  What the client learns about a failure does not
 * depend on whether the user exists.
 */
#include "imap/common/try.h"

#include "auth/gateway.h"
#include "base/log.h"
#include "imap/common/failed.h"
#include "imap/errand.h"
#include "imap/layer.h"
#include "imap/log/audit.h"
#include "imap/settings.h"
#include "net/tally.h"

enum { DECIDE_MAX = 8 }; /* user records that keep changing make nobody wait forever */

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
		imap_say(conn, WIRE_BYE, STR_NONE, "Too many failed logins");
		cmd->after = IMAP_AFTER_CLOSE;
	}
	if (s->result == AUTH_DENIED || s->req.proof == AUTH_BY_LOGIN)
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
 * Delays the answer, longer each time.  The time counts from when the client has sent everything,
 * however long the check took, since that may depend on which users exist.
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

/* The negotiated security layer belongs to the login, and begins after the OK. */
static void
take_layer(struct imap_cmd *cmd)
{
	struct imap_try *s = cmd->state;
	struct sasl_layer *layer = s->exchange != NULL ? sasl_exchange_layer(s->exchange) : NULL;

	if (layer == NULL)
		return;
	imap_layer_push(imap_login(cmd->conn), imap_layer_new(layer));
	imap_login(cmd->conn)->strength = s->req.layer = layer->strength;
	cmd->after = IMAP_AFTER_LAYER;
	/* RFC 3501 and RFC 9051 section 6.2.2: the OK is not in the layer, so the client asks
	 * again. */
	cmd->tell_capabilities = false;
}

/* The user may have been disabled or removed, and their sessions ended, while a worker was busy. */
static enum imap_next
decide_again(struct imap_cmd *cmd)
{
	struct imap_try *s = cmd->state;

	store_account_unref(&s->account);
	if (s->decided >= DECIDE_MAX)
		return cmd_no(cmd, "UNAVAILABLE", "User accounts are changing; try again later");
	return imap_try_verify(cmd);
}

static enum imap_next
too_many(struct imap_cmd *cmd)
{
	const struct imap_try *s = cmd->state;
	struct imap_conn *conn = cmd->conn;

	imap_log(conn, LOG_WARNING, "more than limits.logins_per_user of %.*s: refused",
	    STR_ARG(buf_as_str(&s->who.user)));
	audit_failed(
	    conn, &s->req, buf_as_str(&s->who.authcid), "more than limits.logins_per_user");
	conn->il->stats.login_results[IMAP_LOGIN_LIMIT]++;
	return cmd_no(cmd, "LIMIT", "Too many logins for this user");
}

/* Users were changed while waiting for errands.  A NO changes nothing, so it must not be sent if
 * the login has lost some. */
static enum imap_next
not_taken_over(struct imap_cmd *cmd)
{
	const struct imap_try *s = cmd->state;

	if (!s->gave_up)
		return cmd_no(cmd, "UNAVAILABLE", "User accounts are changing; try again later");
	imap_bye(cmd->conn, "UNAVAILABLE", "User accounts are changing; log in again");
	return IMAP_WAIT;
}

/* Its errands, for which it may have waited, have ended. */
static enum imap_next
taken_over(struct imap_cmd *cmd)
{
	const struct imap_try *s = cmd->state;

	if (!auth_is_current(s->auth, &s->who))
		return not_taken_over(cmd);
	cmd->after = IMAP_AFTER_NEW_TURN;
	return cmd_ok(cmd, "Acting for that user");
}

/* Replaces the login that asked for it, which stays as it was until the OK. */
static enum imap_next
take_over(struct imap_cmd *cmd)
{
	struct imap_try *s = cmd->state;
	const struct imap_login *login = imap_login(cmd->conn);
	static const struct imap_step taken = {"login-taken", taken_over};
	struct imap_entry *entry;

	if (!str_eq(buf_as_str(&s->who.authcid), login->authcid))
		return imap_try_refuse(cmd, "what was shown stands for another user by now");
	cmd->tell_capabilities = true;
	if (str_eq(buf_as_str(&s->who.user), login->user)) /* under another name */
		return cmd_ok(cmd, "Already acting for that user");
	s->who.ends = login->ends;
	entry = arena_new_object(cmd->arena, struct imap_entry);
	*entry = (struct imap_entry){.who = &s->who, .req = &s->req, .account = s->account};
	if (!imap_login_enter(cmd->conn, entry, cmd->arena))
		return too_many(cmd);
	s->account = NULL; /* the entry's now */
	cmd->entry = entry;
	s->gave_up = cmd->conn->errands != NULL;
	return cmd_end_errands(cmd, &taken);
}

static enum imap_next
begin_login(struct imap_cmd *cmd)
{
	struct imap_try *s = cmd->state;
	struct imap_entry entry = {.who = &s->who, .req = &s->req, .account = s->account};

	if (!imap_login_open(cmd->conn, &entry))
		return too_many(cmd);
	s->account = NULL; /* the login's now */
	cmd->tell_capabilities = true;
	take_layer(cmd);
	audit_login(cmd->conn, &s->req);
	return cmd_ok(cmd, "Logged in");
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
	return imap_login(conn) != NULL ? take_over(cmd) : begin_login(cmd);
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

/* This user's first account: the loop waits for the flush, not a worker, which others need. */
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
		return cmd_no(
		    cmd, "UNAVAILABLE", "The user database is unavailable; try again later");
	case AUTH_AGAIN:
		break;
	}
	TS_WRONG("a check that decided nothing");
}

/* Returns the client's network as a number: checks from the same network wait for each other. */
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
		return cmd_no(cmd, "UNAVAILABLE", "Too many logins in progress; try again later");
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
imap_try_named(struct imap_cmd *cmd)
{
	struct imap_try *s = cmd->state;
	struct str user, gateway;

	switch (auth_gateway_split(s->auth, s->req.authcid, &user, &gateway)) {
	case AUTH_CARRIED_NONE:
		return imap_try_verify(cmd);
	case AUTH_CARRIED_PART:
		return imap_try_refuse(cmd, "nobody before or after auth.gateway_separator");
	case AUTH_CARRIED_TWO:
		break;
	}
	if (s->req.authzid.n > 0)
		return cmd_bad(
		    cmd, "Both the login name and the authorization identity say for whom to act");
	s->req.authzid = user;
	s->req.authcid = gateway;
	return imap_try_verify(cmd);
}
