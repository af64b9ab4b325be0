/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints ENVELOPE: see envelope.h. */
#include "wire/cmd/envelope.h"

#include "wire/vec.h"

static bool
read_address(struct wire_in *in, struct wire_address *a)
{
	return wire_in_open(in) && wire_in_nstring(in, &a->name) && wire_in_sp(in) &&
	       wire_in_nstring(in, &a->adl) && wire_in_sp(in) && wire_in_nstring(in, &a->mailbox) &&
	       wire_in_sp(in) && wire_in_nstring(in, &a->host) && wire_in_close(in);
}

static bool
read_addresses(struct wire_in *in, struct wire_addresses *list_r)
{
	struct wire_vec vec = {0};

	if (wire_in_try_word(in, "NIL"))
		return true;
	if (!wire_in_open(in))
		return false;
	do {
		struct wire_address *a =
		    WIRE_VEC_PUSH(in, &vec, struct wire_address, "Too many addresses");

		if (a == NULL || !read_address(in, a))
			return false;
		(void)wire_in_more(in); /* not allowed between them, but some servers send blanks */
	} while (wire_in_peek(in) == '(');
	*list_r = (struct wire_addresses){vec.v, vec.n};
	return wire_in_close(in);
}

bool
wire_in_envelope(struct wire_in *in, struct wire_envelope *e_r)
{
	*e_r = (struct wire_envelope){0};
	if (!wire_in_open(in) || !wire_in_nstring(in, &e_r->date) || !wire_in_sp(in) ||
	    !wire_in_nstring(in, &e_r->subject) || !wire_in_sp(in))
		return false;
	for (int i = 0; i < WIRE_ENVELOPE_LISTS; i++)
		if (!read_addresses(in, &e_r->lists[i]) || !wire_in_sp(in))
			return false;
	return wire_in_nstring(in, &e_r->in_reply_to) && wire_in_sp(in) &&
	       wire_in_nstring(in, &e_r->message_id) && wire_in_close(in);
}

/* ---- printing */

static void
put_address(struct buf *b, const struct wire_dialect *d, const struct wire_address *a)
{
	buf_putc(b, '(');
	wire_out_nstring(b, d, a->name);
	buf_putc(b, ' ');
	wire_out_nstring(b, d, a->adl);
	buf_putc(b, ' ');
	wire_out_nstring(b, d, a->mailbox);
	buf_putc(b, ' ');
	wire_out_nstring(b, d, a->host);
	buf_putc(b, ')');
}

static void
put_addresses(struct buf *b, const struct wire_dialect *d, const struct wire_addresses *list)
{
	if (list->n == 0) {
		buf_put(b, "NIL", 3);
		return;
	}
	buf_putc(b, '(');
	for (size_t i = 0; i < list->n; i++)
		put_address(b, d, &list->v[i]);
	buf_putc(b, ')');
}

void
wire_out_envelope(struct buf *b, const struct wire_dialect *d, const struct wire_envelope *e)
{
	buf_putc(b, '(');
	wire_out_nstring(b, d, e->date);
	buf_putc(b, ' ');
	wire_out_nstring(b, d, e->subject);
	for (int i = 0; i < WIRE_ENVELOPE_LISTS; i++) {
		buf_putc(b, ' ');
		put_addresses(b, d, &e->lists[i]);
	}
	buf_putc(b, ' ');
	wire_out_nstring(b, d, e->in_reply_to);
	buf_putc(b, ' ');
	wire_out_nstring(b, d, e->message_id);
	buf_putc(b, ')');
}
