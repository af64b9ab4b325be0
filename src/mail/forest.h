/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_FOREST_H
#define MAIL_FOREST_H
/*
 * Trees whose links are made and broken: whose parent, and whose root, is a node?  In trees as deep
 * as mail usually has, the root is found by walking up.  From the first deep tree on, paths are
 * also kept in splay trees (link-cut trees of Sleator and Tarjan), so that each query takes
 * logarithmic time, amortized, whatever a sender does.
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

/* {0} is empty.  Returns the bytes that room for that many nodes takes. */
uint64_t forest_bytes(size_t cap);
void forest_grow(struct forest *f, size_t cap);
void forest_fini(struct forest *f);
/* Adds a root, for which there must be room. */
uint32_t forest_add(struct forest *f);
/* Makes below, which has no parent, a child of above, unless above is below it.  Returns whether it
 * did. */
bool forest_link(struct forest *f, uint32_t below, uint32_t above);
void forest_cut(struct forest *f, uint32_t below); /* from its parent, if it has one */
#endif
