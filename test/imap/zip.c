/* SPDX-License-Identifier: Apache-2.0 */
/* See zip.h. */
#include "zip.h"

#include <zlib.h>

#include "base/err.h"
#include "base/mem.h"

enum { PIECE = 4096 };

const char *const zip_lasts[ZIP_LASTS + 1] = {"sync", "full", "finish", "empty", "partial", NULL};

struct zip {
	z_stream out, in;
	bool out_over, in_over;
};

struct zip *
zip_new(void)
{
	struct zip *zip = mem_zalloc(sizeof(*zip));

	TS_ASSERT(
	    deflateInit2(&zip->out, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	TS_ASSERT(inflateInit2(&zip->in, -MAX_WBITS) == Z_OK);
	return zip;
}

void
zip_free(struct zip **zp)
{
	struct zip *zip = *zp;

	*zp = NULL;
	if (zip == NULL)
		return;
	(void)deflateEnd(&zip->out);
	(void)inflateEnd(&zip->in);
	mem_free(zip);
}

static void
put(struct zip *zip, struct str text, int flush, struct buf *wire)
{
	z_stream *z = &zip->out;

	z->next_in = (unsigned char *)(uintptr_t)text.p;
	z->avail_in = (unsigned)text.n;
	do {
		z->next_out = (unsigned char *)buf_room(wire, PIECE);
		z->avail_out = PIECE;
		TS_ASSERT(deflate(z, flush) != Z_STREAM_ERROR);
		wire->n += PIECE - z->avail_out;
	} while (z->avail_out == 0);
}

static void
put_last(struct zip *zip, struct str text, enum zip_last last, struct buf *wire)
{
	static const int flushes[ZIP_LASTS] = {
	    Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_FINISH, Z_SYNC_FLUSH, Z_PARTIAL_FLUSH};

	put(zip, text, flushes[last], wire);
	if (last == ZIP_EMPTY)
		buf_put(wire, "\x03", 2);
	zip->out_over = true;
}

/* Behind the first line that ends the stream; 0: there is none. */
static size_t
last_line(struct str text)
{
	struct str rest = text, line;

	while (rest.n > 0 && str_split(&rest, '\n', &line))
		if (str_has_suffix(line, STR(" UNAUTHENTICATE\r")))
			return (size_t)(line.p + line.n + 1 - text.p);
	return 0;
}

void
zip_wrap(struct zip *zip, struct str text, enum zip_last last, struct buf *wire)
{
	size_t n = zip->out_over ? 0 : last_line(text);

	if (n > 0) {
		put_last(zip, (struct str){text.p, n}, last, wire);
		text = (struct str){text.p + n, text.n - n};
	}
	if (zip->out_over)
		buf_str(wire, text);
	else
		put(zip, text, Z_SYNC_FLUSH, wire);
}

void
zip_unwrap(struct zip *zip, struct buf *in, struct buf *plain)
{
	z_stream *z = &zip->in;
	int ret = Z_OK;

	z->next_in = (unsigned char *)in->p;
	z->avail_in = (unsigned)in->n;
	while (ret == Z_OK && !zip->in_over) {
		z->next_out = (unsigned char *)buf_room(plain, PIECE);
		z->avail_out = PIECE;
		ret = inflate(z, Z_SYNC_FLUSH);
		TS_ASSERT(ret == Z_OK || ret == Z_STREAM_END || ret == Z_BUF_ERROR);
		plain->n += PIECE - z->avail_out;
		zip->in_over = ret == Z_STREAM_END;
	}
	buf_consume(in, in->n - z->avail_in);
}

bool
zip_over(const struct zip *zip)
{
	return zip->in_over;
}
