/* SPDX-License-Identifier: Apache-2.0 */
/* COMPRESS=DEFLATE as a layer, see deflate.h. */
#include "net/deflate.h"

#include <zlib.h>

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"

enum {
	WINDOW = 32768,
	STORED_MAX = 128, /* output up to this size is not compressed */
	DECODE_MIN = 512, /* least room for decoded output */
	DECODE_TIMES = 4, /* a usual ratio */
	PACK_LEVEL = 6,
	STATE_BYTES = 7400 /* of zlib's decoder, besides its window */
};

/* Where the search for the end is. */
enum seek {
	SEEK_BLOCK,  /* within the block that held the last line */
	SEEK_HEAD,   /* between two blocks */
	SEEK_STORED, /* in the lengths of a stored block, which must be 0 */
	SEEK_FIXED,  /* at the end code of an empty block */
	SEEK_TAG,    /* after the end: in a tag, */
	SEEK_WORD    /* in the word after the tag */
};

struct deflate {
	struct stream_layer layer;
	int level;
	z_stream *in;        /* NULL: there is no history, or it is packed */
	char *packed;        /* NULL: none */
	size_t packed_bytes; /* packed */
	struct loop_timer idle;
	unsigned char last; /* last byte decoded; its highest `bits` bits are left */
	unsigned char bits;
	bool in_block; /* else between two blocks */
	bool full;     /* output did not fit; more can be decoded without input */
	bool ended;    /* a final block was decoded */
	/* Popped or about to be, and looking for the peer's end. */
	bool seeking;
	bool orphan; /* freed by its owner; goes when the end is found */
	bool final;
	enum seek seek : 8;
	unsigned hold, held; /* bits not examined yet, and how many */
	unsigned count;      /* bytes of SEEK_STORED, SEEK_TAG, SEEK_WORD */
};

static struct deflate *
own(struct stream_layer *layer)
{
	return list_entry(layer, struct deflate, layer);
}

static bool
fail(struct deflate *d, const char *why)
{
	d->layer.why = why;
	return false;
}

/* ---- zlib */

static void *
give(void *arg, unsigned items, unsigned size)
{
	(void)arg;
	return mem_realloc(NULL, (size_t)items * size);
}

static void
take(void *arg, void *p)
{
	(void)arg;
	mem_wipe_free(p);
}

static unsigned char *
octets(const char *p)
{
	return (unsigned char *)(uintptr_t)p;
}

static z_stream *
decoder_new(void)
{
	z_stream *z = mem_zalloc(sizeof(*z));

	z->zalloc = give;
	z->zfree = take;
	if (inflateInit2(z, -MAX_WBITS) != Z_OK)
		TS_WRONG("inflateInit2");
	return z;
}

static void
decoder_free(z_stream **zp)
{
	if (*zp == NULL)
		return;
	(void)inflateEnd(*zp);
	mem_wipe_free(*zp);
	*zp = NULL;
}

/* Returns the smallest window for n bytes; zlib keeps LOOKAHEAD of it for itself. */
static int
window_bits(size_t n)
{
	enum { LOOKAHEAD = 262 };
	int bits = 9;

	while (bits < MAX_WBITS && ((size_t)1 << bits) < n + LOOKAHEAD)
		bits++;
	return bits;
}

/* Appends in, compressed without reference to anything before. */
static void
zip(struct str in, int level, int flush, struct buf *out)
{
	int bits = window_bits(in.n);
	z_stream z = {.zalloc = give, .zfree = take};

	if (deflateInit2(&z, level, Z_DEFLATED, -bits, bits - 6 < 8 ? bits - 6 : 8,
	        Z_DEFAULT_STRATEGY) != Z_OK)
		TS_WRONG("deflateInit2");
	z.next_in = octets(in.p);
	z.avail_in = (unsigned)in.n;
	do {
		z.next_out = octets(buf_room(out, in.n / 2 + 64));
		z.avail_out = (unsigned)(out->cap - out->n);
		if (deflate(&z, flush) == Z_STREAM_ERROR)
			TS_WRONG("deflate");
		out->n = out->cap - z.avail_out;
	} while (z.avail_out == 0);
	(void)deflateEnd(&z);
	mem_wipe(&z, sizeof(z));
}

/* ---- output */

static bool
encode(struct stream_layer *layer, struct str in, struct buf *out)
{
	struct deflate *d = own(layer);

	TS_ASSERT(in.n <= UINT32_MAX);
	if (in.n > STORED_MAX) {
		zip(in, d->level, Z_SYNC_FLUSH, out);
	} else if (in.n > 0) { /* RFC 1951 section 3.2.4 */
		buf_putc(out, 0);
		buf_le32(out, (uint32_t)in.n | (uint32_t)(~in.n & 0xffff) << 16);
		buf_str(out, in);
	}
	return true;
}

