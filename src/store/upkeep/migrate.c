/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings a store of an older format to the newest.
 *
 * Up to format 4 references and jobs were rows of account 0, with the account
 * in their keys.  Each is moved to its account; a blob that several accounts
 * refer to gets holders.  Format 1 also had too many tombstones.
 *
 * The first batch writes the new format's version, so that older programs
 * refuse the store from then on, and a record of the progress ('V' 1).  Then it
 * goes through the old rows kind by kind, in pieces of some thousand: each
 * batch moves a piece and advances the record.  Whatever interrupts it, the
 * next opening continues after the last batch.  The last batch removes the
 * record.
 *
 * References come last and in the order of blobs, so that look-ups of who
 * refers to a blob find the old ones in their place.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/upkeep/upkeep_int.h"

#define PIECE 4096 /* rows per batch */
#define PIECE_BYTES ((size_t)4 << 20)
#define TELL_MS 2000
/* Bytes on disk that moving a message costs: the old row, its deletion mark, the new row, and the
 * log. */
#define MESSAGE_BYTES 160
#define SPACE_LEAST ((uint64_t)32 << 20)

struct migration {
	struct store *store;
	struct engine_batch *batch;
	struct buf value;
	uint32_t from, phase;
	struct key at; /* the first key not looked at yet; empty: start of the phase */
	uint64_t done, total, tell_at;
	/* The last reference looked at. */
	uint64_t blob, account;
};

struct old_row {
	struct str key, value, body; /* value: with its checksum */
	bool good;                   /* its checksum is right, and body is set */
	struct rd tail;              /* the key after its kind */
};

/* ---- rows ---- */

/* Puts the same value under another key.  A damaged value stays damaged. */
static void
put_same(struct migration *m, const struct key *k, const struct old_row *row)
{
	if (!row->good) {
		engine_batch_put(m->batch, key_str(k), row->value);
		return;
	}
	value_begin(&m->value);
	buf_str(&m->value, row->body);
	batch_put_value(m->batch, k, &m->value);
}

/* Returns in *yes_r whether an account has a reference to it that was not moved yet. */
static enum ts_err
old_reference(struct store *store, uint64_t blob, bool *yes_r)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err = TS_OK;

	*yes_r = false;
	key_begin(&from, 0, KEY_REF);
	key_be64(&from, blob);
	end = from;
	key_after(&end);
	key_be64(&from, 1); /* skips claims */
	scan_begin_range(&scan, store, &from, &end);
	while (!*yes_r && ((err = scan_next(&scan)) == TS_OK || scan.key.n > 0))
		*yes_r = scan.key.n == 33;
	scan_end(&scan);
	return *yes_r || err == TS_NOT_FOUND ? TS_OK : err;
}

/* Removes the claim of a move between accounts: perhaps nobody else has the blob. */
static enum ts_err
drop_claim(struct migration *m, uint64_t blob)
{
	bool yes;
	enum ts_err err = old_reference(m->store, blob, &yes);

	if (err == TS_OK && !yes)
		engine_batch_delete_blob(m->batch, blob);
	return err;
}

/* 'M' intent:8 -> durable:1 move:1 source:8 mailbox:4 target:8 mailbox:4 count, pairs.  A move that
 * is durable in its target must be finished; others have no effect. */
static enum ts_err
move_intent(struct migration *m, struct old_row *row)
{
	struct rd r = rd_of(row->body);
	bool durable = rd_u8(&r) != 0, move = rd_u8(&r) != 0;
	uint64_t intent = rd_be64(&row->tail), source = rd_le64(&r), target;
	uint32_t mailbox = rd_le32(&r);
	struct key k;

	if (!row->good || row->body.n == 8)
		return TS_OK; /* damaged, or moved already */
	target = rd_le64(&r);
	(void)rd_le32(&r);
	(void)rd_varint(&r);
	engine_batch_delete(m->batch, row->key);
	if (r.bad || row->tail.bad || !durable || !move)
		return TS_OK;
	key_begin(&k, target, KEY_INTENT);
	key_be64(&k, intent);
	value_begin(&m->value);
	buf_le64(&m->value, source);
	buf_le32(&m->value, mailbox);
	buf_str(&m->value, rd_bytes(&r, rd_left(&r)));
	batch_put_value(m->batch, &k, &m->value);
	key_begin(&k, 0, KEY_INTENT);
	key_be64(&k, intent);
	value_begin(&m->value);
	buf_le64(&m->value, target);
	batch_put_value(m->batch, &k, &m->value);
	return TS_OK;
}

