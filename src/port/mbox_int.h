/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORT_MBOX_INT_H
#define PORT_MBOX_INT_H
/*
 * The format that reader and writer of mbox agree on.
 *
 * A file of ours begins with a "From " line that ends in MBOX_MARK.  No mail can forge that: other
 * writers end this line with the date, and in our files a message's own "From " lines are either in
 * its header, where no separator is looked for, or quoted.  After each marked line come, in this
 * order,
 *   Status: / X-Status: / X-Keywords: (any number) / X-Turnstone-Message:
 * the last with INTERNALDATE, its zone, "crlf" or "asis", "whole" or "cut".  The message follows:
 * with "crlf" LF stands for CRLF, with "asis" for itself; "cut" means that its last line has no
 * end.  An empty line follows each message.
 */
#include <sys/stat.h>

#include "mail/date.h"
#include "port/port.h"

#define MBOX_MARK " turnstone-mbox-2"
#define MBOX_OURS "X-Turnstone-Message: "
/* Lines with this many '>' are quoted whatever follows, so nobody needs to see more of a line. */
#define MBOX_QUOTES 8000

struct mbox {
	struct port_source source;
	struct port *port;
	int root, single;       /* a folder, or the one file; -1: not used */
	const char *path, *dir; /* dir: prefix for showing a file's path; "": none */
	struct port_place *file;
	size_t count, at;

	int fd; /* -1: none */
	struct stat st;
	struct buf in; /* read, but not used yet */
	size_t used;
	bool eof, line_begins;

	uint64_t line;  /* number of the current line */
	uint64_t began; /* number of the line where the message began */
	uint64_t count_in_file, deleted;
	bool named;     /* its mailbox is in the stream already */
	bool ours;      /* the file is marked */
	bool told_lost; /* lines that belong to no message were reported */
	bool in_message, in_header;
	bool skipping, words_go_on; /* in a header field that was taken; it is X-Keywords */
	/* Lines added by Thunderbird come first; each is taken once. */
	bool at_top, expunged;
	unsigned mozilla;
	bool internal_subject, internal_field; /* from UW IMAP's own message */
	bool dated;
	bool blank; /* an empty line was seen: part of the message unless From follows */
	bool at_start, behind_from;
	/* For a message of ours: line ends wait until they are known to be part of it. */
	enum own_part { OWN_NOT, OWN_STATUS, OWN_X_STATUS, OWN_REST, OWN_TEXT } own;
	bool own_asis, own_cut;
	unsigned ends;
	struct mailstream_message msg;
	struct buf words, piece;
	char last;
	bool ended, begun;
};

/* ---- mbox_from.c ---- */

/* Parses the date in a line "From sender date": asctime(), RFC 5322, ISO 8601, 12 hours with AM or
 * PM. */
bool mbox_from_date(struct str line, struct mail_date *date_r);
/* RFC 5322 sections 3.6.8 and 4.5.8: returns whether a line begins with a field name and a
 * colon. */
bool mbox_is_field(struct str line);
/* Returns whether the line has our mark, with or without its line end. */
bool mbox_is_marked(struct str line);
/* Whether the writer of our files puts a '>' before the line, and whether it has done so. */
bool mbox_is_to_quote(struct str line);
bool mbox_is_quoted(struct str line);

/* ---- mbox_mozilla.c ---- */

/* Takes X-Mozilla-Status and similar; returns whether the field is taken. */
bool mbox_take_mozilla(struct mbox *m, struct str name, struct str value);
/* Returns whether Thunderbird puts the field before those that came with the message. */
bool mbox_is_mozilla(struct str name);
/* Returns whether by its name the file is one of Thunderbird's that hold no mail. */
bool mbox_is_index(const char *path);
/* Gets the mailbox name of a file in a folder: without ".mbox", and without ".sbd" of folders. */
void mbox_said(const char *path, struct buf *out);

/* ---- mbox_message.c ---- */

/* Takes keywords separated by blanks. */
void mbox_take_words(struct mbox *m, struct str words);

/* Takes a line, or the first piece of one, with its end; next is what has been read of the line
 * after it. */
void mbox_take_line(struct mbox *m, struct str line, struct str next, struct buf *out);
/* Takes a further piece of a line. */
void mbox_take_piece(struct mbox *m, struct str piece, struct buf *out);
void mbox_end_message(struct mbox *m, struct buf *out);
/* Puts the mailbox's record, once; only for a file that is an mbox, since there are others. */
void mbox_put_mailbox(struct mbox *m, struct buf *out);
#endif
