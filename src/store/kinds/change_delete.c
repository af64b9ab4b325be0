/* SPDX-License-Identifier: Apache-2.0 */
/* DELETE of a mailbox. */
#include "store/kinds/steps_int.h"

enum ts_err
delete_prepare(struct batch *b, struct store_change *c)
{
	struct store_account *a = c->account;
	enum ts_err err = names_usable(c);
	struct entry *e;

	if (err != TS_OK)
		return err;
	account_tidy_some(a);
	e = names_find(a, c->name);
	if (str_eq(c->name, STR("INBOX")))
		return TS_INVALID;
	if (e == NULL || e->head == NULL)
		return TS_NOT_FOUND;

	struct store_mailbox *mb = e->head;

	names_remove_rows(b, mb);
	tombs_bury(b, a, e, mb->head.uidvalidity);
	names_set_head(b, a, e, NULL);
	b->list[b->list_count - 1].gone = store_mailbox_ref(mb);
	a->head_mailboxes--;
	return TS_OK;
}
