/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes: finding packed objects. */
#include "backup/index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup/folder_int.h"
#include "base/mem.h"

#define MAGIC "TSBKIDX1"
#define HEAD_BYTES ((size_t)16)
#define ENTRY_BYTES ((size_t)44)
#define WINDOW 64     /* entries that a search reads at a time */
#define AHEAD 1024    /* entries that a full pass reads at a time */
#define GUESSES 4     /* guesses of a search before it halves */
#define MERGE_RATIO 2 /* a new index absorbs a neighbour unless it is this much larger */
#define PIECE ((size_t)64 * 1024)
#define NAME_BYTES 32

static void
index_name(uint32_t from, uint32_t to, char name[NAME_BYTES])
{
	(void)snprintf(name, NAME_BYTES, "index/%08x-%08x", from, to);
}

/* ---- reading ---- */

static void
read_entry(struct rd *r, struct backup_entry *e)
{
	struct str s = rd_bytes(r, BACKUP_HASH_BYTES);

	memcpy(e->hash.b, s.p, sizeof(e->hash.b));
	e->pack = rd_le32(r);
	e->at = rd_le32(r);
	e->size = rd_le32(r);
}

static bool
pread_all(int fd, char *to, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t got = pread(fd, to, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return true;
}

/* Reads n entries, at most AHEAD, from that one on. */
static bool
read_entries(
    const struct backup_index_file *file, uint64_t at, size_t n, struct backup_entry *entries)
{
	char bytes[AHEAD * ENTRY_BYTES];
	struct rd r = rd_of((struct str){bytes, n * ENTRY_BYTES});

	if (file->mem != NULL) {
		memcpy(entries, file->mem + at, n * sizeof(*entries));
		return true;
	}
	if (!pread_all(file->fd, bytes, n * ENTRY_BYTES, HEAD_BYTES + at * ENTRY_BYTES))
		return false;
	for (size_t i = 0; i < n; i++)
		read_entry(&r, &entries[i]);
	return true;
}

static int
compare_hashes(const struct backup_hash *a, const struct backup_hash *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

static uint64_t
key_of(const struct backup_hash *hash)
{
	struct rd r = rd_of((struct str){(const char *)hash->b, sizeof(hash->b)});

	return rd_be64(&r);
}

struct range { /* entries that may be it, and the keys around them */
	uint64_t low, high, low_key, high_key;
};

/* Returns where a window should start: hashes are spread evenly, unless somebody forged them. */
static uint64_t
guess(const struct range *r, uint64_t key, uint64_t n, unsigned round)
{
	double part = 0.5;
	uint64_t at;

	if (round < GUESSES && key >= r->low_key && r->high_key > r->low_key)
		part = (double)(key - r->low_key) / (double)(r->high_key - r->low_key);
	if (part > 1)
		part = 1;
	at = r->low + (uint64_t)((double)(r->high - r->low) * part);
	at = at > r->low + n / 2 ? at - n / 2 : r->low;
	return at < r->high - n ? at : r->high - n;
}

static size_t
search_window(const struct backup_entry *w, size_t n, const struct backup_hash *hash)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare_hashes(&w[mid].hash, hash) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool
find_in(const struct backup_index_file *file, const struct backup_hash *hash,
    struct backup_entry *entry_r, uint64_t *at_r)
{
	struct backup_entry w[WINDOW];
	struct range r = {0, file->count, 0, UINT64_MAX};

	for (unsigned round = 0; r.low < r.high; round++) {
		size_t n = r.high - r.low < WINDOW ? (size_t)(r.high - r.low) : WINDOW, i;
		uint64_t at = guess(&r, key_of(hash), n, round);

		if (!read_entries(file, at, n, w))
			return false;
		if (compare_hashes(hash, &w[0].hash) < 0) {
			r.high = at;
			r.high_key = key_of(&w[0].hash);
			continue;
		}
		i = search_window(w, n, hash);
		if (i == n) {
			r.low = at + n;
			r.low_key = key_of(&w[n - 1].hash);
			continue;
		}
		*entry_r = w[i];
		*at_r = at + i;
		return backup_hash_eq(&w[i].hash, hash);
	}
	return false;
}

bool
backup_index_has_pack(const struct backup_index *ix, uint32_t pack)
{
	size_t low = 0, high = ix->pack_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ix->packs[mid] < pack)
			low = mid + 1;
		else
			high = mid;
	}
	return low < ix->pack_count && ix->packs[low] == pack;
}

bool
backup_index_find(const struct backup_index *ix, const struct backup_hash *hash,
    struct backup_entry *entry_r, uint64_t *place_r)
{
	uint64_t at;

