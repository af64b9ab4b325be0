/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_GRANTS_H
#define AUTH_GRANTS_H
/*
 * The grants of a site: which are in force, how to change them, and how to explain a decision.
 *
 * The first grant that fits a login decides, in this order: the blocks of the configuration, in the
 * order of the file; the grants in the store, oldest first; the patterns in the identity's own
 * record (`user add --acts-for`).  A grant that does not fit (another address, expired) is skipped.
 * Nobody acts for others without a grant; everybody acts as themselves without one.
 *
 * All functions are BLOCKING: call them on a thread of your own, never on a loop.  After a change
 * returns, no decision uses the old state, and earlier logins are no longer current
 * (auth_is_current()).  Ending open logins is up to the caller: auth_recheck().
 */
#include <sys/stat.h>

#include "auth/auth.h"
#include "auth/grant/grant.h"
#include "auth/grant/groups.h"
#include "auth/grant/index.h"

struct conf;

/* Sets the grants of the configuration, in order; takes references.  A grant equal to an earlier
 * one continues, and its logins with it. */
void auth_grants_configure(struct auth *auth, struct auth_grant *const *grants, size_t n);
/* Takes over the reference.  Stops watching a group file (auth_set_group_file()). */
void auth_set_groups(struct auth *auth, struct auth_groups *groups);

struct auth_group_file { /* read, not yet in force */
	char *path;
	struct auth_groups *groups;
	struct stat seen;
};

/* Reads the file (auth/grant/groups.h).  False: appends lines to faults. */
bool auth_group_file_read(
    struct auth *auth, const char *path, struct buf *faults, struct auth_group_file *file_r);
void auth_group_file_fini(struct auth_group_file *file);
/* Puts its groups in force and lets auth_groups_poll() watch it.  Takes over everything in it. */
void auth_set_group_file(struct auth *auth, struct auth_group_file *file);
/* Reads the file again if it changed.  A file with faults is logged once, and the groups in force
 * stay.  One thread at a time. */
void auth_groups_poll(struct auth *auth);
/* Returns a reference to the groups in force. */
struct auth_groups *auth_groups_get(struct auth *auth);

/*
 * Adds a grant to the store, durably.  Without a name it gets one derived from who; the name is
 * appended to name_r.  TS_INVALID: see fault_r, which must be {0}.  TS_EXISTS: a grant of that name
 * exists, in the store or in the configuration.
 */
TS_CHECKED enum ts_err auth_grants_add(struct auth *auth, const struct auth_grant_spec *spec,
    struct buf *name_r, struct auth_grant_fault *fault_r);
/* TS_NOT_FOUND; TS_DENIED: the grant is in the configuration. */
TS_CHECKED enum ts_err auth_grants_remove(struct auth *auth, struct str name);
/* All grants in order, without the users' own patterns: an array of references, to mem_free(). */
size_t auth_grants_get(struct auth *auth, struct auth_grant ***grants_r);
/* When the next grant expires; AUTH_GRANT_FOR_GOOD: none will. */
int64_t auth_grants_next_end(struct auth *auth, int64_t now);

/* Whether `names` includes a prepared user name, by the groups in force.  Does not block. */
bool auth_names_include(struct auth *auth, const struct auth_names *names, struct str user);

struct auth_session { /* an open login */
	struct str authcid, user;
	const struct auth_grant *grant; /* NULL: acts as itself */
	bool vouched, authcid_vouched;  /* as in struct auth_login */
};

/*
 * Whether an open login may go on: its grant is in force and covers both names, and both users
 * exist (unless vouched for) and are not disabled.  TS_DENIED: *why_r is a static sentence.
 * TS_CONDITION: the answer needs a slow database, and may_wait is not set.  Any other error: the
 * database is not available.
 */
enum ts_err auth_recheck(
    struct auth *auth, const struct auth_session *session, bool may_wait, const char **why_r);
/* Call as grants expire: logins decided before are no longer current.  Any thread. */
void auth_expire(struct auth *auth);
/* Sets a function that every change that may end logins calls, with the user concerned (empty:
 * any).  It must not block.  Call before other threads start. */
void auth_on_change(struct auth *auth, void (*fn)(struct str user, void *arg), void *arg);
/* The number of changes so far. */
uint64_t auth_generation(const struct auth *auth);

/* ---- explaining */

struct auth_person {
	struct buf name;     /* prepared, full; empty: not a valid name */
	enum ts_err err;     /* TS_OK, TS_NOT_FOUND, or why that is unknown */
	struct buf database; /* that knows the user */
	bool disabled;
};

struct auth_explain {
	struct str who, target; /* as people write them */
	struct str address;     /* empty: any; rules on addresses always match */
	int64_t now;
	/* results; the caller calls auth_explain_fini() */
	struct auth_person who_is, target_is;
	bool self, permitted;
	struct auth_grant *grant; /* by which */
	const char *why;          /* not permitted: a sentence */
};

/* Calls fn for each grant in order, including those after the one that decides. */
void auth_grants_explain(struct auth *auth, struct auth_explain *e,
    void (*fn)(const struct auth_grant *grant, enum auth_fit fit, bool decides, void *arg),
    void *arg);
void auth_explain_fini(struct auth_explain *e);

/* grant_settings.c: the grant blocks of the configuration. */
struct auth_grants_read { /* in order */
	struct auth_grant **p;
	size_t n;
};
/*
 * False: appends lines to faults, each with its file and line.  warnings (may be NULL) gets lines
 * about grants that no longer permit anything.
 */
bool auth_grants_read(const struct conf *conf, struct str default_domain, struct buf *faults,
    struct buf *warnings, struct auth_grants_read *read_r);
/* Appends a line for each unknown group in a grant. */
void auth_grants_check_groups(const struct conf *conf, struct str default_domain,
    const struct auth_groups *groups, struct buf *warnings);
void auth_grants_read_fini(struct auth_grants_read *read);
#endif
