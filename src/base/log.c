/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process-wide log: see log.h.
 *
 * Two locks, the outer one first: `order` is held while lines are written, so
 * that they come out in the order in which they were collected; `lock` guards
 * the collecting buffer and is never held over a system call, so a slow disk
 * holds up a loop only when the buffer is full.
 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

enum { LINE = 2600, ROOM = 64 * 1024, FULL = ROOM / 2 };

static void stderr_sink(enum log_level level, const char *context, const char *text, void *arg);

static log_sink_f *log_sink = stderr_sink;
static void *log_sink_arg;
static atomic_int log_min = LOG_INFO;

static struct {
	pthread_mutex_t order, lock;
	pthread_cond_t first, end; /* of what is collected; of collecting */
	pthread_t thread;
	bool on, ending;
	char *p, *spare; /* ROOM bytes each */
	size_t n;
} collect = {.order = PTHREAD_MUTEX_INITIALIZER,
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .first = PTHREAD_COND_INITIALIZER};

/* The date and time of the last line's second: most lines have the one before's. */
static struct {
	pthread_mutex_t lock;
	time_t second;
	char text[20];
} stamp = {.lock = PTHREAD_MUTEX_INITIALIZER, .second = -1};

const char *
log_level_name(enum log_level level)
{
	static const char *const names[] = {"debug", "info", "warning", "error", "panic"};

	return names[level];
}

static void
write_all(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(STDERR_FILENO, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return; /* nobody is left to tell */
		p += done;
		n -= (size_t)done;
	}
}

/* ---- one line */

static char *
put(char *to, const char *end, const char *s)
{
	size_t n = strlen(s), room = (size_t)(end - to);

	if (n > room)
		n = room;
	memcpy(to, s, n);
	return to + n;
}

/* "2026-11-23T21:12:23.456Z" */
static char *
put_time(char *to, const char *end)
{
	char ms[] = ".000Z";
	struct timespec ts;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	for (int i = 3, v = (int)(ts.tv_nsec / 1000000); i > 0; i--, v /= 10)
		ms[i] = (char)('0' + v % 10);
	pthread_mutex_lock(&stamp.lock);
	if (ts.tv_sec != stamp.second) {
		(void)gmtime_r(&ts.tv_sec, &tm);
		(void)strftime(stamp.text, sizeof(stamp.text), "%Y-%m-%dT%H:%M:%S", &tm);
		stamp.second = ts.tv_sec;
	}
	to = put(to, end, stamp.text);
	pthread_mutex_unlock(&stamp.lock);
	return put(to, end, ms);
}

static size_t
make_line(char *line, enum log_level level, const char *context, const char *text)
{
	const char *end = line + LINE - 1;
	char *to = put_time(line, end);

	to = put(to, end, " ");
	to = put(to, end, log_level_name(level));
	to = put(to, end, " ");
	if (context != NULL) {
		to = put(to, end, context);
		to = put(to, end, ": ");
	}
	to = put(to, end, text);
	*to++ = '\n';
	return (size_t)(to - line);
}

/* ---- collecting */

static void
write_collected(void)
{
	char *p;
	size_t n;

	pthread_mutex_lock(&collect.order);
	pthread_mutex_lock(&collect.lock);
	p = collect.p;
	n = collect.n;
	collect.p = collect.spare;
	collect.spare = p;
	collect.n = 0;
	pthread_mutex_unlock(&collect.lock);
	write_all(p, n);
	pthread_mutex_unlock(&collect.order);
}

/* False: nothing is collected, the line is the caller's to write. */
static bool
collected(const char *line, size_t n, bool at_once)
{
	pthread_mutex_lock(&collect.lock);
	while (collect.on && ROOM - collect.n < n) {
		pthread_mutex_unlock(&collect.lock);
		write_collected();
		pthread_mutex_lock(&collect.lock);
	}
	if (!collect.on) {
		pthread_mutex_unlock(&collect.lock);
		return false;
	}
	memcpy(collect.p + collect.n, line, n);
	if (collect.n == 0)
		pthread_cond_signal(&collect.first);
	collect.n += n;
	at_once = at_once || collect.n >= FULL;
	pthread_mutex_unlock(&collect.lock);
	if (at_once)
		write_collected();
	return true;
}

