/* SPDX-License-Identifier: Apache-2.0 */
/* A restore, user by user, mailbox by mailbox; control/ops/restore.c does the writing. */
#include "backup/restore_int.h"

#include "base/mem.h"
#include "store/store.h"

#define SHOWN 60 /* most bytes shown of a name */

/* Takes what was left out.  A keyword that found no room is named once for each mailbox. */
static bool
take_lost(char type, struct str bytes, void *arg)
{
	struct rest *r = arg;
	struct rd lost = rd_of(buf_as_str(&r->lost));
	struct buf what = {0};

	if (type == 'n') { /* a record, a property */
		buf_str(&what, bytes);
		restore_damaged(r, &what);
		buf_fini(&what);
	}
	if (type == 's') { /* properties put or removed */
		struct rd n = rd_of(bytes);

		r->job->properties += rd_varint(&n);
	}
	if (type == 'q') { /* messages that the quota has no room for */
		struct rd n = rd_of(bytes);

		r->unfit += rd_varint(&n);
	}
	if (type != 'o')
		return true;
	while (rd_left(&lost) > 0)
		if (str_ieq(rd_vstr(&lost), bytes))
			return true;
	buf_vstr(&r->lost, bytes);
	buf_printf(&what, "mailbox %.*s: no room for the keyword %.*s%s (store.max_keywords)",
	    STR_ARG(buf_as_str(&r->target)), bytes.n < SHOWN ? (int)bytes.n : SHOWN, bytes.p,
	    bytes.n > SHOWN ? "..." : "");
	restore_damaged(r, &what);
	buf_fini(&what);
	return true;
}

bool
restore_tell(struct rest *r, const struct buf *question)
{
	return dialogue_ask(r->d, buf_as_str(question), take_lost, r);
}

void
restore_damaged(struct rest *r, struct buf *what)
{
	r->job->damaged++;
	r->job->damage(buf_cstr(what), r->job->arg);
	what->n = 0;
}

/* Says what became of messages that found no room. */
static void
tell_unfit(struct rest *r, const char *verb, uint64_t *counted)
{
	struct buf what = {0};

	if (r->unfit == 0)
		return;
	buf_printf(&what,
	    "user %.*s, mailbox %.*s: %llu message%s %s: the quota has no room for more (see "
	    "`turnstone quota show`)",
	    STR_ARG(r->user), STR_ARG(buf_as_str(&r->target)), (unsigned long long)r->unfit,
	    r->unfit == 1 ? "" : "s", verb);
	restore_damaged(r, &what);
	buf_fini(&what);
	*counted -= r->unfit < *counted ? r->unfit : *counted;
	r->unfit = 0;
}

/* ---- a mailbox ---- */

/* tell: report a damaged chunk; it is read twice. */
static bool
get_chunk(struct rest *r, size_t i, bool tell, size_t *n_r)
{
	struct buf what = {0};

	*n_r = 0;
	if (backup_chunk_get(r->job->folder, &r->mb->chunks[i], r->chunk, n_r, &what) != TS_OK &&
	    tell)
		restore_damaged(r, &what);
	buf_fini(&what);
	return *n_r > 0;
}

/* Matches messages that still have their UIDs first. */
static bool
match_uids(struct rest *r)
{
	bool ok = true;
	size_t n;

	for (size_t i = 0; ok && i < r->mb->chunk_count && r->same && r->count > 0; i++) {
		if (!get_chunk(r, i, false, &n))
			continue;
		for (size_t j = 0; ok && j < n; j++) {
			struct there *t = restore_by_uid(r, r->chunk[j].uid);

			if (t == NULL || t->size != r->chunk[j].size)
				continue;
			t->matched = true;
			r->job->there++;
			ok = !r->job->exact || restore_set_flags(r, &r->chunk[j], t);
		}
	}
	return ok && restore_flush_flags(r);
}

static bool
do_message(struct rest *r, const struct backup_message *m)
{
	struct there *t = r->same ? restore_by_uid(r, m->uid) : NULL;

	if ((t != NULL && t->size == m->size) || backup_hash_none(&m->hash))
		return true;
	if (!restore_by_content(r, m, &t))
		return false;
	if (t == NULL)
		return restore_add(r, m);
	t->matched = true;
	r->job->there++;
	return !r->job->exact || restore_set_flags(r, m, t);
}

static bool
do_messages(struct rest *r)
{
	uint64_t done = 0;
	bool ok = true;
	size_t n;

	for (size_t i = 0; ok && i < r->mb->chunk_count; i++) {
		if (!get_chunk(r, i, true, &n))
			continue;
		for (size_t j = 0; ok && j < n; j++)
			ok = do_message(r, &r->chunk[j]);
		done += n;
		r->job->progress("messages", done, r->mb->messages, r->job->arg);
	}
	ok = ok && restore_flush(r) && restore_flush_flags(r);
	tell_unfit(r, "left out", &r->job->added);
	return ok;
}

static bool
set_aside(struct rest *r)
{
	bool ok = !r->job->exact || restore_set_aside(r);

	tell_unfit(r, "not set aside", &r->job->aside);
	return ok;
}

static bool
raise_mailbox(struct rest *r)
{
	struct buf q = {0};
	bool ok;

	if (!r->same)
		return true;
	buf_putc(&q, 'R');
	buf_varint(&q, r->mb->uidnext);
	buf_varint(&q, r->mb->modseq);
	ok = restore_tell(r, &q);
	buf_fini(&q);
	return ok;
}

static void
name_target(struct rest *r)
{
	r->target.n = 0;
	if (r->job->into != NULL)
		buf_puts(&r->target, r->job->into);
	if (r->job->into != NULL && r->job->mailbox == NULL)
		buf_putc(&r->target, '/');
	if (r->job->into == NULL || r->job->mailbox == NULL)
		buf_str(&r->target, r->mb->name);
}

