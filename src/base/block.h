/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BLOCK_H
#define BASE_BLOCK_H
/*
 * Calls that may block, and threads that must not.
 *
 * A loop marks its thread.  Code that may wait for the disk, a lane, a worker
 * or another process calls block_here() before anything else; after
 * block_watch(), doing so on a marked thread aborts.  A worker may wait for the
 * disk to read, but not for a flush: one that hangs would block all workers,
 * and with them everybody who only wants to read.  Where one thread acts as
 * several (a fake loop, a pool of 0 threads, a store without lanes), it does
 * the others' work with the mark taken off.
 */
#include <stdbool.h>

/* Marks this thread as a loop's, or removes the mark.  Returns the old state, to be restored. */
bool block_on_loop(bool on);
/* Same, for a worker. */
bool block_on_worker(bool on);
/* Call before blocking; what: name of the function that may block. */
void block_here(const char *what);
/* Same, before waiting for a flush. */
void block_for_flush(const char *what);
/* Turns the checks on for the whole process.  Call before a loop runs. */
void block_watch(void);
#endif
