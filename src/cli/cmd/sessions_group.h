/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CMD_SESSIONS_GROUP_H
#define CLI_CMD_SESSIONS_GROUP_H
/* `turnstone who --by`: rows of connections (server/server.h) become rows of users or of addresses.
 */
#include "base/buf.h"

enum sessions_by { SESSIONS_BY_USER, SESSIONS_BY_ADDRESS };

/*
 * Appends a row for each user or address, in order: `user` or `address`,
 * `connections`, `addresses` or `users` (where else or who), `clients`,
 * `idle_seconds` (of the one heard last).  json: the members are lists of all
 * different ones; else texts for a table, cut after a few.
 */
void sessions_group(struct str rows, enum sessions_by by, bool json, struct buf *out);
#endif
