/* SPDX-License-Identifier: Apache-2.0 */
/* Names, and rows with several writers. */
#include "store/disk/disk_int.h"

bool
account_name_ok(struct str name)
{
	return name.n > 0 && name.n <= STORE_NAME_MAX && str_is_utf8(name) &&
	       memchr(name.p, 0, name.n) == NULL;
}

bool
mailbox_name_ok(struct str name)
{
	struct str rest = name, part;

	if (name.n == 0 || name.n > STORE_NAME_MAX || !str_is_utf8(name))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
			return false;
	if (name.p[name.n - 1] == '/')
		return false;
	while (str_split(&rest, '/', &part))
		if (part.n == 0)
			return false;
	return true;
}

static void
put_new_row(
    uint64_t id, struct str name, int64_t now, uint32_t mailboxes, struct engine_batch *batch)
{
	uint32_t uidvalidity = now > 0 ? (uint32_t)now : 1;
	struct key k;
	struct buf b = {0};

	key_begin(&k, id, KEY_ACCOUNT);
	value_begin(&b);
	buf_le32(&b, mailboxes + 1);
	buf_le32(&b, uidvalidity + mailboxes - 1);
	buf_le64(&b, (uint64_t)now);
	buf_str(&b, name);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

/* Puts a mailbox of a new account.  Numbers start at 1. */
static void
put_new_mailbox(uint64_t id, uint32_t number, const struct store_default *mailbox, int64_t now,
    struct engine_batch *batch)
{
	struct counters_row counters = {.uidnext = 1, .modseq = 1};
	uint32_t uidvalidity = (now > 0 ? (uint32_t)now : 1) + number - 1;
	struct key k;
	struct buf b = {0};

	key_begin(&k, id, KEY_COUNTERS);
	key_be32(&k, number);
	value_begin(&b);
	value_put_counters(&b, &counters);
	batch_put_value(batch, &k, &b);

	key_begin(&k, id, KEY_INFO);
	key_be32(&k, number);
	value_begin(&b);
	buf_le32(&b, uidvalidity);
	buf_le32(&b, mailbox->use);
	buf_le64(&b, (uint64_t)now);
	buf_str(&b, mailbox->name);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

void
account_put_name(uint64_t id, struct str name, struct engine_batch *batch)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, 0, KEY_NAME);
	key_bytes(&k, name);
	value_begin(&b);
	buf_le64(&b, id);
	batch_put_value(batch, &k, &b);
	buf_fini(&b);
}

void
account_put_new(uint64_t id, struct str name, int64_t now, const struct store_default *more,
    size_t n, struct engine_batch *batch)
{
	static const struct store_default inbox = {{"INBOX", 5}, 0};
	struct key k;

	put_new_row(id, name, now, (uint32_t)n + 1, batch);
	put_new_mailbox(id, 1, &inbox, now, batch);
	for (size_t i = 0; i < n; i++) {
		put_new_mailbox(id, (uint32_t)i + 2, &more[i], now, batch);
		key_begin(&k, id, KEY_SUBSCRIBED);
		key_bytes(&k, more[i].name);
		batch_put_empty(batch, &k);
	}
}

void
usage_change(struct store_usage *u, const struct counters_row *old, const struct counters_row *now)
{
	u->messages += (uint64_t)now->messages - old->messages;
	u->bytes += now->size - old->size;
	u->deleted += (uint64_t)now->deleted - old->deleted;
	u->deleted_bytes += now->deleted_size - old->deleted_size;
}
