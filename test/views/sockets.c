/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: views PORT USER PASSWORD SECONDS SEED [ROUND]
 *
 * Sessions on a running server, whose threads decide the order of events.  They run in rounds: each
 * has two new mailboxes and its own seed, SEED plus its number, and ends with all sessions sending
 * NOOP and reading everything.  ROUND: only that one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "viewer.h"

#define SESSIONS 8
#define ROUND_MS 4000
#define PATIENCE_MS 60000 /* no reply may take longer */
#define PIECE 65536
#define SIZE_MAX_TEXT (5u << 20)
#define RECEIVE 65536 /* small, so that a large message takes a while */

struct client {
	struct viewer s;
	int fd;
	bool greeted, closed;
	uint64_t pause, idle_until; /* milliseconds */
};

struct round {
	struct truth truth;
	struct client clients[SESSIONS];
	uint64_t random, heard; /* when something arrived last */
	uint64_t bytes;
};

static unsigned short port;
static const char *user, *password;

static void
die(const char *what)
{
	fprintf(stderr, "views: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int
dial(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), size = RECEIVE, on = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("connect");
	return fd;
}

/* Sends lines at once on a connection of its own; each must be answered with OK. */
static void
manage(const char *verb, const struct truth *t)
{
	struct buf in = {0}, out = {0};
	int fd = dial();
	ssize_t n;

	buf_printf(&out, "t LOGIN %s %s\r\n", user, password);
	for (unsigned i = 0; i < MAILBOXES; i++)
		buf_printf(&out, "t %s %s\r\n", verb, t->boxes[i].name);
	buf_puts(&out, "t LOGOUT\r\n");
	if (write(fd, out.p, out.n) != (ssize_t)out.n)
		die("write");
	while ((n = read(fd, buf_room(&in, 4096), 4096)) > 0)
		in.n += (size_t)n;
	if (str_find(buf_as_str(&in), STR("t NO")) != NULL ||
	    str_find(buf_as_str(&in), STR("t BAD")) != NULL) {
		fprintf(stderr, "views: %s: %.*s\n", verb, STR_ARG(buf_as_str(&in)));
		exit(2);
	}
	buf_fini(&in);
	buf_fini(&out);
	close(fd);
}

/* ---- bytes */

static void
take(struct round *r, struct client *c)
{
	static char piece[PIECE];
	ssize_t n = read(c->fd, piece, 1 + random_below(&r->random, PIECE));
	struct str bytes = {piece, n > 0 ? (size_t)n : 0};

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (!c->s.bye)
			truth_fault(&r->truth,
			    "session %s: the server has closed, %zu bytes into a response",
			    c->s.name, c->s.in.n);
		c->closed = true;
		return;
	}
	r->heard = clock_mono_ms();
	r->bytes += bytes.n;
	if (!c->greeted) {
		const char *nl = str_chr(bytes, '\n');

		c->greeted = nl != NULL; /* it arrives in one piece, or its rest is read as well */
		bytes = nl != NULL ? str_range(nl + 1, bytes.p + bytes.n) : STR_NONE;
	}
	viewer_take(&c->s, bytes);
	if (random_below(&r->random, 200) == 0)
		c->pause = r->heard + random_below(&r->random, 150);
}

