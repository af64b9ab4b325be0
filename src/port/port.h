/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORT_PORT_H
#define PORT_PORT_H
/*
 * port: mail in files.  Start here; mailstream.h is the format in which mail goes to and from an
 * operation.
 *
 * Mail in files outside the store: Maildir and mbox, reading and writing.  These functions run in
 * the command, never in the server.  A bad file is reported, counted and skipped.
 *
 * Nothing below PATH can lead out of it: symbolic links are not followed, and only regular files
 * and directories that PATH's owner owns are opened.
 */
#include <sys/stat.h>

#include "base/progress.h"
#include "port/mailstream.h"

struct port {
	struct progress progress;
	const char *cmd;      /* for messages */
	uint64_t broken;      /* files left out or not written; folders, links, lines of lists */
	uint64_t unread;      /* those of them that would be messages */
	uint64_t passed;      /* understood, but not mail */
	uint64_t words;       /* flags and keywords left out */
	uint64_t renamed;     /* mailboxes that could not keep their names */
	uint64_t properties;  /* export: properties left out */
	const char *mailbox;  /* import: put everything below this mailbox; NULL: no */
	bool inbox_is_top;    /* INBOX becomes that mailbox itself */
	bool follow_owned;    /* follow links whose target has the same owner */
	uid_t owner;          /* of PATH */
	bool fs_layout;       /* Maildir: folders are plain directories */
	bool take_properties; /* Maildir: also import what properties.c reads */
	bool take_ids;        /* Maildir: also import what ids.c reads */
	bool keep_headers;    /* mbox: keep Status and the like in the message */
	bool mboxo;           /* mbox: only unquote >From, not >>From */
	bool no_flags;        /* mbox of others: treat Status and the like as text */
};

/* Reports what is wrong with a file in dir ("": name is the whole path), and counts it.  Names are
 * escaped for printing. */
void port_broken(struct port *port, const char *dir, const char *name, const char *why);
/* Same for a line of a file. */
void port_broken_line(
    struct port *port, const char *dir, const char *name, uint64_t line, const char *why);
/* Reports something else about a file. */
void port_say(struct port *port, const char *dir, const char *name, const char *text);
/* Reports what a file, or a line of it (0: the whole file), is if it is not mail to import; counts
 * n. */
void port_passed(struct port *port, const char *dir, const char *name, uint64_t line, uint64_t n,
    const char *what);

/* A reader of files: fill() appends some of the stream; it returns false after the last of it. */
struct port_source {
	bool (*fill)(struct port_source *source, struct buf *out);
	void (*free)(struct port_source *source);
};
/* Return NULL, after reporting why, if PATH cannot be read at all. */
struct port_source *port_maildir_open(struct port *port, const char *path);
struct port_source *port_mbox_open(struct port *port, const char *path);

/* A writer of files: take() gets the stream's records in order.  It returns false, after reporting
 * why, if it cannot go on. */
struct port_sink {
	bool (*take)(struct port_sink *sink, const struct mailstream_record *rec);
	/* After a MAILBOX that exists: reports what is there already (see control/ops/export.c). */
	void (*have)(struct port_sink *sink, struct buf *out);
	void (*free)(struct port_sink *sink);
};
struct port_sink *port_maildir_create(struct port *port, const char *path);
struct port_sink *port_mbox_create(struct port *port, const char *path);

/* ---- files (open.c); on -1 pass errno to port_why() ---- */

/* Opens PATH itself: a folder or a regular file.  Links in it are followed only if the user asks
 * for that, and only if they belong to root or to the owner of their target. */
int port_open_operand(struct port *port, const char *path, struct stat *st_r);
int port_open_folder(struct port *port, const char *path); /* only a folder */
/* Opens a folder or a regular file below; it must have the operand's owner. */
int port_open(const struct port *port, int at, const char *path, bool folder);
const char *port_why(int error);

/* A new file, with an unpredictable name. */
struct port_temporary {
	char name[32];
};
int port_create(int dir, struct port_temporary *name_r);

/* ---- shared helpers (text.c) ---- */

/* Reads a small file as a whole, opened as by port_open().  On false pass errno to port_why(). */
bool port_slurp(const struct port *port, int dir, const char *name, size_t max, struct buf *out);
/* The place of a report: see port_broken_line(). */
struct port_at {
	const char *dir, *name;
	uint64_t line;
};
/* Reports that a flag or keyword is left out, and counts it. */
void port_no_word(struct port *port, const struct port_at *at, struct str word, const char *why);
/* Adds a keyword to a list of vstrs unless it is there (ignoring case).  Leaves it out if it is not
 * an IMAP atom, too long, or one more than a mailbox can have. */
void port_keyword(struct port *port, const struct port_at *at, struct str name, struct buf *words);
/* Turns LF without CR into CRLF; *last is the byte before.  At most doubles the length. */
void port_crlf(struct str in, char *last, struct buf *out);
/* Escape blanks, controls, '%' and ',' as %XX; and back (false: invalid). */
void port_escape(struct str s, struct buf *out);
bool port_unescape(struct str s, struct buf *out);
/* port_folder() makes a folder's name on disk: a part for each level, joined with sep, in modified
 * UTF-7 with '.' encoded.  port_name() reverses it: sep becomes '/', and UTF-7 is decoded where it
 * is valid; name.c turns the result into a valid name. */
void port_folder(struct str name, char sep, struct buf *out);
void port_name(struct str folder, char sep, struct buf *out);

/* ---- properties (properties.c) ---- */

/* The list of properties: in a mailbox's folder, and in PATH itself for the account's. */
#define PORT_PROPERTIES "turnstone.properties"
#define PORT_ACCOUNT_PROPERTIES "turnstone.account"
/* Appends a property to a list; an empty list gets its head first. */
void port_property_put(struct str name, struct str value, struct buf *list);
bool port_properties_head(struct str line);
/* Appends a line's name and value.  Returns false if the line is not a property. */
bool port_property_take(struct str line, struct buf *name, struct buf *value);

/* ---- object ids (ids.c) ---- */

/* The list of object ids, in a mailbox's folder. */
#define PORT_IDS "turnstone.ids"
void port_ids_head(struct str mailbox_id, struct buf *list);
void port_ids_put(uint32_t uid, const unsigned char ids[MAILSTREAM_IDS_BYTES], struct buf *list);
/* Returns false if the line is not a head; the id points into the line. */
bool port_ids_take_head(struct str line, struct str *mailbox_id_r);
bool port_ids_take(struct str line, uint32_t *uid_r, unsigned char ids_r[MAILSTREAM_IDS_BYTES]);

/* ---- names of mailboxes (name.c) ---- */

struct port_place {
	char *path; /* below the root */
	char *said; /* the mailbox's name on disk: any bytes */
	char *name; /* its name here; filled in by port_places() */
};
void port_place_add(struct port_place **places, size_t *n, const char *path, struct str said);
/*
 * Names all places, below port->mailbox if there is one, and sorts them by name.  A name that
 * CREATE refuses is replaced by a similar one, unique and the same in every run, and reported.
 * Names that are equal in IMAP (spelling, INBOX) stay equal.
 */
void port_places(struct port *port, const char *dir, struct port_place *places, size_t n);
void port_places_free(struct port_place *places, size_t n);
/* Returns whether the mailbox given with --mailbox can be created; reports why not. */
bool port_top_ok(const struct port *port);
#endif
