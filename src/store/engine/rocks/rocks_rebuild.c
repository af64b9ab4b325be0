/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rebuilds damaged tables.  A damaged table still has blocks of data, each with a checksum.  Whole
 * blocks stay where they are in the file.  After them come blocks made of what is left in damaged
 * ones (rocks_crumbs.c), and a new end: removed ranges, properties, an index, a footer.
 *
 * Blocks of data follow one another from the start of the file.  If the index cannot be read, the
 * size of a block is unknown: it is the one for which the checksum after the block is right.
 * Anything that is no longer a block of data (the filter, the index) ends the walk, and so does
 * damage.
 */
#include <string.h>
#include <xxhash.h>

#include "base/mem.h"
#include "store/engine/rocks/rocks_int.h"

#define FOOTER_MAGIC 0x88E241B785F4CFF7u
#define FORMAT_VERSION 5
#define NOT_THERE UINT64_MAX

enum {
	TYPE_DELETE = 0,
	TYPE_VALUE = 1,
	TYPE_MERGE = 2,
	TYPE_DELETE_ONE = 7,
	TYPE_RANGE = 15,
	TYPE_BLOB = 17
};
enum block_kind { BLOCK_OTHER, BLOCK_DATA, BLOCK_RANGES };

struct entry {                /* of the index */
	size_t key, key_size; /* in keys */
	uint64_t off, size;
	bool anew; /* off is in added */
};

struct rebuild {
	struct rocks_table t;
	const struct rocks_crumb_rules *rules;
	struct rocks_table_facts *facts;
	struct rocks_rebuilt *did;
	struct entry *entry;
	size_t entry_count;
	struct buf keys, added; /* of the index; blocks made of damaged ones */
	struct buf last;        /* key */
	uint64_t data_end;
	uint64_t entries, deletions, ranges, key_bytes, value_bytes;
	uint64_t ranges_off, ranges_size; /* where they are; NOT_THERE: none */
	bool have_seq, data_over;
};

void
rocks_table_facts_fini(struct rocks_table_facts *facts)
{
	buf_fini(&facts->smallest);
	buf_fini(&facts->largest);
}

/* ---- keys ---- */

/* Returns number and type. */
static uint64_t
tail_of(struct str key)
{
	struct rd r = rd_of((struct str){key.p + key.n - 8, 8});

	return rd_le64(&r);
}

static struct str
user_of(struct str key)
{
	return (struct str){key.p, key.n - 8};
}

int
rocks_key_compare(struct str a, struct str b)
{
	int c = str_cmp(user_of(a), user_of(b));

	if (c != 0)
		return c;
	return tail_of(a) > tail_of(b) ? -1 : tail_of(a) < tail_of(b);
}

static void
set_key(struct buf *b, struct str key)
{
	b->n = 0;
	buf_str(b, key);
}

static void
widen(struct rebuild *x, struct str key)
{
	if (x->facts->smallest.n == 0 ||
	    rocks_key_compare(key, buf_as_str(&x->facts->smallest)) < 0)
		set_key(&x->facts->smallest, key);
	if (x->facts->largest.n == 0 || rocks_key_compare(key, buf_as_str(&x->facts->largest)) > 0)
		set_key(&x->facts->largest, key);
}

static void
note_number(struct rebuild *x, uint64_t number)
{
	if (!x->have_seq || number < x->facts->smallest_seq)
		x->facts->smallest_seq = number;
	if (!x->have_seq || number > x->facts->largest_seq)
		x->facts->largest_seq = number;
	x->have_seq = true;
}

/* ---- blocks ---- */

