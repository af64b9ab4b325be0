/* SPDX-License-Identifier: Apache-2.0 */
/* See judge.h. */
#include "judge.h"
#include "resync.h"

#include "base/mem.h"

static struct message *
message_at(const struct viewer *s, size_t i)
{
	const struct belief *b = &s->belief;

	return b->seats[i].uid != 0 ? truth_find(b->box, b->seats[i].uid) : NULL;
}

static struct seat *
seat_of(struct viewer *s, uint32_t uid)
{
	for (size_t i = 0; i < s->belief.count; i++)
		if (s->belief.seats[i].uid == uid)
			return &s->belief.seats[i];
	return NULL;
}

void
judge_uidvalidity(struct viewer *s, struct mailbox *box, uint32_t uidvalidity)
{
	if (box->uidvalidity != 0 && box->uidvalidity != uidvalidity)
		truth_fault(s->truth, "UIDVALIDITY of %s is %u, it was %u", box->name, uidvalidity,
		    box->uidvalidity);
	box->uidvalidity = uidvalidity;
}

void
judge_leave(struct viewer *s)
{
	struct belief *b = &s->belief;
	bool claims = b->box != NULL && !b->read_only && !s->rev2, all = false;

	resync_keep(s);
	for (size_t i = 0; i < b->count; i++)
		all = all || b->seats[i].uid == 0;
	for (size_t i = 0; claims && i < b->box->count; i++) {
		struct message *m = b->box->messages[i];
		const struct seat *seat = seat_of(s, m->uid);

		if (seat != NULL && !seat->flagged)
			m->recent_lost[s->user] = true;
	}
	if (claims && all)
		b->box->recent_lost[s->user] = s->truth->now;
	*b = (struct belief){.seats = b->seats, .cap = b->cap};
}

/* ---- which number is which UID */

static void
check_order(struct viewer *s, size_t at, uint32_t uid)
{
	const struct belief *b = &s->belief;
	const struct act *a = viewer_current(s);
	/* While it is being selected all that there is is below UIDNEXT. */
	bool selecting = a != NULL && (a->verb == V_SELECT || a->verb == V_EXAMINE);
	uint64_t low = 0, high = NEVER;

	for (size_t i = 0; i < at; i++)
		low = b->seats[i].uid != 0 ? b->seats[i].uid : low + 1;
	for (size_t i = at + 1; i < b->count && high == NEVER; i++)
		high = b->seats[i].uid != 0 ? b->seats[i].uid - (i - at - 1) : NEVER;
	if (uid <= low || uid >= high)
		truth_fault(s->truth, "number %zu is UID %u, but it is above %u and below %u",
		    at + 1, uid, (unsigned)low, (unsigned)high);
	if (b->uidnext != 0 && a != NULL && (uid < b->uidnext) != (selecting || at < b->first))
		truth_fault(s->truth,
		    "number %zu is UID %u, but UIDNEXT was %u when there were %zu", at + 1, uid,
		    b->uidnext, b->first);
}

static void
check_recent(struct viewer *s, struct seat *seat, struct message *m, uint32_t flags)
{
	unsigned selection = s->belief.selection;

	if (s->rev2 && (flags & FLAG_RECENT) != 0)
		truth_fault(s->truth, "\\Recent in IMAP4rev2");
	if (seat->flagged && ((seat->flags ^ flags) & FLAG_RECENT) != 0)
		truth_fault(s->truth, "\\Recent of UID %u comes or goes in a session", seat->uid);
	if (s->belief.read_only || (flags & FLAG_RECENT) == 0 || m == NULL)
		return;
	if (m->recent_of[s->user] != 0 && m->recent_of[s->user] != selection)
		truth_fault(s->truth, "UID %u is \\Recent in two sessions", m->uid);
	m->recent_of[s->user] = selection;
}

