/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_GRANTS_H
#define AUTH_GRANTS_H
/*
 * The grants of a site: which are in force, their changes, and what explains them.
 *
 * The first grant that fits a login decides, in this order: the blocks of
 * the configuration as they stand in the file; those of the store by the time they were
 * made; the patterns of the identity's own record (`user add --acts-for`).  A
 * grant that does not fit (another address, expired) is passed over.  No
 * grant, no acting for others.  As oneself one acts without a grant.
 *
 * All functions are BLOCKING, for a thread of its own, never a loop.  When one
 * that changes something returns, nothing is decided by what was before, and
 * a login that was decided before is not current any more (auth_is_current()).
 * To end the logins that are open is the caller's affair: auth_recheck().
 */
#include <sys/stat.h>

#include "auth/auth.h"
#include "auth/grant/grant.h"
#include "auth/grant/groups.h"
#include "auth/grant/index.h"

struct conf;

/* Those of the configuration, in order; takes references.  One that says the same as before goes
 * on, with its logins. */
void auth_grants_configure(struct auth *auth, struct auth_grant *const *grants, size_t n);
/* Takes over the reference.  No file is looked at any more (auth_set_group_file()). */
void auth_set_groups(struct auth *auth, struct auth_groups *groups);

struct auth_group_file { /* read, not yet in force */
	char *path;
	struct auth_groups *groups;
	struct stat seen;
};

/* Reads the file (auth/grant/groups.h).  False: lines appended to faults say what is wrong. */
bool auth_group_file_read(
    struct auth *auth, const char *path, struct buf *faults, struct auth_group_file *file_r);
void auth_group_file_fini(struct auth_group_file *file);
/* Its groups are in force, and auth_groups_poll() looks at it from now on.  Takes over all of it.
 */
void auth_set_group_file(struct auth *auth, struct auth_group_file *file);
/* Is it another file now?  Then it is read.  One with faults is told in the log, once, and what was
 * in force stays.  By one thread at a time. */
void auth_groups_poll(struct auth *auth);
/* A reference to those in force. */
struct auth_groups *auth_groups_get(struct auth *auth);

/*
 * Makes a grant of the store, durably.  Without a name it gets one, made of who.  name_r: appends
 * the name.  TS_INVALID: see fault_r ({0} before); TS_EXISTS: of that name there is one, here or
 * in the configuration.
 */
TS_CHECKED enum ts_err auth_grants_add(struct auth *auth, const struct auth_grant_spec *spec,
    struct buf *name_r, struct auth_grant_fault *fault_r);
/* TS_NOT_FOUND; TS_DENIED: it is one of the configuration. */
TS_CHECKED enum ts_err auth_grants_remove(struct auth *auth, struct str name);
/* In their order, without the patterns of users; references, in an array: mem_free(). */
size_t auth_grants_get(struct auth *auth, struct auth_grant ***grants_r);
/* When the next of them ends; AUTH_GRANT_FOR_GOOD: none does. */
int64_t auth_grants_next_end(struct auth *auth, int64_t now);

/* Is the (prepared) user one of them, by the groups in force?  Does not block. */
bool auth_names_include(struct auth *auth, const struct auth_names *names, struct str user);

struct auth_session { /* a login that is open */
	struct str authcid, user;
	const struct auth_grant *grant; /* NULL: they act as themselves */
	bool vouched, authcid_vouched;  /* as in struct auth_login */
};

/*
 * May a login that was permitted go on?  It may while its grant is in force and names both of them,
 * and both are there (but for one that is vouched for) and not disabled.  TS_DENIED: *why_r is a
 * sentence, static, about why not.  TS_CONDITION: without may_wait, it can be said only after
 * asking a database that waits for others.  Else that cannot be asked now.
 */
enum ts_err auth_recheck(
    struct auth *auth, const struct auth_session *session, bool may_wait, const char **why_r);
/* Time went on: logins decided up to now are not current any more.  Any thread. */
void auth_expire(struct auth *auth);
/* fn is called when something changed that may end logins, of that user or of any (empty), by
 * whoever changes it; it must not block.  Before there are other threads. */
void auth_on_change(struct auth *auth, void (*fn)(struct str user, void *arg), void *arg);
/* How many changes there were. */
uint64_t auth_generation(const struct auth *auth);

/* ---- explaining */

struct auth_person {
	struct buf name;     /* prepared, full; empty: it is no name */
	enum ts_err err;     /* TS_OK, TS_NOT_FOUND, or why it cannot be said */
	struct buf database; /* which has the user */
	bool disabled;
};

struct auth_explain {
	struct str who, target; /* as people write them */
	struct str address;     /* empty: as from anywhere, rules about addresses always hold */
	int64_t now;
	/* results; the owner calls auth_explain_fini() */
	struct auth_person who_is, target_is;
	bool self, permitted;
	struct auth_grant *grant; /* by which */
	const char *why;          /* not permitted: a sentence */
};

/* fn is called for each grant in order, also those behind the one that decides. */
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
 * False: lines appended to faults, each with its place in the file.  warnings (may be NULL): lines
 * about grants that permit nothing any more.
 */
bool auth_grants_read(const struct conf *conf, struct str default_domain, struct buf *faults,
    struct buf *warnings, struct auth_grants_read *read_r);
/* Appends a line for each group that a grant names and that there is none of. */
void auth_grants_check_groups(const struct conf *conf, struct str default_domain,
    const struct auth_groups *groups, struct buf *warnings);
void auth_grants_read_fini(struct auth_grants_read *read);
#endif
