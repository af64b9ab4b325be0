/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread of the load client.  It parses replies line by line in the read buffer; only an
 * incomplete line is ever copied.  After a line that ends in a literal's size, it skips that many
 * bytes, and what follows them is still the same line (RFC 9051 section 4.3).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "load.h"

enum {
	READ_SIZE = 256 * 1024,
	STARTING = 64, /* connections being opened at a time, so that no backlog overflows */
	EVENTS = 256,
	DRAIN = 60, /* seconds for the ops still in progress at the end */
};

static void conn_open(struct load_conn *c);
static void conn_write(struct load_conn *c);

__attribute__((format(printf, 2, 3))) static void
conn_fail(struct load_conn *c, const char *fmt, ...)
{
	struct load_worker *w = c->w;
	va_list ap;

	if (w->failed)
		return;
	va_start(ap, fmt);
	vsnprintf(w->error, sizeof(w->error), fmt, ap);
	va_end(ap);
	w->failed = true;
}

static void
conn_events(struct load_conn *c, bool out)
{
	struct epoll_event ev = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.ptr = c};

	if (out == c->want_out)
		return;
	c->want_out = out;
	epoll_ctl(c->w->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

static void
conn_close(struct load_conn *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void
conn_over(struct load_conn *c)
{
	if (c->state != LOAD_DONE)
		c->w->over++;
	c->state = LOAD_DONE;
}

/* ---- sending ---- */

static void
conn_send(struct load_conn *c, const struct load_op *op)
{
	c->op = op;
	c->got = c->cut_at = 0;
	c->sent = 0;
	c->upto = op->cuts > 0 ? op->cut[0] : op->n;
	conn_write(c);
}

/* Bytes written, 0 if the socket is full, -1 on failure. */
static ssize_t
conn_put(struct load_conn *c, const char *p, size_t n)
{
	if (c->ssl != NULL) {
		int r = SSL_write(c->ssl, p, n > (1 << 30) ? 1 << 30 : (int)n);

		if (r > 0)
			return r;
		r = SSL_get_error(c->ssl, r);
		return r == SSL_ERROR_WANT_WRITE || r == SSL_ERROR_WANT_READ ? 0 : -1;
	}
	ssize_t r = send(c->fd, p, n, MSG_NOSIGNAL);

	return r < 0 && errno == EAGAIN ? 0 : r;
}

static void
conn_write(struct load_conn *c)
{
	while (c->sent < c->upto) {
		ssize_t n = conn_put(c, c->op->p + c->sent, c->upto - c->sent);

		if (n < 0) {
			conn_fail(c, "the server closed the connection while we wrote");
			return;
		}
		if (n == 0)
			break;
		c->sent += (size_t)n;
		c->w->now.out += (uint64_t)n;
	}
	conn_events(c, c->sent < c->upto);
}

/* ---- what a connection does next ---- */

static void
next_loop_op(struct load_conn *c)
{
	struct load_run *run = c->w->run;
	const struct load_op *op;

	if (run->scenario->next != NULL) {
		op = run->scenario->next(c);
	} else {
		const struct load_ops *ring = &run->ring[c->plus];

		if (c->ring_at >= ring->n)
			c->ring_at = 0;
		op = &ring->v[c->ring_at++];
	}
	if (op == NULL) {
		conn_over(c);
		return;
	}
	conn_send(c, op);
}

/* Counts what ended at `at`; the first in the measured time starts the measurement. */
static void
worker_count(struct load_worker *w, uint64_t began, uint64_t at, unsigned msgs)
{
	const struct load_run *run = w->run;

	w->now.at = at;
	w->now.ops++;
	w->now.msgs += msgs;
	if (at < run->measure)
		return;
	if (w->from.at == 0 && !(run->scenario->flags & LOAD_COUNTED)) {
		w->from = w->now;
	} else if (at <= run->end || w->to.at == 0) {
		load_hist_add(&w->hist, at - began);
		w->to = w->now;
	}
}

static bool
worker_ends(const struct load_worker *w, uint64_t now)
{
	return w->failed ||
	       (now >= w->run->end && w->to.at != 0 && !(w->run->scenario->flags & LOAD_COUNTED));
}

static void
start_loop(struct load_conn *c)
{
	c->w->starting--;
	c->state = LOAD_LOOP;
	c->began = clock_mono_ns();
	next_loop_op(c);
}

static void
setup_done(struct load_conn *c)
{
	struct load_worker *w = c->w;

	if (++c->setup_at < w->run->setup[c->user].n) {
		conn_send(c, &w->run->setup[c->user].v[c->setup_at]);
		return;
	}
	if (w->run->scenario->flags & LOAD_RECONNECT) {
		worker_count(w, c->began, clock_mono_ns(), 0);
		c->state = LOAD_CLOSING;
		/* Before the end, since a missing close_notify would make it useless. */
		if (c->ssl != NULL && w->run->resume) {
			SSL_SESSION_free(c->session);
			c->session = SSL_get1_session(c->ssl);
		}
		return;
	}
	if ((w->run->scenario->flags & LOAD_HALF) && (c - w->conns) % 2 == 1) {
		w->starting--;
		c->state = LOAD_IDLING;
		w->idling++;
		return;
	}
	start_loop(c);
}

static void
op_done(struct load_conn *c)
{
	uint64_t now;

	if (c->state == LOAD_SETUP) {
		setup_done(c);
		return;
	}
	now = clock_mono_ns();
	worker_count(c->w, c->began, now, c->op->msgs);
	if (worker_ends(c->w, now)) {
		conn_over(c);
		return;
	}
	c->began = now;
	next_loop_op(c);
}

/* The connection has ended as expected; the next one is for the next user. */
static void
conn_again(struct load_conn *c)
{
	const struct load_run *run = c->w->run;

	conn_close(c);
	c->w->starting--;
	if (worker_ends(c->w, c->w->now.at)) {
		conn_over(c);
		return;
	}
	c->user = (c->user + 1) % run->setups;
	conn_open(c);
}

/* ---- replies ---- */

static void
line_fail(struct load_conn *c, const char *p, size_t n)
{
	conn_fail(c, "%.*s", n > 300 ? 300 : (int)n, p);
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void
line_untagged(struct load_conn *c, const char *p, size_t n)
{
	const char *q = p + 2, *end = p + n;

	if (n < 4) {
		line_fail(c, p, n);
		return;
	}
	if (is_digit(*q)) {
		while (q < end && is_digit(*q))
			q++;
		if (end - q > 6 && memcmp(q, " FETCH", 6) == 0)
			c->w->now.msgs++;
		return;
	}
	if ((memcmp(q, "BYE", 3) == 0 && !(c->w->run->scenario->flags & LOAD_RECONNECT)) ||
	    memcmp(q, "NO ", 3) == 0 || memcmp(q, "BAD", 3) == 0) {
		line_fail(c, p, n);
		return;
	}
	if (c->state == LOAD_GREETING) {
		if (memcmp(q, "OK", 2) != 0) {
			line_fail(c, p, n);
			return;
		}
		c->state = LOAD_SETUP;
		c->setup_at = 0;
		conn_send(c, &c->w->run->setup[c->user].v[0]);
	}
}

static void
line_continue(struct load_conn *c, const char *p, size_t n)
{
	const struct load_op *op = c->op;

	if (op != NULL && c->cut_at < op->cuts && c->sent == op->cut[c->cut_at]) {
		c->cut_at++;
		c->upto = c->cut_at < op->cuts ? op->cut[c->cut_at] : op->n;
		conn_write(c);
	} else if (c->state == LOAD_LOOP && (c->w->run->scenario->flags & LOAD_IDLE)) {
		c->state = LOAD_IDLING;
		c->w->idling++;
	} else {
		line_fail(c, p, n);
	}
}

/* A line of an LMTP reply; the greeting counts like the others. */
static void
line_lmtp(struct load_conn *c, const char *p, size_t n)
{
	if (n >= 4 && memcmp(p, "354 ", 4) == 0) {
		line_continue(c, p, n);
	} else if (n < 4 || p[0] != '2') {
		line_fail(c, p, n);
	} else if (p[3] == '-') {
		return;
	} else if (c->state == LOAD_GREETING) {
		c->state = LOAD_SETUP;
		c->setup_at = 0;
		conn_send(c, &c->w->run->setup[c->user].v[0]);
	} else if (c->op != NULL && c->got < c->op->tags) {
		if (++c->got == c->op->tags)
			op_done(c);
	} else {
		line_fail(c, p, n);
	}
}

static void
line_take(struct load_conn *c, const char *p, size_t n)
{
	if (c->w->run->scenario->flags & LOAD_LMTP) {
		line_lmtp(c, p, n);
		return;
	}
	if (c->state == LOAD_SETUP && !c->plus && memmem(p, n, "LITERAL+", 8) != NULL)
		c->plus = true;
	if (n > 1 && p[0] == '*') {
		line_untagged(c, p, n);
	} else if (n > 0 && p[0] == '+') {
		line_continue(c, p, n);
	} else if (c->op != NULL && c->got < c->op->tags && n >= 4 &&
	           p[0] == (char)('A' + c->got) && memcmp(p + 1, " OK", 3) == 0) {
		if (++c->got == c->op->tags)
			op_done(c);
	} else {
		line_fail(c, p, n);
	}
}

/* The size at the end of "… {123}"; false if there is none. */
static bool
line_literal(const char *p, size_t n, uint64_t *size_r)
{
	const char *q = p + n - 1;
	uint64_t v = 0, unit = 1;

	if (n < 3 || *q != '}' || !is_digit(q[-1]))
		return false;
	while (--q > p && is_digit(*q)) {
		v += unit * (uint64_t)(*q - '0');
		unit *= 10;
	}
	*size_r = v;
	return *q == '{';
}

/* Takes complete lines and literal bytes; returns the start of an incomplete line. */
static const char *
conn_feed(struct load_conn *c, const char *p, const char *end)
{
	while (p < end && !c->w->failed) {
		const char *nl;
		size_t n;
		bool literal;

		if (c->skip > 0) {
			n = (size_t)(end - p) < c->skip ? (size_t)(end - p) : c->skip;
			c->skip -= n;
			p += n;
			continue;
		}
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			break;
		n = (size_t)(nl - p);
		n -= n > 0 && p[n - 1] == '\r';
		literal = line_literal(p, n, &c->skip);
		if (!literal)
			c->skip = 0;
		if (!c->mid_line)
			line_take(c, p, n);
		c->mid_line = literal;
		p = nl + 1;
	}
	return p;
}

/* Bytes read, 0 if there are none now, -1 at the end. */
static ssize_t
conn_get(struct load_conn *c, char *p, size_t n)
{
	ssize_t r;

	if (c->ssl != NULL) {
		int got = SSL_read(c->ssl, p, (int)n);

		if (got > 0)
			return got;
		got = SSL_get_error(c->ssl, got);
		ERR_clear_error();
		return got == SSL_ERROR_WANT_READ || got == SSL_ERROR_WANT_WRITE ? 0 : -1;
	}
	r = recv(c->fd, p, n, 0);
	if (r < 0)
		return errno == EAGAIN ? 0 : -1;
	return r == 0 ? -1 : r;
}

static void
conn_ended(struct load_conn *c)
{
	if (c->state == LOAD_CLOSING)
		conn_again(c);
	else if (c->state != LOAD_DONE)
		conn_fail(c, "the server closed the connection");
	else
		conn_close(c);
}

static void
conn_read(struct load_conn *c)
{
	struct load_worker *w = c->w;

	for (;;) {
		size_t had = c->part.n;
		const char *left, *end;
		ssize_t n;

		if (had + READ_SIZE > w->in_cap) {
			w->in_cap = had + READ_SIZE;
			w->in = mem_realloc(w->in, w->in_cap);
		}
		n = conn_get(c, w->in + had, READ_SIZE);
		if (n < 0)
			conn_ended(c);
		if (n <= 0)
			return;
		if (had > 0)
			memcpy(w->in, c->part.p, had);
		c->part.n = 0;
		w->now.in += (uint64_t)n;
		end = w->in + had + n;
		left = conn_feed(c, w->in, end);
		if (w->failed)
			return;
		if (left < end)
			buf_put(&c->part, left, (size_t)(end - left));
		/* A short read means that the socket is empty; TLS returns a record at a time. */
		if (c->ssl == NULL && n < READ_SIZE)
			return;
	}
}

/* ---- opening ---- */

static void
conn_handshake(struct load_conn *c)
{
	int r = SSL_do_handshake(c->ssl);

	if (r == 1) {
		c->state = LOAD_GREETING;
		conn_events(c, false);
		return;
	}
	r = SSL_get_error(c->ssl, r);
	if (r == SSL_ERROR_WANT_READ || r == SSL_ERROR_WANT_WRITE) {
		conn_events(c, r == SSL_ERROR_WANT_WRITE);
		return;
	}
	if (SSL_get_verify_result(c->ssl) != X509_V_OK)
		conn_fail(
		    c, "TLS: %s", X509_verify_cert_error_string(SSL_get_verify_result(c->ssl)));
	else
		conn_fail(c, "TLS: %s", ERR_error_string(ERR_peek_last_error(), NULL));
}

static void
conn_open(struct load_conn *c)
{
	struct load_run *run = c->w->run;
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(run->port))};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	int one = 1;

	inet_pton(AF_INET, run->host, &to.sin_addr);
	c->began = clock_mono_ns();
	c->state = LOAD_GREETING;
	c->op = NULL;
	c->part.n = 0;
	c->skip = 0;
	c->mid_line = c->want_out = false;
	c->w->starting++;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)) {
		conn_fail(c, "connect: %s", strerror(errno));
		return;
	}
	epoll_ctl(c->w->epoll, EPOLL_CTL_ADD, c->fd, &ev);
	if (run->ssl == NULL)
		return;
	c->ssl = SSL_new(run->ssl);
	X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(c->ssl), run->host);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_connect_state(c->ssl);
	if (c->session != NULL && SSL_SESSION_is_resumable(c->session))
		SSL_set_session(c->ssl, c->session);
	c->state = LOAD_HANDSHAKE;
	conn_handshake(c);
}

