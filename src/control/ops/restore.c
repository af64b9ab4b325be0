/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a restore writes (backup/restore.c asks).  The questions; numbers are varints, strings have
 * their length in front:
 *
 *	'K' key, value      -> 'k' one byte: 1 it is new, 0 there is one, which stays;
 *	                       or 'n' text: it is left out, and why
 *	'A' name, user      -> this account, made when there is none: 'y' each property of its own;
 *	                       user 1: of one who is a user, not just any name
 *	'M' name, use, subscribed, uidvalidity, uidnext, modseq, MAILBOXID or nothing
 *	                    -> this mailbox, made when there is none: 'm' uidvalidity, uidnext;
 *	                       'w' each keyword by its number, empty where none has it; 'l' its
 *	                       messages; 'y' each property: name, value, in order of names
 *	'S' name            -> nothing: subscribed
 *	'H' uids            -> 'h' SHA-256 of each message; zeros: it cannot be read
 *	'W' name            -> nothing: a keyword.  The first one of a mailbox is number 0 in flags
 *	'P' messages        -> appended: 'p' their UIDs.  Before its bytes each has 1 and the 32
 *bytes of its ids, or 0.  The last one may go on in 'D' bytes           -> further ones of these;
 *then 'p' stands in the last answer 'F' flags, uids     -> nothing: exactly these flags from now on
 *	'V' name, uids      -> nothing: moved into that mailbox, made when there is none
 *	'R' uidnext, modseq -> nothing: at least these
 *	'Y' mailbox, properties
 *	                    -> of the mailbox (1, its name) or of the account (0); each: what is
 *	                       done (0 added, if there is none, 1 put, 2 removed), name, value:
 *	                       's' how many were; 'n' text: what is left out, and why
 *
 * The answers to 'P', 'F' and 'V' also have an 'o' for each keyword that the mailbox has no room
 * for.  Where the user's quota has no room, the answer is 'q': to 'M', that there is no mailbox; to
 * 'P' and 'V', how many messages were not added, or not moved.
 *
 * A dry run answers the same questions (except 'P' and 'D') as a real run would, and changes
 * nothing.  Only a real run knows whether there is room for a mailbox (store.max_mailboxes) and for
 * a keyword, whether a new mailbox can have its UIDVALIDITY, and what others change in the
 * meantime.
 */
#include <openssl/evp.h>

#include "auth/sharing.h"
#include "auth/users.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/normal.h"
#include "control/dialogue.h"
#include "control/ops/ops.h"
#include "control/ops/properties.h"
#include "control/ops/restore_int.h"
#include "control/ops/seen.h"
#include "control/ops/target.h"

#define WINDOW 512
#define PIECE ((uint64_t)256 * 1024)
#define PROPERTY_LEAST 3 /* bytes of a question about one */

bool
restore_say(struct writer *w, const char *what, enum ts_err err)
{
	if (err == TS_FULL)
		ops_put_full(w->ops, w->out);
	else
		buf_printf(w->out, "%s: %s\n", what, ts_err_name(err));
	return false;
}

/* The same about what should have been done with a mailbox. */
static bool
say_mailbox(struct writer *w, const char *what, struct str name, enum ts_err err)
{
	struct buf text = {0};

	if (err == TS_INVALID)
		buf_printf(w->out,
		    "%s '%.*s': the name of a mailbox is UTF-8 without controls, at most %d bytes, "
		    "and no level of it is empty\n",
		    what, STR_ARG(name), STORE_NAME_MAX);
	else {
		buf_printf(&text, "%s '%.*s'", what, STR_ARG(name));
		(void)restore_say(w, buf_cstr(&text), err);
	}
	buf_fini(&text);
	return false;
}

bool
restore_bad_question(struct writer *w)
{
	buf_puts(w->out, "not a question of a restore: is the server of another version?\n");
	return false;
}

/* Submits, waits, frees. */
static enum ts_err
submit_and_free(struct store_change *c)
{
	enum ts_err err = store_submit_wait(c);

	store_change_free(&c);
	return err;
}

/* ---- properties ---- */

/* Takes over the reference. */
static bool
send_properties(struct writer *w, struct store_properties *properties)
{
	bool ok;

	w->scratch.n = 0;
	ok = properties_send(w->io, 'y', properties, &w->scratch);
	store_properties_unref(&properties);
	return ok;
}

struct refusal {
	struct writer *w;
	struct str mailbox; /* empty: the account's own */
};

