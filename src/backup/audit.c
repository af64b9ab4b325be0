/* SPDX-License-Identifier: Apache-2.0 */
/* Audits of the whole folder: verify, prune. */
#include "backup/audit.h"

#include <xxhash.h>

#define HASH_FUNCTION(p, n, hash) ((hash) = (unsigned)XXH3_64bits((p), (n)))
#include <uthash.h>

#include "base/mem.h"

struct seen {
	struct backup_hash hash;
	UT_hash_handle hh;
};

struct walk {
	struct backup_folder *folder;
	struct backup_audit *audit;
	struct seen *lists;   /* chunks and users that were walked */
	struct seen *objects; /* prune: everything that is referred to */
	bool mark;            /* prune: note objects; else look whether they are there */
	struct backup_message *messages;
	struct buf what;
};

static bool
add(struct seen **set, const struct backup_hash *hash)
{
	struct seen *s;

	HASH_FIND(hh, *set, hash->b, sizeof(hash->b), s);
	if (s != NULL)
		return false;
	s = mem_zalloc(sizeof(*s));
	s->hash = *hash;
	HASH_ADD_KEYPTR(hh, *set, s->hash.b, sizeof(s->hash.b), s);
	return true;
}

static void
clear(struct seen **set)
{
	struct seen *s, *next;

	HASH_ITER(hh, *set, s, next)
	{
		HASH_DEL(*set, s);
		mem_free(s);
	}
}

static void
fault(struct walk *w)
{
	w->audit->faults++;
	w->audit->bad(buf_cstr(&w->what), w->audit->arg);
	w->what.n = 0;
}

static void
visit_message(struct walk *w, const struct backup_message *m)
{
	if (backup_hash_none(&m->hash))
		return;
	if (w->mark) {
		(void)add(&w->objects, &m->hash);
	} else if (!backup_object_there(w->folder, &m->hash)) {
		buf_printf(&w->what, "%s: the message ", backup_path(w->folder));
		backup_hash_hex(&m->hash, &w->what);
		buf_puts(&w->what, " is missing");
		if (add(&w->lists, &m->hash))
			fault(w);
		w->what.n = 0;
	}
}

static void
visit_mailbox(struct walk *w, const struct backup_mailbox *mb)
{
	for (size_t i = 0; i < mb->chunk_count; i++) {
		size_t n;

		if (w->mark)
			(void)add(&w->objects, &mb->chunks[i].hash);
		if (!add(&w->lists, &mb->chunks[i].hash))
			continue;
		if (backup_chunk_get(w->folder, &mb->chunks[i], w->messages, &n, &w->what) !=
		    TS_OK) {
			fault(w);
			continue;
		}
		for (size_t j = 0; j < n; j++)
			visit_message(w, &w->messages[j]);
	}
}

static void
visit_user(struct walk *w, const struct backup_hash *hash)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 65536);
	struct backup_user user;

	if (w->mark)
		(void)add(&w->objects, hash);
	if (add(&w->lists, hash)) {
		if (backup_user_get(w->folder, hash, arena, &user, &w->what) != TS_OK)
			fault(w);
		else
			for (size_t i = 0; i < user.mailbox_count; i++)
				visit_mailbox(w, &user.mailboxes[i]);
	}
	arena_free(&arena);
}

static void
visit_records(struct walk *w, const struct backup_hash *hash)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 65536);
	struct backup_record *records;
	size_t n;

	arena_wipe_on_free(arena);
	if (w->mark)
		(void)add(&w->objects, hash);
	if (add(&w->lists, hash) &&
	    backup_records_get(w->folder, hash, arena, &records, &n, &w->what) != TS_OK)
		fault(w);
	arena_free(&arena);
}

static void
visit_run(struct walk *w, const struct backup_run *run)
{
	if (!backup_hash_none(&run->records))
		visit_records(w, &run->records);
	for (size_t i = 0; i < run->user_count; i++) {
		visit_user(w, &run->users[i].hash);
		if (w->audit->progress != NULL)
			w->audit->progress("lists", i + 1, run->user_count, w->audit->arg);
	}
}

static void
walk_fini(struct walk *w)
{
	clear(&w->lists);
	clear(&w->objects);
	mem_free(w->messages);
	buf_fini(&w->what);
}

/* ---- verify ---- */

static bool
verify_object(const struct backup_hash *hash, uint64_t size, const char *name, void *arg)
{
	struct walk *w = arg;

	w->audit->objects++;
	w->audit->bytes += size;
	if (hash == NULL) {
		buf_printf(&w->what, "%s: does not belong into a backup folder", name);
		fault(w);
	} else if (backup_object_check(w->folder, hash, &size, &w->what) != TS_OK) {
		fault(w);
	}
	if (w->audit->progress != NULL && w->audit->objects % 256 == 0)
		w->audit->progress("checksums", w->audit->objects, 0, w->audit->arg);
	return true;
}

