/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A damaged block of a table: saves the entries that their owner can vouch for.
 *
 * The block's own checksum no longer tells which of its bytes are right.  But the store gives each
 * value a checksum over its key and itself (engine_options.whole), so an entry with the right one
 * is what was written, wherever the damage is.  Removals have no value and are left out; so are
 * pointers to messages.
 *
 * Entries follow one another, each key without the prefix that it shares with the previous one.
 * Every 16th key is whole, and a list of their places ends the block.  So damage in one entry costs
 * at most those up to the next place.  Compressed data is unpacked as far as possible.
 */
#include <lz4.h>
#include <string.h>

#include "base/mem.h"
#include "store/engine/rocks/rocks_int.h"

#define UNPACKED_MOST ((uint64_t)64 << 20)
#define TYPE_VALUE 1

struct crumbs {
	const struct rocks_crumb_rules *rules;
	struct buf key, last;
	struct buf *out, *restarts; /* the entries, and their places */
	unsigned n;
};

/* Unpacks as much as possible; the rest is zeros. */
static void
unpack(const struct rocks_table *t, uint64_t off, uint64_t size, struct buf *out)
{
	struct rd r = rd_of((struct str){(const char *)t->p + off, (size_t)size});
	uint64_t whole;
	char *room;

	if (t->p[off + size] != ROCKS_BLOCK_LZ4) {
		buf_put(out, r.p, (size_t)size);
		return;
	}
	whole = rd_varint(&r);
	if (r.bad || whole > UNPACKED_MOST)
		return;
	room = mem_zalloc((size_t)whole + 1);
	(void)LZ4_decompress_safe((const char *)r.p, room, (int)rd_left(&r), (int)whole);
	buf_put(out, room, (size_t)whole);
	mem_free(room);
}

static bool
vouched(const struct crumbs *c, struct str key, struct str value)
{
	const struct rocks_crumb_rules *rules = c->rules;
	struct rd r;
	uint64_t tail;

	if (key.n < 8)
		return false;
	r = rd_of((struct str){key.p + key.n - 8, 8});
	tail = rd_le64(&r);
	return (tail & 255) == TYPE_VALUE && tail >> 8 >= rules->smallest_seq &&
	       tail >> 8 <= rules->largest_seq &&
	       rules->whole((struct str){key.p, key.n - 8}, value) &&
	       (c->last.n == 0 || rocks_key_compare(buf_as_str(&c->last), key) < 0);
}

/* Takes a run of entries that begins with a whole key. */
static void
take_run(struct crumbs *c, struct str run)
{
	struct rd r = rd_of(run);

	c->key.n = 0;
	while (r.p < r.end) {
		uint64_t shared = rd_varint(&r), more = rd_varint(&r), size = rd_varint(&r);
		struct str value;

		if (r.bad || shared > c->key.n || more > rd_left(&r))
			return;
		c->key.n = (size_t)shared;
		buf_str(&c->key, rd_bytes(&r, (size_t)more));
		if (size > rd_left(&r))
			return;
		value = rd_bytes(&r, (size_t)size);
		if (!vouched(c, buf_as_str(&c->key), value))
			continue;
		buf_le32(c->restarts, (uint32_t)c->out->n);
		buf_varint(c->out, 0);
		buf_varint(c->out, c->key.n);
		buf_varint(c->out, value.n);
		buf_str(c->out, buf_as_str(&c->key));
		buf_str(c->out, value);
		c->last.n = 0;
		buf_str(&c->last, buf_as_str(&c->key));
		c->n++;
	}
}

static void
take_runs(struct crumbs *c, struct str block)
{
	struct rd r;
	uint32_t count;
	size_t end;

	if (block.n < 8)
		return;
	r = rd_of((struct str){block.p + block.n - 4, 4});
	count = rd_le32(&r);
	if (count == 0 || count > (block.n - 4) / 4) {
		take_run(c, block); /* the places are unknown: go as far as possible */
		return;
	}
	end = block.n - 4 - 4 * (size_t)count;
	r = rd_of((struct str){block.p + end, 4 * (size_t)count});
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = rd_le32(&r), behind;
		struct rd next = r;

		behind = i + 1 < count ? rd_le32(&next) : (uint32_t)end;
		/* Ignore an impossible place: the run of entries continues past it. */
		if (at < end && (behind <= at || behind > end))
			behind = (uint32_t)end;
		if (at < end)
			take_run(c, (struct str){block.p + at, behind - at});
	}
}

unsigned
rocks_block_crumbs(const struct rocks_table *t, uint64_t off, uint64_t size,
    const struct rocks_crumb_rules *rules, struct str behind, struct buf *out)
{
	struct buf block = {0}, restarts = {0};
	struct crumbs c = {.rules = rules, .out = out, .restarts = &restarts};

	buf_str(&c.last, behind);

	out->n = 0;
	if (rules->whole != NULL) {
		unpack(t, off, size, &block);
		take_runs(&c, buf_as_str(&block));
	}
	buf_str(out, buf_as_str(&restarts));
	buf_le32(out, c.n);
	buf_fini(&block);
	buf_fini(&restarts);
	buf_fini(&c.key);
	buf_fini(&c.last);
	return c.n;
}
