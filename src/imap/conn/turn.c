/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns and logins (RFC 8437): what lives as long as one user's use of the
 * connection.  Freeing a turn forgets its user; nothing is reset.
 *
 * One log line ends each login: the audit line at its start says who acts for
 * whom and how, this one what they did.
 */
#include "auth/grant/grant.h"
#include "base/clock.h"
#include "base/log.h"
#include "imap/conn/conn_int.h"
#include "imap/errand.h"
#include "imap/hide.h"
#include "imap/layer.h"
#include "imap/log/audit.h"
#include "imap/log/transcript.h"
#include "net/tally.h"

static void
unref_rules(void *arg)
{
	struct imap_turn *turn = arg;

	imap_rules_unref(&turn->rules);
}

struct imap_turn *
imap_turn_new(struct imap_conn *conn)
{
	struct arena *a = arena_new(&conn->il->pool, ARENA_TURN, 192);
	struct imap_turn *turn = arena_new_object(a, struct imap_turn);

	turn->arena = a;
	turn->serial = ++conn->il->serial;
	turn->rules = conn->il->rules;
	turn->rules->refs++;
	turn->texts = turn->rules->texts;
	arena_on_free(a, unref_rules, turn);
	turn->slots = imap_slots_new(&conn->server->reg, IMAP_LIFE_TURN, a);
	imap_hides_begin(conn, turn);
	if (conn->session.stream != NULL) /* those of the previous turn may go */
		stream_set_limits(conn->session.stream, &turn->rules->stream_limits);
	return turn;
}

static const char *
ending(const struct imap_conn *conn)
{
	return conn->session.ending != NULL ? conn->session.ending : "closed";
}

/* It no longer counts; the event still takes its fields from the connection, which still has it. */
static void
end_login(struct imap_conn *conn)
{
	if (imap_login(conn) == NULL)
		return;
	imap_errands_leave(conn, false);
	imap_box_free(conn);
	audit_logout(conn, imap_login(conn), ending(conn));
}

static void
login_free(struct imap_conn *conn, struct imap_login *login)
{
	struct arena *a;

	if (login == NULL)
		return;
	transcript_end(&login->transcript, ending(conn));
	imap_layers_end(conn, login);
	while (!list_empty(&login->tellers)) /* also a command's, which may outlive it */
		list_remove(login->tellers.next);
	a = login->arena;
	arena_free(&a);
}

void
imap_turn_free(struct imap_conn *conn, struct imap_turn **tp)
{
	struct imap_turn *turn = *tp;
	struct arena *a = turn->arena;

	if (turn == conn->turn)
		end_login(conn);
	*tp = NULL;
	login_free(conn, turn->login);
	arena_free(&a);
}

static void
unref_account(void *arg)
{
	struct imap_login *login = arg;

	store_account_unref(&login->account);
}

static void
unref_grant(void *arg)
{
	struct imap_login *login = arg;

	auth_grant_unref(&login->grant);
}

static void
leave_users(void *arg)
{
	struct imap_login *login = arg;

	tally_leave(login->users, &login->user_place);
}

/* ---- logins that end with their token */

enum { END_SOONEST = 1, END_LOOK = 86400 }; /* seconds */

struct login_end {
	struct imap_conn *conn;
	struct loop_timer timer;
	int64_t at; /* by the wall clock, which may be changed meanwhile */
};

static void
look_again(struct login_end *end)
{
	int64_t left = end->at - clock_wall_s();

	if (left < END_SOONEST) /* or a command is in the middle of something */
		left = END_SOONEST;
	loop_timer_set(&end->timer, (uint64_t)(left < END_LOOK ? left : END_LOOK) * 1000);
}

static void
token_over(void *arg)
{
	struct login_end *end = arg;
	struct imap_conn *conn = end->conn;
	const struct imap_cmd *cmd = conn->cmd;

	if (conn->session.closing)
		return;
	if (end->at > clock_wall_s() || (cmd != NULL && (cmd->job != NULL || cmd->change_waits))) {
		look_again(end);
		return;
	}
	conn->session.ending = "token expired";
	imap_bye(conn, "EXPIRED", "The access token has expired");
}

static void
forget_end(void *arg)
{
	struct login_end *end = arg;

	loop_timer_clear(&end->timer);
}

static void
end_at(struct imap_conn *conn, struct arena *a, int64_t at)
{
	struct login_end *end = arena_new_object(a, struct login_end);

	end->conn = conn;
	end->at = at;
	loop_timer_init(&end->timer, conn->il->loop, token_over, end);
	look_again(end);
	arena_on_free(a, forget_end, end);
}

/* The decision holds for the whole login. */
static bool
may_unauthenticate(const struct imap_conn *conn, bool acts_for_others)
{
	int who = imap_settings(conn)->unauthenticate;

	return who == IMAP_UNAUTH_EVERYONE || (who == IMAP_UNAUTH_ADMINS && acts_for_others);
}

