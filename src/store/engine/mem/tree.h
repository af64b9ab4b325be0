/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ENGINE_MEM_TREE_H
#define STORE_ENGINE_MEM_TREE_H
/*
 * An ordered map whose versions share what they have in common: a treap with
 * counted references.  A holder of a root sees that version for ever; a change
 * copies only nodes that somebody else holds too.  So an iterator or an image
 * of the whole map costs one reference.
 *
 * A root (NULL is the empty map) is owned by whoever holds the pointer.  Roots
 * of shared nodes may be used by several threads; one root by one at a time.
 */
#include <stdbool.h>

#include "base/str.h"

struct tree;

struct tree_item {
	struct str key, value; /* value follows the key in the same allocation */
	bool damaged;
};

struct tree *tree_ref(struct tree *root);
void tree_unref(struct tree **root);
/* Replaces what was there. */
void tree_put(struct tree **root, struct str key, struct str value, bool damaged);
/* Removes from <= key < end; end.n == 0: no upper bound. */
void tree_cut(struct tree **root, struct str from, struct str end);
void tree_delete(struct tree **root, struct str key);
/* NULL: there is none.  Valid as long as the root is held and not changed. */
const struct tree_item *tree_get(const struct tree *root, struct str key);
/* The first item with key >= from (with key > from if after is set). */
const struct tree_item *tree_first(const struct tree *root, struct str from, bool after);
/* The last item with key < end; end.n == 0: the last of all. */
const struct tree_item *tree_last(const struct tree *root, struct str end);
#endif
