/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RocksDB's tables from the inside, as far as salvage needs it.
 *
 * A table (*.sst) ends in 53 bytes: the kind of checksums, the places of the meta index and the
 * index (two varints each, offset and size; padded to 40 bytes), the format's version, and 8 magic
 * bytes.  Each block is followed by 5 bytes: its compression, and the checksum.  The index has an
 * entry for each block of data: a key not below the block's last one, and where the block is.
 */
#include <fcntl.h>
#include <lz4.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/mem.h"
#include "store/engine/rocks/rocks_int.h"

#define FOOTER 53
#define FOOTER_MAGIC 0x88E241B785F4CFF7u

/* ---- checksums ---- */

/* Returns the checksum of a block of n bytes and the byte after it. */
uint32_t
rocks_block_sum(const struct rocks_table *t, const unsigned char *p, size_t n)
{
	if (t->sums == 1)
		return rocks_crc32c(p, n + 1);
	return (uint32_t)XXH3_64bits(p, n) ^ p[n] * ROCKS_BLOCK_KIND_FACTOR;
}

static bool
inside(const struct rocks_table *t, uint64_t off, uint64_t size)
{
	return off <= t->n && size <= t->n - off && t->n - off - size >= ROCKS_BLOCK_TRAILER;
}

bool
rocks_block_whole(const struct rocks_table *t, uint64_t off, uint64_t size)
{
	struct rd r;

	if (!inside(t, off, size))
		return false;
	r = rd_of((struct str){(const char *)t->p + off + size + 1, 4});
	return rd_le32(&r) == rocks_block_sum(t, t->p + off, (size_t)size);
}

/* ---- the index ---- */

/* Finds the index.  Returns false if the file does not end like a table. */
static bool
read_footer(struct rocks_table *t, uint64_t *off_r, uint64_t *size_r)
{
	struct rd r, end;

	if (t->n < FOOTER)
		return false;
	r = rd_of((struct str){(const char *)t->p + t->n - FOOTER, FOOTER});
	end = rd_of((struct str){(const char *)t->p + t->n - 8, 8});
	t->sums = *r.p++;
	(void)rd_varint(&r);
	(void)rd_varint(&r);
	*off_r = rd_varint(&r);
	*size_r = rd_varint(&r);
	return !r.bad && rd_le64(&end) == FOOTER_MAGIC && (t->sums == 1 || t->sums == 4) &&
	       rocks_block_whole(t, *off_r, *size_r);
}

bool
rocks_block_unpack(const struct rocks_table *t, uint64_t off, uint64_t size, struct buf *out)
{
	unsigned char kind = t->p[off + size];
	struct rd r = rd_of((struct str){(const char *)t->p + off, (size_t)size});
	uint64_t whole;
	char *room;
	int n;

	if (kind == 0)
		buf_put(out, r.p, (size_t)size);
	if (kind != ROCKS_BLOCK_LZ4)
		return kind == 0;
	whole = rd_varint(&r);
	if (r.bad || whole > (uint64_t)256 << 20)
		return false;
	room = mem_realloc(NULL, (size_t)whole + 1);
	n = LZ4_decompress_safe((const char *)r.p, room, (int)(r.end - r.p), (int)whole);
	if (n == (int)whole)
		buf_put(out, room, (size_t)n);
	mem_free(room);
	return n == (int)whole;
}

bool
rocks_table_index(struct rocks_table *t, struct buf *index)
{
	uint64_t off = 0, size = 0;

	return read_footer(t, &off, &size) && rocks_block_unpack(t, off, size, index);
}

/* Each entry has its whole key (a restart at every entry). */
bool
rocks_index_each(
    struct str index, void (*fn)(void *arg, uint64_t off, uint64_t size, struct str key), void *arg)
{
	struct rd r = rd_of(index), tail;
	uint32_t restarts;

	if (index.n < 4)
		return false;
	tail = rd_of((struct str){index.p + index.n - 4, 4});
	restarts = rd_le32(&tail) & 0x7FFFFFFFu;
	if (index.n < 4 + 4 * (uint64_t)restarts)
		return false;
	r.end = (const unsigned char *)index.p + index.n - 4 - 4 * (size_t)restarts;
	while (r.p < r.end) {
		uint64_t shared = rd_varint(&r);
		struct str key = rd_vstr(&r);
		uint64_t off = rd_varint(&r), size = rd_varint(&r);

		if (r.bad || shared != 0)
			return false;
		fn(arg, off, size, key);
	}
	return true;
}

/* ---- files ---- */

bool
rocks_file_slurp(int dir, const char *name, struct buf *out)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char piece[65536];
	ssize_t n = -1;

	for (off_t at = 0; fd >= 0 && (n = pread(fd, piece, sizeof(piece), at)) != 0;
	     at += sizeof(piece)) {
		/* What the device cannot read is damage, not the end. */
		if (n < 0)
			memset(piece, 0, sizeof(piece));
		buf_put(out, piece, n < 0 ? sizeof(piece) : (size_t)n);
		if (n > 0 && (size_t)n < sizeof(piece))
			at -= (off_t)(sizeof(piece) - (size_t)n);
		if (out->n > (size_t)1 << 30)
			break;
	}
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0 && n >= 0;
}

bool
rocks_file_replace(int dir, const char *name, struct str bytes)
{
	int fd = openat(dir, "salvage.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0;

	while (ok && bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		ok = n > 0;
		if (ok)
			bytes = (struct str){bytes.p + n, bytes.n - (size_t)n};
	}
	ok =
	    ok && fsync(fd) == 0 && renameat(dir, "salvage.new", dir, name) == 0 && fsync(dir) == 0;
	if (fd >= 0)
		(void)close(fd);
	return ok;
}
