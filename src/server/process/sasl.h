/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_SASL_H
#define SERVER_PROCESS_SASL_H
/* The mechanisms of libsasl2 that the configuration names (auth.sasl_mechanisms). */
#include "conf/conf.h"
#include "sasl/cyrus.h"
#include "server/process/sandbox.h"

struct auth;

/* First of all, while there is one thread: what Kerberos reads from the environment. */
void server_sasl_prepare(const struct conf *conf);
/*
 * Loads them; before the sandbox, once in a process.  True, and *cyrus_r NULL, when none is named.
 * False: lines appended to faults say why.
 */
bool server_sasl_open(const struct conf *conf, struct buf *faults, struct sasl_cyrus **cyrus_r);
/* Users come from auth, which lives as long as there are exchanges. */
void server_sasl_set_users(struct sasl_cyrus *cyrus, struct auth *auth);
/* Files that Kerberos reads with each exchange. */
void server_sasl_sandbox(const struct conf *conf, struct sandbox_paths *paths);
#endif
