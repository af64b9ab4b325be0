/* SPDX-License-Identifier: Apache-2.0 */
/* Users' own \Seen in memory: values in use, in a table of their account. */
#include "base/log.h"
#include "base/mem.h"
#include "store/memory/memory_int.h"

static struct store_own *
find_own(struct store_account *a, const struct own_id *id)
{
	struct store_own *own;

	HASH_FIND(hh, a->owns, id, sizeof *id, own);
	return own;
}

/* ---- reading ---- */

static enum ts_err
take_own_row(struct own_seen **value, struct str key, struct str body)
{
	struct rd k = rd_of((struct str){key.p + OWN_KEY_HEAD, key.n - OWN_KEY_HEAD});
	uint8_t kind = rd_u8(&k);

	if (kind == OWN_HEADER && *value == NULL)
		*value = own_take_header(body);
	else if (kind != OWN_CHANGE || *value == NULL || !own_take_step(*value, rd_be64(&k), body))
		return TS_DAMAGED;
	return *value != NULL && !k.bad && rd_left(&k) == 0 ? TS_OK : TS_DAMAGED;
}

/* BLOCKING.  Sets *value_r to NULL if there are no rows. */
static enum ts_err
read_own_rows(
    struct store *store, uint64_t account, const struct own_id *id, struct own_seen **value_r)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	own_key(&from, account, id->owner, id->mailbox, OWN_HEADER);
	own_key(&end, account, id->owner, id->mailbox, OWN_CHANGE + 1);
	*value_r = NULL;
	scan_begin_range(&scan, store, &from, &end);
	do
		err = scan_next(&scan);
	while (err == TS_OK && (err = take_own_row(value_r, scan.key, scan.body)) == TS_OK);
	scan_end(&scan);
	if (err == TS_NOT_FOUND)
		return TS_OK;
	log_msg(LOG_ERROR, NULL,
	    "store: account %llu: what it has read in mailbox %u of account %llu cannot be read: "
	    "%s",
	    (unsigned long long)account, id->mailbox, (unsigned long long)id->owner,
	    ts_err_name(err));
	own_unref(value_r);
	return err;
}

enum ts_err
own_next(struct store *store, uint64_t account, struct own_id *id)
{
	struct key from, end;
	struct scan scan;
	enum ts_err err;

	own_key(&from, account, id->owner, id->mailbox, 0xff);
	if (id->owner == 0)
		key_begin(&from, account, KEY_OWN);
	key_begin(&end, account, KEY_OWN + 1);
	scan_begin_range(&scan, store, &from, &end);
	/* One that is too short to be such a row is passed over: the check names it. */
	do
		err = scan_next(&scan);
	while ((err == TS_OK || err == TS_DAMAGED) && scan.key.n > 0 && scan.key.n < OWN_KEY_HEAD);
	if (scan.key.n >= OWN_KEY_HEAD) {
		struct rd r = rd_of((struct str){scan.key.p + 9, scan.key.n - 9});

		id->owner = rd_be64(&r);
		id->mailbox = rd_be32(&r);
		err = TS_OK;
	}
	scan_end(&scan);
	return err;
}

/* Counts the mailboxes with rows. */
static enum ts_err
count_rows(struct store_account *a, uint32_t most, uint32_t *count_r)
{
	struct own_id id = {.owner = 0};
	enum ts_err err = TS_OK;

	for (*count_r = 0; *count_r < most; ++*count_r)
		if ((err = own_next(a->store, a->id, &id)) != TS_OK)
			break;
	return err == TS_NOT_FOUND ? TS_OK : err;
}

/* ---- objects ---- */

static void
count_bytes(struct store_own *own)
{
	size_t now = own_cost(own->published) + mem_cost(sizeof *own);

	atomic_fetch_add(&own->account->store->state_bytes, now - own->counted);
	own->counted = now;
}

static void
put_own_value(struct store_own *own, struct own_seen *value_take, bool rooted)
{
	own_unref(&own->published);
	own->published = value_take;
	own->rooted = rooted;
	if (value_take->recent_mark > atomic_load(&own->mark))
		atomic_store(&own->mark, value_take->recent_mark);
	count_bytes(own);
}

