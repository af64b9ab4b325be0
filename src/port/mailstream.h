/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORT_MAILSTREAM_H
#define PORT_MAILSTREAM_H
/*
 * Mailstream: mailboxes and messages as a stream of bytes, between a command that has files and an
 * operation that has the store.  No I/O here.
 *
 * A record is tag:1 length:varint body checksum:8 (XXH3-64 of the body, seeded with the tag).
 * First comes 'V', the version; then 'P' for each property of the account; then for each mailbox
 * 'M', and 'P' for each of its properties.  A message is any number of 'D's with its bytes, then
 * 'm' with its metadata, so a reader of files can take the flags from the header.  An 'i' before
 * the 'D's has the message's object ids (store/store.h), if they are known and requested; then 'M'
 * has the mailbox's.  'x' cancels the preceding 'i' and 'D's.  'Z' ends the stream; a stream
 * without it is incomplete.
 */
#include "base/buf.h"

#define MAILSTREAM_VERSION 1
#define MAILSTREAM_RECORD_MAX ((size_t)1 << 20)
#define MAILSTREAM_PIECE ((size_t)64 << 10) /* of a message's bytes */

enum mailstream_tag {
	MAILSTREAM_VERSION_TAG = 'V',
	MAILSTREAM_MAILBOX = 'M',
	MAILSTREAM_PROPERTY = 'P',
	MAILSTREAM_IDS = 'i',
	MAILSTREAM_DATA = 'D',
	MAILSTREAM_MESSAGE = 'm',
	MAILSTREAM_DROP = 'x',
	MAILSTREAM_END = 'Z'
};

struct mailstream_mailbox {
	struct str name;
	uint32_t uidvalidity, uidnext; /* 0: unknown */
	uint64_t modseq;
	unsigned use; /* store_use */
	bool subscribed;
	bool exists; /* false: only a subscription */
	uint64_t messages;
	struct str object_id; /* empty: unknown, or not requested */
};

struct mailstream_message {
	uint32_t uid; /* 0: unknown */
	int64_t internaldate, savedate;
	int16_t zone;
	uint32_t flags;      /* bits of store_flag, system flags */
	uint64_t size;       /* of the preceding D's */
	bool bare;           /* its bytes are not in the stream */
	struct str keywords; /* vstrs, one after the other */
};

#define MAILSTREAM_IDS_BYTES 32u

/* Maximum length of a name and its value together; larger properties are left out. */
#define MAILSTREAM_PROPERTY_MAX (MAILSTREAM_RECORD_MAX - 64)

struct mailstream_property {
	struct str name, value;
	bool of_mailbox; /* of the preceding mailbox; else the account's own */
};

struct mailstream_record {
	enum mailstream_tag tag;
	struct str data; /* DATA; IDS: MAILSTREAM_IDS_BYTES */
	struct mailstream_mailbox mailbox;
	struct mailstream_property property;
	struct mailstream_message message;
};

/* ---- writing: appends to b ---- */
void mailstream_put_version(struct buf *b);
void mailstream_put_mailbox(struct buf *b, const struct mailstream_mailbox *m);
/* At most MAILSTREAM_PROPERTY_MAX. */
void mailstream_put_property(struct buf *b, struct str name, struct str value);
void mailstream_put_ids(struct buf *b, const unsigned char ids[MAILSTREAM_IDS_BYTES]);
void mailstream_put_data(struct buf *b, struct str data); /* at most MAILSTREAM_PIECE */
void mailstream_put_message(struct buf *b, const struct mailstream_message *m);
void mailstream_put_drop(struct buf *b);
void mailstream_put_end(struct buf *b);

/* ---- reading ---- */
struct mailstream_in {
	struct buf bytes; /* the reader's input; append what arrives */
	size_t used;
	uint64_t size; /* of the current message */
	bool begun, ended, in_mailbox;
	bool properties; /* properties are allowed here */
	bool ids;        /* the current message has its ids */
};
enum mailstream_got { MAILSTREAM_GOT, MAILSTREAM_MORE, MAILSTREAM_BAD };
/* Gets the next record, valid until the next call.  After BAD every call returns BAD. */
enum mailstream_got mailstream_next(struct mailstream_in *in, struct mailstream_record *rec_r);
void mailstream_in_fini(struct mailstream_in *in);
#endif
