/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that are remembered, and logins with them, over databases that say what a test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/db.h"
#include "auth/grants.h"
#include "auth/memory/tokens.h"
#include "auth/users.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/engine/mem/mem.h"
#include "store/store.h"

static void
remembered_for_its_host_and_time(void **state)
{
	struct auth_tokens *t = auth_tokens_new();
	struct auth_token_facts facts = {.name = STR("gina@site.example"),
	                            .until = UINT64_MAX,
	                            .generation = 7,
	                            .ends = 8,
	                            .vouched = true},
	                        got;
	uint64_t epoch = auth_tokens_epoch(t);
	struct buf name = {0};

	(void)state;
	assert_false(auth_tokens_get(t, STR("abc"), STR(""), &name, &got));
	auth_tokens_put(t, epoch, STR("abc"), STR("host"), &facts);
	assert_true(auth_tokens_get(t, STR("abc"), STR("host"), &name, &got));
	assert_true(
	    str_eq(got.name, facts.name) && got.generation == 7 && got.ends == 8 && got.vouched);
	name.n = 0;
	assert_false(auth_tokens_get(t, STR("abc"), STR(""), &name, &got));
	assert_false(auth_tokens_get(t, STR("abc"), STR("hos"), &name, &got));
	assert_false(auth_tokens_get(t, STR("abchost"), STR(""), &name, &got));
	assert_false(auth_tokens_get(t, STR("abcd"), STR("host"), &name, &got));
	assert_int_equal(name.n, 0);
	/* its time is over */
	facts.until = clock_mono_ms();
	auth_tokens_put(t, epoch, STR("abc"), STR("host"), &facts);
	assert_false(auth_tokens_get(t, STR("abc"), STR("host"), &name, &got));
	/* verified with what is no longer in force */
	facts.until = UINT64_MAX;
	auth_tokens_put(t, epoch, STR("abc"), STR("host"), &facts);
	auth_tokens_drop(t);
	assert_false(auth_tokens_get(t, STR("abc"), STR("host"), &name, &got));
	auth_tokens_put(t, epoch, STR("abc"), STR("host"), &facts);
	assert_false(auth_tokens_get(t, STR("abc"), STR("host"), &name, &got));
	auth_tokens_put(t, auth_tokens_epoch(t), STR("abc"), STR("host"), &facts);
	assert_true(auth_tokens_get(t, STR("abc"), STR("host"), &name, &got));
	buf_fini(&name);
	auth_tokens_free(&t);
	assert_null(t);
}

static void
bounded_and_the_last_used_stay(void **state)
{
	struct auth_tokens *t = auth_tokens_new();
	struct auth_token_facts facts = {.name = STR("x"), .until = UINT64_MAX}, got;
	struct buf name = {0};
	size_t kept = 0;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		char token[16];
		int n = snprintf(token, sizeof(token), "%u", i);

		auth_tokens_put(
		    t, auth_tokens_epoch(t), (struct str){token, (size_t)n}, STR_NONE, &facts);
		if (i > 0)
			assert_true(auth_tokens_get(t, STR("0"), STR_NONE, &name, &got));
	}
	for (unsigned i = 0; i < 100000; i++) {
		char token[16];
		int n = snprintf(token, sizeof(token), "%u", i);

		kept += auth_tokens_get(t, (struct str){token, (size_t)n}, STR_NONE, &name, &got);
	}
	assert_in_range(kept, 4000, 8192);
	buf_fini(&name);
	auth_tokens_free(&t);
}

/* ---- logins */

struct teller { /* a database that says what the test wants, and counts */
	struct auth_db db;
	struct str good, name;
	enum auth_result otherwise;
	bool vouched;
	uint64_t cache_ms;
	unsigned asked;
};

struct world {
	struct engine_mem_disk *disk;
	struct store *store;
	struct auth *auth;
	struct teller *one, *two;
};

