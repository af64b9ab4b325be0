/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_PROXY_H
#define NET_PROXY_H
/*
 * The PROXY protocol, versions 1 and 2: what a load balancer sends first on a
 * connection, before TLS and all else, to tell where the client is.
 *
 *	version 1	a line: "PROXY TCP4 192.0.2.7 198.51.100.1 50000 993" CRLF
 *	version 2	12 fixed bytes, version and command, family, length (two
 *			bytes), addresses and ports, further fields (TLVs)
 *
 * Parsing is without I/O.  proxy_wait() reads a header off a socket, and not a
 * byte more, since what follows is TLS's.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/network.h"

enum proxy_limit {
	PROXY_V1_MAX = 107, /* with CRLF, by the specification */
	PROXY_V2_MAX =
	    16 + 2048, /* what is longer is refused; fields that we skip are 2 KiB at most */
	PROXY_WAITING_MAX = 10000 /* connections of one loop whose header has not come */
};

enum proxy_result { PROXY_MORE, PROXY_DONE, PROXY_BAD };

struct proxy_header {
	size_t size; /* of the header in the input */
	/* It says nothing about a client: a check by the balancer itself (LOCAL), or a family that
	 * it does not tell (UNKNOWN, UNSPEC, a UNIX socket). */
	bool local;
	struct net_network address; /* of the client, else */
	uint16_t port;
	const char *why; /* PROXY_BAD: English, static */
};

/* in: all that has come.  MORE only as long as it can still become a header. */
enum proxy_result proxy_parse(struct str in, struct proxy_header *header_r);

/* ---- on a socket */

/* Connections of one loop whose header has not come; list_init() before. */
struct proxy_waiting {
	struct link conns;
	size_t n;
};

/* As listener_accept_f; front: who told the address, its own. */
typedef void proxy_accept_f(
    void *arg, struct loop *loop, int fd, const char *peer, const char *front);

/*
 * On the loop's thread.  Takes fd, whose peer is at that address; when the header is there fn is
 * called with the client's address.  Who may not send one, sends something else, or none within ms
 * milliseconds is closed with a line in the log.  name: of the listener, for that line; it, from
 * and arg must outlive the waiting.
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
/* Closes all that wait; on the loop's thread.  They are gone some iterations later. */
void proxy_drop(struct proxy_waiting *waiting);
#endif
