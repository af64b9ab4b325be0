/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_SESSION_H
#define NET_SESSION_H
/*
 * Session: what connections of all protocols have in common.  It is admitted or not, has an id, an
 * address and a timer, is logged at its start and end, and is counted until it is gone.  The
 * connections of IMAP and LMTP embed one.  It knows the peer's address, but nothing about users.
 *
 *	struct session_server  counts over all loops: how many there are, and from where
 *	struct session_loop    the sessions of one loop, their ids and statistics
 *	struct session         accept to close
 *
 * Each protocol has its own server and loops, so its limits and ids are its own.  Call in this
 * order:
 *
 *	session_begin()      counts it and gives it an id; then the caller makes the stream
 *	session_start()      takes the stream; logs "connection"
 *	session_admit()      is there room?  If not, the caller says so and closes
 *	session_close()      stops input; what was written is still sent
 *	session_ended()      in closed(): the stream is gone
 *	session_end_event()  the log line "end", to which the caller adds its statistics
 *	session_free()       once no job and no task points to the connection
 *
 * A connection that is not admitted must be told so; hence it is a session like others: open until
 * the stream has ended, logged and freed.  But it takes no place, neither of the total nor of its
 * address, so peers that are refused again and again keep nobody else out.
 *
 * Ownership: session_begin() gets the arena in which the connection lives; session_free() frees
 * it, and with it the session.  The stream ends by itself, see net/stream.h.
 *
 * Callbacks: only the timer's.  The loop calls it, never a function from here, and never after
 * session_close() or session_ended().
 *
 * Times are milliseconds on the loop's clock, which on a fake loop stands still until the test
 * advances it.  All functions are for the loop's own thread; only a session_server is shared, and
 * locks itself.
 */
#include <stdatomic.h>

#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/stream.h"

struct tally; /* net/tally.h */
struct tally_place;

struct session_server {
	_Atomic unsigned admitted; /* currently, on all loops */
	struct tally *addresses;   /* counts by peer address */
};

void session_server_init(struct session_server *server);
/* Call when all sessions have been freed. */
void session_server_fini(struct session_server *server);

struct session_stats { /* 64-bit numbers */
	uint64_t open, total;
	uint64_t bytes_in, bytes_out; /* of sessions that have ended */
};

struct session_loop {
	struct session_server *server;
	struct loop *loop;
	const char *source;          /* for log lines; NULL: none */
	struct session_stats *stats; /* the protocol's, next to its own counters */
	struct link list;            /* in order of their start */
	uint64_t next_id, id_step;   /* private */
};

/* The caller has set server, loop, source and stats.  index: this loop among `count`, so that ids
 * differ. */
void session_loop_init(struct session_loop *sl, unsigned index, unsigned count);
/* Returns whether all sessions have been freed.  After a shutdown the loop may then stop. */
bool session_loop_is_empty(const struct session_loop *sl);

struct session {
	struct session_loop *sl;
	struct arena *arena;
	struct stream *stream; /* NULL: ended, or not begun */
	struct link link;
	uint64_t id;
	struct str address;      /* of the peer: numeric, or "unix" */
	struct str front;        /* who told us that address (PROXY protocol); empty: the socket */
	struct loop_timer timer; /* private, like the next three */
	uint64_t deadline;
	struct tally_place *place;    /* NULL: not counted by its address */
	bool admitted;                /* private */
	uint64_t since_ms;            /* time it was accepted */
	uint64_t heard_ms;            /* time of the peer's last input; set by the caller */
	uint64_t bytes_in, bytes_out; /* read, and written; counted by the caller */
	const char *ending;           /* how it ends, for the log: static; NULL: unknown so far */
	bool closing;                 /* no more input; freed when nothing points to it */
	bool greeted;                 /* this and the next are set by the caller */
	bool in_data;                 /* inside data(): input goes on when that returns */
};

/* s must be zeroed.  timed_out(arg) is called when the time set by session_wait() is over. */
void session_begin(struct session *s, struct session_loop *sl, struct arena *arena,
    struct str address, loop_timer_f *timed_out, void *arg);
/* Sets who told the address; NULL: nobody.  Call before session_start(). */
void session_set_front(struct session *s, const char *front);
/* limits as for stream_set_limits().  tls, for the log: the handshake comes first. */
void session_start(
    struct session *s, struct stream *stream, const struct stream_limits *limits, bool tls);

struct session_limits {
	unsigned connections; /* most admitted at once, on all loops */
	unsigned per_address; /* most per address; UNIX sockets have no address */
	unsigned v6_bits;     /* this prefix of an IPv6 address counts as one address */
	const char *options;  /* prefix of these options' names, for the log */
};
enum session_admission { SESSION_ADMITTED, SESSION_TOO_MANY, SESSION_TOO_MANY_OF_ADDRESS };

/* Call once, after session_start().  Refusals are logged. */
enum session_admission session_admit(struct session *s, const struct session_limits *limits);

/* Sets the timer: the peer may be silent for ms; set it again whenever something happens.  Does
 * nothing once it is closing. */
void session_wait(struct session *s, uint64_t ms);
/* Sets a time limit for everything up to a goal (a login, a message), however busy the peer is. */
void session_set_deadline(struct session *s, uint64_t ms);
/* The peer may be silent for ms, but not beyond the deadline. */
void session_wait_by_deadline(struct session *s, uint64_t ms);
/* Returns whether the deadline is over. */
bool session_is_late(const struct session *s);

/* how: recorded unless the way it ends is known already.  May be called repeatedly, and inside
 * data(). */
void session_close(struct session *s, const char *how);
/* Also logs why a certificate was refused. */
void session_ended(struct session *s, enum stream_end why);
/* Takes it off the lists, adds its counts to the totals, and frees the arena. */
void session_free(struct session *s);

/* Starts an event with the session's id; add fields, then call log_event_put(). */
void session_event(const struct session *s, struct log_event *e, struct str message);
/* Returns false if nobody wants it; else the final event, to be completed and put at LOG_INFO. */
bool session_end_event(const struct session *s, struct log_event *e);
void session_log(const struct session *s, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#endif
