/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HELPER_HELPER_H
#define AUTH_HELPER_HELPER_H
/*
 * auth/helper: processes that ask outside.  Start here; helper_int.h is what both sides share, and
 * each *_wire.h the form of one kind of request.
 *
 * The auth helper: processes beside the server for what the server's own must
 * not do.  The server's sandbox forbids outgoing connections and programs; PAM
 * modules need root, start programs, change the process that they run in, and
 * leak.  So both are done elsewhere:
 *
 *	server ── request ──> supervisor ──fork──> one process for each PAM check
 *	   └────── request ──> network process, a thread for each request
 *
 * The supervisor is forked at the server's start, before privileges are
 * dropped and before there is a thread; it never has a thread of its own, so it
 * may fork.  It makes the network process, again when that dies, and ends what
 * runs longer than its request may.  Everything ends when the server does.
 *
 * How a request travels: auth_helper_call() makes a socket pair, passes one end
 * over the socket that the kind of request is served on, writes the request
 * to the other, a length before it, and waits for the reply there, not longer
 * than it has time.  Two requests never share a socket, so a slow one delays
 * nobody.  A request holds all that its handler has to know, the settings of
 * its database, too: a reload changes nothing here.  Both sides wipe what they
 * read and wrote.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

enum auth_helper_kind {
	AUTH_HELPER_PAM,  /* in a process of its own */
	AUTH_HELPER_LDAP, /* this and what follows: in a thread of the network process */
	AUTH_HELPER_OAUTH,
	AUTH_HELPER_KINDS
};

enum auth_helper_limit {
	AUTH_HELPER_BYTES_MAX = 1 << 20,     /* of a request, of a reply */
	AUTH_HELPER_MS_MAX = 10 * 60 * 1000, /* that a request may take */
};

/*
 * Serves a request of its kind, in the helper.  deadline: on clock_mono_ms(); nobody waits for
 * the reply after it.  Appends the reply; false: there is none, and the caller gets
 * TS_UNAVAILABLE.  Those in threads run several at a time.  In serve.c's table.
 */
typedef bool auth_helper_fn(struct str request, uint64_t deadline, struct buf *reply);

struct auth_helper; /* the server's side, opaque */

struct auth_helper_options {
	unsigned parallel; /* requests at work at once, in each of the two */
	/* Called in the network process before it does anything: gives up privileges.  False: it
	 * cannot, and ends.  NULL: it stays what it is. */
	bool (*shed)(void *arg);
	void *arg;
};

/* Forks.  Before the process has a second thread.  NULL: logged. */
struct auth_helper *auth_helper_start(const struct auth_helper_options *opt);
/* The processes are ended; what waits for an answer, and all that is asked from now on, has none.
 * From any thread. */
void auth_helper_hang_up(struct auth_helper *helper);
/* And is freed.  Waits for the supervisor.  NULL is fine. */
void auth_helper_stop(struct auth_helper **helper);

/*
 * BLOCKING, from any thread, at most ms milliseconds.  The reply is appended.  TS_UNAVAILABLE: no
 * helper (NULL, too), no time left, or it had no answer (logged by the one that knows why).
 */
TS_CHECKED enum ts_err auth_helper_call(struct auth_helper *helper, enum auth_helper_kind kind,
    struct str request, uint64_t ms, struct buf *reply);

struct auth_helper_state {
	bool alive; /* the supervisor */
	pid_t supervisor, network;
	uint64_t restarts; /* of the network process */
	uint64_t requests; /* by auth_helper_call(), and how many of them had no answer */
	uint64_t unanswered;
	uint64_t killed; /* PAM checks that took too long */
};

void auth_helper_state(struct auth_helper *helper, struct auth_helper_state *state_r);
#endif
