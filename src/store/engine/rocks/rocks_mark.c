/* SPDX-License-Identifier: Apache-2.0 */
/* The commit mark: see rocks_int.h for its format and rocks_open.c for its use. */
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
#define MARK_SLOT 4096 /* distance between records: no device tears both in one write */
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
	return pwrite(mark->fd, b.p, MARK_SIZE, mark->slot * MARK_SLOT) == MARK_SIZE;
}

/* The record just written is on disk; switch to the other one, so that a power cut can never tear
 * more than one. */
static bool
mark_flush(struct rocks_mark *mark)
{
	if (fdatasync(mark->fd) != 0)
		return false;
	mark->slot ^= 1;
	return true;
}

enum slot { SLOT_EMPTY, SLOT_WHOLE, SLOT_DAMAGED, SLOT_UNREADABLE };

static enum slot
slot_read(const struct rocks_mark *mark, int slot, uint64_t *seq_r)
{
	static const char zeros[MARK_SIZE];
	char bytes[MARK_SIZE] = {0};
	struct rd r = {(unsigned char *)bytes, (unsigned char *)bytes + MARK_SIZE, false};
	ssize_t n = pread(mark->fd, bytes, MARK_SIZE, slot * MARK_SLOT);

	if (n < 0)
		return SLOT_UNREADABLE;
	if (memcmp(bytes, zeros, MARK_SIZE) == 0)
		return SLOT_EMPTY;
	(void)rd_bytes(&r, 8);
	*seq_r = rd_le64(&r);
	return memcmp(bytes, MARK_MAGIC, 8) == 0 && rd_le64(&r) == XXH3_64bits(bytes, 16)
	           ? SLOT_WHOLE
	           : SLOT_DAMAGED;
}

static enum ts_err
mark_read(struct rocks_mark *mark, bool *found_r)
{
	bool damaged = false;

	*found_r = false;
	for (int slot = 0; slot < 2; slot++) {
		uint64_t seq = 0;
		enum slot got = slot_read(mark, slot, &seq);

		if (got == SLOT_UNREADABLE)
			return TS_FAIL(TS_IO, "commit.mark: %s", strerror(errno));
		damaged |= got == SLOT_DAMAGED;
		if (got == SLOT_WHOLE && (!*found_r || seq > mark->seq)) {
			*found_r = true;
			mark->seq = seq;
			mark->slot = slot ^ 1;
		}
	}
	if (damaged && !*found_r)
		return TS_FAIL(TS_DAMAGED, "commit.mark: its checksum does not hold");
	if (damaged)
		log_msg(LOG_INFO, NULL,
		    "commit.mark: one of its two records is torn, as a power cut may leave it; "
		    "the other one counts");
	return TS_OK;
}

enum ts_err
rocks_mark_open(struct rocks_mark *mark, int dir, bool read_only, bool *found_r)
{
	*found_r = false;
	mark->seq = 0;
	mark->slot = 0;
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
		/* A mark that lags makes a later check weaker, not wrong. */
		if (!mark_write(mark, seq) && !mark->complained) {
			mark->complained = true;
			log_msg(LOG_WARNING, NULL, "commit.mark: %s", strerror(errno));
		}
		mark->seq = seq;
		if (now - mark->flushed_ms >= MARK_FLUSH_MS) {
			mark->flushed_ms = now;
			(void)mark_flush(mark);
		}
	}
	TS_ASSERT(pthread_mutex_unlock(&mark->lock) == 0);
}

enum ts_err
rocks_mark_reset(struct rocks_mark *mark, uint64_t seq)
{
	mark->seq = seq;
	if (!mark_write(mark, seq) || !mark_flush(mark))
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

/* ---- what was given up ---- */

enum ts_err
rocks_recovered_note(int dir, const char *what)
{
	int fd = openat(dir, "recovered", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	size_t n = strlen(what);
	bool ok = fd >= 0 && write(fd, what, n) == (ssize_t)n && write(fd, "\n", 1) == 1 &&
	          fsync(fd) == 0 && fsync(dir) == 0;

	if (!ok)
		log_msg(LOG_ERROR, NULL, "recovered: %s", strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return ok ? TS_OK : TS_IO;
}

bool
rocks_recovered(int dir)
{
	return faccessat(dir, "recovered", F_OK, 0) == 0 || errno != ENOENT;
}

bool
rocks_recovered_says(int dir, const char *what)
{
	struct buf b = {0};
	bool yes = rocks_file_slurp(dir, "recovered", &b) && strstr(buf_cstr(&b), what) != NULL;

	buf_fini(&b);
	return yes;
}

enum ts_err
rocks_recovered_end(int dir)
{
	if ((unlinkat(dir, "recovered", 0) == 0 && fsync(dir) == 0) || errno == ENOENT)
		return TS_OK;
	return TS_FAIL(TS_IO, "recovered: %s", strerror(errno));
}
