/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CLI_H
#define CLI_CLI_H
/*
 * cli: the command line.  main.c finds the subcommand in the tables below; ask.h has its request
 * carried out; help.h, topics.h and manual.h explain it.  cmd/ has a file for each group of
 * subcommands.  Start with main.c and cmd/alias.c.
 */
#include "conf/args.h"

/* Each is in the file of that name in cli/cmd, and ends in a row without a name. */
extern const struct args_cmd cli_acl_cmds[];
extern const struct args_cmd cli_alias_cmds[];
extern const struct args_cmd cli_grant_cmds[];
extern const struct args_cmd cli_group_mailbox_cmds[];
extern const struct args_cmd cli_user_cmds[];
extern const struct args_cmd cli_check_cmds[];
extern const struct args_cmd cli_config_cmds[];
extern const struct args_cmd cli_server_cmds[];
extern const struct args_cmd cli_backup_cmds[];
extern const struct args_cmd cli_restore_cmds[];
extern const struct args_cmd cli_domain_cmds[];
extern const struct args_cmd cli_demo_cmds[];
extern const struct args_cmd cli_port_cmds[];
extern const struct args_cmd cli_mailbox_cmds[];
extern const struct args_cmd cli_quota_cmds[];
extern const struct args_cmd cli_sessions_cmds[];

/* The plural ending. */
#define CLI_S(n) ((n) == 1 ? "" : "s")

#define CLI_CONFIG_OPT                                                                             \
	{                                                                                          \
		"config", "FILE",                                                                  \
		    "the configuration; without it the file that TURNSTONE_CONFIG names, else "    \
		    "/etc/turnstone/turnstone.conf, if it is there"                                \
	}
#define CLI_JSON_OPT                                                                               \
	{                                                                                          \
		"json", NULL, "as JSON"                                                            \
	}
#endif
