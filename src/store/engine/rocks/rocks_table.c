/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RocksDB's files from the inside, as far as salvage needs it.
 *
 * A table (*.sst) ends in 53 bytes: the kind of checksums, where the meta index
 * and the index are (two varints each, offset and size; padded to 40 bytes), the
 * format's version, and 8 magic bytes.  Behind each block of it stand 5 bytes:
 * how it is compressed, and the checksum.  The index has an entry for each block
 * of data: a key not below the block's last one, and where the block is.
 *
 * A damaged block of data is replaced by one of the same size that holds one
 * removal of the index entry's key, older than everything else, with the rest
 * of the size as its unused value.  So index, size and list of files stay as
 * they are, and RocksDB reads past what is lost.
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
#define TRAILER 5
#define LZ4 4
#define BLOB_MAGIC 2395959u

struct table {
	unsigned char *p;
	size_t n;
	unsigned char sums; /* 1: CRC-32C, 4: XXH3 */
	bool user_keys;     /* in the index, without RocksDB's 8 bytes behind them */
	unsigned bad, hopeless;
};

/* ---- checksums ---- */

uint32_t
rocks_crc32c(const unsigned char *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0x82F63B78u & -(crc & 1));
	}
	crc = ~crc;
	return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

/* Of a block of n bytes and the byte behind it. */
static uint32_t
block_sum(const struct table *t, const unsigned char *p, size_t n)
{
	if (t->sums == 1)
		return rocks_crc32c(p, n + 1);
	return (uint32_t)XXH3_64bits(p, n) ^ p[n] * 0x6B9083D9u;
}

static bool
inside(const struct table *t, uint64_t off, uint64_t size)
{
	return off <= t->n && size <= t->n - off && t->n - off - size >= TRAILER;
}

static bool
block_whole(const struct table *t, uint64_t off, uint64_t size)
{
	struct rd r;

	if (!inside(t, off, size))
		return false;
	r = rd_of((struct str){(const char *)t->p + off + size + 1, 4});
	return rd_le32(&r) == block_sum(t, t->p + off, (size_t)size);
}

/* ---- the index ---- */

static uint64_t
varint(struct rd *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && r->p < r->end; shift += 7) {
		unsigned char c = *r->p++;

		v |= (uint64_t)(c & 127) << shift;
		if (c < 128)
			return v;
	}
	r->bad = true;
	return 0;
}

/* Where the index is.  False: the end of the file is not one of a table. */
static bool
read_footer(struct table *t, uint64_t *off_r, uint64_t *size_r)
{
	struct rd r, end;

	if (t->n < FOOTER)
		return false;
	r = rd_of((struct str){(const char *)t->p + t->n - FOOTER, FOOTER});
	end = rd_of((struct str){(const char *)t->p + t->n - 8, 8});
	t->sums = *r.p++;
	(void)varint(&r);
	(void)varint(&r);
	*off_r = varint(&r);
	*size_r = varint(&r);
	return !r.bad && rd_le64(&end) == FOOTER_MAGIC && (t->sums == 1 || t->sums == 4) &&
	       block_whole(t, *off_r, *size_r);
}

static bool
unpack(const struct table *t, uint64_t off, uint64_t size, struct buf *out)
{
	unsigned char kind = t->p[off + size];
	struct rd r = rd_of((struct str){(const char *)t->p + off, (size_t)size});
	uint64_t whole;
	char *room;
	int n;

	if (kind == 0)
		buf_put(out, r.p, (size_t)size);
	if (kind != LZ4)
		return kind == 0;
	whole = varint(&r);
	if (r.bad || whole > (uint64_t)256 << 20)
		return false;
	room = mem_realloc(NULL, (size_t)whole + 1);
	n = LZ4_decompress_safe((const char *)r.p, room, (int)(r.end - r.p), (int)whole);
	if (n == (int)whole)
		buf_put(out, room, (size_t)n);
	mem_free(room);
	return n == (int)whole;
}

