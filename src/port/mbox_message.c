/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the lines of an mbox mean.  Content-Length is ignored, since no two programs agree on it.
 *
 * In files of other programs a line "From " begins a message at the start of the file and after an
 * empty line if it has a readable date or the next line is a header field; elsewhere only if both
 * are true.  The date becomes the INTERNALDATE; without one the Date field does, else the file's
 * time.  Lines ">From " lose one '>'.  From the header, Status and X-Status (flags), X-Keywords,
 * X-UID, X-IMAP and X-IMAPbase are taken and left out of the message unless the user wants to keep
 * them; so is what Thunderbird adds (mbox_mozilla.c).  A field whose value is not from these
 * programs stays in the message and has no effect.
 *
 * In a file of ours (mbox_int.h) only our own lines say anything about a message, and it comes back
 * as it was.  Others may have appended to the file: what has no mark in it is read as theirs.
 */
#include <stdio.h>
#include <string.h>

#include "port/mbox_int.h"
#include "store/store.h"

static void
flush_piece(struct mbox *m, struct buf *out)
{
	for (size_t at = 0; at < m->piece.n; at += MAILSTREAM_PIECE) {
		size_t n = m->piece.n - at < MAILSTREAM_PIECE ? m->piece.n - at : MAILSTREAM_PIECE;

		mailstream_put_data(out, (struct str){m->piece.p + at, n});
	}
	m->msg.size += m->piece.n;
	m->piece.n = 0;
}

static void
put_body(struct mbox *m, struct str text, struct buf *out)
{
	port_crlf(text, &m->last, &m->piece);
	if (m->piece.n >= MAILSTREAM_PIECE / 2)
		flush_piece(m, out);
}

static void
put_blank(struct mbox *m, struct buf *out)
{
	if (m->blank)
		put_body(m, STR("\n"), out);
	m->blank = false;
}

static void
put_own(struct mbox *m, struct str text, struct buf *out)
{
	buf_str(&m->piece, text);
	if (m->piece.n >= MAILSTREAM_PIECE / 2)
		flush_piece(m, out);
}

/* Puts the line ends that wait, except the last `but`. */
static void
put_ends(struct mbox *m, unsigned but, struct buf *out)
{
	for (; m->ends > but; m->ends--)
		put_own(m, m->own_asis ? STR("\n") : STR("\r\n"), out);
	m->ends = 0;
}

/* Returns whether it is mail, rather than something other programs keep in the file. */
static bool
is_mail(struct mbox *m)
{
	if (m->expunged) {
		m->deleted++;
		return false;
	}
	if (m->count_in_file == 1 && m->internal_subject && m->internal_field) {
		port_passed(m->port, m->dir, m->file[m->at - 1].path, m->began, 1,
		    "internal data of a mail server (UW IMAP)");
		return false;
	}
	return true;
}

void
mbox_end_message(struct mbox *m, struct buf *out)
{
	if (!m->in_message)
		return;
	if (m->own == OWN_TEXT) /* without the empty line after it */
		put_ends(m, (m->blank ? 1 : 0) + (m->own_cut ? 1 : 0), out);
	flush_piece(m, out);
	m->msg.keywords = buf_as_str(&m->words);
	if (is_mail(m))
		mailstream_put_message(out, &m->msg);
	else
		mailstream_put_drop(out);
	m->in_message = m->blank = false;
}

void
mbox_put_mailbox(struct mbox *m, struct buf *out)
{
	if (!m->named)
		mailstream_put_mailbox(
		    out, &(struct mailstream_mailbox){
		             .name = str_of(m->file[m->at - 1].name), .exists = true});
	m->named = true;
}

static void
begin_message(struct mbox *m, const struct mail_date *date, bool own, struct buf *out)
{
	mbox_end_message(m, out);
	mbox_put_mailbox(m, out);
	m->msg = (struct mailstream_message){.internaldate = m->st.st_mtim.tv_sec};
	m->dated = date != NULL;
	if (date != NULL) {
		m->msg.internaldate = date->utc;
		m->msg.zone = (int16_t)(date->zone % 1440);
	}
	m->words.n = 0;
	m->in_message = m->in_header = m->behind_from = m->at_top = true;
	m->expunged = m->internal_subject = m->internal_field = false;
	m->mozilla = 0;
	m->began = m->line;
	m->count_in_file++;
	m->skipping = m->at_start = m->blank = m->told_lost = false;
	m->own = own ? OWN_STATUS : OWN_NOT;
	m->own_asis = m->own_cut = false;
	m->ends = 0;
	m->last = 0;
}

