/* SPDX-License-Identifier: Apache-2.0 */
/* Copying a user's mailboxes as they are at one moment. */
#include "control/ops/backup_int.h"

#include "base/mem.h"
#include "control/ops/seen.h"
#include "store/own_seen.h"

#define WINDOW 512
#define ROUNDS 16

static void
copy_fini(struct copy *c)
{
	store_mailbox_unref(&c->mailbox);
	store_properties_unref(&c->properties);
	store_keywords_unref(&c->keywords);
	if (c->uids != NULL)
		roaring_bitmap_free(c->uids);
	if (c->changed != NULL)
		roaring_bitmap_free(c->changed);
	if (c->stored != NULL)
		roaring_bitmap_free(c->stored);
	buf_fini(&c->messages);
	buf_fini(&c->name);
}

void
backup_forget_copies(struct reader *rd)
{
	for (size_t i = 0; i < rd->copy_count; i++)
		copy_fini(&rd->copies[i]);
	mem_free(rd->copies);
	rd->copies = NULL;
	rd->copy_count = 0;
	store_properties_unref(&rd->properties);
}

/* The list's name and properties are valid only in the callback. */
static void
keep_properties(struct copy *c, const struct store_properties *now)
{
	store_properties_unref(&c->properties);
	c->properties = store_properties_ref(now);
	c->info.properties = c->properties;
}

static bool
collect_mailbox(const struct store_mailbox_info *info, void *arg)
{
	struct reader *rd = arg;
	struct copy *c;

	rd->copies = mem_realloc(rd->copies, (rd->copy_count + 1) * sizeof(*rd->copies));
	c = &rd->copies[rd->copy_count++];
	*c = (struct copy){.info = *info};
	keep_properties(c, info->properties);
	buf_str(&c->name, info->name);
	return true;
}

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

/* Called with the mailbox's lock held. */
static void
copy_messages(struct copy *c, const struct store_reader *reader, const roaring_bitmap_t *uids,
    struct store_message *window)
{
	uint32_t from = 0;
	size_t n = WINDOW;

	c->messages.n = 0;
	if (c->stored != NULL)
		roaring_bitmap_free(c->stored);
	c->stored = roaring_bitmap_create();
	while (n == WINDOW) {
		n = store_reader_window(reader, uids, from, window, WINDOW);
		for (size_t i = 0; i < n; i++) {
			put_message(&c->messages, &window[i]);
			if (store_message_has_ids(&window[i]))
				roaring_bitmap_add(c->stored, window[i].uid);
		}
		from = n > 0 ? window[n - 1].uid + 1 : 0;
		if (from == 0)
			break;
	}
}

/* Copies what is new since the last call; the first time, since what the asker knows. */
static void
copy_changes(struct copy *c)
{
	struct store_reader reader = {.mailbox = c->mailbox};
	uint64_t since = c->uids != NULL ? c->info.counters.modseq : c->since;
	roaring_bitmap_t *changed = c->changed != NULL ? c->changed : roaring_bitmap_create();

	if (c->uids != NULL)
		roaring_bitmap_free(c->uids);
	struct store_message *window = mem_zalloc(WINDOW * sizeof(*window));

	store_reader_begin(&reader);
	c->uids = roaring_bitmap_copy(store_mailbox_uids(c->mailbox));
	c->own = store_reader_is_own(&reader) ? reader.seen->u : 0;
	/* What the owner marks read raises no MODSEQ of the mailbox. */
	store_mailbox_changed_since(c->mailbox, store_reader_is_own(&reader) ? 0 : since, changed);
	roaring_bitmap_and_inplace(changed, c->uids);

	copy_messages(c, &reader, changed, window);
	store_keywords_unref(&c->keywords);
	c->keywords = store_mailbox_keywords(c->mailbox);
	c->info.counters.modseq = store_mailbox_modseq(c->mailbox);
	store_reader_end(&reader);
	mem_free(window);
	/* Counters have a lock of their own: UIDNEXT may be ahead, which does no harm. */
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
check_unchanged(const struct store_mailbox_info *info, void *arg)
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
	if (rd->copies[s->at].properties != info->properties) {
		keep_properties(&rd->copies[s->at], info->properties);
		s->any = true;
	}
	s->at++;
	return true;
}

/* A table never changes, and a referenced one keeps its address, so comparing pointers suffices. */
static void
settle_properties(struct settling *s)
{
	struct store_properties *now = store_account_properties(s->rd->account);

	s->any |= now != s->rd->properties;
	store_properties_unref(&s->rd->properties);
	s->rd->properties = now;
}

static void
copy_again(struct reader *rd, struct copy *c)
{
	c->same = false;
	if (c->mailbox == NULL)
		c->err = store_mailbox_load(rd->account, buf_as_str(&c->name), &c->mailbox);
	if (c->mailbox != NULL)
		copy_changes(c);
}

/*
 * A message that is moved while we read one mailbox after another could be in neither or in both,
 * and properties may belong together.  So this reads again whatever has changed, until nothing has;
 * a round takes microseconds.
 */
static void
settle(struct reader *rd)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct settling s = {.rd = rd};

		s.moved = mem_zalloc(rd->copy_count + 1);
		store_account_list(rd->account, check_unchanged, &s);
		settle_properties(&s);
		for (size_t i = 0; i < rd->copy_count; i++)
			if (s.moved[i])
				copy_again(rd, &rd->copies[i]);
		mem_free(s.moved);
		if (!s.any)
			return;
	}
}

static void
open_copy(struct reader *rd, struct copy *c, const struct backup_known *known, size_t n)
{
	const struct store_counters *now = &c->info.counters;
	bool own;

	for (size_t i = 0; i < n; i++)
		if (known[i].id == c->info.id && known[i].uidvalidity == now->uidvalidity &&
		    known[i].modseq <= now->modseq)
			c->since = known[i].modseq;
	/* What the owner marks read raises no MODSEQ of the mailbox. */
	own = store_properties_count(c->properties) > 0 &&
	      store_properties_get(c->properties, STR(STORE_OWN_SEEN_PROPERTY)).p != NULL;
	c->same = c->since > 0 && c->since == now->modseq && !own;
	if (c->info.id == 0)
		return;
	/* A mailbox that seems unchanged is not loaded; settle() notices if it changes now. */
	if (!c->same)
		c->err = store_mailbox_load(rd->account, buf_as_str(&c->name), &c->mailbox);
	if (c->mailbox != NULL)
		copy_changes(c);
}

void
backup_copy_user(struct reader *rd, const struct backup_known *known, size_t n)
{
	store_account_list(rd->account, collect_mailbox, rd);
	rd->properties = store_account_properties(rd->account);
	for (size_t i = 0; i < rd->copy_count; i++)
		open_copy(rd, &rd->copies[i], known, n);
	settle(rd);
}
