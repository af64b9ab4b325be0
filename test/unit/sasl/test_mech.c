/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sasl/mech.h"

static void
assert_str(struct str got, struct str want)
{
	if (!str_eq(got, want))
		fail_msg("got \"%.*s\", not \"%.*s\"", STR_ARG(got), STR_ARG(want));
}

/* A string of n bytes c; the caller frees p. */
static struct str
repeat(char c, size_t n)
{
	char *p = mem_zalloc(n);

	memset(p, c, n);
	return (struct str){p, n};
}

static void
mechanisms_are_found_in_any_case(void **state)
{
	(void)state;
	assert_string_equal(sasl_mech_find(STR("plain"))->name, "PLAIN");
	assert_string_equal(sasl_mech_find(STR("Login"))->name, "LOGIN");
	assert_null(sasl_mech_find(STR("")));
	assert_null(sasl_mech_find(STR("PLAI")));
	assert_null(sasl_mech_find(STR("PLAIN\0")));
	for (size_t i = 0; i < sasl_mechs_n; i++)
		assert_ptr_equal(sasl_mech_find(str_of(sasl_mechs[i]->name)), sasl_mechs[i]);
}

static void
plain_gives_its_three_parts(void **state)
{
	static const struct {
		struct str message, authzid, authcid, password;
	} rows[] = {
	    {STR("\0gina\0s p"), STR(""), STR("gina"), STR("s p")},
	    {STR("bo\0gateway\0x"), STR("bo"), STR("gateway"), STR("x")},
	    {STR("\0g\xc3\xa9\0\xe2\x82\xac"), STR(""), STR("g\xc3\xa9"), STR("\xe2\x82\xac")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		/* once with an initial response, once requested by an empty challenge */
		for (int initial = 0; initial < 2; initial++) {
			struct sasl_exchange *x = sasl_exchange_new(sasl_mech_find(STR("PLAIN")));

			if (initial == 0) {
				assert_int_equal(sasl_exchange_start(x, NULL), SASL_STEP_CHALLENGE);
				assert_int_equal(x->challenge.n, 0);
				assert_int_equal(
				    sasl_exchange_step(x, rows[i].message), SASL_STEP_PASSWORD);
			} else {
				assert_int_equal(
				    sasl_exchange_start(x, &rows[i].message), SASL_STEP_PASSWORD);
			}
			assert_str(x->result.authzid, rows[i].authzid);
			assert_str(x->result.authcid, rows[i].authcid);
			assert_str(x->result.password, rows[i].password);
			assert_int_equal(
			    sasl_exchange_step(x, rows[i].message), SASL_STEP_MALFORMED);
			sasl_exchange_free(&x);
			assert_null(x);
		}
	}
}

static void
plain_refuses(void **state)
{
	static const struct str bad[] = {
	    STR(""),
	    STR("\0"),
	    STR("\0\0"),
	    STR("\0\0pw"),
	    STR("\0name\0"),
	    STR("name\0pw"),
	    STR("name"),
	    STR("a\0b\0c\0"),
	    STR("a\0b\0c\0d"),
	    STR("\0\0\0"),
	    STR("\0n\xff\0pw"),
	    STR("\0n\0p\xc3"),
	    STR("\xed\xa0\x80\0n\0p"),
	    STR("\0\xc0\x80\0p"), /* an overlong NUL */
	    STR_NONE,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct sasl_exchange *x = sasl_exchange_new(sasl_mech_find(STR("PLAIN")));

		if (sasl_exchange_start(x, &bad[i]) != SASL_STEP_MALFORMED)
			fail_msg("row %zu was taken", i);
		assert_non_null(x->why);
		assert_int_equal(x->result.password.n, 0);
		sasl_exchange_free(&x);
	}
}

static enum sasl_step
plain_of_sizes(size_t zid, size_t cid, size_t pw)
{
	struct sasl_exchange *x = sasl_exchange_new(sasl_mech_find(STR("PLAIN")));
	struct str a = repeat('a', zid), b = repeat('b', cid), c = repeat('c', pw);
	struct buf m = {0};
	enum sasl_step step;

	buf_str(&m, a);
	buf_putc(&m, '\0');
	buf_str(&m, b);
	buf_putc(&m, '\0');
	buf_str(&m, c);
	step = sasl_exchange_start(x, &(struct str){m.p, m.n});
	if (step == SASL_STEP_PASSWORD) {
		assert_str(x->result.authzid, a);
		assert_str(x->result.authcid, b);
		assert_str(x->result.password, c);
	}
	sasl_exchange_free(&x);
	buf_fini(&m);
	mem_free((void *)(uintptr_t)a.p);
	mem_free((void *)(uintptr_t)b.p);
	mem_free((void *)(uintptr_t)c.p);
	return step;
}

static void
plain_has_limits(void **state)
{
	(void)state;
	assert_int_equal(
	    plain_of_sizes(SASL_NAME_MAX, SASL_NAME_MAX, SASL_PASSWORD_MAX), SASL_STEP_PASSWORD);
	assert_int_equal(plain_of_sizes(SASL_NAME_MAX + 1, 1, 1), SASL_STEP_MALFORMED);
	assert_int_equal(plain_of_sizes(0, SASL_NAME_MAX + 1, 1), SASL_STEP_MALFORMED);
	assert_int_equal(plain_of_sizes(0, 1, SASL_PASSWORD_MAX + 1), SASL_STEP_MALFORMED);
	assert_int_equal(plain_of_sizes(100000, 100000, 100000), SASL_STEP_MALFORMED);
}

static void
login_asks_twice(void **state)
{
	const struct str name = STR("gina");

	(void)state;
	for (int initial = 0; initial < 2; initial++) {
		struct sasl_exchange *x = sasl_exchange_new(sasl_mech_find(STR("LOGIN")));

		if (initial == 0) {
			assert_int_equal(sasl_exchange_start(x, NULL), SASL_STEP_CHALLENGE);
			assert_str(x->challenge, STR("User Name"));
			assert_int_equal(sasl_exchange_step(x, name), SASL_STEP_CHALLENGE);
		} else {
			assert_int_equal(sasl_exchange_start(x, &name), SASL_STEP_CHALLENGE);
		}
		assert_str(x->challenge, STR("Password"));
		assert_int_equal(sasl_exchange_step(x, STR("a b")), SASL_STEP_PASSWORD);
		assert_str(x->result.authzid, STR(""));
		assert_str(x->result.authcid, STR("gina"));
		assert_str(x->result.password, STR("a b"));
		assert_int_equal(sasl_exchange_step(x, STR("more")), SASL_STEP_MALFORMED);
		assert_int_equal(sasl_exchange_step(x, STR("more")), SASL_STEP_MALFORMED);
		sasl_exchange_free(&x);
	}
}

static void
login_refuses(void **state)
{
	struct str longest = repeat('x', SASL_PASSWORD_MAX + 1);
	const struct str bad[] = {STR(""), STR_NONE, STR("a\0b"), STR("\x80"), longest};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		for (int second = 0; second < 2; second++) {
			struct sasl_exchange *x = sasl_exchange_new(sasl_mech_find(STR("LOGIN")));

			assert_int_equal(sasl_exchange_start(x, NULL), SASL_STEP_CHALLENGE);
			if (second)
				assert_int_equal(
				    sasl_exchange_step(x, STR("gina")), SASL_STEP_CHALLENGE);
			assert_int_equal(sasl_exchange_step(x, bad[i]), SASL_STEP_MALFORMED);
			/* Nothing is possible after the end. */
			assert_int_equal(sasl_exchange_step(x, STR("gina")), SASL_STEP_MALFORMED);
			sasl_exchange_free(&x);
		}
	}
	mem_free((void *)(uintptr_t)longest.p);
}

