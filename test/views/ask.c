/* SPDX-License-Identifier: Apache-2.0 */
/* Commands: sending them, and choosing them by a seed. */
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "judge.h"
#include "resync.h"

static const char *const verbs[VERBS] = {"LOGIN", "ENABLE IMAP4rev2", "ENABLE QRESYNC", "SELECT",
    "EXAMINE", "CLOSE", "UNSELECT", "NOOP", "CHECK", "IDLE", "FETCH", "STORE", "SEARCH", "EXPUNGE",
    "COPY", "MOVE", "APPEND", "STATUS", "LOGOUT"};

/* Puts the command's beginning into s->out; the caller adds the rest and calls sent(). */
static struct act *
begin(struct viewer *s, enum verb verb, bool uid)
{
	struct act *a = mem_zalloc(sizeof(*a));

	TS_ASSERT(s->act_count <= PIPELINE);
	s->acts[s->act_count++] = a;
	a->tag = ++s->tag;
	a->verb = verb;
	a->uid = uid;
	a->sent = ++s->truth->now;
	a->box = s->selecting;
	s->commands++;
	buf_printf(&s->out, "t%u %s%s", a->tag, uid ? "UID " : "", verbs[verb]);
	return a;
}

static void
sent(struct viewer *s, size_t from)
{
	truth_log(s->truth, s->name, 'C', (struct str){s->out.p + from, s->out.n - from});
	buf_puts(&s->out, "\r\n");
	viewer_started(s);
}

/* The messages, and how they are addressed. */
static void
name_them(struct viewer *s, struct act *a, const struct numbers *chosen)
{
	buf_putc(&s->out, ' ');
	if (chosen == NULL) {
		a->all = true;
		buf_puts(&s->out, "1:*");
		return;
	}
	for (size_t i = 0; i < chosen->n; i++) {
		numbers_add(&a->at, chosen->v[i]);
		numbers_add(&a->uids, s->belief.seats[chosen->v[i] - 1].uid);
	}
	numbers_print(a->uid ? &a->uids : &a->at, &s->out);
}

void
viewer_login(struct viewer *s, const char *user, const char *password)
{
	size_t from = s->out.n;

	(void)begin(s, V_LOGIN, false);
	buf_printf(&s->out, " %s %s", user, password);
	sent(s, from);
	if (s->rev2)
		viewer_simple(s, V_ENABLE);
	if (s->resync)
		viewer_simple(s, V_RESYNC);
}

/* The messages are changed, unless the user has no right to that. */
static bool
permitted(const struct viewer *s, struct act *a, bool right)
{
	a->refused = !right || s->will_read_only;
	return !a->refused;
}

static struct removal *
removal(struct viewer *s, const struct act *a, bool deleted_only, bool all)
{
	struct removal *r = truth_removal(s->truth, a->box, deleted_only, all);

	for (size_t i = 0; i < a->uids.n; i++)
		numbers_add(&r->uids, a->uids.v[i]);
	return r;
}

void
viewer_select(struct viewer *s, struct mailbox *box, bool read_only)
{
	size_t from = s->out.n;
	struct act *a = begin(s, read_only ? V_EXAMINE : V_SELECT, false);

	a->box = s->selecting = box;
	s->will_read_only = read_only || (s->rights != NULL && strpbrk(s->rights, "swite") == NULL);
	buf_putc(&s->out, ' ');
	viewer_name(s, box, &s->out);
	resync_ask(s, a);
	sent(s, from);
}

void
viewer_simple(struct viewer *s, enum verb verb)
{
	size_t from = s->out.n;
	struct act *a = begin(s, verb, false);

	if ((verb == V_EXPUNGE && permitted(s, a, viewer_may(s, 'e'))) ||
	    (verb == V_CLOSE && !s->will_read_only && viewer_may(s, 'e')))
		a->removal = removal(s, a, true, true);
	if (verb == V_CLOSE || verb == V_UNSELECT)
		s->selecting = NULL;
	sent(s, from);
}

