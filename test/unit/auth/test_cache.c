/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "auth/memory/cache.h"

static void
put(struct auth_cache *cache, const char *name, uint64_t stamp)
{
	static const struct str patterns[] = {STR("b*"), STR("carl")};
	struct auth_user user = {.name = str_of(name),
	    .stamp = stamp,
	    .flags = AUTH_USER_ADMIN,
	    .acts_for = patterns,
	    .acts_for_count = 2};

	auth_cache_put_user(cache, auth_cache_epoch(cache, user.name), &user, UINT64_MAX);
}

static void
test_users(void **state)
{
	struct auth_cache *cache = auth_cache_new(64);
	struct auth_facts facts;

	(void)state;
	assert_false(auth_cache_user(cache, STR("anna"), STR_NONE, &facts));
	put(cache, "anna", 7);
	assert_true(auth_cache_user(cache, STR("anna"), STR("bert"), &facts));
	assert_true(facts.stamp == 7 && facts.flags == AUTH_USER_ADMIN);
	assert_true(facts.acts_for_some && facts.acts_for_asked);
	assert_true(auth_cache_user(cache, STR("anna"), STR("carla"), &facts));
	assert_false(facts.acts_for_asked);
	put(cache, "anna", 8);
	assert_true(auth_cache_user(cache, STR("anna"), STR("carl"), &facts));
	assert_true(facts.stamp == 8 && facts.acts_for_asked);
	auth_cache_drop(cache, STR("anna"));
	assert_false(auth_cache_user(cache, STR("anna"), STR_NONE, &facts));
	put(cache, "anna", 9);
	put(cache, "bert", 9);
	auth_cache_drop(cache, STR_NONE);
	assert_false(auth_cache_user(cache, STR("anna"), STR_NONE, &facts));
	assert_false(auth_cache_user(cache, STR("bert"), STR_NONE, &facts));
	auth_cache_free(&cache);
	assert_null(cache);
}

static void
test_old_record_is_not_put(void **state)
{
	struct auth_cache *cache = auth_cache_new(64);
	const struct auth_user old = {.name = STR("anna"), .stamp = 1};
	struct auth_facts facts;
	uint64_t epoch = auth_cache_epoch(cache, old.name);

	(void)state;
	/* The record is read, then changed, then the old value is cached. */
	auth_cache_drop(cache, old.name);
	auth_cache_put_user(cache, epoch, &old, UINT64_MAX);
	assert_false(auth_cache_user(cache, old.name, STR_NONE, &facts));
	epoch = auth_cache_epoch(cache, old.name);
	auth_cache_drop(cache, STR_NONE);
	auth_cache_put_user(cache, epoch, &old, UINT64_MAX);
	assert_false(auth_cache_user(cache, old.name, STR_NONE, &facts));
	auth_cache_free(&cache);
}

/* That a name is not an alias is remembered until the user is dropped, and not noted if it may be
 * outdated. */
static void
test_no_alias(void **state)
{
	struct auth_cache *cache = auth_cache_new(64);
	struct str anna = STR("anna");
	struct auth_facts facts;
	uint64_t epoch = auth_cache_epoch(cache, anna);

	(void)state;
	auth_cache_note_no_alias(cache, epoch, anna); /* nobody knows her */
	put(cache, "anna", 7);
	assert_true(auth_cache_user(cache, anna, STR_NONE, &facts));
	assert_false(facts.no_alias);
	auth_cache_note_no_alias(cache, epoch, anna);
	assert_true(auth_cache_user(cache, anna, STR_NONE, &facts) && facts.no_alias);
	put(cache, "anna", 8); /* as by a login */
	assert_true(auth_cache_user(cache, anna, STR_NONE, &facts));
	assert_true(facts.no_alias && facts.stamp == 8);
	/* There was no alias, then one is added, then the old result is noted. */
	epoch = auth_cache_epoch(cache, anna);
	auth_cache_drop(cache, anna);
	put(cache, "anna", 9);
	auth_cache_note_no_alias(cache, epoch, anna);
	assert_true(auth_cache_user(cache, anna, STR_NONE, &facts));
	assert_false(facts.no_alias);
	auth_cache_free(&cache);
}

static void
test_bounded(void **state)
{
	struct auth_cache *cache = auth_cache_new(64);
	struct auth_facts facts;
	char name[32];
	unsigned there = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		put(cache, name, i);
		/* The newest one is always there. */
		assert_true(auth_cache_user(cache, str_of(name), STR_NONE, &facts));
		assert_true(facts.stamp == i);
	}
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		there += auth_cache_user(cache, str_of(name), STR_NONE, &facts);
	}
	assert_true(there <= 64 * 8 && there > 64 * 4);
	auth_cache_free(&cache);
	cache = auth_cache_new(1024);
	/* At its maximum size nothing is dropped, whatever the size when it was added. */
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		put(cache, name, i);
	}
	for (unsigned i = there = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "user%u", i);
		there += auth_cache_user(cache, str_of(name), STR_NONE, &facts) && facts.stamp == i;
	}
	assert_true(there > 1990);
	auth_cache_free(&cache);
}

static void
test_credentials(void **state)
{
	struct auth_cache *cache = auth_cache_new(64), *other = auth_cache_new(64);
	struct siphash a, b, c;
	char large[1100] = {0};
	unsigned there = 0;

	(void)state;
	assert_true(auth_cache_credential_key(cache, STR("anna"), STR("secret"), STR_NONE, &a));
	assert_true(auth_cache_credential_key(cache, STR("annas"), STR("ecret"), STR_NONE, &b));
	assert_true(auth_cache_credential_key(other, STR("anna"), STR("secret"), STR_NONE, &c));
	assert_false(a.lo == b.lo && a.hi == b.hi);
	assert_false(a.lo == c.lo && a.hi == c.hi);
	assert_false(auth_cache_credential(cache, a, 1));
	auth_cache_put_credential(cache, a, 1, UINT64_MAX);
	assert_true(auth_cache_credential(cache, a, 1));
	assert_false(auth_cache_credential(cache, a, 2));
	assert_false(auth_cache_credential(cache, b, 1));
	auth_cache_put_credential(cache, a, 2, UINT64_MAX);
	assert_true(auth_cache_credential(cache, a, 2));
	assert_false(auth_cache_credential(cache, a, 1));
	/* An empty slot is not a credential, whatever its bytes. */
	assert_false(auth_cache_credential(cache, (struct siphash){0, 0}, 0));
	assert_false(auth_cache_credential_key(
	    cache, STR("anna"), (struct str){large, sizeof(large)}, STR_NONE, &a));
	/* More than the initial tables hold; the newest one is always there. */
	for (unsigned i = 1; i <= 5000; i++) {
		a = (struct siphash){i * 0x9e3779b97f4a7c15, i};
		auth_cache_put_credential(cache, a, i, UINT64_MAX);
		assert_true(auth_cache_credential(cache, a, i));
		there += i > 1 && auth_cache_credential(cache,
		                      (struct siphash){(i - 1) * 0x9e3779b97f4a7c15, i - 1}, i - 1);
	}
	assert_int_equal(there, 4999);
	assert_false(auth_cache_credential_key(cache, STR("anna"), STR(""), STR_NONE, &a));
	auth_cache_free(&cache);
	auth_cache_free(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_users),
	    cmocka_unit_test(test_old_record_is_not_put), cmocka_unit_test(test_no_alias),
	    cmocka_unit_test(test_bounded), cmocka_unit_test(test_credentials)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
