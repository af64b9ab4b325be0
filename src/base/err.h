/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERR_H
#define BASE_ERR_H
/*
 * Four kinds of trouble, four ways:
 *
 *   our bug        TS_ASSERT, TS_WRONG: always on; they log where, and abort
 *   no memory      aborts in base/mem.c
 *   the world      enum ts_err, returned; the detail is logged once, where it
 *                  was found, by TS_FAIL, which stamps file and line
 *   the peer       no error: a reply (BAD or NO)
 *
 * Only imap/respond.c turns a ts_err into a response code.
 */
#include <stdint.h>

enum ts_err {
	TS_OK = 0,
	TS_NOT_FOUND,   /* no such user, mailbox, message, key */
	TS_EXISTS,      /* there is one already */
	TS_INVALID,     /* the request makes no sense, or not here */
	TS_DENIED,      /* not permitted */
	TS_CONDITION,   /* a condition of the change was not met (UNCHANGEDSINCE, UIDVALIDITY) */
	TS_LIMIT,       /* a configured limit */
	TS_FULL,        /* no space on the device, or below the free-space mark */
	TS_IO,          /* the operating system failed us */
	TS_DAMAGED,     /* a checksum or a format is wrong */
	TS_UNKNOWN,     /* a flush failed: nobody knows whether the change happened */
	TS_UNAVAILABLE, /* not now: reopening, shutting down */
	TS_CANCELLED,   /* the caller gave up */
	TS_BUG,
	TS_ERR_COUNT
};

#define TS_CHECKED __attribute__((warn_unused_result))

/* A short English name: "not found", "damaged", … */
const char *ts_err_name(enum ts_err err);

/* Logs "file:line: text" at error level and returns err. */
#define TS_FAIL(err, ...) ts_fail_at(__FILE__, __LINE__, (err), __VA_ARGS__)
enum ts_err ts_fail_at(const char *file, int line, enum ts_err err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define TS_ASSERT(cond)                                                                            \
	do {                                                                                       \
		if (__builtin_expect(!(cond), 0))                                                  \
			ts_panic_at(__FILE__, __LINE__, __func__, #cond);                          \
	} while (0)
#define TS_WRONG(text) ts_panic_at(__FILE__, __LINE__, __func__, text)
void ts_panic_at(const char *file, int line, const char *func, const char *what)
    __attribute__((noreturn, cold));
#endif
