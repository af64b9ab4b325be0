/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_OPS_H
#define CONTROL_OPS_OPS_H
/*
 * control/ops: the operations on a store or a server, one file per group.  It is above the server,
 * which gets ops_find() as a pointer.  Start with alias.c, the smallest.
 */
#include "control/op.h"

extern const struct op ops_acl[];     /* acl.c */
extern const struct op ops_alias[];   /* alias.c */
extern const struct op ops_backup[];  /* backup.c: reading for backups */
extern const struct op ops_restore[]; /* restore.c: writing what a backup has */
extern const struct op ops_server[];  /* server.c: status, stop, reload */
extern const struct op ops_check[];
extern const struct op ops_grant[];         /* grant.c */
extern const struct op ops_group_mailbox[]; /* group_mailbox.c */
extern const struct op ops_user[];          /* user.c */
extern const struct op ops_import[];        /* import.c */
extern const struct op ops_export[];        /* export.c */
extern const struct op ops_mailbox[];       /* mailbox.c */
extern const struct op ops_quota[];         /* quota.c */
extern const struct op ops_sessions[];      /* sessions.c: who, kick */

/* Appends a line for an error of a change that says nothing about its operation; why: the reason
 * that came with the error, or NULL. */
void ops_put_store_error(enum ts_err err, const char *why, struct buf *out);
/* Appends the text for TS_FULL: how much was needed, and how much is lacking. */
void ops_put_full(const struct ops *ops, struct buf *out);

/* What people are told of a change that a quota refused; NULL: it was none. */
const char *ops_quota_text(enum ts_err err, enum store_limit limit);

/* NULL: there is none. */
const struct op *ops_find(struct str verb);
#endif
