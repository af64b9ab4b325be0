/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_OPS_IMPORT_PRIV_H
#define APP_OPS_IMPORT_PRIV_H
/*
 * An import from inside: ops_import.c takes the stream and makes mailboxes,
 * ops_import_known.c knows what is there already, ops_import_append.c adds messages.
 */
#include <openssl/evp.h>

#include "app/mailstream.h"
#include "app/op.h"
#include "store/store.h"

#define IMPORT_SUM 32
#define IMPORT_WINDOW 512

struct have { /* a message that was there before */
	int64_t date;
	uint64_t blob;
	uint32_t size;
	uint32_t taken; /* of the first of equal ones: how many of them are taken */
	bool readable;  /* sum holds */
	bool summed;    /* of the first of a size and date: all of them have been */
	unsigned char sum[IMPORT_SUM];
};

struct import {
	const struct ops *ops;
	struct op_io *io;
	struct buf *out;
	struct store_account *account;
	struct store_mailbox *mailbox; /* NULL: between mailboxes */
	struct buf name;
	struct loop *loop;
	struct work_pool *pool;
	EVP_MD_CTX *md;
	struct mailstream_in in;
	struct store_upload *upload;
	struct store_change *batch;
	uint64_t batch_bytes;
	uint32_t next; /* the UIDNEXT that the batch leads to */
	uint32_t uidnext;
	bool keep_uids;
	bool skipping; /* the messages of a mailbox that was left out */
	struct have *have;
	size_t have_count;
	uint64_t total, added, known, renumbered, left_out;
};

/* ---- ops_import.c ---- */

/* Says what went wrong with the mailbox at hand; false. */
bool import_fail(struct import *im, const char *what, enum ts_err err);
/* Names and counts what is left out; m NULL: the whole mailbox. */
void import_leave_out(struct import *im, const struct mailstream_message *m, const char *why);

/* ---- ops_import_known.c ---- */

/* Remembers what is in the mailbox now. */
void import_find_known(struct import *im);
/* Is it there already?  One that is is not found again. */
bool import_is_known(
    struct import *im, const struct mailstream_message *m, const unsigned char *sum);
void import_known_fini(struct import *im);

/* ---- ops_import_append.c: false is a failure that was said ---- */

void import_take_data(struct import *im, struct str data);
/* The message whose data came last; or it is none. */
bool import_take_message(struct import *im, const struct mailstream_message *m);
void import_drop_message(struct import *im);
/* All that was taken is durable. */
bool import_flush(struct import *im);
#endif
