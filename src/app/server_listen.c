/* SPDX-License-Identifier: Apache-2.0 */
/* Where connections come in. */
#include "app/server_priv.h"

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

/* front: what told the peer's address; NULL: nothing stands in between. */
static void
begin_imap(void *arg, struct loop *loop, int fd, const char *peer, const char *front)
{
	struct server_listener *l = arg;
	struct tls_ctx *tls = l->entrance.implicit_tls ? tls_slot_get(l->server->tls) : NULL;
	struct imap_conn *conn = imap_conn_new(loop_of(l->server, loop)->il, str_of(peer));
	struct stream *stream = stream_new(loop, fd, tls, imap_conn_events(), conn);

	tls_ctx_free(&tls);
	if (front != NULL)
		conn->front = arena_str(conn->arena, str_of(front));
	imap_conn_start(conn, stream, &l->entrance);
}

static void
begin_lmtp(void *arg, struct loop *loop, int fd, const char *peer, const char *front)
{
	struct server_listener *l = arg;
	bool implicit = l->lmtp_tls == LMTP_TLS_IMPLICIT;
	struct tls_ctx *tls = implicit ? tls_slot_get(l->server->tls) : NULL;
	struct lmtp_conn *conn = lmtp_conn_new(&loop_of(l->server, loop)->lmtp, str_of(peer));
	struct stream *stream = stream_new(loop, fd, tls, lmtp_conn_events(), conn);

	tls_ctx_free(&tls);
	stream_set_terms(stream, &l->entrance.terms);
	(void)front;
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

/* Mode and owner of a UNIX socket.  Root is not the owner where the server will not be root. */
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
	(void)app_mode_parse(s->mode, &mode); /* was checked with the configuration */
	opt->unix_owned = true;
	opt->unix_mode = (mode_t)mode;
	opt->unix_uid = pw != NULL ? pw->pw_uid : (uid_t)-1;
	opt->unix_gid = gr != NULL ? gr->gr_gid : user.n > 0 && pw != NULL ? pw->pw_gid : (gid_t)-1;
	return true;
}

