/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CMD_STATUS_H
#define CLI_CMD_STATUS_H
/* How `turnstone status` prints the server's lines `name: value`. */
#include "base/buf.h"
#include "base/str.h"

/* Appends a page for people: what is running, who is connected, what is stored, what is wrong. */
void status_summary(struct str lines, struct buf *out);
/* Appends all lines as a JSON object, with a newline. */
void status_json(struct str lines, struct buf *out);
/* "1.2 GiB"; "3 days 4 hours": two units. */
void status_bytes(uint64_t n, struct buf *out);
void status_time(uint64_t seconds, struct buf *out);
#endif
