/* SPDX-License-Identifier: Apache-2.0 */
/* Both sides of SCRAM: compared with values made with Python, with each other, and with hostile
 * text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sasl/scram_client.h"

#define PASSWORD STR("tide table")
#define SALT STR("turnstone-salt!!")

static const struct sasl_binding channel = {{"tls-exporter", 12}, 5, "abcde"};
static const struct sasl_binding other_channel = {{"tls-exporter", 12}, 5, "abcdf"};
static const struct sasl_binding older_channel = {{"tls-unique", 10}, 5, "abcde"};

static void
assert_str(struct str got, struct str want)
{
	if (!str_eq(got, want))
		fail_msg("got \"%.*s\", not \"%.*s\"", STR_ARG(got), STR_ARG(want));
}

static struct sasl_scram_keys
keys_of(enum sasl_scram_hash hash)
{
	struct sasl_scram_keys keys;

	sasl_scram_keys_derive(hash, PASSWORD, 4096, SALT, &keys);
	return keys;
}

/* Made with Python's hashlib and hmac. */
static void
known_figures(void **state)
{
	static const struct {
		struct str final, signature;
	} rows[] = {
	    [SASL_SCRAM_SHA1] = {STR("c=bixhPWJvLA==,r=cOcOnUt9pAlMtReE,"
	                             "p=jc2P6LFuvtFnPsBIvFwQA3Lgpeg="),
	        STR("v=Eot5NMyN+Ioo3I2nHSOX3hMq6Qs=")},
	    [SASL_SCRAM_SHA256] = {STR("c=bixhPWJvLA==,r=cOcOnUt9pAlMtReE,"
	                               "p=KloEtCCoHS0ZS6CVBEyxjXqfbJaiY7bPpNOk2ixmCJs="),
	        STR("v=H3ugv3L9X2G+pLUPcYIFaxpaUQN+0RwHpe/hGbFZMNM=")},
	};

	(void)state;
	for (int hash = 0; hash < SASL_SCRAM_HASHES; hash++) {
		struct sasl_scram_options o = {.hash = (enum sasl_scram_hash)hash,
		    .authzid = STR("bo"),
		    .authcid = STR("gina,of=sea"),
		    .password = PASSWORD,
		    .nonce = STR("cOcOnUt9")};
		struct sasl_scram_client *c = sasl_scram_client_new(&o);
		struct buf out = {0};

		assert_true(sasl_scram_client_first(c, &out));
		assert_str(buf_as_str(&out), STR("n,a=bo,n=gina=2Cof=3Dsea,r=cOcOnUt9"));
		out.n = 0;
		assert_true(sasl_scram_client_final(
		    c, STR("r=cOcOnUt9pAlMtReE,s=dHVybnN0b25lLXNhbHQhIQ==,i=4096"), &out));
		assert_str(buf_as_str(&out), rows[hash].final);
		assert_true(sasl_scram_client_verify(c, rows[hash].signature));
		assert_null(sasl_scram_client_why(c));
		assert_false(sasl_scram_client_verify(c, rows[1 - hash].signature));
		assert_false(sasl_scram_client_verify(c, STR("e=other-error")));
		assert_non_null(sasl_scram_client_why(c));
		sasl_scram_client_free(&c);
		buf_fini(&out);
	}
}

struct talk {
	const char *mech;
	const struct sasl_binding *client, *server;
	struct str password;
	bool unknown;
};

