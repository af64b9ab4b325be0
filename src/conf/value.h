/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H
/* Values of options: from text, to text, compared.  For conf.c and print.c only. */
#include "base/arena.h"
#include "conf/conf.h"

/* "a size such as 64K": what the option takes, for messages and manuals. */
void conf_value_describe(const struct conf_opt *opt, struct buf *out);
/* "1K to 1G": what its bounds are; nothing when it has none. */
void conf_value_bounds(const struct conf_opt *opt, struct buf *out);
/*
 * Sets the field from text; a list gets one more item, of that line.  Strings are copied into
 * the arena.  False, with what would be right appended to why, if it does not
 * fit; the field is then as it was.  Relative paths are put behind dir unless
 * that is NULL.
 */
bool conf_value_set(const struct conf_opt *opt, struct str text, unsigned line, const char *dir,
    struct arena *a, void *field, struct buf *why);
/* The default; one that does not fit its own option is our bug. */
void conf_value_default(const struct conf_opt *opt, const char *dir, struct arena *a, void *field);
bool conf_value_equal(const struct conf_opt *opt, const void *a, const void *b);
/* In the syntax of the file: reading it gives the same value. */
void conf_value_print(const struct conf_opt *opt, const void *field, struct buf *out);
void conf_value_print_default(const struct conf_opt *opt, struct buf *out);
/* In quotation marks, escaped. */
void conf_value_quote(struct str s, struct buf *out);
#endif
