/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: the parsed file, bound to the option tables.  See conf.h.
 *
 * A snapshot lives in its own arena.  Only the thread that makes it writes to it; the last
 * reference frees it.
 */
#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/snapshot.h"
#include "conf/tree.h"
#include "conf/value.h"

#define WORDS_MAX 512 /* option names to search for a similar one */

/* Where options are looked up: the top level of the file, or one block. */
struct scope {
	struct conf *conf;
	struct conf_faults *faults;
	struct conf_instance *block; /* NULL at the top */
	struct buf path;             /* of the section, with a trailing dot, or empty */
};

struct conf_group *
conf_group_of(const struct conf *conf, const struct conf_table *table)
{
	for (size_t i = 0; i < conf->tables.n; i++)
		if (conf->tables.p[i] == table)
			return &conf->groups[i];
	TS_WRONG("a table that the configuration was not made with");
}

struct conf_instance *
conf_instance_new(struct arena *a, const struct conf_table *table, const char *dir)
{
	struct conf_instance *inst = arena_new_object(a, struct conf_instance);

	inst->table = table;
	inst->settings = arena_zalloc(a, table->struct_size);
	inst->lines = arena_array(a, table->n, sizeof(*inst->lines));
	inst->wrong = arena_array(a, table->n, sizeof(*inst->wrong));
	for (size_t i = 0; i < table->n; i++) {
		TS_ASSERT(table->opts[i].offset < table->struct_size);
		conf_value_default(&table->opts[i], dir, a, inst->settings + table->opts[i].offset);
	}
	return inst;
}

static struct conf_instance *
add_instance(struct conf *conf, struct conf_group *group)
{
	if (group->n == group->cap) {
		struct conf_instance **more =
		    arena_array(conf->arena, group->cap * 2 + 1, sizeof(struct conf_instance *));

		if (group->n > 0)
			memcpy(more, group->p, group->n * sizeof(struct conf_instance *));
		group->p = more;
		group->cap = group->cap * 2 + 1;
	}
	group->p[group->n] = conf_instance_new(conf->arena, group->table, conf->dir);
	return group->p[group->n++];
}

static struct conf *
snapshot_new(struct conf_tables tables, const char *file, const char *dir)
{
	struct arena *a = arena_new(NULL, ARENA_OTHER, 4096);
	struct conf *conf = arena_new_object(a, struct conf);

	atomic_init(&conf->refs, 1);
	conf->arena = a;
	conf->file = arena_strdup(a, file);
	conf->dir = dir != NULL ? arena_strdup(a, dir) : NULL;
	conf->tables = tables;
	conf->groups = arena_array(a, tables.n, sizeof(*conf->groups));
	for (size_t i = 0; i < tables.n; i++) {
		conf->groups[i].table = tables.p[i];
		if (!tables.p[i]->block)
			(void)add_instance(conf, &conf->groups[i]);
	}
	return conf;
}

/* Calls fn for each instance of the scope's tables until one returns true; returns that. */
typedef bool each_f(struct conf_instance *inst, void *arg);

static bool
each_instance(struct scope *s, each_f *fn, void *arg)
{
	if (s->block != NULL)
		return fn(s->block, arg);
	/* A table that is not a block has its only instance from the start. */
	for (size_t i = 0; i < s->conf->tables.n; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): see above */
		if (!s->conf->tables.p[i]->block && fn(s->conf->groups[i].p[0], arg))
			return true;
	return false;
}

struct lookup {
	struct str path;
	struct conf_instance *inst; /* found */
	size_t at;
	const char *words[WORDS_MAX];
	size_t words_n;
};

static bool
find_option(struct conf_instance *inst, void *arg)
{
	struct lookup *l = arg;

	for (l->at = 0; l->at < inst->table->n; l->at++) {
		if (str_eq(l->path, str_of(inst->table->opts[l->at].name))) {
			l->inst = inst;
			return true;
		}
	}
	return false;
}

static bool
find_section(struct conf_instance *inst, void *arg)
{
	const struct lookup *l = arg;

	for (size_t i = 0; i < inst->table->n; i++) {
		struct str name = str_of(inst->table->opts[i].name);

		if (name.n > l->path.n && name.p[l->path.n] == '.' && str_has_prefix(name, l->path))
			return true;
	}
	return false;
}

