/* SPDX-License-Identifier: Apache-2.0 */
/* Object ids that mailboxes have stored: each has the form of one, and no other mailbox of the
 * account has it.  In a repair such a mailbox gets the id of its number. */
#include "base/mem.h"
#include "store/check/check_int.h"

struct boxed {
	char id[STORE_OBJECT_ID];
	bool stored;
	uint32_t mailbox;
};

struct boxes {
	struct boxed *one; /* in the order of mailboxes, then of ids */
	size_t n, stored;
};

static void
drop(struct check *c, uint64_t account, uint32_t mailbox, struct engine_batch *fix)
{
	struct key k;

	if (!c->opt->repair)
		return;
	property_key(&k, account, mailbox, STR(STORE_OBJECT_ID_PROPERTY));
	engine_batch_delete(fix, key_str(&k));
}

static void
add_mailbox(struct check *c, uint64_t account, struct boxes *b, uint32_t mailbox)
{
	if ((b->n & (b->n + 1)) == 0)
		b->one = mem_realloc(b->one, (2 * b->n + 2) * sizeof(*b->one));
	b->one[b->n] = (struct boxed){.mailbox = mailbox};
	(void)store_other_object_id(store_own_id(c->store), account, mailbox, b->one[b->n++].id);
}

static int
by_mailbox(const void *a, const void *b)
{
	const struct boxed *x = a, *y = b;

	return (x->mailbox > y->mailbox) - (x->mailbox < y->mailbox);
}

static void
take_stored(struct check *c, uint64_t account, struct boxes *b, uint32_t mailbox, struct str id,
    struct engine_batch *fix)
{
	if (!store_object_id_ok(STORE_ID_MAILBOX, id)) {
		drop(c, account, mailbox, fix);
		check_say(c, CHECK_LIST, 0, c->opt->repair ? "it gets a new one" : NULL,
		    "the object id of mailbox %u is none", mailbox);
		return;
	}
	const struct boxed wanted = {.mailbox = mailbox};
	struct boxed *one =
	    b->n > 0 ? bsearch(&wanted, b->one, b->n, sizeof(*b->one), by_mailbox) : NULL;

	if (one == NULL)
		return;
	memcpy(one->id, id.p, STORE_OBJECT_ID);
	one->stored = true;
	b->stored++;
}

/* All mailboxes, and behind them, since their keys are, the ids that they have stored. */
static void
read_boxes(struct check *c, uint64_t account, struct boxes *b, struct engine_batch *fix)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	key_begin(&from, account, KEY_INFO);
	key_begin(&end, account, KEY_PROPERTY + 1);
	scan_begin_range(&scan, c->store, &from, &end);
	while ((err = scan_next(&scan)) == TS_OK || (err == TS_DAMAGED && scan.key.n > 0)) {
		struct rd k = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});
		uint32_t mailbox = rd_be32(&k);
		struct str rest = rd_bytes(&k, rd_left(&k));

		if (scan.key.p[8] == KEY_INFO && scan.key.n == 13)
			add_mailbox(c, account, b, mailbox);
		else if (scan.key.p[8] == KEY_PROPERTY && err == TS_OK && !k.bad && mailbox != 0 &&
		         store_property_is_object_id(rest))
			take_stored(c, account, b, mailbox, scan.body, fix);
	}
	scan_end(&scan);
}

/* Of two with one id the one that has it stored is the last, and of two of those the newer. */
static int
by_id(const void *a, const void *b)
{
	const struct boxed *x = a, *y = b;
	int c = memcmp(x->id, y->id, sizeof(x->id));

	if (c == 0)
		c = (int)x->stored - (int)y->stored;
	return c != 0 ? c : (x->mailbox > y->mailbox) - (x->mailbox < y->mailbox);
}

void
check_object_ids(struct check *c, uint64_t account, struct engine_batch *fix)
{
	struct boxes b = {0};

	read_boxes(c, account, &b, fix);
	if (b.stored > 0)
		qsort(b.one, b.n, sizeof(*b.one), by_id);
	for (size_t i = 1; i < b.n && b.stored > 0; i++) {
		if (memcmp(b.one[i - 1].id, b.one[i].id, STORE_OBJECT_ID) != 0)
			continue;
		drop(c, account, b.one[i].mailbox, fix);
		check_say(c, CHECK_LIST, 0, c->opt->repair ? "it gets a new one" : NULL,
		    "mailbox %u has the object id of mailbox %u", b.one[i].mailbox,
		    b.one[i - 1].mailbox);
	}
	mem_free(b.one);
}
