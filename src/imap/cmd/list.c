/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIST, LSUB, STATUS (RFC 3501 and RFC 9051 sections 6.3.9, 6.3.11; RFC 3501 section 6.3.9 for
 * LSUB).  Extensions bring LIST's selection and return options (LIST-EXTENDED, LIST-STATUS,
 * SPECIAL-USE …).
 *
 * Patterns are assembled, and tell where in the list matching names can be: a pattern without
 * wildcards is one name, any other the range of names with its prefix.  These are walked in order.
 * A few names at a time are copied out of the list, matched outside its lock, and forgotten if no
 * pattern matches them, once the rows above them know about them.  A row is made for a name, or a
 * level above one, that a pattern matches.  At the end it is decided which rows are printed.
 *
 * Mailboxes of others are gathered before the walk, in a job, if a pattern can match their names;
 * LSUB does without, since it is about the user's own subscriptions.
 *
 * A slice of time may end after each match of a pattern with a name.  A name is read once, and all
 * that is said about it is of that moment.  If the list has changed between two reads the walk
 * starts again, so that a client sees the list as of one moment; after WALKS of them, in an account
 * that changes all the time, it goes on: a mailbox that was renamed meanwhile may then show under
 * both names or neither, one that was made or deleted may show or not.
 */

#include "imap/common/seen.h"
#include "imap/common/status.h"
#include "imap/hide.h"
#include "imap/place/rights.h"
#include "imap/place/shared.h"
#include "imap/settings.h"
#include "store/match.h"

#define BATCH 64u      /* names copied at a time */
#define FEW 8u         /* where the first one may be all that is wanted */
#define WALKS 4u       /* of the list, if it changes meanwhile */
#define CHECK_ROWS 64u /* rows between two checks of the memory */

struct row {
	struct row *next;  /* in the order of printing */
	struct row *under; /* previous one on the stack of names that are prefixes */
	struct row *above; /* the nearest level above that has a row */
	struct str name;
	unsigned attrs; /* WIRE_ATTR_* */
	unsigned marks; /* enum marks */
	unsigned childinfo;
	struct store_account *account;   /* has the mailbox, if there is one */
	unsigned rights;                 /* the login's, if there is a mailbox */
	struct store_mailbox_info *info; /* for a row that prints; without its name */
	bool counted;                    /* its counters are the user's */
};

enum marks {
	EXISTS = 1 << 0,
	MEETS = 1 << 1,   /* the selection criteria, whatever the patterns */
	MATCHES = 1 << 2, /* a pattern */
	CUT = 1 << 3,     /* a pattern that ends in '%' */
	NAMED = 1 << 4,   /* a pattern without wildcards */
	/* Of the names below: is there one that ... */
	CHILD_EXISTS = 1 << 5,
	CHILD_MEETS = 1 << 6,
	CHILD_HIDDEN = 1 << 7, /* meets the criteria but matches no pattern */
	CLOSED = 1 << 8        /* this login cannot select it */
};

struct pattern {
	struct store_pattern match;
	unsigned gives; /* marks */
};

/* Where matching names can be. */
enum probe_kind {
	PROBE_NAME,  /* at this name */
	PROBE_CHILD, /* among those that begin with it: is there any? */
	PROBE_ALL    /* all that begin with it */
};

struct probe {
	struct str at;
	enum probe_kind kind;
};

struct seen {         /* a name copied out of the list */
	size_t at, n; /* its bytes in list.names */
	unsigned attrs, marks, rights;
	struct store_account *account;
	struct store_mailbox_info info; /* without its name */
};

struct returned { /* an option of RETURN */
	const struct imap_list_return *row;
	void *kept;
};

struct list {
	struct wire_list args;
	struct imap_cmd *cmd;
	bool lsub;
	const struct imap_list_select **selects; /* the options, by their extensions */
	struct returned *returns;
	size_t select_count, return_count;
	unsigned criteria; /* WIRE_LIST_*: named by CHILDINFO */
	unsigned attrs;    /* WIRE_ATTR_* requested by the options */
	bool selective;    /* one of them excludes names */
	bool recursive, prints;
	bool too_many; /* more than the connection has room for */

