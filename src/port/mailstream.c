/* SPDX-License-Identifier: Apache-2.0 */
#include "port/mailstream.h"

#include <xxhash.h>

#include "base/err.h"
#include "store/store.h"

/* Zigzag, for dates before 1970 and zones west. */
static uint64_t
zig(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t
zag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void
put_framed(struct buf *b, char tag, struct str body)
{
	buf_putc(b, tag);
	buf_vstr(b, body);
	buf_le64(b, XXH3_64bits_withSeed(body.n > 0 ? body.p : "", body.n, (unsigned char)tag));
}

void
mailstream_put_version(struct buf *b)
{
	put_framed(b, MAILSTREAM_VERSION_TAG, (struct str){(const char[]){MAILSTREAM_VERSION}, 1});
}

void
mailstream_put_mailbox(struct buf *b, const struct mailstream_mailbox *m)
{
	struct buf body = {0};

	buf_vstr(&body, m->name);
	buf_varint(&body, m->uidvalidity);
	buf_varint(&body, m->uidnext);
	buf_varint(&body, m->modseq);
	buf_varint(&body, m->use);
	buf_varint(&body, (m->subscribed ? 1u : 0u) | (m->exists ? 2u : 0u));
	buf_varint(&body, m->messages);
	if (m->object_id.n > 0)
		buf_vstr(&body, m->object_id);
	put_framed(b, MAILSTREAM_MAILBOX, buf_as_str(&body));
	buf_fini(&body);
}

void
mailstream_put_property(struct buf *b, struct str name, struct str value)
{
	struct buf body = {0};

	TS_ASSERT(name.n + value.n <= MAILSTREAM_PROPERTY_MAX);
	buf_vstr(&body, name);
	buf_str(&body, value);
	put_framed(b, MAILSTREAM_PROPERTY, buf_as_str(&body));
	buf_fini(&body);
}

void
mailstream_put_ids(struct buf *b, const unsigned char ids[MAILSTREAM_IDS_BYTES])
{
	put_framed(b, MAILSTREAM_IDS, (struct str){(const char *)ids, MAILSTREAM_IDS_BYTES});
}

void
mailstream_put_data(struct buf *b, struct str data)
{
	TS_ASSERT(data.n <= MAILSTREAM_PIECE);
	put_framed(b, MAILSTREAM_DATA, data);
}

void
mailstream_put_message(struct buf *b, const struct mailstream_message *m)
{
	struct buf body = {0};

	buf_varint(&body, m->uid);
	buf_varint(&body, zig(m->internaldate));
	buf_varint(&body, zig(m->savedate));
	buf_varint(&body, zig(m->zone));
	buf_varint(&body, m->flags);
	buf_varint(&body, m->size);
	buf_putc(&body, m->bare ? 1 : 0);
	buf_str(&body, m->keywords);
	put_framed(b, MAILSTREAM_MESSAGE, buf_as_str(&body));
	buf_fini(&body);
}

void
mailstream_put_drop(struct buf *b)
{
	put_framed(b, MAILSTREAM_DROP, STR_NONE);
}

void
mailstream_put_end(struct buf *b)
{
	put_framed(b, MAILSTREAM_END, STR_NONE);
}

/* ---- reading ---- */

static uint32_t
take32(struct rd *r)
{
	uint64_t v = rd_varint(r);

	if (v > UINT32_MAX)
		r->bad = true;
	return (uint32_t)v;
}

static void
parse_mailbox(struct mailstream_mailbox *m, struct rd *r)
{
	m->name = rd_vstr(r);
	m->uidvalidity = take32(r);
	m->uidnext = take32(r);
	m->modseq = rd_varint(r);
	m->use = take32(r);

	uint32_t bits = take32(r);

	m->subscribed = (bits & 1) != 0;
	m->exists = (bits & 2) != 0;
	m->messages = rd_varint(r);
	if (rd_left(r) > 0) {
		m->object_id = rd_vstr(r);
		r->bad |= !store_object_id_ok(STORE_ID_MAILBOX, m->object_id);
	}
	if (m->name.n == 0 || rd_left(r) > 0)
		r->bad = true;
}

static void
parse_property(struct mailstream_property *p, struct rd *r)
{
	p->name = rd_vstr(r);
	p->value = rd_bytes(r, rd_left(r));
	if (p->name.n == 0)
		r->bad = true;
}

static void
parse_message(struct mailstream_message *m, struct rd *r)
{
	m->uid = take32(r);
	m->internaldate = zag(rd_varint(r));
	m->savedate = zag(rd_varint(r));

	int64_t zone = zag(rd_varint(r));

	if (zone <= -1440 || zone >= 1440)
		r->bad = true;
	m->zone = (int16_t)zone;
	m->flags = take32(r);
	m->size = rd_varint(r);
	m->bare = rd_u8(r) != 0;
	m->keywords = rd_bytes(r, rd_left(r));

	struct rd words = rd_of(m->keywords);

	while (rd_left(&words) > 0 && !words.bad)
		if (rd_vstr(&words).n == 0)
			words.bad = true;
	r->bad |= words.bad;
}

/* Returns whether this record may come now. */
static bool
fits(struct mailstream_in *in, struct mailstream_record *rec, struct str body)
{
	struct rd r = rd_of(body);

	if (in->ended || in->begun == (rec->tag == MAILSTREAM_VERSION_TAG) ||
	    (rec->tag == MAILSTREAM_PROPERTY && !in->properties))
		return false;
	in->properties = rec->tag == MAILSTREAM_VERSION_TAG || rec->tag == MAILSTREAM_MAILBOX ||
	                 rec->tag == MAILSTREAM_PROPERTY;
	switch (rec->tag) {
	case MAILSTREAM_VERSION_TAG:
		in->begun = true;
		return body.n == 1 && body.p[0] == MAILSTREAM_VERSION;
	case MAILSTREAM_MAILBOX:
		parse_mailbox(&rec->mailbox, &r);
		in->in_mailbox = in->properties = rec->mailbox.exists;
		return !r.bad && in->size == 0 && !in->ids;
	case MAILSTREAM_PROPERTY:
		parse_property(&rec->property, &r);
		rec->property.of_mailbox = in->in_mailbox;
		return !r.bad;
	case MAILSTREAM_IDS:
		rec->data = body;
		if (in->ids || in->size > 0 || !in->in_mailbox)
			return false;
		in->ids = true;
		return body.n == MAILSTREAM_IDS_BYTES;
	case MAILSTREAM_DATA:
		rec->data = body;
		in->size += body.n;
		return in->in_mailbox && body.n > 0;
	case MAILSTREAM_MESSAGE:
		parse_message(&rec->message, &r);
		if (r.bad || (rec->message.bare ? in->size != 0 : rec->message.size != in->size))
			return false;
		in->size = 0;
		in->ids = false;
		return in->in_mailbox;
	case MAILSTREAM_DROP:
		in->size = 0;
		in->ids = false;
		return body.n == 0;
	case MAILSTREAM_END:
		in->ended = true;
		return body.n == 0 && in->size == 0 && !in->ids;
	}
	return false;
}

static enum mailstream_got
bad_stream(struct mailstream_in *in)
{
	in->begun = in->ended = true;
	return MAILSTREAM_BAD;
}

enum mailstream_got
mailstream_next(struct mailstream_in *in, struct mailstream_record *rec)
{
	struct rd r;
	uint64_t n;

	/* Moved only now and then, since for many small records each move would copy the rest. */
	if (in->used > in->bytes.n / 2) {
		buf_consume(&in->bytes, in->used);
		in->used = 0;
	}
	if (in->used == in->bytes.n)
		return MAILSTREAM_MORE;
	r = rd_of((struct str){in->bytes.p + in->used, in->bytes.n - in->used});
	*rec = (struct mailstream_record){.tag = (enum mailstream_tag)rd_u8(&r)};
	n = rd_varint(&r);
	if (r.bad) /* any varint fits into ten bytes */
		return in->bytes.n - in->used > 11 ? bad_stream(in) : MAILSTREAM_MORE;
	if (n > MAILSTREAM_RECORD_MAX)
		return bad_stream(in);
	if (rd_left(&r) < n + 8)
		return MAILSTREAM_MORE;

	struct str body = rd_bytes(&r, n);
	uint64_t sum = rd_le64(&r);

	if (sum != XXH3_64bits_withSeed(n > 0 ? body.p : "", n, (unsigned char)rec->tag) ||
	    !fits(in, rec, body))
		return bad_stream(in);
	in->used = in->bytes.n - rd_left(&r);
	return MAILSTREAM_GOT;
}

void
mailstream_in_fini(struct mailstream_in *in)
{
	buf_fini(&in->bytes);
}
