/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORT_MBOX_INT_H
#define PORT_MBOX_INT_H
/*
 * What reader and writer of mbox agree on.
 *
 * A file of ours begins with a "From " line that ends in MBOX_MARK.  No mail can
 * forge that: other writers end this line with the date, and in our files a
 * message's own "From " lines stand either in its header, where no separator is
 * looked for, or are quoted.  Behind each marked line come, in this order,
 *   Status: / X-Status: / X-Keywords: (any number) / X-Turnstone-Message:
 * the last with INTERNALDATE, its zone, "crlf" or "asis", "whole" or "cut".  What
 * follows is the message: with "crlf" LF stands for CRLF, with "asis" for itself;
 * "cut" means that its last line has no end.  An empty line is behind each message.
 */
#include <sys/stat.h>

#include "mail/date.h"
#include "port/port.h"

#define MBOX_MARK " turnstone-mbox-2"
#define MBOX_OURS "X-Turnstone-Message: "
/* Lines with as many '>' are quoted whatever follows: nobody needs to see more of a line. */
#define MBOX_QUOTES 8000

struct mbox {
	struct port_source source;
	struct port *port;
	int root, single;       /* a folder, or the one file; -1: not that */
	const char *path, *dir; /* dir: what a file's path is shown below; "": nothing */
	struct port_place *file;
	size_t count, at;

	int fd; /* -1: none */
	struct stat st;
	struct buf in; /* read, not yet used */
	size_t used;
	bool eof, line_begins;

	uint64_t line;  /* number of the line under way */
	uint64_t began; /* of that in which the message began */
	uint64_t count_in_file, deleted;
	bool named;     /* its mailbox is in the stream */
	bool ours;      /* the file is marked */
	bool told_lost; /* lines that belong to no message */
	bool in_message, in_header;
	bool skipping, words_go_on; /* a header field that was taken; it is X-Keywords */
	/* Lines that Thunderbird put: they are the first ones; each is taken once. */
	bool at_top, expunged;
	unsigned mozilla;
	bool internal_subject, internal_field; /* of UW IMAP's own message */
	bool dated;
	bool blank; /* an empty line was seen: it belongs to the message when no From follows */
	bool at_start, behind_from;
	/* A message of ours: its lines' ends wait until it is known that they are part of it. */
	enum own_part { OWN_NOT, OWN_STATUS, OWN_X_STATUS, OWN_REST, OWN_TEXT } own;
	bool own_asis, own_cut;
	unsigned ends;
	struct mailstream_message msg;
	struct buf words, piece;
	char last;
	bool ended, begun;
};

/* ---- mbox_from.c ---- */

/* The date in a line "From sender date": asctime(), RFC 5322, ISO 8601, 12 hours with AM or PM. */
bool mbox_from_date(struct str line, struct mail_date *date_r);
/* RFC 5322 section 3.6.8 and 4.5.8: does a line begin with a field name and a colon? */
bool mbox_is_field(struct str line);
/* Is the line marked as ours?  With its end, or without. */
bool mbox_is_marked(struct str line);
/* Does the writer of our files put a '>' before the line; has it done so? */
bool mbox_is_to_quote(struct str line);
bool mbox_is_quoted(struct str line);

/* ---- mbox_mozilla.c ---- */

/* X-Mozilla-Status and its like: the field is taken. */
bool mbox_take_mozilla(struct mbox *m, struct str name, struct str value);
/* Is the field one that Thunderbird puts before those that came with the message? */
bool mbox_is_mozilla(struct str name);
/* Is a file one of Thunderbird's that hold no mail?  By its name. */
bool mbox_is_index(const char *path);
/* What the mailbox of a file in a folder is called: without ".mbox", and ".sbd" of folders. */
void mbox_said(const char *path, struct buf *out);

/* ---- mbox_message.c ---- */

/* Keywords, with blanks between. */
void mbox_take_words(struct mbox *m, struct str words);

/* A line, or the first piece of one, with its end; next is what is read of the line behind it. */
void mbox_take_line(struct mbox *m, struct str line, struct str next, struct buf *out);
/* A piece of a line that is not the first one. */
void mbox_take_piece(struct mbox *m, struct str piece, struct buf *out);
void mbox_end_message(struct mbox *m, struct buf *out);
/* The mailbox's record, once; only for a file that is an mbox, since other files lie between. */
void mbox_put_mailbox(struct mbox *m, struct buf *out);
#endif
