/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CONFIG_AUTH_SETUP_H
#define SERVER_CONFIG_AUTH_SETUP_H
/*
 * What auth uses for its decisions, made from a configuration: the chain of user databases, grants,
 * groups.  It is made first and put in force afterwards, so that a reload changes everything or
 * nothing.
 */
#include "auth/auth.h"
#include "conf/conf.h"

struct auth_setup; /* made, but not yet in force */

/*
 * BLOCKING.  The configuration has passed config_check().  False: lines appended to why list
 * everything that is wrong.  warnings (may be NULL): lines about what is accepted nevertheless.
 */
bool auth_setup_make(struct conf *conf, struct auth *auth, struct buf *why, struct buf *warnings,
    struct auth_setup **setup_r);
/* The same without a result, for a configuration that may have faults: checks every file, whatever
 * is wrong with other options.  BLOCKING. */
void auth_setup_look(
    struct conf *conf, struct auth *auth, struct buf *faults, struct buf *warnings);
/* Appends a line if users of the store cannot log in because of the separator in force.  BLOCKING.
 */
void auth_setup_check_names(const struct conf *conf, struct auth *auth, struct buf *warnings);
/* Puts it in force and frees it. */
void auth_setup_take(struct auth *auth, struct auth_setup **setup);
/* Frees it without putting it in force.  NULL is fine. */
void auth_setup_free(struct auth_setup **setup);
/*
 * Both at once, for a command without a server.  If a database is unavailable, prints the reason to
 * standard error and leaves auth with the store's own users, so `user add` and other commands that
 * help to repair things work.
 */
void auth_setup_offline(struct conf *conf, struct auth *auth);
#endif
