/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_CLI_H
#define APP_CLI_H
/* The subcommands, a table in each of these files; main.c walks them. */
#include "app/args.h"

extern const struct app_cmd cli_alias_cmds[];    /* alias.c */
extern const struct app_cmd cli_grant_cmds[];    /* grant.c */
extern const struct app_cmd cli_user_cmds[];     /* user.c; each table ends in a row without name */
extern const struct app_cmd cli_check_cmds[];    /* check.c */
extern const struct app_cmd cli_config_cmds[];   /* config.c */
extern const struct app_cmd cli_server_cmds[];   /* serve.c */
extern const struct app_cmd cli_backup_cmds[];   /* backup.c */
extern const struct app_cmd cli_restore_cmds[];  /* restore.c */
extern const struct app_cmd cli_domain_cmds[];   /* domain.c */
extern const struct app_cmd cli_demo_cmds[];     /* demo.c */
extern const struct app_cmd cli_port_cmds[];     /* port.c */
extern const struct app_cmd cli_mailbox_cmds[];  /* mailbox.c */
extern const struct app_cmd cli_sessions_cmds[]; /* sessions.c */

/* The end of a plural. */
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
