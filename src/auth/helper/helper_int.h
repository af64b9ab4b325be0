/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HELPER_HELPER_INT_H
#define AUTH_HELPER_HELPER_INT_H
/* What the two sides of the helper share: helper.c (the server's), run.c (the processes),
 * msg.c (both). */
#include <stdatomic.h>

#include "auth/helper/helper.h"

/* Shared memory: the supervisor writes, the server reads. */
struct helper_shared {
	_Atomic int network;
	_Atomic uint64_t restarts, killed;
};

/* Sent with the passed descriptor. */
struct helper_order {
	uint32_t kind, ms;
};

enum { HELPER_PROCESS, HELPER_NETWORK, HELPER_COMMAND, HELPER_SOCKETS };

/* The socket that serves a kind of request. */
static inline unsigned
helper_socket_of(enum auth_helper_kind kind)
{
	return kind == AUTH_HELPER_PAM       ? HELPER_PROCESS
	       : kind == AUTH_HELPER_COMMAND ? HELPER_COMMAND
	                                     : HELPER_NETWORK;
}

/* Runs the supervisor, from its fork to its end. */
void helper_supervise(const struct auth_helper_options *opt, const int sockets[HELPER_SOCKETS],
    struct helper_shared *shared) __attribute__((noreturn));

/* Sends an order and its descriptor; false: the other side is gone. */
bool helper_order_send(int fd, const struct helper_order *order, int passed);
/* *passed_r is -1 if the message is not a valid order: ignore it. */
bool helper_order_receive(int fd, struct helper_order *order_r, int *passed_r);
/* Write and read a message, its length first, until the deadline (on clock_mono_ms()). */
bool helper_msg_write(int fd, struct str bytes, uint64_t deadline);
bool helper_msg_read(int fd, struct buf *bytes, uint64_t deadline);

/* Kills all children of the calling thread but those that keep() returns true for (NULL: none);
 * returns whether there was one to kill. */
bool helper_kill_children(bool (*keep)(const void *arg, pid_t child), const void *arg);

/* Reads a request from fd, serves it and writes the reply. */
void helper_serve(enum auth_helper_kind kind, int fd, uint64_t deadline);
/* The handlers, one file each. */
auth_helper_fn auth_helper_pam, auth_helper_ldap, auth_helper_oauth, auth_helper_command;
#endif
