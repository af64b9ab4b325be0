/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_PATTERN_H
#define AUTH_USER_PATTERN_H
/*
 * Patterns that turn a user's name into a name in another database.
 *
 * A pattern is a text with %u (the whole name), %n (the part before the @), %d (the part after it)
 * and %% (a percent sign).  A pattern with the local part alone must not turn anna@a.example and
 * anna@b.example into one user: see auth_domains_take().
 */
#include "base/buf.h"
#include "conf/conf.h"

/* Appends s, escaped so that it stands only for itself. */
typedef void auth_escape_fn(struct str s, struct buf *out);

/* Whether every percent sign begins one of the sequences above. */
bool auth_pattern_ok(struct str pattern);
/* Whether it contains the domain. */
bool auth_pattern_has_domain(struct str pattern);
/* Whether it contains the whole name or the local part. */
bool auth_pattern_has_name(struct str pattern);
/* escape NULL: names go in unchanged. */
void auth_pattern_expand(
    struct str pattern, struct str name, auth_escape_fn *escape, struct buf *out);
/*
 * Whether to ask the database about a prepared, full name: its domain must be listed.  Without a
 * list, any domain will do if the pattern contains the domain; otherwise only default_domain.
 */
bool auth_domains_take(
    const struct conf_list *domains, struct str default_domain, bool any_domain, struct str name);
#endif