/* 'Q' blob:8 account:8 mailbox:4 uid:4 */
static enum ts_err
move_queued(struct migration *m, struct old_row *row)
{
	uint64_t blob = rd_be64(&row->tail), account = rd_be64(&row->tail);
	uint32_t mailbox = rd_be32(&row->tail), uid = rd_be32(&row->tail);
	struct key k;

	engine_batch_delete(m->batch, row->key);
	if (account == 0)
		return drop_claim(m, blob);
	key_ref(&k, KEY_QUEUE, account, blob, mailbox, uid);
	if (row->good)
		put_same(m, &k, row);
	else
		batch_put_empty(m->batch, &k);
	return TS_OK;
}

/* 'P' 'S' account:8 mailbox:4 number:8 */
static enum ts_err
move_job(struct migration *m, struct old_row *row)
{
	uint64_t account = rd_be64(&row->tail);
	uint32_t mailbox = rd_be32(&row->tail);
	struct key k;

	engine_batch_delete(m->batch, row->key);
	key_job(&k, (enum key_kind)row->key.p[8], account, mailbox, rd_be64(&row->tail));
	put_same(m, &k, row);
	return TS_OK;
}

/* 'T' account:8, perhaps 1 */
static enum ts_err
move_rename(struct migration *m, struct old_row *row)
{
	struct key k;

	engine_batch_delete(m->batch, row->key);
	key_begin(&k, rd_be64(&row->tail), KEY_RENAME);
	key_bytes(&k, rd_bytes(&row->tail, rd_left(&row->tail)));
	put_same(m, &k, row);
	return TS_OK;
}

/* 'B' blob:8 account:8 mailbox:4 uid:4; account 0: a claim.  In this order all accounts of a blob
 * follow one another. */
static enum ts_err
move_reference(struct migration *m, struct old_row *row)
{
	uint64_t blob = rd_be64(&row->tail), account = rd_be64(&row->tail);
	uint32_t mailbox = rd_be32(&row->tail);
	struct key k;

	engine_batch_delete(m->batch, row->key);
	if (account == 0)
		return drop_claim(m, blob);
	if (blob == m->blob && account != m->account) {
		holder_put(m->batch, blob, m->account);
		holder_put(m->batch, blob, account);
	}
	m->blob = blob;
	m->account = account;
	key_ref(&k, KEY_REF, account, blob, mailbox, rd_be32(&row->tail));
	batch_put_empty(m->batch, &k);
	return TS_OK;
}

struct phase {
	const char *what;
	enum key_kind kind;
	size_t from, to; /* lengths of old keys; others are new */
	enum ts_err (*move)(struct migration *m, struct old_row *row);
};

static const struct phase phases[] = {
    {"moves between accounts", KEY_INTENT, 17, 17, move_intent},
    {"blobs to be looked at", KEY_QUEUE, 33, 33, move_queued},
    {"what is to be removed", KEY_PURGE, 29, 29, move_job},
    {"unfinished copies", KEY_STAGED, 29, 29, move_job},
    {"unfinished renames", KEY_RENAME, 17, 18, move_rename},
    {"references", KEY_REF, 33, 33, move_reference},
};

#define PHASES (sizeof phases / sizeof *phases)

/* ---- the record of the progress ---- */

static void
record_key(struct key *k)
{
	key_begin(k, 0, KEY_VERSION);
	key_bytes(k, STR("\1"));
}

static void
put_progress(struct migration *m)
{
	struct key k;

	record_key(&k);
	value_begin(&m->value);
	buf_le32(&m->value, m->from);
	buf_le32(&m->value, m->phase);
	buf_le64(&m->value, m->done);
	buf_le64(&m->value, m->total);
	buf_le64(&m->value, m->blob);
	buf_le64(&m->value, m->account);
	buf_str(&m->value, key_str(&m->at));
	batch_put_value(m->batch, &k, &m->value);
}

