/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIST, LSUB, STATUS (RFC 3501 and RFC 9051 sections 6.3.9, 6.3.11; RFC 3501
 * section 6.3.9 for LSUB; LIST-EXTENDED RFC 5258, LIST-STATUS RFC 5819,
 * SPECIAL-USE RFC 6154, STATUS=SIZE RFC 8438, APPENDLIMIT RFC 7889).
 *
 * One walk over the account's names makes a row of each, and of each level
 * above one, in the command's arena.  The rows are matched with the patterns
 * (a slice of time at a time), what a row has below it is marked in all rows
 * above it, and from that it is chosen what is printed, a window at a time.
 */

#include "imap/rights.h"
#include "imap/settings.h"
#include "store/match.h"

/* The attributes of RFC 6154 stand together from \All on. */
#define SPECIAL_USE (~((unsigned)WIRE_ATTR_ALL - 1))

struct row {
	struct str name;
	unsigned attrs; /* WIRE_ATTR_* */
	unsigned marks; /* enum marks */
	unsigned childinfo;
	bool listed;
	struct store_counters counters;
};

enum marks {
	EXISTS = 1 << 0,
	MEETS = 1 << 1,   /* the selection criteria, whatever the patterns */
	MATCHES = 1 << 2, /* a pattern */
	CUT = 1 << 3,     /* a pattern that ends in '%' */
	/* Of the rows below: is there one that ... */
	CHILD_EXISTS = 1 << 4,
	CHILD_MEETS = 1 << 5,
	CHILD_HIDDEN = 1 << 6, /* meets the criteria and matches no pattern */
	CLOSED = 1 << 7,       /* this login cannot select it */
};

struct list {
	struct wire_list args;
	bool lsub;
	bool want_status, want_appendlimit;
	struct str *patterns;
	struct row *rows;
	size_t count, cap, next;
	bool too_many; /* more than the connection has room for */
	struct imap_cmd *cmd;
};

/* ---- attributes */

static unsigned
use_attrs(unsigned use)
{
	static const struct {
		unsigned use, attr;
	} table[] = {
	    {STORE_USE_ALL, WIRE_ATTR_ALL},
	    {STORE_USE_ARCHIVE, WIRE_ATTR_ARCHIVE},
	    {STORE_USE_DRAFTS, WIRE_ATTR_DRAFTS},
	    {STORE_USE_FLAGGED, WIRE_ATTR_FLAGGED},
	    {STORE_USE_JUNK, WIRE_ATTR_JUNK},
	    {STORE_USE_SENT, WIRE_ATTR_SENT},
	    {STORE_USE_TRASH, WIRE_ATTR_TRASH},
	    {STORE_USE_IMPORTANT, WIRE_ATTR_IMPORTANT},
	};
	unsigned attrs = 0;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if ((use & table[i].use) != 0)
			attrs |= table[i].attr;
	return attrs;
}

/* ---- collecting: every name and every level above it, once, in order */

#define CHECK_ROWS 256u

/* NULL: there is no room for one. */ static struct row *
add_row(struct list *l, struct str name)
{
	struct row *row;

	/* Names are small beside a check's worth of them. */
	if (l->count % CHECK_ROWS == 0 && cmd_room(l->cmd) < CHECK_ROWS * sizeof(*row)) {
		l->too_many = true;
		return NULL;
	}
	if (l->count == l->cap) {
		size_t cap = l->cap > 0 ? l->cap * 2 : 64;
		struct row *rows;

		if (cmd_room(l->cmd) / sizeof(*rows) < cap) {
			l->too_many = true;
			return NULL;
		}
		rows = arena_array(l->cmd->arena, cap, sizeof(*rows));
		if (l->count > 0)
			memcpy(rows, l->rows, l->count * sizeof(*rows));
		l->rows = rows;
		l->cap = cap;
	}
	row = &l->rows[l->count++];
	row->name = arena_str(l->cmd->arena, name);
	return row;
}

static bool
collect(const struct store_mailbox_info *info, unsigned rights, void *arg)
{
	struct list *l = arg;
	struct row *row = add_row(l, info->name);

	if (row == NULL)
		return false;
	row->marks = info->id != 0 ? EXISTS : 0;
	if ((rights & AUTH_RIGHT_READ) == 0)
		row->marks |= CLOSED;
	row->attrs = use_attrs(info->use) | (info->subscribed ? WIRE_ATTR_SUBSCRIBED : 0);
	row->counters = info->counters;
	return true;
}

