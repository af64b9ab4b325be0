/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_HELP_H
#define CLI_HELP_H
/* The list of all commands, and what is said of them. */
#include <stdio.h>

#include "conf/args.h"

/* The i-th of all commands; NULL at the end. */
const struct args_cmd *help_cmd_at(size_t i);
/* The command that argv begins with, and how many words name it; NULL: none. */
const struct args_cmd *help_find(int argc, char **argv, int *words_r);
void help_usage(FILE *f);
void help_cmd(const struct args_cmd *cmd);
/* `turnstone help [COMMAND|TOPIC|OPTION]`; gives the exit code. */
int help_run(int argc, char **argv);
/* Says on standard error that argv names no command, and what there is. */
void help_no_cmd(int argc, char **argv);
#endif
