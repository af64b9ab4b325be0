/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Treap with shared versions: see tree.h.  Functions that change a tree take
 * over the reference they are given and return a new one.  A node with one
 * reference (from the path that leads here) is changed in place; any other is
 * copied.  The depth is that of a random tree: a key's priority is its hash.
 */
#include "store/engine/mem/tree.h"

#include <stdatomic.h>
#include <xxhash.h>

#include "base/mem.h"

struct item {
	atomic_uint refs;
	struct tree_item pub;
	char bytes[];
};

struct tree {
	atomic_uint refs;
	struct tree *left, *right;
	struct item *item;
	uint64_t prio;
};

static void
item_unref(struct item *item)
{
	if (atomic_fetch_sub_explicit(&item->refs, 1, memory_order_acq_rel) == 1)
		mem_free(item);
}

struct tree *
tree_ref(struct tree *root)
{
	if (root != NULL)
		atomic_fetch_add_explicit(&root->refs, 1, memory_order_relaxed);
	return root;
}

void
tree_unref(struct tree **root)
{
	struct tree *t = *root;

	*root = NULL;
	if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
		return;
	tree_unref(&t->left);
	tree_unref(&t->right);
	item_unref(t->item);
	mem_free(t);
}

static struct tree *
tree_new(struct str key, struct str value, bool damaged)
{
	struct tree *t = mem_zalloc(sizeof(*t));
	struct item *item = mem_zalloc(sizeof(*item) + key.n + value.n);

	if (key.n > 0)
		memcpy(item->bytes, key.p, key.n);
	if (value.n > 0)
		memcpy(item->bytes + key.n, value.p, value.n);
	item->pub.key = (struct str){item->bytes, key.n};
	item->pub.value = (struct str){item->bytes + key.n, value.n};
	item->pub.damaged = damaged;
	atomic_init(&item->refs, 1);
	atomic_init(&t->refs, 1);
	t->item = item;
	t->prio = XXH3_64bits(key.p, key.n);
	return t;
}

/* Exchanges a reference to t for a node that nobody else sees. */
static struct tree *
tree_own(struct tree *t)
{
	struct tree *copy;

	if (atomic_load_explicit(&t->refs, memory_order_acquire) == 1)
		return t;
	copy = mem_zalloc(sizeof(*copy));
	atomic_init(&copy->refs, 1);
	copy->left = tree_ref(t->left);
	copy->right = tree_ref(t->right);
	copy->item = t->item;
	atomic_fetch_add_explicit(&t->item->refs, 1, memory_order_relaxed);
	copy->prio = t->prio;
	tree_unref(&t);
	return copy;
}

/* Splits t, which it takes over; the lower part has key < at (or <= at if at_below is set). */
static void
tree_split(
    struct tree *t, struct str at, bool at_below, struct tree **below_r, struct tree **above_r)
{
	int order;

	if (t == NULL) {
		*below_r = *above_r = NULL;
		return;
	}
	t = tree_own(t);
	order = str_cmp(t->item->pub.key, at);
	if (order < 0 || (order == 0 && at_below)) {
		tree_split(t->right, at, at_below, &t->right, above_r);
		*below_r = t;
	} else {
		tree_split(t->left, at, at_below, below_r, &t->left);
		*above_r = t;
	}
}

/* Joins two trees; all keys of a must be lower than those of b.  Takes over both. */
static struct tree *
tree_join(struct tree *a, struct tree *b)
{
	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	if (a->prio > b->prio) {
		a = tree_own(a);
		a->right = tree_join(a->right, b);
		return a;
	}
	b = tree_own(b);
	b->left = tree_join(a, b->left);
	return b;
}

void
tree_put(struct tree **root, struct str key, struct str value, bool damaged)
{
	struct tree *below, *old, *above, *fresh = tree_new(key, value, damaged);

	tree_split(*root, key, false, &below, &above);
	tree_split(above, key, true, &old, &above);
	*root = tree_join(tree_join(below, fresh), above);
	tree_unref(&old);
}

void
tree_cut(struct tree **root, struct str from, struct str end)
{
	struct tree *below, *gone, *above = NULL;

	tree_split(*root, from, false, &below, &gone);
	if (end.n > 0)
		tree_split(gone, end, false, &gone, &above);
	*root = tree_join(below, above);
	tree_unref(&gone);
}

void
tree_delete(struct tree **root, struct str key)
{
	struct tree *below, *gone, *above;

	if (tree_get(*root, key) == NULL)
		return;
	tree_split(*root, key, false, &below, &above);
	tree_split(above, key, true, &gone, &above);
	*root = tree_join(below, above);
	tree_unref(&gone);
}

const struct tree_item *
tree_get(const struct tree *root, struct str key)
{
	while (root != NULL) {
		int order = str_cmp(key, root->item->pub.key);

		if (order == 0)
			return &root->item->pub;
		root = order < 0 ? root->left : root->right;
	}
	return NULL;
}

const struct tree_item *
tree_first(const struct tree *root, struct str from, bool after)
{
	const struct tree_item *best = NULL;

	while (root != NULL) {
		int order = str_cmp(root->item->pub.key, from);

		if (order > 0 || (order == 0 && !after)) {
			best = &root->item->pub;
			root = root->left;
		} else {
			root = root->right;
		}
	}
	return best;
}

const struct tree_item *
tree_last(const struct tree *root, struct str end)
{
	const struct tree_item *best = NULL;

	while (root != NULL) {
		if (end.n == 0 || str_cmp(root->item->pub.key, end) < 0) {
			best = &root->item->pub;
			root = root->right;
		} else {
			root = root->left;
		}
	}
	return best;
}
