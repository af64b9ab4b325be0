/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_IMAP_SCRIPT_H
#define TEST_IMAP_SCRIPT_H
/*
 * Transcripts: *.imt files that read like the examples of an RFC, run against
 * a site.  A file is one test.  A line is empty, a comment (#), or one of these.
 *
 * Before the first client speaks:
 *	conf TEXT                     a line of the configuration file
 *	lanes N                       writer threads (0: none, all in a fixed order)
 *	keywords N                    the most keywords of a mailbox
 *	starttls                      STARTTLS is offered
 *	trial                         the server has one more extension (trial.h)
 *	text ENGLISH | GERMAN         an entry of the catalogue "de"; the command XLANGUAGE of
 *	                              `trial` selects it
 *	user NAME PASSWORD [acts-for PATTERN] [admin]
 *	grant WHO for WHOM [mailboxes NAME,NAME] [rights LETTERS]
 *	revoke WHO                    takes grants back, also later
 *	share PREFIX USER RIGHTS      a shared namespace, all of it USER's mail; also later: then
 *	                              it changes the rights of all (-: none)
 *	mailbox USER NAME
 *	quota USER RESOURCE N [NAME]  a limit of the user, or of a mailbox; also later
 *	message USER MAILBOX [FLAGS]  then lines of the message, up to a line "."
 *	restored USER MAILBOX N       the same; it has object ids of its own, each byte of them N
 *	messages N USER MAILBOX       N small ones
 *
 * Clients 1 (no number) to 9 connect when first named; "client 2
 * [tls|compressing] [address A]" says how (compressing: with TLS that compresses).
 *	C: TEXT        sends a line; lines that follow each other go out in one segment
 *	C- TEXT        sends TEXT without a line end
 *	Cx 0d 0a       sends bytes
 *	C* N TEXT      sends TEXT N times, no line end
 *	C+ N TEXT      sends the line TEXT N times
 *	Cr TEXT        sends a line that is not put into the layer that is on
 *	S: PATTERN     the next line from the server
 *	S~ PATTERN     skips lines up to one that fits
 *	S{ … S}        the S: lines between them, in any order
 *	silent         nothing more has come
 *	drain          drops what has come
 *	rest TEXT      what has come for client 1 is TEXT over and over; it is dropped
 *	closed         the server has closed the connection
 *	close, break   the client does; "break" with a reset
 *	forget         the client's connection goes; its number may be used anew
 *	layer on|off   the client's side of the layer of X-TOY (toy.h), both ways; what goes out
 *	               in one segment is one buffer
 *	layer zip      the client's side of COMPRESS begins, in that layer if it is on: it ends by
 *	               itself behind a line "TAG UNAUTHENTICATE", and in the server's output
 *	               where that ends; "layer unzip" forgets it
 *	last WAY       how that ends: sync, full, finish, empty, partial (zip.h)
 *	segment N      from now on input arrives in pieces of N bytes (0: as sent)
 *	window N|all   the client takes N more bytes of output
 * with C2:, S2:, "silent 2", … for other clients.
 *
 *	---                  ends a segment (also ended by anything but C lines)
 *	advance 29m          moves the clock (ms, s, m, h)
 *	disable USER         as an administrator does; "enable USER", "remove USER"
 *	fault OP ERR [N]     the N-th (1) commit, get, blob_read … fails: unknown, full, io, damaged
 *	full on|off          no space left
 *	hold flush, release flush    with lanes 1
 *	await flush                  a commit has come, and is held (the background's counts, too)
 *	hold jobs, release jobs      nothing runs on a worker meanwhile
 *	step jobs            while they are held: one slice of the job whose turn it is
 *	slice N              from now on a job's slice is over at its N-th question (0: never)
 *	meanwhile N WHAT     at the end of the N-th reading of a mailbox or list from now on: see
 *	                     site_meanwhile()
 *	background           what the store does in the background is done
 *	hold handshake, release handshake   of a client: TLS is begun and not gone on with
 *	untaken N M    of what the client sent between N and M bytes were not taken in
 *	held N               so many expunged messages are held for commands that read them
 *	live KIND N          arenas of a kind: conn turn login box cmd errand
 *	log PATTERN          a line with this in it was logged
 *	log then PATTERN     the same, behind the line that the last one found
 *
 * In patterns %* is anything, %{name} is anything the first time and the same
 * afterwards (usable in C lines), %% a percent sign.  In C lines
 * %plain(authzid,authcid,password) is a PLAIN message, %b64(text) base64.
 * At the end nothing unread may be left.
 */
#include "site.h"

/* Runs the text of a script; file names it in complaints, which go to stderr.  True: passed. */
bool script_run(const char *file, struct str text);

/* Pieces for other tests: runs a script's lines against a site that exists (no setup lines). */
struct script;
struct script *script_new(const char *file, struct site *site);
bool script_lines(struct script *script, struct str text);
/* Takes what came out of layers and was not looked at. */
struct buf script_plain(struct script *script, unsigned client);
void script_free(struct script **script);
#endif
