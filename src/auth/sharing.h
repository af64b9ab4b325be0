/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_SHARING_H
#define AUTH_SHARING_H
/*
 * Mailboxes of others: under which names a user finds them, and who an entry of a list of rights
 * may mean (auth/grant/acl.h).
 *
 * A mailbox of another user is "Other Users/ACCOUNT/MAILBOX", one of a group mailbox (an account
 * that belongs to nobody) "Shared/ACCOUNT/MAILBOX".  ACCOUNT is the name of the account with its
 * domain, MAILBOX the name that its owner uses; INBOX is INBOX there.  An account whose name has a
 * '/' has no such names.
 */
#include "conf/conf.h"
#include "store/store.h"

enum auth_space { AUTH_SPACE_PERSONAL, AUTH_SPACE_OTHERS, AUTH_SPACE_SHARED };

struct auth_sharing {                            /* the options */
	struct str others_prefix, shared_prefix; /* end in '/'; empty: no such namespace */
	bool own_seen; /* \Seen of a mailbox that becomes shared is each user's own */
	bool anyone;   /* the identifiers `anyone` and `authenticated` count and can be set */
};

extern const struct conf_table auth_sharing_conf;

/* A property of an account: it is a group mailbox, whatever the value. */
#define AUTH_GROUP_MAILBOX "group-mailbox"
/* Returns the namespace in which an account with these properties is. */
enum auth_space auth_space_of_account(const struct store_properties *account);
/* BLOCKING.  Returns TS_OK if the account with this prepared name is a group mailbox, TS_NOT_FOUND
 * if it is a user's, or there is none.  Does not load it. */
TS_CHECKED enum ts_err auth_is_group_mailbox(struct store *store, struct str name);
/* BLOCKING.  Loads the account of a group mailbox by its prepared name.  TS_NOT_FOUND: there is no
 * account of that name, or it is a user's. */
TS_CHECKED enum ts_err auth_load_group_mailbox(
    struct store *store, struct str name, struct store_account **account_r);

/*
 * Says what a name means: the namespace; for others' the account, and the mailbox in it.  A name
 * that ends at or before the account has an empty mailbox, and perhaps an empty account.  For a
 * personal name, *mailbox_r is the name.  Prefixes are compared byte by byte; `any_case` ignores
 * case, for addresses of mail.
 */
enum auth_space auth_space_split(const struct auth_sharing *sharing, struct str name, bool any_case,
    struct str *account_r, struct str *mailbox_r);
/* Appends the name under which others know the mailbox; false: it has none. */
bool auth_space_name(const struct auth_sharing *sharing, enum auth_space space, struct str account,
    struct str mailbox, struct buf *name_r);
#endif
