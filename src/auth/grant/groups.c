/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: see groups.h.  Memberships are sorted by user; a hash table finds a user's first one. */
#include "auth/grant/groups.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "auth/grant/grant.h"
#include "auth/user/file.h"
#include "auth/user/hash.h"
#include "base/arena.h"
#include "base/mem.h"
#include "sasl/names.h"

enum { FAULTS_MAX = 20 };

struct membership {
	struct str user, group;
};

struct span { /* the groups of one user */
	struct str user;
	size_t first, n;
};

struct auth_groups {
	_Atomic unsigned refs;
	struct arena *arena;
	struct str *names; /* of all groups, sorted */
	size_t name_count;
	struct str *groups; /* of all users; each has a span of it */
	size_t count;
	struct span *table; /* by the hash of the user name; n 0: free */
	size_t mask;
};

/* ---- reading */

struct reader {
	const char *file;
	unsigned line, faults;
	struct str default_domain;
	struct buf *text; /* about faults */
	struct arena *arena;
	struct buf names, members; /* arrays of struct str, struct membership */
};

static void __attribute__((format(printf, 2, 3))) fault(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	if (r->faults++ >= FAULTS_MAX)
		return;
	if (r->line > 0)
		buf_printf(r->text, "%s:%u: ", r->file, r->line);
	else
		buf_printf(r->text, "%s: ", r->file);
	va_start(ap, fmt);
	buf_vprintf(r->text, fmt, ap);
	va_end(ap);
	buf_putc(r->text, '\n');
}

static void
read_members(struct reader *r, struct str group, struct str list)
{
	struct buf name = {0};
	struct str part;

	while (str_split(&list, ',', &part)) {
		struct membership m = {.group = group};

		part = str_trim(part);
		name.n = 0;
		if (part.n == 0)
			continue; /* tools leave "a,,b" and "a," behind */
		if (!sasl_name_full(part, r->default_domain, &name)) {
			fault(r, "\"%.*s\" is not a user name", part.n > 60 ? 60 : (int)part.n,
			    part.p);
			continue;
		}
		m.user = arena_str(r->arena, buf_as_str(&name));
		buf_put(&r->members, &m, sizeof(m));
	}
	buf_fini(&name);
}

static void
read_group_line(struct reader *r, struct str line)
{
	struct auth_names name;
	struct str rest = line, part[4] = {{0}}, more;
	struct buf with_word = {0};
	uint64_t number;
	size_t n = 0;

	while (n < 4 && str_split(&rest, ':', &part[n]))
		n++;
	if (n < 3 || (n == 4 && str_split(&rest, ':', &more))) {
		fault(r, "must be NAME:PASSWORD:NUMBER:MEMBERS");
		return;
	}
	buf_puts(&with_word, AUTH_GROUP_WORD);
	buf_str(&with_word, part[0]);
	if (!auth_names_parse(buf_as_str(&with_word), STR_NONE, r->arena, &name))
		fault(r, "the name of a group is 1 to %d bytes of UTF-8 without blanks",
		    AUTH_GROUP_NAME_MAX);
	else if (!str_u64(part[2], UINT32_MAX, &number))
		fault(r, "the third part is the group's number, not \"%.*s\"",
		    part[2].n > 60 ? 60 : (int)part[2].n, part[2].p);
	else {
		buf_put(&r->names, &name.text, sizeof(name.text));
		read_members(r, name.text, part[3]);
	}
	buf_fini(&with_word);
}

static void
read_text(struct reader *r, struct str text)
{
	struct str line;

	while (str_split(&text, '\n', &line)) {
		r->line++;
		line = str_trim(line);
		if (line.n > 0 && line.p[0] != '#')
			read_group_line(r, line);
	}
	if (r->faults > FAULTS_MAX)
		buf_printf(r->text, "%s: %u more\n", r->file, r->faults - FAULTS_MAX);
}

/* ---- making */

static int
by_user(const void *a, const void *b)
{
	const struct membership *x = a, *y = b;
	int c = str_cmp(x->user, y->user);

	return c != 0 ? c : str_cmp(x->group, y->group);
}