static bool
collect_words(struct conf_instance *inst, void *arg)
{
	struct lookup *l = arg;

	for (size_t i = 0; i < inst->table->n && l->words_n < WORDS_MAX; i++)
		l->words[l->words_n++] = inst->table->opts[i].name;
	return false;
}

static struct conf_group *
find_block(const struct scope *s, struct str path)
{
	if (s->block != NULL)
		return NULL;
	for (size_t i = 0; i < s->conf->tables.n; i++)
		if (s->conf->tables.p[i]->block && str_eq(path, str_of(s->conf->tables.p[i]->name)))
			return &s->conf->groups[i];
	return NULL;
}

/* Reports a fault with an option or section; path is relative to the scope. */
static void __attribute__((format(printf, 4, 5)))
option_fault(struct scope *s, unsigned line, struct str path, const char *fmt, ...)
{
	struct buf what = {0}, name = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&what, fmt, ap);
	va_end(ap);
	if (s->block != NULL) {
		buf_printf(&name, "%s %.*s", s->block->table->name, STR_ARG(s->block->name));
		if (path.n > 0)
			buf_puts(&name, ": ");
	}
	buf_str(&name, path);
	conf_fault(s->faults, s->conf->file, line, "%s: %s", buf_cstr(&name), buf_cstr(&what));
	buf_fini(&what);
	buf_fini(&name);
}

static bool
same_last_part(struct str path, const char *name)
{
	const char *dot = strrchr(name, '.');

	return str_ieq(path, str_of(dot != NULL ? dot + 1 : name));
}

/* An option of the same name in another section is the best guess, then the nearest spelling. */
static void
unknown_option(struct scope *s, unsigned line, struct lookup *l)
{
	const char *guess = NULL;
	struct str last = l->path;

	l->words_n = 0;
	(void)each_instance(s, collect_words, l);
	if (s->block == NULL)
		for (size_t i = 0; i < s->conf->tables.n && l->words_n < WORDS_MAX; i++)
			if (s->conf->tables.p[i]->block)
				l->words[l->words_n++] = s->conf->tables.p[i]->name;
	for (const char *dot; (dot = str_chr(last, '.')) != NULL;)
		last = str_range(dot + 1, last.p + last.n);
	for (size_t i = 0; i < l->words_n && guess == NULL; i++)
		if (same_last_part(last, l->words[i]))
			guess = l->words[i];
	if (guess == NULL)
		guess = str_nearest(l->path, l->words, l->words_n);
	if (guess != NULL)
		option_fault(s, line, l->path, "there is no such option; did you mean %s?", guess);
	else
		option_fault(s, line, l->path, "there is no such option");
}

static const char *
nearest_word(const struct conf_opt *opt, struct str text)
{
	size_t n = 0;

	while (opt->type == CONF_ENUM && opt->words[n] != NULL)
		n++;
	return str_nearest(text, opt->words, n);
}

static void
bind_text(struct scope *s, const struct lookup *l, struct str text, unsigned line)
{
	const struct conf_opt *opt = &l->inst->table->opts[l->at];
	struct buf why = {0};

	if (!conf_value_set(opt, text, line, s->conf->dir, s->conf->arena,
	        l->inst->settings + opt->offset, &why)) {
		const char *guess = nearest_word(opt, text);

		if (text.n > 0 || (opt->type != CONF_STRING && opt->type != CONF_PATH))
			buf_printf(&why, ", not \"%.*s\"", text.n > 60 ? 60 : (int)text.n, text.p);
		if (guess != NULL)
			buf_printf(&why, "; did you mean %s?", guess);
		option_fault(s, line, l->path, "%s", buf_cstr(&why));
	}
	buf_fini(&why);
}

static void
bind_array(struct scope *s, const struct lookup *l, const struct conf_node *node)
{
	if (l->inst->table->opts[l->at].type != CONF_LIST) {
		option_fault(s, node->line, l->path, "takes one value, not a list");
		return;
	}
	for (const struct conf_node *item = node->first; item != NULL; item = item->next) {
		if (item->type == CONF_NODE_TEXT)
			bind_text(s, l, item->text, item->line);
		else if (item->type != CONF_NODE_BAD)
			option_fault(s, item->line, l->path, "an item must be a text");
	}
}

/* A fault with it, or with one of its items, was reported. */
static bool
is_bad(const struct conf_node *node)
{
	const struct conf_node *item = node->type == CONF_NODE_ARRAY ? node->first : NULL;

	while (item != NULL && item->type != CONF_NODE_BAD)
		item = item->next;
	return node->type == CONF_NODE_BAD || item != NULL;
}

