/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_LOG_TRANSCRIPT_H
#define IMAP_LOG_TRANSCRIPT_H
/*
 * The transcript of one login: what client and server say to each other, a line
 * of text for each line, with the time and the connection's id in front:
 *
 *	2026-01-31T12:00:00.123Z 17 C a2 FETCH 1 BODY[]
 *	2026-01-31T12:00:00.124Z 17 S * 1 FETCH (BODY[] {2048}[2048 bytes])
 *
 * Lines are in the order in which they were said: a command that waits for "+" is broken there.
 *
 * It belongs to the login: it begins behind the command that opened it and ends
 * with the OK of UNAUTHENTICATE, so it can hold nothing of what comes before or
 * after, however the bytes arrive.  Left out are
 *
 *	what was said to log in: of such commands only the tag and the name;
 *	commands that are not known, and tags of their replies: a client that
 *	lost track says its password in them (a line of AUTHENTICATE, say);
 *	what a client says while it IDLEs, unless it is DONE;
 *	literals beyond log.protocol_literal, which messages are.
 *
 * Lines are cut, control characters escaped.  On the loop's thread; files are
 * written by another one.
 */
#include "imap/cmd.h"

/* For the login that was just opened: a transcript, or NULL if none is asked for. */
struct transcript *transcript_begin(struct imap_conn *conn);
/* Is it still asked for, in the loop's present settings? */
bool transcript_wanted(const struct imap_conn *conn);
/* Takes what was put out until now, says how it ended, frees.  *t may be NULL. */
void transcript_end(struct transcript **t, const char *how);

/* All these: t may be NULL.  A command, or its beginning, before its first step. */
void transcript_command(struct transcript *t, const struct imap_cmd *cmd, struct str bytes);
/* The same before all of it is there, when it is asked to go on: its bytes so far.  def NULL: it is
 * not known. */
void transcript_early(
    struct transcript *t, const struct imap_cmd_def *def, struct str tag, struct str bytes);
/* More of that command. */
void transcript_more(struct transcript *t, struct str bytes);
/* A line that the running command asked for. */
void transcript_line(struct transcript *t, struct str line);
/* Before and after the tagged reply of that command is put, which may repeat what is left out. */
void transcript_reply_begin(struct transcript *t, const struct imap_cmd *cmd);
void transcript_reply_end(struct transcript *t, const struct imap_cmd *cmd);

static inline struct transcript *
transcript_of(const struct imap_conn *conn)
{
	return conn->turn->login != NULL ? conn->turn->login->transcript : NULL;
}
#endif
