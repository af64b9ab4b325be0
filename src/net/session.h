/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_SESSION_H
#define NET_SESSION_H
/*
 * Session: what a connection has whatever protocol it speaks.  It is admitted or not, has an id,
 * an address and a timer, is written of in the log at its beginning and its end, and is counted
 * until it is gone.  The connections of IMAP and LMTP embed one.  It knows the peer's address and
 * nothing about users.
 *
 *	struct session_server  what counts over all loops: how many there are, and from where
 *	struct session_loop    the sessions of one loop, their ids and figures
 *	struct session         accept to close
 *
 * Each protocol has its own server and loops, so its limits and ids are its own.  In order:
 *
 *	session_begin()      it is counted and has an id; then the caller makes the stream
 *	session_start()      takes the stream; the line "connection"
 *	session_admit()      is there room?  If not, the caller says so and closes
 *	session_close()      no more input; what was written goes out
 *	session_ended()      in closed(): there is no stream any more
 *	session_end_event()  the line "end", to which the caller adds its figures
 *	session_free()       when no job and no task points to the connection any more
 *
 * Who is not admitted has to be told, so that is a session like others: open until the stream has
 * ended, logged and freed.  But it takes no place, neither in all nor of its address, so whoever is
 * refused again and again keeps nobody else out.
 *
 * Ownership: session_begin() gets the arena in which the connection lives; session_free() frees
 * it, and with it the session.  The stream ends by itself, see net/stream.h.
 *
 * Callbacks: the timer's, which the loop calls, never a function from here, and not after
 * session_close() or session_ended().
 *
 * Times are milliseconds on the loop's clock, which on a fake loop stands still until the test
 * moves it.  All functions are for the loop's own thread; only a session_server is shared, and
 * locks by itself.
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
	_Atomic unsigned admitted; /* now, on all loops */
	struct tally *addresses;   /* where they come from */
};

void session_server_init(struct session_server *server);
/* When all sessions have been freed. */
void session_server_fini(struct session_server *server);

struct session_stats { /* numbers of 64 bits */
	uint64_t open, total;
	uint64_t bytes_in, bytes_out; /* of sessions that are gone */
};

struct session_loop {
	struct session_server *server;
	struct loop *loop;
	const char *source;          /* of lines in the log; NULL: none */
	struct session_stats *stats; /* the protocol's, beside what else it counts */
	struct link list;            /* in the order of their beginning */
	uint64_t next_id, id_step;   /* private */
};

/* The caller has set server, loop, source and stats.  index of count loops, so that ids differ. */
void session_loop_init(struct session_loop *sl, unsigned index, unsigned count);
/* Have all sessions been freed?  After a shutdown the loop may stop then. */
bool session_loop_is_empty(const struct session_loop *sl);

struct session {
	struct session_loop *sl;
	struct arena *arena;
	struct stream *stream; /* NULL: it has ended, or not begun */
	struct link link;
	uint64_t id;
	struct str address;      /* where it comes from: numeric, or "unix" */
	struct str front;        /* told us that address (PROXY protocol); empty: the socket did */
	struct loop_timer timer; /* private, and the next three */
	uint64_t deadline;
	struct tally_place *place;    /* NULL: not counted with its address */
	bool admitted;                /* private, too */
	uint64_t since_ms;            /* accepted */
	uint64_t heard_ms;            /* when the peer last sent something; the caller sets it */
	uint64_t bytes_in, bytes_out; /* taken, and written; the caller counts */
	const char *ending;           /* how it ends, for the log: static; NULL: not known yet */
	bool closing;                 /* no more input; freed when nothing points to it */
	bool greeted;                 /* the caller sets it, and the next */
	bool in_data;                 /* inside data(): input goes on when it returns */
};

/* s is zeroed.  timed_out(arg) is called when the time is over that session_wait() gave. */
void session_begin(struct session *s, struct session_loop *sl, struct arena *arena,
    struct str address, loop_timer_f *timed_out, void *arg);
/* Who told the address; NULL: nobody.  Before session_start(). */
void session_set_front(struct session *s, const char *front);
/* limits as for stream_set_limits().  tls: the handshake comes first; for the log. */
void session_start(
    struct session *s, struct stream *stream, const struct stream_limits *limits, bool tls);

struct session_limits {
	unsigned connections; /* admitted at once, on all loops */
	unsigned per_address; /* of these; UNIX sockets have no address */
	unsigned v6_bits;     /* so much of an IPv6 address is one address */
	const char *options;  /* what the names of these options begin with, for the log */
};
enum session_admission { SESSION_ADMITTED, SESSION_TOO_MANY, SESSION_TOO_MANY_OF_ADDRESS };

/* Once, after session_start().  Refusals are logged. */
enum session_admission session_admit(struct session *s, const struct session_limits *limits);

/* The timer: it may be silent for ms; set anew whenever something happens.  Nothing once it is
 * closing. */
void session_wait(struct session *s, uint64_t ms);
/* A time for the whole way to something (a login, a message), however busy the peer is. */
void session_set_deadline(struct session *s, uint64_t ms);
/* It may be silent for ms, but not beyond the deadline. */
void session_wait_by_deadline(struct session *s, uint64_t ms);
/* Is the deadline over? */
bool session_is_late(const struct session *s);

/* how: unless it is known already how it ends.  May be called again, and inside data(). */
void session_close(struct session *s, const char *how);
/* Logs why a certificate was refused. */
void session_ended(struct session *s, enum stream_end why);
/* Takes it off the lists, adds up what it counted, and frees the arena. */
void session_free(struct session *s);

/* An event with the session's id; fields are added, then log_event_put(). */
void session_event(const struct session *s, struct log_event *e, struct str message);
/* False: nobody wants to know.  Else the event of the end, to be completed and put at LOG_INFO. */
bool session_end_event(const struct session *s, struct log_event *e);
void session_log(const struct session *s, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#endif
