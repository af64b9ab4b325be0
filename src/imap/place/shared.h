/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_PLACE_SHARED_H
#define IMAP_PLACE_SHARED_H
/*
 * Mailboxes that belong to others: their accounts, the rights by their access control lists, and
 * the list of those that a login may see (auth/sharing.h has their names).
 *
 * An account of others is loaded on a worker, and only if it shares something with the login; for
 * all others, and for names that are not those of an account, the same is read from the disk and
 * the answer is the same.  So a command calls cmd_reach() before it uses the name of a mailbox that
 * it was given.  The login keeps references to the accounts that it has reached, the last
 * IMAP_REACHED of them.
 *
 * Rights are those in the mailbox's list now, in one look with the mailbox itself; nothing keeps
 * them.
 */
#include "auth/grant/acl.h"
#include "auth/sharing.h"
#include "imap/cmd.h"

#define IMAP_REACHED 32u

/* Returns the account if the login has reached it. */
struct store_account *imap_reached(
    const struct imap_login *login, enum auth_space space, struct str account);
/* Returns what such a list gives to the login's user; a grant's bounds are applied elsewhere. */
unsigned imap_acl_rights(const struct imap_login *login, const struct store_properties *properties);
/* Continues with `next` when the account of this name is at hand, or cannot be: at once, or after a
 * job. */
enum imap_next cmd_reach(struct imap_cmd *cmd, struct str name, const struct imap_step *next);

struct imap_shared_row {
	struct str name; /* as the client spells it */
	struct store_account *account;
	struct store_mailbox_info info; /* without its name, use and properties */
	unsigned rights;
};
struct imap_shared {                  /* zeros: none */
	struct imap_shared_row *rows; /* in order of names */
	size_t n;
	enum ts_err err; /* TS_LIMIT: they take more memory than the command has left */
};
/*
 * Gets the mailboxes of others of which the login may know, each account's as of one moment, and
 * continues with `next`: at once if nobody shares anything, else after a job.  The list must be in
 * cmd->arena and zeros; what it holds goes with the command.
 */
enum imap_next cmd_list_shared(
    struct imap_cmd *cmd, struct imap_shared *list_r, const struct imap_step *next);
/* For the connection's rules and logins. */
void imap_sharing_init(struct imap_rules *rules, const struct imap_server *server);
void imap_sharing_fini(struct imap_rules *rules);
#endif
