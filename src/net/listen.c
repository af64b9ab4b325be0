/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners, see listen.h. */
#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/loop_int.h"

enum {
	ACCEPT_BURST = 64, /* connections accepted before others get a turn */
	REST_MS = 200,     /* pause when out of descriptors */
};

struct listener {
	struct listener_options o;
	struct loop **loops;
	size_t next;
	int fd;
	bool resting; /* and has logged it */
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
accept_waiting(uv_poll_t *handle, int status, int events)
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
			/* EMFILE and the like, or an unknown error: do not spin. */
			rest(l, errno);
			return;
		}
	}
}

static void
on_rested(void *arg)
{
	struct listener *l = arg;

	(void)uv_poll_start(&l->poll, UV_READABLE, accept_waiting);
}

/* Removes a socket that nobody listens on: a killed server left it. */
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

static enum ts_err
fail_with(struct buf *why, enum ts_err err, const struct buf *text)
{
	if (why == NULL)
		return TS_FAIL(err, "%.*s", STR_ARG(buf_as_str(text)));
	buf_str(why, buf_as_str(text));
	return err;
}

/* Returns what the system's error means, and what to do about it. */
static const char *
advice(int code, bool is_unix)
{
	switch (code) {
	case EADDRINUSE:
		return is_unix ? "it is in use by another program, or there is a file of that name"
		               : "the port is in use by another program (`ss -ltnp` names it)";
	case EACCES:
	case EPERM:
		return is_unix ? "permission denied: the folder must be one that this user may "
		                 "write to"
		               : "permission denied: ports below 1024 need root, the capability "
		                 "CAP_NET_BIND_SERVICE, or a socket handed over by systemd";
	case EADDRNOTAVAIL:
		return "no interface of this machine has the address";
	case EAFNOSUPPORT:
		return "this machine has no addresses of that family";
	case ENOENT:
		return "its folder does not exist";
	default:
		return strerrordesc_np(code);
	}
}

const char *
listener_advice(int code)
{
	return advice(code, false);
}

/*
 * Sets the owner through a descriptor: of what has just been bound, not of something that replaced
 * it since.  The mode is right from the start, so only the owner remains to be set.  *cannot_give:
 * that is what failed.
 */
static bool
give_unix(const char *path, const struct listener_options *o, bool *cannot_give)
{
	struct stat st;
	int fd, saved;
	bool ok;

	if (!o->unix_owned || (o->unix_uid == (uid_t)-1 && o->unix_gid == (gid_t)-1))
		return true;
	fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = fstat(fd, &st) == 0;
	if (ok && (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1 ||
	              (st.st_mode & 0777) != o->unix_mode)) {
		errno = EADDRINUSE;
		ok = false;
	}
	if (ok && fchownat(fd, "", o->unix_uid, o->unix_gid, AT_EMPTY_PATH) != 0) {
		*cannot_give = true;
		ok = false;
	}
	saved = errno;
	(void)close(fd);
	errno = saved;
	return ok;
}

/* bind(2) makes the file with the socket's own mode, minus the umask. */
static bool
bind_unix(int fd, const struct sockaddr_un *un, const struct listener_options *o)
{
	mode_t mask;
	bool ok;

	if (!o->unix_owned)
		return bind(fd, (const struct sockaddr *)un, sizeof(*un)) == 0;
	if (fchmod(fd, o->unix_mode) != 0)
		return false;
	mask = umask(0);
	ok = bind(fd, (const struct sockaddr *)un, sizeof(*un)) == 0;
	(void)umask(mask);
	return ok;
}

/* Nobody can connect before listen(). */
static enum ts_err
open_unix(const struct listener_options *o, int backlog, struct buf *why, int *fd_r)
{
	const char *path = o->unix_path;
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct buf text = {0};
	enum ts_err err = TS_OK;
	bool bound = false, cannot_give = false;
	int fd = -1;

	if (strlen(path) >= sizeof(un.sun_path)) {
		buf_printf(&text, "%s: the path of a socket must have less than %zu bytes", path,
		    sizeof(un.sun_path));
		err = fail_with(why, TS_INVALID, &text);
	} else {
		memcpy(un.sun_path, path, strlen(path) + 1);
		remove_stale(&un);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		bound = fd >= 0 && bind_unix(fd, &un, o);
		if (!bound || !give_unix(path, o, &cannot_give) || listen(fd, backlog) != 0) {
			buf_printf(&text, "%s: %s%s", path,
			    cannot_give ? "it cannot be given to its owner and group: " : "",
			    cannot_give ? strerrordesc_np(errno) : advice(errno, true));
			err = fail_with(why, TS_IO, &text);
		}
	}
	if (cannot_give)
		(void)unlink(path);
	if (err != TS_OK && fd >= 0)
		(void)close(fd);
	buf_fini(&text);
	*fd_r = err == TS_OK ? fd : -1;
	return err;
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

static bool
is_all(const char *address)
{
	return address[0] == '\0' || strcmp(address, "*") == 0;
}

/* Returns NULL if it is not a numeric address. */
static struct addrinfo *
numeric(const char *address, const char *port)
{
	struct addrinfo hints = {
	    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *ai = NULL;

	return getaddrinfo(address, port, &hints, &ai) == 0 ? ai : NULL;
}

static const char not_numeric[] =
    "is not a numeric address such as 192.0.2.7 or 2001:db8::7 (host names are not looked up)";

/* Explains what bind(2) would only call an invalid argument. */
static const char *
ipv6_fault(const struct addrinfo *ai)
{
	const struct sockaddr_in6 *v6 = (const void *)ai->ai_addr;

	if (ai->ai_family != AF_INET6)
		return NULL;
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return "is an IPv4 address written as an IPv6 one: write it as 127.0.0.1 is "
		       "written";
	if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) && v6->sin6_scope_id == 0)
		return "a link-local address needs its interface: write fe80::1%eth0, say";
	return NULL;
}

