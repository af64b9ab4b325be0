/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the sample file, the values in force and the rows for the manuals: see conf.h. */
#include "base/err.h"
#include "conf/snapshot.h"
#include "conf/value.h"

#define DEPTH 8
#define WIDTH 78

/* Writes options into their sections, which it opens and closes as needed. */
struct writer {
	struct buf *out;
	const char *mark; /* put before each line in the file's syntax */
	struct str open[DEPTH];
	size_t depth, base;
};

static void
indent(struct writer *w, const char *mark)
{
	buf_puts(w->out, mark);
	for (size_t i = 0; i < w->base + w->depth; i++)
		buf_putc(w->out, '\t');
}

static void
close_sections(struct writer *w, size_t keep)
{
	while (w->depth > keep) {
		w->depth--;
		indent(w, w->mark);
		buf_puts(w->out, "}\n");
	}
}

/* Opens the sections of a name, closes others, and returns the last part of the name. */
static struct str
enter_sections(struct writer *w, const char *name)
{
	struct str rest = str_of(name), part;
	size_t level = 0;

	while (str_chr(rest, '.') != NULL) {
		(void)str_split(&rest, '.', &part);
		TS_ASSERT(level < DEPTH);
		if (level >= w->depth || !str_eq(w->open[level], part)) {
			close_sections(w, level);
			indent(w, w->mark);
			buf_printf(w->out, "%.*s {\n", STR_ARG(part));
			w->open[w->depth++] = part;
		}
		level++;
	}
	close_sections(w, level);
	return rest;
}

/* Wraps text into lines of "# word word ...". */
static void
comment(struct writer *w, const char *prose)
{
	struct str rest = str_of(prose), word;
	size_t used = 0, start = 8 * (w->base + w->depth) + 1;

	while (prose != NULL && str_split(&rest, ' ', &word)) {
		if (word.n == 0)
			continue;
		if (used == 0 || start + used + 1 + word.n > WIDTH) {
			if (used > 0)
				buf_putc(w->out, '\n');
			indent(w, w->mark);
			buf_putc(w->out, '#');
			used = 0;
		}
		buf_printf(w->out, " %.*s", STR_ARG(word));
		used += word.n + 1;
	}
	if (used > 0)
		buf_putc(w->out, '\n');
}

static void
sample_option(struct writer *w, const struct conf_opt *opt)
{
	struct str key = enter_sections(w, opt->name);
	struct buf note = {0}, bounds = {0};

	comment(w, opt->prose);
	buf_putc(&note, '(');
	conf_value_describe(opt, &note);
	conf_value_bounds(opt, &bounds);
	if (bounds.n > 0)
		buf_printf(&note, ", %s", buf_cstr(&bounds));
	if ((opt->flags & CONF_REQUIRED) != 0)
		buf_puts(&note, "; must be given");
	if (opt->when == CONF_RESTART)
		buf_puts(&note, "; changes need a restart");
	buf_putc(&note, ')');
	comment(w, buf_cstr(&note));
	buf_fini(&note);
	buf_fini(&bounds);
	/* In a block that is commented out, the mark also serves its options. */
	indent(w, w->mark);
	if (w->mark[0] == '\0')
		buf_putc(w->out, '#');
	buf_printf(w->out, "%.*s = ", STR_ARG(key));
	conf_value_print_default(opt, w->out);
	buf_puts(w->out, ";\n");
}

void
conf_print_defaults(struct conf_tables tables, struct buf *out)
{
	for (size_t i = 0; i < tables.n; i++) {
		const struct conf_table *t = tables.p[i];
		struct writer w = {.out = out, .mark = ""};

		if (i > 0)
			buf_putc(out, '\n');
		comment(&w, t->prose);
		if (t->block) {
			buf_printf(out, "#%s NAME {\n", t->name);
			w.mark = "#";
			w.base = 1;
		}
		for (size_t j = 0; j < t->n; j++)
			sample_option(&w, &t->opts[j]);
		close_sections(&w, 0);
		if (t->block)
			buf_puts(out, "#}\n");
	}
}

static void
show_instance(struct writer *w, const struct conf_instance *inst, const char *dir)
{
	struct arena *a = arena_new(NULL, ARENA_OTHER, 1024);
	const struct conf_instance *plain = conf_instance_new(a, inst->table, dir);

	for (size_t i = 0; i < inst->table->n; i++) {
		const struct conf_opt *opt = &inst->table->opts[i];
		struct str key = enter_sections(w, opt->name);

		indent(w, "");
		buf_printf(w->out, "%.*s = ", STR_ARG(key));
		conf_value_print(opt, inst->settings + opt->offset, w->out);
		buf_putc(w->out, ';');
		if (!conf_value_equal(
		        opt, inst->settings + opt->offset, plain->settings + opt->offset)) {
			buf_puts(w->out, " # default: ");
			conf_value_print_default(opt, w->out);
		}
		buf_putc(w->out, '\n');
	}
	close_sections(w, 0);
	arena_free(&a);
}

void
conf_print_show(const struct conf *conf, struct buf *out)
{
	for (size_t i = 0; i < conf->tables.n; i++) {
		const struct conf_group *g = &conf->groups[i];

		for (size_t j = 0; j < g->n; j++) {
			struct writer w = {.out = out, .mark = ""};

			if (g->table->block) {
				buf_printf(out, "%s ", g->table->name);
				conf_value_quote(g->p[j]->name, out);
				buf_puts(out, " {\n");
				w.base = 1;
			}
			show_instance(&w, g->p[j], conf->dir);
			if (g->table->block)
				buf_puts(out, "}\n");
		}
	}
}