/* Runs the whole exchange; returns how it ends. */
static enum sasl_step
talk(const struct talk *t)
{
	const struct sasl_mech *mech = sasl_mech_find(str_of(t->mech));
	struct sasl_exchange *x = sasl_exchange_new(mech);
	struct sasl_scram_options o = {.hash = mech->hash,
	    .authzid = STR("b,o"),
	    .authcid = STR("gina=sea"),
	    .password = t->password.n > 0 ? t->password : PASSWORD,
	    .binding = t->client,
	    .plus = (mech->flags & SASL_BINDS) != 0};
	struct sasl_scram_client *c = sasl_scram_client_new(&o);
	struct sasl_scram_keys keys = keys_of(mech->hash);
	struct buf out = {0};
	enum sasl_step step;

	if (t->server != NULL)
		sasl_exchange_bind(x, t->server);
	assert_true(sasl_scram_client_first(c, &out));
	assert_int_equal(sasl_exchange_start(x, NULL), SASL_STEP_CHALLENGE);
	assert_int_equal(x->challenge.n, 0);
	step = sasl_exchange_step(x, buf_as_str(&out));
	if (step == SASL_STEP_KEYS) {
		assert_str(x->result.authcid, STR("gina=sea"));
		assert_str(x->result.authzid, STR("b,o"));
		assert_int_equal(sasl_exchange_keys(x, &keys, !t->unknown), SASL_STEP_CHALLENGE);
		out.n = 0;
		assert_true(sasl_scram_client_final(c, x->challenge, &out));
		step = sasl_exchange_step(x, buf_as_str(&out));
	}
	if (step == SASL_STEP_CHALLENGE) {
		assert_true(sasl_scram_client_verify(c, x->challenge));
		step = sasl_exchange_step(x, STR(""));
	}
	/* What has ended stays ended. */
	assert_int_equal(sasl_exchange_step(x, buf_as_str(&out)), SASL_STEP_MALFORMED);
	sasl_exchange_free(&x);
	sasl_scram_client_free(&c);
	buf_fini(&out);
	return step;
}

