/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other direction: references without a message.  An account's references
 * are in the order of blobs; a piece at a time is sorted by mailbox and
 * compared with the mailboxes' states.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "store/check/check_int.h"

static int
by_place(const void *a, const void *b)
{
	const struct adopt *x = a, *y = b;

	if (x->mailbox != y->mailbox)
		return x->mailbox < y->mailbox ? -1 : 1;
	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

static bool
still_there(struct check *c, const struct adopt *r)
{
	struct key k;
	struct buf b = {0};

	key_ref(&k, KEY_REF, r->account, r->blob, r->mailbox, r->uid);

	enum ts_err err = engine_get(c->store->engine, key_str(&k), &b);

	buf_fini(&b);
	return err == TS_OK;
}

static void
delete_refs(struct check *c, const struct adopt *r, size_t n)
{
	struct engine_batch *batch = engine_batch_new();
	struct key k;

	for (size_t i = 0; i < n; i++) {
		key_ref(&k, KEY_REF, r[i].account, r[i].blob, r[i].mailbox, r[i].uid);
		engine_batch_delete(batch, key_str(&k));
		key_ref(&k, KEY_QUEUE, r[i].account, r[i].blob, r[i].mailbox, r[i].uid);
		batch_put_empty(batch, &k);
	}
	(void)check_commit(c, batch);
	engine_batch_free(&batch);
}

static bool
row_there(struct check *c, uint64_t account, enum key_kind kind, uint32_t mailbox)
{
	struct key k;
	struct buf b = {0};

	key_begin(&k, account, kind);
	if (kind == KEY_INFO)
		key_be32(&k, mailbox);

	enum ts_err err = engine_get(c->store->engine, key_str(&k), &b);

	buf_fini(&b);
	return err == TS_OK;
}

/* Puts messages back under their UIDs, or under new ones where another message has theirs. */
static enum ts_err
put_back(struct check *c, const struct adopt *lost, size_t n, size_t *taken_r)
{
	struct adopt *list = mem_dup(lost, n * sizeof(*lost));
	enum ts_err err;

	for (size_t i = 0; i < n; i++)
		list[i].uid = lost[i].taken ? 0 : lost[i].uid;
	err = check_adopt(c, lost[0].account, lost[0].mailbox, list, n, taken_r);
	for (size_t i = 0; i < n && err == TS_OK; i++) {
		uint64_t size;

		if (lost[i].taken || (*taken_r < n && engine_blob_size(c->store->engine,
		                                          lost[i].blob, &size) != TS_OK))
			delete_refs(c, &lost[i], 1);
	}
	mem_free(list);
	return err;
}

/* Brings them back into their mailbox, or what is left of it. */
static const char *
bring_back(struct check *c, struct adopt *lost, size_t n)
{
	uint64_t account = lost[0].account;
	uint32_t mailbox = lost[0].mailbox;
	const char *done =
	    "put back under their UIDs; flags are lost, the date is the message's own";
	size_t taken = 0;
	enum ts_err err = TS_OK;

	if (!row_there(c, account, KEY_INFO, mailbox)) {
		struct adopt *moved = mem_dup(lost, n * sizeof(*lost));

		if (!row_there(c, account, KEY_ACCOUNT, 0))
			account = 0;
		done = account != 0 ? "put into \"Lost and found\" of the account"
		                    : "put into \"Lost and found\" of the account lost+found";
		err = check_lost_and_found(c, &account, &mailbox);
		for (size_t i = 0; i < n; i++)
			moved[i].uid = 0;
		if (err == TS_OK)
			err = check_adopt(c, account, mailbox, moved, n, &taken);
		if (err == TS_OK)
			delete_refs(c, lost, n);
		mem_free(moved);
	} else {
		err = put_back(c, lost, n, &taken);
	}
	if (err != TS_OK)
		return NULL;
	return taken < n ? "those whose bytes are there are put back; the others are gone" : done;
}

/* Checks references of one mailbox, in order of UIDs. */
static void
check_group(struct check *c, struct adopt *r, size_t n)
{
	struct looked l = {.account = r[0].account, .mailbox = r[0].mailbox};
	size_t lost = 0;
	enum ts_err err;

	err = check_look(c, &l, false);
	for (size_t i = 0; i < n && (err == TS_OK || err == TS_DAMAGED); i++) {
		const struct record *rec = state_record(l.state, r[i].uid);

		r[i].taken = rec != NULL;
		if (rec == NULL || rec->blob != r[i].blob)
			r[lost++] = r[i];
	}
	if (l.unreadable)
		lost = 0; /* reported already; the messages may be there */
	looked_fini(&l);
	if (lost == 0 || check_job_pending(c, r[0].account, r[0].mailbox))
		return;
	/* If message and reference are both gone by now, they were expunged. */
	for (size_t i = 0, all = lost; i < all; i++) {
		if (i == 0)
			lost = 0;
		if (still_there(c, &r[i]))
			r[lost++] = r[i];
	}
	if (lost == 0)
		return;

	uint32_t first = r[0].uid;
	unsigned long long account = r[0].account;
	unsigned mailbox = r[0].mailbox;

	check_say(c, CHECK_LOST, first, c->opt->repair ? bring_back(c, r, lost) : NULL,
	    "account %llu mailbox %u: %zu messages are referred to and not in the index, the first "
	    "with this UID",
	    account, mailbox, lost);
}

static void
check_piece(struct check *c, struct adopt *r, size_t n)
{
	size_t end;

	if (n == 0)
		return;
	qsort(r, n, sizeof(*r), by_place);
	for (size_t i = 0; i < n; i = end) {
		for (end = i + 1; end < n && r[end].mailbox == r[i].mailbox;)
			end++;
		check_tick(c, "references", c->res->references - n + i, 0);
		check_group(c, r + i, end - i);
	}
}

/* Reads the next piece after *at. */
static enum ts_err
read_refs(struct check *c, struct key *at, uint64_t account, struct adopt *r, size_t *n_r)
{
	struct key end;
	struct scan scan;
	size_t n = 0;
	enum ts_err err = TS_OK;

	key_begin(&end, account, KEY_REF + 1);
	scan_begin_range(&scan, c->store, at, &end);
	while (n < CHECK_CHUNK &&
	       ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0))) {
		struct rd k = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});

		if (scan.key.n != 25)
			continue;
		at->n = 0;
		key_bytes(at, scan.key);
		at->p[at->n++] = 0; /* the first key after it */
		r[n].taken = false;
		r[n].account = account;
		r[n].blob = rd_be64(&k);
		r[n].mailbox = rd_be32(&k);
		r[n++].uid = rd_be32(&k);
	}
	scan_end(&scan);
	*n_r = n;
	return n == CHECK_CHUNK ? TS_OK : err;
}

void
check_references(struct check *c, uint64_t account)
{
	struct adopt *r = c->piece;
	struct key at;
	enum ts_err err;

	key_begin(&at, account, KEY_REF);
	do {
		size_t n = 0;

		err = read_refs(c, &at, account, r, &n);
		c->res->references += n;
		check_piece(c, r, n);
	} while (err == TS_OK);
	if (err != TS_NOT_FOUND)
		check_say(c, CHECK_TABLE, 0, NULL, "the references cannot all be read: %s",
		    ts_err_name(err));
}
