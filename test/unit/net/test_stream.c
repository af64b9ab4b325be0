/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams on real sockets: a server's loop in a thread of its own; the test is a blocking client,
 * in clear or with OpenSSL, with a certificate made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/stream.h"
#include "net/stream_int.h"
#include "net/tls/tls.h"

/* --- a certificate --- */

struct files {
	char dir[32], cert[64], key[64], other_key[64];
};

static EVP_PKEY *
write_key(const char *path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	FILE *f = fopen(path, "w");

	assert_non_null(key);
	assert_non_null(f);
	assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
	(void)fclose(f);
	return key;
}

static void
write_cert(const char *path, EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	(void)X509_set_version(cert, 2);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	(void)X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_ASC, (const unsigned char *)"imap.test", -1, -1, 0);
	(void)X509_set_issuer_name(cert, name);
	(void)X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(f, cert), 1);
	(void)fclose(f);
	X509_free(cert);
}

static int
make_files(void **state)
{
	struct files *files = mem_zalloc(sizeof(*files));
	EVP_PKEY *key;

	(void)strcpy(files->dir, "/tmp/net-stream-XXXXXX");
	assert_non_null(mkdtemp(files->dir));
	(void)snprintf(files->cert, sizeof(files->cert), "%s/cert.pem", files->dir);
	(void)snprintf(files->key, sizeof(files->key), "%s/key.pem", files->dir);
	(void)snprintf(files->other_key, sizeof(files->other_key), "%s/other.pem", files->dir);
	key = write_key(files->key);
	write_cert(files->cert, key);
	EVP_PKEY_free(key);
	EVP_PKEY_free(write_key(files->other_key));
	*state = files;
	return 0;
}

static int
remove_files(void **state)
{
	struct files *files = *state;

	(void)unlink(files->cert);
	(void)unlink(files->key);
	(void)unlink(files->other_key);
	(void)rmdir(files->dir);
	mem_free(files);
	return 0;
}

static struct tls_ctx *
make_tls(struct files *files, const char *min_version)
{
	struct tls_options o = {
	    .cert_file = files->cert, .key_file = files->key, .min_version = min_version};
	struct tls_ctx *ctx;

	assert_int_equal(tls_ctx_new(&o, NULL, &ctx), TS_OK);
	return ctx;
}

/* --- the server --- */

struct server {
	struct loop *loop;
	pthread_t thread;
	struct stream *s;
	struct tls_ctx *tls;
	const struct stream_limits *limits;
	struct loop_task begin;
	struct loop_timer resume;
	int fd;
	bool tls_first;
	/* Read after the thread has ended. */
	size_t produce; /* bytes still to be sent by "big" */
	size_t most_pending, secured, lines, bytes;
	bool ended_while_paused;
	enum stream_end why;
};

static void
produce(struct server *v)
{
	size_t high = v->limits->high;

	while (v->produce > 0 && stream_out_pending(v->s) <= high) {
		size_t n = v->produce < 10000 ? v->produce : 10000;

		memset(buf_room(stream_out(v->s), n), 'x', n);
		stream_out(v->s)->n += n;
		v->produce -= n;
	}
	if (stream_out_pending(v->s) > v->most_pending)
		v->most_pending = stream_out_pending(v->s);
	stream_kick(v->s);
	if (v->produce == 0)
		stream_resume(v->s);
}

static void
obey(struct server *v, struct str line)
{
	struct buf *out = stream_out(v->s);
	struct stream_tls_info info;
	uint64_t n;

	v->lines++;
	if (str_has_prefix(line, STR("big "))) {
		assert_true(str_u64((struct str){line.p + 4, line.n - 4}, SIZE_MAX, &n));
		v->produce = n;
		stream_pause(v->s);
		produce(v);
	} else if (str_eq(line, STR("pause"))) {
		stream_pause(v->s);
		loop_timer_set(&v->resume, 300);
	} else if (str_eq(line, STR("starttls"))) {
		buf_puts(out, "go\n");
		assert_int_equal(stream_starttls(v->s, v->tls), TS_OK);
	} else if (str_eq(line, STR("close"))) {
		buf_puts(out, "bye\n");
		stream_close(v->s);
	} else if (str_eq(line, STR("info"))) {
		assert_int_equal(stream_tls_info(v->s, &info), stream_is_tls(v->s));
		buf_printf(
		    out, "%s %d\n", stream_is_tls(v->s) ? info.version : "clear", info.peer_cert);
	} else {
		buf_str(out, line);
		buf_putc(out, '\n');
	}
	stream_kick(v->s);
}

