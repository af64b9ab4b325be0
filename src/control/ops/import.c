/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operation `import`: adds a mailstream to an account.
 *
 * It may be interrupted at any moment and run again: a message that the mailbox already has (same
 * size, INTERNALDATE and SHA-256 of the bytes, each counted once) is left out.  So nothing has to
 * be remembered elsewhere, and whatever is not acknowledged is simply sent again.  Only messages
 * with the same size and date are read for that.
 *
 * A mailbox or message that the store refuses is named, counted and left out; the rest goes on.
 */
#include "control/ops/import_int.h"
#include "control/ops/ops.h"
#include "control/ops/target.h"
#include "net/loop.h"
#include "net/work.h"
#include "wire/utf7.h"

static const char *
reason(enum ts_err err)
{
	return err == TS_LIMIT     ? "a limit is reached (store.max_keywords, "
	                             "store.max_mailboxes, or no UIDs are left)"
	       : err == TS_UNKNOWN ? "it may or may not be on disk: run it again"
	       : err == TS_INVALID ? "the name is not allowed, or somebody else "
	                             "delivered into the mailbox: run it again"
	                           : ts_err_name(err);
}

bool
import_fail(struct import *im, const char *what, enum ts_err err)
{
	buf_printf(im->out, "%s %.*s: ", what, STR_ARG(buf_as_str(&im->name)));
	if (err == TS_FULL)
		ops_put_full(im->ops, im->out);
	else
		buf_printf(im->out, "%s\n", reason(err));
	return false;
}

void
import_leave_out(struct import *im, const struct mailstream_message *m, const char *why)
{
	struct str name = buf_as_str(&im->name);

	im->refused += m == NULL;
	if (im->left_out++ >= IMPORT_NAMED_MAX)
		return;
	buf_printf(im->out, "left out: mailbox %.*s", STR_ARG(name));
	if (m != NULL)
		buf_printf(im->out, ", a message of %llu bytes", (unsigned long long)m->size);
	if (m != NULL && m->uid != 0)
		buf_printf(im->out, " with UID %u", m->uid);
	buf_printf(im->out, ": %s\n", why);
}

/* ---- mailboxes ---- */

static enum ts_err
list_change(struct import *im, enum store_change_kind kind, const struct mailstream_mailbox *m,
    struct store_mailbox *old, uint32_t *uidvalidity_r)
{
	struct store_change *c = store_change_new(im->account, kind, NULL, NULL, NULL);
	enum ts_err err;

	c->name = arena_str(c->arena, m->name);
	c->use = m->use;
	c->mailbox = old;
	c->wish_uidvalidity = m->uidvalidity;
	c->wish_modseq = m->modseq;
	c->wish_object_id = arena_str(c->arena, m->object_id);
	err = store_submit_wait(c);
	*uidvalidity_r = c->uidvalidity;
	store_change_free(&c);
	return err;
}

static bool
wants_other_id(const struct store_mailbox *mailbox, const struct mailstream_mailbox *m)
{
	char id[STORE_OBJECT_ID];

	return m->object_id.n > 0 && !str_eq(store_mailbox_object_id(mailbox, id), m->object_id);
}

