/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object ids (RFC 8474): a letter, and 128 bits in hex.
 *
 * The bits are a number of this store (a blob, or an account and a mailbox) after four rounds of a
 * Feistel network keyed by the store's own id.  That is a permutation, so no two objects share an
 * id, and an id sent back by a client leads to the number; in another store the same numbers make
 * other ids.  Numbers of blobs and mailboxes are never reused, so an id never comes again.
 *
 * What was brought back from a backup has the ids of its numbers in the store that it comes from.
 */
#include <endian.h>

#include "store/read/read_int.h"

#include "base/ascii.h"

#define ROUNDS 4u
#define HEX 16u /* digits of a half */
#define BYTES (STORE_OBJECT_ID / 2)

struct halves {
	uint64_t left, right;
};

static uint64_t
mix(struct str own, uint64_t half, unsigned round)
{
	char bytes[sizeof(half) + STORE_OWN_ID_BYTES];

	half = htole64(half);
	memcpy(bytes, &half, sizeof half);
	memcpy(bytes + sizeof half, own.p, own.n);
	return XXH3_64bits_withSeed(bytes, sizeof bytes, round);
}

static struct halves
conceal(struct str own, struct halves h)
{
	for (unsigned round = 0; round < ROUNDS; round++)
		h = (struct halves){h.right, h.left ^ mix(own, h.right, round)};
	return h;
}

static struct halves
reveal(struct str own, struct halves h)
{
	for (unsigned round = ROUNDS; round-- > 0;)
		h = (struct halves){h.right ^ mix(own, h.left, round), h.left};
	return h;
}

static void
put_half(uint64_t half, char *to)
{
	for (size_t i = HEX; i-- > 0; half >>= 4)
		to[i] = "0123456789abcdef"[half & 15];
}

static struct str
make_id(char letter, struct halves h, char id[STORE_OBJECT_ID])
{
	id[0] = letter;
	put_half(h.left, id + 1);
	put_half(h.right, id + 1 + HEX);
	return (struct str){id, STORE_OBJECT_ID};
}

static struct halves
number_halves(struct str own, char letter, uint64_t left, uint64_t right)
{
	return conceal(own, (struct halves){left, right << 8 | (unsigned char)letter});
}

static struct str
number_id(struct str own, char letter, uint64_t left, uint64_t right, char id[STORE_OBJECT_ID])
{
	return make_id(letter, number_halves(own, letter, left, right), id);
}

/* In the order of the digits. */
static void
put_bytes(struct halves h, unsigned char bytes[BYTES])
{
	uint64_t left = htobe64(h.left), right = htobe64(h.right);

	memcpy(bytes, &left, sizeof left);
	memcpy(bytes + sizeof left, &right, sizeof right);
}

static struct halves
halves_of(const unsigned char bytes[BYTES])
{
	struct rd r = rd_of((struct str){(const char *)bytes, BYTES});
	uint64_t left = rd_be64(&r);

	return (struct halves){left, rd_be64(&r)};
}

/* ---- mailboxes */

struct str
store_new_object_id(
    const struct store_account *account, uint32_t mailbox_id, char id[STORE_OBJECT_ID])
{
	return number_id(
	    store_own_id(account->store), STORE_ID_MAILBOX, account->id, mailbox_id, id);
}

struct str
store_other_object_id(
    struct str own_id, uint64_t account, uint32_t mailbox_id, char id[STORE_OBJECT_ID])
{
	TS_ASSERT(own_id.n == STORE_OWN_ID_BYTES);
	return number_id(own_id, STORE_ID_MAILBOX, account, mailbox_id, id);
}

struct str
store_listed_object_id(const struct store_account *account, const struct store_mailbox_info *info,
    char id[STORE_OBJECT_ID])
{
	if (info->object_id[0] == 0)
		return store_new_object_id(account, info->id, id);
	memcpy(id, info->object_id, STORE_OBJECT_ID);
	return (struct str){id, STORE_OBJECT_ID};
}

