/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_GRANT_GROUPS_H
#define AUTH_GRANT_GROUPS_H
/*
 * Groups of users, from a file in the format of group(5):
 *
 *	gateways:x:2001:gateway,spare@voice.example
 *
 * name, password (ignored), number, and members separated by commas.  Members are prepared like
 * user names, with the default domain added where there is none; group names are taken as they are.
 * Empty lines and lines that begin with '#' are ignored; a group may have several lines.  Any other
 * line is a fault, and a file with a fault is rejected as a whole.
 *
 * The result is immutable and reference-counted.  Any thread may read it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* What stands before a group's name where names of users and groups are mixed. */
#define AUTH_GROUP_WORD "group:"

enum { AUTH_GROUP_FILE_MAX = 64 * 1024 * 1024 };

struct auth_groups;

/* Returns an empty set of groups. */
struct auth_groups *auth_groups_none(void);
/* NULL: appends the first twenty faults, each a line "FILE:LINE: what". */
struct auth_groups *auth_groups_parse(
    struct str text, const char *file, struct str default_domain, struct buf *faults);
/* BLOCKING.  The same from a file; seen_r is its stat, if it could be opened. */
struct auth_groups *auth_groups_load(
    const char *path, struct str default_domain, struct stat *seen_r, struct buf *faults);
struct auth_groups *auth_groups_ref(struct auth_groups *groups);
/* Sets it to NULL; NULL is fine. */
void auth_groups_unref(struct auth_groups **groups);

/* The groups of a prepared user name; returns how many.  They live as long as `groups`. */
size_t auth_groups_of(const struct auth_groups *groups, struct str user, const struct str **list_r);
bool auth_groups_has(const struct auth_groups *groups, struct str group, struct str user);
/* Whether a group of that name exists, with or without members. */
bool auth_groups_known(const struct auth_groups *groups, struct str group);
/* Whether a group file can have this name. */
bool auth_group_name_ok(struct str name);
/* The number of memberships. */
size_t auth_groups_count(const struct auth_groups *groups);
#endif
