/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and parameter lists as FETCH sends them: see render_int.h. */
#include "mail/render_int.h"

#include "mail/header.h"

/* A longer quoted string would be legal, but is hard on line-minded clients. */
#define QUOTED_MAX 1000
/* Each is looked for in the whole field; what a field has beyond these stays as it is. */
#define JOINED_MAX 32

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
	*q++ = '"';
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			*q++ = '\\';
		*q++ = s.p[i];
	}
	*q++ = '"';
	out->n = (size_t)(q - out->p);
}

/* The names whose pieces have been looked for. */
struct joined {
	struct buf names;
	struct {
		size_t off, len;
		bool done; /* sent as one: its other pieces are not sent */
	} v[JOINED_MAX];
	size_t n;
};

static void
put_param(struct str name, struct str value, size_t from, struct buf *out)
{
	buf_putc(out, out->n == from ? '(' : ' ');
	render_string(name, out);
	buf_putc(out, ' ');
	render_string(value, out);
}

/* The value goes out as "name", or as "name*" when it was in the extended form. */
static bool
put_joined(struct str field, struct str base, size_t from, struct buf *out)
{
	struct buf text = {0}, clean = {0}, name = {0};
	bool extended, ok = mail_param_join(field, base, &text, &extended);

	if (ok) {
		/* What was hidden by an encoding is no better than what stands in a header. */
		mail_unfold(buf_as_str(&text), SIZE_MAX, &clean);
		buf_str(&name, base);
		if (extended)
			buf_putc(&name, '*');
		put_param(buf_as_str(&name), clean.n > 0 ? buf_as_str(&clean) : STR(""), from, out);
	}
	buf_fini(&text);
	buf_fini(&clean);
	buf_fini(&name);
	return ok;
}

/* A parameter name with a star.  False: to be sent as it stands. */
static bool
put_piece(struct joined *j, struct str field, struct str base, size_t from, struct buf *out)
{
	for (size_t i = 0; i < j->n; i++)
		if (str_ieq((struct str){j->names.p + j->v[i].off, j->v[i].len}, base))
			return j->v[i].done;
	if (base.n == 0 || j->n == JOINED_MAX)
		return false;
	j->v[j->n].off = j->names.n;
	j->v[j->n].len = base.n;
	buf_str(&j->names, base);
	j->v[j->n].done = put_joined(field, base, from, out);
	return j->v[j->n++].done;
}

bool
render_params(struct str value, bool joined, struct buf *out)
{
	struct mail_params p;
	struct joined j = {.n = 0};
	struct str name, text;
	size_t from = out->n;
	bool pieces = false;

	mail_params_init(&p, value);
	while (mail_param_next(&p, &name, &text)) {
		const char *star = str_chr(name, '*');

		pieces |= star != NULL;
		if (star == NULL || !joined ||
		    !put_piece(&j, value, str_range(name.p, star), from, out))
			put_param(name, text, from, out);
	}
	buf_puts(out, out->n == from ? "NIL" : ")");
	mail_params_fini(&p);
	buf_fini(&j.names);
	return pieces;
}