/* One write(2), so that lines of several threads and processes stay whole. */
static void
stderr_sink(enum log_level level, const char *context, const char *text, void *arg)
{
	char line[LINE];
	size_t n = make_line(line, level, context, text);

	(void)arg;
	if (!collected(line, n, level >= LOG_ERROR))
		write_all(line, n);
}

static void *
collector(void *arg)
{
	struct timespec until;

	(void)arg;
	pthread_mutex_lock(&collect.lock);
	while (!collect.ending) {
		if (collect.n == 0) {
			pthread_cond_wait(&collect.first, &collect.lock);
			continue;
		}
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOG_COLLECT_MS * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		while (!collect.ending &&
		       pthread_cond_timedwait(&collect.end, &collect.lock, &until) != ETIMEDOUT)
			;
		pthread_mutex_unlock(&collect.lock);
		write_collected();
		pthread_mutex_lock(&collect.lock);
	}
	pthread_mutex_unlock(&collect.lock);
	return NULL;
}

void
log_collect_begin(void)
{
	pthread_condattr_t attr;

	TS_ASSERT(!collect.on);
	collect.p = mem_realloc(NULL, ROOM);
	collect.spare = mem_realloc(NULL, ROOM);
	collect.ending = false;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&collect.end, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&collect.thread, NULL, collector, NULL) != 0)
		TS_WRONG("cannot start a thread");
	pthread_mutex_lock(&collect.lock);
	collect.on = true;
	pthread_mutex_unlock(&collect.lock);
}

void
log_collect_end(void)
{
	pthread_mutex_lock(&collect.lock);
	if (!collect.on) {
		pthread_mutex_unlock(&collect.lock);
		return;
	}
	collect.on = false;
	collect.ending = true;
	pthread_cond_signal(&collect.first);
	pthread_cond_signal(&collect.end);
	pthread_mutex_unlock(&collect.lock);
	pthread_join(collect.thread, NULL);
	write_collected();
	pthread_cond_destroy(&collect.end);
	mem_free(collect.p);
	mem_free(collect.spare);
	collect.p = collect.spare = NULL;
}

/* ---- what callers see */

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_min, (int)level, memory_order_relaxed);
}

bool
log_wants(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&log_min, memory_order_relaxed);
}

void
log_set_sink(log_sink_f *sink, void *arg)
{
	log_sink = sink != NULL ? sink : stderr_sink;
	log_sink_arg = arg;
}

/* Without a branch for each byte, so that it is done many at a time. */
static bool
is_clean(struct str in)
{
	unsigned bad = 0;

	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];

		bad |= (unsigned)(c < 0x20) | (unsigned)(c == 0x7F);
	}
	return bad == 0;
}

static void
show_controls(char *out, size_t size, struct str in)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	if (in.n < size && is_clean(in)) {
		memcpy(out, in.p, in.n);
		out[in.n] = '\0';
		return;
	}
	for (size_t i = 0; i < in.n && n + 5 < size; i++) {
		unsigned char c = (unsigned char)in.p[i];

		if (c < 0x20 || c == 0x7F) {
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		} else
			out[n++] = (char)c;
	}
	out[n] = '\0';
}

static void
give(enum log_level level, const char *context, struct str raw)
{
	char text[2048];

	show_controls(text, sizeof(text), raw);
	log_sink(level, context, text, log_sink_arg);
}

void
log_vmsg(enum log_level level, const char *context, const char *fmt, va_list ap)
{
	char raw[1024];

	if (!log_wants(level))
		return;
	(void)vsnprintf(raw, sizeof(raw), fmt, ap);
	give(level, context, str_of(raw));
}

void
log_msg(enum log_level level, const char *context, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vmsg(level, context, fmt, ap);
	va_end(ap);
}

void
log_line_str(struct log_line *line, struct str s)
{
	size_t room = sizeof(line->p) - line->n, n = s.n < room ? s.n : room;

	if (n > 0)
		memcpy(line->p + line->n, s.p, n);
	line->n += n;
}

void
log_line_puts(struct log_line *line, const char *s)
{
	log_line_str(line, str_of(s));
}

void
log_line_u64(struct log_line *line, uint64_t v)
{
	char d[20];
	size_t i = sizeof(d);

	do {
		d[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	log_line_str(line, (struct str){d + i, sizeof(d) - i});
}

void
log_line_end(struct log_line *line, enum log_level level, const char *context)
{
	if (log_wants(level))
		give(level, context, (struct str){line->p, line->n});
}
