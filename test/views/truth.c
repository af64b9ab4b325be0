/* SPDX-License-Identifier: Apache-2.0 */
#include "truth.h"

#include <stdio.h>

#include "base/mem.h"

#define SHOWN 200 /* bytes of a line in the log */

/* A pseudorandom generator (splitmix64). */
uint64_t
random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void
truth_init(struct truth *t, uint64_t seed, const char *run)
{
	*t = (struct truth){.seed = seed, .next_id = 1, .size_max = 1000, .now = 1};
	for (unsigned i = 0; i < MAILBOXES; i++)
		snprintf(t->boxes[i].name, sizeof(t->boxes[i].name), "%s-%c", run, 'a' + (int)i);
}

static void
box_fini(struct mailbox *box)
{
	for (size_t i = 0; i < box->count; i++) {
		mem_free(box->messages[i]->writes);
		mem_free(box->messages[i]);
	}
	for (size_t i = 0; i < box->removal_count; i++) {
		numbers_fini(&box->removals[i]->uids);
		numbers_fini(&box->removals[i]->kept);
		mem_free(box->removals[i]);
	}
	mem_free(box->messages);
	mem_free(box->removals);
}

void
truth_fini(struct truth *t)
{
	for (unsigned i = 0; i < MAILBOXES; i++)
		box_fini(&t->boxes[i]);
	for (size_t i = 0; i < LOG_LINES; i++)
		mem_free(t->log[i]);
	mem_free(t->fault);
	*t = (struct truth){0};
}

/* ---- faults and the log */

void
truth_fault(struct truth *t, const char *fmt, ...)
{
	struct buf text = {0};
	va_list ap;

	if (t->fault != NULL)
		return;
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	t->fault = mem_strdup(buf_cstr(&text));
	buf_fini(&text);
}

void
truth_log(struct truth *t, const char *who, char dir, struct str text)
{
	struct buf line = {0};
	char **slot = &t->log[t->log_next++ % LOG_LINES];

	if (t->fault != NULL) {
		t->log_next--;
		return;
	}
	text = str_trim(text);
	buf_printf(&line, "%6llu %s %c: ", (unsigned long long)t->now, who, dir);
	for (size_t i = 0; i < text.n && i < SHOWN; i++)
		buf_putc(&line, text.p[i] == '\r' || text.p[i] == '\n' ? '|' : text.p[i]);
	if (text.n > SHOWN)
		buf_printf(&line, "... %zu bytes", text.n);
	mem_free(*slot);
	*slot = mem_strdup(buf_cstr(&line));
	buf_fini(&line);
}

void
truth_print(const struct truth *t)
{
	for (size_t i = 0; i < LOG_LINES; i++) {
		const char *line = t->log[(t->log_next + i) % LOG_LINES];

		if (line != NULL)
			fprintf(stderr, "%s\n", line);
	}
	fprintf(stderr, "seed %llu: %s\n", (unsigned long long)t->seed,
	    t->fault != NULL ? t->fault : "no contradiction");
}

/* ---- messages */

static size_t
place_of(const struct mailbox *box, uint32_t uid)
{
	size_t from = 0, end = box->count;

	while (from < end) {
		size_t mid = (from + end) / 2;

		if (box->messages[mid]->uid < uid)
			from = mid + 1;
		else
			end = mid;
	}
	return from;
}

struct message *
truth_find(const struct mailbox *box, uint32_t uid)
{
	size_t at = place_of(box, uid);

	return at < box->count && box->messages[at]->uid == uid ? box->messages[at] : NULL;
}

static struct message *
insert(struct truth *t, struct mailbox *box, uint32_t uid)
{
	size_t at = place_of(box, uid);
	struct message *m = mem_zalloc(sizeof(*m));

	box->messages = mem_realloc(box->messages, (box->count + 1) * sizeof(*box->messages));
	memmove(
	    box->messages + at + 1, box->messages + at, (box->count - at) * sizeof(*box->messages));
	box->count++;
	box->messages[at] = m;
	m->uid = uid;
	m->gone = NEVER;
	m->since = t->now;
	return m;
}

struct message *
truth_see(struct truth *t, struct mailbox *box, uint32_t uid)
{
	struct message *m = truth_find(box, uid);

	if (m != NULL)
		return m;
	if (box->arriving == 0)
		truth_fault(t, "UID %u of %s is a message that nobody added", uid, box->name);
	return insert(t, box, uid);
}

struct message *
truth_added(struct truth *t, struct mailbox *box, uint32_t uid, uint32_t id, uint64_t from,
    uint32_t flags, uint32_t open)
{
	struct message *m = truth_find(box, uid);

	if (m == NULL)
		m = insert(t, box, uid);
	if (m->based)
		truth_fault(t, "UID %u of %s was given twice", uid, box->name);
	if (uid < box->uidnext && from > box->uidnext_at)
		truth_fault(t, "UID %u of %s was given after UIDNEXT %u was told", uid, box->name,
		    box->uidnext);
	if (m->id != 0 && id != 0 && m->id != id)
		truth_fault(
		    t, "UID %u of %s has text %u, but %u was added", uid, box->name, m->id, id);
	m->based = true;
	m->from = from;
	m->base = flags;
	m->base_open = open;
	m->id = id != 0 ? id : m->id;
	return m;
}

