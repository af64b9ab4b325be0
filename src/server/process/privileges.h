/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_PRIVILEGES_H
#define SERVER_PROCESS_PRIVILEGES_H
/* What the process may do: descriptors, and the system user it runs as. */
#include <stdbool.h>

#include "base/buf.h"
#include "server/config/settings.h"

/* The limit of open descriptors goes up as far as it may. */
void privileges_raise_file_limit(void);
/* Raises it further where as many connections as are allowed need it, as root may; else warns if
 * the configuration asks for so many, and not only the defaults do. */
void privileges_check_file_limit(const struct conf *conf);
/*
 * Becomes server.user, for good: no capability is left, none can come back, and that is tried.
 * Ports are bound by then; the store is opened as that user.  Makes the data folder for the user
 * if it is missing.  False: logged.
 */
bool privileges_drop(const struct server_settings *s);
/* The same for a command, and any user but root; false: why has the reason, without a line end.
 * Groups are that user's from then on. */
bool privileges_become(const char *name, struct buf *why);
/* The same for a process beside the server: the data folder is not its business. */
bool privileges_drop_helper(const struct server_settings *s);
/* No core file, no debugger of the same user: passwords and keys stay inside.  Unless it is root
   no capability either. */
void privileges_shed(void);
#endif
