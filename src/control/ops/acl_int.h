/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_ACL_INT_H
#define CONTROL_OPS_ACL_INT_H
/* Internals of the operations on access control lists: acl.c shows and changes them, acl_explain.c
 * says why somebody has a right, and group_mailbox.c gives a new group mailbox its first entries.
 */
#include "control/op.h"
#include "control/ops/target.h"

struct acl_edit {
	struct str identifier; /* as typed, with its '-' if it is negative */
	struct str rights;     /* letters, with '+' or '-' before them; empty: none */
};

/* BLOCKING.  Changes one entry of the target's mailbox and logs that.  no_anyone: see struct
 * auth_acl_who.  Appends notes, one a line, or what was wrong. */
bool acl_edit(const struct ops *ops, struct target *t, const struct acl_edit *edit, bool no_anyone,
    struct buf *out);
/* Checks what an edit says, without making it; false: a line in out says what is wrong. */
bool acl_edit_ok(
    const struct ops *ops, const struct acl_edit *edit, bool no_anyone, struct buf *out);

/* BLOCKING.  Removes all entries for a prepared identifier without '-', and the negative ones, from
 * all lists of all accounts, found by the index (store/shares.h); logs each.  io may be NULL. */
TS_CHECKED enum ts_err acl_forget(
    const struct ops *ops, struct str identifier, struct op_io *io, uint64_t *removed_r);

/* The operation. */
bool acl_explain(
    const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io);
#endif
