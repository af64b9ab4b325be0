/* SPDX-License-Identifier: Apache-2.0 */
/* What kinds check before they put anything: is the change allowed, and if not, why? */
#include "store/change/batch_int.h"

enum ts_err
prepare_usable(const struct store_mailbox *mb)
{
	if (mb == NULL)
		return TS_INVALID;
	if (mb->head.gone || mb->account->head_gone)
		return TS_NOT_FOUND;
	if (mb->stale || mb->account->stale || mb->state == NULL)
		return TS_UNAVAILABLE;
	/* RFC 7162 section 3.1: a MODSEQ has 63 bits. */
	return mb->head.c.modseq < INT64_MAX ? TS_OK : TS_LIMIT;
}

bool
flag_in_bounds(const struct store_flag_bounds *bounds, unsigned flag)
{
	if (!bounds->bounded)
		return true;
	return flag >= STORE_FIRST_KEYWORD ? bounds->keywords : (bounds->system >> flag & 1) != 0;
}

void
flags_bound(const struct store_flag_bounds *bounds, struct store_flags *flags)
{
	const uint64_t system = ((uint64_t)1 << STORE_FIRST_KEYWORD) - 1;

	if (!bounds->bounded)
		return;
	flags->w[0] &= (bounds->system & system) | (bounds->keywords ? ~system : 0);
	for (unsigned w = 1; w < STORE_FLAG_WORDS && !bounds->keywords; w++)
		flags->w[w] = 0;
}

enum ts_err
refuse(struct store_change *c, enum store_limit limit)
{
	c->limit = limit;
	return TS_LIMIT;
}

enum ts_err
keyword_refused(struct store_change *c, const struct change_delta *cd, struct str name)
{
	struct rd lost = rd_of(buf_as_str(&c->lost));

	if (!c->restoring)
		return keyword_ok(name) ? refuse(c, cd->limit) : TS_INVALID;
	while (rd_left(&lost) > 0)
		if (str_ieq(rd_vstr(&lost), name))
			return TS_OK;
	buf_vstr(&c->lost, name);
	return TS_OK;
}
