/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_PORT_H
#define APP_PORT_H
/*
 * Mail in files outside the store: Maildir and mbox, both ways.  These
 * functions run in the command, never in the server.  What is wrong with one
 * file is said, counted and left out; the rest goes on.
 *
 * Nothing below PATH is followed out of it: no symbolic links, only regular
 * files and directories are opened, and only those whose owner is PATH's.
 */
#include <sys/stat.h>

#include "app/mailstream.h"
#include "app/progress.h"

struct port {
	struct progress progress;
	const char *cmd;     /* for messages */
	uint64_t broken;     /* files left out, or not written */
	uint64_t words;      /* keywords left out */
	const char *mailbox; /* import: the mailbox that PATH itself becomes; NULL: INBOX */
	bool follow_owned;   /* links are followed to what belongs to the same owner */
	uid_t owner;         /* of PATH */
	bool fs_layout;      /* Maildir: folders are plain directories */
	bool keep_headers;   /* mbox: Status and the like stay in the message */
	bool mboxo;          /* mbox: only >From is unquoted, not >>From */
	bool no_flags;       /* mbox of others: Status and the like are text */
};

/* Says what is wrong with a file in dir ("": name is the whole path; names are printed
 * harmless), and counts. */
void port_broken(struct port *port, const char *dir, const char *name, const char *why);
/* The same for a line of it. */
void port_broken_line(
    struct port *port, const char *dir, const char *name, uint64_t line, const char *why);

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
	/* After a MAILBOX that exists: what is there already (ops_export.c says how). */
	void (*have)(struct port_sink *sink, struct buf *out);
	void (*free)(struct port_sink *sink);
};
struct port_sink *port_maildir_create(struct port *port, const char *path);
struct port_sink *port_mbox_create(struct port *port, const char *path);

/* ---- files (port_open.c); -1: errno is for port_why() ---- */

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

/* ---- shared by them (port_text.c) ---- */

/* The whole of a small file, as port_open() opens it; false: not there, or not readable. */
bool port_slurp(const struct port *port, int dir, const char *name, size_t max, struct buf *out);
/* Adds a keyword to vstrs of them, unless it is there (no matter the case).  What is no atom of
 * IMAP, too long, or beyond the number that a mailbox can have is left out, and counted. */
void port_keyword(struct port *port, struct str name, struct buf *words);
/* LF without CR becomes CRLF; *last is the byte before.  At most twice as long. */
void port_crlf(struct str in, char *last, struct buf *out);
/* %XX for blanks, controls, '%' and ','; and back (false: not that). */
void port_escape(struct str s, struct buf *out);
bool port_unescape(struct str s, struct buf *out);
/* A folder's name on disk, a part for each level, joined with sep: modified UTF-7, '.' encoded;
 * and back: UTF-7 or UTF-8, sep becomes '/', INBOX in capitals.  False: neither. */
void port_folder(struct str name, char sep, struct buf *out);
bool port_name(struct str folder, char sep, struct buf *out);
#endif
