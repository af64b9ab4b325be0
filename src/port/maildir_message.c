/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a message of a Maildir in pieces.  A file named in turnstone.export keeps its bytes; in all
 * others LF becomes CRLF.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "port/maildir_int.h"

#define READ_STEP ((size_t)32 << 10) /* becomes at most one piece */

/* The file, for reports about it. */
static struct port_at
at_file(struct maildir *m, const struct file *f)
{
	return (struct port_at){
	    maildir_dir(m, m->folder[m->folder_at - 1].path, f->new ? "new" : "cur"), f->name, 0};
}

/* A letter that no list explains; each is reported once per folder. */
static void
no_letter(struct maildir *m, const struct port_at *at, char letter)
{
	bool lower = letter >= 'a' && letter <= 'z';

	if (lower && (m->letters_told >> (letter - 'a') & 1) != 0) {
		m->port->words++;
		return;
	}
	if (lower)
		m->letters_told |= 1u << (letter - 'a');
	port_no_word(m->port, at, (struct str){&letter, 1},
	    lower ? "a flag that dovecot-keywords does not list" : "not a Maildir flag");
}

static void
take_info(
    struct maildir *m, const struct port_at *at, struct mailstream_message *msg, struct buf *words)
{
	static const char letters[] = "RFTSD"; /* in the order of enum store_flag */
	const char *colon = strchr(at->name, ':'), *info = strstr(at->name, ":2,");

	if (colon != NULL && info == NULL && colon[1] != 0)
		port_no_word(m->port, at, str_of(colon), "not Maildir flags");
	for (const char *p = info != NULL ? info + 3 : ""; *p != 0; p++) {
		const char *flag = strchr(letters, *p);

		if (flag != NULL)
			msg->flags |= 1u << (flag - letters);
		else if (*p == 'P')
			port_keyword(m->port, at, STR("$Forwarded"), words);
		else if (*p >= 'a' && *p <= 'z' && m->letter[*p - 'a'].n > 0)
			port_keyword(m->port, at, m->letter[*p - 'a'], words);
		else
			no_letter(m, at, *p);
	}
}

static void
end_message(struct maildir *m, struct buf *out)
{
	struct file *f = &m->file[m->file_at++];
	struct mailstream_message msg = {.internaldate = m->st.st_mtim.tv_sec, .size = m->size};
	const struct port_at at = at_file(m, f);
	struct buf words = {0}, word = {0};
	struct str rest, part;

	if (f->meta != NULL) {
		msg.uid = f->meta->uid;
		rest = f->meta->ours ? f->meta->keywords : STR_NONE;
		while (!str_eq(rest, STR("-")) && str_split(&rest, ',', &part)) {
			word.n = 0;
			if (port_unescape(part, &word))
				port_keyword(m->port, &at, buf_as_str(&word), &words);
			else
				port_no_word(m->port, &at, part, "not as export writes it");
		}
		if (f->meta->ours) {
			msg.internaldate = f->meta->date;
			msg.savedate = f->meta->saved;
			msg.zone = (int16_t)f->meta->zone;
		}
	}
	take_info(m, &at, &msg, &words);
	msg.keywords = buf_as_str(&words);
	mailstream_put_message(out, &msg);
	close(m->fd);
	m->fd = -1;
	buf_fini(&words);
	buf_fini(&word);
}

static void
broken_file(struct maildir *m, int error)
{
	const struct port_at at = at_file(m, &m->file[m->file_at++]);

	port_broken(m->port, at.dir, at.name, port_why(error));
	m->port->unread += error != ELOOP && error != EINVAL;
}

void
maildir_file_open(struct maildir *m)
{
	const struct file *f = &m->file[m->file_at];

	m->fd = port_open(m->port, m->dir[f->new], f->name, false);
	m->last = 0;
	m->size = 0;
	m->ids_told = false;
	if (m->fd < 0) {
		broken_file(m, errno);
	} else if (fstat(m->fd, &m->st) != 0) {
		int e = errno;

		close(m->fd);
		m->fd = -1;
		broken_file(m, e);
	}
}

/* Once for a message, before its bytes. */
static void
tell_ids(struct maildir *m, struct buf *out)
{
	const unsigned char *ids = maildir_ids(m, m->file[m->file_at].meta);

	if (ids != NULL && !m->ids_told)
		mailstream_put_ids(out, ids);
	m->ids_told = true;
}

void
maildir_file_read(struct maildir *m, struct buf *out)
{
	const struct meta *meta = m->file[m->file_at].meta;
	char raw[READ_STEP];
	ssize_t got = read(m->fd, raw, sizeof raw);
	struct buf piece = {0};

	if (got >= 0)
		tell_ids(m, out);
	if (got == 0) {
		end_message(m, out);
		return;
	}
	if (got < 0) {
		int e = errno;

		close(m->fd);
		m->fd = -1;
		mailstream_put_drop(out);
		broken_file(m, e);
		return;
	}
	if (meta != NULL && meta->ours)
		buf_put(&piece, raw, (size_t)got);
	else
		port_crlf((struct str){raw, (size_t)got}, &m->last, &piece);
	m->size += piece.n;
	mailstream_put_data(out, buf_as_str(&piece));
	buf_fini(&piece);
}