	for (size_t i = 0; i < ix->n; i++)
		if (find_in(&ix->files[i], hash, entry_r, &at) &&
		    backup_index_has_pack(ix, entry_r->pack)) {
			if (place_r != NULL)
				*place_r = ix->files[i].first + at;
			return true;
		}
	return false;
}

struct cursor {
	const struct backup_index_file *file;
	uint64_t next; /* to be read next */
	size_t at, n;
	struct backup_entry entries[AHEAD];
};

/* Returns the current entry; NULL: the end, or it cannot be read. */
static const struct backup_entry *
cursor_entry(struct cursor *c, bool *ok)
{
	uint64_t left = c->file->count - c->next;

	if (c->at < c->n)
		return &c->entries[c->at];
	c->at = 0;
	c->n = left < AHEAD ? (size_t)left : AHEAD;
	if (c->n > 0 && !read_entries(c->file, c->next, c->n, c->entries)) {
		*ok = false;
		c->n = 0;
		c->next = c->file->count;
	}
	c->next += c->n;
	return c->n > 0 ? c->entries : NULL;
}

bool
backup_index_each(const struct backup_index *ix,
    void (*fn)(const struct backup_entry *entry, uint64_t place, void *arg), void *arg)
{
	struct cursor *c = mem_zalloc(sizeof(*c));
	const struct backup_entry *e;
	bool ok = true;

	for (size_t i = 0; i < ix->n; i++) {
		uint64_t place = ix->files[i].first;

		c->file = &ix->files[i];
		c->next = c->at = c->n = 0;
		for (; (e = cursor_entry(c, &ok)) != NULL; c->at++)
			fn(e, place++, arg);
	}
	mem_free(c);
	return ok;
}

/* ---- writing ---- */

struct writer {
	struct backup_folder *folder;
	int fd;
	EVP_MD_CTX *sum;
	struct buf out;
	uint32_t from, to;
	uint64_t count;
};

static bool
writer_push(struct writer *w, struct buf *why)
{
	if (w->out.n > 0 && !backup_write_all(w->fd, buf_as_str(&w->out)))
		return backup_fail(w->folder, "tmp/index", why);
	w->out.n = 0;
	return true;
}

static bool
writer_begin(struct writer *w, struct backup_folder *f, uint32_t from, uint32_t to, struct buf *why)
{
	*w = (struct writer){.folder = f, .from = from, .to = to, .sum = EVP_MD_CTX_new()};
	TS_ASSERT(w->sum != NULL && EVP_DigestInit_ex(w->sum, EVP_sha256(), NULL) == 1);
	w->fd = openat(f->fd, "tmp/index", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	f->costs.written++;
	buf_puts(&w->out, MAGIC);
	buf_le32(&w->out, from);
	buf_le32(&w->out, to);
	(void)EVP_DigestUpdate(w->sum, w->out.p, w->out.n);
	return w->fd >= 0 || backup_fail(f, "tmp/index", why);
}

static bool
writer_put(struct writer *w, const struct backup_entry *e, struct buf *why)
{
	size_t had = w->out.n;

	buf_put(&w->out, e->hash.b, sizeof(e->hash.b));
	buf_le32(&w->out, e->pack);
	buf_le32(&w->out, e->at);
	buf_le32(&w->out, e->size);
	(void)EVP_DigestUpdate(w->sum, w->out.p + had, w->out.n - had);
	w->count++;
	return w->out.n < PIECE || writer_push(w, why);
}

static bool
writer_name(struct writer *w, struct buf *why)
{
	struct backup_hash sum;
	char name[NAME_BYTES];

	(void)EVP_DigestFinal_ex(w->sum, sum.b, NULL);
	buf_put(&w->out, sum.b, sizeof(sum.b));
	index_name(w->from, w->to, name);
	if (!writer_push(w, why))
		return false;
	if (!backup_flush_fd(w->folder, w->fd) ||
	    renameat(w->folder->fd, "tmp/index", w->folder->fd, name) != 0)
		return backup_fail(w->folder, name, why);
	w->folder->packs_named = true;
	return true;
}

/* ok: everything was put.  Returns the file, or -1; frees what the writer has. */
static int
writer_end(struct writer *w, bool ok, struct buf *why)
{
	int fd = w->fd;

	ok = ok && fd >= 0 && writer_name(w, why);
	EVP_MD_CTX_free(w->sum);
	buf_fini(&w->out);
	if (!ok && fd >= 0)
		(void)close(fd);
	return ok ? fd : -1;
}

static int
by_hash(const void *a, const void *b)
{
	const struct backup_entry *x = a, *y = b;

	return compare_hashes(&x->hash, &y->hash);
}

static void
number_files(struct backup_index *ix)
{
	ix->count = 0;
	for (size_t i = 0; i < ix->n; i++) {
		ix->files[i].first = ix->count;
		ix->count += ix->files[i].count;
	}
}

/* Returns its place: newest first; of two that begin with the same pack, the longer first. */
static size_t
add_file(struct backup_index *ix, struct backup_index_file file)
{
	size_t at = 0;

	while (at < ix->n && (ix->files[at].from > file.from ||
	                         (ix->files[at].from == file.from && ix->files[at].to > file.to)))
		at++;
	ix->files = mem_realloc(ix->files, (ix->n + 1) * sizeof(*ix->files));
	memmove(ix->files + at + 1, ix->files + at, (ix->n - at) * sizeof(*ix->files));
	ix->files[at] = file;
	ix->n++;
	return at;
}

static void
file_fini(struct backup_index_file *file)
{
	if (file->fd >= 0)
		(void)close(file->fd);
	mem_free(file->mem);
}

/* Returns the lowest hash; of equal ones, that of the highest pack, and advances past all of
 * them. */
static const struct backup_entry *
lowest(struct cursor **cursors, size_t n, struct backup_entry *best, bool *ok)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		const struct backup_entry *e = cursor_entry(cursors[i], ok);
		int c = e == NULL ? 1 : !any ? -1 : compare_hashes(&e->hash, &best->hash);

		if (c < 0 || (c == 0 && e->pack > best->pack))
			*best = *e;
		any |= e != NULL;
	}
	for (size_t i = 0; any && i < n; i++) {
		const struct backup_entry *e = cursor_entry(cursors[i], ok);

		while (e != NULL && compare_hashes(&e->hash, &best->hash) <= 0) {
			cursors[i]->at++;
			e = cursor_entry(cursors[i], ok);
		}
	}
	return any ? best : NULL;
}

