/* SPDX-License-Identifier: Apache-2.0 */
/* Access control lists (RFC 4314 section 2): identifiers, entries, and rights against a slow model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/grant/acl.h"
#include "store/disk/properties.h"

#define LETTERS "lrswipkxtea"

static struct auth_groups *
groups_of(const char *text)
{
	struct buf faults = {0};
	struct auth_groups *g =
	    auth_groups_parse(str_of(text), "groups", STR("site.example"), &faults);

	assert_non_null(g);
	buf_fini(&faults);
	return g;
}

static void
put(struct store_properties **table, const char *identifier, const char *value)
{
	char name[STORE_NAME_MAX];

	(void)snprintf(name, sizeof(name), "acl/%s", identifier);
	properties_put(table, str_of(name), str_of(value));
}

static unsigned
rights_of(const char *letters)
{
	unsigned rights = 0;
	char bad;

	assert_true(*letters == '\0' || auth_rights_parse(str_of(letters), &rights, &bad));
	return rights;
}

static unsigned
ask(const struct store_properties *table, const char *user, const struct auth_groups *groups)
{
	struct auth_acl_who who = {.user = str_of(user), .groups = groups};

	return auth_acl_rights(table, &who);
}

/* ---- identifiers */

static void
test_identifiers(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} rows[] = {
	    {"anna", "anna@site.example"},
	    {"Anna@Other.Example", "anna@other.example"},
	    {"-Anna", "-anna@site.example"},
	    {"anyone", "anyone"},
	    {"Anyone", "anyone"},
	    {"-ANYONE", "-anyone"},
	    {"anyone@site.example", "anyone@site.example"},
	    {"authenticated", "authenticated"},
	    {"-authenticated", "-authenticated"},
	    {"group:Staff", "group:Staff"},
	    {"GROUP:Staff", "group:Staff"},
	    {"-group:staff", "-group:staff"},
	    {"group:-x", "group:-x"},
	    {"group:anyone", "group:anyone"},
	    {"\xC3\x84nne", "\xC3\xA4nne@site.example"},
	    {"", NULL},
	    {"-", NULL},
	    {"--anna", NULL},
	    {"--anyone", NULL},
	    {"group:", NULL},
	    {"-group:", NULL},
	    {"group:a b", NULL},
	    {"group:a,b", NULL},
	    {"an na", NULL},
	    {"anna@", NULL},
	    {"@site.example", NULL},
	    {"a@b@c", NULL},
	    {"an\x01na", NULL},
	    {"an\xFFna", NULL},
	    /* Wide letters, which preparation makes narrow. */
	    {"\xEF\xBC\x8D"
	     "anna",
	        NULL},
	    {"-\xEF\xBC\x8D"
	     "anna",
	        NULL},
	    {"\xEF\xBD\x87roup:staff", NULL},
	    {"\xEF\xBD\x81nna", "anna@site.example"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf b = {0};
		const char *why;

		buf_puts(&b, "before ");
		why = auth_acl_identifier(str_of(rows[i].text), STR("site.example"), &b);
		if ((why == NULL) != (rows[i].want != NULL) ||
		    strcmp(buf_cstr(&b) + 7, why == NULL ? rows[i].want : "") != 0)
			fail_msg("\"%s\" gave \"%s\", %s", rows[i].text, buf_cstr(&b), why);
		buf_fini(&b);
	}
}

/* Without domains, a word can be no user, however it is spelled. */
static void
test_no_domain(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_null(auth_acl_identifier(STR("anna"), STR_NONE, &b));
	assert_string_equal(buf_cstr(&b), "anna");
	b.n = 0;
	assert_non_null(auth_acl_identifier(STR("\xEF\xBD\x81nyone"), STR_NONE, &b));
	assert_non_null(auth_acl_identifier(STR("\xEF\xBD\x81uthenticated"), STR_NONE, &b));
	assert_int_equal(b.n, 0);
	buf_fini(&b);
}