/* Appends an empty final block with fixed codes; output always ends at a byte boundary. */
static bool
finish(struct stream_layer *layer, struct buf *out)
{
	(void)layer;
	buf_put(out, "\x03", 2);
	return true;
}

/* ---- history */

static void
forget_packed(struct deflate *d)
{
	mem_wipe_free(d->packed);
	d->packed = NULL;
	d->packed_bytes = 0;
}

static void
forget_history(struct deflate *d)
{
	loop_timer_clear(&d->idle);
	decoder_free(&d->in);
	forget_packed(d);
}

/* Called when no input came for some time.  Only between two blocks is the whole state known. */
static void
pack(void *arg)
{
	struct deflate *d = arg;
	struct buf zipped = {0};
	unsigned n = 0;
	char *window;

	if (d->in == NULL || d->in_block || d->full)
		return;
	window = mem_realloc(NULL, WINDOW);
	if (inflateGetDictionary(d->in, octets(window), &n) != Z_OK)
		TS_WRONG("inflateGetDictionary");
	decoder_free(&d->in);
	if (n > 0) {
		zip((struct str){window, n}, PACK_LEVEL, Z_FINISH, &zipped);
		d->packed = mem_dup(zipped.p, zipped.n);
		d->packed_bytes = zipped.n;
	}
	buf_wipe_fini(&zipped);
	mem_wipe_free(window);
}

static void
set_window(struct deflate *d, const char *window, size_t n)
{
	if (inflateSetDictionary(d->in, octets(window), (unsigned)n) != Z_OK)
		TS_WRONG("inflateSetDictionary");
}

static void
unpack(struct deflate *d)
{
	z_stream *z = decoder_new();
	char *window = mem_realloc(NULL, WINDOW);

	z->next_in = octets(d->packed);
	z->avail_in = (unsigned)d->packed_bytes;
	z->next_out = octets(window);
	z->avail_out = WINDOW;
	if (inflate(z, Z_FINISH) != Z_STREAM_END)
		TS_WRONG("a history that cannot be unpacked");
	set_window(d, window, z->total_out);
	decoder_free(&z);
	mem_wipe_free(window);
	forget_packed(d);
}

static void
wake(struct deflate *d)
{
	if (d->in != NULL)
		return;
	d->in = decoder_new();
	if (d->packed != NULL)
		unpack(d);
	if (d->bits > 0 && inflatePrime(d->in, d->bits, d->last >> (8 - d->bits)) != Z_OK)
		TS_WRONG("inflatePrime");
}

/* ---- input */

/* Decodes up to the end of a block, and removes what it used from in.  Returns false if in is
 * invalid. */
static bool
step(struct deflate *d, struct str *in, char *p, size_t room, size_t *made_r)
{
	z_stream *z = d->in;
	size_t used;
	int ret;

	TS_ASSERT(
	    z != NULL); /* decode() wakes it; within a block, where seeking begins, it stays */
	z->next_in = octets(in->p);
	z->avail_in = (unsigned)(in->n < UINT32_MAX ? in->n : UINT32_MAX);
	z->next_out = octets(p);
	z->avail_out = (unsigned)room;
	ret = inflate(z, Z_BLOCK);
	used = (size_t)((const char *)z->next_in - in->p);
	if (used > 0)
		d->last = (unsigned char)in->p[used - 1];
	*in = (struct str){in->p + used, in->n - used};
	*made_r = room - z->avail_out;
	if (ret != Z_OK && ret != Z_STREAM_END && ret != Z_BUF_ERROR)
		return fail(d, z->msg != NULL ? z->msg : "data that is not compressed");
	d->ended = ret == Z_STREAM_END || (z->data_type & 192) == 192;
	d->in_block = !d->ended && (z->data_type & 128) == 0;
	d->full = d->in_block && z->avail_out == 0;
	d->bits = d->in_block || d->ended ? 0 : z->data_type & 7;
	return true;
}

static bool
more_to_decode(const struct deflate *d, struct str rest)
{
	return !d->ended && (rest.n > 0 || d->full);
}

static size_t
room_for(struct str rest, size_t left)
{
	size_t n = rest.n < left / DECODE_TIMES ? rest.n * DECODE_TIMES : left;

	if (n < DECODE_MIN)
		n = DECODE_MIN;
	return n < left ? n : left;
}

static const char behind[] = "data behind the end of what is compressed";

