/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading Maildir.  Folders are found first; then one folder at a time its
 * lists are read and its files sorted by UID, or by name where none is known;
 * then one file at a time is read in pieces.  So memory holds the names of one
 * folder and one piece.
 *
 * Next to the files: dovecot-uidlist (version 3: UIDVALIDITY, UIDNEXT, UIDs),
 * dovecot-keywords (names of the letters a to z), and our own turnstone.export,
 * which has what these cannot hold (port_save.c says how).  A file that is in
 * the latter has its bytes as they were; in all others LF becomes CRLF.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/port.h"
#include "base/mem.h"
#include "store/store.h"

#define LIST_MAX ((size_t)1 << 30)
#define READ_STEP ((size_t)32 << 10) /* becomes at most one piece */
#define FILL ((size_t)256 << 10)
#define DEPTH_MAX 64

struct folder {
	char *path; /* below the root */
	char *name; /* of the mailbox */
};

struct meta {                      /* what a list says of a file */
	struct str base, keywords; /* keywords: escaped, with commas */
	uint32_t uid;
	int64_t date, saved;
	int zone;
	bool ours;
};

struct file {
	char *name;
	const struct meta *meta;
	bool new;
};

struct maildir {
	struct port_source source;
	struct port *port;
	int root;
	const char *path;
	struct folder *folder;
	size_t folder_count, folder_at;

	struct mailstream_mailbox box;
	struct buf ours, uidlist, keywords, real_name;
	struct str letter[26];
	struct meta *meta;
	size_t meta_count;
	struct file *file;
	size_t file_count, file_at;
	int dir[2]; /* cur, new */

	int fd; /* the file being read; -1: none */
	struct stat st;
	char last;
	uint64_t size;
	bool begun, ended;
};

/* ---- folders ---- */

static void
add_folder(struct maildir *m, const char *path, struct str name)
{
	struct buf z = {0};
	const char *top = m->port->mailbox;

	if (top != NULL) {
		buf_puts(&z, top);
		if (!str_eq(name, STR("INBOX"))) {
			buf_putc(&z, '/');
			buf_str(&z, name);
		}
	} else {
		buf_str(&z, name);
	}
	m->folder = mem_realloc(m->folder, (m->folder_count + 1) * sizeof *m->folder);
	m->folder[m->folder_count++] = (struct folder){mem_strdup(path), mem_strdup(buf_cstr(&z))};
	buf_fini(&z);
}

static int
open_dir(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool
has_cur(int at, const char *path)
{
	int fd = open_dir(at, path), cur = fd >= 0 ? open_dir(fd, "cur") : -1;

	if (fd >= 0)
		close(fd);
	if (cur >= 0)
		close(cur);
	return cur >= 0;
}

static bool
is_part(const char *name)
{
	return strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 || strcmp(name, "tmp") == 0;
}

static void
find_folders(struct maildir *m, const char *below, unsigned depth)
{
	int fd = open_dir(m->root, below[0] != 0 ? below : ".");
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	bool dots = !m->port->fs_layout;

	while (d != NULL && (e = readdir(d)) != NULL) {
		struct buf path = {0}, name = {0};
		struct stat st;

		if ((e->d_name[0] == '.') != dots || strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0 || is_part(e->d_name))
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISDIR(st.st_mode)) {
			if (S_ISLNK(st.st_mode))
				port_broken(m->port, m->path, e->d_name, "a symbolic link");
			continue;
		}
		buf_printf(&path, "%s%s%s", below, below[0] != 0 ? "/" : "", e->d_name);
		if (!port_name(
		        dots ? str_of(e->d_name + 1) : buf_as_str(&path), dots ? '.' : '/', &name))
			port_broken(m->port, m->path, buf_cstr(&path), "its name is no UTF-8");
		else if (has_cur(m->root, buf_cstr(&path)))
			add_folder(m, buf_cstr(&path), buf_as_str(&name));
		if (!dots && depth < DEPTH_MAX)
			find_folders(m, buf_cstr(&path), depth + 1);
		buf_fini(&path);
		buf_fini(&name);
	}
	if (d != NULL)
		closedir(d);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct folder *)a)->name, ((const struct folder *)b)->name);
}

/* ---- a folder's lists ---- */

static struct meta *
add_meta(struct maildir *m)
{
	if ((m->meta_count & (m->meta_count + 1)) == 0)
		m->meta = mem_realloc(m->meta, (2 * m->meta_count + 2) * sizeof *m->meta);
	m->meta[m->meta_count] = (struct meta){0};
	return &m->meta[m->meta_count++];
}

