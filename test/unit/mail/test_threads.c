/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads compared with a naive reading of RFC 5256 section 3, for random messages with few ids,
 * subjects and dates; and trees that nobody sends by accident.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "mail/forest.h"
#include "mail/threads.h"

#define MOST 14u
#define REFS 4u
#define ROUNDS 6000u

struct mails {
	size_t n;
	uint32_t *date, *subject;
	bool *has, *reply;
	uint64_t *id;
	uint64_t *refs;
	size_t *n_refs, refs_each;
};

static uint64_t seed = 7;

static unsigned
below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static void
mails_make(struct mails *m, size_t n, size_t refs_each)
{
	*m = (struct mails){.n = n, .refs_each = refs_each};
	m->date = mem_zalloc((n + 1) * sizeof *m->date);
	m->subject = mem_zalloc((n + 1) * sizeof *m->subject);
	m->has = mem_zalloc(n + 1);
	m->reply = mem_zalloc(n + 1);
	m->id = mem_zalloc((n + 1) * sizeof *m->id);
	m->n_refs = mem_zalloc((n + 1) * sizeof *m->n_refs);
	m->refs = mem_zalloc((n * refs_each + 1) * sizeof *m->refs);
}

static void
mails_free(struct mails *m)
{
	mem_free(m->date);
	mem_free(m->subject);
	mem_free(m->has);
	mem_free(m->reply);
	mem_free(m->id);
	mem_free(m->n_refs);
	mem_free(m->refs);
}

static bool
has_subject(const void *arg, size_t i)
{
	return ((const struct mails *)arg)->has[i];
}

static bool
is_reply(const void *arg, size_t i)
{
	return ((const struct mails *)arg)->reply[i];
}

static uint64_t
ids(const void *arg, size_t i, const uint64_t **refs_r, size_t *n_r)
{
	const struct mails *m = arg;

	*refs_r = m->refs + i * m->refs_each;
	*n_r = m->n_refs[i];
	return m->id[i];
}

/* ---- naive: lists of children, searched from end to end */

#define NODES (MOST * (REFS + 2) + 1)

struct node {
	int message; /* -1: a dummy */
	uint64_t id;
	int parent;
	bool gone;
};

struct naive {
	const struct mails *m;
	struct node node[NODES];
	size_t n;
};

static int
new_node(struct naive *x, int message, uint64_t id)
{
	x->node[x->n] = (struct node){message, id, -1, false};
	return (int)x->n++;
}

static int
node_of(struct naive *x, uint64_t id)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->node[i].id == id)
			return (int)i;
	return new_node(x, -1, id);
}

static bool
is_below(const struct naive *x, int a, int b)
{
	for (; a >= 0; a = x->node[a].parent)
		if (a == b)
			return true;
	return false;
}

static void
link_one(struct naive *x, int child, int parent)
{
	if (!is_below(x, parent, child))
		x->node[child].parent = parent;
}

static void
step_1(struct naive *x)
{
	const struct mails *m = x->m;

	for (size_t i = 0; i < m->n; i++) {
		uint64_t id = m->id[i];

		for (size_t k = 0; k < i; k++)
			if (m->id[k] == id)
				id = 0;
		(void)new_node(x, (int)i, id != 0 ? id : 1000000 + i);
	}
	for (size_t i = 0; i < m->n; i++) {
		int last = -1;

		for (size_t r = 0; r < m->n_refs[i]; r++) {
			int c = node_of(x, m->refs[i * m->refs_each + r]);

			if (last >= 0 && x->node[c].parent < 0)
				link_one(x, c, last);
			last = c;
		}
		x->node[i].parent = -1;
		if (last >= 0)
			link_one(x, (int)i, last);
	}
}

static size_t
children(const struct naive *x, int up, int *list)
{
	size_t n = 0;

	for (size_t i = 0; i < x->n; i++)
		if (!x->node[i].gone && x->node[i].parent == up)
			list[n++] = (int)i;
	return n;
}

