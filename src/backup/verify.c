/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that everything in a folder is there and whole. */
#include "backup/audit_int.h"
#include "base/mem.h"

struct verifying {
	struct walk w;
	uint32_t missing; /* the last pack reported as missing */
};

static void
count_object(struct walk *w, uint64_t size)
{
	w->audit->objects++;
	w->audit->bytes += size;
	if (w->audit->progress != NULL && w->audit->objects % 256 == 0)
		w->audit->progress("checksums", w->audit->objects, 0, w->audit->arg);
}

static bool
verify_file(const struct backup_hash *hash, uint64_t size, const char *name, void *arg)
{
	struct verifying *v = arg;

	count_object(&v->w, size);
	if (hash == NULL) {
		buf_printf(&v->w.what, "%s: does not belong into a backup folder", name);
		walk_fault(&v->w);
	} else if (backup_file_check(v->w.folder, hash, &size, &v->w.what) != TS_OK) {
		walk_fault(&v->w);
	}
	return true;
}

/* ---- packs ---- */

static bool
verify_record(const struct backup_entry *e, struct str bytes, bool good, void *arg)
{
	struct verifying *v = arg;
	uint64_t place;

	(void)bytes;
	if (good && walk_current(&v->w, e, &place))
		walk_add_place(&v->w.objects, place);
	if (e != NULL)
		count_object(&v->w, e->size);
	return true;
}

/* Checks an object that no scan of its pack has found whole. */
static void
verify_entry(const struct backup_entry *e, uint64_t place, void *arg)
{
	struct verifying *v = arg;
	struct walk *w = &v->w;
	bool there = backup_index_has_pack(&w->ix, e->pack);
	char name[32];
	uint64_t is;

	if (walk_has_place(&w->objects, place) || (there && !walk_current(w, e, &is)) ||
	    (!there && v->missing == e->pack))
		return;
	backup_pack_name(e->pack, name);
	buf_printf(&w->what, "%s/%s: ", backup_path(w->folder), name);
	if (there) {
		buf_puts(&w->what, "object ");
		backup_hash_hex(&e->hash, &w->what);
		buf_puts(&w->what, " in it is damaged");
	} else {
		buf_puts(&w->what, "is missing");
		v->missing = e->pack;
	}
	walk_fault(w);
}

static bool
verify_packs(struct verifying *v, struct buf *why)
{
	struct walk *w = &v->w;

	for (size_t i = 0; i < w->ix.pack_count; i++)
		(void)walk_pack(w, w->ix.packs[i], verify_record, v);
	if (!backup_index_each(&w->ix, verify_entry, v))
		return backup_fail(w->folder, "index", why);
	return true;
}

static bool
verify_runs(struct walk *w, struct buf *why)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct str *ids;
	size_t n = 0;
	bool ok = backup_run_ids(w->folder, arena, &ids, &n, why);

	for (size_t i = 0; ok && i < n; i++) {
		struct arena *one = arena_new(NULL, ARENA_OTHER, 65536);
		struct backup_run run;

		w->audit->runs++;
		if (backup_run_get(w->folder, ids[i], one, &run, &w->what) == TS_OK)
			walk_run(w, &run);
		else
			walk_fault(w);
		arena_free(&one);
	}
	arena_free(&arena);
	return ok;
}

bool
backup_verify(struct backup_folder *folder, struct backup_audit *audit, struct buf *why)
{
	struct verifying v = {.w = {.folder = folder, .audit = audit}};
	bool ok = walk_begin(&v.w, why) && verify_runs(&v.w, why) &&
	          backup_object_list(folder, verify_file, &v, why) && verify_packs(&v, why);

	walk_fini(&v.w);
	return ok;
}
