/* SPDX-License-Identifier: Apache-2.0 */
/* Users and logins over a store on the mem engine. */
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "auth/db.h"
#include "auth/sharing.h"
#include "auth/user/hashing.h"
#include "auth/users.h"
#include "base/log.h"
#include "store/engine/mem/mem.h"
#include "store/store.h"

struct world {
	struct engine_mem_disk *disk;
	struct store *store;
	struct auth *auth;
};

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level;
	(void)context;
	(void)text;
	(void)arg;
}

static int
setup(void **state)
{
	struct world *w = test_calloc(1, sizeof(*w));
	struct store_options opt;
	char *text = NULL;

	log_set_sink(quiet, NULL);
	w->disk = engine_mem_disk_new();
	store_options_default(&opt);
	opt.engine = &engine_mem_class;
	opt.engine_options.own = w->disk;
	opt.lanes = 1;
	assert_int_equal(store_open(&opt, &w->store, &text), TS_OK);
	w->auth = auth_new(w->store, STR("site.example"));
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

static enum ts_err
add(struct world *w, const char *name, const char *password, const char *acts_for, bool admin)
{
	struct str pattern = str_of(acts_for);
	struct auth_user_spec spec = {.name = str_of(name),
	    .password = str_of(password),
	    .acts_for = &pattern,
	    .acts_for_count = acts_for != NULL,
	    .admin = admin};
	const char *why;

	return auth_users_add(w->auth, &spec, &why);
}

typedef enum auth_result ask_f(
    struct auth *auth, const struct auth_request *req, struct auth_login *login_r);

static enum auth_result
ask(struct world *w, ask_f *fn, const char *authzid, const char *authcid, const char *password,
    const char *want_user)
{
	struct auth_request req = {.mechanism = STR("PLAIN"),
	    .authcid = str_of(authcid),
	    .authzid = str_of(authzid),
	    .secret = str_of(password)};
	struct auth_login login = {0};
	enum auth_result result = fn(w->auth, &req, &login);

	if (want_user != NULL)
		assert_true(str_eq(buf_as_str(&login.user), str_of(want_user)));
	else
		assert_true(login.user.n == 0 || result == AUTH_OK || result == AUTH_DENIED);
	auth_login_fini(&login);
	return result;
}

static void
test_login(void **state)
{
	struct world *w = *state;

	assert_int_equal(add(w, "Anna", "blue sea", NULL, false), TS_OK);
	assert_int_equal(add(w, "anna@SITE.example", "other", NULL, false), TS_EXISTS);
	assert_int_equal(ask(w, auth_try, "", "anna", "blue sea", NULL), AUTH_AGAIN);
	assert_int_equal(ask(w, auth_check, "", "anna", "Blue sea", NULL), AUTH_FAILED);
	assert_int_equal(ask(w, auth_try, "", "anna", "Blue sea", NULL), AUTH_AGAIN);
	assert_int_equal(ask(w, auth_check, "", "anna", "blue sea", "anna@site.example"), AUTH_OK);
	/* Now it is remembered, under every form of the name. */
	assert_int_equal(ask(w, auth_try, "", "ANNA", "blue sea", "anna@site.example"), AUTH_OK);
	assert_int_equal(
	    ask(w, auth_try, "anna@site.example", "anna", "blue sea", "anna@site.example"),
	    AUTH_OK);
	assert_int_equal(ask(w, auth_try, "", "anna", "blue sea ", NULL), AUTH_AGAIN);
	assert_int_equal(ask(w, auth_check, "", "bert", "blue sea", NULL), AUTH_FAILED);
	assert_int_equal(ask(w, auth_check, "", "an na", "blue sea", NULL), AUTH_FAILED);
	assert_int_equal(ask(w, auth_check, "", "", "", NULL), AUTH_FAILED);
}

/* ---- group mailboxes ---- */

static void
set_group_mailbox(struct world *w, const char *name, bool on)
{
	struct store_account *account = NULL;
	struct store_change *c;

	assert_int_equal(store_account_load(w->store, str_of(name), true, &account), TS_OK);
	c = store_change_new(account, STORE_CHANGE_PROPERTIES, NULL, NULL, NULL);
	c->properties = arena_new_object(c->arena, struct store_property_op);
	c->property_count = 1;
	*c->properties = (struct store_property_op){
	    .name = STR(AUTH_GROUP_MAILBOX), .value = STR("yes"), .remove = !on};
	assert_int_equal(store_submit_wait(c), TS_OK);
	store_change_free(&c);
	store_account_unref(&account);
	auth_changed(w->auth, str_of(name));
}

static enum auth_result
vouched_login(struct world *w, const char *name)
{
	struct auth_request req = {.mechanism = STR("PROXYAUTH"),
	    .proof = AUTH_BY_LOGIN,
	    .authcid = str_of(name),
	    .vouched = true};
	struct auth_login login = {0};
	enum auth_result result = auth_check(w->auth, &req, &login);

	auth_login_fini(&login);
	return result;
}

/* Nobody logs in as a group mailbox, whatever the databases say, and nobody acts for it. */
static void
test_group_mailbox(void **state)
{
	struct world *w = *state;
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user_spec spec = {.name = STR("desk"), .password = STR("blue sea")};
	struct auth_user user;
	const char *why = NULL;

	assert_int_equal(add(w, "desk", "blue sea", NULL, false), TS_OK);
	assert_int_equal(add(w, "gate", "red", "*", false), TS_OK);
	assert_int_equal(ask(w, auth_check, "", "desk", "blue sea", "desk@site.example"), AUTH_OK);
	assert_int_equal(ask(w, auth_check, "desk", "gate", "red", "desk@site.example"), AUTH_OK);
	assert_int_equal(ask(w, auth_try, "", "desk", "blue sea", NULL), AUTH_OK);
	assert_int_equal(vouched_login(w, "zoe"), AUTH_OK);

	set_group_mailbox(w, "desk@site.example", true);
	assert_int_equal(ask(w, auth_try, "", "desk", "blue sea", NULL), AUTH_AGAIN);
	assert_int_equal(ask(w, auth_check, "", "desk", "blue sea", NULL), AUTH_FAILED);
	assert_int_equal(ask(w, auth_try, "", "desk", "blue sea", NULL), AUTH_AGAIN);
	assert_int_equal(ask(w, auth_check, "desk", "gate", "red", NULL), AUTH_DENIED);
	assert_int_equal(auth_find_user(w->auth, STR("desk"), arena, &user), TS_NOT_FOUND);
	assert_int_equal(auth_users_check(w->auth, &spec, &why), TS_INVALID);
	assert_non_null(strstr(why, "group mailbox"));
	set_group_mailbox(w, "zoe@site.example", true);
	assert_int_equal(vouched_login(w, "zoe"), AUTH_FAILED);

	set_group_mailbox(w, "desk@site.example", false);
	assert_int_equal(ask(w, auth_check, "", "desk", "blue sea", "desk@site.example"), AUTH_OK);
	arena_free(&arena);
}

/* ---- what a login costs ---- */

static unsigned hashes; /* number computed */

char *__real_crypt_rn(const char *phrase, const char *setting, void *data, int size);
char *__wrap_crypt_rn(const char *phrase, const char *setting, void *data, int size);

char *
__wrap_crypt_rn(const char *phrase, const char *setting, void *data, int size)
{
	hashes++;
	return __real_crypt_rn(phrase, setting, data, size);
}

static unsigned
cost(struct world *w, const char *authcid, const char *password, enum auth_result want)
{
	hashes = 0;
	assert_int_equal(ask(w, auth_check, "", authcid, password, NULL), want);
	return hashes;
}

/* A user who does not exist, has an impossible name or is disabled costs as much as others. */
static void
test_cost(void **state)
{
	struct world *w = *state;
	const char *why;

	assert_int_equal(add(w, "anna", "blue sea", NULL, false), TS_OK);
	assert_int_equal(add(w, "dora", "blue sea", NULL, false), TS_OK);
	assert_int_equal(auth_users_disable(w->auth, STR("dora"), true, &why), TS_OK);
	assert_int_equal(cost(w, "anna", "red sea", AUTH_FAILED), 1);
	assert_int_equal(cost(w, "bert", "red sea", AUTH_FAILED), 1);
	assert_int_equal(cost(w, "bert@elsewhere.example", "red sea", AUTH_FAILED), 1);
	assert_int_equal(cost(w, "an na", "red sea", AUTH_FAILED), 1);
	assert_int_equal(cost(w, "", "red sea", AUTH_FAILED), 1);
	assert_int_equal(cost(w, "dora", "red sea", AUTH_FAILED), 1);
	assert_int_equal(cost(w, "dora", "blue sea", AUTH_DISABLED), 1);
	/* nor does an impossible password reveal anything */
	assert_int_equal(cost(w, "anna", "", AUTH_FAILED), cost(w, "bert", "", AUTH_FAILED));
	assert_int_equal(
	    cost(w, "anna", "a\tb", AUTH_FAILED), cost(w, "bert", "a\tb", AUTH_FAILED));
}

static void
test_password_change(void **state)
{
	struct world *w = *state;
	struct auth_user_spec spec = {.name = STR("anna"), .password = STR("green hill")};
	const char *why;

	assert_int_equal(add(w, "anna", "blue sea", NULL, false), TS_OK);
	assert_int_equal(ask(w, auth_check, "", "anna", "blue sea", "anna@site.example"), AUTH_OK);
	assert_int_equal(auth_users_passwd(w->auth, &spec, &why), TS_OK);
	assert_int_equal(ask(w, auth_try, "", "anna", "blue sea", NULL), AUTH_AGAIN);
	assert_int_equal(ask(w, auth_check, "", "anna", "blue sea", NULL), AUTH_FAILED);
	assert_int_equal(
	    ask(w, auth_check, "", "anna", "green hill", "anna@site.example"), AUTH_OK);
	/* A new user with the same name does not inherit the login. */
	assert_int_equal(auth_users_delete(w->auth, STR("anna"), &why), TS_OK);
	assert_int_equal(ask(w, auth_try, "", "anna", "green hill", NULL), AUTH_AGAIN);
	assert_int_equal(ask(w, auth_check, "", "anna", "green hill", NULL), AUTH_FAILED);
	assert_int_equal(add(w, "anna", "third", NULL, false), TS_OK);
	assert_int_equal(ask(w, auth_check, "", "anna", "green hill", NULL), AUTH_FAILED);
	assert_int_equal(auth_users_delete(w->auth, STR("bert"), &why), TS_NOT_FOUND);
	spec.name = STR("bert");
	assert_int_equal(auth_users_passwd(w->auth, &spec, &why), TS_NOT_FOUND);
}

static void
test_acting_for_others(void **state)
{
	struct world *w = *state;
	struct auth_request req = {
	    .authcid = STR("gate"), .authzid = STR("anna"), .secret = STR("gold")};
	struct auth_login login = {0};
	const char *why;

	assert_int_equal(add(w, "gate", "gold", "*@site.example", true), TS_OK);
	assert_int_equal(add(w, "anna", "blue", NULL, true), TS_OK);
	assert_int_equal(add(w, "carl@far.example", "red", NULL, false), TS_OK);
	assert_int_equal(auth_check(w->auth, &req, &login), AUTH_OK);
	assert_true(login.acts_for_others);
	/* Server rights do not carry over. */
	assert_false(login.server_admin);
	assert_true(str_eq(buf_as_str(&login.authcid), STR("gate@site.example")));
	assert_true(str_eq(buf_as_str(&login.user), STR("anna@site.example")));
	assert_int_equal(auth_try(w->auth, &req, &login), AUTH_OK);
	assert_true(login.acts_for_others && !login.server_admin);
	req.authzid = STR("");
	assert_int_equal(auth_try(w->auth, &req, &login), AUTH_OK);
	assert_true(login.acts_for_others && login.server_admin);
	auth_login_fini(&login);

	assert_int_equal(ask(w, auth_check, "carl@far.example", "gate", "gold", NULL), AUTH_DENIED);
	assert_int_equal(ask(w, auth_check, "nobody", "gate", "gold", NULL), AUTH_DENIED);
	assert_int_equal(ask(w, auth_check, "gate", "anna", "blue", NULL), AUTH_DENIED);
	assert_int_equal(ask(w, auth_check, "anna", "gate", "blue", NULL), AUTH_FAILED);
	/* The user they act for is deleted or disabled: takes effect at once. */
	assert_int_equal(auth_users_disable(w->auth, STR("anna"), true, &why), TS_OK);
	assert_int_equal(ask(w, auth_try, "anna", "gate", "gold", NULL), AUTH_AGAIN);
	assert_int_equal(ask(w, auth_check, "anna", "gate", "gold", NULL), AUTH_DENIED);
	assert_int_equal(ask(w, auth_check, "", "anna", "blue", NULL), AUTH_DISABLED);
	assert_int_equal(ask(w, auth_check, "", "anna", "wrong", NULL), AUTH_FAILED);
	assert_int_equal(auth_users_disable(w->auth, STR("anna"), false, &why), TS_OK);
	assert_int_equal(ask(w, auth_check, "anna", "gate", "gold", "anna@site.example"), AUTH_OK);
	assert_int_equal(auth_users_delete(w->auth, STR("anna"), &why), TS_OK);
	assert_int_equal(ask(w, auth_try, "anna", "gate", "gold", NULL), AUTH_AGAIN);
	assert_int_equal(ask(w, auth_check, "anna", "gate", "gold", NULL), AUTH_DENIED);
}

static void
test_bad_users(void **state)
{
	struct world *w = *state;
	struct auth_user_spec spec = {.name = STR("ok"), .hash = STR("$y$nonsense")};
	const char *why;

	assert_int_equal(add(w, "a*b", "x", NULL, false), TS_INVALID);
	assert_int_equal(add(w, "a b", "x", NULL, false), TS_INVALID);
	assert_int_equal(add(w, "a@b@c", "x", NULL, false), TS_INVALID);
	assert_int_equal(add(w, "", "x", NULL, false), TS_INVALID);
	assert_int_equal(add(w, "anna", "", NULL, false), TS_INVALID);
	assert_int_equal(add(w, "anna", "x", "two words", false), TS_INVALID);
	assert_int_equal(auth_users_add(w->auth, &spec, &why), TS_INVALID);
	assert_non_null(why);
}

static bool
count(const struct auth_user *user, void *arg)
{
	struct buf *names = arg;

	buf_printf(names, "%.*s,", STR_ARG(user->name));
	return true;
}

static void
test_bulk(void **state)
{
	struct world *w = *state;
	struct auth_bulk bulk = {
	    .prefix = STR("u"), .from = 9, .to = 5000, .digits = 3, .password = STR("crowd")};
	struct buf names = {0};
	uint64_t made;
	const char *why;

	assert_int_equal(add(w, "u010", "mine", NULL, false), TS_OK);
	assert_int_equal(auth_users_bulk(w->auth, &bulk, &made, &why), TS_OK);
	assert_int_equal(made, 4991);
	assert_int_equal(ask(w, auth_check, "", "u010", "crowd", NULL), AUTH_FAILED);
	assert_int_equal(ask(w, auth_check, "", "u010", "mine", "u010@site.example"), AUTH_OK);
	assert_int_equal(ask(w, auth_check, "", "u5000", "crowd", "u5000@site.example"), AUTH_OK);
	bulk.to = 12;
	assert_int_equal(auth_users_bulk(w->auth, &bulk, &made, &why), TS_OK);
	assert_int_equal(made, 0);
	assert_int_equal(auth_users_list(w->auth, count, &names), TS_OK);
	assert_true(
	    str_has_prefix(buf_as_str(&names), STR("u009@site.example,u010@site.example,")));
	buf_fini(&names);
}

static void
test_store_in_trouble(void **state)
{
	struct world *w = *state;

	assert_int_equal(add(w, "anna", "blue", NULL, false), TS_OK);
	engine_mem_fail(w->disk, ENGINE_MEM_GET, 1, TS_IO, false);
	assert_int_equal(ask(w, auth_check, "", "anna", "blue", NULL), AUTH_UNAVAILABLE);
	assert_int_equal(ask(w, auth_check, "", "anna", "blue", "anna@site.example"), AUTH_OK);
}

static bool
has_hash(struct world *w, const char *name, const char *prefix)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	struct auth_user user;
	const char *why;
	bool has;

	assert_int_equal(auth_users_get(w->auth, str_of(name), arena, &user, &why), TS_OK);
	has = str_has_prefix(user.verifiers[0], str_of(prefix));
	arena_free(&arena);
	return has;
}

