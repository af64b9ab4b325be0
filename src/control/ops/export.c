/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operation `export`: sends an account as a mailstream.  After each mailbox's record it asks the
 * command which messages it already has, as pairs of varints (UIDs left out, UIDs that follow); for
 * those it sends everything but the bytes.
 */
#include "base/mem.h"
#include "control/ops/ops.h"
#include "control/ops/seen.h"
#include "control/ops/target.h"
#include "port/mailstream.h"

#define WINDOW 256
#define NAMED_MAX 1000 /* messages whose omitted keywords are named; the rest are only counted */

struct export
{
	const struct ops *ops;
	struct op_io *io;
	struct buf *out;
	struct store_account *account;
	struct str only; /* a mailbox; empty: all */
	struct buf names;
	struct buf stream;
	uint64_t total, done, damaged, words, properties;
	size_t named;
	bool have; /* the command tells what it has */
	bool ids;  /* object ids are wanted */
};

static bool
send_some(struct export *ex, size_t mark)
{
	if (ex->stream.n <= mark)
		return true;

	bool ok = ex->io->send(ex->io, buf_as_str(&ex->stream));

	ex->stream.n = 0;
	return ok;
}

static bool
note_mailbox(const struct store_mailbox_info *info, void *arg)
{
	struct export *ex = arg;

	if (ex->only.n > 0 && !str_eq(ex->only, info->name))
		return true;
	buf_vstr(&ex->names, info->name);
	ex->total += info->id != 0 ? info->counters.messages : 0;
	return true;
}

static roaring_bitmap_t *
ask_have(struct export *ex, bool *ok_r)
{
	roaring_bitmap_t *set = roaring_bitmap_create();
	struct buf b = {0};
	uint64_t at = 0;

	*ok_r = send_some(ex, 0) && (!ex->have || ex->io->receive(ex->io, &b));

	struct rd r = rd_of(buf_as_str(&b));

	while (rd_left(&r) > 0 && !r.bad) {
		uint64_t from = at + rd_varint(&r), n = rd_varint(&r);

		if (r.bad || from > UINT32_MAX || n > UINT32_MAX || from + n > UINT32_MAX)
			break;
		if (n > 0)
			roaring_bitmap_add_range_closed(
			    set, (uint32_t)from, (uint32_t)(from + n - 1));
		at = from + n;
	}
	buf_fini(&b);
	return set;
}

/* Names and leaves out what does not fit into a record. */
static void
put_keywords(struct export *ex, const struct store_keywords *keywords, struct str name,
    const struct store_message *m, struct buf *words)
{
	unsigned lost = 0;

	for (unsigned f = STORE_FIRST_KEYWORD; f < store_keywords_end(keywords); f++) {
		struct str word = store_keywords_name(keywords, f);

		if (word.p == NULL || !store_flags_has(&m->flags, f))
			continue;
		if (words->n + word.n > MAILSTREAM_RECORD_MAX / 2)
			lost++;
		else
			buf_vstr(words, word);
	}
	ex->words += lost;
	if (lost > 0 && ex->named++ < NAMED_MAX)
		buf_printf(ex->out,
		    "left out: %.*s, UID %u: %u keywords that together are too long\n",
		    STR_ARG(name), m->uid, lost);
}

/* False: nobody is reading. */
static bool
put_bytes(struct export *ex, const struct store_message *m, enum ts_err *err_r)
{
	struct buf b = {0};
	bool ok = true;

	*err_r = TS_OK;
	for (uint64_t at = 0; ok && at < m->size; at += b.n) {
		b.n = 0;
		*err_r = store_read_blob(ex->ops->store, m->blob, at, MAILSTREAM_PIECE, &b);
		if (*err_r == TS_OK && b.n == 0)
			*err_r = TS_DAMAGED;
		if (*err_r != TS_OK)
			break;
		mailstream_put_data(&ex->stream, buf_as_str(&b));
		ok = send_some(ex, MAILSTREAM_RECORD_MAX / 4);
	}
	buf_fini(&b);
	return ok;
}