/* Message number at + 1 has this UID. */
static struct message *
learn(struct viewer *s, size_t at, uint32_t uid)
{
	struct seat *seat = &s->belief.seats[at];
	bool first = seat->uid == 0;
	struct message *m;

	s->truth->checked++;
	if (!first && seat->uid != uid)
		truth_fault(
		    s->truth, "number %zu was UID %u, now it is UID %u", at + 1, seat->uid, uid);
	if (first)
		check_order(s, at, uid);
	seat->uid = uid;
	m = truth_see(s->truth, s->belief.box, uid);
	if (first && seat->flagged)
		check_recent(s, seat, m, seat->flags);
	if (m->gone < seat->since)
		truth_fault(s->truth, "UID %u was expunged before its EXISTS was told", uid);
	return m;
}

/* ---- FETCH */

/* Checks flags of a message as just told. */
static void
check_flags(struct viewer *s, struct seat *seat, struct message *m, uint32_t flags)
{
	struct buf text = {0};

	if ((flags & ~(s->belief.keywords | FLAG_RECENT | FLAGS_SYSTEM)) != 0)
		truth_fault(s->truth, "a keyword that no FLAGS response has named");
	check_recent(s, seat, m, flags);
	for (unsigned f = 0; m != NULL && f < FLAGS; f++) {
		uint32_t flag = 1u << f;

		s->truth->checked++;
		if (truth_may_be(m, truth_flags(s->user, flag), (flags & flag) != 0,
		        viewer_since(s), s->truth->now, seat->floor[f], &seat->floor[f]))
			continue;
		flags_print(flag, &text);
		truth_fault(s->truth, "UID %u cannot have been %s %.*s", m->uid,
		    (flags & flag) != 0 ? "with" : "without", (int)text.n, text.p);
		buf_fini(&text);
	}
	seat->flags = flags;
	seat->flagged = true;
}

static void
check_text(struct viewer *s, struct message *m, struct str text)
{
	uint32_t id = truth_text_id(text);
	struct buf want = {0};

	s->truth->checked++;
	if (m != NULL && m->id == 0)
		m->id = id;
	if (m != NULL && m->id != id)
		truth_fault(s->truth, "UID %u has text %u, it was %u", m->uid, id, m->id);
	if (id > 0 && id < s->truth->next_id)
		truth_text(s->truth, id, &want);
	if (!str_eq(text, buf_as_str(&want)))
		truth_fault(s->truth, "a text that is none of ours");
	buf_fini(&want);
}

static void
check_subject(struct viewer *s, struct message *m, struct str envelope)
{
	struct words w = words_of(envelope);
	struct str subject = STR_NONE;
	uint64_t id = 0;

	/* (date subject from …) */
	if (words_skip(&w, "(")) {
		(void)words_string(&w);
		(void)words_skip(&w, " ");
		subject = words_string(&w);
	}
	if (w.bad || subject.n < 2 || subject.p[0] != 'm' ||
	    !str_u64((struct str){subject.p + 1, subject.n - 1}, UINT32_MAX, &id) ||
	    (m != NULL && m->id != 0 && m->id != id))
		truth_fault(s->truth, "this ENVELOPE is of another message");
}

static void
check_size(struct viewer *s, const struct message *m, uint32_t size)
{
	struct buf want = {0};

	if (m == NULL || m->id == 0)
		return;
	truth_text(s->truth, m->id, &want);
	if (want.n != size)
		truth_fault(s->truth, "UID %u has %u bytes instead of %zu", m->uid, size, want.n);
	buf_fini(&want);
}

struct fetched {
	unsigned got;
	uint32_t uid, size, flags;
	uint64_t modseq;
	struct str body, envelope;
};

static void
read_item(struct viewer *s, struct words *w, struct fetched *f)
{
	struct str name = words_atom(w);

	(void)words_skip(w, " ");
	if (str_ieq(name, STR("UID"))) {
		f->got |= ITEM_UID;
		f->uid = words_number(w);
	} else if (str_ieq(name, STR("FLAGS"))) {
		f->got |= ITEM_FLAGS;
		if (!flags_read(words_value(w), &f->flags))
			truth_fault(s->truth, "flags that nobody set");
	} else if (str_ieq(name, STR("MODSEQ")) && words_skip(w, "(")) {
		f->got |= ITEM_MODSEQ;
		f->modseq = words_number64(w);
		w->bad = w->bad || !words_skip(w, ")");
	} else if (str_ieq(name, STR("RFC822.SIZE"))) {
		f->got |= ITEM_SIZE;
		f->size = words_number(w);
	} else if (str_ieq(name, STR("ENVELOPE"))) {
		f->got |= ITEM_ENVELOPE;
		f->envelope = words_value(w);
	} else if (str_ieq(name, STR("BODYSTRUCTURE"))) {
		f->got |= ITEM_STRUCTURE;
		(void)words_value(w);
	} else if (str_ieq(name, STR("BODY[]"))) {
		f->got |= ITEM_BODY;
		f->body = words_string(w);
	} else {
		w->bad = true;
	}
}

