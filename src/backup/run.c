/* SPDX-License-Identifier: Apache-2.0 */
/* Runs: the files that name what was saved. */
#include "backup/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backup/folder_int.h"
#include "base/mem.h"
#include "store/store.h"

#define RUN_MAGIC "turnstone-run 1"
#define RUN_BYTES_MAX ((size_t)1 << 30)
#define GATHERED ((size_t)64 * 1024)
#define END_LINE_BYTES (sizeof("end ") - 1 + BACKUP_HEX_BYTES + 1)

static bool
id_ok(struct str id)
{
	if (id.n < 16 || id.n > BACKUP_ID_MAX)
		return false;
	for (size_t i = 0; i < id.n; i++)
		if (!(id.p[i] >= '0' && id.p[i] <= '9') && id.p[i] != 'T' && id.p[i] != 'Z' &&
		    id.p[i] != '-')
			return false;
	return true;
}

/* ---- text ---- */

static void
put_encoded(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f || c == '%')
			buf_printf(out, "%%%02X", c);
		else
			buf_putc(out, (char)c);
	}
}

static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
decode_percent(struct str s, struct arena *arena, struct str *out)
{
	char *to = arena_zalloc(arena, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%') {
			to[n++] = s.p[i];
			continue;
		}
		if (s.n - i < 3 || hex_digit(s.p[i + 1]) < 0 || hex_digit(s.p[i + 2]) < 0)
			return false;
		to[n++] = (char)(hex_digit(s.p[i + 1]) << 4 | hex_digit(s.p[i + 2]));
		i += 2;
	}
	*out = (struct str){to, n};
	return true;
}

/* ---- reading ---- */

static bool
take_user(struct str line, struct arena *arena, struct backup_run_user *user)
{
	struct str hash, messages, bytes;

	return str_split(&line, ' ', &hash) && str_split(&line, ' ', &messages) &&
	       str_split(&line, ' ', &bytes) && backup_hash_parse(hash, &user->hash) &&
	       str_u64(messages, UINT64_MAX, &user->messages) &&
	       str_u64(bytes, UINT64_MAX, &user->bytes) && line.n > 0 &&
	       decode_percent(line, arena, &user->name);
}

/* 32 digits: low, high. */
static bool
take_mark(struct str hex, struct backup_mark *mark)
{
	uint64_t v[2] = {0};

	if (hex.n != 32)
		return false;
	for (size_t i = 0; i < hex.n; i++) {
		if (hex_digit(hex.p[i]) < 0)
			return false;
		v[i / 16] = v[i / 16] << 4 | (uint64_t)hex_digit(hex.p[i]);
	}
	*mark = (struct backup_mark){v[0], v[1]};
	return true;
}

static bool
take_boxes(struct str line, struct backup_run_user *user)
{
	struct str mailboxes;

	user->counted = str_split(&line, ' ', &mailboxes) &&
	                str_u64(mailboxes, UINT64_MAX, &user->mailboxes) &&
	                str_u64(line, UINT64_MAX, &user->subscriptions);
	return user->counted;
}

static bool
take_own(struct str hex, struct arena *arena, struct backup_run *run)
{
	char *own = arena_zalloc(arena, STORE_OWN_ID_BYTES);

	if (hex.n != (size_t)2 * STORE_OWN_ID_BYTES)
		return false;
	for (size_t i = 0; i < hex.n; i++) {
		int digit = hex_digit(hex.p[i]);

		if (digit < 0)
			return false;
		own[i / 2] = (char)((unsigned char)own[i / 2] << 4 | digit);
	}
	run->own = (struct str){own, STORE_OWN_ID_BYTES};
	return true;
}

/* The store's number, its own id, or the id of the account of the user before it. */
static bool
take_store_line(struct str rest, struct arena *arena, struct backup_run *run)
{
	struct str behind = rest.n > 0 ? (struct str){rest.p + 1, rest.n - 1} : rest;

	if (rest.n > 0 && rest.p[0] == '=')
		return take_own(behind, arena, run);
	if (rest.n > 0 && rest.p[0] == '@')
		return run->user_count > 0 &&
		       str_u64(behind, UINT64_MAX, &run->users[run->user_count - 1].account);
	return decode_percent(rest, arena, &run->store);
}

