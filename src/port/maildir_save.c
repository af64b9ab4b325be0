/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing Maildir++.  A message is the file
 *   <internaldate>.U<uid>V<uidvalidity>.turnstone,S=<size>:2,<flags>
 * with the bytes as stored, including CRLF, so that all of them come back; mail
 * readers accept both line ends.  The name is made from what never changes, so
 * a second run finds what the first has written and writes the rest.  A file
 * gets its name once all of it is written; a mailbox's lists are replaced once
 * all its files are on disk.
 *
 * Lists: dovecot-uidlist and dovecot-keywords, which others read, and
 * turnstone.export, lines of words separated by blanks:
 *   turnstone-export 1 UIDVALIDITY UIDNEXT MODSEQ special-use mailbox
 *   UID INTERNALDATE SAVEDATE zone keywords base-name
 * Dates are seconds since 1970 UTC, the zone minutes east, keywords are joined
 * with commas ("-": none), names escaped as %XX.  turnstone.properties has the
 * mailbox's properties, turnstone.account those of the account (properties.c);
 * both are missing if there are none.  turnstone.ids has object ids:
 *   turnstone-ids 1 MAILBOXID
 *   UID, and 64 digits: EMAILID and a THREADID of its own
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <roaring/roaring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/mem.h"
#include "port/port.h"
#include "store/store.h"

#define LETTERS 26

struct old { /* a file of an earlier run */
	char *name;
	uint32_t uid;
};

struct save {
	struct port_sink sink;
	struct port *port;
	const char *path;
	int root, dir, cur, tmp; /* of the current mailbox; -1: none */
	struct buf name;
	struct mailstream_mailbox box;
	struct buf ours, uidlist, subscriptions;
	struct buf properties, account_properties, ids;
	bool has_ids; /* the message under way */
	unsigned char message_ids[MAILSTREAM_IDS_BYTES];
	char *letter[LETTERS];
	struct old *old;
	size_t old_count;
	roaring_bitmap_t *had, *told;
	int fd; /* the current message; -1: none */
	struct port_temporary temporary;
};

static bool
save_failed(struct save *s, const char *what)
{
	progress_clear(&s->port->progress);
	fprintf(stderr, "turnstone %s: %s, mailbox %s, %s: %s\n", s->port->cmd, s->path,
	    buf_cstr(&s->name), what, strerror(errno));
	return false;
}

/* ---- files ---- */

static bool
write_bytes(int fd, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes = (struct str){bytes.p + n, bytes.n - (size_t)n};
	}
	return true;
}

static bool
put_list(int dir, const char *name, struct str text)
{
	struct port_temporary temporary;
	int fd = port_create(dir, &temporary);
	bool ok = fd >= 0 && write_bytes(fd, text) && fsync(fd) == 0;

	if (fd < 0)
		return false;
	close(fd);
	if (ok && renameat(dir, temporary.name, dir, name) == 0)
		return true;
	(void)unlinkat(dir, temporary.name, 0);
	return false;
}

/* Removes the list if it has nothing to say. */
static bool
put_or_remove_list(int dir, const char *name, struct str text)
{
	if (text.n > 0)
		return put_list(dir, name, text);
	return unlinkat(dir, name, 0) == 0 || errno == ENOENT;
}

static int
make_dir(int at, const char *name)
{
	if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
		return -1;
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* ---- what exists ---- */

/* <date>.U<uid>V<uidvalidity>.turnstone,S=<size>:2, */
static bool
parse_ours(const char *name, uint32_t *uid_r, uint32_t *validity_r, uint64_t *size_r)
{
	int end = 0;

	/* A number that does not fit just fails to match.  NOLINTNEXTLINE(cert-err34-c) */
	return sscanf(name, "%*d.U%" SCNu32 "V%" SCNu32 ".turnstone,S=%" SCNu64 ":2,%n", uid_r,
	           validity_r, size_r, &end) == 3 &&
	       end > 0;
}

static int
by_uid(const void *a, const void *b)
{
	const struct old *x = a, *y = b;

	return x->uid == y->uid ? 0 : x->uid < y->uid ? -1 : 1;
}

static void
find_old(struct save *s)
{
	DIR *d = fdopendir(dup(s->cur));
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		uint32_t uid, validity;
		uint64_t size;
		struct stat st;

		if (!parse_ours(e->d_name, &uid, &validity, &size) || uid == 0)
			continue;
		if (validity != s->box.uidvalidity || uid == UINT32_MAX ||
		    fstatat(s->cur, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode) || (uint64_t)st.st_size != size ||
		    !roaring_bitmap_add_checked(s->had, uid)) {
			(void)unlinkat(s->cur, e->d_name, 0); /* of an earlier one, cut, or twice */
			continue;
		}
		if ((s->old_count & (s->old_count + 1)) == 0)
			s->old = mem_realloc(s->old, (2 * s->old_count + 2) * sizeof *s->old);
		s->old[s->old_count++] = (struct old){mem_strdup(e->d_name), uid};
	}
	if (d != NULL)
		closedir(d);
	if (s->old_count > 0)
		qsort(s->old, s->old_count, sizeof *s->old, by_uid);
}

