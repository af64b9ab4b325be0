/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the value of a record of the store, with a correct checksum.  The first byte says
 * which kind:
 *
 *	b d h j   an index block, a change record, a header, a set of expunged UIDs
 *	s u g     a summary, a user, a grant
 *
 * What can be decoded can be encoded, and decoded again to the same.
 */
#include "auth/grant/grant.h"
#include "auth/user/user.h"
#include "base/log.h"
#include "base/mem.h"
#include "mail/summary.h"
#include "store/memory/memory_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
no_log(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

static struct state *
state_of(unsigned kind, struct str body)
{
	struct state *s = state_new();
	struct key k;
	bool ok;

	key_index(&k, 2, 1,
	    kind == 'b'   ? KEY_BLOCK
	    : kind == 'd' ? KEY_CHANGE
	    : kind == 'h' ? KEY_HEADER
	                  : KEY_EXPUNGED);
	if (kind == 'd' || kind == 'j')
		key_be64(&k, 7);
	else if (kind == 'b')
		key_be32(&k, 3);
	ok = mailbox_take_item(s, key_str(&k), body);
	if (!ok)
		state_free(&s);
	return s;
}

static void
same(const struct state *a, const struct state *b)
{
	TS_ASSERT(roaring_bitmap_equals(a->uids, b->uids));
	TS_ASSERT(a->chunk_count == b->chunk_count);
	for (size_t i = 0; i < a->chunk_count; i++) {
		TS_ASSERT(a->chunk[i]->n == b->chunk[i]->n);
		for (uint32_t j = 0; j < a->chunk[i]->n; j++) {
			const struct record *x = &a->chunk[i]->rec[j], *y = &b->chunk[i]->rec[j];

			TS_ASSERT(
			    x->blob == y->blob && x->modseq == y->modseq && x->size == y->size);
		}
	}
}

static void
again(struct state *s, struct buf *b)
{
	if (s->chunk_count != 1)
		return;
	b->n = 0;
	block_encode(s, s->chunk[0], b);

	struct state *t = state_new();

	TS_ASSERT(block_decode(t, s->chunk[0]->number, buf_as_str(b)));
	same(s, t);
	state_free(&t);
}

static void
change_again(struct str body, struct buf *b)
{
	struct delta *d = delta_decode(7, body), *e;

	if (d == NULL)
		return;
	b->n = 0;
	delta_encode(d, b);
	e = delta_decode(7, buf_as_str(b));
	TS_ASSERT(e != NULL && e->added_count == d->added_count && e->flag_count == d->flag_count);
	delta_free(&d);
	delta_free(&e);
}

static void
summary(struct str body)
{
	struct mail_summary s;

	if (mail_summary_open(body, &s) != TS_OK)
		return;
	for (int i = 0; i < MAIL_TEXT_COUNT; i++) {
		struct str t = mail_summary_text(&s, (enum mail_text)i);

		TS_ASSERT(t.n == 0 || (t.p >= body.p && t.p + t.n <= body.p + body.n));
	}
	(void)mail_summary_structure(&s, true, true);
	(void)mail_summary_structure(&s, false, false);
	for (uint32_t i = 0; i < s.part_count && i < 1000; i++) {
		struct mail_part part;

		mail_summary_part(&s, i, &part);
	}
}

static void
user(struct str body)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct auth_user one, two;
	struct buf b = {0};

	if (auth_user_parse(STR("anna"), body, arena, &one)) {
		auth_user_print(&one, &b);
		TS_ASSERT(auth_user_parse(STR("anna"), buf_as_str(&b), arena, &two));
		TS_ASSERT(one.verifier_count == two.verifier_count &&
		          one.acts_for_count == two.acts_for_count);
		(void)auth_user_acts_for(&one, STR("bob@example.net"));
	}
	buf_fini(&b);
	arena_free(&arena);
}

static void
grant(struct str body)
{
	struct auth_grant *one = auth_grant_parse(STR("g"), body), *two;
	struct buf b = {0};

	if (one != NULL) {
		auth_grant_print(one, &b);
		two = auth_grant_parse(STR("g"), buf_as_str(&b));
		TS_ASSERT(two != NULL);
		auth_grant_unref(&two);
		auth_grant_unref(&one);
	}
	buf_fini(&b);
}

static void
one_record(unsigned kind, struct str body)
{
	struct buf b = {0};
	struct state *s;

	switch (kind) {
	case 'b':
	case 'd':
	case 'h':
	case 'j':
		s = state_of(kind, body);
		if (s != NULL && kind == 'b')
			again(s, &b);
		state_free(&s);
		if (kind == 'd')
			change_again(body, &b);
		break;
	case 's':
		summary(body);
		break;
	case 'u':
		user(body);
		break;
	case 'g':
		grant(body);
		break;
	default:
		break;
	}
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_set_sink(no_log, NULL);
	if (size > 0)
		one_record(data[0], (struct str){(const char *)data + 1, size - 1});
	return 0;
}
