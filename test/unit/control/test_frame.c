/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, and one request, with a peer that does anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "control/op.h"
#include "control/ops/ops.h"

struct pair {
	int peer;
	struct channel ch;
};

static struct pair
pair_new(void)
{
	struct pair p;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	p.peer = fd[0];
	p.ch = (struct channel){.fd = fd[1], .stop = -1, .patience = 20000};
	return p;
}

static void
pair_free(struct pair *p)
{
	if (p->peer >= 0)
		close(p->peer);
	close(p->ch.fd);
}

static void
say(int fd, const void *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

static enum frame_result
read_after(const void *bytes, size_t n, size_t max)
{
	struct pair p = pair_new();
	struct buf in = {0};
	enum frame_type type;
	enum frame_result result;

	say(p.peer, bytes, n);
	shutdown(p.peer, SHUT_WR);
	result = frame_read(&p.ch, max, &type, &in);
	if (result == FRAME_READ)
		assert_int_equal(type, ((const char *)bytes)[0]);
	buf_fini(&in);
	pair_free(&p);
	return result;
}

static void
test_hostile_frames(void **state)
{
	static const char good[] = "b\0\0\0\3abc";

	(void)state;
	for (size_t n = 0; n < 8; n++)
		assert_int_equal(read_after(good, n, 100), FRAME_GONE);
	assert_int_equal(read_after(good, 8, 100), FRAME_READ);
	assert_int_equal(read_after(good, 8, 3), FRAME_READ);
	assert_int_equal(read_after(good, 8, 2), FRAME_BAD);
	assert_int_equal(read_after("e\0\0\0\0", 5, 0), FRAME_READ);
	assert_int_equal(read_after("b\xff\xff\xff\xff", 5, FRAME_BYTES_MAX), FRAME_BAD);
	assert_int_equal(read_after("b\x7f\xff\xff\xff", 5, FRAME_BYTES_MAX), FRAME_BAD);
	assert_int_equal(read_after("b\0\x10\0\1", 5, FRAME_BYTES_MAX), FRAME_BAD);
	for (int c = 0; c < 256; c++) {
		char head[5] = {(char)c};
		bool known = c != 0 && strchr("rpdwbetkf", c) != NULL;

		assert_int_equal(read_after(head, 5, 10), known ? FRAME_READ : FRAME_BAD);
	}
}

static void
test_both_ways(void **state)
{
	struct pair p = pair_new();
	struct channel other = {.fd = p.peer, .stop = -1, .patience = 20000};
	struct buf in = {0};
	enum frame_type type;

	(void)state;
	assert_true(frame_write(&p.ch, FRAME_DATA, STR("some\0bytes")));
	assert_true(frame_write_all(&p.ch, FRAME_TEXT, STR("")));
	assert_true(frame_write(&p.ch, FRAME_OK, STR("")));
	assert_int_equal(frame_read(&other, 100, &type, &in), FRAME_READ);
	assert_int_equal(type, FRAME_DATA);
	assert_true(str_eq(buf_as_str(&in), STR("some\0bytes")));
	assert_int_equal(frame_read(&other, 100, &type, &in), FRAME_READ);
	assert_int_equal(type, FRAME_OK);
	assert_int_equal(in.n, 10);
	assert_false(channel_over(&p.ch));
	close(p.peer);
	p.peer = -1;
	assert_true(channel_over(&p.ch));
	assert_false(frame_write(&p.ch, FRAME_OK, STR("")));
	buf_fini(&in);
	pair_free(&p);
}

static void
test_stop(void **state)
{
	struct pair p = pair_new();
	struct buf in = {0};
	enum frame_type type;

	(void)state;
	p.ch.stop = eventfd(0, EFD_CLOEXEC);
	p.ch.patience = -1;
	assert_false(channel_over(&p.ch));
	assert_int_equal(eventfd_write(p.ch.stop, 1), 0);
	assert_true(channel_over(&p.ch));
	assert_int_equal(frame_read(&p.ch, 10, &type, &in), FRAME_GONE);
	/* The result still gets out, */
	assert_true(frame_write(&p.ch, FRAME_FAILED, STR("")));
	/* but a peer that does not read is not waited for endlessly. */
	while (frame_write_all(&p.ch, FRAME_DATA, STR("filling the socket's buffer")))
		;
	close(p.ch.stop);
	buf_fini(&in);
	pair_free(&p);
}

static void
test_patience(void **state)
{
	struct pair p = pair_new();
	struct buf in = {0};
	enum frame_type type;

	(void)state;
	p.ch.patience = 1;
	assert_int_equal(frame_read(&p.ch, 10, &type, &in), FRAME_GONE);
	buf_fini(&in);
	pair_free(&p);
}

/* ---- one request ---- */

/* Receives all pieces and sends them back. */
static bool
echo(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct buf piece = {0}, all = {0};
	bool ok;

	(void)ops;
	(void)req;
	while (io->receive(io, &piece)) {
		buf_str(&all, buf_as_str(&piece));
		piece.n = 0;
		io->progress(io, "bytes", all.n, 0);
	}
	assert_false(io->receive(io, &piece));
	ok = io->send(io, buf_as_str(&all));
	if (io->gone(io))
		ok = false;
	buf_printf(out, "%zu bytes\n", all.n);
	buf_fini(&piece);
	buf_fini(&all);
	return ok;
}

static const struct op *
find_op(struct str verb)
{
	static const struct op table[] = {
	    {.verb = "echo", .run = echo}, {.verb = "server", .run = echo, .needs_server = true}};

	for (size_t i = 0; i < 2; i++)
		if (str_eq(verb, str_of(table[i].verb)))
			return &table[i];
	return NULL;
}

struct served {
	struct channel ch;
};

static void *
serve(void *arg)
{
	struct served *s = arg;
	struct ops ops = {.find = find_op};

	op_serve(&s->ch, &ops);
	shutdown(s->ch.fd, SHUT_RDWR);
	return NULL;
}

/* Sends the bytes and disconnects; returns the answer, without frames of progress. */
static void
exchange(const void *bytes, size_t n, bool stopping, struct buf *text, char *last)
{
	struct pair p = pair_new();
	struct channel other = {.fd = p.peer, .stop = -1, .patience = 20000};
	struct served s = {p.ch};
	enum frame_type type;
	pthread_t thread;

	*last = '\0';
	if (stopping)
		s.ch.stop = eventfd(1, EFD_CLOEXEC);
	assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
	say(p.peer, bytes, n);
	shutdown(p.peer, SHUT_WR);
	for (;;) {
		size_t before = text->n;

		if (frame_read(&other, FRAME_BYTES_MAX, &type, text) != FRAME_READ)
			break;
		*last = (char)type;
		if (type == FRAME_PROGRESS)
			text->n = before;
	}
	pthread_join(thread, NULL);
	if (stopping)
		close(s.ch.stop);
	pair_free(&p);
}

#define EXCHANGE(literal, stopping, end, text)                                                     \
	do {                                                                                       \
		struct buf said = {0};                                                             \
		char last;                                                                         \
		exchange("" literal, sizeof(literal) - 1, stopping, &said, &last);                 \
		assert_int_equal(last, end);                                                       \
		assert_non_null(strstr(buf_cstr(&said), text));                                    \
		buf_fini(&said);                                                                   \
	} while (0)

static void
test_wrong_requests(void **state)
{
	(void)state;
	EXCHANGE("", false, FRAME_FAILED, "did not come");
	EXCHANGE("r\0\0\0\5ec", false, FRAME_FAILED, "did not come");
	EXCHANGE("b\0\0\0\1x", false, FRAME_FAILED, "comes first");
	EXCHANGE("k\0\0\0\0", false, FRAME_FAILED, "comes first");
	EXCHANGE("user-list\n\n", false, FRAME_FAILED, "not a valid request");
	EXCHANGE("r\0\x04\0\1", false, FRAME_FAILED, "not a valid request");
	EXCHANGE("r\0\0\0\5echo\n", false, FRAME_FAILED, "not a valid request");
	EXCHANGE("r\0\0\0\0", false, FRAME_FAILED, "not a valid request");
	EXCHANGE("r\0\0\0\2\n\n", false, FRAME_FAILED, "not a valid request");
	EXCHANGE("r\0\0\0\7mkdir\n\n", false, FRAME_FAILED, "does not know the request 'mkdir'");
	EXCHANGE("r\0\0\0\010server\n\n", false, FRAME_FAILED, "no server is running");
	EXCHANGE("r\0\0\0\6echo\n\n", true, FRAME_FAILED, "shutting down");
}

static void
test_wrong_pieces(void **state)
{
	(void)state;
	/* A peer that is gone, one that says something else, one whose piece is too long. */
	EXCHANGE("r\0\0\0\6echo\n\n", false, FRAME_FAILED, "0 bytes");
	EXCHANGE("r\0\0\0\6echo\n\nb\0\0\0\2abr\0\0\0\0", false, FRAME_FAILED, "2 bytes");
	EXCHANGE("r\0\0\0\6echo\n\nb\0\0\0\2abb\0\x10\0\1", false, FRAME_FAILED, "2 bytes");
}

struct collected {
	struct buf data;
	size_t wants, pieces;
	char last;
};

static void
answer_wants(int fd, struct collected *c)
{
	struct channel ch = {.fd = fd, .stop = -1, .patience = 20000};
	struct buf in = {0}, piece = {0};
	enum frame_type type;

	memset(buf_room(&piece, FRAME_BYTES_MAX), 'x', FRAME_BYTES_MAX);
	piece.n = FRAME_BYTES_MAX;
	while (frame_read(&ch, FRAME_BYTES_MAX, &type, &in) == FRAME_READ) {
		c->last = (char)type;
		if (type == FRAME_WANT)
			assert_true(c->wants++ < c->pieces
			                ? frame_write(&ch, FRAME_PIECE, buf_as_str(&piece))
			                : frame_write(&ch, FRAME_END, STR("")));
		else if (type == FRAME_DATA)
			buf_str(&c->data, buf_as_str(&in));
		in.n = 0;
	}
	buf_fini(&in);
	buf_fini(&piece);
}

/* The request arrives when the server is stopping: the answer says so. */
static void
test_stop_before_request(void **state)
{
	struct pair p = pair_new();
	struct channel other = {.fd = p.peer, .stop = -1, .patience = 20000};
	struct served s = {p.ch};
	struct buf text = {0};
	enum frame_type type;
	pthread_t thread;

	(void)state;
	s.ch.stop = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
	assert_int_equal(eventfd_write(s.ch.stop, 1), 0);
	usleep(10000); /* so that it probably waits for the rest */
	assert_true(frame_write(&other, FRAME_REQUEST, STR("echo\n\n")));
	assert_int_equal(frame_read(&other, FRAME_BYTES_MAX, &type, &text), FRAME_READ);
	assert_non_null(strstr(buf_cstr(&text), "shutting down"));
	pthread_join(thread, NULL);
	close(s.ch.stop);
	buf_fini(&text);
	pair_free(&p);
}

static void
test_bulk(void **state)
{
	struct pair p = pair_new();
	struct channel other = {.fd = p.peer, .stop = -1, .patience = 20000};
	struct served s = {p.ch};
	struct collected c = {.pieces = 3};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
	assert_true(frame_write(&other, FRAME_REQUEST, STR("echo\n\n")));
	answer_wants(p.peer, &c);
	pthread_join(thread, NULL);
	assert_int_equal(c.last, FRAME_OK);
	assert_int_equal(c.wants, 4);
	assert_int_equal(c.data.n, 3 * FRAME_BYTES_MAX);
	buf_fini(&c.data);
	pair_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile_frames),
	    cmocka_unit_test(test_both_ways), cmocka_unit_test(test_stop),
	    cmocka_unit_test(test_stop_before_request), cmocka_unit_test(test_patience),
	    cmocka_unit_test(test_wrong_requests), cmocka_unit_test(test_wrong_pieces),
	    cmocka_unit_test(test_bulk)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
