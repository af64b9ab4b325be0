/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BLOCK_H
#define BASE_BLOCK_H
/*
 * Calls that may block, and threads that must not.
 *
 * A loop marks its thread; whatever may wait for the disk, a lane, a worker or
 * another process says so with block_here() before it does anything else.
 * Once block_watch() was called, saying so on a marked thread aborts.  A worker
 * may wait for the disk to read, but not for a flush: one that hangs would keep
 * all workers, and those who only want to read with them.  Where
 * one thread plays several (a fake loop, a pool of 0 threads, a store without
 * lanes), the work of the others is done with the mark taken off.
 */
#include <stdbool.h>

/* Marks this thread as a loop's, or takes the mark off; gives what it was, to be put back. */
bool block_on_loop(bool on);
/* The same, of a worker. */
bool block_on_worker(bool on);
/* What may block, by name. */
void block_here(const char *what);
/* The same of what waits for a flush. */
void block_for_flush(const char *what);
/* From now on, in the whole process.  Before a loop runs. */
void block_watch(void);
#endif
