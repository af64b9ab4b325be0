/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transports on a socket: the socket itself, and TLS on it.  OpenSSL reads and
 * writes the descriptor directly; pairs of memory BIOs would cost two buffers
 * for each idle connection and a copy of each byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/stream_int.h"
#include "net/tls/ssl.h"
#include "sasl/mech.h"

static const struct transport tls_transport;

/* --- watching --- */

static void
socket_ready(uv_poll_t *handle, int status, int events)
{
	struct stream *s = handle->data;

	loop_tick(s->loop);
	if (status < 0) {
		/* libuv has stopped the handle; nobody needs the reason, which is in the socket. */
		s->watching = 0;
		stream_die(s, STREAM_END_ERROR);
		return;
	}
	if ((events & UV_DISCONNECT) != 0)
		stream_set_peer_ended(s);
	/* stream_ready() sets again what is watched, so a hang-up is reported only once. */
	stream_ready(s, (events & UV_READABLE) != 0, (events & UV_WRITABLE) != 0);
}

static void
sock_watch(struct stream *s, bool want_in, bool want_out)
{
	int events = (want_in ? UV_READABLE : 0) | (want_out ? UV_WRITABLE : 0) |
	             (s->peer_ended ? 0 : UV_DISCONNECT);

	if (events == s->watching)
		return;
	s->watching = events;
	if (events != 0)
		(void)uv_poll_start(&s->poll, events, socket_ready);
	else
		(void)uv_poll_stop(&s->poll);
}

static void
socket_closed(uv_handle_t *handle)
{
	stream_gone(handle->data);
}

static void
sock_drop(struct stream *s)
{
	uv_close((uv_handle_t *)&s->poll, socket_closed);
	(void)close(s->fd);
	s->fd = -1;
}

static enum io
sock_discard(struct stream *s)
{
	ssize_t got = recv(s->fd, loop_scratch(s->loop), LOOP_SCRATCH, 0);

	if (got > 0)
		return IO_OK;
	if (got == 0)
		return IO_END;
	return errno == EAGAIN || errno == EINTR ? IO_WANT_IN : IO_BROKEN;
}

