/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_FOLDER_INT_H
#define BACKUP_FOLDER_INT_H
/* Shared by folder.c, object.c, pack.c and index.c. */
#include <openssl/evp.h>
#include <time.h>

#include "backup/pack.h"

/* Objects flushed together: the first flush does most of the work for all. */
#define BACKUP_PENDING 64
/* Packs kept open for reading. */
#define BACKUP_OPEN_PACKS 8

struct backup_pending {
	int fd;
	unsigned number; /* of its name in tmp */
	struct backup_hash hash;
};

struct backup_packing { /* tmp/pack */
	int fd;
	uint64_t size, written; /* total bytes; those already in the file */
	struct buf out;
	struct backup_entry *entries;
	size_t count, cap;
	uint32_t *slots; /* indexes into entries, by hash; all ones: none */
	uint64_t seed;
};

struct backup_folder {
	char *path;
	int fd, lock;
	bool distrust;
	unsigned next; /* number for the next name in tmp */

	bool putting;
	int put_fd; /* the object being written; -1: it is in put_bytes */
	struct buf put_bytes;
	unsigned put_number;
	uint64_t put_size;
	EVP_MD_CTX *put_sum;

	struct backup_pending pending[BACKUP_PENDING]; /* written, but not flushed or named yet */
	size_t pending_count;

	struct backup_packing packing;
	uint32_t next_pack;
	struct backup_index index;
	bool indexed, recovered;
	struct timespec looked[2]; /* times of index and packs when the index was loaded */
	struct {
		uint32_t number; /* 0: none */
		int fd;
	} open_packs[BACKUP_OPEN_PACKS];
	unsigned open_next;

	/* Which of objects/xx have new names.  named_all: all, since an interrupted run may have
	 * named some. */
	bool named[256], named_all, packs_named;
	struct backup_costs costs;

	int fresh; /* tmp/fresh: hashes of what was put, except what is in new packs */
	uint64_t fresh_count, new_objects, new_bytes;
	struct { /* packs made since opening */
		uint32_t number;
		size_t objects;
	} * new_packs;
	size_t new_pack_count;
};

/* Puts "PATH/name: " and errno's text into why.  Returns false. */
bool backup_fail(const struct backup_folder *f, const char *name, struct buf *why);
bool backup_sync_dir(struct backup_folder *f, const char *name, struct buf *why);
bool backup_flush_fd(struct backup_folder *f, int fd);
bool backup_write_all(int fd, struct str bytes);
/* Names the files in tmp, so that a pack never holds lists of objects that do not exist. */
bool backup_give_names(struct backup_folder *f, struct buf *why);
/* Flushes the names of new objects. */
bool backup_sync_names(struct backup_folder *f, struct buf *why);
void backup_drop_pending(struct backup_folder *f);
/* Call before the first use of the index. */
bool backup_need_index(struct backup_folder *f, struct buf *why);
void backup_forget_index(struct backup_folder *f);
#endif
