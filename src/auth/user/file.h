/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_FILE_H
#define AUTH_USER_FILE_H
/* Files that databases are made from, which are read again when they change. */
#include <stdbool.h>
#include <sys/stat.h>

#include "base/buf.h"

/* Reads a whole file into *out, which the caller wipes, and its stat into seen_r.  Returns NULL, or
 * the reason in English.  BLOCKING. */
const char *auth_file_read(const char *path, size_t max, struct buf *out, struct stat *seen_r);
/* Whether two stats are of the same, unchanged file.  {0} stands for a file that cannot be read. */
bool auth_file_same(const struct stat *a, const struct stat *b);
/* The file's stat now; {0} if stat() fails. */
struct stat auth_file_look(const char *path);
#endif
