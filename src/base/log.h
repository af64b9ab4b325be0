/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOG_H
#define BASE_LOG_H
/*
 * Log lines: one line per event, with fields (key and value) after the message.
 * The default sink writes to standard error in one of three formats; another
 * sink (the journal) is set once at start.  Safe from any thread.
 *
 * Values are hostile: each format escapes them so that they can end neither a
 * line nor a field.  Control characters, bidirectional overrides, quotes and
 * backslashes become \uNNNN or \" or \\ (JSON's escapes, in all formats), and
 * invalid UTF-8 becomes \ufffd.  Keys are ours: [a-z_]+.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_PANIC };

enum log_format {
	LOG_FORMAT_TEXT,   /* time level source: message key=value ... */
	LOG_FORMAT_LOGFMT, /* time=... level=... source=... msg=... key=value ... */
	LOG_FORMAT_JSON    /* an object per line, same keys */
};

struct log_field {
	const char *key;
	size_t key_n;
	struct str text;
	uint64_t number;
	bool is_number;
};

/*
 * An event with fields.  Nothing is copied or formatted before log_event_put(),
 * and nothing then if the line is dropped; for events that come tens of
 * thousands of times a second:
 *
 *	struct log_event e;
 *	if (log_wants(LOG_INFO)) {
 *		log_event_init(&e, NULL, STR("logout"));
 *		log_event_u64(&e, "commands", n);
 *		log_event_put(&e, LOG_INFO);
 *	}
 *
 * Texts must live until then.  Fields beyond LOG_FIELDS are left out; a message
 * is cut at LOG_MESSAGE_MAX bytes, a value at LOG_VALUE_MAX.
 */
#define LOG_FIELDS 24
#define LOG_VALUE_MAX 256
#define LOG_MESSAGE_MAX 1024
struct log_event {
	const char *source; /* the part of the server it comes from, or NULL */
	struct str message;
	unsigned n;
	struct log_field f[LOG_FIELDS];
};

static inline void
log_event_init(struct log_event *e, const char *source, struct str message)
{
	e->source = source;
	e->message = message;
	e->n = 0;
}

static inline void
log_event_str(struct log_event *e, const char *key, struct str text)
{
	if (e->n < LOG_FIELDS)
		e->f[e->n++] = (struct log_field){key, __builtin_strlen(key), text, 0, false};
}

static inline void
log_event_u64(struct log_event *e, const char *key, uint64_t number)
{
	if (e->n < LOG_FIELDS)
		e->f[e->n++] =
		    (struct log_field){key, __builtin_strlen(key), STR_NONE, number, true};
}

void log_event_put(const struct log_event *e, enum log_level level);
/* Formats the message. */
void log_event_vput(struct log_event *e, enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* An event without fields; source may be NULL. */
void log_msg(enum log_level level, const char *source, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void log_vmsg(enum log_level level, const char *source, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* Writes "message key=value ..." of an event, NUL-terminated, at most size - 1 bytes; returns the
 * length. */
#define LOG_LINE_MAX 8192
size_t log_event_text(const struct log_event *e, char *out, size_t size);

/*
 * After log_collect_begin() the default sink collects lines.  A thread of its own writes them
 * LOG_COLLECT_MS after the first of them, or at 256 KiB.  A thread that finds no room (1 MiB; the
 * disk is too slow) writes them itself.  Errors and panics are written before log_msg() returns,
 * with everything before them.  log_collect_end() writes the rest and ends the thread.  A process
 * that is killed, or dies from a signal, loses the lines of its last LOG_COLLECT_MS.
 */
#define LOG_COLLECT_MS 100
void log_collect_begin(void);
void log_collect_end(void);
/* Lines below this level are dropped; the default is LOG_INFO. */
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);
/* Of the default sink; LOG_FORMAT_TEXT unless set. */
void log_set_format(enum log_format format);

typedef void log_event_sink_f(enum log_level level, const struct log_event *e, void *arg);
/* NULL restores the default sink.  Call before threads start. */
void log_set_event_sink(log_event_sink_f *sink, void *arg);
/* Same for sinks that want text: log_event_text() and the source. */
typedef void log_sink_f(enum log_level level, const char *source, const char *text, void *arg);
void log_set_sink(log_sink_f *sink, void *arg);
const char *log_level_name(enum log_level level);
#endif
