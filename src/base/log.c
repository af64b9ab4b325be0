/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process-wide log: see log.h.
 *
 * There are two locks, taken in this order: `order` is held while lines are
 * written, so that they come out in the order in which they were collected;
 * `lock` guards the buffer and is never held during a system call, so a slow
 * disk delays a loop only when the buffer is full.
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

enum { LINE = LOG_LINE_MAX, ROOM = 1024 * 1024, MANY = 256 * 1024 };

static void stderr_sink(enum log_level level, const struct log_event *e, void *arg);

static log_event_sink_f *log_sink = stderr_sink;
static void *log_sink_arg;
static log_sink_f *log_text_sink;
static atomic_int log_format = LOG_FORMAT_TEXT;
static atomic_int log_min = LOG_INFO;

/* What each line touches fits into a cache line, which the loops' cores pass to each other. */
static _Alignas(64) struct {
	pthread_mutex_t lock;
	size_t n;
	char *p; /* ROOM bytes, like spare */
	bool on, ending, many;
	_Alignas(64) pthread_mutex_t order;
	pthread_cond_t first, soon; /* there are lines; their time is near */
	pthread_t thread;
	char *spare;
} collect = {.lock = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP, /* held for a memcpy */
    .order = PTHREAD_MUTEX_INITIALIZER,
    .first = PTHREAD_COND_INITIALIZER};

/* Date and time of the last line's second: most lines of a thread share them with the previous
 * one. */
static _Thread_local struct {
	time_t second; /* 0: no line yet */
	char text[20];
} stamp;

const char *
log_level_name(enum log_level level)
{
	static const char *const names[] = {"debug", "info", "warning", "error", "panic"};

	return names[level];
}

static void
write_stderr(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(STDERR_FILENO, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return; /* there is nobody to report it to */
		p += done;
		n -= (size_t)done;
	}
}

/* ---- one line */

/* Where a line is written.  `full`: something did not fit and was left out. */
struct pen {
	char *to, *end;
	bool full;
};

static void
pen_put(struct pen *pen, const char *p, size_t n)
{
	if ((size_t)(pen->end - pen->to) < n) {
		pen->full = true;
		return;
	}
	memcpy(pen->to, p, n);
	pen->to += n;
}

static void
puts_to(struct pen *pen, const char *s)
{
	pen_put(pen, s, strlen(s));
}

static void
pen_number(struct pen *pen, uint64_t v)
{
	char d[20];
	size_t i = sizeof(d);

	do {
		d[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	pen_put(pen, d + i, sizeof(d) - i);
}

/* "2026-11-23T21:12:23.456Z" */
static void
put_time(struct pen *pen)
{
	char ms[] = ".000Z";
	struct timespec ts;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	for (int i = 3, v = (int)(ts.tv_nsec / 1000000); i > 0; i--, v /= 10)
		ms[i] = (char)('0' + v % 10);
	if (ts.tv_sec != stamp.second) {
		(void)gmtime_r(&ts.tv_sec, &tm);
		(void)strftime(stamp.text, sizeof(stamp.text), "%Y-%m-%dT%H:%M:%S", &tm);
		stamp.second = ts.tv_sec;
	}
	pen_put(pen, stamp.text, sizeof(stamp.text) - 1);
	pen_put(pen, ms, sizeof(ms) - 1);
}

static void
put_escape(struct pen *pen, unsigned c)
{
	static const char hex[] = "0123456789abcdef";
	char out[] = {
	    '\\', 'u', hex[c >> 12 & 15], hex[c >> 8 & 15], hex[c >> 4 & 15], hex[c & 15]};

	pen_put(pen, out, sizeof(out));
}

/* Puts a character beyond ASCII; returns its length in bytes. */
static size_t
put_wide(struct pen *pen, struct str s)
{
	unsigned char lead = (unsigned char)s.p[0];
	size_t n = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
	unsigned c;

	if (n > s.n || !str_is_utf8((struct str){s.p, n})) {
		put_escape(pen, 0xFFFD);
		return 1;
	}
	c = n == 2
	        ? (lead & 0x1Fu) << 6 | ((unsigned)s.p[1] & 0x3F)
	        : (lead & 0x0Fu) << 12 | ((unsigned)s.p[1] & 0x3F) << 6 | ((unsigned)s.p[2] & 0x3F);
	if (str_showable((struct str){s.p, n}) == 0)
		put_escape(pen, c);
	else
		pen_put(pen, s.p, n);
	return n;
}

static void
put_escaped(struct pen *pen, struct str s, bool in_quotes)
{
	for (size_t i = 0; i < s.n;) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x80) {
			i += put_wide(pen, (struct str){s.p + i, s.n - i});
			continue;
		}
		if (c < 0x20 || c == 0x7F)
			put_escape(pen, c);
		else {
			if (c == '\\' || (c == '"' && in_quotes))
				pen_put(pen, "\\", 1);
			pen_put(pen, s.p + i, 1);
		}
		i++;
	}
}

