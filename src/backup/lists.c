/* SPDX-License-Identifier: Apache-2.0 */
/* Lists: printing and parsing. */
#include "backup/lists.h"

#include "base/mem.h"
#include "store/store.h"

#define CHUNK_MAGIC "TSBKMSG1"
#define CHUNK_IDS_MAGIC "TSBKMSG2"
#define USER_MAGIC "TSBKUSR1"
#define USER_PROPERTIES_MAGIC "TSBKUSR2"
#define RECORDS_MAGIC "TSBKREC1"
#define MAGIC_BYTES 8
#define FLAGS_MAX (64 * BACKUP_FLAG_WORDS)

static uint64_t
zig(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t
unzig(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static bool
take_magic(struct rd *r, const char *magic)
{
	struct str s = rd_bytes(r, MAGIC_BYTES);

	return !r->bad && memcmp(s.p, magic, MAGIC_BYTES) == 0;
}

/* Takes a number that must fit, else the list is bad. */
static uint64_t
take_bounded(struct rd *r, uint64_t max)
{
	uint64_t v = rd_varint(r);

	if (v > max)
		r->bad = true;
	return r->bad ? 0 : v;
}

/* Takes a count of items of at least `least` bytes each; more than fit are bad. */
static size_t
take_count(struct rd *r, size_t least)
{
	return (size_t)take_bounded(r, rd_left(r) / least);
}

static void
take_hash(struct rd *r, struct backup_hash *hash)
{
	struct str s = rd_bytes(r, BACKUP_HASH_BYTES);

	if (!r->bad)
		memcpy(hash->b, s.p, sizeof(hash->b));
}

static void
put_hash(struct buf *out, const struct backup_hash *hash)
{
	buf_put(out, hash->b, sizeof(hash->b));
}

/* ---- chunks ---- */

static void
put_flag_set(struct buf *out, const uint64_t *flags)
{
	size_t n = 0;

	buf_varint(out, flags[0] & ((1u << BACKUP_SYSTEM_FLAGS) - 1));
	for (unsigned f = BACKUP_SYSTEM_FLAGS; f < FLAGS_MAX; f++)
		n += (size_t)(flags[f / 64] >> f % 64 & 1);
	buf_varint(out, n);
	for (unsigned f = BACKUP_SYSTEM_FLAGS; n > 0 && f < FLAGS_MAX; f++)
		if ((flags[f / 64] >> f % 64 & 1) != 0)
			buf_varint(out, f - BACKUP_SYSTEM_FLAGS);
}

static void
read_flags(struct rd *r, uint64_t *flags)
{
	memset(flags, 0, BACKUP_FLAG_WORDS * sizeof(*flags));
	flags[0] = take_bounded(r, (1u << BACKUP_SYSTEM_FLAGS) - 1);
	for (size_t n = (size_t)take_bounded(r, FLAGS_MAX - BACKUP_SYSTEM_FLAGS); n > 0 && !r->bad;
	     n--) {
		uint64_t f =
		    take_bounded(r, FLAGS_MAX - BACKUP_SYSTEM_FLAGS - 1) + BACKUP_SYSTEM_FLAGS;

		flags[f / 64] |= (uint64_t)1 << f % 64;
	}
}

bool
backup_chunk_has_ids(const struct backup_message *messages, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n && !any; i++)
		any = messages[i].has_ids;
	return any;
}

static void
put_ids(struct buf *out, const struct backup_message *m)
{
	buf_putc(out, m->has_ids ? 1 : 0);
	if (m->has_ids)
		buf_put(out, m->ids, sizeof(m->ids));
}

void
backup_chunk_print(const struct backup_message *messages, size_t n, struct buf *out)
{
	bool ids = backup_chunk_has_ids(messages, n);

	buf_put(out, ids ? CHUNK_IDS_MAGIC : CHUNK_MAGIC, MAGIC_BYTES);
	buf_varint(out, n);
	for (size_t i = 0; i < n; i++) {
		const struct backup_message *m = &messages[i];

		buf_varint(out, m->uid);
		buf_varint(out, m->size);
		buf_varint(out, m->modseq);
		buf_varint(out, zig(m->internaldate));
		buf_varint(out, zig(m->savedate));
		buf_varint(out, zig(m->zone));
		buf_varint(out, m->blob);
		put_flag_set(out, m->flags);
		put_hash(out, &m->hash);
		if (ids)
			put_ids(out, m);
	}
}

static void
take_ids(struct rd *r, struct backup_message *m)
{
	uint64_t has = take_bounded(r, 1);
	struct str ids = rd_bytes(r, has != 0 ? sizeof(m->ids) : 0);

	m->has_ids = has != 0 && !r->bad;
	if (m->has_ids)
		memcpy(m->ids, ids.p, sizeof(m->ids));
}

static void
read_list_message(struct rd *r, bool ids, struct backup_message *m)
{
	int64_t zone;

	m->uid = (uint32_t)take_bounded(r, UINT32_MAX);
	m->size = (uint32_t)take_bounded(r, UINT32_MAX);
	m->modseq = rd_varint(r);
	m->internaldate = unzig(rd_varint(r));
	m->savedate = unzig(rd_varint(r));
	zone = unzig(rd_varint(r));
	if (zone < -1440 || zone > 1440)
		r->bad = true;
	m->zone = (int16_t)zone;
	m->blob = rd_varint(r);
	read_flags(r, m->flags);
	take_hash(r, &m->hash);
	m->has_ids = false;
	memset(m->ids, 0, sizeof(m->ids));
	if (ids)
		take_ids(r, m);
}

bool
backup_chunk_parse(struct str bytes, uint32_t number, struct backup_message *messages, size_t *n_r)
{
	struct rd r = rd_of(bytes);
	uint32_t last = 0;
	bool ids = take_magic(&r, CHUNK_IDS_MAGIC);

	*n_r = 0;
	if (!ids) {
		r = rd_of(bytes);
		if (!take_magic(&r, CHUNK_MAGIC))
			return false;
	}

	size_t n = (size_t)take_bounded(&r, BACKUP_CHUNK_UIDS);

	for (size_t i = 0; i < n; i++) {
		read_list_message(&r, ids, &messages[i]);
		if (r.bad || messages[i].uid <= last ||
		    messages[i].uid / BACKUP_CHUNK_UIDS != number)
			return false;
		last = messages[i].uid;
	}
	*n_r = n;
	/* One of the second form that has none would be another one when it is printed. */
	return !r.bad && rd_left(&r) == 0 && ids == backup_chunk_has_ids(messages, n);
}

/* ---- users ---- */

static void
put_properties(struct buf *out, const struct backup_properties *properties)
{
	buf_varint(out, properties->count);
	for (size_t i = 0; i < properties->count; i++) {
		buf_vstr(out, properties->one[i].name);
		buf_vstr(out, properties->one[i].value);
	}
}

static void
put_list_mailbox(struct buf *out, const struct backup_mailbox *mb)
{
	buf_varint(out, mb->id);
	buf_vstr(out, mb->name);
	buf_varint(out, mb->use);
	buf_varint(out, mb->subscribed ? 1 : 0);
	buf_varint(out, mb->uidvalidity);
	buf_varint(out, mb->uidnext);
	buf_varint(out, mb->modseq);
	buf_varint(out, mb->messages);
	buf_varint(out, mb->bytes);
	buf_varint(out, mb->keyword_count);
	for (size_t i = 0; i < mb->keyword_count; i++)
		buf_vstr(out, mb->keywords[i]);
	buf_varint(out, mb->chunk_count);
	for (size_t i = 0; i < mb->chunk_count; i++) {
		buf_varint(out, mb->chunks[i].number);
		buf_varint(out, mb->chunks[i].count);
		put_hash(out, &mb->chunks[i].hash);
	}
}

size_t
backup_user_properties(const struct backup_user *user)
{
	size_t n = user->properties.count;

	for (size_t i = 0; i < user->mailbox_count; i++)
		n += user->mailboxes[i].properties.count;
	return n;
}

void
backup_user_print(const struct backup_user *user, struct buf *out)
{
	bool properties = backup_user_properties(user) > 0;

	buf_put(out, properties ? USER_PROPERTIES_MAGIC : USER_MAGIC, MAGIC_BYTES);
	buf_vstr(out, user->name);
	if (properties)
		put_properties(out, &user->properties);
	buf_varint(out, user->mailbox_count);
	for (size_t i = 0; i < user->mailbox_count; i++) {
		put_list_mailbox(out, &user->mailboxes[i]);
		if (properties)
			put_properties(out, &user->mailboxes[i].properties);
	}
}

/* Takes names as the store has them; no two are the same. */
static void
take_properties(struct rd *r, struct arena *arena, struct backup_properties *properties)
{
	properties->count = take_count(r, 2);
	properties->one = arena_array(arena, properties->count, sizeof(*properties->one));
	for (size_t i = 0; i < properties->count && !r->bad; i++) {
		struct backup_property *p = &properties->one[i];

		p->name = arena_str(arena, rd_vstr(r));
		p->value = arena_str(arena, rd_vstr(r));
		if (!store_property_name_ok(p->name) ||
		    (i > 0 && str_cmp(properties->one[i - 1].name, p->name) >= 0))
			r->bad = true;
	}
}

static void
take_chunks(struct rd *r, struct arena *arena, struct backup_mailbox *mb)
{
	mb->chunk_count = take_count(r, BACKUP_HASH_BYTES + 2);
	mb->chunks = arena_array(arena, mb->chunk_count, sizeof(*mb->chunks));
	for (size_t i = 0; i < mb->chunk_count && !r->bad; i++) {
		struct backup_chunk *c = &mb->chunks[i];

		c->number = (uint32_t)take_bounded(r, UINT32_MAX / BACKUP_CHUNK_UIDS);
		c->count = (uint32_t)take_bounded(r, BACKUP_CHUNK_UIDS);
		take_hash(r, &c->hash);
		if (i > 0 && c->number <= mb->chunks[i - 1].number)
			r->bad = true;
	}
}

/* A keyword that would end its place in a list of flags is not ours.  Empty: no keyword has the
 * place. */
static bool
keyword_ok(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == 0x7f || ((unsigned char)s.p[i] <= ' ') ||
		    strchr("()\"\\", s.p[i]) != NULL)
			return false;
	return true;
}

