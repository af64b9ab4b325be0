/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backup reads (backup/job.c asks).  The questions; numbers are varints, strings have their
 * length in front:
 *
 *	'L'                     -> 'i' number of this store, how many accounts there are, its
 *	                           own id
 *	'N' most, name          -> 'n' so many accounts from that name on, any number in an item:
 *	                           name, mark (16 bytes, see store/store.h), id
 *	'R'                     -> 'n' how many, 'r' key, value: each server-wide record
 *	'U' name, then id uidvalidity modseq of each mailbox known to the asker
 *	                        -> 'm' each mailbox (see put_mailbox()), or 'x': no such account;
 *	                           'a' the account's id;
 *	                           'p' each property: place of its mailbox in that list, from 1 on,
 *	                           or 0 for the account's own, name, value; in order of places
 *	                           and names;
 *	                           'k' the mark of all that, if all could be read
 *	'M' place in that list  -> 'k' each keyword by its number, empty where none has it;
 *	                           'u' set of UIDs; 'c' messages that are new or changed since
 *	                           the known modseq, in pieces cut anywhere; 'i' uid and 32
 *	                           bytes: the ids of each of them that has them stored
 *	'B' place, then uid blob of each message wanted
 *	                        -> for each 'd' its bytes, in pieces, then 'e' an error's number
 *
 * 'U' pins the store's blobs until the next 'U' or the end.  All mailboxes of the user are as of
 * one moment, unless they change faster than they can be read (backup_user.c).
 */
#include <unistd.h>

#include "backup/job.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/dialogue.h"
#include "control/ops/backup_int.h"
#include "control/ops/properties.h"

#define PIN_SECONDS 600
#define PIECE ((size_t)256 * 1024)

static bool
say(struct reader *rd, const char *text)
{
	buf_printf(rd->out, "%s\n", text);
	return false;
}

/* ---- the store, its accounts and records ---- */

#define STORE_ID_KEY "backup/store-id"

/* The numbers of blobs and changes have a meaning only within one store: this tells stores
 * apart. */
static enum ts_err
id_of_store(struct store *store, struct buf *id)
{
	enum ts_err err = store_record_get(store, STR(STORE_ID_KEY), id);
	struct store_change *change;
	struct buf text = {0};
	unsigned char bytes[16];

	if (err != TS_NOT_FOUND)
		return err;
	random_bytes(bytes, sizeof(bytes));
	buf_hex(&text, bytes, sizeof(bytes));
	change = store_change_new_records(store, NULL, NULL, NULL);
	change->records = arena_array(change->arena, 1, sizeof(*change->records));
	change->record_count = 1;
	change->records[0].key = STR(STORE_ID_KEY);
	change->records[0].value = arena_str(change->arena, buf_as_str(&text));
	change->records[0].must_be_new = true;
	err = store_submit_wait(change);
	store_change_free(&change);
	buf_fini(&text);
	return err == TS_OK || err == TS_EXISTS ? store_record_get(store, STR(STORE_ID_KEY), id)
	                                        : err;
}

static bool
count_name(struct str name, void *arg)
{
	uint64_t *n = arg;

	(void)name;
	++*n;
	return true;
}

static bool
answer_list(struct reader *rd)
{
	struct buf id = {0}, item = {0};
	uint64_t n = 0;
	enum ts_err err = id_of_store(rd->ops->store, &id);
	bool ok;

	if (err == TS_OK)
		err = store_account_names(rd->ops->store, count_name, &n);
	buf_vstr(&item, buf_as_str(&id));
	buf_varint(&item, n);
	buf_str(&item, store_own_id(rd->ops->store));
	ok = err == TS_OK ? dialogue_send(rd->io, 'i', buf_as_str(&item))
	                  : say(rd, "the accounts cannot be listed: see the log");
	buf_fini(&item);
	buf_fini(&id);
	return ok;
}

static void
put_mark(struct buf *b, const struct store_mark *mark)
{
	buf_le64(b, mark->low);
	buf_le64(b, mark->high);
}

