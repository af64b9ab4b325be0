/* SPDX-License-Identifier: Apache-2.0 */
/* See status.h. */
#include "imap/common/status.h"

#include "imap/hide.h"

static bool
has_item(const struct imap_status_items *items, const struct imap_status_item *item)
{
	for (size_t i = 0; i < items->n; i++)
		if (items->v[i] == item)
			return true;
	return false;
}

/* An item that is requested twice is sent once. */
static bool
add_item(struct imap_cmd *cmd, struct str name, struct imap_status_items *items)
{
	const struct imap_status_item *item =
	    imap_shown(cmd->conn, imap_registry_status_item(&cmd->conn->server->reg, name));

	if (item != NULL && !has_item(items, item))
		items->v[items->n++] = item;
	return item != NULL;
}

bool
imap_status_find(
    struct imap_cmd *cmd, const struct wire_status_items *asked, struct imap_status_items *items_r)
{
	const unsigned size = 1u << WIRE_STATUS_SIZE; /* wire knows it, we do not */

	*items_r = (struct imap_status_items){.mask = asked->mask & ~size};
	items_r->v = arena_array(cmd->arena, asked->other.n + 1, sizeof(*items_r->v));
	if ((asked->mask & size) != 0 && !add_item(cmd, STR("SIZE"), items_r))
		return false;
	for (size_t i = 0; i < asked->other.n; i++)
		if (!add_item(cmd, asked->other.v[i], items_r))
			return false;
	for (size_t i = 0; i < items_r->n; i++)
		if (items_r->v[i]->asked != NULL)
			items_r->v[i]->asked(cmd->conn);
	return true;
}

bool
imap_status_is_own(const struct imap_status_items *items)
{
	const unsigned own = 1u << WIRE_STATUS_UNSEEN | 1u << WIRE_STATUS_RECENT;

	for (size_t i = 0; i < items->n; i++)
		if (items->v[i]->own)
			return true;
	return (items->mask & own) != 0;
}

static struct wire_status_values
values_of(unsigned mask, const struct store_counters *c)
{
	struct wire_status_values v = {.mask = mask};

	v.v[WIRE_STATUS_MESSAGES] = c->messages;
	v.v[WIRE_STATUS_RECENT] = c->recent;
	v.v[WIRE_STATUS_UIDNEXT] = c->uidnext;
	v.v[WIRE_STATUS_UIDVALIDITY] = c->uidvalidity;
	v.v[WIRE_STATUS_UNSEEN] = c->unseen;
	v.v[WIRE_STATUS_DELETED] = c->deleted;
	return v;
}

void
imap_status_print(struct imap_conn *conn, struct str name, const struct store_account *account,
    const struct store_mailbox_info *mailbox, const struct imap_status_items *items)
{
	struct wire_status_values values = values_of(items->mask, &mailbox->counters);
	struct buf other = {0};

	for (size_t i = 0; i < items->n; i++) {
		wire_out_status_other(&other, items->v[i]->name);
		items->v[i]->print(conn, account, mailbox, &other);
	}
	wire_out_status(imap_out(conn), imap_dialect(conn), name, &values, buf_as_str(&other));
	buf_fini(&other);
}