/* Calls fn for the entries of a block.  Returns false if it is not one. */
static bool
block_entries(struct str block, bool (*fn)(void *arg, struct str key, struct str value), void *arg)
{
	struct rd r = rd_of(block), tail;
	struct buf key = {0};
	uint32_t restarts;
	bool ok = block.n >= 8;

	if (!ok)
		return false;
	tail = rd_of((struct str){block.p + block.n - 4, 4});
	restarts = rd_le32(&tail);
	if (restarts == 0 || restarts > (block.n - 4) / 4)
		return false;
	r.end -= 4 + 4 * (size_t)restarts;
	while (ok && r.p < r.end) {
		uint64_t shared = rd_varint(&r), more = rd_varint(&r), size = rd_varint(&r);

		ok = !r.bad && shared <= key.n && more <= rd_left(&r);
		if (!ok)
			break;
		key.n = (size_t)shared;
		buf_str(&key, rd_bytes(&r, (size_t)more));
		ok = size <= rd_left(&r) && fn(arg, buf_as_str(&key), rd_bytes(&r, (size_t)size));
	}
	buf_fini(&key);
	return ok;
}

struct looking {
	struct buf last;
	enum block_kind kind;
	size_t n;
};

static bool
look_entry(void *arg, struct str key, struct str value)
{
	struct looking *l = arg;
	unsigned type = key.n >= 8 ? (unsigned)(tail_of(key) & 255) : 255;
	enum block_kind kind = type == TYPE_RANGE ? BLOCK_RANGES
	                       : type <= TYPE_MERGE || type == TYPE_DELETE_ONE || type == TYPE_BLOB
	                           ? BLOCK_DATA
	                           : BLOCK_OTHER;

	(void)value;
	if (kind == BLOCK_OTHER || (l->n > 0 && kind != l->kind) ||
	    (l->last.n > 0 && rocks_key_compare(buf_as_str(&l->last), key) >= 0))
		return false;
	l->kind = kind;
	l->n++;
	set_key(&l->last, key);
	return true;
}

static enum block_kind
kind_of(struct str block)
{
	struct looking l = {.kind = BLOCK_OTHER};
	bool ok = block_entries(block, look_entry, &l);

	buf_fini(&l.last);
	return ok && l.n > 0 ? l.kind : BLOCK_OTHER;
}

static bool
take_entry(void *arg, struct str key, struct str value)
{
	struct rebuild *x = arg;
	unsigned type = (unsigned)(tail_of(key) & 255);

	x->entries++;
	x->deletions += type == TYPE_DELETE || type == TYPE_DELETE_ONE;
	x->key_bytes += key.n;
	x->value_bytes += value.n;
	note_number(x, tail_of(key) >> 8);
	widen(x, key);
	set_key(&x->last, key);
	if (key.n != 8 + 8)
		x->facts->cf = ROCKS_KEYS;
	if (type == TYPE_BLOB && value.n > 1) {
		struct rd r = rd_of((struct str){value.p + 1, value.n - 1});
		uint64_t file = rd_varint(&r);

		if (!r.bad && (x->facts->oldest_blobs == 0 || file < x->facts->oldest_blobs))
			x->facts->oldest_blobs = file;
	}
	return true;
}

static bool
take_range(void *arg, struct str key, struct str end)
{
	struct rebuild *x = arg;
	struct buf b = {0};

	x->ranges++;
	x->facts->cf = ROCKS_KEYS; /* nothing else removes ranges */
	note_number(x, tail_of(key) >> 8);
	widen(x, key);
	buf_str(&b, end);
	buf_le64(&b, (UINT64_MAX << 8) | TYPE_RANGE); /* sorts before everything with that key */
	widen(x, buf_as_str(&b));
	buf_fini(&b);
	return true;
}

static void
add_entry(struct rebuild *x, uint64_t off, uint64_t size, bool anew)
{
	if ((x->entry_count & (x->entry_count - 1)) == 0)
		x->entry = mem_realloc(x->entry, (2 * x->entry_count + 1) * sizeof(*x->entry));
	x->entry[x->entry_count++] = (struct entry){x->keys.n, x->last.n, off, size, anew};
	buf_str(&x->keys, buf_as_str(&x->last));
}