enum look { LOOK_BARE, LOOK_PLAIN, LOOK_ODD }; /* in quotes as it is; needs escapes */

/* Without a branch for each byte. */
static enum look
look_of(struct str s)
{
	enum { BLANK = 1, ODD = 2 };
	static const unsigned char kinds[256] = {[0 ... 0x1F] = ODD,
	    [' '] = BLANK,
	    ['='] = BLANK,
	    ['"'] = ODD,
	    ['\\'] = ODD,
	    [0x7F ... 0xFF] = ODD};
	unsigned found = s.n == 0 ? BLANK : 0;

	for (size_t i = 0; i < s.n; i++)
		found |= kinds[(unsigned char)s.p[i]];
	return (found & ODD) != 0 ? LOOK_ODD : found != 0 ? LOOK_PLAIN : LOOK_BARE;
}

static struct str
cut_to(struct str s, size_t max)
{
	return (struct str){s.p, s.n < max ? s.n : max};
}

static void
put_value(struct pen *pen, struct str s, bool json)
{
	enum look look = look_of(s);

	if (look == LOOK_BARE && !json) {
		pen_put(pen, s.p, s.n);
		return;
	}
	pen_put(pen, "\"", 1);
	if (look == LOOK_ODD)
		put_escaped(pen, s, true);
	else if (s.n > 0)
		pen_put(pen, s.p, s.n);
	pen_put(pen, "\"", 1);
}

/* The fast path for nearly all fields, thousands of lines a second: one check that it fits. */
static bool
put_bare(struct pen *pen, const struct log_field *f)
{
	size_t n = f->text.n;
	char *p = pen->to;

	if ((size_t)(pen->end - p) < f->key_n + LOG_VALUE_MAX + 2 || n > LOG_VALUE_MAX ||
	    (!f->is_number && look_of(f->text) != LOOK_BARE))
		return false;
	*p++ = ' ';
	memcpy(p, f->key, f->key_n);
	p += f->key_n;
	*p++ = '=';
	pen->to = p;
	if (!f->is_number) {
		memcpy(p, f->text.p, n);
		pen->to = p + n;
	} else if (f->number < 10)
		*pen->to++ = (char)('0' + f->number);
	else
		pen_number(pen, f->number);
	return true;
}

/* Puts all of it or nothing. */
static void
put_field(struct pen *pen, const struct log_field *f, bool json)
{
	char *before = pen->to;

	if (!json && put_bare(pen, f))
		return;
	if (json)
		pen_put(pen, ",\"", 2);
	else
		pen_put(pen, " ", 1);
	pen_put(pen, f->key, f->key_n);
	if (json)
		pen_put(pen, "\":", 2);
	else
		pen_put(pen, "=", 1);
	if (f->is_number)
		pen_number(pen, f->number);
	else
		put_value(pen, cut_to(f->text, LOG_VALUE_MAX), json);
	if (pen->full)
		pen->to = before;
	pen->full = false;
}

static void
put_fields(struct pen *pen, const struct log_event *e, bool json)
{
	for (unsigned i = 0; i < e->n; i++)
		put_field(pen, &e->f[i], json);
}

/* For people: bare, unless it could be mistaken for a field. */
static void
put_log_message(struct pen *pen, const struct log_event *e)
{
	struct str s = cut_to(e->message, LOG_MESSAGE_MAX);

	if (str_chr(s, '=') != NULL)
		put_value(pen, s, false);
	else
		put_escaped(pen, s, false);
	put_fields(pen, e, false);
}

size_t
log_event_text(const struct log_event *e, char *out, size_t size)
{
	struct pen pen = {out, out + size - 1, false};

	put_log_message(&pen, e);
	*pen.to = '\0';
	return (size_t)(pen.to - out);
}

static void
format_text(struct pen *pen, enum log_level level, const struct log_event *e)
{
	put_time(pen);
	pen_put(pen, " ", 1);
	puts_to(pen, log_level_name(level));
	pen_put(pen, " ", 1);
	if (e->source != NULL) {
		puts_to(pen, e->source);
		pen_put(pen, ": ", 2);
	}
	put_log_message(pen, e);
}

