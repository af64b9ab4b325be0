/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_USAGE_H
#define SERVER_PROCESS_USAGE_H
/*
 * How much is stored: the bytes of all files in the data folder, and of the accounts' mail.  Both
 * are counted anew on each request, in the caller's thread; a slow count is remembered for twenty
 * times as long as it took, so a caller that keeps asking uses a twentieth of a thread.  A count
 * that takes longer than USAGE_MS is cut short, and says so.
 */
#include <pthread.h>

#include "store/store.h"

enum { USAGE_MS = 2000, USAGE_REST = 20, USAGE_QUICK_MS = 50 };

struct usage {
	uint64_t disk_bytes, disk_files;
	struct store_totals mail;
	bool disk_whole, mail_whole; /* false: there is more */
};

struct usage_count {
	pthread_mutex_t lock;
	struct usage last;
	uint64_t until_ms; /* last is valid until this clock_mono_ms() */
};

void usage_init(struct usage_count *count);
void usage_fini(struct usage_count *count);
/* BLOCKING.  Counts the folder and everything below it; symbolic links are not followed. */
void usage_get(
    struct usage_count *count, const char *folder, struct store *store, struct usage *usage_r);
/* BLOCKING.  Adds the sizes of the regular files below the open folder, and closes it; false:
 * incomplete at the deadline (clock_mono_ms()). */
bool usage_add_folder(int fd, uint64_t deadline, struct usage *usage);
#endif
