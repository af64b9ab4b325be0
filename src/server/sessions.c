/* SPDX-License-Identifier: Apache-2.0 */
/* Listing and ending connections from outside: each loop handles its own. */
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "control/rows.h"
#include "server/server_int.h"

/* "10.0.0.1" of "10.0.0.1:4711", "::1" of "[::1]:4711": the host, not the connection. */
static struct str
host_of(struct str address)
{
	const char *colon = str_chr(address, ':');
	const char *end;

	if (address.n > 0 && address.p[0] == '[') {
		end = str_chr(address, ']');
		return end != NULL ? str_range(address.p + 1, end) : address;
	}
	if (colon == NULL)
		return address;
	end = address.p + address.n;
	return str_chr(str_range(colon + 1, end), ':') == NULL ? str_range(address.p, colon)
	                                                       : address;
}

struct visit {
	struct loop_task task;
	struct imap_loop *il;
	const struct server_sessions *which;
	struct buf *rows;  /* a row for each; or */
	struct buf *users; /* the user's hash for each login; both NULL: end them */
	const char *text;
	uint64_t count;
	sem_t done;
};

static bool
is_from(struct str peer, struct str address)
{
	struct str rest = peer;

	if (!str_has_prefix(peer, address))
		return false;
	rest.p += address.n;
	rest.n -= address.n;
	/* A port may follow; [::1]:143 has brackets. */
	return rest.n == 0 ||
	       (rest.p[0] == ':' && memchr(rest.p + 1, ':', rest.n - 1) == NULL &&
	           (memchr(address.p, ':', address.n) == NULL || address.p[address.n - 1] == ']'));
}

static bool
matches(const struct imap_conn *conn, const struct server_sessions *which)
{
	const struct imap_login *login = imap_login(conn);

	if (conn->session.closing || (which->id != 0 && conn->session.id != which->id))
		return false;
	if (which->address.n > 0 && !is_from(imap_client_address(conn), which->address))
		return false;
	return which->user.n == 0 || (login != NULL && (str_eq(login->user, which->user) ||
	                                                   str_eq(login->authcid, which->user)));
}

static const char *
state_word(const struct imap_conn *conn)
{
	switch (imap_state(conn)) {
	case IMAP_AUTH:
		return "authenticated";
	case IMAP_SELECTED:
		return "selected";
	default:
		return "not authenticated";
	}
}

static void
put_row(const struct imap_conn *conn, struct buf *out)
{
	const struct imap_login *login = imap_login(conn);
	const struct imap_box *box = imap_box(conn);
	uint64_t now = loop_now(conn->il->loop);

	row_u64(out, "id", conn->session.id);
	row_str(out, "address", imap_client_address(conn));
	row_str(out, "host", host_of(imap_client_address(conn)));
	row_str(out, "user", login != NULL ? login->user : STR(""));
	row_str(out, "login", login != NULL ? login->authcid : STR(""));
	row_str(out, "state", str_of(state_word(conn)));
	row_str(out, "mailbox", box != NULL ? box->name : STR(""));
	row_u64(out, "seconds", (now - conn->session.since_ms) / 1000);
	row_u64(out, "idle_seconds", (now - conn->session.heard_ms) / 1000);
	row_u64(out, "login_seconds", login != NULL ? (now - login->since_ms) / 1000 : 0);
	row_bool(out, "tls", conn->session.stream != NULL && stream_is_tls(conn->session.stream));
	row_u64(out, "commands", conn->commands);
	row_str(out, "client", conn->id_name);
	row_end(out);
}

static void
put_user_hash(const struct imap_conn *conn, struct buf *out)
{
	const struct imap_login *login = imap_login(conn);

	if (login != NULL)
		buf_le64(out, XXH3_64bits(login->user.p, login->user.n));
}

static void
visit_loop(struct loop_task *task)
{
	struct visit *v = (struct visit *)(void *)task;
	struct imap_conn *conn;

	LIST_EACH (conn, &v->il->sessions.list, session.link) {
		if (!matches(conn, v->which))
			continue;
		v->count++;
		if (v->rows != NULL)
			put_row(conn, v->rows);
		else if (v->users != NULL)
			put_user_hash(conn, v->users);
		else
			imap_bye(conn, NULL, v->text);
	}
	sem_post(&v->done);
}

static uint64_t
visit_all(struct server *server, const struct visit *how)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < server->loop_count; i++) {
		struct visit v = *how;

		v.task.fn = visit_loop;
		v.il = server->loops[i].il;

		sem_init(&v.done, 0, 0);
		loop_post(server->loops[i].loop, &v.task);
		while (sem_wait(&v.done) != 0)
			;
		sem_destroy(&v.done);
		sum += v.count;
	}
	return sum;
}

void
server_who(struct server *server, const struct server_sessions *which, struct buf *out)
{
	(void)visit_all(server, &(struct visit){.which = which, .rows = out});
}

uint64_t
server_kick(struct server *server, const struct server_sessions *which, const char *text)
{
	return visit_all(server, &(struct visit){.which = which, .text = text});
}

static int
by_hash(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(uint64_t));
}

void
server_count_users(struct server *server, uint64_t *logins_r, uint64_t *users_r)
{
	static const struct server_sessions all;
	struct buf users = {0};
	size_t step = sizeof(uint64_t);

	(void)visit_all(server, &(struct visit){.which = &all, .users = &users});
	*logins_r = users.n / step;
	*users_r = users.n > 0;
	if (users.n > 0)
		qsort(users.p, users.n / step, step, by_hash);
	for (size_t i = step; i < users.n; i += step)
		*users_r += memcmp(users.p + i, users.p + i - step, step) != 0;
	buf_fini(&users);
}
