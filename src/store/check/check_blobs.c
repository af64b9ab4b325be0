/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that nothing refers to: files without a reference, and, after
 * acknowledged data was given up, small messages without one.
 */
#include "base/mem.h"
#include "store/check/check_int.h"

/* Messages put into "Lost and found" at once: many, since each call reads what is there already. */
#define PIECE ((size_t)65536)

struct blobs {
	uint64_t *blob;
	size_t n, cap;
};

static void
found(uint64_t blob, void *arg)
{
	struct blobs *f = arg;

	if (f->n == f->cap) {
		f->cap = f->cap > 0 ? f->cap * 2 : 64;
		f->blob = mem_realloc(f->blob, f->cap * sizeof(*f->blob));
	}
	f->blob[f->n++] = blob;
}

/* Sets damaged blobs aside: they could not be put in, and must not be taken for leftovers. */
static void
set_damaged_aside(struct check *c, uint64_t account, const struct adopt *lost, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool taken;

		if (account_refers(c->store, account, lost[i].blob, &taken) != TS_OK || taken)
			continue;
		check_say(c, CHECK_MESSAGE, 0,
		    engine_blob_set_aside(c->store->engine, lost[i].blob, ENGINE_ASIDE_DAMAGED) ==
		            TS_OK
		        ? "moved to damaged/ in the store's folder"
		        : NULL,
		    "the %s %016llx belongs to no message and is damaged",
		    (lost[i].blob & STORE_BLOB_FILE) != 0 ? "large file" : "blob",
		    (unsigned long long)lost[i].blob);
	}
}

static enum ts_err
take_piece(struct check *c, const struct adopt *lost, size_t n, const char *what)
{
	size_t taken = 0;
	uint64_t account = 0;
	uint32_t mailbox;
	enum ts_err err = check_lost_and_found(c, &account, &mailbox);

	if (err == TS_OK)
		err = check_adopt(c, account, mailbox, lost, n, &taken);
	check_say(c, CHECK_LOST, 0,
	    err == TS_OK ? "put into \"Lost and found\" of the account lost+found" : NULL, "%zu %s",
	    err == TS_OK ? taken : n, what);
	if (err == TS_OK)
		set_damaged_aside(c, account, lost, n);
	return err;
}

/* Collects all blobs that any row names. */
static enum ts_err
all_named(struct check *c, struct blob_set *set)
{
	uint64_t account = 0;
	enum ts_err err = check_named(c, 0, KEY_HOLDER, set);

	while (err == TS_OK && (err = account_next(c->store, account, &account)) == TS_OK) {
		err = check_named(c, account, KEY_REF, set);
		if (err == TS_OK)
			err = check_named(c, account, KEY_QUEUE, set);
	}
	return err == TS_NOT_FOUND ? TS_OK : err;
}

/* Puts in those without a reference. */
static enum ts_err
take_in(struct check *c, const struct blobs *b, const char *what)
{
	struct adopt *lost = mem_zalloc((b->n + 1) * sizeof(*lost));
	struct blob_set named = {0};
	enum ts_err err = b->n > 0 ? all_named(c, &named) : TS_OK;
	size_t n = 0;

	for (size_t i = 0; i < b->n && err == TS_OK; i++)
		if (!blob_set_has(&named, b->blob[i]))
			lost[n++] = (struct adopt){.blob = b->blob[i]};
	for (size_t at = 0; at < n && err == TS_OK; at += PIECE)
		err = take_piece(c, lost + at, n - at < PIECE ? n - at : PIECE, what);
	mem_free(lost);
	blob_set_fini(&named);
	return err;
}

static enum ts_err
each(struct check *c,
    enum ts_err (*list)(struct engine *engine, void (*fn)(uint64_t blob, void *arg), void *arg),
    const char *what)
{
	struct blobs b = {0};
	enum ts_err err = list(c->store->engine, found, &b);

	if (err == TS_OK)
		err = take_in(c, &b, what);
	mem_free(b.blob);
	return err;
}

/*
 * A file without a reference is normally left by a crash while a message was
 * arriving: the background removes it, and it is no damage.  After acknowledged
 * data was given up it may be a message.  A small message comes and goes in one
 * batch with its reference, or with a note that it is to be looked at: one with
 * neither has lost them.
 */
void
check_strays(struct check *c)
{
	struct engine *engine = c->store->engine;
	enum ts_err err;

	if (!c->opt->repair || engine_blob_take_back(engine) != TS_OK || !engine_recovered(engine))
		return;
	err = each(c, engine_blob_files, "large files belong to no message");
	if (err == TS_OK)
		err = each(c, engine_blob_each, "messages have lost their place");
	if (err == TS_OK)
		err = each(c, engine_blob_each_stray,
		    "messages have lost their place, and nobody knows whether they had been "
		    "deleted");
	if (err == TS_OK)
		(void)engine_recovered_end(engine);
}
