/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_UPKEEP_UPKEEP_INT_H
#define STORE_UPKEEP_UPKEEP_INT_H
/*
 * Upkeep: what nobody waits for.
 *
 *   background.c  the thread that works off what was asked for (core/asked.c)
 *   fold.c        change records into index blocks
 *   compact.c     compact rows for sorting and threading
 *   own.c         users' own \Seen of mailboxes that are gone
 *   purge.c       contents of what was deleted
 *   collect.c     blobs that nobody has any more
 *   settle.c      claims whose accounts had their messages, or never will
 *   migrate.c     a store of an older format becomes one of the newest
 *
 * It promises that each step may be cut off anywhere and done again, and that
 * nothing that a change depends on is written here: its commits go past the
 * lanes.  It calls all parts but check and open.
 */
#include "store/kinds/kinds_int.h"
#include "store/read/read_int.h"

/* background.c */
void background_start(struct store *store);
/* Ends the thread; lanes may still ask for work.  Then they end, then fini. */
void background_stop(struct store *store);
void background_fini(struct store *store);

/* fold.c, BLOCKING */
enum ts_err fold_mailbox(struct store_mailbox *mailbox);

/* compact.c.  Does any job wait?  bg.mutex is held. */
bool compact_waits(const struct background *bg);
/* BLOCKING.  A piece of the first one. */
enum ts_err compact_step(struct store *store);
void compact_fini(struct background *bg);

/* own.c, BLOCKING.  Rows of the account that are of no mailbox any more go. */
enum ts_err own_sweep(struct store *store, uint64_t account);

/* purge.c, BLOCKING; *more_r: call again.  What an account has to remove. */
enum ts_err purge_step(struct store *store, uint64_t account, bool *more_r);
/* An account that is removed altogether; *account_r: it is this one's queue that has to be worked
 * through before, 0: none. */
enum ts_err dropped_step(struct store *store, bool *more_r, uint64_t *account_r);
/* A piece of the way through all accounts, after the start: which of them have something to do? */
enum ts_err sweep_step(struct store *store, bool *more_r);

/* collect.c, BLOCKING.  Some of the account's queue; *passed_r: something in it is held. */
enum ts_err collect_step(struct store *store, uint64_t account, bool *more_r, bool *passed_r);
enum ts_err collect_orphans(struct store *store);
enum ts_err collect_dropped(struct store *store, const struct blob_drop *drop);

/* settle.c, BLOCKING.  What becomes of a claim: into the batch of account 0.  *wait_r: not yet,
 * somebody has a handle on the bytes. */
enum ts_err claim_settle(
    struct store *store, uint64_t blob, uint64_t account, struct engine_batch *batch, bool *wait_r);
/* Claims of the last run. */
enum ts_err claims_recover(struct store *store);

/* migrate.c, BLOCKING.  Brings a store of this version, or one that an earlier try left, to the
 * newest.  On failure *text_r (malloc'ed) says what to do. */
enum ts_err migrate(struct store *store, uint32_t version, char **text_r);
#endif
