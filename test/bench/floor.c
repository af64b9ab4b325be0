/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bare machine can do, for comparison with a server:
 *
 *   floor flush DIR SIZE SECONDS   appends of SIZE bytes to one file, each
 *                                  followed by fdatasync; a line of JSON
 *   floor canned [CERT KEY]        an epoll server on a free port of loopback,
 *                                  which it prints; each line is answered with
 *                                  a canned OK, over TLS with CERT and KEY
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "load.h"

static int
flush_main(const char *dir, size_t size, double seconds)
{
	struct load_hist *h = mem_zalloc(sizeof(*h));
	char *block = mem_zalloc(size), path[4096];
	uint64_t start, now, before;
	int fd;

	random_bytes(block, size < 256 ? size : 256);
	snprintf(path, sizeof(path), "%s/floor.XXXXXX", dir);
	fd = mkstemp(path);
	if (fd < 0) {
		perror(path);
		return 1;
	}
	unlink(path);
	for (now = start = clock_mono_ns(); (double)(now - start) < seconds * 1e9;) {
		before = now;
		if (write(fd, block, size) != (ssize_t)size || fdatasync(fd) < 0) {
			perror(path);
			return 1;
		}
		now = clock_mono_ns();
		load_hist_add(h, now - before);
	}
	printf("{\"scenario\":\"flush\",\"size\":%zu,\"ops_s\":%.1f,\"p50_us\":%.1f,\"p99_us\":%."
	       "1f}\n",
	    size, (double)h->count / ((double)(now - start) / 1e9),
	    (double)load_hist_at(h, 500) / 1e3, (double)load_hist_at(h, 990) / 1e3);
	close(fd);
	mem_free(block);
	mem_free(h);
	return 0;
}

struct peer {
	int fd;
	SSL *ssl;
	bool greeted;
	struct buf in;
};

static const char greeting[] = "* OK ready\r\n";

/* False if the connection has ended. */
static bool
peer_put(struct peer *p, const char *bytes, size_t n)
{
	if (p->ssl != NULL)
		return SSL_write(p->ssl, bytes, (int)n) == (int)n;
	return send(p->fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* Answers the lines in p->in, all in one write. */
static bool
peer_answer(struct peer *p, struct buf *out)
{
	const char *at = p->in.p, *end = p->in.p + p->in.n, *nl;
	bool ends = false;

	out->n = 0;
	while ((nl = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		const char *space = memchr(at, ' ', (size_t)(nl - at));

		buf_put(out, at, space != NULL ? (size_t)(space - at) : 1);
		buf_puts(out, " OK done\r\n");
		ends = space != NULL && nl - space > 6 && memcmp(space + 1, "LOGOUT", 6) == 0;
		at = nl + 1;
	}
	buf_consume(&p->in, (size_t)(at - p->in.p));
	return (out->n == 0 || peer_put(p, out->p, out->n)) && !ends;
}

static bool
peer_greet(struct peer *p)
{
	if (p->ssl != NULL) {
		int r = SSL_accept(p->ssl);

		if (r != 1)
			return SSL_get_error(p->ssl, r) == SSL_ERROR_WANT_READ;
	}
	p->greeted = true;
	return peer_put(p, greeting, sizeof(greeting) - 1);
}

static bool
peer_event(struct peer *p, struct buf *out)
{
	for (;;) {
		ssize_t n;

		if (!p->greeted && (!peer_greet(p) || !p->greeted))
			return p->ssl != NULL && SSL_want_read(p->ssl);
		char *to = buf_room(&p->in, 16384);
		if (p->ssl != NULL)
			n = SSL_read(p->ssl, to, 16384);
		else
			n = recv(p->fd, to, 16384, 0);
		if (n <= 0)
			return p->ssl != NULL ? SSL_want_read(p->ssl) : n < 0 && errno == EAGAIN;
		p->in.n += (size_t)n;
		if (!peer_answer(p, out))
			return false;
		if (p->ssl == NULL)
			return true;
	}
}

static void
peer_accept(int listener, int epoll, SSL_CTX *ctx)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
	struct peer *p;
	struct epoll_event ev = {.events = EPOLLIN};

	if (fd < 0)
		return;
	p = mem_zalloc(sizeof(*p));
	p->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (ctx != NULL) {
		p->ssl = SSL_new(ctx);
		SSL_set_fd(p->ssl, fd);
	} else {
		peer_greet(p);
	}
	ev.data.ptr = p;
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
}

static void
peer_free(struct peer *p)
{
	SSL_free(p->ssl);
	close(p->fd);
	buf_fini(&p->in);
	mem_free(p);
}

static int
listen_loopback(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, n) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &n) < 0) {
		perror("listen");
		exit(1);
	}
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

static int
canned_main(const char *cert, const char *key)
{
	SSL_CTX *ctx = cert != NULL ? SSL_CTX_new(TLS_server_method()) : NULL;
	struct epoll_event ev = {.events = EPOLLIN}, events[256];
	int listener, epoll = epoll_create1(0);
	struct buf out = {0};

	if (ctx != NULL && (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
	                       SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)) {
		fprintf(stderr, "floor: cannot use %s and %s\n", cert, key);
		return 1;
	}
	listener = listen_loopback();
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev);
	for (;;) {
		int n = epoll_wait(epoll, events, 256, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				peer_accept(listener, epoll, ctx);
			else if (!peer_event(events[i].data.ptr, &out))
				peer_free(events[i].data.ptr);
		}
	}
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "flush") == 0)
		return flush_main(argv[2], (size_t)atol(argv[3]), atof(argv[4]));
	if (argc >= 2 && argc != 3 && argc <= 4 && strcmp(argv[1], "canned") == 0)
		return canned_main(argc == 4 ? argv[2] : NULL, argc == 4 ? argv[3] : NULL);
	fprintf(stderr, "usage: floor flush DIR SIZE SECONDS | floor canned [CERT KEY]\n");
	return 2;
}
