/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads RocksDB's files of values (*.blob), which hold the bytes of small
 * messages, without its help.
 *
 * 30 bytes: magic, version 1, column family, two bytes (compression, whether
 * records expire), two times, all zero.  Records: lengths of key and value, a
 * time, a CRC of these 24 bytes, one of key and value, key, value.  32 bytes:
 * magic, number of records, two times, a CRC.  The key is the blob's id.
 *
 * A record is found by its pointer in a table.  If the table is gone, the
 * records can still be walked from the start, since each tells where the next
 * one is.  A record whose lengths fail their checksum ends the walk: the next
 * one is not searched for in the bytes of messages, where a sender may have put
 * something that looks like one.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/engine/rocks/rocks_int.h"

#define BLOB_MAGIC 2395959u
#define HEAD 30
#define REC_HEAD ((size_t)32)

/* ---- checksums ---- */

uint32_t
rocks_crc32c_more(uint32_t crc, const unsigned char *p, size_t n)
{
	/* Table for half a byte. */
	static const uint32_t half[16] = {0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1,
	    0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D, 0x82F63B78, 0x92A8FC17, 0xA24BB5A6,
	    0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75};

	for (size_t i = 0; i < n; i++) {
		crc = half[(crc ^ p[i]) & 15] ^ (crc >> 4);
		crc = half[(crc ^ (uint32_t)(p[i] >> 4)) & 15] ^ (crc >> 4);
	}
	return crc;
}

uint32_t
rocks_crc32c_end(uint32_t crc)
{
	crc = ~crc;
	return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

uint32_t
rocks_crc32c(const unsigned char *p, size_t n)
{
	return rocks_crc32c_end(rocks_crc32c_more(ROCKS_CRC_BEGIN, p, n));
}

/* ---- header and footer ---- */

static bool
ends_whole(const struct buf *f)
{
	struct rd h = rd_of(buf_as_str(f)), t;

	if (f->n < ROCKS_BLOB_ENDS)
		return false;
	t = rd_of((struct str){f->p + f->n - 4, 4});
	return rd_le32(&h) == BLOB_MAGIC && rd_le32(&h) == 1 &&
	       rd_le32(&t) == rocks_crc32c((unsigned char *)f->p + f->n - 32, 28);
}

bool
rocks_blobs_whole(int dir, const char *name, uint64_t size)
{
	struct buf f = {0};
	char ends[ROCKS_BLOB_ENDS];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool ok = fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size >= size &&
	          (uint64_t)st.st_size >= sizeof(ends) && pread(fd, ends, 30, 0) == 30 &&
	          pread(fd, ends + 30, 32, st.st_size - 32) == 32;

	if (fd >= 0)
		(void)close(fd);
	buf_put(&f, ends, ok ? sizeof(ends) : 0);
	ok = ok && ends_whole(&f);
	buf_fini(&f);
	return ok;
}

static uint64_t
walk_records(const struct buf *f, size_t *end_r)
{
	uint64_t count = 0;
	size_t at = HEAD;

	while (at + 32 <= f->n) {
		struct rd r = rd_of((struct str){f->p + at, 32});
		uint64_t key = rd_le64(&r), value = rd_le64(&r);

		(void)rd_le64(&r);
		if (rd_le32(&r) != rocks_crc32c((unsigned char *)f->p + at, 24) || key > f->n ||
		    value > f->n || key + value > f->n - at - 32)
			break;
		at += 32 + (size_t)key + (size_t)value;
		count++;
	}
	*end_r = at;
	return count;
}

uint64_t
rocks_blobs_mend(int dir, const char *name, uint64_t size, bool *mended_r, uint64_t *bytes_r)
{
	struct buf f = {0}, ends = {0};
	uint64_t count;
	size_t end;

	*mended_r = false;
	(void)rocks_file_slurp(dir, name, &f);
	count = walk_records(&f, &end);
	if ((size != 0 && f.n < size) || !ends_whole(&f)) {
		size = size != 0 ? size : ends_whole(&f) || f.n < end + 32 ? end + 32 : f.n;
		size = size > ROCKS_BLOB_ENDS ? size : ROCKS_BLOB_ENDS;
		while (f.n < size)
			buf_putc(&f, 0);
		buf_le32(&ends, BLOB_MAGIC);
		buf_le32(&ends, 1);
		buf_le32(&ends, ROCKS_BLOBS);
		memcpy(f.p, ends.p, 12);
		memset(f.p + 12, 0, 18);
		ends.n = 4;
		buf_le64(&ends, count);
		buf_le64(&ends, 0);
		buf_le64(&ends, 0);
		buf_le32(&ends, rocks_crc32c((unsigned char *)ends.p, 28));
		memcpy(f.p + size - 32, ends.p, 32);
		*mended_r = rocks_file_replace(dir, name, (struct str){f.p, (size_t)size});
	}
	*bytes_r = f.n > ROCKS_BLOB_ENDS ? f.n - ROCKS_BLOB_ENDS : 0;
	buf_fini(&f);
	buf_fini(&ends);
	return count;
}

/* ---- walking a file ---- */

/* A window of the file.  What the device cannot read becomes zeros. */
struct window {
	int fd;
	uint64_t size, at;
	size_t n;
	unsigned char p[65536];
};

static const unsigned char *
window_at(struct window *w, uint64_t at, size_t want)
{
	if (at < w->at || at + want > w->at + w->n) {
		size_t n = w->size - at < sizeof(w->p) ? (size_t)(w->size - at) : sizeof(w->p);
		ssize_t got = pread(w->fd, w->p, n, (off_t)at);

		memset(w->p + (got > 0 ? got : 0), 0, n - (size_t)(got > 0 ? got : 0));
		w->at = at;
		w->n = n;
	}
	return w->p + (at - w->at);
}

void
rocks_blobs_walk(int dir, const char *name,
    void (*fn)(const struct rocks_blob_record *record, void *arg), void *arg)
{
	struct window *w = mem_zalloc(sizeof(*w));
	struct stat st;
	uint64_t at = HEAD;

	w->fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	w->size = w->fd >= 0 && fstat(w->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	while (at + REC_HEAD + ROCKS_BLOB_KEY <= w->size) {
		const unsigned char *p = window_at(w, at, REC_HEAD + ROCKS_BLOB_KEY);
		struct rd r = rd_of((struct str){(const char *)p, REC_HEAD + ROCKS_BLOB_KEY});
		uint64_t key = rd_le64(&r), value = rd_le64(&r);
		struct rocks_blob_record one = {.size = value};

		(void)rd_le64(&r);
		if (rd_le32(&r) != rocks_crc32c(p, 24) || key > w->size || value > w->size)
			break;
		one.sum = rd_le32(&r);
		one.blob = rd_be64(&r);
		one.off = at + REC_HEAD + key;
		if (key == ROCKS_BLOB_KEY && one.off < w->size)
			fn(&one, arg);
		at = one.off + value;
	}
	if (w->fd >= 0)
		(void)close(w->fd);
	mem_free(w);
}
