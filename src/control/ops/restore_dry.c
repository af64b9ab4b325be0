/* SPDX-License-Identifier: Apache-2.0 */
/* A restore that changes nothing: these functions check where restore.c would change something. */
#include "control/ops/restore_int.h"

enum ts_err
restore_dry_record(struct writer *w, struct str key)
{
	struct buf value = {0};
	enum ts_err err = store_record_get(w->ops->store, key, &value);

	buf_wipe_fini(&value);
	return err == TS_OK ? TS_EXISTS : err == TS_NOT_FOUND ? TS_OK : err;
}

enum ts_err
restore_dry_account(struct writer *w, struct str name)
{
	enum ts_err err = store_account_load(w->ops->store, name, false, &w->account);

	if (err != TS_OK && err != TS_NOT_FOUND)
		return err;
	properties_dry_begin(&w->properties, store_options_of(w->ops->store), w->account);
	return TS_OK;
}

enum ts_err
restore_dry_mailbox(struct writer *w, struct str name, bool *new_r)
{
	struct store_counters c = {.uidnext = 1};
	enum ts_err err = TS_NOT_FOUND;

	w->properties.more = 0;
	if (w->account != NULL)
		err = store_mailbox_load(w->account, name, &w->mailbox);
	if (err == TS_OK)
		store_mailbox_counters(w->mailbox, &c);
	*new_r = c.messages == 0 && c.uidnext == 1;
	return err == TS_NOT_FOUND ? TS_OK : err;
}
