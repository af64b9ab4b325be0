/* SPDX-License-Identifier: Apache-2.0 */
/* Adding messages to a mailbox: many small ones at a time, a large one in pieces. */
#include <errno.h>
#include <unistd.h>

#include "app/restore_run_priv.h"

#define BATCH_ITEMS 500

bool
restore_flush(struct rest *r)
{
	bool ok = r->items == 0 || restore_tell(r, &r->batch);

	r->batch.n = r->items = 0;
	return ok;
}

void
restore_put_flags(struct rest *r, const struct backup_message *m, struct buf *q)
{
	struct buf names = {0};
	size_t n = 0;

	buf_varint(q, m->flags[0] & ((1u << BACKUP_SYSTEM_FLAGS) - 1));
	for (unsigned f = BACKUP_SYSTEM_FLAGS;
	     f - BACKUP_SYSTEM_FLAGS < r->mb->keyword_count && f < 64 * BACKUP_FLAG_WORDS; f++)
		if ((m->flags[f / 64] >> f % 64 & 1) != 0) {
			buf_vstr(&names, r->mb->keywords[f - BACKUP_SYSTEM_FLAGS]);
			n++;
		}
	buf_varint(q, n);
	buf_str(q, buf_as_str(&names));
	buf_fini(&names);
}

static void
put_head(struct rest *r, const struct backup_message *m, uint64_t size)
{
	bool wished = r->same && m->uid >= r->uidnext;

	if (r->items == 0)
		buf_putc(&r->batch, 'P');
	buf_varint(&r->batch, wished ? m->uid : 0);
	r->uidnext = wished ? m->uid + 1 : r->uidnext + 1;
	buf_le64(&r->batch, (uint64_t)m->internaldate);
	buf_le64(&r->batch, (uint64_t)m->savedate);
	buf_le32(&r->batch, (uint32_t)(int32_t)m->zone);
	restore_put_flags(r, m, &r->batch);
	buf_varint(&r->batch, size);
	r->items++;
}

/* A large one goes alone, in pieces. */
static bool
add_large(struct rest *r, const struct backup_message *m, uint64_t size)
{
	int fd = backup_object_open(r->job->folder, &m->hash);
	uint64_t left = size;
	bool ok = fd >= 0 && restore_flush(r);

	if (ok)
		put_head(r, m, size);
	while (ok && left > 0) {
		ssize_t n = read(fd, buf_room(&r->batch, RESTORE_BATCH), RESTORE_BATCH);

		if (n < 0 && errno == EINTR)
			continue;
		ok = n > 0;
		if (!ok)
			break;
		r->batch.n += (size_t)n;
		left -= (uint64_t)n < left ? (uint64_t)n : left;
		ok = restore_tell(r, &r->batch);
		r->batch.n = 0;
		buf_putc(&r->batch, 'D');
	}
	r->batch.n = r->items = 0;
	if (!ok && r->job->why.n == 0 && fd < 0)
		buf_puts(&r->job->why, "a message of the backup cannot be read");
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

bool
restore_add(struct rest *r, const struct backup_message *m)
{
	struct buf what = {0}, bytes = {0};
	uint64_t size = m->size;
	enum ts_err err =
	    m->size < RESTORE_BATCH
	        ? backup_object_get(r->job->folder, &m->hash, RESTORE_BATCH, &bytes, &what)
	        : backup_object_check(r->job->folder, &m->hash, &size, &what);
	bool ok = true;

	if (err != TS_OK) {
		buf_printf(&what, " (mailbox %.*s, UID %u)", STR_ARG(r->mb->name), m->uid);
		restore_damaged(r, &what);
	} else if (m->size >= RESTORE_BATCH) {
		ok = add_large(r, m, size);
		r->job->added++;
	} else {
		put_head(r, m, bytes.n);
		buf_str(&r->batch, buf_as_str(&bytes));
		r->job->added++;
		if (r->batch.n >= RESTORE_BATCH - 65536 || r->items == BATCH_ITEMS)
			ok = restore_flush(r);
		/* The next one may be as large as a batch: together they stay below a piece. */
	}
	buf_fini(&what);
	buf_fini(&bytes);
	return ok;
}