void
object_id_stored(const struct store_properties *properties, char id[STORE_OBJECT_ID])
{
	struct str stored = store_properties_get(properties, STR(STORE_OBJECT_ID_PROPERTY));

	id[0] = 0;
	if (store_object_id_ok(STORE_ID_MAILBOX, stored))
		memcpy(id, stored.p, STORE_OBJECT_ID);
}

struct str
store_mailbox_object_id(const struct store_mailbox *mailbox, char id[STORE_OBJECT_ID])
{
	pthread_rwlock_t *lock = &mailbox->account->lock;

	pthread_rwlock_rdlock(lock);
	object_id_stored(mailbox->properties, id);
	pthread_rwlock_unlock(lock);
	store_looked(mailbox->account->store);
	return id[0] != 0 ? (struct str){id, STORE_OBJECT_ID}
	                  : store_new_object_id(mailbox->account, mailbox->id, id);
}

/* ---- messages */

struct str
store_blob_object_id(
    const struct store *store, char letter, uint64_t blob, char id[STORE_OBJECT_ID])
{
	return number_id(store_own_id(store), letter, blob, 0, id);
}

void
store_other_message_ids(struct str own_id, uint64_t blob, struct store_message_ids *ids)
{
	TS_ASSERT(own_id.n == STORE_OWN_ID_BYTES);
	put_bytes(number_halves(own_id, STORE_ID_EMAIL, blob, 0), ids->email);
	put_bytes(number_halves(own_id, STORE_ID_THREAD, blob, 0), ids->thread);
}

bool
store_summary_ids(const struct mail_summary *summary, struct store_message_ids *ids)
{
	if (summary->note.n != sizeof(*ids))
		return false;
	memcpy(ids, summary->note.p, sizeof(*ids));
	return true;
}

struct str
store_summary_object_id(char letter, const struct mail_summary *summary, char id[STORE_OBJECT_ID])
{
	struct store_message_ids ids;

	if (!store_summary_ids(summary, &ids))
		return STR_NONE;
	return make_id(letter, halves_of(letter == STORE_ID_EMAIL ? ids.email : ids.thread), id);
}

struct str
store_message_object_id(const struct store *store, char letter, const struct store_message *m,
    const struct mail_summary *summary, char id[STORE_OBJECT_ID])
{
	struct str stored = STR_NONE;

	if (store_message_has_ids(m))
		stored = store_summary_object_id(letter, summary, id);
	return stored.p != NULL ? stored : store_blob_object_id(store, letter, m->blob, id);
}

struct str
store_text_object_id(char letter, struct str text, char id[STORE_OBJECT_ID])
{
	XXH128_hash_t hash = XXH3_128bits(text.p, text.n);

	return make_id(letter, (struct halves){hash.high64, hash.low64}, id);
}

static bool
take_half(struct str hex, uint64_t *half_r)
{
	*half_r = 0;
	for (size_t i = 0; i < HEX; i++) {
		int digit = ascii_hex(hex.p[i]);

		if (digit < 0)
			return false;
		*half_r = *half_r << 4 | (uint64_t)digit;
	}
	return true;
}

static bool
take_id(char letter, struct str id, struct halves *h)
{
	return id.n == STORE_OBJECT_ID && id.p[0] == letter &&
	       take_half((struct str){id.p + 1, HEX}, &h->left) &&
	       take_half((struct str){id.p + 1 + HEX, HEX}, &h->right);
}

bool
store_object_id_ok(char letter, struct str id)
{
	struct halves h;

	return take_id(letter, id, &h);
}

bool
store_object_id_blob(const struct store *store, char letter, struct str id, uint64_t *blob_r)
{
	struct halves h;

	if (!take_id(letter, id, &h))
		return false;
	h = reveal(store_own_id(store), h);
	*blob_r = h.left;
	return h.right == (unsigned char)letter;
}

uint32_t
object_id_mailbox(const struct store_account *account, struct str id)
{
	struct halves h;

	if (!take_id(STORE_ID_MAILBOX, id, &h))
		return 0;
	h = reveal(store_own_id(account->store), h);
	return h.left == account->id && (h.right & 0xFF) == STORE_ID_MAILBOX &&
	               h.right >> 8 <= UINT32_MAX
	           ? (uint32_t)(h.right >> 8)
	           : 0;
}
