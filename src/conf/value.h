/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H
/* Option values: parsing, printing, comparing.  For conf.c and print.c only. */
#include "base/arena.h"
#include "conf/conf.h"

/* Appends what the option accepts, for messages and manuals: "a size such as 64K". */
void conf_value_describe(const struct conf_opt *opt, struct buf *out);
/* Appends the option's bounds, "1K to 1G"; nothing if it has none. */
void conf_value_bounds(const struct conf_opt *opt, struct buf *out);
/*
 * Sets the field from text; a list gets one more item, with that line.  Copies strings into the
 * arena.  Relative paths are relative to dir, unless dir is NULL.  False: appends what would be
 * right to why and leaves the field unchanged.
 */
bool conf_value_set(const struct conf_opt *opt, struct str text, unsigned line, const char *dir,
    struct arena *a, void *field, struct buf *why);
/* Sets the default; an invalid default is our bug. */
void conf_value_default(const struct conf_opt *opt, const char *dir, struct arena *a, void *field);
bool conf_value_equal(const struct conf_opt *opt, const void *a, const void *b);
/* Prints the value in the file's syntax: reading it gives the same value. */
void conf_value_print(const struct conf_opt *opt, const void *field, struct buf *out);
void conf_value_print_default(const struct conf_opt *opt, struct buf *out);
/* Prints a quoted, escaped string. */
void conf_value_quote(struct str s, struct buf *out);
#endif
