/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BUF_H
#define BASE_BUF_H
/*
 * A byte buffer that grows on the heap.  {0} is an empty one.  The owner calls
 * buf_fini(), or for secrets buf_wipe_fini(); growing leaves no copy of them
 * behind (up to 128 KiB).  Growth at least doubles.  The number printers write
 * decimal digits without formatting functions.
 *
 * With oom set (base/mem.h), a buffer that cannot grow sets *oom and drops what
 * was to be put; buf_room() and buf_cstr() then return NULL.  Its contents are
 * incomplete: check the flag before using them.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

struct buf {
	char *p;
	size_t n, cap;
	bool *oom; /* NULL: out of memory aborts */
};

void buf_fini(struct buf *b);
void buf_wipe_fini(struct buf *b);
/* Makes room for at least `more` bytes after the n there are; returns where they go.  NULL only
 * with oom, which is then set. */
char *buf_room(struct buf *b, size_t more);
/* buf_put() for when there is no room yet. */
void buf_put_growing(struct buf *b, const void *p, size_t n);
void buf_u64(struct buf *b, uint64_t v);                  /* decimal */
void buf_hex(struct buf *b, const void *bytes, size_t n); /* two digits each, in lower case */
void buf_size(struct buf *b, uint64_t n);                 /* bytes for people: "2.5 MiB" */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* Makes the contents NUL-terminated (the NUL is not counted) and returns them. */
const char *buf_cstr(struct buf *b);

/* Big-endian, for keys; little-endian, for records; varints (LEB128), for lists. */
void buf_be16(struct buf *b, uint16_t v);
void buf_be32(struct buf *b, uint32_t v);
void buf_be64(struct buf *b, uint64_t v);
void buf_le32(struct buf *b, uint32_t v);
void buf_le64(struct buf *b, uint64_t v);
void buf_varint(struct buf *b, uint64_t v);
/* varint length, then the bytes. */
void buf_vstr(struct buf *b, struct str s);

/* Inline, since most output is a few bytes of known length. */
static inline void
buf_put(struct buf *b, const void *p, size_t n)
{
	if (n > b->cap - b->n) {
		buf_put_growing(b, p, n);
	} else if (n > 0) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): a length has bytes */
		memcpy(b->p + b->n, p, n);
		b->n += n;
	}
}

static inline void
buf_str(struct buf *b, struct str s)
{
	buf_put(b, s.p, s.n);
}

static inline void
buf_puts(struct buf *b, const char *z)
{
	buf_put(b, z, strlen(z));
}

static inline void
buf_putc(struct buf *b, char c)
{
	if (b->n < b->cap)
		b->p[b->n++] = c;
	else
		buf_put(b, &c, 1);
}

static inline struct str
buf_as_str(const struct buf *b)
{
	return (struct str){b->p, b->n};
}

/* Returns whether memory ran out for any buffer that shares b's flag. */
static inline bool
buf_failed(const struct buf *b)
{
	return b->oom != NULL && *b->oom;
}

/* Returns an empty buffer that reports a lack of memory like b. */
static inline struct buf
buf_like(const struct buf *b)
{
	return (struct buf){.oom = b->oom};
}

/*
 * A reader over bytes from elsewhere.  Reading past the end sets `bad` and
 * returns zeros; check `bad` once at the end.
 */
struct rd {
	const unsigned char *p, *end;
	bool bad;
};

static inline struct rd
rd_of(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	return (struct rd){p, s.n > 0 ? p + s.n : p, false};
}

static inline size_t
rd_left(const struct rd *r)
{
	return (size_t)(r->end - r->p);
}

uint8_t rd_u8(struct rd *r);
uint16_t rd_be16(struct rd *r);
uint32_t rd_be32(struct rd *r);
uint64_t rd_be64(struct rd *r);
uint32_t rd_le32(struct rd *r);
uint64_t rd_le64(struct rd *r);
uint64_t rd_varint(struct rd *r);
struct str rd_bytes(struct rd *r, size_t n);
struct str rd_vstr(struct rd *r);
#endif
