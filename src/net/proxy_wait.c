/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a PROXY header off a socket: peeks first (MSG_PEEK), then consumes only
 * the header, because everything after it is for TLS, which reads the socket
 * itself.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop_int.h"
#include "net/proxy.h"

struct waiter {
	struct link link;
	const struct proxy_door *door;
	struct proxy_waiting *waiting;
	struct loop *loop;
	struct loop_timer timer;
	uv_poll_t poll;
	struct buf in; /* what was consumed from the socket */
	int fd;
	struct net_network peer;
};

static void
waiter_closed(uv_handle_t *handle)
{
	struct waiter *w = handle->data;

	w->loop->users--;
	buf_fini(&w->in);
	mem_free(w);
}

/* Gives the socket back to the caller, to be closed or handed on. */
static int
release_socket(struct waiter *w)
{
	int fd = w->fd;

	w->fd = -1;
	w->waiting->n--;
	list_remove(&w->link);
	loop_timer_clear(&w->timer);
	uv_close((uv_handle_t *)&w->poll, waiter_closed);
	return fd;
}

static void
log_refusal(const struct proxy_door *door, const struct net_network *peer, const char *why)
{
	struct buf from = {0};

	net_network_print(peer, &from);
	log_msg(LOG_WARNING, NULL, "listener %.*s: connection from %s closed: %s",
	    STR_ARG(door->name), buf_cstr(&from), why);
	buf_fini(&from);
}

static void
turn_away(struct waiter *w, const char *why)
{
	log_refusal(w->door, &w->peer, why);
	(void)close(release_socket(w));
}

static void
on_time(void *arg)
{
	turn_away(arg, "no PROXY header in time");
}

static void
pass_on(struct waiter *w, const struct proxy_header *h)
{
	const struct proxy_door *door = w->door;
	struct loop *loop = w->loop;
	struct buf address = {0}, front = {0};

	net_network_print(h->local ? &w->peer : &h->address, &address);
	net_network_print(&w->peer, &front);
	door->fn(door->arg, loop, release_socket(w), buf_cstr(&address), buf_cstr(&front));
	buf_fini(&address);
	buf_fini(&front);
}

/* Consumes n bytes that were peeked at; they are there. */
static bool
consume_peeked(struct waiter *w, size_t n)
{
	char drop[PROXY_V2_MAX];

	return n == 0 || recv(w->fd, drop, n, 0) == (ssize_t)n;
}

static void
peek_header(struct waiter *w)
{
	char *p = buf_room(&w->in, PROXY_V2_MAX - w->in.n);
	ssize_t got = recv(w->fd, p, PROXY_V2_MAX - w->in.n, MSG_PEEK);
	struct proxy_header h;
	size_t fresh;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		turn_away(w, "it ended before a PROXY header came");
		return;
	}
	fresh = (size_t)got;
	switch (proxy_parse((struct str){w->in.p, w->in.n + fresh}, &h)) {
	case PROXY_MORE:
		/* All of it is header; a header that fills the buffer is not MORE. */
		if (!consume_peeked(w, fresh))
			turn_away(w, "it broke");
		else
			w->in.n += fresh;
		return;
	case PROXY_DONE:
		if (h.size < w->in.n || !consume_peeked(w, h.size - w->in.n))
			turn_away(w, "it broke");
		else
			pass_on(w, &h);
		return;
	case PROXY_BAD:
		turn_away(w, h.why);
		return;
	}
}

static void
waiter_ready(uv_poll_t *handle, int status, int events)
{
	struct waiter *w = handle->data;

	(void)events;
	loop_tick(w->loop);
	if (w->fd < 0)
		return;
	if (status < 0)
		turn_away(w, "it broke");
	else
		peek_header(w);
}

static bool
is_trusted(const struct proxy_door *door, const struct net_network *peer)
{
	for (size_t i = 0; i < door->n; i++)
		if (net_network_has(&door->from[i], peer))
			return true;
	return false;
}

void
proxy_wait(const struct proxy_door *door, struct proxy_waiting *waiting, struct loop *loop, int fd,
    const char *peer)
{
	struct net_network from = {0};
	struct waiter *w;

	if (!net_address_parse(str_of(peer), &from) || !is_trusted(door, &from)) {
		log_refusal(door, &from, "its address is not in proxy_from");
		(void)close(fd);
		return;
	}
	if (waiting->n >= PROXY_WAITING_MAX) {
		log_refusal(door, &from, "too many connections wait for their PROXY header");
		(void)close(fd);
		return;
	}
	w = mem_zalloc(sizeof(*w));
	w->door = door;
	w->waiting = waiting;
	w->loop = loop;
	w->fd = fd;
	w->peer = from;
	loop_timer_init(&w->timer, loop, on_time, w);
	loop_timer_set(&w->timer, door->ms);
	if (uv_poll_init_socket(&loop->uv, &w->poll, fd) != 0)
		TS_WRONG("cannot watch a socket");
	w->poll.data = w;
	(void)uv_poll_start(&w->poll, UV_READABLE, waiter_ready);
	loop->users++;
	waiting->n++;
	list_push_back(&waiting->conns, &w->link);
}

void
proxy_drop(struct proxy_waiting *waiting)
{
	while (!list_empty(&waiting->conns))
		(void)close(release_socket(list_entry(waiting->conns.next, struct waiter, link)));
}
