/* SPDX-License-Identifier: Apache-2.0 */
/* Where connections come in. */
#include "app/server_priv.h"

#include "base/log.h"
#include "base/mem.h"

static struct imap_loop *
imap_loop_of(struct server *server, const struct loop *loop)
{
	for (unsigned i = 0; i < server->loop_count; i++)
		if (server->loops[i].loop == loop)
			return server->loops[i].il;
	TS_WRONG("a connection for a loop that is not ours");
}

static void
accepted(void *arg, struct loop *loop, int fd, const char *peer)
{
	struct server_listener *l = arg;
	struct tls_ctx *tls = l->imaps ? tls_slot_get(l->server->tls) : NULL;
	struct imap_conn *conn = imap_conn_new(imap_loop_of(l->server, loop), str_of(peer));
	struct stream *stream = stream_new(loop, fd, tls, imap_conn_events(), conn);

	tls_ctx_free(&tls);
	imap_conn_start(conn, stream, l->imaps);
}

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

	*l = (struct server_listener){
	    .server = server, .name = name, .imaps = s->tls == LISTENER_IMAPS};
	if (listener_new(&opt, &l->listener) != TS_OK) {
		if (fd >= 0)
			log_msg(LOG_ERROR, NULL,
			    "listener %.*s cannot use the socket that was handed over",
			    STR_ARG(name));
		else
			log_msg(LOG_ERROR, NULL,
			    "listener %.*s cannot use address '%s' port %u: is another server "
			    "running, "
			    "or are you not root? (listener %.*s { address; port })",
			    STR_ARG(name), opt.address, opt.port, STR_ARG(name));
		return false;
	}
	server->listener_count++;
	log_msg(LOG_INFO, NULL, "listener %.*s: %s port %u, %s", STR_ARG(name),
	    fd >= 0            ? "a socket handed over,"
	    : s->address.n > 0 ? s->address.p
	                       : "all addresses",
	    listener_port(l->listener), l->imaps ? "TLS from the start" : "STARTTLS");
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

/* On the sockets of that name that were handed over, else on one of its own. */
static bool
listen_by_name(struct server *server, struct str name, const struct listener_settings *s,
    struct server_inherited *in, struct loop **loops)
{
	int fd = server_inherited_next(in, name);

	do {
		if (server->listener_count == SERVER_LISTENERS_MAX) {
			log_msg(LOG_ERROR, NULL, "more than %d listeners", SERVER_LISTENERS_MAX);
			return false;
		}
		if (!listen_on(server, name, s, fd, loops))
			return false;
	} while (fd >= 0 && (fd = server_inherited_next(in, name)) >= 0);
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

		ok = override(server->args, blocks.p[i].name, &s) &&
		     listen_by_name(server, blocks.p[i].name, &s, &in, loops);
	}
	if (!server_inherit_end(&in))
		ok = false;
	mem_free(loops);
	return ok;
}
