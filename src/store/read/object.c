/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object ids (RFC 8474): a letter, and 128 bits in hex.
 *
 * The bits are a number of this store (a blob, or an account and a mailbox) after four rounds of a
 * Feistel network keyed by the store's own id.  That is a permutation, so no two objects share an
 * id, and an id sent back by a client leads to the number; in another store the same numbers make
 * other ids.  Numbers of blobs and mailboxes are never reused, so an id never comes again.
 */
#include <endian.h>

#include "store/read/read_int.h"

#define ROUNDS 4u
#define HEX 16u /* digits of a half */

struct halves {
	uint64_t left, right;
};

static uint64_t
mix(const struct store *store, uint64_t half, unsigned round)
{
	struct str own = store_own_id(store);
	char bytes[sizeof(half) + STORE_OWN_ID_BYTES];

	half = htole64(half);
	memcpy(bytes, &half, sizeof half);
	memcpy(bytes + sizeof half, own.p, own.n);
	return XXH3_64bits_withSeed(bytes, sizeof bytes, round);
}

static struct halves
conceal(const struct store *store, struct halves h)
{
	for (unsigned round = 0; round < ROUNDS; round++)
		h = (struct halves){h.right, h.left ^ mix(store, h.right, round)};
	return h;
}

static struct halves
reveal(const struct store *store, struct halves h)
{
	for (unsigned round = ROUNDS; round-- > 0;)
		h = (struct halves){h.right ^ mix(store, h.left, round), h.left};
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

static struct str
number_id(
    const struct store *store, char letter, uint64_t left, uint64_t right, char id[STORE_OBJECT_ID])
{
	struct halves h = {left, right << 8 | (unsigned char)letter};

	return make_id(letter, conceal(store, h), id);
}

struct str
store_mailbox_object_id(
    const struct store_account *account, uint32_t mailbox_id, char id[STORE_OBJECT_ID])
{
	return number_id(account->store, 'F', account->id, mailbox_id, id);
}

struct str
store_blob_object_id(
    const struct store *store, char letter, uint64_t blob, char id[STORE_OBJECT_ID])
{
	return number_id(store, letter, blob, 0, id);
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
		char c = hex.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		*half_r = *half_r << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return true;
}

bool
store_object_id_blob(const struct store *store, char letter, struct str id, uint64_t *blob_r)
{
	struct halves h;

	if (id.n != STORE_OBJECT_ID || id.p[0] != letter ||
	    !take_half((struct str){id.p + 1, HEX}, &h.left) ||
	    !take_half((struct str){id.p + 1 + HEX, HEX}, &h.right))
		return false;
	h = reveal(store, h);
	*blob_r = h.left;
	return h.right == (unsigned char)letter;
}
