/* SPDX-License-Identifier: Apache-2.0 */
/* SPECIAL-USE and CREATE-SPECIAL-USE (RFC 6154; \Important: RFC 8457): the purpose of a mailbox. */
#include "imap/cmd.h"
#include "imap/place/place.h"

/* The attributes of RFC 6154 are adjacent, starting with \All. */
#define SPECIAL_USE (~((unsigned)WIRE_ATTR_ALL - 1))

/* ---- LIST (SPECIAL-USE), LIST RETURN (SPECIAL-USE): they are shown anyway */

static bool
has_use(unsigned attrs, bool exists)
{
	return exists && (attrs & SPECIAL_USE) != 0;
}

static const struct imap_list_select list_selects[] = {
    {.name = "SPECIAL-USE", .meets = has_use},
    {.name = NULL},
};

static const struct imap_list_return list_returns[] = {
    {.name = "SPECIAL-USE"},
    {.name = NULL},
};

/* ---- CREATE (USE (\Sent)) */

/* RFC 6154 section 2.  \All and \Flagged are views of other mailboxes, so not for CREATE. */
static const struct {
	const char *name;
	unsigned use;
} uses[] = {
    {"\\Archive", STORE_USE_ARCHIVE}, {"\\Drafts", STORE_USE_DRAFTS}, {"\\Junk", STORE_USE_JUNK},
    {"\\Sent", STORE_USE_SENT}, {"\\Trash", STORE_USE_TRASH},
    {"\\Important", STORE_USE_IMPORTANT}, /* RFC 8457 */
};

/* Returns 0 if no mailbox can be made for it. */
static unsigned
use_of(struct str name)
{
	for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++)
		if (str_ieq(name, str_of(uses[i].name)))
			return uses[i].use;
	return 0;
}

/* Whose mailbox it is, decides what it is used for. */
static bool
apply_use(struct imap_cmd *cmd, const struct wire_create *args, struct store_change *change)
{
	if (args->use.n > 0 &&
	    store_account_id(change->account) != imap_place_own_id(imap_login(cmd->conn))) {
		(void)cmd_no(cmd, "USEATTR", "Only its owner gives a mailbox a special use");
		return false;
	}
	for (size_t i = 0; i < args->use.n; i++) {
		unsigned use = use_of(args->use.v[i]);

		if (use == 0) {
			(void)cmd_no(
			    cmd, "USEATTR", "A mailbox cannot be created with this special use");
			return false;
		}
		change->use |= use;
	}
	return true;
}

static const struct imap_create_param create_params[] = {
    {.name = "USE", .apply = apply_use},
    {.name = NULL},
};

static const struct imap_code codes[] = {
    {"USEATTR", "6154", "CREATE: a mailbox cannot be made for this use"},
    {NULL, NULL, NULL},
};

static const struct imap_cap caps[] = {
    {.word = "CREATE-SPECIAL-USE", .rfc = "6154", .states = IMAP_LOGGED_IN, .brings = "USE"},
    {.word = "SPECIAL-USE", .rfc = "6154, 8457", .states = IMAP_LOGGED_IN, .brings = "SPECIAL-USE"},
    {.word = NULL},
};

const struct imap_ext imap_ext_special_use = {
    .name = "special_use",
    .title = "SPECIAL-USE, CREATE-SPECIAL-USE (RFC 6154)",
    .caps = caps,
    .codes = codes,
    .list_selects = list_selects,
    .list_returns = list_returns,
    .create_params = create_params,
};