static bool
refuse_property(struct str name, const char *why, void *arg)
{
	const struct refusal *refusal = arg;
	struct buf text = {0};
	bool ok;

	if (refusal->mailbox.n > 0)
		buf_printf(&text, "mailbox %.*s", STR_ARG(refusal->mailbox));
	else
		buf_printf(&text, "user %.*s", STR_ARG(buf_as_str(&refusal->w->account_name)));
	buf_printf(&text, ": the property %.*s is left out: %s", STR_ARG(name), why);
	ok = dialogue_send(refusal->w->io, 'n', buf_as_str(&text));
	buf_fini(&text);
	return ok;
}

/* False: an invalid question. */
static bool
take_property(struct rd *r, struct store_property_op *op)
{
	uint64_t what = rd_varint(r);

	*op = (struct store_property_op){.must_be_new = what == 0, .remove = what == 2};
	op->name = rd_vstr(r);
	op->value = rd_vstr(r);
	return !r->bad && what <= 2;
}

/* A user's account does not become a group mailbox, which would shut the user out. */
static bool
is_for_groups_only(struct writer *w, const struct store_property_op *op)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user user = {0};
	const char *why = NULL;
	bool only =
	    !op->remove && str_eq(op->name, STR(AUTH_GROUP_MAILBOX)) &&
	    auth_users_get(w->ops->auth, buf_as_str(&w->account_name), arena, &user, &why) == TS_OK;

	arena_free(&arena);
	return only;
}

static bool
put_properties(struct writer *w, struct rd *r)
{
	bool of_mailbox = rd_varint(r) == 1;
	struct refusal refusal = {w, of_mailbox ? rd_vstr(r) : STR_NONE};
	struct properties_put put = {.account = w->account,
	    .mailbox = w->mailbox,
	    .of_mailbox = of_mailbox,
	    .quiet = of_mailbox && w->made,
	    .dry = w->dry ? &w->properties : NULL,
	    .refused = refuse_property,
	    .arg = &refusal};
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct store_property_op *ops =
	    arena_array(arena, rd_left(r) / PROPERTY_LEAST + 1, sizeof(*ops));
	enum ts_err err = TS_OK;
	size_t n = 0;
	bool good =
	    !r->bad && (w->dry || (w->account != NULL && (!of_mailbox || w->mailbox != NULL)));

	while (good && rd_left(r) > 0) {
		good = take_property(r, &ops[n]);
		if (good && !of_mailbox && is_for_groups_only(w, &ops[n]))
			good =
			    refuse_property(ops[n].name, "the account is that of a user", &refusal);
		else
			n++;
	}
	if (good)
		err = properties_put_all(&put, ops, n);
	arena_free(&arena);
	w->scratch.n = 0;
	buf_varint(&w->scratch, put.put);
	if (!good)
		return restore_bad_question(w);
	return err == TS_OK ? dialogue_send(w->io, 's', buf_as_str(&w->scratch))
	                    : restore_say(w, "properties", err);
}

/* ---- records, accounts, mailboxes ---- */

/* Reports a record that is left out. */
static bool
refuse_record(struct writer *w, struct str user, const char *why)
{
	struct buf text = {0};
	bool ok;

	buf_printf(&text, "user %.*s: %s", STR_ARG(user), why);
	ok = dialogue_send(w->io, 'n', buf_as_str(&text));
	buf_fini(&text);
	return ok;
}

/* What is wrong with the name in a user's record, as `user add` puts it; NULL: nothing. */
static const char *
record_fault(const struct auth *auth, struct str key, struct str *user_r)
{
	if (!str_has_prefix(key, STR("user/")))
		return NULL;
	*user_r = str_range(key.p + 5, key.p + key.n);
	return auth_users_name_fault(auth, *user_r);
}

static enum ts_err
add_record(struct writer *w, struct str key, struct str value)
{
	struct store_change *c = store_change_new_records(w->ops->store, NULL, NULL, NULL);
	enum ts_err err;

	c->records = arena_array(c->arena, 1, sizeof(*c->records));
	c->record_count = 1;
	c->records[0].key = arena_str(c->arena, key);
	c->records[0].value = arena_str(c->arena, value);
	c->records[0].must_be_new = true;
	err = submit_and_free(c);
	if (err == TS_OK || err == TS_EXISTS)
		auth_changed(w->ops->auth, STR_NONE);
	return err;
}

