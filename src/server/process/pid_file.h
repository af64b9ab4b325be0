/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_PID_FILE_H
#define SERVER_PROCESS_PID_FILE_H
/*
 * The PID file.  It replaces nothing but an older one, and only the process named in it removes it.
 * BLOCKING.
 */
#include "base/buf.h"

/* Whether a PID file may be written there.  False: why says what is there.  unreadable_is_fine:
 * treats a file that cannot be read (from a sandbox, say) as a PID file. */
bool pid_file_may_be(const char *path, bool unreadable_is_fine, struct buf *why);
/* Replaces any small file in one step, so that nobody reads half of it.  False: why has the
 * reason. */
bool pid_file_replace(const char *path, struct str text, struct buf *why);
/* Removes it if it still names this process. */
void pid_file_remove(const char *path);
#endif
