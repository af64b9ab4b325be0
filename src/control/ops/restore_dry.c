/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A restore that changes nothing: the questions of restore.c, answered as they would be.  What only
 * a real run knows: whether there is room for a mailbox (store.max_mailboxes) and for a keyword,
 * whether a new mailbox can have its UIDVALIDITY, and what others change meanwhile.
 */
#include "control/dialogue.h"
#include "control/ops/restore_int.h"

static bool
look_at_record(struct writer *w, struct rd *r)
{
	struct str key = rd_vstr(r), user = STR_NONE;
	const char *fault = r->bad ? NULL : restore_record_fault(w->ops->auth, key, &user);
	struct buf value = {0};
	enum ts_err err;
	char made;

	if (fault != NULL)
		return restore_refuse_record(w, user, fault);
	err = r->bad ? TS_INVALID : store_record_get(w->ops->store, key, &value);
	buf_wipe_fini(&value);
	made = err == TS_NOT_FOUND;
	return err == TS_OK || made ? dialogue_send(w->io, 'k', (struct str){&made, 1})
	                            : restore_say(w, "a record", err);
}

static bool
look_at_account(struct writer *w, struct rd *r)
{
	struct str name = rd_vstr(r);
	bool user = rd_varint(r) != 0;
	enum ts_err err;

	if (r->bad)
		return restore_bad_question(w);
	store_mailbox_unref(&w->mailbox);
	store_account_unref(&w->account);
	w->account_name.n = 0;
	buf_str(&w->account_name, name);
	if (user && !restore_is_user(w, name))
		return false;
	err = store_account_load(w->ops->store, name, false, &w->account);
	if (err != TS_OK && err != TS_NOT_FOUND)
		return restore_say(w, "the account", err);
	properties_dry_begin(&w->properties, store_options_of(w->ops->store), w->account);
	return w->account == NULL ||
	       restore_send_properties(w, store_account_properties(w->account));
}

/* One that would be made, perhaps in place of one that never had a message. */
static bool
send_new(struct writer *w, uint32_t uidvalidity)
{
	w->scratch.n = 0;
	buf_varint(&w->scratch, uidvalidity);
	buf_varint(&w->scratch, 1);
	return dialogue_send(w->io, 'm', buf_as_str(&w->scratch)) &&
	       (w->mailbox == NULL ||
	           restore_send_properties(w, store_mailbox_properties(w->mailbox)));
}

static bool
look_at_mailbox(struct writer *w, struct rd *r)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct str name = restore_read_name(w, r, arena);
	struct store_counters c = {.uidnext = 1};
	enum ts_err err = TS_NOT_FOUND;
	uint32_t uidvalidity;
	bool ok;

	(void)rd_varint(r); /* use, subscribed */
	(void)rd_varint(r);
	uidvalidity = (uint32_t)rd_varint(r);
	store_mailbox_unref(&w->mailbox);
	w->properties.more = 0;
	if (!r->bad && w->account != NULL)
		err = store_mailbox_load(w->account, name, &w->mailbox);
	if (err == TS_OK)
		store_mailbox_counters(w->mailbox, &c);
	if (r->bad)
		ok = restore_bad_question(w);
	else if (err != TS_OK && err != TS_NOT_FOUND)
		ok = restore_say_mailbox(w, "the mailbox", name, err);
	else
		ok = c.messages == 0 && c.uidnext == 1 ? send_new(w, uidvalidity)
		                                       : restore_send_mailbox(w);
	arena_free(&arena);
	return ok;
}

/* NULL: it would be done, and is counted; or there is one already. */
static const char *
look_at_property(struct writer *w, const struct store_property_op *op,
    const struct store_properties *there, uint64_t *done)
{
	bool has = store_properties_get(there, op->name).p != NULL;
	const char *why = NULL;

	if (has && op->must_be_new)
		return NULL;
	if (op->remove)
		properties_dry_remove(&w->properties, there, op->name);
	else
		why = properties_dry_put(&w->properties, there, op->name, op->value);
	*done += why == NULL;
	return why;
}

static bool
look_at_properties(struct writer *w, struct rd *r)
{
	bool of_mailbox = rd_varint(r) == 1, ok = true, good;
	struct restore_refusal refusal = {w, of_mailbox ? rd_vstr(r) : STR_NONE};
	struct store_properties *there = NULL;
	struct store_property_op op;
	uint64_t done = 0;

	good = !r->bad;
	if (of_mailbox && w->mailbox != NULL)
		there = store_mailbox_properties(w->mailbox);
	else if (!of_mailbox && w->account != NULL)
		there = store_account_properties(w->account);
	while (ok && good && rd_left(r) > 0) {
		const char *why = NULL;

		good = restore_take_property(r, &op);
		if (good)
			why = look_at_property(w, &op, there, &done);
		if (why != NULL)
			ok = restore_refuse_property(op.name, why, &refusal);
	}
	store_properties_unref(&there);
	w->scratch.n = 0;
	buf_varint(&w->scratch, done);
	return good ? ok && dialogue_send(w->io, 's', buf_as_str(&w->scratch))
	            : restore_bad_question(w);
}

bool
restore_answer_dry(struct writer *w, struct str question)
{
	struct rd r = rd_of(question);

	switch (rd_u8(&r)) {
	case 'K':
		return look_at_record(w, &r);
	case 'A':
		return look_at_account(w, &r);
	case 'M':
		return look_at_mailbox(w, &r);
	case 'H':
		return restore_send_sums(w, &r);
	case 'Y':
		return look_at_properties(w, &r);
	case 'S':
	case 'W':
	case 'F':
	case 'V':
	case 'R':
		return true;
	default:
		return restore_bad_question(w);
	}
}
