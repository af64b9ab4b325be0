/* SPDX-License-Identifier: Apache-2.0 */
/* Errors and panics: see err.h. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

const char *
ts_err_name(enum ts_err err)
{
	static const char *const names[TS_ERR_COUNT] = {
	    [TS_OK] = "ok",
	    [TS_NOT_FOUND] = "not found",
	    [TS_EXISTS] = "exists already",
	    [TS_INVALID] = "invalid",
	    [TS_DENIED] = "not permitted",
	    [TS_CONDITION] = "condition not met",
	    [TS_LIMIT] = "over a limit",
	    [TS_FULL] = "no space",
	    [TS_IO] = "input/output error",
	    [TS_DAMAGED] = "damaged",
	    [TS_UNKNOWN] = "outcome unknown",
	    [TS_UNAVAILABLE] = "unavailable",
	    [TS_CANCELLED] = "cancelled",
	    [TS_BUG] = "internal error",
	};

	return (unsigned)err < TS_ERR_COUNT ? names[err] : "?";
}

enum ts_err
ts_fail_at(const char *file, int line, enum ts_err err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_msg(LOG_ERROR, NULL, "%s (%s) at %s:%d", text, ts_err_name(err), file, line);
	return err;
}

void
ts_panic_at(const char *file, int line, const char *func, const char *what)
{
	log_msg(LOG_PANIC, NULL, "%s in %s at %s:%d", what, func, file, line);
	abort();
}
