/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H
/*
 * Log lines: one line an event, `time level context: text`.  The context is a
 * short string made once per connection ("conn=17 user=alice"), or NULL.
 * The sink is process-wide and set once at start; the default writes to
 * standard error.  Control characters in a line are shown as \xNN, so that a
 * peer cannot forge a line.  Safe from any thread.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_PANIC };

typedef void log_sink_f(enum log_level level, const char *context, const char *text, void *arg);

void log_msg(enum log_level level, const char *context, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void log_vmsg(enum log_level level, const char *context, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/*
 * A line put together without formatting functions, for events that come tens
 * of thousands of times a second.  What does not fit is cut off.
 *	struct log_line line = {.n = 0};
 *	log_line_puts(&line, "logout commands=");
 *	log_line_u64(&line, n);
 *	log_line_end(&line, LOG_INFO, context);
 */
struct log_line {
	size_t n;
	char p[1024];
};
void log_line_str(struct log_line *line, struct str s);
void log_line_puts(struct log_line *line, const char *s);
void log_line_u64(struct log_line *line, uint64_t v);
void log_line_end(struct log_line *line, enum log_level level, const char *context);

/*
 * From log_collect_begin() on the default sink collects lines; a thread of its own writes them
 * LOG_COLLECT_MS after the first of them, or whoever fills half the memory for them writes.
 * Errors and panics are written before log_msg() returns, with all that came before.
 * log_collect_end() writes what is left and ends the thread.  A process that is killed, or dies
 * of a signal, loses the lines of its last LOG_COLLECT_MS.
 */
#define LOG_COLLECT_MS 100
void log_collect_begin(void);
void log_collect_end(void);
/* Lines below this level are dropped; the default is LOG_INFO. */
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);
/* NULL restores the default sink.  Call before threads start. */
void log_set_sink(log_sink_f *sink, void *arg);
const char *log_level_name(enum log_level level);
#endif