static void
conn_event(struct load_conn *c, unsigned events)
{
	if (c->state == LOAD_HANDSHAKE) {
		conn_handshake(c);
		if (c->state == LOAD_HANDSHAKE)
			return;
	} else if ((events & EPOLLOUT) && c->op != NULL) {
		conn_write(c);
	}
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		conn_read(c);
}

/* ---- the thread ---- */

struct load_memory
load_memory_of(int pid)
{
	struct load_memory m = {0};
	char path[64], line[256];
	unsigned long long kib;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "r");
	if (f == NULL)
		return m;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "Rss: %llu kB", &kib) == 1)
			m.rss = kib;
		else if (sscanf(line, "Pss: %llu kB", &kib) == 1)
			m.pss = kib;
		else if (sscanf(line, "Private_Clean: %llu kB", &kib) == 1 ||
		         sscanf(line, "Private_Dirty: %llu kB", &kib) == 1)
			m.private += kib;
	}
	fclose(f);
	return m;
}

static void
worker_open_more(struct load_worker *w)
{
	struct load_run *run = w->run;

	while (!w->failed && w->opened < w->n &&
	       (w->starting < STARTING || (run->scenario->flags & LOAD_RECONNECT))) {
		struct load_conn *c = &w->conns[w->opened];
		unsigned at = w->first + w->opened;

		c->w = w;
		c->user = (unsigned)((uint64_t)at * run->setups / run->conns % run->setups);
		if (run->conns <= run->users && !(run->scenario->flags & LOAD_RECONNECT))
			c->user = at;
		c->user = run->conns > run->setups ? at % run->setups : c->user;
		c->ring_at = (unsigned)((uint64_t)at * run->ring[1].n / run->conns);
		w->opened++;
		conn_open(c);
	}
}

static bool
worker_running(struct load_worker *w)
{
	uint64_t now;

	if (w->failed || w->over == w->n || (w->opened == w->n && w->idling == w->n))
		return false;
	now = clock_mono_ns();
	if (now > w->run->end + DRAIN * UINT64_C(1000000000) &&
	    !(w->run->scenario->flags & LOAD_COUNTED)) {
		conn_fail(&w->conns[0], "no reply %d seconds after the end", DRAIN);
		return false;
	}
	return true;
}

void *
load_worker_main(void *worker)
{
	struct load_worker *w = worker;
	struct epoll_event events[EVENTS];

	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->conns = mem_zalloc(w->n * sizeof(*w->conns));
	w->from.at = w->run->scenario->flags & LOAD_COUNTED ? clock_mono_ns() : 0;
	while (worker_running(w)) {
		int n;

		worker_open_more(w);
		n = epoll_wait(w->epoll, events, EVENTS, 1000);
		for (int i = 0; i < n && !w->failed; i++)
			conn_event(events[i].data.ptr, events[i].events);
	}
	return NULL;
}
