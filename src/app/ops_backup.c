/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backup reads (backup_run.c asks).  Questions, their numbers varints,
 * strings with their length before them:
 *
 *	'L'                     -> 'i' number of this store; 'n' name, each account
 *	'R'                     -> 'r' key, value: each server-wide record
 *	'U' name, then id uidvalidity modseq of each mailbox known to the asker
 *	                        -> 'm' each mailbox (see put_mailbox()), or 'x': no such account
 *	'M' place in that list  -> 'k' each keyword; 'u' set of UIDs; 'c' messages that are new or
 *	                           changed since the known modseq
 *	'B' place, then uid blob of each message wanted
 *	                        -> for each 'd' its bytes, in pieces, then 'e' an error's number
 *
 * From 'U' on the store's blobs are pinned, up to the next 'U' or the end.  All
 * mailboxes of the user are of one moment, unless they change faster than they
 * can be looked at (settle()).
 */
#include <unistd.h>

#include "app/dialogue.h"
#include "app/ops.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define PIN_SECONDS 600
#define WINDOW 512
#define PIECE ((uint64_t)256 * 1024)
#define ROUNDS 16

struct copy { /* a mailbox as it was */
	struct store_mailbox_info info;
	struct buf name;
	enum ts_err err;
	bool same;      /* nothing happened since the asker looked */
	uint64_t since; /* what he knows */
	struct store_mailbox *mailbox;
	roaring_bitmap_t *uids, *changed;
	struct store_message *messages; /* changed ones, ascending */
	size_t count;
};

struct reader {
	const struct ops *ops;
	struct op_io *io;
	struct buf *out;
	struct store_pin *pin;
	struct store_account *account;
	struct copy *copies;
	size_t copy_count;
	struct buf scratch;
};

static bool
say(struct reader *rd, const char *text)
{
	buf_printf(rd->out, "%s\n", text);
	return false;
}

/* ---- the store, its accounts and records ---- */

#define STORE_ID_KEY "backup/store-id"

