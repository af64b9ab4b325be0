/* SPDX-License-Identifier: Apache-2.0 */
/* See world.h. */
#include "world.h"

#include <stdio.h>

#include "base/mem.h"
#include "net/work.h"
#include "store/own.h"
#include "store/reader.h"

#define USER "alice@example.net"
#define PREFIX "Other Users/alice@example.net/"
#define PASSWORD "secret"

const char *const change_names[CHANGES] = {"nothing", "EXPUNGE of the first", "EXPUNGE of some",
    "EXPUNGE of all", "MOVE of the second", "APPEND", "APPEND with a keyword", "a new keyword",
    "\\Seen on all", "flags on some", "\\Deleted", "APPEND and EXPUNGE",
    "delivery to both mailboxes"};

static const char *const users[USERS] = {"alice", "bob", "carol"};

static void
look(void *arg)
{
	struct world *w = arg;

	if (w->hold != NULL)
		w->hold(w, ++w->looks);
}

void
world_open(struct world *w)
{
	*w = (struct world){0};
	w->site = site_new(&(struct site_options){.conf = STR("plaintext_login = always\n")});
	w->site->looked = look;
	w->site->looked_arg = w;
	for (unsigned i = 0; i < USERS; i++)
		site_user(w->site, users[i], PASSWORD, NULL, false);
	site_mailbox(w->site, "alice", "INBOX");
	w->account = store_account_find(w->site->store, STR(USER));
	TS_ASSERT(w->account != NULL);
	world_slices(w, false);
}

void
world_close(struct world *w)
{
	store_account_unref(&w->account);
	site_free(&w->site);
}

void
world_begin(struct world *w, uint64_t seed, unsigned sessions, bool resync)
{
	static unsigned runs;
	char name[32];
	enum ts_err err;

	(void)snprintf(name, sizeof(name), "r%u", ++runs);
	truth_init(&w->truth, seed, name);
	for (unsigned i = 0; i < MAILBOXES; i++) {
		site_mailbox(w->site, "alice", w->truth.boxes[i].name);
		w->boxes[i] = store_mailbox_find(w->account, str_of(w->truth.boxes[i].name), &err);
		TS_ASSERT(w->boxes[i] != NULL);
	}
	w->viewer_count = sessions;
	for (unsigned i = 0; i < sessions; i++) {
		unsigned user = w->rights != NULL ? i % USERS : 0;
		struct buf *out;

		viewer_init(&w->sessions[i], &w->truth, i + 1, i % 3 == 2, resync && i % 2 == 0);
		if (user > 0)
			viewer_as(&w->sessions[i], user, PREFIX, w->rights[user - 1]);
		site_connect(w->site, i, NULL, false, false);
		out = stream_fake_output(w->site->clients[i].fake);
		buf_fini(out); /* the greeting */
		viewer_login(&w->sessions[i], users[user], PASSWORD);
	}
	world_run(w);
}

void
world_end(struct world *w)
{
	w->hold = NULL;
	for (unsigned i = 0; i < w->viewer_count; i++) {
		site_disconnect(w->site, i);
		viewer_fini(&w->sessions[i]);
	}
	w->viewer_count = 0;
	while (w->ready_count > 0)
		store_upload_free(&w->ready[--w->ready_count].upload);
	for (unsigned i = 0; i < MAILBOXES; i++)
		store_mailbox_unref(&w->boxes[i]);
	truth_fini(&w->truth);
}

void
world_slices(struct world *w, bool shortest)
{
	w->site->il.slice_ns = shortest ? 0 : (uint64_t)1 << 40;
	w->site->il.pace.long_ns = (uint64_t)1 << 40;
	work_pool_set_questions(w->site->server.workers, shortest ? 1 : 0);
}

void
world_share(struct world *w)
{
	void (*hold)(struct world *, unsigned) = w->hold;

	w->hold = NULL;
	w->truth.now++;
	w->truth.shared = true;
	truth_log(&w->truth, "other", '!', STR("shared"));
	for (unsigned i = 0; i < MAILBOXES; i++) {
		site_acl(w->site, "alice", w->truth.boxes[i].name, "bob@example.net", w->rights[0]);
		site_acl(
		    w->site, "alice", w->truth.boxes[i].name, "carol@example.net", w->rights[1]);
	}
	w->hold = hold;
}

void
world_send(struct world *w, unsigned i, size_t most)
{
	struct buf *out = &w->sessions[i].out;
	size_t n = out->n < most ? out->n : most;

	if (n == 0 || stream_fake_ended(w->site->clients[i].fake, NULL))
		return;
	stream_fake_push(w->site->clients[i].fake, (struct str){out->p, n});
	buf_consume(out, n);
}