static struct old *
old_of(struct save *s, uint32_t uid)
{
	struct old want = {NULL, uid};

	return s->old_count > 0 ? bsearch(&want, s->old, s->old_count, sizeof *s->old, by_uid)
	                        : NULL;
}

static void
put_have(struct port_sink *sink, struct buf *out)
{
	struct save *s = (struct save *)sink;
	uint32_t at = 0;

	for (size_t i = 0; i < s->old_count && out->n < MAILSTREAM_RECORD_MAX / 2;) {
		size_t from = i;

		while (i < s->old_count && s->old[i].uid - s->old[from].uid == i - from)
			i++;
		buf_varint(out, s->old[from].uid - at);
		buf_varint(out, i - from);
		at = s->old[i - 1].uid + 1;
	}
	if (out->n == 0) {
		buf_varint(out, 0);
		buf_varint(out, 0);
	}
}

/* ---- mailboxes ---- */

static bool
begin_folder(struct save *s)
{
	struct buf folder = {0};
	bool inbox = str_eq(s->box.name, STR("INBOX"));
	int new = -1;

	if (!inbox) {
		buf_putc(&folder, '.');
		port_folder(s->box.name, '.', &folder);
		if (folder.n > 255) { /* too long for a file; turnstone.export has it in full */
			folder.n = 0;
			buf_printf(&folder, ".long-name-%016" PRIx64,
			    XXH3_64bits(s->box.name.p, s->box.name.n));
		}
	}
	s->dir = inbox ? dup(s->root) : make_dir(s->root, buf_cstr(&folder));
	if (s->dir >= 0) {
		s->cur = make_dir(s->dir, "cur");
		new = make_dir(s->dir, "new");
		s->tmp = make_dir(s->dir, "tmp");
	}
	buf_fini(&folder);
	if (s->cur < 0 || s->tmp < 0 || new < 0)
		return save_failed(s, "its folder");
	close(new);
	if (!inbox && !put_list(s->dir, "maildirfolder", STR("")))
		return save_failed(s, "its folder");
	buf_printf(&s->ours, "turnstone-export 1 %u %u %" PRIu64 " %u ", s->box.uidvalidity,
	    s->box.uidnext, s->box.modseq, s->box.use);
	port_escape(s->box.name, &s->ours);
	buf_putc(&s->ours, '\n');
	buf_printf(&s->uidlist, "3 V%u N%u G%016" PRIx64 "%016" PRIx64 "\n", s->box.uidvalidity,
	    s->box.uidnext, XXH3_64bits(s->box.name.p, s->box.name.n),
	    (uint64_t)s->box.uidvalidity);
	if (s->box.object_id.n > 0)
		port_ids_head(s->box.object_id, &s->ids);
	find_old(s);
	return true;
}

static void
remove_gone(struct save *s)
{
	for (size_t i = 0; i < s->old_count; i++)
		if (!roaring_bitmap_contains(s->told, s->old[i].uid))
			(void)unlinkat(s->cur, s->old[i].name, 0);
}

static bool
put_lists(struct save *s)
{
	struct buf words = {0};
	bool ok;

	for (unsigned i = 0; i < LETTERS && s->letter[i] != NULL; i++)
		buf_printf(&words, "%u %s\n", i, s->letter[i]);
	/* All files first: whoever finds the lists must find what they name. */
	ok = syncfs(s->dir) == 0 && put_list(s->dir, "dovecot-keywords", buf_as_str(&words)) &&
	     put_list(s->dir, "dovecot-uidlist", buf_as_str(&s->uidlist)) &&
	     put_or_remove_list(s->dir, PORT_PROPERTIES, buf_as_str(&s->properties)) &&
	     put_or_remove_list(s->dir, PORT_IDS, buf_as_str(&s->ids)) &&
	     put_list(s->dir, "turnstone.export", buf_as_str(&s->ours)) && fsync(s->dir) == 0;
	buf_fini(&words);
	return ok || save_failed(s, "its lists");
}