static void
give(struct round *r, struct client *c)
{
	ssize_t n = write(c->fd, c->s.out.p, c->s.out.n);

	if (n > 0)
		buf_consume(&c->s.out, (size_t)n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		truth_fault(&r->truth, "session %s: the connection is broken", c->s.name);
}

static void
exchange(struct round *r)
{
	struct pollfd p[SESSIONS];
	uint64_t now = clock_mono_ms();

	for (unsigned i = 0; i < SESSIONS; i++) {
		struct client *c = &r->clients[i];

		p[i] = (struct pollfd){.fd = c->closed ? -1 : c->fd};
		p[i].events =
		    (short)((now >= c->pause ? POLLIN : 0) | (c->s.out.n > 0 ? POLLOUT : 0));
	}
	if (poll(p, SESSIONS, 5) < 0 && errno != EINTR)
		die("poll");
	for (unsigned i = 0; i < SESSIONS && r->truth.fault == NULL; i++) {
		if ((p[i].revents & POLLOUT) != 0)
			give(r, &r->clients[i]);
		if ((p[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			take(r, &r->clients[i]);
	}
	if (clock_mono_ms() - r->heard > PATIENCE_MS)
		truth_fault(&r->truth, "nothing has come for %u seconds", PATIENCE_MS / 1000);
}

/* ---- a round */

static void
ask(struct round *r, struct client *c)
{
	uint64_t now = clock_mono_ms();
	unsigned more = 1;

	if (viewer_idles(&c->s)) {
		if (now >= c->idle_until)
			viewer_done(&c->s);
		return;
	}
	/* The next one at once, and sometimes several. */
	if (c->s.act_count > 0 && random_below(&r->random, 50) != 0)
		return;
	if (random_below(&r->random, 4) == 0)
		more = 1 + random_below(&r->random, PIPELINE);
	while (more-- > 0)
		viewer_next(&c->s);
	c->idle_until = now + random_below(&r->random, 200);
}

static bool
busy(const struct round *r)
{
	for (unsigned i = 0; i < SESSIONS; i++)
		if (r->clients[i].s.act_count > 0 || r->clients[i].s.out.n > 0)
			return true;
	return false;
}

static void
settle(struct round *r)
{
	for (unsigned i = 0; i < SESSIONS; i++)
		if (viewer_idles(&r->clients[i].s))
			viewer_done(&r->clients[i].s);
	while (r->truth.fault == NULL && busy(r))
		exchange(r);
}

static void
look_at_all(struct viewer *s)
{
	viewer_simple(s, V_NOOP);
	if (s->belief.count > 0)
		viewer_fetch(s, NULL, true, ITEM_UID | ITEM_FLAGS);
}

static void
end(struct round *r)
{
	struct viewer *all[SESSIONS];

	settle(r);
	for (unsigned i = 0; i < SESSIONS; i++) {
		all[i] = &r->clients[i].s;
		if (all[i]->selecting == NULL && r->truth.fault == NULL)
			viewer_select(all[i], &r->truth.boxes[i % MAILBOXES], false);
	}
	settle(r);
	for (unsigned times = 0; times < 2 && r->truth.fault == NULL; times++) {
		for (unsigned i = 0; i < SESSIONS; i++)
			look_at_all(all[i]);
		settle(r);
	}
	if (r->truth.fault == NULL)
		sessions_agree(all, SESSIONS);
	for (unsigned i = 0; i < SESSIONS && r->truth.fault == NULL; i++)
		viewer_simple(all[i], V_LOGOUT);
	settle(r);
}

static void
begin(struct round *r, uint64_t seed)
{
	char name[32];

	snprintf(name, sizeof(name), "v%llu", (unsigned long long)seed);
	truth_init(&r->truth, seed, name);
	r->truth.size_max = SIZE_MAX_TEXT;
	r->random = seed;
	r->heard = clock_mono_ms();
	manage("CREATE", &r->truth);
	for (unsigned i = 0; i < SESSIONS; i++) {
		struct client *c = &r->clients[i];

		viewer_init(&c->s, &r->truth, i + 1, i % 4 == 3, i % 4 == 1);
		if (seed % 2 == 1)
			c->s.habit = i % 2 == 0 ? HABIT_CHURN : HABIT_LOOK;
		c->fd = dial();
		(void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
		viewer_login(&c->s, user, password);
	}
}

/* False: a contradiction was found and printed. */
static bool
run(uint64_t seed, uint64_t ms, uint64_t *commands)
{
	struct round *r = mem_zalloc(sizeof(*r));
	uint64_t until = clock_mono_ms() + ms;
	bool good;

	begin(r, seed);
	while (r->truth.fault == NULL && clock_mono_ms() < until) {
		for (unsigned i = 0; i < SESSIONS; i++)
			ask(r, &r->clients[i]);
		exchange(r);
	}
	end(r);
	good = r->truth.fault == NULL;
	if (!good)
		truth_print(&r->truth);
	for (unsigned i = 0; i < SESSIONS; i++) {
		*commands += r->clients[i].s.commands;
		viewer_fini(&r->clients[i].s);
		close(r->clients[i].fd);
	}
	if (good)
		manage("DELETE", &r->truth);
	truth_fini(&r->truth);
	mem_free(r);
	return good;
}

int
main(int argc, char **argv)
{
	uint64_t commands = 0, seed, end_ms;
	unsigned rounds = 0;

	if (argc < 6) {
		fprintf(stderr, "usage: %s PORT USER PASSWORD SECONDS SEED [ROUND]\n", argv[0]);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	port = (unsigned short)atoi(argv[1]);
	user = argv[2];
	password = argv[3];
	end_ms = clock_mono_ms() + strtoull(argv[4], NULL, 10) * 1000;
	seed = strtoull(argv[5], NULL, 10);
	if (argc > 6)
		return !run(seed + strtoull(argv[6], NULL, 10), ROUND_MS, &commands);
	for (; clock_mono_ms() < end_ms; rounds++) {
		uint64_t left = end_ms - clock_mono_ms();

		if (!run(seed + rounds, left < ROUND_MS ? left : ROUND_MS, &commands)) {
			fprintf(
			    stderr, "round %u of seed %llu\n", rounds, (unsigned long long)seed);
			return 1;
		}
	}
	printf("seed %llu: %u rounds, %llu commands, no contradiction\n", (unsigned long long)seed,
	    rounds, (unsigned long long)commands);
	return 0;
}
