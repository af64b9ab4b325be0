/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCRAM-SHA-1 and SCRAM-SHA-256, the server's side (RFC 5802, RFC 7677), with
 * and without -PLUS.  Section 5 has the messages:
 *
 *	C: gs2-header n=name,r=nonce           then the keys are looked up
 *	S: r=nonce+ours,s=salt,i=iterations
 *	C: c=binding,r=nonce+ours,p=proof
 *	S: v=signature
 *	C: an empty message, so that the client checks the signature before the OK
 *
 * Until then a wrong proof and an unknown user look the same and take the same time.
 */
#include "base/base64.h"
#include "base/mem.h"
#include "sasl/exchange.h"
#include "sasl/scram_text.h"

enum stage { FIRST, LOOKUP, FINAL, SIGNED, OVER };

struct scram { /* x->own */
	struct sasl_scram_keys keys;
	bool known;
	struct buf binding; /* the required value of c=: the gs2 header and the channel's data */
	struct buf nonce;   /* the client's, then ours */
	struct buf said;    /* AuthMessage of section 3, as it grows */
	struct buf out;     /* the challenge */
};

static void
scram_free(void *own)
{
	struct scram *s = own;

	mem_wipe(&s->keys, sizeof(s->keys));
	buf_wipe_fini(&s->binding);
	buf_fini(&s->nonce);
	buf_wipe_fini(&s->said);
	buf_wipe_fini(&s->out);
	mem_free(s);
}

static enum sasl_step
over(struct sasl_exchange *x, enum sasl_step step, const char *why)
{
	x->stage = OVER;
	x->why = why;
	return step;
}

static enum sasl_step
malformed(struct sasl_exchange *x, const char *why)
{
	return over(x, SASL_STEP_MALFORMED, why);
}

static enum sasl_step
scram_start(struct sasl_exchange *x)
{
	x->challenge = STR_NONE;
	return SASL_STEP_CHALLENGE;
}

static enum sasl_step
challenge(struct sasl_exchange *x, enum stage next)
{
	struct scram *s = x->own;

	x->challenge = buf_as_str(&s->out);
	x->stage = next;
	return SASL_STEP_CHALLENGE;
}

/* Checks the gs2-cbind-flag (section 7).  NULL: it fits the mechanism and the channel. */
static const char *
check_flag(const struct sasl_exchange *x, struct str flag)
{
	bool plus = (x->mech->flags & SASL_BINDS) != 0;

	if (!plus) {
		if (str_eq(flag, STR("n")))
			return NULL;
		if (!str_eq(flag, STR("y")))
			return "channel binding without -PLUS";
		/* Section 6: somebody removed -PLUS from our list. */
		return x->binding.name.n > 0 ? "the client could bind the channel but was told "
		                               "that this server cannot: a downgrade attack"
		                             : NULL;
	}
	if (!str_has_prefix(flag, STR("p=")))
		return "-PLUS without channel binding";
	return x->binding.name.n > 0 &&
	               str_eq((struct str){flag.p + 2, flag.n - 2}, x->binding.name)
	           ? NULL
	           : "a type of channel binding that this connection does not have";
}

/* Copies a saslname of the message into the exchange's room for secrets. */
static const char *
keep_name(struct sasl_exchange *x, struct str text, struct str *name_r)
{
	struct buf name = {.oom = x->oom};
	const char *why = "an invalid \"=\" escape in a name";

	if (text.n <= 3 * SASL_NAME_MAX && scram_name_decode(text, &name) &&
	    (why = sasl_text_fault(buf_as_str(&name), SASL_NAME_MAX)) == NULL)
		*name_r = sasl_keep(x, buf_as_str(&name));
	buf_fini(&name);
	return why;
}

static enum sasl_step
first(struct sasl_exchange *x, struct str message)
{
	struct str rest = message, flag, authzid = STR_NONE, bare, name, nonce;
	struct scram *s = x->own = mem_try_zalloc(sizeof(*s), x->oom);
	const char *why;

	if (s == NULL)
		return over(x, SASL_STEP_UNAVAILABLE, "out of memory");
	s->binding.oom = s->nonce.oom = s->said.oom = s->out.oom = x->oom;
	if (!str_split(&rest, ',', &flag) || rest.p == NULL)
		return malformed(x, "no GS2 header");
	if (!scram_attribute(&rest, 'a', &authzid)) {
		if (rest.n == 0 || rest.p[0] != ',')
			return malformed(x, "no GS2 header");
		rest.p++, rest.n--;
	} else if (rest.p == NULL) {
		return malformed(x, "nothing after the GS2 header");
	}
	bare = rest;
	if (!scram_attribute(&rest, 'n', &name) || !scram_attribute(&rest, 'r', &nonce) ||
	    !scram_nonce_ok(nonce) || !scram_extensions_ok(rest))
		return malformed(x, "not a SCRAM client-first message");
	if ((why = check_flag(x, flag)) != NULL)
		return over(x, SASL_STEP_REFUSED, why);
	if (name.n == 0 || (why = keep_name(x, name, &x->result.authcid)) != NULL ||
	    (why = keep_name(x, authzid, &x->result.authzid)) != NULL)
		return malformed(x, why != NULL ? why : "an empty name");
	buf_str(&s->binding, str_range(message.p, bare.p));
	if ((x->mech->flags & SASL_BINDS) != 0)
		buf_put(&s->binding, x->binding.data, x->binding.n);
	buf_str(&s->said, bare);
	buf_str(&s->nonce, nonce);
	scram_nonce_make(&s->nonce);
	x->stage = LOOKUP;
	return SASL_STEP_KEYS;
}

