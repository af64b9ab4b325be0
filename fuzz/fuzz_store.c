/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole store of known mail in which records are changed, with correct checksums:
 *	r KEY AT LENGTH bytes: bytes of the value of the KEYth record
 *	v KEY LENGTH bytes: its whole value
 *	x KEY: the record goes
 *	k LENGTH key LENGTH value: a record of any key
 * Then it is opened, checked, read and folded, checked with repair and checked again: after a
 * repair, only unknown keys may be found.
 */
#include <stdio.h>
#include <stdlib.h>

#include "auth/alias.h"
#include "auth/users.h"
#include "base/log.h"
#include "base/mem.h"
#include "site.h"
#include "store/check.h"
#include "store/memory/memory_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KEYS_MOST = 400 };

static struct engine_mem_disk *disk;
static struct record_kept {
	struct str key, body;
} * kept;
static size_t kept_count;

static void
no_log(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

static void
keep_records(struct engine *e)
{
	struct engine_iter *it = engine_iter_new(e, STR(""), STR_NONE, false);
	struct str key, value, body;

	kept = mem_zalloc(KEYS_MOST * sizeof(*kept));
	while (kept_count < KEYS_MOST && engine_iter_next(it, &key, &value) == TS_OK) {
		TS_ASSERT(value_open(key, value, &body));
		kept[kept_count].key = (struct str){mem_dup(key.p, key.n), key.n};
		kept[kept_count++].body = (struct str){mem_dup(body.p, body.n), body.n};
	}
	engine_iter_free(&it);
}

static struct store_options
options(struct engine_mem_disk *on)
{
	struct store_options opt;

	store_options_default(&opt);
	opt.engine = &engine_mem_class;
	opt.engine_options.own = on;
	opt.lanes = 0;
	opt.salvage = true;
	return opt;
}

static void
must(struct store_change *c)
{
	TS_ASSERT(store_submit_wait(c) == TS_OK);
	store_change_free(&c);
}

static void
put_property(struct store_account *account, struct store_mailbox *mailbox)
{
	static struct store_property_op op = {.name = {"acl/c", 5}, .value = {"lrswipkxte", 10}};
	struct store_change *c =
	    store_change_new(account, STORE_CHANGE_PROPERTIES, NULL, NULL, NULL);

	c->mailbox = mailbox;
	c->properties = &op;
	c->property_count = 1;
	must(c);
}

static struct store_mailbox *
inbox_of(struct store *store, const char *name)
{
	struct store_account *account;
	struct store_mailbox *mailbox;

	TS_ASSERT(store_account_load(store, str_of(name), true, &account) == TS_OK);
	TS_ASSERT(store_mailbox_load(account, STR("INBOX"), &mailbox) == TS_OK);
	store_account_unref(&account);
	return mailbox;
}

/* Adds properties, messages that two users share, and a removed one that is still in the queue. */
static void
add_more(void)
{
	struct store_options opt = options(disk);
	struct store_mailbox *from, *to;
	struct store_change *c;
	struct store *store;
	char *text;

	TS_ASSERT(store_open(&opt, &store, &text) == TS_OK);
	from = inbox_of(store, "a");
	to = inbox_of(store, "c");
	put_property(store_mailbox_account(from), from);
	put_property(store_mailbox_account(from), NULL);
	for (unsigned i = 0; i < 2; i++) {
		c = store_change_new(store_mailbox_account(to),
		    i == 0 ? STORE_CHANGE_COPY : STORE_CHANGE_MOVE, NULL, NULL, NULL);
		c->source = from;
		c->mailbox = to;
		c->uids = roaring_bitmap_of(1, i + 1);
		must(c);
	}
	store_mailbox_unref(&from);
	store_mailbox_unref(&to);
	store_close(&store);
}

/* Makes users, an alias, and mailboxes with some history; once. */
static void
make(void)
{
	static const char mail[] = "From: a@example.net\r\nSubject: one\r\n\r\ntext\r\n";
	struct site *site = site_new(&(struct site_options){.conf = STR("")});
	struct store_options opt;
	struct engine *e;
	char *text;

	site_user(site, "a", "b", "*", true);
	site_user(site, "c", "d", NULL, true);
	site_mailbox(site, "a", "Work");
	site_mailbox(site, "a", "Work/Old");
	for (int i = 0; i < 5; i++)
		site_message(site, "a", i % 2 == 0 ? "INBOX" : "Work", i == 1 ? "\\Seen word" : "",
		    (struct str){mail, sizeof(mail) - 1});
	disk = engine_mem_image(site->disk);
	site_free(&site);
	add_more();
	opt = options(disk);
	TS_ASSERT(engine_open(&engine_mem_class, &opt.engine_options, &e, &text) == TS_OK);
	keep_records(e);
	engine_close(&e);
}

static struct str
piece(struct rd *r)
{
	size_t n = rd_u8(r);

	return rd_bytes(r, n < rd_left(r) ? n : rd_left(r));
}

static void
put(struct engine_batch *batch, struct str key, struct str body)
{
	struct buf b = {0};

	value_begin(&b);
	buf_str(&b, body);
	value_seal(&b, key);
	engine_batch_put(batch, key, buf_as_str(&b));
	buf_fini(&b);
}

/* Makes one of the input's changes. */
static void
change(struct rd *r, struct engine_batch *batch)
{
	unsigned what = rd_u8(r);
	struct record_kept *k;
	struct buf b = {0};
	struct str key, bytes;
	size_t at;

	if (what == 'k') {
		key = piece(r);
		if (key.n > 0)
			put(batch, key, piece(r));
		return;
	}
	k = &kept[(rd_u8(r) | (size_t)rd_u8(r) << 8) % kept_count];
	switch (what) {
	case 'r':
		at = rd_u8(r);
		bytes = piece(r);
		buf_str(&b, k->body);
		for (size_t i = 0; i < bytes.n && at + i < b.n; i++)
			b.p[at + i] = bytes.p[i];
		put(batch, k->key, buf_as_str(&b));
		break;
	case 'v':
		put(batch, k->key, piece(r));
		break;
	case 'x':
		engine_batch_delete(batch, k->key);
		break;
	default:
		break;
	}
	buf_fini(&b);
}

static bool
one_user(const struct auth_user *u, void *arg)
{
	(void)u, (void)arg;
	return true;
}

static bool
one_alias(const struct auth_alias *a, void *arg)
{
	(void)a, (void)arg;
	return true;
}

/* A repair may leave only keys that this version does not know. */
static void
tell(const struct check_finding *f, void *arg)
{
	bool *clean = arg;

	if (clean == NULL || strstr(f->what, "of no known kind") != NULL)
		return;
	*clean = false;
	fprintf(stderr, "%s %.*s/%.*s %u: %s (%s)\n", check_kind_name(f->kind), STR_ARG(f->account),
	    STR_ARG(f->mailbox), f->uid, f->what, f->done != NULL ? f->done : "-");
}

static void
check(struct store *store, bool repair, bool *clean)
{
	struct check_result r;
	struct check_options opt = {.repair = repair, .found = tell, .arg = clean};

	(void)!store_check(store, &opt, &r);
}

/* Uses the store as a server does. */
static void
use(struct store *store)
{
	struct auth *auth = auth_new_sized(store, STR(""), 64);
	static const char *const names[] = {"a", "c"};
	static const char *const boxes[] = {"INBOX", "Work", "Work/Old"};

	(void)!auth_users_list(auth, one_user, NULL);
	(void)!auth_alias_list(auth, one_alias, NULL);
	for (size_t i = 0; i < 2; i++) {
		struct store_account *account = NULL;

		if (store_account_load(store, str_of(names[i]), false, &account) != TS_OK)
			continue;
		for (size_t j = 0; j < 3; j++) {
			struct store_mailbox *mailbox = NULL;

			if (store_mailbox_load(account, str_of(boxes[j]), &mailbox) == TS_OK)
				store_mailbox_unref(&mailbox);
		}
		store_account_unref(&account);
	}
	auth_free(&auth);
	for (int i = 0; i < 1000 && store_background_step(store); i++)
		;
}

static void
whole_store(struct rd *r)
{
	struct engine_mem_disk *image = engine_mem_image(disk);
	struct store_options opt = options(image);
	struct engine_batch *batch = engine_batch_new();
	struct store *store = NULL;
	struct engine *e;
	char *text = NULL;

	TS_ASSERT(engine_open(&engine_mem_class, &opt.engine_options, &e, &text) == TS_OK);
	for (int i = 0; i < 8 && r->p < r->end; i++)
		change(r, batch);
	(void)engine_commit(e, batch);
	engine_batch_free(&batch);
	engine_close(&e);
	if (store_open(&opt, &store, &text) == TS_OK) {
		check(store, false, NULL);
		use(store);
		check(store, true, NULL);
		store_close(&store);
		if (store_open(&opt, &store, &text) == TS_OK) {
			bool clean = true;

			check(store, false, &clean);
			TS_ASSERT(clean);
			use(store);
		}
	}
	store_close(&store);
	free(text);
	engine_mem_disk_free(&image);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_of((struct str){(const char *)data, size});

	log_set_sink(no_log, NULL);
	if (disk == NULL)
		make();
	whole_store(&r);
	return 0;
}
