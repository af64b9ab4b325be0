/* SPDX-License-Identifier: Apache-2.0 */
/* Mailboxes as users see them: see reader.h. */
#include "store/reader.h"

#include "store/read/read_int.h"

enum { PIECE = 64 };

/* ---- beginning and ending ---- */

bool
store_mailbox_has_own(const struct store_mailbox *mb)
{
	return atomic_load((_Atomic bool *)(uintptr_t)&mb->has_own);
}

/* Returns whose \Seen is used; NULL: the mailbox's own. */
static struct store_own *
own_of(const struct store_reader *r)
{
	return r->own != NULL ? r->own : atomic_load(&r->mailbox->owners_own);
}

/* Both are of one moment: the value is taken with the mailbox's lock. */
void
store_reader_begin(struct store_reader *r)
{
	struct store_own *own;

	store_mailbox_read_begin(r->mailbox);
	own = own_of(r);
	r->seen = own != NULL ? own_look(own, &r->cap) : NULL;
}

void
store_reader_end(struct store_reader *r)
{
	store_mailbox_read_end(r->mailbox);
	own_unref(&r->seen);
}

uint32_t
store_reader_claim_begin(struct store_reader *r)
{
	struct store_own *own = own_of(r);

	if (own == NULL) {
		uint32_t mark = store_mailbox_claim_begin(r->mailbox);

		if (own_of(r) == NULL)
			return mark;
		store_mailbox_claim_end(r->mailbox);
	}
	store_reader_begin(r);
	return store_own_claim(own_of(r), r->mailbox->state->counters.uidnext);
}

void
store_reader_claim_end(struct store_reader *r)
{
	if (r->seen != NULL)
		store_reader_end(r);
	else
		store_mailbox_claim_end(r->mailbox);
}

struct store_own *
store_reader_own(const struct store_reader *r)
{
	struct store_own *own = own_of(r);

	return own != NULL ? store_own_ref(own) : NULL;
}

/* ---- messages ---- */

const roaring_bitmap_t *
store_reader_flagged(const struct store_reader *r, unsigned flag)
{
	if (r->seen == NULL || flag != STORE_SEEN)
		return store_mailbox_flagged(r->mailbox, flag);
	return r->seen->seen;
}

static void
put_own(const struct own_seen *seen, struct store_message *m, uint64_t modseq)
{
	const uint64_t bit = (uint64_t)1 << STORE_SEEN;

	m->modseq = modseq;
	m->flags.w[0] &= ~bit;
	if (roaring_bitmap_contains(seen->seen, m->uid))
		m->flags.w[0] |= bit;
}

/* The highest number that may be shown. */
static uint64_t
most(const struct store_reader *r)
{
	return r->cap == UINT64_MAX ? UINT64_MAX : own_highest(r->seen, r->cap);
}

static uint64_t
at_most(const struct store_reader *r, uint64_t number)
{
	uint64_t limit = most(r);

	return number < limit ? number : limit;
}

/* Replaces what the mailbox says by what is the user's. */
static void
put_owns(const struct store_reader *r, struct store_message *m, size_t n)
{
	uint32_t uids[PIECE];
	uint64_t modseqs[PIECE];

	while (r->seen != NULL && n > 0) {
		size_t piece = n < PIECE ? n : PIECE;

		for (size_t i = 0; i < piece; i++) {
			uids[i] = m[i].uid;
			modseqs[i] = m[i].modseq;
		}
		own_modseqs(r->seen, uids, modseqs, piece);
		for (size_t i = 0; i < piece; i++)
			put_own(r->seen, &m[i], at_most(r, modseqs[i]));
		m += piece;
		n -= piece;
	}
}

bool
store_reader_message(const struct store_reader *r, uint32_t uid, struct store_message *m)
{
	if (!store_mailbox_message(r->mailbox, uid, m))
		return false;
	put_owns(r, m, 1);
	return true;
}

size_t
store_reader_window(const struct store_reader *r, const roaring_bitmap_t *set, uint32_t from,
    struct store_message *out, size_t max)
{
	size_t n = store_mailbox_window(r->mailbox, set, from, out, max);

	put_owns(r, out, n);
	return n;
}

size_t
store_reader_hold_window(const struct store_reader *r, struct store_hold *hold,
    const roaring_bitmap_t *set, uint32_t from, struct store_message *out, size_t max)
{
	size_t n = store_hold_window(hold, set, from, out, max);

	put_owns(r, out, n);
	return n;
}

/* ---- numbers ---- */

uint64_t
store_reader_base(const struct store_reader *r)
{
	return store_mailbox_modseq(r->mailbox);
}

uint64_t
store_reader_base_of(const struct store_reader *r, uint64_t modseq)
{
	return r->seen != NULL ? own_from(r->seen, modseq) : modseq;
}

uint64_t
store_reader_shown(const struct store_reader *r, uint64_t base)
{
	return r->seen != NULL ? at_most(r, own_to(r->seen, base)) : base;
}

uint64_t
store_reader_modseq(const struct store_reader *r)
{
	uint64_t base = store_reader_base(r);

	return r->seen != NULL ? at_most(r, own_highest(r->seen, base)) : base;
}

void
store_reader_own_changed(const struct store_reader *r, uint64_t since, roaring_bitmap_t *set)
{
	if (r->seen != NULL)
		own_changed_since(r->seen, since, set);
}

void
store_reader_changed_since(const struct store_reader *r, uint64_t since, roaring_bitmap_t *set)
{
	roaring_bitmap_t *own;

	store_mailbox_changed_since(r->mailbox, store_reader_base_of(r, since), set);
	if (r->seen == NULL)
		return;
	own = roaring_bitmap_create();
	own_changed_since(r->seen, since, own);
	roaring_bitmap_and_inplace(own, store_mailbox_uids(r->mailbox));
	roaring_bitmap_or_inplace(set, own);
	roaring_bitmap_free(own);
}

uint64_t
store_reader_expunged_since(const struct store_reader *r, uint64_t since, roaring_bitmap_t *set)
{
	uint64_t complete =
	    store_mailbox_expunged_since(r->mailbox, store_reader_base_of(r, since), set);

	return store_reader_shown(r, complete);
}

uint64_t
store_reader_highest(const struct store_reader *r, const roaring_bitmap_t *uids)
{
	uint64_t base = store_mailbox_highest(r->mailbox, uids);

	if (base == 0 || r->seen == NULL)
		return base;
	return at_most(r, own_highest_of(r->seen, base, uids));
}

uint32_t
store_reader_recent_mark(const struct store_reader *r)
{
	struct store_own *own = own_of(r);

	return r->seen != NULL ? store_own_claim(own, 0) : store_mailbox_recent_mark(r->mailbox);
}

void
store_reader_counters(const struct store_reader *r, struct store_counters *c)
{
	const roaring_bitmap_t *uids = store_mailbox_uids(r->mailbox);
	uint32_t mark;

	store_mailbox_read_counters(r->mailbox, c);
	if (r->seen == NULL)
		return;
	mark = store_reader_recent_mark(r);
	c->unseen = (uint32_t)own_unseen(r->seen, uids);
	c->recent =
	    (uint32_t)(roaring_bitmap_get_cardinality(uids) - roaring_bitmap_rank(uids, mark));
	c->modseq = store_reader_modseq(r);
}
