/* SPDX-License-Identifier: Apache-2.0 */
/* Grants in a store on the mem engine, and the logins they permit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "auth/grants.h"
#include "auth/users.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/engine/mem/mem.h"
#include "store/store.h"

struct world {
	struct engine_mem_disk *disk;
	struct store *store;
	struct auth *auth;
	struct auth_login login;
	unsigned changes;
};

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

static void
open_world(struct world *w)
{
	struct store_options opt;
	char *text = NULL;

	store_options_default(&opt);
	opt.engine = &engine_mem_class;
	opt.engine_options.own = w->disk;
	opt.lanes = 1;
	assert_int_equal(store_open(&opt, &w->store, &text), TS_OK);
	w->auth = auth_new(w->store, STR("site.example"));
}

static void
close_world(struct world *w)
{
	auth_login_fini(&w->login);
	auth_free(&w->auth);
	store_close(&w->store);
}

static void
add_user(struct world *w, const char *name, const char *acts_for)
{
	struct str pattern = str_of(acts_for);
	struct auth_user_spec spec = {.name = str_of(name),
	    .password = STR("secret"),
	    .acts_for = &pattern,
	    .acts_for_count = acts_for != NULL};
	const char *why;

	assert_int_equal(auth_users_add(w->auth, &spec, &why), TS_OK);
}

static int
setup(void **state)
{
	struct world *w = test_calloc(1, sizeof(*w));

	log_set_sink(quiet, NULL);
	w->disk = engine_mem_disk_new();
	open_world(w);
	add_user(w, "gateway", NULL);
	add_user(w, "anna", NULL);
	add_user(w, "boris@voice.example", NULL);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	close_world(w);
	engine_mem_disk_free(&w->disk);
	test_free(w);
	return 0;
}

static enum ts_err
add(struct world *w, const char *name, const char *who, const char *target)
{
	struct auth_grant_spec spec = {
	    .name = str_of(name), .who = str_of(who), .target = str_of(target)};
	struct auth_grant_fault fault = {0};
	struct buf made = {0};
	enum ts_err err = auth_grants_add(w->auth, &spec, &made, &fault);

	buf_fini(&fault.text);
	buf_fini(&made);
	return err;
}

static enum auth_result
login(struct world *w, const char *who, const char *target)
{
	struct auth_request req = {.mechanism = STR("PLAIN"),
	    .authcid = str_of(who),
	    .authzid = str_of(target),
	    .secret = STR("secret"),
	    .address = STR("127.0.0.1")};
	enum auth_result result = auth_try(w->auth, &req, &w->login);

	return result == AUTH_AGAIN ? auth_check(w->auth, &req, &w->login) : result;
}

static const char *
recheck_as(struct world *w, struct str authcid, struct str user, bool vouched,
    const struct auth_grant *grant)
{
	struct auth_session session = {.authcid = authcid,
	    .user = user,
	    .grant = grant,
	    .vouched = vouched && str_eq(authcid, user),
	    .authcid_vouched = vouched};
	const char *why = NULL;
	enum ts_err err = auth_recheck(w->auth, &session, false, &why);

	assert_true(err == TS_OK || err == TS_DENIED);
	assert_true((why == NULL) == (err == TS_OK));
	return why;
}

static const char *
recheck(struct world *w)
{
	return recheck_as(w, buf_as_str(&w->login.authcid), buf_as_str(&w->login.user),
	    w->login.authcid_vouched, w->login.grant);
}

static void
test_permits(void **state)
{
	struct world *w = *state;

	assert_int_equal(login(w, "gateway", "boris@voice.example"), AUTH_DENIED);
	assert_string_equal(w->login.why, "no grant permits acting for that user");
	assert_int_equal(login(w, "gateway", NULL), AUTH_OK);
	assert_false(w->login.acts_for_others);

	assert_int_equal(add(w, "voice", "gateway", "*@voice.example"), TS_OK);
	assert_false(auth_is_current(w->auth, &w->login));
	for (int i = 0; i < 2; i++) { /* from the databases, and from memory */
		assert_int_equal(login(w, "gateway", "boris@voice.example"), AUTH_OK);
		assert_true(w->login.acts_for_others);
		assert_non_null(w->login.grant);
		assert_true(str_eq(w->login.grant->name, STR("voice")));
	}
	assert_true(auth_is_current(w->auth, &w->login));
	assert_null(recheck(w));
	assert_int_equal(login(w, "gateway", "anna"), AUTH_DENIED);
	assert_int_equal(login(w, "anna", "boris@voice.example"), AUTH_DENIED);
	assert_int_equal(login(w, "gateway", "nobody@voice.example"), AUTH_DENIED);
	assert_int_equal(login(w, "gateway", NULL), AUTH_OK);
	assert_true(w->login.acts_for_others);
	assert_null(w->login.grant);
}

