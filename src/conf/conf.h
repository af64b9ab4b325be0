/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_CONF_H
#define CONF_CONF_H
/*
 * conf: the configuration.  This header has the file and the values in force; args.h is the command
 * line.  One file, described by constant option tables.
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
 * The application passes all tables to conf_load() and gets a snapshot, which never changes;
 * `const struct wire_conf *c = conf_get(snapshot, &wire_conf)` reads it.  A reload makes another
 * snapshot; conf_ref() keeps the old one.  Any thread may read a snapshot and take and drop
 * references.
 *
 * Option names are full paths from the top of the file: "limits.line" is `line` in the section
 * `limits`, whatever the table's name, and two tables may have options in one section.  A table
 *with .block set describes named blocks, any number of them, with the table's name as keyword:
 *
 *	listener imap { address = "127.0.0.1"; port = 143; tls = starttls }
 *	listener imaps { port = 993; tls = imaps }
 *
 * Its option names are paths within the block.
 *
 * The syntax is libucl's: `key = value;`, `key: value`, `key value`, sections in braces, `a.b =
 * value` for an option in a section, lists in brackets or by repeating a key, bare or quoted words,
 * here-documents, comments from # to the end of the line or between slash-star; the separator is a
 * semicolon, a comma or the end of the line.  There are no macros, includes or variables.  The
 * option's type determines the meaning; nothing is guessed from the text.  The parser is ours,
 * because it must report every fault, each with its line.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* The type of an option and of the field at its offset. */
enum conf_type {
	CONF_BOOL,     /* bool: true yes on, false no off */
	CONF_INT,      /* int64_t */
	CONF_SIZE,     /* uint64_t, bytes: 4096, 64K, 8M, 2G, 1T, by 1024 */
	CONF_DURATION, /* uint64_t, milliseconds: 250ms, 30s, 30m, 2h, 7d, 2w, 1h30m; bare: seconds
	                */
	CONF_STRING,   /* struct str, followed by a NUL */
	CONF_PATH,     /* struct str, followed by a NUL; relative to the file's folder; "" is none;
	                  must not begin with ~ */
	CONF_ENUM,     /* int, the index in words */
	CONF_LIST,     /* struct conf_list */
};

enum conf_when { CONF_RELOAD, CONF_RESTART }; /* when a change takes effect */

enum conf_flag {
	CONF_REQUIRED = 1, /* must be given */
	CONF_READABLE = 2, /* the path, unless empty, must be a readable file */
	CONF_FOLDER = 4,   /* with CONF_READABLE: a folder instead of a file */
};

struct conf_list {
	const struct str *items; /* each followed by a NUL */
	size_t n;
	const unsigned *lines; /* each item's line in the file; NULL: the default's items */
};

struct conf_opt {
	const char *name;
	const char *def;   /* as in the file (a list: items separated by commas); NULL: none or 0 */
	const char *prose; /* a sentence or two for the manual */
	const char *const *words; /* CONF_ENUM: ends in NULL */
	/* Bounds for a number (sizes in bytes, durations in ms), the bytes of a string or the items
	   of a list.  max 0: none.  Negative integers need a negative min. */
	int64_t min, max;
	size_t offset;
	enum conf_type type;
	enum conf_when when;
	unsigned flags; /* of enum conf_flag */
};

/* Checks options that depend on each other or on what is built in, and reports every fault. */
struct conf_report; /* opaque */
typedef void conf_check_f(const void *settings, const struct conf_report *report);
/*
 * For such a check: reports a fault with an option and its line.  options names all options
 * concerned, separated by spaces.  The fault is reported at the first one given in the file, and
 * not at all if one of them has a fault of its own.  If several are amounts, their values are
 * shown.
 */
void conf_report(const struct conf_report *report, const char *options, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for one item of a list, with the item and its line. */
void conf_report_item(const struct conf_report *report, const char *option, size_t item,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

struct conf_table {
	const char *name;  /* of a block: its keyword */
	const char *prose; /* introduces the section in sample and manual; may be NULL */
	const struct conf_opt *opts;
	size_t n;
	size_t struct_size;
	conf_check_f *check; /* may be NULL; sees the defaults of options with faults */
	bool block;
};

struct conf_tables {
	const struct conf_table *const *p;
	size_t n;
};

/* Faults in a file, each "FILE:LINE: OPTION: what is wrong and what would be right". */
struct conf_faults {
	char **text;
	size_t n;
};

void conf_faults_fini(struct conf_faults *faults);

struct conf; /* a snapshot, opaque */

/*
 * Reads the file and makes a snapshot with one reference.  *faults must be {0}.  path NULL: no
 * file, all defaults.  Blocks while it reads the file.  TS_INVALID: *faults has the faults, which
 * are never logged; an unreadable file is one.  The tables must outlive the snapshot.  A fault in a
 * table is our bug and aborts.
 */
enum ts_err conf_load(struct conf_tables tables, const char *path, struct conf_faults *faults,
    struct conf **conf_r) TS_CHECKED;
/* The same from text.  file is its name in faults.  Paths are relative to dir, an absolute path;
   NULL: unchanged. */
enum ts_err conf_parse(struct conf_tables tables, struct str text, const char *file,
    const char *dir, struct conf_faults *faults, struct conf **conf_r) TS_CHECKED;
/*
 * Loads the valid options of a file with faults, and the defaults for the rest: to find a server
 * that runs with an earlier version of the file, or to look for further faults.  Adds the faults
 * unless faults is NULL.  False: the file cannot be read.
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
	struct str name; /* "imaps", followed by a NUL; unique within the table */
	const void *settings;
};

struct conf_blocks {
	const struct conf_block *p; /* as in the file */
	size_t n;                   /* 0 if none is given; the caller knows what that means */
};

struct conf_blocks conf_blocks(const struct conf *conf, const struct conf_table *table);
/*
 * Appends "FILE:LINE: NAME" (or "default of NAME"), for a fault in a value that only the option's
 * user can find.  settings is from conf_get() or a block.
 */
void conf_where(const struct conf *conf, const void *settings, const char *option, struct buf *out);
/*
 * The same for the first given of several options (names separated by spaces), if each is valid by
 * itself; otherwise appends nothing and returns false.  If none is given, the line is the block's.
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
/* Whether the file gives the option.  An option that is not in the table is our bug. */
bool conf_given(const struct conf *conf, const void *settings, const char *option);
/* Whether all these options (names separated by spaces) have the same values in both snapshots; for
 * a block, in the block of the same name. */
bool conf_same(
    const struct conf *conf, const void *settings, const char *options, const struct conf *other);
/*
 * Appends the names of the CONF_RESTART options whose values differ, one per line.  A new or
 * removed block with such options is named once.  True if there are any.
 */
bool conf_restart_needed(const struct conf *old, const struct conf *conf, struct buf *out);

/* A complete sample file: every option, commented out, with prose and default. */
void conf_print_defaults(struct conf_tables tables, struct buf *out);
/* The values in force, in the file's syntax; values that differ from the default are marked. */
void conf_print_show(const struct conf *conf, struct buf *out);
/* Rows for the manuals: Markdown tables, and roff (mdoc macros). */
void conf_print_markdown(struct conf_tables tables, struct buf *out);
void conf_print_roff(struct conf_tables tables, struct buf *out);
/* Prints text as lines of roff: escaped, words in `...` bold, each sentence on a new line. */
void conf_put_roff(struct str text, struct buf *out);
#endif
