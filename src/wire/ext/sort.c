/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints SORT: see sort.h. */
#include "wire/ext/sort.h"

#include "wire/vec.h"

/* "(REVERSE DATE SUBJECT)" */
static bool
read_criteria(struct wire_in *in, struct wire_sort *cmd)
{
	struct wire_vec keys = {0};

	if (!wire_in_open(in))
		return false;
	do {
		struct wire_sort_key *key =
		    WIRE_VEC_PUSH(in, &keys, struct wire_sort_key, "Too many sort criteria");

		if (key == NULL)
			return false;
		key->reverse = wire_in_try_word(in, "REVERSE");
		if ((key->reverse && !wire_in_sp(in)) || !wire_in_atom(in, &key->name))
			return false;
	} while (wire_in_more(in));
	cmd->keys = keys.v;
	cmd->n = keys.n;
	return wire_in_close(in);
}

bool
wire_sort_read_search(
    struct wire_in *in, struct wire_search *search, wire_key_ext_f *ext, void *arg)
{
	return wire_in_sp(in) && wire_in_astring(in, &search->charset) && wire_in_sp(in) &&
	       wire_search_read_keys(in, search, ext, arg);
}

bool
wire_sort_parse(struct wire_in *in, struct wire_sort *cmd_r, wire_key_ext_f *ext, void *arg)
{
	*cmd_r = (struct wire_sort){0};
	if (!wire_in_sp(in))
		return false;
	if (wire_in_try_word(in, "RETURN") &&
	    (!wire_search_read_returns(in, &cmd_r->search) || !wire_in_sp(in)))
		return false;
	return read_criteria(in, cmd_r) && wire_sort_read_search(in, &cmd_r->search, ext, arg);
}

void
wire_sort_print_search(struct buf *b, const struct wire_dialect *d,
    const struct wire_search *search, wire_key_ext_print_f *ext, void *arg)
{
	buf_putc(b, ' ');
	wire_out_astring(b, d, search->charset);
	wire_search_print_keys(b, d, search, ext, arg);
}

void
wire_sort_print(struct buf *b, const struct wire_dialect *d, const struct wire_sort *cmd,
    wire_key_ext_print_f *ext, void *arg)
{
	if (cmd->search.has_return)
		wire_search_print_returns(b, &cmd->search);
	for (size_t i = 0; i < cmd->n; i++) {
		buf_puts(b, i == 0 ? " (" : " ");
		if (cmd->keys[i].reverse)
			buf_puts(b, "REVERSE ");
		buf_str(b, cmd->keys[i].name);
	}
	buf_putc(b, ')');
	wire_sort_print_search(b, d, &cmd->search, ext, arg);
}

void
wire_out_sort_begin(struct buf *b)
{
	buf_puts(b, "* SORT");
}

void
wire_out_sort_add(struct buf *b, const uint32_t *ids, size_t n)
{
	wire_out_search_add(b, ids, n);
}

void
wire_out_sort_end(struct buf *b, uint64_t modseq)
{
	wire_out_search_end_modseq(b, modseq);
}

bool
wire_in_sort(struct wire_in *in, struct wire_search_data *data_r)
{
	return wire_in_search(in, data_r);
}
