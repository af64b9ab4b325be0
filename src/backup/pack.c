/* SPDX-License-Identifier: Apache-2.0 */
/* Packs: many small objects in one file. */
#include "backup/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "backup/folder_int.h"
#include "base/clock.h"
#include "base/mem.h"

#define MAGIC "turnstone-pack 1\n"
#define MAGIC_BYTES (sizeof(MAGIC) - 1)
#define WORD "object "
#define WORD_BYTES (sizeof(WORD) - 1)
#define HEAD_MAX (WORD_BYTES + BACKUP_HEX_BYTES + 1 + 5 + 1)
#define RECORD_MAX (HEAD_MAX + BACKUP_PACKED_MAX + 1)
#define PIECE ((size_t)256 * 1024)
#define SLOTS (2 * BACKUP_PACK_OBJECTS)
#define NO_SLOT UINT32_MAX
#define NAME_BYTES 32

/* ---- records ---- */

static void
put_object_head(struct buf *out, const struct backup_hash *hash, size_t size)
{
	buf_puts(out, WORD);
	backup_hash_hex(hash, out);
	buf_putc(out, ' ');
	buf_u64(out, size);
	buf_putc(out, '\n');
}

static size_t
head_bytes(uint32_t size)
{
	size_t digits = 1;

	for (uint32_t n = size; n >= 10; n /= 10)
		digits++;
	return WORD_BYTES + BACKUP_HEX_BYTES + 1 + digits + 1;
}

uint64_t
backup_record_bytes(uint32_t size)
{
	return (uint64_t)head_bytes(size) + size + 1;
}

void
backup_pack_name(uint32_t number, char name[NAME_BYTES])
{
	(void)snprintf(name, NAME_BYTES, "packs/%08x", number);
}

/* Parses a record's head exactly as put_object_head() writes it; *n_r is its length. */
static bool
take_head(struct str s, struct backup_entry *e, size_t *n_r)
{
	const char *end = memchr(s.p, '\n', s.n < HEAD_MAX ? s.n : HEAD_MAX);
	uint64_t size;

	if (end == NULL || !str_has_prefix(s, STR(WORD)))
		return false;
	s = str_range(s.p + WORD_BYTES, end);
	if (s.n < BACKUP_HEX_BYTES + 2 || s.p[BACKUP_HEX_BYTES] != ' ' ||
	    !backup_hash_parse((struct str){s.p, BACKUP_HEX_BYTES}, &e->hash) ||
	    !str_u64((struct str){s.p + BACKUP_HEX_BYTES + 1, s.n - BACKUP_HEX_BYTES - 1},
	        BACKUP_PACKED_MAX, &size))
		return false;
	e->size = (uint32_t)size;
	*n_r = head_bytes(e->size);
	return *n_r == WORD_BYTES + s.n + 1;
}

/* ---- scanning a pack ---- */

struct scan {
	int fd;
	uint32_t number;
	struct buf b;  /* what has been read */
	uint64_t base; /* its offset in the file */
	size_t at;     /* this much of it is done */
	bool end, bad;
};

/* Tries to get n bytes. */
static struct str
scan_bytes(struct scan *s, size_t n)
{
	while (!s->end && s->b.n - s->at < n) {
		ssize_t got;

		if (s->at > 0) {
			s->base += s->at;
			buf_consume(&s->b, s->at);
			s->at = 0;
		}
		got = read(s->fd, buf_room(&s->b, PIECE), PIECE);
		if (got < 0 && errno == EINTR)
			continue;
		s->bad |= got < 0;
		s->end = got <= 0;
		s->b.n += got > 0 ? (size_t)got : 0;
	}
	return (struct str){s->b.p + s->at, s->b.n - s->at};
}

/* Gets the record here; good: its content matches.  bytes_r is valid until the next call. */
static bool
scan_record(struct scan *s, struct backup_entry *e, struct str *bytes_r, bool *good_r)
{
	struct str bytes = scan_bytes(s, RECORD_MAX);
	struct backup_hash is;
	size_t head;

	*e = (struct backup_entry){.pack = s->number, .at = (uint32_t)(s->base + s->at)};
	if (s->base + s->at > UINT32_MAX || bytes.n == 0 || !take_head(bytes, e, &head) ||
	    bytes.n < head + e->size + 1)
		return false;
	*bytes_r = (struct str){bytes.p + head, e->size};
	backup_hash_of(*bytes_r, &is);
	*good_r = backup_hash_eq(&is, &e->hash);
	return true;
}

/* Moves to the next whole record. */
static bool
scan_on(struct scan *s)
{
	for (;;) {
		struct str bytes = scan_bytes(s, RECORD_MAX);
		const char *p = bytes.n > 0 ? str_find(bytes, STR("\n" WORD)) : NULL;
		struct backup_entry e;
		struct str content;
		bool good = false;

		if (p == NULL && s->end)
			return false;
		if (p == NULL) {
			s->at = s->b.n - WORD_BYTES;
			continue;
		}
		s->at += (size_t)(p - bytes.p) + 1;
		if (scan_record(s, &e, &content, &good) && good)
			return true;
	}
}