static bool
send_account(struct str name, uint64_t id, const struct store_mark *mark, void *arg)
{
	struct reader *rd = arg;
	struct buf *b = &rd->scratch;

	buf_vstr(b, name);
	put_mark(b, mark);
	buf_varint(b, id);
	if (b->n < PIECE)
		return true;
	rd->lost = !dialogue_send(rd->io, 'n', buf_as_str(b));
	b->n = 0;
	return !rd->lost;
}

static bool
answer_names(struct reader *rd, struct rd *r)
{
	uint64_t most = rd_varint(r);
	struct str from = rd_bytes(r, rd_left(r));
	struct buf *b = &rd->scratch;
	enum ts_err err;

	if (r->bad || most == 0 || most > BACKUP_NAMES)
		return say(rd, "not a question of a backup");
	b->n = 0;
	err = store_account_marks(rd->ops->store, from, (size_t)most, send_account, rd);
	if (err != TS_OK)
		return say(rd, "the accounts cannot be listed: see the log");
	return !rd->lost && (b->n == 0 || dialogue_send(rd->io, 'n', buf_as_str(b)));
}

struct records {
	struct buf all;
	uint64_t n;
};

static bool
collect_record(struct str key, struct str value, void *arg)
{
	struct records *records = arg;

	if (str_eq(key, STR(STORE_ID_KEY)))
		return true;
	buf_vstr(&records->all, key);
	buf_vstr(&records->all, value);
	records->n++;
	return true;
}

static bool
answer_records(struct reader *rd)
{
	struct records records = {0};
	struct buf one = {0};
	enum ts_err err = store_record_list(rd->ops->store, STR(""), collect_record, &records);
	bool ok = err == TS_OK || say(rd, "the server-wide records cannot be read: see the log");
	struct rd r = rd_of(buf_as_str(&records.all));

	buf_varint(&one, records.n);
	ok = ok && dialogue_send(rd->io, 'n', buf_as_str(&one));
	while (ok && rd_left(&r) > 0) {
		one.n = 0;
		buf_vstr(&one, rd_vstr(&r));
		buf_vstr(&one, rd_vstr(&r));
		ok = dialogue_send(rd->io, 'r', buf_as_str(&one));
	}
	buf_wipe_fini(&records.all);
	buf_wipe_fini(&one);
	return ok;
}

/* ---- a user ---- */

static void
forget_user(struct reader *rd)
{
	backup_forget_copies(rd);
	store_account_unref(&rd->account);
	store_pin_free(&rd->pin);
}

/* Then there is nothing to ask: most of a new account is empty. */
static bool
is_empty(const struct copy *c)
{
	return c->uids != NULL && roaring_bitmap_is_empty(c->uids) &&
	       store_keywords_end(c->keywords) == STORE_FIRST_KEYWORD;
}

static void
put_mailbox(struct buf *b, const struct copy *c)
{
	const struct store_counters *n = &c->info.counters;

	buf_varint(b, c->info.id);
	buf_vstr(b, buf_as_str(&c->name));
	buf_varint(b, c->info.use);
	buf_varint(b, c->info.subscribed ? 1 : 0);
	buf_varint(b, n->uidvalidity);
	buf_varint(b, n->uidnext);
	buf_varint(b, n->modseq);
	buf_varint(b, c->same ? 1 : 0);
	buf_varint(b, c->since);
	buf_varint(b, (unsigned)c->err);
	buf_varint(b, is_empty(c) ? 1 : 0);
}

static bool
send_properties(struct reader *rd, size_t place, const struct store_properties *properties)
{
	rd->scratch.n = 0;
	buf_varint(&rd->scratch, place);
	return properties_send(rd->io, 'p', properties, &rd->scratch);
}

static bool
send_all_properties(struct reader *rd)
{
	bool ok = send_properties(rd, 0, rd->properties);

	for (size_t i = 0; ok && i < rd->copy_count; i++)
		ok = send_properties(rd, i + 1, rd->copies[i].properties);
	return ok;
}

