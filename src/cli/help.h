/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_HELP_H
#define CLI_HELP_H
/* The list of all commands, and the help on them. */
#include <stdio.h>

#include "conf/args.h"

/* The i-th command; NULL at the end. */
const struct args_cmd *help_cmd_at(size_t i);
/* The command that argv begins with, and the number of words in its name; NULL: none. */
const struct args_cmd *help_find(int argc, char **argv, int *words_r);
void help_usage(FILE *f);
void help_cmd(const struct args_cmd *cmd);
/* `turnstone help [COMMAND|TOPIC|OPTION]`; returns the exit code. */
int help_run(int argc, char **argv);
/* Says on standard error that argv names no command, and which commands exist. */
void help_no_cmd(int argc, char **argv);
#endif
