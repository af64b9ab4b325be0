/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HELPER_HELPER_H
#define AUTH_HELPER_HELPER_H
/*
 * auth/helper: the processes that talk to other servers.  Start here; helper_int.h is what both
 * sides share, and each *_wire.h is the format of one kind of request.
 *
 * The helper does what the server's process must not.  The server's sandbox forbids outgoing
 * connections and other programs; PAM modules need root, start programs, change the process they
 * run in, and leak.  So these run elsewhere:
 *
 *	server ── request ──> supervisor ──fork──> one process for each PAM check or command
 *	   └────── request ──> network process, a thread for each request
 *
 * The server forks the supervisor at its start, before it drops privileges and before it has
 * threads.  The supervisor stays single-threaded, so it may fork.  It starts the network process,
 * restarts it when it dies, and kills a process that exceeds its request's deadline.  All of them
 * end with the server.
 *
 * The way of a request: auth_helper_call() makes a socket pair, passes one end over the socket that
 * serves this kind of request, writes the request with its length to the other end, and waits there
 * for the reply until the deadline.  Two requests never share a socket, so a slow one delays no
 * other.  A request contains everything its handler needs, including the settings of its database,
 * so a reload does not concern the helper.  Both sides wipe what they read and wrote.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

enum auth_helper_kind {
	AUTH_HELPER_PAM,  /* each in a process of its own */
	AUTH_HELPER_LDAP, /* this and the following: each in a thread of the network process */
	AUTH_HELPER_OAUTH,
	AUTH_HELPER_COMMAND, /* a program, as the user the server runs as, beside a process of ours
	                      */
	AUTH_HELPER_KINDS
};

enum auth_helper_limit {
	AUTH_HELPER_BYTES_MAX = 1 << 20,     /* of a request or a reply */
	AUTH_HELPER_MS_MAX = 10 * 60 * 1000, /* longest time a request may take */
};

/*
 * Serves one kind of request, in the helper.  Nobody waits for the reply after the deadline (on
 * clock_mono_ms()).  Appends the reply; false: no reply, and the caller gets TS_UNAVAILABLE.
 * Handlers in threads run concurrently.  serve.c has the table of handlers.
 */
typedef bool auth_helper_fn(struct str request, uint64_t deadline, struct buf *reply);

struct auth_helper; /* the server's side, opaque */

struct auth_helper_options {
	unsigned parallel; /* PAM checks at once, and requests in the network process */
	unsigned commands; /* commands at once; they take no places of checks */
	/* The network process and whoever runs a command call it first, to drop their privileges.
	 * False: it could not, and the process ends.  NULL: keep the privileges. */
	bool (*shed)(void *arg);
	void *arg;
};

/* Forks the supervisor.  Call before the process has a second thread.  NULL: failed, and logged. */
struct auth_helper *auth_helper_start(const struct auth_helper_options *opt);
/* Ends the processes.  Pending and future requests get no answer.  From any thread. */
void auth_helper_hang_up(struct auth_helper *helper);
/* Does the same, waits for the supervisor and frees the helper.  NULL is fine. */
void auth_helper_stop(struct auth_helper **helper);

/*
 * Sends a request and appends the reply.  BLOCKING, for at most ms milliseconds; from any thread.
 * TS_UNAVAILABLE: no helper (or NULL), a timeout, or no answer (the side that knows why logs it).
 */
TS_CHECKED enum ts_err auth_helper_call(struct auth_helper *helper, enum auth_helper_kind kind,
    struct str request, uint64_t ms, struct buf *reply);

struct auth_helper_state {
	bool alive; /* the supervisor */
	pid_t supervisor, network;
	uint64_t restarts; /* of the network process */
	uint64_t requests; /* calls of auth_helper_call(), and how many of them got no answer */
	uint64_t unanswered;
	uint64_t killed; /* processes killed at their deadline; a command first ends by itself */
};

void auth_helper_state(struct auth_helper *helper, struct auth_helper_state *state_r);
#endif