static size_t
on_data(void *arg, struct str in)
{
	struct server *v = arg;
	struct str rest = in;
	const char *nl;

	while (!stream_is_paused(v->s) && (nl = str_chr(rest, '\n')) != NULL) {
		struct str line = str_range(rest.p, nl);

		rest = str_range(nl + 1, in.p + in.n);
		obey(v, line);
		if (str_eq(line, STR("starttls")) || str_eq(line, STR("close")))
			break;
	}
	v->bytes += in.n - rest.n;
	return in.n - rest.n;
}

static void
on_drained(void *arg)
{
	produce(arg);
}

static void
on_closed(void *arg, enum stream_end why)
{
	struct server *v = arg;

	v->why = why;
	loop_timer_clear(&v->resume);
	loop_stop(v->loop);
}

static void
on_secured(void *arg)
{
	struct server *v = arg;

	v->secured++;
}

static const struct stream_events events = {
    .data = on_data, .drained = on_drained, .closed = on_closed, .secured = on_secured};

static void
on_resume(void *arg)
{
	struct server *v = arg;

	v->ended_while_paused = stream_peer_ended(v->s);
	stream_resume(v->s);
}

static void
on_begin(struct loop_task *task)
{
	struct server *v = (struct server *)(void *)((char *)task - offsetof(struct server, begin));

	v->s = stream_new(v->loop, v->fd, v->tls_first ? v->tls : NULL, &events, v);
	stream_set_limits(v->s, v->limits);
	if (v->tls_first) {
		buf_puts(stream_out(v->s), "hello\n");
		stream_kick(v->s);
	}
}

static void *
serve(void *arg)
{
	struct server *v = arg;

	loop_run(v->loop);
	loop_free(&v->loop);
	return NULL;
}

/* Returns the client's end of the connection; takes over tls. */
static int
start(struct server *v, const struct stream_limits *limits, struct tls_ctx *tls, bool tls_first)
{
	int fds[2];

	*v = (struct server){.loop = loop_new(),
	    .tls = tls,
	    .tls_first = tls_first,
	    .limits = limits != NULL ? limits : &stream_default_limits};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	v->fd = fds[1];
	v->begin.fn = on_begin;
	loop_timer_init(&v->resume, v->loop, on_resume, v);
	loop_post(v->loop, &v->begin);
	assert_int_equal(pthread_create(&v->thread, NULL, serve, v), 0);
	return fds[0];
}

static void
finish(struct server *v, int fd)
{
	if (fd >= 0)
		(void)close(fd);
	(void)pthread_join(v->thread, NULL);
	tls_ctx_free(&v->tls);
}

/* --- the client --- */

struct client {
	int fd;
	SSL *ssl;
};

static void
put(struct client c, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t did = c.ssl != NULL ? SSL_write(c.ssl, p, (int)n) : write(c.fd, p, n);

		assert_true(did > 0);
		p += did;
		n -= (size_t)did;
	}
}

static void
say(struct client c, const char *text)
{
	put(c, text, strlen(text));
}

static size_t
get(struct client c, char *p, size_t n)
{
	ssize_t did = c.ssl != NULL ? SSL_read(c.ssl, p, (int)n) : read(c.fd, p, n);

	return did > 0 ? (size_t)did : 0;
}

/* Reads exactly the text. */
static void
expect(struct client c, const char *text)
{
	char got[1024];
	size_t n = 0, len = strlen(text), did;

	assert_true(len < sizeof(got));
	while (n < len && (did = get(c, got + n, len - n)) > 0)
		n += did;
	got[n] = '\0';
	assert_string_equal(got, text);
}

static void
expect_end(struct client c)
{
	char byte;

	assert_int_equal(get(c, &byte, 1), 0);
}

static size_t
count_x(struct client c, size_t want)
{
	char got[30000];
	size_t n = 0, did;

	while (
	    n < want && (did = get(c, got, want - n < sizeof(got) ? want - n : sizeof(got))) > 0) {
		for (size_t i = 0; i < did; i++)
			assert_int_equal(got[i], 'x');
		n += did;
	}
	return n;
}

static bool
shake(struct client *c, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	bool done;

	(void)SSL_CTX_set_min_proto_version(ctx, version);
	(void)SSL_CTX_set_max_proto_version(ctx, version);
	c->ssl = SSL_new(ctx);
	(void)SSL_set_fd(c->ssl, c->fd);
	done = SSL_connect(c->ssl) == 1;
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return done;
}

/* --- tests --- */

static void
size_of_an_idle_stream(void **state)
{
	(void)state;
	assert_true(sizeof(struct stream) <= 600);
}

