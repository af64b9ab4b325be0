/* SPDX-License-Identifier: Apache-2.0 */
/* The index of what is shared with whom: see shares.h. */
#include "store/shares.h"

#include "store/read/read_int.h"

bool
store_shares_any(const struct store *store)
{
	return atomic_load((_Atomic bool *)(uintptr_t)&store->shares_any);
}

enum ts_err
shares_open(struct store *store)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	key_begin(&k, 0, KEY_SHARED_WITH);
	scan_begin(&scan, store, &k);
	err = scan_next(&scan);
	atomic_store(&store->shares_any, err == TS_OK || err == TS_DAMAGED);
	scan_end(&scan);
	return err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

struct str
shares_identifier(struct str name)
{
	struct str who = {
	    name.p + sizeof(STORE_SHARE_PREFIX) - 1, name.n - (sizeof(STORE_SHARE_PREFIX) - 1)};

	if (!str_has_prefix(name, STR(STORE_SHARE_PREFIX)))
		return STR_NONE;
	if (who.n > 0 && who.p[0] == '-')
		who = (struct str){who.p + 1, who.n - 1};
	return who.n > 0 && memchr(who.p, '\0', who.n) == NULL ? who : STR_NONE;
}

static bool
fits(struct str identifier)
{
	return identifier.n > 0 && identifier.n <= STORE_NAME_MAX &&
	       memchr(identifier.p, '\0', identifier.n) == NULL;
}

/* The last twelve bytes of a key. */
static void
take_ids(struct str key, uint64_t *account_r, uint32_t *mailbox_r)
{
	struct rd r = rd_of((struct str){key.p + key.n - 12, 12});

	*account_r = rd_be64(&r);
	*mailbox_r = rd_be32(&r);
}

enum ts_err
store_shares_list(struct store *store, struct str identifier,
    bool (*fn)(uint64_t account, uint32_t mailbox, void *arg), void *arg)
{
	struct key k;
	struct scan scan;
	uint64_t account;
	uint32_t mailbox;
	enum ts_err err;

	block_here("store_shares_list");
	if (!fits(identifier))
		return TS_OK;
	key_shared_prefix(&k, identifier);
	scan_begin(&scan, store, &k);
	/* A damaged value is a row all the same: the key says everything. */
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0)) {
		if (scan.key.n != k.n + 12)
			continue;
		take_ids(scan.key, &account, &mailbox);
		if (!fn(account, mailbox, arg))
			break;
	}
	scan_end(&scan);
	return err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

enum ts_err
store_shares_has(struct store *store, struct str identifier, uint64_t account, bool *has)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	block_here("store_shares_has");
	if (!fits(identifier))
		return TS_OK;
	key_shared_prefix(&k, identifier);
	key_be64(&k, account);
	scan_begin(&scan, store, &k);
	err = scan_next(&scan);
	if (err == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))
		*has = true;
	scan_end(&scan);
	return err == TS_NOT_FOUND || err == TS_DAMAGED ? TS_OK : err;
}

enum ts_err
store_account_id_of(struct store *store, struct str name, uint64_t *id_r)
{
	block_here("store_account_id_of");
	return account_id(store, name, id_r);
}

enum ts_err
store_shares_load(
    struct store *store, struct str identifier, uint64_t account, struct store_account **account_r)
{
	struct buf name = {0};
	struct key k;
	struct scan scan;
	enum ts_err err;

	block_here("store_shares_load");
	*account_r = NULL;
	if (!fits(identifier))
		return TS_NOT_FOUND;
	key_shared_prefix(&k, identifier);
	key_be64(&k, account);
	scan_begin(&scan, store, &k);
	err = scan_next(&scan);
	if (err == TS_OK)
		buf_str(&name, scan.body);
	scan_end(&scan);
	if (err == TS_OK)
		err = store_account_load(store, buf_as_str(&name), false, account_r);
	buf_fini(&name);
	/* A name that was given anew belongs to another account. */
	if (err == TS_OK && (*account_r)->id != account) {
		store_account_unref(account_r);
		err = TS_NOT_FOUND;
	}
	return err;
}
