/* SPDX-License-Identifier: Apache-2.0 */
/* See transcript_file.h. */
#include "imap/log/transcript_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "sasl/names.h"

enum {
	WAITING_MAX = 8 << 20, /* bytes, for all users together */
	NAME_KEPT = 160        /* of a longer file name; followed by a hash */
};

struct chunk {
	struct chunk *next;
	struct buf name, lines;
	uint64_t max;
};

struct transcript_files {
	struct buf folder, default_domain;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	struct chunk *first, **last;
	size_t waiting;
	pthread_t thread;
	bool started, ending;
	bool failed; /* the thread's own: the last write failed, and that was logged */
};

/* ---- names */

static void
put_hex(struct buf *out, uint64_t v, int digits)
{
	for (int i = digits - 1; i >= 0; i--)
		buf_putc(out, "0123456789abcdef"[v >> (i * 4) & 15]);
}

void
transcript_file_name(struct str user, struct buf *out)
{
	uint64_t hash = 0xcbf29ce484222325;
	size_t from = out->n;

	for (size_t i = 0; i < user.n; i++) {
		unsigned char c = (unsigned char)user.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		             (c >= '0' && c <= '9') || c == '@' || c == '_' || c == '-' ||
		             c == '+' || (c == '.' && i > 0);

		hash = (hash ^ c) * 0x100000001b3;
		if (plain)
			buf_putc(out, (char)c);
		else {
			buf_putc(out, '%');
			put_hex(out, c, 2);
		}
	}
	if (out->n - from > NAME_KEPT) { /* a file name has at most 255 bytes */
		out->n = from + NAME_KEPT;
		buf_puts(out, "%%");
		put_hex(out, hash, 16);
	}
	buf_puts(out, ".log");
}

bool
transcript_files_user(const struct transcript_files *files, struct str name, struct buf *out)
{
	return sasl_name_full(name, buf_as_str(&files->default_domain), out);
}

/* ---- writing, on the thread */

static bool
open_file(struct transcript_files *f, const char *path, int *fd_r)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC;

	*fd_r = open(path, flags, 0600);
	if (*fd_r < 0 && errno == ENOENT && mkdir(buf_cstr(&f->folder), 0700) == 0)
		*fd_r = open(path, flags, 0600);
	return *fd_r >= 0;
}

/* Renames the full file to make room for a new one. */
static bool
rotate(const char *path)
{
	struct buf old = {0};
	bool ok;

	buf_printf(&old, "%s.1", path);
	ok = rename(path, buf_cstr(&old)) == 0;
	buf_fini(&old);
	return ok;
}

/* Returns the length of as many whole lines as fit. */
static size_t
that_fits(struct str lines, uint64_t room)
{
	size_t n = lines.n;

	if (n <= room)
		return n;
	n = (size_t)room;
	while (n > 0 && lines.p[n - 1] != '\n')
		n--;
	return n;
}

/* Writes one file's worth of the lines; returns the bytes written, 0 on error (errno). */
static size_t
write_some(struct transcript_files *f, const char *path, struct str lines, uint64_t max)
{
	struct stat st;
	ssize_t n = -1;
	size_t fits;
	int fd;

	if (!open_file(f, path, &fd))
		return 0;
	if (fstat(fd, &st) == 0) {
		uint64_t size = (uint64_t)st.st_size;

		fits = that_fits(lines, size < max ? max - size : 0);
		if (fits == 0 && size > 0 && rotate(path)) {
			close(fd);
			if (!open_file(f, path, &fd))
				return 0;
			fits = that_fits(lines, max);
		}
		/* A line is far shorter than the smallest max; if it were not, write it whole. */
		n = write(fd, lines.p, fits > 0 ? fits : lines.n);
	}
	close(fd);
	return n > 0 ? (size_t)n : 0;
}

static void
write_chunk(struct transcript_files *f, struct chunk *c)
{
	struct str left = buf_as_str(&c->lines);
	struct buf path = {0};

	buf_printf(&path, "%s/%s", buf_cstr(&f->folder), buf_cstr(&c->name));
	while (left.n > 0) {
		size_t n = write_some(f, buf_cstr(&path), left, c->max);

		if (n == 0)
			break;
		left = (struct str){left.p + n, left.n - n};
	}
	if (left.n > 0 && !f->failed)
		log_msg(LOG_ERROR, NULL,
		    "transcript %s: %s; lines are lost until it can be written", buf_cstr(&path),
		    strerror(errno));
	f->failed = left.n > 0;
	buf_fini(&path);
}

static void
chunk_free(struct chunk *c)
{
	buf_fini(&c->name);
	buf_fini(&c->lines);
	mem_free(c);
}

static void *
writer(void *arg)
{
	struct transcript_files *f = arg;
	struct chunk *c;

	(void)pthread_mutex_lock(&f->lock);
	for (;;) {
		while ((c = f->first) == NULL && !f->ending)
			(void)pthread_cond_wait(&f->wake, &f->lock);
		if (c == NULL)
			break;
		f->first = c->next;
		if (f->first == NULL)
			f->last = &f->first;
		(void)pthread_mutex_unlock(&f->lock);
		write_chunk(f, c);
		(void)pthread_mutex_lock(&f->lock);
		f->waiting -= c->lines.n;
		chunk_free(c);
	}
	(void)pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* ---- from loops */

/* Needs the lock. */
static bool
started(struct transcript_files *f)
{
	int e;

	if (f->started)
		return true;
	e = pthread_create(&f->thread, NULL, writer, f);
	if (e != 0)
		log_msg(LOG_ERROR, NULL, "no thread to write transcripts: %s", strerror(e));
	f->started = e == 0;
	return f->started;
}

bool
transcript_files_put(struct transcript_files *f, struct str user, uint64_t max, struct buf *lines)
{
	struct chunk *c;
	bool ok;

	if (lines->n == 0)
		return true;
	c = mem_zalloc(sizeof(*c));
	transcript_file_name(user, &c->name);
	c->lines = *lines;
	c->max = max;
	*lines = (struct buf){0};
	(void)pthread_mutex_lock(&f->lock);
	ok = f->waiting + c->lines.n <= WAITING_MAX && started(f);
	if (ok) {
		*f->last = c;
		f->last = &c->next;
		f->waiting += c->lines.n;
		(void)pthread_cond_signal(&f->wake);
	}
	(void)pthread_mutex_unlock(&f->lock);
	if (!ok)
		chunk_free(c);
	return ok;
}

struct transcript_files *
transcript_files_new(struct str data, struct str default_domain)
{
	struct transcript_files *f = mem_zalloc(sizeof(*f));

	buf_str(&f->folder, data);
	buf_puts(&f->folder, "/protocol");
	buf_str(&f->default_domain, default_domain);
	(void)pthread_mutex_init(&f->lock, NULL);
	(void)pthread_cond_init(&f->wake, NULL);
	f->last = &f->first;
	return f;
}

void
transcript_files_free(struct transcript_files **files)
{
	struct transcript_files *f = *files;

	*files = NULL;
	if (f == NULL)
		return;
	(void)pthread_mutex_lock(&f->lock);
	f->ending = true;
	(void)pthread_cond_signal(&f->wake);
	(void)pthread_mutex_unlock(&f->lock);
	if (f->started)
		(void)pthread_join(f->thread, NULL);
	TS_ASSERT(f->first == NULL);
	(void)pthread_cond_destroy(&f->wake);
	(void)pthread_mutex_destroy(&f->lock);
	buf_fini(&f->folder);
	buf_fini(&f->default_domain);
	mem_free(f);
}