static void
bind_value(struct scope *s, const struct lookup *l, const struct conf_node *node)
{
	const struct conf_opt *opt = &l->inst->table->opts[l->at];
	unsigned *line = &l->inst->lines[l->at];
	size_t before = s->faults->n;

	if (*line != 0 && opt->type != CONF_LIST) {
		l->inst->wrong[l->at] = true;
		option_fault(s, node->line, l->path, "is given twice, first in line %u", *line);
		return;
	}
	if (*line == 0 && opt->type == CONF_LIST) /* the values given replace the default */
		*(struct conf_list *)(void *)(l->inst->settings + opt->offset) =
		    (struct conf_list){0};
	if (*line == 0)
		*line = node->line;
	if (node->type == CONF_NODE_ARRAY)
		bind_array(s, l, node);
	else if (node->type == CONF_NODE_TEXT)
		bind_text(s, l, node->text, node->line);
	if (s->faults->n == before && !is_bad(node))
		return;
	l->inst->wrong[l->at] = true;
	if (s->conf->sound_only)
		*line = 0;
}

static void bind_object(struct scope *s, const struct conf_node *object);

static struct conf_instance *
block_instance(struct scope *s, struct conf_group *group, const struct conf_node *node)
{
	struct conf_instance *inst = NULL;

	for (size_t i = 0; i < group->n && inst == NULL; i++)
		if (str_eq(group->p[i]->name, node->key))
			inst = group->p[i];
	if (inst != NULL && !inst->dotted && !node->dotted) {
		conf_fault(s->faults, s->conf->file, node->line,
		    "%s %.*s: is given twice, first in line %u", group->table->name,
		    STR_ARG(node->key), inst->line);
		return NULL;
	}
	if (inst == NULL && group->n >= CONF_BLOCKS_MAX) {
		conf_fault(s->faults, s->conf->file, node->line, "%s: more than %d of them",
		    group->table->name, CONF_BLOCKS_MAX);
		return NULL;
	}
	if (inst == NULL) {
		inst = add_instance(s->conf, group);
		inst->name = arena_str(s->conf->arena, node->key);
		inst->line = node->line;
	}
	inst->dotted = node->dotted;
	return inst;
}

static void
bind_blocks(struct scope *s, struct conf_group *group, const struct conf_node *node)
{
	const char *keyword = group->table->name;

	for (const struct conf_node *n = node->first; n != NULL && !conf_faults_full(s->faults);
	     n = n->next) {
		struct scope inner = {.conf = s->conf, .faults = s->faults};

		if (n->type != CONF_NODE_OBJECT) {
			conf_fault(s->faults, s->conf->file, n->line,
			    "%s: each one has a name: %s NAME { %.*s = ... }", keyword, keyword,
			    STR_ARG(n->key));
			continue;
		}
		inner.block = block_instance(s, group, n);
		if (inner.block != NULL)
			bind_object(&inner, n);
		buf_fini(&inner.path);
	}
	if (node->type != CONF_NODE_OBJECT)
		conf_fault(s->faults, s->conf->file, node->line,
		    "%s: must be sections: %s NAME { ... }", keyword, keyword);
}

static void
bind_node(struct scope *s, const struct conf_node *node)
{
	struct lookup l = {.path = buf_as_str(&s->path)};
	struct conf_group *group = find_block(s, l.path);
	bool section;

	if (group != NULL) {
		bind_blocks(s, group, node);
		return;
	}
	section = each_instance(s, find_section, &l);
	if (section && node->type == CONF_NODE_OBJECT) {
		buf_putc(&s->path, '.');
		bind_object(s, node);
	} else if (each_instance(s, find_option, &l)) {
		if (node->type == CONF_NODE_OBJECT)
			option_fault(s, node->line, l.path, "takes a value; it is not a section");
		else
			bind_value(s, &l, node);
	} else if (section) {
		option_fault(
		    s, node->line, l.path, "is a section: write %.*s { ... }", STR_ARG(node->key));
	} else {
		unknown_option(s, node->line, &l);
	}
}

/* The depth of option names bounds the recursion. */
static void
bind_object(struct scope *s, const struct conf_node *object)
{
	size_t n = s->path.n;

	for (const struct conf_node *node = object->first;
	     node != NULL && !conf_faults_full(s->faults); node = node->next) {
		buf_str(&s->path, node->key);
		bind_node(s, node);
		s->path.n = n;
	}
}

