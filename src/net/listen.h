/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H
/*
 * Listener: accepts connections on one loop and hands them in turn to a group
 * of loops.  When the process or the system is out of descriptors it rests for
 * a moment and says so once.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"

struct listener; /* opaque */

/*
 * Runs on the thread of `loop`, one of the group.  fd (non-blocking, close on
 * exec) is the callback's.  peer: "192.0.2.7", "2001:db8::7", or "unix"; valid
 * during the call.
 */
typedef void listener_accept_f(void *arg, struct loop *loop, int fd, const char *peer);

struct listener_options {
	/* One of the three: */
	const char *address;   /* numeric; "" or "*": all, IPv6 and IPv4 */
	const char *unix_path; /* a stale socket there is replaced */
	bool unix_owned;       /* the socket gets these; else what umask and process give.  Nobody
	                          can connect before it has them */
	mode_t unix_mode;
	uid_t unix_uid;   /* -1: unchanged */
	gid_t unix_gid;   /* likewise */
	int inherited_fd; /* listening already; taken over; only if the two are NULL */

	uint16_t port; /* with address; 0: a free one */
	int backlog;   /* 0: the system's most */

	struct loop *loop;   /* accepts */
	struct loop **loops; /* serve, in turn; copied */
	size_t nloops;
	listener_accept_f *fn;
	void *arg; /* must live until all the loops have stopped */
};

/*
 * On the thread of options->loop, or before it runs; with unix_owned before the first thread, since
 * the umask is the process's.  An error is appended to why, in words for an administrator, with
 * what to do: "the port is in use by another program", ...; logged if why is NULL.
 */
TS_CHECKED enum ts_err listener_new(
    const struct listener_options *options, struct buf *why, struct listener **listener_r);
/*
 * Without binding a port: could one listen on that address (as in options)?  NULL, or what is
 * wrong, static.  The kernel is asked by a datagram socket on a port of its choice.
 */
const char *listener_address_fault(const char *address);
/* What an errno of bind(2) on a port means, and what to do. */
const char *listener_advice(int code);
/* The bound port; 0 for a UNIX socket. */
uint16_t listener_port(const struct listener *listener);
/*
 * On the accepting loop's thread, or when it does not run.  Sets *listener to
 * NULL; what was accepted before is still handed over.  Removes the UNIX socket.
 * NULL is fine.
 */
void listener_close(struct listener **listener);
#endif