/* Makes or finds the mailbox; reports it if it cannot keep its identity. */
static enum ts_err
find_mailbox(struct import *im, const struct mailstream_mailbox *m)
{
	struct store_counters c = {0};
	uint32_t given = 0;
	enum ts_err err;

	im->made = false;
	if (im->dry)
		return import_dry_mailbox(im, m);
	err = store_mailbox_load(im->account, m->name, &im->mailbox);

	if (err == TS_OK)
		store_mailbox_counters(im->mailbox, &c);
	if (err == TS_OK && c.messages == 0 && c.uidnext == 1 &&
	    (c.uidvalidity != m->uidvalidity || wants_other_id(im->mailbox, m)) &&
	    (m->uidvalidity != 0 || m->use != 0)) {
		err = list_change(im, STORE_CHANGE_CREATE, m, im->mailbox, &given);
		im->made = err == TS_OK;
		store_mailbox_unref(&im->mailbox);
	} else if (err == TS_NOT_FOUND) {
		err = list_change(im, STORE_CHANGE_CREATE, m, NULL, &given);
		im->made = err == TS_OK;
	} else if (err == TS_OK) {
		given = c.uidvalidity;
	}
	if (err == TS_OK && im->mailbox == NULL)
		err = store_mailbox_load(im->account, m->name, &im->mailbox);
	if (err != TS_OK)
		return err;
	store_mailbox_counters(im->mailbox, &c);
	im->next = c.uidnext;
	im->keep_uids = given == m->uidvalidity || c.uidnext == 1;
	if (m->uidvalidity != 0 && given != m->uidvalidity)
		buf_printf(im->out,
		    "note: %.*s has UIDVALIDITY %u, not %u: the name has had mail already\n",
		    STR_ARG(m->name), given, m->uidvalidity);
	return TS_OK;
}

static bool
end_mailbox(struct import *im)
{
	bool ok = im->mailbox == NULL || im->dry || import_flush(im);

	if (im->dry)
		import_dry_end_mailbox(im);
	if (ok && im->mailbox != NULL && !im->dry && im->keep_uids && im->uidnext > im->next) {
		struct store_change *c =
		    store_change_new(im->account, STORE_CHANGE_RAISE, NULL, NULL, NULL);

		c->mailbox = im->mailbox;
		c->wish_uidnext = im->uidnext;
		ok = store_submit_wait(c) == TS_OK || import_fail(im, "UIDNEXT of", c->err);
		store_change_free(&c);
	}
	store_mailbox_unref(&im->mailbox);
	import_known_fini(im);
	return ok;
}

static bool
begin_normal(struct import *im, const struct mailstream_mailbox *m)
{
	enum ts_err err = TS_OK;
	uint32_t none;

	if (!end_mailbox(im))
		return false;
	im->name.n = 0;
	buf_str(&im->name, m->name);
	im->total += m->messages;
	im->uidnext = m->uidnext;
	im->skipping = false;
	if (wire_name_fault(m->name) != NULL)
		err = TS_INVALID;
	if (err == TS_OK && m->exists)
		err = find_mailbox(im, m);
	if (err == TS_OK && m->subscribed && !im->dry)
		err = list_change(im, STORE_CHANGE_SUBSCRIBE, m, NULL, &none);
	if (err == TS_OK && m->subscribed && !m->exists && im->dry)
		import_dry_subscription(im, m->name);
	if (err == TS_INVALID || err == TS_LIMIT) {
		store_mailbox_unref(&im->mailbox);
		im->skipping = true;
		import_leave_out(im, NULL,
		    err == TS_INVALID
		        ? "the name is not allowed"
		        : "there are as many as store.max_mailboxes, or the user's quota, allows");
		return true;
	}
	if (err != TS_OK)
		return import_fail(im, "mailbox", err);
	if (im->mailbox != NULL)
		import_find_known(im);
	return true;
}

/* File systems and other servers may spell the same name differently. */
static bool
begin_mailbox(struct import *im, const struct mailstream_mailbox *m)
{
	struct arena *a = arena_new(NULL, ARENA_OTHER, 512);
	struct mailstream_mailbox normal = *m;
	bool ok;

	normal.name = wire_name_kept(a, m->name);
	ok = begin_normal(im, &normal);
	arena_free(&a);
	return ok;
}

/* ---- all ---- */

