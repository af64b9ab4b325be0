/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run of a backup.  A user whose mark is the same as in the last run is carried over with one
 * line.  For every other user: get what the last run knows and what happened since; then, chunk by
 * chunk (1,024 UIDs), make the new list from the old one and the changes.  New messages are fetched
 * and stored under their checksums.  So memory holds what the operation sends about a mailbox's
 * changed messages, some 40 bytes each, and never bodies.
 */
#include "backup/job_int.h"

#include "backup/usernames.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/store.h"

#define RECORDS_PIECE ((size_t)64 * 1024)

bool
run_fail(struct run *r, const char *text)
{
	buf_puts(&r->job->why, text);
	return false;
}

bool
run_note_damage(struct run *r, struct str text)
{
	struct buf copy = {0};
	bool ok = backup_run_damaged(r->w, text, &r->job->why);

	buf_str(&copy, text);
	r->job->damaged++;
	r->job->damage(buf_cstr(&copy), r->job->arg);
	buf_fini(&copy);
	return ok;
}

/* ---- names and records ---- */

static bool
take_store(char type, struct str bytes, void *arg)
{
	struct run *r = arg;
	struct rd rd = rd_of(bytes);

	(void)type;
	buf_str(&r->store, rd_vstr(&rd));
	r->accounts = rd_varint(&rd);
	buf_str(&r->own, rd_bytes(&rd, STORE_OWN_ID_BYTES));
	return !rd.bad || run_fail(r, "the server answered what was not asked");
}

static bool
take_accounts(char type, struct str bytes, void *arg)
{
	struct run *r = arg;

	if (type != 'n')
		return run_fail(r, "the server answered what was not asked");
	buf_str(&r->asked, bytes);
	return true;
}

/* Asks for up to `most` accounts from that name on, into r->asked. */
static bool
ask_accounts(struct run *r, struct str from, unsigned most)
{
	struct buf q = {0};
	bool ok;

	r->asked.n = 0;
	buf_putc(&q, 'N');
	buf_varint(&q, most);
	buf_str(&q, from);
	ok = dialogue_ask(r->d, buf_as_str(&q), take_accounts, r);
	buf_fini(&q);
	return ok;
}

static bool
next_account(struct rd *rd, struct account *a)
{
	if (rd_left(rd) == 0)
		return false;
	a->name = rd_vstr(rd);
	a->mark.low = rd_le64(rd);
	a->mark.high = rd_le64(rd);
	a->id = rd_varint(rd);
	return !rd->bad;
}

/* Writes the list of records into its object as it comes: its number first, then each record. */
struct recording {
	struct run *r;
	struct buf out;
	uint64_t left;
	bool begun;
};

static bool
push_records(struct recording *c)
{
	bool ok = backup_object_write(c->r->job->folder, buf_as_str(&c->out), &c->r->job->why);

	c->out.n = 0;
	return ok;
}

static void
count_record(struct backup_record_counts *c, struct str key)
{
	if (str_has_prefix(key, STR("user/")))
		c->users++;
	else if (str_has_prefix(key, STR("grant/")))
		c->grants++;
	else if (str_has_prefix(key, STR("alias/")))
		c->aliases++;
	else
		c->others++;
}

static bool
take_record(char type, struct str bytes, void *arg)
{
	struct recording *c = arg;
	struct rd rd = rd_of(bytes);

	if (!c->begun && type == 'n') {
		c->left = rd_varint(&rd);
		c->begun = backup_object_begin(c->r->job->folder, &c->r->job->why);
		backup_records_head(c->left, &c->out);
		return c->begun && (!rd.bad || run_fail(c->r, "the server sent half a number"));
	}
	if (!c->begun || type != 'r' || c->left-- == 0)
		return run_fail(c->r, "the server answered what was not asked");
	count_record(&c->r->job->records, rd_vstr(&rd));
	buf_str(&c->out, bytes);
	return c->out.n < RECORDS_PIECE || push_records(c);
}

static bool
save_records(struct run *r)
{
	struct recording c = {.r = r};
	struct backup_hash hash;
	bool ok = dialogue_ask(r->d, STR("R"), take_record, &c);

	if (ok && (!c.begun || c.left > 0))
		ok = run_fail(r, "the server sent fewer records than it has");
	ok = ok && push_records(&c) && backup_object_end(r->job->folder, &hash, &r->job->why);
	if (!ok && c.begun)
		backup_object_abort(r->job->folder);
	buf_wipe_fini(&c.out);
	return ok && backup_run_records(r->w, &hash, &r->job->why);
}

