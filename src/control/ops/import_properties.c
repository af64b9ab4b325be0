/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of an import: a change for each, since there are few. */
#include "control/ops/import_int.h"
#include "control/ops/properties.h"

#define NAMED_MAX 1000 /* of what is left out; the rest is only counted */

void
import_leave_out_property(struct import *im, const struct mailstream_property *p, const char *why)
{
	im->refused++;
	if (im->left_out++ >= NAMED_MAX)
		return;
	buf_puts(im->out, "left out: ");
	if (p->of_mailbox)
		buf_printf(im->out, "mailbox %.*s, ", STR_ARG(buf_as_str(&im->name)));
	buf_puts(im->out, "the property ");
	buf_str(im->out, p->name);
	buf_printf(im->out, ": %s\n", why);
}

struct refusal {
	struct import *im;
	const struct mailstream_property *property;
};

static bool
refuse(struct str name, const char *why, void *arg)
{
	const struct refusal *refusal = arg;

	(void)name;
	import_leave_out_property(refusal->im, refusal->property, why);
	return true;
}

bool
import_take_property(struct import *im, const struct mailstream_property *p)
{
	struct store_property_op op = {.name = p->name, .value = p->value, .must_be_new = true};
	struct refusal refusal = {im, p};
	struct properties_put put = {.account = im->account,
	    .mailbox = p->of_mailbox ? im->mailbox : NULL,
	    .quiet = p->of_mailbox && im->made,
	    .refused = refuse,
	    .arg = &refusal};
	enum ts_err err;

	if (im->dry) {
		import_dry_property(im, p);
		return true;
	}
	err = properties_put_all(&put, &op, 1);
	im->properties += put.put;
	return err == TS_OK || import_fail(im, "a property of", err);
}
