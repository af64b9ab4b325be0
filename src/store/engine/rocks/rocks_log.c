/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RocksDB's log format, used for commits (*.log) and the list of files (MANIFEST-*): blocks of 32
 * KiB with pieces of records.  A piece is a checksum of type and data, a 16-bit length, a type (1
 * whole, 2 first, 3 middle, 4 last piece), and data.  A block begins with a piece.
 *
 * Cleaning a damaged log of commits keeps the pieces whose checksums are right.  After a damaged
 * piece the next one is where the damaged one's length says, if a whole piece is there, or else at
 * the start of the next block.  Only there is it searched for: the bytes in between are messages,
 * and their senders may have put something into them that looks like a piece.
 *
 * A commit (RocksDB's write batch) begins with its number and its count of operations.  If one of
 * its later pieces is lost, the operations in the pieces before it are kept; the check of the store
 * reconciles them with the rest.
 */
#include "store/engine/rocks/rocks_int.h"

#define LOG_BLOCK ((size_t)32768)
#define PIECE_HEAD ((size_t)7)
#define BATCH_HEAD ((size_t)12)

enum { WHOLE = 1, FIRST, MIDDLE, LAST };

/* ---- writing ---- */

static void
put_piece(struct buf *log, unsigned char type, struct str data)
{
	struct buf typed = {0};

	buf_putc(&typed, (char)type);
	buf_str(&typed, data);
	buf_le32(log, rocks_crc32c((const unsigned char *)typed.p, typed.n));
	buf_putc(log, (char)(data.n & 255));
	buf_putc(log, (char)(data.n >> 8));
	buf_put(log, typed.p, typed.n);
	buf_fini(&typed);
}

void
rocks_log_put(struct buf *log, struct str record)
{
	bool first = true, last = false;

	do {
		size_t left = LOG_BLOCK - log->n % LOG_BLOCK, n;

		if (left < PIECE_HEAD) {
			for (; left > 0; left--)
				buf_putc(log, 0);
			continue;
		}
		n = record.n < left - PIECE_HEAD ? record.n : left - PIECE_HEAD;
		last = n == record.n;
		put_piece(log,
		    first  ? last ? WHOLE : FIRST
		    : last ? LAST
		           : MIDDLE,
		    (struct str){record.p, n});
		record = (struct str){record.p + n, record.n - n};
		first = false;
	} while (first || !last);
}

/* ---- reading ---- */

struct piece {
	unsigned char type;
	bool whole; /* its checksum is right */
	struct str data;
};

/* Gets the piece at this place.  Returns false if none fits there. */
static bool
piece_at(struct str log, size_t at, struct piece *piece_r)
{
	size_t left = LOG_BLOCK - at % LOG_BLOCK, n;
	struct rd r;
	uint32_t sum;

	if (left < PIECE_HEAD || at + PIECE_HEAD > log.n)
		return false;
	r = rd_of((struct str){log.p + at, log.n - at});
	sum = rd_le32(&r);
	n = (size_t)r.p[0] | (size_t)r.p[1] << 8;
	piece_r->type = r.p[2];
	piece_r->data = (struct str){log.p + at + PIECE_HEAD, n};
	if (piece_r->type < WHOLE || piece_r->type > LAST || n > left - PIECE_HEAD ||
	    n > log.n - at - PIECE_HEAD)
		return false;
	piece_r->whole = sum == rocks_crc32c(r.p + 2, n + 1);
	return true;
}

/* Returns where to continue after something that is not a whole piece. */
static size_t
behind_damage(struct str log, size_t at)
{
	struct piece piece, next;

	if (piece_at(log, at, &piece) && piece_at(log, at + PIECE_HEAD + piece.data.n, &next) &&
	    next.whole)
		return at + PIECE_HEAD + piece.data.n;
	return at + LOG_BLOCK - at % LOG_BLOCK;
}

bool
rocks_log_next(struct str log, size_t *at, struct buf *record)
{
	struct piece piece;

	record->n = 0;
	for (;;) {
		if (LOG_BLOCK - *at % LOG_BLOCK < PIECE_HEAD)
			*at += LOG_BLOCK - *at % LOG_BLOCK;
		if (!piece_at(log, *at, &piece) || !piece.whole)
			return false;
		buf_str(record, piece.data);
		*at += PIECE_HEAD + piece.data.n;
		if (piece.type == WHOLE || piece.type == LAST)
			return true;
	}
}

/* ---- cleaning ---- */

struct cleaning {
	struct buf *out;
	struct buf commit; /* pieces so far */
	bool open;         /* its first piece and all since were found */
	uint64_t next;     /* least number that the next commit may have */
	struct rocks_log_sum sum;
};

/* Skips one operation.  Returns false if there is none, or only part of it. */
static bool
skip_operation(struct rd *r)
{
	enum { DELETE, PUT, DELETE_IN = 4, PUT_IN, DELETE_RANGE_IN = 14, DELETE_RANGE };
	unsigned tag = rd_u8(r);

	if (r->bad || !(tag == DELETE || tag == PUT || tag == DELETE_IN || tag == PUT_IN ||
	                  tag == DELETE_RANGE_IN || tag == DELETE_RANGE))
		return false;
	if (tag == DELETE_IN || tag == PUT_IN || tag == DELETE_RANGE_IN)
		(void)rd_varint(r); /* the column family */
	(void)rd_vstr(r);
	if (tag != DELETE && tag != DELETE_IN)
		(void)rd_vstr(r);
	return !r->bad;
}

static void
put_commit(struct cleaning *c, struct str commit)
{
	struct rd r = rd_of(commit);
	uint64_t number = rd_le64(&r);
	uint32_t count = rd_le32(&r);

	if (r.bad || number < c->next) {
		c->sum.lost++;
		return;
	}
	c->next = number + count;
	rocks_log_put(c->out, commit);
	c->sum.records++;
}

/* Keeps the whole operations of a commit that has lost its end. */
static void
put_beginning(struct cleaning *c)
{
	struct rd r = rd_of(buf_as_str(&c->commit));
	struct buf b = {0};
	uint64_t number = rd_le64(&r);
	uint32_t count = 0;
	const unsigned char *end;

	(void)rd_le32(&r);
	end = r.p;
	while (!r.bad && skip_operation(&r)) {
		count++;
		end = r.p;
	}
	if (count > 0) {
		buf_le64(&b, number);
		buf_le32(&b, count);
		buf_put(&b, c->commit.p + BATCH_HEAD,
		    (size_t)(end - (const unsigned char *)c->commit.p) - BATCH_HEAD);
		put_commit(c, buf_as_str(&b));
	}
	buf_fini(&b);
}

static void
gap(struct cleaning *c)
{
	c->sum.lost++;
	if (c->open)
		put_beginning(c);
	c->open = false;
}

static void
take_piece(struct cleaning *c, const struct piece *piece)
{
	bool begins = piece->type == WHOLE || piece->type == FIRST;

	if (begins == c->open)
		gap(c); /* the end of the previous record, or the start of this one, is missing */
	if (begins) {
		c->commit.n = 0;
		c->open = true;
	}
	if (!c->open)
		return;
	buf_str(&c->commit, piece->data);
	if (piece->type == WHOLE || piece->type == LAST) {
		put_commit(c, buf_as_str(&c->commit));
		c->open = false;
	}
}

struct rocks_log_sum
rocks_log_clean(struct str log, struct buf *out)
{
	struct cleaning c = {.out = out};
	bool damage = false;

	for (size_t at = 0; at < log.n;) {
		size_t left = LOG_BLOCK - at % LOG_BLOCK;
		struct piece piece;

		if (left < PIECE_HEAD) {
			at += left;
		} else if (piece_at(log, at, &piece) && piece.whole) {
			damage = false;
			take_piece(&c, &piece);
			at += PIECE_HEAD + piece.data.n;
		} else {
			if (!damage)
				gap(&c);
			damage = true; /* only once for what may be many blocks */
			at = behind_damage(log, at);
		}
	}
	if (c.open)
		gap(&c);
	buf_fini(&c.commit);
	return c.sum;
}