void
world_take(struct world *w)
{
	for (unsigned i = 0; i < w->viewer_count; i++) {
		struct stream_fake *fake = w->site->clients[i].fake;
		struct buf *out = stream_fake_output(fake);

		viewer_take(&w->sessions[i], buf_as_str(out));
		buf_fini(out);
		if (stream_fake_ended(fake, NULL) && !w->sessions[i].bye)
			truth_fault(&w->truth,
			    "session %s: the server has closed, %zu bytes into a response",
			    w->sessions[i].name, w->sessions[i].in.n);
	}
}

void
world_run(struct world *w)
{
	for (unsigned i = 0; i < w->viewer_count; i++)
		world_send(w, i, SIZE_MAX);
	while (w->tasks && loop_fake_step(w->site->loop))
		look(w);
	site_run(w->site);
	world_take(w);
}

/* ---- changes */

static struct store_change *
change_new(struct world *w, enum store_change_kind kind)
{
	struct store_change *c = store_change_new(w->account, kind, NULL, NULL, NULL);

	c->mailbox = w->boxes[0];
	w->truth.now++;
	return c;
}

static void
submit(struct store_change *c)
{
	enum ts_err err = store_submit_wait(c);

	if (err != TS_OK)
		fprintf(stderr, "kind %u: error %u\n", (unsigned)c->kind, (unsigned)err);
	TS_ASSERT(err == TS_OK);
}

/* The truth's flags are bits: the system flags in order, then keywords by number. */
static void
set_flags(uint32_t flags, struct store_flags *system, const struct str **keywords, size_t *count,
    struct arena *arena)
{
	struct str *names = arena_array(arena, FLAGS, sizeof(*names));
	struct buf text = {0};

	system->w[0] = flags & FLAGS_SYSTEM;
	for (unsigned f = 5; f < FLAGS; f++)
		if ((flags >> f & 1) != 0) {
			text.n = 0;
			flags_print(1u << f, &text); /* (keyN) */
			names[(*count)++] = arena_str(arena, (struct str){text.p + 1, text.n - 2});
		}
	buf_fini(&text);
	*keywords = names;
}

static void
uploaded(void *arg, enum ts_err err)
{
	*(enum ts_err *)arg = err;
}

void
world_prepare(struct world *w)
{
	enum ts_err err[READY];

	for (; w->ready_count < READY; w->ready_count++) {
		struct ready *r = &w->ready[w->ready_count];
		struct buf text = {0};

		r->id = w->truth.next_id++;
		r->upload = store_upload_new(
		    w->site->store, w->site->server.workers, w->site->loop, (struct work_who){0});
		truth_text(&w->truth, r->id, &text);
		(void)store_upload_write(r->upload, buf_as_str(&text), NULL, NULL);
		store_upload_finish(r->upload, uploaded, &err[w->ready_count]);
		buf_fini(&text);
	}
	site_run(w->site);
}

void
world_append(struct world *w, unsigned count, uint32_t flags)
{
	struct store_change *c = change_new(w, STORE_CHANGE_APPEND);
	struct truth *t = &w->truth;

	TS_ASSERT(count <= w->ready_count);
	c->items = arena_array(c->arena, count, sizeof(*c->items));
	c->item_count = count;
	for (unsigned i = 0; i < count; i++) {
		c->items[i].upload = w->ready[i].upload;
		set_flags(flags, &c->items[i].flags, &c->items[i].keywords,
		    &c->items[i].keyword_count, c->arena);
	}
	submit(c);
	for (unsigned i = 0; i < count; i++)
		(void)truth_added(
		    t, &t->boxes[0], c->first_uid + i, w->ready[i].id, t->now, flags, 0);
	w->ready_count -= count;
	memmove(w->ready, w->ready + count, w->ready_count * sizeof(*w->ready));
	store_change_free(&c);
}

/* The first mailbox gets it before the other: the same bytes (store_upload_share()). */
static void
deliver(struct world *w)
{
	struct ready *r = &w->ready[0];
	struct store_upload *upload[MAILBOXES] = {NULL, r->upload};
	struct truth *t = &w->truth;

	upload[0] = store_upload_share(r->upload);
	for (unsigned i = 0; i < MAILBOXES; i++) {
		struct store_change *c = change_new(w, STORE_CHANGE_APPEND);

		c->mailbox = w->boxes[i];
		c->items = arena_array(c->arena, 1, sizeof(*c->items));
		c->item_count = 1;
		c->items[0] = (struct store_append_item){.upload = upload[i]};
		submit(c);
		(void)truth_added(t, &t->boxes[i], c->first_uid, r->id, t->now, 0, 0);
		store_change_free(&c);
	}
	w->ready_count--;
	memmove(w->ready, w->ready + 1, w->ready_count * sizeof(*w->ready));
}

