/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of delivery: too much at once, input that never comes, and a store that does not
 * answer. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "lmtp_site.h"

static const char small[] = "lmtp.limits { line = 1K; message = 64K; command_time = 1m; "
                            "data_time = 1m; message_time = 10m; store_time = 2m; "
                            "handshake_time = 20s; output_time = 30s }\n";

static void
no_log(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

static void
say(struct lmtp_site *s, const char *text)
{
	stream_fake_push(s->fake, str_of(text));
	site_run(s->site);
}

/* Compares the beginning of the replies so far with these bytes, and removes it. */
static void
replied(struct lmtp_site *s, const char *start)
{
	struct buf *out = stream_fake_output(s->fake);

	if (!str_has_prefix(buf_as_str(out), str_of(start)))
		fail_msg("not %s but %.*s", start, (int)out->n, out->p);
	if (start[0] == '\0')
		assert_int_equal(out->n, 0);
	out->n = 0;
}

static void
over(struct lmtp_site *s, enum stream_end want)
{
	enum stream_end why;

	assert_true(stream_fake_ended(s->fake, &why));
	assert_int_equal(why, want);
	lmtp_site_disconnect(s);
}

static void
wait_ms(struct lmtp_site *s, uint64_t ms)
{
	loop_fake_advance(s->site->loop, ms);
	site_run(s->site);
}

static struct lmtp_site *
begin_with(struct lmtp_site *s, const char *conf, unsigned lanes, struct tls_slot *tls)
{
	*s = (struct lmtp_site){0};
	log_set_sink(no_log, NULL);
	lmtp_site_begin(s, str_of(conf), lanes, tls);
	lmtp_site_connect(s, false);
	replied(s, "220 ");
	say(s, "LHLO me\r\n");
	replied(s, "250-");
	return s;
}

static struct lmtp_site *
begin(struct lmtp_site *s, unsigned lanes, struct tls_slot *tls)
{
	return begin_with(s, small, lanes, tls);
}

static void
envelope(struct lmtp_site *s)
{
	say(s, "MAIL FROM:<>\r\nRCPT TO:<a>\r\nDATA\r\n");
	replied(s, "250 2.1.0");
}

/* ---- sizes */

static void
lines(void **state)
{
	struct lmtp_site s;
	char line[1025];
	struct buf flood = {0};

	(void)state;
	begin(&s, 0, NULL);
	for (size_t n = 1023; n < 1026; n++) { /* with its CRLF */
		memset(line, 'x', sizeof(line));
		memcpy(line, "NOOP ", 5);
		memcpy(line + n - 2, "\r", 2);
		say(&s, line);
		say(&s, "\n");
		replied(&s, n <= 1024 ? "250 " : "500 5.5.2 The line is too long\r\n");
	}
	for (unsigned i = 0; i < 4 << 20; i++)
		buf_putc(&flood, 'x');
	stream_fake_push(s.fake, buf_as_str(&flood));
	site_run(s.site);
	replied(&s, "500 5.5.2 The line is too long\r\n");
	assert_int_equal(stream_fake_untaken(s.fake), 0);
	say(&s, "\r");
	say(&s, "\nNOOP\r\n");
	replied(&s, "250 ");
	buf_fini(&flood);
	lmtp_site_end(&s);
}

static void
message(void **state)
{
	struct lmtp_site s;
	struct buf text = {0};

	(void)state;
	begin(&s, 0, NULL);
	say(&s, "MAIL FROM:<> SIZE=65537\r\n");
	replied(&s, "552 5.3.4");
	say(&s, "MAIL FROM:<> SIZE=99999999999999999999\r\n");
	replied(&s, "5");
	for (size_t n = 65536; n < 65538; n++) {
		envelope(&s);
		while (text.n < n - 2)
			buf_puts(&text, "x");
		stream_fake_push(s.fake, buf_as_str(&text));
		say(&s, "\r\n.\r\n");
		replied(&s, n == 65536 ? "250 2.0.0" : "552 5.3.4");
		buf_fini(&text);
	}
	lmtp_site_end(&s);
}

/* Input beyond what a connection may hold stays in the network, and nothing is lost. */
static void
pipelined(void **state)
{
	enum { N = 500000 };
	struct lmtp_site s;
	struct buf flood = {0};
	struct buf *out;
	size_t replies = 0;

	(void)state;
	begin(&s, 0, NULL);
	for (unsigned i = 0; i < N; i++)
		buf_puts(&flood, "NOOP\r\n");
	stream_fake_set_window(s.fake, 0);
	stream_fake_push(s.fake, buf_as_str(&flood));
	site_run(s.site);
	assert_true(stream_out_pending(stream_fake_stream(s.fake)) < 300 * 1024);
	assert_true(stream_fake_untaken(s.fake) > flood.n - 300 * 1024);
	stream_fake_set_window(s.fake, SIZE_MAX);
	site_run(s.site);
	out = stream_fake_output(s.fake);
	for (size_t i = 0; i < out->n; i++)
		replies += out->p[i] == '\n';
	assert_int_equal(replies, N);
	buf_fini(&flood);
	lmtp_site_end(&s);
}

/* Many commands at once are answered a hundred at a time, so that others get their turn. */
static void
turns(void **state)
{
	enum { N = 1000 };
	struct lmtp_site s;
	struct buf flood = {0};
	struct buf *out;
	size_t before = 0, most = 0;

	(void)state;
	begin(&s, 0, NULL);
	envelope(&s); /* so a is in memory */
	say(&s, ".\r\n");
	out = stream_fake_output(s.fake);
	out->n = 0;
	buf_puts(&flood, "MAIL FROM:<>\r\n");
	for (unsigned i = 1; i < N; i++)
		buf_puts(&flood, i % 2 ? "RCPT TO:<a>\r\n" : "NOOP\r\n");
	stream_fake_push(s.fake, buf_as_str(&flood));
	while (loop_fake_step(s.site->loop)) {
		size_t lines = 0;

		for (size_t i = 0; i < out->n; i++)
			lines += out->p[i] == '\n';
		most = lines - before > most ? lines - before : most;
		before = lines;
	}
	assert_int_equal(before, N);
	assert_int_equal(most, 100);
	buf_fini(&flood);
	lmtp_site_end(&s);
}

/* ---- times */

static void
nothing_comes(void **state)
{
	struct lmtp_site s;

	(void)state;
	begin(&s, 0, NULL);
	wait_ms(&s, 59000);
	say(&s, "NOOP\r\nNO"); /* an incomplete line does not restart the timer */
	replied(&s, "250 ");
	wait_ms(&s, 30000);
	say(&s, "O");
	wait_ms(&s, 29000);
	replied(&s, "");
	wait_ms(&s, 2000);
	replied(&s, "421 4.4.2 Nothing came for too long\r\n");
	over(&s, STREAM_END_LOCAL);
	lmtp_site_connect(&s, false);
	say(&s, "LHLO me\r\n");
	replied(&s, "220 ");
	envelope(&s);
	wait_ms(&s, 61000);
	replied(&s, "421 4.4.2 Nothing came for too long\r\n");
	over(&s, STREAM_END_LOCAL);
	lmtp_site_end(&s);
}

static void
no_message_comes(void **state)
{
	struct lmtp_site s;

	(void)state;
	begin(&s, 0, NULL);
	for (unsigned i = 0; i < 9; i++) {
		wait_ms(&s, 59000);
		say(&s, "NOOP\r\n");
		replied(&s, "250 ");
	}
	envelope(&s);
	say(&s, "x\r\n.\r\n");
	replied(&s, "250 2.0.0");
	envelope(&s);
	for (unsigned i = 0; i < 12; i++) { /* 10 minutes since the last message */
		wait_ms(&s, 49000);
		say(&s, "x");
		replied(&s, "");
	}
	wait_ms(&s, 13000);
	replied(&s, "421 4.4.2 No message has come for too long\r\n");
	over(&s, STREAM_END_LOCAL);
	assert_int_equal(s.ll.stats.delivered, 1);
	assert_int_equal(s.ll.stats.abandoned, 1); /* the second one's */
	assert_int_equal(s.ll.stats.bytes, 3 + 12);
	lmtp_site_end(&s);
}

static void
handshake(void **state)
{
	struct tls_slot *tls = site_tls();
	struct lmtp_site s;

	(void)state;
	begin(&s, 0, tls);
	stream_fake_hold_handshake(s.fake, true);
	say(&s, "STARTTLS\r\n");
	replied(&s, "220 ");
	wait_ms(&s, 19000);
	assert_false(stream_fake_ended(s.fake, NULL));
	wait_ms(&s, 2000);
	over(&s, STREAM_END_TIMEOUT);
	lmtp_site_end(&s);
	tls_slot_free(&tls);
}

static void
no_output_is_taken(void **state)
{
	struct lmtp_site s;

	(void)state;
	begin(&s, 0, NULL);
	stream_fake_set_window(s.fake, 0);
	say(&s, "NOOP\r\n");
	wait_ms(&s, 31000);
	over(&s, STREAM_END_TIMEOUT);
	lmtp_site_end(&s);
}

/* ---- the store */

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool held;
};