static bool
end_folder(struct save *s, bool whole)
{
	bool ok = true;

	if (s->dir >= 0 && whole) {
		ok = put_lists(s);
		if (ok)
			remove_gone(s);
	}
	for (size_t i = 0; i < s->old_count; i++)
		mem_free(s->old[i].name);
	mem_free(s->old);
	for (unsigned i = 0; i < LETTERS; i++) {
		mem_free(s->letter[i]);
		s->letter[i] = NULL;
	}
	s->old = NULL;
	s->old_count = 0;
	roaring_bitmap_clear(s->had);
	roaring_bitmap_clear(s->told);
	s->ours.n = s->uidlist.n = s->properties.n = s->ids.n = 0;
	if (s->dir >= 0)
		close(s->dir);
	if (s->cur >= 0)
		close(s->cur);
	if (s->tmp >= 0)
		close(s->tmp);
	s->dir = s->cur = s->tmp = -1;
	return ok;
}

static bool
save_mailbox(struct save *s, const struct mailstream_mailbox *m)
{
	bool ok;

	if (!end_folder(s, true))
		return false;
	if (m->subscribed) {
		port_folder(m->name, '\t', &s->subscriptions);
		buf_putc(&s->subscriptions, '\n');
	}
	if (!m->exists)
		return true;
	s->name.n = 0;
	buf_str(&s->name, m->name);
	s->box = *m;
	s->box.name = buf_as_str(&s->name);
	ok = begin_folder(s);
	s->box.object_id = STR_NONE; /* the record's */
	return ok;
}

/* ---- messages ---- */

static bool
save_data(struct save *s, struct str data)
{
	if (s->fd < 0)
		s->fd = port_create(s->tmp, &s->temporary);
	return (s->fd >= 0 && write_bytes(s->fd, data)) || save_failed(s, "a message");
}

static void
drop_message(struct save *s)
{
	s->has_ids = false;
	if (s->fd < 0)
		return;
	close(s->fd);
	(void)unlinkat(s->tmp, s->temporary.name, 0);
	s->fd = -1;
}

static int
letter_of(struct save *s, struct str word)
{
	for (int i = 0; i < LETTERS; i++) {
		if (s->letter[i] == NULL) {
			s->letter[i] = mem_zalloc(word.n + 1);
			memcpy(s->letter[i], word.p, word.n);
		}
		if (str_ieq(str_of(s->letter[i]), word))
			return i;
	}
	return -1;
}

/* Sorted by ASCII, as the specification of Maildir requires. */
static void
put_letters(struct save *s, const struct mailstream_message *m, struct buf *out)
{
	const struct {
		char letter;
		int flag;
	} map[] = {{'D', STORE_DRAFT}, {'F', STORE_FLAGGED}, {'P', -1}, {'R', STORE_ANSWERED},
	    {'S', STORE_SEEN}, {'T', STORE_DELETED}};
	bool used[LETTERS] = {false}, passed = false;
	struct rd r = rd_of(m->keywords);

	while (rd_left(&r) > 0) {
		struct str word = rd_vstr(&r);
		int i = -1;

		if (str_ieq(word, STR("$Forwarded")))
			passed = true;
		else
			i = letter_of(s, word);
		if (i >= 0)
			used[i] = true;
	}
	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++)
		if (map[i].flag < 0 ? passed : (m->flags >> map[i].flag & 1) != 0)
			buf_putc(out, map[i].letter);
	for (int i = 0; i < LETTERS; i++)
		if (used[i])
			buf_putc(out, (char)('a' + i));
}

static void
put_rows(struct save *s, const struct mailstream_message *m, struct str base)
{
	struct rd r = rd_of(m->keywords);

	buf_printf(&s->uidlist, "%u :%.*s\n", m->uid, STR_ARG(base));
	buf_printf(&s->ours, "%u %" PRId64 " %" PRId64 " %d ", m->uid, m->internaldate, m->savedate,
	    m->zone);
	if (rd_left(&r) == 0)
		buf_putc(&s->ours, '-');
	for (bool first = true; rd_left(&r) > 0; first = false) {
		struct str word = rd_vstr(&r);

		if (!first)
			buf_putc(&s->ours, ',');
		if (str_eq(word, STR("-"))) /* a keyword, not "none" */
			buf_puts(&s->ours, "%2D");
		else
			port_escape(word, &s->ours);
	}
	buf_printf(&s->ours, " %.*s\n", STR_ARG(base));
}

