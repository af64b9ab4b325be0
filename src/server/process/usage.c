/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes used by the data folder and the accounts. */
#include "server/process/usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/block.h"
#include "base/clock.h"

enum {
	DEPTH_MAX = 16, /* of folders; each needs an open descriptor */
	BLOCK = 512     /* the unit of st_blocks */
};

static bool add_below(int fd, uint64_t deadline, unsigned depth, struct usage *usage);

static bool
count_entry(int dir, const char *name, uint64_t deadline, unsigned depth, struct usage *usage)
{
	struct stat st;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return true; /* it was removed in the meantime */
	if (S_ISREG(st.st_mode)) {
		usage->disk_bytes += (uint64_t)st.st_blocks * BLOCK;
		usage->disk_files++;
	}
	if (!S_ISDIR(st.st_mode))
		return true;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	return add_below(fd, deadline, depth + 1, usage);
}

static bool
add_below(int fd, uint64_t deadline, unsigned depth, struct usage *usage)
{
	DIR *d = depth < DEPTH_MAX ? fdopendir(fd) : NULL;
	struct dirent *e;
	bool whole = true;

	if (d == NULL) {
		close(fd);
		return false;
	}
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (clock_mono_ms() >= deadline) {
			whole = false;
			break;
		}
		whole = count_entry(dirfd(d), e->d_name, deadline, depth, usage) && whole;
	}
	closedir(d);
	return whole;
}

bool
usage_add_folder(int fd, uint64_t deadline, struct usage *usage)
{
	return add_below(fd, deadline, 0, usage);
}

static bool
in_time(void *arg)
{
	const uint64_t *deadline = arg;

	return clock_mono_ms() < *deadline;
}

static void
count_all(const char *folder, struct store *store, struct usage *usage)
{
	uint64_t deadline = clock_mono_ms() + USAGE_MS;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*usage = (struct usage){0};
	if (fd >= 0)
		usage->disk_whole = usage_add_folder(fd, deadline, usage);
	deadline = clock_mono_ms() + USAGE_MS;
	if (store_totals(store, in_time, &deadline, &usage->mail, &usage->mail_whole) != TS_OK)
		usage->mail_whole = false;
}

void
usage_init(struct usage_count *count)
{
	*count = (struct usage_count){0};
	pthread_mutex_init(&count->lock, NULL);
}

void
usage_fini(struct usage_count *count)
{
	pthread_mutex_destroy(&count->lock);
}

void
usage_get(struct usage_count *count, const char *folder, struct store *store, struct usage *usage_r)
{
	uint64_t begin, took;

	block_here("usage_get");
	pthread_mutex_lock(&count->lock);
	begin = clock_mono_ms();
	if (begin >= count->until_ms) {
		count_all(folder, store, &count->last);
		took = clock_mono_ms() - begin;
		count->until_ms = took < USAGE_QUICK_MS ? 0 : begin + took + took * USAGE_REST;
	}
	*usage_r = count->last;
	pthread_mutex_unlock(&count->lock);
}