static enum ts_err
flush_hook(const struct engine_batch *batch, void *arg)
{
	struct gate *g = arg;

	(void)batch;
	pthread_mutex_lock(&g->lock);
	while (g->held)
		pthread_cond_wait(&g->cond, &g->lock);
	pthread_mutex_unlock(&g->lock);
	return TS_OK;
}

static void
open_gate(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->held = false;
	pthread_cond_broadcast(&g->cond);
	pthread_mutex_unlock(&g->lock);
}

static void
store_hangs(void **state)
{
	struct gate g = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, true};
	struct lmtp_site s;

	(void)state;
	begin(&s, 1, NULL);
	envelope(&s);
	engine_mem_hook(s.site->disk, flush_hook, &g);
	say(&s, "x\r\n.\r\nQUIT\r\n");
	wait_ms(&s, 119000);
	replied(&s, "");
	wait_ms(&s, 2000);
	replied(&s, "421 4.3.0 The mail store is not responding\r\n");
	assert_true(stream_fake_ended(s.fake, NULL));
	assert_int_equal(s.ll.stats.unknown, 1);
	assert_int_equal(s.ll.stats.messages + s.ll.stats.delivered + s.ll.stats.abandoned, 0);
	open_gate(&g);
	lmtp_site_disconnect(&s);
	lmtp_site_end(&s);
}

