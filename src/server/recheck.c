/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends logins that are no longer permitted: their grant was removed, has expired or no longer
 * covers them; a user was disabled or removed.
 *
 * Each loop lists its logins.  This code then asks auth about each of them, not on a loop, since
 * that may read records; and the loops end those that must go.  Logins that need a database that
 * waits for others (a directory) come later, one at a time.  Whoever logged in since the change has
 * a newer generation than the one taken at the beginning and is left alone.  So a connection's id
 * is enough to identify a login, even if its user has changed meanwhile.
 */
#include <semaphore.h>
#include <stdlib.h>

#include "auth/grants.h"
#include "auth/user/hash.h"
#include "base/log.h"
#include "server/server_int.h"

void
server_suspect(struct server_suspects *suspects, struct str user)
{
	uint64_t hash = auth_hash(user);

	suspects->any = true;
	suspects->all |= user.n == 0;
	suspects->bits[hash / 64 % 64] |= 1ULL << hash % 64;
}

static bool
is_suspect(const struct server_suspects *suspects, struct str user)
{
	uint64_t hash = auth_hash(user);

	return suspects->all || (suspects->bits[hash / 64 % 64] & 1ULL << hash % 64) != 0;
}

struct entry { /* a login */
	uint64_t id;
	struct auth_session session;
	struct auth_grant *grant; /* the session's, with a reference; or NULL */
	bool slow;                /* its database waits for others */
	const char *why;          /* why it must end; NULL: it may stay */
};

struct server_recheck {
	struct server *server;
	struct server_suspects suspects;
	uint64_t generation;
	struct arena *arena;
	struct buf entries; /* an array of struct entry, sorted by id */
	size_t at;          /* the next slow one to check */
	uint64_t ended;
};

struct visit {
	struct loop_task task;
	struct server_recheck *r;
	struct imap_loop *il;
	void (*each)(struct server_recheck *r, struct imap_conn *conn);
	sem_t done;
};

static bool
is_old(const struct server_recheck *r, const struct imap_conn *conn)
{
	return !conn->session.closing && imap_login(conn) != NULL &&
	       imap_login(conn)->generation < r->generation;
}

static void
note_conn(struct server_recheck *r, struct imap_conn *conn)
{
	const struct imap_login *login = imap_login(conn);
	struct entry e = {.id = conn->session.id};

	if (!is_old(r, conn) ||
	    (!is_suspect(&r->suspects, login->authcid) && !is_suspect(&r->suspects, login->user)))
		return;
	e.grant = login->grant != NULL ? auth_grant_ref(login->grant) : NULL;
	e.session = (struct auth_session){.authcid = arena_str(r->arena, login->authcid),
	    .user = arena_str(r->arena, login->user),
	    .grant = e.grant,
	    .vouched = login->vouched,
	    .authcid_vouched = login->authcid_vouched};
	buf_put(&r->entries, &e, sizeof(e));
}

static int
by_conn_id(const void *a, const void *b)
{
	uint64_t x = ((const struct entry *)a)->id, y = ((const struct entry *)b)->id;

	return (x > y) - (x < y);
}

static void
end_one(struct server_recheck *r, struct imap_conn *conn)
{
	struct entry key = {.id = conn->session.id};
	const struct entry *e;

	if (!is_old(r, conn))
		return;
	e = bsearch(&key, r->entries.p, r->entries.n / sizeof(key), sizeof(key), by_conn_id);
	if (e == NULL || e->why == NULL)
		return;
	conn->session.ending = "no longer permitted";
	imap_bye(conn, NULL, e->why);
	r->ended++;
}

static void
visit_loop(struct loop_task *task)
{
	struct visit *v = (struct visit *)(void *)task;
	struct imap_conn *conn;

	LIST_EACH (conn, &v->il->sessions.list, session.link)
		v->each(v->r, conn);
	sem_post(&v->done);
}

/* Visits one loop after another, so that what they touch needs no lock. */
static void
visit_all(struct server_recheck *r, void (*each)(struct server_recheck *r, struct imap_conn *conn))
{
	for (unsigned i = 0; i < r->server->loop_count; i++) {
		struct visit v = {
		    .task.fn = visit_loop, .r = r, .il = r->server->loops[i].il, .each = each};

		sem_init(&v.done, 0, 0);
		loop_post(r->server->loops[i].loop, &v.task);
		while (sem_wait(&v.done) != 0)
			;
		sem_destroy(&v.done);
	}
}

static struct entry *
entries_of(const struct server_recheck *r, size_t *n_r)
{
	*n_r = r->entries.n / sizeof(struct entry);
	return (struct entry *)(void *)r->entries.p;
}

static void
look_at(struct server_recheck *r, struct entry *e, bool may_wait)
{
	const char *why = NULL;
	enum ts_err err = auth_recheck(r->server->auth, &e->session, may_wait, &why);

	e->why = err == TS_DENIED ? why : NULL;
	e->slow = err == TS_CONDITION;
}

static void
end_those(struct server_recheck *r)
{
	uint64_t before = r->ended;

	visit_all(r, end_one);
	if (r->ended > before)
		log_msg(LOG_INFO, "auth", "ended %llu logins that are no longer permitted",
		    (unsigned long long)(r->ended - before));
}

struct server_recheck *
server_recheck_new(struct server *server, const struct server_suspects *suspects)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct server_recheck *r = arena_new_object(arena, struct server_recheck);
	struct entry *entries;
	size_t n, going = 0;

	r->server = server;
	r->suspects = *suspects;
	r->generation = auth_generation(server->auth);
	r->arena = arena;
	visit_all(r, note_conn);
	entries = entries_of(r, &n);
	if (n > 0)
		qsort(entries, n, sizeof(*entries), by_conn_id);
	for (size_t i = 0; i < n; i++) {
		look_at(r, &entries[i], false);
		going += entries[i].why != NULL;
	}
	if (going > 0)
		end_those(r);
	return r;
}

bool
server_recheck_step(struct server_recheck *r)
{
	size_t n;
	struct entry *entries = entries_of(r, &n);

	while (r->at < n && !entries[r->at].slow)
		r->at++;
	if (r->at == n)
		return false;
	look_at(r, &entries[r->at], true);
	if (entries[r->at].why != NULL)
		end_those(r);
	r->at++;
	return true;
}

const struct server_suspects *
server_recheck_of(const struct server_recheck *r)
{
	return &r->suspects;
}

void
server_recheck_free(struct server_recheck **rp)
{
	struct server_recheck *r = *rp;
	struct entry *entries;
	struct arena *arena;
	size_t n;

	*rp = NULL;
	if (r == NULL)
		return;
	entries = entries_of(r, &n);
	for (size_t i = 0; i < n; i++)
		auth_grant_unref(&entries[i].grant);
	buf_fini(&r->entries);
	arena = r->arena;
	arena_free(&arena);
}

uint64_t
server_recheck(struct server *server)
{
	struct server_suspects all = {.any = true, .all = true};
	struct server_recheck *r = server_recheck_new(server, &all);
	uint64_t ended = r->ended;

	server_recheck_free(&r);
	return ended;
}
