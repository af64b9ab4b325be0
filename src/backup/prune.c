/* SPDX-License-Identifier: Apache-2.0 */
/* Removes runs, and what is no longer needed. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "backup/audit_int.h"
#include "base/clock.h"
#include "base/mem.h"

struct pack_use {
	uint32_t number;
	bool rewrite, remove;
	uint64_t file_bytes, dead_bytes;
	uint64_t live_count, dead_count, copied;
};

struct pruning {
	struct walk w;
	uint64_t seed;
	struct table kept;      /* runs kept of each user */
	struct pack_use *packs; /* like w.ix.packs */
	struct pack_use *now;   /* being rewritten */
	bool failed;
	struct buf *why;
};

/* ---- runs ---- */

/* Returns whether the run is among the newest of one of its users; counts it for all of them. */
static bool
count_run(struct pruning *p, const struct backup_run *run, uint64_t keep)
{
	bool needed = false;

	for (size_t i = 0; i < run->user_count; i++) {
		struct str name = run->users[i].name;
		XXH128_hash_t h = XXH3_128bits_withSeed(name.p, name.n, p->seed);

		needed |= (*table_at(&p->kept, h.low64, h.high64 | 1))++ < keep;
	}
	return needed;
}

/* Marks what the remaining runs need; the other runs go to drop_r. */
static bool
choose_runs(struct pruning *p, struct arena *arena, uint64_t keep, struct str **drop_r,
    size_t *drop_count_r)
{
	struct str *ids;
	size_t n, dropped = 0;
	bool ok = backup_run_ids(p->w.folder, arena, &ids, &n, p->why);

	*drop_r = arena_array(arena, ok ? n : 0, sizeof(struct str));
	for (size_t i = ok ? n : 0; ok && i-- > 0;) {
		struct arena *one = arena_new(NULL, ARENA_OTHER, 65536);
		struct backup_run run;

		ok = backup_run_get(p->w.folder, ids[i], one, &run, p->why) == TS_OK;
		p->w.audit->runs += ok;
		/* A run without users still has records. */
		if (ok && (count_run(p, &run, keep) || (run.user_count == 0 && i + keep >= n)))
			walk_run(&p->w, &run);
		else if (ok)
			(*drop_r)[dropped++] = ids[i];
		arena_free(&one);
	}
	table_fini(&p->kept);
	*drop_count_r = dropped;
	return ok;
}

/* An interrupted run may continue later: keep what it has. */
static void
keep_unfinished(struct pruning *p, struct arena *arena)
{
	struct backup_run run;

	if (backup_run_unfinished(p->w.folder, arena, &run) != TS_OK)
		return;
	walk_run(&p->w, &run);
	p->w.what.n = 0;
	p->w.audit->faults = 0;
}

/* ---- files ---- */

static bool
prune_file(const struct backup_hash *hash, uint64_t size, const char *name, void *arg)
{
	struct pruning *p = arg;
	struct backup_audit *audit = p->w.audit;

	(void)name;
	if (hash == NULL)
		return true;
	audit->objects++;
	audit->bytes += size;
	if (walk_has_file(&p->w, &p->w.objects, hash))
		return true;
	if (!backup_object_remove(p->w.folder, hash, &p->w.what)) {
		walk_fault(&p->w);
		return true;
	}
	audit->removed_objects++;
	audit->removed_bytes += size;
	return true;
}

/* ---- packs ---- */

