/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_ROWS_H
#define CONTROL_ROWS_H
/*
 * The answer of operations that list something, which the command can print as a table or as JSON:
 * rows of named values, as text.
 *
 *	s name anna LF            a string, escaped as in request.h
 *	n messages 12 LF          a number
 *	b admin yes LF            yes or no
 *	L acts-for LF             a list of strings begins,
 *	l acts-for b* LF          its members follow
 *	LF                        the row ends
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* The operation's side. */
void row_str(struct buf *out, const char *key, struct str value);
void row_u64(struct buf *out, const char *key, uint64_t value);
void row_bool(struct buf *out, const char *key, bool value);
void row_list(struct buf *out, const char *key);
void row_item(struct buf *out, const char *key, struct str value);
void row_end(struct buf *out);

/* The command's side.  Takes one row off *rows; false at the end. */
bool rows_next(struct str *rows, struct str *row_r);
/* Takes one value off *row; type is the letter above; value_r is overwritten.  False at the end. */
bool row_next(struct str *row, char *type_r, struct str *key_r, struct buf *value_r);
/* The i-th value with that key, as text; false: none. */
bool row_find(struct str row, const char *key, size_t i, struct buf *value_r);

/* The key for a fault in a row, which then has only its name besides. */
#define ROW_FAULT "fault"
/* Reports rows with a ROW_FAULT on standard error: "user x: the record is of an unknown format".
 * False: there are none. */
bool rows_tell_faults(struct str rows, const char *command, const char *kind);

/* Prints all rows to standard output as a JSON array of objects, or the first row as an object. */
void rows_print_json(struct str rows);
void row_print_json(struct str row);

struct rows_column {
	const char *key, *title; /* key NULL ends */
	bool right;              /* numbers */
};
/* Prints a table with a line of titles and columns as wide as necessary; replaces control
 * characters in values with '?'.  Prints nothing if there are no rows. */
void rows_print_table(struct str rows, const struct rows_column *columns);
#endif
