/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints LIST and LSUB: see list.h. */
#include "wire/cmd/list.h"

#include "base/err.h"
#include "wire/out.h"
#include "wire/vec.h"

const struct wire_name wire_list_select_names[] = {
    {"SUBSCRIBED", WIRE_LIST_SUBSCRIBED},
    {"REMOTE", WIRE_LIST_REMOTE},
    {"RECURSIVEMATCH", WIRE_LIST_RECURSIVEMATCH},
    {"SPECIAL-USE", WIRE_LIST_SPECIAL_USE},
    {NULL, 0},
};

const struct wire_name wire_list_return_names[] = {
    {"SUBSCRIBED", WIRE_LIST_RET_SUBSCRIBED},
    {"CHILDREN", WIRE_LIST_RET_CHILDREN},
    {"SPECIAL-USE", WIRE_LIST_RET_SPECIAL_USE},
    {"STATUS", WIRE_LIST_RET_STATUS},
    {NULL, 0},
};

const struct wire_name wire_attr_names[] = {
    {"\\Noselect", WIRE_ATTR_NOSELECT},
    {"\\NonExistent", WIRE_ATTR_NONEXISTENT},
    {"\\Noinferiors", WIRE_ATTR_NOINFERIORS},
    {"\\HasChildren", WIRE_ATTR_HASCHILDREN},
    {"\\HasNoChildren", WIRE_ATTR_HASNOCHILDREN},
    {"\\Marked", WIRE_ATTR_MARKED},
    {"\\Unmarked", WIRE_ATTR_UNMARKED},
    {"\\Subscribed", WIRE_ATTR_SUBSCRIBED},
    {"\\Remote", WIRE_ATTR_REMOTE},
    {"\\All", WIRE_ATTR_ALL},
    {"\\Archive", WIRE_ATTR_ARCHIVE},
    {"\\Drafts", WIRE_ATTR_DRAFTS},
    {"\\Flagged", WIRE_ATTR_FLAGGED},
    {"\\Junk", WIRE_ATTR_JUNK},
    {"\\Sent", WIRE_ATTR_SENT},
    {"\\Trash", WIRE_ATTR_TRASH},
    {"\\Important", WIRE_ATTR_IMPORTANT},
    {NULL, 0},
};

/* ---- the command */

/* RFC 5819: the items are the value of the option STATUS. */
static bool
read_status_option(struct wire_in *in, struct wire_list *cmd, struct str raw)
{
	struct wire_in sub = wire_in_sub(in, raw);

	if (raw.p == NULL)
		return wire_in_fail(in, "STATUS requires a list of items");
	if (wire_in_status_items(&sub, &cmd->status) && sub.p == sub.end)
		return true;
	return wire_in_fail(in, sub.error != NULL ? sub.error : "Invalid list of STATUS items");
}

/* Sorts known options into a mask; the rest stays in *params for extensions. */
static bool
take_options(struct wire_in *in, struct wire_list *cmd, const struct wire_name *table,
    struct wire_params *params, unsigned *mask)
{
	size_t kept = 0;

	for (size_t i = 0; i < params->n; i++) {
		struct wire_param *param = &params->v[i];
		const struct wire_name *known = wire_name_find(table, param->name);

		if (known == NULL) {
			params->v[kept++] = *param;
			continue;
		}
		*mask |= known->id;
		if (table == wire_list_return_names && known->id == WIRE_LIST_RET_STATUS) {
			if (!read_status_option(in, cmd, param->value))
				return false;
		} else if (param->value.p != NULL)
			return wire_in_fail(in, "This option takes no value");
	}
	params->n = kept;
	return true;
}

static bool
read_select_options(struct wire_in *in, struct wire_list *cmd)
{
	cmd->extended = true;
	if (!wire_in_params(in, &cmd->select_other) ||
	    !take_options(in, cmd, wire_list_select_names, &cmd->select_other, &cmd->select))
		return false;
	/* RFC 5258 section 3.1: it modifies another option, and REMOTE does not count. */
	if ((cmd->select & WIRE_LIST_RECURSIVEMATCH) != 0 && cmd->select_other.n == 0 &&
	    (cmd->select & ~(unsigned)(WIRE_LIST_RECURSIVEMATCH | WIRE_LIST_REMOTE)) == 0)
		return wire_in_fail(in, "RECURSIVEMATCH needs another selection option");
	return wire_in_sp(in);
}

static bool
read_patterns(struct wire_in *in, struct wire_list *cmd)
{
	bool list = wire_in_try_open(in);
	struct wire_vec vec = {0};

	cmd->extended |= list;
	do {
		struct str *one = WIRE_VEC_PUSH(in, &vec, struct str, "Too many patterns");

		if (one == NULL || !wire_in_list_mailbox(in, one))
			return false;
	} while (list && wire_in_more(in));
	cmd->patterns = (struct wire_names){vec.v, vec.n};
	return !list || wire_in_close(in);
}

