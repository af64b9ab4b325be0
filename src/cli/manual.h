/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H
/*
 * The manual pages, in mdoc, made from the tables that the program itself works
 * with: commands and their options, topics of the help, options of the
 * configuration.  So they cannot be out of step with it.
 */
#include "base/buf.h"

/* date: "November 24, 2026" */
void manual_commands(const char *date, struct buf *out); /* turnstone(1) */
void manual_conf(const char *date, struct buf *out);     /* turnstone.conf(5) */
#endif