static void
test_changes(void **state)
{
	struct world *w = *state;

	assert_int_equal(add(w, "voice", "gateway", "*@voice.example"), TS_OK);
	assert_int_equal(add(w, "voice", "gateway", "*"), TS_EXISTS);
	assert_int_equal(add(w, "-", "gateway", "*"), TS_INVALID);
	assert_int_equal(auth_grants_remove(w->auth, STR("other")), TS_NOT_FOUND);
	assert_int_equal(login(w, "gateway", "boris@voice.example"), AUTH_OK);
	assert_int_equal(auth_grants_remove(w->auth, STR("voice")), TS_OK);
	assert_false(auth_is_current(w->auth, &w->login));
	assert_string_equal(recheck(w), "The permission to act for this user was withdrawn");
	assert_int_equal(auth_grants_remove(w->auth, STR("voice")), TS_NOT_FOUND);
	assert_int_equal(login(w, "gateway", "boris@voice.example"), AUTH_DENIED);
}

static void
test_durable(void **state)
{
	struct world *w = *state;
	struct auth_grant **list;
	size_t n;

	assert_int_equal(add(w, "z-first", "gateway", "*@voice.example"), TS_OK);
	assert_int_equal(add(w, "a-second", "gateway", "*"), TS_OK);
	assert_int_equal(add(w, "gone", "gateway", "*"), TS_OK);
	assert_int_equal(auth_grants_remove(w->auth, STR("gone")), TS_OK);
	close_world(w);
	open_world(w);
	n = auth_grants_get(w->auth, &list);
	assert_int_equal(n, 2);
	assert_true(str_eq(list[0]->name, STR("z-first"))); /* by time, not by name */
	assert_true(str_eq(list[1]->name, STR("a-second")));
	for (size_t i = 0; i < n; i++)
		auth_grant_unref(&list[i]);
	mem_free(list);
	assert_int_equal(login(w, "gateway", "boris@voice.example"), AUTH_OK);
	assert_true(str_eq(w->login.grant->name, STR("z-first")));
}

/* An unreadable record is not a grant, let alone an unlimited one; it can be removed. */
static void
test_unreadable(void **state)
{
	struct world *w = *state;
	struct store_change *change = store_change_new_records(w->store, NULL, NULL, NULL);
	struct auth_grant **list;

	change->records = arena_array(change->arena, 1, sizeof(*change->records));
	change->record_count = 1;
	change->records[0].key = STR("grant/later");
	change->records[0].value = STR("\x02gateway");
	assert_int_equal(store_submit_wait(change), TS_OK);
	store_change_free(&change);
	close_world(w);
	open_world(w);
	assert_int_equal(auth_grants_get(w->auth, &list), 0);
	mem_free(list);
	assert_int_equal(login(w, "gateway", "anna"), AUTH_DENIED);
	assert_int_equal(add(w, "later", "gateway", "anna"), TS_EXISTS);
	assert_int_equal(auth_grants_remove(w->auth, STR("later")), TS_OK);
	assert_int_equal(auth_grants_remove(w->auth, STR("later")), TS_NOT_FOUND);
	assert_int_equal(add(w, "later", "gateway", "anna"), TS_OK);
	assert_int_equal(login(w, "gateway", "anna"), AUTH_OK);
}

static struct auth_grant *
configured(const char *name, const char *who, const char *target, const char *rights)
{
	struct auth_grant_spec spec = {.name = str_of(name),
	    .who = str_of(who),
	    .target = str_of(target),
	    .rights = str_of(rights)};
	struct auth_grant_fault fault = {0};
	struct auth_grant *grant =
	    auth_grant_new(AUTH_GRANT_CONFIG, STR("site.example"), &spec, &fault);

	assert_non_null(grant);
	return grant;
}

static void
configure(struct world *w, const char *rights)
{
	struct auth_grant *list[] = {configured("conf", "gateway", "*@voice.example", rights),
	    configured("other", "gateway", "anna", NULL)};

	auth_grants_configure(w->auth, list, rights != NULL ? 2 : 0);
	auth_grant_unref(&list[0]);
	auth_grant_unref(&list[1]);
}

