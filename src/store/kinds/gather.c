/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on their way from one mailbox to another: gathered, read, put. */
#include "base/mem.h"
#include "store/kinds/steps_int.h"

void
gathered_flags(const struct gathered *g, struct store_message *m)
{
	const uint64_t seen = (uint64_t)1 << STORE_SEEN;

	if (g->seen != NULL)
		m->flags.w[0] &= ~seen;
	if (g->seen != NULL && roaring_bitmap_contains(g->seen, m->uid))
		m->flags.w[0] |= seen;
	flags_bound(&g->bounds, &m->flags);
}

void
gather_messages(
    struct gathered *g, struct batch *b, struct store_mailbox *source, const roaring_bitmap_t *uids)
{
	struct head_view v;
	roaring_uint32_iterator_t it;

	pthread_rwlock_rdlock(&source->lock);
	head_view_of(&v, b, source);

	/* Only what is on disk: nobody can have seen anything else, and summaries are read from
	 * there. */
	roaring_bitmap_t *set = head_existing(&v, uids, true);

	g->message = mem_zalloc((roaring_bitmap_get_cardinality(set) + 1) * sizeof *g->message);
	for (roaring_init_iterator(set, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
		struct store_message *m = &g->message[g->count];

		if (!head_message(&v, it.current_value, m))
			continue;
		gathered_flags(g, m);
		for (unsigned w = 0; w < STORE_FLAG_WORDS; w++)
			g->used.w[w] |= m->flags.w[w];
		g->count++;
	}
	g->keywords = keywords_ref(source->head.keywords);
	pthread_rwlock_unlock(&source->lock);
	roaring_bitmap_free(set);
}

bool
all_gathered(const struct gathered *g, const struct store_change *c)
{
	return !c->all_or_none || g->count == roaring_bitmap_get_cardinality(c->uids);
}

/* Bytes of a message among those gathered, its pair and the batch; and how often its summary is in
 * memory: here, while the buffer doubles, and in the batch. */
#define GATHERED (sizeof(struct store_message) + 128)
#define SUMMARY_COPIES 3

void
gathered_read(struct gathered *g, uint32_t uid, struct str summary)
{
	if (g->read_count == g->read_cap) {
		g->read_cap = g->read_cap > 0 ? 2 * g->read_cap : 16;
		g->read = mem_realloc(g->read, g->read_cap * sizeof *g->read);
		g->end = mem_realloc(g->end, g->read_cap * sizeof *g->end);
	}
	/* A damaged summary is damaged in the target as well; the message is copied all the
	 * same. */
	buf_str(&g->summaries, summary);
	g->read[g->read_count] = uid;
	g->end[g->read_count++] = g->summaries.n;
}

struct str
gathered_summary(const struct gathered *g, size_t *at, uint32_t uid)
{
	size_t from;

	while (*at < g->read_count && g->read[*at] < uid)
		++*at;
	if (*at == g->read_count || g->read[*at] != uid)
		return STR_NONE;
	from = *at > 0 ? g->end[*at - 1] : 0;
	return g->end[*at] > from ? (struct str){g->summaries.p + from, g->end[*at] - from}
	                          : STR_NONE;
}

static bool
gather_summary(uint32_t uid, enum ts_err err, struct str summary, void *arg)
{
	struct gathered *g = arg;

	gathered_read(g, uid, err == TS_OK ? summary : STR_NONE);
	return g->read_count * GATHERED + g->summaries.n * SUMMARY_COPIES <= g->limit;
}

enum ts_err
gather_summaries(struct gathered *g, struct store_mailbox *source)
{
	uint32_t *uids = mem_zalloc((g->count + 1) * sizeof *uids);

	for (size_t i = 0; i < g->count; i++)
		uids[i] = g->message[i].uid;
	g->limit = source->account->store->opt.copy_memory;
	store_read_summaries(source, uids, g->count, gather_summary, g);
	mem_free(uids);
	return g->read_count == g->count ? TS_OK : TS_LIMIT;
}

uint64_t
gathered_bytes(const struct gathered *g)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < g->count; i++)
		bytes += g->message[i].size;
	return bytes;
}

void
gathered_fini(struct gathered *g)
{
	store_keywords_unref(&g->keywords);
	mem_free(g->message);
	mem_free(g->read);
	mem_free(g->end);
	buf_fini(&g->summaries);
}

static enum ts_err
map_flags(struct change_delta *cd, const struct gathered *g, int *map, struct store_change *c)
{
	enum ts_err err = TS_OK;

	if (g->count > UINT32_MAX - cd->c.uidnext)
		return refuse(c, STORE_LIMIT_UIDS);
	for (unsigned f = 0; f < STORE_FLAGS_MAX && err == TS_OK; f++) {
		struct str name = store_keywords_name(g->keywords, f);

		map[f] = f < STORE_FIRST_KEYWORD ? (int)f : -1;
		if (name.p == NULL || !store_flags_has(&g->used, f))
			continue;
		map[f] = delta_keyword_flag(cd, name);
		if (map[f] < 0)
			err = keyword_refused(c, cd, name);
	}
	return err;
}

struct store_flags
flags_mapped(const struct store_flags *flags, const int *map)
{
	struct store_flags out = {0};

	for (unsigned w = 0; w < STORE_FLAG_WORDS; w++)
		for (uint64_t bits = flags->w[w]; bits != 0; bits &= bits - 1) {
			int to = map[w * 64 + (unsigned)__builtin_ctzll(bits)];

			if (to >= 0)
				store_flags_set(&out, (unsigned)to);
		}
	return out;
}

enum ts_err
put_copies(struct batch *b, struct store_mailbox *target, const struct gathered *g,
    struct store_uid_pair *pairs, struct store_change *c)
{
	int map[STORE_FLAGS_MAX];
	struct change_delta cd;
	size_t at = 0;

	delta_begin(&cd, b, target);
	cd.any_length = g->any_length;

	enum ts_err err = map_flags(&cd, g, map, c);

	if (err != TS_OK) {
		delta_abort(&cd);
		return err;
	}
	for (size_t i = 0; i < g->count; i++) {
		struct store_message m = g->message[i];
		struct str summary = gathered_summary(g, &at, m.uid);

		m.flags = flags_mapped(&g->message[i].flags, map);
		m.savedate = store_wall(b->lane->store);
		delta_message(&cd, &m, summary);
		pairs[i] = (struct store_uid_pair){g->message[i].uid, m.uid};
	}
	delta_commit(&cd);
	return TS_OK;
}

void
remove_moved(struct batch *b, struct store_mailbox *source, const struct gathered *g)
{
	roaring_bitmap_t *uids = roaring_bitmap_create();
	struct change_delta cd;

	for (size_t i = 0; i < g->count; i++)
		roaring_bitmap_add(uids, g->message[i].uid);
	roaring_bitmap_run_optimize(uids);
	delta_begin(&cd, b, source);
	delta_expunge(&cd, uids);
	delta_commit(&cd);
}