static const char *
when_text(const struct conf_opt *opt)
{
	return opt->when == CONF_RELOAD ? "reload" : "restart";
}

/* Escapes text for a table cell or a macro line. */
static void
escape_special(struct str s, const char *special, const char *prefix, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '\0' && strchr(special, s.p[i]) != NULL)
			buf_puts(out, prefix);
		buf_putc(out, s.p[i] == '\n' ? ' ' : s.p[i]);
	}
}

static void
markdown_row(const struct conf_opt *opt, struct buf *out)
{
	struct buf cell = {0};

	buf_printf(out, "| `%s` | ", opt->name);
	conf_value_describe(opt, &cell);
	escape_special(buf_as_str(&cell), "|\\", "\\", out);
	buf_puts(out, " | `");
	cell.n = 0;
	if ((opt->flags & CONF_REQUIRED) != 0)
		buf_puts(&cell, "must be given");
	else
		conf_value_print_default(opt, &cell);
	escape_special(buf_as_str(&cell), "|", "\\", out);
	buf_printf(out, "` | %s | ", when_text(opt));
	escape_special(str_of(opt->prose), "|", "\\", out);
	buf_puts(out, " |\n");
	buf_fini(&cell);
}

void
conf_print_markdown(struct conf_tables tables, struct buf *out)
{
	for (size_t i = 0; i < tables.n; i++) {
		const struct conf_table *t = tables.p[i];

		if (i > 0)
			buf_putc(out, '\n');
		buf_printf(out, "### %s%s\n\n", t->name, t->block ? " NAME { ... }" : "");
		if (t->prose != NULL)
			buf_printf(out, "%s\n\n", t->prose);
		buf_puts(out, "| option | takes | default | changes on | meaning |\n"
		              "|---|---|---|---|---|\n");
		for (size_t j = 0; j < t->n; j++)
			markdown_row(&t->opts[j], out);
	}
}

/* Begins a line of mdoc so that its first character does not make it a request. */
static void
roff_begin(char first, struct buf *out)
{
	if (first == '.' || first == '\'')
		buf_puts(out, "\\&");
}

/* Whether a new sentence begins after the space at i. */
static bool
sentence_begins(struct str s, size_t i)
{
	size_t next = i;

	while (next < s.n && s.p[next] == ' ')
		next++;
	return i > 0 && s.p[i] == ' ' && s.p[i - 1] == '.' && next < s.n && s.p[next] >= 'A' &&
	       s.p[next] <= 'Z';
}

void
conf_put_roff(struct str s, struct buf *out)
{
	bool bold = false;

	for (size_t i = 0; i < s.n; i++) {
		bool sentence = sentence_begins(s, i);
		char c = s.p[i];

		if (i == 0)
			roff_begin(c, out);
		if (c == '\\')
			buf_puts(out, "\\e");
		else if (c == '-')
			buf_puts(out, "\\-");
		else if (c == '`')
			buf_puts(out, (bold = !bold) ? "\\fB" : "\\fR");
		else if (c == '\n' || sentence)
			buf_putc(out, sentence ? '\n' : ' ');
		else if (c != ' ' || out->n == 0 || out->p[out->n - 1] != '\n')
			buf_putc(out, c);
	}
	if (bold)
		buf_puts(out, "\\fR");
}

static void
roff_option(const struct conf_opt *opt, struct buf *out)
{
	struct buf text = {0}, bounds = {0};

	buf_puts(out, ".It Ic ");
	conf_put_roff(str_of(opt->name), out);
	buf_puts(out, "\nTakes ");
	conf_value_describe(opt, &text);
	conf_value_bounds(opt, &bounds);
	if (bounds.n > 0)
		buf_printf(&text, ", %s", buf_cstr(&bounds));
	if ((opt->flags & CONF_REQUIRED) != 0) {
		buf_puts(&text, "; must be given");
	} else {
		buf_puts(&text, "; default ");
		conf_value_print_default(opt, &text);
	}
	buf_puts(&text, opt->when == CONF_RESTART ? "; a change needs a restart."
	                                          : "; a reload applies a change.");
	conf_put_roff(buf_as_str(&text), out);
	buf_puts(out, "\n.Pp\n");
	conf_put_roff(str_of(opt->prose), out);
	buf_putc(out, '\n');
	buf_fini(&text);
	buf_fini(&bounds);
}

void
conf_print_roff(struct conf_tables tables, struct buf *out)
{
	for (size_t i = 0; i < tables.n; i++) {
		const struct conf_table *t = tables.p[i];

		buf_puts(out, ".Ss ");
		conf_put_roff(str_of(t->name), out);
		buf_puts(out, t->block ? " NAME { ... }\n" : "\n");
		if (t->prose != NULL) {
			conf_put_roff(str_of(t->prose), out);
			buf_putc(out, '\n');
		}
		buf_puts(out, ".Bl -tag -width Ds\n");
		for (size_t j = 0; j < t->n; j++)
			roff_option(&t->opts[j], out);
		buf_puts(out, ".El\n");
	}
}