static void
read_mailbox(struct rd *r, struct arena *arena, struct backup_mailbox *mb)
{
	mb->id = (uint32_t)take_bounded(r, UINT32_MAX);
	mb->name = arena_str(arena, rd_vstr(r));
	mb->use = (unsigned)take_bounded(r, UINT32_MAX);
	mb->subscribed = take_bounded(r, 1) != 0;
	mb->uidvalidity = (uint32_t)take_bounded(r, UINT32_MAX);
	mb->uidnext = (uint32_t)take_bounded(r, UINT32_MAX);
	mb->modseq = rd_varint(r);
	mb->messages = (uint32_t)take_bounded(r, UINT32_MAX);
	mb->bytes = rd_varint(r);
	mb->keyword_count = take_count(r, 1);
	if (mb->keyword_count > FLAGS_MAX - BACKUP_SYSTEM_FLAGS)
		r->bad = true;
	if (r->bad)
		return;
	mb->keywords = arena_array(arena, mb->keyword_count, sizeof(*mb->keywords));
	for (size_t i = 0; i < mb->keyword_count && !r->bad; i++) {
		mb->keywords[i] = arena_str(arena, rd_vstr(r));
		r->bad |= !keyword_ok(mb->keywords[i]);
	}
	take_chunks(r, arena, mb);
}