/* Takes a whole block if it holds data or, after those, removed ranges. */
static void
take_block(struct rebuild *x, uint64_t off, uint64_t size)
{
	struct buf block = {0};
	enum block_kind kind = rocks_block_unpack(&x->t, off, size, &block)
	                           ? kind_of(buf_as_str(&block))
	                           : BLOCK_OTHER;

	if (kind == BLOCK_DATA && !x->data_over) {
		(void)block_entries(buf_as_str(&block), take_entry, x);
		add_entry(x, off, size, false);
		x->did->blocks++;
		x->data_end = off + size + ROCKS_BLOCK_TRAILER;
	} else if (kind == BLOCK_RANGES && x->ranges_off == NOT_THERE) {
		(void)block_entries(buf_as_str(&block), take_range, x);
		x->ranges_off = off;
		x->ranges_size = size;
	}
	x->data_over |= kind != BLOCK_DATA;
	buf_fini(&block);
}

/* Appends a block and its trailer. */
static void
put_block(struct rebuild *x, struct buf *out, struct str block, uint64_t *off_r)
{
	struct buf b = {0};

	*off_r = out->n;
	buf_str(&b, block);
	buf_putc(&b, 0);
	buf_str(out, buf_as_str(&b));
	buf_le32(out, rocks_block_sum(&x->t, (const unsigned char *)b.p, block.n));
	buf_fini(&b);
}

static void
take_damaged(struct rebuild *x, uint64_t off, uint64_t size)
{
	struct buf block = {0};
	unsigned n;
	uint64_t at;

	x->did->damaged++;
	if (off > x->t.n || size >= x->t.n - off)
		return; /* cut off */
	if (x->data_end < off + size + ROCKS_BLOCK_TRAILER)
		x->data_end = off + size + ROCKS_BLOCK_TRAILER;
	n = rocks_block_crumbs(&x->t, off, size, x->rules, buf_as_str(&x->last), &block);
	if (n > 0 && block_entries(buf_as_str(&block), take_entry, x)) {
		put_block(x, &x->added, buf_as_str(&block), &at);
		add_entry(x, at, block.n, true);
		x->did->crumbs += n;
	}
	buf_fini(&block);
}

/* ---- finding blocks ---- */

/* Finds the size of the block at off by its XXH3 checksum; NOT_THERE: there is none. */
static uint64_t
size_by_xxh3(const struct rocks_table *t, uint64_t off)
{
	XXH3_state_t *state = XXH3_createState();
	uint64_t found = NOT_THERE, fed = off;

	TS_ASSERT(state != NULL);
	(void)XXH3_64bits_reset(state);
	for (uint64_t at = off; at + ROCKS_BLOCK_TRAILER <= t->n && found == NOT_THERE; at++) {
		unsigned char kind = t->p[at];
		struct rd r;

		if (kind != 0 && kind != ROCKS_BLOCK_LZ4)
			continue;
		(void)XXH3_64bits_update(state, t->p + fed, (size_t)(at - fed));
		fed = at;
		r = rd_of((struct str){(const char *)t->p + at + 1, 4});
		if (rd_le32(&r) ==
		    ((uint32_t)XXH3_64bits_digest(state) ^ kind * ROCKS_BLOCK_KIND_FACTOR))
			found = at - off;
	}
	(void)XXH3_freeState(state);
	return found;
}

static uint64_t
size_by_crc(const struct rocks_table *t, uint64_t off)
{
	uint32_t crc = ROCKS_CRC_BEGIN;

	for (uint64_t at = off; at + ROCKS_BLOCK_TRAILER <= t->n; at++) {
		struct rd r = rd_of((struct str){(const char *)t->p + at + 1, 4});

		crc = rocks_crc32c_more(crc, t->p + at, 1); /* the checksum includes the kind */
		if ((t->p[at] == 0 || t->p[at] == ROCKS_BLOCK_LZ4) &&
		    rd_le32(&r) == rocks_crc32c_end(crc))
			return at - off;
	}
	return NOT_THERE;
}

static uint64_t
size_at(const struct rocks_table *t, uint64_t off)
{
	return t->sums == 1 ? size_by_crc(t, off) : size_by_xxh3(t, off);
}