static bool
save_message(struct save *s, const struct mailstream_message *m)
{
	struct buf name = {0};
	struct timespec when[2] = {{.tv_sec = m->internaldate}, {.tv_sec = m->internaldate}};
	struct old *old = m->bare ? old_of(s, m->uid) : NULL;
	bool ok = true;

	if (m->bare && old == NULL) {
		s->has_ids = false;
		return true;
	}
	if (!m->bare && m->size == 0 && !save_data(s, STR("")))
		return false;
	buf_printf(&name, "%" PRId64 ".U%uV%u.turnstone,S=%" PRIu64, m->internaldate, m->uid,
	    s->box.uidvalidity, m->size);
	put_rows(s, m, buf_as_str(&name));
	if (s->has_ids && s->ids.n > 0)
		port_ids_put(m->uid, s->message_ids, &s->ids);
	s->has_ids = false;
	buf_puts(&name, ":2,");
	put_letters(s, m, &name);
	if (m->bare) {
		if (strcmp(old->name, buf_cstr(&name)) != 0)
			ok = renameat(s->cur, old->name, s->cur, buf_cstr(&name)) == 0;
	} else {
		(void)futimens(s->fd, when);
		ok = close(s->fd) == 0 &&
		     renameat(s->tmp, s->temporary.name, s->cur, buf_cstr(&name)) == 0;
		s->fd = -1;
	}
	roaring_bitmap_add(s->told, m->uid);
	buf_fini(&name);
	return ok || save_failed(s, "a message");
}

static bool
end_save(struct save *s)
{
	struct buf all = {0};
	bool ok = end_folder(s, true);

	buf_puts(&all, "V\t2\n\n");
	buf_str(&all, buf_as_str(&s->subscriptions));
	ok = ok && (put_list(s->root, "subscriptions", buf_as_str(&all)) ||
	               save_failed(s, "subscriptions"));
	if (ok && s->port->mailbox == NULL) /* else they were not requested */
		ok = put_or_remove_list(
		         s->root, PORT_ACCOUNT_PROPERTIES, buf_as_str(&s->account_properties)) ||
		     save_failed(s, "the account's properties");
	ok = ok && (syncfs(s->root) == 0 || save_failed(s, "flushing"));
	buf_fini(&all);
	return ok;
}

static bool
save_record(struct port_sink *sink, const struct mailstream_record *rec)
{
	struct save *s = (struct save *)sink;

	switch (rec->tag) {
	case MAILSTREAM_MAILBOX:
		return save_mailbox(s, &rec->mailbox);
	case MAILSTREAM_PROPERTY:
		port_property_put(rec->property.name, rec->property.value,
		    rec->property.of_mailbox ? &s->properties : &s->account_properties);
		return true;
	case MAILSTREAM_IDS:
		s->has_ids = true;
		memcpy(s->message_ids, rec->data.p, sizeof(s->message_ids));
		return true;
	case MAILSTREAM_DATA:
		return save_data(s, rec->data);
	case MAILSTREAM_MESSAGE:
		return save_message(s, &rec->message);
	case MAILSTREAM_DROP:
		drop_message(s);
		return true;
	case MAILSTREAM_END:
		return end_save(s);
	case MAILSTREAM_VERSION_TAG:
		return true;
	}
	return false;
}

static void
free_sink(struct port_sink *sink)
{
	struct save *s = (struct save *)sink;

	drop_message(s);
	(void)end_folder(s, false);
	close(s->root);
	roaring_bitmap_free(s->had);
	roaring_bitmap_free(s->told);
	buf_fini(&s->name);
	buf_fini(&s->ours);
	buf_fini(&s->uidlist);
	buf_fini(&s->subscriptions);
	buf_fini(&s->properties);
	buf_fini(&s->account_properties);
	buf_fini(&s->ids);
	mem_free(s);
}

struct port_sink *
port_maildir_create(struct port *port, const char *path)
{
	int root = -1;
	struct save *s;

	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		root = port_open_folder(port, path);
	if (root < 0) {
		fprintf(stderr, "turnstone %s: %s: %s\n", port->cmd, path, port_why(errno));
		return NULL;
	}
	s = mem_zalloc(sizeof *s);
	*s = (struct save){.sink = {save_record, put_have, free_sink},
	    .port = port,
	    .path = path,
	    .root = root,
	    .dir = -1,
	    .cur = -1,
	    .tmp = -1,
	    .fd = -1,
	    .had = roaring_bitmap_create(),
	    .told = roaring_bitmap_create()};
	return &s->sink;
}
