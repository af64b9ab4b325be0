/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client may believe, response by response (RFC 3501 and RFC 9051 sections 2.3, 5.2, 5.5 and
 * 7; RFC 6851; RFC 4315).
 */
#include "viewer.h"

#include <stdio.h>

#include "base/mem.h"
#include "judge.h"
#include "resync.h"

void
viewer_init(struct viewer *s, struct truth *truth, unsigned number, bool rev2, bool resync)
{
	rev2 = rev2 || resync;
	*s =
	    (struct viewer){.truth = truth, .rev2 = rev2, .resync = resync, .answered = truth->now};
	s->random = truth->seed * 1000003u + number;
	snprintf(s->name, sizeof(s->name), "%u%s", number, resync ? "\"" : rev2 ? "'" : " ");
}

void
viewer_as(struct viewer *s, unsigned user, const char *prefix, const char *rights)
{
	s->user = user;
	s->prefix = prefix;
	s->rights = rights;
	s->name[strlen(s->name)] = (char)('a' + (int)user);
}

bool
viewer_may(const struct viewer *s, char right)
{
	return s->rights == NULL || strchr(s->rights, right) != NULL;
}

uint32_t
viewer_flags(const struct viewer *s)
{
	uint32_t flags = viewer_may(s, 'w') ? FLAGS_ALL & ~(FLAG_SEEN | FLAG_DELETED) : 0;

	return flags | (viewer_may(s, 's') ? FLAG_SEEN : 0) |
	       (viewer_may(s, 't') ? FLAG_DELETED : 0);
}

void
viewer_name(const struct viewer *s, const struct mailbox *box, struct buf *out)
{
	if (s->prefix == NULL)
		buf_puts(out, box->name);
	else
		buf_printf(out, "\"%s%s\"", s->prefix, box->name);
}

static void
act_free(struct act *a)
{
	numbers_fini(&a->uids);
	numbers_fini(&a->at);
	numbers_fini(&a->ids);
	mem_free(a->code);
	mem_free(a->kept.v);
	mem_free(a);
}

void
viewer_fini(struct viewer *s)
{
	for (size_t i = 0; i < s->act_count; i++)
		act_free(s->acts[i]);
	mem_free(s->belief.seats);
	resync_fini(s);
	buf_fini(&s->in);
	buf_fini(&s->out);
}

struct act *
viewer_current(const struct viewer *s)
{
	return s->act_count > 0 ? s->acts[0] : NULL;
}

uint64_t
viewer_since(const struct viewer *s)
{
	return s->act_count > 0 ? s->acts[0]->sent : s->answered;
}

/* ---- EXISTS, EXPUNGE, RECENT, FLAGS */

static void
take_exists(struct viewer *s, uint32_t n)
{
	struct belief *b = &s->belief;

	if (n < b->count) {
		truth_fault(s->truth, "EXISTS %u, but there were %zu and no EXPUNGE", n, b->count);
		return;
	}
	if (n > b->cap) {
		b->cap = n + 64;
		b->seats = mem_realloc(b->seats, b->cap * sizeof(*b->seats));
	}
	for (; b->count < n; b->count++)
		b->seats[b->count] = (struct seat){.since = viewer_since(s)};
}

void
viewer_expunged(struct viewer *s, uint32_t n)
{
	const struct act *a = viewer_current(s);
	struct belief *b = &s->belief;
	struct message *m;

	if (a == NULL)
		truth_fault(s->truth, "EXPUNGE while no command is in progress");
	else if (!a->uid && (a->verb == V_FETCH || a->verb == V_STORE || a->verb == V_SEARCH))
		truth_fault(s->truth, "EXPUNGE while a command speaks of numbers");
	if (n == 0 || n > b->count) {
		truth_fault(s->truth, "EXPUNGE %u of %zu messages", n, b->count);
		return;
	}
	m = b->seats[n - 1].uid != 0 ? truth_find(b->box, b->seats[n - 1].uid) : NULL;
	if (m != NULL) {
		if (m->gone == NEVER && !truth_may_be_gone(s->truth, b->box, m))
			truth_fault(s->truth, "EXPUNGE %u: nobody removed UID %u", n, m->uid);
		truth_gone(s->truth, m);
	}
	memmove(b->seats + n - 1, b->seats + n, (b->count - n) * sizeof(*b->seats));
	b->count--;
	b->first -= n <= b->first ? 1 : 0;
}

static void
take_recent(struct viewer *s, uint32_t n)
{
	struct belief *b = &s->belief;
	size_t known = 0, open = 0;

	if (s->rev2)
		truth_fault(s->truth, "RECENT in IMAP4rev2");
	for (size_t i = 0; i < b->count; i++) {
		known += b->seats[i].flagged && (b->seats[i].flags & FLAG_RECENT) != 0;
		open += !b->seats[i].flagged;
	}
	if (n < known || n > known + open)
		truth_fault(
		    s->truth, "RECENT %u, but it is between %zu and %zu", n, known, known + open);
	b->recent = n;
}

static void
take_keywords(struct viewer *s, struct words *w)
{
	uint32_t flags = 0;

	if (!flags_read(words_value(w), &flags))
		truth_fault(s->truth, "FLAGS with what nobody set");
	s->belief.keywords = flags;
	s->belief.flags_told = true;
}

/* ---- untagged OK */

