/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_DISK_KEYS_H
#define STORE_DISK_KEYS_H
/*
 * Keys and values, byte by byte.
 *
 * Numbers in keys are big-endian, so that memcmp orders them; numbers in values are little-endian,
 * or varints (LEB128; "z": zigzag).  Every value begins with eight bytes, the XXH3-64 of the rest,
 * seeded with the XXH3-64 of its key, so a value under the wrong key fails too.  A "set" is a
 * CRoaring bitmap in the portable format, preceded by its length as a varint; it is decoded only
 * after the checksum was verified.
 *
 * Account 0, the store itself
 *   0^8 'B' blob:8 account:8       -> nothing: a holder.  Several accounts have the blob, and this
 *                                  is one of them; a blob without holders belongs to one account
 *   0^8 'C' blob:8 account:8       -> nothing: a claim.  The holder was put before the account's
 *                                  first reference, which may never have come
 *   0^8 'D' account:8              -> nothing: the account's contents are to be removed
 *   0^8 'G' who 0 account:8 mailbox:4 -> the account's name: the mailbox has properties
 *                                  "acl/WHO" or "acl/-WHO", shares.h
 *   0^8 'I'                        -> ids: next account:8, next blob:8, next intent:8.  Ids in use
 *                                  are below; raised ahead of use
 *   0^8 'M' intent:8               -> target account:8: a COPY or MOVE between accounts under
 *                                  way, change_cross.c
 *   0^8 'N' name                   -> account:8
 *   0^8 'R' key                    -> a server-wide record's value
 *   0^8 'U'                        -> the store's own id: 16 random bytes
 *   0^8 'V'                        -> version:4, then text for people
 *   0^8 'V' 1                      -> how far a migration to this version got, migrate.c
 *
 * Account n.  Its batches touch only these, batches of account 0 only those above (doc/store.md)
 *   n:8 'B' blob:8 mailbox:4 uid:4 -> nothing: a message refers to the blob
 *   n:8 'M' intent:8               -> source account:8 mailbox:4 and pairs of uid:varint
 *                                  blob:varint: a MOVE from there has put its messages here,
 *                                  change_cross.c
 *   n:8 'P' mailbox:4 modseq:8     -> what a deleted mailbox held (modseq 0, no value), or an
 *                                  expunge left (pairs of uid:varint blob:varint), or a COPY
 *                                  that failed (the highest bit, first UID), is to be removed
 *   n:8 'Q' blob:8 mailbox:4 uid:4 -> this reference was removed; if the account has no others,
 *                                  free the blob.  "s": the summary under that UID goes with this
 *                                  row.  Nothing: it is gone, and the UID may be another message's
 *   n:8 'S' mailbox:4 uid:8        -> pairs of uid:varint blob:varint: what a COPY has put under
 *                                  UIDs that are not messages yet, change_copy.c; the key has the
 *                                  first UID
 *   n:8 'T'                        -> a RENAME whose rows are not all written,
 *                                  change_rename_many.c: old and new name (vstr), first new
 *                                  uidvalidity:4, set of the mailboxes that get one, in the order
 *                                  of their ids
 *   n:8 'T' 1                      -> mailbox:4: the rows up to it are written
 *   n:8 'a'                        -> next mailbox:4, last uidvalidity:4, created:8, name
 *   n:8 'c' mailbox:4              -> counters: messages:4 unseen:4 deleted:4 recent:4 recent
 *                                  mark:4 uidnext:4 size:8 deleted size:8 modseq:8
 *   n:8 'm' mailbox:4              -> info: uidvalidity:4 use:4 created:8, name
 *   n:8 'p' mailbox:4 name         -> a property's value; mailbox 0: of the account
 *   n:8 's' name                   -> nothing: subscribed
 *   n:8 't' name                   -> uidvalidity:4 of the last mailbox that had this name.  Empty
 *                                  name: the highest of those forgotten
 *   n:8 'x' mailbox:4 'H'          -> index header: snapshot:8 expunge floor:8, keywords as
 *                                  count:varint then (flag:varint, length:varint, name)
 *   n:8 'x' mailbox:4 'C' column:1 block:4 -> a column for sorting and threading, of the messages
 *                                  of an index block, see compact.h
 *   n:8 'x' mailbox:4 'I' block:4  -> index block: the messages with UIDs block*1024 to
 *                                  block*1024+1023, see block.c
 *   n:8 'x' mailbox:4 'J' modseq:8 -> set of UIDs expunged by that change, kept for a while
 *   n:8 'x' mailbox:4 'L' modseq:8 -> change record: what the change did, see delta.c
 *   n:8 'x' mailbox:4 'Y' uid:4    -> the message's summary (mail/summary.h)
 *
 *   n:8 'y' owner:8 mailbox:4 'H'  -> what the user has read in a mailbox of that account: recent
 *                                  mark:4 floor s:8 floor u:8, set, see own_seen.h
 *   n:8 'y' owner:8 mailbox:4 'L' u:8 -> the user's change u: made at s:8, recent mark:4, read or
 *                                  unread:1, set
 *
 * Reserved (doc/store.md); a program that finds these leaves them alone
 *   n:8 'H' hash:8                 -> thread ids
 *   n:8 'y' owner:8 mailbox:4 'P' name -> a private annotation
 *
 * Loading an account reads 'a' to 't' (one scan); loading a mailbox reads its 'H' to 'L' (one
 * scan).  Header and blocks are the state as of the snapshot's MODSEQ or newer; the change records
 * above the snapshot lead from there to the present.  Replaying a record over a block that includes
 * it already changes nothing, because records state the outcome for their UIDs and all later
 * records are replayed too.  The result must agree with the counters, or the mailbox is damaged.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "store/engine.h"
#include "store/store.h"

/* Older formats: 1 kept a tombstone for every name; 2 never forgot keywords; 3 made every RENAME
 * one batch; 4 had references and jobs in account 0 and no properties. */
