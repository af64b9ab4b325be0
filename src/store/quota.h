/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_QUOTA_H
#define STORE_QUOTA_H
/*
 * Quota (RFC 9208): how much accounts and mailboxes may hold.
 *
 * A root is an account with all its mailboxes, or one mailbox by itself that has limits of its own.
 * Their names are "" and "mailbox/NAME", within the account.  Usage is a sum that the store keeps
 * anyway (doc/store.md); a limit is a property of the account or mailbox, or, where there is none,
 * the source's value: the configuration's.
 *
 * The lane decides whether there is room, against the head, when it prepares the change: so no two
 * changes can use the same room.  A change without room ends with TS_LIMIT, and `limit` names the
 * resource (STORE_LIMIT_QUOTA_...).  This applies to APPEND, COPY and MOVE into another root (all
 * of their messages or none, whatever pieces they take), CREATE, and RENAME of INBOX.  Changes that
 * only remove or replace always work, and a limit below the usage removes nothing.
 */
#include "store/store.h"

enum store_quota_resource {
	STORE_QUOTA_STORAGE, /* bytes; units of 1,024 in the protocol and in limits on disk */
	STORE_QUOTA_MESSAGE,
	STORE_QUOTA_MAILBOX,  /* for accounts only */
	STORE_QUOTA_RESOURCES /* how many there are */
};

#define STORE_QUOTA_NONE UINT64_MAX
/* The highest limit: of STORAGE in units of 1,024 bytes (RFC 9208 section 7: 63 bits, also when
 * converted to bytes), of the others in messages or mailboxes. */
#define STORE_QUOTA_MAX ((uint64_t)INT64_MAX / 1024)

struct store_quota {                           /* STORAGE in bytes */
	uint64_t limit[STORE_QUOTA_RESOURCES]; /* STORE_QUOTA_NONE: unlimited */
};

struct store_quota_root {
	uint32_t mailbox; /* its id; 0: the account */
	struct store_quota in_force;
	/* Whether a property of this account or mailbox sets it, even to NONE. */
	bool own[STORE_QUOTA_RESOURCES];
	uint64_t usage[STORE_QUOTA_RESOURCES]; /* bytes, messages, mailboxes */
};

/* Returns "STORAGE", "MESSAGE" or "MAILBOX". */
const char *store_quota_name(enum store_quota_resource resource);
/* Ignores case; returns false for an unknown name. */
bool store_quota_parse(struct str name, enum store_quota_resource *resource_r);

/* Is it one of the properties that hold limits, or what a user was told of them? */
bool store_quota_is_property(struct str name);

/* ---- reading; any thread, does not block; all published values of one moment ---- */

void store_quota_account(struct store_account *account, struct store_quota_root *root_r);
/* Gets the root of a mailbox that has its own.  Returns false if it has none, or does not exist. */
bool store_quota_mailbox(
    struct store_account *account, struct str mailbox, struct store_quota_root *root_r);
/* The same of a mailbox that is loaded, whatever its name is now. */
bool store_quota_of(struct store_mailbox *mailbox, struct store_quota_root *root_r);
/* Appends the name of a mailbox's root; the other returns false if a root is not a mailbox's. */
void store_quota_root_name(struct str mailbox, struct buf *out);
bool store_quota_root_mailbox(struct str root, struct str *mailbox_r);
/*
 * Returns whether this much more would fit into a mailbox of the account, and into the account; if
 * not, sets *resource_r to what is exhausted.  Use it to refuse announced data early; only the lane
 * decides.
 */
bool store_quota_room(struct store_account *account, struct str mailbox, uint64_t bytes,
    uint64_t messages, enum store_quota_resource *resource_r);

/* ---- setting ---- */

enum store_quota_set {
	STORE_QUOTA_KEEP,   /* as it is */
	STORE_QUOTA_LIMIT,  /* set to the value, which may be STORE_QUOTA_NONE */
	STORE_QUOTA_INHERIT /* use the source's value */
};

struct store_quota_wish {
	enum store_quota_set set[STORE_QUOTA_RESOURCES];
	uint64_t limit[STORE_QUOTA_RESOURCES]; /* STORAGE in bytes; rounded down to 1,024 */
};

/*
 * Makes a change of the limits of the account, or of a mailbox if not NULL; the caller submits it.
 * It is quiet: a mailbox's MODSEQ stays.  MAILBOX is ignored for a mailbox.  The change is a
 * STORE_CHANGE_PROPERTIES with its errors.
 */
struct store_change *store_quota_change(struct store_account *account, struct str mailbox,
    const struct store_quota_wish *wish, struct loop *loop,
    void (*done)(struct store_change *change), void *arg);

/* ---- the source of limits for accounts and mailboxes without their own ---- */

enum { STORE_QUOTA_LEVELS_MAX = 8 };

struct store_quota_source {
	/* Any thread; must not block, nor call the store.  quota_r is preset to
	 * STORE_QUOTA_NONE. */
	void (*limits)(void *arg, struct str account, struct store_quota *quota_r);
	/* Names of mailboxes that have limits in some accounts, each once, as they are in the
	 * store; and what these are of the i-th name.  As `limits`. */
	const struct str *mailbox;
	size_t mailboxes;
	void (*mailbox_limits)(
	    void *arg, struct str account, size_t i, struct store_quota *quota_r);
	/* NULL, or called when a change moved the published usage of an account to a level (percent
	 * of a limit) or back below it.  Runs on a lane's thread: must not block. */
	void (*crossed)(void *arg, struct str account);
	void *arg;
	unsigned level[STORE_QUOTA_LEVELS_MAX]; /* percent, ascending; a 0 ends the list */
	unsigned slack; /* usage must fall this many percent below a level to leave it */
};
/* BLOCKING, short.  NULL: no source.  Copies it, but not the names; it applies at once, to accounts
 * in memory as well. After it returns, the previous source is not called any more. */
void store_quota_source(struct store *store, const struct store_quota_source *source);
/* Whether the source has limits for mailboxes of that name.  Also inside store_account_list(). */
bool store_quota_is_named(struct store *store, struct str mailbox);

/* ---- warnings ---- */

struct store_quota_levels {
	struct store_quota_root root;
	/* Percent, 0: below all levels: the level last announced to the user, and the current
	 * one. */
	unsigned warned[STORE_QUOTA_RESOURCES], now[STORE_QUOTA_RESOURCES];
};
/* Any thread, does not block.  Returns whether the two differ. */
bool store_quota_levels(struct store_account *account, struct store_quota_levels *levels_r);
/*
 * Makes the change that records the level now announced.  by_mail, and a level was reached: the
 * change is a STORE_CHANGE_NOTICE and the caller adds `mailbox` and `items`: message and record are
 * stored together or not at all.  Otherwise it is a STORE_CHANGE_PROPERTIES.  TS_CONDITION,
 * TS_EXISTS: another thread did so meanwhile.
 */
struct store_change *store_quota_told(struct store_account *account,
    const struct store_quota_levels *levels, bool by_mail, struct loop *loop,
    void (*done)(struct store_change *change), void *arg);

/* Returns how many changes were refused for lack of room since the store was opened. */
uint64_t store_quota_refused(const struct store *store);
void store_quota_count_refusal(struct store *store); /* counts an early refusal */
#endif
