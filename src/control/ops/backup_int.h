/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_BACKUP_INT_H
#define CONTROL_OPS_BACKUP_INT_H
/* What a backup reads, from inside: backup.c answers, backup_user.c copies a user's
 * mailboxes as they are at one moment. */
#include <roaring/roaring.h>

#include "control/ops/ops.h"

struct copy {                                /* a mailbox as it was */
	struct store_mailbox_info info;      /* its name and properties are the next two */
	struct store_properties *properties; /* referenced */
	struct buf name;
	enum ts_err err;
	bool same;      /* nothing happened since the asker looked */
	uint64_t since; /* what he knows */
	struct store_mailbox *mailbox;
	roaring_bitmap_t *uids, *changed;
	roaring_bitmap_t *stored;        /* of these, those whose ids are stored */
	struct buf messages;             /* changed ones, ascending, as they are sent */
	struct store_keywords *keywords; /* of the same look */
};

struct reader {
	const struct ops *ops;
	struct op_io *io;
	struct buf *out;
	struct store_pin *pin;
	struct store_account *account;
	struct store_properties *properties; /* its own, referenced */
	struct copy *copies;
	size_t copy_count;
	struct buf scratch;
	bool lost; /* the asker is gone */
};

struct backup_known { /* what the asker has of a mailbox */
	uint64_t id, uidvalidity, modseq;
};

/* All mailboxes of rd->account, into rd->copies, and its properties. */
void backup_copy_user(struct reader *rd, const struct backup_known *known, size_t n);
void backup_forget_copies(struct reader *rd);
#endif
