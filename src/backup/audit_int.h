/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_AUDIT_INT_H
#define BACKUP_AUDIT_INT_H
/* Shared by verify.c, prune.c and walk.c: walking from runs to all that they refer to. */
#include "backup/audit.h"
#include "backup/folder_int.h"

struct table_slot {
	uint64_t low, high; /* a name; both 0: none */
	uint64_t n;
};

struct table { /* numbers by name; 128 bits of a name identify it */
	struct table_slot *slots;
	size_t count, cap; /* cap: a power of two */
	uint64_t factor;   /* random, so that nobody can choose names of one slot */
};

/* Returns the number of that name, 0 at first.  Valid until the next call. */
uint64_t *table_at(struct table *t, uint64_t low, uint64_t high);
bool table_has(const struct table *t, uint64_t low, uint64_t high);
void table_fini(struct table *t);

struct objects {            /* a set of objects */
	uint64_t *packed;   /* a bit for each, by its position in the index */
	struct table files; /* those that are in no pack */
};

struct walk {
	struct backup_folder *folder;
	struct backup_audit *audit;
	struct backup_index ix; /* as of the start */
	struct objects walked;  /* lists of messages and of mailboxes */
	struct objects objects; /* prune: everything referred to; verify: everything whole */
	bool mark;              /* note objects, else check that they exist */
	struct backup_message *messages;
	struct buf what;
};

/* Verifies every index, and makes damaged ones again: what is not found then does not exist. */
bool walk_begin(struct walk *w, struct buf *why);
void walk_fini(struct walk *w);
void walk_run(struct walk *w, const struct backup_run *run);
/* Reports w->what, and empties it. */
void walk_fault(struct walk *w);
/* Returns true if it was not in the set. */
bool walk_add(const struct walk *w, struct objects *set, const struct backup_hash *hash);
/* Returns whether it is in the set and a file.  If an object is in a pack as well, only that copy
 * counts. */
bool walk_has_file(const struct walk *w, const struct objects *set, const struct backup_hash *hash);
bool walk_has_place(const struct objects *set, uint64_t place);
void walk_add_place(struct objects *set, uint64_t place);
/* Returns whether a search for its hash gives this entry; older copies are not found. */
bool walk_current(const struct walk *w, const struct backup_entry *e, uint64_t *place_r);
/* Reads a pack.  Reports one that cannot be read, and returns false. */
bool walk_pack(struct walk *w, uint32_t number, backup_pack_fn *fn, void *arg);
#endif