/* Dummies without dummies below, until only those at the top are left. */
static void
step_3(struct naive *x)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < x->n; i++) {
			int list[NODES];
			size_t n = children(x, (int)i, list);

			if (x->node[i].gone || x->node[i].message >= 0)
				continue;
			if (n > 1 && x->node[i].parent < 0)
				continue;
			x->node[i].gone = again = true;
			for (size_t k = 0; k < n; k++)
				x->node[list[k]].parent = x->node[i].parent;
		}
	}
}

static const struct naive *sorted;
static bool by_newest;

static bool
is_older(const struct naive *x, int a, int b)
{
	const uint32_t *date = x->m->date;

	return date[a] != date[b] ? date[a] < date[b] : a < b;
}

/* The message by which a node is sorted. */
static int
sort_message(const struct naive *x, int node)
{
	int list[NODES], best = -1;
	size_t n;

	if (by_newest) {
		for (size_t i = 0; i < x->m->n; i++)
			if (is_below(x, (int)i, node) && (best < 0 || is_older(x, best, (int)i)))
				best = (int)i;
		return best;
	}
	if (x->node[node].message >= 0)
		return node;
	n = children(x, node, list);
	for (size_t k = 0; k < n; k++)
		if (best < 0 || is_older(x, list[k], best))
			best = list[k];
	return best;
}

static int
compare(const void *a, const void *b)
{
	int x = sort_message(sorted, *(const int *)a), y = sort_message(sorted, *(const int *)b);

	return x == y ? 0 : is_older(sorted, x, y) ? -1 : 1;
}

static size_t
sorted_children(const struct naive *x, int up, int *list, bool newest)
{
	size_t n = children(x, up, list);

	sorted = x;
	by_newest = newest;
	qsort(list, n, sizeof *list, compare);
	by_newest = false;
	return n;
}

static void
step_5(struct naive *x)
{
	int list[NODES], table[MOST + 1], subject[NODES];
	size_t n = sorted_children(x, -1, list, false);

	for (size_t s = 0; s <= MOST; s++)
		table[s] = -1;
	for (size_t i = 0; i < n; i++) {
		int c = list[i], first = sort_message(x, c), t;

		subject[i] = x->m->has[first] ? (int)x->m->subject[first] : -1;
		if (subject[i] < 0)
			continue;
		t = table[subject[i]];
		if (t < 0 || (x->node[t].message >= 0 &&
		                 (x->node[c].message < 0 || (x->m->reply[t] && !x->m->reply[c]))))
			table[subject[i]] = c;
	}
	for (size_t i = 0; i < n; i++) {
		int c = list[i], t = subject[i] < 0 ? c : table[subject[i]], dummy, kids[NODES];
		size_t n_kids;

		if (t == c || x->node[c].parent >= 0)
			continue;
		if (x->node[t].message < 0 && x->node[c].message < 0) {
			n_kids = children(x, c, kids);
			for (size_t k = 0; k < n_kids; k++)
				x->node[kids[k]].parent = t;
			x->node[c].gone = true;
		} else if (x->node[t].message < 0 || (x->m->reply[c] && !x->m->reply[t])) {
			x->node[c].parent = t;
		} else {
			dummy = new_node(x, -1, 0);
			x->node[c].parent = x->node[t].parent = dummy;
			table[subject[i]] = dummy;
		}
	}
}

static void
print_naive(const struct naive *x, int node, struct buf *b)
{
	int list[NODES];
	size_t n = sorted_children(x, node, list, false);

	if (x->node[node].message >= 0)
		buf_printf(b, "%d ", node);
	for (size_t k = 0; k < n; k++) {
		if (n > 1)
			buf_puts(b, "(");
		print_naive(x, list[k], b);
		if (n > 1)
			buf_puts(b, ")");
	}
}

