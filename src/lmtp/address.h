/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LMTP_ADDRESS_H
#define LMTP_ADDRESS_H
/*
 * Paths of MAIL and RCPT: RFC 5321 section 4.1.2, with UTF-8 (RFC 6531 section
 * 3.3).  Quoted local parts lose their quotes, source routes are read and
 * dropped.  Any thread, no I/O.
 */
#include "base/buf.h"
#include "base/str.h"

enum { LMTP_LOCAL_MAX = 256, LMTP_PATH_MAX = 1024 }; /* bytes; more than RFC 5321's 64 and 256 */

struct lmtp_path {
	struct str local;  /* without quotes; in the buf that was given */
	struct str domain; /* or an address literal with its brackets; empty: none was given */
	struct str text;   /* local@domain as written, without route and angles; in the input */
	bool utf8;         /* it has bytes that are not ASCII (needs SMTPUTF8) */
};

/*
 * Takes "<...>" off *in.  "<>" gives empty parts; so does a local part without
 * domain give an empty domain (postmaster, and names of this server).  buf holds
 * the local part without quotes; path_r points into both.  False: not a path.
 */
bool lmtp_path_parse(struct str *in, struct buf *buf, struct lmtp_path *path_r);
/*
 * The same for a sender, who is none of our business: the mail server that hands the message over
 * has accepted it.  Takes whatever stands in the angles that a trace line can hold, without
 * controls, blanks outside of quotes and further angles; path_r has only text (without a route that
 * is well formed) and utf8.
 */
bool lmtp_sender_parse(struct str *in, struct lmtp_path *path_r);
/* A name that a peer gave itself: 1 to 255 bytes of UTF-8 without controls and blanks. */
bool lmtp_peer_name_ok(struct str s);
/* Appends it for a trace line: bytes that have a meaning there become "?". */
void lmtp_peer_name_put(struct str name, struct buf *out);
/* Is it a domain, or an address literal in brackets? */
bool lmtp_domain_ok(struct str s);
#endif
