/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_QUOTA_H
#define WIRE_EXT_QUOTA_H
/*
 * QUOTA both ways (RFC 9208 section 7).  GETQUOTAROOT names a mailbox: wire_mailbox_parse() and
 * wire_mailbox_print() (wire/cmd/mailbox.h).
 *
 * Names of roots are UTF-8 here.  On the wire they are encoded as names of mailboxes are, since
 * they may contain them: in modified UTF-7 unless UTF-8 is accepted.  To a client they are opaque
 * strings.
 */
#include "wire/out.h"

struct wire_quota_resource {
	struct str name; /* in capitals: STORAGE, MESSAGE, … */
	uint64_t usage;  /* STORAGE in units of 1,024 octets, like the limit */
	uint64_t limit;
};

struct wire_quota {
	struct str root; /* may be empty; p == NULL: invalid encoding */
	struct wire_quota_resource *v;
	size_t n;
};

/* GETQUOTA root; p == NULL: as above. */
bool wire_getquota_parse(struct wire_in *in, struct str *root_r);
void wire_getquota_print(struct buf *b, const struct wire_dialect *d, struct str root);
/* SETQUOTA root (STORAGE 512 …): usage is 0. */
bool wire_setquota_parse(struct wire_in *in, struct wire_quota *cmd_r);
void wire_setquota_print(struct buf *b, const struct wire_dialect *d, const struct wire_quota *cmd);

/* "* QUOTA root (STORAGE 10 512 …)". */
bool wire_in_quota(struct wire_in *in, struct wire_quota *quota_r);
void wire_out_quota(struct buf *b, const struct wire_dialect *d, const struct wire_quota *quota);

struct wire_quotaroot {
	struct str mailbox;
	struct wire_names roots; /* none: the mailbox is in none */
};
/* "* QUOTAROOT mailbox root …". */
bool wire_in_quotaroot(struct wire_in *in, struct wire_quotaroot *roots_r);
void wire_out_quotaroot(
    struct buf *b, const struct wire_dialect *d, const struct wire_quotaroot *roots);
#endif
