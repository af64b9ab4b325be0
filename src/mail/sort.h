/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_SORT_H
#define MAIL_SORT_H
/*
 * What SORT and THREAD compare (RFC 5256, RFC 5957), made from a summary of any version: keys of
 * texts in the collation i;unicode-casemap, and message ids as hashes.  Not stored in the summary,
 * since keys depend on the version of Unicode; a store keeps them in rows of their own.
 */
#include "base/buf.h"
#include "mail/summary.h"

enum mail_sort {
	MAIL_SORT_SUBJECT, /* base subject, RFC 5256 section 2.1 */
	MAIL_SORT_FROM,    /* mailbox of the first address; for a group its name */
	MAIL_SORT_TO,
	MAIL_SORT_CC,
	MAIL_SORT_DISPLAYFROM, /* RFC 5957: its name, or mailbox@host */
	MAIL_SORT_DISPLAYTO,
	MAIL_SORTS
};

/* {0} is an empty one; to have it report when memory runs out (base/buf.h), set the flag in bytes
 * and scratch.  May be used for one summary after the other; call fini at the end. */
struct mail_sort_keys {
	struct buf bytes;
	struct {
		size_t off, n;
	} key[MAIL_SORTS];
	struct buf scratch;
};

/* Makes the keys of the mask (1 << enum mail_sort) in full.  str_cmp() orders them; an absent field
 * has the empty key. */
void mail_sort_make(const struct mail_summary *s, unsigned mask, struct mail_sort_keys *keys);
struct str mail_sort_key(const struct mail_sort_keys *keys, enum mail_sort which);
void mail_sort_fini(struct mail_sort_keys *keys);

/*
 * RFC 5256 section 3: *id_r is the hash of the Message-ID, 0 if there is no valid one; refs_r gets
 * the hashes of References, or of the first valid id in In-Reply-To, 8 bytes each (little-endian),
 * in order.  Ids that differ only in quoting are the same.
 */
void mail_thread_ids(const struct mail_summary *s, uint64_t *id_r, struct buf *refs_r);
#endif
