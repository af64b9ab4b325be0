/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_KINDS_KINDS_INT_H
#define STORE_KINDS_KINDS_INT_H
/*
 * The kinds of change.
 *
 *   kinds.c         the table: what each kind does at each step of its way
 *   change_NAME.c   a kind, or several that belong together: all of their steps
 *   gather.c, names.c, tombs.c   what several of them need
 *   cross_left.c    transfers between accounts that a crash cut off
 *
 * A new kind is a file change_NAME.c, a number in an enum (store.h, or batch_int.h
 * for one that only the store makes), and a row.
 *
 * It promises that what can be refused is refused before the first row is put.  It
 * calls change, which calls it by the table only, and read, memory, core and disk.
 */
#include "store/change/change_int.h"

/* tombs.c, BLOCKING.  Of a store of format 1: accounts with too many lose some. */
enum ts_err tombs_migrate(struct store *store);

/*
 * change_cross.c.  Who takes holders and claims of an account away keeps transfers into it off,
 * from before the look at its references until that is on disk: a transfer puts them again, and
 * they may be there already.  One that begins meanwhile goes on when it is let in.  False: messages
 * are on their way into the account, and what it has stays; the background is woken when they have
 * come.  One account at a time.
 */
bool cross_keep_off(struct store *store, uint64_t account);
void cross_let_in(struct store *store);
/* cross_left.c, BLOCKING.  Finishes or undoes what a crash, or a failed flush, left. */
enum ts_err cross_recover(struct store *store);
#endif
