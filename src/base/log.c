/* SPDX-License-Identifier: Apache-2.0 */
/* The process-wide log: see log.h. */
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void stderr_sink(enum log_level level, const char *context, const char *text, void *arg);

static log_sink_f *log_sink = stderr_sink;
static void *log_sink_arg;
static atomic_int log_min = LOG_INFO;

const char *
log_level_name(enum log_level level)
{
	static const char *const names[] = {"debug", "info", "warning", "error", "panic"};

	return names[level];
}

/* One write(2), so that lines of several threads and processes stay whole. */
static void
stderr_sink(enum log_level level, const char *context, const char *text, void *arg)
{
	char line[2600], when[32];
	struct timespec ts;
	struct tm tm;
	int n;

	(void)arg;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)gmtime_r(&ts.tv_sec, &tm);
	(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(line, sizeof(line), "%s.%03ldZ %s %s%s%s\n", when, ts.tv_nsec / 1000000,
	    log_level_name(level), context != NULL ? context : "", context != NULL ? ": " : "",
	    text);
	if (n >= (int)sizeof(line)) {
		n = (int)sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nobody is left to tell */
}

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

static void
show_controls(char *out, size_t size, const char *in)
{
	size_t n = 0;

	for (; *in != '\0' && n + 5 < size; in++) {
		unsigned char c = (unsigned char)*in;

		if (c < 0x20 || c == 0x7F)
			n += (size_t)snprintf(out + n, size - n, "\\x%02X", c);
		else
			out[n++] = (char)c;
	}
	out[n] = '\0';
}

void
log_vmsg(enum log_level level, const char *context, const char *fmt, va_list ap)
{
	char raw[1024], text[2048];

	if (!log_wants(level))
		return;
	(void)vsnprintf(raw, sizeof(raw), fmt, ap);
	show_controls(text, sizeof(text), raw);
	log_sink(level, context, text, log_sink_arg);
}

void
log_msg(enum log_level level, const char *context, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vmsg(level, context, fmt, ap);
	va_end(ap);
}
