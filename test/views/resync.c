/* SPDX-License-Identifier: Apache-2.0 */
/* See resync.h. */
#include "resync.h"

#include <inttypes.h>

#include "base/mem.h"
#include "judge.h"

static struct kept *
kept_of(struct viewer *s, const struct mailbox *box)
{
	return &s->kept[box - s->truth->boxes];
}

static void
forget(struct kept *k)
{
	mem_free(k->v);
	*k = (struct kept){.v = NULL};
}

void
resync_fini(struct viewer *s)
{
	for (size_t i = 0; i < MAILBOXES; i++)
		forget(&s->kept[i]);
}

/* The first messages, up to one of which it knows too little. */
void
resync_keep(struct viewer *s)
{
	const struct belief *b = &s->belief;
	struct kept *k;

	if (!s->resync || b->box == NULL)
		return;
	k = kept_of(s, b->box);
	forget(k);
	k->uidvalidity = b->uidvalidity;
	k->modseq = s->modseq;
	k->v = mem_zalloc((b->count + 1) * sizeof(*k->v));
	while (k->n < b->count && b->seats[k->n].uid != 0 && b->seats[k->n].flagged) {
		k->v[k->n].uid = b->seats[k->n].uid;
		k->v[k->n].flags = b->seats[k->n].flags;
		k->n++;
	}
	s->modseq = s->seen = s->code = 0;
}

void
resync_ask(struct viewer *s, struct act *a)
{
	const struct kept *k = kept_of(s, a->box);

	if (!s->resync || k->modseq == 0)
		return;
	buf_printf(&s->out, " (QRESYNC (%u %" PRIu64 "))", k->uidvalidity, k->modseq);
	a->kept = *k;
	a->kept.v = mem_zalloc((k->n + 1) * sizeof(*k->v));
	memcpy(a->kept.v, k->v, k->n * sizeof(*k->v));
}

/* ---- MODSEQs */

void
resync_code(struct viewer *s, uint64_t modseq)
{
	if (!s->resync)
		truth_fault(s->truth, "HIGHESTMODSEQ that nobody asked for");
	s->code = modseq;
}

void
resync_modseq(struct viewer *s, struct message *m, uint64_t modseq, bool flagged, uint32_t flags)
{
	if (modseq > s->seen)
		s->seen = modseq;
	if (!s->resync || modseq == 0)
		truth_fault(s->truth, "MODSEQ that is none, or that nobody asked for");
	if (m != NULL && flagged)
		truth_modseq(s->truth, m, s->user, modseq, flags & FLAGS_ALL);
}

/* RFC 7162 section 6: the code counts even if higher ones were seen. */
void
resync_answered(struct viewer *s)
{
	if (s->code != 0)
		s->modseq = s->code;
	else if (s->seen > s->modseq)
		s->modseq = s->seen;
	s->seen = s->code = 0;
}

/* ---- VANISHED */

/* The place of a UID, or of one of those messages there whose UID is not known yet: those that were
 * there when the mailbox was selected are the first of them.  count: none. */
static size_t
place_of(const struct belief *b, uint32_t uid)
{
	size_t open = b->count;

	for (size_t i = 0; i < b->count; i++) {
		if (b->seats[i].uid == 0)
			open = open == b->count || uid >= b->uidnext ? i : open;
		else if (b->seats[i].uid == uid)
			return i;
		else if (b->seats[i].uid > uid)
			return open;
		else
			open = b->count;
	}
	return open;
}

/* One of those whose UIDs are not known is gone: what was told of one of them may be another's. */
static void
doubt(struct belief *b, size_t at)
{
	while (at > 0 && b->seats[at - 1].uid == 0)
		at--;
	for (; at < b->count && b->seats[at].uid == 0; at++)
		b->seats[at].flagged = false;
}

static void
take_vanished(struct viewer *s, const struct numbers *uids)
{
	for (size_t i = 0; i < uids->n && s->truth->fault == NULL; i++) {
		size_t at = place_of(&s->belief, uids->v[i]);

		if (at == s->belief.count)
			truth_fault(s->truth, "VANISHED %u, which is not there", uids->v[i]);
		else {
			if (s->belief.seats[at].uid == 0)
				doubt(&s->belief, at);
			viewer_expunged(s, (uint32_t)at + 1);
		}
	}
}

/* Nothing that the session shows. */
static void
take_earlier(struct viewer *s, const struct numbers *uids)
{
	struct act *a = viewer_current(s);
	size_t n = 0;

	if (a == NULL || a->kept.v == NULL) {
		truth_fault(s->truth, "VANISHED (EARLIER) that nobody asked for");
		return;
	}
	for (size_t i = 0; i < a->kept.n; i++)
		if (!numbers_has(uids, a->kept.v[i].uid))
			a->kept.v[n++] = a->kept.v[i];
	a->kept.n = n;
	for (size_t i = 0; i < s->belief.count; i++)
		if (s->belief.seats[i].uid != 0 && numbers_has(uids, s->belief.seats[i].uid))
			truth_fault(s->truth, "VANISHED (EARLIER) of a message that is there");
}

void
resync_vanished(struct viewer *s, struct words *w)
{
	struct numbers uids = {0};
	bool earlier = words_skip(w, " (EARLIER)");

	if (!words_skip(w, " ") || !numbers_read(&uids, words_atom(w)) || w->p != w->end)
		w->bad = true;
	else if (!s->resync || s->belief.box == NULL)
		truth_fault(s->truth, "VANISHED that nobody asked for");
	else if (earlier)
		take_earlier(s, &uids);
	else
		take_vanished(s, &uids);
	numbers_fini(&uids);
}

void
resync_selected(struct viewer *s, struct act *a)
{
	const struct belief *b = &s->belief;

	if (a->kept.v == NULL || a->kept.uidvalidity != b->uidvalidity)
		return;
	if (a->kept.n > b->count)
		truth_fault(
		    s->truth, "%zu messages are left, but there are %zu", a->kept.n, b->count);
	for (size_t i = 0; i < a->kept.n && s->truth->fault == NULL; i++) {
		const struct known *known = &a->kept.v[i];

		if (b->seats[i].uid == known->uid && b->seats[i].flagged)
			continue; /* FETCH told what it is now */
		judge_known(s, i, known->uid, known->flags);
		s->truth->resynced++;
	}
}