static bool
read_return_options(struct wire_in *in, struct wire_list *cmd)
{
	cmd->extended = true;
	if (!wire_in_sp(in))
		return false;
	if (!wire_in_try_word(in, "RETURN"))
		return wire_in_fail(in, "Expected RETURN");
	return wire_in_sp(in) && wire_in_params(in, &cmd->return_other) &&
	       take_options(in, cmd, wire_list_return_names, &cmd->return_other, &cmd->returns);
}

bool
wire_list_parse(struct wire_in *in, struct wire_list *cmd_r)
{
	*cmd_r = (struct wire_list){0};
	if (!wire_in_sp(in))
		return false;
	if (wire_in_peek(in) == '(' && !read_select_options(in, cmd_r))
		return false;
	if (!wire_in_list_mailbox(in, &cmd_r->reference) || !wire_in_sp(in) ||
	    !read_patterns(in, cmd_r))
		return false;
	if (!wire_in_at_end(in) && !read_return_options(in, cmd_r))
		return false;
	return wire_in_end(in);
}

bool
wire_lsub_parse(struct wire_in *in, struct wire_list *cmd_r)
{
	struct str *pattern = arena_try_object(in->arena, struct str);

	*cmd_r = (struct wire_list){.patterns = {pattern, 1}};
	if (pattern == NULL)
		return wire_in_no_memory(in);
	return wire_in_sp(in) && wire_in_list_mailbox(in, &cmd_r->reference) && wire_in_sp(in) &&
	       wire_in_list_mailbox(in, pattern) && wire_in_end(in);
}

static void
put_options(struct buf *b, const struct wire_name *table, unsigned mask,
    const struct wire_params *other, const struct wire_status_items *status)
{
	const char *between = "(";

	wire_out_bits(b, table, mask, &between);
	if (status != NULL) {
		buf_puts(b, between);
		buf_puts(b, "STATUS ");
		wire_out_status_items(b, status);
		between = " ";
	}
	if (other->n > 0 || *between == '(')
		buf_puts(b, between);
	wire_out_params(b, other);
	buf_putc(b, ')');
}

static void
put_patterns(struct buf *b, const struct wire_dialect *d, const struct wire_names *patterns)
{
	bool list = patterns->n != 1;

	if (list)
		buf_putc(b, '(');
	for (size_t i = 0; i < patterns->n; i++) {
		TS_ASSERT(patterns->v[i].p != NULL);
		if (i > 0)
			buf_putc(b, ' ');
		wire_out_mailbox_string(b, d, patterns->v[i]);
	}
	if (list)
		buf_putc(b, ')');
}

void
wire_list_print(struct buf *b, const struct wire_dialect *d, const struct wire_list *cmd)
{
	bool status = (cmd->returns & WIRE_LIST_RET_STATUS) != 0;
	/* "()" selects nothing, and shows that the client knows more than the basic form. */
	bool bare =
	    cmd->extended && cmd->patterns.n == 1 && cmd->returns == 0 && cmd->return_other.n == 0;

	buf_putc(b, ' ');
	if (cmd->select != 0 || cmd->select_other.n > 0 || bare) {
		put_options(b, wire_list_select_names, cmd->select, &cmd->select_other, NULL);
		buf_putc(b, ' ');
	}
	wire_out_mailbox_string(b, d, cmd->reference);
	buf_putc(b, ' ');
	put_patterns(b, d, &cmd->patterns);
	if (cmd->returns == 0 && cmd->return_other.n == 0)
		return;
	buf_puts(b, " RETURN ");
	put_options(b, wire_list_return_names, cmd->returns & ~(unsigned)WIRE_LIST_RET_STATUS,
	    &cmd->return_other, status ? &cmd->status : NULL);
}

/* ---- the response */

static bool
read_attrs(struct wire_in *in, struct wire_list_row *row)
{
	struct wire_vec other = {0};

	if (!wire_in_open(in))
		return false;
	while (wire_in_peek(in) == '\\') {
		const char *from = in->p++;
		const struct wire_name *known;
		struct str name, *more;

		if (!wire_in_atom(in, &name))
			return false;
		name = str_range(from, in->p);
		known = wire_name_find(wire_attr_names, name);
		if (known != NULL)
			row->attrs |= known->id;
		else if ((more = WIRE_VEC_PUSH(in, &other, struct str, "Too many attributes")) !=
		         NULL)
			*more = name;
		if (!wire_in_more(in))
			break;
	}
	row->other_attrs = (struct wire_names){other.v, other.n};
	return wire_in_close(in);
}

