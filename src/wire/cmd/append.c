/* SPDX-License-Identifier: Apache-2.0 */
/* APPEND, message by message: see append.h. */
#include "wire/cmd/append.h"

#include "base/err.h"
#include "wire/out.h"

void
wire_append_init(struct wire_append *ap, struct arena *arena, const struct wire_dialect *dialect,
    const struct wire_limits *limits)
{
	*ap = (struct wire_append){.arena = arena, .dialect = dialect, .limits = limits};
}

/* Returns whether a literal's head comes next, with nothing after it. */
static bool
literal_pending(const struct wire_in *in)
{
	struct wire_in look = *in;
	uint64_t size;
	bool literal8;

	return wire_in_peek(in) == '{' && wire_in_literal_head(&look, &size, &literal8) &&
	       look.p == look.end;
}

/* Copies what points into the segment to the arena.  Returns false if there is no memory. */
static bool
keep_str(struct wire_in *in, struct str *s)
{
	if (s->p == NULL)
		return true;
	*s = arena_try_str(in->arena, *s);
	return s->p != NULL || wire_in_no_memory(in);
}

static bool
keep_flags(struct wire_in *in, struct wire_flags *flags)
{
	for (size_t i = 0; i < flags->n_keywords; i++)
		if (!keep_str(in, &flags->keywords[i]))
			return false;
	return keep_str(in, &flags->unknown);
}

/* Reads the head that announces the message; it must end the segment. */
static bool
read_message_literal(struct wire_in *in, struct wire_append_message *m)
{
	const char *from = in->p;

	if (wire_in_try_word(in, "UTF8")) { /* RFC 6855 section 4 */
		if (!wire_in_sp(in) || !wire_in_char(in, '('))
			return false;
		m->utf8 = true;
		from = in->p;
	}
	if (wire_in_peek(in) != '{' && wire_in_peek(in) != '~')
		return wire_in_fail(in, "Expected a message literal");
	if (!wire_in_literal_head(in, &m->size, &m->literal8))
		return false;
	if (m->utf8 && !m->literal8)
		return wire_in_fail(in, "UTF8 requires a literal8");
	m->sync = str_chr(str_range(from, in->p), '+') == NULL;
	return in->p == in->end || wire_in_fail(in, "Expected a message literal");
}

/* Before flags and date any number of blanks, as between arguments; before a message exactly
 * one. */
static bool
read_blanks(struct wire_in *in)
{
	if (wire_in_sp_then(in, '(') || wire_in_sp_then(in, '"'))
		return wire_in_sp(in);
	return wire_in_char(in, ' ');
}

/* SP [flags SP] [date-time SP] literal */
static bool
read_append_message(struct wire_in *in, bool first, struct wire_append_message *m)
{
	/* Nothing is guessed right next to a message: after one there must be exactly one blank
	 * too. */
	if (first ? !read_blanks(in) : !wire_in_char(in, ' '))
		return false;
	if (wire_in_peek(in) == '(') {
		if (!wire_in_flag_list(in, &m->flags) || !read_blanks(in) ||
		    !keep_flags(in, &m->flags))
			return false;
	}
	if (wire_in_peek(in) == '"') {
		if (!wire_in_date_time(in, &m->time) || !wire_in_char(in, ' '))
			return false;
		m->has_time = true;
	}
	return read_message_literal(in, m);
}

static enum wire_append_result
bad_append(struct wire_append *ap, const struct wire_in *in)
{
	TS_ASSERT(in->error != NULL);
	ap->error = in->error;
	ap->impossible = in->impossible;
	ap->too_much = in->too_much;
	return WIRE_APPEND_BAD;
}

enum wire_append_result
wire_append_feed(struct wire_append *ap, struct str segment)
{
	struct wire_append_message m = {0};
	struct str mailbox = ap->mailbox;
	struct wire_in in;

	wire_in_init(&in, segment, ap->arena, ap->dialect, ap->limits);
	if (ap->n_messages == 0) {
		if (!wire_in_sp(&in))
			return bad_append(ap, &in);
		if (literal_pending(&in))
			return WIRE_APPEND_STRING;
		if (!wire_in_mailbox(&in, &mailbox))
			return bad_append(ap, &in);
	} else {
		if (ap->message.utf8 && !wire_in_char(&in, ')'))
			return bad_append(ap, &in);
		if (wire_in_at_line_end(&in))
			return WIRE_APPEND_END;
	}
	if (!read_append_message(&in, ap->n_messages == 0, &m))
		return bad_append(ap, &in);
	if (ap->n_messages == 0) {
		if (!keep_str(&in, &mailbox) || !keep_str(&in, &in.given))
			return bad_append(ap, &in);
		ap->mailbox = mailbox;
		ap->given = in.given;
	}
	ap->message = m;
	ap->n_messages++;
	return WIRE_APPEND_MESSAGE;
}

/* ---- printing */

void
wire_append_print(struct buf *b, const struct wire_dialect *d, struct str mailbox)
{
	buf_putc(b, ' ');
	wire_out_mailbox(b, d, mailbox);
}

void
wire_append_message_print(struct buf *b, const struct wire_append_message *m)
{
	buf_putc(b, ' ');
	if (m->flags.system != 0 || m->flags.n_keywords > 0 || m->flags.unknown.p != NULL) {
		wire_out_flag_list(b, &m->flags);
		buf_putc(b, ' ');
	}
	if (m->has_time) {
		wire_out_time(b, m->time);
		buf_putc(b, ' ');
	}
	if (m->utf8)
		buf_puts(b, "UTF8 (");
	if (m->literal8)
		buf_putc(b, '~');
	buf_putc(b, '{');
	buf_u64(b, m->size);
	buf_puts(b, m->sync ? "}\r\n" : "+}\r\n");
}

void
wire_append_message_end(struct buf *b, const struct wire_append_message *m)
{
	if (m->utf8)
		buf_putc(b, ')');
}
