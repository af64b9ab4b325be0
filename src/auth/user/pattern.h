/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_PATTERN_H
#define AUTH_USER_PATTERN_H
/*
 * How a user's name is told to a database that has names of its own kind.
 *
 * A pattern is a text with %u (the whole name), %n (what is before the @), %d
 * (what is behind it) and %% (a percent sign).  A pattern that asks for the
 * local part alone must not make one user of anna@a.example and anna@b.example:
 * see auth_domains_take().
 */
#include "base/buf.h"
#include "conf/conf.h"

/* Appends s in a form in which it stands for itself alone. */
typedef void auth_escape_fn(struct str s, struct buf *out);

/* Only what is named above stands behind a percent sign. */
bool auth_pattern_ok(struct str pattern);
/* Does it ask for the domain? */
bool auth_pattern_has_domain(struct str pattern);
/* Does it ask for the whole name, or what is before the @? */
bool auth_pattern_has_name(struct str pattern);
/* escape NULL: as it is. */
void auth_pattern_expand(
    struct str pattern, struct str name, auth_escape_fn *escape, struct buf *out);
/*
 * Is the (prepared, full) name one that the database is asked for?  Of the domains that are listed;
 * when there are none: of any where the pattern asks for the domain, else of default_domain only.
 */
bool auth_domains_take(
    const struct conf_list *domains, struct str default_domain, bool any_domain, struct str name);
#endif
