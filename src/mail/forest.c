/* SPDX-License-Identifier: Apache-2.0 */
/* Trees whose links are made and broken: see forest.h. */
#include "mail/forest.h"

#include "base/mem.h"

#define SHALLOW 64u /* most steps up to a root before paths are kept */

/* A node of a splay tree, ordered by depth; in the root of one, up is the parent of the path's
 * first node. */
struct forest_node {
	uint32_t up, left, right;
};

uint64_t
forest_bytes(size_t cap)
{
	return (uint64_t)cap * (sizeof(uint32_t) + sizeof(struct forest_node));
}

void
forest_grow(struct forest *f, size_t cap)
{
	f->parent = mem_realloc(f->parent, cap * sizeof(*f->parent));
	if (f->node != NULL)
		f->node = mem_realloc(f->node, cap * sizeof(*f->node));
	f->cap = cap;
}

void
forest_fini(struct forest *f)
{
	mem_free(f->parent);
	mem_free(f->node);
	*f = (struct forest){.n = 0};
}

uint32_t
forest_add(struct forest *f)
{
	f->parent[f->n] = FOREST_NONE;
	if (f->node != NULL)
		f->node[f->n] = (struct forest_node){FOREST_NONE, FOREST_NONE, FOREST_NONE};
	return (uint32_t)f->n++;
}

/* ---- paths ---- */

/* Makes each node a path of its own. */
static void
keep_paths(struct forest *f)
{
	f->node = mem_zalloc(f->cap * sizeof(*f->node));
	for (size_t i = 0; i < f->n; i++)
		f->node[i] = (struct forest_node){f->parent[i], FOREST_NONE, FOREST_NONE};
}

static bool
is_top(const struct forest_node *v, uint32_t x)
{
	uint32_t up = v[x].up;

	return up == FOREST_NONE || (v[up].left != x && v[up].right != x);
}

static void
rotate(struct forest_node *v, uint32_t x)
{
	uint32_t p = v[x].up, g = v[p].up, between;
	bool top = is_top(v, p);

	if (v[p].left == x) {
		between = v[p].left = v[x].right;
		v[x].right = p;
	} else {
		between = v[p].right = v[x].left;
		v[x].left = p;
	}
	if (between != FOREST_NONE)
		v[between].up = p;
	v[p].up = x;
	v[x].up = g;
	if (top)
		return;
	if (v[g].left == p)
		v[g].left = x;
	else
		v[g].right = x;
}

static void
splay(struct forest_node *v, uint32_t x)
{
	while (!is_top(v, x)) {
		uint32_t p = v[x].up;

		if (!is_top(v, p)) {
			uint32_t g = v[p].up;

			rotate(v, (v[g].left == p) == (v[p].left == x) ? p : x);
		}
		rotate(v, x);
	}
}

/* Makes the path from the root to x one splay tree, with x at its top and nothing below it. */
static void
expose(struct forest_node *v, uint32_t x)
{
	for (uint32_t at = x, last = FOREST_NONE; at != FOREST_NONE; at = v[at].up) {
		splay(v, at);
		v[at].right = last;
		last = at;
	}
	splay(v, x);
}

static uint32_t
root_by_paths(struct forest_node *v, uint32_t x)
{
	expose(v, x);
	while (v[x].left != FOREST_NONE)
		x = v[x].left;
	splay(v, x);
	return x;
}

/* ---- links ---- */

static uint32_t
root_of(struct forest *f, uint32_t x)
{
	uint32_t at = x;

	for (unsigned i = 0; i < SHALLOW; i++) {
		if (f->parent[at] == FOREST_NONE)
			return at;
		at = f->parent[at];
	}
	if (f->node == NULL)
		keep_paths(f);
	return root_by_paths(f->node, x);
}

bool
forest_link(struct forest *f, uint32_t below, uint32_t above)
{
	if (root_of(f, above) == below)
		return false;
	f->parent[below] = above;
	if (f->node != NULL) {
		/* As a root it is the first of its path. */
		expose(f->node, below);
		f->node[below].up = above;
	}
	return true;
}

void
forest_cut(struct forest *f, uint32_t below)
{
	struct forest_node *v = f->node;

	if (f->parent[below] == FOREST_NONE)
		return;
	f->parent[below] = FOREST_NONE;
	if (v == NULL)
		return;
	expose(v, below);
	v[v[below].left].up = FOREST_NONE;
	v[below].left = FOREST_NONE;
}
