/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_USERNAMES_H
#define BACKUP_USERNAMES_H
/* Names of users as people type them, for where no operation looks them up. */
#include "base/buf.h"
#include "base/str.h"

/*
 * Appends the name meant by `typed`: prepared and with the default domain, like at login, if has()
 * knows that; else as typed, if has() knows that (a user from before there was a default domain);
 * else the first again. has NULL: knows everything.
 */
void username_meant(struct str typed, struct str default_domain,
    bool (*has)(struct str name, void *arg), void *arg, struct buf *out);
#endif
