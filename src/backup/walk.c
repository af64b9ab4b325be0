/* SPDX-License-Identifier: Apache-2.0 */
/* Walks from runs to all that they refer to. */
#include <fcntl.h>
#include <unistd.h>

#include "backup/audit_int.h"
#include "base/clock.h"
#include "base/mem.h"

/* ---- sets ---- */

static struct table_slot *
slot_of(const struct table *t, uint64_t low, uint64_t high)
{
	size_t at = (size_t)(low * t->factor >> 32) & (t->cap - 1);

	while ((t->slots[at].low | t->slots[at].high) != 0 &&
	       (t->slots[at].low != low || t->slots[at].high != high))
		at = (at + 1) & (t->cap - 1);
	return &t->slots[at];
}

static void
grow_table(struct table *t)
{
	struct table old = *t;

	if (old.cap == 0)
		random_bytes(&t->factor, sizeof(t->factor));
	t->factor |= 1;
	t->cap = old.cap > 0 ? 2 * old.cap : 1024;
	t->slots = mem_zalloc(t->cap * sizeof(*t->slots));
	for (size_t i = 0; i < old.cap; i++)
		if ((old.slots[i].low | old.slots[i].high) != 0)
			*slot_of(t, old.slots[i].low, old.slots[i].high) = old.slots[i];
	mem_free(old.slots);
}

uint64_t *
table_at(struct table *t, uint64_t low, uint64_t high)
{
	struct table_slot *s;

	if (t->count >= t->cap / 4 * 3)
		grow_table(t);
	s = slot_of(t, low, high);
	if ((s->low | s->high) == 0) {
		*s = (struct table_slot){low, high, 0};
		t->count++;
	}
	return &s->n;
}

bool
table_has(const struct table *t, uint64_t low, uint64_t high)
{
	const struct table_slot *s = t->cap > 0 ? slot_of(t, low, high) : NULL;

	return s != NULL && (s->low | s->high) != 0;
}

void
table_fini(struct table *t)
{
	mem_free(t->slots);
	*t = (struct table){0};
}

bool
walk_has_place(const struct objects *set, uint64_t place)
{
	return (set->packed[place / 64] >> place % 64 & 1) != 0;
}

void
walk_add_place(struct objects *set, uint64_t place)
{
	set->packed[place / 64] |= (uint64_t)1 << place % 64;
}

/* Takes the first 128 bits of the hash. */
static void
print_of(const struct backup_hash *hash, uint64_t *low_r, uint64_t *high_r)
{
	struct rd r = rd_of((struct str){(const char *)hash->b, sizeof(hash->b)});

	*high_r = rd_be64(&r);
	*low_r = rd_be64(&r);
}

bool
walk_add(const struct walk *w, struct objects *set, const struct backup_hash *hash)
{
	struct backup_entry e;
	uint64_t place, low, high;

	if (backup_index_find(&w->ix, hash, &e, &place)) {
		if (walk_has_place(set, place))
			return false;
		walk_add_place(set, place);
		return true;
	}
	print_of(hash, &low, &high);
	return ++*table_at(&set->files, low, high) == 1;
}

bool
walk_has_file(const struct walk *w, const struct objects *set, const struct backup_hash *hash)
{
	struct backup_entry e;
	uint64_t low, high;

	print_of(hash, &low, &high);
	return !backup_index_find(&w->ix, hash, &e, NULL) && table_has(&set->files, low, high);
}

bool
walk_current(const struct walk *w, const struct backup_entry *e, uint64_t *place_r)
{
	struct backup_entry is;

	return backup_index_find(&w->ix, &e->hash, &is, place_r) && is.pack == e->pack &&
	       is.at == e->at;
}

/* ---- walking down ---- */

