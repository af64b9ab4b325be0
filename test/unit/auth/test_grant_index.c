/* SPDX-License-Identifier: Apache-2.0 */
/* Which grant decides: each rule with the request it refuses, and the index compared with a
 * walk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "auth/grant/index.h"
#include "base/mem.h"

enum { NOW = 1800000000 };

static struct auth_grant *
make(const char *name, const char *who, const char *target, const char *from, int64_t until)
{
	struct str network = str_of(from);
	struct auth_grant_spec spec = {.name = str_of(name),
	    .who = str_of(who),
	    .target = str_of(target),
	    .from = &network,
	    .from_count = from != NULL};
	struct auth_grant_fault fault = {0};
	struct auth_grant *grant =
	    auth_grant_new(AUTH_GRANT_CONFIG, STR("site.example"), &spec, &fault);

	if (grant == NULL)
		fail_msg("%s: %s", fault.field, buf_cstr(&fault.text));
	grant->until = until;
	return grant;
}

static struct auth_groups *
groups(void)
{
	struct buf faults = {0};
	struct auth_groups *g = auth_groups_parse(STR("gateways:x:1:gateway,spare\n"
	                                              "staff:x:2:anna,boris@voice.example\n"
	                                              "both:x:3:gateway,anna\n"),
	    "groups", STR("site.example"), &faults);

	assert_non_null(g);
	return g;
}

static void
test_rules(void **state)
{
	static const struct {
		const char *who, *target, *from; /* of the grant */
		int64_t until;
		const char *asks, *asks_for, *address;
		enum auth_fit want;
	} rows[] = {
	    /* who */
	    {"gateway", "*", NULL, INT64_MAX, "gateway@site.example", "a@b", "::1", AUTH_FITS},
	    {"gateway", "*", NULL, INT64_MAX, "gateway@else", "a@b", "::1", AUTH_NOT_WHO},
	    {"gateway", "*", NULL, INT64_MAX, "gateway", "a@b", "::1", AUTH_NOT_WHO},
	    {"*@site.example", "*", NULL, INT64_MAX, "x@site.example", "a@b", "::1", AUTH_FITS},
	    {"*@site.example", "*", NULL, INT64_MAX, "x@sub.site.example", "a@b", "::1",
	        AUTH_NOT_WHO},
	    {"*@site.example", "*", NULL, INT64_MAX, "site.example", "a@b", "::1", AUTH_NOT_WHO},
	    {"gw-*", "*", NULL, INT64_MAX, "gw-7@site.example", "a@b", "::1", AUTH_FITS},
	    {"gw-*", "*", NULL, INT64_MAX, "agw-7@site.example", "a@b", "::1", AUTH_NOT_WHO},
	    {"group:gateways", "*", NULL, INT64_MAX, "spare@site.example", "a@b", "::1", AUTH_FITS},
	    {"group:gateways", "*", NULL, INT64_MAX, "anna@site.example", "a@b", "::1",
	        AUTH_NOT_WHO},
	    {"group:none", "*", NULL, INT64_MAX, "anna@site.example", "a@b", "::1", AUTH_NOT_WHO},
	    {"*", "*", NULL, INT64_MAX, "anyone", "a", "::1", AUTH_FITS},
	    /* for */
	    {"*", "anna", NULL, INT64_MAX, "g", "anna@site.example", "::1", AUTH_FITS},
	    {"*", "anna", NULL, INT64_MAX, "g", "anna@voice.example", "::1", AUTH_NOT_FOR},
	    {"*", "*@voice.example", NULL, INT64_MAX, "g", "anna@voice.example", "::1", AUTH_FITS},
	    {"*", "*@voice.example", NULL, INT64_MAX, "g", "anna@voice.example.evil", "::1",
	        AUTH_NOT_FOR},
	    {"*", "a*", NULL, INT64_MAX, "g", "anna@voice.example", "::1", AUTH_FITS},
	    {"*", "a*", NULL, INT64_MAX, "g", "boris@voice.example", "::1", AUTH_NOT_FOR},
	    {"*", "group:staff", NULL, INT64_MAX, "g", "boris@voice.example", "::1", AUTH_FITS},
	    {"*", "group:staff", NULL, INT64_MAX, "g", "boris@site.example", "::1", AUTH_NOT_FOR},
	    /* from */
	    {"*", "*", "10.0.0.0/8", INT64_MAX, "g", "a", "10.200.0.1", AUTH_FITS},
	    {"*", "*", "10.0.0.0/8", INT64_MAX, "g", "a", "192.0.2.1", AUTH_NOT_FROM},
	    {"*", "*", "10.0.0.0/8", INT64_MAX, "g", "a", "unix", AUTH_NOT_FROM},
	    {"*", "*", "10.0.0.0/8", INT64_MAX, "g", "a", "", AUTH_NOT_FROM},
	    {"*", "*", "10.0.0.0/8", INT64_MAX, "g", "a", "what?", AUTH_NOT_FROM},
	    {"*", "*", "2001:db8::/32", INT64_MAX, "g", "a", "2001:db8::7", AUTH_FITS},
	    {"*", "*", "2001:db8::/32", INT64_MAX, "g", "a", "2001:db9::7", AUTH_NOT_FROM},
	    {"*", "*", "unix", INT64_MAX, "g", "a", "unix", AUTH_FITS},
	    {"*", "*", "unix", INT64_MAX, "g", "a", "127.0.0.1", AUTH_NOT_FROM},
	    {"*", "*", NULL, INT64_MAX, "g", "a", "what?", AUTH_FITS},
	    /* until */
	    {"*", "*", NULL, NOW + 1, "g", "a", "::1", AUTH_FITS},
	    {"*", "*", NULL, NOW, "g", "a", "::1", AUTH_EXPIRED},
	    {"*", "*", NULL, NOW - 1, "g", "a", "::1", AUTH_EXPIRED},
	};
	struct auth_groups *g = groups();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct auth_grant *grant =
		    make("one", rows[i].who, rows[i].target, rows[i].from, rows[i].until);
		struct auth_index *index = auth_index_new(&grant, 1);
		struct auth_ask ask = {.who = str_of(rows[i].asks),
		    .target = str_of(rows[i].asks_for),
		    .address = str_of(rows[i].address),
		    .now = NOW};
		struct auth_grant *found = auth_index_find(index, g, &ask);

		if (auth_grant_fits(grant, g, &ask) != rows[i].want ||
		    found != (rows[i].want == AUTH_FITS ? grant : NULL))
			fail_msg("row %zu: %s for %s", i, rows[i].who, rows[i].target);
		/* An admin is an admin from anywhere and for anybody, but not when everything has
		 * expired. */
		assert_true(auth_index_names(index, g, ask.who, NOW) ==
		            (rows[i].want != AUTH_NOT_WHO && rows[i].want != AUTH_EXPIRED));
		auth_index_free(&index);
		auth_grant_unref(&grant);
	}
	auth_groups_unref(&g);
}

