/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ENGINE_MEM_TREE_H
#define STORE_ENGINE_MEM_TREE_H
/*
 * An ordered map whose versions share their common parts: a treap with
 * reference counts.  The holder of a root sees that version forever; a change
 * copies only nodes that others hold too.  So an iterator, or an image of the
 * whole map, costs one reference.
 *
 * A root (NULL is the empty map) is owned by the holder of the pointer.
 * Several threads may use roots of shared nodes, but only one thread a single
 * root.
 */
#include <stdbool.h>

#include "base/str.h"

struct tree;

struct tree_item {
	struct str key, value; /* value is stored after the key in the same allocation */
	bool damaged;
};

struct tree *tree_ref(struct tree *root);
void tree_unref(struct tree **root);
/* Puts an item, replacing an old one. */
void tree_put(struct tree **root, struct str key, struct str value, bool damaged);
/* Removes keys from <= key < end; end.n == 0: no upper bound. */
void tree_cut(struct tree **root, struct str from, struct str end);
void tree_delete(struct tree **root, struct str key);
/* Returns NULL if there is none.  Valid while the root is held and unchanged. */
const struct tree_item *tree_get(const struct tree *root, struct str key);
/* Returns the first item with key >= from (key > from if after is set). */
const struct tree_item *tree_first(const struct tree *root, struct str from, bool after);
/* Returns the last item with key < end; end.n == 0: the last of all. */
const struct tree_item *tree_last(const struct tree *root, struct str end);
#endif