static void
take_x_status(struct mbox *m, struct str value)
{
	static const char letters[] = "AFDRT"; /* X-Status; R in Status means Seen */
	static const unsigned flags[] = {
	    STORE_ANSWERED, STORE_FLAGGED, STORE_DELETED, STORE_SEEN, STORE_DRAFT};

	for (size_t i = 0; i < value.n; i++) {
		const char *at = value.p[i] != 0 ? strchr(letters, value.p[i]) : NULL;

		if (at != NULL)
			m->msg.flags |= 1u << flags[at - letters];
	}
}

void
mbox_take_words(struct mbox *m, struct str rest)
{
	const struct port_at at = {m->dir, m->file[m->at - 1].path, m->line};
	struct str word;

	rest = str_trim(rest);
	while (str_split(&rest, ' ', &word)) {
		word = str_trim(word);
		if (word.n > 0)
			port_keyword(m->port, &at, word, &m->words);
	}
}

static void
take_date(struct mbox *m, struct str value)
{
	struct mail_date date;

	if (m->dated || !mail_date_parse(value, &date))
		return;
	m->dated = true;
	m->msg.internaldate = date.utc;
	m->msg.zone = (int16_t)(date.zone % 1440);
}

/* Takes flags as programs write them; text from a sender is not flags. */
static bool
take_status(struct mbox *m, struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] == 0 || strchr("ROUNAFTD", value.p[i]) == NULL)
			return false;
	take_x_status(m, value);
	return true;
}

static bool
take_uid(struct mbox *m, struct str value)
{
	uint64_t uid;

	if (!str_u64(value, UINT32_MAX, &uid))
		return false;
	m->msg.uid = (uint32_t)uid;
	return true;
}

static bool
take_named(struct mbox *m, struct str name, struct str value)
{
	if (str_ieq(name, STR("Status")) || str_ieq(name, STR("X-Status")))
		return take_status(m, value);
	if (str_ieq(name, STR("X-UID")))
		return take_uid(m, value);
	if (str_ieq(name, STR("X-Keywords"))) {
		m->words_go_on = true;
		mbox_take_words(m, value);
		return true;
	}
	if (mbox_is_mozilla(name))
		return mbox_take_mozilla(m, name, value);
	return str_ieq(name, STR("X-IMAPbase")) || str_ieq(name, STR("X-IMAP"));
}

/* Returns true if the field is one of those that are taken. */
static bool
take_field(struct mbox *m, struct str line)
{
	struct str rest = line, name;
	bool taken;

	m->words_go_on = false;
	if (!str_split(&rest, ':', &name) || name.n == line.n)
		return false;
	rest = str_trim(rest);
	if (str_ieq(str_trim(name), STR("Date")))
		take_date(m, rest);
	m->internal_field |= str_ieq(name, STR("X-IMAP"));
	m->internal_subject |=
	    str_ieq(name, STR("Subject")) &&
	    str_eq(rest, STR("DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA"));
	taken = !m->port->no_flags && take_named(m, name, rest);
	m->at_top = m->at_top && mbox_is_mozilla(name);
	return taken;
}

/* ---- a message of ours ---- */

/* "seconds zone crlf|asis whole|cut" */
static bool
take_own_rest(struct mbox *m, struct str line)
{
	long long date;
	int zone, end = 0;
	char asis[5], cut[6];
	struct buf z = {0};
	bool ok;

	buf_str(&z, str_trim(line));
	/* A number that does not fit gives another date.  NOLINTNEXTLINE(cert-err34-c) */
	ok = sscanf(buf_cstr(&z), MBOX_OURS "%lld %d %4s %5s%n", &date, &zone, asis, cut, &end) ==
	         4 &&
	     (size_t)end == z.n && zone > -1440 && zone < 1440;
	if (ok) {
		m->msg.internaldate = date;
		m->msg.zone = (int16_t)zone;
		m->own_asis = strcmp(asis, "asis") == 0;
		m->own_cut = strcmp(cut, "cut") == 0;
	}
	buf_fini(&z);
	return ok;
}

