/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_GRANT_GROUPS_H
#define AUTH_GRANT_GROUPS_H
/*
 * Groups of users, from a file as Unix has them (group(5)):
 *
 *	gateways:x:2001:gateway,spare@voice.example
 *
 * name, password (not looked at), number, members separated by commas.  Members
 * are prepared like any user's name, those without a domain get the default
 * one; names of groups are taken as they are.  Empty lines and those that begin
 * with '#' count for nothing; a group may be given in several lines.  Any
 * other line is a fault, and a file with a fault is not taken at all.
 *
 * What is made of a file never changes; it is counted.  Any thread may read.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { AUTH_GROUP_FILE_MAX = 64 * 1024 * 1024 };

struct auth_groups;

/* No groups at all. */
struct auth_groups *auth_groups_none(void);
/* NULL: text about the faults, "FILE:LINE: what" a line each (the first twenty), is appended. */
struct auth_groups *auth_groups_parse(
    struct str text, const char *file, struct str default_domain, struct buf *faults);
/* BLOCKING.  The same from the file; seen_r: what it was, if it could be opened. */
struct auth_groups *auth_groups_load(
    const char *path, struct str default_domain, struct stat *seen_r, struct buf *faults);
struct auth_groups *auth_groups_ref(struct auth_groups *groups);
/* Sets it to NULL; NULL is fine. */
void auth_groups_unref(struct auth_groups **groups);

/* The groups that the (prepared) user is in, and how many; they live as long as the groups. */
size_t auth_groups_of(const struct auth_groups *groups, struct str user, const struct str **list_r);
bool auth_groups_has(const struct auth_groups *groups, struct str group, struct str user);
/* Is there a group of that name, with members or without? */
bool auth_groups_known(const struct auth_groups *groups, struct str group);
/* Pairs of a group and a member. */
size_t auth_groups_count(const struct auth_groups *groups);
#endif