/* The lists in run must have room for as many lines as there are. */
static bool
read_run_line(struct str line, struct arena *arena, struct backup_run *run)
{
	struct str key, rest = line;
	uint64_t number;

	if (!str_split(&rest, ' ', &key))
		return false;
	if (str_eq(key, STR("user"))) {
		run->users[run->user_count] = (struct backup_run_user){0};
		return take_user(rest, arena, &run->users[run->user_count]) &&
		       ++run->user_count > 0;
	}
	if (str_eq(key, STR("boxes")))
		return run->user_count > 0 && take_boxes(rest, &run->users[run->user_count - 1]);
	if (str_eq(key, STR("mark")))
		return run->user_count > 0 &&
		       take_mark(rest, &run->users[run->user_count - 1].mark);
	if (str_eq(key, STR("damaged")))
		return decode_percent(rest, arena, &run->damaged[run->damaged_count]) &&
		       ++run->damaged_count > 0;
	if (str_eq(key, STR("records")))
		return backup_hash_parse(rest, &run->records);
	if (str_eq(key, STR("store")))
		return take_store_line(rest, arena, run);
	if (str_eq(key, STR("id")))
		return decode_percent(rest, arena, &run->id);
	if (!str_u64(rest, INT64_MAX, &number))
		return false;
	if (str_eq(key, STR("started")))
		run->started = (int64_t)number;
	else if (str_eq(key, STR("ended")))
		run->ended = (int64_t)number;
	else if (str_eq(key, STR("whole")))
		run->whole = true;
	else
		return false;
	return true;
}

static int
by_user_name(const void *a, const void *b)
{
	const struct backup_run_user *x = *(const struct backup_run_user *const *)a;
	const struct backup_run_user *y = *(const struct backup_run_user *const *)b;
	int c = str_cmp(x->name, y->name);

	return c != 0 ? c : x < y ? -1 : x > y;
}

static void
order_users(struct arena *arena, struct backup_run *run)
{
	bool ordered = true;

	run->by_name = arena_array(arena, run->user_count, sizeof(*run->by_name));
	for (size_t i = 0; i < run->user_count; i++) {
		run->by_name[i] = &run->users[i];
		ordered =
		    ordered && (i == 0 || by_user_name(&run->by_name[i - 1], &run->by_name[i]) < 0);
	}
	if (!ordered)
		qsort(run->by_name, run->user_count, sizeof(*run->by_name), by_user_name);
}

static size_t
lines_with(struct str text, struct str word)
{
	struct str line;
	size_t n = 0;

	while (text.n > 0 && str_split(&text, '\n', &line))
		n += str_has_prefix(line, word);
	return n;
}

/* Takes lines up to the first bad one; returns false if there was one. */
static bool
take_lines(struct str text, struct arena *arena, struct backup_run *run)
{
	struct str line;
	bool ok = str_split(&text, '\n', &line) && str_eq(line, STR(RUN_MAGIC));

	/* Counted first, so that nothing has to be copied if there are many. */
	run->users = arena_array(arena, lines_with(text, STR("user ")), sizeof(*run->users));
	run->damaged = arena_array(arena, lines_with(text, STR("damaged ")), sizeof(*run->damaged));
	while (ok && text.n > 0) {
		/* The last line of an interrupted run may be incomplete. */
		ok = memchr(text.p, '\n', text.n) != NULL && str_split(&text, '\n', &line) &&
		     read_run_line(line, arena, run);
	}
	order_users(arena, run);
	return ok;
}

/* Returns whether the end line is there and right; cuts it off. */
static bool
take_end(struct str *text)
{
	struct backup_hash said, is;
	struct str end;

	if (text->n < END_LINE_BYTES)
		return false;
	end = (struct str){text->p + text->n - END_LINE_BYTES, END_LINE_BYTES};
	text->n -= END_LINE_BYTES;
	backup_hash_of(*text, &is);
	return str_has_prefix(end, STR("end ")) && end.p[end.n - 1] == '\n' &&
	       backup_hash_parse((struct str){end.p + 4, BACKUP_HEX_BYTES}, &said) &&
	       backup_hash_eq(&said, &is);
}

bool
backup_run_parse(struct str bytes, bool whole, struct arena *arena, struct backup_run *run)
{
	*run = (struct backup_run){0};
	run->finished = (!whole || take_end(&bytes)) && take_lines(bytes, arena, run) && whole;
	return run->finished || !whole;
}

