/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to run a program as bytes: the time, then two lists, each with its length first. */
#include "auth/helper/command_wire.h"

#include "auth/helper/wire_text.h"

static void
print_words(const struct str *words, size_t n, struct buf *out)
{
	buf_varint(out, n);
	for (size_t i = 0; i < n; i++)
		buf_vstr(out, words[i]);
}

static size_t
parse_words(struct rd *r, struct arena *arena, struct str words_r[COMMAND_WORDS_MAX])
{
	uint64_t n = rd_varint(r);

	if (n > COMMAND_WORDS_MAX)
		r->bad = true;
	for (size_t i = 0; i < n && !r->bad; i++)
		words_r[i] = wire_text(r, arena);
	return r->bad ? 0 : (size_t)n;
}

void
command_request_print(const struct command_request *r, struct buf *out)
{
	buf_be32(out, r->ms);
	print_words(r->args, r->arg_count, out);
	print_words(r->env, r->env_count, out);
}

bool
command_request_parse(struct str text, struct arena *arena, struct command_request *r_r)
{
	struct rd r = rd_of(text);

	r_r->ms = rd_be32(&r);
	r_r->arg_count = parse_words(&r, arena, r_r->args);
	r_r->env_count = parse_words(&r, arena, r_r->env);
	return !r.bad && rd_left(&r) == 0 && r_r->arg_count > 0;
}

void
command_reply_print(const struct command_reply *r, struct buf *out)
{
	buf_putc(out, (char)r->end);
	buf_be32(out, r->code);
}

bool
command_reply_parse(struct str text, struct command_reply *r_r)
{
	struct rd r = rd_of(text);
	uint8_t end = rd_u8(&r);

	r_r->code = rd_be32(&r);
	r_r->end = (enum command_end)end;
	return !r.bad && rd_left(&r) == 0 && end >= COMMAND_EXITED && end <= COMMAND_NOT_STARTED;
}