/* Numbers of blobs and changes mean something within one store only: this tells stores apart. */
static enum ts_err
store_id(struct store *store, struct buf *id)
{
	enum ts_err err = store_record_get(store, STR(STORE_ID_KEY), id);
	struct store_change *change;
	struct buf text = {0};
	unsigned char bytes[16];

	if (err != TS_NOT_FOUND)
		return err;
	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		buf_printf(&text, "%02x", bytes[i]);
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
collect_name(struct str name, void *arg)
{
	buf_vstr(arg, name);
	return true;
}

static bool
answer_list(struct reader *rd)
{
	struct buf names = {0}, id = {0};
	enum ts_err err = store_id(rd->ops->store, &id);
	bool ok = true;

	if (err == TS_OK)
		err = store_account_names(rd->ops->store, collect_name, &names);
	if (err != TS_OK)
		ok = say(rd, "the accounts cannot be listed: see the log");

	struct rd r = rd_of(buf_as_str(&names));

	ok = ok && dialogue_send(rd->io, 'i', buf_as_str(&id));
	while (ok && rd_left(&r) > 0)
		ok = dialogue_send(rd->io, 'n', rd_vstr(&r));
	buf_fini(&names);
	buf_fini(&id);
	return ok;
}

static bool
collect_record(struct str key, struct str value, void *arg)
{
	if (str_eq(key, STR(STORE_ID_KEY)))
		return true;
	buf_vstr(arg, key);
	buf_vstr(arg, value);
	return true;
}

static bool
answer_records(struct reader *rd)
{
	struct buf all = {0}, one = {0};
	enum ts_err err = store_record_list(rd->ops->store, STR(""), collect_record, &all);
	bool ok = err == TS_OK || say(rd, "the server-wide records cannot be read: see the log");
	struct rd r = rd_of(buf_as_str(&all));

	while (ok && rd_left(&r) > 0) {
		one.n = 0;
		buf_vstr(&one, rd_vstr(&r));
		buf_vstr(&one, rd_vstr(&r));
		ok = dialogue_send(rd->io, 'r', buf_as_str(&one));
	}
	buf_wipe_fini(&all);
	buf_wipe_fini(&one);
	return ok;
}

/* ---- a user ---- */

static void
copy_fini(struct copy *c)
{
	store_mailbox_unref(&c->mailbox);
	if (c->uids != NULL)
		roaring_bitmap_free(c->uids);
	if (c->changed != NULL)
		roaring_bitmap_free(c->changed);
	mem_free(c->messages);
	buf_fini(&c->name);
}

static void
forget_user(struct reader *rd)
{
	for (size_t i = 0; i < rd->copy_count; i++)
		copy_fini(&rd->copies[i]);
	mem_free(rd->copies);
	rd->copies = NULL;
	rd->copy_count = 0;
	store_account_unref(&rd->account);
	store_pin_free(&rd->pin);
}

static bool
collect_mailbox(const struct store_mailbox_info *info, void *arg)
{
	struct reader *rd = arg;

	rd->copies = mem_realloc(rd->copies, (rd->copy_count + 1) * sizeof(*rd->copies));
	rd->copies[rd->copy_count] = (struct copy){.info = *info};
	buf_str(&rd->copies[rd->copy_count].name, info->name);
	rd->copy_count++;
	return true;
}

/* Copies what is new since the last look; the first time since what the asker knows. */
static void
look(struct copy *c)
{
	uint64_t since = c->uids != NULL ? c->info.counters.modseq : c->since;
	roaring_bitmap_t *changed = c->changed != NULL ? c->changed : roaring_bitmap_create();

	if (c->uids != NULL)
		roaring_bitmap_free(c->uids);
	store_mailbox_read_begin(c->mailbox);
	c->uids = roaring_bitmap_copy(store_mailbox_uids(c->mailbox));
	store_mailbox_changed_since(c->mailbox, since, changed);
	roaring_bitmap_and_inplace(changed, c->uids);

	size_t n = (size_t)roaring_bitmap_get_cardinality(changed);

	c->messages = mem_realloc(c->messages, (n + 1) * sizeof(*c->messages));
	c->count = store_mailbox_window(c->mailbox, changed, 0, c->messages, n);
	c->info.counters.modseq = store_mailbox_modseq(c->mailbox);
	store_mailbox_read_end(c->mailbox);
	/* Counters take a lock of their own: UIDNEXT may be ahead, which does no harm. */
	struct store_counters now;

	store_mailbox_counters(c->mailbox, &now);
	c->info.counters.uidnext = now.uidnext;
	c->changed = changed;
}

struct settling {
	struct reader *rd;
	size_t at;
	bool *moved, any;
};

static bool
compare(const struct store_mailbox_info *info, void *arg)
{
	struct settling *s = arg;
	struct reader *rd = s->rd;

	while (s->at < rd->copy_count && rd->copies[s->at].info.id != info->id)
		s->at++;
	if (s->at == rd->copy_count)
		return false;
	if (rd->copies[s->at].err == TS_OK &&
	    rd->copies[s->at].info.counters.modseq < info->counters.modseq)
		s->moved[s->at] = s->any = true;
	s->at++;
	return true;
}

static void
look_again(struct reader *rd, struct copy *c)
{
	c->same = false;
	if (c->mailbox == NULL)
		c->err = store_mailbox_load(rd->account, buf_as_str(&c->name), &c->mailbox);
	if (c->mailbox != NULL)
		look(c);
}

/*
 * A message moved while mailboxes are looked at one by one could be in neither
 * or in both.  So look again at what moved on, until nothing has; a round takes
 * microseconds.
 */
static void
settle(struct reader *rd)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct settling s = {.rd = rd};

		s.moved = mem_zalloc(rd->copy_count + 1);
		store_account_list(rd->account, compare, &s);
		for (size_t i = 0; i < rd->copy_count; i++)
			if (s.moved[i])
				look_again(rd, &rd->copies[i]);
		mem_free(s.moved);
		if (!s.any)
			return;
	}
}

struct known {
	uint64_t id, uidvalidity, modseq;
};