static bool
take_stored_ids(uint32_t uid, enum ts_err err, struct str bytes, void *arg)
{
	struct mail_summary summary;

	(void)uid;
	if (err == TS_OK && mail_summary_open(bytes, &summary) == TS_OK)
		(void)store_summary_ids(&summary, arg);
	return false;
}

/* Those of its number, unless it has others. */
static void
put_ids(struct export *ex, struct store_mailbox *mb, const struct store_message *m)
{
	struct store_message_ids ids;
	unsigned char bytes[MAILSTREAM_IDS_BYTES];

	_Static_assert(sizeof(ids) == sizeof(bytes), "a record holds the ids of a message");
	store_other_message_ids(store_own_id(ex->ops->store), m->blob, &ids);
	if (store_message_has_ids(m))
		store_read_summaries(mb, &m->uid, 1, take_stored_ids, &ids);
	memcpy(bytes, &ids, sizeof(bytes));
	mailstream_put_ids(&ex->stream, bytes);
}

static bool
send_message(struct export *ex, struct store_mailbox *mb, const struct store_keywords *keywords,
    struct str name, const struct store_message *m, bool bare)
{
	struct mailstream_message out = {.uid = m->uid,
	    .internaldate = m->internaldate,
	    .savedate = m->savedate,
	    .zone = m->zone,
	    .flags = (uint32_t)(m->flags.w[0] & ((1u << STORE_FIRST_KEYWORD) - 1)),
	    .size = m->size,
	    .bare = bare};
	struct buf words = {0};
	enum ts_err err = TS_OK;

	if (ex->ids)
		put_ids(ex, mb, m);
	if (!bare && !put_bytes(ex, m, &err))
		return false;
	if (err != TS_OK) {
		struct store_message now;

		mailstream_put_drop(&ex->stream);
		store_mailbox_read_begin(mb);
		bool there = store_mailbox_message(mb, m->uid, &now);
		store_mailbox_read_end(mb);
		if (!there) /* expunged meanwhile */
			return true;
		ex->damaged++;
		buf_printf(ex->out, "damaged: %.*s, UID %u: %s\n", STR_ARG(name), m->uid,
		    ts_err_name(err));
		return true;
	}
	put_keywords(ex, keywords, name, m, &words);
	out.keywords = buf_as_str(&words);
	mailstream_put_message(&ex->stream, &out);
	buf_fini(&words);
	return send_some(ex, MAILSTREAM_RECORD_MAX / 4);
}

static bool
put_messages(struct export *ex, struct store_mailbox *mb, struct str name)
{
	struct store_reader reader = {.mailbox = mb};
	struct store_message *w = mem_zalloc(WINDOW * sizeof *w);
	uint32_t from = 0;
	size_t n;
	bool ok;
	roaring_bitmap_t *have = ask_have(ex, &ok);

	do {
		struct store_keywords *keywords;

		store_reader_begin(&reader);
		n = store_reader_window(&reader, NULL, from, w, WINDOW);
		keywords = store_mailbox_keywords(mb);
		store_reader_end(&reader);
		for (size_t i = 0; ok && i < n; i++)
			ok = send_message(
			    ex, mb, keywords, name, &w[i], roaring_bitmap_contains(have, w[i].uid));
		store_keywords_unref(&keywords);
		if (n > 0)
			from = w[n - 1].uid + 1;
		ex->done += n;
		ex->io->progress(ex->io, "messages", ex->done, ex->total);
	} while (ok && n == WINDOW && !ex->io->gone(ex->io));
	roaring_bitmap_free(have);
	mem_free(w);
	return ok;
}

/* Takes over the reference; mailbox empty: they are the account's own. */
static void
put_properties(struct export *ex, struct str mailbox, struct store_properties *properties)
{
	for (size_t i = 0; i < store_properties_count(properties); i++) {
		struct str name, value;

		store_properties_at(properties, i, &name, &value);
		/* What the user was warned of last (store/quota.h) is nothing elsewhere. */
		if (store_property_is_reserved(name) || str_has_prefix(name, STR("quota/warned/")))
			continue;
		if (name.n + value.n <= MAILSTREAM_PROPERTY_MAX) {
			mailstream_put_property(&ex->stream, name, value);
			continue;
		}
		ex->properties++;
		buf_printf(ex->out, "left out: %.*s, the property %.*s: it is too large\n",
		    STR_ARG(mailbox.n > 0 ? mailbox : store_account_name(ex->account)),
		    STR_ARG(name));
	}
	store_properties_unref(&properties);
}

