/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_BACKUP_PLACE_H
#define TEST_BACKUP_PLACE_H
/* A backup folder for a test, open for writing: made before each test, removed after it. */
#include "backup/folder.h"
#include "base/arena.h"

struct place {
	char dir[64], path[80]; /* a new folder, and the backup folder in it */
	struct backup_folder *folder;
	struct arena *arena;
	struct buf why, said; /* said: the last from place_bad() */
	uint64_t bad;         /* how often it was called */
};

/* For cmocka; *state is a struct place. */
int place_setup(void **state);
int place_teardown(void **state);
void place_reopen(struct place *p, enum backup_mode mode);

/* For audits, with the place as arg. */
void place_bad(const char *what, void *arg);

/* Reads a whole file. */
void place_read(const char *path, struct buf *out);
void place_write(const char *path, struct str bytes);
#endif
