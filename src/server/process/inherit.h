/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_INHERIT_H
#define SERVER_PROCESS_INHERIT_H
/* Sockets that whoever started the server has opened for it (sd_listen_fds(3)). */
#include <stdbool.h>

#include "base/str.h"

/* Sockets handed over by systemd, by the names of listeners. */
struct server_inherited {
	char **names;
	bool *taken;
	unsigned n;
};

/* Only looks at their names: for config_check(). */
void server_inherited_look(struct server_inherited *in_r);
void server_inherited_fini(struct server_inherited *in);
/* Takes them out of the environment; once, before the first thread. */
void server_inherit(struct server_inherited *in_r);
/* The next one of that name, a UNIX socket or not, the caller's; -1: none (any more). */
int server_inherited_next(struct server_inherited *in, struct str name, bool is_unix);
/* Frees; false if one was left that no listener wanted (logged, closed). */
bool server_inherit_end(struct server_inherited *in);
#endif
