/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints heads of responses and status responses: see response.h. */
#include "wire/response.h"

#include "base/base64.h"

static const struct wire_name cond_names[] = {{"OK", WIRE_OK}, {"NO", WIRE_NO}, {"BAD", WIRE_BAD},
    {"BYE", WIRE_BYE}, {"PREAUTH", WIRE_PREAUTH}, {NULL, 0}};

static bool
read_untagged(struct wire_in *in, struct wire_response *r)
{
	char c;

	if (!wire_in_char(in, ' '))
		return false;
	c = wire_in_peek(in);
	r->has_number = c >= '0' && c <= '9';
	if (r->has_number && (!wire_in_number(in, &r->number) || !wire_in_sp(in)))
		return false;
	return wire_in_name(in, &r->name);
}

bool
wire_in_response(struct wire_in *in, struct wire_response *r_r)
{
	*r_r = (struct wire_response){.kind = WIRE_UNTAGGED};
	if (wire_in_try_char(in, '*'))
		return read_untagged(in, r_r);
	if (wire_in_try_char(in, '+')) {
		r_r->kind = WIRE_CONTINUE;
		(void)wire_in_try_char(in, ' '); /* some servers send "+" CRLF */
		return in->error == NULL;
	}
	r_r->kind = WIRE_TAGGED;
	return wire_in_tag(in, &r_r->tag) && wire_in_char(in, ' ') && wire_in_name(in, &r_r->name);
}

bool
wire_cond_of(const struct wire_response *r, enum wire_cond *cond_r)
{
	const struct wire_name *known = wire_name_find(cond_names, r->name);

	if (known == NULL || r->has_number || r->kind == WIRE_CONTINUE)
		return false;
	*cond_r = known->id;
	return true;
}

/* Takes what is left of the line. */
static struct str
take_text(struct wire_in *in)
{
	struct str text = wire_in_rest(in);

	if (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	if (text.n > 0 && text.p[text.n - 1] == '\r')
		text.n--;
	in->p += text.n;
	return text;
}

bool
wire_in_cond(struct wire_in *in, struct wire_status_line *line_r)
{
	*line_r = (struct wire_status_line){0};
	if (in->error != NULL)
		return false;
	if (!wire_in_try_char(in, ' ')) /* a text is required, but sometimes missing */
		return wire_in_end(in);
	if (wire_in_try_char(in, '[')) {
		if (!wire_in_code(in, &line_r->code) || !wire_in_char(in, ']'))
			return false;
		(void)wire_in_try_char(in, ' ');
	}
	line_r->text = take_text(in);
	return wire_in_end(in);
}

bool
wire_in_continue(struct wire_in *in, struct str *text_r)
{
	*text_r = take_text(in);
	return wire_in_end(in);
}

bool
wire_in_challenge(struct wire_in *in, struct str *bytes_r)
{
	*bytes_r = STR("");
	if (wire_in_at_line_end(in))
		return wire_in_end(in);
	return wire_in_base64(in, bytes_r) && wire_in_end(in);
}

/* ---- printing */

void
wire_out_cond(struct buf *b, struct str tag, enum wire_cond cond, struct str code, struct str text)
{
	if (tag.n > 0)
		buf_str(b, tag);
	else
		buf_putc(b, '*');
	buf_putc(b, ' ');
	buf_puts(b, wire_name_of(cond_names, cond));
	buf_putc(b, ' ');
	if (code.n > 0) {
		buf_putc(b, '[');
		wire_out_text(b, code);
		buf_put(b, "] ", 2);
	} else if (text.n > 0 && text.p[0] == '[') /* it would be parsed as a code */
		buf_putc(b, '-');
	wire_out_text(b, text.n > 0 ? text : STR("-")); /* 1*TEXT-CHAR */
	buf_put(b, "\r\n", 2);
}

void
wire_out_continue(struct buf *b, struct str text)
{
	buf_put(b, "+ ", 2);
	wire_out_text(b, text);
	buf_put(b, "\r\n", 2);
}

void
wire_out_challenge(struct buf *b, struct str bytes)
{
	buf_put(b, "+ ", 2);
	base64_encode(bytes, b);
	buf_put(b, "\r\n", 2);
}

void
wire_out_ok_begin(struct buf *b)
{
	buf_put(b, "* OK [", 6);
}

void
wire_out_ok_end(struct buf *b, struct str text)
{
	buf_put(b, "] ", 2);
	wire_out_text(b, text);
	buf_put(b, "\r\n", 2);
}

void
wire_out_number(struct buf *b, uint32_t n, const char *name)
{
	buf_put(b, "* ", 2);
	buf_u64(b, n);
	buf_putc(b, ' ');
	buf_puts(b, name);
	buf_put(b, "\r\n", 2);
}

void
wire_out_line(struct buf *b, struct str line)
{
	buf_put(b, "* ", 2);
	buf_str(b, line);
	buf_put(b, "\r\n", 2);
}