void
judge_fetch(struct viewer *s, uint32_t number, struct words *w)
{
	const struct act *a = viewer_current(s);
	struct fetched f = {0};
	struct message *m;
	struct seat *seat;

	if (!words_skip(w, "("))
		w->bad = true;
	do
		read_item(s, w, &f);
	while (!w->bad && words_skip(w, " "));
	if (!words_skip(w, ")") || w->bad) {
		w->bad = true;
		return;
	}
	if (number == 0 || number > s->belief.count) {
		truth_fault(s->truth, "FETCH %u of %zu messages", number, s->belief.count);
		return;
	}
	/* RFC 9051 section 6.4.9 */
	if (a != NULL && a->uid && (f.got & ITEM_UID) == 0)
		truth_fault(s->truth, "FETCH without UID for a UID command");
	/* RFC 7162 section 3.2.4 */
	if (s->resync && (a == NULL || a->verb != V_FETCH) &&
	    (f.got & (ITEM_UID | ITEM_MODSEQ)) != (ITEM_UID | ITEM_MODSEQ))
		truth_fault(s->truth, "FETCH without UID or MODSEQ");
	seat = &s->belief.seats[number - 1];
	m = (f.got & ITEM_UID) != 0 ? learn(s, number - 1, f.uid) : message_at(s, number - 1);
	if ((f.got & ITEM_FLAGS) != 0)
		check_flags(s, seat, m, f.flags);
	if ((f.got & ITEM_MODSEQ) != 0)
		resync_modseq(s, m, f.modseq, (f.got & ITEM_FLAGS) != 0, f.flags);
	if ((f.got & ITEM_BODY) != 0)
		check_text(s, m, f.body);
	if ((f.got & ITEM_ENVELOPE) != 0)
		check_subject(s, m, f.envelope);
	if ((f.got & ITEM_SIZE) != 0)
		check_size(s, m, f.size);
	if (a != NULL) {
		seat->got = (seat->got_tag == a->tag ? seat->got : 0) | f.got;
		seat->got_tag = a->tag;
	}
}

void
judge_known(struct viewer *s, size_t at, uint32_t uid, uint32_t flags)
{
	struct message *m = learn(s, at, uid);

	/* Of a message that is gone it is told that it is, sooner or later, and nothing else. */
	if (m->gone == NEVER && !truth_may_be_gone(s->truth, s->belief.box, m))
		check_flags(s, &s->belief.seats[at], m, flags);
}

/* ---- SEARCH */

/* Whether this command may have found the message (or not found it). */
static bool
may_match(const struct viewer *s, const struct act *a, const struct message *m, bool found)
{
	bool same = m->id == a->id;

	switch (a->key) {
	case KEY_ALL:
		return found;
	case KEY_SUBJECT:
		/* A part of it suffices. */
		return m->id == 0 || found || !same;
	case KEY_TEXT:
		return m->id == 0 || found == same;
	default:
		return truth_may_be(m, truth_flags(s->user, a->which),
		    found == (a->key == KEY_FLAG), a->sent, s->truth->now, 0, NULL);
	}
}

