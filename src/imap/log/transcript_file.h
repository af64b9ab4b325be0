/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_LOG_TRANSCRIPT_FILE_H
#define IMAP_LOG_TRANSCRIPT_FILE_H
/*
 * The files of transcripts: DATA/protocol/USER.log, mode 0600, written by one
 * thread of its own, so that no loop ever waits for the disk.  The thread is
 * started with the first lines.  What waits is bounded: when the disk is
 * slower than the sessions, lines are refused.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct transcript_files;

/* data: the data folder; the folder in it is made when it is needed. */
struct transcript_files *transcript_files_new(struct str data, struct str default_domain)
    __attribute__((returns_nonnull));
/* Writes what waits, then frees; *files may be NULL. */
void transcript_files_free(struct transcript_files **files);

/* The key of a user's name as it stands in the configuration; false: none. */
bool transcript_files_user(const struct transcript_files *files, struct str name, struct buf *out);

/*
 * Takes whole lines for the file of that user, which becomes USER.log.1 rather
 * than larger than max; lines is empty afterwards.  False: too much waits, they
 * were dropped.  Any thread.
 */
bool transcript_files_put(
    struct transcript_files *files, struct str user, uint64_t max, struct buf *lines);

/* Appends the name of the user's file: letters, digits and "@._-+" as they are, all else as %XX. */
void transcript_file_name(struct str user, struct buf *out);
#endif