/* ---- what the last run knows ---- */

/* Only runs of this store: in runs of others all numbers mean something else. */
static bool
load_base(struct run *r)
{
	struct str *ids;
	size_t n;
	struct buf what = {0};
	struct backup_run run;

	if (r->job->full)
		return true;
	if (!backup_run_ids(r->job->folder, r->arena, &ids, &n, &r->job->why))
		return false;
	r->base.runs = arena_array(r->arena, n + 1, sizeof(*r->base.runs));
	if (backup_run_unfinished(r->job->folder, r->arena, &run) == TS_OK &&
	    str_eq(run.store, buf_as_str(&r->store)))
		r->base.runs[r->base.count++] = run;
	/* Several, since a run of only some users may follow one of all. */
	run.whole = false;
	for (size_t i = n; !run.whole && i-- > 0 && i + 8 >= n;) {
		what.n = 0;
		if (backup_run_get(r->job->folder, ids[i], r->arena, &run, &what) != TS_OK)
			r->job->damage(buf_cstr(&what), r->job->arg);
		else if (str_eq(run.store, buf_as_str(&r->store)))
			r->base.runs[r->base.count++] = run;
		else
			run.whole = false;
	}
	buf_fini(&what);
	return true;
}

/* What an interrupted run names may not exist, unless a finished one has it too. */
static bool
is_there(struct run *r, const struct backup_run *in, const struct backup_run_user *u)
{
	struct buf what = {0};
	uint64_t size;
	bool there = in->finished;

	for (size_t i = 0; i < r->base.count && !there; i++) {
		const struct backup_run_user *other =
		    r->base.runs[i].finished ? backup_run_user(&r->base.runs[i], u->name) : NULL;

		there = other != NULL && backup_hash_eq(&other->hash, &u->hash);
	}
	there = there || backup_object_check(r->job->folder, &u->hash, &size, &what) == TS_OK;
	buf_fini(&what);
	return there;
}

/* Returns the newest entry for a user in which nothing happened since. */
static const struct backup_run_user *
unchanged_user(struct run *r, const struct account *a)
{
	for (size_t i = 0; i < r->base.count; i++) {
		const struct backup_run_user *u = backup_run_user(&r->base.runs[i], a->name);

		if (u == NULL || backup_mark_none(&u->mark))
			continue;
		/* One that was deleted and made again is another one. */
		return backup_mark_eq(&u->mark, &a->mark) && u->account == a->id &&
		               is_there(r, &r->base.runs[i], u)
		           ? u
		           : NULL;
	}
	return NULL;
}

static bool
base_user(struct run *r, struct backup_user *user)
{
	struct buf what = {0};
	bool found = false;

	for (size_t i = 0; i < r->base.count && !found; i++) {
		const struct backup_run_user *u = backup_run_user(&r->base.runs[i], r->user);

		found = u != NULL && backup_user_get(r->job->folder, &u->hash, r->user_arena, user,
		                         &what) == TS_OK;
	}
	buf_fini(&what);
	return found;
}

/* ---- a user ---- */

static bool
take_user_item(char type, struct str bytes, void *arg)
{
	struct run *r = arg;
	struct rd rd = rd_of(bytes);
	struct head *h;

	if (type == 'x') {
		r->gone = true;
		buf_str(&r->refused, bytes);
		return true;
	}
	if (type == 'k') {
		r->mark.low = rd_le64(&rd);
		r->mark.high = rd_le64(&rd);
		return !rd.bad || run_fail(r, "the server sent half a mark");
	}
	if (type == 'a') {
		r->account = rd_varint(&rd);
		return !rd.bad || run_fail(r, "the server sent half a number");
	}
	if (type == 'p') {
		buf_str(&r->properties, bytes);
		return true;
	}
	if (type != 'm')
		return run_fail(r, "the server answered what was not asked");
	r->heads = mem_realloc(r->heads, (r->head_count + 1) * sizeof(*r->heads));
	h = &r->heads[r->head_count++];
	*h = (struct head){0};
	h->mb.id = (uint32_t)rd_varint(&rd);
	h->mb.name = arena_str(r->user_arena, rd_vstr(&rd));
	h->mb.use = (unsigned)rd_varint(&rd);
	h->mb.subscribed = rd_varint(&rd) != 0;
	h->mb.uidvalidity = (uint32_t)rd_varint(&rd);
	h->mb.uidnext = (uint32_t)rd_varint(&rd);
	h->mb.modseq = rd_varint(&rd);
	h->same = rd_varint(&rd) != 0;
	h->since = rd_varint(&rd);
	h->err = (unsigned)rd_varint(&rd);
	h->empty = rd_varint(&rd) != 0;
	return !rd.bad || run_fail(r, "the server sent half a mailbox");
}