static bool
sock_shut(struct stream *s)
{
	int waiting = 0;

	(void)shutdown(s->fd, SHUT_WR);
	return ioctl(s->fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

/* --- plaintext --- */

static enum io
sock_read(struct stream *s, char *p, size_t cap, size_t *n_r)
{
	ssize_t got = recv(s->fd, p, cap, 0);

	if (got > 0) {
		*n_r = (size_t)got;
		return IO_OK;
	}
	if (got == 0)
		return IO_END;
	return errno == EAGAIN || errno == EINTR ? IO_WANT_IN : IO_BROKEN;
}

static enum io
sock_write(struct stream *s, struct str bytes, size_t *n_r)
{
	ssize_t put;

	do
		put = send(s->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put > 0) {
		*n_r = (size_t)put;
		return IO_OK;
	}
	return put == 0 || errno == EAGAIN || errno == ENOBUFS ? IO_WANT_OUT : IO_BROKEN;
}

static bool
sock_buffered(struct stream *s)
{
	(void)s;
	return false;
}

/* Fails on a UNIX socket, which has no ACKs.  The kernel returns to delayed ones by itself. */
static void
sock_ack(struct stream *s)
{
	int one = 1;

	(void)setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
}

static bool
sock_secure(struct stream *s)
{
	ERR_clear_error();
	s->ssl = s->tls != NULL ? tls_ssl_new(s->tls, s->fd, s->terms, &s->refusal) : NULL;
	if (s->ssl == NULL) {
		(void)TS_FAIL(TS_INVALID, "cannot begin TLS: %s", tls_why());
		return false;
	}
	s->transport = &tls_transport;
	return true;
}

static enum io
sock_handshake(struct stream *s)
{
	(void)s;
	TS_WRONG("a handshake without TLS");
}

static void
sock_info(const struct stream *s, struct stream_tls_info *info_r)
{
	(void)s;
	(void)info_r;
}

static const struct transport sock_transport = {
    .read = sock_read,
    .write = sock_write,
    .buffered = sock_buffered,
    .ack = sock_ack,
    .secure = sock_secure,
    .handshake = sock_handshake,
    .shut = sock_shut,
    .discard = sock_discard,
    .watch = sock_watch,
    .drop = sock_drop,
    .info = sock_info,
};

/* --- TLS.  The error queue belongs to the thread: it is emptied before each call.  --- */

static enum io
ssl_result(struct stream *s, int ret, const char *doing)
{
	switch (SSL_get_error(s->ssl, ret)) {
	case SSL_ERROR_NONE:
		return IO_OK;
	case SSL_ERROR_WANT_READ:
		return IO_WANT_IN;
	case SSL_ERROR_WANT_WRITE:
		return IO_WANT_OUT;
	case SSL_ERROR_ZERO_RETURN:
		return IO_END;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return IO_BROKEN;
	default:
		log_msg(LOG_INFO, NULL, "TLS failed while %s: %s", doing, tls_why());
		return IO_TLS_FAILED;
	}
}

static enum io
ssl_handshake(struct stream *s)
{
	int ret;

	ERR_clear_error();
	ret = SSL_do_handshake(s->ssl);
	if (ret != 1 && tls_client_refused(s->ssl)) {
		ERR_clear_error();
		return IO_TLS_FAILED;
	}
	return ssl_result(s, ret, "shaking hands");
}

/* Fills p with what is available, however many records that is. */
static enum io
ssl_read(struct stream *s, char *p, size_t cap, size_t *n_r)
{
	enum io result = IO_OK;
	size_t n = 0, got;

	while (n < cap && result == IO_OK) {
		int ret;

		ERR_clear_error();
		ret = SSL_read_ex(s->ssl, p + n, cap - n, &got);
		if (ret == 1)
			n += got;
		else
			result = ssl_result(s, ret, "reading");
	}
	*n_r = n;
	/* The next read returns an end or an error again. */
	if (n > 0 && result != IO_WANT_IN && result != IO_OK)
		stream_poke(s);
	return n > 0 ? IO_OK : result;
}

static enum io
ssl_write(struct stream *s, struct str bytes, size_t *n_r)
{
	int ret;

	ERR_clear_error();
	/*
	 * An unfinished write must be retried with at least the same bytes, as
	 * OpenSSL requires: output only ever grows at its end.
	 */
	ret = SSL_write_ex(s->ssl, bytes.p, bytes.n, n_r);
	if (ret == 1)
		return IO_OK;
	return ssl_result(s, ret, "writing");
}

static bool
ssl_buffered(struct stream *s)
{
	return SSL_has_pending(s->ssl) == 1;
}

static bool
ssl_secure(struct stream *s)
{
	(void)s;
	TS_WRONG("TLS in TLS");
}

static bool
ssl_shut(struct stream *s)
{
	ERR_clear_error();
	(void)SSL_shutdown(s->ssl);
	ERR_clear_error();
	return sock_shut(s);
}

static void
ssl_info(const struct stream *s, struct stream_tls_info *info_r)
{
	info_r->version = SSL_get_version(s->ssl);
	info_r->cipher = SSL_get_cipher_name(s->ssl);
	info_r->peer_cert = SSL_get0_peer_certificate(s->ssl) != NULL;
	info_r->compresses = SSL_get_current_compression(s->ssl) != NULL;
}

static bool
ssl_binding(const struct stream *s, struct sasl_binding *binding_r)
{
	static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 section 4 */

	if (SSL_version(s->ssl) >= TLS1_3_VERSION) {
		binding_r->name = STR("tls-exporter");
		binding_r->n = 32;
		return SSL_export_keying_material(s->ssl, binding_r->data, 32, label,
		           sizeof(label) - 1, (const unsigned char *)"", 0, 1) == 1;
	}
	if (SSL_get_extms_support(s->ssl) != 1)
		return false;
	/* RFC 5929 section 3.1: the first Finished of the handshake, the client's unless it is
	 * resumed. */
	binding_r->name = STR("tls-unique");
	binding_r->n = SSL_session_reused(s->ssl)
	                   ? SSL_get_finished(s->ssl, binding_r->data, SASL_BINDING_MAX)
	                   : SSL_get_peer_finished(s->ssl, binding_r->data, SASL_BINDING_MAX);
	return binding_r->n > 0 && binding_r->n <= SASL_BINDING_MAX;
}

static struct tls_peer *
ssl_peer(struct stream *s)
{
	return tls_peer_new(s->ssl);
}

static const struct transport tls_transport = {
    .read = ssl_read,
    .write = ssl_write,
    .buffered = ssl_buffered,
    .ack = sock_ack,
    .secure = ssl_secure,
    .handshake = ssl_handshake,
    .shut = ssl_shut,
    .discard = sock_discard,
    .watch = sock_watch,
    .drop = sock_drop,
    .info = ssl_info,
    .binding = ssl_binding,
    .peer = ssl_peer,
    .tls = true,
};

struct stream *
stream_new(
    struct loop *loop, int fd, struct tls_ctx *tls, const struct stream_events *events, void *arg)
{
	struct stream *s = stream_make(loop, &sock_transport);
	int one = 1, flags = fcntl(fd, F_GETFL);

	TS_ASSERT(!loop->fake && flags >= 0);
	if ((flags & O_NONBLOCK) == 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	/* Fails on a UNIX socket, which does not wait anyway. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* Notices a peer that vanished silently, after the system's times. */
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	s->fd = fd;
	if (uv_poll_init_socket(&loop->uv, &s->poll, fd) != 0)
		TS_WRONG("cannot watch a socket");
	s->poll.data = s;
	s->events = events;
	s->arg = arg;
	if (tls != NULL) {
		s->tls = tls_ctx_ref(tls);
		stream_begin_tls(s);
	}
	return s;
}