static bool
put_record(struct writer *w, struct rd *r)
{
	struct str key = rd_vstr(r), value = rd_vstr(r), user = STR_NONE;
	const char *fault = r->bad ? NULL : record_fault(w->ops->auth, key, &user);
	enum ts_err err = TS_INVALID;
	char made;

	if (fault != NULL)
		return refuse_record(w, user, fault);
	if (!r->bad)
		err = w->dry ? restore_dry_record(w, key) : add_record(w, key, value);
	if (err != TS_OK && err != TS_EXISTS)
		return restore_say(w, "a record", err);
	made = err == TS_OK;
	return dialogue_send(w->io, 'k', (struct str){&made, 1});
}

static bool
is_user(struct writer *w, struct str name)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct str user;
	const char *why = NULL;
	enum ts_err err = target_owner(w->ops, name, arena, &user, &why);

	arena_free(&arena);
	if (err == TS_NOT_FOUND || err == TS_INVALID)
		buf_printf(w->out, "there is no user %.*s\n", STR_ARG(name));
	else if (err != TS_OK)
		return restore_say(w, "the user", err);
	return err == TS_OK;
}

static bool
open_account(struct writer *w, struct rd *r)
{
	struct str name = rd_vstr(r);
	bool user = rd_varint(r) != 0;
	enum ts_err err;

	if (r->bad)
		return restore_bad_question(w);
	store_mailbox_unref(&w->mailbox);
	store_account_unref(&w->account);
	w->account_name.n = 0;
	buf_str(&w->account_name, name);
	if (user && !is_user(w, name))
		return false;
	err = w->dry ? restore_dry_account(w, name)
	             : store_account_load_bare(w->ops->store, name, &w->account);
	if (err != TS_OK)
		return restore_say(w, "the account", err);
	return w->account == NULL || send_properties(w, store_account_properties(w->account));
}

static enum ts_err
name_change(struct writer *w, enum store_change_kind kind, struct str name)
{
	struct store_change *c = store_change_new(w->account, kind, NULL, NULL, NULL);

	c->name = arena_str(c->arena, name);
	return submit_and_free(c);
}

/* A name from the backup in the form kept here; or unchanged, if a mailbox with that spelling
 * exists. */
static struct str
read_name(struct writer *w, struct rd *r, struct arena *arena)
{
	struct store_mailbox_info info;
	struct str name = rd_vstr(r);

	return w->account != NULL && store_account_lookup(w->account, name, &info)
	           ? name
	           : str_normal(arena, name);
}

struct wish {
	struct str name;
	unsigned use;
	bool subscribed;
	uint32_t uidvalidity;
	uint64_t modseq;
	struct str object_id;
};

/* Makes it, or one in place of an INBOX that has never had a message, and opens it. */
static enum ts_err
make_mailbox(struct writer *w, const struct wish *wish)
{
	struct store_change *c =
	    store_change_new(w->account, STORE_CHANGE_CREATE, NULL, NULL, NULL);
	struct store_mailbox *there = NULL;
	enum ts_err err = store_mailbox_load(w->account, wish->name, &there);

	w->made = false;
	if (err == TS_OK || err == TS_NOT_FOUND) {
		c->name = arena_str(c->arena, wish->name);
		c->use = wish->use;
		c->mailbox = there;
		c->wish_uidvalidity = wish->uidvalidity;
		/* UIDNEXT comes at the end: messages get their UIDs before. */
		c->wish_modseq = wish->modseq < STORE_MODSEQ_WISH_MAX ? wish->modseq : 0;
		if (store_object_id_ok(STORE_ID_MAILBOX, wish->object_id))
			c->wish_object_id = arena_str(c->arena, wish->object_id);
		err = store_submit_wait(c);
		w->limit = c->limit;
	}
	store_change_free(&c);
	store_mailbox_unref(&there);
	w->made = err == TS_OK;
	if (err == TS_EXISTS)
		err = TS_OK;
	else if (err == TS_OK && wish->subscribed)
		err = name_change(w, STORE_CHANGE_SUBSCRIBE, wish->name);
	return err == TS_OK ? store_mailbox_load(w->account, wish->name, &w->mailbox) : err;
}

static bool
send_counters(struct writer *w, uint32_t uidvalidity, uint32_t uidnext)
{
	w->scratch.n = 0;
	buf_varint(&w->scratch, uidvalidity);
	buf_varint(&w->scratch, uidnext);
	return dialogue_send(w->io, 'm', buf_as_str(&w->scratch));
}