static bool
ask_user(struct run *r, const struct backup_user *base)
{
	struct buf q = {0};
	bool ok;

	r->head_count = r->properties.n = 0;
	r->gone = false;
	r->mark = (struct backup_mark){0};
	r->account = 0;
	buf_putc(&q, 'U');
	buf_vstr(&q, r->user);
	/* What does not fit is read in full. */
	for (size_t i = 0; i < base->mailbox_count && q.n < DIALOGUE_PIECE - 64; i++) {
		if (base->mailboxes[i].id == 0)
			continue;
		buf_varint(&q, base->mailboxes[i].id);
		buf_varint(&q, base->mailboxes[i].uidvalidity);
		buf_varint(&q, base->mailboxes[i].modseq);
	}
	ok = dialogue_ask(r->d, buf_as_str(&q), take_user_item, r);
	buf_fini(&q);
	return ok;
}

static const struct backup_mailbox *
old_mailbox(const struct backup_user *base, uint32_t id)
{
	for (size_t i = 0; i < base->mailbox_count; i++)
		if (base->mailboxes[i].id == id)
			return &base->mailboxes[i];
	return NULL;
}

static enum outcome
do_mailboxes(struct run *r, const struct backup_user *base)
{
	enum outcome out = DONE;

	for (size_t i = 0; i < r->head_count && out == DONE; i++) {
		const struct head *h = &r->heads[i];
		const struct backup_mailbox *old =
		    h->mb.id != 0 ? old_mailbox(base, h->mb.id) : NULL;

		if (h->mb.id != 0)
			out = run_do_mailbox(r, i, old);
	}
	return out;
}

static void
count_user(struct backup_job *job, const struct backup_run_user *u)
{
	job->users++;
	job->mailboxes += u->mailboxes;
	job->subscriptions += u->subscriptions;
	job->messages += u->messages;
}

static void
count_mailbox(struct backup_run_user *u, const struct backup_mailbox *mb)
{
	u->mailboxes += mb->id != 0;
	u->subscriptions += mb->subscribed;
}

/* Counts the next properties that belong to that mailbox. */
static size_t
count_properties(struct rd rd, uint64_t place)
{
	size_t n = 0;

	while (rd_left(&rd) > 0 && rd_varint(&rd) == place && !rd.bad) {
		(void)rd_vstr(&rd);
		(void)rd_vstr(&rd);
		n++;
	}
	return n;
}

static void
take_properties(struct run *r, struct rd *rd, uint64_t place, struct backup_properties *to)
{
	to->count = count_properties(*rd, place);
	to->one = arena_array(r->user_arena, to->count, sizeof(*to->one));
	for (size_t i = 0; i < to->count; i++) {
		(void)rd_varint(rd);
		to->one[i].name = rd_vstr(rd);
		to->one[i].value = rd_vstr(rd);
	}
}

/* Sets the current properties, even for a mailbox whose messages come from the last run. */
static bool
set_properties(struct run *r, struct backup_user *user)
{
	struct rd rd = rd_of(buf_as_str(&r->properties));

	take_properties(r, &rd, 0, &user->properties);
	for (size_t i = 0; i < user->mailbox_count; i++)
		take_properties(r, &rd, i + 1, &user->mailboxes[i].properties);
	return (rd_left(&rd) == 0 && !rd.bad) || run_fail(r, "the server sent half a property");
}

/* Reports it, and makes the next run look at the user again. */
static void
leave_out_properties(struct run *r, struct backup_user *user)
{
	size_t n = backup_user_properties(user);
	struct buf text = {0};

	user->properties.count = 0;
	for (size_t i = 0; i < user->mailbox_count; i++)
		user->mailboxes[i].properties.count = 0;
	if (n == 0)
		return;
	r->mark = (struct backup_mark){0};
	r->job->properties_left_out += n;
	buf_printf(&text, "user %.*s: %zu propert%s left out (--without-properties)",
	    STR_ARG(r->user), n, n == 1 ? "y" : "ies");
	r->job->note(buf_cstr(&text), r->job->arg);
	buf_fini(&text);
}

