/* SPDX-License-Identifier: Apache-2.0 */
/* See place.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "place.h"

#include "base/mem.h"

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
place_reopen(struct place *p, enum backup_mode mode)
{
	backup_close(&p->folder);
	assert_true(backup_open(p->path, mode, &p->folder, &p->why));
}

int
place_setup(void **state)
{
	struct place *p = mem_zalloc(sizeof(*p));

	(void)snprintf(p->dir, sizeof(p->dir), "/tmp/test_backup.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	(void)snprintf(p->path, sizeof(p->path), "%s/saved", p->dir);
	p->arena = arena_new(NULL, ARENA_OTHER, 4096);
	*state = p;
	place_reopen(p, BACKUP_WRITE);
	return 0;
}

int
place_teardown(void **state)
{
	struct place *p = *state;

	backup_close(&p->folder);
	arena_free(&p->arena);
	buf_fini(&p->why);
	buf_fini(&p->said);
	(void)nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	mem_free(p);
	return 0;
}

void
place_bad(const char *what, void *arg)
{
	struct place *p = arg;

	p->bad++;
	p->said.n = 0;
	buf_puts(&p->said, what);
}

void
place_read(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	out->n = 0;
	while ((n = read(fd, buf_room(out, 65536), 65536)) > 0)
		out->n += (size_t)n;
	close(fd);
}

void
place_write(const char *path, struct str bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.p, bytes.n), (ssize_t)bytes.n);
	close(fd);
}
