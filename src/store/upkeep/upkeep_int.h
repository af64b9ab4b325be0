/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_UPKEEP_UPKEEP_INT_H
#define STORE_UPKEEP_UPKEEP_INT_H
/*
 * Upkeep: work that nobody waits for.
 *
 *   background.c  the thread that works off requests (core/asked.c)
 *   fold.c        turns change records into index blocks
 *   compact.c     compact rows for sorting and threading
 *   own.c         users' own \Seen of mailboxes that are gone
 *   purge.c       contents of what was deleted
 *   collect.c     frees blobs that nobody has any more
 *   settle.c      claims whose accounts have their messages, or never will
 *   migrate.c     brings a store of an older format to the newest
 *
 * It promises that each step may be interrupted anywhere and repeated, and that
 * it writes nothing that a change depends on: its commits bypass the lanes.  It
 * calls all parts except check and open.
 */
#include "store/kinds/kinds_int.h"
#include "store/read/read_int.h"

/* background.c */
void background_start(struct store *store);
/* Ends the thread; lanes may still make requests.  Call it before the lanes end, and fini after. */
void background_stop(struct store *store);
void background_fini(struct store *store);

/* fold.c, BLOCKING */
enum ts_err fold_mailbox(struct store_mailbox *mailbox);

/* compact.c.  Returns whether any job waits.  Needs bg.mutex. */
bool compact_waits(const struct background *bg);
/* BLOCKING.  Does a piece of the first job. */
enum ts_err compact_step(struct store *store);
void compact_fini(struct background *bg);

/* own.c, BLOCKING.  Removes the account's rows whose mailboxes no longer exist. */
enum ts_err own_sweep(struct store *store, uint64_t account);
/* shares.c, BLOCKING.  Puts rows of the index that the account lacks; removes those of what is
 * gone. */
enum ts_err shares_sweep(struct store *store, uint64_t account);
enum ts_err shares_sweep_rows(struct store *store);

/* purge.c, BLOCKING.  Does what an account has to remove; *more_r: call again. */
enum ts_err purge_step(struct store *store, uint64_t account, bool *more_r);
/* Removes a whole account; *account_r: work off the queue of this one first, 0: none. */
enum ts_err dropped_step(struct store *store, bool *more_r, uint64_t *account_r);
/* Goes through a piece of all accounts after the start, to find those with work. */
enum ts_err sweep_step(struct store *store, bool *more_r);

/* collect.c, BLOCKING.  Works off some of the account's queue; *passed_r: something in it is
 * held. */
enum ts_err collect_step(struct store *store, uint64_t account, bool *more_r, bool *passed_r);
enum ts_err collect_orphans(struct store *store);
enum ts_err collect_dropped(struct store *store, const struct blob_drop *drop);

/* settle.c, BLOCKING.  Settles a claim in a batch of account 0.  *wait_r: not yet, somebody has a
 * handle on the bytes. */
enum ts_err claim_settle(
    struct store *store, uint64_t blob, uint64_t account, struct engine_batch *batch, bool *wait_r);
/* Settles the claims of the last run. */
enum ts_err claims_recover(struct store *store);

/* migrate.c, BLOCKING.  Brings a store of this version, or one left by an earlier attempt, to the
 * newest.  On failure *text_r (malloc'ed) says what to do. */
enum ts_err migrate(struct store *store, uint32_t version, char **text_r);
#endif
