/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting connections. */
#include "server/server_int.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "imap/settings.h"

static struct server_loop *
loop_of(struct server *server, const struct loop *loop)
{
	for (unsigned i = 0; i < server->loop_count; i++)
		if (server->loops[i].loop == loop)
			return &server->loops[i];
	TS_WRONG("a connection for a loop that is not ours");
}

/* front: who passed on the peer's address; NULL: a direct connection. */
static void
begin_imap(void *arg, struct loop *loop, int fd, const char *peer, const char *front)
{
	struct server_listener *l = arg;
	struct tls_ctx *tls = l->entrance.implicit_tls ? tls_slot_get(l->server->tls) : NULL;
	struct imap_conn *conn = imap_conn_new(loop_of(l->server, loop)->il, str_of(peer), front);
	struct stream *stream = stream_new(loop, fd, tls, imap_conn_events(), conn);

	tls_ctx_free(&tls);
	imap_conn_start(conn, stream, &l->entrance);
}

static void
begin_lmtp(void *arg, struct loop *loop, int fd, const char *peer, const char *front)
{
	struct server_listener *l = arg;
	bool implicit = l->lmtp_tls == LMTP_TLS_IMPLICIT;
	struct tls_ctx *tls = implicit ? tls_slot_get(l->server->tls) : NULL;
	struct lmtp_conn *conn =
	    lmtp_conn_new(&loop_of(l->server, loop)->lmtp, str_of(peer), front);
	struct stream *stream = stream_new(loop, fd, tls, lmtp_conn_events(), conn);

	tls_ctx_free(&tls);
	stream_set_terms(stream, &l->entrance.terms);
	lmtp_conn_start(conn, stream, l->lmtp_tls);
}

static void
accepted(void *arg, struct loop *loop, int fd, const char *peer)
{
	struct server_listener *l = arg;

	if (l->door.n > 0)
		proxy_wait(&l->door, &loop_of(l->server, loop)->waiting, loop, fd, peer);
	else
		l->door.fn(l, loop, fd, peer, NULL);
}

/* Mode and owner of a UNIX socket.  The owner is not root if the server will not run as root. */
static bool
socket_owner(struct server *server, struct str name, const struct listener_settings *s,
    struct listener_options *opt)
{
	struct str user = geteuid() == 0 ? server_settings_of(server)->user : STR_NONE;
	struct str owner = s->owner.n > 0 ? s->owner : user;
	const struct passwd *pw = owner.n > 0 ? getpwnam(owner.p) : NULL;
	const struct group *gr = s->group.n > 0 ? getgrnam(s->group.p) : NULL;
	unsigned mode = 0;

	if ((owner.n > 0 && pw == NULL) || (s->group.n > 0 && gr == NULL)) {
		log_msg(LOG_ERROR, NULL, "listener %.*s: there is no %s %s", STR_ARG(name),
		    owner.n > 0 && pw == NULL ? "user" : "group",
		    owner.n > 0 && pw == NULL ? owner.p : s->group.p);
		return false;
	}
	(void)settings_parse_mode(s->mode, &mode); /* checked with the configuration */
	opt->unix_owned = true;
	opt->unix_mode = (mode_t)mode;
	opt->unix_uid = pw != NULL ? pw->pw_uid : (uid_t)-1;
	opt->unix_gid = gr != NULL ? gr->gr_gid : user.n > 0 && pw != NULL ? pw->pw_gid : (gid_t)-1;
	return true;
}

/* TLS sessions cannot be resumed at another listener, or after this one's terms have changed. */
static void
set_terms(struct server *server, struct server_listener *l, const struct listener_settings *s)
{
	struct tls_terms *terms = &l->entrance.terms;
	size_t index = (size_t)(l - server->listeners), room = sizeof(terms->context) - 2;

	terms->client = settings_listener_client(server->conf, s);
	terms->context[0] = (unsigned char)('0' + terms->client);
	terms->context[1] = (unsigned char)('0' + index);
	memcpy(terms->context + 2, l->name.p, l->name.n < room ? l->name.n : room);
}

static void
set_door(struct server *server, struct server_listener *l, const struct listener_settings *s)
{
	const struct imap_settings *imap = conf_get(server->conf, &imap_conf);

	l->front = mem_zalloc((s->proxy_from.n + 1) * sizeof(*l->front));
	for (size_t i = 0; i < s->proxy_from.n; i++)
		(void)net_network_parse(s->proxy_from.items[i], &l->front[i]);
	l->door = (struct proxy_door){.name = l->name,
	    .from = l->front,
	    .n = s->proxy_from.n,
	    .ms = (uint32_t)imap->handshake_time,
	    .fn = s->protocol == LISTENER_LMTP ? begin_lmtp : begin_imap,
	    .arg = l};
}

static void
set_protocol(struct server_listener *l, const struct listener_settings *s)
{
	l->entrance.implicit_tls = s->tls == LISTENER_IMAPS;
	l->entrance.preauth = s->preauth != 0;
	l->lmtp = s->protocol == LISTENER_LMTP;
	l->lmtp_tls = s->path.n > 0 || s->tls == LISTENER_NO_TLS ? LMTP_TLS_NONE
	              : l->entrance.implicit_tls                 ? LMTP_TLS_IMPLICIT
	                                                         : LMTP_TLS_STARTTLS;
}

