/* SPDX-License-Identifier: Apache-2.0 */
/* OAUTHBEARER and XOAUTH2: both sides, and everything that a server must refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sasl/client.h"
#include "sasl/mech.h"

#define TOKEN "eyJhbGciOiJub25lIn0.e30.AbC-_~+/9="

static void
assert_str(struct str got, struct str want)
{
	if (!str_eq(got, want))
		fail_msg("got \"%.*s\", not \"%.*s\"", STR_ARG(got), STR_ARG(want));
}

static struct sasl_exchange *
begin(const char *mech, struct str message, enum sasl_step *step_r)
{
	struct sasl_exchange *x = sasl_exchange_new(sasl_mech_find(str_of(mech)));

	*step_r = sasl_exchange_start(x, &message);
	return x;
}

static void
messages_that_are_taken(void **state)
{
	static const struct {
		const char *mech;
		struct str message, authzid, token, host;
		unsigned port;
	} rows[] = {
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer " TOKEN "\1\1"), STR(""), STR(TOKEN), STR(""), 0},
	    {"OAUTHBEARER",
	        STR("n,a=gina,\1host=mail.site.example\1port=993\1auth=bEaReR " TOKEN "\1\1"),
	        STR("gina"), STR(TOKEN), STR("mail.site.example"), 993},
	    {"OAUTHBEARER", STR("y,a=a=2Cb=3Dc,\1port=1\1auth=Bearer   x\1\1"), STR("a,b=c"),
	        STR("x"), STR(""), 1},
	    /* unknown and reserved keys are ignored */
	    {"OAUTHBEARER", STR("n,,\1mthd=GET\1qs=\1auth=Bearer x\1zeta= \t\r\n=\1user=bo\1\1"),
	        STR(""), STR("x"), STR(""), 0},
	    {"OAUTHBEARER", STR("n,a=g\xc3\xa9,\1auth=Bearer x\1\1"), STR("g\xc3\xa9"), STR("x"),
	        STR(""), 0},
	    /* asks for the scope (RFC 7628 section 4.3) */
	    {"OAUTHBEARER", STR("n,a=gina,\1auth=\1\1"), STR("gina"), STR(""), STR(""), 0},
	    {"XOAUTH2", STR("user=gina\1auth=Bearer " TOKEN "\1\1"), STR("gina"), STR(TOKEN),
	        STR(""), 0},
	    {"XOAUTH2", STR("user=g\xc3\xa9@site.example\1auth=bearer x\1\1"),
	        STR("g\xc3\xa9@site.example"), STR("x"), STR(""), 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum sasl_step step;
		struct sasl_exchange *x = begin(rows[i].mech, rows[i].message, &step);

		if (step != SASL_STEP_TOKEN)
			fail_msg("row %zu: %s", i, x->why);
		assert_str(x->result.authzid, rows[i].authzid);
		assert_str(x->result.authcid, STR(""));
		assert_str(x->result.token, rows[i].token);
		assert_str(x->result.host, rows[i].host);
		assert_int_equal(x->result.port, rows[i].port);
		assert_int_equal(sasl_exchange_step(x, rows[i].message), SASL_STEP_MALFORMED);
		sasl_exchange_free(&x);
	}
}

