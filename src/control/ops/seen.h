/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_OPS_SEEN_H
#define CONTROL_OPS_SEEN_H
/*
 * \Seen of a shared mailbox, where it is each user's own (store/reader.h), for commands that bring
 * or take mail: there it is what the account's owner has read.  All BLOCKING.
 */
#include "store/reader.h"
#include "store/store.h"

/* Submit a change and wait, and then mark what it says is \Seen, if it is kept so there.  The error
 * is also in change->err. */
enum ts_err seen_append(struct store_change *append);
/* REPLACE of flags. */
enum ts_err seen_replace(struct store_change *flags);
/* A user may no longer read the mailbox: what the user has read there is forgotten. */
enum ts_err seen_forget(struct store_mailbox *mailbox, struct str user);
#endif
