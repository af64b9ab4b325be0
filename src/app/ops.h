/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_OPS_H
#define APP_OPS_H
/* The tables of operations, by group; ops.c lists them. */
#include "app/op.h"

extern const struct op ops_alias[];   /* ops_alias.c */
extern const struct op ops_backup[];  /* ops_backup.c: reading for backups */
extern const struct op ops_restore[]; /* ops_restore.c: writing what a backup has */
extern const struct op ops_server[];  /* ops_server.c: status, stop, reload */
extern const struct op ops_check[];
extern const struct op ops_grant[];    /* ops_grant.c */
extern const struct op ops_user[];     /* ops_user.c */
extern const struct op ops_import[];   /* ops_import.c */
extern const struct op ops_export[];   /* ops_export.c */
extern const struct op ops_mailbox[];  /* ops_mailbox.c */
extern const struct op ops_sessions[]; /* ops_sessions.c: who, kick */

/* NULL: there is none. */
const struct op *ops_find(struct str verb);
#endif
