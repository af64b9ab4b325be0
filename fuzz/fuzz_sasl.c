/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mechanisms: the first byte chooses one and what the channel has; then come the client's messages,
 * each followed by an LF.  The same text also serves as a server's messages to the client side of
 * SCRAM, or as the parts of a message with a token.  "%N" stands for the nonce and "%P" for the
 * proof that a real client would send, without which nothing would get past them.
 */
#include <stdint.h>

#include "base/err.h"
#include "sasl/client.h"
#include "sasl/mech.h"
#include "sasl/scram_client.h"

static struct sasl_scram_keys keys[SASL_SCRAM_HASHES];

static void
replace(struct str in, struct str nonce, struct str proof, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] != '%' || i + 1 == in.n || (in.p[i + 1] != 'N' && in.p[i + 1] != 'P'))
			buf_putc(out, in.p[i]);
		else
			buf_str(out, in.p[++i] == 'N' ? nonce : proof);
	}
}

/* The response of a client that knows the password. */
static void
honest(const struct sasl_exchange *x, struct buf *nonce, struct buf *proof)
{
	struct str challenge = x->challenge, part;
	const char *at;

	nonce->n = proof->n = 0;
	if (!str_has_prefix(challenge, STR("r=")) || !str_split(&challenge, ',', &part))
		return;
	buf_put(nonce, part.p + 2, part.n - 2);
	for (size_t cut = 1; cut < nonce->n; cut++) {
		struct sasl_scram_options o = {.hash = x->mech->hash,
		    .authcid = STR("gina"),
		    .password = STR("p"),
		    .nonce = {nonce->p, cut}};
		struct sasl_scram_client *c;

		/* Ours is at the end, with 24 characters. */
		if (nonce->n - cut != 24)
			continue;
		c = sasl_scram_client_new(&o);
		TS_ASSERT(c != NULL && sasl_scram_client_first(c, proof));
		proof->n = 0;
		if (sasl_scram_client_final(c, x->challenge, proof)) {
			at = memchr(proof->p, 'p', proof->n);
			if (at != NULL)
				buf_consume(proof, (size_t)(at - proof->p) + 2);
		}
		sasl_scram_client_free(&c);
		return;
	}
}

static void
serve(unsigned char choice, struct str rest)
{
	static const struct sasl_binding channel = {{"tls-exporter", 12}, 4, "abcd"};
	const struct sasl_mech *mech = sasl_mechs[choice % sasl_mechs_n];
	struct sasl_exchange *x = sasl_exchange_new(mech);
	struct buf line = {0}, nonce = {0}, proof = {0};
	struct str part;
	enum sasl_step step;
	bool begun = (choice & 0x80) != 0;

	if ((mech->flags & SASL_FROM_CHANNEL) != 0)
		sasl_exchange_identify(x, STR("gateway"));
	if ((choice & 0x40) != 0)
		sasl_exchange_bind(x, &channel);
	if (begun)
		(void)sasl_exchange_start(x, NULL);
	while (rest.p != NULL && str_split(&rest, '\n', &part)) {
		struct str text;

		line.n = 0;
		replace(part, buf_as_str(&nonce), buf_as_str(&proof), &line);
		text = line.n > 0 ? buf_as_str(&line) : STR("");
		step = begun ? sasl_exchange_step(x, text) : sasl_exchange_start(x, &text);
		begun = true;
		if (step == SASL_STEP_KEYS) {
			TS_ASSERT(x->result.authcid.n > 0);
			step = sasl_exchange_keys(x, &keys[mech->hash], (choice & 0x20) == 0);
			TS_ASSERT(step == SASL_STEP_CHALLENGE);
			honest(x, &nonce, &proof);
		}
		if (step == SASL_STEP_PASSWORD)
			TS_ASSERT(x->result.authcid.n > 0 && x->result.password.n > 0);
		if (step == SASL_STEP_PROVEN)
			TS_ASSERT(
			    ((choice & 0x20) == 0 || (mech->flags & SASL_FROM_CHANNEL) != 0) &&
			    x->result.authcid.n > 0);
		if (step == SASL_STEP_TOKEN) {
			TS_ASSERT(x->result.authcid.n == 0 && x->result.token.n <= SASL_TOKEN_MAX);
			step = sasl_exchange_deny(
			    x, &(struct sasl_denial){STR("mail"), STR("https://id.example")});
			TS_ASSERT(step == SASL_STEP_CHALLENGE);
		}
		if (step != SASL_STEP_CHALLENGE)
			break;
	}
	sasl_exchange_free(&x);
	buf_fini(&line);
	buf_fini(&nonce);
	buf_fini(&proof);
}

/* Our server must accept what our client makes of the parts, and read the same parts. */
static void
bearer(bool xoauth2, struct str rest)
{
	struct sasl_bearer b = {.port = 993};
	struct buf out = {0};
	struct str message;

	(void)str_split(&rest, '\n', &b.token);
	(void)str_split(&rest, '\n', &b.authzid);
	(void)str_split(&rest, '\n', &b.host);
	if (xoauth2 ? sasl_xoauth2_message(&b, &out) : sasl_oauthbearer_message(&b, &out)) {
		struct sasl_exchange *x = sasl_exchange_new(
		    sasl_mech_find(xoauth2 ? STR("XOAUTH2") : STR("OAUTHBEARER")));

		message = buf_as_str(&out);
		TS_ASSERT(sasl_exchange_start(x, &message) == SASL_STEP_TOKEN);
		TS_ASSERT(str_eq(x->result.token, b.token) && str_eq(x->result.authzid, b.authzid));
		sasl_exchange_free(&x);
	} else
		TS_ASSERT(out.n == 0);
	buf_fini(&out);
}

static void
be_client(unsigned char choice, struct str rest)
{
	struct sasl_scram_options o = {
	    .hash = (choice & 1) != 0 ? SASL_SCRAM_SHA1 : SASL_SCRAM_SHA256,
	    .authcid = STR("gina"),
	    .password = STR("p"),
	    .nonce = STR("abc")};
	struct sasl_scram_client *c = sasl_scram_client_new(&o);
	struct buf out = {0};
	struct str part;

	TS_ASSERT(c != NULL && sasl_scram_client_first(c, &out));
	if (str_split(&rest, '\n', &part) && sasl_scram_client_final(c, part, &out) &&
	    rest.p != NULL)
		(void)sasl_scram_client_verify(c, rest);
	sasl_scram_client_free(&c);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (keys[0].iterations == 0)
		for (int i = 0; i < SASL_SCRAM_HASHES; i++)
			sasl_scram_keys_derive(
			    (enum sasl_scram_hash)i, STR("p"), 4096, STR("salt"), &keys[i]);
	if ((data[0] & 0x18) == 0x18)
		bearer((data[0] & 1) != 0, (struct str){(const char *)data + 1, size - 1});
	else if ((data[0] & 0x10) != 0)
		be_client(data[0], (struct str){(const char *)data + 1, size - 1});
	else
		serve(data[0], (struct str){(const char *)data + 1, size - 1});
	return 0;
}
