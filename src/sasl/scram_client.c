/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of SCRAM: see scram_client.h; scram.c shows the messages. */
#include "sasl/scram_client.h"

#include "base/base64.h"
#include "base/err.h"
#include "base/mem.h"
#include "sasl/exchange.h"
#include "sasl/names.h"
#include "sasl/scram_text.h"

struct sasl_scram_client {
	enum sasl_scram_hash hash;
	struct buf authcid, password;
	struct buf header; /* GS2 */
	struct buf nonce, bare;
	struct sasl_binding binding; /* n is 0 without -PLUS */
	unsigned char signature[SASL_SCRAM_HASH_MAX];
	const char *why;
};

struct sasl_scram_client *
sasl_scram_client_new(const struct sasl_scram_options *o)
{
	struct sasl_scram_client *c;

	if (o->authcid.n == 0 || sasl_text_fault(o->authcid, SASL_NAME_MAX) != NULL ||
	    sasl_text_fault(o->authzid, SASL_NAME_MAX) != NULL)
		return NULL;
	TS_ASSERT(!o->plus || (o->binding != NULL && o->binding->name.n > 0));
	c = mem_try_zalloc(sizeof(*c), o->oom);
	if (c == NULL)
		return NULL;
	c->hash = o->hash;
	c->authcid.oom = c->password.oom = c->header.oom = c->nonce.oom = c->bare.oom = o->oom;
	if (!sasl_password_prepare(o->password, &c->password)) {
		sasl_scram_client_free(&c);
		return NULL;
	}
	buf_str(&c->authcid, o->authcid);
	if (o->plus) {
		c->binding = *o->binding;
		buf_puts(&c->header, "p=");
		buf_str(&c->header, o->binding->name);
	} else {
		buf_putc(&c->header, o->binding != NULL && o->binding->name.n > 0 ? 'y' : 'n');
	}
	buf_putc(&c->header, ',');
	if (o->authzid.n > 0) {
		buf_puts(&c->header, "a=");
		scram_name_encode(o->authzid, &c->header);
	}
	buf_putc(&c->header, ',');
	if (o->nonce.n > 0)
		buf_str(&c->nonce, o->nonce);
	else
		scram_nonce_make(&c->nonce);
	if (buf_failed(&c->nonce))
		sasl_scram_client_free(&c);
	return c;
}

void
sasl_scram_client_free(struct sasl_scram_client **cp)
{
	struct sasl_scram_client *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	buf_wipe_fini(&c->password);
	buf_fini(&c->authcid);
	buf_fini(&c->header);
	buf_fini(&c->nonce);
	buf_fini(&c->bare);
	mem_wipe(c, sizeof(*c));
	mem_free(c);
}

const char *
sasl_scram_client_why(const struct sasl_scram_client *c)
{
	return c->why;
}

static bool
wrong(struct sasl_scram_client *c, const char *why)
{
	c->why = why;
	return false;
}

static bool
enough_memory(struct sasl_scram_client *c, const struct buf *out)
{
	return !buf_failed(&c->nonce) && !buf_failed(out) ? true : wrong(c, "out of memory");
}

bool
sasl_scram_client_first(struct sasl_scram_client *c, struct buf *out)
{
	buf_puts(&c->bare, "n=");
	scram_name_encode(buf_as_str(&c->authcid), &c->bare);
	buf_puts(&c->bare, ",r=");
	buf_str(&c->bare, buf_as_str(&c->nonce));
	buf_str(out, buf_as_str(&c->header));
	buf_str(out, buf_as_str(&c->bare));
	return enough_memory(c, out);
}

/* Appends ClientProof, keeps ServerSignature (section 3). */
static void
prove(struct sasl_scram_client *c, struct str salt, unsigned iterations, struct str said,
    struct buf *proof)
{
	unsigned char salted[SASL_SCRAM_HASH_MAX], key[SASL_SCRAM_HASH_MAX];
	unsigned char stored[SASL_SCRAM_HASH_MAX], sign[SASL_SCRAM_HASH_MAX];
	size_t len = sasl_scram_hash_len(c->hash);

