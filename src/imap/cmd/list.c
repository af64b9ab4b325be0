/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIST, LSUB, STATUS (RFC 3501 and RFC 9051 sections 6.3.9, 6.3.11; RFC 3501
 * section 6.3.9 for LSUB; LIST-EXTENDED RFC 5258, LIST-STATUS RFC 5819,
 * SPECIAL-USE RFC 6154, STATUS=SIZE RFC 8438, APPENDLIMIT RFC 7889).
 *
 * One walk over the account's names, in order, makes the rows that match into
 * the command's arena; levels without a mailbox of their own come up where
 * their first child does.  Then the rows are printed, a window at a time.
 */
#include "imap/imap.h"

#include "imap/match.h"
#include "imap/settings.h"

struct row {
	struct str name;
	unsigned attrs; /* WIRE_ATTR_* */
	bool exists, listed, childinfo;
	struct store_counters counters;
};

struct list {
	struct wire_list args;
	bool lsub;
	bool want_status, want_appendlimit;
	struct str *patterns;
	struct row *rows;
	size_t count, cap, next;
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

static struct row *
add_row(struct list *l, struct str name)
{
	struct row *row;

	if (l->count == l->cap) {
		size_t cap = l->cap > 0 ? l->cap * 2 : 64;
		struct row *rows = arena_array(l->cmd->arena, cap, sizeof(*rows));

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
collect(const struct store_mailbox_info *info, void *arg)
{
	struct list *l = arg;
	struct row *row = add_row(l, info->name);

	row->exists = info->id != 0;
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

	for (size_t i = 0; i < given; i++) {
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

/* Rows of one name (a level added for two separated neighbours) become one. */
static void
unite_doubles(struct list *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->count; i++)
		if (n == 0 || !str_eq(l->rows[n - 1].name, l->rows[i].name))
			l->rows[n++] = l->rows[i];
	l->count = n;
}

/* ---- choosing */

/* Does a name follow that lies below rows[i]?  With '/' sorted among other bytes the children need
 * not be the next rows, but they begin where "name/" would stand. */
static size_t
first_below(const struct list *l, size_t i)
{
	size_t lo = i + 1, hi = l->count;
	struct str name = l->rows[i].name;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		struct str other = l->rows[mid].name;
		size_t n = other.n < name.n ? other.n : name.n;
		int c = memcmp(other.p, name.p, n);

		if (c == 0)
			c = other.n <= name.n ? -1 : (unsigned char)other.p[name.n] - '/';
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
is_below(struct str name, struct str parent)
{
	return name.n > parent.n && str_has_prefix(name, parent) && name.p[parent.n] == '/';
}

static bool
matches(const struct list *l, struct str name)
{
	for (size_t i = 0; i < l->args.patterns.n; i++)
		if (imap_match(l->patterns[i], name))
			return true;
	return false;
}

static bool
selected_by_criteria(const struct list *l, const struct row *row)
{
	if ((l->args.select & WIRE_LIST_SUBSCRIBED) != 0 &&
	    (row->attrs & WIRE_ATTR_SUBSCRIBED) == 0)
		return false;
	if ((l->args.select & WIRE_LIST_SPECIAL_USE) != 0 && (row->attrs >> 9) == 0)
		return false;
	return true;
}

/* RFC 5258 section 3.5: a descendant that meets the criteria and is not listed itself. */
static bool
has_hidden_descendant(const struct list *l, size_t i)
{
	for (size_t k = first_below(l, i);
	     k < l->count && is_below(l->rows[k].name, l->rows[i].name); k++)
		if ((l->rows[k].attrs & WIRE_ATTR_SUBSCRIBED) != 0 && !matches(l, l->rows[k].name))
			return true;
	return false;
}

static void
choose(struct list *l)
{
	bool by_subscription = (l->args.select & WIRE_LIST_SUBSCRIBED) != 0;
	bool recursive = (l->args.select & WIRE_LIST_RECURSIVEMATCH) != 0;

	for (size_t i = 0; i < l->count; i++) {
		struct row *row = &l->rows[i];
		size_t below;
		bool children = false;

		if (!matches(l, row->name))
			continue;
		row->childinfo = recursive && has_hidden_descendant(l, i);
		if (!selected_by_criteria(l, row) && !row->childinfo)
			continue;
		/* Mailboxes below, not names that are only subscribed. */
		for (below = first_below(l, i);
		     below < l->count && is_below(l->rows[below].name, row->name) && !children;
		     below++)
			children = l->rows[below].exists;
		/* A name that is only subscribed, and no level either, is shown by subscription
		 * only. */
		if (!row->exists && !children && !by_subscription)
			continue;
		row->listed = true;
		row->attrs |= children ? WIRE_ATTR_HASCHILDREN : WIRE_ATTR_HASNOCHILDREN;
		if (!row->exists)
			row->attrs |= l->args.extended || imap_dialect(l->cmd->conn)->rev2
			                  ? WIRE_ATTR_NONEXISTENT | WIRE_ATTR_NOSELECT
			                  : WIRE_ATTR_NOSELECT;
		if (!by_subscription && (l->args.returns & WIRE_LIST_RET_SUBSCRIBED) == 0)
			row->attrs &= ~(unsigned)WIRE_ATTR_SUBSCRIBED;
	}
}

/* LSUB (RFC 3501 section 6.3.9): subscribed names, and with a % at the end the levels above them.
 */
static void
choose_lsub(struct list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		struct row *row = &l->rows[i];
		bool subscribed = (row->attrs & WIRE_ATTR_SUBSCRIBED) != 0;

		if (!matches(l, row->name) || (!subscribed && !has_hidden_descendant(l, i)))
			continue;
		row->listed = true;
		row->attrs = subscribed ? 0 : WIRE_ATTR_NOSELECT;
	}
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
		        .childinfo_subscribed = row->childinfo});
		if (l->want_status && row->exists)
			print_status(cmd, row->name, l->args.status.mask, l->want_appendlimit,
			    &row->counters);
	}
	return cmd_ok(cmd, "Done");
}

static const struct imap_step print_step = {"list-print", list_print};

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
 * separator stands alone. */
static void
make_patterns(struct list *l)
{
	struct arena *a = l->cmd->arena;

	l->patterns = arena_array(a, l->args.patterns.n, sizeof(*l->patterns));
	for (size_t i = 0; i < l->args.patterns.n; i++) {
		struct str p = l->args.patterns.v[i], r = l->args.reference;

		l->patterns[i] = p;
		if (r.n > 0 && (p.n == 0 || p.p[0] != '/'))
			l->patterns[i] =
			    str_of(arena_printf(a, "%.*s%.*s", STR_ARG(r), STR_ARG(p)));
	}
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
	cmd->state = l;
	l->cmd = cmd;
	if (!l->args.extended && l->args.patterns.n == 1 && l->args.patterns.v[0].n == 0)
		return list_root(cmd, l->lsub);
	make_patterns(l);
	store_account_list(imap_login(cmd->conn)->account, collect, l);
	add_levels(l);
	unite_doubles(l);
	if (l->lsub)
		choose_lsub(l);
	else
		choose(l);
	return cmd_goto(cmd, &print_step);
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

	if (!wire_status_parse(&cmd->in, &args))
		return cmd_bad_syntax(cmd);
	if (!claim_status_items(&args.items, &appendlimit))
		return cmd_bad(cmd, "Unknown STATUS item");
	if (!store_account_lookup(imap_login(cmd->conn)->account, args.mailbox, &info))
		return cmd_no(cmd, "NONEXISTENT", "No such mailbox");
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
