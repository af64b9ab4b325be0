/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_LISTS_H
#define BACKUP_LISTS_H
/*
 * The lists among the objects, byte by byte.  Numbers are varints (LEB128), "z" means zigzag;
 * strings are preceded by their length.  A list is named by its checksum.
 *
 * Messages of a mailbox with UIDs n*1024 to n*1024+1023, a "chunk":
 *	"TSBKMSG1", count, then each, UIDs ascending:
 *	uid, size, modseq, internaldate z, savedate z, zone z (minutes east of UTC),
 *	blob (its number in the store it was read from), system flags (bit 0
 *	\Answered, 1 \Flagged, 2 \Deleted, 3 \Seen, 4 \Draft), number of keywords
 *	and each as its place in the mailbox's list (0 is the first), then 32
 *	bytes: SHA-256 of the message, all zeros when it could not be read.
 *
 * The same where messages were themselves brought back from a backup or an import, with
 * the object ids that they had (store/store.h):
 *	"TSBKMSG2", and each message ends in 0, or 1 and 32 bytes, those of EMAILID and of a
 *	THREADID of its own.  Programs that know the first form only take this one for
 *	damaged; so a chunk without such messages has the first form.  Ids of all others
 *	follow from the numbers of their blobs (run.h).
 *
 * A user:
 *	"TSBKUSR1", name, number of mailboxes, then each in order of names:
 *	id (0: a subscribed name without a mailbox), name, use (bits as in
 *	enum store_use), subscribed (0 or 1), uidvalidity, uidnext, modseq,
 *	messages, bytes, number of keywords and each (empty: no keyword has that
 *	place, and no message names it), number of chunks and each: n, count,
 *	32 bytes of SHA-256.
 *
 * A user with properties, of the account or of a mailbox:
 *	"TSBKUSR2", name, the account's properties, number of mailboxes, then each
 *	as above, and after it its properties: their number, then name and value of
 *	each, in order of names.  Programs that know only the first form take this
 *	one for damaged, so a user without properties has the first form.
 *
 * Server-wide records (users with their password verifiers, and others):
 *	"TSBKREC1", count, then each: key, value.
 *
 * An unchanged chunk has the same bytes, and so is not stored again.
 */
#include "backup/folder.h"
#include "base/arena.h"

#define BACKUP_CHUNK_UIDS 1024u
#define BACKUP_SYSTEM_FLAGS 5u
#define BACKUP_FLAG_WORDS 4u
#define BACKUP_IDS_BYTES 32u
/* No list is larger; one that is is damaged. */
#define BACKUP_LIST_MAX ((size_t)512 * 1024 * 1024)

struct backup_message {
	uint32_t uid, size;
	uint64_t modseq, blob;
	int64_t internaldate, savedate;
	int16_t zone;
	uint64_t flags[BACKUP_FLAG_WORDS]; /* bits 0 to 4 system flags, then keywords */
	struct backup_hash hash;
	bool has_ids; /* of its own, which do not follow from the blob */
	unsigned char ids[BACKUP_IDS_BYTES];
};

struct backup_chunk {
	uint32_t number, count;
	struct backup_hash hash;
};

struct backup_property {
	struct str name, value;
};

struct backup_properties {
	struct backup_property *one; /* in order of names */
	size_t count;
};

struct backup_mailbox {
	uint32_t id;
	struct str name;
	unsigned use;
	bool subscribed;
	uint32_t uidvalidity, uidnext, messages;
	uint64_t modseq, bytes;
	struct str *keywords;
	size_t keyword_count;
	struct backup_chunk *chunks; /* ascending */
	size_t chunk_count;
	struct backup_properties properties;
};

struct backup_user {
	struct str name;
	struct backup_mailbox *mailboxes; /* in order of names */
	size_t mailbox_count;
	struct backup_properties properties; /* of the account itself */
	bool told; /* parsed: the list has a place for properties, so these are all of them */
};

struct backup_record {
	struct str key, value;
};

/* Returns whether any message has ids of its own. */
bool backup_chunk_has_ids(const struct backup_message *messages, size_t n);
/* Messages must be of one chunk and ascend. */
void backup_chunk_print(const struct backup_message *messages, size_t n, struct buf *out);
/* Parses up to BACKUP_CHUNK_UIDS messages.  Returns false if it is not such a list. */
bool backup_chunk_parse(
    struct str bytes, uint32_t number, struct backup_message *messages, size_t *n_r);
/* Counts the properties of the account and its mailboxes. */
size_t backup_user_properties(const struct backup_user *user);
void backup_user_print(const struct backup_user *user, struct buf *out);
/* Copies everything into the arena. */
bool backup_user_parse(struct str bytes, struct arena *arena, struct backup_user *user_r);
/* Puts what precedes n records; each record is then key and value as buf_vstr() writes them. */
void backup_records_head(uint64_t n, struct buf *out);
void backup_records_print(const struct backup_record *records, size_t n, struct buf *out);
/* records_r NULL: only checks that it is such a list, and needs no arena. */
bool backup_records_parse(
    struct str bytes, struct arena *arena, struct backup_record **records_r, size_t *n_r);

/* Same from the folder.  TS_NOT_FOUND, TS_DAMAGED, TS_IO: `what` names the file. */
enum ts_err backup_chunk_get(struct backup_folder *folder, const struct backup_chunk *chunk,
    struct backup_message *messages, size_t *n_r, struct buf *what);
enum ts_err backup_user_get(struct backup_folder *folder, const struct backup_hash *hash,
    struct arena *arena, struct backup_user *user_r, struct buf *what);
enum ts_err backup_records_get(struct backup_folder *folder, const struct backup_hash *hash,
    struct arena *arena, struct backup_record **records_r, size_t *n_r, struct buf *what);

const struct backup_mailbox *backup_mailbox_of(const struct backup_user *user, struct str name);
#endif