static bool
fill_mailbox(struct rest *r, bool all_properties)
{
	const struct backup_properties *properties = &r->mb->properties;
	bool in_place = r->job->into == NULL;

	return (!in_place || restore_properties(r, true, properties, all_properties)) &&
	       match_uids(r) && do_messages(r) && set_aside(r) &&
	       (!in_place || restore_limits(r, true, properties)) && raise_mailbox(r);
}

static bool
do_mailbox(struct rest *r, const struct backup_mailbox *mb, bool all_properties)
{
	struct buf q = {0};
	bool ok;

	r->mb = mb;
	name_target(r);
	r->lost.n = 0;
	if (r->target.n > STORE_NAME_MAX) {
		buf_printf(&q, "mailbox %.*s...: its name is too long", SHOWN, r->target.p);
		restore_damaged(r, &q);
		buf_fini(&q);
		return true;
	}
	if (mb->id == 0) {
		buf_putc(&q, 'S');
		buf_vstr(&q, mb->name);
		ok = r->job->into != NULL || restore_tell(r, &q);
		buf_fini(&q);
		return ok;
	}
	ok = restore_open_mailbox(r);
	if (ok && r->refused) {
		buf_printf(&q,
		    "user %.*s: the mailbox %.*s is left out: the quota allows no more mailboxes "
		    "(see `turnstone quota show`)",
		    STR_ARG(r->user), STR_ARG(buf_as_str(&r->target)));
		restore_damaged(r, &q);
		buf_fini(&q);
		return true;
	}
	ok = ok && fill_mailbox(r, all_properties);
	r->job->mailboxes += ok;
	return ok;
}

/* ---- a user ---- */

static bool
do_records(struct rest *r)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct backup_record *records = NULL;
	struct buf what = {0}, q = {0}, key = {0};
	size_t n = 0;
	bool ok = true;

	arena_wipe_on_free(arena);
	if (r->job->user != NULL)
		buf_printf(&key, "user/%s", r->job->user);
	if (backup_records_get(r->job->folder, &r->job->run->records, arena, &records, &n, &what) !=
	    TS_OK)
		restore_damaged(r, &what);
	for (size_t i = 0; ok && i < n; i++) {
		if (key.n > 0 && !str_eq(records[i].key, buf_as_str(&key)))
			continue;
		q.n = 0;
		buf_putc(&q, 'K');
		buf_vstr(&q, records[i].key);
		buf_vstr(&q, records[i].value);
		if (q.n <= DIALOGUE_PIECE) {
			ok = restore_tell(r, &q);
			continue;
		}
		buf_printf(&what, "the record %.*s is too large", STR_ARG(records[i].key));
		restore_damaged(r, &what);
	}
	buf_wipe_fini(&q);
	buf_fini(&what);
	buf_fini(&key);
	arena_free(&arena);
	return ok;
}

static bool
same_mailbox(struct str name, const char *typed)
{
	return str_eq(name, str_of(typed)) ||
	       (str_eq(name, STR("INBOX")) && str_ieq(name, str_of(typed)));
}

static bool
do_user(struct rest *r, const struct backup_run_user *u)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 65536);
	struct backup_user user;
	struct buf what = {0};
	bool ok = true, found = r->job->mailbox == NULL, read = true;
	bool whole = found && r->job->into == NULL;

	r->account = u->account;
	r->user = r->job->as_user != NULL ? str_of(r->job->as_user) : u->name;
	if (backup_user_get(r->job->folder, &u->hash, arena, &user, &what) != TS_OK) {
		restore_damaged(r, &what);
		user.mailbox_count = 0;
		found = true;
		read = false;
	} else {
		ok = restore_open_account(r, r->user, r->job->as_user != NULL);
		if (ok && whole)
			ok = restore_properties(r, false, &user.properties, user.told);
	}
	for (size_t i = 0; ok && i < user.mailbox_count; i++) {
		if (r->job->mailbox != NULL &&
		    !same_mailbox(user.mailboxes[i].name, r->job->mailbox))
			continue;
		found = true;
		ok = do_mailbox(r, &user.mailboxes[i], user.told);
	}
	r->properties.n = 0; /* of the last mailbox; limits that the account has stay */
	if (ok && whole && read)
		ok = restore_limits(r, false, &user.properties);
	if (ok && !found) {
		buf_printf(&r->job->why, "the run %.*s has no mailbox %s of %.*s",
		    STR_ARG(r->job->run->id), r->job->mailbox, STR_ARG(u->name));
		ok = false;
	}
	r->job->users += ok;
	buf_fini(&what);
	arena_free(&arena);
	return ok;
}

static bool
do_all(struct rest *r)
{
	const struct backup_run *run = r->job->run;
	bool ok = r->job->as_user != NULL || r->job->mailbox != NULL ||
	          backup_hash_none(&run->records) || do_records(r);

	for (size_t i = 0; ok && i < run->user_count; i++)
		if (r->job->user == NULL || str_eq(run->users[i].name, str_of(r->job->user)))
			ok = do_user(r, &run->users[i]);
	return ok;
}

void
restore_job_run(struct restore_job *job, struct dialogue *d)
{
	struct rest *r = mem_zalloc(sizeof(*r));

	r->job = job;
	r->d = d;
	job->done = do_all(r);
	buf_fini(&r->target);
	buf_fini(&r->batch);
	buf_fini(&r->flags);
	buf_fini(&r->flags_head);
	buf_fini(&r->lost);
	buf_fini(&r->properties);
	restore_there_fini(r);
	mem_free(r);
}
