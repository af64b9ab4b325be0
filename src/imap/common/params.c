/* SPDX-License-Identifier: Apache-2.0 */
/* Modifiers and parameters of extensions, and the arguments of their items. */
#include "imap/cmd.h"
#include "imap/hide.h"

const char *
imap_value_parse(struct imap_cmd *cmd, struct str raw, imap_parse_f *parse, const void **kept_r)
{
	struct wire_in in;

	*kept_r = NULL;
	if (parse == NULL)
		return raw.p == NULL ? NULL : N_("This takes no value");
	in = wire_in_sub(&cmd->in, raw.p != NULL ? raw : STR(""));
	if (parse(&in, kept_r) && in.p == in.end)
		return NULL;
	return in.error != NULL ? in.error : N_("Invalid value");
}

const char *
imap_params_find(struct imap_cmd *cmd, const struct wire_params *params, imap_find_param_f *find,
    struct imap_param **found_r)
{
	struct imap_param *found;
	const char *fault;

	*found_r = NULL;
	if (params->n == 0)
		return NULL;
	found = *found_r = arena_array(cmd->arena, params->n, sizeof(*found));
	for (size_t i = 0; i < params->n; i++) {
		imap_parse_f *parse = NULL;

		found[i].row =
		    imap_shown(cmd->conn, find(&cmd->conn->server->reg, params->v[i].name, &parse));
		if (found[i].row == NULL)
			return N_("Unknown modifier");
		fault = imap_value_parse(cmd, params->v[i].value, parse, &found[i].kept);
		if (fault != NULL)
			return fault;
	}
	return NULL;
}
