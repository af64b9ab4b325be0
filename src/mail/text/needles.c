/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many needles at once: see needles.h.
 *
 * A few needles are searched for one by one in a window, by memmem() when it is full; glibc's is
 * linear whatever the needle.  The last bytes of a window are kept, one less than the length of the
 * longest needle, so that a match across two windows is found.
 *
 * For more needles there is a tree of their prefixes (Aho-Corasick): one step per byte of the text,
 * and from each node a link to the node of its longest suffix that is also a prefix.  It needs no
 * window.  The children of a node are stored together, in order.
 */
#include "mail/text/needles.h"

#include <stdlib.h>

#include "base/mem.h"
#include "mail/text/text.h"

#define FEW 4u
#define PIECE 16384u  /* bytes folded at a time */
#define WINDOW 65536u /* folded bytes searched at a time */
#define DIRECT 4096u  /* this many at once need no window */

struct needle {
	struct buf folded[2]; /* unchanged; with each run of blanks reduced to one */
	uint32_t same[2];     /* 1 + the next needle with the same bytes, or 0 */
	bool found;
};

struct node {
	uint32_t first, fail;
	uint32_t needle; /* 1 + the first needle that ends here, or 0 */
	uint32_t live;   /* nearest node, from here by links, with needles still to be found */
	uint32_t link;   /* the same after this node, while nothing is found */
	uint16_t children;
	unsigned char byte;
};

struct growing { /* the ordered needles below a node */
	uint32_t from, end, depth;
};

struct tree {
	uint32_t root[256];
	uint32_t count;
	struct node nodes[];
};

struct stream {
	struct buf text; /* a window */
	uint32_t at;     /* in the tree */
};

struct mail_needles {
	struct needle *v;
	size_t n, cap, left;
	size_t longest[2], bytes;
	struct tree *tree[2]; /* NULL: not made yet */
	bool any;             /* something was found since the start */
	bool *oom;
	struct stream streams[MAIL_NEEDLES_STREAMS];
};

/* ---- folding ---- */

/* Folded headers have tabs where readers see blanks. */
static void
blank_tabs(struct str text)
{
	char *p;

	while (text.n > 0 && (p = memchr(text.p, '\t', text.n)) != NULL) {
		*p = ' ';
		text = str_range(p + 1, text.p + text.n);
	}
}

void
mail_needles_fold(struct str utf8, struct buf *out)
{
	while (utf8.n > 0) {
		struct str piece = utf8;
		size_t from = out->n;

		if (piece.n > PIECE) {
			piece.n = PIECE;
			while (
			    piece.n > PIECE - 4 && ((unsigned char)utf8.p[piece.n] & 0xc0) == 0x80)
				piece.n--;
		}
		mail_collate_text(piece, out);
		if (out->n > from)
			blank_tabs((struct str){out->p + from, out->n - from});
		utf8 = (struct str){utf8.p + piece.n, utf8.n - piece.n};
	}
}

void
mail_needles_squeeze(struct buf *b, size_t from, bool *blank)
{
	size_t n = from;

	for (size_t i = from; i < b->n; i++) {
		if (b->p[i] != ' ' || !*blank)
			b->p[n++] = b->p[i];
		*blank = b->p[i] == ' ';
	}
	b->n = n;
}

/* ---- making ---- */

struct mail_needles *
mail_needles_try_new(bool *oom)
{
	struct mail_needles *n = mem_try_zalloc(sizeof(*n), oom);

	if (n == NULL)
		return NULL;
	n->oom = oom;
	for (int i = 0; i < MAIL_NEEDLES_STREAMS; i++)
		n->streams[i].text.oom = oom;
	return n;
}

struct mail_needles *
mail_needles_new(void)
{
	return mail_needles_try_new(NULL);
}

void
mail_needles_free(struct mail_needles **np)
{
	struct mail_needles *n = *np;

	*np = NULL;
	if (n == NULL)
		return;
	for (size_t i = 0; i < n->n; i++)
		for (int kind = 0; kind < 2; kind++)
			buf_fini(&n->v[i].folded[kind]);
	for (int kind = 0; kind < 2; kind++)
		mem_free(n->tree[kind]);
	for (int i = 0; i < MAIL_NEEDLES_STREAMS; i++)
		buf_fini(&n->streams[i].text);
	mem_free(n->v);
	mem_free(n);
}

static bool
more_needles(struct mail_needles *n)
{
	size_t cap = n->cap > 0 ? n->cap * 2 : 1;
	struct needle *v = mem_try_realloc(n->v, cap * sizeof(*v), n->oom);

	if (v == NULL)
		return false;
	n->v = v;
	n->cap = cap;
	return true;
}