static void
the_client_speaks_what_the_server_takes(void **state)
{
	struct buf b = {0};
	struct sasl_exchange *x = sasl_exchange_new(sasl_mech_find(STR("PLAIN")));

	(void)state;
	assert_true(sasl_plain_message(STR("bo"), STR("gateway"), STR("p w"), &b));
	assert_str(buf_as_str(&b), STR("bo\0gateway\0p w"));
	assert_int_equal(sasl_exchange_start(x, &(struct str){b.p, b.n}), SASL_STEP_PASSWORD);
	assert_str(x->result.authzid, STR("bo"));
	sasl_exchange_free(&x);
	assert_false(sasl_plain_message(STR("b\0o"), STR("gateway"), STR("p"), &b));
	assert_false(sasl_plain_message(STR(""), STR(""), STR("p"), &b));
	assert_false(sasl_plain_message(STR(""), STR("g"), STR(""), &b));
	assert_false(sasl_plain_message(STR(""), STR("g"), STR("\xfe"), &b));
	assert_int_equal(b.n, 14);
	buf_wipe_fini(&b);
}

static enum sasl_step
external(struct sasl_exchange **x_r, const struct str *initial, struct str answer)
{
	struct sasl_exchange *x = *x_r = sasl_exchange_new(sasl_mech_find(STR("external")));
	enum sasl_step step;

	sasl_exchange_identify(x, STR("gateway"));
	step = sasl_exchange_start(x, initial);
	if (initial != NULL)
		return step;
	assert_int_equal(step, SASL_STEP_CHALLENGE);
	assert_str(x->challenge, STR(""));
	return sasl_exchange_step(x, answer);
}

/* RFC 4422 appendix A */
static void
external_takes_who_it_is_from_the_channel(void **state)
{
	static const struct str rows[] = {{"", 0}, {"bo", 2}, {"b\xc3\xb6", 3}, {"x y,=\t", 6}};
	struct sasl_exchange *x;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (int initial = 0; initial < 2; initial++) {
			assert_int_equal(external(&x, initial != 0 ? &rows[i] : NULL, rows[i]),
			    SASL_STEP_PROVEN);
			assert_str(x->result.authcid, STR("gateway"));
			assert_str(x->result.authzid, rows[i]);
			assert_int_equal(sasl_exchange_step(x, STR("")), SASL_STEP_MALFORMED);
			sasl_exchange_free(&x);
		}
}

static void
external_refuses(void **state)
{
	struct str longest = repeat('z', SASL_NAME_MAX + 1);
	const struct str rows[] = {{"\0", 1}, {"bo\0", 3}, {"\xff", 1}, {"\xc0\x80", 2}, longest};
	struct sasl_exchange *x;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(external(&x, &rows[i], STR("")), SASL_STEP_MALFORMED);
		assert_non_null(x->why);
		sasl_exchange_free(&x);
	}
	longest.n--;
	assert_int_equal(external(&x, NULL, longest), SASL_STEP_PROVEN);
	assert_str(x->result.authzid, longest);
	sasl_exchange_free(&x);
	mem_free((void *)(uintptr_t)longest.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mechanisms_are_found_in_any_case),
	    cmocka_unit_test(plain_gives_its_three_parts),
	    cmocka_unit_test(plain_refuses),
	    cmocka_unit_test(plain_has_limits),
	    cmocka_unit_test(login_asks_twice),
	    cmocka_unit_test(login_refuses),
	    cmocka_unit_test(external_takes_who_it_is_from_the_channel),
	    cmocka_unit_test(external_refuses),
	    cmocka_unit_test(the_client_speaks_what_the_server_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