static bool
send_messages(struct writer *w, const struct store_keywords *sent)
{
	struct store_message *m = mem_zalloc(WINDOW * sizeof(*m));
	struct store_reader reader = {.mailbox = w->mailbox};
	struct store_keywords *now;
	struct buf *b = &w->scratch;
	uint32_t from = 0;
	size_t n = WINDOW;
	bool ok = true;

	while (ok && n == WINDOW) {
		store_reader_begin(&reader);
		n = store_reader_window(&reader, NULL, from, m, WINDOW);
		now = store_mailbox_keywords(w->mailbox);
		store_reader_end(&reader);
		b->n = 0;
		for (size_t i = 0; i < n; i++) {
			struct store_flags flags = store_keywords_translate(&m[i].flags, now, sent);

			buf_varint(b, m[i].uid);
			buf_varint(b, m[i].size);
			buf_le64(b, (uint64_t)m[i].internaldate);
			for (unsigned k = 0; k < STORE_FLAG_WORDS; k++)
				buf_varint(b, flags.w[k]);
			from = m[i].uid + 1;
		}
		store_keywords_unref(&now);
		ok = n == 0 || dialogue_send(w->io, 'l', buf_as_str(b));
		if (n > 0 && from == 0)
			break;
	}
	mem_free(m);
	return ok;
}

static bool
send_mailbox(struct writer *w)
{
	struct store_counters counters;
	struct store_keywords *keywords;
	bool ok;

	store_mailbox_counters(w->mailbox, &counters);
	ok = send_counters(w, counters.uidvalidity, counters.uidnext);
	store_mailbox_read_begin(w->mailbox);
	keywords = store_mailbox_keywords(w->mailbox);
	store_mailbox_read_end(w->mailbox);
	for (unsigned f = STORE_FIRST_KEYWORD; ok && f < store_keywords_end(keywords); f++)
		ok = dialogue_send(w->io, 'w', store_keywords_name(keywords, f));
	ok = ok && send_messages(w, keywords) &&
	     send_properties(w, store_mailbox_properties(w->mailbox));
	store_keywords_unref(&keywords);
	return ok;
}

/* In a dry run: a mailbox that would be made, perhaps replacing one that never had a message. */
static bool
send_new(struct writer *w, uint32_t uidvalidity)
{
	return send_counters(w, uidvalidity, 1) &&
	       (w->mailbox == NULL || send_properties(w, store_mailbox_properties(w->mailbox)));
}

static bool
open_mailbox(struct writer *w, struct rd *r)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct wish wish = {.name = read_name(w, r, arena)};
	enum ts_err err = TS_INVALID;
	bool bad, ok, new = false;

	wish.use = (unsigned)rd_varint(r);
	wish.subscribed = rd_varint(r) != 0;
	wish.uidvalidity = (uint32_t)rd_varint(r);
	(void)rd_varint(r); /* uidnext: 'R' raises it */
	wish.modseq = rd_varint(r);
	wish.object_id = rd_vstr(r);
	bad = r->bad || (w->account == NULL && !w->dry);
	if (!bad) {
		restore_append_fini(w);
		arena_free(&w->words_arena);
		w->word_count = 0;
		store_mailbox_unref(&w->mailbox);
		err = w->dry ? restore_dry_mailbox(w, wish.name, &new) : make_mailbox(w, &wish);
	}
	if (bad)
		ok = restore_bad_question(w);
	else if (ops_quota_text(err, w->limit) != NULL)
		ok = restore_send_unfit(w, 0);
	else if (err != TS_OK)
		ok = say_mailbox(w, "the mailbox", wish.name, err);
	else
		ok = new ? send_new(w, wish.uidvalidity) : send_mailbox(w);
	arena_free(&arena);
	return ok;
}

static bool
subscribe(struct writer *w, struct rd *r)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct str name = read_name(w, r, arena);
	bool bad = r->bad || w->account == NULL, ok;
	enum ts_err err = TS_INVALID;

	if (!bad)
		err = name_change(w, STORE_CHANGE_SUBSCRIBE, name);
	if (bad)
		ok = restore_bad_question(w);
	else
		ok = err == TS_OK || err == TS_EXISTS ||
		     say_mailbox(w, "the subscription", name, err);
	arena_free(&arena);
	return ok;
}

static bool
raise_mailbox(struct writer *w, struct rd *r)
{
	uint64_t uidnext = rd_varint(r), modseq = rd_varint(r);
	struct store_change *c;
	enum ts_err err;

	if (r->bad || w->mailbox == NULL || uidnext > UINT32_MAX)
		return restore_bad_question(w);
	c = store_change_new(w->account, STORE_CHANGE_RAISE, NULL, NULL, NULL);
	c->mailbox = w->mailbox;
	c->wish_uidnext = (uint32_t)uidnext;
	c->wish_modseq = modseq < STORE_MODSEQ_WISH_MAX ? modseq : 0;
	err = submit_and_free(c);
	return err == TS_OK || restore_say(w, "UIDNEXT", err);
}

