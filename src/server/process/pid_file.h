/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_PID_FILE_H
#define SERVER_PROCESS_PID_FILE_H
/*
 * The file with the number of the process.  It takes the place of nothing but an older one, and
 * only the process that it names removes it.  BLOCKING.
 */
#include "base/buf.h"

/* May one be written there?  False: why says what is there.  unreadable_is_fine: what may not be
 * read (from a sandbox, say) is taken for one. */
bool pid_file_may_be(const char *path, bool unreadable_is_fine, struct buf *why);
/* In one step, so that nobody reads half of it; for any small file.  False: why. */
bool pid_file_replace(const char *path, struct str text, struct buf *why);
/* Removes it if it still names this process. */
void pid_file_remove(const char *path);
#endif
