/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CONFIG_AUTH_SETUP_H
#define SERVER_CONFIG_AUTH_SETUP_H
/*
 * What auth decides with, from a configuration: the chain of user databases,
 * grants, groups.
 * Made first and put in force afterwards, so that a reload changes everything
 * or nothing.
 */
#include "auth/auth.h"
#include "conf/conf.h"

struct auth_setup; /* made, not yet in force */

/*
 * BLOCKING.  The configuration has passed config_check().  False: lines appended to why say what is
 * wrong, all of it.  warnings (may be NULL): lines about what is taken all the same.
 */
bool auth_setup_make(struct conf *conf, struct auth *auth, struct buf *why, struct buf *warnings,
    struct auth_setup **setup_r);
/* The same without a result, of a configuration that may have faults: each file is looked at,
 * whatever is wrong with other options.  BLOCKING. */
void auth_setup_look(
    struct conf *conf, struct auth *auth, struct buf *faults, struct buf *warnings);
/* Puts it in force and frees it. */
void auth_setup_take(struct auth *auth, struct auth_setup **setup);
/* Not in force: nothing came of it.  NULL is fine. */
void auth_setup_free(struct auth_setup **setup);
/*
 * Both at once, for a command without a server.  A database that cannot be had is told on standard
 * error, and auth stays with the store's own users: `user add` and what else mends things works.
 */
void auth_setup_offline(struct conf *conf, struct auth *auth);
#endif