uint32_t
truth_flags(unsigned user, uint32_t flags)
{
	return (flags & FLAG_SEEN) == 0 ? flags : (flags & ~FLAG_SEEN) | FLAG_SEEN_OF(user);
}

void
truth_modseq(struct truth *t, struct message *m, unsigned user, uint64_t modseq, uint32_t flags)
{
	size_t lowest = 0;

	for (size_t i = 0; i < sizeof(m->told) / sizeof(*m->told); i++) {
		bool same = m->told[i].modseq == modseq && m->told[i].user == user;

		if (same && m->told[i].flags != flags)
			truth_fault(t, "UID %u has other flags at MODSEQ %llu", m->uid,
			    (unsigned long long)modseq);
		if (same)
			return;
		if (m->told[i].modseq < m->told[lowest].modseq)
			lowest = i;
	}
	m->told[lowest].modseq = modseq;
	m->told[lowest].user = user;
	m->told[lowest].flags = flags;
}

void
truth_gone(struct truth *t, struct message *m)
{
	if (m->gone == NEVER)
		m->gone = t->now;
}

void
truth_uidnext(struct truth *t, struct mailbox *box, uint32_t uidnext, uint64_t since)
{
	if (uidnext < box->uidnext && since > box->uidnext_at)
		truth_fault(t, "UIDNEXT of %s is %u, it was %u", box->name, uidnext, box->uidnext);
	if (uidnext <= box->uidnext)
		return;
	box->uidnext = uidnext;
	box->uidnext_at = t->now;
}

void
truth_write(struct truth *t, struct message *m, uint32_t which, uint32_t value)
{
	m->writes = mem_realloc(m->writes, (m->write_count + 1) * sizeof(*m->writes));
	m->writes[m->write_count++] =
	    (struct write){.from = t->now, .to = NEVER, .which = which, .value = value & which};
}

void
truth_wrote(struct truth *t, struct message *m, uint64_t from, bool sure)
{
	for (size_t i = m->write_count; i > 0; i--)
		if (m->writes[i - 1].from == from) {
			m->writes[i - 1].to = t->now;
			m->writes[i - 1].sure = sure;
		}
}

struct removal *
truth_removal(struct truth *t, struct mailbox *box, bool deleted_only, bool all)
{
	struct removal *r = mem_zalloc(sizeof(*r));

	box->removals =
	    mem_realloc(box->removals, (box->removal_count + 1) * sizeof(*box->removals));
	box->removals[box->removal_count++] = r;
	r->from = t->now;
	r->to = NEVER;
	r->deleted_only = deleted_only;
	r->all = all;
	return r;
}

/* The latest beginning of a write of the flag that was certainly done before since. */
static uint64_t
settled(const struct message *m, uint32_t flag, uint64_t since)
{
	uint64_t from = 0;

	for (size_t i = 0; i < m->write_count; i++) {
		const struct write *w = &m->writes[i];

		if ((w->which & flag) != 0 && w->sure && w->to < since && w->from > from)
			from = w->from;
	}
	return from;
}

bool
truth_may_be(const struct message *m, uint32_t flag, bool set, uint64_t since, uint64_t now,
    uint64_t floor, uint64_t *floor_r)
{
	uint64_t end = settled(m, flag, since), low = NEVER;

	if (!m->based) {
		if (floor_r != NULL)
			*floor_r = floor;
		return true;
	}
	/* The flags that it was added with are older than every write. */
	if (end == 0 && floor == 0 &&
	    ((m->base_open & flag) != 0 || ((m->base & flag) != 0) == set))
		low = 0;
	for (size_t i = 0; i < m->write_count; i++) {
		const struct write *w = &m->writes[i];

		if ((w->which & flag) != 0 && ((w->value & flag) != 0) == set && w->from <= now &&
		    w->to >= end && w->to >= floor && w->from < low)
			low = w->from;
	}
	if (floor_r != NULL && low != NEVER)
		*floor_r = low > floor ? low : floor;
	return low != NEVER;
}

static bool
covers(const struct removal *r, const struct message *m, uint64_t now)
{
	if (r->to < m->from || numbers_has(&r->kept, m->uid) ||
	    (!r->all && !numbers_has(&r->uids, m->uid)))
		return false;
	return !r->deleted_only ||
	       truth_may_be(m, FLAG_DELETED, true, r->from, r->to < now ? r->to : now, 0, NULL);
}

bool
truth_may_be_gone(const struct truth *t, const struct mailbox *box, const struct message *m)
{
	for (size_t i = box->removal_count; i > 0; i--)
		if (covers(box->removals[i - 1], m, t->now))
			return true;
	return false;
}

/* ---- how many there were at a moment */

struct range {
	uint32_t least, most;
};

static void
count_flag(
    const struct message *m, bool sure, uint32_t flag, bool set, uint64_t at, struct range *r)
{
	if (!truth_may_be(m, flag, set, at, at, 0, NULL))
		return;
	r->most++;
	if (sure && !truth_may_be(m, flag, !set, at, at, 0, NULL))
		r->least++;
}