static bool
take_record(struct import *im, const struct mailstream_record *rec)
{
	if (im->skipping && rec->tag != MAILSTREAM_MAILBOX) {
		im->left_out += rec->tag == MAILSTREAM_MESSAGE || rec->tag == MAILSTREAM_PROPERTY;
		im->refused += rec->tag == MAILSTREAM_PROPERTY;
		return true;
	}
	switch (rec->tag) {
	case MAILSTREAM_MAILBOX:
		return begin_mailbox(im, &rec->mailbox);
	case MAILSTREAM_PROPERTY:
		return import_take_property(im, &rec->property);
	case MAILSTREAM_IDS:
		import_take_ids(im, rec->data);
		return true;
	case MAILSTREAM_DATA:
		import_take_data(im, rec->data);
		return true;
	case MAILSTREAM_MESSAGE:
		return import_take_message(im, &rec->message);
	case MAILSTREAM_DROP:
		import_drop_message(im);
		return true;
	case MAILSTREAM_VERSION_TAG:
	case MAILSTREAM_END:
		return true;
	}
	return false;
}

static bool
import_stream(struct import *im)
{
	struct mailstream_record rec;

	while (!im->in.ended) {
		enum mailstream_got got = mailstream_next(&im->in, &rec);

		if (got == MAILSTREAM_BAD) {
			buf_puts(im->out, "the stream of messages is damaged\n");
			return false;
		}
		if (got == MAILSTREAM_GOT) {
			if (!take_record(im, &rec))
				return false;
		} else if (!im->io->receive(im->io, &im->in.bytes)) {
			(void)import_flush(im); /* keep what is complete */
			buf_puts(im->out, "ended early: run it again to go on\n");
			return false;
		}
	}
	return end_mailbox(im);
}

/* Finds the user's account; makes it if the user has no mail yet. */
static bool
find_user_account(struct import *im, const struct request *req)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	const char *why = NULL;
	struct str name = request_get(req, "name"), user;
	enum ts_err err = target_owner(im->ops, name, arena, &user, &why);
	bool known = err == TS_OK;

	if (err == TS_OK)
		err = im->dry ? store_account_load(im->ops->store, user, false, &im->account)
		              : store_account_load_bare(im->ops->store, user, &im->account);
	if (err == TS_NOT_FOUND && im->dry && known)
		err = TS_OK; /* it would be made */
	if (err == TS_NOT_FOUND)
		buf_printf(im->out, "there is no user %.*s\n", STR_ARG(name));
	else if (err != TS_OK)
		buf_printf(im->out, "%s\n", why != NULL ? why : ts_err_name(err));
	arena_free(&arena);
	return err == TS_OK;
}

static bool
import_or_tell(
    const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io, bool dry)
{
	struct import im = {.ops = ops, .io = io, .out = out, .dry = dry};
	bool ok;

	im.loop = loop_new_fake();
	im.pool = work_pool_new(0);
	im.md = EVP_MD_CTX_new();
	TS_ASSERT(im.md != NULL);
	ok = find_user_account(&im, req);
	if (ok && dry)
		import_dry_begin(&im);
	ok = ok && import_stream(&im);
	store_upload_free(&im.upload);
	store_change_free(&im.batch);
	store_mailbox_unref(&im.mailbox);
	loop_fake_run(im.loop);
	if (ok)
		buf_printf(out,
		    "messages: %llu\nthere already: %llu\nnew uids: %llu\n"
		    "not imported: %llu\nothers not imported: %llu\nproperties: %llu\n",
		    (unsigned long long)im.added, (unsigned long long)im.known,
		    (unsigned long long)im.renumbered, (unsigned long long)im.left_out,
		    (unsigned long long)im.refused, (unsigned long long)im.properties);
	import_known_fini(&im);
	import_dry_fini(&im);
	mailstream_in_fini(&im.in);
	buf_fini(&im.name);
	EVP_MD_CTX_free(im.md);
	if (im.account != NULL)
		store_account_unref(&im.account);
	work_pool_free(&im.pool);
	loop_free(&im.loop);
	return ok;
}

static bool
import(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	return import_or_tell(ops, req, out, io, false);
}

/* A verb of its own, so that a server that does not know it changes nothing either. */
static bool
import_dry(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	return import_or_tell(ops, req, out, io, true);
}

const struct op ops_import[] = {
    {.verb = "import", .run = import}, {.verb = "import-dry", .run = import_dry}, {.verb = NULL}};
