/* SPDX-License-Identifier: Apache-2.0 */
/* Summaries, from disk. */
#include "store/read/read_int.h"

static void
summary_key(struct key *k, const struct store_mailbox *mb, uint32_t uid)
{
	key_index(k, mb->account->id, mb->id, KEY_SUMMARY);
	key_be32(k, uid);
}

static uint32_t
uid_of_key(struct str key)
{
	struct rd r = rd_of((struct str){key.p + 14, key.n - 14});

	return rd_be32(&r);
}

/* For when most UIDs of the range are wanted: reads them in one scan.  Returns how many were passed
 * to fn. */
static size_t
summaries_by_scan(struct store_mailbox *mb, const uint32_t *uids, size_t n,
    bool (*fn)(uint32_t, enum ts_err, struct str, void *), void *arg)
{
	struct key from, end;
	struct scan scan;
	size_t i = 0;
	bool go = true;
	enum ts_err err;

	summary_key(&from, mb, uids[0]);
	summary_key(&end, mb, uids[n - 1]);
	end.p[end.n++] = 0; /* the first key after it */
	scan_begin_range(&scan, mb->account->store, &from, &end);
	while (go && i < n &&
	       ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))) {
		uint32_t uid = uid_of_key(scan.key);

		while (go && i < n && uids[i] < uid)
			go = fn(uids[i++], TS_NOT_FOUND, STR_NONE, arg);
		if (go && i < n && uids[i] == uid)
			go = fn(uids[i++], err, err == TS_OK ? scan.body : STR_NONE, arg);
	}
	scan_end(&scan);
	return go ? i : n;
}

void
store_read_summaries(struct store_mailbox *mb, const uint32_t *uids, size_t n,
    bool (*fn)(uint32_t uid, enum ts_err err, struct str summary, void *arg), void *arg)
{
	struct buf value = {0};
	size_t i = 0;

	block_here("store_read_summaries");
	if (n > 4 && uids[n - 1] - uids[0] < 8 * n)
		i = summaries_by_scan(mb, uids, n, fn, arg);
	for (; i < n; i++) {
		struct key k;
		struct str body = STR_NONE;

		summary_key(&k, mb, uids[i]);

		enum ts_err err = store_get(mb->account->store, &k, &value, &body);

		if (!fn(uids[i], err, err == TS_OK ? body : STR_NONE, arg))
			break;
	}
	buf_fini(&value);
}
