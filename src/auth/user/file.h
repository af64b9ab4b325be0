/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_FILE_H
#define AUTH_USER_FILE_H
/* Files that databases are made from, and read again when they are others. */
#include <stdbool.h>
#include <sys/stat.h>

#include "base/buf.h"

/* NULL: *out, which the caller wipes, has all of it, and seen_r is what it was.  Else why not, in
 * English.  BLOCKING. */
const char *auth_file_read(const char *path, size_t max, struct buf *out, struct stat *seen_r);
/* Is it the file that was seen, unchanged?  One that cannot be looked at is none: {0}. */
bool auth_file_same(const struct stat *a, const struct stat *b);
/* As it is now, {0} when it cannot be looked at. */
struct stat auth_file_look(const char *path);
#endif