/* Picks from the existing messages, from one on in steps; the last one if from is SIZE_MAX. */
static roaring_bitmap_t *
pick(struct world *w, size_t from, size_t step, size_t most)
{
	roaring_bitmap_t *set = roaring_bitmap_create();
	struct mailbox *box = &w->truth.boxes[0];
	size_t n = 0, k = 0;

	for (size_t i = box->count; from == SIZE_MAX && i > 0; i--)
		if (box->messages[i - 1]->gone == NEVER)
			return roaring_bitmap_add(set, box->messages[i - 1]->uid), set;
	for (size_t i = 0; i < box->count && n < most; i++)
		if (box->messages[i]->gone == NEVER && k++ >= from && (k - 1 - from) % step == 0) {
			roaring_bitmap_add(set, box->messages[i]->uid);
			n++;
		}
	return set;
}

/* Alice's own. */
static void
mark_own(struct world *w, struct store_change *c)
{
	struct store_reader reader = {.mailbox = w->boxes[0]};

	c->own = store_reader_own(&reader);
	c->own_kind = STORE_OWN_MARK;
	c->source = w->boxes[0];
	c->mailbox = NULL;
}

static void
store_flags(struct world *w, roaring_bitmap_t *set, uint32_t flags)
{
	bool own = flags == FLAG_SEEN && w->truth.shared;
	struct store_change *c = change_new(w, own ? STORE_CHANGE_OWN : STORE_CHANGE_FLAGS);
	struct truth *t = &w->truth;
	roaring_uint32_iterator_t it;

	if (own)
		mark_own(w, c);
	c->mode = STORE_FLAGS_ADD;
	c->uids = set;
	set_flags(flags, &c->flags, &c->keywords, &c->keyword_count, c->arena);
	submit(c);
	for (roaring_init_iterator(set, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
		struct message *m = truth_find(&t->boxes[0], it.current_value);

		truth_write(t, m, flags, flags);
		truth_wrote(t, m, t->now, true);
	}
	if (own)
		store_own_unref(&c->own);
	store_change_free(&c);
}

static void
gone(struct world *w, const roaring_bitmap_t *set)
{
	struct truth *t = &w->truth;
	roaring_uint32_iterator_t it;

	for (roaring_init_iterator(set, &it); it.has_value; roaring_advance_uint32_iterator(&it)) {
		struct message *m = truth_find(&t->boxes[0], it.current_value);

		m->gone_then = m->gone == NEVER && !truth_may_be_gone(t, &t->boxes[0], m);
		truth_gone(t, m);
	}
	while (store_background_step(w->site->store))
		continue;
}

static void
expunge(struct world *w, roaring_bitmap_t *set)
{
	struct store_change *c;

	store_flags(w, roaring_bitmap_copy(set), FLAG_DELETED);
	c = change_new(w, STORE_CHANGE_EXPUNGE);
	c->uids = set;
	submit(c);
	gone(w, set);
	store_change_free(&c);
}

static void
move(struct world *w, roaring_bitmap_t *set)
{
	struct store_change *c = change_new(w, STORE_CHANGE_MOVE);
	struct truth *t = &w->truth;

	c->source = w->boxes[0];
	c->mailbox = w->boxes[1];
	c->uids = set;
	submit(c);
	for (size_t i = 0; i < c->pair_count; i++) {
		const struct message *m = truth_find(&t->boxes[0], c->pairs[i].source);

		(void)truth_added(t, &t->boxes[1], c->pairs[i].target, m->id, t->now, 0, FLAGS_ALL);
	}
	gone(w, set);
	store_change_free(&c);
}

void
world_change(struct world *w, enum change change)
{
	truth_log(&w->truth, "other", '!', str_of(change_names[change]));
	switch (change) {
	case CHANGE_EXPUNGE_FIRST:
		return expunge(w, pick(w, 0, 1, 1));
	case CHANGE_EXPUNGE_SOME:
		return expunge(w, pick(w, 1, 2, SIZE_MAX));
	case CHANGE_EXPUNGE_ALL:
		return expunge(w, pick(w, 0, 1, SIZE_MAX));
	case CHANGE_MOVE_SECOND:
		return move(w, pick(w, 1, 1, 1));
	case CHANGE_APPEND:
		return world_append(w, 1, 0);
	case CHANGE_APPEND_KEYWORD:
		return world_append(w, 1, 1u << 20);
	case CHANGE_KEYWORD:
		return store_flags(w, pick(w, 2, 1, 1), 1u << 21);
	case CHANGE_SEEN:
		return store_flags(w, pick(w, 0, 1, SIZE_MAX), FLAG_SEEN);
	case CHANGE_FLAGS:
		return store_flags(w, pick(w, 0, 2, SIZE_MAX), FLAG_FLAGGED | FLAG_ANSWERED);
	case CHANGE_DELETED:
		return store_flags(w, pick(w, SIZE_MAX, 1, 1), FLAG_DELETED);
	case CHANGE_APPEND_EXPUNGE:
		world_append(w, 1, 0);
		return expunge(w, pick(w, 0, 1, 1));
	case CHANGE_DELIVER:
		return deliver(w);
	default:
		return;
	}
}
