/* SPDX-License-Identifier: Apache-2.0 */
/* QUOTA both ways: see quota.h. */
#include "wire/ext/quota.h"

#include "wire/vec.h"

/* ---- parsing */

bool
wire_getquota_parse(struct wire_in *in, struct str *root_r)
{
	*root_r = STR_NONE;
	return wire_in_sp(in) && wire_in_mailbox_told(in, root_r) && wire_in_end(in);
}

static bool
read_resource(struct wire_in *in, bool usage, struct wire_quota_resource *resource)
{
	*resource = (struct wire_quota_resource){.usage = 0};
	if (!wire_in_name(in, &resource->name) || !wire_in_sp(in))
		return false;
	if (usage && (!wire_in_number64(in, &resource->usage) || !wire_in_sp(in)))
		return false;
	return wire_in_number64(in, &resource->limit);
}

static bool
read_resources(struct wire_in *in, bool usage, struct wire_quota *quota)
{
	struct wire_vec vec = {0};
	bool more;

	if (!wire_in_open(in))
		return false;
	for (more = wire_in_peek(in) != ')'; more; more = wire_in_more(in)) {
		struct wire_quota_resource *resource =
		    WIRE_VEC_PUSH(in, &vec, struct wire_quota_resource, "Too many resources");

		if (resource == NULL || !read_resource(in, usage, resource))
			return false;
	}
	quota->v = vec.v;
	quota->n = vec.n;
	return wire_in_close(in);
}

static bool
read_quota(struct wire_in *in, bool usage, struct wire_quota *quota_r)
{
	*quota_r = (struct wire_quota){.n = 0};
	return wire_in_sp(in) && wire_in_mailbox_told(in, &quota_r->root) && wire_in_sp(in) &&
	       read_resources(in, usage, quota_r) && wire_in_end(in);
}

bool
wire_setquota_parse(struct wire_in *in, struct wire_quota *cmd_r)
{
	return read_quota(in, false, cmd_r);
}

bool
wire_in_quota(struct wire_in *in, struct wire_quota *quota_r)
{
	return read_quota(in, true, quota_r);
}

bool
wire_in_quotaroot(struct wire_in *in, struct wire_quotaroot *roots_r)
{
	struct wire_vec vec = {0};

	*roots_r = (struct wire_quotaroot){.roots = {.n = 0}};
	if (!wire_in_sp(in) || !wire_in_mailbox_told(in, &roots_r->mailbox))
		return false;
	while (wire_in_more(in)) {
		struct str *root = WIRE_VEC_PUSH(in, &vec, struct str, "Too many quota roots");

		if (root == NULL || !wire_in_mailbox_told(in, root))
			return false;
	}
	roots_r->roots = (struct wire_names){vec.v, vec.n};
	return wire_in_end(in);
}

/* ---- printing */

void
wire_getquota_print(struct buf *b, const struct wire_dialect *d, struct str root)
{
	buf_putc(b, ' ');
	wire_out_mailbox(b, d, root);
}

static void
put_quota(struct buf *b, const struct wire_dialect *d, const struct wire_quota *quota, bool usage)
{
	buf_putc(b, ' ');
	wire_out_mailbox(b, d, quota->root);
	buf_puts(b, " (");
	for (size_t i = 0; i < quota->n; i++) {
		const struct wire_quota_resource *resource = &quota->v[i];

		if (i > 0)
			buf_putc(b, ' ');
		buf_str(b, resource->name);
		buf_putc(b, ' ');
		if (usage) {
			buf_u64(b, resource->usage);
			buf_putc(b, ' ');
		}
		buf_u64(b, resource->limit);
	}
	buf_putc(b, ')');
}

void
wire_setquota_print(struct buf *b, const struct wire_dialect *d, const struct wire_quota *cmd)
{
	put_quota(b, d, cmd, false);
}

void
wire_out_quota(struct buf *b, const struct wire_dialect *d, const struct wire_quota *quota)
{
	buf_puts(b, "* QUOTA");
	put_quota(b, d, quota, true);
	buf_put(b, "\r\n", 2);
}

void
wire_out_quotaroot(struct buf *b, const struct wire_dialect *d, const struct wire_quotaroot *roots)
{
	buf_puts(b, "* QUOTAROOT ");
	wire_out_mailbox(b, d, roots->mailbox);
	for (size_t i = 0; i < roots->roots.n; i++) {
		buf_putc(b, ' ');
		wire_out_mailbox(b, d, roots->roots.v[i]);
	}
	buf_put(b, "\r\n", 2);
}