/* Sessions begun at one listener do not go on at another, or after it asks for something else. */
static void
set_terms(struct server *server, struct server_listener *l, const struct listener_settings *s)
{
	struct tls_terms *terms = &l->entrance.terms;
	size_t index = (size_t)(l - server->listeners), room = sizeof(terms->context) - 2;

	terms->client = app_listener_client(server->conf, s);
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

/* s->path is empty for the port of a listener that has both. */
static bool
listen_on(struct server *server, struct str name, const struct listener_settings *s, int fd,
    struct loop **loops)
{
	struct server_listener *l = &server->listeners[server->listener_count];
	struct listener_options opt = {.address = fd >= 0            ? NULL
	                                          : s->address.n > 0 ? s->address.p
	                                                             : "",
	    .port = (uint16_t)s->port,
	    .inherited_fd = fd,
	    .loop = loops[0],
	    .loops = loops,
	    .nloops = server->loop_count,
	    .fn = accepted,
	    .arg = l};

	if (server->listener_count == SERVER_LISTENERS_MAX) {
		log_msg(LOG_ERROR, NULL, "listener %.*s: more than %d listeners", STR_ARG(name),
		    SERVER_LISTENERS_MAX);
		return false;
	}
	*l = (struct server_listener){.server = server, .name = name, .path = s->path};
	set_protocol(l, s);
	set_terms(server, l, s);
	set_door(server, l, s);
	if (s->path.n > 0 && fd < 0) {
		opt.address = NULL;
		opt.unix_path = s->path.p;
		if (!socket_owner(server, name, s, &opt))
			return false;
	}
	if (listener_new(&opt, &l->listener) != TS_OK) {
		if (fd >= 0)
			log_msg(LOG_ERROR, NULL,
			    "listener %.*s cannot use the socket that was handed over",
			    STR_ARG(name));
		else if (s->path.n > 0)
			log_msg(LOG_ERROR, NULL, "listener %.*s cannot use the path %s",
			    STR_ARG(name), s->path.p);
		else
			log_msg(LOG_ERROR, NULL,
			    "listener %.*s cannot use address '%s' port %u: is another server "
			    "running, "
			    "or are you not root? (listener %.*s { address; port })",
			    STR_ARG(name), opt.address, opt.port, STR_ARG(name));
		return false;
	}
	server->listener_count++;
	if (s->path.n > 0) {
		log_msg(LOG_INFO, NULL, "listener %.*s: %s%s", STR_ARG(name), s->path.p,
		    fd >= 0 ? ", a socket handed over" : "");
		return true;
	}
	log_msg(LOG_INFO, NULL, "listener %.*s: %s port %u, %s", STR_ARG(name),
	    fd >= 0            ? "a socket handed over,"
	    : s->address.n > 0 ? s->address.p
	                       : "all addresses",
	    listener_port(l->listener),
	    l->entrance.implicit_tls    ? "TLS from the start"
	    : s->tls == LISTENER_NO_TLS ? "no TLS"
	                                : "STARTTLS");
	return true;
}

/* --set NAME.port=N and NAME.address=A go before the file. */
static bool
override(const struct args *args, struct str name, struct listener_settings *s)
{
	const char *text;
	struct buf prefix = {0};
	bool ok = true;

	for (size_t i = 0; ok && (text = args_nth(args, "set", i)) != NULL; i++) {
		struct str word = str_of(text), key;
		uint64_t port;

		prefix.n = 0;
		buf_str(&prefix, name);
		buf_putc(&prefix, '.');
		if (!str_split(&word, '=', &key) || !str_has_prefix(key, buf_as_str(&prefix)))
			continue;
		key.p += prefix.n;
		key.n -= prefix.n;
		if (str_eq(key, STR("port")) && str_u64(word, 65535, &port)) {
			s->port = (int64_t)port;
		} else if (str_eq(key, STR("address"))) {
			s->address = word;
		} else {
			log_msg(LOG_ERROR, NULL,
			    "--set %s: it takes LISTENER.port=NUMBER or LISTENER.address=ADDRESS",
			    text);
			ok = false;
		}
	}
	buf_fini(&prefix);
	return ok;
}

/* Does every --set name a listener? */
static bool
sets_are_known(const struct args *args, struct conf_blocks blocks)
{
	const char *text;

	for (size_t i = 0; (text = args_nth(args, "set", i)) != NULL; i++) {
		struct str word = str_of(text), name;
		bool known = false;

		str_split(&word, '.', &name);
		for (size_t b = 0; b < blocks.n; b++)
			known |= str_eq(blocks.p[b].name, name);
		if (!known) {
			log_msg(LOG_ERROR, NULL,
			    "--set %s: there is no listener %.*s in the configuration", text,
			    STR_ARG(name));
			return false;
		}
	}
	return true;
}

struct listen_how {
	struct server_inherited *in;
	struct loop **loops;
	bool is_unix;
	bool own; /* if none was handed over */
};

/* On the sockets of that name and kind that were handed over, else on one of its own. */
static bool
listen_by_name(struct server *server, struct str name, const struct listener_settings *s,
    struct listen_how how)
{
	int fd = server_inherited_next(how.in, name, how.is_unix);

	if (fd < 0 && !how.own)
		return true;
	do {
		if (!listen_on(server, name, s, fd, how.loops))
			return false;
	} while (fd >= 0 && (fd = server_inherited_next(how.in, name, how.is_unix)) >= 0);
	return true;
}

bool
server_listen(struct server *server)
{
	static const struct listener_settings imap = {.port = 143, .tls = LISTENER_STARTTLS},
	                                      imaps = {.port = 993, .tls = LISTENER_IMAPS};
	static const struct conf_block none[] = {
	    {.name = {"imap", 4}, .settings = &imap}, {.name = {"imaps", 5}, .settings = &imaps}};
	struct conf_blocks blocks = conf_blocks(server->conf, &listener_conf);
	struct loop **loops = mem_zalloc(server->loop_count * sizeof(struct loop *));
	struct server_inherited in;
	bool ok;

	server_inherit(&in);
	for (unsigned i = 0; i < server->loop_count; i++)
		loops[i] = server->loops[i].loop;
	if (blocks.n == 0)
		blocks = (struct conf_blocks){none, 2};
	ok = sets_are_known(server->args, blocks);
	for (size_t i = 0; ok && i < blocks.n; i++) {
		struct listener_settings s =
		    *(const struct listener_settings *)blocks.p[i].settings;

		bool has_port =
		    blocks.p == none || app_listener_has_port(server->conf, blocks.p[i].settings);

		ok = override(server->args, blocks.p[i].name, &s) &&
		     listen_by_name(server, blocks.p[i].name, &s,
		         (struct listen_how){&in, loops, true, s.path.n > 0});
		s.path = STR_NONE;
		ok = ok && listen_by_name(server, blocks.p[i].name, &s,
		               (struct listen_how){&in, loops, false, has_port});
	}
	if (!server_inherit_end(&in))
		ok = false;
	mem_free(loops);
	return ok;
}
