/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints parameters of extensions: see params.h. */
#include "wire/params.h"

#include <string.h>

#include "wire/vec.h"

static bool
skip_string(struct wire_in *in)
{
	struct str s;
	uint64_t size;
	bool literal8;

	if (wire_in_peek(in) == '"')
		return wire_in_quoted(in, &s);
	if (!wire_in_literal_head(in, &size, &literal8))
		return false;
	if (size > (size_t)(in->end - in->p))
		return wire_in_fail(in, "Incomplete literal");
	in->p += size;
	return true;
}

/* Skips anything that is neither blank, parenthesis nor string. */
static bool
skip_word(struct wire_in *in)
{
	const char *p = in->p;

	while (p < in->end && (unsigned char)*p > ' ' && strchr("()\"{", *p) == NULL)
		p++;
	if (p == in->p)
		return wire_in_fail(in, "Expected a value");
	in->p = p;
	return true;
}

bool
wire_in_value(struct wire_in *in, struct str *raw_r)
{
	const char *from = in->p;
	uint32_t depth = 0;

	*raw_r = STR_NONE;
	do {
		char c = wire_in_peek(in);

		if (in->error != NULL)
			return false;
		if (c == '(') {
			if (++depth > in->limits->list_depth)
				return wire_in_limit(in, "Too many parentheses");
			in->p++;
		} else if (c == ')' && depth > 0) {
			depth--;
			in->p++;
		} else if (c == ' ' && depth > 0)
			in->p++;
		else if (c == '"' || c == '{' ||
		         (c == '~' && in->p + 1 < in->end && in->p[1] == '{')) {
			if (!skip_string(in))
				return false;
		} else if (!skip_word(in))
			return false;
	} while (depth > 0);
	*raw_r = str_range(from, in->p);
	return true;
}

/* RFC 4466: a value begins like no name can: a number, a set, a string or a list. */
static bool
value_begins(const struct wire_in *in)
{
	char c = wire_in_peek(in);

	if (c == '-') /* partial-range of RFC 9394 */
		return in->end - in->p > 1 && in->p[1] >= '0' && in->p[1] <= '9';
	return (c >= '0' && c <= '9') || (c != '\0' && strchr("*$(\"{", c) != NULL);
}

static bool
value_follows(const struct wire_in *in)
{
	struct wire_in at = *in;

	return wire_in_more(&at) && value_begins(&at);
}

static bool
read_name(struct wire_in *in, struct str *name)
{
	if (value_begins(in))
		return wire_in_fail(in, "Expected a name");
	return wire_in_name(in, name);
}

bool
wire_in_params(struct wire_in *in, struct wire_params *params_r)
{
	struct wire_vec vec = {0};

	*params_r = (struct wire_params){0};
	if (!wire_in_open(in))
		return false;
	if (wire_in_try_char(in, ')'))
		return true;
	do {
		struct wire_param *param =
		    WIRE_VEC_PUSH(in, &vec, struct wire_param, "Too many parameters");

		if (param == NULL || !read_name(in, &param->name))
			return false;
		if (value_follows(in) && (!wire_in_sp(in) || !wire_in_value(in, &param->value)))
			return false;
	} while (wire_in_more(in));
	if (!wire_in_close(in))
		return false;
	params_r->v = vec.v;
	params_r->n = vec.n;
	return true;
}

bool
wire_in_param(struct wire_in *in, struct wire_param *param_r)
{
	*param_r = (struct wire_param){0};
	return wire_in_name(in, &param_r->name) && wire_in_sp(in) &&
	       wire_in_value(in, &param_r->value);
}

void
wire_out_params(struct buf *b, const struct wire_params *params)
{
	for (size_t i = 0; i < params->n; i++) {
		if (i > 0)
			buf_putc(b, ' ');
		buf_str(b, params->v[i].name);
		if (params->v[i].value.p == NULL)
			continue;
		buf_putc(b, ' ');
		buf_str(b, params->v[i].value);
	}
}

void
wire_out_param_list(struct buf *b, const struct wire_params *params)
{
	buf_putc(b, '(');
	wire_out_params(b, params);
	buf_putc(b, ')');
}