/* A multicast or broadcast address can be bound, but nobody can connect to it. */
static bool
is_nobodys(const struct addrinfo *ai)
{
	const struct sockaddr_in *v4 = (const void *)ai->ai_addr;
	const struct sockaddr_in6 *v6 = (const void *)ai->ai_addr;

	if (ai->ai_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&v6->sin6_addr);
	return ai->ai_family == AF_INET && ntohl(v4->sin_addr.s_addr) >> 28 >= 14;
}

const char *
listener_address_fault(const char *address)
{
	const char *why;
	struct addrinfo *ai;
	int fd, code = 0;

	if (is_all(address))
		return NULL;
	ai = numeric(address, "0");
	if (ai == NULL)
		return not_numeric;
	why = is_nobodys(ai) ? "is a multicast or broadcast address, to which nobody can connect"
	                     : ipv6_fault(ai);
	if (why != NULL) {
		freeaddrinfo(ai);
		return why;
	}
	fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, ai->ai_addr, ai->ai_addrlen) != 0)
		code = errno;
	if (fd >= 0)
		(void)close(fd);
	freeaddrinfo(ai);
	return code == 0 ? NULL : advice(code, false);
}

static enum ts_err
open_tcp(const struct listener_options *o, int backlog, struct buf *why, int *fd_r)
{
	bool all = is_all(o->address);
	/* A machine may have no IPv6 at all. */
	const char *const tries[] = {all ? "::" : o->address, all ? "0.0.0.0" : NULL};
	struct buf text = {0};
	enum ts_err err;
	char port[8];
	int fd = -1;

	(void)snprintf(port, sizeof(port), "%u", o->port);
	for (size_t i = 0; i < 2 && fd < 0 && tries[i] != NULL; i++) {
		struct addrinfo *ai = numeric(tries[i], port);

		if (ai == NULL) {
			buf_printf(&text, "%s %s", o->address, not_numeric);
			break;
		}
		fd = bind_and_listen(ai, all, backlog);
		freeaddrinfo(ai);
	}
	*fd_r = fd;
	if (fd >= 0)
		return TS_OK;
	err = text.n > 0 ? TS_INVALID : TS_IO;
	if (text.n == 0)
		buf_printf(&text, "%s port %s: %s", all ? "all addresses" : o->address, port,
		    advice(errno, false));
	err = fail_with(why, err, &text);
	buf_fini(&text);
	return err;
}

static enum ts_err
take_inherited(int fd, struct buf *why, int *fd_r)
{
	struct buf text = {0};
	int listening = 0;
	socklen_t size = sizeof(listening);
	enum ts_err err = TS_OK;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) {
		buf_printf(
		    &text, "descriptor %d, which was handed over, is not a listening socket", fd);
		err = fail_with(why, TS_INVALID, &text);
		buf_fini(&text);
		return err;
	}
	*fd_r = fd;
	return TS_OK;
}

enum ts_err
listener_new(const struct listener_options *o, struct buf *why, struct listener **listener_r)
{
	int backlog = o->backlog > 0 ? o->backlog : SOMAXCONN, fd = -1;
	struct listener *l;
	enum ts_err err;

	*listener_r = NULL;
	TS_ASSERT(o->nloops > 0 && o->fn != NULL && !o->loop->fake);
	if (o->address != NULL)
		err = open_tcp(o, backlog, why, &fd);
	else if (o->unix_path != NULL)
		err = open_unix(o, backlog, why, &fd);
	else
		err = take_inherited(o->inherited_fd, why, &fd);
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
	(void)uv_poll_start(&l->poll, UV_READABLE, accept_waiting);
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
listener_closed(uv_handle_t *handle)
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
	uv_close((uv_handle_t *)&l->poll, listener_closed);
	(void)close(l->fd);
}