static bool
scan_records(struct scan *s, backup_pack_fn *fn, void *arg)
{
	struct backup_entry e;

	while (scan_bytes(s, 1).n > 0) {
		struct str bytes = {0};
		bool good = false, record = scan_record(s, &e, &bytes, &good);

		if (!fn(record ? &e : NULL, bytes, good, arg))
			return false;
		if (good)
			s->at += (size_t)backup_record_bytes(e.size);
		else if (!scan_on(s))
			return true;
	}
	return true;
}

bool
backup_pack_scan(int fd, uint32_t number, backup_pack_fn *fn, void *arg)
{
	struct scan s = {.fd = fd, .number = number};
	struct str head = scan_bytes(&s, MAGIC_BYTES);
	bool go_on = true;

	if (str_has_prefix(head, STR(MAGIC)))
		s.at = MAGIC_BYTES;
	else
		go_on = !s.bad && fn(NULL, (struct str){0}, false, arg) && scan_on(&s);
	if (go_on)
		(void)scan_records(&s, fn, arg);
	buf_fini(&s.b);
	return !s.bad;
}

int
backup_pack_open(struct backup_folder *f, uint32_t number)
{
	char name[NAME_BYTES];

	backup_pack_name(number, name);
	return openat(f->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

/* ---- the index in use ---- */

static void
stat_folders(const struct backup_folder *f, struct timespec now[2])
{
	static const char *const names[] = {"index", "packs"};

	for (size_t i = 0; i < 2; i++) {
		struct stat st;

		now[i] = fstatat(f->fd, names[i], &st, 0) == 0 ? st.st_mtim : (struct timespec){0};
	}
}

void
backup_forget_index(struct backup_folder *f)
{
	if (f->indexed)
		backup_index_fini(&f->index);
	f->indexed = false;
}

static bool
load_index(struct backup_folder *f, bool check, struct buf *why)
{
	uint32_t next = 1;

	if (f->indexed)
		return true;
	stat_folders(f, f->looked);
	if (!backup_index_load(f, check, NULL, NULL, &f->index, why))
		return false;
	f->indexed = true;
	if (f->index.pack_count > 0)
		next = f->index.packs[f->index.pack_count - 1] + 1;
	for (size_t i = 0; i < f->index.n; i++)
		if (f->index.files[i].to >= next)
			next = f->index.files[i].to + 1;
	if (next > f->next_pack)
		f->next_pack = next;
	return true;
}

bool
backup_need_index(struct backup_folder *f, struct buf *why)
{
	return load_index(f, f->distrust, why);
}

/* Somebody may have written meanwhile, or an index may be damaged: returns whether to look
 * again. */
static bool
reload_if_moved(struct backup_folder *f)
{
	struct timespec now[2];
	struct buf why = {0};
	bool moved, ok;

	if (f->lock >= 0)
		return false;
	stat_folders(f, now);
	moved = memcmp(now, f->looked, sizeof(now)) != 0;
	if (!moved && f->recovered)
		return false;
	f->recovered |= !moved;
	backup_forget_index(f);
	ok = load_index(f, !moved, &why);
	buf_fini(&why);
	return ok;
}

/* ---- reading ---- */

static int
open_pack(struct backup_folder *f, uint32_t number)
{
	unsigned at = f->open_next;
	int fd;

	for (size_t i = 0; i < BACKUP_OPEN_PACKS; i++)
		if (f->open_packs[i].number == number)
			return f->open_packs[i].fd;
	fd = backup_pack_open(f, number);
	if (fd < 0)
		return -1;
	if (f->open_packs[at].number != 0)
		(void)close(f->open_packs[at].fd);
	f->open_packs[at].number = number;
	f->open_packs[at].fd = fd;
	f->open_next = (at + 1) % BACKUP_OPEN_PACKS;
	return fd;
}

static void
close_packs(struct backup_folder *f)
{
	for (size_t i = 0; i < BACKUP_OPEN_PACKS; i++) {
		if (f->open_packs[i].number != 0)
			(void)close(f->open_packs[i].fd);
		f->open_packs[i].number = 0;
	}
}

static bool
write_out(struct backup_folder *f, struct buf *why)
{
	struct backup_packing *p = &f->packing;

	if (p->out.n == 0)
		return true;
	if (!backup_give_names(f, why))
		return false;
	if (!backup_write_all(p->fd, buf_as_str(&p->out)))
		return backup_fail(f, "tmp/pack", why);
	p->written += p->out.n;
	p->out.n = 0;
	return true;
}

static ssize_t
pread_record(int fd, char *to, size_t n, uint32_t at)
{
	size_t got = 0;

	while (got < n) {
		ssize_t more = pread(fd, to + got, n - got, (off_t)at + (off_t)got);

		if (more < 0 && errno == EINTR)
			continue;
		if (more < 0)
			return -1;
		if (more == 0)
			break;
		got += (size_t)more;
	}
	return (ssize_t)got;
}

static enum ts_err
damaged(struct backup_folder *f, const struct backup_entry *e, const char *text, struct buf *what)
{
	char name[NAME_BYTES];

	backup_pack_name(e->pack, name);
	what->n = 0;
	buf_printf(what, "%s/%s: object ", f->path, name);
	backup_hash_hex(&e->hash, what);
	buf_printf(what, " in it %s", text);
	return TS_DAMAGED;
}

static enum ts_err
read_entry(struct backup_folder *f, const struct backup_entry *e, int fd, struct buf *out,
    struct buf *what)
{
	size_t n = e->size <= BACKUP_PACKED_MAX ? (size_t)backup_record_bytes(e->size) : 0;
	size_t had = out->n, head = head_bytes(e->size);
	ssize_t got = n > 0 ? pread_record(fd, buf_room(out, n), n, e->at) : 0;
	struct backup_entry is;
	struct backup_hash sum;
	size_t head_is;

	if (got < 0) {
		(void)damaged(f, e, strerror(errno), what);
		return errno == EIO ? TS_DAMAGED : TS_IO;
	}
	if (n == 0 || (size_t)got < n || !take_head((struct str){out->p + had, n}, &is, &head_is) ||
	    !backup_hash_eq(&is.hash, &e->hash) || is.size != e->size)
		return damaged(f, e, "is not where the index says", what);
	backup_hash_of((struct str){out->p + had + head, e->size}, &sum);
	if (!backup_hash_eq(&sum, &e->hash))
		return damaged(f, e, "is damaged, its content does not have this checksum", what);
	memmove(out->p + had, out->p + had + head, e->size);
	out->n = had + e->size;
	return TS_OK;
}

bool
backup_packed_find(struct backup_folder *f, const struct backup_hash *hash, struct backup_entry *e)
{
	struct buf why = {0};
	bool found = backup_pack_pending(f, hash, e) ||
	             (backup_need_index(f, &why) && backup_index_find(&f->index, hash, e, NULL));

	buf_fini(&why);
	while (!found && reload_if_moved(f))
		found = backup_index_find(&f->index, hash, e, NULL);
	return found;
}

/* Returns the file that has the entry; the pack being written has no name yet. */
static int
fd_of(struct backup_folder *f, const struct backup_entry *e, struct buf *what)
{
	if (f->packing.fd < 0 || e->pack != f->next_pack)
		return open_pack(f, e->pack);
	return write_out(f, what) ? f->packing.fd : -1;
}

enum ts_err
backup_packed_get(
    struct backup_folder *f, const struct backup_hash *hash, struct buf *out, struct buf *what)
{
	struct backup_entry e;
	enum ts_err err;

	if (!backup_packed_find(f, hash, &e))
		return TS_NOT_FOUND;
	f->costs.opened++;
	do {
		int fd = fd_of(f, &e, what);

		err = fd >= 0 ? read_entry(f, &e, fd, out, what)
		              : damaged(f, &e, strerror(errno), what);
	} while (err != TS_OK && reload_if_moved(f) && backup_packed_find(f, hash, &e));
	if (err == TS_OK)
		what->n = 0;
	return err;
}

/* ---- writing ---- */

static size_t
slot_of(const struct backup_packing *p, const struct backup_hash *hash)
{
	return (size_t)XXH3_64bits_withSeed(hash->b, sizeof(hash->b), p->seed) & (SLOTS - 1);
}

static bool
begin_pack(struct backup_folder *f, struct buf *why)
{
	struct backup_packing *p = &f->packing;

	if (p->fd >= 0)
		return true;
	if (!backup_need_index(f, why))
		return false;
	p->fd = openat(f->fd, "tmp/pack", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	f->costs.written++;
	if (p->fd < 0)
		return backup_fail(f, "tmp/pack", why);
	if (p->slots == NULL)
		p->slots = mem_realloc(NULL, SLOTS * sizeof(*p->slots));
	memset(p->slots, 0xff, SLOTS * sizeof(*p->slots));
	random_bytes(&p->seed, sizeof(p->seed));
	p->count = 0;
	p->written = 0;
	p->out.n = 0;
	buf_puts(&p->out, MAGIC);
	p->size = p->out.n;
	return true;
}

bool
backup_pack_pending(
    struct backup_folder *f, const struct backup_hash *hash, struct backup_entry *entry_r)
{
	const struct backup_packing *p = &f->packing;

	if (p->fd < 0)
		return false;
	for (size_t at = slot_of(p, hash); p->slots[at] != NO_SLOT; at = (at + 1) & (SLOTS - 1))
		if (backup_hash_eq(&p->entries[p->slots[at]].hash, hash)) {
			*entry_r = p->entries[p->slots[at]];
			return true;
		}
	return false;
}

static void
remember_entry(struct backup_packing *p, const struct backup_entry *e)
{
	size_t at = slot_of(p, &e->hash);

	if (p->count == p->cap) {
		p->cap = p->cap > 0 ? 2 * p->cap : 256;
		p->entries = mem_realloc(p->entries, p->cap * sizeof(*p->entries));
	}
	while (p->slots[at] != NO_SLOT)
		at = (at + 1) & (SLOTS - 1);
	p->slots[at] = (uint32_t)p->count;
	p->entries[p->count++] = *e;
}

bool
backup_pack_put(
    struct backup_folder *f, const struct backup_hash *hash, struct str bytes, struct buf *why)
{
	struct backup_packing *p = &f->packing;
	struct backup_entry e = {.hash = *hash, .size = (uint32_t)bytes.n};

	TS_ASSERT(bytes.n <= BACKUP_PACKED_MAX);
	if (!begin_pack(f, why))
		return false;
	e.pack = f->next_pack;
	e.at = (uint32_t)p->size;
	remember_entry(p, &e);
	put_object_head(&p->out, hash, bytes.n);
	buf_str(&p->out, bytes);
	buf_putc(&p->out, '\n');
	p->size += backup_record_bytes(e.size);
	if (p->size >= BACKUP_PACK_BYTES || p->count == BACKUP_PACK_OBJECTS)
		return backup_pack_end(f, why);
	return p->out.n < PIECE || write_out(f, why);
}

/* Gives the flushed tmp/pack its number. */
static bool
name_pack(struct backup_folder *f, struct buf *why)
{
	struct backup_packing *p = &f->packing;
	char name[NAME_BYTES];

	backup_pack_name(f->next_pack, name);
	if (!backup_flush_fd(f, p->fd) || renameat(f->fd, "tmp/pack", f->fd, name) != 0)
		return backup_fail(f, name, why);
	(void)close(p->fd);
	p->fd = -1;
	f->packs_named = true;
	f->new_packs = mem_realloc(f->new_packs, (f->new_pack_count + 1) * sizeof(*f->new_packs));
	f->new_packs[f->new_pack_count].number = f->next_pack;
	f->new_packs[f->new_pack_count++].objects = p->count;
	/* An index must never name a pack that does not exist. */
	return backup_sync_dir(f, "packs", why);
}

bool
backup_pack_end(struct backup_folder *f, struct buf *why)
{
	struct backup_packing *p = &f->packing;
	uint32_t number = f->next_pack;

	if (p->fd < 0)
		return true;
	if (!backup_give_names(f, why) || !write_out(f, why) || !name_pack(f, why))
		return false;
	f->next_pack++;
	return backup_index_add(f, &f->index, number, p->entries, p->count, why);
}

void
backup_pack_drop(struct backup_folder *f)
{
	struct backup_packing *p = &f->packing;

	/* The next writer continues what is there. */
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
	close_packs(f);
	buf_fini(&p->out);
	mem_free(p->entries);
	mem_free(p->slots);
	p->entries = NULL;
	p->slots = NULL;
	p->cap = 0;
}

struct salvage {
	uint64_t end;
	size_t records;
};

static bool
salvage_record(const struct backup_entry *e, struct str bytes, bool good, void *arg)
{
	struct salvage *s = arg;

	(void)bytes;
	if (!good)
		return false;
	s->end = e->at + backup_record_bytes(e->size);
	s->records++;
	return true;
}

bool
backup_pack_salvage(struct backup_folder *f, struct buf *why)
{
	struct salvage s = {0};
	int fd = openat(f->fd, "tmp/pack", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char name[NAME_BYTES];
	bool ok;

	if (fd < 0)
		return errno == ENOENT || backup_fail(f, "tmp/pack", why);
	ok = backup_need_index(f, why) && (backup_pack_scan(fd, f->next_pack, salvage_record, &s) ||
	                                      backup_fail(f, "tmp/pack", why));
	backup_pack_name(f->next_pack, name);
	if (ok && s.records > 0) {
		ok = (ftruncate(fd, (off_t)s.end) == 0 && backup_flush_fd(f, fd) &&
		         renameat(f->fd, "tmp/pack", f->fd, name) == 0) ||
		     backup_fail(f, name, why);
		/* When loaded again, it gets its index. */
		f->packs_named = true;
		ok = ok && backup_sync_dir(f, "packs", why);
		backup_forget_index(f);
	}
	(void)close(fd);
	return ok;
}
