/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_INHERIT_H
#define SERVER_PROCESS_INHERIT_H
/* Sockets opened by whoever started the server (sd_listen_fds(3)). */
#include <stdbool.h>

#include "base/str.h"

/* Sockets passed in by systemd, by the names of listeners. */
struct server_inherited {
	char **names;
	bool *taken;
	unsigned n;
};

/* Only reads their names: for config_check(). */
void server_inherited_look(struct server_inherited *in_r);
void server_inherited_fini(struct server_inherited *in);
/* Takes them from the environment; call once, before the first thread. */
void server_inherit(struct server_inherited *in_r);
/* Returns the next socket with that name, UNIX or not, which the caller owns; -1: none left. */
int server_inherited_next(struct server_inherited *in, struct str name, bool is_unix);
/* Frees it; false if no listener wanted one of them (logged, closed). */
bool server_inherit_end(struct server_inherited *in);
#endif