static void
thread_naively(const struct mails *m, enum mail_threads_by by, struct buf *b)
{
	static struct naive x;
	int list[NODES];
	size_t n;

	x = (struct naive){.m = m};
	if (by == MAIL_THREADS_ORDEREDSUBJECT) {
		for (size_t i = 0; i < m->n; i++)
			(void)new_node(&x, (int)i, 1000000 + i);
		for (int i = 0; i < (int)m->n; i++)
			for (int k = 0; k < (int)m->n; k++)
				if (m->subject[k] == m->subject[i] && is_older(&x, k, i) &&
				    (x.node[i].parent < 0 || is_older(&x, k, x.node[i].parent)))
					x.node[i].parent = k;
	} else {
		step_1(&x);
		step_3(&x);
	}
	if (by == MAIL_THREADS_REFERENCES)
		step_5(&x);
	n = sorted_children(&x, -1, list, by == MAIL_THREADS_REFS);
	for (size_t k = 0; k < n; k++) {
		buf_puts(b, "(");
		print_naive(&x, list[k], b);
		buf_puts(b, ")");
	}
}

/* ---- what is tried */

static bool
always(void *arg)
{
	++*(size_t *)arg;
	return true;
}

/* In slices, and with memory granted byte by byte. */
static struct mail_threads *
thread(const struct mails *m, enum mail_threads_by by, size_t *steps_r)
{
	struct mail_threads_input in = {.n = m->n,
	    .date = m->date,
	    .subject = m->subject,
	    .has_subject = has_subject,
	    .is_reply = is_reply,
	    .ids = ids,
	    .arg = m,
	    .secret = 99};
	struct mail_threads *t = mail_threads_new(by, &in);
	enum mail_threads_state state;
	uint64_t room = 0;

	*steps_r = 0;
	while ((state = mail_threads_step(t, room, always, steps_r)) != MAIL_THREADS_DONE) {
		if (state == MAIL_THREADS_ROOM)
			room = mail_threads_needs(t);
		assert_true(mail_threads_needs(t) <= room);
	}
	return t;
}

static bool
is_apart(const struct mail_threads *t, uint32_t m)
{
	uint32_t up = mail_threads_parent(t, m);

	return up == MAIL_NO_THREAD ||
	       mail_threads_next(t, mail_threads_child(t, up)) != MAIL_NO_THREAD;
}

static size_t
print(const struct mail_threads *t, struct buf *b)
{
	uint32_t at = mail_threads_first(t);
	bool up = false;
	size_t messages = 0;

	while (at != MAIL_NO_THREAD) {
		if (!up) {
			if (is_apart(t, at))
				buf_puts(b, "(");
			if (!mail_threads_is_dummy(t, at)) {
				buf_printf(b, "%u ", at);
				messages++;
			}
			up = mail_threads_child(t, at) == MAIL_NO_THREAD;
			at = up ? at : mail_threads_child(t, at);
			continue;
		}
		if (is_apart(t, at))
			buf_puts(b, ")");
		up = mail_threads_next(t, at) == MAIL_NO_THREAD;
		at = up ? mail_threads_parent(t, at) : mail_threads_next(t, at);
	}
	return messages;
}

static void
make_random(struct mails *m)
{
	unsigned texts = 1 + below(MOST), many = 2 + below(12);

	mails_make(m, below(MOST + 1), REFS);
	for (size_t i = 0; i < m->n; i++) {
		m->date[i] = below((unsigned)m->n);
		m->subject[i] = below(texts) % ((unsigned)m->n + 1);
		m->has[i] = m->subject[i] != 0;
		m->reply[i] = below(2) == 0;
		m->id[i] = below(many);
		m->n_refs[i] = below(REFS + 1);
		for (size_t r = 0; r < m->n_refs[i]; r++)
			m->refs[i * REFS + r] = 1 + below(many);
	}
}

