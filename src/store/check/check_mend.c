/* SPDX-License-Identifier: Apache-2.0 */
/* Repair of a mailbox: writes it again from what could be read. */
#include <stdio.h>

#include "mail/summary.h"
#include "store/check/check_int.h"

/* ---- the index ---- */

static void
tidy_flags(struct state *s)
{
	char name[40];

	for (unsigned f = 0; f < s->flag_count; f++)
		if (s->flag[f] != NULL)
			roaring_bitmap_and_inplace(s->flag[f], s->uids);
	for (unsigned f; (f = state_nameless(s)) < STORE_FLAGS_MAX;) {
		(void)snprintf(name, sizeof name, "lost-keyword-%u", f);
		keywords_put(&s->keywords, f, str_of(name));
	}
	for (unsigned f = STORE_FIRST_KEYWORD; f < store_keywords_end(s->keywords); f++)
		if (keywords_stored(s->keywords, f).p != NULL &&
		    store_keywords_name(s->keywords, f).p == NULL) {
			(void)snprintf(name, sizeof name, "lost-keyword-%u", f);
			keywords_put(&s->keywords, f, str_of(name));
		}
}

static void
count_all(struct looked *l)
{
	struct counters_row *c = &l->counters;
	struct state *s = l->state;
	const roaring_bitmap_t *seen = state_flagged(s, STORE_SEEN);
	const roaring_bitmap_t *del = state_flagged(s, STORE_DELETED);

	c->messages = (uint32_t)roaring_bitmap_get_cardinality(s->uids);
	c->unseen =
	    c->messages - (seen != NULL ? (uint32_t)roaring_bitmap_get_cardinality(seen) : 0);
	c->deleted = del != NULL ? (uint32_t)roaring_bitmap_get_cardinality(del) : 0;
	c->size = c->deleted_size = 0;
	for (size_t i = 0; i < s->chunk_count; i++)
		for (uint32_t j = 0; j < s->chunk[i]->n; j++) {
			const struct record *r = &s->chunk[i]->rec[j];

			c->size += r->size;
			if (del != NULL && roaring_bitmap_contains(
			                       del, s->chunk[i]->number << CHUNK_BITS | r->off))
				c->deleted_size += r->size;
			if (c->modseq < r->modseq)
				c->modseq = r->modseq;
		}
	if (c->messages > 0 && roaring_bitmap_maximum(s->uids) >= c->uidnext)
		c->uidnext = roaring_bitmap_maximum(s->uids) + 1;
	if (c->modseq < s->counters.modseq)
		c->modseq = s->counters.modseq;
	if (c->recent_mark >= c->uidnext)
		c->recent_mark = c->uidnext - 1;
	c->recent = state_count_above(s, c->recent_mark);
}

static void
put_header(const struct looked *l, struct engine_batch *batch, struct buf *b)
{
	struct key k;

	key_index(&k, l->account, l->mailbox, KEY_HEADER);
	value_begin(b);
	/* Older expunges are no longer known one by one. */
	state_put_header(l->state, l->counters.modseq, l->counters.modseq, b);
	batch_put_value(batch, &k, b);
}