static void
check_found(struct viewer *s, struct act *a, const struct numbers *found)
{
	struct belief *b = &s->belief;

	for (size_t i = 0; i < found->n; i++)
		if (found->v[i] == 0 || (!a->uid && found->v[i] > b->count))
			truth_fault(
			    s->truth, "SEARCH found number %u of %zu", found->v[i], b->count);
	for (size_t i = 0; i < b->count && s->truth->fault == NULL; i++) {
		const struct message *m = message_at(s, i);
		bool there = numbers_has(found, a->uid ? b->seats[i].uid : (uint32_t)i + 1);

		s->truth->checked++;
		if (m == NULL || (!there && (b->seats[i].since >= a->sent || m->gone != NEVER ||
		                                truth_may_be_gone(s->truth, b->box, m))))
			continue;
		if (!may_match(s, a, m, there))
			truth_fault(
			    s->truth, "SEARCH %s UID %u", there ? "found" : "did not find", m->uid);
	}
	a->searched = true;
}

static struct act *
searching(struct viewer *s, struct words *w)
{
	struct act *a = viewer_current(s);

	if (a == NULL || a->verb != V_SEARCH || a->searched || s->belief.box == NULL) {
		w->bad = true;
		return NULL;
	}
	return a;
}

void
judge_search(struct viewer *s, struct words *w)
{
	struct act *a = searching(s, w);
	struct numbers found = {0};

	while (!w->bad && words_skip(w, " "))
		numbers_add(&found, words_number(w));
	w->bad = w->bad || w->p != w->end || s->rev2;
	if (!w->bad)
		check_found(s, a, &found);
	numbers_fini(&found);
}

void
judge_esearch(struct viewer *s, struct words *w)
{
	struct act *a = searching(s, w);
	struct numbers found = {0};

	if (a == NULL)
		return;
	if (!words_skip(w, " (TAG \"t") || words_number(w) != a->tag || !words_skip(w, "\")") ||
	    words_skip(w, " UID") != a->uid)
		w->bad = true;
	if (words_skip(w, " ALL ") && !numbers_read(&found, words_atom(w)))
		w->bad = true;
	w->bad = w->bad || w->p != w->end;
	if (!w->bad)
		check_found(s, a, &found);
	numbers_fini(&found);
}

/* ---- STATUS */

static bool
read_counts(struct viewer *s, struct words *w, struct counts *c)
{
	const struct act *a = viewer_current(s);
	struct buf name = {0};
	uint32_t uidvalidity;
	bool ours;

	if (a == NULL || a->verb != V_STATUS || a->searched)
		return false;
	viewer_name(s, a->target, &name);
	ours = words_skip(w, buf_cstr(&name));
	buf_fini(&name);
	if (!ours || !words_skip(w, " (MESSAGES "))
		return false;
	c->messages = words_number(w);
	if (!words_skip(w, " UIDNEXT "))
		return false;
	c->uidnext = words_number(w);
	if (!words_skip(w, " UIDVALIDITY "))
		return false;
	uidvalidity = words_number(w);
	if (!words_skip(w, " UNSEEN "))
		return false;
	c->unseen = words_number(w);
	if (!words_skip(w, " DELETED "))
		return false;
	c->deleted = words_number(w);
	judge_uidvalidity(s, a->target, uidvalidity);
	return words_skip(w, ")") && w->p == w->end && !w->bad;
}

/* All must be as of one moment while the command was in progress. */
void
judge_status(struct viewer *s, struct words *w)
{
	struct act *a = viewer_current(s);
	struct counts c = {.seen = FLAG_SEEN_OF(s->user)};

	if (!read_counts(s, w, &c)) {
		w->bad = true;
		return;
	}
	a->searched = true;
	s->truth->checked++;
	if (!truth_may_count(s->truth, a->target, &c, a->sent))
		truth_fault(s->truth, "%s never had these numbers", a->target->name);
	truth_uidnext(s->truth, a->target, c.uidnext, a->sent);
}

/* ---- replies */

/* Nobody must be told what happened to a removed message, except that it is gone. */
static void
check_flags_told(struct viewer *s, const struct seat *seat, const struct message *m, uint64_t since)
{
	for (unsigned f = 0; f < FLAGS; f++)
		if (!truth_may_be(m, truth_flags(s->user, 1u << f), (seat->flags >> f & 1) != 0,
		        since, s->truth->now, 0, NULL) &&
		    m->gone == NEVER && !truth_may_be_gone(s->truth, s->belief.box, m))
			truth_fault(s->truth, "flag %u of UID %u was changed, and it was not told",
			    f, m->uid);
}