static bool
in_range(uint32_t n, const struct range *r, bool open)
{
	return n >= r->least && (open || n <= r->most);
}

static bool
may_count_at(const struct truth *t, const struct mailbox *box, const struct counts *c, uint64_t at)
{
	struct range messages = {0, 0}, unseen = {0, 0}, deleted = {0, 0}, uidnext = {1, 1};
	bool open = box->arriving > 0; /* there may be some that nobody has been told about */

	for (size_t i = 0; i < box->count; i++) {
		const struct message *m = box->messages[i];
		bool sure = m->since <= at && (m->gone == NEVER ? !truth_may_be_gone(t, box, m)
		                                                : m->gone_then && at < m->gone);

		if (m->from > at)
			continue;
		uidnext.most = m->uid + 1;
		if (m->since <= at)
			uidnext.least = m->uid + 1;
		if (m->gone <= at)
			continue;
		messages.most++;
		messages.least += sure;
		count_flag(m, sure, c->seen, false, at, &unseen);
		count_flag(m, sure, FLAG_DELETED, true, at, &deleted);
	}
	return in_range(c->messages, &messages, open) && in_range(c->uidnext, &uidnext, open) &&
	       in_range(c->unseen, &unseen, open) && in_range(c->deleted, &deleted, open);
}

bool
truth_may_count(
    const struct truth *t, const struct mailbox *box, const struct counts *counts, uint64_t since)
{
	for (uint64_t at = since; at <= t->now; at++)
		if (may_count_at(t, box, counts, at))
			return true;
	return false;
}

/* Whether nobody can find out any more that it removed something. */
static bool
is_over(const struct truth *t, const struct mailbox *box, const struct removal *r)
{
	if (r->to == NEVER || box->arriving > 0)
		return false;
	for (size_t i = 0; i < box->count; i++)
		if (box->messages[i]->gone == NEVER && covers(r, box->messages[i], t->now))
			return false;
	return true;
}

void
truth_removed(struct truth *t, struct mailbox *box, struct removal *r)
{
	size_t kept = 0;

	r->to = t->now;
	for (size_t i = 0; i < box->removal_count; i++) {
		r = box->removals[i];
		if (!is_over(t, box, r)) {
			box->removals[kept++] = r;
			continue;
		}
		numbers_fini(&r->uids);
		numbers_fini(&r->kept);
		mem_free(r);
	}
	box->removal_count = kept;
}

/* ---- texts and flags */

static size_t
text_size(const struct truth *t, uint32_t id)
{
	uint64_t state = id;

	if (id % 100 == 7)
		return t->size_max;
	return id % 16 == 3 ? t->size_max / 64 : random_below(&state, 400);
}

void
truth_text(const struct truth *t, uint32_t id, struct buf *out)
{
	size_t end = text_size(t, id);

	buf_printf(out, "Subject: m%u\r\nFrom: views@example.net\r\n\r\nonly%uword\r\n", id, id);
	for (uint32_t line = 1; out->n < end; line++) {
		buf_u64(out, id);
		buf_putc(out, '.');
		buf_u64(out, line);
		buf_puts(
		    out, " in a row of many lines that are all alike but for their numbers\r\n");
	}
}

uint32_t
truth_text_id(struct str text)
{
	struct words w = words_of(text);
	uint32_t id = words_skip(&w, "Subject: m") ? words_number(&w) : 0;

	return w.bad ? 0 : id;
}

static const char *const system_flags[] = {
    "\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"};

void
flags_print(uint32_t flags, struct buf *out)
{
	const char *between = "";

	buf_putc(out, '(');
	for (unsigned f = 0; f < FLAGS; f++)
		if ((flags >> f & 1) != 0) {
			if (f < 5)
				buf_printf(out, "%s%s", between, system_flags[f]);
			else
				buf_printf(out, "%skey%u", between, f);
			between = " ";
		}
	buf_putc(out, ')');
}

static bool
flag_read(struct str word, uint32_t *flags)
{
	struct words w = words_of(word);

	for (unsigned f = 0; f < 5; f++)
		if (str_ieq(word, str_of(system_flags[f])))
			return *flags |= 1u << f, true;
	if (str_ieq(word, STR("\\Recent")))
		return *flags |= FLAG_RECENT, true;
	if (str_eq(word, STR("\\*")))
		return true;
	if (words_skip(&w, "key")) {
		uint32_t f = words_number(&w);

		if (!w.bad && f >= 5 && f < FLAGS && w.p == w.end)
			return *flags |= 1u << f, true;
	}
	return false;
}

bool
flags_read(struct str list, uint32_t *flags_r)
{
	struct str word;
	bool known = true;

	*flags_r = 0;
	if (list.n < 2 || list.p[0] != '(' || list.p[list.n - 1] != ')')
		return false;
	list = (struct str){list.p + 1, list.n - 2};
	while (list.n > 0 && str_split(&list, ' ', &word))
		known = flag_read(word, flags_r) && known;
	return known;
}
