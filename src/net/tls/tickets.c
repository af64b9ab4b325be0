/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of session tickets, see tls.h. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/tls/tls_int.h"

enum { NAME_LEN = 16, KEY_LEN = 32 };

struct ticket_key {
	bool used;
	uint64_t since_ms;
	unsigned char name[NAME_LEN], cipher[KEY_LEN], mac[KEY_LEN];
};

struct tls_tickets {
	pthread_mutex_t lock; /* guards all below */
	uint64_t period_ms;
	struct ticket_key now, before;
};

struct tls_tickets *
tls_tickets_new(uint64_t period_ms)
{
	struct tls_tickets *t = mem_zalloc(sizeof(*t));

	(void)pthread_mutex_init(&t->lock, NULL);
	t->period_ms = period_ms;
	return t;
}

void
tls_tickets_free(struct tls_tickets **tp)
{
	struct tls_tickets *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	(void)pthread_mutex_destroy(&t->lock);
	mem_wipe(t, sizeof(*t));
	mem_free(t);
}

/* Needs the lock. */
static void
rotate_keys(struct tls_tickets *t, uint64_t now_ms)
{
	if (t->now.used && (t->period_ms == 0 || now_ms - t->now.since_ms >= t->period_ms)) {
		t->before = t->now;
		mem_wipe(&t->now, sizeof(t->now));
	}
	if (t->before.used &&
	    (t->period_ms == 0 || now_ms - t->before.since_ms >= 2 * t->period_ms))
		mem_wipe(&t->before, sizeof(t->before));
}

void
tls_tickets_rotate(struct tls_tickets *t, uint64_t now_ms)
{
	(void)pthread_mutex_lock(&t->lock);
	rotate_keys(t, now_ms);
	(void)pthread_mutex_unlock(&t->lock);
}

void
tls_tickets_set_period(struct tls_tickets *t, uint64_t period_ms)
{
	(void)pthread_mutex_lock(&t->lock);
	t->period_ms = period_ms;
	rotate_keys(t, clock_mono_ms());
	(void)pthread_mutex_unlock(&t->lock);
}

static bool
random_key(struct ticket_key *key, uint64_t now_ms)
{
	key->since_ms = now_ms;
	key->used = RAND_bytes(key->name, NAME_LEN) == 1 &&
	            RAND_priv_bytes(key->cipher, KEY_LEN) == 1 &&
	            RAND_priv_bytes(key->mac, KEY_LEN) == 1;
	return key->used;
}

/* Gets the key for new tickets. */
static bool
key_for_new(struct tls_tickets *t, struct ticket_key *key_r)
{
	uint64_t now_ms = clock_mono_ms();
	bool ok;

	(void)pthread_mutex_lock(&t->lock);
	rotate_keys(t, now_ms);
	/* Switched off in the middle of a handshake: make a ticket that nobody can read. */
	if (t->period_ms == 0) {
		ok = random_key(key_r, now_ms);
	} else {
		ok = t->now.used || random_key(&t->now, now_ms);
		*key_r = t->now;
	}
	(void)pthread_mutex_unlock(&t->lock);
	return ok;
}

/* Gets the key that a ticket names; *old_r: it makes no new ones. */
static bool
key_by_name(struct tls_tickets *t, const unsigned char *name, struct ticket_key *key_r, bool *old_r)
{
	const struct ticket_key *key = NULL;

	(void)pthread_mutex_lock(&t->lock);
	rotate_keys(t, clock_mono_ms());
	if (t->now.used && memcmp(t->now.name, name, NAME_LEN) == 0)
		key = &t->now;
	else if (t->before.used && memcmp(t->before.name, name, NAME_LEN) == 0)
		key = &t->before;
	*old_r = key == &t->before;
	if (key != NULL)
		*key_r = *key;
	(void)pthread_mutex_unlock(&t->lock);
	return key != NULL;
}

static bool
set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, KEY_LEN),
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_end()};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* Returns 1: continue; 2: also give a new ticket; 0: unknown key; -1: failed. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int making)
{
	struct tls_tickets *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	struct ticket_key key = {0};
	bool old = false, ok;
	int result = 1;

	if (making != 0 ? !key_for_new(t, &key) : !key_by_name(t, name, &key, &old))
		return 0;
	if (making != 0) {
		memcpy(name, key.name, NAME_LEN);
		ok = RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
		     EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv) == 1;
	} else {
		ok = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv) == 1;
		result = old ? 2 : 1;
	}
	ok = ok && set_mac(mac, &key);
	mem_wipe(&key, sizeof(key));
	return ok ? result : -1;
}

void
tls_tickets_setup(SSL_CTX *ssl, struct tls_tickets *t, uint64_t period_ms)
{
	if (t == NULL || period_ms < 1000) {
		/* TLS 1.3 would give tickets that name a session in a cache, which we do not
		 * have. */
		(void)SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
		(void)SSL_CTX_set_num_tickets(ssl, 0);
		return;
	}
	(void)SSL_CTX_set_app_data(ssl, t);
	(void)SSL_CTX_set_num_tickets(ssl, 1);
	(void)SSL_CTX_set_timeout(ssl, (long)(period_ms / 1000));
	(void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket);
}
