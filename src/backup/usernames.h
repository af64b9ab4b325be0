/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_USERNAMES_H
#define BACKUP_USERNAMES_H
/* Names of users as people type them, where no operation looks them up. */
#include "base/buf.h"
#include "base/str.h"

/*
 * Appends the name that is meant: prepared and with the default domain behind it, as a login
 * makes it, if has() knows that; else as it was typed, if has() knows that (a user of a time
 * before there was a default domain); else the first again.  has NULL: knows everything.
 */
void username_meant(struct str typed, struct str default_domain,
    bool (*has)(struct str name, void *arg), void *arg, struct buf *out);
#endif