static void
walk_from(struct rebuild *x, uint64_t at)
{
	uint64_t size;

	for (; (size = size_at(&x->t, at)) != NOT_THERE; at += size + ROCKS_BLOCK_TRAILER)
		take_block(x, at, size);
}

static void
take_listed(void *arg, uint64_t off, uint64_t size, struct str key)
{
	struct rebuild *x = arg;

	(void)key;
	x->data_over = false;
	if (rocks_block_whole(&x->t, off, size))
		take_block(x, off, size);
	else
		take_damaged(x, off, size);
}

static void
find_blocks(struct rebuild *x)
{
	struct buf index = {0};

	if (rocks_table_index(&x->t, &index) &&
	    rocks_index_each(buf_as_str(&index), take_listed, x)) {
		x->data_over = true;
		walk_from(x, x->data_end); /* for the ranges */
	} else {
		x->t.sums = 4;
		walk_from(x, 0);
		if (x->did->blocks == 0) {
			x->t.sums = 1;
			x->data_over = false;
			walk_from(x, 0);
		}
	}
	buf_fini(&index);
}

/* ---- the new end ---- */

static void
put_handle(struct buf *b, uint64_t off, uint64_t size)
{
	buf_varint(b, off);
	buf_varint(b, size);
}

static void
put_entry(struct buf *block, const char *key, struct str value)
{
	buf_varint(block, 0);
	buf_varint(block, strlen(key));
	buf_varint(block, value.n);
	buf_puts(block, key);
	buf_str(block, value);
}

static void
put_number(struct buf *block, const char *key, uint64_t n)
{
	struct buf b = {0};

	buf_varint(&b, n);
	put_entry(block, key, buf_as_str(&b));
	buf_fini(&b);
}

/* Appends restarts at these places, one per entry; without places only at the first. */
static void
put_restarts(struct buf *block, const uint32_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_le32(block, at[i]);
	if (n == 0)
		buf_le32(block, 0);
	buf_le32(block, (uint32_t)(n > 0 ? n : 1));
}

static void
put_table_properties(struct rebuild *x, struct buf *out, uint64_t *off_r, uint64_t *size_r)
{
	struct buf b = {0};

	put_entry(&b, "rocksdb.block.based.table.index.type", (struct str){"\0\0\0\0", 4});
	put_entry(&b, "rocksdb.block.based.table.prefix.filtering", STR("0"));
	put_entry(&b, "rocksdb.block.based.table.whole.key.filtering", STR("1"));
	put_number(&b, "rocksdb.column.family.id", x->facts->cf);
	put_entry(&b, "rocksdb.column.family.name",
	    x->facts->cf == ROCKS_BLOBS ? STR("blobs") : STR("default"));
	put_entry(&b, "rocksdb.comparator", STR("leveldb.BytewiseComparator"));
	put_number(&b, "rocksdb.data.size", x->data_end + x->added.n);
	put_number(&b, "rocksdb.deleted.keys", x->deletions + x->ranges);
	put_number(&b, "rocksdb.format.version", 0);
	put_number(&b, "rocksdb.index.key.is.user.key", 0);
	put_number(&b, "rocksdb.index.size", x->keys.n);
	put_number(&b, "rocksdb.index.value.is.delta.encoded", 1);
	put_entry(&b, "rocksdb.merge.operator", STR("nullptr"));
	put_number(&b, "rocksdb.num.data.blocks", x->entry_count);
	put_number(&b, "rocksdb.num.entries", x->entries + x->ranges);
	put_number(&b, "rocksdb.num.range-deletions", x->ranges);
	put_number(&b, "rocksdb.raw.key.size", x->key_bytes);
	put_number(&b, "rocksdb.raw.value.size", x->value_bytes);
	put_restarts(&b, NULL, 0);
	*size_r = b.n;
	put_block(x, out, buf_as_str(&b), off_r);
	buf_fini(&b);
}