static void
test_order(void **state)
{
	struct auth_grant *list[] = {make("ended", "gateway", "anna", NULL, NOW),
	    make("elsewhere", "gateway", "anna", "192.0.2.0/24", INT64_MAX),
	    make("group", "group:gateways", "group:staff", NULL, INT64_MAX),
	    make("exact", "gateway", "anna", NULL, INT64_MAX),
	    make("all", "*", "*", NULL, NOW + 50)};
	struct auth_index *index = auth_index_new(list, 5);
	struct auth_groups *g = groups(), *none = auth_groups_none();
	struct auth_ask ask = {.who = STR("gateway@site.example"),
	    .target = STR("anna@site.example"),
	    .address = STR("127.0.0.1"),
	    .now = NOW};

	(void)state;
	assert_ptr_equal(auth_index_find(index, g, &ask), list[2]);
	assert_ptr_equal(auth_index_find(index, none, &ask), list[3]);
	ask.address = STR("192.0.2.9");
	assert_ptr_equal(auth_index_find(index, g, &ask), list[1]);
	ask.now = NOW - 1;
	assert_ptr_equal(auth_index_find(index, g, &ask), list[0]);
	ask.target = STR("carla@site.example");
	assert_ptr_equal(auth_index_find(index, g, &ask), list[4]);
	ask.now = NOW + 50;
	assert_null(auth_index_find(index, g, &ask));
	assert_int_equal(auth_index_next_end(index, NOW - 1), NOW);
	assert_int_equal(auth_index_next_end(index, NOW), NOW + 50);
	assert_true(auth_index_next_end(index, NOW + 50) == AUTH_GRANT_FOR_GOOD);
	auth_index_free(&index);
	for (size_t i = 0; i < 5; i++)
		auth_grant_unref(&list[i]);
	auth_groups_unref(&g);
	auth_groups_unref(&none);
}