static bool
put_user(struct run *r, const struct backup_user *user, struct backup_run_user *line)
{
	struct buf list = {0};
	bool ok;

	line->mark = r->mark;
	line->account = r->account;
	backup_user_print(user, &list);
	ok = backup_object_put(r->job->folder, buf_as_str(&list), &line->hash, &r->job->why) &&
	     backup_run_add(r->w, line, &r->job->why) && backup_run_push(r->w, &r->job->why);
	buf_fini(&list);
	return ok;
}

static bool
save_user(struct run *r)
{
	struct backup_user user = {.name = r->user, .mailbox_count = r->head_count};
	struct backup_run_user line = {.name = r->user, .counted = true};
	bool ok;

	user.mailboxes = mem_zalloc((r->head_count + 1) * sizeof(*user.mailboxes));
	for (size_t i = 0; i < r->head_count; i++) {
		user.mailboxes[i] = r->heads[i].mb;
		line.messages += r->heads[i].mb.messages;
		line.bytes += r->heads[i].mb.bytes;
		count_mailbox(&line, &r->heads[i].mb);
	}
	ok = set_properties(r, &user);
	if (ok && r->job->without_properties)
		leave_out_properties(r, &user);
	ok = ok && put_user(r, &user, &line);
	count_user(r->job, &line);
	r->job->read_users++;
	mem_free(user.mailboxes);
	return ok;
}

static bool
user_refused(struct run *r)
{
	struct buf text = {0};
	bool ok = true;

	if (r->refused.n > 0) {
		buf_printf(
		    &text, "user %.*s: %.*s", STR_ARG(r->user), STR_ARG(buf_as_str(&r->refused)));
		ok = run_note_damage(r, buf_as_str(&text));
	} else if (r->job->only_count > 0) {
		buf_printf(&text, "user %.*s: has no mail here", STR_ARG(r->user));
		ok = run_note_damage(r, buf_as_str(&text));
	}
	r->refused.n = 0;
	buf_fini(&text);
	return ok;
}

/* Returns whether the existing list has what the new one must have.  Only asked if properties are
 * left out. */
static bool
list_suits(struct run *r, const struct backup_run_user *u)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct backup_user user;
	struct buf what = {0};
	bool suits = !r->job->without_properties ||
	             (backup_user_get(r->job->folder, &u->hash, arena, &user, &what) == TS_OK &&
	                 backup_user_properties(&user) == 0);

	buf_fini(&what);
	arena_free(&arena);
	return suits;
}

/* Runs of older versions did not count: take the counts from the user's list. */
static void
count_again(struct run *r, struct backup_run_user *u)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct backup_user user;
	struct buf what = {0};

	u->counted = backup_user_get(r->job->folder, &u->hash, arena, &user, &what) == TS_OK;
	for (size_t i = 0; u->counted && i < user.mailbox_count; i++)
		count_mailbox(u, &user.mailboxes[i]);
	buf_fini(&what);
	arena_free(&arena);
}

static bool
keep_user(struct run *r, const struct backup_run_user *u)
{
	struct backup_run_user line = *u;

	if (!line.counted)
		count_again(r, &line);
	count_user(r->job, &line);
	return backup_run_add(r->w, &line, &r->job->why);
}

static bool
read_user(struct run *r, struct str name)
{
	struct backup_user base = {0}, none = {0};
	uint64_t damaged = r->job->damaged;
	enum outcome out;

	r->user_arena = arena_new(NULL, ARENA_OTHER, 16384);
	r->user = arena_str(r->user_arena, name);
	if (!base_user(r, &base))
		base = none;
	out = ask_user(r, &base) ? DONE : FAILED;
	if (out == DONE && !r->gone)
		out = do_mailboxes(r, &base);
	if (out == AGAIN) {
		out = ask_user(r, &none) ? DONE : FAILED;
		if (out == DONE && !r->gone)
			out = do_mailboxes(r, &none);
		if (out == AGAIN)
			(void)run_fail(r, "the server sent a list in which messages are missing");
	}
	/* The next run must look again at what could not be saved. */
	if (r->job->damaged > damaged)
		r->mark = (struct backup_mark){0};
	if (out == DONE)
		out = (r->gone ? user_refused(r) : save_user(r)) ? DONE : FAILED;
	arena_free(&r->user_arena);
	return out == DONE;
}

static bool
do_user(struct run *r, const struct account *a)
{
	const struct backup_run_user *u = unchanged_user(r, a);

	return u != NULL && list_suits(r, u) ? keep_user(r, u) : read_user(r, a->name);
}

/* ---- the run ---- */