/* Takes the lines before the message, in order.  Returns false if somebody has changed them. */
static bool
take_own_head(struct mbox *m, struct str line)
{
	const struct str names[] = {
	    [OWN_STATUS] = STR("Status: "), [OWN_X_STATUS] = STR("X-Status: ")};

	if (m->own == OWN_REST) {
		if (str_has_prefix(line, STR("X-Keywords:"))) {
			mbox_take_words(m, (struct str){line.p + 11, line.n - 11});
			return true;
		}
		m->own = OWN_TEXT;
		return take_own_rest(m, line);
	}
	if (!str_has_prefix(line, names[m->own]))
		return false;
	take_x_status(m, (struct str){line.p + names[m->own].n, line.n - names[m->own].n});
	m->own++;
	return true;
}

static void
take_own_line(struct mbox *m, struct str line, bool begins, struct buf *out)
{
	bool ends = line.p[line.n - 1] == '\n';

	line.n -= ends ? 1 : 0;
	m->blank = begins && ends && line.n == 0;
	if (m->blank && m->ends == 2) { /* two may have to be left out */
		put_own(m, m->own_asis ? STR("\n") : STR("\r\n"), out);
		m->ends--;
	} else if (!m->blank) {
		put_ends(m, 0, out);
	}
	if (begins && !m->in_header && mbox_is_quoted(line))
		line = (struct str){line.p + 1, line.n - 1};
	if (m->blank || (begins && ends && m->own_asis && str_eq(line, STR("\r"))))
		m->in_header = false;
	put_own(m, line, out);
	m->ends += ends ? 1 : 0;
}

/* ---- lines ---- */

/* Returns whether a message begins.  next is the following line, or its start. */
static bool
take_from(struct mbox *m, struct str line, struct str next, struct buf *out)
{
	bool own = m->ours && mbox_is_marked(line), first = m->at_start || m->blank, dated;
	struct mail_date date;

	if (!str_has_prefix(line, STR("From ")) || line.p[line.n - 1] != '\n' ||
	    (m->own == OWN_TEXT && m->in_message && m->in_header))
		return false;
	dated = mbox_from_date(line, &date);
	if (!own && !(first ? dated || mbox_is_field(next)
	                    : dated && !m->behind_from && mbox_is_field(next)))
		return false;
	begin_message(m, dated ? &date : NULL, own, out);
	return true;
}

static struct str
unquoted(const struct mbox *m, struct str line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] == '>')
		n++;
	if (n == 0 || (m->port->mboxo && n > 1) ||
	    !str_has_prefix((struct str){line.p + n, line.n - n}, STR("From ")))
		return line;
	return (struct str){line.p + 1, line.n - 1};
}

/* Takes a line of a header.  Returns true if it is not part of the message. */
static bool
take_header_line(struct mbox *m, struct str line)
{
	if (line.p[0] != ' ' && line.p[0] != '\t')
		m->skipping = take_field(m, line) && !m->port->keep_headers;
	else if (m->words_go_on)
		mbox_take_words(m, line);
	return m->skipping;
}

/* Reports lines before the first message; empty ones do not count. */
static void
tell_lost(struct mbox *m)
{
	if (!m->told_lost)
		port_broken_line(m->port, m->dir, m->file[m->at - 1].path, m->line,
		    "text in which no message begins");
	m->told_lost = true;
	m->at_start = false;
}

void
mbox_take_line(struct mbox *m, struct str line, struct str next, struct buf *out)
{
	bool empty = str_eq(line, STR("\n")) || str_eq(line, STR("\r\n"));

	if (m->at_start)
		m->ours = mbox_is_marked(line);
	if (take_from(m, line, next, out))
		return;
	m->behind_from = false;
	if (!m->in_message) {
		if (!empty)
			tell_lost(m);
		m->blank = empty;
		return;
	}
	if (m->own != OWN_NOT && m->own != OWN_TEXT) {
		if (take_own_head(m, line))
			return;
		m->own = OWN_NOT;
	}
	if (m->own == OWN_TEXT) {
		take_own_line(m, line, true, out);
		return;
	}
	put_blank(m, out);
	if (m->in_header && !empty && take_header_line(m, line))
		return;
	if (empty) { /* the end of the header may also end the message */
		m->in_header = m->skipping = m->words_go_on = false;
		m->blank = true;
		return;
	}
	put_body(m, m->in_header ? line : unquoted(m, line), out);
}

void
mbox_take_piece(struct mbox *m, struct str piece, struct buf *out)
{
	if (!m->in_message)
		return;
	if (m->own == OWN_TEXT)
		take_own_line(m, piece, false, out);
	else if (!m->skipping)
		put_body(m, piece, out);
	else if (m->words_go_on)
		m->port->words++;
}
