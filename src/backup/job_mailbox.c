/* SPDX-License-Identifier: Apache-2.0 */
/* A mailbox in a run of a backup: what is known about it, and its changes, chunk by chunk. */
#include "backup/job_int.h"

static bool
take_mailbox_item(char type, struct str bytes, void *arg)
{
	struct run *r = arg;

	switch (type) {
	case 'k':
		buf_vstr(&r->keywords, bytes);
		r->keyword_count++;
		return true;
	case 'u':
		if (r->uids != NULL)
			roaring_bitmap_free(r->uids);
		r->uids = roaring_bitmap_portable_deserialize_safe(bytes.p, bytes.n);
		return r->uids != NULL || run_fail(r, "the server sent no set of UIDs");
	case 'c':
		buf_str(&r->changed, bytes);
		return true;
	case 'i':
		buf_str(&r->ids, bytes);
		return true;
	default:
		return run_fail(r, "the server answered what was not asked");
	}
}

static void
set_keywords(struct run *r, struct backup_mailbox *mb)
{
	struct rd rd = rd_of(buf_as_str(&r->keywords));

	mb->keyword_count = r->keyword_count;
	mb->keywords = arena_array(r->user_arena, r->keyword_count, sizeof(*mb->keywords));
	for (size_t i = 0; i < r->keyword_count; i++)
		mb->keywords[i] = arena_str(r->user_arena, rd_vstr(&rd));
}

static enum outcome
do_chunks(struct run *r, struct head *h, size_t place, const struct backup_mailbox *old)
{
	uint64_t total = roaring_bitmap_get_cardinality(r->uids);
	uint64_t most = (uint64_t)UINT32_MAX / BACKUP_CHUNK_UIDS + 1;
	roaring_uint32_iterator_t it;
	enum outcome out = DONE;

	h->mb.chunks = arena_array(
	    r->user_arena, (size_t)(total < most ? total : most), sizeof(*h->mb.chunks));
	roaring_init_iterator(r->uids, &it);
	while (it.has_value && out == DONE) {
		uint32_t number = it.current_value / BACKUP_CHUNK_UIDS;

		out = run_do_chunk(r, h, place, old, number);
		r->job->progress("messages", r->job->messages + h->mb.messages, 0, r->job->arg);
		if (number == UINT32_MAX / BACKUP_CHUNK_UIDS)
			break;
		(void)roaring_move_uint32_iterator_equalorlarger(
		    &it, (number + 1) * BACKUP_CHUNK_UIDS);
	}
	return out;
}

static bool
ask_mailbox(struct run *r, size_t place)
{
	struct buf q = {0};
	bool ok;

	if (r->heads[place].empty) {
		r->uids = roaring_bitmap_create();
		return true;
	}
	buf_putc(&q, 'M');
	buf_varint(&q, place);
	ok = dialogue_ask(r->d, buf_as_str(&q), take_mailbox_item, r) && r->uids != NULL;
	buf_fini(&q);
	return ok;
}

static enum outcome
read_mailbox(struct run *r, size_t place, const struct backup_mailbox *old)
{
	struct head *h = &r->heads[place];

	r->keywords.n = r->keyword_count = r->changed.n = r->ids.n = 0;
	if (r->uids != NULL)
		roaring_bitmap_free(r->uids);
	r->uids = NULL;
	if (!ask_mailbox(r, place))
		return FAILED;
	set_keywords(r, &h->mb);
	r->changed_rd = rd_of(buf_as_str(&r->changed));
	r->ids_rd = rd_of(buf_as_str(&r->ids));
	r->changed_uid = 0;
	return do_chunks(r, h, place, h->since > 0 ? old : NULL);
}

/* The server cannot read the mailbox: keeps it as in the last run, if it was there. */
static bool
keep_old(struct run *r, struct head *h, const struct backup_mailbox *old)
{
	struct buf text = {0};
	bool ok;

	buf_printf(&text, "user %.*s, mailbox %.*s: %s%s", STR_ARG(r->user), STR_ARG(h->mb.name),
	    ts_err_name((enum ts_err)h->err), old != NULL ? "; kept as the last run has it" : "");
	ok = run_note_damage(r, buf_as_str(&text));
	buf_fini(&text);
	if (old != NULL)
		h->mb = *old;
	return ok;
}

/* Copies what does not change with messages. */
static void
keep_same(struct head *h, const struct backup_mailbox *old)
{
	struct backup_mailbox now = h->mb;

	h->mb = *old;
	h->mb.name = now.name;
	h->mb.use = now.use;
	h->mb.subscribed = now.subscribed;
	h->mb.uidnext = now.uidnext;
}

enum outcome
run_do_mailbox(struct run *r, size_t place, const struct backup_mailbox *old)
{
	struct head *h = &r->heads[place];

	if (h->err != TS_OK)
		return keep_old(r, h, old) ? DONE : FAILED;
	if (!h->same || old == NULL)
		return read_mailbox(r, place, old);
	keep_same(h, old);
	return DONE;
}
