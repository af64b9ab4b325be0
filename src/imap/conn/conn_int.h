/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_CONN_CONN_INT_H
#define IMAP_CONN_CONN_INT_H
/*
 * A connection at work: turns bytes into commands, runs commands, begins and ends turns and logins.
 * Shared by its files.  Calls go downwards in this order, never back:
 *
 *	conn.c      a connection's start, events of the stream, end
 *	input.c     turns bytes into commands
 *	run.c       steps, the tagged reply, and its consequences
 *	turn.c      turns and logins;  server.c  state per process and loop
 *	intake.c    whether input is accepted
 *
 * Below them are the selected mailbox (imap/box), its updates and place (imap/place), log lines and
 * transcripts (imap/log), and imap itself: whose turn it is (imap/pace.h), the state of a
 * connection (imap/life.h), and who implements a word (imap/registry.h).
 */
#include "imap/cmd.h"
#include "imap/life.h"
#include "imap/settings.h"

enum conn_input {     /* what the next bytes are */
	CONN_COMMAND, /* a command, or a line or segment of the running one */
	CONN_STREAM,  /* a literal for the running command's sink */
	CONN_DISCARD, /* the rest of such a literal, refused */
	CONN_SKIP,    /* the rest of a refused command */
	CONN_TLS      /* no input until the handshake is done */
};

/* input.c */
size_t conn_data(void *arg, struct str in);

/* intake.c.  Returns whether input must not be looked at now. */
bool conn_input_blocked(const struct imap_conn *conn);
/* Pauses or resumes the stream accordingly. */
void conn_input_update(struct imap_conn *conn);
/* The running command ends before its input does: skips the rest.  Returns false if there is
 * nothing to skip and the reply can be sent. */
bool conn_input_skip(struct imap_conn *conn);

/* run.c */
struct imap_cmd *cmd_new(struct imap_conn *conn);
void cmd_free(struct imap_conn *conn);
/* Runs steps until the command is finished or waits; it may have been freed on return. */
void cmd_run(struct imap_cmd *cmd);
/* Call after the skipping requested by conn_input_skip(). */
void cmd_reply(struct imap_cmd *cmd);
void imap_greet(struct imap_conn *conn);

/* server.c */
void imap_rules_unref(struct imap_rules **rules);
#endif