/* RFC 5258 section 3.5: ("SUBSCRIBED" …) */
static bool
read_childinfo(struct wire_in *in, struct wire_list_row *row)
{
	struct wire_names criteria;

	if (!wire_in_astrings(in, &criteria))
		return false;
	for (size_t i = 0; i < criteria.n; i++) {
		const struct wire_name *known =
		    wire_name_find(wire_list_select_names, criteria.v[i]);

		row->childinfo |= known != NULL ? known->id : 0;
	}
	return true;
}

static bool
read_oldname(struct wire_in *in, struct wire_list_row *row)
{
	return wire_in_open(in) && wire_in_mailbox_told(in, &row->oldname) && wire_in_close(in);
}

/* "TAG" (…): usually a string. */
static bool
read_extended(struct wire_in *in, struct wire_list_row *row, struct wire_vec *other)
{
	struct wire_param *param;
	struct str tag;

	if (!wire_in_astring(in, &tag) || !wire_in_sp(in))
		return false;
	if (str_ieq(tag, STR("CHILDINFO")))
		return read_childinfo(in, row);
	if (str_ieq(tag, STR("OLDNAME"))) /* RFC 9051 section 6.3.9.7 */
		return read_oldname(in, row);
	param = WIRE_VEC_PUSH(in, other, struct wire_param, "Too many extended items");
	if (param == NULL)
		return false;
	param->name = tag;
	return wire_in_value(in, &param->value);
}

static bool
read_extended_list(struct wire_in *in, struct wire_list_row *row)
{
	struct wire_vec other = {0};

	if (!wire_in_open(in))
		return false;
	if (wire_in_try_char(in, ')'))
		return true;
	do {
		if (!read_extended(in, row, &other))
			return false;
	} while (wire_in_more(in));
	row->other = (struct wire_params){other.v, other.n};
	return wire_in_close(in);
}

bool
wire_in_list(struct wire_in *in, struct wire_list_row *row_r)
{
	*row_r = (struct wire_list_row){0};
	if (!wire_in_sp(in) || !read_attrs(in, row_r) || !wire_in_sp(in) ||
	    !wire_in_delimiter(in, &row_r->delimiter) || !wire_in_sp(in) ||
	    !wire_in_mailbox_told(in, &row_r->name))
		return false;
	if (wire_in_sp_then(in, '(') && (!wire_in_sp(in) || !read_extended_list(in, row_r)))
		return false;
	return wire_in_end(in);
}

static void
put_attrs(struct buf *b, const struct wire_list_row *row)
{
	const char *between = "";

	wire_out_bits(b, wire_attr_names, row->attrs, &between);
	for (size_t i = 0; i < row->other_attrs.n; i++) {
		buf_puts(b, between);
		buf_str(b, row->other_attrs.v[i]);
		between = " ";
	}
}

/* RFC 5258 section 3.5: the criteria that a descendant meets. */
static void
put_childinfo(struct buf *b, unsigned criteria)
{
	const char *between = "\"CHILDINFO\" (";

	for (const struct wire_name *c = wire_list_select_names; c->name != NULL; c++)
		if ((criteria & c->id) != 0) {
			buf_puts(b, between);
			wire_out_quoted(b, str_of(c->name));
			between = " ";
		}
	buf_putc(b, ')');
}

static void
put_extended(struct buf *b, const struct wire_dialect *d, const struct wire_list_row *row)
{
	const char *between = " (";

	if (row->childinfo != 0) {
		buf_puts(b, between);
		put_childinfo(b, row->childinfo);
		between = " ";
	}
	if (row->oldname.p != NULL) { /* RFC 9051 section 6.3.9.7 */
		buf_puts(b, between);
		buf_puts(b, "\"OLDNAME\" (");
		wire_out_mailbox(b, d, row->oldname);
		buf_putc(b, ')');
		between = " ";
	}
	for (size_t i = 0; i < row->other.n; i++) {
		buf_puts(b, between);
		wire_out_astring(b, d, row->other.v[i].name);
		buf_putc(b, ' ');
		buf_str(b, row->other.v[i].value);
		between = " ";
	}
	if (between[1] == '\0')
		buf_putc(b, ')');
}

void
wire_out_list(struct buf *b, const struct wire_dialect *d, const struct wire_list_row *row)
{
	buf_puts(b, row->lsub ? "* LSUB (" : "* LIST (");
	put_attrs(b, row);
	buf_put(b, ") ", 2);
	wire_out_delimiter(b, row->delimiter);
	buf_putc(b, ' ');
	wire_out_mailbox(b, d, row->name);
	put_extended(b, d, row);
	buf_put(b, "\r\n", 2);
}