static struct str
base_of(struct str name)
{
	const char *colon = str_chr(name, ':');

	return colon != NULL ? str_range(name.p, colon) : name;
}

static bool
take_i64(struct str *rest, int64_t *v)
{
	struct str word;
	uint64_t u;
	bool minus;

	if (!str_split(rest, ' ', &word))
		return false;
	minus = word.n > 0 && word.p[0] == '-';
	if (minus)
		word = (struct str){word.p + 1, word.n - 1};
	if (!str_u64(word, INT64_MAX, &u))
		return false;
	*v = minus ? -(int64_t)u : (int64_t)u;
	return true;
}

/* uidvalidity uidnext modseq use name */
static void
take_our_head(struct maildir *m, struct str line)
{
	int64_t v, next, modseq, use;

	if (!str_has_prefix(line, STR("turnstone-export 1 ")))
		return;
	line = (struct str){line.p + 19, line.n - 19};
	if (!take_i64(&line, &v) || !take_i64(&line, &next) || !take_i64(&line, &modseq) ||
	    !take_i64(&line, &use) || v < 0 || v > UINT32_MAX || next < 0 || next > UINT32_MAX ||
	    modseq < 0 || (uint64_t)modseq > STORE_MODSEQ_WISH_MAX || use < 0 || use > 255)
		return;
	m->box.uidvalidity = (uint32_t)v;
	m->box.uidnext = (uint32_t)next;
	m->box.modseq = (uint64_t)modseq;
	m->box.use = (unsigned)use;
	if (m->port->mailbox == NULL && port_unescape(line, &m->real_name) && m->real_name.n > 0 &&
	    str_is_utf8(buf_as_str(&m->real_name)))
		m->box.name = buf_as_str(&m->real_name);
}

/* uid date saved zone keywords base; keywords "-" when there are none */
static void
take_ours(struct maildir *m)
{
	struct str rest = buf_as_str(&m->ours), line;

	if (!str_split(&rest, '\n', &line))
		return;
	take_our_head(m, line);
	while (str_split(&rest, '\n', &line)) {
		struct meta x = {.ours = true};
		int64_t uid, zone;

		if (!take_i64(&line, &uid) || !take_i64(&line, &x.date) ||
		    !take_i64(&line, &x.saved) || !take_i64(&line, &zone) || uid <= 0 ||
		    uid > UINT32_MAX || zone <= -1440 || zone >= 1440 ||
		    !str_split(&line, ' ', &x.keywords))
			continue;
		x.uid = (uint32_t)uid;
		x.zone = (int)zone;
		x.base = line;
		*add_meta(m) = x;
	}
}

/* "3 V<uidvalidity> N<next uid> ...", then "uid key... :name" */
static void
take_uidlist(struct maildir *m)
{
	struct str rest = buf_as_str(&m->uidlist), line, word;
	uint64_t v;

	if (!str_split(&rest, '\n', &line) || !str_has_prefix(line, STR("3 ")))
		return;
	while (str_split(&line, ' ', &word))
		if (word.n > 1 && str_u64((struct str){word.p + 1, word.n - 1}, UINT32_MAX, &v)) {
			if (word.p[0] == 'V')
				m->box.uidvalidity = (uint32_t)v;
			if (word.p[0] == 'N')
				m->box.uidnext = (uint32_t)v;
		}
	while (str_split(&rest, '\n', &line)) {
		const char *name = str_find(line, STR(" :"));

		if (name == NULL || !str_split(&line, ' ', &word) ||
		    !str_u64(word, UINT32_MAX, &v) || v == 0)
			continue;

		struct meta *x = add_meta(m);

		x->uid = (uint32_t)v;
		x->base = base_of(str_range(name + 2, line.p + line.n));
	}
}

static void
take_letters(struct maildir *m)
{
	struct str rest = buf_as_str(&m->keywords), line, number;
	uint64_t n;

	memset(m->letter, 0, sizeof m->letter);
	while (str_split(&rest, '\n', &line))
		if (str_split(&line, ' ', &number) && str_u64(number, 25, &n))
			m->letter[n] = line;
}

/* Ours behind those of the uidlist: the first of a name counts. */
static int
by_base(const void *a, const void *b)
{
	const struct meta *x = a, *y = b;
	int c = str_cmp(x->base, y->base);

	return c != 0 ? c : (int)y->ours - (int)x->ours;
}

