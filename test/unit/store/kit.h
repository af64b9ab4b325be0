/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_STORE_KIT_H
#define TEST_STORE_KIT_H
/*
 * What the store's tests share: a store on the mem engine, with or without lanes, and changes that
 * are submitted and waited for.
 */
#include "net/loop.h"
#include "net/work.h"
#include "store/engine/mem/mem.h"
#include "store/store.h"

struct kit {
	struct engine_mem_disk *disk; /* NULL with another engine */
	char path[32];                /* for another engine; removed at the end */
	struct store_options opt;
	struct store *store;
	struct loop *loop;
	struct work_pool *pool; /* 0 threads */
	struct store_account *account;
	struct store_mailbox *inbox;
};

/* A hook for the mem engine that fails the test if a batch has keys of more than one account.  With
 * lanes 0, where a batch has only one change, the kit sets it whenever it opens a store. */
enum ts_err kit_one_account(const struct engine_batch *batch, void *arg);

/* Opens a store with account "ada" on a new disk; lanes 0: everything on a fake loop.  Set engine,
 * fold_after, blob_threshold and own_seen in kit->opt before if needed. */
void kit_open(struct kit *kit, unsigned lanes);
/* The same on an image of the disk, or on another disk (taken over). */
void kit_crash(struct kit *kit);
void kit_on(struct kit *kit, struct engine_mem_disk *disk_take);
void kit_reopen(struct kit *kit); /* closes properly first */
void kit_close(struct kit *kit);
void kit_shut(struct kit *kit); /* closes, keeps the disk */

struct store_mailbox *kit_mailbox(struct store_account *account, const char *name);
/* The INBOX of that account, which is made if missing. */
struct store_mailbox *kit_inbox_of(struct kit *kit, const char *account);
/* A finished upload of that text. */
struct store_upload *kit_upload(struct kit *kit, struct str text);
/* The same of a message that had these ids elsewhere; NULL: none. */
struct store_upload *kit_upload_restored(
    struct kit *kit, struct str text, const struct store_message_ids *ids);
struct store_change *kit_change(struct kit *kit, enum store_change_kind kind);
/* Submits, waits, frees if c_r is NULL; returns the error. */
/* Copies what the change refers to, as store_submit() requires. */
void kit_own(struct store_change *c);
enum ts_err kit_run(struct kit *kit, struct store_change **c);
enum ts_err kit_end(struct kit *kit, struct store_change *c);

uint32_t kit_append(struct kit *kit, struct store_mailbox *mb, const char *text, unsigned flags);
/* Takes over the upload, which may be a handle (store_upload_share()). */
enum ts_err kit_append_upload(
    struct kit *kit, struct store_mailbox *mb, struct store_upload *upload);
enum ts_err kit_flags(struct kit *kit, struct store_mailbox *mb, uint32_t from, uint32_t to,
    enum store_flag_mode mode, unsigned flags, const char *keyword);
enum ts_err kit_expunge(struct kit *kit, struct store_mailbox *mb);
enum ts_err kit_name(
    struct kit *kit, enum store_change_kind kind, const char *name, const char *to);
enum ts_err kit_move(struct kit *kit, enum store_change_kind kind, struct store_mailbox *source,
    struct store_mailbox *target, uint32_t from, uint32_t to);
/* For an existing mailbox. */
uint32_t kit_uidvalidity(const struct kit *kit, const char *name);
/* Claims \Recent, or only reads the mark. */
uint32_t kit_claim(struct store_mailbox *mb);
uint32_t kit_recent_mark(const struct store_mailbox *mb);
roaring_bitmap_t *kit_range(uint32_t from, uint32_t to);
/* "1:S 2:SF 4:[keyword]" … for all messages. */
void kit_show(struct store_mailbox *mb, struct buf *out);
void kit_expect(struct store_mailbox *mb, const char *text);
/* Asserts that the check finds nothing. */
void kit_assert_sound(struct store *store);
/* The number of files on the disk, seen through a second engine on an image; mem only. */
unsigned kit_files(struct kit *kit);
#endif
