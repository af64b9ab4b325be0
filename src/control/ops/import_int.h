/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_IMPORT_INT_H
#define CONTROL_OPS_IMPORT_INT_H
/*
 * Internals of an import: import.c takes the stream and makes mailboxes, import_known.c knows which
 * messages exist already, import_append.c adds messages, import_properties.c adds properties, and
 * import_dry.c reports what would be done, without changing anything.
 */
#include <openssl/evp.h>

#include "control/op.h"
#include "control/ops/properties.h"
#include "port/mailstream.h"
#include "store/store.h"

#define IMPORT_SUM 32
#define IMPORT_WINDOW 512
#define IMPORT_NAMED_MAX 1000 /* of what is left out; the rest is only counted */
#define IMPORT_LONG_KEYWORD "one of its keywords is longer than store.keyword_length allows"
#define IMPORT_MANY_KEYWORDS "the mailbox has all the keywords that store.max_keywords allows"

struct have { /* a message that existed before */
	int64_t date;
	uint64_t blob;
	uint32_t size;
	uint32_t taken; /* for the first of equal ones: how many of them are taken */
	bool readable;  /* sum is valid */
	bool summed;    /* for the first with a size and date: all of them have sums */
	unsigned char sum[IMPORT_SUM];
};

struct import_dry {          /* for a run that changes nothing */
	struct arena *arena; /* for the current mailbox */
	struct str *word;    /* keywords that it has or would have */
	size_t words;
	uint64_t mailboxes;    /* existing ones, and those that would be made */
	struct buf made;       /* names of those that would be made, vstr each */
	bool new;              /* the current mailbox would be made */
	bool open;             /* there is a current mailbox */
	uint64_t added, known; /* in the current mailbox */
	struct properties_dry properties;
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
	uint32_t next; /* the UIDNEXT after the batch */
	uint32_t uidnext;
	bool keep_uids;
	bool made; /* the current mailbox was made for this import: nobody knows it yet */
	bool dry;
	bool summing; /* a message's checksum is being computed */
	struct import_dry dryness;
	bool skipping; /* skipping the messages of a mailbox that was left out */
	struct have *have;
	size_t have_count;
	uint64_t total, added, known, renumbered, left_out;
	uint64_t properties; /* added */
	uint64_t refused;    /* mailboxes, properties: included in left_out */
};

/* ---- import.c ---- */

/* Reports what went wrong with the current mailbox; returns false. */
bool import_fail(struct import *im, const char *what, enum ts_err err);
/* Names and counts what is left out; m NULL: the whole mailbox. */
void import_leave_out(struct import *im, const struct mailstream_message *m, const char *why);

/* ---- import_known.c ---- */

/* Records what is in the mailbox now. */
void import_find_known(struct import *im);
/* Whether the message exists already.  Each existing one is found only once. */
bool import_is_known(
    struct import *im, const struct mailstream_message *m, const unsigned char *sum);
void import_known_fini(struct import *im);

/* ---- import_append.c: false is a failure that was said ---- */

void import_take_ids(struct import *im, struct str ids);
void import_take_data(struct import *im, struct str data);
/* Takes the message whose data came last; or leaves it out if it is invalid. */
bool import_take_message(struct import *im, const struct mailstream_message *m);
void import_drop_message(struct import *im);
/* The UID that it must get; 0: the next one. */
uint32_t import_uid_of(struct import *im, const struct mailstream_message *m);
/* Makes everything that was taken durable. */
bool import_flush(struct import *im);

/* ---- import_properties.c ---- */

/* Takes a property of the current mailbox, or of the account; an existing one of that name
 * stays. */
bool import_take_property(struct import *im, const struct mailstream_property *p);

/* ---- import_dry.c ---- */

/* Counts what exists. */
void import_dry_begin(struct import *im);
/* A mailbox in the stream: finds it, or says that it would be made.  Limits and invalid names lead
 * to the errors of a real run. */
enum ts_err import_dry_mailbox(struct import *im, const struct mailstream_mailbox *m);
/* A mailbox that is only a name in the list of subscriptions. */
void import_dry_subscription(struct import *im, struct str name);
void import_dry_end_mailbox(struct import *im);
/* Counts the message whose data came last, which does not exist yet. */
void import_dry_message(struct import *im, const struct mailstream_message *m);
void import_dry_fini(struct import *im);
#endif
