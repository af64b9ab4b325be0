/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H
/*
 * The manual pages, in mdoc, made from the tables that the program itself uses: commands with their
 * options, help topics, and configuration options.  So they always agree with the program.
 */
#include "base/buf.h"

/* date: "November 24, 2026" */
void manual_commands(const char *date, struct buf *out); /* turnstone(1) */
void manual_conf(const char *date, struct buf *out);     /* turnstone.conf(5) */
#endif
