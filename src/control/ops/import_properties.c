/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of an import: a change for each, since there are few. */
#include "auth/sharing.h"
#include "control/ops/import_int.h"

struct refusal {
	struct import *im;
	bool of_mailbox;
};

static bool
refuse(struct str name, const char *why, void *arg)
{
	const struct refusal *refusal = arg;
	struct import *im = refusal->im;

	im->refused++;
	if (im->left_out++ >= IMPORT_NAMED_MAX)
		return true;
	buf_puts(im->out, "left out: ");
	if (refusal->of_mailbox)
		buf_printf(im->out, "mailbox %.*s, ", STR_ARG(buf_as_str(&im->name)));
	buf_puts(im->out, "the property ");
	buf_str(im->out, name);
	buf_printf(im->out, ": %s\n", why);
	return true;
}

/* A user's account does not become a group mailbox, which would shut the user out. */
static bool
is_for_groups_only(const struct import *im, const struct mailstream_property *p)
{
	return !p->of_mailbox && str_eq(p->name, STR(AUTH_GROUP_MAILBOX)) &&
	       (im->account == NULL ||
	           auth_is_group_mailbox(im->ops->store, store_account_name(im->account)) != TS_OK);
}

bool
import_take_property(struct import *im, const struct mailstream_property *p)
{
	struct store_property_op op = {.name = p->name, .value = p->value, .must_be_new = true};
	struct refusal refusal = {im, p->of_mailbox};
	struct properties_put put = {.account = im->account,
	    .mailbox = im->mailbox,
	    .of_mailbox = p->of_mailbox,
	    .quiet = p->of_mailbox && im->made,
	    .dry = im->dry ? &im->dryness.properties : NULL,
	    .refused = refuse,
	    .arg = &refusal};
	enum ts_err err;

	if (is_for_groups_only(im, p))
		return refuse(p->name, "the account is that of a user", &refusal);
	err = properties_put_all(&put, &op, 1);

	im->properties += put.put;
	return err == TS_OK || import_fail(im, "a property of", err);
}
