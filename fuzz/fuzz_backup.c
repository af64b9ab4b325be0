/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses any bytes as the contents of a backup folder.  The first byte chooses: the list of a
 * chunk, of a user, or of records (what can be parsed must print, and parse again to the same), a
 * run with a correct checksum, one that was cut off, a date, or a pack.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "backup/lists.h"
#include "backup/pack.h"
#include "backup/run.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
print_again(unsigned kind, struct str bytes, struct buf *out)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct backup_message *messages = mem_zalloc(BACKUP_CHUNK_UIDS * sizeof(*messages));
	struct backup_record *records;
	struct backup_user user;
	uint32_t number = bytes.n > 0 ? (unsigned char)bytes.p[bytes.n - 1] & 3 : 0;
	size_t n;
	bool ok = false;

	if (kind == 0 && (ok = backup_chunk_parse(bytes, number, messages, &n)))
		backup_chunk_print(messages, n, out);
	if (kind == 1 && (ok = backup_user_parse(bytes, arena, &user)))
		backup_user_print(&user, out);
	if (kind == 2 && (ok = backup_records_parse(bytes, arena, &records, &n)))
		backup_records_print(records, n, out);
	mem_free(messages);
	arena_free(&arena);
	return ok;
}

static void
list(unsigned kind, struct str bytes)
{
	struct buf once = {0}, twice = {0};

	if (print_again(kind, bytes, &once)) {
		TS_ASSERT(print_again(kind, buf_as_str(&once), &twice));
		TS_ASSERT(str_eq(buf_as_str(&once), buf_as_str(&twice)));
	}
	buf_fini(&once);
	buf_fini(&twice);
}

static void
whole_run(struct str bytes, struct arena *arena)
{
	struct buf text = {0}, hex = {0};
	struct backup_hash sum;
	struct backup_run run, cut;
	bool ok;

	buf_str(&text, bytes);
	backup_hash_of(bytes, &sum);
	backup_hash_hex(&sum, &hex);
	buf_printf(&text, "end %s\n", buf_cstr(&hex));
	ok = backup_run_parse(buf_as_str(&text), true, arena, &run);
	/* An unfinished run accepts the same lines. */
	TS_ASSERT(backup_run_parse(bytes, false, arena, &cut) && !cut.finished);
	TS_ASSERT(ok == run.finished);
	TS_ASSERT(!ok || (run.user_count == cut.user_count && str_eq(run.id, cut.id)));
	for (size_t i = 0; i < cut.user_count; i++)
		TS_ASSERT(backup_run_user(&cut, cut.users[i].name) != NULL);
	buf_fini(&text);
	buf_fini(&hex);
}

static bool
record(const struct backup_entry *e, struct str bytes, bool good, void *arg)
{
	const struct str *all = arg;
	struct backup_hash hash;

	if (!good)
		return true;
	TS_ASSERT(bytes.n == e->size && e->at + backup_record_bytes(e->size) <= all->n + 1);
	backup_hash_of(bytes, &hash);
	TS_ASSERT(backup_hash_eq(&hash, &e->hash));
	return true;
}

static void
pack(struct str bytes)
{
	int fd = memfd_create("pack", MFD_CLOEXEC);

	TS_ASSERT(fd >= 0 && write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n);
	TS_ASSERT(lseek(fd, 0, SEEK_SET) == 0);
	TS_ASSERT(backup_pack_scan(fd, 1, record, &bytes));
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena;
	struct backup_run run;
	struct str bytes;
	int64_t when;

	if (size == 0)
		return 0;
	bytes = (struct str){(const char *)data + 1, size - 1};
	arena = arena_new(NULL, ARENA_OTHER, 4096);
	switch (data[0] % 6) {
	case 3:
		whole_run(bytes, arena);
		break;
	case 4:
		(void)backup_run_parse(bytes, true, arena, &run);
		break;
	case 5:
		(void)backup_moment(bytes, &when);
		pack(bytes);
		break;
	default:
		list(data[0] % 6, bytes);
		break;
	}
	arena_free(&arena);
	return 0;
}