/* Stops after a block that ends with a line end. */
static bool
decode(struct stream_layer *layer, struct str in, size_t room, struct buf *out, size_t *used_r)
{
	struct deflate *d = own(layer);
	struct str rest = in;
	size_t from = out->n, made, n;

	if (d->ended && in.n > 0)
		return fail(d, behind);
	if (!more_to_decode(d, rest))
		return true;
	wake(d);
	while (out->n - from < room && more_to_decode(d, rest)) {
		n = room_for(rest, room - (out->n - from));
		if (!step(d, &rest, buf_room(out, n), n, &made))
			return false;
		out->n += made;
		if (!d->in_block && out->n > from && out->p[out->n - 1] == '\n')
			break;
	}
	*used_r = in.n - rest.n;
	if (d->ended)
		forget_history(d);
	else
		loop_timer_set(&d->idle, DEFLATE_IDLE_MS);
	return true;
}

/* ---- its end */

static void
begin_seek(struct deflate *d)
{
	static const char nothing[WINDOW];

	loop_timer_clear(&d->idle);
	d->seeking = true;
	d->hold = d->bits > 0 ? d->last >> (8 - d->bits) : 0;
	d->held = d->bits;
	d->seek = d->ended ? SEEK_TAG : d->in_block ? SEEK_BLOCK : SEEK_HEAD;
	if (d->seek == SEEK_BLOCK) /* wipes the history, to which nothing may refer any more */
		set_window(d, nothing, WINDOW);
	else
		forget_history(d);
}

/* The bytes that are there.  fresh: none of them arrived together with what was read before. */
struct seeker {
	struct deflate *d;
	struct str in;
	bool fresh;
};

enum { SEEK_ON = -1 }; /* go on; besides enum layer_tail */

static int
seek_block(struct seeker *s)
{
	struct deflate *d = s->d;
	size_t made = 0;
	char byte;

	while (d->in_block && (s->in.n > 0 || d->full)) {
		if (!step(d, &s->in, &byte, 1, &made))
			return LAYER_TAIL_BROKEN;
		s->fresh = false;
		mem_wipe(&byte, 1);
		if (made > 0) {
			d->layer.why = behind;
			return LAYER_TAIL_BROKEN;
		}
	}
	if (d->in_block)
		return LAYER_TAIL_MORE;
	d->hold = d->bits > 0 ? d->last >> (8 - d->bits) : 0;
	d->held = d->bits;
	d->seek = d->ended ? SEEK_TAG : SEEK_HEAD;
	forget_history(d);
	return SEEK_ON;
}

/* The peer sends no further block: bare bytes begin here. */
static int
bare(struct seeker *s)
{
	s->d->held = s->d->hold = 0;
	s->d->seek = SEEK_TAG;
	s->d->count = 0;
	return SEEK_ON;
}

/*
 * Makes sure that n bits are held, reading at most one byte.  If the peer ended within a byte, bare
 * bytes may only follow in a later segment; otherwise their beginning would be ambiguous.
 */
static int
need_bits(struct seeker *s, unsigned n)
{
	struct deflate *d = s->d;
	unsigned char byte;

	if (d->held >= n)
		return SEEK_ON;
	if (s->in.n == 0)
		return LAYER_TAIL_MORE;
	byte = (unsigned char)s->in.p[0];
	if (byte >= ' ' && s->fresh)
		return bare(s);
	if (byte >= ' ') {
		d->layer.why = "it does not end between two bytes";
		return LAYER_TAIL_BROKEN;
	}
	s->fresh = false;
	s->in = (struct str){s->in.p + 1, s->in.n - 1};
	d->hold |= (unsigned)byte << d->held;
	d->held += 8;
	return need_bits(s, n);
}

static unsigned
take_bits(struct deflate *d, unsigned n)
{
	unsigned got = d->hold & ((1u << n) - 1);

	d->hold >>= n;
	d->held -= n;
	return got;
}

/* RFC 1951 section 3.2.3.  Only empty blocks may follow. */
static int
seek_head(struct seeker *s)
{
	enum { STORED, FIXED };
	struct deflate *d = s->d;
	unsigned type;
	int got;

	if (d->held == 0 && s->in.n > 0 && (unsigned char)s->in.p[0] > 3)
		return bare(s);
	got = need_bits(s, 3);
	if (got != SEEK_ON || d->seek != SEEK_HEAD)
		return got;
	d->final = take_bits(d, 1) == 1;
	type = take_bits(d, 2);
	if (type == STORED) {
		d->hold = d->held = d->count = 0;
		d->seek = SEEK_STORED;
	} else if (type == FIXED) {
		d->seek = SEEK_FIXED;
	} else {
		d->layer.why = behind;
		return LAYER_TAIL_BROKEN;
	}
	return SEEK_ON;
}