/* Only the test waits until it is written. */
static void
poll_and_wait(struct world *w)
{
	struct store_stats stats;

	auth_poll(w->auth);
	do
		store_stats(w->store, &stats);
	while (stats.changes_pending > 0);
}

/* A weak hash is renewed at login; no decision based on it becomes void. */
static void
test_renewal(void **state)
{
	const struct auth_hashing weak = {AUTH_SCHEME_SHA256, 1000},
	                          now = {AUTH_SCHEME_YESCRYPT, 1}, other = {AUTH_SCHEME_BCRYPT, 4};
	struct world *w = *state;
	struct auth_login login = {0};
	struct auth_request req = {
	    .mechanism = STR("PLAIN"), .authcid = STR("anna"), .secret = STR("blue sea")};
	struct auth_user_spec spec = {.name = STR("anna"), .password = STR("new sea")};
	struct auth_scram before, after;
	const char *why;

	auth_set_hashing(w->auth, &weak);
	assert_int_equal(add(w, "anna", "blue sea", NULL, false), TS_OK);
	auth_set_hashing(w->auth, &now);
	assert_int_equal(
	    auth_scram_keys(w->auth, STR("anna"), SASL_SCRAM_SHA256, false, &before), AUTH_OK);
	assert_int_equal(ask(w, auth_check, "", "anna", "wrong", NULL), AUTH_FAILED);
	poll_and_wait(w);
	assert_true(has_hash(w, "anna", "$5$"));
	assert_int_equal(auth_check(w->auth, &req, &login), AUTH_OK);
	assert_true(has_hash(w, "anna", "$5$")); /* the reply did not wait */
	poll_and_wait(w);
	assert_true(has_hash(w, "anna", "$y$"));
	assert_true(auth_is_current(w->auth, &login));
	assert_int_equal(ask(w, auth_try, "", "anna", "blue sea", NULL), AUTH_OK);
	assert_int_equal(ask(w, auth_check, "", "anna", "wrong", NULL), AUTH_FAILED);
	assert_int_equal(
	    auth_scram_keys(w->auth, STR("anna"), SASL_SCRAM_SHA256, false, &after), AUTH_OK);
	assert_true(before.stamp == after.stamp);
	assert_memory_equal(&before.keys, &after.keys, sizeof(before.keys));
	/* A password that was changed meanwhile stays: the note refers to another record. */
	auth_set_hashing(w->auth, &weak);
	assert_int_equal(auth_users_passwd(w->auth, &spec, &why), TS_OK);
	assert_int_equal(ask(w, auth_check, "", "anna", "new sea", NULL), AUTH_OK);
	auth_set_hashing(w->auth, &now);
	auth_changed(w->auth, STR_NONE);
	assert_int_equal(ask(w, auth_check, "", "anna", "new sea", NULL), AUTH_OK);
	auth_set_hashing(w->auth, &weak);
	spec.password = STR("newest sea");
	assert_int_equal(auth_users_passwd(w->auth, &spec, &why), TS_OK);
	auth_set_hashing(w->auth, &now);
	poll_and_wait(w);
	assert_true(has_hash(w, "anna", "$5$"));
	assert_int_equal(ask(w, auth_check, "", "anna", "newest sea", NULL), AUTH_OK);
	/* A hash that is strong enough stays. */
	poll_and_wait(w);
	assert_true(has_hash(w, "anna", "$y$"));
	auth_set_hashing(w->auth, &other);
	auth_changed(w->auth, STR_NONE);
	assert_int_equal(ask(w, auth_check, "", "anna", "newest sea", NULL), AUTH_OK);
	poll_and_wait(w);
	assert_true(has_hash(w, "anna", "$y$"));
	auth_login_fini(&login);
}