static void
test_empty(void **state)
{
	struct auth_index *index = auth_index_new(NULL, 0);
	struct auth_groups *none = auth_groups_none();
	struct auth_ask ask = {.who = STR("a"), .target = STR("b"), .now = NOW};

	(void)state;
	assert_null(auth_index_find(index, none, &ask));
	assert_false(auth_index_names(index, none, STR("a"), NOW));
	auth_index_free(&index);
	auth_groups_unref(&none);
}

/* ---- the index says what a walk over all would say */

static uint64_t
next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

static const char *const names[] = {"gateway@site.example", "spare@site.example",
    "anna@site.example", "boris@voice.example", "carla@voice.example", "plain"};
static const char *const patterns[] = {"gateway", "spare", "anna", "boris@voice.example",
    "carla@voice.example", "*", "*@site.example", "*@voice.example", "*a*", "b*", "*e",
    "group:gateways", "group:staff", "group:both", "group:none"};
static const char *const addresses[] = {"10.0.0.1", "192.0.2.1", "::1", "unix", ""};
static const char *const networks[] = {NULL, NULL, "10.0.0.0/8", "0.0.0.0/0", "::/0", "unix"};

#define PICK(list, seed) (list)[next(seed) % (sizeof(list) / sizeof(*(list)))]

static struct auth_grant *
walk(struct auth_grant **list, size_t n, const struct auth_groups *g, const struct auth_ask *ask)
{
	for (size_t i = 0; i < n; i++)
		if (auth_grant_fits(list[i], g, ask) == AUTH_FITS)
			return list[i];
	return NULL;
}

static bool
walk_names(
    struct auth_grant **list, size_t n, const struct auth_groups *g, const struct auth_ask *ask)
{
	for (size_t i = 0; i < n; i++)
		if (auth_names_fit(&list[i]->who, g, ask->who) && ask->now < list[i]->until)
			return true;
	return false;
}

static void
test_model(void **state)
{
	struct auth_groups *g = groups();
	uint64_t seed = 42;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct auth_grant *list[40];
		size_t n = next(&seed) % 40;
		struct auth_index *index;

		for (size_t i = 0; i < n; i++)
			list[i] = make("g", PICK(patterns, &seed), PICK(patterns, &seed),
			    PICK(networks, &seed),
			    next(&seed) % 2 == 0 ? INT64_MAX : NOW + (int64_t)(next(&seed) % 5));
		index = auth_index_new(list, n);
		for (int i = 0; i < 100; i++) {
			struct auth_ask ask = {.who = str_of(PICK(names, &seed)),
			    .target = str_of(PICK(names, &seed)),
			    .address = str_of(PICK(addresses, &seed)),
			    .now = NOW + (int64_t)(next(&seed) % 5)};

			assert_ptr_equal(auth_index_find(index, g, &ask), walk(list, n, g, &ask));
			assert_true(auth_index_names(index, g, ask.who, ask.now) ==
			            walk_names(list, n, g, &ask));
		}
		auth_index_free(&index);
		for (size_t i = 0; i < n; i++)
			auth_grant_unref(&list[i]);
	}
	auth_groups_unref(&g);
}

static void
test_many(void **state)
{
	enum { MANY = 10000 };
	struct auth_grant **list = mem_zalloc(MANY * sizeof(*list));
	struct auth_groups *none = auth_groups_none();
	struct auth_index *index;
	char who[32], target[32];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		/* Every second one names the same gateway, each with another user. */
		(void)snprintf(who, sizeof(who), "g%d", i % 2 == 0 ? 0 : i);
		(void)snprintf(target, sizeof(target), "u%d", i);
		list[i] = make("g", who, target, NULL, INT64_MAX);
	}
	index = auth_index_new(list, MANY);
	for (int i = 0; i < MANY; i++) {
		struct auth_ask ask = {.now = NOW};

		(void)snprintf(who, sizeof(who), "g%d@site.example", i % 2 == 0 ? 0 : i);
		(void)snprintf(target, sizeof(target), "u%d@site.example", i);
		ask.who = str_of(who);
		ask.target = str_of(target);
		assert_ptr_equal(auth_index_find(index, none, &ask), list[i]);
		(void)snprintf(target, sizeof(target), "v%d@site.example", i);
		ask.target = str_of(target);
		assert_null(auth_index_find(index, none, &ask));
	}
	auth_index_free(&index);
	for (int i = 0; i < MANY; i++)
		auth_grant_unref(&list[i]);
	mem_free(list);
	auth_groups_unref(&none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rules),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_model),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