static void
test_configuration(void **state)
{
	struct world *w = *state;

	assert_int_equal(add(w, "stored", "gateway", "*@voice.example"), TS_OK);
	configure(w, "lr");
	assert_int_equal(add(w, "conf", "gateway", "*"), TS_EXISTS);
	assert_int_equal(auth_grants_remove(w->auth, STR("conf")), TS_DENIED);
	assert_int_equal(login(w, "gateway", "boris@voice.example"), AUTH_OK);
	assert_true(str_eq(w->login.grant->name, STR("conf"))); /* before the store's */
	configure(w, "lr");                                     /* the same: the login stays */
	assert_null(recheck(w));
	configure(w, "lrs");
	assert_non_null(recheck(w));
	assert_int_equal(login(w, "gateway", "boris@voice.example"), AUTH_OK);
	assert_null(recheck(w));
	configure(w, NULL);
	assert_non_null(recheck(w));
	assert_int_equal(login(w, "gateway", "boris@voice.example"), AUTH_OK);
	assert_true(str_eq(w->login.grant->name, STR("stored")));
}

static struct auth_groups *
groups(const char *text)
{
	struct buf faults = {0};
	struct auth_groups *g =
	    auth_groups_parse(str_of(text), "groups", STR("site.example"), &faults);

	assert_non_null(g);
	return g;
}

static void
test_groups(void **state)
{
	struct world *w = *state;

	assert_int_equal(add(w, "crew", "group:gateways", "group:voice"), TS_OK);
	assert_int_equal(login(w, "gateway", "boris@voice.example"), AUTH_DENIED);
	auth_set_groups(w->auth, groups("gateways:x:1:gateway\nvoice:x:2:boris@voice.example\n"));
	assert_int_equal(login(w, "gateway", "boris@voice.example"), AUTH_OK);
	assert_int_equal(login(w, "gateway", "anna"), AUTH_DENIED);
	assert_int_equal(login(w, "gateway", "boris@voice.example"), AUTH_OK);
	auth_set_groups(
	    w->auth, groups("gateways:x:1:gateway\nvoice:x:2:boris@voice.example,anna\n"));
	assert_false(auth_is_current(w->auth, &w->login));
	assert_null(recheck(w));
	auth_set_groups(w->auth, groups("gateways:x:1:gateway\nvoice:x:2:anna\n"));
	assert_non_null(recheck(w));
	assert_int_equal(login(w, "gateway", "boris@voice.example"), AUTH_DENIED);
	assert_int_equal(login(w, "gateway", "anna"), AUTH_OK);
	auth_set_groups(w->auth, groups("gateways:x:1:\nvoice:x:2:anna\n"));
	assert_non_null(recheck(w));
	assert_int_equal(login(w, "gateway", "anna"), AUTH_DENIED);
	assert_int_equal(login(w, "gateway", NULL), AUTH_OK);
	assert_false(w->login.acts_for_others);
}

static void
test_expiry(void **state)
{
	struct world *w = *state;
	struct auth_grant_spec spec = {.name = STR("old"),
	    .who = STR("gateway"),
	    .target = STR("anna"),
	    .until = STR("2001-01-01")};
	struct auth_grant_fault fault = {0};
	struct buf name = {0};

	assert_int_equal(auth_grants_add(w->auth, &spec, &name, &fault), TS_OK);
	buf_fini(&name);
	assert_int_equal(login(w, "gateway", "anna"), AUTH_DENIED);
	assert_true(auth_grants_next_end(w->auth, clock_wall_s()) == AUTH_GRANT_FOR_GOOD);
	assert_int_equal(auth_grants_next_end(w->auth, 0), 978393600);
	assert_int_equal(add(w, "new", "gateway", "anna"), TS_OK);
	assert_int_equal(login(w, "gateway", "anna"), AUTH_OK);
	auth_expire(w->auth);
	assert_false(auth_is_current(w->auth, &w->login));
	/* As if it had just expired. */
	w->login.grant->until = clock_wall_s();
	assert_string_equal(recheck(w), "The permission to act for this user has expired");
}

