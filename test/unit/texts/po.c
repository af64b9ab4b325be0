/* SPDX-License-Identifier: Apache-2.0 */
/* See po.h. */
#include "po.h"

#include <stdlib.h>

#include "base/arena.h"

enum { ENTRIES_MAX = 1000, HEADER = 28 };

static int
compare(const void *a, const void *b)
{
	return str_cmp(
	    ((const struct po_entry *)a)->english, ((const struct po_entry *)b)->english);
}

static size_t
put_table(struct buf *mo, const struct po_entry *v, size_t n, bool said, size_t at)
{
	for (size_t i = 0; i < n; i++) {
		struct str s = said ? v[i].said : v[i].english;

		buf_le32(mo, (uint32_t)s.n);
		buf_le32(mo, (uint32_t)at);
		at += s.n + 1;
	}
	return at;
}

void
po_put(struct buf *mo, const struct po_entry *entries, size_t n)
{
	struct po_entry *v = malloc((n + 1) * sizeof(*v));
	size_t from = HEADER + 16 * (n + 1), middle;

	v[0] = (struct po_entry){STR(""), STR("Content-Type: text/plain; charset=UTF-8\n")};
	for (size_t i = 0; i < n; i++)
		v[i + 1] = entries[i];
	n++;
	qsort(v, n, sizeof(*v), compare);
	buf_le32(mo, 0x950412de);
	buf_le32(mo, 0);
	buf_le32(mo, (uint32_t)n);
	buf_le32(mo, HEADER);
	buf_le32(mo, (uint32_t)(HEADER + 8 * n));
	buf_le32(mo, 0);
	buf_le32(mo, 0);
	middle = put_table(mo, v, n, false, from);
	(void)put_table(mo, v, n, true, middle);
	for (size_t i = 0; i < 2 * n; i++) {
		buf_str(mo, i < n ? v[i].english : v[i - n].said);
		buf_putc(mo, '\0');
	}
	free(v);
}

/* ---- .po */

static void
unquote(struct str line, struct buf *out)
{
	const char *p = memchr(line.p, '"', line.n), *end = line.p + line.n;

	for (p++; p < end && *p != '"'; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		buf_putc(out, p[-1] == '\\' && *p == 'n' ? '\n' : *p);
	}
}

struct reader {
	struct arena *arena;
	struct po_entry v[ENTRIES_MAX];
	size_t n;
	struct buf english, said, *now;
	bool identity;
};

static void
end_entry(struct reader *r)
{
	const struct buf *said = r->said.n == 0 && r->identity ? &r->english : &r->said;

	if (r->english.n > 0 && said->n > 0 && r->n < ENTRIES_MAX)
		r->v[r->n++] = (struct po_entry){arena_str(r->arena, buf_as_str(&r->english)),
		    arena_str(r->arena, buf_as_str(said))};
	r->english.n = r->said.n = 0;
}

void
po_compile(struct buf *mo, struct str po, bool identity)
{
	struct reader *r = calloc(1, sizeof(*r));
	struct str line;

	r->arena = arena_new(NULL, ARENA_OTHER, 65536);
	r->identity = identity;
	while (po.n > 0 && str_split(&po, '\n', &line)) {
		if (str_has_prefix(line, STR("msgid "))) {
			end_entry(r);
			r->now = &r->english;
		} else if (str_has_prefix(line, STR("msgstr ")))
			r->now = &r->said;
		else if (line.n == 0 || line.p[0] != '"')
			continue;
		unquote(line, r->now);
	}
	end_entry(r);
	po_put(mo, r->v, r->n);
	buf_fini(&r->english);
	buf_fini(&r->said);
	arena_free(&r->arena);
	free(r);
}