/* What is prepared once is not changed by a second time, and no entry of it is damaged. */
static void
test_prepared_twice(void **state)
{
	static const char *const texts[] = {
	    "anna", "-Anna", "anyone", "-AUTHENTICATED", "group:Staff", "-group:-s", "a@b.example"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct store_properties *table = NULL;
		struct buf once = {0}, twice = {0};
		size_t at = 0;

		assert_null(auth_acl_identifier(str_of(texts[i]), STR("site.example"), &once));
		assert_null(auth_acl_identifier(buf_as_str(&once), STR("x.example"), &twice));
		assert_string_equal(buf_cstr(&once), buf_cstr(&twice));
		put(&table, buf_cstr(&once), "lr");
		assert_null(auth_acl_damaged(table, &at).p);
		store_properties_unref(&table);
		buf_fini(&once);
		buf_fini(&twice);
	}
}

/* ---- entries */

static void
test_entries(void **state)
{
	struct store_properties *table = NULL;
	struct str identifier;
	unsigned rights;
	size_t at = 0;

	(void)state;
	assert_false(auth_acl_shared(NULL));
	assert_false(auth_acl_next(NULL, &at, &identifier, &rights));
	properties_put(&table, STR("abc"), STR("lr"));
	properties_put(&table, STR("acl"), STR("lr"));
	properties_put(&table, STR("acl."), STR("lr"));
	properties_put(&table, STR("acl0"), STR("lr"));
	properties_put(&table, STR("quota"), STR("lr"));
	assert_false(auth_acl_shared(table));
	assert_false(auth_acl_next(table, &at, &identifier, &rights));
	assert_int_equal(ask(table, "anna", NULL), 0);
	put(&table, "boris", "");
	assert_true(auth_acl_shared(table));
	put(&table, "-anna", "e");
	at = 0;
	assert_true(auth_acl_next(table, &at, &identifier, &rights));
	assert_true(str_eq(identifier, STR("-anna")));
	assert_int_equal(rights, AUTH_RIGHT_EXPUNGE);
	assert_true(auth_acl_next(table, &at, &identifier, &rights));
	assert_true(str_eq(identifier, STR("boris")));
	assert_int_equal(rights, 0);
	assert_false(auth_acl_next(table, &at, &identifier, &rights));
	assert_false(auth_acl_next(table, &at, &identifier, &rights));
	store_properties_unref(&table);
}

static void
test_first_in_table(void **state)
{
	struct store_properties *table = NULL;
	struct str identifier;
	unsigned rights;
	size_t at = 0, n = 0;

	(void)state;
	put(&table, "a", "l");
	put(&table, "b", "l");
	while (auth_acl_next(table, &at, &identifier, &rights))
		n++;
	assert_int_equal(n, 2);
	store_properties_unref(&table);
}

static void
test_damaged_values(void **state)
{
	static const char *const values[] = {
	    "rl", "ll", "lrq", "L", "lr ", "+l", "-l", "cd", "1", "\xFF"};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct store_properties *table = NULL;
		size_t at = 0;

		put(&table, "anna", values[i]);
		put(&table, "anyone", "lr");
		assert_int_equal(ask(table, "anna", NULL), rights_of("lr"));
		assert_true(str_eq(auth_acl_damaged(table, &at), STR("acl/anna")));
		assert_null(auth_acl_damaged(table, &at).p);
		put(&table, "-anna", values[i]);
		assert_int_equal(ask(table, "anna", NULL), 0);
		assert_int_equal(ask(table, "boris", NULL), rights_of("lr"));
		at = 0;
		assert_true(str_eq(auth_acl_damaged(table, &at), STR("acl/-anna")));
		assert_true(str_eq(auth_acl_damaged(table, &at), STR("acl/anna")));
		assert_null(auth_acl_damaged(table, &at).p);
		store_properties_unref(&table);
	}
}

