/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORT_PORT_H
#define PORT_PORT_H
/*
 * port: mail in files.  Start here; mailstream.h is the form in which it goes to an operation and
 * comes from one.
 *
 * Mail in files outside the store: Maildir and mbox, both ways.  These
 * functions run in the command, never in the server.  What is wrong with one
 * file is said, counted and left out; the rest goes on.
 *
 * Nothing below PATH is followed out of it: no symbolic links, only regular
 * files and directories are opened, and only those whose owner is PATH's.
 */
#include <sys/stat.h>

#include "base/progress.h"
#include "port/mailstream.h"

struct port {
	struct progress progress;
	const char *cmd;      /* for messages */
	uint64_t broken;      /* files left out, or not written; folders, links, lines of lists */
	uint64_t unread;      /* those of them that would be messages */
	uint64_t passed;      /* what is understood, and no mail */
	uint64_t words;       /* flags and keywords left out */
	uint64_t renamed;     /* mailboxes that cannot have their names */
	uint64_t properties;  /* export: left out */
	const char *mailbox;  /* import: below which all of it goes; NULL: nothing */
	bool inbox_is_top;    /* INBOX becomes that mailbox itself */
	bool follow_owned;    /* links are followed to what belongs to the same owner */
	uid_t owner;          /* of PATH */
	bool fs_layout;       /* Maildir: folders are plain directories */
	bool take_properties; /* Maildir: what properties.c reads is imported, too */
	bool keep_headers;    /* mbox: Status and the like stay in the message */
	bool mboxo;           /* mbox: only >From is unquoted, not >>From */
	bool no_flags;        /* mbox of others: Status and the like are text */
};

/* Says what is wrong with a file in dir ("": name is the whole path; names are printed
 * harmless), and counts. */
void port_broken(struct port *port, const char *dir, const char *name, const char *why);
/* The same for a line of it. */
void port_broken_line(
    struct port *port, const char *dir, const char *name, uint64_t line, const char *why);
/* Says something else of it. */
void port_say(struct port *port, const char *dir, const char *name, const char *text);
/* Says what a file, or a line of it (0: all of it), is when it is no mail to be imported; counts n.
 */
void port_passed(struct port *port, const char *dir, const char *name, uint64_t line, uint64_t n,
    const char *what);

/* A reader of files: fill() appends some of the stream; false: that was all. */
struct port_source {
	bool (*fill)(struct port_source *source, struct buf *out);
	void (*free)(struct port_source *source);
};
/* NULL: PATH cannot be read at all; said. */
struct port_source *port_maildir_open(struct port *port, const char *path);
struct port_source *port_mbox_open(struct port *port, const char *path);

/* A writer of files: take() gets the stream's records in order; false: it cannot go on; said. */
struct port_sink {
	bool (*take)(struct port_sink *sink, const struct mailstream_record *rec);
	/* After a MAILBOX that exists: what is there already (control/ops/export.c says how). */
	void (*have)(struct port_sink *sink, struct buf *out);
	void (*free)(struct port_sink *sink);
};
struct port_sink *port_maildir_create(struct port *port, const char *path);
struct port_sink *port_mbox_create(struct port *port, const char *path);

/* ---- files (open.c); -1: errno is for port_why() ---- */

/* PATH itself: a folder or a regular file.  Links in it are followed only if the user asks for
 * that, and if whose they are is root or the owner of what they lead to. */
int port_open_operand(struct port *port, const char *path, struct stat *st_r);
int port_open_folder(struct port *port, const char *path); /* nothing but a folder */
/* A folder or a regular file below; it must be the operand's owner's. */
int port_open(const struct port *port, int at, const char *path, bool folder);
const char *port_why(int error);

/* A new file, with a name that nobody can have guessed. */
struct port_temporary {
	char name[32];
};
int port_create(int dir, struct port_temporary *name_r);

/* ---- shared by them (text.c) ---- */

/* The whole of a small file, as port_open() opens it; false: errno is for port_why(). */
bool port_slurp(const struct port *port, int dir, const char *name, size_t max, struct buf *out);
/* Where something is said: see port_broken_line(). */
struct port_at {
	const char *dir, *name;
	uint64_t line;
};
/* Says that a flag or keyword is left out, and counts it. */
void port_no_word(struct port *port, const struct port_at *at, struct str word, const char *why);
/* Adds a keyword to vstrs of them, unless it is there (no matter the case).  What is no atom of
 * IMAP, too long, or beyond the number that a mailbox can have is left out. */
void port_keyword(struct port *port, const struct port_at *at, struct str name, struct buf *words);
/* LF without CR becomes CRLF; *last is the byte before.  At most twice as long. */
void port_crlf(struct str in, char *last, struct buf *out);
/* %XX for blanks, controls, '%' and ','; and back (false: not that). */
void port_escape(struct str s, struct buf *out);
bool port_unescape(struct str s, struct buf *out);
/* A folder's name on disk, a part for each level, joined with sep: modified UTF-7, '.' encoded;
 * and back: UTF-7, or whatever it is, sep becomes '/'.  name.c makes a name of it. */
void port_folder(struct str name, char sep, struct buf *out);
void port_name(struct str folder, char sep, struct buf *out);

/* ---- properties (properties.c) ---- */

/* Lists of them, in the folder of a mailbox, and in PATH itself for those of the account. */
#define PORT_PROPERTIES "turnstone.properties"
#define PORT_ACCOUNT_PROPERTIES "turnstone.account"
/* One more for a list; an empty one gets its head first. */
void port_property_put(struct str name, struct str value, struct buf *list);
bool port_properties_head(struct str line);
/* Adds to name and value what a line says; false: it is none. */
bool port_property_take(struct str line, struct buf *name, struct buf *value);

/* ---- names of mailboxes (name.c) ---- */

struct port_place {
	char *path; /* below the root */
	char *said; /* what the mailbox is called there: any bytes */
	char *name; /* what it is called here; port_places() fills it in */
};
void port_place_add(struct port_place **places, size_t *n, const char *path, struct str said);
/*
 * Names all of them, below port->mailbox if there is one, and sorts them by name.  A name that
 * CREATE refuses becomes one that is like it, that nothing else there has, and that is the same in
 * each run; that is said.  Names that are one for IMAP (the spelling, INBOX) stay one.
 */
void port_places(struct port *port, const char *dir, struct port_place *places, size_t n);
void port_places_free(struct port_place *places, size_t n);
/* Can the mailbox that --mailbox names be made?  False: said. */
bool port_top_ok(const struct port *port);
#endif