static bool
send_mailbox(struct export *ex, struct str name)
{
	struct store_mailbox_info info;
	struct store_mailbox *mb = NULL;
	struct str object_id = STR_NONE;
	char id[STORE_OBJECT_ID];
	bool ok = true;

	if (!store_account_lookup(ex->account, name, &info)) {
		info = (struct store_mailbox_info){.subscribed = true};
	} else {
		enum ts_err err = store_mailbox_load(ex->account, name, &mb);

		if (err == TS_DAMAGED) {
			ex->damaged++;
			buf_printf(ex->out, "damaged: mailbox %.*s: not exported\n", STR_ARG(name));
			return true;
		}
		if (err == TS_NOT_FOUND)
			return true; /* deleted meanwhile */
		if (err != TS_OK) {
			buf_printf(ex->out, "%.*s: %s\n", STR_ARG(name), ts_err_name(err));
			return false;
		}
		store_mailbox_counters(mb, &info.counters);
		if (ex->ids)
			object_id = store_mailbox_object_id(mb, id);
	}
	mailstream_put_mailbox(&ex->stream, &(struct mailstream_mailbox){.name = name,
	                                        .uidvalidity = info.counters.uidvalidity,
	                                        .uidnext = info.counters.uidnext,
	                                        .modseq = info.counters.modseq,
	                                        .use = info.use,
	                                        .subscribed = info.subscribed,
	                                        .exists = mb != NULL,
	                                        .messages = info.counters.messages,
	                                        .object_id = object_id});
	if (mb != NULL) {
		put_properties(ex, name, store_mailbox_properties(mb));
		ok = put_messages(ex, mb, name);
	}
	store_mailbox_unref(&mb);
	return ok;
}

static bool
export_all(struct export *ex)
{
	store_account_list(ex->account, note_mailbox, ex);
	if (ex->only.n > 0 && ex->names.n == 0) {
		buf_printf(ex->out, "there is no mailbox %.*s\n", STR_ARG(ex->only));
		return false;
	}
	mailstream_put_version(&ex->stream);
	if (ex->only.n == 0)
		put_properties(ex, STR_NONE, store_account_properties(ex->account));

	struct rd r = rd_of(buf_as_str(&ex->names));

	while (rd_left(&r) > 0)
		if (!send_mailbox(ex, rd_vstr(&r)))
			return false;
	if (ex->io->gone(ex->io))
		return false;
	mailstream_put_end(&ex->stream);
	return send_some(ex, 0);
}

static bool export(
    const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct export ex = {.ops = ops,
	    .io = io,
	    .out = out,
	    .only = request_get(req, "mailbox"),
	    .have = request_has(req, "have"),
	    .ids = request_has(req, "ids")};
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	const char *why = NULL;
	struct str name = request_get(req, "name"), user;
	enum ts_err err = target_owner(ops, name, arena, &user, &why);
	bool ok = false;

	if (err == TS_OK)
		err = store_account_load(ops->store, user, false, &ex.account);
	if (err == TS_OK)
		ok = export_all(&ex);
	else if (err == TS_NOT_FOUND)
		buf_printf(out, "there is no user %.*s with mail\n", STR_ARG(name));
	else
		buf_printf(out, "%s\n", why != NULL ? why : ts_err_name(err));
	if (ok)
		buf_printf(out,
		    "messages: %llu\ndamaged messages: %llu\nkeywords left out: %llu\n"
		    "properties left out: %llu\n",
		    (unsigned long long)ex.done, (unsigned long long)ex.damaged,
		    (unsigned long long)ex.words, (unsigned long long)ex.properties);
	buf_fini(&ex.names);
	buf_fini(&ex.stream);
	store_account_unref(&ex.account);
	arena_free(&arena);
	return ok;
}

const struct op ops_export[] = {{.verb = "export", .run = export}, {.verb = NULL}};
