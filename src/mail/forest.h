/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_FOREST_H
#define MAIL_FOREST_H
/*
 * Trees whose links are made and broken: who is whose parent, and whose root is it?  Of trees that
 * are as deep as mail has them a root is found by going up.  From the first deep one on, paths are
 * kept in splay trees, too (link-cut trees of Sleator and Tarjan), so that each question takes
 * logarithmic time, amortized, whatever a sender makes of it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOREST_NONE UINT32_MAX

struct forest {
	uint32_t *parent; /* FOREST_NONE: a root */
	size_t n, cap;
	struct forest_node *node; /* of paths; NULL: no tree is deep */
};

/* {0} is empty.  Bytes that room for so many nodes takes. */
uint64_t forest_bytes(size_t cap);
void forest_grow(struct forest *f, size_t cap);
void forest_fini(struct forest *f);
/* One more root, for which there is room. */
uint32_t forest_add(struct forest *f);
/* Makes below, which has no parent, a child of above, unless above is below it.  True: it did. */
bool forest_link(struct forest *f, uint32_t below, uint32_t above);
void forest_cut(struct forest *f, uint32_t below); /* from its parent, if it has one */
#endif