static void
put_logfmt(struct pen *pen, enum log_level level, const struct log_event *e)
{
	pen_put(pen, "time=", 5);
	put_time(pen);
	pen_put(pen, " level=", 7);
	puts_to(pen, log_level_name(level));
	if (e->source != NULL) {
		pen_put(pen, " source=", 8);
		puts_to(pen, e->source);
	}
	pen_put(pen, " msg=", 5);
	put_value(pen, cut_to(e->message, LOG_MESSAGE_MAX), false);
	put_fields(pen, e, false);
}

static void
format_json(struct pen *pen, enum log_level level, const struct log_event *e)
{
	pen_put(pen, "{\"time\":\"", 9);
	put_time(pen);
	pen_put(pen, "\",\"level\":\"", 11);
	puts_to(pen, log_level_name(level));
	pen_put(pen, "\"", 1);
	if (e->source != NULL) {
		pen_put(pen, ",\"source\":", 10);
		put_value(pen, str_of(e->source), true);
	}
	pen_put(pen, ",\"msg\":", 7);
	put_value(pen, cut_to(e->message, LOG_MESSAGE_MAX), true);
	put_fields(pen, e, true);
	*pen->to++ = '}'; /* make_line() keeps room */
}

static size_t
make_line(char *line, enum log_level level, const struct log_event *e)
{
	struct pen pen = {line, line + LINE - 2, false}; /* the last brace, the line's end */

	switch ((enum log_format)atomic_load_explicit(&log_format, memory_order_relaxed)) {
	case LOG_FORMAT_TEXT:
		format_text(&pen, level, e);
		break;
	case LOG_FORMAT_LOGFMT:
		put_logfmt(&pen, level, e);
		break;
	case LOG_FORMAT_JSON:
		format_json(&pen, level, e);
		break;
	}
	*pen.to++ = '\n';
	return (size_t)(pen.to - line);
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
	collect.many = false;
	pthread_mutex_unlock(&collect.lock);
	write_stderr(p, n);
	pthread_mutex_unlock(&collect.order);
}

/* Returns false if nothing is collected: then the caller must write the line. */
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
	if (collect.n >= MANY && !collect.many) {
		collect.many = true;
		pthread_cond_signal(&collect.soon);
	}
	pthread_mutex_unlock(&collect.lock);
	if (at_once)
		write_collected();
	return true;
}

/* One write(2), so that lines of several threads and processes stay whole. */
static void
stderr_sink(enum log_level level, const struct log_event *e, void *arg)
{
	char line[LINE];
	size_t n = make_line(line, level, e);

	(void)arg;
	if (!collected(line, n, level >= LOG_ERROR))
		write_stderr(line, n);
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
		while (!collect.ending && !collect.many &&
		       pthread_cond_timedwait(&collect.soon, &collect.lock, &until) != ETIMEDOUT)
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
	pthread_cond_init(&collect.soon, &attr);
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
	pthread_cond_signal(&collect.soon);
	pthread_mutex_unlock(&collect.lock);
	pthread_join(collect.thread, NULL);
	write_collected();
	pthread_cond_destroy(&collect.soon);
	mem_free(collect.p);
	mem_free(collect.spare);
	collect.p = collect.spare = NULL;
}

/* ---- interface */

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
log_set_format(enum log_format format)
{
	atomic_store_explicit(&log_format, (int)format, memory_order_relaxed);
}

void
log_set_event_sink(log_event_sink_f *sink, void *arg)
{
	log_sink = sink != NULL ? sink : stderr_sink;
	log_sink_arg = arg;
}

static void
as_text(enum log_level level, const struct log_event *e, void *arg)
{
	char text[LINE];

	(void)log_event_text(e, text, sizeof(text));
	log_text_sink(level, e->source, text, arg);
}

void
log_set_sink(log_sink_f *sink, void *arg)
{
	log_text_sink = sink;
	log_set_event_sink(sink != NULL ? as_text : NULL, arg);
}

void
log_event_put(const struct log_event *e, enum log_level level)
{
	if (log_wants(level))
		log_sink(level, e, log_sink_arg);
}

void
log_event_vput(struct log_event *e, enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_MESSAGE_MAX + 1];

	if (!log_wants(level))
		return;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	e->message = str_of(text);
	log_sink(level, e, log_sink_arg);
}

void
log_vmsg(enum log_level level, const char *source, const char *fmt, va_list ap)
{
	struct log_event e;

	log_event_init(&e, source, STR_NONE);
	log_event_vput(&e, level, fmt, ap);
}

void
log_msg(enum log_level level, const char *source, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vmsg(level, source, fmt, ap);
	va_end(ap);
}
