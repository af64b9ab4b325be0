/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_STORE_KIT_H
#define TEST_STORE_KIT_H
/*
 * What the tests of the store share: a store on the mem engine, with lanes or
 * without, and changes that are submitted and waited for.
 */
#include "net/loop.h"
#include "net/work.h"
#include "store/engine/mem/mem.h"
#include "store/store.h"

struct kit {
	struct engine_mem_disk *disk; /* NULL on another engine */
	char path[32];                /* of another engine; removed at the end */
	struct store_options opt;
	struct store *store;
	struct loop *loop;
	struct work_pool *pool; /* 0 threads */
	struct store_account *account;
	struct store_mailbox *inbox;
};

/* A hook of the mem engine that fails the test when a batch has keys of more than one account. With
 * lanes 0, where a batch has one change only, the kit sets it whenever it opens a store. */
enum ts_err kit_one_account(const struct engine_batch *batch, void *arg);

/* Opens a store with account "ada" on a new disk; lanes 0: everything on a fake loop.  Of kit->opt
 * engine, fold_after and blob_threshold may be set before. */
void kit_open(struct kit *kit, unsigned lanes);
/* The same on an image of the disk, or another one (taken). */
void kit_crash(struct kit *kit);
void kit_on(struct kit *kit, struct engine_mem_disk *disk_take);
void kit_reopen(struct kit *kit); /* closes properly first */
void kit_close(struct kit *kit);
void kit_shut(struct kit *kit); /* closes, keeps the disk */

struct store_mailbox *kit_mailbox(struct store_account *account, const char *name);
/* The INBOX of that account, which is made when there is none. */
struct store_mailbox *kit_inbox_of(struct kit *kit, const char *account);
/* A finished upload of that text. */
struct store_upload *kit_upload(struct kit *kit, struct str text);
struct store_change *kit_change(struct kit *kit, enum store_change_kind kind);
/* Submits, waits, frees when c_r is NULL; gives the error. */
/* What it refers to becomes its own, as store_submit() wants it. */
void kit_own(struct store_change *c);
enum ts_err kit_run(struct kit *kit, struct store_change **c);
enum ts_err kit_end(struct kit *kit, struct store_change *c);

uint32_t kit_append(struct kit *kit, struct store_mailbox *mb, const char *text, unsigned flags);
/* Takes the upload, which may be a handle of one (store_upload_share()). */
enum ts_err kit_append_upload(
    struct kit *kit, struct store_mailbox *mb, struct store_upload *upload);
enum ts_err kit_flags(struct kit *kit, struct store_mailbox *mb, uint32_t from, uint32_t to,
    enum store_flag_mode mode, unsigned flags, const char *keyword);
enum ts_err kit_expunge(struct kit *kit, struct store_mailbox *mb);
enum ts_err kit_name(
    struct kit *kit, enum store_change_kind kind, const char *name, const char *to);
enum ts_err kit_move(struct kit *kit, enum store_change_kind kind, struct store_mailbox *source,
    struct store_mailbox *target, uint32_t from, uint32_t to);
/* Of a mailbox that is there. */
uint32_t kit_uidvalidity(const struct kit *kit, const char *name);
/* Claims \Recent, or only looks at the mark. */
uint32_t kit_claim(struct store_mailbox *mb);
uint32_t kit_recent_mark(const struct store_mailbox *mb);
roaring_bitmap_t *kit_range(uint32_t from, uint32_t to);
/* "1:S 2:SF 4:[keyword]" … of all messages. */
void kit_show(struct store_mailbox *mb, struct buf *out);
void kit_expect(struct store_mailbox *mb, const char *text);
/* The check finds nothing. */
void kit_assert_sound(struct store *store);
/* Files that the disk has, seen through a second engine on an image; mem only. */
unsigned kit_files(struct kit *kit);
#endif
