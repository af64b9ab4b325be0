/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_PLACE_RIGHTS_H
#define IMAP_PLACE_RIGHTS_H
/*
 * What a login may do with a mailbox: the one place that decides it.
 *
 * A right is given if both the user has it and the grant by which the login acts allows it.  In
 * their own accounts users may do everything, in those of others what the mailbox's list gives them
 * (imap/place/shared.h).  A mailbox outside the grant does not exist for the login, nor does one of
 * others without "l" and "r": every command answers as if the name had never been used, and takes
 * the same path to that answer.  For a mailbox that does exist, a missing right is named (NOPERM,
 * RFC 5530 section 3).  RFC 4314 section 4 says which right is needed for what.
 *
 * Commands find mailboxes with the functions below and with cmd_open_mailbox(), never in the store
 * itself (tools/check_rights.sh).  For a login without a grant this costs one look at a pointer.
 *
 * Rights may change under a login and under its selected mailbox, so they are checked for each
 * command and whenever something is about to be told (imap_rights_ask()), and nothing keeps them
 * longer.
 */
#include "auth/grant/grant.h"
#include "imap/cmd.h"
#include "imap/place/place.h"

/* Changing something in a mailbox takes one of these (RFC 4314 section 5.2). */
#define IMAP_RIGHTS_CHANGE                                                                         \
	((unsigned)(AUTH_RIGHT_SEEN | AUTH_RIGHT_WRITE | AUTH_RIGHT_INSERT | AUTH_RIGHT_DELETED |  \
	            AUTH_RIGHT_EXPUNGE))
#define IMAP_RIGHTS_FLAGS ((unsigned)(AUTH_RIGHT_SEEN | AUTH_RIGHT_WRITE | AUTH_RIGHT_DELETED))

/*
 * Call before a command, and before unsolicited output: checks whether this login may go on, and
 * what it may do in the selected mailbox now (box->rights, box->read_only).  Returns false if it
 * got BYE, because its grant has ended, or it may no longer read the selected mailbox.
 */
bool imap_rights_ask(struct imap_conn *conn);
/* Returns whether the login may read the selected mailbox now. */
bool imap_rights_read(const struct imap_login *login, const struct imap_box *box);
/*
 * TS_OK: the login has the needed rights.  TS_NOT_FOUND: it does not, and must not learn whether
 * the mailbox exists.  TS_DENIED: it knows about it, and *missing_r is what it lacks.
 */
TS_CHECKED enum ts_err imap_rights_want(
    const struct imap_login *login, struct str name, unsigned needed, unsigned *missing_r);
/* Same, for given rights. */
TS_CHECKED enum ts_err imap_rights_wanted(unsigned rights, unsigned needed, unsigned *missing_r);
/* Returns whether a mailbox of this name may be made.  The answer does not depend on whether one
 * exists. */
bool imap_rights_create(const struct imap_login *login, struct str name);
/*
 * Both names must be of one account, or it is TS_INVALID.  Otherwise like imap_rights_want().
 * Children are renamed along with a name, so they must be permitted too, and so must any that could
 * exist, or the answer would reveal hidden names.
 */
TS_CHECKED enum ts_err imap_rights_rename(
    const struct imap_login *login, struct str from, struct str to, unsigned *missing_r);
/* Returns the flags that a change may touch with such rights. */
struct store_flag_bounds imap_rights_bounds(unsigned rights);

/* Like store_account_lookup(), for mailboxes that exist for the login; *err_r as in
 * imap_rights_want(). */
bool imap_mailbox_lookup(const struct imap_login *login, struct str name, unsigned needed,
    struct store_mailbox_info *info_r, enum ts_err *err_r, unsigned *missing_r);
/* The same, and where it is: all of one look. */
bool imap_mailbox_place(const struct imap_login *login, struct str name, unsigned needed,
    struct imap_place *place_r, struct store_mailbox_info *info_r, enum ts_err *err_r,
    unsigned *missing_r);
/* Returns the login's rights on a mailbox that exists; 0: it does not, or the login must not learn
 * whether it does (RFC 4314 section 4, MYRIGHTS). */
unsigned imap_mailbox_rights(const struct imap_login *login, struct str name);
/* Returns the name of the mailbox that a client means: in normal form, unless there is one spelled
 * as the client did (*given, see wire/in.h; it becomes STR_NONE). */
struct str imap_mailbox_meant(const struct imap_login *login, struct str name, struct str *given);
/* Like store_account_has_children(), for mailboxes that LIST shows. */
bool imap_mailbox_has_children(const struct imap_login *login, struct str name);
/*
 * Like store_account_list_from(), for the names that LIST shows, with the account that has each and
 * the rights on it: the personal ones and those of `shared` (imap/place/shared.h), in order.
 * Looks at no more than `most` names, shown or not; returns false if the list continues at *next_r.
 * Returns true if fn returns false.  version_r may be NULL.
 */
struct imap_shared;
typedef bool imap_mailbox_f(const struct store_mailbox_info *info, struct store_account *account,
    unsigned rights, void *arg);
bool imap_mailbox_page(const struct imap_login *login, const struct imap_shared *shared,
    struct str from, size_t most, imap_mailbox_f *fn, void *arg, struct buf *next_r,
    uint64_t *version_r);

/* NO [NOPERM] naming the missing rights. */
enum imap_next cmd_no_right(struct imap_cmd *cmd, unsigned missing);
/* There is no mailbox to put messages into: NO [TRYCREATE] (RFC 9051 sections 6.3.12, 6.4.7),
 * unless it cannot be created either: NO [NONEXISTENT] if the login may not, NO [CANNOT] for a name
 * that CREATE refuses. */
enum imap_next cmd_no_target(struct imap_cmd *cmd, struct str name);
#endif
