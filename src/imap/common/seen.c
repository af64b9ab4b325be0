/* SPDX-License-Identifier: Apache-2.0 */
/* See seen.h. */
#include "imap/common/seen.h"

#include "imap/place/place.h"

static void
unref_own(void *arg)
{
	struct store_own *own = arg;

	store_own_unref(&own);
}

struct store_change *
imap_seen_change(struct imap_cmd *cmd, const struct store_reader *reader,
    roaring_bitmap_t *uids_take, enum store_flag_mode mode)
{
	struct store_own *own = store_reader_own(reader);
	struct store_change *change;
	struct imap_place user;

	if (own == NULL) {
		roaring_bitmap_free(uids_take);
		return NULL;
	}
	arena_on_free(cmd->arena, unref_own, own);
	imap_place_own(imap_login(cmd->conn), STR_NONE, &user);
	change = store_change_new(user.account, STORE_CHANGE_OWN, cmd->conn->il->loop, NULL, NULL);
	change->own = own;
	change->own_kind = STORE_OWN_MARK;
	change->source = reader->mailbox;
	change->mode = mode;
	change->uids = uids_take;
	return change;
}

enum ts_err
imap_count_own(struct store_account *user, struct store_account *account, struct str mailbox,
    struct store_counters *counters_r)
{
	struct store_reader reader = {.own = NULL};
	enum ts_err err = store_mailbox_load(account, mailbox, &reader.mailbox);

	if (err != TS_OK)
		return err;
	if (user != account && store_mailbox_has_own(reader.mailbox))
		err = store_own_load(
		    user, store_account_id(account), store_mailbox_id(reader.mailbox), &reader.own);
	if (err == TS_OK) {
		store_reader_begin(&reader);
		store_reader_counters(&reader, counters_r);
		store_reader_end(&reader);
	}
	store_own_unref(&reader.own);
	store_mailbox_unref(&reader.mailbox);
	return err;
}

void
imap_load_own_of(struct store *store, struct str user, const struct store_mailbox *mailbox,
    struct store_account **account_r, struct store_own **own_r)
{
	*own_r = NULL;
	if (store_account_load(store, user, false, account_r) == TS_OK &&
	    store_own_load(*account_r, store_account_id(store_mailbox_account(mailbox)),
	        store_mailbox_id(mailbox), own_r) != TS_OK)
		*own_r = NULL;
}

struct store_reader
imap_open_reader(const struct imap_open *open)
{
	return (struct store_reader){.mailbox = open->mailbox, .own = open->own};
}
