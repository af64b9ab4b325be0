/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and texts made from it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "lockstep.h"

enum { LINES_MAX = 1024, DEPTH_MAX = 6 };

static struct words_line table[LINES_MAX];
static size_t table_n;
static struct buf table_text;

uint32_t
random_below(uint64_t *rng, uint32_t n)
{
	*rng = *rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((*rng >> 33) % n);
}

static void
die(const char *what, struct str where)
{
	fprintf(stderr, "commands.txt: %s: %.*s\n", what, STR_ARG(where));
	exit(1);
}

static void
add_line(struct str line, struct str caps)
{
	struct words_line *l = &table[table_n];
	uint64_t weight = 1;
	struct str head, count;

	if (table_n == LINES_MAX)
		die("too many lines", line);
	if (!str_split(&line, ' ', &head))
		die("no kind", line);
	count = head;
	(void)str_split(&count, '*', &l->kind);
	if (count.n > 0 && !str_u64(count, 1000, &weight))
		die("no weight", count);
	l->weight = (unsigned)weight;
	l->text = line;
	l->caps = caps;
	table_n++;
}

static bool
has_cap(struct str caps, bool (*is_cap)(struct str word))
{
	struct str word;

	while (str_split(&caps, ' ', &word))
		if (is_cap(word))
			return true;
	return false;
}

void
words_load(const char *folder, bool (*is_cap)(struct str word))
{
	char path[512];
	struct str rest, line, caps = STR_NONE;
	bool used = true;
	FILE *f;

	snprintf(path, sizeof(path), "%s/commands.txt", folder);
	f = fopen(path, "r");
	if (f == NULL)
		die("cannot be read", str_of(path));
	table_text.n = fread(buf_room(&table_text, 1 << 18), 1, 1 << 18, f);
	fclose(f);
	rest = buf_as_str(&table_text);
	while (rest.n > 0 && str_split(&rest, '\n', &line)) {
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (line.p[0] == '[') {
			caps = (struct str){line.p + 1, line.n - 2};
			used = has_cap(caps, is_cap);
		} else if (used) {
			add_line(line, caps);
		}
	}
}

void
words_free(void)
{
	buf_fini(&table_text);
	table_n = 0;
}

size_t
words_count(void)
{
	return table_n;
}

const struct words_line *
words_line(size_t i)
{
	return &table[i];
}

static size_t
choose(struct str kind, uint64_t *rng, bool first)
{
	uint32_t sum = 0, at;

	for (size_t i = 0; i < table_n; i++)
		if (str_eq(table[i].kind, kind)) {
			if (first)
				return i;
			sum += table[i].weight;
		}
	if (sum == 0)
		die("no such kind", kind);
	at = random_below(rng, sum);
	for (size_t i = 0; i < table_n; i++) {
		if (!str_eq(table[i].kind, kind))
			continue;
		if (at < table[i].weight)
			return i;
		at -= table[i].weight;
	}
	TS_WRONG("no line was chosen");
}

struct maker {
	uint64_t *rng;
	struct words_used *used;
};

static void make_kind(struct maker *m, struct str kind, struct buf *out, unsigned depth);

/* Appends one choice of the "a|b|" after "%<"; returns what follows ">". */
static const char *
make_choice(struct maker *m, const char *p, const char *end, struct buf *out,
    void (*make)(struct maker *m, struct str text, struct buf *out, unsigned depth), unsigned depth)
{
	const char *close = p, *from = p;
	unsigned level = 1, n = 1, which;

	for (; close < end; close++) {
		if (*close == '<' && close[-1] == '%')
			level++;
		else if (*close == '>' && --level == 0)
			break;
		else if (*close == '|' && level == 1)
			n++;
	}
	if (close == end)
		die("no >", str_range(p, end));
	which = random_below(m->rng, n);
	level = 1;
	for (; which > 0; from++) {
		if (*from == '<' && from[-1] == '%')
			level++;
		else if (*from == '>')
			level--;
		else if (*from == '|' && level == 1)
			which--;
	}
	level = 1;
	for (p = from; p < close && !(*p == '|' && level == 1); p++)
		level += *p == '<' && p[-1] == '%' ? 1 : *p == '>' ? -1u : 0;
	make(m, str_range(from, p), out, depth);
	return close + 1;
}

static const char *
word_end(const char *p, const char *end)
{
	while (p < end && *p >= 'a' && *p <= 'z')
		p++;
	return p;
}

/* Appends a literal for "{kind}". */
static const char *
make_literal(struct maker *m, const char *p, const char *end, struct buf *out, unsigned depth)
{
	const char *stop = word_end(p, end);
	struct buf bytes = {0};

	make_kind(m, str_range(p, stop), &bytes, depth + 1);
	buf_printf(
	    out, "{%zu%s}\r\n", bytes.n, out->n > 0 && random_below(m->rng, 4) == 0 ? "" : "+");
	buf_str(out, buf_as_str(&bytes));
	buf_fini(&bytes);
	return stop + 1;
}

static void
make_text(struct maker *m, struct str text, struct buf *out, unsigned depth)
{
	const char *p = text.p, *end, *stop;

	if (text.n == 0)
		return;
	end = p + text.n;
	while (p < end) {
		if (*p != '%' || p + 1 == end) {
			buf_putc(out, *p++);
			continue;
		}
		p += 2;
		switch (p[-1]) {
		case '/':
			buf_puts(out, "\r\n");
			break;
		case '~':
			buf_putc(out, WORDS_SPLIT);
			break;
		case '%':
			buf_putc(out, '%');
			break;
		case '<':
			p = make_choice(m, p, end, out, make_text, depth);
			break;
		case '{':
			p = make_literal(m, p, end, out, depth);
			break;
		default:
			stop = word_end(--p, end);
			make_kind(m, str_range(p, stop), out, depth + 1);
			p = stop;
		}
	}
}

static void
make_kind(struct maker *m, struct str kind, struct buf *out, unsigned depth)
{
	size_t i;

	if (str_eq(kind, STR("n"))) {
		buf_printf(out, "%u", 1 + random_below(m->rng, 12));
		return;
	}
	i = choose(kind, m->rng, depth >= DEPTH_MAX);
	if (m->used->n < WORDS_USED)
		m->used->line[m->used->n++] = (unsigned short)i;
	make_text(m, table[i].text, out, depth);
}

void
words_make(const char *kind, uint64_t *rng, struct buf *out, struct words_used *used)
{
	struct maker m = {rng, used};

	make_kind(&m, str_of(kind), out, 0);
}

void
words_make_line(size_t i, uint64_t *rng, struct buf *out, struct words_used *used)
{
	struct maker m = {rng, used};

	used->line[used->n++] = (unsigned short)i;
	make_text(&m, table[i].text, out, 0);
}
