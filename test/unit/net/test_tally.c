/* SPDX-License-Identifier: Apache-2.0 */
/* Counts by key (net/tally.h): places, failures, networks, from several threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/tally.h"

static struct str
name(char text[32], unsigned i)
{
	return (struct str){
	    text, (size_t)snprintf(text, 32, "10.%u.%u.%u", i >> 16, (i >> 8) & 255, i & 255)};
}

static void
places(void **state)
{
	struct tally *t = tally_new();
	struct tally_place *a, *b, *c;

	(void)state;
	assert_null(tally_enter(t, STR("x"), 0));
	a = tally_enter(t, STR("x"), 2);
	b = tally_enter(t, STR("x"), 2);
	assert_true(a != NULL && b != NULL);
	assert_null(tally_enter(t, STR("x"), 2));
	c = tally_enter(t, STR("y"), 2);
	assert_non_null(c);
	tally_leave(t, &a);
	assert_null(a);
	tally_leave(t, &a); /* none: no effect */
	a = tally_enter(t, STR("x"), 2);
	assert_non_null(a);
	tally_leave(t, &a);
	tally_leave(t, &b);
	tally_leave(t, &c);
	tally_free(&t); /* asserts that it is empty */
}

static void *
come_and_go(void *arg)
{
	struct tally *t = arg;
	char text[32];

	for (unsigned i = 0; i < 20000; i++) {
		struct tally_place *a = tally_enter(t, name(text, i % 7), 1000);
		struct tally_place *b = tally_enter(t, name(text, i), 1000);

		assert_true(a != NULL && b != NULL);
		tally_leave(t, &a);
		tally_leave(t, &b);
	}
	return NULL;
}

static void
threads(void **state)
{
	struct tally *t = tally_new();
	pthread_t ids[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&ids[i], NULL, come_and_go, t), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_join(ids[i], NULL), 0);
	tally_free(&t);
}

static void
many_places(void **state)
{
	enum { N = 50000 };
	struct tally *t = tally_new();
	struct tally_place **p = mem_zalloc(N * sizeof(struct tally_place *));
	char text[32];

	(void)state;
	for (unsigned i = 0; i < N; i++)
		assert_non_null(p[i] = tally_enter(t, name(text, i), 1));
	for (unsigned i = 0; i < N; i += 97)
		assert_null(tally_enter(t, name(text, i), 1));
	for (unsigned i = 0; i < N; i++)
		tally_leave(t, &p[i]);
	mem_free(p);
	tally_free(&t);
}

static void
failing(void **state)
{
	struct failures *f = failures_new();
	char text[32];

	(void)state;
	assert_int_equal(failures_add(f, STR("x"), 1000, 60000), 0);
	assert_int_equal(failures_add(f, STR("x"), 1000, 60000), 1);
	assert_int_equal(failures_add(f, STR("y"), 1000, 60000), 0);
	assert_int_equal(failures_add(f, STR("x"), 60999, 60000), 2);
	assert_int_equal(failures_add(f, STR("x"), 61000, 60000), 2); /* one forgotten */
	assert_int_equal(failures_left(f, STR("x"), 61000, 60000), 3);
	assert_int_equal(failures_left(f, STR("x"), 180999, 60000), 2);
	assert_int_equal(failures_left(f, STR("x"), 241000, 60000), 0);
	assert_int_equal(failures_left(f, STR("z"), 61000, 60000), 0);
	assert_int_equal(failures_add(f, STR("x"), 10000000, 60000), 0);
	/* A million addresses fit: those with the fewest failures make room; those that continue
	 * stay. */
	for (unsigned i = 0; i < 1000000; i++) {
		failures_add(f, name(text, i), 10000000 + i, 60000);
		if (i % 256 == 0)
			failures_add(f, STR("busy"), 10000000 + i, 3600000);
	}
	assert_true(failures_add(f, STR("busy"), 11000000, 3600000) > 1000);
	failures_free(&f);
}

static void
networks(void **state)
{
	char a[TALLY_NETWORK_MAX];

	(void)state;
	assert_true(str_eq(tally_network(STR("192.0.2.1"), 64, a), STR("192.0.2.1")));
	assert_true(str_eq(tally_network(STR("unix"), 64, a), STR("unix")));
	assert_true(str_eq(tally_network(STR(""), 64, a), STR("")));
	assert_true(str_eq(tally_network(STR("2001:db8::1:2:3:4"), 64, a), STR("2001:db8::")));
	assert_true(str_eq(tally_network(STR("2001:db8:ffff::1"), 33, a), STR("2001:db8:8000::")));
	assert_true(str_eq(tally_network(STR("2001:db8::1"), 128, a), STR("2001:db8::1")));
	assert_true(str_eq(tally_network(STR("::zz"), 64, a), STR("::zz")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(places),
	    cmocka_unit_test(threads),
	    cmocka_unit_test(many_places),
	    cmocka_unit_test(failing),
	    cmocka_unit_test(networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
