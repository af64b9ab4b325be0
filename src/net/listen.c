/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners, see listen.h. */
#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/loop_int.h"

enum {
	ACCEPT_BURST = 64, /* connections accepted before others have their turn */
	REST_MS = 200,     /* out of descriptors: until the next try */
};

struct listener {
	struct listener_options o;
	struct loop **loops;
	size_t next;
	int fd;
	bool resting; /* and has said so */
	char *unix_path;
	struct loop_timer rest;
	uv_poll_t poll;
};

struct handover {
	struct loop_task task;
	struct loop *loop;
	listener_accept_f *fn;
	void *arg;
	int fd;
	char peer[INET6_ADDRSTRLEN];
};

static void
on_handover(struct loop_task *task)
{
	struct handover *h = (struct handover *)(void *)task;

	h->fn(h->arg, h->loop, h->fd, h->peer);
	mem_free(h);
}

static void
peer_text(const struct sockaddr_storage *from, char *text, socklen_t size)
{
	const struct sockaddr_in *v4 = (const void *)from;
	const struct sockaddr_in6 *v6 = (const void *)from;
	const void *mapped = &v6->sin6_addr.s6_addr[12];

	text[0] = '\0';
	if (from->ss_family == AF_INET)
		(void)inet_ntop(AF_INET, &v4->sin_addr, text, size);
	else if (from->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		(void)inet_ntop(AF_INET, mapped, text, size);
	else if (from->ss_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &v6->sin6_addr, text, size);
	else
		memcpy(text, "unix", 5);
}

static void
hand_over(struct listener *l, int fd, const struct sockaddr_storage *from)
{
	struct handover *h = mem_zalloc(sizeof(*h));

	h->task.fn = on_handover;
	h->loop = l->loops[l->next];
	h->fn = l->o.fn;
	h->arg = l->o.arg;
	h->fd = fd;
	peer_text(from, h->peer, sizeof(h->peer));
	l->next = (l->next + 1) % l->o.nloops;
	loop_post(h->loop, &h->task);
}

static void
rest(struct listener *l, int why)
{
	if (!l->resting)
		log_msg(LOG_WARNING, NULL, "connections wait: cannot accept: %s", strerror(why));
	l->resting = true;
	(void)uv_poll_stop(&l->poll);
	loop_timer_set(&l->rest, REST_MS);
}

static void
on_poll(uv_poll_t *handle, int status, int events)
{
	struct listener *l = handle->data;

	(void)events;
	loop_tick(l->o.loop);
	for (int i = 0; i < ACCEPT_BURST; i++) {
		struct sockaddr_storage from = {0};
		socklen_t size = sizeof(from);
		int fd =
		    accept4(l->fd, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			l->resting = false;
			hand_over(l, fd, &from);
		} else if (errno == EAGAIN && status >= 0) {
			return;
		} else if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) {
			/* EMFILE and its like; or what nobody has heard of: no spinning. */
			rest(l, errno);
			return;
		}
	}
}

static void
on_rested(void *arg)
{
	struct listener *l = arg;

	(void)uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

/* A socket that nobody listens on any more is what a killed server left behind. */
static void
remove_stale(const struct sockaddr_un *un)
{
	struct stat st;
	int fd;

	if (lstat(un->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)un, sizeof(*un)) != 0 && errno == ECONNREFUSED)
		(void)unlink(un->sun_path);
	(void)close(fd);
}

/* Before listen(): nobody can connect yet. */
static bool
give_unix(const char *path, const struct listener_options *o)
{
	return !o->unix_owned ||
	       (chown(path, o->unix_uid, o->unix_gid) == 0 && chmod(path, o->unix_mode) == 0);
}

static enum ts_err
open_unix(const struct listener_options *o, int backlog, int *fd_r)
{
	const char *path = o->unix_path;
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(un.sun_path))
		return TS_FAIL(TS_INVALID, "socket path %s is too long", path);
	memcpy(un.sun_path, path, strlen(path) + 1);
	remove_stale(&un);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) != 0 || !give_unix(path, o) ||
	    listen(fd, backlog) != 0) {
		int why = errno;

		if (fd >= 0)
			(void)close(fd);
		return TS_FAIL(TS_IO, "cannot listen on %s: %s", path, strerror(why));
	}
	*fd_r = fd;
	return TS_OK;
}

