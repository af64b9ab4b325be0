/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_PLACE_RIGHTS_H
#define IMAP_PLACE_RIGHTS_H
/*
 * What a login may do with a mailbox: the one place that says it.
 *
 * It has what the user may and what the grant by which it acts allows, both.
 * In their own account users may everything.  A mailbox that the grant does
 * not name is not there for the login: every command answers as it would if
 * the name had never been used, and takes the same way to that answer, since
 * a hidden name is never looked up.  Of a mailbox that is there a missing right
 * is told by name (NOPERM, RFC 5530 section 3).  Which right is asked for what:
 * RFC 4314 section 4.
 *
 * Commands find mailboxes by the functions below and by cmd_open_mailbox(),
 * never in the store itself (tools/check_rights.sh).  A login without a grant
 * costs one look at a pointer.
 *
 * Rights may change under a login and under the mailbox that it has selected, so they are asked
 * for each command and whenever something is about to be told (imap_rights_ask()), and nothing
 * keeps them longer.
 */
#include "auth/grant/grant.h"
#include "imap/cmd.h"
#include "imap/place/place.h"

/* To change something in a mailbox takes one of these (RFC 4314 section 5.2). */
#define IMAP_RIGHTS_CHANGE                                                                         \
	((unsigned)(AUTH_RIGHT_SEEN | AUTH_RIGHT_WRITE | AUTH_RIGHT_INSERT | AUTH_RIGHT_DELETED |  \
	            AUTH_RIGHT_EXPUNGE))
#define IMAP_RIGHTS_FLAGS ((unsigned)(AUTH_RIGHT_SEEN | AUTH_RIGHT_WRITE | AUTH_RIGHT_DELETED))

/*
 * Before a command, and before anything is told unasked: may this login go on, and what may it do
 * in the selected mailbox now (box->rights, box->read_only)?  False: it got BYE, since the grant by
 * which it acts has ended, or it may not read the selected mailbox any more.
 */
bool imap_rights_ask(struct imap_conn *conn);
/*
 * TS_OK: the login has the rights that are needed.  TS_NOT_FOUND: it does not, and may not learn
 * whether there is such a mailbox.  TS_DENIED: it knows of it, and *missing_r is what it lacks.
 */
TS_CHECKED enum ts_err imap_rights_want(
    const struct imap_login *login, struct str name, unsigned needed, unsigned *missing_r);
/* The same of the rights that it has there. */
TS_CHECKED enum ts_err imap_rights_wanted(unsigned rights, unsigned needed, unsigned *missing_r);
/* May a mailbox of this name be made?  The answer does not depend on whether there is one. */
bool imap_rights_create(const struct imap_login *login, struct str name);
/*
 * Both names are of one account, or it is TS_INVALID.  Else as imap_rights_want().  What is below
 * goes along with a name: it has to be permitted, too, and whatever could be there has to be, or
 * the answer would tell of names that are hidden.
 */
TS_CHECKED enum ts_err imap_rights_rename(
    const struct imap_login *login, struct str from, struct str to, unsigned *missing_r);
/* Which flags such rights let a change touch. */
struct store_flag_bounds imap_rights_bounds(unsigned rights);

/* store_account_lookup() of what is there for the login; *err_r as imap_rights_want(). */
bool imap_mailbox_lookup(const struct imap_login *login, struct str name, unsigned needed,
    struct store_mailbox_info *info_r, enum ts_err *err_r, unsigned *missing_r);
/* The name of the mailbox that a client means: in normal form, unless there is one that is spelled
 * as the client did (*given, see wire/in.h; it becomes STR_NONE). */
struct str imap_mailbox_meant(const struct imap_login *login, struct str name, struct str *given);
/* store_account_has_children() of those that LIST shows. */
bool imap_mailbox_has_children(const struct imap_login *login, struct str name);
/*
 * store_account_list_from() of the personal names that LIST shows, with the rights on each.  No
 * more than `most` names are looked at, shown or not; false: the list goes on, with *next_r.  Where
 * fn returns false it says true.  version_r may be NULL.
 */
typedef bool imap_mailbox_f(const struct store_mailbox_info *info, unsigned rights, void *arg);
bool imap_mailbox_page(const struct imap_login *login, struct str from, size_t most,
    imap_mailbox_f *fn, void *arg, struct buf *next_r, uint64_t *version_r);

/* NO [NOPERM] that names what is missing. */
enum imap_next cmd_no_right(struct imap_cmd *cmd, unsigned missing);
/* No mailbox to put messages into: NO [TRYCREATE] (RFC 9051 sections 6.3.12, 6.4.7), unless it
 * cannot be created either: NO [NONEXISTENT] where the login may not, NO [CANNOT] of a name that
 * CREATE refuses. */
enum imap_next cmd_no_target(struct imap_cmd *cmd, struct str name);
#endif
