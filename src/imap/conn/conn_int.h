/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_CONN_CONN_INT_H
#define IMAP_CONN_CONN_INT_H
/*
 * A connection at work: bytes become commands, commands are run, turns and logins begin and end.
 * What its files share.  Calls go downwards in this order, and never back:
 *
 *	conn.c      a connection's beginning, the stream's events, its end
 *	input.c     bytes become commands
 *	run.c       steps, the tagged reply, what follows from it
 *	turn.c      turns and logins;  server.c  what there is per process and loop
 *	intake.c    whether input is taken
 *
 * Below them are the selected mailbox (imap/box), its updates and place (imap/place), the lines and
 * transcripts of what happens (imap/log), and imap itself: whose turn it is (imap/pace.h), what a
 * connection is at any moment (imap/life.h), and who answers for a word (imap/registry.h).
 */
#include "imap/cmd.h"
#include "imap/life.h"
#include "imap/settings.h"

enum conn_input {     /* what the next bytes are */
	CONN_COMMAND, /* a command, or a line or segment of the running one */
	CONN_STREAM,  /* a literal for the running command's sink */
	CONN_DISCARD, /* the rest of such a literal, refused */
	CONN_SKIP,    /* the rest of a refused command */
	CONN_TLS      /* nothing is taken until the handshake is done */
};

/* input.c */
size_t conn_data(void *arg, struct str in);

/* intake.c.  Is input not to be looked at now? */
bool conn_input_blocked(const struct imap_conn *conn);
/* Pauses or resumes the stream accordingly. */
void conn_input_update(struct imap_conn *conn);
/* The running command ends before its input does: skips that; false when there is nothing to skip
 * and the reply can go out. */
bool conn_input_skip(struct imap_conn *conn);

/* run.c */
struct imap_cmd *cmd_new(struct imap_conn *conn);
void cmd_free(struct imap_conn *conn);
/* Runs steps until the command is finished or waits; it may be freed then. */
void cmd_run(struct imap_cmd *cmd);
/* After the skipping that conn_input_skip() asked for. */
void cmd_reply(struct imap_cmd *cmd);
void imap_greet(struct imap_conn *conn);

/* server.c */
void imap_rules_unref(struct imap_rules **rules);
#endif
