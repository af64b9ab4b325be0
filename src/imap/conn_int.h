/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_CONN_INT_H
#define IMAP_CONN_INT_H
/*
 * What the engine's files share.  Calls go downwards in this order, and never back:
 *
 *	conn.c      a connection's beginning, the stream's events, its end
 *	input.c     bytes become commands
 *	run.c       steps, the tagged reply, what follows from it
 *	turn.c      turns and logins;  server.c  what there is per process and loop
 *	box.c       the selected mailbox;  sync.c  what is told of it;  view.c, flags.c
 *	intake.c    whether input is taken
 *	rights.c, respond.c, registry.c, transcript.c, audit.c
 *	pace.c      whose turn it is
 *	life.c      what a connection is at any moment
 */
#include "imap/cmd.h"
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

/* pace.c */
void slice_begin(struct imap_loop *il);
bool slice_over(const struct imap_loop *il);

/* registry.c: frees what was printed for them. */
void imap_forget_capabilities(struct imap_rules *rules);

/* server.c */
void imap_rules_unref(struct imap_rules **rules);

/* view.c.  Begins a reading of the mailbox that takes new messages into the view; returns the mark
 * above which they are \Recent for this session. */
uint32_t imap_box_claim_begin(struct imap_box *box);
void imap_box_claim_end(struct imap_box *box);
/* Those of uids above mark are. */
void imap_box_add_recent(struct imap_box *box, const roaring_bitmap_t *uids, uint32_t mark);
/* sync.c.  The one place that sends untagged updates of the selected mailbox, its teller: EXISTS,
 * RECENT, FETCH with changed flags, and EXPUNGE where allowed.  BYE when the mailbox is gone. */
bool imap_sync(struct imap_teller *teller, struct imap_conn *conn, bool may_expunge);

/* life.c.  As long as the connection may be silent now. */
void conn_set_timer(struct imap_conn *conn);
void conn_timed_out(void *arg);
/* Nobody waits for it any more. */
void conn_cancel_job(struct imap_conn *conn);
#endif
