/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_SASL_H
#define SERVER_PROCESS_SASL_H
/* The mechanisms of libsasl2 that the configuration names (auth.sasl_mechanisms). */
#include "conf/conf.h"
#include "sasl/cyrus.h"
#include "server/process/sandbox.h"

struct auth;

/* Sets what Kerberos reads from the environment; call first of all, while there is only one
 * thread. */
void server_sasl_prepare(const struct conf *conf);
/*
 * Loads them; call before the sandbox, once per process.  True, with *cyrus_r NULL, if none are
 * configured.  False: appends the reasons to faults.
 */
bool server_sasl_open(const struct conf *conf, struct buf *faults, struct sasl_cyrus **cyrus_r);
/* Users come from auth, which must outlive all exchanges. */
void server_sasl_set_users(struct sasl_cyrus *cyrus, struct auth *auth);
/* Adds the files that Kerberos reads in each exchange. */
void server_sasl_sandbox(const struct conf *conf, struct sandbox_paths *paths);
#endif
