/* SPDX-License-Identifier: Apache-2.0 */
/* One mailbox: reports what is wrong in two looks, and repairs it. */
#include "store/check/check_int.h"

static bool
has_fault(const struct looked *l, const struct fault *f)
{
	for (size_t i = 0; i < l->faults; i++)
		if (l->fault[i].kind == f->kind && l->fault[i].uid == f->uid)
			return true;
	return false;
}

/* Reports faults seen in both looks; a store that nobody else uses needs only one. */
static void
tell_faults(struct check *c, const struct looked *l, const struct looked *other, bool mended)
{
	for (size_t i = 0; i < l->faults; i++)
		if (other == NULL || has_fault(other, &l->fault[i]))
			check_say(c, l->fault[i].kind, l->fault[i].uid,
			    mended ? l->fault[i].done : NULL, "%s", l->fault[i].text);
}

void
check_mailbox(struct check *c, uint64_t account, uint32_t mailbox)
{
	struct looked l = {.account = account, .mailbox = mailbox}, again = l;
	enum ts_err err = check_look(c, &l, true);
	bool mended = false;

	c->res->mailboxes++;
	if (err == TS_DAMAGED && c->live) {
		/* Deleted meanwhile: nothing is left that could be wrong. */
		if (check_look(c, &again, true) == TS_DAMAGED && again.has_counters)
			tell_faults(c, &again, &l, false);
	} else if (err == TS_DAMAGED) {
		/* Unreadable tables come first: what they hold may still be saved. */
		mended = c->opt->repair && !l.unreadable && check_mend(c, &l) == TS_OK;
		tell_faults(c, &l, NULL, mended);
	} else if (err != TS_OK) {
		check_say(c, CHECK_INDEX, 0, NULL, "it cannot be read now: %s", ts_err_name(err));
	}
	check_compact(c, &l);
	looked_fini(&l);
	looked_fini(&again);
}