void
viewer_done(struct viewer *s)
{
	struct act *a = s->acts[s->act_count - 1];

	a->done = true;
	a->done_sent = ++s->truth->now;
	truth_log(s->truth, s->name, 'C', STR("DONE"));
	buf_puts(&s->out, "DONE\r\n");
}

bool
viewer_idles(const struct viewer *s)
{
	const struct act *a = s->act_count > 0 ? s->acts[s->act_count - 1] : NULL;

	return a != NULL && a->verb == V_IDLE && !a->done;
}

static void
writes(struct viewer *s, struct act *a, uint32_t which, uint32_t value)
{
	a->which = which;
	a->value = value;
	for (size_t i = 0; i < a->uids.n; i++) {
		struct message *m = truth_find(a->box, a->uids.v[i]);

		if (m != NULL)
			truth_write(
			    s->truth, m, truth_flags(s->user, which), truth_flags(s->user, value));
	}
}

void
viewer_fetch(struct viewer *s, const struct numbers *chosen, bool uid, unsigned items)
{
	static const char *const names[] = {
	    "UID", "FLAGS", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY[]"};
	size_t from = s->out.n;
	struct act *a = begin(s, V_FETCH, uid);
	const char *between = " (";

	name_them(s, a, chosen);
	a->items = items;
	for (unsigned i = 0; i < 6; i++)
		if ((items >> i & 1) != 0) {
			bool peek = 1u << i == ITEM_BODY && (items & ITEM_PEEK) != 0;

			buf_printf(&s->out, "%s%s", between, peek ? "BODY.PEEK[]" : names[i]);
			between = " ";
		}
	if ((items & ITEM_MODSEQ) != 0)
		buf_puts(&s->out, " MODSEQ");
	buf_putc(&s->out, ')');
	if ((items & ITEM_BODY) != 0 && (items & ITEM_PEEK) == 0 && !s->will_read_only &&
	    viewer_may(s, 's'))
		writes(s, a, FLAG_SEEN, FLAG_SEEN);
	sent(s, from);
}

void
viewer_store(struct viewer *s, const struct numbers *chosen, bool uid, char mode, uint32_t flags,
    bool silent)
{
	size_t from = s->out.n;
	struct act *a = begin(s, V_STORE, uid);
	uint32_t which = (mode == '=' ? FLAGS_ALL : flags) & viewer_flags(s);

	name_them(s, a, chosen);
	a->silent = silent;
	buf_putc(&s->out, ' ');
	if (mode != '=')
		buf_putc(&s->out, mode);
	buf_printf(&s->out, "FLAGS%s ", silent ? ".SILENT" : "");
	flags_print(flags, &s->out);
	if (permitted(s, a, which != 0))
		writes(s, a, which, mode == '-' ? 0 : flags & which);
	sent(s, from);
}

void
viewer_search(struct viewer *s, bool uid, enum key key, uint32_t what)
{
	size_t from = s->out.n;
	struct act *a = begin(s, V_SEARCH, uid);
	struct buf name = {0};

	a->key = key;
	if (key == KEY_ALL)
		buf_puts(&s->out, " ALL");
	else if (key == KEY_SUBJECT)
		buf_printf(&s->out, " SUBJECT m%u", what);
	else if (key == KEY_TEXT)
		buf_printf(&s->out, " TEXT only%uword", what);
	else {
		flags_print(what, &name);
		a->which = what;
		/* "(\Seen)" is SEEN, "(key7)" is KEYWORD key7. */
		buf_printf(&s->out, " %s%s%.*s", key == KEY_UNFLAG ? "UN" : "",
		    (what & FLAGS_SYSTEM) != 0 ? "" : "KEYWORD ",
		    (int)name.n - ((what & FLAGS_SYSTEM) != 0 ? 3 : 2),
		    name.p + ((what & FLAGS_SYSTEM) != 0 ? 2 : 1));
		buf_fini(&name);
	}
	a->id = what;
	sent(s, from);
}

void
viewer_uid_expunge(struct viewer *s, const struct numbers *chosen)
{
	size_t from = s->out.n;
	struct act *a = begin(s, V_EXPUNGE, true);

	name_them(s, a, chosen);
	if (permitted(s, a, viewer_may(s, 'e')))
		a->removal = removal(s, a, true, false);
	sent(s, from);
}

void
viewer_copy(
    struct viewer *s, const struct numbers *chosen, bool uid, bool move, struct mailbox *target)
{
	size_t from = s->out.n;
	struct act *a = begin(s, move ? V_MOVE : V_COPY, uid);

	name_them(s, a, chosen);
	a->target = target;
	target->arriving++;
	if (move && permitted(s, a, viewer_may(s, 't') && viewer_may(s, 'e') && viewer_may(s, 'i')))
		a->removal = removal(s, a, false, false);
	if (!viewer_may(s, 'i'))
		a->refused = true;
	buf_putc(&s->out, ' ');
	viewer_name(s, target, &s->out);
	sent(s, from);
}

void
viewer_append(struct viewer *s, struct mailbox *target, unsigned count, uint32_t flags)
{
	size_t from = s->out.n;
	struct act *a = begin(s, V_APPEND, false);
	struct buf text = {0};

	a->target = target;
	a->flags = flags & viewer_flags(s);
	a->refused = !viewer_may(s, 'i');
	target->arriving++;
	buf_putc(&s->out, ' ');
	viewer_name(s, target, &s->out);
	for (unsigned i = 0; i < count; i++) {
		numbers_add(&a->ids, s->truth->next_id);
		text.n = 0;
		truth_text(s->truth, s->truth->next_id++, &text);
		buf_putc(&s->out, ' ');
		flags_print(flags, &s->out);
		buf_printf(&s->out, " {%zu+}\r\n", text.n);
		buf_str(&s->out, buf_as_str(&text));
	}
	buf_fini(&text);
	sent(s, from);
}

void
viewer_status(struct viewer *s, struct mailbox *box)
{
	size_t from = s->out.n;
	struct act *a = begin(s, V_STATUS, false);

	a->target = box;
	buf_putc(&s->out, ' ');
	viewer_name(s, box, &s->out);
	buf_puts(&s->out, " (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED)");
	sent(s, from);
}

bool
viewer_may_number(const struct viewer *s)
{
	for (size_t i = 0; i < s->act_count; i++) {
		const struct act *a = s->acts[i];

		if (a->uid || (a->verb != V_FETCH && a->verb != V_STORE && a->verb != V_SEARCH))
			return false;
	}
	return true;
}

/* ---- by a seed */

static unsigned
below(struct viewer *s, unsigned n)
{
	return random_below(&s->random, n);
}

static bool
one_in(struct viewer *s, unsigned n)
{
	return below(s, n) == 0;
}

/* Chooses up to max messages with known UIDs, ascending; false: there are none. */
static bool
choose(struct viewer *s, unsigned max, struct numbers *chosen)
{
	const struct belief *b = &s->belief;
	size_t step = 1 + b->count / (1 + below(s, max));

	for (size_t i = below(s, (unsigned)step); i < b->count; i += 1 + below(s, (unsigned)step))
		if (chosen->n < max && b->seats[i].uid != 0)
			numbers_add(chosen, (uint32_t)i + 1);
	return chosen->n > 0;
}

static uint32_t
some_flags(struct viewer *s)
{
	uint32_t flags = 1u << below(s, FLAGS);

	if (one_in(s, 2))
		flags |= 1u << below(s, 5);
	return flags;
}

static bool
all_known(const struct belief *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->seats[i].uid == 0 || !b->seats[i].flagged)
			return false;
	return true;
}