struct own_seen *
own_look(struct store_own *own, uint64_t *cap_r)
{
	struct own_seen *value;

	pthread_mutex_lock(&own->account->owns_mutex);
	value = own_ref(own->published);
	*cap_r = own->pending > 0 ? own->pending_s : UINT64_MAX;
	pthread_mutex_unlock(&own->account->owns_mutex);
	return value;
}

/* With the mailbox's lock, so that a reader either sees that it is pending or has read no later
 * MODSEQ. */
uint64_t
own_pending(struct store_own *own, struct store_mailbox *mb)
{
	uint64_t s;

	pthread_rwlock_rdlock(&mb->lock);
	s = mb->state->counters.modseq;
	pthread_mutex_lock(&own->account->owns_mutex);
	if (own->pending++ == 0)
		own->pending_s = s;
	pthread_mutex_unlock(&own->account->owns_mutex);
	pthread_rwlock_unlock(&mb->lock);
	return s;
}

void
own_settled(struct store_own *own)
{
	pthread_mutex_lock(&own->account->owns_mutex);
	TS_ASSERT(own->pending > 0);
	own->pending--;
	pthread_mutex_unlock(&own->account->owns_mutex);
}

void
own_publish(struct store_own *own, struct own_seen *value, bool rooted)
{
	pthread_mutex_lock(&own->account->owns_mutex);
	put_own_value(own, own_ref(value), rooted);
	pthread_mutex_unlock(&own->account->owns_mutex);
}

void
own_reset_head(struct store_own *own)
{
	pthread_mutex_lock(&own->account->owns_mutex);
	own_unref(&own->head);
	own->head = own_ref(own->published);
	own->head_rooted = own->rooted;
	pthread_mutex_unlock(&own->account->owns_mutex);
}

/* Needs owns_mutex. */
static void
keep_claim(struct store_account *a, const struct store_own *own)
{
	struct own_claim *claim;

	if (atomic_load(&own->mark) <= own->published->recent_mark)
		return;
	claim = mem_zalloc(sizeof *claim);
	claim->id = own->id;
	claim->mark = atomic_load(&own->mark);
	HASH_ADD(hh, a->own_claims, id, sizeof claim->id, claim);
	atomic_fetch_add(&a->store->state_bytes, mem_cost(sizeof *claim));
}

static void
drop_claim(struct store_account *a, struct own_claim *claim)
{
	HASH_DEL(a->own_claims, claim);
	mem_free(claim);
	atomic_fetch_sub(&a->store->state_bytes, mem_cost(sizeof *claim));
}

/* Needs owns_mutex. */
static void
take_claim(struct store_account *a, struct store_own *own)
{
	struct own_claim *claim;

	HASH_FIND(hh, a->own_claims, &own->id, sizeof own->id, claim);
	if (claim == NULL)
		return;
	if (claim->mark > atomic_load(&own->mark))
		atomic_store(&own->mark, claim->mark);
	drop_claim(a, claim);
}

void
own_claims_free(struct store_account *a)
{
	struct own_claim *claim, *tmp;

	HASH_ITER(hh, a->own_claims, claim, tmp)
	drop_claim(a, claim);
}

static void
own_free(struct store_own *own)
{
	struct store_account *a = own->account;

	atomic_fetch_sub(&a->store->state_bytes, own->counted);
	own_unref(&own->published);
	own_unref(&own->head);
	if (!own->inner)
		store_account_unref(&a);
	mem_free(own);
}

struct store_own *
store_own_ref(struct store_own *own)
{
	pthread_mutex_lock(&own->account->owns_mutex);
	own->refs++;
	pthread_mutex_unlock(&own->account->owns_mutex);
	return own;
}

