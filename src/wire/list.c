/* SPDX-License-Identifier: Apache-2.0 */
/* LIST in all its forms, LSUB, STATUS: see cmd.h. */
#include "wire/cmd.h"
#include "wire/vec_int.h"

const struct wire_name wire_status_names[] = {
    {"MESSAGES", WIRE_STATUS_MESSAGES},
    {"RECENT", WIRE_STATUS_RECENT},
    {"UIDNEXT", WIRE_STATUS_UIDNEXT},
    {"UIDVALIDITY", WIRE_STATUS_UIDVALIDITY},
    {"UNSEEN", WIRE_STATUS_UNSEEN},
    {"DELETED", WIRE_STATUS_DELETED},
    {"SIZE", WIRE_STATUS_SIZE}, /* RFC 8438 */
    {NULL, 0},
};

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

/* "(MESSAGES UNSEEN)" */
static bool
read_status_items(struct wire_in *in, struct wire_status_items *items_r)
{
	struct wire_vec other = {0};

	*items_r = (struct wire_status_items){0};
	if (!wire_in_open(in))
		return false;
	do {
		const struct wire_name *known;
		struct str name;

		if (!wire_in_name(in, &name))
			return false;
		known = wire_name_find(wire_status_names, name);
		if (known != NULL)
			items_r->mask |= 1u << known->id;
		else if (other.n >= in->limits->items)
			return wire_in_limit(in, "Too many items");
		else
			*WIRE_VEC_PUSH(in->arena, &other, struct str) = name;
	} while (wire_in_more(in));
	items_r->other = (struct wire_names){other.v, other.n};
	return wire_in_close(in);
}

bool
wire_status_parse(struct wire_in *in, struct wire_status *cmd_r)
{
	return wire_in_sp(in) && wire_in_mailbox(in, &cmd_r->mailbox) && wire_in_sp(in) &&
	       read_status_items(in, &cmd_r->items) && wire_in_end(in);
}

/* RFC 5819: the items are the value of the option STATUS. */
static bool
read_status_option(struct wire_in *in, struct wire_list *cmd, struct str raw)
{
	struct wire_in sub = wire_in_sub(in, raw);

	if (raw.p == NULL)
		return wire_in_fail(in, "STATUS needs a list of items");
	if (read_status_items(&sub, &cmd->status) && sub.p == sub.end)
		return true;
	return wire_in_fail(in, sub.error != NULL ? sub.error : "Bad list of STATUS items");
}

/* Sorts known options into a mask; what is left in *params is for extensions. */
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
		if (vec.n >= in->limits->items)
			return wire_in_limit(in, "Too many patterns");
		if (!wire_in_list_mailbox(in, WIRE_VEC_PUSH(in->arena, &vec, struct str)))
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
		return wire_in_fail(in, "RETURN expected");
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
	struct str *pattern = arena_new_object(in->arena, struct str);

	*cmd_r = (struct wire_list){.patterns = {pattern, 1}};
	return wire_in_sp(in) && wire_in_list_mailbox(in, &cmd_r->reference) && wire_in_sp(in) &&
	       wire_in_list_mailbox(in, pattern) && wire_in_end(in);
}
