/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_LOG_TRANSCRIPT_FILE_H
#define IMAP_LOG_TRANSCRIPT_FILE_H
/*
 * The files of transcripts: DATA/protocol/USER.log, mode 0600, written by a
 * thread of their own, so that no loop ever waits for the disk.  The first
 * lines start the thread.  The backlog is bounded: if the disk is slower than
 * the sessions, lines are refused.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct transcript_files;

/* data: the data folder; the folder inside it is made when needed. */
struct transcript_files *transcript_files_new(struct str data, struct str default_domain)
    __attribute__((returns_nonnull));
/* Writes the backlog, then frees; *files may be NULL. */
void transcript_files_free(struct transcript_files **files);

/* Gets the key of a user's name as written in the configuration; false: none. */
bool transcript_files_user(const struct transcript_files *files, struct str name, struct buf *out);

/*
 * Takes whole lines for that user's file, which is renamed to USER.log.1 before
 * it would exceed max; empties lines.  Returns false if they were dropped
 * because the backlog is too large.  Any thread.
 */
bool transcript_files_put(
    struct transcript_files *files, struct str user, uint64_t max, struct buf *lines);

/* Appends the name of the user's file: letters, digits and "@._-+" unchanged, all else as %XX. */
void transcript_file_name(struct str user, struct buf *out);
#endif