static void
log_bound(const struct server_listener *l, const struct listener_settings *s, bool handed_over)
{
	if (s->path.n > 0) {
		log_msg(LOG_INFO, NULL, "listener %.*s: %s%s", STR_ARG(l->name), s->path.p,
		    handed_over ? ", a socket handed over" : "");
		return;
	}
	log_msg(LOG_INFO, NULL, "listener %.*s: %s port %u, %s", STR_ARG(l->name),
	    handed_over        ? "a socket handed over,"
	    : s->address.n > 0 ? s->address.p
	                       : "all addresses",
	    listener_port(l->listener),
	    l->entrance.implicit_tls    ? "TLS from the start"
	    : s->tls == LISTENER_NO_TLS ? "no TLS"
	                                : "STARTTLS");
}

static void
log_fault(const struct server *server, const struct settings_listener *al,
    const struct listener_settings *s, const struct buf *why)
{
	struct buf where = {0};

	if (!settings_listener_blame(
	        server->conf, al, s->path.n > 0 ? "path" : "port address", &where))
		buf_printf(&where, "listener %.*s", STR_ARG(al->name));
	log_msg(LOG_ERROR, NULL, "%s: %.*s", buf_cstr(&where), STR_ARG(buf_as_str(why)));
	buf_fini(&where);
}

/* One socket of a listener; s->path is empty for the port of a listener that has both. */
struct listen_how {
	struct server_inherited *in;
	struct loop **loops;
	const struct listener_settings *s;
	bool is_unix;
	bool own; /* if none was passed in */
};

static bool
listen_on(
    struct server *server, const struct settings_listener *al, const struct listen_how *how, int fd)
{
	const struct listener_settings *s = how->s;
	struct server_listener *l = &server->listeners[server->listener_count];
	struct listener_options opt = {.address = fd >= 0            ? NULL
	                                          : s->address.n > 0 ? s->address.p
	                                                             : "",
	    .port = (uint16_t)s->port,
	    .inherited_fd = fd,
	    .loop = how->loops[0],
	    .loops = how->loops,
	    .nloops = server->loop_count,
	    .fn = accepted,
	    .arg = l};
	struct buf why = {0};
	bool ok;

	if (server->listener_count == SERVER_LISTENERS_MAX) {
		log_msg(LOG_ERROR, NULL, "listener %.*s: more than %d sockets to listen on",
		    STR_ARG(al->name), SERVER_LISTENERS_MAX);
		return false;
	}
	*l = (struct server_listener){.server = server, .name = al->name, .path = s->path};
	set_protocol(l, s);
	set_terms(server, l, s);
	set_door(server, l, s);
	if (s->path.n > 0 && fd < 0) {
		opt.address = NULL;
		opt.unix_path = s->path.p;
		if (!socket_owner(server, al->name, s, &opt))
			return false;
	}
	ok = listener_new(&opt, &why, &l->listener) == TS_OK;
	if (ok) {
		server->listener_count++;
		log_bound(l, s, fd >= 0);
	} else {
		log_fault(server, al, s, &why);
	}
	buf_fini(&why);
	return ok;
}

/* Listens on the sockets of that name and kind that were passed in, or else on one of its own. */
static bool
listen_by_name(
    struct server *server, const struct settings_listener *al, const struct listen_how *how)
{
	int fd = server_inherited_next(how->in, al->name, how->is_unix);

	if (fd < 0 && !how->own)
		return true;
	do {
		if (!listen_on(server, al, how, fd))
			return false;
	} while (fd >= 0 && (fd = server_inherited_next(how->in, al->name, how->is_unix)) >= 0);
	return true;
}

static bool
listen_both(struct server *server, const struct settings_listener *al, struct listen_how how)
{
	struct listener_settings s = al->s;

	how.s = &s;
	how.is_unix = true;
	how.own = s.path.n > 0;
	if (!listen_by_name(server, al, &how))
		return false;
	s.path = STR_NONE;
	how.is_unix = false;
	how.own = al->has_port;
	return listen_by_name(server, al, &how);
}

bool
server_listen(struct server *server)
{
	struct loop **loops = mem_zalloc(server->loop_count * sizeof(struct loop *));
	struct server_inherited in;
	struct settings_listener *list;
	struct buf faults = {0}; /* reported by config_check() */
	size_t n;
	bool ok;

	server_inherit(&in);
	for (unsigned i = 0; i < server->loop_count; i++)
		loops[i] = server->loops[i].loop;
	ok = settings_listeners(server->conf, server->args, &faults, &list, &n);
	for (size_t i = 0; ok && i < n; i++)
		ok = listen_both(server, &list[i], (struct listen_how){.in = &in, .loops = loops});
	if (!server_inherit_end(&in))
		ok = false;
	mem_free(list);
	mem_free(loops);
	buf_fini(&faults);
	return ok;
}
