/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_CONF_H
#define CONF_CONF_H
/*
 * conf: where options come from.  Here the file and what is in force; args.h is the command line.
 * A snapshot that was loaded never changes, and whoever uses one holds a reference.
 *
 * The configuration: one file, described by constant option tables.
 *
 * A folder that has options keeps them in a struct of its own and describes
 * that struct in one table:
 *
 *	struct wire_conf {
 *		uint64_t line;
 *		struct str banner;
 *	};
 *	static const struct conf_opt opts[] = {
 *	    {.name = "limits.line", .type = CONF_SIZE, .def = "64K", .min = 1024,
 *	     .offset = offsetof(struct wire_conf, line),
 *	     .prose = "The longest command line."},
 *	    ...
 *	};
 *	const struct conf_table wire_conf = {
 *	    .name = "wire", .opts = opts, .n = sizeof(opts) / sizeof(*opts),
 *	    .struct_size = sizeof(struct wire_conf)};
 *
 * The application hands all tables to conf_load() and gets a snapshot, which
 * never changes; `const struct wire_conf *c = conf_get(snapshot, &wire_conf)`
 * reads it.  A reload makes another snapshot; who holds the old one keeps it by
 * conf_ref().  Any thread may read a snapshot, take and drop references.
 *
 * Option names are full paths from the top of the file: "limits.line" is `line`
 * in the section `limits`, whatever the table is called, and two tables may
 * have options in one section.  A table with .block set describes named objects
 * that may be given again and again, under the table's name as keyword:
 *
 *	listener imap { address = "127.0.0.1"; port = 143; tls = starttls }
 *	listener imaps { port = 993; tls = imaps }
 *
 * Its option names are paths inside the block.
 *
 * The file has libucl's syntax: `key = value;`, `key: value`, `key value`,
 * sections in braces, `a.b = value` for a section's option, lists in brackets
 * or by giving a key again, words bare or in quotation marks, here-documents,
 * comments from # to the end of the line or within slash-star; the separator is
 * a semicolon, a comma or the end of the line.  There are no macros, no includes
 * and no variables.  Meaning is given by the option's type, never guessed
 * from the text.  The parser is ours, since each fault must be named with its
 * line, and all of them at once.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* The type of an option, and of the field at its offset. */
enum conf_type {
	CONF_BOOL,     /* bool: true yes on, false no off */
	CONF_INT,      /* int64_t */
	CONF_SIZE,     /* uint64_t, bytes: 4096, 64K, 8M, 2G, 1T, by 1024 */
	CONF_DURATION, /* uint64_t, milliseconds: 250ms, 30s, 30m, 2h, 7d, 2w, 1h30m; bare: seconds
	                */
	CONF_STRING,   /* struct str, a NUL behind it */
	CONF_PATH,     /* struct str, a NUL behind it; relative to the file's folder; "" is none;
	                  it does not begin with ~ */
	CONF_ENUM,     /* int, the index in words */
	CONF_LIST,     /* struct conf_list */
};

enum conf_when { CONF_RELOAD, CONF_RESTART }; /* when a change takes effect */

enum conf_flag {
	CONF_REQUIRED = 1, /* must be given */
	CONF_READABLE = 2, /* the path, unless none, must be a file that we can read */
	CONF_FOLDER = 4,   /* with CONF_READABLE: a folder instead */
};

struct conf_list {
	const struct str *items; /* each with a NUL behind it */
	size_t n;
	const unsigned *lines; /* of each item in the file; NULL: the default's */
};

struct conf_opt {
	const char *name;
	const char *def;   /* as text in the file (a list: items with commas); NULL is none or 0 */
	const char *prose; /* a sentence or two for the manual */
	const char *const *words; /* CONF_ENUM: ends in NULL */
	/* Bounds of the number (sizes in bytes, durations in ms), of a string's bytes, of a list's
	   items.  max 0 is none.  An integer below 0 needs a min below 0. */
	int64_t min, max;
	size_t offset;
	enum conf_type type;
	enum conf_when when;
	unsigned flags; /* of enum conf_flag */
};

/* Looks at options that depend on each other, or on what is built in, and reports every fault. */
struct conf_report; /* opaque */
typedef void conf_check_f(const void *settings, const struct conf_report *report);
/*
 * For such a check: a fault with an option, told with its line.  options are names with blanks
 * between them: all that the fault is about.  It is told at the first that is given in the file,
 * and left out if one of them is wrong by itself.  Where several are amounts their values are
 * added.
 */
