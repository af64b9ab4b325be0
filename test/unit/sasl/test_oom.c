/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When memory runs out at any point, the mechanisms must report it on both sides and leave nothing
 * behind: this runs them under an allocator that fails at a different point each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../oom.h"

#include "sasl/client.h"
#include "sasl/mech.h"
#include "sasl/names.h"
#include "sasl/scram_client.h"

/* ---- SCRAM, the two sides against each other */

struct pair {
	struct sasl_scram_keys keys;
	struct sasl_scram_options options;
};

/* A step that ran out of memory must say so, whatever its result. */
static enum sasl_step
said(const struct sasl_exchange *x, enum sasl_step step)
{
	assert_true(!*x->oom || (step == SASL_STEP_UNAVAILABLE && x->why != NULL));
	return step;
}

static bool
talk(const struct pair *p, struct sasl_scram_client *c, struct sasl_exchange *x, struct buf *out)
{
	if (!sasl_scram_client_first(c, out) ||
	    said(x, sasl_exchange_start(x, &(struct str){out->p, out->n})) != SASL_STEP_KEYS ||
	    said(x, sasl_exchange_keys(x, &p->keys, true)) != SASL_STEP_CHALLENGE)
		return false;
	out->n = 0;
	if (!sasl_scram_client_final(c, x->challenge, out) ||
	    said(x, sasl_exchange_step(x, buf_as_str(out))) != SASL_STEP_CHALLENGE ||
	    !sasl_scram_client_verify(c, x->challenge))
		return false;
	return said(x, sasl_exchange_step(x, STR_NONE)) == SASL_STEP_PROVEN;
}

static bool
scram(void *arg, bool *oom)
{
	struct pair *p = arg;
	struct sasl_scram_client *c;
	struct sasl_exchange *x;
	struct buf out = {.oom = oom};
	bool ok;

	p->options.oom = oom;
	c = sasl_scram_client_new(&p->options);
	x = sasl_exchange_try_new(sasl_mech_find(STR("SCRAM-SHA-256")), oom);
	ok = c != NULL && x != NULL && talk(p, c, x, &out);
	assert_true(!*oom || !ok); /* a lack of memory lets nobody in */
	sasl_scram_client_free(&c);
	sasl_exchange_free(&x);
	buf_wipe_fini(&out);
	return ok;
}

static void
scrams(void **state)
{
	struct pair p = {.options = {.hash = SASL_SCRAM_SHA256,
	                     .authcid = STR("us,er"),
	                     .authzid = STR("other"),
	                     .password = STR("p\xC3\xA4ss")}};

	(void)state;
	sasl_scram_keys_make(
	    SASL_SCRAM_SHA256, STR("p\xC3\xA4ss"), SASL_SCRAM_ITERATIONS_MIN, &p.keys);
	assert_true(oom_each(scram, &p) > 10);
}

/* ---- the others */

static bool
bearer(void *arg, bool *oom)
{
	static const struct sasl_denial denial = {
	    .scope = {"mail", 4}, .configuration = {"https://example.net", 19}};
	struct sasl_bearer b = {.token = STR("abc"), .authzid = STR("user"), .host = STR("h")};
	struct sasl_exchange *x = sasl_exchange_try_new(sasl_mech_find(str_of(arg)), oom);
	bool xoauth2 = strcmp(arg, "XOAUTH2") == 0, ok;
	struct buf out = {.oom = oom};

	ok = xoauth2 ? sasl_xoauth2_message(&b, &out) : sasl_oauthbearer_message(&b, &out);
	assert_true(ok == (out.n > 0));
	ok = ok && x != NULL &&
	     sasl_exchange_start(x, &(struct str){out.p, out.n}) == SASL_STEP_TOKEN &&
	     sasl_exchange_deny(x, &denial) == SASL_STEP_CHALLENGE;
	sasl_exchange_free(&x);
	buf_wipe_fini(&out);
	return ok;
}

static bool
plain(void *arg, bool *oom)
{
	struct sasl_exchange *x = sasl_exchange_try_new(sasl_mech_find(STR("PLAIN")), oom);
	struct buf out = {.oom = oom}, more = {.oom = oom};
	bool ok;

	(void)arg;
	ok = sasl_plain_message(STR("a"), STR("b"), STR("c"), &out) && x != NULL &&
	     sasl_exchange_start(x, &(struct str){out.p, out.n}) == SASL_STEP_PASSWORD;
	ok = sasl_login_name(STR("a"), &more) && sasl_login_password(STR("b"), &more) &&
	     sasl_external_message(STR("c"), &more) && ok;
	sasl_exchange_free(&x);
	buf_wipe_fini(&out);
	buf_wipe_fini(&more);
	return ok;
}

/* The short way and the long one. */
static bool
prepare(void *arg, bool *oom)
{
	struct buf short_way = {.oom = oom}, long_way = {.oom = oom}, full = {.oom = oom};
	struct buf password = {.oom = oom};
	bool ok;

	(void)arg;
	ok = sasl_name_prepare(STR("User"), &short_way) &&
	     sasl_name_prepare(STR("\xC3\x84"), &long_way) &&
	     str_eq(buf_as_str(&long_way), STR("\xC3\xA4"));
	ok = sasl_name_full(STR("u"), STR("ex\xC3\x84mple.net"), &full) && ok;
	ok = sasl_password_prepare(STR("p\xC3\xA4ss"), &password) && ok;
	buf_fini(&short_way);
	buf_fini(&long_way);
	buf_fini(&full);
	buf_wipe_fini(&password);
	return ok;
}

static void
others(void **state)
{
	static char xoauth2[] = "XOAUTH2", oauthbearer[] = "OAUTHBEARER";

	(void)state;
	assert_true(oom_each(bearer, xoauth2) > 3);
	assert_true(oom_each(bearer, oauthbearer) > 3);
	assert_true(oom_each(plain, NULL) > 2);
	assert_true(oom_each(prepare, NULL) > 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(scrams),
	    cmocka_unit_test(others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