static void
two_sides(void **state)
{
	static const struct {
		struct talk talk;
		enum sasl_step want;
	} rows[] = {
	    {{"SCRAM-SHA-1", NULL, NULL, STR(""), false}, SASL_STEP_PROVEN},
	    {{"SCRAM-SHA-256", NULL, NULL, STR(""), false}, SASL_STEP_PROVEN},
	    {{"SCRAM-SHA-256", NULL, &channel, STR(""), false}, SASL_STEP_PROVEN},
	    {{"SCRAM-SHA-1-PLUS", &channel, &channel, STR(""), false}, SASL_STEP_PROVEN},
	    {{"SCRAM-SHA-256-PLUS", &channel, &channel, STR(""), false}, SASL_STEP_PROVEN},
	    {{"SCRAM-SHA-256-PLUS", &older_channel, &older_channel, STR(""), false},
	        SASL_STEP_PROVEN},
	    /* The client could bind and this server cannot: accepted.  If it can, somebody lied. */
	    {{"SCRAM-SHA-256", &channel, NULL, STR(""), false}, SASL_STEP_PROVEN},
	    {{"SCRAM-SHA-256", &channel, &channel, STR(""), false}, SASL_STEP_REFUSED},
	    {{"SCRAM-SHA-256-PLUS", &other_channel, &channel, STR(""), false}, SASL_STEP_REFUSED},
	    {{"SCRAM-SHA-256-PLUS", &older_channel, &channel, STR(""), false}, SASL_STEP_REFUSED},
	    {{"SCRAM-SHA-256-PLUS", &channel, NULL, STR(""), false}, SASL_STEP_REFUSED},
	    {{"SCRAM-SHA-256", NULL, NULL, STR("tide Table"), false}, SASL_STEP_REFUSED},
	    {{"SCRAM-SHA-256-PLUS", &channel, &channel, STR("x"), false}, SASL_STEP_REFUSED},
	    {{"SCRAM-SHA-1", NULL, NULL, STR(""), true}, SASL_STEP_REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (talk(&rows[i].talk) != rows[i].want)
			fail_msg("row %zu", i);
}

static void
bad_first_messages(void **state)
{
	static const struct str bad[] = {
	    STR_NONE,
	    STR(""),
	    STR("n"),
	    STR("n,"),
	    STR("n,,"),
	    STR("n,,n=gina"),
	    STR("n,,n=gina,"),
	    STR("n,,n=gina,r="),
	    STR("n,,n=,r=abc"),
	    STR("n,n=gina,r=abc"),
	    STR("x,,n=gina,r=abc,m"),
	    STR("n,,m=must,n=gina,r=abc"),
	    STR("n,,n=gina,r=abc,m=x"),
	    STR("n,,n=gi=na,r=abc"),
	    STR("n,,n=gina=2,r=abc"),
	    STR("n,,n=gina=2c,r=abc"),
	    STR("n,,n=gina=,r=abc"),
	    STR("n,a=b=o,n=gina,r=abc"),
	    STR("n,b=bo,n=gina,r=abc"),
	    STR("n,,n=gina,r=a bc"),
	    STR("n,,n=gina,r=a\x7f"),
	    STR("n,,n=gi\0na,r=abc"),
	    STR("n,,n=\xff,r=abc"),
	    STR("n,,r=abc,n=gina"),
	    STR("n,,n=gina,r=abc,"),
	    STR("n,,n=gina,r=abc,1=x"),
	    STR("n,a=bo"),
	    STR("n,a=bo,"),
	};
	static const struct str refused[] = {
	    STR("p=tls-exporter,,n=gina,r=abc"), STR("z,,n=gina,r=abc"), STR(",,n=gina,r=abc")};
	char nonce[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct sasl_exchange *x = sasl_exchange_new(sasl_mech_find(STR("SCRAM-SHA-256")));

		if (sasl_exchange_start(x, &bad[i]) != SASL_STEP_MALFORMED || x->why == NULL)
			fail_msg("\"%.*s\"", STR_ARG(bad[i]));
		sasl_exchange_free(&x);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct sasl_exchange *x = sasl_exchange_new(sasl_mech_find(STR("SCRAM-SHA-256")));

		if (sasl_exchange_start(x, &refused[i]) != SASL_STEP_REFUSED || x->why == NULL)
			fail_msg("\"%.*s\"", STR_ARG(refused[i]));
		sasl_exchange_free(&x);
	}
	for (size_t n = 255; n <= 257; n++) {
		struct sasl_exchange *x = sasl_exchange_new(sasl_mech_find(STR("SCRAM-SHA-256")));
		struct str message = {nonce, 11 + n};

		memcpy(nonce, "n,,n=gina,r=", 12);
		memset(nonce + 12, 'a', sizeof(nonce) - 12);
		message.n = 12 + n;
		assert_int_equal(sasl_exchange_start(x, &message),
		    n <= 256 ? SASL_STEP_KEYS : SASL_STEP_MALFORMED);
		sasl_exchange_free(&x);
	}
}

static void
bad_final_messages(void **state)
{
	static const struct {
		const char *text; /* NONCE stands for the right one */
		enum sasl_step want;
	} rows[] = {
	    {"", SASL_STEP_MALFORMED},
	    {"p=", SASL_STEP_MALFORMED},
	    {",p=", SASL_STEP_MALFORMED},
	    {"c=biws,r=NONCE", SASL_STEP_MALFORMED},
	    {"c=biws,r=NONCE,p=*", SASL_STEP_MALFORMED},
	    {"c=bi*s,r=NONCE,p=AAAA", SASL_STEP_MALFORMED},
	    {"r=NONCE,c=biws,p=AAAA", SASL_STEP_MALFORMED},
	    {"c=biws,r=NONCE,m=x,p=AAAA", SASL_STEP_MALFORMED},
	    {"c=biws,r=NONCE,p=", SASL_STEP_REFUSED},
	    {"c=biws,r=NONCE,x=y,p=AAAA", SASL_STEP_REFUSED},
	    {"c=eSws,r=NONCE,p=AAAA", SASL_STEP_REFUSED}, /* "y,," is not what it said at first */
	    {"c=biws,r=NONCEx,p=AAAA", SASL_STEP_REFUSED},
	    {"c=biws,r=abc,p=AAAA", SASL_STEP_REFUSED},
	};
	struct sasl_scram_keys keys = keys_of(SASL_SCRAM_SHA256);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sasl_exchange *x = sasl_exchange_new(sasl_mech_find(STR("SCRAM-SHA-256")));
		struct str first = STR("n,,n=gina,r=abc"), nonce = STR_NONE;
		const char *at = strstr(rows[i].text, "NONCE");
		struct buf b = {0};

		assert_int_equal(sasl_exchange_start(x, &first), SASL_STEP_KEYS);
		assert_int_equal(sasl_exchange_step(x, first), SASL_STEP_MALFORMED);
		sasl_exchange_free(&x);
		x = sasl_exchange_new(sasl_mech_find(STR("SCRAM-SHA-256")));
		assert_int_equal(sasl_exchange_start(x, &first), SASL_STEP_KEYS);
		assert_int_equal(sasl_exchange_keys(x, &keys, true), SASL_STEP_CHALLENGE);
		nonce = x->challenge;
		nonce.n = (size_t)((const char *)memchr(nonce.p, ',', nonce.n) - nonce.p);
		if (at != NULL) {
			buf_put(&b, rows[i].text, (size_t)(at - rows[i].text));
			buf_put(&b, nonce.p + 2, nonce.n - 2);
			buf_puts(&b, at + 5);
		} else {
			buf_puts(&b, rows[i].text);
		}
		if (sasl_exchange_step(x, buf_as_str(&b)) != rows[i].want)
			fail_msg("\"%s\"", rows[i].text);
		buf_fini(&b);
		sasl_exchange_free(&x);
	}
}

static void
bad_challenges(void **state)
{
	static const struct str bad[] = {STR(""), STR("r=abc"), STR("r=abcx"), STR("r=abcx,s=AAAA"),
	    STR("r=abcx,s=,i=4096"), STR("r=abcx,s=A,i=4096"), STR("r=abcx,s=AAAA,i="),
	    STR("r=abcx,s=AAAA,i=4095"), STR("r=abcx,s=AAAA,i=-1"), STR("r=abcx,s=AAAA,i=1000001"),
	    STR("r=abc,s=AAAA,i=4096"), STR("r=abdx,s=AAAA,i=4096"),
	    STR("m=x,r=abcx,s=AAAA,i=4096"), STR("r=abcx,s=AAAA,i=4096,m=x"),
	    STR("e=unknown-user")};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct sasl_scram_options o = {.hash = SASL_SCRAM_SHA256,
		    .authcid = STR("gina"),
		    .password = PASSWORD,
		    .nonce = STR("abc")};
		struct sasl_scram_client *c = sasl_scram_client_new(&o);
		struct buf out = {0};

		assert_true(sasl_scram_client_first(c, &out));
		out.n = 0;
		if (sasl_scram_client_final(c, bad[i], &out) || out.n != 0)
			fail_msg("\"%.*s\"", STR_ARG(bad[i]));
		assert_non_null(sasl_scram_client_why(c));
		sasl_scram_client_free(&c);
		buf_fini(&out);
	}
}

static void
names_that_are_none(void **state)
{
	struct sasl_scram_options o = {.hash = SASL_SCRAM_SHA1, .password = PASSWORD};

	(void)state;
	assert_null(sasl_scram_client_new(&o));
	o.authcid = STR("gi\0na");
	assert_null(sasl_scram_client_new(&o));
	o.authcid = STR("gina");
	o.password = STR("");
	assert_null(sasl_scram_client_new(&o));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_figures),
	    cmocka_unit_test(two_sides),
	    cmocka_unit_test(bad_first_messages),
	    cmocka_unit_test(bad_final_messages),
	    cmocka_unit_test(bad_challenges),
	    cmocka_unit_test(names_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