/* TS_NOT_FOUND: no migration is under way. */
static enum ts_err
read_record(struct migration *m)
{
	struct key k;
	struct str body = STR_NONE;
	enum ts_err err;

	record_key(&k);
	err = store_get(m->store, &k, &m->value, &body);

	struct rd r = rd_of(body);

	if (err != TS_OK)
		return err;
	m->from = rd_le32(&r);
	m->phase = rd_le32(&r);
	m->done = rd_le64(&r);
	m->total = rd_le64(&r);
	m->blob = rd_le64(&r);
	m->account = rd_le64(&r);
	m->at.n = 0;
	if (rd_left(&r) > sizeof m->at.p)
		return TS_DAMAGED;
	key_bytes(&m->at, rd_bytes(&r, rd_left(&r)));
	return r.bad ? TS_DAMAGED : TS_OK;
}

/* ---- pieces ---- */

static void
tell_progress(struct migration *m)
{
	uint64_t now = clock_mono_ms();

	if (now < m->tell_at || m->from == KEYS_FORMAT)
		return;
	m->tell_at = now + TELL_MS;
	log_msg(LOG_INFO, NULL, "store: being brought to format %d: %s, %llu of about %llu rows",
	    KEYS_FORMAT, m->phase < PHASES ? phases[m->phase].what : "the end",
	    (unsigned long long)m->done, (unsigned long long)m->total);
}

static enum ts_err
commit(struct migration *m)
{
	enum ts_err err = engine_commit(m->store->engine, m->batch);

	engine_batch_clear(m->batch);
	tell_progress(m);
	return err;
}

static enum ts_err
move_row(struct migration *m, const struct phase *p, struct str key, struct str value)
{
	struct old_row row = {.key = key, .value = value};

	if (key.n < p->from || key.n > p->to)
		return TS_OK;
	row.good = value_open(key, value, &row.body);
	row.tail = rd_of((struct str){key.p + 9, key.n - 9});
	m->done++;
	return p->move(m, &row);
}

/* Iterators must be short-lived: what a row looks up in the store uses another one. */
struct piece {
	struct buf keys, values; /* vstr each */
	bool last;
};

static enum ts_err
read_old_rows(struct migration *m, const struct phase *p, struct piece *piece)
{
	struct key end;
	struct engine_iter *it;
	struct str key, value;
	unsigned rows = m->store->opt.migrate_rows > 0 ? m->store->opt.migrate_rows : PIECE;
	enum ts_err err = TS_OK;

	piece->keys.n = piece->values.n = 0;
	key_begin(&end, 0, p->kind);
	key_after(&end);
	it = engine_iter_new(m->store->engine, key_str(&m->at), key_str(&end), false);
	for (unsigned i = 0; i < rows && piece->values.n < PIECE_BYTES; i++) {
		err = engine_iter_next(it, &key, &value);
		if (err != TS_OK)
			break;
		buf_vstr(&piece->keys, key);
		buf_vstr(&piece->values, value);
	}
	engine_iter_free(&it);
	piece->last = err == TS_NOT_FOUND;
	return err == TS_NOT_FOUND ? TS_OK : err;
}

static enum ts_err
move_piece(struct migration *m, const struct phase *p, const struct piece *piece)
{
	struct rd keys = rd_of(buf_as_str(&piece->keys)),
	          values = rd_of(buf_as_str(&piece->values));
	enum ts_err err = TS_OK;
	struct str key = STR_NONE;

	while (err == TS_OK && rd_left(&keys) > 0) {
		key = rd_vstr(&keys);
		err = move_row(m, p, key, rd_vstr(&values));
	}
	if (key.n > 0) {
		m->at.n = 0;
		key_bytes(&m->at, key);
		m->at.p[m->at.n++] = 0; /* the first key after it */
	}
	return err;
}

static enum ts_err
run_phase(struct migration *m)
{
	const struct phase *p = &phases[m->phase];
	struct piece piece = {0};
	enum ts_err err = TS_OK;

	if (m->at.n == 0)
		key_begin(&m->at, 0, p->kind);
	do {
		err = read_old_rows(m, p, &piece);
		if (err == TS_OK)
			err = move_piece(m, p, &piece);
		if (err == TS_OK && piece.last) {
			m->phase++;
			m->at.n = 0;
		}
		if (err == TS_OK) {
			put_progress(m);
			err = commit(m);
		}
	} while (err == TS_OK && !piece.last);
	buf_fini(&piece.keys);
	buf_fini(&piece.values);
	return err;
}

/* ---- start and end ---- */

static bool
always(void *arg)
{
	(void)arg;
	return true;
}