static void
put_index(const struct looked *l, struct engine_batch *batch)
{
	const struct state *s = l->state;
	struct key k, end;
	struct buf b = {0};

	key_index(&k, l->account, l->mailbox, 0);
	key_index(&end, l->account, l->mailbox, KEY_SUMMARY);
	engine_batch_delete_range(batch, key_str(&k), key_str(&end));
	put_header(l, batch, &b);
	for (size_t i = 0; i < s->chunk_count; i++) {
		key_index(&k, l->account, l->mailbox, KEY_BLOCK);
		key_be32(&k, s->chunk[i]->number);
		value_begin(&b);
		block_encode(s, s->chunk[i], &b);
		batch_put_value(batch, &k, &b);
	}
	key_begin(&k, l->account, KEY_COUNTERS);
	key_be32(&k, l->mailbox);
	value_begin(&b);
	value_put_counters(&b, &l->counters);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

/* ---- messages ---- */

static void
forget_message(const struct looked *l, uint32_t uid, struct engine_batch *batch)
{
	const struct record *r = state_record(l->state, uid);
	struct key k;

	key_index(&k, l->account, l->mailbox, KEY_SUMMARY);
	key_be32(&k, uid);
	engine_batch_delete(batch, key_str(&k));
	if (r == NULL)
		return;
	key_ref(&k, KEY_REF, l->account, r->blob, l->mailbox, uid);
	engine_batch_delete(batch, key_str(&k));
}

/* Removes messages from the index whose bytes are gone.  The engine keeps their files if
 * damaged. */
static void
drop_gone(struct check *c, struct looked *l, struct engine_batch *batch)
{
	struct delta *d = delta_new(l->counters.modseq);
	roaring_uint32_iterator_t it;

	for (roaring_init_iterator(l->gone, &it); it.has_value;
	     roaring_advance_uint32_iterator(&it)) {
		const struct record *r = state_record(l->state, it.current_value);

		forget_message(l, it.current_value, batch);
		if (r != NULL)
			(void)engine_blob_set_aside(
			    c->store->engine, r->blob, ENGINE_ASIDE_DAMAGED);
	}
	d->expunged = roaring_bitmap_copy(l->gone);
	state_apply(l->state, d);
	delta_free(&d);
}

static void
put_summary(struct check *c, struct looked *l, uint32_t uid, const struct record *r,
    struct engine_batch *batch)
{
	struct buf bytes = {0}, b = {0};
	struct key k;

	if (store_read_blob(c->store, r->blob, 0, UINT64_MAX, &bytes) == TS_OK) {
		key_index(&k, l->account, l->mailbox, KEY_SUMMARY);
		key_be32(&k, uid);
		value_begin(&b);
		mail_summarize(buf_as_str(&bytes), &c->store->opt.mail, &b);
		batch_put_value(batch, &k, &b);
	}
	buf_fini(&bytes);
	buf_fini(&b);
}

static enum ts_err
mend_messages(struct check *c, struct looked *l, struct engine_batch *batch)
{
	const struct state *s = l->state;
	enum ts_err err = TS_OK;

	for (size_t i = 0; i < s->chunk_count; i++)
		for (uint32_t j = 0; j < s->chunk[i]->n && err == TS_OK; j++) {
			const struct record *r = &s->chunk[i]->rec[j];
			uint32_t uid = s->chunk[i]->number << CHUNK_BITS | r->off;
			struct key k;

			key_ref(&k, KEY_REF, l->account, r->blob, l->mailbox, uid);
			if (roaring_bitmap_contains(l->unreferred, uid))
				batch_put_empty(batch, &k);
			if (!roaring_bitmap_contains(l->summaries, uid))
				put_summary(c, l, uid, r, batch);
			/* Each is right by itself, so they need not be in the index's batch. */
			if (engine_batch_bytes(batch) > (8 << 20)) {
				err = check_commit(c, batch);
				engine_batch_clear(batch);
			}
		}
	return err;
}

enum ts_err
check_mend(struct check *c, struct looked *l)
{
	struct engine_batch *batch = engine_batch_new();
	enum ts_err err = mend_messages(c, l, batch);
	roaring_uint32_iterator_t it;
	bool lost = !l->has_counters;

	if (lost) {
		l->counters = (struct counters_row){.uidnext = 1, .modseq = 1};
		err = err == TS_OK ? check_renew(c, l->account, l->mailbox) : err;
	}
	tidy_flags(l->state);
	count_all(l);
	l->counters.modseq++; /* makes everybody who knows the mailbox look again */
	for (roaring_init_iterator(l->bad, &it); it.has_value; roaring_advance_uint32_iterator(&it))
		if (!roaring_bitmap_contains(l->state->uids, it.current_value))
			forget_message(l, it.current_value, batch);
	if (!roaring_bitmap_is_empty(l->gone))
		drop_gone(c, l, batch);
	count_all(l);
	put_index(l, batch);
	if (err == TS_OK)
		err = check_commit(c, batch);
	engine_batch_free(&batch);
	return err;
}

/* ---- messages that lost their place ---- */

static enum ts_err
find_mailbox(struct check *c, uint64_t account, struct str name, uint32_t *id_r)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	key_begin(&k, account, KEY_INFO);
	scan_begin(&scan, c->store, &k);
	*id_r = 0;
	while (*id_r == 0 && ((err = scan_next(&scan)) == TS_OK || scan.key.n > 0)) {
		struct rd r = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});

		if (err == TS_OK && scan.body.n > 16 &&
		    str_eq((struct str){scan.body.p + 16, scan.body.n - 16}, name))
			*id_r = rd_be32(&r);
	}
	scan_end(&scan);
	return *id_r != 0 ? TS_OK : err == TS_OK ? TS_NOT_FOUND : err;
}

