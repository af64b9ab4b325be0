/* SPDX-License-Identifier: Apache-2.0 */
/* The faults of a configuration, in the order in which they are reported. */
#include <stdlib.h>

#include "base/mem.h"
#include "server/config/settings.h"

struct told {
	struct str text;
	unsigned long line; /* minus one, so that "none" comes after all */
	size_t at;
};

static int
by_line(const void *a, const void *b)
{
	const struct told *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* "FILE:12: ..." gives 12. */
static unsigned long
line_of(struct str text, struct str file)
{
	if (file.n == 0 || !str_has_prefix(text, file) || text.n <= file.n || text.p[file.n] != ':')
		return 0;
	return strtoul(text.p + file.n + 1, NULL, 10); /* digit or not, the newline ends it */
}

void
settings_put_faults(struct str lines, const char *file, struct buf *out)
{
	struct str rest = lines, text;
	struct str name = file != NULL ? str_of(file) : STR_NONE;
	struct told *all;
	size_t n = 0, room = 1;

	for (size_t i = 0; i < lines.n; i++)
		room += lines.p[i] == '\n';
	all = mem_zalloc(room * sizeof(*all));
	while (n < room && rest.n > 0 && str_split(&rest, '\n', &text)) {
		all[n] = (struct told){text, line_of(text, name) - 1, n};
		n++;
	}
	qsort(all, n, sizeof(*all), by_line);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || !str_eq(all[i].text, all[i - 1].text))
			buf_printf(out, "%.*s\n", STR_ARG(all[i].text));
	mem_free(all);
}
