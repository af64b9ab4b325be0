/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a mailbox exactly what it was: flags, and messages that came since. */
#include "backup/restore_int.h"

bool
restore_flush_flags(struct rest *r)
{
	bool ok = r->flags.n == 0 || restore_tell(r, &r->flags);

	r->flags.n = r->flags_head.n = 0;
	return ok;
}

static bool
same_flags(struct rest *r, const struct backup_message *m, const struct there *t)
{
	uint64_t want[BACKUP_FLAG_WORDS] = {0};

	for (unsigned f = 0; f < 64 * BACKUP_FLAG_WORDS; f++)
		if ((m->flags[f / 64] >> f % 64 & 1) != 0) {
			if (r->map[f] < 0)
				return false;
			want[r->map[f] / 64] |= (uint64_t)1 << r->map[f] % 64;
		}
	return memcmp(want, t->flags, sizeof(want)) == 0;
}

/* Messages with the same flags are sent together. */
bool
restore_set_flags(struct rest *r, const struct backup_message *m, const struct there *t)
{
	struct buf head = {0};
	bool ok = true;

	if (same_flags(r, m, t))
		return true;
	buf_putc(&head, 'F');
	ok = restore_put_flags(r, m, &head);
	if (ok && (!str_eq(buf_as_str(&head), buf_as_str(&r->flags_head)) ||
	              r->flags.n > RESTORE_BATCH)) {
		ok = restore_flush_flags(r);
		buf_str(&r->flags, buf_as_str(&head));
		buf_str(&r->flags_head, buf_as_str(&head));
	}
	buf_varint(&r->flags, t->uid);
	r->job->flagged++;
	buf_fini(&head);
	return ok;
}

bool
restore_set_aside(struct rest *r)
{
	struct buf q = {0}, name = {0};
	size_t n = 0;
	bool ok = true;

	buf_printf(&name, "%.*s (set aside %.*s)", STR_ARG(buf_as_str(&r->target)),
	    STR_ARG(r->job->run->id));
	for (size_t i = 0; ok && i <= r->count; i++) {
		if (i < r->count && !r->list[i].matched) {
			if (n++ == 0) {
				buf_putc(&q, 'V');
				buf_vstr(&q, buf_as_str(&name));
			}
			buf_varint(&q, r->list[i].uid);
		}
		if (n > 0 && (i == r->count || q.n > RESTORE_BATCH)) {
			ok = restore_tell(r, &q);
			r->job->aside += n;
			q.n = n = 0;
		}
	}
	buf_fini(&q);
	buf_fini(&name);
	return ok;
}