static int
bind_and_listen(const struct addrinfo *ai, bool all, int backlog)
{
	int on = 1, only6 = all ? 0 : 1, why;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof(only6));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, backlog) == 0)
		return fd;
	why = errno;
	(void)close(fd);
	errno = why;
	return -1;
}

static enum ts_err
open_tcp(const struct listener_options *o, int backlog, int *fd_r)
{
	bool all = o->address[0] == '\0' || strcmp(o->address, "*") == 0;
	struct addrinfo hints = {
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	/* A machine may have no IPv6 at all. */
	const char *const tries[] = {all ? "::" : o->address, all ? "0.0.0.0" : NULL};
	char port[8];
	int fd = -1;

	(void)snprintf(port, sizeof(port), "%u", o->port);
	for (size_t i = 0; i < 2 && fd < 0 && tries[i] != NULL; i++) {
		struct addrinfo *ai = NULL;
		int code = getaddrinfo(tries[i], port, &hints, &ai);

		if (code != 0)
			return TS_FAIL(TS_INVALID, "%s is not an address to listen on: %s",
			    o->address, gai_strerror(code));
		fd = bind_and_listen(ai, all, backlog);
		freeaddrinfo(ai);
	}
	if (fd < 0)
		return TS_FAIL(TS_IO, "cannot listen on %s port %s: %s",
		    all ? "any address" : o->address, port, strerror(errno));
	*fd_r = fd;
	return TS_OK;
}

static enum ts_err
take_inherited(int fd, int *fd_r)
{
	int listening = 0;
	socklen_t size = sizeof(listening);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0)
		return TS_FAIL(TS_INVALID, "descriptor %d is not a listening socket", fd);
	*fd_r = fd;
	return TS_OK;
}

enum ts_err
listener_new(const struct listener_options *o, struct listener **listener_r)
{
	int backlog = o->backlog > 0 ? o->backlog : SOMAXCONN, fd = -1;
	struct listener *l;
	enum ts_err err;

	*listener_r = NULL;
	TS_ASSERT(o->nloops > 0 && o->fn != NULL && !o->loop->fake);
	if (o->address != NULL)
		err = open_tcp(o, backlog, &fd);
	else if (o->unix_path != NULL)
		err = open_unix(o, backlog, &fd);
	else
		err = take_inherited(o->inherited_fd, &fd);
	if (err != TS_OK)
		return err;
	l = mem_zalloc(sizeof(*l));
	l->o = *o;
	l->fd = fd;
	l->loops = mem_dup(o->loops, o->nloops * sizeof(struct loop *));
	if (o->address == NULL && o->unix_path != NULL)
		l->unix_path = mem_strdup(o->unix_path);
	loop_timer_init(&l->rest, o->loop, on_rested, l);
	if (uv_poll_init_socket(&o->loop->uv, &l->poll, fd) != 0)
		TS_WRONG("cannot watch a listening socket");
	l->poll.data = l;
	(void)uv_poll_start(&l->poll, UV_READABLE, on_poll);
	o->loop->users++;
	*listener_r = l;
	return TS_OK;
}

uint16_t
listener_port(const struct listener *l)
{
	struct sockaddr_storage at = {0};
	socklen_t size = sizeof(at);
	const struct sockaddr_in *v4 = (const void *)&at;
	const struct sockaddr_in6 *v6 = (const void *)&at;

	if (getsockname(l->fd, (struct sockaddr *)&at, &size) != 0)
		return 0;
	if (at.ss_family == AF_INET)
		return ntohs(v4->sin_port);
	return at.ss_family == AF_INET6 ? ntohs(v6->sin6_port) : 0;
}

static void
on_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;

	l->o.loop->users--;
	mem_free(l->loops);
	mem_free(l->unix_path);
	mem_free(l);
}

void
listener_close(struct listener **listener)
{
	struct listener *l = *listener;

	*listener = NULL;
	if (l == NULL)
		return;
	loop_timer_clear(&l->rest);
	if (l->unix_path != NULL)
		(void)unlink(l->unix_path);
	uv_close((uv_handle_t *)&l->poll, on_closed);
	(void)close(l->fd);
}
