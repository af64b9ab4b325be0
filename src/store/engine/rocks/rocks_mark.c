/* SPDX-License-Identifier: Apache-2.0 */
/* The commit mark: see rocks_int.h for its form, rocks_open.c for its use. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/engine/rocks/rocks_int.h"

#define MARK_MAGIC "TSMARK1\n"
#define MARK_SIZE 24
#define MARK_FLUSH_MS 1000

static bool
mark_write(struct rocks_mark *mark, uint64_t seq)
{
	char bytes[MARK_SIZE];
	struct buf b = {.p = bytes, .cap = sizeof(bytes)};
	uint64_t sum;

	buf_put(&b, MARK_MAGIC, 8);
	buf_le64(&b, seq);
	sum = XXH3_64bits(b.p, 16);
	buf_le64(&b, sum);
	return pwrite(mark->fd, b.p, MARK_SIZE, 0) == MARK_SIZE;
}

static enum ts_err
mark_read(struct rocks_mark *mark, bool *found_r)
{
	char bytes[MARK_SIZE];
	struct rd r = {(unsigned char *)bytes, (unsigned char *)bytes + MARK_SIZE, false};
	ssize_t n = pread(mark->fd, bytes, MARK_SIZE, 0);

	*found_r = n > 0;
	if (n == 0)
		return TS_OK;
	if (n < 0)
		return TS_FAIL(TS_IO, "commit.mark: %s", strerror(errno));
	(void)rd_bytes(&r, 8);
	mark->seq = rd_le64(&r);
	if (n != MARK_SIZE || memcmp(bytes, MARK_MAGIC, 8) != 0 ||
	    rd_le64(&r) != XXH3_64bits(bytes, 16))
		return TS_FAIL(TS_DAMAGED, "commit.mark: its checksum does not hold");
	return TS_OK;
}

enum ts_err
rocks_mark_open(struct rocks_mark *mark, int dir, bool read_only, bool *found_r)
{
	*found_r = false;
	mark->seq = 0;
	mark->fd =
	    openat(dir, "commit.mark", (read_only ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0600);
	if (mark->fd < 0 && read_only && errno == ENOENT)
		return TS_OK;
	if (mark->fd < 0)
		return TS_FAIL(TS_IO, "commit.mark: %s", strerror(errno));
	return mark_read(mark, found_r);
}

void
rocks_mark_set(struct rocks_mark *mark, uint64_t seq)
{
	uint64_t now = clock_mono_ms();

	TS_ASSERT(pthread_mutex_lock(&mark->lock) == 0);
	if (seq > mark->seq) {
		/* A mark that stays behind makes a later check weaker, not wrong. */
		if (!mark_write(mark, seq) && !mark->complained) {
			mark->complained = true;
			log_msg(LOG_WARNING, NULL, "commit.mark: %s", strerror(errno));
		}
		mark->seq = seq;
		if (now - mark->flushed_ms >= MARK_FLUSH_MS) {
			mark->flushed_ms = now;
			(void)fdatasync(mark->fd);
		}
	}
	TS_ASSERT(pthread_mutex_unlock(&mark->lock) == 0);
}

enum ts_err
rocks_mark_reset(struct rocks_mark *mark, uint64_t seq)
{
	mark->seq = seq;
	if (!mark_write(mark, seq) || fdatasync(mark->fd) != 0)
		return TS_FAIL(TS_IO, "commit.mark: %s", strerror(errno));
	return TS_OK;
}

void
rocks_mark_close(struct rocks_mark *mark)
{
	if (mark->fd >= 0)
		(void)close(mark->fd);
	mark->fd = -1;
}