/* The mailbox is as of that moment or later (RFC 9051 section 5.2): nothing remains to be told. */
static void
check_settled(struct viewer *s, uint64_t since)
{
	struct belief *b = &s->belief;
	size_t sure = 0, open = 0, at = 0;

	for (size_t i = 0; i < b->count && s->truth->fault == NULL; i++) {
		const struct seat *seat = &b->seats[i];
		const struct message *m = message_at(s, i);

		open += m == NULL;
		if (m != NULL && m->gone < since)
			truth_fault(
			    s->truth, "UID %u is gone, and its EXPUNGE was not told", m->uid);
		if (m != NULL && seat->flagged)
			check_flags_told(s, seat, m, since);
	}
	for (size_t i = 0; i < b->box->count && s->truth->fault == NULL; i++) {
		const struct message *m = b->box->messages[i];

		if (m->gone != NEVER || m->since >= since || truth_may_be_gone(s->truth, b->box, m))
			continue;
		sure++;
		while (at < b->count && b->seats[at].uid != 0 && b->seats[at].uid < m->uid)
			at++;
		if (open == 0 && (at == b->count || b->seats[at].uid != m->uid))
			truth_fault(
			    s->truth, "UID %u is there, and its EXISTS was not told", m->uid);
	}
	if (b->count < sure)
		truth_fault(s->truth, "EXISTS %zu, but %zu messages are there", b->count, sure);
}

static void
check_recents(struct viewer *s)
{
	struct belief *b = &s->belief;
	size_t known = 0;

	for (size_t i = 0; i < b->count; i++)
		known += b->seats[i].flagged && (b->seats[i].flags & FLAG_RECENT) != 0;
	if (!s->rev2 && known > b->recent)
		truth_fault(s->truth, "RECENT was %u, but %zu messages are", b->recent, known);
}

/* Each requested message was answered, with everything requested. */
static void
check_answered(struct viewer *s, const struct act *a, unsigned items)
{
	struct belief *b = &s->belief;

	for (size_t i = 0; i < b->count; i++) {
		const struct seat *seat = &b->seats[i];
		unsigned got = seat->got_tag == a->tag ? seat->got : 0;

		if (a->all ? seat->since < a->sent : numbers_has(&a->uids, seat->uid))
			if ((items & ~got) != 0)
				truth_fault(s->truth, "number %zu (UID %u) was not answered", i + 1,
				    seat->uid);
	}
}

static void
wrote(struct viewer *s, const struct act *a, bool sure)
{
	for (size_t i = 0; i < a->uids.n; i++) {
		struct message *m = truth_find(a->box, a->uids.v[i]);

		if (m != NULL)
			truth_wrote(s->truth, m, a->sent, sure);
	}
}

/* The response to the session's own change must show it, except for what others did meanwhile. */
static bool
shows_own(const struct viewer *s, const struct message *m, const struct act *a, uint32_t flags)
{
	uint32_t others = 0, wrong = (flags ^ a->value) & a->which & FLAGS_ALL;

	for (size_t i = 0; i < m->write_count; i++)
		if (m->writes[i].to > a->sent && m->writes[i].from != a->sent)
			others |= m->writes[i].which;
	return (truth_flags(s->user, wrong) & ~others) == 0;
}

static void
end_store(struct viewer *s, struct act *a, bool ok)
{
	wrote(s, a, ok);
	if (ok && !a->silent)
		check_answered(s, a, ITEM_FLAGS);
	for (size_t i = 0; ok && i < s->belief.count; i++) {
		struct seat *seat = &s->belief.seats[i];
		const struct message *m = message_at(s, i);

		if (m == NULL || !numbers_has(&a->uids, seat->uid) || !seat->flagged)
			continue;
		if (!a->silent && !shows_own(s, m, a, seat->flags))
			truth_fault(s->truth, "UID %u does not show what STORE set", m->uid);
		/* RFC 9051 section 6.4.6: the client knows what it asked for, whatever it is
		 * told. */
		if (a->silent && (seat->got_tag != a->tag || (seat->got & ITEM_FLAGS) == 0))
			seat->flags = (seat->flags & ~a->which) | a->value;
	}
}