static enum ts_err
read_run_file(struct backup_folder *f, const char *name, struct buf *out, struct buf *what)
{
	int fd = openat(f->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n = 1;

	f->costs.opened++;
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0 &&
	    (uint64_t)st.st_size < RUN_BYTES_MAX)
		(void)buf_room(out, (size_t)st.st_size + 65536);
	while (fd >= 0 && n > 0 && out->n < RUN_BYTES_MAX) {
		n = read(fd, buf_room(out, 65536), 65536);
		if (n > 0)
			out->n += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (fd >= 0 && n >= 0) {
		(void)close(fd);
		return TS_OK;
	}

	enum ts_err err = fd < 0 && errno == ENOENT ? TS_NOT_FOUND : TS_IO;

	(void)backup_fail(f, name, what);
	if (fd >= 0)
		(void)close(fd);
	return err;
}

enum ts_err
backup_run_get(struct backup_folder *f, struct str id, struct arena *arena, struct backup_run *run,
    struct buf *what)
{
	struct buf name = {0}, bytes = {0};
	enum ts_err err = TS_NOT_FOUND;

	*run = (struct backup_run){0};
	buf_printf(&name, "runs/%.*s", STR_ARG(id));
	if (id_ok(id))
		err = read_run_file(f, buf_cstr(&name), &bytes, what);
	else
		buf_printf(what, "%s: there is no run %.*s", f->path, STR_ARG(id));
	if (err == TS_OK &&
	    (!backup_run_parse(buf_as_str(&bytes), true, arena, run) || !str_eq(run->id, id))) {
		buf_printf(what, "%s/%s: damaged, its content does not have its checksum", f->path,
		    buf_cstr(&name));
		err = TS_DAMAGED;
	}
	run->finished = err == TS_OK;
	buf_fini(&name);
	buf_fini(&bytes);
	return err;
}

enum ts_err
backup_run_unfinished(struct backup_folder *f, struct arena *arena, struct backup_run *run)
{
	struct buf bytes = {0}, what = {0};
	enum ts_err err = read_run_file(f, "tmp/unfinished", &bytes, &what);

	*run = (struct backup_run){0};
	if (err == TS_OK)
		(void)backup_run_parse(buf_as_str(&bytes), false, arena, run);
	buf_fini(&bytes);
	buf_fini(&what);
	return err;
}

const struct backup_run_user *
backup_run_user(const struct backup_run *run, struct str name)
{
	size_t low = 0, high = run->user_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (str_cmp(run->by_name[mid]->name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < run->user_count && str_eq(run->by_name[low]->name, name) ? run->by_name[low]
	                                                                      : NULL;
}

static int
by_run_id(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

bool
backup_run_ids(
    struct backup_folder *f, struct arena *arena, struct str **ids_r, size_t *n_r, struct buf *why)
{
	int fd = openat(f->fd, "runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct str *ids = NULL;
	struct dirent *e;
	size_t n = 0;

	if (d == NULL) {
		(void)backup_fail(f, "runs", why);
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	while ((e = readdir(d)) != NULL) {
		if (!id_ok(str_of(e->d_name)))
			continue;
		ids = mem_realloc(ids, (n + 1) * sizeof(*ids));
		ids[n++] = arena_str(arena, str_of(e->d_name));
	}
	(void)closedir(d);
	*ids_r = arena_array(arena, n, sizeof(*ids));
	*n_r = n;
	if (n > 0) {
		memcpy(*ids_r, ids, n * sizeof(*ids));
		qsort(*ids_r, n, sizeof(*ids), by_run_id);
	}
	mem_free(ids);
	return true;
}

bool
backup_run_remove(struct backup_folder *f, struct str id, struct buf *why)
{
	struct buf name = {0};
	bool ok;

	TS_ASSERT(id_ok(id));
	buf_printf(&name, "runs/%.*s", STR_ARG(id));
	ok = unlinkat(f->fd, buf_cstr(&name), 0) == 0 || backup_fail(f, buf_cstr(&name), why);
	buf_fini(&name);
	return ok && backup_sync_dir(f, "runs", why);
}

/* ---- writing ---- */

struct backup_run_writer {
	struct backup_folder *folder;
	int fd;
	EVP_MD_CTX *sum;
	struct buf id, lines;
	struct buf store; /* its number, as it stands in the line */
	bool says_more;   /* of the store: then the number comes once more */
};

bool
backup_run_push(struct backup_run_writer *w, struct buf *why)
{
	struct str s = buf_as_str(&w->lines);

	(void)EVP_DigestUpdate(w->sum, s.p, s.n);
	while (s.n > 0) {
		ssize_t n = write(w->fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return backup_fail(w->folder, "tmp/unfinished", why);
		s.p += n;
		s.n -= (size_t)n;
	}
	w->lines.n = 0;
	return true;
}

static bool
gather_line(struct backup_run_writer *w, struct buf *why)
{
	return w->lines.n < GATHERED || backup_run_push(w, why);
}

/*
 * Makes an id of the time, followed by a number unless the time alone sorts after all existing
 * runs: the last run may be of this second, even if those before it were pruned, or of a future
 * time, if the clock was set back.  The order of ids is the order of runs; pruning relies on it.
 */
static bool
choose_id(struct backup_folder *f, int64_t now, struct buf *id, struct buf *why)
{
	enum { TIME = 16 }; /* length in characters */
	struct arena *a = arena_new(NULL, ARENA_OTHER, 1024);
	struct str *ids, last = STR_NONE;
	time_t t = (time_t)now;
	struct tm tm;
	char text[32];
	unsigned number = 1;
	size_t n;
	bool good = backup_run_ids(f, a, &ids, &n, why);

	gmtime_r(&t, &tm);
	(void)strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm);
	buf_puts(id, text);
	if (good && n > 0)
		last = ids[n - 1];
	if (last.n >= TIME && str_cmp(buf_as_str(id), last) <= 0) {
		if (last.n > TIME + 1)
			number = (unsigned)strtoul(last.p + TIME + 1, NULL, 10);
		id->n = 0;
		buf_put(id, last.p, TIME);
		buf_printf(id, "-%04u", ++number);
	}
	if (good && number > 9999) {
		buf_printf(why,
		    "runs/%.*s: it is of a time to come, and so are thousands behind it",
		    STR_ARG(last));
		good = false;
	}
	arena_free(&a);
	return good;
}

bool
backup_run_begin(struct backup_folder *f, int64_t now, struct str store,
    struct backup_run_writer **w_r, struct buf *why)
{
	struct backup_run_writer *w = mem_zalloc(sizeof(*w));

	*w_r = w;
	w->folder = f;
	w->sum = EVP_MD_CTX_new();
	TS_ASSERT(w->sum != NULL && EVP_DigestInit_ex(w->sum, EVP_sha256(), NULL) == 1);
	w->fd = -1;
	if (!choose_id(f, now, &w->id, why)) {
		backup_run_abort(w_r);
		return false;
	}
	w->fd = openat(f->fd, "tmp/unfinished", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (w->fd < 0)
		(void)backup_fail(f, "tmp/unfinished", why);
	buf_printf(&w->lines, RUN_MAGIC "\nid %s\nstore ", buf_cstr(&w->id));
	put_encoded(&w->store, store);
	buf_str(&w->lines, buf_as_str(&w->store));
	buf_printf(&w->lines, "\nstarted %" PRId64 "\n", now);
	if (w->fd >= 0 && backup_run_push(w, why))
		return true;
	backup_run_abort(w_r);
	return false;
}

bool
backup_run_own(struct backup_run_writer *w, struct str own, struct buf *why)
{
	TS_ASSERT(own.n == STORE_OWN_ID_BYTES);
	buf_puts(&w->lines, "store =");
	for (size_t i = 0; i < own.n; i++)
		buf_printf(&w->lines, "%02X", (unsigned char)own.p[i]);
	buf_putc(&w->lines, '\n');
	w->says_more = true;
	return gather_line(w, why);
}

struct str
backup_run_id(const struct backup_run_writer *w)
{
	return buf_as_str(&w->id);
}

bool
backup_run_records(struct backup_run_writer *w, const struct backup_hash *hash, struct buf *why)
{
	buf_puts(&w->lines, "records ");
	backup_hash_hex(hash, &w->lines);
	buf_putc(&w->lines, '\n');
	return gather_line(w, why);
}

bool
backup_run_add(struct backup_run_writer *w, const struct backup_run_user *user, struct buf *why)
{
	buf_puts(&w->lines, "user ");
	backup_hash_hex(&user->hash, &w->lines);
	buf_printf(&w->lines, " %" PRIu64 " %" PRIu64 " ", user->messages, user->bytes);
	put_encoded(&w->lines, user->name);
	if (user->account != 0) {
		buf_printf(&w->lines, "\nstore @%" PRIu64, user->account);
		w->says_more = true;
	}
	if (!backup_mark_none(&user->mark))
		buf_printf(
		    &w->lines, "\nmark %016" PRIX64 "%016" PRIX64, user->mark.low, user->mark.high);
	if (user->counted)
		buf_printf(&w->lines, "\nboxes %" PRIu64 " %" PRIu64, user->mailboxes,
		    user->subscriptions);
	buf_putc(&w->lines, '\n');
	return gather_line(w, why);
}

bool
backup_run_damaged(struct backup_run_writer *w, struct str text, struct buf *why)
{
	buf_puts(&w->lines, "damaged ");
	put_encoded(&w->lines, text);
	buf_putc(&w->lines, '\n');
	return gather_line(w, why);
}

bool
backup_run_whole(struct backup_run_writer *w, uint64_t accounts, struct buf *why)
{
	buf_printf(&w->lines, "whole %" PRIu64 "\n", accounts);
	return gather_line(w, why);
}

static bool
put_end(struct backup_run_writer *w, int64_t now, struct buf *why)
{
	struct backup_hash hash;

	if (w->says_more)
		buf_printf(&w->lines, "store %s\n", buf_cstr(&w->store));
	buf_printf(&w->lines, "ended %" PRId64 "\n", now);
	if (!backup_run_push(w, why))
		return false;
	(void)EVP_DigestFinal_ex(w->sum, hash.b, NULL);
	buf_puts(&w->lines, "end ");
	backup_hash_hex(&hash, &w->lines);
	buf_putc(&w->lines, '\n');
	return backup_run_push(w, why);
}

bool
backup_run_end(struct backup_run_writer **wp, int64_t now, struct buf *why)
{
	struct backup_run_writer *w = *wp;
	struct backup_folder *f = w->folder;
	struct buf name = {0};
	bool ok;

	buf_printf(&name, "runs/%s", buf_cstr(&w->id));
	ok = backup_flush(f, why) && backup_sync_names(f, why) && put_end(w, now, why);
	if (ok && !backup_flush_fd(f, w->fd))
		ok = backup_fail(f, "tmp/unfinished", why);
	if (ok && renameat(f->fd, "tmp/unfinished", f->fd, buf_cstr(&name)) != 0)
		ok = backup_fail(f, buf_cstr(&name), why);
	ok = ok && backup_sync_dir(f, "runs", why);
	buf_fini(&name);
	backup_run_abort(wp);
	return ok;
}

void
backup_run_abort(struct backup_run_writer **wp)
{
	struct backup_run_writer *w = *wp;

	if (w == NULL)
		return;
	if (w->fd >= 0)
		(void)close(w->fd);
	EVP_MD_CTX_free(w->sum);
	buf_fini(&w->id);
	buf_fini(&w->lines);
	buf_fini(&w->store);
	mem_free(w);
	*wp = NULL;
}

/* ---- moments ---- */

bool
backup_moment(struct str text, int64_t *time_r)
{
	static const char *const forms[] = {"%Y%m%dT%H%M%SZ", "%Y-%m-%d %H:%M:%S",
	    "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
	struct buf copy = {0};
	bool found = false;

	buf_str(&copy, text);
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms) && !found; i++) {
		struct tm tm = {.tm_isdst = -1};
		const char *end = strptime(buf_cstr(&copy), forms[i], &tm);
		bool utc = i == 0 || (end != NULL && strcmp(end, "Z") == 0);

		if (end == NULL || (*end != '\0' && strcmp(end, "Z") != 0) ||
		    (i == 0 && *end != '\0'))
			continue;
		if (i == 5) {
			tm.tm_hour = 23;
			tm.tm_min = tm.tm_sec = 59;
		}
		*time_r = (int64_t)(utc ? timegm(&tm) : mktime(&tm));
		found = true;
	}
	buf_fini(&copy);
	return found;
}