void
store_own_unref(struct store_own **ownp)
{
	struct store_own *own = *ownp;
	bool last;

	*ownp = NULL;
	if (own == NULL)
		return;
	pthread_mutex_lock(&own->account->owns_mutex);
	last = --own->refs == 0;
	if (last) {
		HASH_DEL(own->account->owns, own);
		keep_claim(own->account, own);
	}
	pthread_mutex_unlock(&own->account->owns_mutex);
	if (last)
		own_free(own);
}

static struct store_own *
find_ref(struct store_account *a, const struct own_id *id)
{
	struct store_own *own;

	pthread_mutex_lock(&a->owns_mutex);
	own = find_own(a, id);
	if (own != NULL)
		own->refs++;
	pthread_mutex_unlock(&a->owns_mutex);
	return own;
}

/* Takes over the value. */
static struct store_own *
add_own(struct store_account *a, const struct own_id *id, struct own_seen *value_take, bool rooted)
{
	struct store_own *own = mem_zalloc(sizeof *own);

	own->id = *id;
	own->account = store_account_ref(a);
	own->refs = 1;
	put_own_value(own, value_take, rooted);
	own->head = own_ref(own->published);
	own->head_rooted = rooted;
	pthread_mutex_lock(&a->owns_mutex);
	HASH_ADD(hh, a->owns, id, sizeof own->id, own);
	take_claim(a, own);
	pthread_mutex_unlock(&a->owns_mutex);
	return own;
}

/* Needs account.load. */
static enum ts_err
load(struct store_account *a, const struct own_id *id, struct store_own **own_r)
{
	uint32_t most = a->store->opt.max_mailboxes, count = 0;
	struct own_seen *value;
	enum ts_err err = read_own_rows(a->store, a->id, id, &value);
	bool rooted = value != NULL;

	if (err == TS_OK && !rooted)
		err = count_rows(a, most, &count);
	if (err == TS_OK && count >= most)
		err = TS_LIMIT;
	if (err == TS_OK)
		*own_r =
		    add_own(a, id, rooted ? value : own_new(roaring_bitmap_create(), 0), rooted);
	return err;
}

/* ---- of a mailbox's owner ---- */

void
own_note(struct store_mailbox *mb)
{
	atomic_store(&mb->has_own,
	    store_properties_count(mb->properties) > 0 &&
	        store_properties_get(mb->properties, STR(STORE_OWN_SEEN_PROPERTY)).p != NULL);
}

static struct own_id
id_of(const struct store_mailbox *mb)
{
	return (struct own_id){.owner = mb->account->id, .mailbox = mb->id};
}

struct store_own *
own_new_of(struct store_mailbox *mb)
{
	struct own_id id = id_of(mb);
	struct store_own *own = find_ref(mb->account, &id);

	return own != NULL ? own
	                   : add_own(mb->account, &id, own_new(roaring_bitmap_create(), 0), false);
}

/* Whoever holds it besides the mailbox is a session or a change of the account, and has a reference
 * to that; so it needs none, and nobody uses the account because a state is in memory. */
void
own_attach(struct store_mailbox *mb, struct store_own **own_take)
{
	struct store_account *a = mb->account;
	struct store_own *own = *own_take, *none = NULL;
	bool drop;

	if (!atomic_compare_exchange_strong(&mb->owners_own, &none, own)) {
		store_own_unref(own_take);
		return;
	}
	*own_take = NULL;
	pthread_mutex_lock(&a->owns_mutex);
	drop = !own->inner;
	own->inner = true;
	pthread_mutex_unlock(&a->owns_mutex);
	if (drop)
		account_drop(a);
}

enum ts_err
own_load_of(struct store_mailbox *mb)
{
	struct own_id id = id_of(mb);
	struct store_own *own;
	enum ts_err err = TS_OK;

	if (!atomic_load(&mb->has_own) || own_of_mailbox(mb) != NULL)
		return TS_OK;
	own = find_ref(mb->account, &id);
	if (own == NULL)
		err = load(mb->account, &id, &own);
	if (err == TS_OK)
		own_attach(mb, &own);
	return err;
}

void
own_detach(struct store_mailbox *mb)
{
	struct store_own *own = atomic_exchange(&mb->owners_own, NULL);

	store_own_unref(&own);
}

