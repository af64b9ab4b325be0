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
/* Is it a domain, or an address literal in brackets? */
bool lmtp_domain_ok(struct str s);
#endif