static void
put_index(struct rebuild *x, struct buf *out, uint64_t *off_r, uint64_t *size_r)
{
	uint32_t *at = mem_zalloc((x->entry_count + 1) * sizeof(*at));
	struct buf b = {0};

	for (size_t i = 0; i < x->entry_count; i++) {
		const struct entry *e = &x->entry[i];

		at[i] = (uint32_t)b.n;
		buf_varint(&b, 0);
		buf_vstr(&b, (struct str){x->keys.p + e->key, e->key_size});
		put_handle(&b, e->off + (e->anew ? x->data_end : 0), e->size);
	}
	put_restarts(&b, at, x->entry_count);
	*size_r = b.n;
	put_block(x, out, buf_as_str(&b), off_r);
	buf_fini(&b);
	mem_free(at);
}

static void
put_end(struct rebuild *x, struct buf *out)
{
	struct buf meta = {0}, b = {0}, kept = {0};
	uint64_t off, size, meta_off, index_off, index_size;
	uint32_t at[2];
	size_t footer;

	if (x->ranges_off != NOT_THERE)
		buf_put(
		    &kept, x->t.p + x->ranges_off, (size_t)x->ranges_size + ROCKS_BLOCK_TRAILER);
	buf_put(out, x->t.p, (size_t)x->data_end);
	buf_str(out, buf_as_str(&x->added));
	x->ranges_off = kept.n > 0 ? out->n : NOT_THERE;
	buf_str(out, buf_as_str(&kept));
	put_table_properties(x, out, &off, &size);
	put_index(x, out, &index_off, &index_size);
	at[0] = 0;
	put_handle(&b, off, size);
	put_entry(&meta, "rocksdb.properties", buf_as_str(&b));
	at[1] = (uint32_t)meta.n;
	if (kept.n > 0) {
		b.n = 0;
		put_handle(&b, x->ranges_off, x->ranges_size);
		put_entry(&meta, "rocksdb.range_del", buf_as_str(&b));
	}
	put_restarts(&meta, at, kept.n > 0 ? 2 : 1);
	put_block(x, out, buf_as_str(&meta), &meta_off);
	footer = out->n;
	buf_putc(out, (char)x->t.sums);
	put_handle(out, meta_off, meta.n);
	put_handle(out, index_off, index_size);
	while (out->n < footer + 41)
		buf_putc(out, 0);
	buf_le32(out, FORMAT_VERSION);
	buf_le64(out, FOOTER_MAGIC);
	buf_fini(&meta);
	buf_fini(&kept);
	buf_fini(&b);
}

enum ts_err
rocks_table_rebuild(rocksdb_options_t *opt, const char *path, int dir, const char *name,
    const struct rocks_crumb_rules *rules, struct rocks_table_facts *facts_r,
    struct rocks_rebuilt *did_r)
{
	struct buf file = {0}, out = {0}, full = {0};
	struct rebuild x = {
	    .rules = rules, .facts = facts_r, .did = did_r, .ranges_off = NOT_THERE};
	enum ts_err err = TS_INVALID;

	*facts_r = (struct rocks_table_facts){.cf = ROCKS_BLOBS};
	*did_r = (struct rocks_rebuilt){0};
	buf_printf(&full, "%s/%s", path, name);
	if (rocks_file_slurp(dir, name, &file) && file.n > 0) {
		x.t.p = (unsigned char *)file.p;
		x.t.n = file.n;
		find_blocks(&x);
	}
	if (x.entry_count > 0) {
		put_end(&x, &out);
		facts_r->size = out.n;
		err = rocks_file_replace(dir, name, buf_as_str(&out)) ? TS_OK : TS_IO;
	}
	if (err == TS_OK && !rocks_extra_table_whole(opt, buf_cstr(&full)))
		err = TS_INVALID;
	mem_free(x.entry);
	buf_fini(&x.keys);
	buf_fini(&x.added);
	buf_fini(&x.last);
	buf_fini(&file);
	buf_fini(&out);
	buf_fini(&full);
	return err;
}