static void
bad_object(const struct backup_hash *hash, const char *what, void *arg)
{
	struct run *r = arg;

	(void)hash;
	(void)run_note_damage(r, str_of(what));
}

static void
check_progress(uint64_t done, uint64_t total, void *arg)
{
	struct run *r = arg;

	r->job->progress("checksums", done, total, r->job->arg);
}

/* Gets the mark of an account, if it exists. */
static bool
find_account(struct run *r, struct str name, struct account *a)
{
	struct rd rd;

	if (name.n > STORE_NAME_MAX || !ask_accounts(r, name, 1))
		return false;
	rd = rd_of(buf_as_str(&r->asked));
	return next_account(&rd, a) && str_eq(a->name, name);
}

static bool
has_account(struct str name, void *arg)
{
	struct account a;

	return find_account(arg, name, &a);
}

static bool
do_named_user(struct run *r, const char *typed)
{
	struct buf name = {0};
	struct account a;
	bool ok;

	username_meant(str_of(typed), buf_as_str(&r->job->default_domain), has_account, r, &name);
	if (!find_account(r, buf_as_str(&name), &a))
		a = (struct account){0};
	a.name = buf_as_str(&name);
	ok = do_user(r, &a);
	buf_fini(&name);
	return ok;
}

/* Works piece by piece; *from becomes the first name after these. */
static bool
do_some_users(struct run *r, struct buf *from, uint64_t *n, bool *more)
{
	bool ok = ask_accounts(r, buf_as_str(from), BACKUP_NAMES);
	struct rd rd = rd_of(buf_as_str(&r->asked));
	struct account a;

	*more = false;
	while (ok && next_account(&rd, &a)) {
		ok = do_user(r, &a);
		r->job->progress("users", ++*n, r->accounts, r->job->arg);
		from->n = 0;
		buf_str(from, a.name);
		*more = true;
	}
	buf_putc(from, '\0');
	return ok && (!rd.bad || run_fail(r, "the server sent half a name"));
}

static bool
do_users(struct run *r)
{
	struct buf from = {0};
	uint64_t n = 0;
	bool ok = true, more = r->job->only_count == 0;

	for (size_t i = 0; ok && i < r->job->only_count; i++)
		ok = do_named_user(r, r->job->only[i]);
	while (ok && more)
		ok = do_some_users(r, &from, &n, &more);
	buf_fini(&from);
	return ok && (r->job->only_count > 0 || backup_run_whole(r->w, n, &r->job->why));
}

static bool
read_everything(struct run *r)
{
	struct buf *why = &r->job->why;

	if (!dialogue_ask(r->d, STR("L"), take_store, r) || !load_base(r) ||
	    !backup_run_begin(r->job->folder, clock_wall_s(), buf_as_str(&r->store), &r->w, why))
		return false;
	buf_str(&r->job->id, backup_run_id(r->w));
	return backup_run_own(r->w, buf_as_str(&r->own), why) && save_records(r) && do_users(r) &&
	       backup_flush(r->job->folder, why);
}

void
backup_job_read(struct backup_job *job, struct dialogue *d)
{
	struct run *r = mem_zalloc(sizeof(*r));

	job->run = r;
	r->job = job;
	r->d = d;
	r->arena = arena_new(NULL, ARENA_OTHER, 65536);
	r->cache = mem_zalloc(BACKUP_CACHE * sizeof(*r->cache));
	if (job->full)
		backup_distrust(job->folder);
	job->done = read_everything(r);
}

bool
backup_job_end(struct backup_job *job)
{
	struct run *r = job->run;
	struct backup_checking checking = {bad_object, check_progress, r};

	if (job->done && job->verify)
		job->done = backup_check_new(job->folder, &checking, &job->why);
	job->done = job->done && backup_run_end(&r->w, clock_wall_s(), &job->why);
	return job->done;
}

void
backup_job_fini(struct backup_job *job)
{
	struct run *r = job->run;

	buf_fini(&job->why);
	buf_fini(&job->id);
	buf_fini(&job->default_domain);
	if (r == NULL)
		return;
	backup_run_abort(&r->w);
	if (r->uids != NULL)
		roaring_bitmap_free(r->uids);
	mem_free(r->cache);
	mem_free(r->heads);
	buf_fini(&r->changed);
	buf_fini(&r->properties);
	buf_fini(&r->store);
	buf_fini(&r->own);
	buf_fini(&r->ids);
	buf_fini(&r->asked);
	buf_fini(&r->keywords);
	buf_fini(&r->refused);
	arena_free(&r->arena);
	mem_free(r);
}