static size_t
varint_size(uint64_t v)
{
	size_t n = 1;

	for (; v >= 128; v >>= 7)
		n++;
	return n;
}

static void
put_varint(unsigned char **p, uint64_t v)
{
	for (; v >= 128; v >>= 7)
		*(*p)++ = (unsigned char)(v | 128);
	*(*p)++ = (unsigned char)v;
}

/* Header of the entry, key, 8 bytes behind it, value, one restart at 0, their number. */
static void
replace_block(struct table *t, uint64_t off, uint64_t size, struct str key)
{
	unsigned char *p = t->p + off;
	size_t user = t->user_keys ? key.n : key.n - 8;
	size_t fixed = 1 + varint_size(user + 8) + user + 8 + 8, value;
	struct buf sum = {0};

	t->bad++;
	if (!inside(t, off, size) || (!t->user_keys && key.n < 8) || size < fixed + 10) {
		t->hopeless++;
		return;
	}
	value = (size_t)size - fixed;
	while (varint_size(value) + value + fixed > size)
		value--;
	/* Where the length of the length jumps one size cannot be met; a longer form of it can. */
	bool longer = varint_size(value) + value + fixed < size;

	memset(p, 0, (size_t)size);
	*p++ = 0;
	put_varint(&p, user + 8);
	if (longer) {
		size_t v = value;

		for (size_t i = varint_size(value); i > 0; i--, v >>= 7)
			*p++ = (unsigned char)(v | 128);
		*p++ = 0;
	} else {
		put_varint(&p, value);
	}
	memcpy(p, key.p, user); /* then zeros: the oldest, a removal */
	p = t->p + off + size - 4;
	*p = 1;
	t->p[off + size] = 0;
	buf_le32(&sum, block_sum(t, t->p + off, (size_t)size));
	memcpy(t->p + off + size + 1, sum.p, 4);
	buf_fini(&sum);
}

/* Goes through the blocks of data; each index entry stands whole (restarts at every one). */
static bool
mend_blocks(struct table *t, struct str index)
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
		uint64_t shared = varint(&r), n = varint(&r), off, size;
		struct str key = {(const char *)r.p, (size_t)n};

		if (r.bad || shared != 0 || n > (uint64_t)(r.end - r.p))
			return false;
		r.p += n;
		off = varint(&r);
		size = varint(&r);
		if (r.bad)
			return false;
		if (!block_whole(t, off, size))
			replace_block(t, off, size, key);
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
		/* What the device cannot read any more is damaged, not the end. */
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

enum ts_err
rocks_table_mend(rocksdb_options_t *opt, const char *path, int dir, const char *name)
{
	struct buf file = {0}, index = {0}, full = {0};
	struct table t = {0};
	uint64_t off = 0, size = 0;
	enum ts_err err = TS_INVALID;

	buf_printf(&full, "%s/%s", path, name);
	if (rocks_extra_table_whole(opt, buf_cstr(&full), &t.user_keys)) {
		buf_fini(&full);
		return TS_OK;
	}
	if (rocks_file_slurp(dir, name, &file)) {
		t.p = (unsigned char *)file.p;
		t.n = file.n;
		if (read_footer(&t, &off, &size) && unpack(&t, off, size, &index) &&
		    mend_blocks(&t, buf_as_str(&index)) && t.hopeless == 0 && t.bad > 0)
			err = rocks_file_replace(dir, name, buf_as_str(&file)) ? TS_DAMAGED : TS_IO;
	}
	/* There may be damage elsewhere, too. */
	if (err == TS_DAMAGED && !rocks_extra_table_whole(opt, buf_cstr(&full), &t.user_keys))
		err = TS_INVALID;
	buf_fini(&file);
	buf_fini(&index);
	buf_fini(&full);
	return err;
}

/* ---- blob files ---- */

/* 30 bytes: magic, version 1, column family, two bytes, two times, all zero.  Records: lengths of
 * key and value, a time, a CRC of these, one of key and value, key, value.  32 bytes: magic, how
 * many, two times, a CRC. */
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
	size_t at = 30;

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
