/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_PROXY_H
#define NET_PROXY_H
/*
 * The PROXY protocol, versions 1 and 2: sent by a load balancer first on a connection, before TLS
 * and everything else, to give the client's address.
 *
 *	version 1	a line: "PROXY TCP4 192.0.2.7 198.51.100.1 50000 993" CRLF
 *	version 2	12 fixed bytes, version and command, family, length (two
 *			bytes), addresses and ports, further fields (TLVs)
 *
 * Parsing does no I/O.  proxy_wait() reads a header off a socket and not a byte more, since what
 * follows belongs to TLS.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/network.h"

enum proxy_limit {
	PROXY_V1_MAX = 107, /* with CRLF, as specified */
	PROXY_V2_MAX =
	    16 + 2048, /* longer headers are refused; fields that we skip take at most 2 KiB */
	PROXY_WAITING_MAX = 10000 /* connections of one loop whose header is incomplete */
};

enum proxy_result { PROXY_MORE, PROXY_DONE, PROXY_BAD };

struct proxy_header {
	size_t size; /* of the header in the input */
	/* It names no client: a check by the balancer itself (LOCAL), or a family that it does not
	 * tell (UNKNOWN, UNSPEC, a UNIX socket). */
	bool local;
	struct net_network address; /* else the client's */
	uint16_t port;
	const char *why; /* PROXY_BAD: English, static */
};

/* in: all bytes so far.  Returns MORE only while they can still become a header. */
enum proxy_result proxy_parse(struct str in, struct proxy_header *header_r);

/* ---- on a socket */

/* Connections of one loop whose header is incomplete.  Call list_init() first. */
struct proxy_waiting {
	struct link conns;
	size_t n;
};

/* Like listener_accept_f; front: the address of the balancer, which told the client's. */
typedef void proxy_accept_f(
    void *arg, struct loop *loop, int fd, const char *peer, const char *front);

/*
 * Takes over fd, whose peer has that address; calls fn with the client's address once the header is
 * there.  Closes the connection with a log line if the peer may not send a header, sends something
 * else, or sends none within ms milliseconds.  name: the listener's, for that line; it, from and
 * arg must outlive the waiting.  Call on the loop's thread.
 */
struct proxy_door {
	struct str name;
	const struct net_network *from;
	size_t n;
	uint32_t ms;
	proxy_accept_f *fn;
	void *arg;
};
void proxy_wait(const struct proxy_door *door, struct proxy_waiting *waiting, struct loop *loop,
    int fd, const char *peer);
/* Closes all that wait; they are gone some iterations later.  Call on the loop's thread. */
void proxy_drop(struct proxy_waiting *waiting);
#endif