/* ---- a flush that hangs */

struct gate {
	sem_t entered, go;
	_Atomic bool held;
};

static enum ts_err
hold(const struct engine_batch *batch, void *arg)
{
	struct gate *gate = arg;

	(void)batch;
	if (atomic_exchange(&gate->held, false)) {
		sem_post(&gate->entered);
		sem_wait(&gate->go);
	}
	return TS_OK;
}

static void
hold_flush(struct world *w, struct gate *gate)
{
	sem_init(&gate->entered, 0, 0);
	sem_init(&gate->go, 0, 0);
	gate->held = true;
	engine_mem_hook(w->disk, hold, gate);
}

static void
hold_no_more(struct world *w, struct gate *gate)
{
	engine_mem_hook(w->disk, NULL, NULL);
	sem_destroy(&gate->entered);
	sem_destroy(&gate->go);
}

static unsigned
renewed(struct world *w)
{
	unsigned n = 0;
	char name[16];

	for (unsigned i = 0; i < 12; i++) {
		(void)snprintf(name, sizeof(name), "user%u", i);
		n += has_hash(w, name, "$y$");
	}
	return n;
}

/* Neither a SCRAM login nor the polling thread waits for it, and little remains afterwards. */
static void
test_held_flush(void **state)
{
	const struct auth_hashing weak = {AUTH_SCHEME_SHA256, 1000},
	                          now = {AUTH_SCHEME_YESCRYPT, 1};
	struct world *w = *state;
	struct gate gate;
	struct auth_scram first, again;
	struct store_stats stats;
	char name[16];

	auth_set_hashing(w->auth, &weak);
	for (unsigned i = 0; i < 12; i++) {
		(void)snprintf(name, sizeof(name), "user%u", i);
		assert_int_equal(add(w, name, "blue sea", NULL, false), TS_OK);
	}
	auth_set_hashing(w->auth, &now);
	hold_flush(w, &gate);
	/* The secret for users who do not exist is made. */
	assert_int_equal(
	    auth_scram_keys(w->auth, STR("nobody"), SASL_SCRAM_SHA256, false, &first), AUTH_OK);
	sem_wait(&gate.entered);
	for (unsigned i = 0; i < 12; i++) {
		(void)snprintf(name, sizeof(name), "user%u", i);
		assert_int_equal(ask(w, auth_check, "", name, "blue sea", NULL), AUTH_OK);
		auth_poll(w->auth);
	}
	store_stats(w->store, &stats);
	assert_int_equal(stats.changes_pending, 1 + 4);
	assert_int_equal(renewed(w), 0);
	sem_post(&gate.go);
	for (unsigned i = 0; i < 4; i++)
		poll_and_wait(w);
	assert_int_equal(renewed(w), 12);
	hold_no_more(w, &gate);
	/* It was kept. */
	auth_free(&w->auth);
	w->auth = auth_new(w->store, STR("site.example"));
	assert_int_equal(
	    auth_scram_keys(w->auth, STR("nobody"), SASL_SCRAM_SHA256, false, &again), AUTH_OK);
	assert_int_equal(first.keys.salt_n, again.keys.salt_n);
	assert_memory_equal(first.keys.salt, again.keys.salt, first.keys.salt_n);
}