static void
take_code(struct viewer *s, struct words *w)
{
	struct act *a = viewer_current(s);

	if (words_skip(w, "UIDVALIDITY ")) {
		s->belief.uidvalidity = words_number(w);
		judge_uidvalidity(s, s->belief.box, s->belief.uidvalidity);
	} else if (words_skip(w, "UIDNEXT ")) {
		s->belief.uidnext = words_number(w);
		truth_uidnext(s->truth, s->belief.box, s->belief.uidnext, viewer_since(s));
	} else if (words_skip(w, "HIGHESTMODSEQ ")) {
		resync_code(s, words_number64(w));
	} else if (words_skip(w, "UNSEEN ")) {
		uint32_t n = words_number(w);

		if (n == 0 || n > s->belief.count)
			truth_fault(s->truth, "UNSEEN %u of %zu messages", n, s->belief.count);
	} else if (a != NULL && a->verb == V_MOVE && words_skip(w, "COPYUID ")) {
		const char *end = str_chr(str_range(w->p, w->end), ']');
		struct buf code = {0};

		buf_str(&code, str_range(w->p, end != NULL ? end : w->end));
		mem_free(a->code);
		a->code = mem_strdup(buf_cstr(&code));
		buf_fini(&code);
	}
}

/* ---- the rest */

static void
take_numbered(struct viewer *s, struct words *w)
{
	uint32_t n = words_number(w);

	if (s->belief.box == NULL) {
		truth_fault(s->truth, "a number, but no mailbox is selected");
		return;
	}
	(void)words_skip(w, " ");
	if (words_skip(w, "EXISTS"))
		take_exists(s, n);
	else if (!s->resync && words_skip(w, "EXPUNGE"))
		viewer_expunged(s, n);
	else if (words_skip(w, "RECENT"))
		take_recent(s, n);
	else if (words_skip(w, "FETCH "))
		judge_fetch(s, n, w);
	else
		w->bad = true;
	w->bad = w->bad || w->p != w->end;
}

static void
take_untagged(struct viewer *s, struct words *w)
{
	if (w->p < w->end && *w->p >= '0' && *w->p <= '9')
		take_numbered(s, w);
	else if (words_skip(w, "FLAGS "))
		take_keywords(s, w);
	else if (words_skip(w, "OK ["))
		take_code(s, w);
	else if (words_skip(w, "VANISHED"))
		resync_vanished(s, w);
	else if (words_skip(w, "SEARCH"))
		judge_search(s, w);
	else if (words_skip(w, "ESEARCH"))
		judge_esearch(s, w);
	else if (words_skip(w, "STATUS "))
		judge_status(s, w);
	else if (words_skip(w, "BYE")) {
		const struct act *a = viewer_current(s);

		if (a == NULL || a->verb != V_LOGOUT)
			truth_fault(s->truth, "BYE that nobody asked for");
		s->bye = true;
	} else if (!words_skip(w, "OK") && !words_skip(w, "LIST ") && !words_skip(w, "ENABLED") &&
	           !words_skip(w, "CAPABILITY"))
		w->bad = true;
}

/* The server now works on the next command. */
static void
next_act(struct viewer *s)
{
	struct act *a = viewer_current(s);

	if (a == NULL || (a->verb != V_SELECT && a->verb != V_EXAMINE))
		return;
	judge_leave(s);
	s->belief.box = a->box;
	s->belief.read_only = a->verb == V_EXAMINE;
	s->belief.selection = ++s->truth->selections;
}

void
viewer_started(struct viewer *s)
{
	if (s->act_count == 1)
		next_act(s);
}

static void
take_tagged(struct viewer *s, struct words *w)
{
	struct act *a = viewer_current(s);
	uint32_t tag = words_number(w);
	struct words code = *w;

	if (w->bad || a == NULL || tag != a->tag) {
		truth_fault(s->truth, "a reply to t%u, but t%u is the oldest command", tag,
		    a != NULL ? a->tag : 0);
		return;
	}
	if (words_skip(&code, " OK [HIGHESTMODSEQ "))
		resync_code(s, words_number64(&code));
	resync_answered(s);
	(void)words_skip(w, " ");
	judge_reply(s, a, w);
	s->act_count--;
	memmove(s->acts, s->acts + 1, s->act_count * sizeof(*s->acts));
	s->answered = s->truth->now;
	act_free(a);
	next_act(s);
}

static void
take_one(struct viewer *s, struct str line)
{
	struct words w = words_of((struct str){line.p, line.n - 2});
	struct act *a = viewer_current(s);

	s->truth->now++;
	truth_log(s->truth, s->name, 'S', line);
	if (words_skip(&w, "* "))
		take_untagged(s, &w);
	else if (words_skip(&w, "+ ") && a != NULL && a->verb == V_IDLE && !a->idling)
		a->idling = true;
	else if (words_skip(&w, "t"))
		take_tagged(s, &w);
	else
		w.bad = true;
	if (w.bad)
		truth_fault(s->truth, "session %s: what is this?", s->name);
}

void
viewer_take(struct viewer *s, struct str bytes)
{
	size_t at = 0, n;

	buf_str(&s->in, bytes);
	while (s->truth->fault == NULL &&
	       (n = words_response((struct str){s->in.p + at, s->in.n - at})) > 0) {
		take_one(s, (struct str){s->in.p + at, n});
		at += n;
	}
	buf_consume(&s->in, at);
}