static bool
merge_entries(struct writer *w, const struct backup_index *ix, size_t at, size_t n,
    bool (*drop)(const struct backup_entry *entry, void *arg), void *arg, struct buf *why)
{
	struct cursor **cursors = mem_zalloc((n + 1) * sizeof(struct cursor *));
	struct backup_entry best;
	const struct backup_entry *e;
	bool read = true, ok = true;

	for (size_t i = 0; i < n; i++) {
		cursors[i] = mem_zalloc(sizeof(*cursors[i]));
		cursors[i]->file = &ix->files[at + i];
	}
	while (ok && (e = lowest(cursors, n, &best, &read)) != NULL)
		if (backup_index_has_pack(ix, e->pack) && (drop == NULL || !drop(e, arg)))
			ok = writer_put(w, e, why);
	for (size_t i = 0; i < n; i++)
		mem_free(cursors[i]);
	mem_free(cursors);
	return ok && (read || backup_fail(w->folder, "index", why));
}

/* Merges n neighbours from that one on. */
static bool
merge_files(struct backup_folder *f, struct backup_index *ix, size_t at, size_t n,
    bool (*drop)(const struct backup_entry *entry, void *arg), void *arg, struct buf *why)
{
	struct backup_index_file *old = &ix->files[at];
	struct backup_index_file file = {.from = old[n - 1].from, .to = old[0].to};
	struct writer w;
	bool ok = writer_begin(&w, f, file.from, file.to, why);

	ok = ok && merge_entries(&w, ix, at, n, drop, arg, why);
	file.count = w.count;
	file.fd = writer_end(&w, ok, why);
	if (file.fd < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		char name[NAME_BYTES];

		index_name(old[i].from, old[i].to, name);
		if (old[i].from != file.from || old[i].to != file.to)
			(void)unlinkat(f->fd, name, 0);
		file_fini(&old[i]);
	}
	memmove(old, old + n, (ix->n - at - n) * sizeof(*old));
	ix->n -= n;
	(void)add_file(ix, file);
	number_files(ix);
	return true;
}

static void
note_pack(struct backup_index *ix, uint32_t pack)
{
	if (backup_index_has_pack(ix, pack))
		return;
	ix->packs = mem_realloc(ix->packs, (ix->pack_count + 1) * sizeof(*ix->packs));
	ix->packs[ix->pack_count++] = pack;
}

bool
backup_index_add(struct backup_folder *f, struct backup_index *ix, uint32_t pack,
    struct backup_entry *entries, size_t n, struct buf *why)
{
	struct backup_index_file file = {.from = pack, .to = pack, .count = n};
	struct writer w;
	size_t at;
	bool ok = writer_begin(&w, f, pack, pack, why);

