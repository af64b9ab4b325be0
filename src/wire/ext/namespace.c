/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints NAMESPACE: see namespace.h. */
#include "wire/ext/namespace.h"

#include "wire/params.h"
#include "wire/vec.h"

static bool
read_namespace(struct wire_in *in, struct wire_namespace *ns)
{
	struct str raw;

	if (!wire_in_open(in) || !wire_in_list_mailbox(in, &ns->prefix) || !wire_in_sp(in) ||
	    !wire_in_delimiter(in, &ns->delimiter))
		return false;
	while (wire_in_more(in)) /* RFC 2342 section 5: Namespace_Response_Extension */
		if (!wire_in_value(in, &raw))
			return false;
	return wire_in_close(in);
}

static bool
read_set(struct wire_in *in, struct wire_namespaces *set_r)
{
	struct wire_vec vec = {0};

	*set_r = (struct wire_namespaces){0};
	if (!wire_in_sp(in))
		return false;
	if (wire_in_try_word(in, "NIL"))
		return true;
	if (!wire_in_open(in))
		return false;
	do {
		struct wire_namespace *ns =
		    WIRE_VEC_PUSH(in, &vec, struct wire_namespace, "Too many namespaces");

		if (ns == NULL || !read_namespace(in, ns))
			return false;
		(void)wire_in_more(in); /* not allowed between them, but some servers send blanks */
	} while (wire_in_peek(in) == '(');
	*set_r = (struct wire_namespaces){vec.v, vec.n};
	return wire_in_close(in);
}

bool
wire_in_namespace(struct wire_in *in, struct wire_namespaces sets_r[3])
{
	return read_set(in, &sets_r[0]) && read_set(in, &sets_r[1]) && read_set(in, &sets_r[2]) &&
	       wire_in_end(in);
}

/* ---- printing */

static void
put_namespaces(struct buf *b, const struct wire_dialect *d, const struct wire_namespaces *set)
{
	if (set->n == 0) {
		buf_put(b, "NIL", 3);
		return;
	}
	buf_putc(b, '(');
	for (size_t i = 0; i < set->n; i++) {
		buf_putc(b, '(');
		/* A string, not an astring, but in the encoding of names (RFC 2342 section 5). */
		wire_out_mailbox_string(b, d, set->v[i].prefix);
		buf_putc(b, ' ');
		wire_out_delimiter(b, set->v[i].delimiter);
		buf_putc(b, ')');
	}
	buf_putc(b, ')');
}

void
wire_out_namespace(
    struct buf *b, const struct wire_dialect *d, const struct wire_namespaces sets[3])
{
	buf_puts(b, "* NAMESPACE");
	for (int i = 0; i < 3; i++) {
		buf_putc(b, ' ');
		put_namespaces(b, d, &sets[i]);
	}
	buf_put(b, "\r\n", 2);
}
