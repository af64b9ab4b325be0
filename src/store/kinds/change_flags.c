/* SPDX-License-Identifier: Apache-2.0 */
/* FLAGS: flags and keywords of messages. */
#include "store/kinds/steps_int.h"

/* Gets the flags named by the change.  Makes new keywords, unless they are to be removed. */
static enum ts_err
named_flags(struct change_delta *cd, struct store_change *c, struct store_flags *flags)
{
	enum ts_err err = TS_OK;

	*flags = (struct store_flags){0};
	flags->w[0] = c->flags.w[0] & ((1u << STORE_FIRST_KEYWORD) - 1);
	for (size_t i = 0; i < c->keyword_count && err == TS_OK &&
	                   flag_in_bounds(&c->bounds, STORE_FIRST_KEYWORD);
	     i++) {
		int flag = c->mode == STORE_FLAGS_REMOVE
		               ? store_keywords_find(cd->keywords, c->keywords[i])
		               : delta_keyword_flag(cd, c->keywords[i]);

		if (flag >= 0)
			store_flags_set(flags, (unsigned)flag);
		else if (c->mode != STORE_FLAGS_REMOVE)
			err = keyword_refused(c, cd, c->keywords[i]);
	}
	return err;
}

static void
set_flags(struct change_delta *cd, const struct store_change *c, const struct store_flags *flags,
    const roaring_bitmap_t *uids)
{
	for (unsigned f = 0; f < store_keywords_end(cd->keywords); f++) {
		bool named = store_flags_has(flags, f);
		bool on = named && c->mode != STORE_FLAGS_REMOVE;

		if ((!named && c->mode != STORE_FLAGS_REPLACE) || !flag_in_bounds(&c->bounds, f))
			continue;

		roaring_bitmap_t *have = head_flagged(&cd->head, f, uids);

		if (on) {
			roaring_bitmap_t *get = roaring_bitmap_andnot(uids, have);

			roaring_bitmap_free(have);
			delta_put_flag(cd, f, true, get);
		} else {
			delta_put_flag(cd, f, false, have);
		}
	}
}

static bool
head_has_own(const struct store_mailbox *mb)
{
	return store_properties_count(mb->head_properties) > 0 &&
	       store_properties_get(mb->head_properties, STR(STORE_OWN_SEEN_PROPERTY)).p != NULL;
}

/* What the mailbox says about \Seen is nobody's, and stays as it is. */
static enum ts_err
leave_seen(struct store_change *c)
{
	const uint64_t seen = (uint64_t)1 << STORE_SEEN;

	if (!c->own_split && flag_in_bounds(&c->bounds, STORE_SEEN) &&
	    (c->mode == STORE_FLAGS_REPLACE || store_flags_has(&c->flags, STORE_SEEN)))
		return TS_CONDITION;
	if (!c->bounds.bounded)
		c->bounds = (struct store_flag_bounds){
		    .bounded = true, .keywords = true, .system = UINT64_MAX};
	c->bounds.system &= ~seen;
	return TS_OK;
}

enum ts_err
flags_prepare(struct batch *b, struct store_change *c)
{
	enum ts_err err = prepare_usable(c->mailbox);
	struct change_delta cd;
	struct store_flags flags;

	if (err == TS_OK && head_has_own(c->mailbox))
		err = leave_seen(c);
	if (err != TS_OK)
		return err;
	delta_begin(&cd, b, c->mailbox);
	cd.any_length = c->restoring;

	roaring_bitmap_t *uids = head_existing(&cd.head, c->uids, false);

	if (c->check_unchanged) {
		c->failed = head_changed(&cd.head, c->unchanged_since, uids);
		roaring_bitmap_andnot_inplace(uids, c->failed);
	}
	c->modseq = cd.c.modseq;
	if (!roaring_bitmap_is_empty(uids)) {
		err = named_flags(&cd, c, &flags);
		if (err == TS_OK)
			set_flags(&cd, c, &flags, uids);
	}
	roaring_bitmap_free(uids);
	c->affected = delta_touched(cd.delta);
	if (err != TS_OK || roaring_bitmap_is_empty(c->affected)) {
		delta_abort(&cd);
		return err;
	}
	c->prior_modseq = head_highest(&cd.head, c->affected);
	delta_commit(&cd);
	c->modseq = c->mailbox->head.c.modseq;
	return TS_OK;
}
