/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_COPY_H
#define IMAP_COPY_H
/* COPY and MOVE: one command, except for what becomes of the source. */
#include "imap/cmd.h"

/* The first step of a command with a set and a mailbox (RFC 9051 sections 6.4.7 and 6.4.8, RFC
 * 6851; RFC 2180 section 4.4). */
enum imap_next imap_copy_start(struct imap_cmd *cmd, bool move);
#endif
