/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks that no two paths of a configuration lead to one place where the server makes one of them:
 * it would replace the other.  It compares places, not names: the folder as the system knows it
 * with the last part of the name, or the file itself if it exists.  See config_check.h.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "server/check/config_check.h"
#include "server/process/pid_file.h"

struct place {
	struct str path;
	bool made; /* by the server: a socket, the PID file */
	bool known;
	dev_t dev; /* of the deepest folder above it that exists */
	ino_t ino;
	struct buf rest; /* the path from there, without redundant dots and slashes */
	bool there;      /* it exists, with the next two */
	dev_t file_dev;
	ino_t file_ino;
	const char *what; /* what it is; NULL: the option says that */
	const void *settings;
	const char *options;
	const struct settings_listener *listener;
};

struct places {
	const struct conf *conf;
	struct place *p;
	size_t n, room;
};

/* Removes the last part of the path; false: there is none. */
static bool
go_up(struct buf *folder)
{
	size_t n = folder->n;

	while (n > 0 && folder->p[n - 1] == '/')
		n--;
	while (n > 0 && folder->p[n - 1] != '/')
		n--;
	if (n == folder->n)
		return false;
	folder->n = n;
	return true;
}

static void
put_rest(struct str text, struct buf *out)
{
	struct str name;

	while (str_split(&text, '/', &name))
		if (name.n > 0 && !str_eq(name, STR(".")))
			buf_printf(out, "/%.*s", STR_ARG(name));
}

static void
locate(struct place *p)
{
	struct buf folder = {0};
	struct stat st;

	buf_str(&folder, p->path);
	if (stat(buf_cstr(&folder), &st) == 0) {
		p->there = true;
		p->file_dev = st.st_dev;
		p->file_ino = st.st_ino;
	}
	while (!p->known && go_up(&folder)) {
		if (stat(folder.n > 0 ? buf_cstr(&folder) : ".", &st) != 0)
			continue;
		p->known = true;
		p->dev = st.st_dev;
		p->ino = st.st_ino;
	}
	put_rest((struct str){p->path.p + folder.n, p->path.n - folder.n}, &p->rest);
	buf_fini(&folder);
}

static bool
is_same(const struct place *a, const struct place *b)
{
	if (a->there && b->there)
		return a->file_dev == b->file_dev && a->file_ino == b->file_ino;
	return a->known && b->known && a->dev == b->dev && a->ino == b->ino &&
	       str_eq(buf_as_str(&a->rest), buf_as_str(&b->rest));
}

/* Adds a path; what it points to must outlive the list. */
static void
add_place(struct places *all, struct place place)
{
	if (place.path.n == 0)
		return;
	if (all->n == all->room) {
		all->room = all->room > 0 ? 2 * all->room : 16;
		all->p = mem_realloc(all->p, all->room * sizeof(*all->p));
	}
	locate(&place);
	all->p[all->n++] = place;
}

static void
add_readable(
    void *arg, const struct conf *conf, const void *settings, const char *option, struct str path)
{
	(void)conf;
	add_place(arg, (struct place){.path = path, .settings = settings, .options = option});
}

/* Appends its name, or the option that leads there: by_option: the option, if there is one.  False:
 * report nothing, since the option is invalid by itself. */
static bool
put_place(const struct places *all, const struct place *p, bool by_option, struct buf *out)
{
	bool has_option = p->settings != NULL || p->listener != NULL;

	if (p->what == NULL || (by_option && has_option))
		return config_check_blame(all->conf, p->listener, p->settings, p->options, out);
	buf_puts(out, p->what);
	return true;
}

/* True: they are the same, which was reported. */
static bool
check_two(const struct places *all, const struct place *first, const struct place *second,
    struct buf *faults)
{
	struct buf who = {0}, where = {0};
	bool same = (first->made || second->made) && is_same(first, second) &&
	            put_place(all, first, false, &who) && put_place(all, second, true, &where);

	if (same)
		buf_printf(faults, "%s: %.*s is already taken by %s\n", buf_cstr(&where),
		    STR_ARG(second->path), buf_cstr(&who));
	buf_fini(&who);
	buf_fini(&where);
	return same;
}

/* Adds what the server reads, or makes unasked. */
static void
add_given(struct places *all, const struct config_check *how, struct buf own[4])
{
	static const char *const names[4] = {"store", "tls/ca.pem", "tls/cert.pem", "tls/key.pem"};
	const struct server_settings *s = conf_get(all->conf, &server_conf);
	const char *file = settings_path(how->args);

	if (file != NULL)
		add_place(all, (struct place){.path = str_of(file), .what = "the configuration"});
	add_place(all, (struct place){.path = s->data, .what = "the data folder"});
	for (size_t i = 0; i < 4; i++) {
		buf_printf(&own[i], "%s/%s", s->data.p, names[i]);
		add_place(all, (struct place){.path = buf_as_str(&own[i]),
		                   .what = "what the server keeps there"});
	}
	conf_each_readable(all->conf, add_readable, all);
}

/* Adds what the server makes; the path to blame comes last. */
static void
add_made(struct places *all, const struct config_check *how, const struct settings_listener *listed,
    size_t n, struct str control)
{
	const struct server_settings *s = conf_get(all->conf, &server_conf);
	const char *ready = args_get(how->args, "ready-file");

	add_place(all, (struct place){.path = control,
	                   .made = true,
	                   .what = "the control socket",
	                   .settings = s,
	                   .options = "server.control server.data"});
	for (size_t i = 0; i < n; i++)
		add_place(all, (struct place){.path = listed[i].s.path,
		                   .made = true,
		                   .listener = &listed[i],
		                   .options = "path"});
	add_place(all,
	    (struct place){
	        .path = s->pid_file, .made = true, .settings = s, .options = "server.pid_file"});
	if (ready != NULL)
		add_place(all,
		    (struct place){.path = str_of(ready), .made = true, .what = "--ready-file"});
}

void
config_check_paths(const struct config_check *how, const struct conf *conf,
    const struct settings_listener *listed, size_t n, struct buf *faults)
{
	struct places all = {.conf = conf};
	struct buf control = {0}, own[4] = {{0}};

	settings_control_path(conf, &control);
	add_given(&all, how, own);
	add_made(&all, how, listed, n, buf_as_str(&control));
	for (size_t i = 1; i < all.n; i++)
		for (size_t j = 0; j < i && !check_two(&all, &all.p[j], &all.p[i], faults); j++)
			;
	for (size_t i = 0; i < all.n; i++)
		buf_fini(&all.p[i].rest);
	for (size_t i = 0; i < 4; i++)
		buf_fini(&own[i]);
	buf_fini(&control);
	mem_free(all.p);
}

void
config_check_pid_file(const struct config_check *how, const struct conf *conf, struct buf *faults)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	struct buf why = {0};

	if (s->pid_file.n > 0 &&
	    !pid_file_may_be(s->pid_file.p, how->purpose == CONFIG_CHECK_RELOAD, &why))
		config_check_fault(conf, s, "server.pid_file", faults,
		    "%s; it would be overwritten: choose a name of its own", buf_cstr(&why));
	buf_fini(&why);
}