static const struct meta *
find_meta(const struct maildir *m, struct str base)
{
	size_t lo = 0, hi = m->meta_count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (str_cmp(m->meta[mid].base, base) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->meta_count && str_eq(m->meta[lo].base, base) ? &m->meta[lo] : NULL;
}

/* ---- a folder's files ---- */

static int
by_uid(const void *a, const void *b)
{
	const struct file *x = a, *y = b;
	uint32_t u = x->meta != NULL ? x->meta->uid - 1 : UINT32_MAX;
	uint32_t v = y->meta != NULL ? y->meta->uid - 1 : UINT32_MAX;

	return u != v ? (u < v ? -1 : 1)
	              : str_cmp(base_of(str_of(x->name)), base_of(str_of(y->name)));
}

static void
list_files(struct maildir *m, int fd, bool new)
{
	DIR *d = fd >= 0 ? fdopendir(dup(fd)) : NULL;
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if ((m->file_count & (m->file_count + 1)) == 0)
			m->file = mem_realloc(m->file, (2 * m->file_count + 2) * sizeof *m->file);
		m->file[m->file_count++] = (struct file){
		    mem_strdup(e->d_name), find_meta(m, base_of(str_of(e->d_name))), new};
	}
	if (d != NULL)
		closedir(d);
}

static void
leave_folder(struct maildir *m)
{
	for (size_t i = 0; i < m->file_count; i++)
		mem_free(m->file[i].name);
	m->file_count = m->file_at = m->meta_count = 0;
	mem_free(m->file);
	mem_free(m->meta);
	m->file = NULL;
	m->meta = NULL;
	m->ours.n = m->uidlist.n = m->keywords.n = m->real_name.n = 0;
	for (unsigned i = 0; i < 2; i++) {
		if (m->dir[i] >= 0)
			close(m->dir[i]);
		m->dir[i] = -1;
	}
}

static void
enter_folder(struct maildir *m, struct buf *out)
{
	const struct folder *f = &m->folder[m->folder_at++];
	int fd = open_dir(m->root, f->path);

	m->box = (struct mailstream_mailbox){.name = str_of(f->name), .exists = true};
	if (fd < 0) {
		port_broken(m->port, m->path, f->path, strerror(errno));
		return;
	}
	if (port_slurp(fd, "dovecot-uidlist", LIST_MAX, &m->uidlist))
		take_uidlist(m);
	if (port_slurp(fd, "turnstone.export", LIST_MAX, &m->ours))
		take_ours(m);
	if (port_slurp(fd, "dovecot-keywords", 65536, &m->keywords))
		take_letters(m);
	else
		memset(m->letter, 0, sizeof m->letter);
	if (m->meta_count > 0)
		qsort(m->meta, m->meta_count, sizeof *m->meta, by_base);
	m->dir[0] = open_dir(fd, "cur");
	m->dir[1] = open_dir(fd, "new");
	close(fd);
	list_files(m, m->dir[0], false);
	list_files(m, m->dir[1], true);
	if (m->file_count > 0)
		qsort(m->file, m->file_count, sizeof *m->file, by_uid);
	m->box.messages = m->file_count;
	mailstream_put_mailbox(out, &m->box);
}

/* ---- a message ---- */

static void
take_info(struct maildir *m, const char *name, struct mailstream_message *msg, struct buf *words)
{
	const char *info = strstr(name, ":2,");

	for (const char *p = info != NULL ? info + 3 : ""; *p != 0; p++) {
		const char *at = strchr("RFTSD", *p);

		if (at != NULL)
			msg->flags |= 1u << (at - "RFTSD");
		else if (*p == 'P')
			port_keyword(m->port, STR("$Forwarded"), words);
		else if (*p >= 'a' && *p <= 'z' && m->letter[*p - 'a'].n > 0)
			port_keyword(m->port, m->letter[*p - 'a'], words);
	}
}

static void
end_message(struct maildir *m, struct buf *out)
{
	struct file *f = &m->file[m->file_at++];
	struct mailstream_message msg = {.internaldate = m->st.st_mtim.tv_sec, .size = m->size};
	struct buf words = {0}, word = {0};
	struct str rest, part;

	if (f->meta != NULL) {
		msg.uid = f->meta->uid;
		rest = f->meta->ours ? f->meta->keywords : STR_NONE;
		while (!str_eq(rest, STR("-")) && str_split(&rest, ',', &part)) {
			word.n = 0;
			if (port_unescape(part, &word))
				port_keyword(m->port, buf_as_str(&word), &words);
		}
		if (f->meta->ours) {
			msg.internaldate = f->meta->date;
			msg.savedate = f->meta->saved;
			msg.zone = (int16_t)f->meta->zone;
		}
	}
	take_info(m, f->name, &msg, &words);
	msg.keywords = buf_as_str(&words);
	mailstream_put_message(out, &msg);
	close(m->fd);
	m->fd = -1;
	buf_fini(&words);
	buf_fini(&word);
}