	sasl_scram_salted(c->hash, buf_as_str(&c->password), iterations, salt, salted);
	sasl_scram_hmac(c->hash, (struct str){(const char *)salted, len}, STR("Client Key"), key);
	sasl_scram_digest(c->hash, (struct str){(const char *)key, len}, stored);
	sasl_scram_hmac(c->hash, (struct str){(const char *)stored, len}, said, sign);
	scram_xor(key, sign, len);
	base64_encode((struct str){(const char *)key, len}, proof);
	sasl_scram_hmac(
	    c->hash, (struct str){(const char *)salted, len}, STR("Server Key"), stored);
	sasl_scram_hmac(c->hash, (struct str){(const char *)stored, len}, said, c->signature);
	mem_wipe(salted, sizeof(salted));
	mem_wipe(key, sizeof(key));
	mem_wipe(stored, sizeof(stored));
}

/* Parses r=, s= and i= of a challenge; the salt goes into a buffer. */
static bool
take_challenge(struct sasl_scram_client *c, struct str challenge, struct str *nonce_r,
    struct buf *salt, uint64_t *iterations_r)
{
	struct str rest = challenge, coded, count, nonce;

	if (!scram_attribute(&rest, 'r', &nonce) || !scram_attribute(&rest, 's', &coded) ||
	    !scram_attribute(&rest, 'i', &count) || !scram_extensions_ok(rest) ||
	    !scram_nonce_ok(nonce) || !base64_decode(coded, salt) || salt->n == 0 ||
	    salt->n > SASL_SCRAM_SALT_MAX)
		return wrong(c, "not a SCRAM server-first message");
	if (!str_has_prefix(nonce, buf_as_str(&c->nonce)) || nonce.n == c->nonce.n)
		return wrong(c, "the server did not add to the nonce");
	/* Fewer would help an eavesdropper guess the password; more would keep us busy. */
	if (!str_u64(count, SASL_SCRAM_ITERATIONS_MAX, iterations_r) ||
	    *iterations_r < SASL_SCRAM_ITERATIONS_MIN)
		return wrong(c, "the server wants too few or too many iterations");
	*nonce_r = nonce;
	return true;
}

bool
sasl_scram_client_final(struct sasl_scram_client *c, struct str challenge, struct buf *out)
{
	struct buf salt = buf_like(&c->nonce), bound = buf_like(&c->nonce);
	struct buf said = buf_like(&c->nonce);
	struct str nonce;
	uint64_t iterations;
	size_t from = out->n;

	if (!take_challenge(c, challenge, &nonce, &salt, &iterations)) {
		buf_fini(&salt);
		return false;
	}
	buf_str(&bound, buf_as_str(&c->header));
	buf_put(&bound, c->binding.data, c->binding.n);
	buf_puts(out, "c=");
	base64_encode(buf_as_str(&bound), out);
	buf_puts(out, ",r=");
	buf_str(out, nonce);
	buf_str(&said, buf_as_str(&c->bare));
	buf_putc(&said, ',');
	buf_str(&said, challenge);
	buf_putc(&said, ',');
	if (!buf_failed(out))
		buf_put(&said, out->p + from, out->n - from);
	buf_puts(out, ",p=");
	prove(c, buf_as_str(&salt), (unsigned)iterations, buf_as_str(&said), out);
	buf_wipe_fini(&bound);
	buf_wipe_fini(&said);
	buf_fini(&salt);
	return enough_memory(c, out);
}

bool
sasl_scram_client_verify(struct sasl_scram_client *c, struct str challenge)
{
	struct str rest = challenge, coded;
	struct buf raw = buf_like(&c->nonce);
	bool ok;

	if (!scram_attribute(&rest, 'v', &coded) || !scram_extensions_ok(rest) ||
	    !base64_decode(coded, &raw)) {
		buf_fini(&raw);
		return wrong(c, "not a SCRAM server-final message");
	}
	ok = sasl_secret_equal(buf_as_str(&raw),
	    (struct str){(const char *)c->signature, sasl_scram_hash_len(c->hash)});
	buf_wipe_fini(&raw);
	return ok ? true : wrong(c, "the server does not know the password");
}