static bool
check_list(struct scope *s, const struct conf_opt *opt, const void *field, unsigned line)
{
	size_t n = ((const struct conf_list *)field)->n;

	if (n >= (size_t)opt->min && (opt->max == 0 || n <= (size_t)opt->max))
		return true;
	if (opt->max == 0)
		option_fault(
		    s, line, str_of(opt->name), "needs at least %lld items", (long long)opt->min);
	else
		option_fault(s, line, str_of(opt->name), "takes %lld to %lld items, not %zu",
		    (long long)opt->min, (long long)opt->max, n);
	return false;
}

/* Returns NULL, or what it is instead of what is wanted.  Opening a FIFO would block. */
static const char *
wrong_kind(const char *path, bool folder)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return strerrordesc_np(errno);
	if (folder)
		return S_ISDIR(st.st_mode) ? NULL : "it is not a folder";
	if (S_ISDIR(st.st_mode))
		return "it is a folder, not a file";
	return S_ISREG(st.st_mode) || S_ISCHR(st.st_mode) ? NULL : "it is not a regular file";
}

static bool
check_readable(struct scope *s, const struct conf_opt *opt, const struct str *path, unsigned line)
{
	const char *why;

	if (path->n == 0)
		return true;
	why = faccessat(AT_FDCWD, path->p, R_OK, AT_EACCESS) != 0
	          ? strerrordesc_np(errno)
	          : wrong_kind(path->p, (opt->flags & CONF_FOLDER) != 0);
	if (why != NULL)
		option_fault(s, line, str_of(opt->name), "cannot read %s: %s", path->p, why);
	return why == NULL;
}

/* Puts the default in place of an invalid option. */
static void
use_default(struct conf *conf, struct conf_instance *inst, size_t at)
{
	const struct conf_opt *opt = &inst->table->opts[at];
	void *field = inst->settings + opt->offset;

	inst->wrong[at] = true;
	if (!conf->sound_only)
		return;
	inst->lines[at] = 0;
	if (opt->type == CONF_PATH)
		*(struct str *)field = STR_NONE;
	else if (opt->type == CONF_LIST)
		*(struct conf_list *)field = (struct conf_list){0};
	else
		return;
	conf_value_default(opt, conf->dir, conf->arena, field);
}

static void
check_option(struct scope *s, struct conf_instance *inst, size_t at)
{
	const struct conf_opt *opt = &inst->table->opts[at];
	const void *field = inst->settings + opt->offset;
	unsigned line = inst->lines[at] != 0 ? inst->lines[at] : inst->line;
	struct buf what = {0};
	bool ok = true;

	if ((opt->flags & CONF_REQUIRED) != 0 && inst->lines[at] == 0) {
		if (!inst->wrong[at]) {
			conf_value_describe(opt, &what);
			option_fault(
			    s, line, str_of(opt->name), "must be given: %s", buf_cstr(&what));
		}
		ok = false;
	} else if (opt->type == CONF_LIST) {
		ok = inst->wrong[at] || check_list(s, opt, field, line);
	} else if (opt->type == CONF_PATH && (opt->flags & CONF_READABLE) != 0) {
		ok = check_readable(s, opt, field, line);
	}
	if (!ok)
		use_default(s->conf, inst, at);
	buf_fini(&what);
}

struct conf_report {
	const struct conf *conf;
	const struct conf_instance *inst;
	struct conf_faults *faults;
};

static void
check_instance(struct conf *conf, struct conf_instance *inst, struct conf_faults *faults)
{
	struct scope s = {.conf = conf, .faults = faults};
	struct conf_report report = {conf, inst, faults};

	if (inst->table->block)
		s.block = inst;
	for (size_t i = 0; i < inst->table->n; i++)
		check_option(&s, inst, i);
	if (inst->table->check != NULL)
		inst->table->check(inst->settings, &report);
}

static void
check_instances(struct conf *conf, struct conf_faults *faults)
{
	for (size_t i = 0; i < conf->tables.n; i++) {
		struct conf_group *g = &conf->groups[i];

		g->blocks = arena_array(conf->arena, g->n, sizeof(*g->blocks));
		for (size_t j = 0; j < g->n; j++) {
			check_instance(conf, g->p[j], faults);
			g->blocks[j] = (struct conf_block){g->p[j]->name, g->p[j]->settings};
		}
	}
}

