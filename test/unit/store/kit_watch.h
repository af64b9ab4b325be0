/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_STORE_KIT_WATCH_H
#define TEST_STORE_KIT_WATCH_H
/* For tests of changes in many steps: each commit, and whether the store is complete. */
#include "kit.h"

#define KIT_COMMITS_MAX 64

struct kit_commits { /* of a disk */
	struct kit *kit;
	unsigned commits;
	size_t most;                                    /* the most operations of one */
	struct engine_mem_disk *image[KIT_COMMITS_MAX]; /* before each of them */
};

/* For engine_mem_hook(), with a struct kit_commits. */
enum ts_err kit_commit(const struct engine_batch *batch, void *arg);
/* The batches that the engine has committed since it was opened. */
uint64_t kit_commits_done(const struct kit *kit);
/* Asserts that nothing is left for the background, no RENAME is in progress, and the check finds
 * nothing. */
void kit_assert_clean(struct kit *kit);
#endif