static enum auth_result
token(struct auth_db *db, const struct auth_request *req, struct auth_token *token_r,
    const char **why_r)
{
	struct teller *t = (struct teller *)(void *)db;

	t->asked++;
	*why_r = "not one of mine";
	if (!str_eq(req->secret, t->good))
		return t->otherwise;
	buf_str(&token_r->name, t->name);
	token_r->cache_ms = t->cache_ms;
	token_r->vouched = t->vouched;
	return AUTH_OK;
}

static void
free_teller(struct auth_db *db)
{
	mem_free(db);
}

static struct teller *
teller(struct auth_chain *chain, const char *good, const char *name)
{
	static const struct auth_db_ops ops = {.type = "test", .token = token, .free = free_teller};
	struct teller *t = mem_zalloc(sizeof(*t));

	t->db.ops = &ops;
	t->db.token_scope = str_of(good);
	t->good = str_of(good);
	t->name = str_of(name);
	t->otherwise = AUTH_FAILED;
	t->cache_ms = 60000;
	auth_chain_add(chain, &t->db);
	return t;
}

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level;
	(void)context;
	(void)text;
	(void)arg;
}

static void
add(struct world *w, const char *name, const char *acts_for)
{
	struct str pattern = str_of(acts_for);
	struct auth_user_spec spec = {.name = str_of(name),
	    .password = STR("blue sea"),
	    .acts_for = &pattern,
	    .acts_for_count = acts_for != NULL};
	const char *why;

	assert_int_equal(auth_users_add(w->auth, &spec, &why), TS_OK);
}

static int
setup(void **state)
{
	struct world *w = test_calloc(1, sizeof(*w));
	struct auth_chain *chain = auth_chain_new();
	struct store_options opt;
	char *text = NULL;

	log_set_sink(quiet, NULL);
	w->disk = engine_mem_disk_new();
	store_options_default(&opt);
	opt.engine = &engine_mem_class;
	opt.engine_options.own = w->disk;
	opt.lanes = 1;
	assert_int_equal(store_open(&opt, &w->store, &text), TS_OK);
	w->auth = auth_new_sized(w->store, STR("site.example"), 64);
	assert_false(auth_takes_tokens(w->auth));
	auth_chain_add(chain, auth_db_store_new(w->auth));
	w->one = teller(chain, "one", "gina");
	w->two = teller(chain, "two", "gate@site.example");
	auth_set_chain(w->auth, chain);
	auth_chain_unref(&chain);
	assert_true(auth_takes_tokens(w->auth));
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	auth_free(&w->auth);
	store_close(&w->store);
	engine_mem_disk_free(&w->disk);
	test_free(w);
	return 0;
}

/* Logs in as a session does: from memory if possible.  tried_r: it was. */
static enum auth_result
login(struct world *w, const char *secret, const char *authzid, const char *want, bool *tried_r)
{
	struct auth_request req = {.mechanism = STR("OAUTHBEARER"),
	    .proof = AUTH_BY_TOKEN,
	    .authzid = str_of(authzid),
	    .secret = str_of(secret),
	    .may_wait = true};
	struct auth_login got = {0};
	enum auth_result result = auth_try(w->auth, &req, &got);

	*tried_r = result != AUTH_AGAIN;
	if (result == AUTH_AGAIN)
		result = auth_check(w->auth, &req, &got);
	if (result == AUTH_OK)
		assert_true(str_eq(buf_as_str(&got.user), str_of(want)));
	auth_login_fini(&got);
	return result;
}

static void
each_database_has_its_own(void **state)
{
	struct world *w = *state;
	struct buf scope = {0}, configuration = {0};
	bool tried;

	add(w, "gina", NULL);
	add(w, "gate", "g*");
	assert_int_equal(login(w, "one", "", "gina@site.example", &tried), AUTH_OK);
	assert_false(tried);
	assert_int_equal(login(w, "two", "", "gate@site.example", &tried), AUTH_OK);
	assert_int_equal(login(w, "three", "", NULL, &tried), AUTH_FAILED);
	/* An unavailable database says neither yes nor no; another may know the token. */
	w->one->otherwise = AUTH_UNAVAILABLE;
	assert_int_equal(login(w, "three", "", NULL, &tried), AUTH_UNAVAILABLE);
	auth_tokens_changed(w->auth);
	assert_int_equal(login(w, "two", "", "gate@site.example", &tried), AUTH_OK);
	auth_token_hints(w->auth, &scope, &configuration);
	assert_true(str_eq(buf_as_str(&scope), STR("one")));
	buf_fini(&scope);
	buf_fini(&configuration);
}

