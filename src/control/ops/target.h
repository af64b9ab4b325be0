/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_TARGET_H
#define CONTROL_OPS_TARGET_H
/* Whose mail a command means, and which mailbox of it.  All functions are BLOCKING. */
#include "base/arena.h"
#include "control/op.h"

/*
 * Finds the account that a typed name means: that of a user of the store, or a group mailbox.
 * *name_r, in the arena or what was typed, is its name.  TS_NOT_FOUND: there is neither; *name_r is
 * what the account of a user who was deleted, or is in another database, would be called.
 * TS_INVALID: *why_r says what is wrong.
 */
TS_CHECKED enum ts_err target_owner(const struct ops *ops, struct str typed, struct arena *arena,
    struct str *name_r, const char **why_r);

/* A user's account, and a mailbox in it as the store has it. */
struct target {
	struct arena *arena;
	struct str user; /* the account's name */
	struct buf name; /* INBOX in capitals */
	struct store_account *account;
};

/* Finds them.  The mailbox need not exist.  create: makes the account of a user without mail.
 * False: a line in out says why.  Call target_fini() in both cases. */
bool target_find(const struct ops *ops, struct str user, struct str mailbox, bool create,
    struct target *t, struct buf *out);
/* Sets the mailbox to another one. */
void target_rename(struct target *t, struct str mailbox);
void target_fini(struct target *t);
#endif
