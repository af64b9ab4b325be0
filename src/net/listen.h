/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H
/*
 * Listener: accepts connections on one loop and hands them in turn to a group
 * of loops.  If the process or the system is out of descriptors, it pauses
 * briefly and logs that once.
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
 * Runs on the thread of `loop`, one of the group.  The callback owns fd
 * (non-blocking, close on exec).  peer: "192.0.2.7", "2001:db8::7", or "unix";
 * valid during the call.
 */
typedef void listener_accept_f(void *arg, struct loop *loop, int fd, const char *peer);

struct listener_options {
	/* Exactly one of these three: */
	const char *address;   /* numeric; "" or "*": all, IPv6 and IPv4 */
	const char *unix_path; /* a stale socket there is replaced */
	bool unix_owned; /* set the mode and owner below on the socket, before anybody can connect;
	                    else they are those of umask and process */
	mode_t unix_mode;
	uid_t unix_uid;   /* -1: unchanged */
	gid_t unix_gid;   /* -1: unchanged */
	int inherited_fd; /* already listening; taken over; only if the two above are NULL */

	uint16_t port; /* with address; 0: a free one */
	int backlog;   /* 0: the system's maximum */

	struct loop *loop;   /* accepts */
	struct loop **loops; /* serve, in turn; copied */
	size_t nloops;
	listener_accept_f *fn;
	void *arg; /* must live until all loops have stopped */
};

/*
 * Call on the thread of options->loop, or before it runs; with unix_owned before the first thread
 * starts, since the umask belongs to the process.  Appends an error to why, in words for an
 * administrator, with what to do: "the port is in use by another program", ...; logs it if why is
 * NULL.
 */
TS_CHECKED enum ts_err listener_new(
    const struct listener_options *options, struct buf *why, struct listener **listener_r);
/*
 * Returns NULL if one could listen on that address (as in options), or a static text saying what is
 * wrong.  Binds no port: asks the kernel with a datagram socket on a port of its choice.
 */
const char *listener_address_fault(const char *address);
/* Returns what an errno of bind(2) on a port means, and what to do. */
const char *listener_advice(int code);
/* Returns the bound port; 0 for a UNIX socket. */
uint16_t listener_port(const struct listener *listener);
/*
 * Call on the accepting loop's thread, or when it does not run.  Sets *listener to NULL and removes
 * the UNIX socket.  Connections accepted before are still handed over.  NULL is fine.
 */
void listener_close(struct listener **listener);
#endif
