/* SPDX-License-Identifier: Apache-2.0 */
/* Building keys and sealing values; the layout is in keys.h. */
#include "store/disk/keys.h"

#include <string.h>
#include <xxhash.h>

#include "base/mem.h"

#define SEAL 8

void
key_begin(struct key *k, uint64_t account, enum key_kind kind)
{
	k->n = 0;
	key_be64(k, account);
	k->p[k->n++] = (char)kind;
}

void
key_be32(struct key *k, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		k->p[k->n++] = (char)(v >> shift);
}

void
key_be64(struct key *k, uint64_t v)
{
	key_be32(k, (uint32_t)(v >> 32));
	key_be32(k, (uint32_t)v);
}

void
key_bytes(struct key *k, struct str s)
{
	TS_ASSERT(s.n <= sizeof k->p - k->n);
	if (s.n > 0)
		memcpy(k->p + k->n, s.p, s.n);
	k->n += s.n;
}

void
key_index(struct key *k, uint64_t account, uint32_t mailbox, enum key_kind kind)
{
	key_begin(k, account, KEY_INDEX);
	key_be32(k, mailbox);
	k->p[k->n++] = (char)kind;
}

void
key_ref(struct key *k, enum key_kind kind, uint64_t account, uint64_t blob, uint32_t mailbox,
    uint32_t uid)
{
	key_begin(k, account, kind);
	key_be64(k, blob);
	key_be32(k, mailbox);
	key_be32(k, uid);
}

void
key_holder(struct key *k, enum key_kind kind, uint64_t blob, uint64_t account)
{
	key_begin(k, 0, kind);
	key_be64(k, blob);
	key_be64(k, account);
}

void
key_job(struct key *k, enum key_kind kind, uint64_t account, uint32_t mailbox, uint64_t number)
{
	key_begin(k, account, kind);
	key_be32(k, mailbox);
	key_be64(k, number);
}

void
own_key(struct key *k, uint64_t account, uint64_t owner, uint32_t mailbox, unsigned kind)
{
	key_begin(k, account, KEY_OWN);
	key_be64(k, owner);
	key_be32(k, mailbox);
	k->p[k->n++] = (char)kind;
}

void
key_shared_prefix(struct key *k, struct str who)
{
	key_begin(k, 0, KEY_SHARED_WITH);
	key_bytes(k, who);
	k->p[k->n++] = '\0';
}

void
key_shared(struct key *k, struct str who, uint64_t account, uint32_t mailbox)
{
	key_shared_prefix(k, who);
	key_be64(k, account);
	key_be32(k, mailbox);
}

void
key_after(struct key *k)
{
	while (k->n > 0 && (unsigned char)k->p[k->n - 1] == 0xff)
		k->n--;
	TS_ASSERT(k->n > 0);
	k->p[k->n - 1]++;
}

void
value_begin(struct buf *b)
{
	b->n = 0;
	buf_le64(b, 0);
}

static uint64_t
checksum(struct str key, struct str body)
{
	return XXH3_64bits_withSeed(body.p, body.n, XXH3_64bits(key.p, key.n));
}

void
value_seal(struct buf *b, struct str key)
{
	uint64_t sum = checksum(key, (struct str){b->p + SEAL, b->n - SEAL});

	for (int i = 0; i < SEAL; i++)
		b->p[i] = (char)(sum >> (8 * i));
}

bool
value_open(struct str key, struct str value, struct str *body_r)
{
	if (value.n < SEAL)
		return false;

	struct rd r = rd_of(value);
	uint64_t sum = rd_le64(&r);

	*body_r = (struct str){value.p + SEAL, value.n - SEAL};
	return sum == checksum(key, *body_r);
}

bool
value_whole(struct str key, struct str value)
{
	struct str body;

	return value_open(key, value, &body);
}

void
batch_put_value(struct engine_batch *batch, const struct key *k, struct buf *b)
{
	value_seal(b, key_str(k));
	engine_batch_put(batch, key_str(k), buf_as_str(b));
}

void
batch_put_empty(struct engine_batch *batch, const struct key *k)
{
	char room[SEAL];
	struct buf b = {room, 0, sizeof room};

	/* Exactly SEAL bytes: the buffer on the stack never grows. */
	value_begin(&b);
	batch_put_value(batch, k, &b);
}

void
batch_put_queue(struct engine_batch *batch, const struct key *k)
{
	char room[SEAL + 1];
	struct buf b = {room, 0, sizeof room};

	value_begin(&b);
	buf_putc(&b, QUEUE_SUMMARY);
	batch_put_value(batch, k, &b);
}

void
value_put_set(struct buf *b, const roaring_bitmap_t *set)
{
	size_t n = roaring_bitmap_portable_size_in_bytes(set);

	buf_varint(b, n);
	roaring_bitmap_portable_serialize(set, buf_room(b, n));
	b->n += n;
}

roaring_bitmap_t *
value_take_set(struct rd *r)
{
	struct str s = rd_vstr(r);
	roaring_bitmap_t *set = r->bad ? NULL : roaring_bitmap_portable_deserialize_safe(s.p, s.n);

	if (set == NULL)
		r->bad = true;
	return set;
}

void
value_put_counters(struct buf *b, const struct counters_row *c)
{
	buf_le32(b, c->messages);
	buf_le32(b, c->unseen);
	buf_le32(b, c->deleted);
	buf_le32(b, c->recent);
	buf_le32(b, c->recent_mark);
	buf_le32(b, c->uidnext);
	buf_le64(b, c->size);
	buf_le64(b, c->deleted_size);
	buf_le64(b, c->modseq);
}

void
value_take_counters(struct rd *r, struct counters_row *c)
{
	c->messages = rd_le32(r);
	c->unseen = rd_le32(r);
	c->deleted = rd_le32(r);
	c->recent = rd_le32(r);
	c->recent_mark = rd_le32(r);
	c->uidnext = rd_le32(r);
	c->size = rd_le64(r);
	c->deleted_size = rd_le64(r);
	c->modseq = rd_le64(r);
}