static void
same_as_naive(void **state)
{
	struct buf want = {0}, got = {0};

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct mails m;

		make_random(&m);
		for (enum mail_threads_by by = 0; by <= MAIL_THREADS_REFS; by++) {
			size_t steps;
			struct mail_threads *t = thread(&m, by, &steps);

			want.n = got.n = 0;
			thread_naively(&m, by, &want);
			assert_int_equal(print(t, &got), m.n);
			assert_string_equal(buf_cstr(&got), buf_cstr(&want));
			mail_threads_free(&t);
		}
		mails_free(&m);
	}
	buf_fini(&want);
	buf_fini(&got);
}

/* ---- hostile ones: as long as it takes to count them */

#define MANY 100000u

static void
try_hostile(const struct mails *m)
{
	for (enum mail_threads_by by = MAIL_THREADS_REFERENCES; by <= MAIL_THREADS_REFS; by++) {
		struct buf b = {0};
		size_t steps;
		struct mail_threads *t = thread(m, by, &steps);

		assert_int_equal(print(t, &b), m->n);
		assert_true(steps < 1000);
		mail_threads_free(&t);
		buf_fini(&b);
	}
}

/* Each is a reply to the one before or after; they arrive in that order or backwards; finally loops
 * are closed, again and again. */
static void
deep(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		struct mails m;

		mails_make(&m, MANY, 3);
		for (uint32_t i = 0; i < MANY; i++) {
			uint32_t up = kind % 2 == 0 ? i : i + 2;

			m.date[i] = i;
			m.id[i] = i + 1;
			m.refs[i * 3] = kind < 2 ? up : MANY + 1 + i;
			m.refs[i * 3 + 1] = kind < 2 ? (i % 2 == 0 ? up : MANY) : MANY + 2 + i;
			m.refs[i * 3 + 2] = up;
			m.n_refs[i] = up == 0 ? 0 : kind < 2 ? 1 + 2 * (i % 7 == 3) : 2;
		}
		try_hostile(&m);
		mails_free(&m);
	}
}

/* All with one subject; all replies to a missing message. */
static void
wide(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 2; kind++) {
		struct mails m;

		mails_make(&m, MANY, 1);
		for (uint32_t i = 0; i < MANY; i++) {
			m.date[i] = MANY - i;
			m.subject[i] = 1;
			m.has[i] = m.reply[i] = true;
			m.refs[i] = 5;
			m.n_refs[i] = kind;
		}
		try_hostile(&m);
		mails_free(&m);
	}
}

/* ---- the forest alone, with trees that are deep and loops that are asked for */

#define TREES 300u

static bool
forest_is_below(const struct forest *f, uint32_t a, uint32_t b)
{
	for (; a != FOREST_NONE; a = f->parent[a])
		if (a == b)
			return true;
	return false;
}

static void
forest_as_naive(void **state)
{
	struct forest f = {.n = 0};
	size_t refused = 0;

	(void)state;
	forest_grow(&f, TREES);
	for (unsigned i = 0; i < TREES; i++)
		(void)forest_add(&f);
	for (unsigned round = 0; round < 200000; round++) {
		/* Mostly neighbours: the trees are chains. */
		uint32_t a = below(TREES), b = below(8) == 0 ? below(TREES) : (a + 1) % TREES;

		if (f.parent[a] == FOREST_NONE) {
			bool loop = forest_is_below(&f, b, a);

			refused += loop;
			assert_int_equal(forest_link(&f, a, b), !loop);
			assert_int_equal(f.parent[a], loop ? FOREST_NONE : b);
		} else if (below(10) == 0) {
			forest_cut(&f, a);
			assert_int_equal(f.parent[a], FOREST_NONE);
		}
	}
	assert_true(refused > 100);
	assert_non_null(f.node);
	forest_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(same_as_naive),
	    cmocka_unit_test(forest_as_naive),
	    cmocka_unit_test(deep),
	    cmocka_unit_test(wide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