void conf_report(const struct conf_report *report, const char *options, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for one item of a list, which is named, with its own line. */
void conf_report_item(const struct conf_report *report, const char *option, size_t item,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

struct conf_table {
	const char *name;  /* of a block: its keyword */
	const char *prose; /* heads the section in sample and manual; may be NULL */
	const struct conf_opt *opts;
	size_t n;
	size_t struct_size;
	conf_check_f *check; /* may be NULL; options with faults have their defaults */
	bool block;
};

struct conf_tables {
	const struct conf_table *const *p;
	size_t n;
};

/* Faults found in a file, each "FILE:LINE: OPTION: what is wrong and what would be right". */
struct conf_faults {
	char **text;
	size_t n;
};

void conf_faults_fini(struct conf_faults *faults);

struct conf; /* a snapshot, opaque */

/*
 * Reads the file and makes a snapshot with one reference.  *faults is {0} before.  A NULL path is
 * no file: all defaults.  Blocks for the time of reading a file.  TS_INVALID when there are faults,
 * which are in *faults then (and always there, never logged); a file that cannot be read is one of
 * them.  The tables must outlive the snapshot.  A fault in a table itself is our bug.
 */
enum ts_err conf_load(struct conf_tables tables, const char *path, struct conf_faults *faults,
    struct conf **conf_r) TS_CHECKED;
/* The same from text.  file names it in faults; dir (absolute) is what paths are relative
   to, NULL: as they are. */
enum ts_err conf_parse(struct conf_tables tables, struct str text, const char *file,
    const char *dir, struct conf_faults *faults, struct conf **conf_r) TS_CHECKED;
/*
 * What of a file with faults is sound, the rest with its defaults: to find a server that runs with
 * what the file was before, and to look for further faults.  The faults are added, unless NULL.
 * False: it cannot be read.
 */
bool conf_load_sound(
    struct conf_tables tables, const char *path, struct conf_faults *faults, struct conf **conf_r);
struct conf *conf_ref(struct conf *conf);
/* Drops a reference, sets *conf to NULL; NULL is fine. */
void conf_unref(struct conf **conf);

/* The table's struct; lives as long as the snapshot. */
const void *conf_get(const struct conf *conf, const struct conf_table *table)
    __attribute__((returns_nonnull));

struct conf_block {
	struct str name; /* "imaps"; a NUL behind it.  Differs from all others of the table */
	const void *settings;
};

struct conf_blocks {
	const struct conf_block *p; /* as in the file */
	size_t n;                   /* 0 when none is given; the asker knows what that means */
};

struct conf_blocks conf_blocks(const struct conf *conf, const struct conf_table *table);
/*
 * Appends "FILE:LINE: NAME" (or "default of NAME") for a fault with an option's
 * value that only its user can see.  settings is what conf_get or a block gave.
 */
void conf_where(const struct conf *conf, const void *settings, const char *option, struct buf *out);
/*
 * Whom to blame: the same for the first of several options (blanks between their names) that is
 * given, if all of them are right by themselves.  Else nothing is appended and it is false.
 * Where none is given the line of the block stands before it.
 */
bool conf_blame(
    const struct conf *conf, const void *settings, const char *options, struct buf *out);
/* The same for a block as a whole: "FILE:LINE: KEYWORD NAME". */
void conf_blame_block(const struct conf *conf, const void *settings, struct buf *out);
/* The same for an item of a list: "FILE:LINE: NAME: ITEM". */
bool conf_blame_item(const struct conf *conf, const void *settings, const char *option, size_t item,
    struct buf *out);
typedef void conf_path_f(
    void *arg, const struct conf *conf, const void *settings, const char *option, struct str path);
/* Calls fn for each path that is set and has CONF_READABLE. */
void conf_each_readable(const struct conf *conf, conf_path_f *fn, void *arg);
/* Is the option given in the file?  An option that the table has not is our bug. */
bool conf_given(const struct conf *conf, const void *settings, const char *option);
/* Have all of these options (blanks between their names) the same values in the other one?  Of a
 * block: in its block of the same name. */
bool conf_same(
    const struct conf *conf, const void *settings, const char *options, const struct conf *other);
/*
 * Appends the names, one a line, of CONF_RESTART options whose values differ.  A block that has
 * such options and is new, or gone, is named once.  True if any.
 */
bool conf_restart_needed(const struct conf *old, const struct conf *conf, struct buf *out);

/* A whole sample file: every option commented out, with prose and default. */
void conf_print_defaults(struct conf_tables tables, struct buf *out);
/* The values in force, in the file's syntax; each that differs from its default is marked. */
void conf_print_show(const struct conf *conf, struct buf *out);
/* Rows for the manuals: Markdown tables, and roff (mdoc macros). */
void conf_print_markdown(struct conf_tables tables, struct buf *out);
void conf_print_roff(struct conf_tables tables, struct buf *out);
/* Running text as lines of roff: escaped, what stands in `...` bold, a new line for each sentence.
 */
void conf_put_roff(struct str text, struct buf *out);
#endif