/* Every message has a reference. */
static enum ts_err
count_messages(struct migration *m)
{
	struct store_totals totals;
	bool whole;
	enum ts_err err = store_totals(m->store, always, NULL, &totals, &whole);

	m->total = totals.messages;
	return err;
}

static bool
has_disk_room(const struct migration *m, char **text_r)
{
	struct engine_stats stats;
	uint64_t need = m->total * MESSAGE_BYTES + SPACE_LEAST;

	engine_stats(m->store->engine, &stats);
	need += m->store->opt.engine_options.free_space_mark / 4;
	if (m->store->opt.engine_options.path == NULL || stats.free_bytes >= need)
		return true;
	if (asprintf(text_r,
	        "the store has format version %u; bringing it to %d takes up to %llu MiB, and the "
	        "disk has %llu free: make room and start again, nothing was changed",
	        m->from, KEYS_FORMAT, (unsigned long long)(need >> 20),
	        (unsigned long long)(stats.free_bytes >> 20)) < 0)
		*text_r = NULL;
	return false;
}

/* From here on older programs say that they do not know the format. */
static enum ts_err
begin_migration(struct migration *m, char **text_r)
{
	enum ts_err err = count_messages(m);

	if (err == TS_OK && !has_disk_room(m, text_r))
		err = TS_FULL;
	if (err != TS_OK)
		return err;
	if (m->from < KEYS_FORMAT)
		log_msg(LOG_INFO, NULL,
		    "store: it is brought from format %u to %d: %llu messages; whatever ends "
		    "this, the next start goes on with it",
		    m->from, KEYS_FORMAT, (unsigned long long)m->total);
	store_put_version(m->batch);
	put_progress(m);
	return commit(m);
}

static enum ts_err
finish_migration(struct migration *m)
{
	struct key k;
	struct str body;
	enum ts_err err;

	record_key(&k);
	engine_batch_delete(m->batch, key_str(&k));
	key_begin(&k, 0, KEY_OWN_ID);
	if (store_get(m->store, &k, &m->value, &body) == TS_NOT_FOUND)
		store_put_own_id(m->store, m->batch);
	err = commit(m);
	if (err == TS_OK && m->from < KEYS_FORMAT)
		log_msg(LOG_INFO, NULL, "store: it has format %d now: %llu rows were moved",
		    KEYS_FORMAT, (unsigned long long)m->done);
	return err;
}

static enum ts_err
run_migration(struct migration *m, char **text_r)
{
	enum ts_err err = read_record(m);

	m->tell_at = clock_mono_ms() + TELL_MS;
	if (err == TS_DAMAGED && m->store->opt.salvage) {
		*m = (struct migration){
		    .store = m->store, .batch = m->batch, .value = m->value, .from = 1};
		err = TS_NOT_FOUND;
	}
	if (err == TS_NOT_FOUND)
		err = begin_migration(m, text_r);
	if (err == TS_OK && m->from < 2)
		err = tombs_migrate(m->store);
	while (err == TS_OK && m->phase < PHASES)
		err = run_phase(m);
	return err == TS_OK ? finish_migration(m) : err;
}

/* Returns whether there is work: a store of the newest format has a record if its migration is
 * unfinished.  Salvage may have lost that and the version: then everything is looked through. */
static bool
to_be_done(struct migration *m, uint32_t version)
{
	const struct store_options *opt = &m->store->opt;

	if (version < KEYS_FORMAT || read_record(m) != TS_NOT_FOUND)
		return true;
	return opt->salvage && !opt->engine_options.read_only;
}

enum ts_err
migrate(struct store *store, uint32_t version, char **text_r)
{
	struct migration m = {.store = store, .from = version};
	enum ts_err err = TS_OK;

	if (to_be_done(&m, version)) {
		m.batch = engine_batch_new();
		err = store->opt.engine_options.read_only ? TS_INVALID : run_migration(&m, text_r);
		engine_batch_free(&m.batch);
	}
	buf_fini(&m.value);
	if (err != TS_OK && *text_r == NULL &&
	    asprintf(text_r,
	        "the store has format version %u and has to be brought to %d first, %s", m.from,
	        KEYS_FORMAT,
	        err == TS_INVALID ? "which whoever may only read it cannot do: start the server"
	                          : ts_err_name(err)) < 0)
		*text_r = NULL;
	return err;
}