#define KEYS_FORMAT 5

enum key_kind {
	KEY_REF = 'B',
	KEY_HOLDER = KEY_REF, /* in account 0 */
	KEY_CLAIM = 'C',
	KEY_DROPPED = 'D',
	KEY_IDS = 'I',
	KEY_INTENT = 'M',
	KEY_NAME = 'N',
	KEY_PURGE = 'P',
	KEY_QUEUE = 'Q',
	KEY_RECORD = 'R',
	KEY_STAGED = 'S',
	KEY_SHARED_WITH = 'G',
	KEY_RENAME = 'T',
	KEY_OWN_ID = 'U',
	KEY_VERSION = 'V',

	KEY_ACCOUNT = 'a',
	KEY_COUNTERS = 'c',
	KEY_INFO = 'm',
	KEY_PROPERTY = 'p',
	KEY_SUBSCRIBED = 's',
	KEY_TOMBSTONE = 't',
	KEY_INDEX = 'x',
	KEY_OWN = 'y',
	KEY_THREAD = 'H',

	KEY_COMPACT = 'C',
	KEY_HEADER = 'H',
	KEY_BLOCK = 'I',
	KEY_EXPUNGED = 'J',
	KEY_CHANGE = 'L',
	KEY_SUMMARY = 'Y'
};

struct key {
	size_t n;
	char p[STORE_NAME_MAX + 32];
};

/* account, kind */
void key_begin(struct key *k, uint64_t account, enum key_kind kind);
void key_be32(struct key *k, uint32_t v);
void key_be64(struct key *k, uint64_t v);
void key_bytes(struct key *k, struct str s);
/* account 'x' mailbox kind */
void key_index(struct key *k, uint64_t account, uint32_t mailbox, enum key_kind kind);
/* account kind blob mailbox uid: KEY_REF, KEY_QUEUE */
void key_ref(struct key *k, enum key_kind kind, uint64_t account, uint64_t blob, uint32_t mailbox,
    uint32_t uid);
/* 0 kind blob account: KEY_HOLDER, KEY_CLAIM */
void key_holder(struct key *k, enum key_kind kind, uint64_t blob, uint64_t account);
/* account kind mailbox number: KEY_PURGE, KEY_STAGED */
void key_job(
    struct key *k, enum key_kind kind, uint64_t account, uint32_t mailbox, uint64_t number);
/* account 'y' owner mailbox kind: OWN_HEADER, OWN_CHANGE, OWN_ANNOTATION.  Kind 0xff is after them
 * all. */
#define OWN_KEY_HEAD 21u /* bytes before the kind */
enum own_kind { OWN_HEADER = 'H', OWN_CHANGE = 'L', OWN_ANNOTATION = 'P' };
void own_key(struct key *k, uint64_t account, uint64_t owner, uint32_t mailbox, unsigned kind);
/* 0 'G' who NUL, followed by account:8 mailbox:4. */
void key_shared_prefix(struct key *k, struct str who);
void key_shared(struct key *k, struct str who, uint64_t account, uint32_t mailbox);
/* Turns a prefix into its upper bound: the first key after every key with that prefix. */
void key_after(struct key *k);

static inline struct str
key_str(const struct key *k)
{
	return (struct str){k->p, k->n};
}

/* Build a value in a buf: value_begin() empties it and leaves room for the checksum. */
void value_begin(struct buf *b);
void value_seal(struct buf *b, struct str key);
/* Returns false if the checksum is wrong. */
bool value_open(struct str key, struct str value, struct str *body_r);
/* Same, for an engine that has lost its own checksum. */
bool value_whole(struct str key, struct str value);
/* Seals the value and puts it. */
void batch_put_value(struct engine_batch *batch, const struct key *k, struct buf *b);
void batch_put_empty(struct engine_batch *batch, const struct key *k);
/* The value of KEY_QUEUE for a message whose summary is to be removed later too. */
#define QUEUE_SUMMARY 's'
void batch_put_queue(struct engine_batch *batch, const struct key *k);

static inline uint64_t
zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

static inline int64_t
unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

void value_put_set(struct buf *b, const roaring_bitmap_t *set);
/* Returns NULL and sets r->bad if it is not a set. */
roaring_bitmap_t *value_take_set(struct rd *r);

struct counters_row {
	uint32_t messages, unseen, deleted, recent, recent_mark, uidnext;
	uint64_t size, deleted_size, modseq;
};
void value_put_counters(struct buf *b, const struct counters_row *c);
void value_take_counters(struct rd *r, struct counters_row *c);
#endif
