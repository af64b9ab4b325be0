/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_BACKUP_INT_H
#define CONTROL_OPS_BACKUP_INT_H
/* Internals of reading for a backup: backup.c answers, backup_user.c copies a user's mailboxes as
 * they are at one moment. */
#include <roaring/roaring.h>

#include "control/ops/ops.h"

struct copy {                                /* a mailbox as of one moment */
	struct store_mailbox_info info;      /* its name and properties are the next two */
	struct store_properties *properties; /* referenced */
	struct buf name;
	enum ts_err err;
	bool same;      /* nothing has changed since the asker's last backup */
	uint64_t since; /* what the asker knows */
	struct store_mailbox *mailbox;
	uint64_t own; /* changes of the owner's own \Seen; with the mailbox */
	roaring_bitmap_t *uids, *changed;
	roaring_bitmap_t *stored;        /* of these, those whose ids are stored */
	struct buf messages;             /* changed ones, ascending, as they are sent */
	struct store_keywords *keywords; /* as of the same moment */
};

struct reader {
	const struct ops *ops;
	struct op_io *io;
	struct buf *out;
	struct store_pin *pin;
	struct store_account *account;
	struct store_properties *properties; /* the account's own, referenced */
	struct copy *copies;
	size_t copy_count;
	struct buf scratch;
	bool lost; /* the asker is gone */
};

struct backup_known { /* what the asker has of a mailbox */
	uint64_t id, uidvalidity, modseq;
};

/* Copies all mailboxes of rd->account into rd->copies, and its properties. */
void backup_copy_user(struct reader *rd, const struct backup_known *known, size_t n);
void backup_forget_copies(struct reader *rd);
#endif
