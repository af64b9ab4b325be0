/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H
/*
 * Address lists: RFC 5322 section 3.4 with the obsolete forms, RFC 6532, RFC
 * 6854 (groups anywhere).  The parser takes what it can from any input.
 */
#include "base/buf.h"
#include "base/str.h"

enum mail_address_kind {
	MAIL_ADDRESS_MAILBOX,
	MAIL_ADDRESS_GROUP, /* a group begins: mailbox is its name */
	MAIL_ADDRESS_END    /* it ends */
};

struct mail_address {
	enum mail_address_kind kind;
	/* Without quoting, encoded words unchanged, unfolded, no NUL.  name and route are STR_NONE
	 * if absent; mailbox and host are empty if missing. */
	struct str name;
	struct str route; /* the obsolete "@one,@two" */
	struct str mailbox;
	struct str host;
};

/* {0} is an empty list; with {.text.oom = &flag} it reports when memory runs out (base/mem.h) and
 * then lacks addresses.  Owns the texts of its addresses. */
struct mail_addresses {
	struct mail_address *v;
	size_t n, cap;
	struct buf text;
	size_t bytes; /* of the values read */
	bool cut;     /* there was more than max or max_bytes */
	bool broken;  /* something was not as the RFC says */
};

/*
 * Appends the addresses of a field value (folded or not), until the list has max entries or
 * max_bytes of values have been read for it: whole addresses only.  Every group that begins also
 * ends, if need be by one entry more than max.  If a comma is missing between two addresses, they
 * are still two.
 */
void mail_parse_addresses(
    struct str value, size_t max, size_t max_bytes, struct mail_addresses *list);
void mail_addresses_fini(struct mail_addresses *list);

/* Appends "name <@route:mailbox@host>, group: a@b;" decoded to UTF-8, for SEARCH: all of it, or
 * what entry i adds to the previous ones. */
void mail_addresses_text(const struct mail_addresses *list, struct buf *out);
void mail_addresses_text_one(const struct mail_addresses *list, size_t i, struct buf *out);
#endif