static void
test_damaged_identifiers(void **state)
{
	static const char *const identifiers[] = {
	    "", "-", "--anna", "group:", "-group:", "group:a b", "Anna", "an na", "a@b@c", "\xFF"};

	(void)state;
	for (size_t i = 0; i < sizeof(identifiers) / sizeof(*identifiers); i++) {
		struct store_properties *table = NULL;
		size_t at = 0;

		put(&table, identifiers[i], LETTERS);
		assert_int_equal(ask(table, "anna", NULL), 0);
		assert_int_equal(ask(table, "", NULL), 0);
		assert_non_null(auth_acl_damaged(table, &at).p);
		store_properties_unref(&table);
	}
}

/* ---- rights */

static void
test_words(void **state)
{
	struct auth_groups *groups = groups_of("staff:x:1:anna,boris\nanyone:x:2:carla\n");
	struct store_properties *table = NULL;

	(void)state;
	put(&table, "anyone", "l");
	put(&table, "authenticated", "r");
	put(&table, "group:staff", "s");
	put(&table, "group:anyone", "w");
	put(&table, "group:nobody", "a");
	put(&table, "anna@site.example", "i");
	put(&table, "-group:staff", "r");
	put(&table, "-boris@site.example", "ls");
	assert_int_equal(ask(table, "", groups), rights_of("l"));
	assert_int_equal(ask(table, "dora@site.example", groups), rights_of("lr"));
	assert_int_equal(ask(table, "carla@site.example", groups), rights_of("lrw"));
	assert_int_equal(ask(table, "anna@site.example", groups), rights_of("lsi"));
	assert_int_equal(ask(table, "boris@site.example", groups), 0);
	assert_int_equal(ask(table, "anna@site.example", NULL), rights_of("lri"));
	assert_int_equal(ask(table, "anna@other.example", groups), rights_of("lr"));
	/* Names like words or groups of other kinds are neither. */
	assert_int_equal(ask(table, "staff", groups), rights_of("lr"));
	put(&table, "-anyone", LETTERS);
	assert_int_equal(ask(table, "anna@site.example", groups), 0);
	store_properties_unref(&table);
	auth_groups_unref(&groups);
}

/* ---- the model: a right at a time, over all entries, as section 2 says it */

enum { USERS = 4, GROUPS = 3, IDENTIFIERS = 2 + USERS + GROUPS };

static const char *const users[USERS] = {"a@site.example", "b@site.example", "c@site.example", ""};

struct table {
	bool member[GROUPS][USERS];
	struct entry {
		bool there, damaged;
		unsigned rights;
	} entry[2][IDENTIFIERS]; /* [1]: negative */
};

static void
print_identifier(char *out, size_t size, int negative, unsigned i)
{
	const char *dash = negative ? "-" : "";

	if (i == 0)
		(void)snprintf(out, size, "%sanyone", dash);
	else if (i == 1)
		(void)snprintf(out, size, "%sauthenticated", dash);
	else if (i < 2 + USERS)
		(void)snprintf(out, size, "%s%s", dash, users[i - 2]);
	else
		(void)snprintf(out, size, "%sgroup:g%u", dash, i - 2 - USERS);
}

static bool
fits(const struct table *t, unsigned i, unsigned user)
{
	if (i == 0)
		return true;
	if (user == USERS - 1)
		return false;
	if (i == 1)
		return true;
	return i < 2 + USERS ? i - 2 == user : t->member[i - 2 - USERS][user];
}

static bool
has_right(const struct table *t, unsigned user, unsigned right)
{
	bool given = false;

	for (unsigned i = 0; i < IDENTIFIERS; i++) {
		const struct entry *plus = &t->entry[0][i], *minus = &t->entry[1][i];

		if (!fits(t, i, user))
			continue;
		if (minus->there && (minus->damaged || (minus->rights & right) != 0))
			return false;
		given = given || (plus->there && !plus->damaged && (plus->rights & right) != 0);
	}
	return given;
}

