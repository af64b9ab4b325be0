/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_PRIVILEGES_H
#define SERVER_PROCESS_PRIVILEGES_H
/* What the process may do: open files, and the system user it runs as. */
#include <stdbool.h>

#include "base/buf.h"
#include "server/config/settings.h"

/* Raises the limit on open files as far as allowed. */
void privileges_raise_file_limit(void);
/* Raises it further, as root may, if the permitted connections need it; if that fails, warns if the
 * configuration, not just the defaults, asks for so many. */
void privileges_check_file_limit(const struct conf *conf);
/*
 * Becomes server.user for good, drops all capabilities, and verifies that none can come back.  The
 * ports are bound by then; the store is opened as that user.  Makes the user's data folder if it is
 * missing.  False: logged.
 */
bool privileges_drop(const struct server_settings *s);
/* The same for a command, and for any user but root; false: why has the reason, without a newline.
 * The groups become that user's. */
bool privileges_become(const char *name, struct buf *why);
/* The same for a process beside the server, without the data folder. */
bool privileges_drop_helper(const struct server_settings *s);
/* Forbids core files and debuggers of the same user, so passwords and keys stay inside.  Also drops
 * all capabilities unless it is root. */
void privileges_shed(void);
#endif
