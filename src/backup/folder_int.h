/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BACKUP_FOLDER_INT_H
#define BACKUP_FOLDER_INT_H
/* What folder.c and object.c share. */
#include <openssl/evp.h>

#include "backup/folder.h"

/* So many objects are flushed together: the first flush does most of the work of all. */
#define BACKUP_PENDING 64

struct backup_pending {
	int fd;
	unsigned number; /* of the name in tmp */
	struct backup_hash hash;
};

struct backup_folder {
	char *path;
	int fd, lock;
	bool distrust;
	unsigned next; /* for names in tmp */

	bool putting;
	int put_fd; /* the object being written; -1: it is in put_bytes */
	struct buf put_bytes;
	unsigned put_number;
	uint64_t put_size;
	EVP_MD_CTX *put_sum;

	struct backup_pending
	    pending[BACKUP_PENDING]; /* written, not flushed, without their names */
	size_t pending_count;

	/* Which of objects/xx have new names; all: a run that was cut off gave some, too. */
	bool named[256], named_all;
	struct backup_costs costs;

	int fresh; /* tmp/fresh: hashes of all that was put */
	uint64_t fresh_count, new_objects, new_bytes;
};

/* Puts "PATH/name: " and errno's text; gives false. */
bool backup_fail(const struct backup_folder *f, const char *name, struct buf *why);
bool backup_sync_dir(struct backup_folder *f, const char *name, struct buf *why);
bool backup_flush_fd(struct backup_folder *f, int fd);
/* Flushes the names of new objects. */
bool backup_sync_names(struct backup_folder *f, struct buf *why);
void backup_drop_pending(struct backup_folder *f);
#endif