static void
next_fetch(struct viewer *s)
{
	static const unsigned items[] = {ITEM_UID, ITEM_UID | ITEM_FLAGS, ITEM_FLAGS,
	    ITEM_UID | ITEM_ENVELOPE, ITEM_UID | ITEM_STRUCTURE | ITEM_FLAGS, ITEM_SIZE | ITEM_UID,
	    ITEM_UID | ITEM_BODY | ITEM_PEEK, ITEM_UID | ITEM_BODY,
	    ITEM_BODY | ITEM_FLAGS | ITEM_UID};
	struct numbers chosen = {0};
	unsigned which = items[below(s, sizeof(items) / sizeof(*items))];
	bool number = viewer_may_number(s);

	if (s->resync && one_in(s, 2))
		which |= ITEM_MODSEQ;
	if (s->belief.count > 0 && number && one_in(s, 3) && (which & ITEM_BODY) == 0)
		viewer_fetch(s, NULL, false, which);
	else if (s->belief.count > 0 && one_in(s, 3) && (which & ITEM_BODY) == 0)
		viewer_fetch(s, NULL, true, which);
	else if (choose(s, one_in(s, 2) ? 3 : 30, &chosen))
		viewer_fetch(s, &chosen, !number || one_in(s, 2), which);
	else
		viewer_simple(s, V_NOOP);
	numbers_fini(&chosen);
}