static void
broken_file(struct maildir *m, const char *why)
{
	port_broken(m->port, m->folder[m->folder_at - 1].path, m->file[m->file_at++].name, why);
}

static void
open_file(struct maildir *m)
{
	const struct file *f = &m->file[m->file_at];

	m->fd = openat(m->dir[f->new], f->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	m->last = 0;
	m->size = 0;
	if (m->fd < 0) {
		broken_file(m, errno == ELOOP ? "a symbolic link" : strerror(errno));
	} else if (fstat(m->fd, &m->st) != 0 || !S_ISREG(m->st.st_mode)) {
		close(m->fd);
		m->fd = -1;
		broken_file(m, "not a regular file");
	}
}

static void
read_piece(struct maildir *m, struct buf *out)
{
	const struct meta *meta = m->file[m->file_at].meta;
	char raw[READ_STEP];
	ssize_t got = read(m->fd, raw, sizeof raw);
	struct buf piece = {0};

	if (got == 0) {
		end_message(m, out);
		return;
	}
	if (got < 0) {
		int e = errno;

		close(m->fd);
		m->fd = -1;
		mailstream_put_drop(out);
		broken_file(m, strerror(e));
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

/* ---- all ---- */

/* "V<tab>2", an empty line, names with tabs between levels; or older, names with dots. */
static void
put_subscriptions(struct maildir *m, struct buf *out)
{
	struct buf text = {0};
	struct str rest, line;
	bool two;

	if (m->port->mailbox == NULL && port_slurp(m->root, "subscriptions", LIST_MAX, &text)) {
		rest = buf_as_str(&text);
		two = str_has_prefix(rest, STR("V\t2\n"));
		if (two)
			(void)str_split(&rest, '\n', &line);
		while (str_split(&rest, '\n', &line)) {
			struct buf name = {0};

			if (line.n > 0 && port_name(line,
			                      two                  ? '\t'
			                      : m->port->fs_layout ? '/'
			                                           : '.',
			                      &name))
				mailstream_put_mailbox(
				    out, &(struct mailstream_mailbox){
				             .name = buf_as_str(&name), .subscribed = true});
			buf_fini(&name);
		}
	}
	buf_fini(&text);
}

static bool
fill(struct port_source *source, struct buf *out)
{
	struct maildir *m = (struct maildir *)source;

	if (m->ended)
		return false;
	if (!m->begun)
		mailstream_put_version(out);
	m->begun = true;
	while (out->n < FILL && !m->ended) {
		if (m->fd >= 0) {
			read_piece(m, out);
		} else if (m->file_at < m->file_count) {
			open_file(m);
		} else if (m->folder_at < m->folder_count) {
			leave_folder(m);
			enter_folder(m, out);
		} else {
			put_subscriptions(m, out);
			mailstream_put_end(out);
			m->ended = true;
		}
	}
	return true;
}

static void
free_source(struct port_source *source)
{
	struct maildir *m = (struct maildir *)source;

	leave_folder(m);
	if (m->fd >= 0)
		close(m->fd);
	close(m->root);
	for (size_t i = 0; i < m->folder_count; i++) {
		mem_free(m->folder[i].path);
		mem_free(m->folder[i].name);
	}
	mem_free(m->folder);
	buf_fini(&m->ours);
	buf_fini(&m->uidlist);
	buf_fini(&m->keywords);
	buf_fini(&m->real_name);
	mem_free(m);
}

struct port_source *
port_maildir_open(struct port *port, const char *path)
{
	int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct maildir *m;

	if (root < 0) {
		fprintf(stderr, "turnstone %s: %s: %s\n", port->cmd, path, strerror(errno));
		return NULL;
	}
	m = mem_zalloc(sizeof *m);
	*m = (struct maildir){.source = {fill, free_source},
	    .port = port,
	    .root = root,
	    .path = path,
	    .dir = {-1, -1},
	    .fd = -1};
	if (has_cur(root, "."))
		add_folder(m, ".", STR("INBOX"));
	find_folders(m, "", 0);
	if (m->folder_count == 0) {
		fprintf(stderr,
		    "turnstone %s: %s: no Maildir is here (a folder `cur` is missing)\n", port->cmd,
		    path);
		free_source(&m->source);
		return NULL;
	}
	qsort(m->folder, m->folder_count, sizeof *m->folder, by_name);
	return &m->source;
}