/* The first message for a user makes an account, and then a mailbox: no worker waits for it. */
static void
making_hangs(void **state)
{
	struct gate g = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, true};
	struct lmtp_site s;

	(void)state;
	begin_with(&s,
	    "lmtp.missing_mailbox = create; lmtp.limits { command_time = 1h; store_time = 2m }\n",
	    1, NULL);
	site_user(s.site, "new", "x", NULL, false);
	site_user(s.site, "newer", "x", NULL, false);
	say(&s, "MAIL FROM:<>\r\n");
	replied(&s, "250 2.1.0");
	engine_mem_hook(s.site->disk, flush_hook, &g);
	say(&s, "RCPT TO:<new+Work>\r\nRCPT TO:<a>\r\n");
	assert_int_equal(work_pool_running(s.site->server.workers), 0);
	assert_int_equal(work_pool_waiting(s.site->server.workers), 0);
	wait_ms(&s, 119000);
	replied(&s, "");
	open_gate(&g);
	while (str_find(buf_as_str(stream_fake_output(s.fake)), STR("OK\r\n250 2.1.5")) == NULL)
		site_run(s.site);
	replied(&s, "250 2.1.5 OK\r\n250 2.1.5 OK\r\n");
	say(&s, "DATA\r\n");
	replied(&s, "354");
	say(&s, "x\r\n.\r\n");
	while (str_find(buf_as_str(stream_fake_output(s.fake)), STR("\n250 2.0.0")) == NULL)
		site_run(s.site);
	replied(&s, "250 2.0.0");
	/* It takes too long, or the client disconnects in the meantime. */
	for (unsigned leaves = 0; leaves < 2; leaves++) {
		say(&s, "MAIL FROM:<>\r\n");
		replied(&s, "250 2.1.0");
		g.held = true;
		say(&s, leaves ? "RCPT TO:<newer+Work>\r\n" : "RCPT TO:<new+Other>\r\n");
		wait_ms(&s, 119000);
		replied(&s, "");
		if (!leaves) {
			wait_ms(&s, 2000);
			replied(&s, "421 4.3.0 The mail store is not responding\r\n");
		}
		lmtp_site_disconnect(&s);
		assert_true(session_loop_is_empty(&s.ll.sessions));
		open_gate(&g);
		lmtp_site_connect(&s, false);
		say(&s, "LHLO me\r\n");
		replied(&s, "220 ");
	}
	lmtp_site_end(&s);
}

static void
lookup_hangs(void **state)
{
	struct lmtp_site s;

	(void)state;
	begin(&s, 0, NULL);
	say(&s, "MAIL FROM:<>\r\n");
	replied(&s, "250 2.1.0");
	work_pool_hold(s.site->server.workers, true);
	say(&s, "RCPT TO:<a>\r\n");
	wait_ms(&s, 119000);
	replied(&s, "");
	wait_ms(&s, 2000);
	replied(&s, "421 4.3.0 The mail store is not responding\r\n");
	/* The look-up is cancelled. */
	assert_int_equal(work_pool_waiting(s.site->server.workers), 0);
	assert_true(session_loop_is_empty(&s.ll.sessions));
	work_pool_hold(s.site->server.workers, false);
	over(&s, STREAM_END_LOCAL);
	lmtp_site_end(&s);
}

/* The disk accepts nothing of a large message: its input is held back, or its end waits. */
static void
upload_hangs(void **state)
{
	static const size_t sizes[] = {200 << 10, 2 << 20};
	struct buf text = {0};
	struct lmtp_site s;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		begin_with(&s, "lmtp.limits { message = 4M; store_time = 2m }\n", 0, NULL);
		envelope(&s);
		while (text.n < sizes[i])
			buf_puts(&text, "some more of it\r\n");
		work_pool_hold(s.site->server.workers, true);
		stream_fake_push(s.fake, buf_as_str(&text));
		say(&s, ".\r\n");
		wait_ms(&s, 119000);
		replied(&s, "");
		wait_ms(&s, 1000);
		replied(&s, "421 4.3.0 The mail store is not responding\r\n");
		work_pool_hold(s.site->server.workers, false);
		site_run(s.site);
		over(&s, STREAM_END_LOCAL);
		lmtp_site_end(&s);
	}
	buf_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(message),
	    cmocka_unit_test(pipelined), cmocka_unit_test(turns), cmocka_unit_test(nothing_comes),
	    cmocka_unit_test(no_message_comes), cmocka_unit_test(handshake),
	    cmocka_unit_test(no_output_is_taken), cmocka_unit_test(store_hangs),
	    cmocka_unit_test(making_hangs), cmocka_unit_test(lookup_hangs),
	    cmocka_unit_test(upload_hangs)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
