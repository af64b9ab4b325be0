/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_IMPORT_INT_H
#define CONTROL_OPS_IMPORT_INT_H
/*
 * An import from inside: import.c takes the stream and makes mailboxes,
 * import_known.c knows what is there already, import_append.c adds messages,
 * import_properties.c properties, and import_dry.c says what would come, without
 * a change.
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

struct have { /* a message that was there before */
	int64_t date;
	uint64_t blob;
	uint32_t size;
	uint32_t taken; /* of the first of equal ones: how many of them are taken */
	bool readable;  /* sum holds */
	bool summed;    /* of the first of a size and date: all of them have been */
	unsigned char sum[IMPORT_SUM];
};

struct import_dry {          /* of a run that changes nothing */
	struct arena *arena; /* of the mailbox at hand */
	struct str *word;    /* keywords that it has, and would have */
	size_t words;
	uint64_t mailboxes;    /* that there are, and would be */
	struct buf made;       /* names of those that would be, vstr each */
	bool new;              /* the mailbox at hand would be made */
	bool open;             /* there is one at hand */
	uint64_t added, known; /* in it */
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
	uint32_t next; /* the UIDNEXT that the batch leads to */
	uint32_t uidnext;
	bool keep_uids;
	bool made; /* the mailbox at hand, for this import: nobody knows it yet */
	bool dry;
	bool summing; /* the checksum of a message is under way */
	struct import_dry dryness;
	bool skipping; /* the messages of a mailbox that was left out */
	struct have *have;
	size_t have_count;
	uint64_t total, added, known, renumbered, left_out;
	uint64_t properties; /* put */
	uint64_t refused;    /* mailboxes, properties: left_out counts them, too */
};

/* ---- import.c ---- */

/* Says what went wrong with the mailbox at hand; false. */
bool import_fail(struct import *im, const char *what, enum ts_err err);
/* Names and counts what is left out; m NULL: the whole mailbox. */
void import_leave_out(struct import *im, const struct mailstream_message *m, const char *why);

/* ---- import_known.c ---- */

/* Remembers what is in the mailbox now. */
void import_find_known(struct import *im);
/* Is it there already?  One that is is not found again. */
bool import_is_known(
    struct import *im, const struct mailstream_message *m, const unsigned char *sum);
void import_known_fini(struct import *im);

/* ---- import_append.c: false is a failure that was said ---- */

void import_take_ids(struct import *im, struct str ids);
void import_take_data(struct import *im, struct str data);
/* The message whose data came last; or it is none. */
bool import_take_message(struct import *im, const struct mailstream_message *m);
void import_drop_message(struct import *im);
/* The UID that it gets; 0: whichever comes next. */
uint32_t import_uid_of(struct import *im, const struct mailstream_message *m);
/* All that was taken is durable. */
bool import_flush(struct import *im);

/* ---- import_properties.c ---- */

/* A property of the mailbox at hand, or of the account: one of that name that is there stays. */
bool import_take_property(struct import *im, const struct mailstream_property *p);

/* ---- import_dry.c ---- */

/* Counts what is there. */
void import_dry_begin(struct import *im);
/* A mailbox that exists in the stream: finds it, or says that it would be made.  A limit, a name
 * that cannot be: as a real run has it. */
enum ts_err import_dry_mailbox(struct import *im, const struct mailstream_mailbox *m);
/* A mailbox that is no more than a name on the list of subscriptions. */
void import_dry_subscription(struct import *im, struct str name);
void import_dry_end_mailbox(struct import *im);
/* The message whose data came last, which is not there yet. */
void import_dry_message(struct import *im, const struct mailstream_message *m);
void import_dry_fini(struct import *im);
#endif