static void
answered_from_memory(void **state)
{
	struct world *w = *state;
	const char *why;
	bool tried;

	add(w, "gina", NULL);
	add(w, "gate", "g*");
	assert_int_equal(login(w, "two", "", "gate@site.example", &tried), AUTH_OK);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(login(w, "two", "GATE", "gate@site.example", &tried), AUTH_OK);
		assert_true(tried);
	}
	/* for somebody else: one query, to find out about them */
	assert_int_equal(login(w, "two", "gina", "gina@site.example", &tried), AUTH_OK);
	assert_int_equal(login(w, "two", "gina", "gina@site.example", &tried), AUTH_OK);
	assert_true(tried);
	assert_int_equal(login(w, "one", "gate", NULL, &tried), AUTH_DENIED);
	assert_int_equal(login(w, "two", "nobody", NULL, &tried), AUTH_DENIED);
	/* a change of the user, then of the keys */
	w->two->asked = 0;
	assert_int_equal(auth_users_disable(w->auth, STR("gate"), true, &why), TS_OK);
	assert_int_equal(login(w, "two", "", NULL, &tried), AUTH_DISABLED);
	assert_int_equal(auth_users_disable(w->auth, STR("gate"), false, &why), TS_OK);
	assert_int_equal(login(w, "two", "", "gate@site.example", &tried), AUTH_OK);
	assert_int_equal(login(w, "two", "", "gate@site.example", &tried), AUTH_OK);
	assert_true(tried);
	auth_tokens_changed(w->auth);
	w->two->good = STR("four");
	assert_int_equal(login(w, "two", "", NULL, &tried), AUTH_FAILED);
	assert_int_equal(login(w, "four", "", "gate@site.example", &tried), AUTH_OK);
	/* a database that must be asked each time */
	w->one->cache_ms = 0;
	assert_int_equal(login(w, "one", "", "gina@site.example", &tried), AUTH_OK);
	assert_int_equal(login(w, "one", "", "gina@site.example", &tried), AUTH_OK);
	assert_false(tried);
	/* a removed user */
	assert_int_equal(auth_users_delete(w->auth, STR("gate"), &why), TS_OK);
	assert_int_equal(login(w, "four", "", NULL, &tried), AUTH_FAILED);
}

static void
users_for_whom_an_issuer_vouches(void **state)
{
	struct world *w = *state;
	const char *why;
	bool tried;

	assert_int_equal(login(w, "one", "", NULL, &tried), AUTH_FAILED);
	w->one->vouched = true;
	assert_int_equal(login(w, "one", "", "gina@site.example", &tried), AUTH_OK);
	assert_int_equal(login(w, "one", "", "gina@site.example", &tried), AUTH_OK);
	assert_true(tried);
	/* They act for nobody. */
	add(w, "bo", NULL);
	assert_int_equal(login(w, "one", "bo", NULL, &tried), AUTH_DENIED);
	assert_int_equal(login(w, "one", "", "gina@site.example", &tried), AUTH_OK);
	/* A database learns about them, and refuses. */
	add(w, "gina", NULL);
	assert_int_equal(auth_users_disable(w->auth, STR("gina"), true, &why), TS_OK);
	assert_int_equal(login(w, "one", "", NULL, &tried), AUTH_DISABLED);
	/* A token must contain a valid name. */
	w->one->name = STR("gi na");
	auth_tokens_changed(w->auth);
	assert_int_equal(login(w, "one", "", NULL, &tried), AUTH_FAILED);
}

/* ---- what is looked at again while they are there */

/* Returns another name for "other". */
static enum ts_err
find_other(struct auth_db *db, struct str name, struct arena *arena, struct auth_user *user_r)
{
	(void)db, (void)arena;
	if (!str_eq(name, STR("other@site.example")))
		return TS_NOT_FOUND;
	user_r->name = STR("true@site.example");
	return TS_OK;
}