static int
by_name(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

/* Adds the levels above each name that are no names themselves; the rows are sorted after. */
static void
add_levels(struct list *l)
{
	size_t given = l->count;

	for (size_t i = 0; i < given && !l->too_many; i++) {
		struct str name = l->rows[i].name;

		for (size_t k = 1; k < name.n; k++) {
			struct row key = {.name = {name.p, k}};

			if (name.p[k] != '/')
				continue;
			/* A neighbour before it below the same level has added it already. */
			if (i > 0 && l->rows[i - 1].name.n > k &&
			    str_has_prefix(l->rows[i - 1].name, (struct str){name.p, k + 1}))
				continue;
			if (bsearch(&key, l->rows, given, sizeof(*l->rows), by_name) == NULL)
				(void)add_row(l, key.name);
		}
	}
	if (l->count > given)
		qsort(l->rows, l->count, sizeof(*l->rows), by_name);
}

/* ---- choosing */

/* Sets a mark in every row above rows[i]; those above one that has it have it, too. */
static void
mark_above(struct list *l, size_t i, unsigned mark)
{
	struct str name = l->rows[i].name;

	for (size_t k = name.n; k-- > 1;) {
		struct row key = {.name = {name.p, k}}, *row;

		if (name.p[k] != '/')
			continue;
		row = bsearch(&key, l->rows, l->count, sizeof(*l->rows), by_name);
		TS_ASSERT(row != NULL);
		if ((row->marks & mark) != 0)
			return;
		row->marks |= mark;
	}
}

static unsigned
match_marks(const struct list *l, struct str name)
{
	unsigned marks = 0;

	for (size_t i = 0; i < l->args.patterns.n && (marks & CUT) == 0; i++) {
		struct str p = l->patterns[i];

		if (p.n == 0 || !store_match(p, name))
			continue;
		marks |= MATCHES;
		if (p.p[p.n - 1] == '%')
			marks |= CUT;
	}
	return marks;
}

static bool
meets_criteria(const struct list *l, const struct row *row)
{
	bool subscribed = (row->attrs & WIRE_ATTR_SUBSCRIBED) != 0;

	if (l->lsub || (l->args.select & WIRE_LIST_SUBSCRIBED) != 0) {
		if (!subscribed)
			return false;
	} else if ((row->marks & EXISTS) == 0)
		return false;
	return (l->args.select & WIRE_LIST_SPECIAL_USE) == 0 || (row->attrs & SPECIAL_USE) != 0;
}

static void
mark(struct list *l, size_t i)
{
	struct row *row = &l->rows[i];

	row->marks |= match_marks(l, row->name);
	if ((row->marks & EXISTS) != 0)
		mark_above(l, i, CHILD_EXISTS);
	if (!meets_criteria(l, row))
		return;
	row->marks |= MEETS;
	mark_above(l, i, CHILD_MEETS);
	if ((row->marks & MATCHES) == 0)
		mark_above(l, i, CHILD_HIDDEN);
}

static void
choose(struct list *l, struct row *row)
{
	const unsigned criteria = WIRE_LIST_SUBSCRIBED | WIRE_LIST_SPECIAL_USE;
	const unsigned level = CUT | CHILD_EXISTS;

	if ((row->marks & MATCHES) == 0)
		return;
	row->listed = (row->marks & MEETS) != 0;
	/* RFC 9051 section 6.3.9: % at the end shows levels that are no mailboxes. */
	if ((l->args.select & criteria) == 0 && (row->marks & level) == level)
		row->listed = true;
	if ((l->args.select & WIRE_LIST_RECURSIVEMATCH) != 0) {
		/* RFC 5258 section 3.5: not for the sake of a child that is listed itself. */
		row->listed |= (row->marks & CHILD_HIDDEN) != 0;
		if ((row->marks & CHILD_MEETS) != 0)
			row->childinfo = l->args.select & criteria;
	}
	row->attrs |=
	    (row->marks & CHILD_EXISTS) != 0 ? WIRE_ATTR_HASCHILDREN : WIRE_ATTR_HASNOCHILDREN;
	if ((row->marks & EXISTS) == 0)
		row->attrs |= l->args.extended || imap_dialect(l->cmd->conn)->rev2
		                  ? WIRE_ATTR_NONEXISTENT | WIRE_ATTR_NOSELECT
		                  : WIRE_ATTR_NOSELECT;
	else if ((row->marks & CLOSED) != 0)
		row->attrs |= WIRE_ATTR_NOSELECT;
	if ((l->args.select & WIRE_LIST_SUBSCRIBED) == 0 &&
	    (l->args.returns & WIRE_LIST_RET_SUBSCRIBED) == 0)
		row->attrs &= ~(unsigned)WIRE_ATTR_SUBSCRIBED;
}

/* LSUB (RFC 3501 section 6.3.9): subscribed names, and with a % at the end the levels above them,
 * which alone are \Noselect then. */
static void
choose_lsub(struct row *row)
{
	const unsigned level = CUT | CHILD_HIDDEN;
	bool subscribed = (row->marks & MEETS) != 0;

	row->listed = (row->marks & MATCHES) != 0 && (subscribed || (row->marks & level) == level);
	row->attrs = subscribed ? 0 : WIRE_ATTR_NOSELECT;
}

/* ---- printing */

static struct wire_status_values
status_values(unsigned mask, const struct store_counters *c)
{
	struct wire_status_values v = {.mask = mask};

	v.v[WIRE_STATUS_MESSAGES] = c->messages;
	v.v[WIRE_STATUS_RECENT] = c->recent;
	v.v[WIRE_STATUS_UIDNEXT] = c->uidnext;
	v.v[WIRE_STATUS_UIDVALIDITY] = c->uidvalidity;
	v.v[WIRE_STATUS_UNSEEN] = c->unseen;
	v.v[WIRE_STATUS_DELETED] = c->deleted;
	v.v[WIRE_STATUS_SIZE] = c->size;
	return v;
}

static void
print_status(struct imap_cmd *cmd, struct str name, unsigned mask, bool appendlimit,
    const struct store_counters *counters)
{
	struct wire_status_values values = status_values(mask, counters);
	struct buf other = {0};

	if (appendlimit) { /* RFC 7889 section 3 */
		buf_puts(&other, "APPENDLIMIT ");
		buf_u64(&other, cmd->conn->settings->append_limit);
	}
	wire_out_status(
	    imap_out(cmd->conn), imap_dialect(cmd->conn), name, &values, buf_as_str(&other));
	buf_fini(&other);
}

static enum imap_next
list_print(struct imap_cmd *cmd)
{
	struct list *l = cmd->state;
	struct buf *out = imap_out(cmd->conn);
	unsigned printed = 0;

	for (; l->next < l->count; l->next++) {
		const struct row *row = &l->rows[l->next];

		if (!row->listed)
			continue;
		if (printed++ == 500)
			return IMAP_YIELD;
		wire_out_list(out, imap_dialect(cmd->conn),
		    &(struct wire_list_row){.lsub = l->lsub,
		        .attrs = row->attrs,
		        .delimiter = '/',
		        .name = row->name,
		        .childinfo = row->childinfo});
		/* RFC 5819 section 3: not for one that is there for its children only. */
		if (l->want_status && (row->marks & (EXISTS | MEETS | CLOSED)) == (EXISTS | MEETS))
			print_status(cmd, row->name, l->args.status.mask, l->want_appendlimit,
			    &row->counters);
	}
	return cmd_ok(cmd, "Done");
}

static enum imap_next
list_mark(struct imap_cmd *cmd)
{
	static const struct imap_step print = {"list-print", list_print};
	struct list *l = cmd->state;

	while (l->next < l->count) {
		mark(l, l->next++);
		if (cmd_should_yield(cmd))
			return IMAP_YIELD;
	}
	for (size_t i = 0; i < l->count; i++)
		if (l->lsub)
			choose_lsub(&l->rows[i]);
		else
			choose(l, &l->rows[i]);
	l->next = 0;
	return cmd_goto(cmd, &print);
}

/* ---- starting */

static bool
claim_status_items(const struct wire_status_items *items, bool *appendlimit_r)
{
	*appendlimit_r = false;
	for (size_t i = 0; i < items->other.n; i++) {
		if (!str_eq(items->other.v[i], STR("APPENDLIMIT")))
			return false;
		*appendlimit_r = true;
	}
	return true;
}

/* The reference is put before the pattern (RFC 9051 section 6.3.9); a pattern that begins with the
 * separator stands alone.  False: there is no room for so many. */
static bool
make_patterns(struct list *l)
{
	struct arena *a = l->cmd->arena;

	l->patterns = arena_array(a, l->args.patterns.n, sizeof(*l->patterns));
	for (size_t i = 0; i < l->args.patterns.n; i++) {
		struct str p = l->args.patterns.v[i], r = l->args.reference;

		/* RFC 5258 section 3: an empty one matches nothing, also behind a reference. */
		if (p.n == 0 || r.p == NULL)
			continue;
		l->patterns[i] = p;
		if (r.n == 0 || str_has_prefix(p, STR("/")))
			continue;
		if (cmd_room(l->cmd) < r.n + p.n)
			return false;
		l->patterns[i] = str_of(arena_printf(a, "%.*s%.*s", STR_ARG(r), STR_ARG(p)));
	}
	return true;
}

/* An empty pattern asks for the separator and the root of the reference. */
static enum imap_next
list_root(struct imap_cmd *cmd, bool lsub)
{
	wire_out_list(imap_out(cmd->conn), imap_dialect(cmd->conn),
	    &(struct wire_list_row){
	        .lsub = lsub, .attrs = WIRE_ATTR_NOSELECT, .delimiter = '/', .name = STR("")});
	return cmd_ok(cmd, "Done");
}

static enum imap_next
list_go(struct imap_cmd *cmd, struct list *l)
{
	static const struct imap_step mark_step = {"list-mark", list_mark};
	struct str first = l->args.patterns.v[0];

	cmd->state = l;
	l->cmd = cmd;
	if (!l->args.extended && first.p != NULL && first.n == 0)
		return list_root(cmd, l->lsub);
	if (!make_patterns(l))
		return cmd_no_room(cmd);
	imap_mailbox_list(imap_login(cmd->conn), collect, l);
	add_levels(l);
	if (l->too_many)
		return cmd_no_room(cmd);
	return cmd_goto(cmd, &mark_step);
}

static enum imap_next
cmd_list(struct imap_cmd *cmd)
{
	struct list *l = arena_new_object(cmd->arena, struct list);
	const unsigned criteria = WIRE_LIST_SUBSCRIBED | WIRE_LIST_SPECIAL_USE;

	if (!wire_list_parse(&cmd->in, &l->args))
		return cmd_bad_syntax(cmd);
	if (l->args.select_other.n > 0)
		return cmd_bad(cmd, "Unknown selection option");
	if (l->args.return_other.n > 0)
		return cmd_bad(cmd, "Unknown return option");
	/* RFC 5258 section 3.1: RECURSIVEMATCH only modifies other options. */
	if ((l->args.select & WIRE_LIST_RECURSIVEMATCH) != 0 && (l->args.select & criteria) == 0)
		return cmd_bad(cmd, "RECURSIVEMATCH needs another selection option");
	l->want_status = (l->args.returns & WIRE_LIST_RET_STATUS) != 0;
	if (l->want_status && !claim_status_items(&l->args.status, &l->want_appendlimit))
		return cmd_bad(cmd, "Unknown STATUS item");
	return list_go(cmd, l);
}

static enum imap_next
cmd_lsub(struct imap_cmd *cmd)
{
	struct list *l = arena_new_object(cmd->arena, struct list);

	l->lsub = true;
	if (!wire_lsub_parse(&cmd->in, &l->args))
		return cmd_bad_syntax(cmd);
	return list_go(cmd, l);
}

static enum imap_next
cmd_status(struct imap_cmd *cmd)
{
	struct store_mailbox_info info;
	struct wire_status args;
	bool appendlimit;
	unsigned missing;
	enum ts_err err;

	if (!wire_status_parse(&cmd->in, &args))
		return cmd_bad_syntax(cmd);
	if (!claim_status_items(&args.items, &appendlimit))
		return cmd_bad(cmd, "Unknown STATUS item");
	if (!imap_mailbox_lookup(
	        imap_login(cmd->conn), args.mailbox, AUTH_RIGHT_READ, &info, &err, &missing))
		return err == TS_DENIED ? cmd_no_right(cmd, missing)
		                        : cmd_no(cmd, "NONEXISTENT", "No such mailbox");
	print_status(cmd, args.mailbox, args.items.mask, appendlimit, &info.counters);
	return cmd_ok(cmd, "Done");
}

static const struct imap_cmd_def cmds[] = {
    {.name = "LIST", .states = IMAP_LOGGED_IN, .traits = IMAP_TRAIT_MAY_EXPUNGE, .start = cmd_list},
    {.name = "LSUB", .states = IMAP_LOGGED_IN, .traits = IMAP_TRAIT_MAY_EXPUNGE, .start = cmd_lsub},
    {.name = "STATUS",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_status},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "LIST-EXTENDED", .states = IMAP_LOGGED_IN},
    {.word = "LIST-STATUS", .states = IMAP_LOGGED_IN},
    {.word = "SPECIAL-USE", .states = IMAP_LOGGED_IN},
    {.word = "CHILDREN", .states = IMAP_LOGGED_IN},
    {.word = "STATUS=SIZE", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_list = {
    .name = "list",
    .title = "LIST, LSUB, STATUS; LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819), "
             "SPECIAL-USE (RFC 6154), CHILDREN (RFC 3348), STATUS=SIZE (RFC 8438)",
    .caps = caps,
    .cmds = cmds,
};
