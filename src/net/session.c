/* SPDX-License-Identifier: Apache-2.0 */
/* See session.h. */
#include "net/session.h"

#include "net/tally.h"

void
session_server_init(struct session_server *server)
{
	server->addresses = tally_new();
}

void
session_server_fini(struct session_server *server)
{
	tally_free(&server->addresses);
}

void
session_loop_init(struct session_loop *sl, unsigned index, unsigned count)
{
	sl->next_id = index + 1;
	sl->id_step = count > 0 ? count : 1;
	list_init(&sl->list);
}

bool
session_loop_is_empty(const struct session_loop *sl)
{
	return list_empty(&sl->list);
}

/* ---- start */

void
session_begin(struct session *s, struct session_loop *sl, struct arena *arena, struct str address,
    loop_timer_f *timed_out, void *arg)
{
	s->sl = sl;
	s->arena = arena;
	s->id = sl->next_id;
	sl->next_id += sl->id_step;
	s->address = arena_str(arena, address);
	s->since_ms = s->heard_ms = loop_now(sl->loop);
	loop_timer_init(&s->timer, sl->loop, timed_out, arg);
	list_push_back(&sl->list, &s->link);
	sl->stats->open++;
	sl->stats->total++;
}

void
session_set_front(struct session *s, const char *front)
{
	if (front != NULL)
		s->front = arena_str(s->arena, str_of(front));
}

void
session_start(
    struct session *s, struct stream *stream, const struct stream_limits *limits, bool tls)
{
	struct log_event e;

	s->stream = stream;
	stream_set_limits(stream, limits);
	if (!log_wants(LOG_INFO))
		return;
	session_event(s, &e, STR("connection"));
	log_event_str(&e, "address", s->address);
	if (s->front.n > 0)
		log_event_str(&e, "front", s->front);
	log_event_str(&e, "tls", tls ? STR("yes") : STR("no"));
	log_event_put(&e, LOG_INFO);
}

static bool
take_room(struct session_server *server, unsigned most)
{
	unsigned n = server->admitted;

	while (n < most)
		if (atomic_compare_exchange_weak(&server->admitted, &n, n + 1))
			return true;
	return false;
}

/* All peers on UNIX sockets would have the same address. */
static bool
has_address(const struct session *s)
{
	return !str_eq(s->address, STR("unix"));
}

static bool
take_place(struct session *s, const struct session_limits *limits)
{
	char text[TALLY_NETWORK_MAX];

	s->place = tally_enter(s->sl->server->addresses,
	    tally_network(s->address, limits->v6_bits, text), limits->per_address);
	return s->place != NULL;
}

enum session_admission
session_admit(struct session *s, const struct session_limits *limits)
{
	struct session_server *server = s->sl->server;

	if (!take_room(server, limits->connections)) {
		session_log(s, LOG_WARNING, "more than %s.connections: closed", limits->options);
		return SESSION_TOO_MANY;
	}
	if (has_address(s) && !take_place(s, limits)) {
		server->admitted--;
		session_log(s, LOG_WARNING, "more than %s.connections_per_address: closed",
		    limits->options);
		return SESSION_TOO_MANY_OF_ADDRESS;
	}
	s->admitted = true;
	return SESSION_ADMITTED;
}

/* ---- time */

void
session_wait(struct session *s, uint64_t ms)
{
	if (!s->closing)
		loop_timer_set(&s->timer, ms);
}

void
session_set_deadline(struct session *s, uint64_t ms)
{
	s->deadline = loop_now(s->sl->loop) + ms;
}

void
session_wait_by_deadline(struct session *s, uint64_t ms)
{
	uint64_t now = loop_now(s->sl->loop), left = s->deadline > now ? s->deadline - now : 0;

	session_wait(s, ms < left ? ms : left);
}

bool
session_is_late(const struct session *s)
{
	return loop_now(s->sl->loop) >= s->deadline;
}

/* ---- end */

void
session_close(struct session *s, const char *how)
{
	if (s->ending == NULL)
		s->ending = how;
	s->closing = true;
	loop_timer_clear(&s->timer);
	if (s->stream == NULL)
		return;
	stream_kick(s->stream);
	stream_close(s->stream);
}

void
session_ended(struct session *s, enum stream_end why)
{
	if (s->ending == NULL)
		s->ending = stream_end_name(why);
	if (stream_refusal(s->stream) != NULL)
		session_log(s, LOG_WARNING, "TLS refused: %s", stream_refusal(s->stream));
	s->stream = NULL;
	s->closing = true;
	loop_timer_clear(&s->timer);
}

void
session_free(struct session *s)
{
	struct session_loop *sl = s->sl;
	struct arena *arena = s->arena;

	TS_ASSERT(s->closing && s->stream == NULL);
	list_remove(&s->link);
	tally_leave(sl->server->addresses, &s->place);
	sl->stats->open--;
	sl->stats->bytes_in += s->bytes_in;
	sl->stats->bytes_out += s->bytes_out;
	if (s->admitted)
		sl->server->admitted--;
	arena_free(&arena);
}

/* ---- the log */

void
session_event(const struct session *s, struct log_event *e, struct str message)
{
	log_event_init(e, s->sl->source, message);
	log_event_u64(e, "conn", s->id);
}

bool
session_end_event(const struct session *s, struct log_event *e)
{
	if (!log_wants(LOG_INFO))
		return false;
	session_event(s, e, STR("end"));
	log_event_str(e, "how", str_of(s->ending));
	return true;
}

void
session_log(const struct session *s, enum log_level level, const char *fmt, ...)
{
	struct log_event e;
	va_list ap;

	if (!log_wants(level))
		return;
	session_event(s, &e, STR_NONE);
	va_start(ap, fmt);
	log_event_vput(&e, level, fmt, ap);
	va_end(ap);
}