/* ---- sums of what is there ---- */

static bool
sum_message(struct writer *w, uint64_t uid, unsigned char sum[32])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct store_message m;
	bool there;

	TS_ASSERT(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
	memset(sum, 0, 32);
	store_mailbox_read_begin(w->mailbox);
	there = uid <= UINT32_MAX && store_mailbox_message(w->mailbox, (uint32_t)uid, &m);
	store_mailbox_read_end(w->mailbox);
	for (uint64_t at = 0; there && at < m.size; at += w->scratch.n) {
		w->scratch.n = 0;
		there = store_read_blob(w->ops->store, m.blob, at, PIECE, &w->scratch) == TS_OK &&
		        w->scratch.n > 0;
		(void)EVP_DigestUpdate(ctx, w->scratch.p, w->scratch.n);
	}
	if (there)
		(void)EVP_DigestFinal_ex(ctx, sum, NULL);
	EVP_MD_CTX_free(ctx);
	return dialogue_send(w->io, 'h', (struct str){(const char *)sum, 32});
}

static bool
send_sums(struct writer *w, struct rd *r)
{
	unsigned char sum[32];
	bool ok = w->mailbox != NULL;

	while (ok && rd_left(r) > 0) {
		uint64_t uid = rd_varint(r);

		ok = !r->bad && sum_message(w, uid, sum);
	}
	return ok || restore_bad_question(w);
}

/* ---- keywords ---- */

static bool
take_word(struct writer *w, struct rd *r)
{
	struct str name = rd_vstr(r);

	if (r->bad || w->word_count == STORE_KEYWORDS_MAX)
		return restore_bad_question(w);
	if (w->words_arena == NULL)
		w->words_arena = arena_new(NULL, ARENA_OTHER, 4096);
	w->words[w->word_count++] = arena_str(w->words_arena, name);
	return true;
}

bool
restore_take_words(struct writer *w, struct rd *r, struct arena *arena, const struct str **names_r,
    size_t *count_r)
{
	uint64_t n = rd_varint(r);
	struct str *names;

	if (r->bad || n > w->word_count)
		return false;
	names = arena_array(arena, n, sizeof(*names));
	for (size_t i = 0; i < n; i++) {
		uint64_t at = rd_varint(r);

		if (r->bad || at >= w->word_count)
			return false;
		names[i] = w->words[at];
	}
	*names_r = names;
	*count_r = (size_t)n;
	return true;
}

bool
restore_send_lost(struct writer *w, const struct store_change *change)
{
	struct rd lost = rd_of(buf_as_str(&change->lost));
	bool ok = true;

	while (ok && rd_left(&lost) > 0)
		ok = dialogue_send(w->io, 'o', rd_vstr(&lost));
	return ok;
}

bool
restore_send_unfit(struct writer *w, uint64_t messages)
{
	w->scratch.n = 0;
	buf_varint(&w->scratch, messages);
	return dialogue_send(w->io, 'q', buf_as_str(&w->scratch));
}

/* ---- what is there already ---- */

static roaring_bitmap_t *
take_uids(struct rd *r)
{
	roaring_bitmap_t *uids = roaring_bitmap_create();

	while (rd_left(r) > 0 && !r->bad)
		roaring_bitmap_add(uids, (uint32_t)rd_varint(r));
	return uids;
}

static bool
set_flags(struct writer *w, struct rd *r)
{
	struct store_change *c;
	bool ok;

	if (w->mailbox == NULL)
		return restore_bad_question(w);
	c = store_change_new(w->account, STORE_CHANGE_FLAGS, NULL, NULL, NULL);
	c->mailbox = w->mailbox;
	c->mode = STORE_FLAGS_REPLACE;
	c->restoring = true;
	c->flags.w[0] = rd_varint(r);
	ok = restore_take_words(w, r, c->arena, &c->keywords, &c->keyword_count);
	c->uids = take_uids(r);
	if (!ok || r->bad)
		ok = restore_bad_question(w);
	else if (seen_replace(c) != TS_OK)
		ok = restore_say(w, "flags", c->err);
	else
		ok = restore_send_lost(w, c);
	store_change_free(&c);
	return ok;
}

