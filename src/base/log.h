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

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_PANIC };

typedef void log_sink_f(enum log_level level, const char *context, const char *text, void *arg);

void log_msg(enum log_level level, const char *context, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void log_vmsg(enum log_level level, const char *context, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
/* Lines below this level are dropped; the default is LOG_INFO. */
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);
/* NULL restores the default sink.  Call before threads start. */
void log_set_sink(log_sink_f *sink, void *arg);
const char *log_level_name(enum log_level level);
#endif
