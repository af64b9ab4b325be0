/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of messages; server-wide records. */
#include "base/log.h"
#include "store/read/read_int.h"

/* Gets the text after the first n bytes of a row, all of which must be there. */
static void
row_text(struct store *store, const struct key *k, size_t n, struct buf *out)
{
	struct buf b = {0};
	struct str body = STR_NONE;

	if (store_get(store, k, &b, &body) == TS_OK && body.n > n)
		buf_put(out, body.p + n, body.n - n);
	buf_fini(&b);
}

/* Finds the message that refers to the blob in the account. */
static bool
find_reference(
    struct store *store, uint64_t account, uint64_t blob, uint32_t *mailbox_r, uint32_t *uid_r)
{
	struct key k;
	struct scan scan;
	bool found;

	key_begin(&k, account, KEY_REF);
	key_be64(&k, blob);
	scan_begin(&scan, store, &k);
	found = scan_next(&scan) == TS_OK && scan.key.n == 25;
	if (found) {
		struct rd r = rd_of((struct str){scan.key.p + 17, 8});

		*mailbox_r = rd_be32(&r);
		*uid_r = rd_be32(&r);
	}
	scan_end(&scan);
	return found;
}

/*
 * Bytes cannot be read: log whose message it is.  The engine knows ids only, and a reference is
 * under its account, so this looks into every account; damage is worth that.  Without a reference
 * the message was expunged meanwhile, and there is no damage.
 */
static void
tell_whose(struct store *store, uint64_t blob, enum ts_err why)
{
	struct buf account_name = {0}, mailbox_name = {0};
	uint32_t mailbox = 0, uid = 0;
	uint64_t account = 0;
	bool found = false;
	struct key k;

	while (!found && account_next(store, account, &account) == TS_OK)
		found = find_reference(store, account, blob, &mailbox, &uid);
	if (!found)
		return;
	key_begin(&k, account, KEY_ACCOUNT);
	row_text(store, &k, 16, &account_name);
	key_begin(&k, account, KEY_INFO);
	key_be32(&k, mailbox);
	row_text(store, &k, 16, &mailbox_name);
	log_msg(LOG_ERROR, NULL,
	    "the bytes of a message are %s: user %s, mailbox %s (number %u), UID %u, blob "
	    "%016llx; see turnstone check",
	    why == TS_NOT_FOUND ? "gone" : "damaged", buf_cstr(&account_name),
	    buf_cstr(&mailbox_name), mailbox, uid, (unsigned long long)blob);
	buf_fini(&account_name);
	buf_fini(&mailbox_name);
}

enum ts_err
store_read_blob(struct store *store, uint64_t blob, uint64_t off, uint64_t len, struct buf *out)
{
	enum ts_err err = engine_blob_read(store->engine, blob, off, len, out);

	if (err == TS_NOT_FOUND || err == TS_DAMAGED)
		tell_whose(store, blob, err);
	return err;
}

enum ts_err
store_record_get(struct store *store, struct str key, struct buf *value)
{
	struct key k;
	struct buf b = {0};
	struct str body = STR_NONE;

	if (key.n > STORE_NAME_MAX)
		return TS_NOT_FOUND;
	key_begin(&k, 0, KEY_RECORD);
	key_bytes(&k, key);

	enum ts_err err = store_get(store, &k, &b, &body);

	if (err == TS_OK)
		buf_str(value, body);
	buf_fini(&b);
	return err;
}

enum ts_err
store_record_list(struct store *store, struct str prefix,
    bool (*fn)(struct str key, struct str value, void *arg), void *arg)
{
	struct key k;
	struct scan scan;
	enum ts_err err;

	if (prefix.n > STORE_NAME_MAX)
		return TS_OK;
	key_begin(&k, 0, KEY_RECORD);
	key_bytes(&k, prefix);
	scan_begin(&scan, store, &k);
	while ((err = scan_next(&scan)) == TS_OK)
		if (!fn((struct str){scan.key.p + 9, scan.key.n - 9}, scan.body, arg))
			break;
	scan_end(&scan);
	return err == TS_NOT_FOUND ? TS_OK : err;
}
