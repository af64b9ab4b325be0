/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_LOG_TRANSCRIPT_H
#define IMAP_LOG_TRANSCRIPT_H
/*
 * The transcript of one login: what client and server send each other, a line of text for each
 * line, preceded by the time and the connection's id:
 *
 *	2026-01-31T12:00:00.123Z 17 C a2 FETCH 1 BODY[]
 *	2026-01-31T12:00:00.124Z 17 S * 1 FETCH (BODY[] {2048}[2048 bytes])
 *
 * Lines are in the order in which they were sent: a command that waits for "+" is split there.
 *
 * It belongs to the login: it begins after the command that opened it and ends with the OK of
 * UNAUTHENTICATE, so it cannot hold anything from before or after, however the bytes arrive.  It
 * leaves out
 *
 *	what was said to log in: of such commands only the tag and the name;
 *	commands that are not known, and tags of their replies: a client that
 *	lost track says its password in them (a line of AUTHENTICATE, say);
 *	what a client says while it IDLEs, unless it is DONE;
 *	literals beyond log.protocol_literal, which messages are.
 *
 * Lines are cut, control characters are escaped.  Runs on the loop's thread; another thread writes
 * the files.
 */
#include "imap/cmd.h"

/* Returns a transcript for the login that was just opened, or NULL if none is wanted. */
struct transcript *transcript_begin(struct imap_conn *conn);
/* Returns whether it is still wanted by the loop's current settings. */
bool transcript_wanted(const struct imap_conn *conn);
/* Takes what was output so far, notes how the login ended, and frees it.  *t may be NULL. */
void transcript_end(struct transcript **t, const char *how);

/* In all of these t may be NULL.  Takes a command, or its start, before its first step. */
void transcript_command(struct transcript *t, const struct imap_cmd *cmd, struct str bytes);
/* Same before all of it has arrived, when the client is asked to continue: its bytes so far.  def
 * NULL: unknown command. */
void transcript_early(
    struct transcript *t, const struct imap_cmd_def *def, struct str tag, struct str bytes);
/* Takes more of that command. */
void transcript_more(struct transcript *t, struct str bytes);
/* Takes a line that the running command asked for. */
void transcript_line(struct transcript *t, struct str line);
/* Call before and after putting the tagged reply of that command, which may repeat what is left
 * out. */
void transcript_reply_begin(struct transcript *t, const struct imap_cmd *cmd);
void transcript_reply_end(struct transcript *t, const struct imap_cmd *cmd);

static inline struct transcript *
transcript_of(const struct imap_conn *conn)
{
	return conn->turn->login != NULL ? conn->turn->login->transcript : NULL;
}
#endif