enum ts_err
store_own_load(struct store_account *a, uint64_t owner, uint32_t mailbox, struct store_own **own_r)
{
	struct own_id id = {.owner = owner, .mailbox = mailbox};
	enum ts_err err = TS_OK;

	block_here("store_own_load");
	pthread_mutex_lock(&a->load);
	*own_r = find_ref(a, &id);
	if (*own_r == NULL)
		err = load(a, &id, own_r);
	pthread_mutex_unlock(&a->load);
	return err;
}

struct own_seen *
store_own_seen(struct store_own *own)
{
	struct own_seen *value;

	pthread_mutex_lock(&own->account->owns_mutex);
	value = own_ref(own->published);
	pthread_mutex_unlock(&own->account->owns_mutex);
	return value;
}

uint32_t
store_own_claim(struct store_own *own, uint32_t uidnext)
{
	uint32_t mark;

	pthread_mutex_lock(&own->account->owns_mutex);
	mark = atomic_load(&own->mark);
	if (uidnext > 0 && uidnext - 1 > mark)
		atomic_store(&own->mark, uidnext - 1);
	pthread_mutex_unlock(&own->account->owns_mutex);
	return mark;
}

/* ---- after a flush of unknown outcome ---- */

static struct store_own *
next_stale(struct store_account *a)
{
	struct store_own *own, *tmp, *found = NULL;

	pthread_mutex_lock(&a->owns_mutex);
	HASH_ITER(hh, a->owns, own, tmp)
	{
		if (found == NULL && own->stale) {
			found = own;
			own->refs++;
		}
	}
	pthread_mutex_unlock(&a->owns_mutex);
	return found;
}

/* Installs what is on disk now.  If something is missing that users were shown, the next change
 * writes it again: numbers never go back. */
static void
take_again(struct store_own *own, struct own_seen *value)
{
	pthread_mutex_lock(&own->account->owns_mutex);
	if (value != NULL && value->u >= own->published->u) {
		put_own_value(own, value, true);
	} else {
		if (own->rooted)
			log_msg(LOG_ERROR, NULL,
			    "store: account %llu: what it has read in mailbox %u of account %llu "
			    "is "
			    "older than it was; it is written again",
			    (unsigned long long)own->account->id, own->id.mailbox,
			    (unsigned long long)own->id.owner);
		own->rooted = false;
		own_unref(&value);
	}
	own->stale = false;
	pthread_mutex_unlock(&own->account->owns_mutex);
	own_reset_head(own);
}

/* Returns a loaded mailbox, with a reference, that needs its owner's value. */
static struct store_mailbox *
next_without_own(struct store_account *a)
{
	struct store_mailbox *found = NULL;

	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->entry_count && found == NULL; i++) {
		struct store_mailbox *mb = a->entry[i]->pub;

		if (mb != NULL && mb->state != NULL && atomic_load(&mb->has_own) &&
		    own_of_mailbox(mb) == NULL)
			found = store_mailbox_ref(mb);
	}
	pthread_rwlock_unlock(&a->lock);
	return found;
}

static enum ts_err
attach_missing(struct store_account *a)
{
	struct store_mailbox *mb;
	enum ts_err err = TS_OK;

	while (err == TS_OK && (mb = next_without_own(a)) != NULL) {
		pthread_mutex_lock(&a->load);
		err = own_load_of(mb);
		pthread_mutex_unlock(&a->load);
		store_mailbox_unref(&mb);
	}
	return err;
}

enum ts_err
owns_reread(struct store_account *a)
{
	struct store_own *own;
	enum ts_err err = TS_OK;

	while (err == TS_OK && (own = next_stale(a)) != NULL) {
		struct own_seen *value;

		err = read_own_rows(a->store, a->id, &own->id, &value);
		if (err == TS_OK || err == TS_DAMAGED) {
			take_again(own, value);
			err = TS_OK;
		}
		store_own_unref(&own);
	}
	return err == TS_OK ? attach_missing(a) : err;
}
