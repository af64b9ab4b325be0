/* SPDX-License-Identifier: Apache-2.0 */
/* Connections seen and ended from outside: each loop looks at its own. */
#include <semaphore.h>

#include "app/rows.h"
#include "app/server_priv.h"

struct visit {
	struct loop_task task;
	struct imap_loop *il;
	const struct server_sessions *which;
	struct buf *rows; /* NULL: end them */
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
	/* The port stands behind it, or nothing; [::1]:143 in brackets. */
	return rest.n == 0 ||
	       (rest.p[0] == ':' && memchr(rest.p + 1, ':', rest.n - 1) == NULL &&
	           (memchr(address.p, ':', address.n) == NULL || address.p[address.n - 1] == ']'));
}

static bool
matches(const struct imap_conn *conn, const struct server_sessions *which)
{
	const struct imap_login *login = imap_login(conn);

	if (conn->closing || (which->id != 0 && conn->id != which->id))
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

	row_u64(out, "id", conn->id);
	row_str(out, "address", imap_client_address(conn));
	row_str(out, "user", login != NULL ? login->user : STR(""));
	row_str(out, "login", login != NULL ? login->authcid : STR(""));
	row_str(out, "state", str_of(state_word(conn)));
	row_str(out, "mailbox", box != NULL ? box->name : STR(""));
	row_u64(out, "seconds", (now - conn->since_ms) / 1000);
	row_u64(out, "login_seconds", login != NULL ? (now - login->since_ms) / 1000 : 0);
	row_bool(out, "tls", conn->stream != NULL && stream_is_tls(conn->stream));
	row_u64(out, "commands", conn->commands);
	row_str(out, "client", conn->id_name);
	row_end(out);
}

static void
visit_loop(struct loop_task *task)
{
	struct visit *v = (struct visit *)(void *)task;
	struct imap_conn *conn;

	LIST_EACH (conn, &v->il->conns, link) {
		if (!matches(conn, v->which))
			continue;
		v->count++;
		if (v->rows != NULL)
			put_row(conn, v->rows);
		else
			imap_bye(conn, NULL, v->text);
	}
	sem_post(&v->done);
}

static uint64_t
visit_all(
    struct server *server, const struct server_sessions *which, struct buf *rows, const char *text)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < server->loop_count; i++) {
		struct visit v = {.task.fn = visit_loop,
		    .il = server->loops[i].il,
		    .which = which,
		    .rows = rows,
		    .text = text};

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
	(void)visit_all(server, which, out, NULL);
}

uint64_t
server_kick(struct server *server, const struct server_sessions *which, const char *text)
{
	return visit_all(server, which, NULL, text);
}