static void
write_groups(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
test_group_file(void **state)
{
	char path[] = "/tmp/turnstone-groups-XXXXXX";
	struct world *w = *state;
	struct auth_group_file file;
	struct buf faults = {0};
	int fd = mkstemp(path);
	uint64_t before;

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(add(w, "crew", "group:gateways", "anna"), TS_OK);
	write_groups(path, "gateways:x:1:gateway\n");
	assert_true(auth_group_file_read(w->auth, path, &faults, &file));
	auth_set_group_file(w->auth, &file);
	assert_int_equal(login(w, "gateway", "anna"), AUTH_OK);
	before = auth_generation(w->auth);
	auth_groups_poll(w->auth); /* the same file */
	assert_int_equal(auth_generation(w->auth), before);
	write_groups(path, "gateways\n"); /* with a fault: nothing changes */
	auth_groups_poll(w->auth);
	assert_int_equal(auth_generation(w->auth), before);
	assert_int_equal(login(w, "gateway", "anna"), AUTH_OK);
	assert_false(auth_group_file_read(w->auth, path, &faults, &file));
	assert_non_null(str_find(buf_as_str(&faults), STR(":1: must be NAME:")));
	write_groups(path, "gateways:x:1:boris\n");
	auth_groups_poll(w->auth);
	assert_non_null(recheck(w));
	assert_int_equal(login(w, "gateway", "anna"), AUTH_DENIED);
	unlink(path);
	auth_groups_poll(w->auth);
	write_groups(path, "gateways:x:1:gateway\n");
	auth_groups_poll(w->auth);
	assert_int_equal(login(w, "gateway", "anna"), AUTH_OK);
	assert_true(auth_group_file_read(w->auth, path, &faults, &file));
	auth_group_file_fini(&file);
	auth_set_groups(w->auth, auth_groups_none());
	write_groups(path, "gateways:x:1:gateway,anna\n");
	auth_groups_poll(w->auth); /* it is no longer used */
	assert_int_equal(login(w, "gateway", "anna"), AUTH_DENIED);
	unlink(path);
	buf_fini(&faults);
}

/* The users involved in a login. */
static void
test_recheck_users(void **state)
{
	struct world *w = *state;
	const char *why;

	add_user(w, "patron", "anna");
	assert_int_equal(add(w, "voice", "gateway", "anna"), TS_OK);
	assert_int_equal(login(w, "gateway", "anna"), AUTH_OK);
	assert_int_equal(auth_users_disable(w->auth, STR("gateway"), true, &why), TS_OK);
	assert_string_equal(recheck(w), "This user was disabled");
	assert_int_equal(auth_users_disable(w->auth, STR("gateway"), false, &why), TS_OK);
	assert_null(recheck(w));
	assert_int_equal(auth_users_disable(w->auth, STR("anna"), true, &why), TS_OK);
	assert_string_equal(recheck(w), "This user was disabled");
	assert_int_equal(auth_users_disable(w->auth, STR("anna"), false, &why), TS_OK);
	assert_int_equal(login(w, "patron", "anna"), AUTH_OK);
	assert_int_equal(w->login.grant->source, AUTH_GRANT_USER);
	assert_null(recheck(w));
	auth_changed(w->auth, STR_NONE);
	assert_null(recheck(w));
	assert_int_equal(auth_users_delete(w->auth, STR("anna"), &why), TS_OK);
	assert_string_equal(recheck(w), "This user was removed");
	add_user(w, "anna", NULL);
	assert_null(recheck(w));
	assert_int_equal(auth_users_delete(w->auth, STR("patron"), &why), TS_OK);
	add_user(w, "patron", NULL);
	assert_string_equal(recheck(w), "The permission to act for this user was withdrawn");
}

/* A user identified by a token need not be in any database. */
static void
test_recheck_vouched(void **state)
{
	struct world *w = *state;
	struct str stranger = STR("stranger@site.example"), anna = STR("anna@site.example");
	struct auth_grant *grant;
	const char *why;

	assert_string_equal(
	    recheck_as(w, stranger, stranger, false, NULL), "This user was removed");
	assert_null(recheck_as(w, stranger, stranger, true, NULL));
	assert_int_equal(add(w, "a", "stranger", "anna"), TS_OK);
	assert_int_equal(add(w, "b", "gateway", "anna"), TS_OK);
	assert_int_equal(login(w, "gateway", "anna"), AUTH_OK);
	grant = w->login.grant;
	assert_string_equal(recheck_as(w, stranger, anna, true, grant),
	    "The permission to act for this user was withdrawn");
	assert_null(recheck(w));
	assert_int_equal(auth_users_disable(w->auth, STR("anna"), true, &why), TS_OK);
	assert_string_equal(recheck_as(w, anna, anna, true, NULL), "This user was disabled");
}

static void
count(struct str user, void *arg)
{
	(void)user;
	((struct world *)arg)->changes++;
}

static void
test_told(void **state)
{
	struct world *w = *state;
	uint64_t generation = auth_generation(w->auth);

	auth_on_change(w->auth, count, w);
	assert_int_equal(add(w, "a", "gateway", "*"), TS_OK);
	assert_int_equal(w->changes, 1);
	assert_int_equal(auth_grants_remove(w->auth, STR("a")), TS_OK);
	configure(w, "lr");
	auth_set_groups(w->auth, groups(""));
	auth_changed(w->auth, STR_NONE);
	assert_int_equal(w->changes, 5);
	auth_changed(w->auth, STR("anna@site.example"));
	assert_int_equal(w->changes, 6);
	assert_int_equal(auth_generation(w->auth), generation + 6);
}

static void
test_names_made(void **state)
{
	static const char *const rows[][2] = {{"gateway", "gateway-1"}, {"gateway", "gateway-2"},
	    {"gateway@voice.example", "gateway-3"}, {"group:Ops", "ops-1"}, {"*", "grant-1"},
	    {"*@voice.example", "voice.example-1"}};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct auth_grant_spec spec = {.who = str_of(rows[i][0]), .target = STR("anna")};
		struct auth_grant_fault fault = {0};
		struct buf name = {0};

		assert_int_equal(auth_grants_add(w->auth, &spec, &name, &fault), TS_OK);
		assert_string_equal(buf_cstr(&name), rows[i][1]);
		buf_fini(&name);
	}
}