static enum sasl_step
scram_keys(struct sasl_exchange *x, const struct sasl_scram_keys *keys, bool known)
{
	struct scram *s = x->own;

	s->keys = *keys;
	s->known = known;
	buf_puts(&s->out, "r=");
	buf_str(&s->out, buf_as_str(&s->nonce));
	buf_puts(&s->out, ",s=");
	base64_encode((struct str){(const char *)keys->salt, keys->salt_n}, &s->out);
	buf_puts(&s->out, ",i=");
	buf_u64(&s->out, keys->iterations);
	buf_putc(&s->said, ',');
	buf_str(&s->said, buf_as_str(&s->out));
	return challenge(x, FINAL);
}

/* ServerSignature of section 3. */
static void
sign(struct scram *s)
{
	size_t len = sasl_scram_hash_len(s->keys.hash);
	unsigned char signature[SASL_SCRAM_HASH_MAX];

	sasl_scram_hmac(s->keys.hash, (struct str){(const char *)s->keys.server_key, len},
	    buf_as_str(&s->said), signature);
	s->out.n = 0;
	buf_puts(&s->out, "v=");
	base64_encode((struct str){(const char *)signature, len}, &s->out);
}

static enum sasl_step
final(struct sasl_exchange *x, struct str message)
{
	struct scram *s = x->own;
	struct str rest = message, binding, nonce, proof = STR_NONE, without = message;
	struct buf raw = {.oom = x->oom};
	bool ok;

	/* The proof comes last; extensions may precede it. */
	for (size_t i = message.n; i-- > 2 && proof.p == NULL;)
		if (memcmp(message.p + i - 2, ",p=", 3) == 0) {
			proof = (struct str){message.p + i + 1, message.n - i - 1};
			without.n = i - 2;
		}
	rest = without;
	if (proof.p == NULL || !scram_attribute(&rest, 'c', &binding) ||
	    !scram_attribute(&rest, 'r', &nonce) || !scram_extensions_ok(rest))
		return malformed(x, "not a SCRAM client-final message");
	if (!base64_decode(binding, &raw)) {
		buf_fini(&raw);
		return malformed(x, "c= is not base64");
	}
	ok = sasl_secret_equal(buf_as_str(&raw), buf_as_str(&s->binding));
	buf_wipe_fini(&raw);
	if (!ok)
		return over(x, SASL_STEP_REFUSED, "the channel bindings do not match");
	if (!sasl_secret_equal(nonce, buf_as_str(&s->nonce)))
		return over(x, SASL_STEP_REFUSED, "the nonce is not the one that was given");
	buf_putc(&s->said, ',');
	buf_str(&s->said, without);
	if (!base64_decode(proof, &raw)) {
		buf_fini(&raw);
		return malformed(x, "p= is not base64");
	}
	ok = scram_proof_ok(&s->keys, buf_as_str(&s->said), buf_as_str(&raw));
	buf_wipe_fini(&raw);
	if (!ok || !s->known)
		return over(x, SASL_STEP_REFUSED, "wrong name or password");
	sign(s);
	return challenge(x, SIGNED);
}

static enum sasl_step
scram_step(struct sasl_exchange *x, struct str response)
{
	if (response.n > SASL_RESPONSE_MAX)
		return malformed(x, "the message is too long");
	switch ((enum stage)x->stage) {
	case FIRST:
		return first(x, response);
	case FINAL:
		return final(x, response);
	case SIGNED:
		if (response.n > 0)
			return malformed(x, "data after the final message");
		return over(x, SASL_STEP_PROVEN, NULL);
	case LOOKUP:
	case OVER:
		break;
	}
	return malformed(x, "a response after the end");
}

#define SCRAM(variable, text, sum, more)                                                           \
	const struct sasl_mech variable = {.name = text,                                           \
	    .flags = SASL_CLIENT_FIRST | (more),                                                   \
	    .server_start = scram_start,                                                           \
	    .server_step = scram_step,                                                             \
	    .server_keys = scram_keys,                                                             \
	    .free_own = scram_free,                                                                \
	    .hash = sum}

SCRAM(sasl_mech_scram_sha1, "SCRAM-SHA-1", SASL_SCRAM_SHA1, 0);
SCRAM(sasl_mech_scram_sha1_plus, "SCRAM-SHA-1-PLUS", SASL_SCRAM_SHA1, SASL_BINDS);
SCRAM(sasl_mech_scram_sha256, "SCRAM-SHA-256", SASL_SCRAM_SHA256, 0);
SCRAM(sasl_mech_scram_sha256_plus, "SCRAM-SHA-256-PLUS", SASL_SCRAM_SHA256, SASL_BINDS);