bool
backup_verify(struct backup_folder *folder, struct backup_audit *audit, struct buf *why)
{
	struct walk w = {.folder = folder, .audit = audit};
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct str *ids;
	size_t n;
	bool ok = backup_run_ids(folder, arena, &ids, &n, why);

	w.messages = mem_zalloc(BACKUP_CHUNK_UIDS * sizeof(*w.messages));
	for (size_t i = 0; ok && i < n; i++) {
		struct arena *one = arena_new(NULL, ARENA_OTHER, 65536);
		struct backup_run run;

		audit->runs++;
		if (backup_run_get(folder, ids[i], one, &run, &w.what) == TS_OK)
			visit_run(&w, &run);
		else
			fault(&w);
		arena_free(&one);
	}
	ok = ok && backup_object_list(folder, verify_object, &w, why);
	walk_fini(&w);
	arena_free(&arena);
	return ok;
}

/* ---- prune ---- */

struct kept {
	uint64_t runs;
	UT_hash_handle hh;
	size_t n;
	char name[];
};

/* Is it among the newest of one of its users?  Counts it for all of them. */
static bool
count_run(struct kept **kept, const struct backup_run *run, uint64_t keep)
{
	bool needed = false;

	for (size_t i = 0; i < run->user_count; i++) {
		struct str name = run->users[i].name;
		struct kept *k;

		HASH_FIND(hh, *kept, name.p, name.n, k);
		if (k == NULL) {
			k = mem_zalloc(sizeof(*k) + name.n);
			memcpy(k->name, name.p, name.n);
			k->n = name.n;
			HASH_ADD_KEYPTR(hh, *kept, k->name, k->n, k);
		}
		needed |= k->runs++ < keep;
	}
	return needed;
}

static void
clear_kept(struct kept **kept)
{
	struct kept *k, *next;

	HASH_ITER(hh, *kept, k, next)
	{
		HASH_DEL(*kept, k);
		mem_free(k);
	}
}

static bool
prune_object(const struct backup_hash *hash, uint64_t size, const char *name, void *arg)
{
	struct walk *w = arg;
	struct seen *s;

	(void)name;
	if (hash == NULL)
		return true;
	w->audit->objects++;
	w->audit->bytes += size;
	HASH_FIND(hh, w->objects, hash->b, sizeof(hash->b), s);
	if (s != NULL)
		return true;
	if (!backup_object_remove(w->folder, hash, &w->what)) {
		fault(w);
		return true;
	}
	w->audit->removed_objects++;
	w->audit->removed_bytes += size;
	return true;
}

/* Marks what the runs that stay need; the others are in drop_r. */
static bool
choose_runs(struct walk *w, struct arena *arena, uint64_t keep, struct str **drop_r,
    size_t *drop_count_r, struct buf *why)
{
	struct kept *kept = NULL;
	struct str *ids;
	size_t n, dropped = 0;
	bool ok = backup_run_ids(w->folder, arena, &ids, &n, why);

	*drop_r = arena_array(arena, ok ? n : 0, sizeof(struct str));
	for (size_t i = ok ? n : 0; ok && i-- > 0;) {
		struct arena *one = arena_new(NULL, ARENA_OTHER, 65536);
		struct backup_run run;

		ok = backup_run_get(w->folder, ids[i], one, &run, why) == TS_OK;
		w->audit->runs += ok;
		/* A run without users still has records. */
		if (ok && (count_run(&kept, &run, keep) || (run.user_count == 0 && i + keep >= n)))
			visit_run(w, &run);
		else if (ok)
			(*drop_r)[dropped++] = ids[i];
		arena_free(&one);
	}
	clear_kept(&kept);
	*drop_count_r = dropped;
	return ok;
}

bool
backup_prune(
    struct backup_folder *folder, uint64_t keep, struct backup_audit *audit, struct buf *why)
{
	struct walk w = {.folder = folder, .audit = audit, .mark = true};
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct backup_run cut_off;
	struct str *drop = NULL;
	size_t n = 0;
	bool ok;

	w.messages = mem_zalloc(BACKUP_CHUNK_UIDS * sizeof(*w.messages));
	ok = choose_runs(&w, arena, keep, &drop, &n, why);
	if (ok && audit->faults > 0) {
		buf_printf(why, "%s: nothing is removed while lists are damaged: see backup verify",
		    backup_path(folder));
		ok = false;
	}
	/* A run that was cut off and goes on later: keep what it has. */
	if (ok && backup_run_unfinished(folder, arena, &cut_off) == TS_OK) {
		visit_run(&w, &cut_off);
		w.what.n = 0;
		audit->faults = 0;
	}
	/* Runs go first: a run without its objects would be damaged. */
	for (size_t i = 0; ok && i < n; i++) {
		ok = backup_run_remove(folder, drop[i], why);
		audit->removed_runs += ok;
	}
	ok = ok && backup_object_list(folder, prune_object, &w, why);
	walk_fini(&w);
	arena_free(&arena);
	return ok;
}
