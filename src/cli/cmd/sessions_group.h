/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CMD_SESSIONS_GROUP_H
#define CLI_CMD_SESSIONS_GROUP_H
/* `turnstone who --by`: turns rows of connections (server/server.h) into rows of users or
 * addresses. */
#include "base/buf.h"

enum sessions_by { SESSIONS_BY_USER, SESSIONS_BY_ADDRESS };

/*
 * Appends a row for each user or address, sorted: `user` or `address`, `connections`, `addresses`
 * or `users`, `clients`, `idle_seconds` (of the one active last).  json: lists all distinct
 * members; else texts for a table, cut after a few.
 */
void sessions_group(struct str rows, enum sessions_by by, bool json, struct buf *out);
#endif