size_t
mail_needles_add(struct mail_needles *n, struct str utf8)
{
	struct needle *v;
	struct buf *squeezed;
	bool blank = false;

	if (n->n == n->cap && !more_needles(n))
		return 0;
	v = &n->v[n->n++];
	*v = (struct needle){.folded = {{.oom = n->oom}, {.oom = n->oom}}};
	mail_needles_fold(utf8, &v->folded[0]);
	squeezed = &v->folded[1];
	buf_str(squeezed, buf_as_str(&v->folded[0]));
	for (size_t i = 0; i < squeezed->n; i++)
		if (squeezed->p[i] == '\r' || squeezed->p[i] == '\n')
			squeezed->p[i] = ' ';
	mail_needles_squeeze(squeezed, 0, &blank);
	for (int kind = 0; kind < 2; kind++)
		if (v->folded[kind].n > n->longest[kind])
			n->longest[kind] = v->folded[kind].n;
	n->bytes += v->folded[0].n + squeezed->n;
	return n->n - 1;
}

size_t
mail_needles_bytes(const struct mail_needles *n)
{
	size_t each = n->n > FEW ? 2 + sizeof(struct node) + sizeof(struct growing) : 2;

	return sizeof(*n) + n->cap * sizeof(*n->v) + n->bytes * each;
}

size_t
mail_needles_window(const struct mail_needles *n)
{
	return MAIL_NEEDLES_STREAMS * 2 * (WINDOW + 2 * n->longest[0]);
}

struct ordered {
	struct str text;
	uint32_t number;
};

static int
by_text(const void *a, const void *b)
{
	return str_cmp(((const struct ordered *)a)->text, ((const struct ordered *)b)->text);
}

/* Fills node k: needles that end at it, and a child for each byte with which others continue. */
static void
grow_node(struct mail_needles *n, int kind, const struct ordered *o, struct growing *g, uint32_t k)
{
	struct tree *t = n->tree[kind];
	uint32_t i = g[k].from, depth = g[k].depth;

	for (; i < g[k].end && o[i].text.n == depth; i++) {
		n->v[o[i].number].same[kind] = t->nodes[k].needle;
		t->nodes[k].needle = o[i].number + 1;
	}
	t->nodes[k].first = t->count;
	while (i < g[k].end) {
		unsigned char byte = (unsigned char)o[i].text.p[depth];
		uint32_t from = i, child = t->count++;

		while (i < g[k].end && (unsigned char)o[i].text.p[depth] == byte)
			i++;
		t->nodes[child].byte = byte;
		t->nodes[k].children++;
		g[child] = (struct growing){from, i, depth + 1};
	}
}