void
walk_fault(struct walk *w)
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
		(void)walk_add(w, &w->objects, &m->hash);
	} else if (!backup_object_there(w->folder, &m->hash)) {
		buf_printf(&w->what, "%s: the message ", backup_path(w->folder));
		backup_hash_hex(&m->hash, &w->what);
		buf_puts(&w->what, " is missing");
		if (walk_add(w, &w->walked, &m->hash))
			walk_fault(w);
		w->what.n = 0;
	}
}

static void
visit_mailbox(struct walk *w, const struct backup_mailbox *mb)
{
	for (size_t i = 0; i < mb->chunk_count; i++) {
		size_t n;

		if (w->mark)
			(void)walk_add(w, &w->objects, &mb->chunks[i].hash);
		if (!walk_add(w, &w->walked, &mb->chunks[i].hash))
			continue;
		if (backup_chunk_get(w->folder, &mb->chunks[i], w->messages, &n, &w->what) !=
		    TS_OK) {
			walk_fault(w);
			continue;
		}
		for (size_t j = 0; j < n; j++)
			visit_message(w, &w->messages[j]);
	}
}

static void
visit_user(struct walk *w, const struct backup_hash *hash)
{
	struct arena *arena;
	struct backup_user user;

	if (w->mark)
		(void)walk_add(w, &w->objects, hash);
	if (!walk_add(w, &w->walked, hash))
		return;
	arena = arena_new(NULL, ARENA_OTHER, 65536);
	if (backup_user_get(w->folder, hash, arena, &user, &w->what) != TS_OK)
		walk_fault(w);
	else
		for (size_t i = 0; i < user.mailbox_count; i++)
			visit_mailbox(w, &user.mailboxes[i]);
	arena_free(&arena);
}

static void
visit_records(struct walk *w, const struct backup_hash *hash)
{
	size_t n;

	if (w->mark)
		(void)walk_add(w, &w->objects, hash);
	if (walk_add(w, &w->walked, hash) &&
	    backup_records_get(w->folder, hash, NULL, NULL, &n, &w->what) != TS_OK)
		walk_fault(w);
}

void
walk_run(struct walk *w, const struct backup_run *run)
{
	if (!backup_hash_none(&run->records))
		visit_records(w, &run->records);
	for (size_t i = 0; i < run->user_count; i++) {
		visit_user(w, &run->users[i].hash);
		if (w->audit->progress != NULL)
			w->audit->progress("lists", i + 1, run->user_count, w->audit->arg);
	}
}

bool
walk_pack(struct walk *w, uint32_t number, backup_pack_fn *fn, void *arg)
{
	int fd = backup_pack_open(w->folder, number);
	char name[32];
	bool ok = fd >= 0 && backup_pack_scan(fd, number, fn, arg);

	backup_pack_name(number, name);
	if (!ok) {
		(void)backup_fail(w->folder, name, &w->what);
		walk_fault(w);
	}
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* ---- start and end ---- */

/* For readers a damaged index is a fault; with write access it has been made again. */
static void
bad_index(const char *what, void *arg)
{
	struct walk *w = arg;

	if (w->mark)
		return;
	buf_puts(&w->what, what);
	walk_fault(w);
}

bool
walk_begin(struct walk *w, struct buf *why)
{
	size_t words;

	backup_forget_index(w->folder);
	if (!backup_index_load(w->folder, true, bad_index, w, &w->ix, why))
		return false;
	words = (size_t)(w->ix.count / 64 + 1);
	w->walked.packed = mem_zalloc(words * sizeof(*w->walked.packed));
	w->objects.packed = mem_zalloc(words * sizeof(*w->objects.packed));
	w->messages = mem_zalloc(BACKUP_CHUNK_UIDS * sizeof(*w->messages));
	return true;
}

static void
objects_fini(struct objects *set)
{
	mem_free(set->packed);
	table_fini(&set->files);
}

void
walk_fini(struct walk *w)
{
	objects_fini(&w->walked);
	objects_fini(&w->objects);
	backup_index_fini(&w->ix);
	mem_free(w->messages);
	buf_fini(&w->what);
}