/* Makes a snapshot; options with faults keep their defaults. */
static struct conf *
make_conf(struct conf_tables tables, struct str text, const char *file, const char *dir,
    bool sound_only, struct conf_faults *faults)
{
	struct conf *conf = snapshot_new(tables, file, dir);
	struct arena *a = arena_new(NULL, ARENA_OTHER, 4096);
	struct scope top = {.conf = conf, .faults = faults};

	conf->sound_only = sound_only;
	bind_object(&top, conf_tree_parse(a, text, conf->file, faults));
	buf_fini(&top.path);
	arena_free(&a);
	check_instances(conf, faults);
	return conf;
}

enum ts_err
conf_parse(struct conf_tables tables, struct str text, const char *file, const char *dir,
    struct conf_faults *faults, struct conf **conf_r)
{
	*conf_r = make_conf(tables, text, file, dir, false, faults);
	if (faults->n == 0)
		return TS_OK;
	conf_unref(conf_r);
	return TS_INVALID;
}

/* False, with errno, if the file cannot be read; stops one byte after the limit. */
static bool
read_file(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;
	int saved;

	if (fd < 0)
		return false;
	while (n > 0 && out->n <= CONF_FILE_MAX) {
		n = read(fd, buf_room(out, 65536), 65536);
		if (n > 0)
			out->n += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	saved = errno;
	(void)close(fd);
	errno = saved;
	return n >= 0;
}

/* Makes the path absolute, so that it stays right when the process changes its folder; NULL:
 * failed. */
static char *
folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct buf name = {0};
	char *dir;

	if (slash == NULL)
		buf_putc(&name, '.');
	else
		buf_put(&name, path, slash > path ? (size_t)(slash - path) : 1);
	dir = realpath(buf_cstr(&name), NULL);
	buf_fini(&name);
	return dir;
}

enum ts_err
conf_load(
    struct conf_tables tables, const char *path, struct conf_faults *faults, struct conf **conf_r)
{
	struct buf text = {0};
	enum ts_err err;
	char *dir;

	*conf_r = NULL;
	if (path == NULL)
		return conf_parse(tables, STR_NONE, "defaults", NULL, faults, conf_r);
	if (!read_file(path, &text)) {
		conf_fault(faults, path, 0, "cannot read the file: %s", strerrordesc_np(errno));
		buf_fini(&text);
		return TS_INVALID;
	}
	dir = folder_of(path);
	err = conf_parse(tables, buf_as_str(&text), path, dir, faults, conf_r);
	free(dir);
	buf_fini(&text);
	return err;
}

bool
conf_load_sound(
    struct conf_tables tables, const char *path, struct conf_faults *faults, struct conf **conf_r)
{
	struct conf_faults own = {0}, *told = faults != NULL ? faults : &own;
	struct buf text = {0};
	char *dir = path != NULL ? folder_of(path) : NULL;

	*conf_r = NULL;
	if (path == NULL)
		*conf_r = make_conf(tables, STR_NONE, "defaults", NULL, true, told);
	else if (read_file(path, &text))
		*conf_r = make_conf(tables, buf_as_str(&text), path, dir, true, told);
	else
		conf_fault(told, path, 0, "cannot read the file: %s", strerrordesc_np(errno));
	conf_faults_fini(&own);
	free(dir);
	buf_fini(&text);
	return *conf_r != NULL;
}

struct conf *
conf_ref(struct conf *conf)
{
	(void)atomic_fetch_add_explicit(&conf->refs, 1, memory_order_relaxed);
	return conf;
}

void
conf_unref(struct conf **conf)
{
	struct arena *a;

	if (*conf == NULL)
		return;
	a = (*conf)->arena;
	if (atomic_fetch_sub_explicit(&(*conf)->refs, 1, memory_order_acq_rel) == 1)
		arena_free(&a);
	*conf = NULL;
}

const void *
conf_get(const struct conf *conf, const struct conf_table *table)
{
	TS_ASSERT(!table->block);
	return conf_group_of(conf, table)->p[0]->settings;
}

struct conf_blocks
conf_blocks(const struct conf *conf, const struct conf_table *table)
{
	const struct conf_group *g = conf_group_of(conf, table);

	TS_ASSERT(table->block);
	return (struct conf_blocks){g->blocks, g->n};
}