static enum ts_err
make_mailbox(struct check *c, uint64_t account, const char *name, uint32_t *id_r)
{
	struct looked l = {.account = account};
	struct engine_batch *batch = engine_batch_new();
	uint32_t uidvalidity;
	enum ts_err err = check_raise_account(c, account, id_r, &uidvalidity);

	if (err == TS_OK) {
		l.mailbox = *id_r;
		l.state = state_new();
		l.counters = (struct counters_row){.uidnext = 1, .modseq = 1};
		put_index(&l, batch);
		err = check_commit(c, batch);
		state_free(&l.state);
	}
	engine_batch_free(&batch);
	return err == TS_OK ? check_put_info(c, account, *id_r, name, uidvalidity) : err;
}

static enum ts_err
find_account(struct check *c, struct str name, uint64_t *id_r)
{
	struct engine_batch *batch = engine_batch_new();
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;
	enum ts_err err;

	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, name);
	err = check_get(c, &k, &b, &body);
	if (err == TS_OK) {
		struct rd r = rd_of(body);

		*id_r = rd_le64(&r);
	} else if (err == TS_NOT_FOUND) {
		*id_r = store_id_new(c->store, ID_ACCOUNT);
		account_put_name(*id_r, name, batch);
		account_put_new(*id_r, name, store_wall(c->store), NULL, 0, batch);
		err = *id_r != 0 ? check_commit(c, batch) : TS_UNAVAILABLE;
	}
	engine_batch_free(&batch);
	buf_fini(&b);
	return err;
}

enum ts_err
check_lost_and_found(struct check *c, uint64_t *account, uint32_t *mailbox_r)
{
	enum ts_err err = *account != 0 ? TS_OK : find_account(c, STR("lost+found"), account);

	if (err == TS_OK)
		err = find_mailbox(c, *account, STR("Lost and found"), mailbox_r);
	if (err == TS_NOT_FOUND)
		err = make_mailbox(c, *account, "Lost and found", mailbox_r);
	return err;
}

/* Returns false if its bytes are gone as well. */
static bool
adopt_one(struct check *c, struct delta *d, const struct adopt *a, uint32_t uid)
{
	struct buf bytes = {0}, summary = {0};
	struct mail_summary s = {0};
	struct store_message *m;
	bool rescued, whole = check_read_blob(c, a->blob, &bytes, &rescued) == TS_OK;

	if (whole) {
		mail_summarize(buf_as_str(&bytes), &c->store->opt.mail, &summary);
		m = delta_add_message(d);
		m->uid = uid;
		m->blob = a->blob;
		m->size = (uint32_t)bytes.n;
		m->savedate = m->internaldate = store_wall(c->store);
		if (mail_summary_open(buf_as_str(&summary), &s) == TS_OK &&
		    (s.flags & MAIL_SUMMARY_DATED) != 0)
			m->internaldate = s.sent;
	}
	buf_fini(&bytes);
	buf_fini(&summary);
	return whole;
}

enum ts_err
check_adopt(struct check *c, uint64_t account, uint32_t mailbox, const struct adopt *list, size_t n,
    size_t *taken_r)
{
	struct looked l = {.account = account, .mailbox = mailbox};
	enum ts_err err = check_look(c, &l, true);
	struct delta *d;

	*taken_r = 0;
	if ((err != TS_OK && err != TS_DAMAGED) || l.unreadable) {
		looked_fini(&l);
		return err == TS_OK ? TS_DAMAGED : err;
	}
	d = delta_new(l.counters.modseq + 1);
	for (size_t i = 0; i < n; i++) {
		uint32_t uid = list[i].uid != 0 ? list[i].uid : l.counters.uidnext++;

		if (adopt_one(c, d, &list[i], uid))
			roaring_bitmap_add(l.unreferred, uid);
	}
	*taken_r = d->added_count;
	state_apply(l.state, d);
	delta_free(&d);
	err = check_mend(c, &l);
	looked_fini(&l);
	return err;
}