/* ---- explaining */

struct seen {
	struct buf text;
};

static void
see(const struct auth_grant *grant, enum auth_fit fit, bool decides, void *arg)
{
	static const char *const words[] = {"fits", "who", "for", "from", "expired"};
	struct seen *seen = arg;

	buf_printf(&seen->text, "%.*s:%s%s ", STR_ARG(grant->name), words[fit], decides ? "!" : "");
}

static void
explain(struct world *w, const char *who, const char *target, const char *address, const char *want,
    const char *why)
{
	struct auth_explain e = {.who = str_of(who),
	    .target = str_of(target),
	    .address = str_of(address),
	    .now = clock_wall_s()};
	struct seen seen = {{0}};

	auth_grants_explain(w->auth, &e, see, &seen);
	assert_string_equal(buf_cstr(&seen.text), want);
	assert_true(e.permitted == (why == NULL));
	if (why != NULL)
		assert_string_equal(e.why, why);
	buf_fini(&seen.text);
	auth_explain_fini(&e);
}

static void
test_explain(void **state)
{
	struct world *w = *state;
	struct str net = STR("10.0.0.0/8");
	struct auth_grant_spec spec = {.name = STR("net"),
	    .who = STR("gateway"),
	    .target = STR("anna"),
	    .from = &net,
	    .from_count = 1};
	struct auth_grant_fault fault = {0};
	struct buf name = {0};
	const char *why;

	add_user(w, "patron", "b*");
	assert_int_equal(auth_grants_add(w->auth, &spec, &name, &fault), TS_OK);
	buf_fini(&name);
	assert_int_equal(add(w, "voice", "gateway", "*@voice.example"), TS_OK);
	assert_int_equal(add(w, "any", "gateway", "*"), TS_OK);
	explain(w, "gateway", "anna", "127.0.0.1", "net:from voice:for any:fits! ", NULL);
	explain(w, "gateway", "anna", "10.1.1.1", "net:fits! voice:for any:fits ", NULL);
	explain(w, "gateway", "anna", "", "net:fits! voice:for any:fits ", NULL);
	explain(w, "patron", "boris@voice.example", "", "net:who voice:who any:who acts-for:fits! ",
	    NULL);
	explain(
	    w, "patron", "anna", "", "net:who voice:who any:who acts-for:for ", "no grant matches");
	explain(w, "anna", "anna", "", "net:who voice:who any:who ", NULL);
	explain(w, "gateway", "nobody", "", "net:for voice:for any:fits! ",
	    "the user to act for is in no database");
	explain(w, "nobody", "anna", "", "net:who voice:who any:who ",
	    "the acting user is in no database");
	explain(w, "a b", "anna", "", "net:who voice:who any:who ", "that is not a user name");
	assert_int_equal(auth_users_disable(w->auth, STR("anna"), true, &why), TS_OK);
	explain(w, "gateway", "anna", "", "net:fits! voice:for any:fits ",
	    "the user to act for is disabled");
	assert_int_equal(auth_users_disable(w->auth, STR("gateway"), true, &why), TS_OK);
	explain(w, "gateway", "anna", "", "net:fits! voice:for any:fits ",
	    "the acting user is disabled");
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {T(test_permits), T(test_changes), T(test_durable),
	    T(test_unreadable), T(test_configuration), T(test_groups), T(test_group_file),
	    T(test_expiry), T(test_recheck_users), T(test_recheck_vouched), T(test_told),
	    T(test_names_made), T(test_explain)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
