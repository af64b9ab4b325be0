/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_QUOTA_H
#define STORE_QUOTA_H
/*
 * Quota (RFC 9208): how much accounts and mailboxes may hold.
 *
 * A root is an account with all its mailboxes, or one mailbox by itself that has limits of its own.
 * Their names are "" and "mailbox/NAME", within the account.  Usage is a sum that is there anyway
 * (doc/store.md); a limit is a property of the account or mailbox, or, of an account without one,
 * what the source says: the configuration.
 *
 * Whether there is room is decided in the lane, where the change is prepared, against the head: so
 * no two changes can fill the same room.  A change that finds none ends with TS_LIMIT, and `limit`
 * says of which resource (STORE_LIMIT_QUOTA_...).  This applies to APPEND, COPY and MOVE into
 * another root (all of their messages or none, whatever pieces they take), CREATE, and RENAME of
 * INBOX.  Whatever only removes, or replaces what is there, always works, and a limit below the
 * usage removes nothing.
 */
#include "store/store.h"

enum store_quota_resource {
	STORE_QUOTA_STORAGE, /* bytes here; in the protocol, and in limits on disk, 1,024 of them */
	STORE_QUOTA_MESSAGE,
	STORE_QUOTA_MAILBOX,  /* of accounts only */
	STORE_QUOTA_RESOURCES /* how many there are */
};

#define STORE_QUOTA_NONE UINT64_MAX
/* Of STORAGE: what a limit can be at most, in units of 1,024 bytes (RFC 9208 section 7: 63 bits, in
 * bytes, too).  Of the others in messages or mailboxes. */
#define STORE_QUOTA_MAX ((uint64_t)INT64_MAX / 1024)

struct store_quota {                           /* of STORAGE in bytes */
	uint64_t limit[STORE_QUOTA_RESOURCES]; /* STORE_QUOTA_NONE: unlimited */
};

struct store_quota_root {
	uint32_t mailbox; /* its id; 0: the account */
	struct store_quota in_force;
	/* Set for this account or mailbox by a property: NONE may be set, too. */
	bool own[STORE_QUOTA_RESOURCES];
	uint64_t usage[STORE_QUOTA_RESOURCES]; /* bytes, messages, mailboxes */
};

/* "STORAGE", "MESSAGE", "MAILBOX". */
const char *store_quota_name(enum store_quota_resource resource);
/* In any case; false: there is none of that name. */
bool store_quota_parse(struct str name, enum store_quota_resource *resource_r);

/* ---- looking; any thread, does not block; what is published, of one moment ---- */

void store_quota_account(struct store_account *account, struct store_quota_root *root_r);
/* The root that a mailbox is by itself.  False: it has none, or there is no such mailbox. */
bool store_quota_mailbox(
    struct store_account *account, struct str mailbox, struct store_quota_root *root_r);
/* A root by its name.  False: there is none. */
bool store_quota_find(
    struct store_account *account, struct str root, struct store_quota_root *root_r);
/* The name of a mailbox's root. */
void store_quota_root_name(struct str mailbox, struct buf *out);
/*
 * Would so much more fit into a mailbox of the account (and into the account)?  For refusing early
 * what is announced; only the lane decides.  False: *resource_r is what is missing.
 */
bool store_quota_room(struct store_account *account, struct str mailbox, uint64_t bytes,
    uint64_t messages, enum store_quota_resource *resource_r);

/* ---- setting ---- */

enum store_quota_set {
	STORE_QUOTA_KEEP,   /* as it is */
	STORE_QUOTA_LIMIT,  /* to the value; STORE_QUOTA_NONE is a value */
	STORE_QUOTA_INHERIT /* of an account: what the source says; of a mailbox: no limit */
};

struct store_quota_wish {
	enum store_quota_set set[STORE_QUOTA_RESOURCES];
	uint64_t limit[STORE_QUOTA_RESOURCES]; /* of STORAGE in bytes; rounded down to 1,024 */
};

/*
 * Makes a change of limits, of the account or (not NULL) of a mailbox, to be submitted; quiet, so
 * a mailbox's MODSEQ stays.  MAILBOX of a mailbox is left out.  The change is a
 * STORE_CHANGE_PROPERTIES with its errors.
 */
struct store_change *store_quota_change(struct store_account *account, struct str mailbox,
    const struct store_quota_wish *wish, struct loop *loop,
    void (*done)(struct store_change *change), void *arg);

/* ---- where limits of accounts without their own come from ---- */

enum { STORE_QUOTA_LEVELS_MAX = 8 };

struct store_quota_source {
	/* Any thread; must not block, nor call the store.  quota_r has STORE_QUOTA_NONE in it. */
	void (*limits)(void *arg, struct str account, struct store_quota *quota_r);
	/* NULL, or called when a change took the published usage of an account to a level (percent
	 * of a limit) or back below it, on a lane's thread: must not block. */
	void (*crossed)(void *arg, struct str account);
	void *arg;
	unsigned level[STORE_QUOTA_LEVELS_MAX]; /* percent, ascending; 0: no more of them */
	unsigned slack; /* so many percent below a level it counts as left */
};
/* BLOCKING, short.  NULL: none.  Copied; applies at once, to all accounts in memory, too.  When it
 * returns, nobody calls what was there before. */
void store_quota_source(struct store *store, const struct store_quota_source *source);

/* ---- warnings ---- */

struct store_quota_levels {
	struct store_quota_root root;
	/* Percent, 0: below all levels: the one that the user was told last, and the one reached.
	 */
	unsigned warned[STORE_QUOTA_RESOURCES], now[STORE_QUOTA_RESOURCES];
};
/* Any thread, does not block.  True: they differ. */
bool store_quota_levels(struct store_account *account, struct store_quota_levels *levels_r);
/*
 * Makes the change that notes what is now told.  If a level was reached, it is a
 * STORE_CHANGE_NOTICE and the caller adds `mailbox` and `items`: message and note come together or
 * not at all.  Else it is a STORE_CHANGE_PROPERTIES.  TS_CONDITION, TS_EXISTS: somebody else did so
 * meanwhile.
 */
struct store_change *store_quota_told(struct store_account *account,
    const struct store_quota_levels *levels, struct loop *loop,
    void (*done)(struct store_change *change), void *arg);

/* How many changes were refused for want of room, since the store was opened. */
uint64_t store_quota_refused(const struct store *store);
void store_quota_count_refusal(struct store *store); /* one that was refused early */
#endif