static const struct conf_instance *
instance_of(const struct conf *conf, const void *settings)
{
	for (size_t i = 0; i < conf->tables.n; i++)
		for (size_t j = 0; j < conf->groups[i].n; j++)
			if (conf->groups[i].p[j]->settings == settings)
				return conf->groups[i].p[j];
	TS_WRONG("settings that are not of this configuration");
}

static size_t
index_of(const struct conf_instance *inst, struct str option)
{
	for (size_t i = 0; i < inst->table->n; i++)
		if (str_eq(str_of(inst->table->opts[i].name), option))
			return i;
	TS_WRONG("an option that the table has not");
}

bool
conf_given(const struct conf *conf, const void *settings, const char *option)
{
	const struct conf_instance *inst = instance_of(conf, settings);

	return inst->lines[index_of(inst, str_of(option))] != 0;
}

static void
put_option_name(const struct conf_instance *inst, const char *option, struct buf *out)
{
	if (inst->table->block)
		buf_printf(out, "%s %.*s: ", inst->table->name, STR_ARG(inst->name));
	buf_puts(out, option);
}

void
conf_where(const struct conf *conf, const void *settings, const char *option, struct buf *out)
{
	const struct conf_instance *inst = instance_of(conf, settings);
	unsigned line = inst->lines[index_of(inst, str_of(option))];

	if (line != 0)
		buf_printf(out, "%s:%u: ", conf->file, line);
	else
		buf_puts(out, "default of ");
	put_option_name(inst, option, out);
}

/* line 0: nothing of it is in the file. */
static void
put_place(const struct conf *conf, const struct conf_instance *inst, unsigned line,
    const char *option, struct buf *out)
{
	if (line == 0)
		line = inst->line;
	if (line != 0)
		buf_printf(out, "%s:%u: ", conf->file, line);
	else
		buf_printf(out, "%s: ", conf->file);
	put_option_name(inst, option, out);
}

static bool
blame(
    const struct conf *conf, const struct conf_instance *inst, const char *options, struct buf *out)
{
	struct str rest = str_of(options), name;
	size_t at = SIZE_MAX;

	while (str_split(&rest, ' ', &name)) {
		size_t i = index_of(inst, name);

		if (inst->wrong[i])
			return false;
		if (at == SIZE_MAX || (inst->lines[at] == 0 && inst->lines[i] != 0))
			at = i;
	}
	put_place(conf, inst, inst->lines[at], inst->table->opts[at].name, out);
	return true;
}

static bool
blame_item(const struct conf *conf, const struct conf_instance *inst, const char *option,
    size_t item, struct buf *out)
{
	size_t at = index_of(inst, str_of(option));
	const struct conf_list *list =
	    (const void *)(inst->settings + inst->table->opts[at].offset);

	if (inst->wrong[at])
		return false;
	put_place(conf, inst, list->lines != NULL ? list->lines[item] : 0, option, out);
	buf_printf(
	    out, ": %.*s", STR_ARG(list->items[item].n > 0 ? list->items[item] : STR("\"\"")));
	return true;
}

bool
conf_blame(const struct conf *conf, const void *settings, const char *options, struct buf *out)
{
	return blame(conf, instance_of(conf, settings), options, out);
}

void
conf_blame_block(const struct conf *conf, const void *settings, struct buf *out)
{
	const struct conf_instance *inst = instance_of(conf, settings);

	buf_printf(
	    out, "%s:%u: %s %.*s", conf->file, inst->line, inst->table->name, STR_ARG(inst->name));
}

bool
conf_blame_item(
    const struct conf *conf, const void *settings, const char *option, size_t item, struct buf *out)
{
	return blame_item(conf, instance_of(conf, settings), option, item, out);
}

static bool
is_amount(const struct conf_opt *opt)
{
	return opt->type == CONF_INT || opt->type == CONF_SIZE || opt->type == CONF_DURATION;
}

/* Appends " (A = 1, B = 2)" where amounts contradict each other. */
static void
put_amounts(const struct conf_instance *inst, const char *options, struct buf *out)
{
	struct str rest = str_of(options), name;
	size_t n = 0, before = out->n;

	while (str_split(&rest, ' ', &name)) {
		size_t i = index_of(inst, name);
		const struct conf_opt *opt = &inst->table->opts[i];

		if (!is_amount(opt))
			continue;
		buf_printf(out, "%s%s = ", n++ == 0 ? " (" : ", ", opt->name);
		conf_value_print(opt, inst->settings + opt->offset, out);
	}
	if (n < 2)
		out->n = before;
	else
		buf_putc(out, ')');
}