/* Returns 0 if there is none. */
static inline uint32_t
child(const struct tree *t, uint32_t at, unsigned char byte)
{
	uint32_t low = t->nodes[at].first, high = low + t->nodes[at].children;

	if (at == 0)
		return t->root[byte];
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (t->nodes[mid].byte == byte)
			return mid;
		if (t->nodes[mid].byte < byte)
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

static inline uint32_t
next_node(const struct tree *t, uint32_t at, unsigned char byte)
{
	uint32_t to;

	while ((to = child(t, at, byte)) == 0 && at != 0)
		at = t->nodes[at].fail;
	return to;
}

/* Nodes are in the order of their depth. */
static void
link_nodes(struct tree *t)
{
	for (uint32_t k = 0; k < t->count; k++) {
		struct node *node = &t->nodes[k], *fail = &t->nodes[node->fail];

		node->link = fail->needle != 0 && k != 0 ? node->fail : fail->link;
		for (uint32_t c = node->first; c < node->first + node->children; c++)
			t->nodes[c].fail = k != 0 ? next_node(t, node->fail, t->nodes[c].byte) : 0;
	}
}

static void
set_live(struct tree *t)
{
	for (uint32_t k = 0; k < t->count; k++)
		t->nodes[k].live = t->nodes[k].needle != 0 ? k : t->nodes[k].link;
}

/* Puts the needles that are not empty in order; *bytes_r: their total. */
static size_t
put_in_order(const struct mail_needles *n, int kind, struct ordered *o, size_t *bytes_r)
{
	size_t count = 0;

	for (size_t i = 0; i < n->n; i++) {
		struct str text = buf_as_str(&n->v[i].folded[kind]);

		if (text.n == 0)
			continue;
		o[count++] = (struct ordered){text, (uint32_t)i};
		*bytes_r += text.n;
	}
	qsort(o, count, sizeof(*o), by_text);
	return count;
}

static void
fill_tree(
    struct mail_needles *n, int kind, const struct ordered *o, struct growing *g, size_t count)
{
	struct tree *t = n->tree[kind];

	g[0].end = (uint32_t)count;
	t->count = 1;
	for (uint32_t k = 0; k < t->count; k++)
		grow_node(n, kind, o, g, k);
	for (uint32_t c = 1; c < 1u + t->nodes[0].children; c++)
		t->root[t->nodes[c].byte] = c;
	link_nodes(t);
	set_live(t);
}

/* Leaves none if memory ran out. */
static void
make_tree(struct mail_needles *n, int kind)
{
	struct ordered *o = mem_try_zalloc(n->n * sizeof(*o), n->oom);
	struct growing *g = NULL;
	size_t count = 0, bytes = 1;

	if (o != NULL) {
		count = put_in_order(n, kind, o, &bytes);
		g = mem_try_zalloc(bytes * sizeof(*g), n->oom);
	}
	if (g != NULL)
		n->tree[kind] =
		    mem_try_zalloc(sizeof(struct tree) + bytes * sizeof(struct node), n->oom);
	if (n->tree[kind] != NULL)
		fill_tree(n, kind, o, g, count);
	mem_free(g);
	mem_free(o);
}

/* ---- searching ---- */

void
mail_needles_begin(struct mail_needles *n)
{
	for (size_t i = 0; i < n->n && n->any; i++)
		n->v[i].found = false;
	for (int kind = 0; kind < 2 && n->any; kind++)
		if (n->tree[kind] != NULL)
			set_live(n->tree[kind]);
	n->any = false;
	n->left = n->n;
	for (int i = 0; i < MAIL_NEEDLES_STREAMS; i++) {
		n->streams[i].text.n = 0;
		n->streams[i].at = 0;
	}
}

static void
mark_found(struct mail_needles *n, struct needle *v)
{
	n->left -= !v->found;
	n->any = v->found = true;
}

static void
search_each(struct mail_needles *n, int kind, struct str text)
{
	for (size_t i = 0; i < n->n; i++) {
		struct str needle = buf_as_str(&n->v[i].folded[kind]);

		if (!n->v[i].found && needle.n > 0 && text.n >= needle.n &&
		    str_find(text, needle) != NULL)
			mark_found(n, &n->v[i]);
	}
}

/* Searches the window.  Keeps its end, which may be the start of a needle. */
static void
look_through(struct mail_needles *n, int kind, struct buf *window)
{
	size_t longest = n->longest[kind];

	search_each(n, kind, buf_as_str(window));
	if (window->n >= longest && longest > 0)
		buf_consume(window, window->n - longest + 1);
}

/* Much at once: searches it in place. */
static void
look_directly(struct mail_needles *n, int kind, struct buf *window, struct str text)
{
	size_t end = n->longest[kind] > 0 ? n->longest[kind] - 1 : 0;

	if (window->n > 0) {
		buf_put(window, text.p, end);
		search_each(n, kind, buf_as_str(window));
	}
	search_each(n, kind, text);
	window->n = 0;
	buf_put(window, text.p + text.n - end, end);
}

/* Returns the nearest node from k on with needles to be found; shortens the path to it. */
static uint32_t
live(struct tree *t, uint32_t k)
{
	struct node *nodes = t->nodes;

	while (k != 0 && nodes[k].live != k) {
		uint32_t next = nodes[k].live;

		nodes[k].live = nodes[next].live;
		k = next;
	}
	return k;
}

static void
arrive(struct mail_needles *n, int kind, uint32_t at)
{
	struct tree *t = n->tree[kind];

	while ((at = live(t, at)) != 0) {
		for (uint32_t i = t->nodes[at].needle; i != 0; i = n->v[i - 1].same[kind])
			mark_found(n, &n->v[i - 1]);
		t->nodes[at].live = t->nodes[at].link;
	}
}

static void
walk_tree(struct mail_needles *n, int kind, struct stream *s, struct str text)
{
	struct tree *t;
	uint32_t at = s->at;

	if (n->tree[kind] == NULL)
		make_tree(n, kind);
	t = n->tree[kind];
	if (t == NULL)
		return;
	for (size_t i = 0; i < text.n; i++) {
		at = next_node(t, at, (unsigned char)text.p[i]);
		if (t->nodes[at].live != 0)
			arrive(n, kind, at);
	}
	s->at = at;
}

void
mail_needles_feed(struct mail_needles *n, enum mail_needles_stream stream, struct str folded)
{
	struct stream *s = &n->streams[stream];
	int kind = stream != MAIL_NEEDLES_PLAIN;

	if (n->left == 0 || folded.n == 0)
		return;
	if (n->n > FEW) {
		walk_tree(n, kind, s, folded);
		return;
	}
	if (folded.n >= DIRECT && folded.n >= 2 * n->longest[kind]) {
		look_directly(n, kind, &s->text, folded);
		return;
	}
	buf_str(&s->text, folded);
	if (s->text.n >= WINDOW + n->longest[kind] * 2)
		look_through(n, kind, &s->text);
}

void
mail_needles_end(struct mail_needles *n, enum mail_needles_stream stream)
{
	struct stream *s = &n->streams[stream];
	int kind = stream != MAIL_NEEDLES_PLAIN;

	if (n->left > 0 && s->text.n > 0)
		search_each(n, kind, buf_as_str(&s->text));
	buf_fini(&s->text);
	s->at = 0;
	for (size_t i = 0; i < n->n && n->left > 0; i++)
		if (n->v[i].folded[0].n == 0)
			mark_found(n, &n->v[i]);
}

bool
mail_needles_found(const struct mail_needles *n, size_t number)
{
	return n->v[number].found;
}

size_t
mail_needles_left(const struct mail_needles *n)
{
	return n->left;
}
