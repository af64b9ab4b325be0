/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_AUDIT_INT_H
#define BACKUP_AUDIT_INT_H
/* What verify.c, prune.c and walk.c share: going from runs to all that they refer to. */
#include "backup/audit.h"
#include "backup/folder_int.h"

struct table_slot {
	uint64_t low, high; /* of a name; both 0: none */
	uint64_t n;
};

struct table { /* numbers by name, of which 128 bits tell one from another */
	struct table_slot *slots;
	size_t count, cap; /* cap: a power of two */
	uint64_t factor;   /* nobody can choose names of one slot */
};

/* The number of that name, 0 at first.  Until the next call. */
uint64_t *table_at(struct table *t, uint64_t low, uint64_t high);
bool table_has(const struct table *t, uint64_t low, uint64_t high);
void table_fini(struct table *t);

struct objects {            /* a set of objects */
	uint64_t *packed;   /* a bit for each, by its place in the index */
	struct table files; /* those that are in no pack */
};

struct walk {
	struct backup_folder *folder;
	struct backup_audit *audit;
	struct backup_index ix; /* as it was at the beginning */
	struct objects walked;  /* lists of messages and of mailboxes */
	struct objects objects; /* prune: all that is referred to; verify: what is whole */
	bool mark;              /* note objects; else look whether they are there */
	struct backup_message *messages;
	struct buf what;
};

/* With every index checked, and made again where it is damaged: what is not found is not there. */
bool walk_begin(struct walk *w, struct buf *why);
void walk_fini(struct walk *w);
void walk_run(struct walk *w, const struct backup_run *run);
/* Tells of w->what, and empties it. */
void walk_fault(struct walk *w);
/* True: it was not in it. */
bool walk_add(const struct walk *w, struct objects *set, const struct backup_hash *hash);
/* Is it in the set, and a file?  Of an object that is in a pack as well only the pack's copy is. */
bool walk_has_file(const struct walk *w, const struct objects *set, const struct backup_hash *hash);
bool walk_has_place(const struct objects *set, uint64_t place);
void walk_add_place(struct objects *set, uint64_t place);
/* Is this entry what a search for its hash gives?  An older copy is not. */
bool walk_current(const struct walk *w, const struct backup_entry *e, uint64_t *place_r);
/* Reads one pack; tells of one that cannot be read, and gives false. */
bool walk_pack(struct walk *w, uint32_t number, backup_pack_fn *fn, void *arg);
#endif