static void
clear_echo_and_half_close(void **state)
{
	struct server v;
	struct client c = {.fd = start(&v, NULL, NULL, false)};

	(void)state;
	say(c, "one\ntwo\nthr");
	expect(c, "one\ntwo\n");
	say(c, "ee\ninfo\n");
	expect(c, "three\nclear 0\n");
	/* Everything that was sent is answered before the end. */
	say(c, "a\npause\nb\nbig 300000\nc\n");
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	expect(c, "a\n");
	expect(c, "b\n");
	assert_int_equal(count_x(c, 300000), 300000);
	expect(c, "c\n");
	expect_end(c);
	finish(&v, c.fd);
	assert_int_equal(v.why, STREAM_END_PEER);
	assert_true(v.ended_while_paused);
}

/* The system keeps a silent connection alive, and detects when it is gone. */
static void
a_stream_is_kept_alive(void **state)
{
	struct server v;
	struct client c = {.fd = start(&v, NULL, NULL, false)};
	socklen_t len = sizeof(int);
	int on = 0;

	(void)state;
	say(c, "one\n");
	expect(c, "one\n"); /* the stream is there */
	assert_int_equal(getsockopt(v.fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len), 0);
	assert_int_equal(on, 1);
	assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
	expect_end(c);
	finish(&v, c.fd);
}

static void
a_slow_reader_costs_one_window(void **state)
{
	static const struct stream_limits limits = {
	    .pending = 1000, .high = 50000, .low = 20000, .close_ms = 1000};
	enum { BIG = 8 * 1000 * 1000 };
	struct server v;
	struct client c = {.fd = start(&v, &limits, NULL, false)};

	(void)state;
	say(c, "big 8000000\nafter\n");
	(void)poll(NULL, 0, 100);
	assert_int_equal(count_x(c, BIG), BIG);
	expect(c, "after\n");
	finish(&v, c.fd);
	assert_true(v.most_pending <= limits.high + 10000);
}