/* Computed from exactly what is sent, since a later mark is compared with it. */
static bool
send_mark(struct reader *rd)
{
	struct store_mark mark = {0};

	store_mark_add_properties(&mark, rd->properties);
	for (size_t i = 0; i < rd->copy_count; i++) {
		struct store_mailbox_info info = rd->copies[i].info;

		if (rd->copies[i].err != TS_OK)
			return true;
		info.name = buf_as_str(&rd->copies[i].name);
		store_mark_add(&mark, &info);
		store_mark_add_own(&mark, info.id, rd->copies[i].own);
	}
	rd->scratch.n = 0;
	put_mark(&rd->scratch, &mark);
	return dialogue_send(rd->io, 'k', buf_as_str(&rd->scratch));
}

static bool
load_user(struct reader *rd, struct str name, const struct backup_known *known, size_t n)
{
	enum ts_err err;

	forget_user(rd);
	rd->pin = store_pin_new(rd->ops->store, PIN_SECONDS);
	err = store_account_load(rd->ops->store, name, false, &rd->account);
	if (err != TS_OK)
		return dialogue_send(
		    rd->io, 'x', err == TS_NOT_FOUND ? STR("") : str_of(ts_err_name(err)));
	backup_copy_user(rd, known, n);
	for (size_t i = 0; i < rd->copy_count; i++) {
		rd->scratch.n = 0;
		put_mailbox(&rd->scratch, &rd->copies[i]);
		if (!dialogue_send(rd->io, 'm', buf_as_str(&rd->scratch)))
			return false;
	}
	rd->scratch.n = 0;
	buf_varint(&rd->scratch, store_account_id(rd->account));
	return dialogue_send(rd->io, 'a', buf_as_str(&rd->scratch)) && send_all_properties(rd) &&
	       send_mark(rd);
}

static bool
answer_user(struct reader *rd, struct rd *r)
{
	struct str name = rd_vstr(r);
	struct backup_known *known = NULL;
	size_t n = 0;
	bool ok;

	while (rd_left(r) > 0 && !r->bad) {
		known = mem_realloc(known, (n + 1) * sizeof(*known));
		known[n].id = rd_varint(r);
		known[n].uidvalidity = rd_varint(r);
		known[n++].modseq = rd_varint(r);
	}
	ok = r->bad ? say(rd, "not a question of a backup") : load_user(rd, name, known, n);
	mem_free(known);
	return ok;
}

/* ---- a mailbox ---- */

static bool
send_keywords(struct reader *rd, const struct copy *c)
{
	for (unsigned f = STORE_FIRST_KEYWORD; f < store_keywords_end(c->keywords); f++)
		if (!dialogue_send(rd->io, 'k', store_keywords_name(c->keywords, f)))
			return false;
	return true;
}

/* One whose summary is damaged has lost them. */
static bool
send_ids(uint32_t uid, enum ts_err err, struct str bytes, void *arg)
{
	struct reader *rd = arg;
	struct store_message_ids ids;
	struct mail_summary summary;

	if (err != TS_OK || mail_summary_open(bytes, &summary) != TS_OK ||
	    !store_summary_ids(&summary, &ids))
		return true;
	rd->scratch.n = 0;
	buf_varint(&rd->scratch, uid);
	buf_put(&rd->scratch, &ids, sizeof(ids));
	rd->lost = !dialogue_send(rd->io, 'i', buf_as_str(&rd->scratch));
	return !rd->lost;
}

static bool
send_stored_ids(struct reader *rd, const struct copy *c)
{
	enum { AT_ONCE = 256 };
	uint32_t uids[AT_ONCE];
	roaring_uint32_iterator_t it;
	uint32_t n;

	roaring_init_iterator(c->stored, &it);
	while (!rd->lost && (n = roaring_read_uint32_iterator(&it, uids, AT_ONCE)) > 0)
		store_read_summaries(c->mailbox, uids, n, send_ids, rd);
	return !rd->lost;
}