static void
messages_that_are_not(void **state)
{
	static const struct {
		const char *mech;
		struct str message;
	} rows[] = {
	    {"OAUTHBEARER", STR_NONE},
	    {"OAUTHBEARER", STR("\1")}, /* only after a refusal */
	    {"OAUTHBEARER", STR("n")},
	    {"OAUTHBEARER", STR("n,")},
	    {"OAUTHBEARER", STR("n,,")},
	    {"OAUTHBEARER", STR("n,,\1")},
	    {"OAUTHBEARER", STR("n,,\1\1")}, /* no auth= */
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer x\1")},
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer x")},
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer x\1\1\1")},
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer x\1\1more")},
	    {"OAUTHBEARER", STR("n,,auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR(",,\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("p=tls-exporter,,\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("F,n,,\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("N,,\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,user=gina,\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,a=,\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,a=gi=na,\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,a=gina\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,a=g\xff,\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,a=g\0a,\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer\1\1")},
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer \1\1")},
	    {"OAUTHBEARER", STR("n,,\1auth=Basic eDp5\1\1")},
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer x y\1\1")},
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer x=y\1\1")},
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer ==\1\1")},
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer x\0\1\1")},
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer x\1auth=Bearer y\1\1")},
	    {"OAUTHBEARER", STR("n,,\1auth=Bearer x\1AUTH=Bearer y\1\1")},
	    {"OAUTHBEARER", STR("n,,\1host=a\1host=b\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,,\1port=0\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,,\1port=0143\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,,\1port=65536\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,,\1port=-1\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,,\1port=\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,,\1x-y=1\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,,\1=1\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,,\1host\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,,\1zeta=\x80\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("n,,\1zeta=\2\1auth=Bearer x\1\1")},
	    {"OAUTHBEARER", STR("user=gina\1auth=Bearer x\1\1")},
	    {"XOAUTH2", STR_NONE},
	    {"XOAUTH2", STR("auth=Bearer x\1\1")},
	    {"XOAUTH2", STR("user=\1auth=Bearer x\1\1")},
	    {"XOAUTH2", STR("user=gina\1\1")},
	    {"XOAUTH2", STR("user=gina\1user=bo\1auth=Bearer x\1\1")},
	    {"XOAUTH2", STR("user=g\0a\1auth=Bearer x\1\1")},
	    {"XOAUTH2", STR("user=g\xff\1auth=Bearer x\1\1")},
	    {"XOAUTH2", STR("user=gina\1auth=Bearer x\1")},
	    {"XOAUTH2", STR("n,,\1user=gina\1auth=Bearer x\1\1")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		enum sasl_step step;
		struct sasl_exchange *x = begin(rows[i].mech, rows[i].message, &step);

		if (step != SASL_STEP_MALFORMED)
			fail_msg("row %zu gave step %d", i, step);
		assert_non_null(x->why);
		assert_int_equal(sasl_exchange_step(x, STR("\1")), SASL_STEP_MALFORMED);
		sasl_exchange_free(&x);
	}
}

static void
a_token_that_is_not_taken(void **state)
{
	static const struct sasl_denial denial = {
	    {"mail \"all\"", 10}, {"https://id.example/.well-known/openid-configuration", 51}};
	static const struct {
		const char *mech, *json;
	} rows[] = {
	    {"OAUTHBEARER", "{\"status\":\"invalid_token\",\"schemes\":\"bearer\","
	                    "\"scope\":\"mail \\u0022all\\u0022\",\"openid-configuration\":"
	                    "\"https://id.example/.well-known/openid-configuration\"}"},
	    {"XOAUTH2", "{\"status\":\"401\",\"schemes\":\"bearer\","
	                "\"scope\":\"mail \\u0022all\\u0022\",\"openid-configuration\":"
	                "\"https://id.example/.well-known/openid-configuration\"}"},
	};
	static const struct str answers[] = {STR("\1"), STR(""), STR("what?")};

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < 3; j++) {
			enum sasl_step step;
			struct sasl_exchange *x = begin(rows[i].mech,
			    i == 0 ? STR("n,a=gina,\1auth=Bearer x\1\1")
			           : STR("user=gina\1auth=Bearer x\1\1"),
			    &step);

			assert_int_equal(step, SASL_STEP_TOKEN);
			assert_int_equal(sasl_exchange_deny(x, &denial), SASL_STEP_CHALLENGE);
			assert_str(x->challenge, str_of(rows[i].json));
			assert_int_equal(sasl_exchange_step(x, answers[j]), SASL_STEP_REFUSED);
			assert_non_null(x->why);
			assert_int_equal(sasl_exchange_step(x, STR("\1")), SASL_STEP_MALFORMED);
			sasl_exchange_free(&x);
		}
}

static struct str
repeat(char c, size_t n)
{
	char *p = mem_zalloc(n);

	memset(p, c, n);
	return (struct str){p, n};
}

/* The server accepts what our client sends, up to the limits and not beyond. */
static void
both_sides(void **state)
{
	struct str token = repeat('t', SASL_TOKEN_MAX + 1), name = repeat(',', SASL_NAME_MAX + 1);
	struct str host = repeat('h', SASL_HOST_MAX);

	(void)state;
	for (int xoauth2 = 0; xoauth2 < 2; xoauth2++)
		for (int over = 0; over < 2; over++) {
			struct sasl_bearer b = {.token = {token.p, SASL_TOKEN_MAX},
			    .authzid = {name.p, SASL_NAME_MAX},
			    .host = host,
			    .port = 65535};
			struct buf out = {0};
			struct sasl_exchange *x;
			enum sasl_step step;
			bool ok;

			b.token.n += (size_t)over;
			ok = xoauth2 ? sasl_xoauth2_message(&b, &out)
			             : sasl_oauthbearer_message(&b, &out);
			assert_int_equal(ok, !over);
			if (over) {
				assert_int_equal(out.n, 0);
				continue;
			}
			x = begin(xoauth2 ? "XOAUTH2" : "OAUTHBEARER", buf_as_str(&out), &step);
			assert_true(out.n <= sasl_mech_response_max(x->mech));
			assert_int_equal(step, SASL_STEP_TOKEN);
			assert_str(x->result.token, b.token);
			assert_str(x->result.authzid, b.authzid);
			assert_str(x->result.host, xoauth2 ? STR("") : b.host);
			assert_int_equal(x->result.port, xoauth2 ? 0 : 65535);
			assert_int_equal(
			    sasl_exchange_deny(x, &(struct sasl_denial){STR_NONE, STR_NONE}),
			    SASL_STEP_CHALLENGE);
			out.n = 0;
			sasl_bearer_answer(&out);
			assert_int_equal(
			    sasl_exchange_step(x, buf_as_str(&out)), SASL_STEP_REFUSED);
			sasl_exchange_free(&x);
			buf_wipe_fini(&out);
		}
	mem_free((void *)(uintptr_t)token.p);
	mem_free((void *)(uintptr_t)name.p);
	mem_free((void *)(uintptr_t)host.p);
}

static void
a_message_beyond_its_bound(void **state)
{
	struct str big = repeat('n', 1 << 20);
	enum sasl_step step;
	struct sasl_exchange *x = begin("OAUTHBEARER", big, &step);

	(void)state;
	assert_int_equal(step, SASL_STEP_MALFORMED);
	sasl_exchange_free(&x);
	mem_free((void *)(uintptr_t)big.p);
}

static void
what_a_client_will_not_say(void **state)
{
	struct buf out = {0};

	(void)state;
	assert_false(sasl_oauthbearer_message(&(struct sasl_bearer){.token = STR("")}, &out));
	assert_false(sasl_oauthbearer_message(&(struct sasl_bearer){.token = STR("a b")}, &out));
	assert_false(sasl_oauthbearer_message(
	    &(struct sasl_bearer){.token = STR("a"), .host = STR("b\1c")}, &out));
	assert_false(sasl_oauthbearer_message(
	    &(struct sasl_bearer){.token = STR("a"), .port = 65536}, &out));
	assert_false(sasl_oauthbearer_message(
	    &(struct sasl_bearer){.token = STR("a"), .authzid = STR("\xff")}, &out));
	assert_false(sasl_xoauth2_message(&(struct sasl_bearer){.token = STR("a")}, &out));
	assert_false(sasl_xoauth2_message(
	    &(struct sasl_bearer){.token = STR("a"), .authzid = STR("x\1auth=y")}, &out));
	assert_false(sasl_login_name(STR(""), &out));
	assert_false(sasl_login_password(STR("a\0b"), &out));
	assert_false(sasl_external_message(STR("\xfe"), &out));
	assert_int_equal(out.n, 0);
	assert_true(sasl_external_message(STR(""), &out));
	assert_int_equal(out.n, 0);
	assert_true(sasl_external_message(STR("gina"), &out));
	assert_str(buf_as_str(&out), STR("gina"));
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_that_are_taken),
	    cmocka_unit_test(messages_that_are_not),
	    cmocka_unit_test(a_token_that_is_not_taken),
	    cmocka_unit_test(both_sides),
	    cmocka_unit_test(a_message_beyond_its_bound),
	    cmocka_unit_test(what_a_client_will_not_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