static void
end_fetch(struct viewer *s, struct act *a, bool ok)
{
	if (a->which != 0)
		wrote(s, a, ok);
	if (ok)
		check_answered(s, a, a->items & ~(unsigned)ITEM_PEEK);
}

/* Messages that still exist afterwards were not removed. */
static void
end_removal(struct viewer *s, struct act *a)
{
	if (a->removal == NULL)
		return;
	for (size_t i = 0; i < s->belief.count; i++) {
		const struct message *m = message_at(s, i);

		if (m == NULL)
			continue;
		if (a->verb == V_EXPUNGE && (!a->uid || numbers_has(&a->uids, m->uid)) &&
		    s->belief.seats[i].since < a->sent &&
		    !truth_may_be(m, FLAG_DELETED, false, a->sent, s->truth->now, 0, NULL))
			truth_fault(s->truth, "UID %u is there after EXPUNGE", m->uid);
		if (a->verb != V_CLOSE)
			numbers_add(&a->removal->kept, m->uid);
	}
	truth_removed(s->truth, a->box, a->removal);
	a->removal = NULL;
}

/* ---- COPYUID and APPENDUID */

/* The flags of a message's copy, as far as known. */
static void
flags_of_source(const struct viewer *s, const struct act *a, const struct message *m,
    uint32_t *flags_r, uint32_t *open_r)
{
	*flags_r = *open_r = 0;
	for (unsigned f = 0; f < FLAGS; f++) {
		uint32_t flag = truth_flags(s->user, 1u << f);
		bool with = truth_may_be(m, flag, true, a->sent, s->truth->now, 0, NULL);
		bool without = truth_may_be(m, flag, false, a->sent, s->truth->now, 0, NULL);

		if ((viewer_flags(s) >> f & 1) == 0)
			continue;
		*flags_r |= with ? 1u << f : 0;
		*open_r |= with && without ? 1u << f : 0;
	}
}

/*
 * The user has added a message with these flags, open: or without them.  In a shared mailbox it is
 * the user's own \Seen that it gets, after it is there.
 */
static void
arrived(struct viewer *s, struct act *a, uint32_t uid, uint32_t id, uint32_t flags, uint32_t open)
{
	uint32_t later = s->truth->shared ? flags & FLAG_SEEN : 0, own = FLAG_SEEN_OF(s->user);
	struct message *m;

	m = truth_added(
	    s->truth, a->target, uid, id, a->sent, flags & ~later, open & ~later & FLAGS_ALL);
	if (later == 0)
		return;
	truth_write(s->truth, m, own, own);
	m->writes[m->write_count - 1].from = a->sent;
	truth_wrote(s->truth, m, a->sent, (open & later) == 0);
}

static void
copied(struct viewer *s, struct act *a, uint32_t from, uint32_t to)
{
	struct message *m = truth_find(a->box, from);
	uint32_t flags = 0, open = FLAGS_ALL;

	if (m == NULL || !numbers_has(&a->uids, from)) {
		truth_fault(s->truth, "COPYUID of %u, which was not asked for", from);
		return;
	}
	if (m->gone < a->sent)
		truth_fault(s->truth, "UID %u was copied after it was gone", from);
	flags_of_source(s, a, m, &flags, &open);
	arrived(s, a, to, m->id, flags, open);
	if (a->verb != V_MOVE)
		return;
	if (seat_of(s, from) != NULL)
		truth_fault(s->truth, "UID %u was moved, and its EXPUNGE was not told", from);
	truth_gone(s->truth, m);
}

/* Messages that were to be copied and were not must be gone. */
static void
check_left_out(struct viewer *s, const struct act *a, const struct numbers *from)
{
	for (size_t i = 0; i < a->uids.n; i++) {
		const struct message *m = truth_find(a->box, a->uids.v[i]);

		if (m != NULL && !numbers_has(from, m->uid) && m->gone == NEVER &&
		    !truth_may_be_gone(s->truth, a->box, m))
			truth_fault(s->truth, "UID %u was left out", m->uid);
	}
}

