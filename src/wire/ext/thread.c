/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints THREAD: see thread.h. */
#include "wire/ext/thread.h"

bool
wire_thread_parse(struct wire_in *in, struct wire_thread *cmd_r, wire_key_ext_f *ext, void *arg)
{
	*cmd_r = (struct wire_thread){0};
	return wire_in_sp(in) && wire_in_atom(in, &cmd_r->algorithm) &&
	       wire_sort_read_search(in, &cmd_r->search, ext, arg);
}

void
wire_thread_print(struct buf *b, const struct wire_dialect *d, const struct wire_thread *cmd,
    wire_key_ext_print_f *ext, void *arg)
{
	buf_putc(b, ' ');
	buf_str(b, cmd->algorithm);
	wire_sort_print_search(b, d, &cmd->search, ext, arg);
}

/* ---- the response */

static void
put_blank(struct wire_thread_out *o, bool after)
{
	if (o->blank)
		buf_putc(o->b, ' ');
	o->blank = after;
}

void
wire_out_thread_begin(struct wire_thread_out *o)
{
	buf_puts(o->b, "* THREAD");
	o->blank = true;
}

void
wire_out_thread_open(struct wire_thread_out *o)
{
	put_blank(o, false);
	buf_putc(o->b, '(');
}

void
wire_out_thread_number(struct wire_thread_out *o, uint32_t number)
{
	put_blank(o, true);
	buf_u64(o->b, number);
}

void
wire_out_thread_close(struct wire_thread_out *o)
{
	buf_putc(o->b, ')');
	o->blank = false;
}

void
wire_out_thread_end(struct wire_thread_out *o)
{
	buf_put(o->b, "\r\n", 2);
}

struct reader {
	struct wire_in *in;
	struct wire_thread_data *data;
	size_t *above; /* for each open thread: what it is below */
	size_t depth, at;
	bool began; /* the open thread has something in it */
};

/* Returns the most numbers and parentheses that there can be. */
static size_t
count_words(const struct wire_in *in)
{
	size_t n = 1;

	for (const char *p = in->p; p < in->end; p++)
		n += *p == ' ' || *p == '(';
	return n;
}

static void
add(struct reader *r, uint32_t number)
{
	r->data->v[r->data->n++] = (struct wire_thread_message){number, r->at};
	r->at = r->data->n;
	r->began = true;
}

static void
open_thread(struct reader *r)
{
	if (r->depth > 0 && !r->began)
		add(r, 0);
	r->above[r->depth++] = r->at;
	r->began = false;
}

static bool
read_word(struct reader *r)
{
	uint32_t number;

	if (wire_in_try_char(r->in, '(')) {
		open_thread(r);
		return true;
	}
	if (r->depth > 0 && r->began && wire_in_try_char(r->in, ')')) {
		r->at = r->above[--r->depth];
		return true;
	}
	if (r->depth == 0 || !wire_in_nz_number(r->in, &number))
		return wire_in_fail(r->in, "A thread expected");
	add(r, number);
	return true;
}

bool
wire_in_thread(struct wire_in *in, struct wire_thread_data *data_r)
{
	size_t most = count_words(in);
	struct reader r = {.in = in, .data = data_r};

	*data_r = (struct wire_thread_data){0};
	if (most > in->limits->set_ranges)
		return wire_in_limit(in, "Too many messages");
	data_r->v = arena_try_array(in->arena, most, sizeof(*data_r->v));
	r.above = arena_try_array(in->arena, most, sizeof(*r.above));
	if (data_r->v == NULL || r.above == NULL)
		return wire_in_no_memory(in);
	if (wire_in_peek(in) == ' ' && !wire_in_sp(in))
		return false;
	while (r.depth > 0 || wire_in_peek(in) == '(') {
		if (!read_word(&r))
			return false;
		(void)wire_in_try_char(in, ' ');
	}
	return wire_in_end(in);
}
