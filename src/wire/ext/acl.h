/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_ACL_H
#define WIRE_EXT_ACL_H
/*
 * ACL both ways (RFC 4314 section 7).  GETACL and MYRIGHTS name a mailbox: wire_mailbox_parse() and
 * wire_mailbox_print() (wire/cmd/mailbox.h).  To LIST, RETURN (MYRIGHTS) (RFC 8440) is one of its
 * other options (wire/cmd/list.h).
 *
 * Identifiers are any bytes here, and compared as such; who takes one checks it.  Rights are texts
 * of lower-case letters and digits, in any order.  In responses they have no obsolete "c" and "d"
 * (section 2.1.1): printers add them where the RFC wants them, parsers drop them.  In SETACL they
 * stand as sent, since there they mean something.
 */
#include "wire/out.h"

/* ---- commands */

enum wire_acl_mode { WIRE_ACL_REPLACE, WIRE_ACL_ADD, WIRE_ACL_REMOVE };

struct wire_setacl {
	struct str mailbox, identifier;
	enum wire_acl_mode mode;
	struct str rights; /* may be empty */
};
bool wire_setacl_parse(struct wire_in *in, struct wire_setacl *cmd_r);
void wire_setacl_print(struct buf *b, const struct wire_dialect *d, const struct wire_setacl *cmd);

struct wire_acl_one { /* DELETEACL, LISTRIGHTS */
	struct str mailbox, identifier;
};
bool wire_acl_one_parse(struct wire_in *in, struct wire_acl_one *cmd_r);
void wire_acl_one_print(
    struct buf *b, const struct wire_dialect *d, const struct wire_acl_one *cmd);

/* ---- responses.  p == NULL for a mailbox: invalid encoding */

struct wire_acl_entry {
	struct str identifier, rights;
};

struct wire_acl {
	struct str mailbox;
	struct wire_acl_entry *v;
	size_t n;
};
/* "* ACL mailbox alice lrs …". */
bool wire_in_acl(struct wire_in *in, struct wire_acl *acl_r);
void wire_out_acl(struct buf *b, const struct wire_dialect *d, const struct wire_acl *acl);

struct wire_listrights {
	struct str mailbox, identifier;
	struct str always;         /* rights that cannot be taken away; may be empty */
	struct wire_names options; /* each: rights that are given together; never empty */
};
/* "* LISTRIGHTS mailbox alice "" l r s …". */
bool wire_in_listrights(struct wire_in *in, struct wire_listrights *rights_r);
void wire_out_listrights(
    struct buf *b, const struct wire_dialect *d, const struct wire_listrights *rights);

struct wire_myrights {
	struct str mailbox, rights;
};
/* "* MYRIGHTS mailbox lrs". */
bool wire_in_myrights(struct wire_in *in, struct wire_myrights *rights_r);
void wire_out_myrights(
    struct buf *b, const struct wire_dialect *d, const struct wire_myrights *rights);

/* ---- the capability "RIGHTS=kxte": rights that RFC 2086 did not have */

/* Returns false if it is another word, or does not name k, x, t and e (section 5.1.1). */
bool wire_rights_word_parse(struct str word, struct str *rights_r);
/* Appends the word with those of the rights that belong there, and a blank before it. */
void wire_out_rights_word(struct buf *b, struct str rights);
#endif
