/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_COMMON_SEEN_H
#define IMAP_COMMON_SEEN_H
/*
 * Marking messages read where \Seen is each user's own (store/reader.h): a change of the user's
 * account, which nobody else hears of.
 */
#include "imap/cmd.h"
#include "store/own.h"
#include "store/reader.h"

/*
 * Returns an OWN change that marks uids (taken over) read, or unread, for the user of the login.
 * NULL: the mailbox is not so, and uids was freed.
 */
struct store_change *imap_seen_change(struct imap_cmd *cmd, const struct store_reader *reader,
    roaring_bitmap_t *uids_take, enum store_flag_mode mode);
/* BLOCKING.  Counts for a user in a mailbox of an account, which need not be loaded. */
TS_CHECKED enum ts_err imap_count_own(struct store_account *user, struct store_account *account,
    struct str mailbox, struct store_counters *counters_r);
/* BLOCKING.  Loads what another user has read in a mailbox, with that user's account; both stay
 * NULL if that user has no mail here. */
void imap_load_own_of(struct store *store, struct str user, const struct store_mailbox *mailbox,
    struct store_account **account_r, struct store_own **own_r);
/* A reader of an open mailbox, and of the selected one; valid as long as that. */
struct store_reader imap_open_reader(const struct imap_open *open);
#endif
