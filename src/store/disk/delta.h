/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DISK_DELTA_H
#define STORE_DISK_DELTA_H
/*
 * Delta: what one change did to one mailbox.  The lane makes it and writes it
 * as the change record; it is applied to the state in memory after the flush,
 * and decoded and applied again when the mailbox is loaded.
 */
#include "store/disk/keys.h"
#include "store/store.h"

struct delta_flag {
	unsigned flag;
	bool on;
	roaring_bitmap_t *uids;
};

struct delta_keyword {
	unsigned flag;
	char *name;
};

struct delta {
	struct delta *next;
	uint64_t modseq;
	struct store_message *added; /* ascending */
	size_t added_count, added_cap;
	struct delta_flag *flags;
	size_t flag_count;
	struct store_flags forgotten; /* names to drop before new ones are added */
	struct delta_keyword *keywords;
	size_t keyword_count;
	roaring_bitmap_t *expunged; /* NULL: none */
};

struct delta *delta_new(uint64_t modseq);
void delta_free(struct delta **d);
struct store_message *delta_add_message(struct delta *d);
/* Takes over the set; drops an empty one. */
void delta_add_flag(struct delta *d, unsigned flag, bool on, roaring_bitmap_t *uids_take);
void delta_add_keyword(struct delta *d, unsigned flag, struct str name);
/* Returns the UIDs that are new or whose flags changed. */
roaring_bitmap_t *delta_touched(const struct delta *d);

/* Appends the record to b. */
void delta_encode(const struct delta *d, struct buf *b);
/* Returns NULL if it is not a record. */
struct delta *delta_decode(uint64_t modseq, struct str body);
#endif