static void
add_other_names(struct world *w)
{
	static const struct auth_db_ops ops = {
	    .type = "test", .find = find_other, .free = free_teller};
	struct auth_chain *chain = auth_chain_new();
	struct teller *t = mem_zalloc(sizeof(*t));

	auth_chain_add(chain, auth_db_store_new(w->auth));
	t->db.ops = &ops;
	auth_chain_add(chain, &t->db);
	auth_set_chain(w->auth, chain);
	auth_chain_unref(&chain);
}

static void
assert_recheck(struct world *w, const struct auth_login *login, const char *want)
{
	const struct auth_session session = {.authcid = buf_as_str(&login->authcid),
	    .user = buf_as_str(&login->user),
	    .grant = login->grant,
	    .vouched = login->vouched,
	    .authcid_vouched = login->authcid_vouched};
	const char *why = NULL;

	assert_int_equal(
	    auth_recheck(w->auth, &session, true, &why), want == NULL ? TS_OK : TS_DENIED);
	if (want != NULL)
		assert_string_equal(why, want);
}

static void
who_is_vouched_for_vouches_for_nobody(void **state)
{
	struct world *w = *state;
	struct auth_request req = {.mechanism = STR("OAUTHBEARER"),
	    .proof = AUTH_BY_TOKEN,
	    .authzid = STR("bo"),
	    .secret = STR("one"),
	    .may_wait = true};
	const struct auth_grant_spec spec = {
	    .name = STR("g"), .who = STR("gina"), .target = STR("bo")};
	struct auth_grant_fault fault = {0};
	struct auth_login got = {0};
	struct buf made = {0};
	const char *why;

	add(w, "bo", NULL);
	w->one->vouched = true;
	assert_int_equal(auth_grants_add(w->auth, &spec, &made, &fault), TS_OK);
	buf_fini(&made);
	assert_int_equal(auth_check(w->auth, &req, &got), AUTH_OK);
	assert_recheck(w, &got, NULL);
	assert_int_equal(auth_try(w->auth, &req, &got), AUTH_OK);
	assert_recheck(w, &got, NULL);
	assert_int_equal(auth_users_delete(w->auth, STR("bo"), &why), TS_OK);
	assert_recheck(w, &got, "This user was removed");
	auth_login_fini(&got);
}

static void
whose_name_is_another_vouches_for_nobody(void **state)
{
	struct world *w = *state;
	struct auth_request req = {.mechanism = STR("PLAIN"),
	    .authcid = STR("gate"),
	    .authzid = STR("other"),
	    .secret = STR("blue sea"),
	    .may_wait = true};
	struct auth_grant_spec spec = {.name = STR("g"), .who = STR("gate"), .target = STR("*")};
	struct auth_grant_fault fault = {0};
	struct auth_login got = {0};
	struct buf made = {0};
	const char *why;

	add_other_names(w);
	add(w, "gate", NULL);
	assert_int_equal(auth_grants_add(w->auth, &spec, &made, &fault), TS_OK);
	buf_fini(&made);
	assert_int_equal(auth_check(w->auth, &req, &got), AUTH_OK);
	assert_true(str_eq(buf_as_str(&got.user), STR("true@site.example")));
	assert_recheck(w, &got, NULL);
	assert_int_equal(auth_users_delete(w->auth, STR("gate"), &why), TS_OK);
	assert_recheck(w, &got, "This user was removed");
	auth_login_fini(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(remembered_for_its_host_and_time),
	    cmocka_unit_test(bounded_and_the_last_used_stay),
	    cmocka_unit_test_setup_teardown(each_database_has_its_own, setup, teardown),
	    cmocka_unit_test_setup_teardown(answered_from_memory, setup, teardown),
	    cmocka_unit_test_setup_teardown(users_for_whom_an_issuer_vouches, setup, teardown),
	    cmocka_unit_test_setup_teardown(who_is_vouched_for_vouches_for_nobody, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        whose_name_is_another_vouches_for_nobody, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