static unsigned
draw(unsigned *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static struct store_properties *
draw_table(struct table *t, unsigned *seed)
{
	struct store_properties *table = NULL;

	memset(t, 0, sizeof(*t));
	properties_put(&table, STR("aaa"), STR("l"));
	properties_put(&table, STR("zzz"), STR("l"));
	for (int negative = 0; negative < 2; negative++)
		for (unsigned i = 0; i < IDENTIFIERS; i++) {
			struct entry *e = &t->entry[negative][i];
			struct buf value = {0};
			char identifier[64];

			if (i == 2 + USERS - 1 || draw(seed) % 3 == 0)
				continue; /* who is not a user has no name */
			*e = (struct entry){.there = true,
			    .damaged = draw(seed) % 8 == 0,
			    .rights = draw(seed) & draw(seed) & AUTH_RIGHTS_ALL};
			auth_rights_print(e->rights, &value);
			if (e->damaged)
				buf_putc(&value, 'z');
			print_identifier(identifier, sizeof(identifier), negative, i);
			put(&table, identifier, buf_cstr(&value));
			buf_fini(&value);
		}
	return table;
}

static struct auth_groups *
draw_groups(struct table *t, unsigned *seed)
{
	struct buf text = {0};
	struct auth_groups *groups;

	for (unsigned g = 0; g < GROUPS; g++) {
		buf_printf(&text, "g%u:x:%u:", g, g);
		for (unsigned u = 0; u < USERS - 1; u++) {
			t->member[g][u] = draw(seed) % 2 == 0;
			if (t->member[g][u])
				buf_printf(&text, "%s,", users[u]);
		}
		buf_putc(&text, '\n');
	}
	groups = groups_of(buf_cstr(&text));
	buf_fini(&text);
	return groups;
}

static size_t
count_entries(const struct table *t)
{
	size_t n = 0;

	for (unsigned i = 0; i < IDENTIFIERS; i++)
		n += t->entry[0][i].there + (size_t)t->entry[1][i].there;
	return n;
}

static void
test_no_anyone(void **state)
{
	struct auth_acl_who who = {.user = STR("anna@site.example"), .no_anyone = true};
	struct store_properties *table = NULL;

	(void)state;
	put(&table, "anyone", "lrs");
	put(&table, "authenticated", "w");
	put(&table, "anna@site.example", "lre");
	put(&table, "-anyone", "e");
	assert_int_equal(auth_acl_rights(table, &who), rights_of("lr"));
	who.no_anyone = false;
	assert_int_equal(auth_acl_rights(table, &who), rights_of("lrsw"));
	store_properties_unref(&table);
}

static void
test_random(void **state)
{
	unsigned seed = 4314;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct table t;
		struct store_properties *table = draw_table(&t, &seed);
		struct auth_groups *groups = draw_groups(&t, &seed);
		struct str identifier;
		unsigned rights;
		size_t at = 0, n = 0;

		for (unsigned u = 0; u < USERS; u++)
			for (unsigned bit = 1; bit <= AUTH_RIGHTS_ALL; bit <<= 1)
				if (((ask(table, users[u], groups) & bit) != 0) !=
				    has_right(&t, u, bit))
					fail_msg("round %d: user %u, right %x", round, u, bit);
		while (auth_acl_next(table, &at, &identifier, &rights))
			n++;
		assert_int_equal(n, count_entries(&t));
		store_properties_unref(&table);
		auth_groups_unref(&groups);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_identifiers),
	    cmocka_unit_test(test_no_domain),
	    cmocka_unit_test(test_prepared_twice),
	    cmocka_unit_test(test_entries),
	    cmocka_unit_test(test_first_in_table),
	    cmocka_unit_test(test_damaged_values),
	    cmocka_unit_test(test_damaged_identifiers),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_no_anyone),
	    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