	struct store_pattern_text reference;
	struct pattern *patterns;
	size_t pattern_count, next_pattern; /* next: of the arguments */
	bool want_levels;                   /* for what is above a name */
	struct probe *probes;
	size_t probe_count;

	struct imap_shared shared; /* mailboxes of others */

	/* the walk */
	struct arena *walk; /* its rows */
	unsigned walks;
	uint64_t version;
	size_t probe;
	bool begun;      /* the probe was started */
	bool ended;      /* the list has no more names for it */
	bool child_seen; /* in it */
	struct buf from; /* where the list continues */
	struct buf names;
	struct seen seen[BATCH];
	size_t seen_count, seen_next;

	/* the current name */
	bool at_name;
	struct str kept;     /* a copy in walk, once a row needs it */
	size_t cut;          /* length of the part being matched */
	size_t pattern;      /* with this pattern */
	unsigned marks;      /* the result so far */
	struct buf previous; /* the previous name */

	struct row *rows, **tail, *top;
	size_t row_count;
	struct row *printing;
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

/* ---- rows */

/* Checked now and then: names are small compared to the memory left for them. */
static bool
has_room(const struct list *l)
{
	size_t more = CHECK_ROWS * (sizeof(struct row) + sizeof(struct store_mailbox_info));

	return arena_bytes(l->walk) + more <= cmd_room(l->cmd);
}

/* Returns the nearest row above the current name. */
static struct row *
row_above(const struct list *l, struct str name)
{
	struct row *row = l->top;

	while (row != NULL && (row->name.n >= name.n || name.p[row->name.n] != '/'))
		row = row->under;
	return row;
}

static struct row *
push_row(struct list *l, struct str name, unsigned marks)
{
	struct row *row = arena_new_object(l->walk, struct row);

	if (++l->row_count % CHECK_ROWS == 0 && !has_room(l))
		l->too_many = true;
	*row = (struct row){
	    .under = l->top, .above = row_above(l, name), .name = name, .marks = marks};
	l->top = row;
	*l->tail = row;
	l->tail = &row->next;
	return row;
}

/* Sets a mark in a row and those above it; if one has it already, so have those above. */
static void
mark_up(struct row *row, unsigned mark)
{
	for (; row != NULL && (row->marks & mark) == 0; row = row->above)
		row->marks |= mark;
}

static bool
meets_criteria(const struct list *l, const struct row *row)
{
	bool exists = (row->marks & EXISTS) != 0;

	if (l->lsub)
		return (row->attrs & WIRE_ATTR_SUBSCRIBED) != 0;
	for (size_t i = 0; i < l->select_count; i++)
		if (l->selects[i]->meets != NULL && !l->selects[i]->meets(row->attrs, exists))
			return false;
	return l->selective || exists;
}

/* ---- a name: the levels above it that are new, then itself, each matched with all patterns */

/*
 * Names below one level are adjacent in the list, so a level is new unless the previous name was
 * below it too.  A level that is a name itself has been seen before: it has a row on the stack, or
 * nobody wants it.
 */
static size_t
next_cut(const struct list *l, struct str name, size_t from)
{
	for (size_t k = from; l->want_levels && k < name.n; k++)
		if (name.p[k] == '/' && (l->top == NULL || l->top->name.n != k))
			return k;
	return name.n;
}

static void
begin_part(struct list *l, size_t cut)
{
	l->cut = cut;
	l->pattern = 0;
	l->marks = 0;
}

static void
begin_name(struct list *l, struct str name)
{
	struct str before = buf_as_str(&l->previous);
	size_t common = 0;

	while (common < name.n && common < before.n && name.p[common] == before.p[common])
		common++;
	while (l->top != NULL && l->top->name.n > common)
		l->top = l->top->under;
	l->at_name = true;
	l->kept = STR_NONE;
	begin_part(l, next_cut(l, name, common > 0 ? common : 1));
}

static struct str
keep_listed_name(struct list *l, struct str name, size_t n)
{
	if (l->kept.p == NULL)
		l->kept = arena_str(l->walk, name);
	return (struct str){l->kept.p, n};
}

static void
end_level(struct list *l, struct str name)
{
	if ((l->marks & (CUT | NAMED)) != 0 || (l->recursive && (l->marks & MATCHES) != 0))
		(void)push_row(l, keep_listed_name(l, name, l->cut), l->marks);
	begin_part(l, next_cut(l, name, l->cut + 1));
}

static void
end_name(struct list *l, const struct seen *seen, struct str name)
{
	struct row row = {.attrs = seen->attrs, .marks = seen->marks | l->marks};
	struct row *above = row_above(l, name), *kept;
	bool meets = meets_criteria(l, &row);

	if ((row.marks & EXISTS) != 0) {
		l->child_seen = true;
		mark_up(above, CHILD_EXISTS);
	}
	if (meets) {
		row.marks |= MEETS;
		mark_up(above, CHILD_MEETS);
		if ((row.marks & MATCHES) == 0)
			mark_up(above, CHILD_HIDDEN);
	}
	if ((row.marks & MATCHES) != 0) {
		kept = push_row(l, keep_listed_name(l, name, name.n), row.marks);
		kept->attrs = row.attrs;
		kept->account = seen->account;
		kept->rights = seen->rights;
		if (l->prints) {
			struct store_mailbox_info *info =
			    arena_new_object(l->walk, struct store_mailbox_info);

			*info = seen->info;
			kept->info = info;
		}
	}
	l->previous.n = 0;
	buf_str(&l->previous, name);
	l->at_name = false;
	l->seen_next++;
}

/* Matches one pattern with one name, or acts on the results of all; returns false if no name is
 * left. */
static bool
work(struct list *l)
{
	const struct seen *seen = &l->seen[l->seen_next];
	struct str name;

	if (l->seen_next == l->seen_count)
		return false;
	name = (struct str){l->names.p + seen->at, seen->n};
	if (!l->at_name)
		begin_name(l, name);
	if (l->pattern < l->pattern_count) {
		const struct pattern *p = &l->patterns[l->pattern++];

		if ((p->gives & ~l->marks) != 0 &&
		    store_pattern_match(&p->match, (struct str){name.p, l->cut}, NULL))
			l->marks |= p->gives;
	} else if (l->cut < name.n)
		end_level(l, name);
	else
		end_name(l, seen, name);
	return true;
}

/* ---- the walk */

static void
begin_walk(struct list *l)
{
	arena_free(&l->walk);
	l->walk = arena_child(l->cmd->arena, 1024);
	l->walks++;
	l->version = 0;
	l->probe = 0;
	l->begun = l->at_name = false;
	l->from.n = l->previous.n = 0;
	l->seen_count = l->seen_next = l->row_count = 0;
	l->rows = l->top = NULL;
	l->tail = &l->rows;
}

/* Runs under the list's lock. */
static bool
copy_name(const struct store_mailbox_info *info, struct store_account *account, unsigned rights,
    void *arg)
{
	struct list *l = arg;
	const struct probe *probe = &l->probes[l->probe];
	struct seen *seen = &l->seen[l->seen_count];

	if (probe->kind == PROBE_NAME ? !str_eq(info->name, probe->at)
	                              : !str_has_prefix(info->name, probe->at))
		return false;
	TS_ASSERT(l->seen_count < BATCH);
	l->seen_count++;
	*seen = (struct seen){.at = l->names.n,
	    .n = info->name.n,
	    .account = account,
	    .rights = rights,
	    .info = *info};
	seen->info.name = STR_NONE;
	buf_str(&l->names, info->name);
	seen->marks = (info->id != 0 ? EXISTS : 0) | ((rights & AUTH_RIGHT_READ) == 0 ? CLOSED : 0);
	seen->attrs = use_attrs(info->use) | (info->subscribed ? WIRE_ATTR_SUBSCRIBED : 0);
	return true;
}

static void
begin_probe(struct list *l)
{
	const struct probe *probe = &l->probes[l->probe];

	/* Skip what an earlier probe has seen. */
	if (str_cmp(buf_as_str(&l->from), probe->at) < 0) {
		l->from.n = 0;
		buf_str(&l->from, probe->at);
	}
	l->begun = true;
	l->ended = l->child_seen = false;
}

/* Gets the next names of the probe.  Returns false if the list has changed: everything starts
 * again. */
static bool
probe_next(struct list *l)
{
	static const size_t most[] = {[PROBE_NAME] = 1, [PROBE_CHILD] = FEW, [PROBE_ALL] = BATCH};
	const struct probe *probe = &l->probes[l->probe];
	struct buf next = {0};
	uint64_t version;

	l->names.n = l->seen_count = l->seen_next = 0;
	l->ended = imap_mailbox_page(imap_login(l->cmd->conn), &l->shared, buf_as_str(&l->from),
	               most[probe->kind], copy_name, l, &next, &version) ||
	           probe->kind == PROBE_NAME;
	if (next.n > 0) {
		l->from.n = 0;
		buf_str(&l->from, buf_as_str(&next));
	} else if (l->seen_count > 0) { /* after the last */
		l->from.n = 0;
		buf_put(&l->from, l->names.p + l->seen[l->seen_count - 1].at,
		    l->seen[l->seen_count - 1].n);
		buf_putc(&l->from, '\0');
	}
	buf_fini(&next);
	if (l->version != 0 && l->version != version && l->walks < WALKS)
		return false;
	l->version = version;
	return true;
}

static enum imap_next list_print(struct imap_cmd *cmd);

static enum imap_next
list_walk(struct imap_cmd *cmd)
{
	static const struct imap_step print = {"list-print", list_print};
	struct list *l = cmd->state;

	do {
		if (work(l))
			continue;
		if (l->too_many)
			return cmd_no_room(cmd);
		if (l->begun &&
		    (l->ended || (l->child_seen && l->probes[l->probe].kind == PROBE_CHILD))) {
			l->probe++;
			l->begun = false;
		}
		if (l->probe == l->probe_count) {
			l->printing = l->rows;
			return cmd_goto(cmd, &print);
		}
		if (!l->begun)
			begin_probe(l);
		if (!probe_next(l))
			begin_walk(l);
	} while (!cmd_should_yield(cmd));
	return IMAP_YIELD;
}

/* ---- choosing */

/* Completes the row; returns whether it is listed. */
static bool
choose(const struct list *l, struct row *row)
{
	bool listed = (row->marks & MEETS) != 0;

	/* RFC 9051 section 6.3.9: a % at the end shows levels that are not mailboxes.  So does a
	 * pattern that is the whole name, by which clients ask whether it exists. */
	if (!l->selective && (row->marks & (CUT | NAMED)) != 0 && (row->marks & CHILD_EXISTS) != 0)
		listed = true;
	if (l->recursive) {
		/* RFC 5258 section 3.5: not because of a child that is listed itself. */
		listed |= (row->marks & CHILD_HIDDEN) != 0;
		if ((row->marks & CHILD_MEETS) != 0)
			row->childinfo = l->criteria;
	}
	row->attrs |=
	    (row->marks & CHILD_EXISTS) != 0 ? WIRE_ATTR_HASCHILDREN : WIRE_ATTR_HASNOCHILDREN;
	if ((row->marks & EXISTS) == 0)
		row->attrs |= l->args.extended || imap_dialect(l->cmd->conn)->rev2
		                  ? WIRE_ATTR_NONEXISTENT | WIRE_ATTR_NOSELECT
		                  : WIRE_ATTR_NOSELECT;
	else if ((row->marks & CLOSED) != 0)
		row->attrs |= WIRE_ATTR_NOSELECT;
	row->attrs &= ~(l->cmd->conn->server->reg.list_attrs & ~l->attrs);
	return listed;
}

/* LSUB (RFC 3501 section 6.3.9): subscribed names, and with a % at the end the levels above them,
 * which alone are \Noselect then. */
static bool
choose_lsub(struct row *row)
{
	const unsigned level = CUT | CHILD_HIDDEN;
	bool subscribed = (row->marks & MEETS) != 0;

	row->attrs = subscribed ? 0 : WIRE_ATTR_NOSELECT;
	return subscribed || (row->marks & level) == level;
}

/* ---- printing */

static void
print_row(struct imap_cmd *cmd, const struct list *l, const struct row *row)
{
	wire_out_list(imap_out(cmd->conn), imap_dialect(cmd->conn),
	    &(struct wire_list_row){.lsub = l->lsub,
	        .attrs = row->attrs,
	        .delimiter = wire_separator(imap_dialect(cmd->conn)),
	        .name = row->name,
	        .childinfo = row->childinfo});
	/* RFC 5819 section 3: not for one that is listed only because of its children. */
	if ((row->marks & (EXISTS | MEETS)) != (EXISTS | MEETS))
		return;
	for (size_t i = 0; i < l->return_count; i++) {
		const struct imap_list_return *option = l->returns[i].row;

		if (option->print != NULL && (option->closed || (row->marks & CLOSED) == 0))
			option->print(cmd,
			    &(struct imap_listed){.name = row->name,
			        .account = row->account,
			        .rights = row->rights,
			        .info = row->info},
			    l->returns[i].kept);
	}
}

/* ---- counters of mailboxes in which \Seen is each user's own */

struct counting {
	struct list *list;
	struct row *row;
	struct store_account *account, *user;
	struct str name; /* in the account */
	struct store_counters counters;
	enum ts_err err;
};

/* Returns whether they must be counted for this user before the row is printed. */
static bool
wants_count(const struct list *l, const struct row *row)
{
	const unsigned shown = EXISTS | MEETS;

	if (row->info == NULL || !row->info->own || row->counted ||
	    (row->marks & (shown | CLOSED)) != shown)
		return false;
	for (size_t i = 0; i < l->return_count; i++)
		if (l->returns[i].row->counts != NULL &&
		    l->returns[i].row->counts(l->returns[i].kept))
			return true;
	return false;
}

static enum work_end
count_run(struct imap_job *job)
{
	struct counting *c = job->state;

	c->err = imap_count_own(c->user, c->account, c->name, &c->counters);
	return WORK_DONE;
}

static enum imap_next
list_counted(struct imap_cmd *cmd)
{
	static const struct imap_step print = {"list-print", list_print};
	struct counting *c = cmd->state;
	struct list *l = c->list;

	cmd->state = l;
	c->row->counted = true;
	/* It went, or cannot be read now: what the list said stays. */
	if (c->err == TS_OK)
		c->row->info->counters = c->counters;
	return cmd_goto(cmd, &print);
}

static enum imap_next
count_row(struct imap_cmd *cmd, struct list *l, struct row *row)
{
	static const struct imap_step counted = {"list-counted", list_counted};
	struct counting *c = arena_new_object(l->walk, struct counting);
	struct imap_place own;
	struct str account;

	imap_place_own(imap_login(cmd->conn), row->name, &own);
	*c = (struct counting){
	    .list = l, .row = row, .account = row->account, .user = own.account, .name = row->name};
	if (row->account != own.account)
		(void)auth_space_split(
		    imap_login(cmd->conn)->sharing->options, row->name, false, &account, &c->name);
	cmd->state = c;
	return cmd_job(cmd, WORK_SHORT, count_run, c, &counted);
}

static enum imap_next
list_print(struct imap_cmd *cmd)
{
	struct list *l = cmd->state;

	while (l->printing != NULL) {
		struct row *row = l->printing;

		if (wants_count(l, row))
			return count_row(cmd, l, row);
		l->printing = row->next;
		if (l->lsub ? choose_lsub(row) : choose(l, row))
			print_row(cmd, l, row);
		if (cmd_should_yield(cmd))
			return IMAP_YIELD;
	}
	return cmd_ok(cmd, "Done");
}

/* ---- starting */

static void
add_probe(struct list *l, enum probe_kind kind, struct str at)
{
	l->probes[l->probe_count++] = (struct probe){at, kind};
}

/* Adds the places where names that match this one can be. */
static void
add_probes(struct list *l, const struct store_pattern *p)
{
	struct arena *a = l->cmd->arena;
	char *inbox;

	if (p->exact) {
		add_probe(l, PROBE_NAME, p->text);
		if (!l->lsub) /* it says nothing about what is below */
			add_probe(l, l->recursive ? PROBE_ALL : PROBE_CHILD,
			    str_of(arena_printf(a, "%.*s/", STR_ARG(p->text))));
		return;
	}
	add_probe(l, PROBE_ALL, p->fixed);
	inbox = arena_zalloc(a, p->fixed.n + 1);
	store_pattern_inbox(p->fixed, inbox);
	if (!str_eq(p->fixed, (struct str){inbox, p->fixed.n}))
		add_probe(l, PROBE_ALL, (struct str){inbox, p->fixed.n});
}

/* The reference precedes the pattern (RFC 9051 section 6.3.9); a pattern that begins with the
 * separator ignores it. */
static void
add_pattern(struct list *l, struct str pattern)
{
	struct store_pattern_text text = {.n = 0};
	struct pattern *p = &l->patterns[l->pattern_count];

	/* RFC 5258 section 3: an empty pattern matches nothing, even after a reference. */
	if (pattern.n == 0 || l->args.reference.p == NULL)
		return;
	if (!str_has_prefix(pattern, STR("/")))
		text = l->reference;
	store_pattern_add(&text, pattern);
	if (!store_pattern_make(&text, l->cmd->arena, &p->match))
		return;
	l->pattern_count++;
	p->gives = MATCHES;
	if (pattern.p[pattern.n - 1] == '%')
		p->gives |= CUT;
	else if (p->match.exact)
		p->gives |= NAMED;
	l->want_levels |= (p->gives & ~(unsigned)MATCHES) != 0;
	add_probes(l, &p->match);
}

static int
by_place(const void *a, const void *b)
{
	const struct probe *x = a, *y = b;
	int order = str_cmp(x->at, y->at);

	return order != 0 ? order : (int)y->kind - (int)x->kind;
}

/* Sorts them as in the list, without those that an earlier, wider one includes. */
static void
sort_probes(struct list *l)
{
	size_t kept = 0;
	const struct probe *wide = NULL;

	if (l->probe_count > 0)
		qsort(l->probes, l->probe_count, sizeof(*l->probes), by_place);
	for (size_t i = 0; i < l->probe_count; i++) {
		if (wide != NULL && str_has_prefix(l->probes[i].at, wide->at))
			continue;
		l->probes[kept] = l->probes[i];
		if (l->probes[kept].kind == PROBE_ALL)
			wide = &l->probes[kept];
		kept++;
	}
	l->probe_count = kept;
}

/* Returns whether names of other namespaces, or levels above them, can match. */
static bool
asks_others(const struct list *l)
{
	const struct imap_spaces *spaces = &imap_login(l->cmd->conn)->spaces;

	for (size_t i = 0; i < l->probe_count && !l->lsub; i++)
		for (size_t k = 0; k < spaces->n; k++) {
			struct str at = l->probes[i].at, prefix = spaces->v[k].prefix;

			if (spaces->v[k].resolve == NULL &&
			    (str_has_prefix(at, prefix) ||
			        (l->probes[i].kind != PROBE_NAME && str_has_prefix(prefix, at))))
				return true;
		}
	return false;
}

static enum imap_next
list_begin(struct imap_cmd *cmd)
{
	static const struct imap_step walk = {"list-walk", list_walk};
	struct list *l = cmd->state;

	if (l->shared.err == TS_LIMIT)
		return cmd_no_room(cmd);
	if (l->shared.err != TS_OK)
		return cmd_err(cmd, l->shared.err);
	begin_walk(l);
	return cmd_goto(cmd, &walk);
}

static enum imap_next
list_patterns(struct imap_cmd *cmd)
{
	static const struct imap_step begin = {"list-begin", list_begin};
	const size_t most = 2 * sizeof(struct store_pattern_text) +
	                    (STORE_PATTERN_MAX / 64 + 1) * sizeof(uint64_t) * 258;
	struct list *l = cmd->state;

	while (l->next_pattern < l->args.patterns.n) {
		if (cmd_room(cmd) < most)
			return cmd_no_room(cmd);
		add_pattern(l, l->args.patterns.v[l->next_pattern++]);
		if (cmd_should_yield(cmd))
			return IMAP_YIELD;
	}
	l->want_levels |= l->recursive;
	sort_probes(l);
	return asks_others(l) ? cmd_list_shared(cmd, &l->shared, &begin) : cmd_goto(cmd, &begin);
}

static void
free_bufs(void *arg)
{
	struct list *l = arg;

	buf_fini(&l->from);
	buf_fini(&l->names);
	buf_fini(&l->previous);
}

/* An empty pattern requests the separator and the root of the reference. */
static enum imap_next
list_root(struct imap_cmd *cmd, bool lsub)
{
	wire_out_list(imap_out(cmd->conn), imap_dialect(cmd->conn),
	    &(struct wire_list_row){.lsub = lsub,
	        .attrs = WIRE_ATTR_NOSELECT,
	        .delimiter = wire_separator(imap_dialect(cmd->conn)),
	        .name = STR("")});
	return cmd_ok(cmd, "Done");
}

static enum imap_next
list_go(struct imap_cmd *cmd, struct list *l)
{
	static const struct imap_step patterns = {"list-patterns", list_patterns};
	const size_t n = l->args.patterns.n;
	struct str first = l->args.patterns.v[0];

	cmd->state = l;
	l->cmd = cmd;
	if (!l->args.extended && first.p != NULL && first.n == 0)
		return list_root(cmd, l->lsub);
	arena_on_free(cmd->arena, free_bufs, l);
	l->patterns = arena_array(cmd->arena, n, sizeof(*l->patterns));
	l->probes = arena_array(cmd->arena, 2 * n, sizeof(*l->probes));
	store_pattern_add(&l->reference, l->args.reference);
	return cmd_goto(cmd, &patterns);
}

/* ---- options */

/* Finds its extension; false: it has none.  id: wire's, used to print CHILDINFO. */
static bool
add_select(struct list *l, struct str name, unsigned id)
{
	const struct imap_list_select *row =
	    imap_shown(l->cmd->conn, imap_registry_list_select(&l->cmd->conn->server->reg, name));

	if (row == NULL)
		return false;
	l->selects[l->select_count++] = row;
	l->attrs |= row->attrs;
	l->recursive |= row->recursive;
	l->selective |= row->meets != NULL;
	l->criteria |= row->meets != NULL ? id : 0;
	return true;
}

/* Returns NULL, or what is wrong with the options. */
static const char *
find_selects(struct list *l)
{
	const struct wire_params *others = &l->args.select_other;
	const struct wire_name *known = wire_list_select_names;
	bool ok = true;

	l->selects = arena_array(l->cmd->arena,
	    others->n + (unsigned)__builtin_popcount(l->args.select), sizeof(*l->selects));
	for (; known->name != NULL; known++)
		if ((l->args.select & known->id) != 0)
			ok = ok && add_select(l, str_of(known->name), known->id);
	for (size_t i = 0; i < others->n; i++)
		ok = ok && others->v[i].value.p == NULL && add_select(l, others->v[i].name, 0);
	if (!ok)
		return N_("Unknown selection option");
	/* RFC 5258 section 3.1: RECURSIVEMATCH only modifies other options. */
	return l->recursive && !l->selective ? N_("RECURSIVEMATCH needs another selection option")
	                                     : NULL;
}

static const char *
add_return(struct list *l, struct str name, bool has_value)
{
	const struct imap_list_return *row =
	    imap_shown(l->cmd->conn, imap_registry_list_return(&l->cmd->conn->server->reg, name));
	struct returned *r = &l->returns[l->return_count++];
	const char *fault = NULL;

	if (row == NULL || (has_value && row->begin == NULL))
		return N_("Unknown return option");
	r->row = row;
	l->attrs |= row->attrs;
	l->prints |= row->print != NULL;
	if (row->begin != NULL)
		r->kept = row->begin(l->cmd, &l->args, &fault);
	return fault;
}

static const char *
find_returns(struct list *l)
{
	const struct wire_params *others = &l->args.return_other;
	const struct wire_name *known = wire_list_return_names;
	const char *fault = NULL;

	l->returns = arena_array(l->cmd->arena,
	    others->n + (unsigned)__builtin_popcount(l->args.returns), sizeof(*l->returns));
	for (; known->name != NULL && fault == NULL; known++)
		if ((l->args.returns & known->id) != 0)
			fault = add_return(l, str_of(known->name), false);
	for (size_t i = 0; i < others->n && fault == NULL; i++)
		fault = add_return(l, others->v[i].name, others->v[i].value.p != NULL);
	return fault;
}

static enum imap_next
cmd_list(struct imap_cmd *cmd)
{
	struct list *l = arena_new_object(cmd->arena, struct list);
	const char *fault;

	l->cmd = cmd;
	if (!wire_list_parse(&cmd->in, &l->args))
		return cmd_bad_syntax(cmd);
	fault = find_selects(l);
	if (fault == NULL)
		fault = find_returns(l);
	if (fault != NULL)
		return cmd_bad(cmd, fault);
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

struct status {
	struct wire_status args;
	struct imap_status_items items;
	struct imap_open open;
};

static enum imap_next
status_opened(struct imap_cmd *cmd)
{
	struct status *s = cmd->state;
	struct store_mailbox_info info;
	struct imap_place place;
	struct store_reader reader;
	unsigned missing;
	enum ts_err err;

	if (s->open.mailbox == NULL)
		return cmd_open_err(cmd, &s->open);
	if (!imap_mailbox_place(imap_login(cmd->conn), s->args.mailbox, AUTH_RIGHT_READ, &place,
	        &info, &err, &missing))
		return cmd_err(cmd, TS_NOT_FOUND);
	reader = imap_open_reader(&s->open);
	store_reader_begin(&reader);
	store_reader_counters(&reader, &info.counters);
	store_reader_end(&reader);
	imap_status_print(cmd->conn, s->args.mailbox, place.account, &info, &s->items);
	return cmd_ok(cmd, "Done");
}

static enum imap_next
status_reached(struct imap_cmd *cmd)
{
	static const struct imap_step opened = {"status-opened", status_opened};
	struct status *s = cmd->state;
	struct store_mailbox_info info;
	struct imap_place place;
	unsigned missing;
	enum ts_err err;

	s->args.mailbox =
	    imap_mailbox_meant(imap_login(cmd->conn), s->args.mailbox, &cmd->in.given);
	if (!imap_mailbox_place(imap_login(cmd->conn), s->args.mailbox, AUTH_RIGHT_READ, &place,
	        &info, &err, &missing))
		return err == TS_DENIED ? cmd_no_right(cmd, missing)
		                        : cmd_no(cmd, "NONEXISTENT", "No such mailbox");
	if (info.own && imap_status_is_own(&s->items)) { /* nobody's are in the list */
		s->open.name = s->args.mailbox;
		return cmd_open_mailbox(cmd, &s->open, AUTH_RIGHT_READ, &opened);
	}
	imap_status_print(cmd->conn, s->args.mailbox, place.account, &info, &s->items);
	return cmd_ok(cmd, "Done");
}

static enum imap_next
cmd_status(struct imap_cmd *cmd)
{
	static const struct imap_step reached = {"status-reached", status_reached};
	struct status *s = arena_new_object(cmd->arena, struct status);

	cmd->state = s;
	if (!wire_status_parse(&cmd->in, &s->args))
		return cmd_bad_syntax(cmd);
	if (!imap_status_find(cmd, &s->args.items, &s->items))
		return cmd_bad(cmd, "Unknown STATUS item");
	return cmd_reach(cmd, s->args.mailbox, &reached);
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

const struct imap_ext imap_ext_list = {.name = "list", .title = "LIST, LSUB, STATUS", .cmds = cmds};