static struct tally_place *
count_user(
    struct imap_conn *conn, const struct imap_entry *entry, const struct imap_settings *settings)
{
	return tally_enter(
	    conn->server->users, buf_as_str(&entry->who->user), (unsigned)settings->user_logins);
}

/* Moves what was counted and what it holds to the login. */
static void
take_entry(struct imap_login *login, struct imap_entry *entry)
{
	login->user_place = entry->place;
	login->account = entry->account;
	entry->place = NULL;
	entry->account = NULL;
}

static void
take_decision(struct imap_conn *conn, struct imap_login *login, const struct auth_login *who)
{
	struct arena *a = login->arena;

	login->who = imap_work_who(conn->server, who);
	login->authcid = arena_str(a, buf_as_str(&who->authcid));
	login->user = arena_str(a, buf_as_str(&who->user));
	if (who->grant != NULL) {
		login->grant = auth_grant_ref(who->grant);
		arena_on_free(a, unref_grant, login);
	}
	login->ends = who->ends;
	if (who->ends > 0)
		end_at(conn, a, who->ends);
	login->generation = who->generation;
	login->vouched = who->vouched;
	login->authcid_vouched = who->authcid_vouched;
	login->acts_for_others = who->acts_for_others;
	login->server_admin = who->server_admin;
	login->may_unauthenticate = may_unauthenticate(conn, who->acts_for_others);
}

static void
login_begin(struct imap_conn *conn, struct imap_entry *entry)
{
	struct arena *a = arena_new(&conn->il->pool, ARENA_LOGIN, 512);
	struct imap_login *login = arena_new_object(a, struct imap_login);

	TS_ASSERT(conn->turn->login == NULL);
	login->arena = a;
	login->users = conn->server->users;
	take_entry(login, entry);
	arena_on_free(a, leave_users, login);
	list_init(&login->tellers);
	take_decision(conn, login, entry->who);
	login->spaces = conn->turn->rules->spaces;
	login->sharing = &conn->turn->rules->sharing;
	login->dialect.separator = imap_separators[imap_settings(conn)->separator][0];
	arena_on_free(a, unref_account, login);
	login->slots = imap_slots_new(&conn->server->reg, IMAP_LIFE_LOGIN, a);
	login->mechanism = arena_str(a, entry->req->mechanism);
	login->proof = entry->req->proof;
	login->strength = entry->req->layer;
	login->commands = conn->commands;
	login->bytes_in = conn->session.bytes_in;
	login->bytes_out = conn->session.bytes_out;
	login->since_ms = loop_now(conn->il->loop);
	conn->turn->login = login;
	imap_hides_look(conn);
	login->transcript = transcript_begin(conn);
	conn->il->stats.logins++;
	conn->il->stats.login_results[IMAP_LOGIN_OK]++;
	conn->failed_in_row = 0;
	if (conn->turns > 0)
		conn->il->stats.switches++;
}

bool
imap_login_open(struct imap_conn *conn, struct imap_entry *entry)
{
	entry->place = count_user(conn, entry, imap_settings(conn));
	if (entry->place == NULL)
		return false;
	login_begin(conn, entry);
	return true;
}

/* ---- a login that replaces another (PROXYAUTH) */

struct entered {
	struct imap_entry *entry;
	struct tally *users;
};

static void
give_back(void *arg)
{
	struct entered *entered = arg;

	tally_leave(entered->users, &entered->entry->place);
	store_account_unref(&entered->entry->account);
}

bool
imap_login_enter(struct imap_conn *conn, struct imap_entry *entry, struct arena *arena)
{
	struct entered *entered;

	entry->place = count_user(conn, entry, conn->il->rules->settings);
	if (entry->place == NULL)
		return false;
	entered = arena_new_object(arena, struct entered);
	*entered = (struct entered){entry, conn->server->users};
	arena_on_free(arena, give_back, entered);
	return true;
}

/*
 * Passes what was authenticated, and its origin, to the new turn; also the layers, which forget
 * what they sent.  Two transcripts cannot be written at once.
 */
static void
hand_over_login(struct imap_conn *conn, struct imap_turn *old, struct imap_entry *entry)
{
	struct imap_turn *turn = conn->turn;

	if (old->told != NULL) {
		turn->told = arena_new_object(turn->arena, struct imap_told);
		*turn->told = *old->told;
	}
	transcript_end(&old->login->transcript, ending(conn));
	login_begin(conn, entry);
	turn->login->proof = old->login->proof;
	imap_layers_move(conn, old->login, turn->login);
	audit_login(conn, entry->req);
}

struct imap_turn *
imap_turn_next(struct imap_conn *conn, struct imap_entry *entry)
{
	struct imap_turn *old = conn->turn;

	end_login(conn);
	conn->turn = imap_turn_new(conn);
	if (entry != NULL)
		hand_over_login(conn, old, entry);
	return old;
}