static void
block_over(struct deflate *d)
{
	if (d->final)
		d->held = d->hold = 0;
	d->seek = d->final ? SEEK_TAG : SEEK_HEAD;
	d->count = 0;
}

static int
seek_stored(struct seeker *s)
{
	static const char empty[] = {0, 0, '\xff', '\xff'};
	struct deflate *d = s->d;

	while (d->count < sizeof(empty)) {
		if (s->in.n == 0)
			return LAYER_TAIL_MORE;
		s->fresh = false;
		if (s->in.p[0] != empty[d->count++]) {
			d->layer.why = behind;
			return LAYER_TAIL_BROKEN;
		}
		s->in = (struct str){s->in.p + 1, s->in.n - 1};
	}
	block_over(d);
	return SEEK_ON;
}

static int
seek_fixed(struct seeker *s)
{
	enum { END_BITS = 7 };
	struct deflate *d = s->d;
	int got = need_bits(s, END_BITS);

	if (got != SEEK_ON || d->seek != SEEK_FIXED)
		return got;
	if (take_bits(d, END_BITS) != 0) {
		d->layer.why = behind;
		return LAYER_TAIL_BROKEN;
	}
	block_over(d);
	return SEEK_ON;
}

/* "NOOP", "X-NAME2" */
static bool
in_word(char c, unsigned at)
{
	bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

	return letter || (at > 0 && ((c >= '0' && c <= '9') || c == '-'));
}

static bool
in_tag(char c)
{
	return c > ' ' && c < 0x7f && strchr("(){%*\"\\+", c) == NULL;
}

/* Bare bytes must begin "tag word", or else the peer is still compressing.  Consumes nothing. */
static int
look(struct deflate *d, struct str bytes)
{
	bool over;

	for (size_t i = 0; i < bytes.n; i++, d->count++) {
		char c = bytes.p[i];

		over = d->seek == SEEK_TAG ? c == ' ' : c == ' ' || c == '\r' || c == '\n';
		if (over                  ? d->count == 0
		    : d->seek == SEEK_TAG ? !in_tag(c)
		                          : !in_word(c, d->count)) {
			d->layer.why = "what follows its end is no command";
			return LAYER_TAIL_BROKEN;
		}
		if (over && d->seek == SEEK_WORD)
			return LAYER_TAIL_ENDED;
		if (over) {
			d->seek = SEEK_WORD;
			d->count = (unsigned)-1;
		}
	}
	return LAYER_TAIL_LOOKS;
}

static enum layer_tail
tail(struct stream_layer *layer, struct str in, size_t *used_r)
{
	struct deflate *d = own(layer);
	struct seeker s = {d, in, d->seeking};
	int got = SEEK_ON;

	if (!d->seeking)
		begin_seek(d);
	while (got == SEEK_ON)
		switch (d->seek) {
		case SEEK_BLOCK:
			got = seek_block(&s);
			break;
		case SEEK_HEAD:
			got = seek_head(&s);
			break;
		case SEEK_STORED:
			got = seek_stored(&s);
			break;
		case SEEK_FIXED:
			got = seek_fixed(&s);
			break;
		case SEEK_TAG:
		case SEEK_WORD:
			got = look(d, s.in);
			break;
		}
	*used_r = in.n - s.in.n;
	return (enum layer_tail)got;
}

/* ---- life */

static void
end(struct deflate *d)
{
	forget_history(d);
	mem_wipe_free(d);
}

static void
released(struct stream_layer *layer)
{
	struct deflate *d = own(layer);

	d->seeking = false;
	if (d->orphan)
		end(d);
}

static const struct stream_layer_class class = {
    .name = "compression",
    .decode = decode,
    .encode = encode,
    .finish = finish,
    .tail = tail,
    .released = released,
    .tells = true,
    .works = true,
};

struct stream_layer *
deflate_layer_new(struct loop *loop, int level)
{
	struct deflate *d = mem_zalloc(sizeof(*d));

	d->layer.class = &class;
	d->level = level;
	loop_timer_init(&d->idle, loop, pack, d);
	return &d->layer;
}

void
deflate_layer_free(struct stream_layer *layer)
{
	struct deflate *d = own(layer);

	if (d->seeking)
		d->orphan = true;
	else
		end(d);
}

size_t
deflate_layer_bytes(struct stream_layer *layer)
{
	const struct deflate *d = own(layer);

	return mem_cost(sizeof(*d)) + (d->packed != NULL ? mem_cost(d->packed_bytes) : 0) +
	       (d->in != NULL ? mem_cost(sizeof(*d->in)) + mem_cost(WINDOW) + STATE_BYTES : 0);
}
