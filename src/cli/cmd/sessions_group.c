/* SPDX-License-Identifier: Apache-2.0 */
/* Connections by user or by address. */
#include "cli/cmd/sessions_group.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "control/rows.h"

enum { SHOWN = 3 }; /* members in a cell of the table */

struct conn {
	struct str key, other, client;
	uint64_t idle;
};

struct conns {
	struct conn *p;
	size_t n, cap;
};

static const char *const keys[] = {"user", "host"}, *const titles[] = {"user", "address"},
                         *const others[] = {"addresses", "users"};

static struct str
keep_value(struct str row, const char *key, struct buf *value, struct arena *arena)
{
	row_find(row, key, 0, value);
	return arena_str(arena, buf_as_str(value));
}

static void
read_conns(struct str rows, enum sessions_by by, struct arena *arena, struct conns *c)
{
	struct buf value = {0};
	struct str row;

	while (rows_next(&rows, &row)) {
		struct conn *conn;

		if (c->n == c->cap) {
			c->cap = c->cap == 0 ? 64 : c->cap * 2;
			c->p = mem_realloc(c->p, c->cap * sizeof(*c->p));
		}
		conn = &c->p[c->n++];
		conn->key = keep_value(row, keys[by], &value, arena);
		conn->other = keep_value(row, keys[!by], &value, arena);
		conn->client = keep_value(row, "client", &value, arena);
		conn->idle = 0;
		row_find(row, "idle_seconds", 0, &value);
		(void)str_u64(buf_as_str(&value), UINT64_MAX, &conn->idle);
	}
	buf_fini(&value);
}

static int
compare_texts(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static int
by_key(const void *a, const void *b)
{
	return compare_texts(((const struct conn *)a)->key, ((const struct conn *)b)->key);
}

static int
by_conn_text(const void *a, const void *b)
{
	return compare_texts(*(const struct str *)a, *(const struct str *)b);
}

/* Keeps the distinct non-empty ones, sorted; returns their number. */
static size_t
different(struct str *names, size_t n)
{
	size_t to = 0;

	qsort(names, n, sizeof(*names), by_conn_text);
	for (size_t i = 0; i < n; i++)
		if (names[i].n > 0 && (to == 0 || !str_eq(names[i], names[to - 1])))
			names[to++] = names[i];
	return to;
}

static void
put_members(struct buf *out, const char *key, struct str *names, size_t n, bool json)
{
	struct buf text = {0};

	n = different(names, n);
	if (json) {
		row_list(out, key);
		for (size_t i = 0; i < n; i++)
			row_item(out, key, names[i]);
		return;
	}
	for (size_t i = 0; i < n && i < SHOWN; i++)
		buf_printf(&text, "%s%.*s", i > 0 ? ", " : "", STR_ARG(names[i]));
	if (n > SHOWN)
		buf_printf(&text, " and %zu more", n - SHOWN);
	row_str(out, key, buf_as_str(&text));
	buf_fini(&text);
}

static void
put_group(const struct conn *c, size_t n, enum sessions_by by, bool json, struct buf *out)
{
	struct str *names = mem_zalloc(n * sizeof(*names));
	uint64_t idle = UINT64_MAX;

	for (size_t i = 0; i < n; i++) {
		names[i] = c[i].other;
		idle = c[i].idle < idle ? c[i].idle : idle;
	}
	row_str(out, titles[by], c->key.n > 0 || json ? c->key : STR("(not logged in)"));
	row_u64(out, "connections", n);
	put_members(out, others[by], names, n, json);
	row_u64(out, "idle_seconds", idle);
	for (size_t i = 0; i < n; i++)
		names[i] = c[i].client;
	put_members(out, "clients", names, n, json);
	row_end(out);
	mem_free(names);
}

void
sessions_group(struct str rows, enum sessions_by by, bool json, struct buf *out)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct conns c = {0};

	read_conns(rows, by, arena, &c);
	if (c.n > 0)
		qsort(c.p, c.n, sizeof(*c.p), by_key);
	for (size_t from = 0, to; from < c.n; from = to) {
		for (to = from + 1; to < c.n && str_eq(c.p[to].key, c.p[from].key);)
			to++;
		put_group(&c.p[from], to - from, by, json, out);
	}
	mem_free(c.p);
	arena_free(&arena);
}