bool
backup_user_parse(struct str bytes, struct arena *arena, struct backup_user *user)
{
	struct rd r = rd_of(bytes);

	*user = (struct backup_user){0};
	user->told = take_magic(&r, USER_PROPERTIES_MAGIC);
	if (!user->told) {
		r = rd_of(bytes);
		if (!take_magic(&r, USER_MAGIC))
			return false;
	}
	user->name = arena_str(arena, rd_vstr(&r));
	if (user->told)
		take_properties(&r, arena, &user->properties);
	user->mailbox_count = take_count(&r, 10);
	user->mailboxes = arena_array(arena, user->mailbox_count, sizeof(*user->mailboxes));
	for (size_t i = 0; i < user->mailbox_count; i++) {
		read_mailbox(&r, arena, &user->mailboxes[i]);
		if (user->told && !r.bad)
			take_properties(&r, arena, &user->mailboxes[i].properties);
		if (r.bad ||
		    (i > 0 && str_cmp(user->mailboxes[i - 1].name, user->mailboxes[i].name) >= 0))
			return false;
	}
	/* In the second form without properties, it would be printed in the first. */
	return !r.bad && rd_left(&r) == 0 && (!user->told || backup_user_properties(user) > 0);
}

const struct backup_mailbox *
backup_mailbox_of(const struct backup_user *user, struct str name)
{
	for (size_t i = 0; i < user->mailbox_count; i++)
		if (str_eq(user->mailboxes[i].name, name))
			return &user->mailboxes[i];
	return NULL;
}