/* A change may end after those who asked for it are gone. */
static void
test_ends_after_all(void **state)
{
	const struct auth_hashing weak = {AUTH_SCHEME_SHA256, 1000},
	                          now = {AUTH_SCHEME_YESCRYPT, 1};
	struct world *w = *state;
	struct gate gate;

	auth_set_hashing(w->auth, &weak);
	assert_int_equal(add(w, "anna", "blue sea", NULL, false), TS_OK);
	auth_set_hashing(w->auth, &now);
	assert_int_equal(ask(w, auth_check, "", "anna", "blue sea", NULL), AUTH_OK);
	hold_flush(w, &gate);
	auth_poll(w->auth);
	sem_wait(&gate.entered);
	auth_free(&w->auth);
	sem_post(&gate.go);
	w->auth = auth_new(w->store, STR("site.example"));
	poll_and_wait(w);
	assert_true(has_hash(w, "anna", "$y$"));
	hold_no_more(w, &gate);
}

/* ---- databases */

struct fake_db {
	struct auth_db db;
	const char *knows, *called;
	enum ts_err err;
	enum auth_result result;
	unsigned found, verified;
};

static enum ts_err
fake_find(struct auth_db *db, struct str name, struct arena *arena, struct auth_user *user_r)
{
	struct fake_db *f = (struct fake_db *)(void *)db;

	f->found++;
	if (f->err != TS_OK)
		return f->err;
	if (!str_eq(name, str_of(f->knows)))
		return TS_NOT_FOUND;
	*user_r = (struct auth_user){.name = arena_str(arena, str_of(f->called)), .stamp = 7};
	return TS_OK;
}