	qsort(entries, n, sizeof(*entries), by_hash);
	for (size_t i = 0; ok && i < n; i++)
		ok = writer_put(&w, &entries[i], why);
	file.fd = writer_end(&w, ok, why);
	if (file.fd < 0)
		return false;
	note_pack(ix, pack);
	at = add_file(ix, file);
	number_files(ix);
	while (at + 1 < ix->n && ix->files[at + 1].count < MERGE_RATIO * ix->files[at].count)
		if (!merge_files(f, ix, at, 2, NULL, NULL, why))
			return false;
	return true;
}

bool
backup_index_rewrite(struct backup_folder *f, struct backup_index *ix,
    bool (*drop)(const struct backup_entry *entry, void *arg), void *arg, struct buf *why)
{
	return ix->n == 0 || merge_files(f, ix, 0, ix->n, drop, arg, why);
}

/* ---- loading ---- */

struct loading {
	struct backup_folder *f;
	struct backup_index *ix;
	bool check, write;
	backup_index_bad *bad;
	void *arg;
	/* entries of a pack that has no index */
	struct backup_entry *entries;
	size_t n, cap;
};

static void
say_bad(struct loading *l, const char *folder, const char *file, const char *what)
{
	struct buf text = {0};

	buf_printf(&text, "%s/%s/%s: %s", backup_path(l->f), folder, file, what);
	if (l->bad != NULL)
		l->bad(buf_cstr(&text), l->arg);
	buf_fini(&text);
}

static bool
number(struct str hex, uint32_t *n_r)
{
	char *end, text[9];

	if (hex.n != 8)
		return false;
	memcpy(text, hex.p, 8);
	text[8] = '\0';
	*n_r = (uint32_t)strtoul(text, &end, 16);
	(void)snprintf(text, sizeof(text), "%08x", *n_r);
	return *n_r > 0 && memcmp(text, hex.p, 8) == 0;
}

