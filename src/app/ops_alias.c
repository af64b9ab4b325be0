/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on aliases. */
#include "app/ops.h"
#include "app/rows.h"
#include "auth/alias.h"

static bool
explain(enum ts_err err, const char *why, struct str name, struct buf *out)
{
	if (err == TS_NOT_FOUND)
		buf_printf(out, "there is no alias %.*s\n", STR_ARG(name));
	else if (err != TS_OK)
		buf_printf(out, "%s\n",
		    why != NULL ? why
		    : err == TS_UNKNOWN
		        ? "the change may or may not be on disk: look, then try again"
		        : ts_err_name(err));
	return err == TS_OK;
}

static bool
alias_add(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct str targets[REQUEST_FIELDS_MAX];
	struct auth_alias alias = {.name = request_get(req, "name"), .targets = targets};
	const char *why = NULL;

	(void)io;
	for (size_t i = 0; i < req->field_count; i++)
		if (str_eq(req->fields[i].key, STR("target")))
			targets[alias.target_count++] = req->fields[i].value;
	return explain(auth_alias_put(ops->auth, &alias, &why), why, alias.name, out);
}

static bool
alias_remove(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct str name = request_get(req, "name");
	const char *why = NULL;

	(void)io;
	return explain(auth_alias_remove(ops->auth, name, &why), why, name, out);
}

static bool
list_one(const struct auth_alias *alias, void *arg)
{
	struct buf *out = arg;

	row_str(out, "name", alias->name);
	row_list(out, "targets");
	for (size_t i = 0; i < alias->target_count; i++)
		row_item(out, "targets", alias->targets[i]);
	row_end(out);
	return true;
}

static bool
alias_list(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct buf rows = {0};
	bool ok;

	(void)req;
	(void)io;
	ok = explain(auth_alias_list(ops->auth, list_one, &rows), NULL, STR_NONE, out);
	if (ok)
		buf_str(out, buf_as_str(&rows));
	buf_fini(&rows);
	return ok;
}

const struct op ops_alias[] = {{.verb = "alias-add", .run = alias_add},
    {.verb = "alias-remove", .run = alias_remove}, {.verb = "alias-list", .run = alias_list},
    {.verb = NULL}};