/* "38505 304,319:320 3956:3958"; empty: nothing was copied.  Not ok: all of them should have been,
 * or none. */
static void
take_copyuid(struct viewer *s, struct act *a, bool ok, struct str code)
{
	struct words w = words_of(code);
	struct numbers from = {0}, to = {0};

	if (code.n > 0) {
		judge_uidvalidity(s, a->target, words_number(&w));
		(void)words_skip(&w, " ");
		w.bad = !numbers_read(&from, words_atom(&w)) || w.bad || !words_skip(&w, " ") ||
		        !numbers_read(&to, words_atom(&w)) || w.p != w.end;
		if (w.bad || from.n != to.n)
			truth_fault(s->truth, "this is no COPYUID");
	}
	/* Nobody but this command removed them. */
	if (a->removal != NULL)
		for (size_t i = 0; i < a->uids.n; i++)
			if (!numbers_has(&from, a->uids.v[i]))
				numbers_add(&a->removal->kept, a->uids.v[i]);
	if (ok)
		check_left_out(s, a, &from);
	for (size_t i = 0; i < from.n && i < to.n && s->truth->fault == NULL; i++)
		copied(s, a, from.v[i], to.v[i]);
	numbers_fini(&from);
	numbers_fini(&to);
}

static void
end_copy(struct viewer *s, struct act *a, bool ok, struct str code)
{
	struct words w = words_of(code);

	if (a->verb == V_MOVE)
		code = str_of(a->code);
	else if (words_skip(&w, "COPYUID "))
		code = str_range(w.p, w.end);
	else
		code = STR_NONE;
	take_copyuid(s, a, ok, ok ? code : STR_NONE);
	a->target->arriving--;
	end_removal(s, a);
}

static void
end_append(struct viewer *s, struct act *a, struct str code)
{
	struct words w = words_of(code);
	struct numbers uids = {0};

	if (words_skip(&w, "APPENDUID ")) {
		judge_uidvalidity(s, a->target, words_number(&w));
		(void)words_skip(&w, " ");
		w.bad = !numbers_read(&uids, words_atom(&w)) || w.bad;
	}
	if (w.bad || uids.n != a->ids.n)
		truth_fault(
		    s->truth, "APPEND of %zu messages without APPENDUID for them", a->ids.n);
	for (size_t i = 0; i < uids.n && s->truth->fault == NULL; i++)
		arrived(s, a, uids.v[i], a->ids.v[i], a->flags, 0);
	a->target->arriving--;
	numbers_fini(&uids);
}

/* ---- the reply itself */

/* RFC 2180 section 4: somebody has expunged one of the messages that it named by number. */
static bool
expunge_issued(const struct viewer *s, const struct act *a, struct str code)
{
	if (!str_eq(code, STR("EXPUNGEISSUED")) || a->uid ||
	    (a->verb != V_FETCH && a->verb != V_STORE && a->verb != V_COPY && a->verb != V_MOVE))
		return false;
	for (size_t i = 0; i < s->belief.count; i++) {
		const struct message *m = message_at(s, i);
		bool asked = a->all || numbers_has(&a->at, (uint32_t)i + 1);

		if (asked && (m == NULL || m->gone != NEVER || m->since >= a->sent))
			return true;
		if (asked && truth_may_be_gone(s->truth, s->belief.box, m))
			return true;
	}
	return false;
}

/* Nothing has happened. */
static void
end_refused(struct viewer *s, struct act *a, bool no, struct str code)
{
	if (!no || (!str_eq(code, STR("NOPERM")) && !str_eq(code, STR("READ-ONLY"))))
		truth_fault(s->truth, "t%u ought to be refused", a->tag);
	if (a->target != NULL)
		a->target->arriving--;
}

static void
end_select(struct viewer *s)
{
	s->belief.first = s->belief.count;
	if (!s->belief.flags_told || s->belief.uidnext == 0 || s->belief.uidvalidity == 0)
		truth_fault(s->truth, "SELECT without FLAGS, UIDNEXT or UIDVALIDITY");
}