static void
open_copy(struct reader *rd, struct copy *c, const struct known *known, size_t n)
{
	const struct store_counters *now = &c->info.counters;

	for (size_t i = 0; i < n; i++)
		if (known[i].id == c->info.id && known[i].uidvalidity == now->uidvalidity &&
		    known[i].modseq <= now->modseq)
			c->since = known[i].modseq;
	c->same = c->since > 0 && c->since == now->modseq;
	if (c->info.id == 0)
		return;
	/* One that seems the same is not loaded; settle() sees when it changes now. */
	if (!c->same)
		c->err = store_mailbox_load(rd->account, buf_as_str(&c->name), &c->mailbox);
	if (c->mailbox != NULL)
		look(c);
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
}

static bool
load_user(struct reader *rd, struct str name, const struct known *known, size_t n)
{
	enum ts_err err;

	forget_user(rd);
	rd->pin = store_pin_new(rd->ops->store, PIN_SECONDS);
	err = store_account_load(rd->ops->store, name, false, &rd->account);
	if (err != TS_OK)
		return dialogue_send(
		    rd->io, 'x', err == TS_NOT_FOUND ? STR("") : str_of(ts_err_name(err)));
	store_account_list(rd->account, collect_mailbox, rd);
	for (size_t i = 0; i < rd->copy_count; i++)
		open_copy(rd, &rd->copies[i], known, n);
	settle(rd);
	for (size_t i = 0; i < rd->copy_count; i++) {
		rd->scratch.n = 0;
		put_mailbox(&rd->scratch, &rd->copies[i]);
		if (!dialogue_send(rd->io, 'm', buf_as_str(&rd->scratch)))
			return false;
	}
	return true;
}

static bool
answer_user(struct reader *rd, struct rd *r)
{
	struct str name = rd_vstr(r);
	struct known *known = NULL;
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

static void
put_message(struct buf *b, const struct store_message *m)
{
	buf_varint(b, m->uid);
	buf_varint(b, m->size);
	buf_varint(b, m->modseq);
	buf_varint(b, m->blob);
	buf_le64(b, (uint64_t)m->internaldate);
	buf_le64(b, (uint64_t)m->savedate);
	buf_le32(b, (uint32_t)(int32_t)m->zone);
	for (unsigned w = 0; w < STORE_FLAG_WORDS; w++)
		buf_varint(b, m->flags.w[w]);
}

static bool
send_keywords(struct reader *rd, const struct copy *c)
{
	unsigned n;

	store_mailbox_read_begin(c->mailbox);
	n = store_mailbox_flag_count(c->mailbox);
	store_mailbox_read_end(c->mailbox);
	for (unsigned f = STORE_FIRST_KEYWORD; f < n; f++) {
		struct str name;

		store_mailbox_read_begin(c->mailbox);
		name = store_mailbox_keyword(c->mailbox, f);
		store_mailbox_read_end(c->mailbox);
		if (!dialogue_send(rd->io, 'k', name))
			return false;
	}
	return true;
}

static bool
answer_mailbox(struct reader *rd, struct rd *r)
{
	uint64_t at = rd_varint(r);
	struct copy *c = at < rd->copy_count ? &rd->copies[at] : NULL;
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
	for (size_t i = 0; ok && i < c->count;) {
		b->n = 0;
		for (size_t end = i + WINDOW; i < end && i < c->count; i++)
			put_message(b, &c->messages[i]);
		ok = dialogue_send(rd->io, 'c', buf_as_str(b));
	}
	return ok;
}

/* ---- messages ---- */

/* An error that is the message's own is sent; false: anything else. */
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
		/* Expunged before the pin was there, or lost? */
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
			    "gone: start it again, it goes on where it was");
		if (!send_blob(rd, c, (uint32_t)uid, blob))
			return false;
	}
	return true;
}

static bool
answer(struct reader *rd, struct str question)
{
	struct rd r = rd_of(question);

	switch (rd_u8(&r)) {
	case 'L':
		return answer_list(rd);
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
		ok = answer(&rd, buf_as_str(&question));
		question.n = 0;
	}
	forget_user(&rd);
	buf_fini(&rd.scratch);
	buf_fini(&question);
	return ok;
}

const struct op ops_backup[] = {{.verb = "backup", .run = backup}, {.verb = NULL}};