static void
next_store(struct viewer *s)
{
	struct numbers chosen = {0};
	uint32_t flags = one_in(s, 3) ? FLAG_DELETED : some_flags(s);
	char mode = "+++--="[below(s, 6)];

	if (choose(s, one_in(s, 2) ? 2 : 20, &chosen))
		viewer_store(
		    s, &chosen, !viewer_may_number(s) || one_in(s, 2), mode, flags, one_in(s, 2));
	else
		viewer_simple(s, V_NOOP);
	numbers_fini(&chosen);
}

static void
next_search(struct viewer *s)
{
	enum key key = below(s, KEYS);
	uint32_t what = 1u << below(s, FLAGS);

	if (key == KEY_SUBJECT || key == KEY_TEXT) {
		/* One that probably exists. */
		unsigned back = 1 + below(s, 30);

		what = s->truth->next_id > back ? s->truth->next_id - back : 1;
	}
	viewer_search(s, !viewer_may_number(s) || one_in(s, 2), key, what);
}

/* Removes some: \Deleted and EXPUNGE in one go. */
static void
shrink(struct viewer *s)
{
	struct numbers chosen = {0};

	if (!choose(s, 12, &chosen)) {
		viewer_simple(s, V_EXPUNGE);
	} else {
		viewer_store(s, &chosen, !viewer_may_number(s), '+', FLAG_DELETED, one_in(s, 2));
		if (s->act_count < PIPELINE && one_in(s, 2))
			viewer_uid_expunge(s, &chosen);
	}
	numbers_fini(&chosen);
}

static void
next_removal(struct viewer *s)
{
	struct numbers chosen = {0};
	struct mailbox *other = &s->truth->boxes[s->selecting == &s->truth->boxes[0]];

	switch (below(s, 5)) {
	case 0:
		viewer_simple(s, V_EXPUNGE);
		break;
	case 1:
		shrink(s);
		break;
	default:
		if (!choose(s, 6, &chosen))
			viewer_simple(s, V_EXPUNGE);
		else if (one_in(s, 2))
			viewer_copy(s, &chosen, !viewer_may_number(s) || one_in(s, 2), true, other);
		else
			viewer_uid_expunge(s, &chosen);
	}
	numbers_fini(&chosen);
}

static void
next_copy(struct viewer *s)
{
	struct numbers chosen = {0};
	struct mailbox *target = &s->truth->boxes[below(s, MAILBOXES)];

	if (choose(s, 3, &chosen))
		viewer_copy(s, &chosen, !viewer_may_number(s) || one_in(s, 2), false, target);
	else
		viewer_simple(s, V_NOOP);
	numbers_fini(&chosen);
}