static struct pack_use *
use_of(struct pruning *p, uint32_t number)
{
	size_t low = 0, high = p->w.ix.pack_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p->packs[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low < p->w.ix.pack_count && p->packs[low].number == number ? &p->packs[low] : NULL;
}

static void
count_entry(const struct backup_entry *e, uint64_t place, void *arg)
{
	struct pruning *p = arg;
	struct pack_use *use = use_of(p, e->pack);

	if (use == NULL)
		return;
	p->w.audit->objects++;
	p->w.audit->bytes += e->size;
	if (walk_has_place(&p->w.objects, place)) {
		use->live_count++;
	} else {
		use->dead_count++;
		use->dead_bytes += backup_record_bytes(e->size);
	}
}

static bool
is_small(const struct pack_use *use)
{
	return use->file_bytes < BACKUP_PACK_SMALL_BYTES;
}

static bool
count_packs(struct pruning *p)
{
	const struct backup_index *ix = &p->w.ix;
	size_t small = 0;

	p->packs = mem_zalloc((ix->pack_count + 1) * sizeof(*p->packs));
	for (size_t i = 0; i < ix->pack_count; i++) {
		struct stat st;
		char name[32];

		p->packs[i].number = ix->packs[i];
		backup_pack_name(ix->packs[i], name);
		if (fstatat(backup_fd(p->w.folder), name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			p->packs[i].file_bytes = (uint64_t)st.st_size;
	}
	if (!backup_index_each(ix, count_entry, p))
		return backup_fail(p->w.folder, "index", p->why);
	for (size_t i = 0; i < ix->pack_count; i++)
		small += is_small(&p->packs[i]) && p->packs[i].live_count > 0;
	for (size_t i = 0; i < ix->pack_count; i++) {
		struct pack_use *use = &p->packs[i];

		use->remove = use->live_count == 0;
		use->rewrite =
		    !use->remove &&
		    (use->dead_bytes * 100 >= use->file_bytes * BACKUP_PACK_DEAD_PERCENT ||
		        (small >= BACKUP_PACK_SMALL_COUNT && is_small(use)));
	}
	return true;
}

static bool
copy_record(const struct backup_entry *e, struct str bytes, bool good, void *arg)
{
	struct pruning *p = arg;
	uint64_t place;

	if (!good || !walk_current(&p->w, e, &place) || !walk_has_place(&p->w.objects, place))
		return true;
	p->now->copied++;
	p->failed = !backup_pack_put(p->w.folder, &e->hash, bytes, p->why);
	return !p->failed;
}

/* A pack stays unless everything needed in it could be copied. */
static bool
rewrite_pack(struct pruning *p, struct pack_use *use)
{
	char name[32];

	p->now = use;
	use->remove = walk_pack(&p->w, use->number, copy_record, p) && !p->failed &&
	              use->copied == use->live_count;
	if (use->remove || p->failed)
		return !p->failed;
	backup_pack_name(use->number, name);
	buf_printf(&p->w.what, "%s/%s: damaged, and kept as it is: see backup verify",
	    backup_path(p->w.folder), name);
	walk_fault(&p->w);
	return true;
}

static bool
of_removed(const struct backup_entry *e, void *arg)
{
	const struct pack_use *use = use_of(arg, e->pack);

	return use != NULL && use->remove;
}

static bool
remove_pack(struct pruning *p, const struct pack_use *use)
{
	char name[32];

	backup_pack_name(use->number, name);
	return unlinkat(backup_fd(p->w.folder), name, 0) == 0 ||
	       backup_fail(p->w.folder, name, p->why);
}

/* What is needed is on disk in its new place before the index forgets the old one, and the index is
 * written before the old one is removed. */
static bool
prune_packs(struct pruning *p)
{
	struct backup_folder *f = p->w.folder;
	size_t n = p->w.ix.pack_count, removed = 0;
	bool ok = count_packs(p);

	for (size_t i = 0; ok && i < n; i++)
		ok = !p->packs[i].rewrite || rewrite_pack(p, &p->packs[i]);
	ok = ok && backup_flush(f, p->why);
	for (size_t i = 0; ok && i < n; i++)
		removed += p->packs[i].remove;
	if (ok && removed > 0)
		ok = backup_need_index(f, p->why) &&
		     backup_index_rewrite(f, &f->index, of_removed, p, p->why) &&
		     backup_sync_dir(f, "index", p->why);
	for (size_t i = 0; ok && i < n; i++) {
		const struct pack_use *use = &p->packs[i];
		struct backup_audit *audit = p->w.audit;

		*(use->remove ? &audit->removed_objects : &audit->dead_objects) += use->dead_count;
		*(use->remove ? &audit->removed_bytes : &audit->dead_bytes) += use->dead_bytes;
		ok = !use->remove || remove_pack(p, use);
	}
	return ok && backup_sync_names(f, p->why);
}

bool
backup_prune(
    struct backup_folder *folder, uint64_t keep, struct backup_audit *audit, struct buf *why)
{
	struct pruning p = {.w = {.folder = folder, .audit = audit, .mark = true}, .why = why};
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct str *drop = NULL;
	size_t n = 0;
	bool ok = walk_begin(&p.w, why);

	random_bytes(&p.seed, sizeof(p.seed));
	ok = ok && choose_runs(&p, arena, keep, &drop, &n);
	if (ok && audit->faults > 0) {
		buf_printf(why, "%s: nothing is removed while lists are damaged: see backup verify",
		    backup_path(folder));
		ok = false;
	}
	if (ok)
		keep_unfinished(&p, arena);
	/* Remove runs first: a run without its objects would be damaged. */
	for (size_t i = 0; ok && i < n; i++) {
		ok = backup_run_remove(folder, drop[i], why);
		audit->removed_runs += ok;
	}
	ok = ok && backup_object_list(folder, prune_file, &p, why) && prune_packs(&p);
	walk_fini(&p.w);
	mem_free(p.packs);
	arena_free(&arena);
	return ok;
}
