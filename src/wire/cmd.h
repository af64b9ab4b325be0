/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_H
#define WIRE_CMD_H
/*
 * The frame of each command (RFC 3501, RFC 9051 section 6).  Its arguments belong to a subject's
 * file, which has one parser and one printer for it:
 *
 *	wire_in_init(&in, command, arena, dialect, limits);
 *	if (!wire_cmd_head(&in, &head))        BAD with in.error, tag head.tag or "*"
 *	find head.name (and head.uid) in the table of commands
 *	if (!wire_select_parse(&in, &select))  BAD with in.error
 *
 * Each parser reads from after the command's name to the end of the command; anything left over is
 * an error.  To print a command:
 *
 *	wire_cmd_print(&b, &head);
 *	wire_select_print(&b, dialect, &select);
 *	wire_cmd_end(&b);
 */
#include "wire/out.h"

struct wire_head {
	struct str tag;  /* set even if the name is missing */
	struct str name; /* capitals; "UID FETCH" is "FETCH" with uid */
	bool uid;
};
bool wire_cmd_head(struct wire_in *in, struct wire_head *head_r);
void wire_cmd_print(struct buf *b, const struct wire_head *head);
void wire_cmd_end(struct buf *b); /* CRLF */

/* CAPABILITY NOOP LOGOUT STARTTLS NAMESPACE IDLE CHECK CLOSE UNSELECT EXPUNGE UNAUTHENTICATE: they
 * have nothing to print. */
bool wire_none_parse(struct wire_in *in);

/* Returns whether this line ends IDLE (RFC 2177), with or without line end, in any case. */
bool wire_done_parse(struct str line);
void wire_done_print(struct buf *b); /* with line end */
#endif
