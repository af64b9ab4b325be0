/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CMD_SHARING_H
#define CLI_CMD_SHARING_H
/* What the commands on shared mailboxes have in common. */
#include "base/buf.h"
#include "conf/args.h"

/* Adds the options `sharing.*`: "no-anyone", "others", "shared".  Does not report faults in the
 * file. */
void sharing_put_options(const struct args *args, struct buf *wire);
/* Prints notes about what was done, one a line. */
void sharing_print_notes(const struct args *args, struct str text);
#endif
