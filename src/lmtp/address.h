/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LMTP_ADDRESS_H
#define LMTP_ADDRESS_H
/*
 * Paths of MAIL and RCPT: RFC 5321 section 4.1.2, with UTF-8 (RFC 6531 section
 * 3.3).  Quoted local parts lose their quotes; source routes are parsed and
 * dropped.  Any thread, no I/O.
 */
#include "base/buf.h"
#include "base/str.h"

enum { LMTP_LOCAL_MAX = 256, LMTP_PATH_MAX = 1024 }; /* bytes; more than RFC 5321's 64 and 256 */

struct lmtp_path {
	struct str local;  /* without quotes; points into buf */
	struct str domain; /* or an address literal with its brackets; empty: none */
	struct str text;   /* local@domain as written, without route and angle brackets; points into
	                      the input */
	bool utf8;         /* it has non-ASCII bytes (needs SMTPUTF8) */
};

/*
 * Takes "<...>" off *in.  "<>" gives empty parts; a local part without domain gives an empty domain
 * (postmaster, and names of this server). buf receives the local part without quotes; path_r points
 * into both.  Returns false if it is not a path.
 */
bool lmtp_path_parse(struct str *in, struct buf *buf, struct lmtp_path *path_r);
/*
 * Same for a sender, which we do not judge: the mail server that hands the message over has
 * accepted it.  Takes anything between the angle brackets that a trace line can hold: no controls,
 * no blanks outside quotes, no further angle brackets.  Sets only text (without a well-formed
 * route) and utf8.
 */
bool lmtp_sender_parse(struct str *in, struct lmtp_path *path_r);
/* Returns whether a peer may call itself this: 1 to 255 bytes of UTF-8 without controls or
 * blanks. */
bool lmtp_peer_name_ok(struct str s);
/* Appends it for a trace line.  Bytes with a meaning there become "?". */
void lmtp_peer_name_put(struct str name, struct buf *out);
/* Returns whether it is a domain, or an address literal in brackets. */
bool lmtp_domain_ok(struct str s);
#endif