static bool
answer_mailbox(struct reader *rd, struct rd *r)
{
	uint64_t place = rd_varint(r);
	struct copy *c = place < rd->copy_count ? &rd->copies[place] : NULL;
	struct buf *b = &rd->scratch;
	bool ok;

	if (r->bad || c == NULL || c->mailbox == NULL)
		return say(rd, "not a question of a backup");
	if (!send_keywords(rd, c))
		return false;
	b->n = 0;
	(void)roaring_bitmap_run_optimize(c->uids);
	(void)buf_room(b, roaring_bitmap_portable_size_in_bytes(c->uids));
	b->n = roaring_bitmap_portable_serialize(c->uids, b->p);
	ok = dialogue_send(rd->io, 'u', buf_as_str(b));
	for (size_t at = 0; ok && at < c->messages.n; at += PIECE)
		ok = dialogue_send(rd->io, 'c',
		    (struct str){c->messages.p + at,
		        c->messages.n - at < PIECE ? c->messages.n - at : PIECE});
	return ok && send_stored_ids(rd, c);
}

/* ---- messages ---- */

/* Sends an error of the message itself; false: any other error. */
static bool
send_blob(struct reader *rd, const struct copy *c, uint32_t uid, uint64_t blob)
{
	struct store_message m;
	enum ts_err err = TS_OK;
	unsigned patience = 50;
	bool ok = true;

	for (uint64_t at = 0; ok;) {
		rd->scratch.n = 0;
		err = store_read_blob(rd->ops->store, blob, at, PIECE, &rd->scratch);
		if (err == TS_UNAVAILABLE && patience-- > 0) { /* the engine is being reopened */
			usleep(200000);
			continue;
		}
		if (err != TS_OK || rd->scratch.n == 0)
			break;
		at += rd->scratch.n;
		ok = dialogue_send(rd->io, 'd', buf_as_str(&rd->scratch));
		if (rd->scratch.n < PIECE)
			break;
	}
	if (err == TS_NOT_FOUND) {
		/* Was it expunged before the pin was made, or lost? */
		store_mailbox_read_begin(c->mailbox);
		if (store_mailbox_message(c->mailbox, uid, &m))
			err = TS_DAMAGED;
		store_mailbox_read_end(c->mailbox);
	}
	if (err != TS_OK && err != TS_NOT_FOUND && err != TS_DAMAGED && err != TS_IO)
		return say(rd, "messages cannot be read: see the log");

	char text = (char)err;

	return ok && dialogue_send(rd->io, 'e', (struct str){&text, 1});
}

static bool
answer_blobs(struct reader *rd, struct rd *r)
{
	uint64_t at = rd_varint(r);
	const struct copy *c = at < rd->copy_count ? &rd->copies[at] : NULL;

	if (r->bad || c == NULL || c->mailbox == NULL)
		return say(rd, "not a question of a backup");
	while (rd_left(r) > 0) {
		uint64_t uid = rd_varint(r), blob = rd_varint(r);

		if (r->bad || uid > UINT32_MAX)
			return say(rd, "not a question of a backup");
		if (!store_pin_renew(rd->pin, PIN_SECONDS))
			return say(rd,
			    "the backup waited so long that messages expunged meanwhile may be "
			    "gone: run it again, and it continues where it stopped");
		if (!send_blob(rd, c, (uint32_t)uid, blob))
			return false;
	}
	return true;
}

static bool
answer_question(struct reader *rd, struct str question)
{
	struct rd r = rd_of(question);

	switch (rd_u8(&r)) {
	case 'L':
		return answer_list(rd);
	case 'N':
		return answer_names(rd, &r);
	case 'R':
		return answer_records(rd);
	case 'U':
		return answer_user(rd, &r);
	case 'M':
		return answer_mailbox(rd, &r);
	case 'B':
		return answer_blobs(rd, &r);
	default:
		return say(rd, "not a question of a backup: is the server of another version?");
	}
}

static bool
backup(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct reader rd = {.ops = ops, .io = io, .out = out};
	struct buf question = {0};
	bool ok = true;

	(void)req;
	while (ok && io->receive(io, &question)) {
		ok = answer_question(&rd, buf_as_str(&question));
		question.n = 0;
	}
	forget_user(&rd);
	buf_fini(&rd.scratch);
	buf_fini(&question);
	return ok;
}

const struct op ops_backup[] = {{.verb = "backup", .run = backup}, {.verb = NULL}};