static void
next_append(struct viewer *s)
{
	viewer_append(s, &s->truth->boxes[below(s, MAILBOXES)], 1 + below(s, 4),
	    one_in(s, 2) ? some_flags(s) & ~FLAG_DELETED : 0);
}

static void
next_change(struct viewer *s)
{
	bool many = s->belief.count > 60, few = s->belief.count < 8;

	if (many && !s->will_read_only)
		shrink(s);
	else if (few || one_in(s, 3))
		next_append(s);
	else if (s->will_read_only && (s->rights == NULL || one_in(s, 2)))
		next_fetch(s);
	else if (one_in(s, 4))
		next_copy(s);
	else if (one_in(s, 3))
		next_removal(s);
	else
		next_store(s);
}

static void
next_selected(struct viewer *s)
{
	unsigned n = below(s, 100);

	if (!all_known(&s->belief) && one_in(s, 2))
		viewer_fetch(s, NULL, !viewer_may_number(s) || one_in(s, 2), ITEM_UID | ITEM_FLAGS);
	else if (n < 40)
		next_change(s);
	else if (n < 60)
		next_fetch(s);
	else if (n < 70)
		next_search(s);
	else if (n < 76)
		viewer_status(s, &s->truth->boxes[below(s, MAILBOXES)]);
	else if (n < 93)
		viewer_simple(s, one_in(s, 5) ? V_CHECK : V_NOOP);
	else if (n < 97)
		viewer_simple(s, V_IDLE);
	else if (n < (s->resync ? 99 : 98))
		viewer_select(s, &s->truth->boxes[below(s, MAILBOXES)], one_in(s, 4));
	else
		viewer_simple(s, one_in(s, 2) ? V_CLOSE : V_UNSELECT);
}

/* Adds and removes as fast as possible. */
static void
churn(struct viewer *s)
{
	struct numbers chosen = {0};

	if (s->belief.count < 4 + below(s, 12) || !choose(s, 3, &chosen)) {
		viewer_append(s, s->selecting, 1 + below(s, 3), 0);
	} else {
		viewer_store(s, &chosen, true, '+', FLAG_DELETED, true);
		viewer_uid_expunge(s, &chosen);
	}
	numbers_fini(&chosen);
	if (!all_known(&s->belief))
		viewer_fetch(s, NULL, true, ITEM_UID | ITEM_FLAGS);
}

/* Checks that numbers are unchanged: in one go, so that a change must be told in between. */
static void
look(struct viewer *s)
{
	viewer_simple(s, one_in(s, 8) ? V_CHECK : V_NOOP);
	if (s->belief.count > 12)
		viewer_fetch(s, NULL, true, ITEM_UID);
	else
		viewer_simple(s, V_NOOP);
}

void
viewer_next(struct viewer *s)
{
	const struct act *last = s->act_count > 0 ? s->acts[s->act_count - 1] : NULL;

	/* A session that is selecting, or is in IDLE, cannot refer to what it does not know yet. */
	if (s->bye || s->act_count >= PIPELINE || !s->logged_in ||
	    (last != NULL &&
	        (last->verb == V_SELECT || last->verb == V_EXAMINE || last->verb == V_CLOSE ||
	            last->verb == V_UNSELECT || last->verb == V_IDLE || last->verb == V_LOGOUT)))
		return;
	if (s->selecting == NULL)
		viewer_select(s, &s->truth->boxes[s->habit == HABIT_ANYTHING && one_in(s, 3)],
		    s->habit != HABIT_CHURN && one_in(s, 6));
	else if (s->habit == HABIT_CHURN && s->act_count == 0)
		churn(s);
	else if (s->habit == HABIT_LOOK && s->act_count == 0)
		look(s);
	else if (s->habit == HABIT_ANYTHING)
		next_selected(s);
}
