/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints STATUS: see status.h. */
#include "wire/cmd/status.h"

#include "wire/out.h"
#include "wire/vec.h"

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

bool
wire_in_status_items(struct wire_in *in, struct wire_status_items *items_r)
{
	struct wire_vec other = {0};

	*items_r = (struct wire_status_items){0};
	if (!wire_in_open(in))
		return false;
	do {
		const struct wire_name *known;
		struct str name, *more;

		if (!wire_in_name(in, &name))
			return false;
		known = wire_name_find(wire_status_names, name);
		if (known != NULL) {
			items_r->mask |= 1u << known->id;
			continue;
		}
		more = WIRE_VEC_PUSH(in, &other, struct str, "Too many items");
		if (more == NULL)
			return false;
		*more = name;
	} while (wire_in_more(in));
	items_r->other = (struct wire_names){other.v, other.n};
	return wire_in_close(in);
}

bool
wire_status_parse(struct wire_in *in, struct wire_status *cmd_r)
{
	return wire_in_sp(in) && wire_in_mailbox(in, &cmd_r->mailbox) && wire_in_sp(in) &&
	       wire_in_status_items(in, &cmd_r->items) && wire_in_end(in);
}

static bool
read_value(struct wire_in *in, const struct wire_name *item, struct wire_status_values *values)
{
	values->mask |= 1u << item->id;
	return wire_in_sp(in) && wire_in_number64(in, &values->v[item->id]);
}

/* Looks at the name first: it tells whether the value is a number. */
static bool
read_datum(struct wire_in *in, struct wire_status_data *data, struct wire_vec *other)
{
	struct wire_in look = *in;
	const struct wire_name *known;
	struct wire_param *param;
	struct str name;

	if (wire_in_name(&look, &name) &&
	    (known = wire_name_find(wire_status_names, name)) != NULL) {
		*in = look;
		return read_value(in, known, &data->values);
	}
	param = WIRE_VEC_PUSH(in, other, struct wire_param, "Too many items");
	return param != NULL && wire_in_param(in, param);
}

bool
wire_in_status(struct wire_in *in, struct wire_status_data *data_r)
{
	struct wire_vec other = {0};

	*data_r = (struct wire_status_data){0};
	if (!wire_in_sp(in) || !wire_in_mailbox_told(in, &data_r->mailbox) || !wire_in_sp(in) ||
	    !wire_in_open(in))
		return false;
	while (wire_in_peek(in) != ')') { /* () is allowed: nothing is known */
		if (!read_datum(in, data_r, &other))
			return false;
		if (!wire_in_more(in))
			break;
	}
	data_r->other = (struct wire_params){other.v, other.n};
	return wire_in_close(in) && wire_in_end(in);
}

/* ---- printing */

void
wire_out_status_items(struct buf *b, const struct wire_status_items *items)
{
	const char *between = "(";

	for (const struct wire_name *item = wire_status_names; item->name != NULL; item++)
		if ((items->mask & 1u << item->id) != 0) {
			buf_puts(b, between);
			buf_puts(b, item->name);
			between = " ";
		}
	for (size_t i = 0; i < items->other.n; i++) {
		buf_puts(b, between);
		buf_str(b, items->other.v[i]);
		between = " ";
	}
	buf_putc(b, ')');
}

void
wire_status_print(struct buf *b, const struct wire_dialect *d, const struct wire_status *cmd)
{
	buf_putc(b, ' ');
	wire_out_mailbox(b, d, cmd->mailbox);
	buf_putc(b, ' ');
	wire_out_status_items(b, &cmd->items);
}

void
wire_out_status(struct buf *b, const struct wire_dialect *d, struct str mailbox,
    const struct wire_status_values *values, struct str other)
{
	const char *between = "";

	buf_puts(b, "* STATUS ");
	wire_out_mailbox(b, d, mailbox);
	buf_put(b, " (", 2);
	for (const struct wire_name *item = wire_status_names; item->name != NULL; item++)
		if ((values->mask & 1u << item->id) != 0) {
			buf_puts(b, between);
			buf_puts(b, item->name);
			buf_putc(b, ' ');
			buf_u64(b, values->v[item->id]);
			between = " ";
		}
	if (other.n > 0) {
		buf_puts(b, between);
		buf_str(b, other);
	}
	buf_put(b, ")\r\n", 3);
}

void
wire_out_status_other(struct buf *b, const char *name)
{
	if (b->n > 0)
		buf_putc(b, ' ');
	buf_puts(b, name);
	buf_putc(b, ' ');
}