static int
by_group_name(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void
put_span(struct auth_groups *g, struct span span)
{
	size_t at = auth_hash(span.user) & g->mask;

	while (g->table[at].n > 0)
		at = (at + 1) & g->mask;
	g->table[at] = span;
}

/* Sorts and removes duplicates. */
static void
index_members(struct auth_groups *g, struct membership *m, size_t n)
{
	size_t size = 16;

	while (size < 2 * n)
		size *= 2;
	g->mask = size - 1;
	g->table = arena_array(g->arena, size, sizeof(*g->table));
	g->groups = arena_array(g->arena, n, sizeof(*g->groups));
	for (size_t i = 0; i < n;) {
		struct span span = {.user = m[i].user, .first = g->count};

		for (; i < n && str_eq(m[i].user, span.user); i++)
			if (g->count == span.first || !str_eq(g->groups[g->count - 1], m[i].group))
				g->groups[g->count++] = m[i].group;
		span.n = g->count - span.first;
		put_span(g, span);
	}
}

struct auth_groups *
auth_groups_parse(struct str text, const char *file, struct str default_domain, struct buf *faults)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct reader r = {
	    .file = file, .default_domain = default_domain, .text = faults, .arena = arena};
	struct auth_groups *g = NULL;
	size_t n;

	read_text(&r, text);
	if (r.faults == 0) {
		g = arena_new_object(arena, struct auth_groups);
		g->refs = 1;
		g->arena = arena;
		n = r.members.n / sizeof(struct membership);
		if (n > 0)
			qsort(r.members.p, n, sizeof(struct membership), by_user);
		index_members(g, (struct membership *)(void *)r.members.p, n);
		g->name_count = r.names.n / sizeof(struct str);
		g->names = arena_array(arena, g->name_count, sizeof(struct str));
		if (g->name_count > 0) {
			memcpy(g->names, r.names.p, r.names.n);
			qsort(g->names, g->name_count, sizeof(struct str), by_group_name);
		}
	} else {
		arena_free(&arena);
	}
	buf_fini(&r.names);
	buf_fini(&r.members);
	return g;
}

struct auth_groups *
auth_groups_none(void)
{
	struct buf faults = {0};
	struct auth_groups *g = auth_groups_parse(STR_NONE, "", STR_NONE, &faults);

	buf_fini(&faults);
	return g;
}

struct auth_groups *
auth_groups_load(
    const char *path, struct str default_domain, struct stat *seen_r, struct buf *faults)
{
	struct auth_groups *g = NULL;
	struct buf text = {0};
	const char *why = auth_file_read(path, AUTH_GROUP_FILE_MAX, &text, seen_r);

	if (why == NULL)
		g = auth_groups_parse(buf_as_str(&text), path, default_domain, faults);
	else
		buf_printf(faults, "%s: cannot be read: %s\n", path, why);
	buf_fini(&text);
	return g;
}

struct auth_groups *
auth_groups_ref(struct auth_groups *groups)
{
	atomic_fetch_add_explicit(&groups->refs, 1, memory_order_relaxed);
	return groups;
}

void
auth_groups_unref(struct auth_groups **gp)
{
	struct auth_groups *g = *gp;
	struct arena *arena;

	*gp = NULL;
	if (g == NULL || atomic_fetch_sub_explicit(&g->refs, 1, memory_order_acq_rel) > 1)
		return;
	arena = g->arena;
	arena_free(&arena);
}

/* ---- asking */

size_t
auth_groups_of(const struct auth_groups *g, struct str user, const struct str **list_r)
{
	size_t at = auth_hash(user) & g->mask;

	while (g->table[at].n > 0 && !str_eq(g->table[at].user, user))
		at = (at + 1) & g->mask;
	*list_r = g->groups + g->table[at].first;
	return g->table[at].n;
}

bool
auth_groups_has(const struct auth_groups *g, struct str group, struct str user)
{
	const struct str *list;
	size_t n = auth_groups_of(g, user, &list);

	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i], group))
			return true;
	return false;
}

bool
auth_groups_known(const struct auth_groups *g, struct str group)
{
	return g->name_count > 0 &&
	       bsearch(&group, g->names, g->name_count, sizeof(group), by_group_name) != NULL;
}

size_t
auth_groups_count(const struct auth_groups *g)
{
	return g->count;
}
