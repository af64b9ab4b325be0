/* SPDX-License-Identifier: Apache-2.0 */
/* Byte buffers and readers: see buf.h. */
#include "base/buf.h"

#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"

enum { WIPE_MAX = 128 * 1024 };

void
buf_fini(struct buf *b)
{
	mem_free(b->p);
	*b = buf_like(b);
}

void
buf_wipe_fini(struct buf *b)
{
	mem_wipe(b->p, b->cap);
	buf_fini(b);
}

/*
 * Outgrown memory is wiped before malloc gets it back: it may hold the start of
 * a password, whatever the buffer is used for.  Large buffers hold messages;
 * the kernel moves those without a copy.
 */
static bool
grow(struct buf *b, size_t cap)
{
	char *p;

	if (b->cap > WIPE_MAX) {
		p = mem_try_realloc(b->p, cap, b->oom);
		if (p == NULL)
			return false;
	} else {
		p = mem_try_realloc(NULL, cap, b->oom);
		if (p == NULL)
			return false;
		if (b->n > 0)
			/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
			memcpy(p, b->p, b->n); /* a length has bytes */
		mem_wipe(b->p, b->cap);
		mem_free(b->p);
	}
	b->p = p;
	b->cap = cap;
	return true;
}

char *
buf_room(struct buf *b, size_t more)
{
	size_t need, cap;

	if (b->p != NULL && b->cap - b->n >= more)
		return b->p + b->n;
	if (__builtin_add_overflow(b->n, more, &need) || need > SIZE_MAX / 4)
		TS_WRONG("buffer size overflow");
	cap = b->cap > 0 ? b->cap * 2 : 64;
	while (cap < need)
		cap *= 2;
	return grow(b, cap) ? b->p + b->n : NULL;
}

void
buf_put_growing(struct buf *b, const void *p, size_t n)
{
	char *to = buf_room(b, n);

	if (to == NULL)
		return;
	memcpy(to, p, n);
	b->n += n;
}

/* From the end, two digits at a time. */
void
buf_hex(struct buf *b, const void *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++) {
		buf_putc(b, digits[p[i] >> 4]);
		buf_putc(b, digits[p[i] & 15]);
	}
}

void
buf_u64(struct buf *b, uint64_t v)
{
	static const char pairs[] = "00010203040506070809"
	                            "10111213141516171819"
	                            "20212223242526272829"
	                            "30313233343536373839"
	                            "40414243444546474849"
	                            "50515253545556575859"
	                            "60616263646566676869"
	                            "70717273747576777879"
	                            "80818283848586878889"
	                            "90919293949596979899";
	char d[20];
	size_t i = sizeof(d);

	for (; v >= 10; v /= 100) {
		i -= 2;
		memcpy(d + i, pairs + v % 100 * 2, 2);
	}
	if (v > 0 || i == sizeof(d))
		d[--i] = (char)('0' + v);
	buf_put(b, d + i, sizeof(d) - i);
}

void
buf_size(struct buf *b, uint64_t n)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)n / 1024;
	unsigned u = 0;

	if (n < 1024) {
		buf_printf(b, "%llu byte%s", (unsigned long long)n, n == 1 ? "" : "s");
		return;
	}
	/* Avoid showing 1024.0 of a unit after rounding. */
	for (; v >= 1023.95; u++)
		v /= 1024;
	buf_printf(b, "%.1f %s", v, units[u]);
}

void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *to;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	TS_ASSERT(n >= 0);
	to = buf_room(b, (size_t)n + 1);
	if (to != NULL) {
		(void)vsnprintf(to, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void
buf_consume(struct buf *b, size_t n)
{
	TS_ASSERT(n <= b->n);
	b->n -= n;
	if (b->n > 0)
		memmove(b->p, b->p + n, b->n);
}

const char *
buf_cstr(struct buf *b)
{
	char *end = buf_room(b, 1);

	if (end == NULL)
		return NULL;
	*end = '\0';
	return b->p;
}

static void
put_be(struct buf *b, uint64_t v, size_t n)
{
	char *p = buf_room(b, n);

	if (p == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(v >> (8 * (n - 1 - i)));
	b->n += n;
}

static void
put_le(struct buf *b, uint64_t v, size_t n)
{
	char *p = buf_room(b, n);

	if (p == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(v >> (8 * i));
	b->n += n;
}

void
buf_be16(struct buf *b, uint16_t v)
{
	put_be(b, v, 2);
}

void
buf_be32(struct buf *b, uint32_t v)
{
	put_be(b, v, 4);
}

void
buf_be64(struct buf *b, uint64_t v)
{
	put_be(b, v, 8);
}

void
buf_le32(struct buf *b, uint32_t v)
{
	put_le(b, v, 4);
}

void
buf_le64(struct buf *b, uint64_t v)
{
	put_le(b, v, 8);
}

void
buf_varint(struct buf *b, uint64_t v)
{
	while (v >= 0x80) {
		buf_putc(b, (char)(v | 0x80));
		v >>= 7;
	}
	buf_putc(b, (char)v);
}

void
buf_vstr(struct buf *b, struct str s)
{
	buf_varint(b, s.n);
	buf_str(b, s);
}

static uint64_t
get_be(struct rd *r, size_t n)
{
	uint64_t v = 0;

	if (r->bad || rd_left(r) < n) {
		r->bad = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		v = v << 8 | *r->p++;
	return v;
}

static uint64_t
get_le(struct rd *r, size_t n)
{
	uint64_t v = 0;

	if (r->bad || rd_left(r) < n) {
		r->bad = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)*r->p++ << (8 * i);
	return v;
}

uint8_t
rd_u8(struct rd *r)
{
	return (uint8_t)get_be(r, 1);
}

uint16_t
rd_be16(struct rd *r)
{
	return (uint16_t)get_be(r, 2);
}

uint32_t
rd_be32(struct rd *r)
{
	return (uint32_t)get_be(r, 4);
}

uint64_t
rd_be64(struct rd *r)
{
	return get_be(r, 8);
}

uint32_t
rd_le32(struct rd *r)
{
	return (uint32_t)get_le(r, 4);
}

uint64_t
rd_le64(struct rd *r)
{
	return get_le(r, 8);
}

uint64_t
rd_varint(struct rd *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t c = rd_u8(r);

		if (shift == 63 && c > 1)
			break;
		v |= (uint64_t)(c & 0x7F) << shift;
		if ((c & 0x80) == 0)
			return r->bad ? 0 : v;
	}
	r->bad = true;
	return 0;
}

struct str
rd_bytes(struct rd *r, size_t n)
{
	struct str s;

	if (r->bad || rd_left(r) < n) {
		r->bad = true;
		return STR_NONE;
	}
	s = (struct str){(const char *)r->p, n};
	if (n > 0) /* p of an empty reader may be NULL */
		r->p += n;
	return s;
}

struct str
rd_vstr(struct rd *r)
{
	uint64_t n = rd_varint(r);

	if (n > rd_left(r)) {
		r->bad = true;
		return STR_NONE;
	}
	return rd_bytes(r, (size_t)n);
}