static void
end_act(struct viewer *s, struct act *a, bool ok, struct str code)
{
	switch (a->verb) {
	case V_LOGIN:
		s->logged_in = true;
		break;
	case V_SELECT:
	case V_EXAMINE:
		end_select(s);
		resync_selected(s, a);
		check_settled(s, a->sent);
		break;
	case V_CLOSE:
	case V_UNSELECT:
		end_removal(s, a);
		judge_leave(s);
		break;
	case V_NOOP:
	case V_CHECK:
	case V_IDLE:
		if (s->belief.box != NULL) {
			check_settled(s, a->verb == V_IDLE ? a->done_sent : a->sent);
			check_recents(s);
		}
		break;
	case V_FETCH:
		end_fetch(s, a, ok);
		break;
	case V_STORE:
		end_store(s, a, ok);
		break;
	case V_SEARCH:
		if (ok && !a->searched)
			truth_fault(s->truth, "SEARCH without a result");
		break;
	case V_STATUS:
		if (ok && !a->searched)
			truth_fault(s->truth, "STATUS without a result");
		break;
	case V_EXPUNGE:
		end_removal(s, a);
		break;
	case V_COPY:
	case V_MOVE:
		end_copy(s, a, ok, code);
		break;
	case V_APPEND:
		end_append(s, a, code);
		break;
	default:
		break;
	}
}

void
judge_reply(struct viewer *s, struct act *a, struct words *w)
{
	bool ok = words_skip(w, "OK "), no = !ok && words_skip(w, "NO ");
	struct str code = STR_NONE;

	if (words_skip(w, "[")) {
		const char *end = str_chr(str_range(w->p, w->end), ']');

		code = str_range(w->p, end != NULL ? end : w->end);
	}
	if (a->refused) {
		end_refused(s, a, no, code);
		return;
	}
	if (!ok && !(no && expunge_issued(s, a, code)))
		truth_fault(s->truth, "t%u ought to be OK", a->tag);
	end_act(s, a, ok, code);
}

/* ---- the end */

static void
check_end_recent(struct viewer *s)
{
	const struct mailbox *box = s->belief.box;

	for (size_t i = 0; i < box->count; i++)
		if (box->messages[i]->gone == NEVER && !box->messages[i]->recent_lost[s->user] &&
		    box->messages[i]->from > box->recent_lost[s->user] &&
		    box->messages[i]->recent_of[s->user] == 0 && !s->rev2 && !s->belief.read_only &&
		    seat_of(s, box->messages[i]->uid) != NULL)
			truth_fault(s->truth, "UID %u of %s is \\Recent in no session",
			    box->messages[i]->uid, box->name);
}

static void
check_pair(struct viewer *a, struct viewer *b)
{
	uint32_t same = a->user == b->user ? FLAGS_ALL : FLAGS_ALL & ~FLAG_SEEN;

	if (a->belief.count != b->belief.count)
		truth_fault(a->truth, "sessions %s and %s see %zu and %zu messages", a->name,
		    b->name, a->belief.count, b->belief.count);
	for (size_t i = 0; i < a->belief.count && a->truth->fault == NULL; i++) {
		const struct seat *x = &a->belief.seats[i], *y = &b->belief.seats[i];

		if (x->uid != y->uid || ((x->flags ^ y->flags) & same) != 0 || !x->flagged ||
		    !y->flagged)
			truth_fault(a->truth,
			    "sessions %s and %s differ in number %zu, UIDs %u and %u", a->name,
			    b->name, i + 1, x->uid, y->uid);
	}
}

void
sessions_agree(struct viewer *const *sessions, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sessions[i]->belief.box == NULL || sessions[i]->act_count > 0) {
			truth_fault(
			    sessions[i]->truth, "session %s is not at the end", sessions[i]->name);
			return;
		}
		check_settled(sessions[i], sessions[i]->truth->now);
		check_end_recent(sessions[i]);
		for (size_t k = i + 1; k < n; k++)
			if (sessions[k]->belief.box == sessions[i]->belief.box)
				check_pair(sessions[i], sessions[k]);
	}
}