/* ---- records ---- */

void
backup_records_head(uint64_t n, struct buf *out)
{
	buf_put(out, RECORDS_MAGIC, MAGIC_BYTES);
	buf_varint(out, n);
}

void
backup_records_print(const struct backup_record *records, size_t n, struct buf *out)
{
	backup_records_head(n, out);
	for (size_t i = 0; i < n; i++) {
		buf_vstr(out, records[i].key);
		buf_vstr(out, records[i].value);
	}
}

bool
backup_records_parse(
    struct str bytes, struct arena *arena, struct backup_record **records_r, size_t *n_r)
{
	struct rd r = rd_of(bytes);

	*n_r = 0;
	if (!take_magic(&r, RECORDS_MAGIC))
		return false;
	*n_r = take_count(&r, 2);
	if (records_r != NULL)
		*records_r = arena_array(arena, *n_r, sizeof(**records_r));
	for (size_t i = 0; i < *n_r && !r.bad; i++) {
		struct str key = rd_vstr(&r), value = rd_vstr(&r);

		if (records_r != NULL)
			(*records_r)[i] =
			    (struct backup_record){arena_str(arena, key), arena_str(arena, value)};
	}
	return !r.bad && rd_left(&r) == 0;
}

/* ---- from the folder ---- */

static enum ts_err
parsed(struct backup_folder *folder, const struct backup_hash *hash, bool ok, struct buf *what)
{
	if (ok)
		return TS_OK;
	buf_printf(what, "%s: object ", backup_path(folder));
	backup_hash_hex(hash, what);
	buf_puts(what, " is not a list of the kind that it should be");
	return TS_DAMAGED;
}

enum ts_err
backup_chunk_get(struct backup_folder *folder, const struct backup_chunk *chunk,
    struct backup_message *messages, size_t *n_r, struct buf *what)
{
	struct buf bytes = {0};
	enum ts_err err = backup_object_get(folder, &chunk->hash, BACKUP_LIST_MAX, &bytes, what);

	*n_r = 0;
	if (err == TS_OK)
		err = parsed(folder, &chunk->hash,
		    backup_chunk_parse(buf_as_str(&bytes), chunk->number, messages, n_r) &&
		        *n_r == chunk->count,
		    what);
	if (err != TS_OK)
		*n_r = 0;
	buf_fini(&bytes);
	return err;
}

enum ts_err
backup_user_get(struct backup_folder *folder, const struct backup_hash *hash, struct arena *arena,
    struct backup_user *user_r, struct buf *what)
{
	struct buf bytes = {0};
	enum ts_err err = backup_object_get(folder, hash, BACKUP_LIST_MAX, &bytes, what);

	if (err == TS_OK)
		err = parsed(
		    folder, hash, backup_user_parse(buf_as_str(&bytes), arena, user_r), what);
	buf_fini(&bytes);
	return err;
}

enum ts_err
backup_records_get(struct backup_folder *folder, const struct backup_hash *hash,
    struct arena *arena, struct backup_record **records_r, size_t *n_r, struct buf *what)
{
	struct buf bytes = {0};
	enum ts_err err = backup_object_get(folder, hash, BACKUP_LIST_MAX, &bytes, what);

	if (err == TS_OK)
		err = parsed(folder, hash,
		    backup_records_parse(buf_as_str(&bytes), arena, records_r, n_r), what);
	buf_wipe_fini(&bytes);
	return err;
}
