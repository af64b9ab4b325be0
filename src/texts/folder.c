/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the catalogues of a folder. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "texts/texts.h"

enum { NAMED_MAX = 10 }; /* rejected entries named for a file */

struct texts_set {
	atomic_uint refs;
	struct texts_language v[TEXTS_LANGUAGES_MAX];
	size_t n;
};

/* ---- reading */

/* Whether it is a tag like "pt-BR": groups of letters and digits. */
static bool
is_tag(struct str s)
{
	size_t group = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = ascii_lower((unsigned char)s.p[i]);

		if (c == '-' && group > 0)
			group = 0;
		else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			group++;
		else
			return false;
	}
	return group > 0 && s.n < sizeof(((struct texts_language *)0)->tag);
}

/* Reads a file; NULL: done. */
static const char *
read_file(int folder, const char *name, struct buf *out)
{
	/* Without O_NONBLOCK, opening a FIFO would block. */
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *why = NULL;
	ssize_t n = 1;

	if (fd < 0)
		return strerrordesc_np(errno);
	while (why == NULL && n != 0) {
		n = read(fd, buf_room(out, 65536), 65536);
		if (n > 0)
			out->n += (size_t)n;
		if (n < 0 && errno != EINTR)
			why = strerrordesc_np(errno);
		else if (out->n > TEXTS_FILE_MAX)
			why = "too large";
	}
	close(fd);
	return why;
}

static void
put_refused(const char *path, const struct texts *t, const struct buf *lines, struct buf *warnings)
{
	struct str rest = buf_as_str(lines), line;

	for (size_t i = 0; i < NAMED_MAX && rest.n > 0 && str_split(&rest, '\n', &line); i++)
		buf_printf(warnings, "%s: %.*s: stays English\n", path, STR_ARG(line));
	if (rest.n > 0)
		buf_printf(warnings, "%s: %zu entries more are refused\n", path,
		    texts_refused(t) - NAMED_MAX);
}

static void
load_file(struct texts_set *set, int folder, const char *path, const char *name, struct buf *faults,
    struct buf *warnings)
{
	struct texts_language *l = &set->v[set->n];
	struct buf bytes = {0}, refused = {0};
	const char *why = read_file(folder, name, &bytes);

	l->texts = why == NULL ? texts_new(buf_as_str(&bytes), &refused, &why) : NULL;
	if (l->texts == NULL) {
		buf_printf(faults, "%s/%s: %s\n", path, name, why);
	} else {
		struct buf file = {0};

		buf_printf(&file, "%s/%s", path, name);
		put_refused(buf_cstr(&file), l->texts, &refused, warnings);
		buf_fini(&file);
		memcpy(l->tag, name, strlen(name) - 3); /* the set is zeroed */
		set->n++;
	}
	buf_fini(&bytes);
	buf_fini(&refused);
}

static int
by_language(const void *a, const void *b)
{
	return strcmp(
	    ((const struct texts_language *)a)->tag, ((const struct texts_language *)b)->tag);
}

static void
load_all(
    struct texts_set *set, DIR *dir, const char *path, struct buf *faults, struct buf *warnings)
{
	struct dirent *d;

	while ((d = readdir(dir)) != NULL) {
		struct str name = str_of(d->d_name);

		if (!str_has_suffix(name, STR(".mo")))
			continue;
		name.n -= 3;
		if (!is_tag(name))
			buf_printf(warnings, "%s/%s: passed over: %.*s is not a language tag\n",
			    path, d->d_name, STR_ARG(name));
		else if (texts_set_find(set, name) != NULL)
			buf_printf(
			    faults, "%s/%s: this language has another file\n", path, d->d_name);
		else if (set->n == TEXTS_LANGUAGES_MAX)
			buf_printf(faults, "%s/%s: more than %d languages\n", path, d->d_name,
			    TEXTS_LANGUAGES_MAX);
		else
			load_file(set, dirfd(dir), path, d->d_name, faults, warnings);
	}
	qsort(set->v, set->n, sizeof(set->v[0]), by_language);
}

struct texts_set *
texts_set_load(const char *folder, struct buf *faults, struct buf *warnings)
{
	struct texts_set *set = mem_zalloc(sizeof(*set));
	DIR *dir = opendir(folder);

	atomic_init(&set->refs, 1);
	if (dir == NULL) {
		buf_printf(faults, "%s: %s\n", folder, strerrordesc_np(errno));
	} else {
		load_all(set, dir, folder, faults, warnings);
		closedir(dir);
	}
	return set;
}

/* ---- look-ups */

struct texts_set *
texts_set_ref(struct texts_set *set)
{
	if (set != NULL)
		atomic_fetch_add(&set->refs, 1);
	return set;
}

void
texts_set_unref(struct texts_set **sp)
{
	struct texts_set *set = *sp;

	*sp = NULL;
	if (set == NULL || atomic_fetch_sub(&set->refs, 1) > 1)
		return;
	for (size_t i = 0; i < set->n; i++)
		texts_free(&set->v[i].texts);
	mem_free(set);
}

size_t
texts_set_languages(const struct texts_set *set, const struct texts_language **languages_r)
{
	*languages_r = set != NULL ? set->v : NULL;
	return set != NULL ? set->n : 0;
}

const struct texts *
texts_set_find(const struct texts_set *set, struct str tag)
{
	for (size_t i = 0; set != NULL && i < set->n; i++)
		if (str_ieq(str_of(set->v[i].tag), tag))
			return set->v[i].texts;
	return NULL;
}
