/* SPDX-License-Identifier: Apache-2.0 */
/* APPEND: messages, all or none. */
#include "base/mem.h"
#include "store/kinds/steps_int.h"

static enum ts_err
item_flags(struct change_delta *cd, const struct store_append_item *item, struct store_change *c,
    struct store_flags *flags)
{
	enum ts_err err = TS_OK;

	flags->w[0] = item->flags.w[0] & ((1u << STORE_FIRST_KEYWORD) - 1);
	flags_bound(&c->bounds, flags);
	for (size_t i = 0; i < item->keyword_count && err == TS_OK &&
	                   flag_in_bounds(&c->bounds, STORE_FIRST_KEYWORD);
	     i++) {
		int flag = delta_keyword_flag(cd, item->keywords[i]);

		if (flag < 0)
			err = keyword_refused(c, cd, item->keywords[i]);
		else
			store_flags_set(flags, (unsigned)flag);
	}
	return err;
}

static enum ts_err
append_flags(struct change_delta *cd, struct store_change *c, struct store_flags *flags)
{
	uint32_t next = cd->c.uidnext;

	for (size_t i = 0; i < c->item_count; i++) {
		const struct store_upload *u = c->items[i].upload;
		enum ts_err err = item_flags(cd, &c->items[i], c, &flags[i]);

		if (err == TS_OK && c->items[i].uid != 0) {
			err = c->items[i].uid < next ? TS_INVALID : TS_OK;
			next = c->items[i].uid;
		}
		if (err == TS_OK && next++ == UINT32_MAX)
			err = refuse(c, STORE_LIMIT_UIDS);
		if (err == TS_OK && (u == NULL || !u->finished || u->taken))
			err = TS_INVALID;
		if (err == TS_OK)
			err = u->err;
		if (err == TS_OK && u->size > UINT32_MAX)
			err = TS_LIMIT;
		if (err != TS_OK)
			return err;
	}
	return TS_OK;
}

static void
append_item(struct change_delta *cd, const struct store_append_item *item,
    const struct store_flags *flags, int64_t now)
{
	struct store_upload *u = item->upload, *origin = upload_origin(u);
	struct store_message m = {.size = (uint32_t)u->size,
	    .blob = u->blob,
	    .internaldate = item->internaldate != 0 || item->dated ? item->internaldate : now,
	    .savedate = item->savedate != 0 ? item->savedate : now,
	    .zone = item->zone,
	    .flags = *flags};

	if (!u->in_file && !origin->stored)
		engine_batch_put_blob(cd->b->ops, u->blob, buf_as_str(&origin->bytes));
	if (item->uid != 0)
		cd->c.uidnext = item->uid;
	delta_message(cd, &m, buf_as_str(&origin->summary));
	u->taken = true;
}

/* A notice needs no room: it says that there is none. */
static enum ts_err
append_room(struct store_change *c)
{
	struct room more = {.messages = c->item_count};

	if (c->kind != STORE_CHANGE_APPEND)
		return TS_OK;
	for (size_t i = 0; i < c->item_count; i++)
		more.bytes += c->items[i].upload->size;
	return room_for(c, c->mailbox, &more);
}

enum ts_err
append_prepare(struct batch *b, struct store_change *c)
{
	enum ts_err err = prepare_usable(c->mailbox);

	/* Refused by itself, so that changes that free space are not refused along with it. */
	if (err == TS_OK && c->item_count > 0 && engine_full(b->lane->store->engine))
		err = TS_FULL;
	if (err == TS_OK) /* asks for the mailbox's name, so not with its lock */
		err = append_room(c);
	if (err != TS_OK)
		return err;

	struct store_flags *flags = mem_zalloc((c->item_count + 1) * sizeof *flags);
	struct change_delta cd;

	delta_begin(&cd, b, c->mailbox);
	cd.any_length = c->restoring;
	err = append_flags(&cd, c, flags);
	c->uidvalidity = c->mailbox->head.uidvalidity;
	c->first_uid = c->item_count > 0 && c->items[0].uid != 0 ? c->items[0].uid : cd.c.uidnext;
	c->modseq = cd.c.modseq;
	if (err != TS_OK || c->item_count == 0) {
		delta_abort(&cd);
		mem_free(flags);
		return err;
	}
	for (size_t i = 0; i < c->item_count; i++)
		append_item(&cd, &c->items[i], &flags[i], store_wall(b->lane->store));
	delta_commit(&cd);
	c->modseq = c->mailbox->head.c.modseq;
	mem_free(flags);
	return TS_OK;
}

void
append_apply(struct batch *b, struct store_change *c)
{
	(void)b;
	for (size_t i = 0; i < c->item_count; i++)
		upload_origin(c->items[i].upload)->stored = true;
}

/* If the batch is on disk after all, its reference protects the blob. */
void
append_undo(struct batch *b, struct store_change *c, bool doubt)
{
	(void)b;
	(void)doubt;
	for (size_t i = 0; i < c->item_count; i++) {
		c->items[i].upload->taken = false;
		c->items[i].upload->tried = c->mailbox->account->id;
	}
}

void
append_send(struct store_change *c)
{
	if (claims_needed(c))
		claims_submit(c);
	else
		lane_enqueue(c);
}