static int
compare_packs(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Calls fn for each file in a folder.  Older versions made backups without the folder: then there
 * are none. */
static bool
each_file(struct loading *l, const char *folder, void (*fn)(struct loading *l, const char *name),
    struct buf *why)
{
	int fd = openat(l->f->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (d == NULL) {
		bool none = fd < 0 && errno == ENOENT;

		if (fd >= 0)
			(void)close(fd);
		return none || backup_fail(l->f, folder, why);
	}
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			fn(l, e->d_name);
	(void)closedir(d);
	return true;
}

static void
add_pack(struct loading *l, const char *name)
{
	struct backup_index *ix = l->ix;
	uint32_t n;

	if (!number(str_of(name), &n)) {
		say_bad(l, "packs", name, "does not belong into a backup folder");
		return;
	}
	ix->packs = mem_realloc(ix->packs, (ix->pack_count + 1) * sizeof(*ix->packs));
	ix->packs[ix->pack_count++] = n;
}

static bool
sum_holds(int fd, uint64_t size)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	char *piece = mem_realloc(NULL, PIECE);
	struct backup_hash is, said;
	bool ok = true;

	TS_ASSERT(sum != NULL && EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1);
	for (uint64_t at = 0; ok && at < size; at += PIECE) {
		size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;

		ok = pread_all(fd, piece, n, at);
		(void)EVP_DigestUpdate(sum, piece, ok ? n : 0);
	}
	(void)EVP_DigestFinal_ex(sum, is.b, NULL);
	EVP_MD_CTX_free(sum);
	mem_free(piece);
	return ok && pread_all(fd, (char *)said.b, sizeof(said.b), size) &&
	       backup_hash_eq(&is, &said);
}

/* Returns whether it is an index of these packs, as far as checked. */
static bool
index_holds(const struct loading *l, struct backup_index_file *file)
{
	struct stat st;
	char head[HEAD_BYTES];
	struct rd r = rd_of((struct str){head, sizeof(head)});
	uint64_t around = HEAD_BYTES + BACKUP_HASH_BYTES;

	if (fstat(file->fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size < around ||
	    ((uint64_t)st.st_size - around) % ENTRY_BYTES != 0 ||
	    !pread_all(file->fd, head, sizeof(head), 0) || memcmp(head, MAGIC, 8) != 0)
		return false;
	(void)rd_bytes(&r, 8);
	if (rd_le32(&r) != file->from || rd_le32(&r) != file->to)
		return false;
	file->count = ((uint64_t)st.st_size - around) / ENTRY_BYTES;
	return !l->check || sum_holds(file->fd, (uint64_t)st.st_size - BACKUP_HASH_BYTES);
}

static void
add_index(struct loading *l, const char *name)
{
	struct backup_index_file file = {0};
	struct str s = str_of(name);
	char path[NAME_BYTES];

	if (s.n != 17 || s.p[8] != '-' || !number((struct str){s.p, 8}, &file.from) ||
	    !number((struct str){s.p + 9, 8}, &file.to) || file.from > file.to) {
		say_bad(l, "index", name, "does not belong into a backup folder");
		return;
	}
	index_name(file.from, file.to, path);
	file.fd = openat(l->f->fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file.fd < 0 && errno == ENOENT)
		return; /* just replaced by another */
	if (file.fd >= 0 && index_holds(l, &file)) {
		(void)add_file(l->ix, file);
		return;
	}
	say_bad(l, "index", name, "damaged; the next run with --full makes it again");
	if (file.fd >= 0)
		(void)close(file.fd);
	if (l->write)
		(void)unlinkat(l->f->fd, path, 0);
}

static bool
within(const struct backup_index *ix, size_t at)
{
	const struct backup_index_file *file = &ix->files[at];

	for (size_t i = 0; i < ix->n; i++)
		if (i != at && ix->files[i].from <= file->from && ix->files[i].to >= file->to)
			return true;
	return false;
}

static void
drop_covered(struct loading *l)
{
	struct backup_index *ix = l->ix;

	for (size_t i = 0; i < ix->n; i++) {
		char name[NAME_BYTES];

		if (!within(ix, i))
			continue;
		index_name(ix->files[i].from, ix->files[i].to, name);
		if (l->write)
			(void)unlinkat(l->f->fd, name, 0);
		file_fini(&ix->files[i]);
		memmove(&ix->files[i], &ix->files[i + 1], (ix->n - i - 1) * sizeof(*ix->files));
		ix->n--;
		i--;
	}
	if (ix->pack_count > 0)
		qsort(ix->packs, ix->pack_count, sizeof(*ix->packs), compare_packs);
}

static bool
collect_entry(const struct backup_entry *e, struct str bytes, bool good, void *arg)
{
	struct loading *l = arg;

	(void)bytes;
	if (!good)
		return true;
	if (l->n == l->cap) {
		l->cap = l->cap > 0 ? 2 * l->cap : 256;
		l->entries = mem_realloc(l->entries, l->cap * sizeof(*l->entries));
	}
	l->entries[l->n++] = *e;
	return true;
}

static bool
index_pack(struct loading *l, uint32_t pack, struct buf *why)
{
	struct backup_index_file file = {.fd = -1, .from = pack, .to = pack};
	char name[NAME_BYTES];
	int fd = backup_pack_open(l->f, pack);

	l->n = 0;
	backup_pack_name(pack, name);
	if (fd < 0 || !backup_pack_scan(fd, pack, collect_entry, l))
		say_bad(l, "packs", name + sizeof("packs"), strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	if (l->write)
		return backup_index_add(l->f, l->ix, pack, l->entries, l->n, why);
	if (l->n > 0)
		qsort(l->entries, l->n, sizeof(*l->entries), by_hash);
	file.count = l->n;
	file.mem = l->entries;
	(void)add_file(l->ix, file);
	l->entries = NULL;
	l->cap = 0;
	return true;
}

static bool
covered(const struct backup_index *ix, uint32_t pack)
{
	for (size_t i = 0; i < ix->n; i++)
		if (ix->files[i].from <= pack && pack <= ix->files[i].to)
			return true;
	return false;
}

static bool
index_packs(struct loading *l, struct buf *why)
{
	struct backup_index *ix = l->ix;
	bool ok = true;

	for (size_t i = 0; ok && i < ix->pack_count; i++)
		ok = covered(ix, ix->packs[i]) || index_pack(l, ix->packs[i], why);
	number_files(ix);
	mem_free(l->entries);
	return ok;
}

bool
backup_index_load(struct backup_folder *f, bool check, backup_index_bad *bad, void *arg,
    struct backup_index *ix, struct buf *why)
{
	struct loading l = {
	    .f = f, .ix = ix, .check = check, .write = f->lock >= 0, .bad = bad, .arg = arg};

	*ix = (struct backup_index){0};
	/* Indexes first: a pack that another process adds meanwhile has none, and is read. */
	if (each_file(&l, "index", add_index, why) && each_file(&l, "packs", add_pack, why)) {
		drop_covered(&l);
		if (index_packs(&l, why))
			return true;
	}
	backup_index_fini(ix);
	return false;
}

void
backup_index_fini(struct backup_index *ix)
{
	for (size_t i = 0; i < ix->n; i++)
		file_fini(&ix->files[i]);
	mem_free(ix->files);
	mem_free(ix->packs);
	*ix = (struct backup_index){0};
}