/* While paused, only a limited amount is read from a peer that keeps sending. */
static void
a_flood_while_paused(void **state)
{
	static const struct stream_limits limits = {
	    .pending = 10000, .high = 50000, .low = 20000, .close_ms = 1000};
	enum { MOST = 4 * 1000 * 1000 };
	struct server v;
	struct client c = {.fd = start(&v, &limits, NULL, false)};
	char line[100];
	size_t sent = 0;
	int size = 20000, flags = fcntl(c.fd, F_GETFL);

	(void)state;
	memset(line, 'y', sizeof(line));
	line[99] = '\n';
	(void)setsockopt(c.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	say(c, "big 1000000\n"); /* paused until we read */
	assert_int_equal(fcntl(c.fd, F_SETFL, flags | O_NONBLOCK), 0);
	while (sent < MOST) {
		struct pollfd p = {.fd = c.fd, .events = POLLOUT};
		ssize_t did = write(c.fd, line + sent % 100, 100 - sent % 100);

		if (did > 0)
			sent += (size_t)did;
		else if (poll(&p, 1, 200) == 0)
			break;
	}
	assert_true(sent > 0 && sent < MOST / 2);
	assert_int_equal(fcntl(c.fd, F_SETFL, flags), 0);
	assert_int_equal(count_x(c, 1000000), 1000000);
	for (size_t i = 0; i < sent / 100; i++) {
		char got[101] = "";
		size_t n = 0, did;

		while (n < 100 && (did = get(c, got + n, 100 - n)) > 0)
			n += did;
		assert_memory_equal(got, line, 100);
	}
	finish(&v, c.fd);
	assert_int_equal(v.lines, 1 + sent / 100);
}

/* The last output arrives, although input was left unread. */
static void
closing_with_unread_input(void **state)
{
	struct server v;
	struct client c = {.fd = start(&v, NULL, NULL, false)};
	char junk[1000];

	(void)state;
	memset(junk, 'j', sizeof(junk));
	say(c, "pause\nclose\n");
	for (int i = 0; i < 100; i++)
		put(c, junk, sizeof(junk));
	expect(c, "bye\n");
	expect_end(c);
	finish(&v, c.fd);
	assert_int_equal(v.why, STREAM_END_LOCAL);
}

static void
the_peer_vanishes(void **state)
{
	struct server v;
	struct client c = {.fd = start(&v, NULL, NULL, false)};

	(void)state;
	say(c, "big 100000000\n");
	assert_int_equal(count_x(c, 1000), 1000);
	finish(&v, c.fd);
	assert_int_equal(v.why, STREAM_END_ERROR);
}

static void
hush(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level;
	(void)context;
	(void)text;
	(void)__atomic_add_fetch((int *)arg, 1, __ATOMIC_RELAXED);
}

static void
tls_with(struct files *files, int version, const char *name)
{
	struct server v;
	struct client c = {.fd = start(&v, NULL, make_tls(files, NULL), true)};
	char text[100];
	char *lines = mem_zalloc(1000000);

	assert_true(shake(&c, version));
	expect(c, "hello\n");
	say(c, "one\ninfo\n");
	(void)snprintf(text, sizeof(text), "one\n%s 0\n", name);
	expect(c, text);
	for (const char *p = "byte by byte\n"; *p != '\0'; p++)
		put(c, p, 1);
	expect(c, "byte by byte\n");
	say(c, "big 3000000\nafter\n");
	assert_int_equal(count_x(c, 3000000), 3000000);
	expect(c, "after\n");
	/* More than a buffer of input after a pause. */
	for (size_t i = 0; i < 200000; i++)
		lines[i] = i % 100 == 99 ? '\n' : 'x';
	say(c, "pause\n");
	put(c, lines, 100000);
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(count_x(c, 99), 99);
		expect(c, "\n");
	}
	say(c, "close\n");
	expect(c, "bye\n");
	expect_end(c);
	assert_int_equal(SSL_get_shutdown(c.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
	SSL_free(c.ssl);
	mem_free(lines);
	finish(&v, c.fd);
	assert_int_equal(v.secured, 1);
	assert_int_equal(v.why, STREAM_END_LOCAL);
}

static void
tls_1_2_and_1_3(void **state)
{
	tls_with(*state, TLS1_2_VERSION, "TLSv1.2");
	tls_with(*state, TLS1_3_VERSION, "TLSv1.3");
}

static void
tls_too_old(void **state)
{
	struct server v;
	struct client c = {.fd = start(&v, NULL, make_tls(*state, "1.3"), true)};
	int lines = 0;

	log_set_sink(hush, &lines);
	assert_false(shake(&c, TLS1_2_VERSION));
	SSL_free(c.ssl);
	finish(&v, c.fd);
	assert_int_equal(v.why, STREAM_END_TLS);
	assert_int_equal(v.secured, 0);
	assert_int_equal(lines, 1);
	log_set_sink(NULL, NULL);
}

static void
tls_handshake_takes_too_long(void **state)
{
	static const struct stream_limits limits = {
	    .pending = 1000, .high = 1000, .low = 100, .handshake_ms = 50, .close_ms = 1000};
	struct server v;
	struct client c = {.fd = start(&v, &limits, make_tls(*state, NULL), true)};

	expect_end(c);
	finish(&v, c.fd);
	assert_int_equal(v.why, STREAM_END_TIMEOUT);
}

static void
tls_peer_vanishes(void **state)
{
	struct server v;
	struct client c = {.fd = start(&v, NULL, make_tls(*state, NULL), true)};

	/* Without close_notify: an ordinary end. */
	assert_true(shake(&c, TLS1_3_VERSION));
	expect(c, "hello\n");
	say(c, "x\n");
	expect(c, "x\n");
	SSL_free(c.ssl);
	finish(&v, c.fd);
	assert_true(v.why == STREAM_END_PEER || v.why == STREAM_END_ERROR);

	/* In the middle of our output: no signal, no crash. */
	c = (struct client){.fd = start(&v, NULL, make_tls(*state, NULL), true)};
	assert_true(shake(&c, TLS1_3_VERSION));
	expect(c, "hello\n");
	say(c, "big 50000000\n");
	assert_int_equal(count_x(c, 1000), 1000);
	SSL_free(c.ssl);
	finish(&v, c.fd);
	assert_int_equal(v.why, STREAM_END_ERROR);
}

static void
tls_garbage(void **state)
{
	struct server v;
	struct client c = {.fd = start(&v, NULL, make_tls(*state, NULL), true)};
	int lines = 0;

	log_set_sink(hush, &lines);
	say(c, "a LOGIN alice secret\n");
	finish(&v, c.fd);
	assert_int_equal(v.why, STREAM_END_TLS);
	assert_int_equal(v.lines, 0);

	/* After the handshake: a record that does not decrypt. */
	c = (struct client){.fd = start(&v, NULL, make_tls(*state, NULL), true)};
	assert_true(shake(&c, TLS1_3_VERSION));
	expect(c, "hello\n");
	put((struct client){.fd = c.fd},
	    "\x17\x03\x03\x00\x20"
	    "0123456789abcdef0123456789abcdef",
	    37);
	expect_end(c);
	SSL_free(c.ssl);
	finish(&v, c.fd);
	assert_int_equal(v.why, STREAM_END_TLS);
	assert_int_equal(v.lines, 0);
	log_set_sink(NULL, NULL);
}

static void
starttls(void **state)
{
	struct server v;
	struct client c = {.fd = start(&v, NULL, make_tls(*state, NULL), false)};

	say(c, "info\nstarttls\n");
	expect(c, "clear 0\ngo\n");
	assert_true(shake(&c, TLS1_3_VERSION));
	say(c, "info\n");
	expect(c, "TLSv1.3 0\n");
	SSL_free(c.ssl);
	finish(&v, c.fd);
	assert_int_equal(v.secured, 1);
}

/* Plaintext that follows STARTTLS is never used, in the same segment or the next. */
static void
starttls_injection(void **state)
{
	struct server v;
	struct client c = {.fd = start(&v, NULL, make_tls(*state, NULL), false)};
	int lines = 0;

	log_set_sink(hush, &lines);
	say(c, "starttls\nevil\n");
	expect_end(c);
	finish(&v, c.fd);
	assert_int_equal(v.why, STREAM_END_TLS);
	assert_int_equal(v.lines, 1);

	c = (struct client){.fd = start(&v, NULL, make_tls(*state, NULL), false)};
	say(c, "starttls\n");
	expect(c, "go\n");
	say(c, "evil\n");
	assert_false(shake(&c, TLS1_3_VERSION));
	SSL_free(c.ssl);
	finish(&v, c.fd);
	assert_int_equal(v.why, STREAM_END_TLS);
	assert_int_equal(v.lines, 1);
	assert_int_equal(v.secured, 0);
	log_set_sink(NULL, NULL);
}

static void
expect_complaint(const struct tls_options *o, const char *name)
{
	struct buf why = {0};
	struct tls_ctx *ctx;

	assert_int_equal(tls_ctx_new(o, &why, &ctx), TS_INVALID);
	assert_null(ctx);
	assert_non_null(strstr(buf_cstr(&why), name));
	assert_null(strstr(buf_cstr(&why), "no reason given"));
	buf_fini(&why);
	assert_int_equal(ERR_peek_error(), 0);
}

static void
tls_contexts(void **state)
{
	struct files *files = *state;
	struct tls_options o = {.cert_file = files->cert, .key_file = files->key};
	struct tls_ctx *first, *second, *got;
	struct tls_slot *slot = tls_slot_new();

	o.cert_file = "/nonexistent/cert.pem";
	expect_complaint(&o, "/nonexistent/cert.pem: No such file");
	o.cert_file = files->key; /* it holds no certificate */
	expect_complaint(&o, files->key);
	o.cert_file = files->cert;
	o.key_file = files->other_key;
	expect_complaint(&o, files->other_key);
	o.key_file = NULL; /* no key in the certificate's file */
	expect_complaint(&o, files->cert);
	o.key_file = files->key;
	o.min_version = "1.1";
	expect_complaint(&o, "1.1");
	o.min_version = NULL;
	o.ciphers = "NO-SUCH-CIPHER";
	expect_complaint(&o, "NO-SUCH-CIPHER");
	o.ciphers = "ECDHE+AESGCM";
	o.ciphersuites = "nonsense";
	expect_complaint(&o, "nonsense");
	o.ciphersuites = "TLS_AES_128_GCM_SHA256";

	assert_null(tls_slot_get(slot));
	assert_int_equal(tls_ctx_new(&o, NULL, &first), TS_OK);
	tls_slot_set(slot, first);
	got = tls_slot_get(slot);
	assert_ptr_equal(got, first);
	tls_ctx_free(&first);
	assert_null(first);
	second = make_tls(files, NULL);
	tls_slot_set(slot, second);
	tls_ctx_free(&second);
	tls_ctx_free(&got); /* the last reference to the first */
	tls_slot_free(&slot);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(size_of_an_idle_stream),
	    cmocka_unit_test(clear_echo_and_half_close),
	    cmocka_unit_test(a_stream_is_kept_alive),
	    cmocka_unit_test(a_slow_reader_costs_one_window),
	    cmocka_unit_test(a_flood_while_paused),
	    cmocka_unit_test(closing_with_unread_input),
	    cmocka_unit_test(the_peer_vanishes),
	    cmocka_unit_test(tls_1_2_and_1_3),
	    cmocka_unit_test(tls_too_old),
	    cmocka_unit_test(tls_handshake_takes_too_long),
	    cmocka_unit_test(tls_peer_vanishes),
	    cmocka_unit_test(tls_garbage),
	    cmocka_unit_test(starttls),
	    cmocka_unit_test(starttls_injection),
	    cmocka_unit_test(tls_contexts),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