void
conf_report(const struct conf_report *r, const char *options, const char *fmt, ...)
{
	struct buf where = {0};
	va_list ap;

	if (!blame(r->conf, r->inst, options, &where))
		return;
	buf_puts(&where, ": ");
	va_start(ap, fmt);
	buf_vprintf(&where, fmt, ap);
	va_end(ap);
	put_amounts(r->inst, options, &where);
	conf_fault(r->faults, NULL, 0, "%s", buf_cstr(&where));
	buf_fini(&where);
}

void
conf_report_item(const struct conf_report *r, const char *option, size_t item, const char *fmt, ...)
{
	struct buf where = {0};
	va_list ap;

	if (!blame_item(r->conf, r->inst, option, item, &where))
		return;
	buf_puts(&where, ": ");
	va_start(ap, fmt);
	buf_vprintf(&where, fmt, ap);
	va_end(ap);
	conf_fault(r->faults, NULL, 0, "%s", buf_cstr(&where));
	buf_fini(&where);
}

static void
each_readable_of(
    const struct conf *conf, const struct conf_instance *inst, conf_path_f *fn, void *arg)
{
	for (size_t i = 0; i < inst->table->n; i++) {
		const struct conf_opt *opt = &inst->table->opts[i];
		const struct str *path = (const void *)(inst->settings + opt->offset);

		if (opt->type == CONF_PATH && (opt->flags & CONF_READABLE) != 0 && path->n > 0)
			fn(arg, conf, inst->settings, opt->name, *path);
	}
}

void
conf_each_readable(const struct conf *conf, conf_path_f *fn, void *arg)
{
	for (size_t i = 0; i < conf->tables.n; i++)
		for (size_t j = 0; j < conf->groups[i].n; j++)
			each_readable_of(conf, conf->groups[i].p[j], fn, arg);
}

/* A block that only one of two configurations has. */
static bool
is_alone(const struct conf_instance *a, const char *how, struct buf *out)
{
	for (size_t i = 0; i < a->table->n; i++)
		if (a->table->opts[i].when == CONF_RESTART) {
			buf_printf(out, "%s %.*s: %s\n", a->table->name, STR_ARG(a->name), how);
			return true;
		}
	return false;
}

static bool
differs(const struct conf_instance *a, const struct conf_instance *b, struct buf *out)
{
	bool any = false;

	if (b == NULL)
		return is_alone(a, "is gone", out);
	for (size_t i = 0; i < a->table->n; i++) {
		const struct conf_opt *opt = &a->table->opts[i];

		if (opt->when != CONF_RESTART ||
		    conf_value_equal(opt, a->settings + opt->offset, b->settings + opt->offset))
			continue;
		if (a->table->block)
			buf_printf(out, "%s %.*s: ", a->table->name, STR_ARG(a->name));
		buf_printf(out, "%s\n", opt->name);
		any = true;
	}
	return any;
}

static const struct conf_instance *
namesake(const struct conf_group *g, struct str name)
{
	for (size_t i = 0; i < g->n; i++)
		if (str_eq(g->p[i]->name, name))
			return g->p[i];
	return NULL;
}

bool
conf_same(
    const struct conf *conf, const void *settings, const char *options, const struct conf *other)
{
	const struct conf_instance *a = instance_of(conf, settings);
	const struct conf_group *g = conf_group_of(other, a->table);
	const struct conf_instance *b = a->table->block ? namesake(g, a->name) : g->p[0];
	struct str rest = str_of(options), name;
	bool same = b != NULL;

	while (same && str_split(&rest, ' ', &name)) {
		const struct conf_opt *opt = &a->table->opts[index_of(a, name)];

		same = conf_value_equal(opt, a->settings + opt->offset, b->settings + opt->offset);
	}
	return same;
}

bool
conf_restart_needed(const struct conf *old, const struct conf *conf, struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < old->tables.n; i++) {
		const struct conf_group *a = &old->groups[i];
		const struct conf_group *b = conf_group_of(conf, a->table);

		for (size_t j = 0; j < a->n; j++)
			any |= differs(a->p[j], namesake(b, a->p[j]->name), out);
		for (size_t j = 0; j < b->n; j++) /* new blocks */
			if (namesake(a, b->p[j]->name) == NULL)
				any |= is_alone(b->p[j], "is new", out);
	}
	return any;
}