static enum auth_result
fake_verify(struct auth_db *db, const struct auth_user *user, const struct auth_request *req)
{
	struct fake_db *f = (struct fake_db *)(void *)db;

	(void)user;
	f->verified++;
	return str_eq(req->secret, STR("blue sea")) ? f->result : AUTH_FAILED;
}

static void
fake_free(struct auth_db *db)
{
	free(db);
}

static const struct auth_db_ops fake_ops = {
    .type = "fake", .find = fake_find, .verify = fake_verify, .free = fake_free};

static struct fake_db *
fake(struct auth_chain *chain, const char *name, const char *knows)
{
	struct fake_db *f = calloc(1, sizeof(*f));

	f->db.ops = &fake_ops;
	buf_puts(&f->db.name, name);
	f->knows = f->called = knows;
	f->result = AUTH_OK;
	auth_chain_add(chain, &f->db);
	return f;
}

static void
test_databases(void **state)
{
	struct world *w = *state;
	struct auth_chain *chain = auth_chain_new();
	struct fake_db *a = fake(chain, "a", "anna@site.example");
	struct fake_db *b = fake(chain, "b", "bo@site.example");
	struct auth_request req = {.mechanism = STR("PLAIN"),
	    .authcid = STR("bo"),
	    .secret = STR("blue sea"),
	    .address = STR("10.0.0.1")};
	struct auth_login login = {0};

	b->db.waits = b->db.by_address = true;
	auth_set_chain(w->auth, chain);
	assert_int_equal(ask(w, auth_check, "", "anna", "blue sea", NULL), AUTH_OK);
	assert_int_equal(a->verified, 1);
	/* Not remembered. */
	assert_int_equal(ask(w, auth_try, "", "anna", "blue sea", NULL), AUTH_AGAIN);
	/* A database that may be slow is asked only where waiting is possible. */
	assert_int_equal(auth_check(w->auth, &req, &login), AUTH_AGAIN);
	assert_int_equal(b->found, 0);
	req.may_wait = true;
	assert_int_equal(auth_check(w->auth, &req, &login), AUTH_OK);
	/* Remembered for a while, and for the address. */
	b->db.cache_ms = 3600 * 1000;
	assert_int_equal(auth_check(w->auth, &req, &login), AUTH_OK);
	assert_int_equal(b->verified, 2);
	assert_int_equal(auth_try(w->auth, &req, &login), AUTH_OK);
	req.address = STR("10.0.0.2");
	assert_int_equal(auth_try(w->auth, &req, &login), AUTH_AGAIN);
	/* Another name for the user. */
	b->called = "bo.berg@site.example";
	req.authcid = STR("BO");
	auth_changed(w->auth, STR_NONE);
	assert_int_equal(auth_check(w->auth, &req, &login), AUTH_OK);
	assert_true(str_eq(buf_as_str(&login.user), STR("bo.berg@site.example")));
	assert_true(str_eq(buf_as_str(&login.authcid), STR("bo.berg@site.example")));
	/* But not the name of a user in an earlier database. */
	b->called = "anna@site.example";
	assert_int_equal(auth_check(w->auth, &req, &login), AUTH_UNAVAILABLE);
	b->called = "bo@site.example";
	/* A disabled account, and an unavailable database. */
	b->result = AUTH_DISABLED;
	b->db.cache_ms = 0;
	auth_changed(w->auth, STR_NONE);
	req.address = STR("10.0.0.3");
	assert_int_equal(auth_check(w->auth, &req, &login), AUTH_DISABLED);
	a->err = TS_UNAVAILABLE;
	b->result = AUTH_OK;
	assert_int_equal(auth_check(w->auth, &req, &login), AUTH_UNAVAILABLE);
	auth_chain_unref(&chain);
	auth_login_fini(&login);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_login, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_group_mailbox, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cost, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_password_change, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_acting_for_others, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bad_users, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_renewal, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_held_flush, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ends_after_all, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_databases, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bulk, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_store_in_trouble, setup, teardown)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
