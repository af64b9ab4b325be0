/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and parameter lists for FETCH: see render_int.h. */
#include "mail/render_int.h"

#include "mail/header.h"

/* A longer quoted string is legal, but hard on line-based clients. */
#define QUOTED_MAX 1000

void
render_string(struct str s, struct buf *out)
{
	char *q;
	bool plain = s.n <= QUOTED_MAX;

	for (size_t i = 0; plain && i < s.n; i++)
		plain = (unsigned char)s.p[i] < 0x80;
	if (!plain) {
		buf_putc(out, '{');
		buf_u64(out, s.n);
		buf_puts(out, "}\r\n");
		buf_str(out, s);
		return;
	}
	q = buf_room(out, s.n * 2 + 2);
	if (q == NULL)
		return;
	*q++ = '"';
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			*q++ = '\\';
		*q++ = s.p[i];
	}
	*q++ = '"';
	out->n = (size_t)(q - out->p);
}

/* In UTF-8 the extended form is decoded; what an encoding hid is then treated like the contents of
 * a header. */
static void
put_param(const struct mail_param *p, bool utf8, struct buf *out)
{
	struct buf text = buf_like(out), clean = buf_like(out);

	render_string(p->name, out);
	buf_putc(out, ' ');
	if (p->extended && utf8) {
		mail_param_value(p, &text);
		mail_unfold(text.n > 0 ? buf_as_str(&text) : STR(""), &clean);
		render_string(clean.n > 0 ? buf_as_str(&clean) : STR(""), out);
	} else {
		render_string(p->value, out);
	}
	buf_fini(&text);
	buf_fini(&clean);
}

void
render_params(const struct mail_params *p, bool utf8, struct buf *out)
{
	if (p->n == 0) {
		buf_puts(out, "NIL");
		return;
	}
	for (size_t i = 0; i < p->n; i++) {
		buf_putc(out, i == 0 ? '(' : ' ');
		put_param(&p->v[i], utf8, out);
	}
	buf_putc(out, ')');
}