/* Makes the mailbox for messages that are set aside, if there is none, and opens it. */
static enum ts_err
open_aside(struct writer *w, struct str name, struct store_mailbox **target_r)
{
	struct store_change *c =
	    store_change_new(w->account, STORE_CHANGE_CREATE, NULL, NULL, NULL);
	enum ts_err err;

	c->name = arena_str(c->arena, name);
	err = store_submit_wait(c);
	w->limit = c->limit;
	store_change_free(&c);
	return err == TS_OK || err == TS_EXISTS ? store_mailbox_load(w->account, name, target_r)
	                                        : err;
}

/* Frees the UIDs. */
static bool
move_aside(struct writer *w, struct store_mailbox *target, roaring_bitmap_t *uids)
{
	struct store_change *c = store_change_new(w->account, STORE_CHANGE_MOVE, NULL, NULL, NULL);
	uint64_t count = roaring_bitmap_get_cardinality(uids);
	enum ts_err err;
	bool ok;

	c->mailbox = target;
	c->source = w->mailbox;
	c->uids = uids;
	c->restoring = true;
	err = store_submit_wait(c);
	if (ops_quota_text(err, c->limit) != NULL)
		ok = restore_send_unfit(w, count);
	else
		ok =
		    err == TS_OK ? restore_send_lost(w, c) : restore_say(w, "moving messages", err);
	store_change_free(&c);
	return ok;
}

static bool
set_aside(struct writer *w, struct rd *r)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct str name = read_name(w, r, arena);
	roaring_bitmap_t *uids = take_uids(r);
	struct store_mailbox *target = NULL;
	bool ok, bad = w->mailbox == NULL || r->bad;
	enum ts_err err = bad ? TS_INVALID : open_aside(w, name, &target);

	if (bad) {
		ok = restore_bad_question(w);
	} else if (ops_quota_text(err, w->limit) != NULL) {
		ok = restore_send_unfit(w, roaring_bitmap_get_cardinality(uids));
	} else if (err != TS_OK) {
		ok = say_mailbox(w, "the mailbox to move messages into", name, err);
	} else {
		ok = move_aside(w, target, uids);
		uids = NULL;
	}
	if (uids != NULL)
		roaring_bitmap_free(uids);
	store_mailbox_unref(&target);
	arena_free(&arena);
	return ok;
}

static bool
answer_question(struct writer *w, struct str question)
{
	struct rd r = rd_of(question);
	char what = (char)rd_u8(&r);

	switch (what) {
	case 'K':
		return put_record(w, &r);
	case 'A':
		return open_account(w, &r);
	case 'M':
		return open_mailbox(w, &r);
	case 'S':
		return w->dry || subscribe(w, &r);
	case 'H':
		return send_sums(w, &r);
	case 'W':
		return w->dry || take_word(w, &r);
	case 'P':
	case 'D':
		return w->dry ? restore_bad_question(w) : restore_put_messages(w, &r, what == 'P');
	case 'F':
		return w->dry || set_flags(w, &r);
	case 'V':
		return w->dry || set_aside(w, &r);
	case 'R':
		return w->dry || raise_mailbox(w, &r);
	case 'Y':
		return put_properties(w, &r);
	default:
		return restore_bad_question(w);
	}
}

static bool
hold_dialogue(const struct ops *ops, struct op_io *io, struct buf *out, bool dry)
{
	struct writer w = {.ops = ops, .io = io, .out = out, .dry = dry};
	struct buf question = {0};
	bool ok = true;

	w.loop = loop_new_fake();
	w.pool = work_pool_new(0);
	while (ok && io->receive(io, &question)) {
		ok = answer_question(&w, buf_as_str(&question));
		question.n = 0;
	}
	restore_append_fini(&w);
	arena_free(&w.words_arena);
	store_mailbox_unref(&w.mailbox);
	store_account_unref(&w.account);
	loop_fake_run(w.loop);
	work_pool_free(&w.pool);
	loop_free(&w.loop);
	buf_fini(&w.account_name);
	buf_wipe_fini(&w.scratch);
	buf_wipe_fini(&question);
	return ok;
}

static bool
restore(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	(void)req;
	return hold_dialogue(ops, io, out, false);
}

/* A verb of its own, so that a server that does not know it changes nothing either. */
static bool
restore_dry(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	(void)req;
	return hold_dialogue(ops, io, out, true);
}

const struct op ops_restore[] = {{.verb = "restore", .run = restore},
    {.verb = "restore-dry", .run = restore_dry}, {.verb = NULL}};
