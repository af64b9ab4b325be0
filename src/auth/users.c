/* SPDX-License-Identifier: Apache-2.0 */
/* Manages users: prepares and checks names, and writes the store's records. */
#include "auth/users.h"

#include <string.h>

#include "auth/auth_int.h"
#include "auth/digest.h"
#include "auth/gateway.h"
#include "auth/password.h"
#include "auth/sharing.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "sasl/names.h"

enum { BULK_BATCH = 4096 };

static enum ts_err
refuse_user(const char **why_r, const char *why)
{
	*why_r = why;
	return TS_INVALID;
}

static const char no_star[] = "a user name must not contain '*'";

static enum ts_err
prepare_name(struct auth *auth, struct str name, struct buf *out, const char **why_r)
{
	*why_r = NULL;
	if (!sasl_name_full(name, buf_as_str(&auth->default_domain), out))
		return refuse_user(why_r,
		    "a user name is local or local@domain, without blanks, at most 512 bytes");
	/* In a grant, a star would be taken for a pattern's. */
	if (str_chr(buf_as_str(out), '*') != NULL)
		return refuse_user(why_r, no_star);
	return TS_OK;
}

const char *
auth_users_name_fault(const struct auth *auth, struct str name)
{
	if (str_chr(name, '*') != NULL)
		return no_star;
	if (str_has_prefix(name, STR(AUTH_GROUP_WORD))) /* in a grant it would name a group */
		return "a user name must not begin with \"group:\", which in a grant says that a "
		       "group follows";
	if (auth_gateway_forbids(auth, name))
		return "a user name must not contain auth.gateway_separator, which in a login name "
		       "stands before the gateway";
	return NULL;
}

/* For new users only; existing ones can still be found and removed. */
static enum ts_err
prepare_new_name(struct auth *auth, struct str name, struct buf *out, const char **why_r)
{
	enum ts_err err = prepare_name(auth, name, out, why_r);
	const char *fault = err == TS_OK ? auth_users_name_fault(auth, buf_as_str(out)) : NULL;

	return fault != NULL ? refuse_user(why_r, fault) : err;
}

static enum ts_err
refuse_group_mailbox(struct auth *auth, struct str name, const char **why_r)
{
	enum ts_err err = auth_is_group_mailbox(auth->store, name);

	if (err == TS_OK)
		return refuse_user(why_r,
		    "there is a group mailbox of that name: give the user another, or remove the "
		    "group mailbox first (turnstone group-mailbox delete)");
	return err == TS_NOT_FOUND ? TS_OK : err;
}

/* Patterns are names with '*' in them; only a whole name gets the default domain. */
static enum ts_err
prepare_patterns(struct auth *auth, const struct auth_user_spec *spec, struct arena *arena,
    struct auth_user *user, const char **why_r)
{
	struct str *list = arena_array(arena, spec->acts_for_count, sizeof(*list));
	struct buf b = {0};
	bool ok = true;

	if (spec->acts_for_count > AUTH_PATTERNS_MAX)
		return refuse_user(why_r, "too many patterns to act for: 256 at most");
	for (size_t i = 0; ok && i < spec->acts_for_count; i++) {
		struct str in = spec->acts_for[i];

		b.n = 0;
		ok = str_chr(in, '*') != NULL
		         ? sasl_name_prepare(in, &b)
		         : sasl_name_full(in, buf_as_str(&auth->default_domain), &b);
		list[i] = arena_str(arena, buf_as_str(&b));
	}
	buf_fini(&b);
	if (!ok)
		return refuse_user(why_r,
		    "a pattern to act for is a user name in which '*' may stand "
		    "for any characters");
	user->acts_for = list;
	user->acts_for_count = spec->acts_for_count;
	return TS_OK;
}

static enum ts_err
make_verifiers(struct auth *auth, struct str password, struct str ready, struct arena *arena,
    struct auth_user *user, const char **why_r)
{
	struct str *list;

	if (ready.n == 0) {
		struct auth_hashing hashing = auth_hashing_get(auth);

		*why_r = auth_password_make(password, &hashing, arena, user);
		return *why_r != NULL ? TS_INVALID : TS_OK;
	}
	if (!auth_verifier_ok(ready))
		return refuse_user(why_r,
		    "not a hash that crypt(3) of this system can verify, nor a "
		    "SCRAM-SHA-256 verifier");
	list = arena_array(arena, 1, sizeof(*list));
	list[0] = arena_str(arena, ready);
	user->verifiers = list;
	user->verifier_count = 1;
	return TS_OK;
}

/* The rest, once the name is known. */
static enum ts_err
add_digest(struct auth *auth, const struct auth_user_spec *spec, struct arena *arena,
    struct auth_user *user, const char **why_r)
{
	if (!spec->digest_md5)
		return TS_OK;
	*why_r = auth_digest_add(buf_as_str(&auth->default_domain), spec->password, arena, user);
	return *why_r != NULL ? TS_INVALID : TS_OK;
}

/* ---- records ---- */

static struct store_record_op *
set_op(struct store_record_op *op, struct arena *arena, const struct auth_user *user)
{
	struct buf b = {0};

	auth_user_key(user->name, &b);
	op->key = arena_str(arena, buf_as_str(&b));
	b.n = 0;
	auth_user_print(user, &b);
	op->value = arena_str(arena, buf_as_str(&b));
	buf_wipe_fini(&b);
	return op;
}

enum put_mode { PUT_NEW, PUT_OLD };

static void
stamp(struct auth_user *user)
{
	user->changed = clock_wall_s();
	if (user->created == 0)
		user->created = user->changed;
	random_bytes(&user->stamp, sizeof(user->stamp));
}

static enum ts_err
submit_user(struct auth *auth, struct auth_user *user, enum put_mode mode)
{
	struct store_change *change = store_change_new_records(auth->store, NULL, NULL, NULL);
	enum ts_err err;

	stamp(user);
	change->records = arena_array(change->arena, 1, sizeof(*change->records));
	change->record_count = 1;
	set_op(change->records, change->arena, user);
	change->records[0].must_be_new = mode == PUT_NEW;
	change->records[0].must_exist = mode == PUT_OLD;
	err = store_submit_wait(change);
	store_change_free(&change);
	auth_changed(auth, user->name);
	return err;
}

/* ---- one user ---- */

/* Everything but the password. */
static enum ts_err
prepare_user(struct auth *auth, const struct auth_user_spec *spec, struct arena *arena,
    struct buf *name, struct auth_user *user, const char **why_r)
{
	enum ts_err err = prepare_new_name(auth, spec->name, name, why_r);

	if (err == TS_OK)
		err = refuse_group_mailbox(auth, buf_as_str(name), why_r);
	return err == TS_OK ? prepare_patterns(auth, spec, arena, user, why_r) : err;
}

static enum ts_err
add_user(struct auth *auth, const struct auth_user_spec *spec, struct arena *arena,
    struct buf *name, const char **why_r)
{
	struct auth_user user = {.flags = spec->admin ? AUTH_USER_ADMIN : 0};
	enum ts_err err = prepare_user(auth, spec, arena, name, &user, why_r);

	if (err == TS_OK)
		err = make_verifiers(auth, spec->password, spec->hash, arena, &user, why_r);
	if (err != TS_OK)
		return err;
	user.name = buf_as_str(name);
	err = add_digest(auth, spec, arena, &user, why_r);
	return err == TS_OK ? submit_user(auth, &user, PUT_NEW) : err;
}

static struct arena *
secret_arena(void)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);

	arena_wipe_on_free(arena);
	return arena;
}

enum ts_err
auth_users_add(struct auth *auth, const struct auth_user_spec *spec, const char **why_r)
{
	struct arena *arena = secret_arena();
	struct buf name = {0};
	enum ts_err err = add_user(auth, spec, arena, &name, why_r);

	buf_fini(&name);
	arena_free(&arena);
	return err;
}

enum ts_err
auth_users_check(struct auth *auth, const struct auth_user_spec *spec, const char **why_r)
{
	struct arena *arena = secret_arena();
	struct buf name = {0};
	struct auth_user user = {0};
	enum ts_err err = prepare_user(auth, spec, arena, &name, &user, why_r);

	if (err == TS_OK) {
		err = auth_user_read(auth->store, buf_as_str(&name), arena, &user);
		err = err == TS_OK ? TS_EXISTS : err == TS_NOT_FOUND ? TS_OK : err;
	}
	buf_fini(&name);
	arena_free(&arena);
	return err;
}

enum ts_err
auth_users_passwd(struct auth *auth, const struct auth_user_spec *spec, const char **why_r)
{
	struct arena *arena = secret_arena();
	struct buf name = {0};
	struct auth_user user;
	enum ts_err err = prepare_name(auth, spec->name, &name, why_r);

	if (err == TS_OK)
		err = auth_user_read(auth->store, buf_as_str(&name), arena, &user);
	if (err == TS_OK)
		err = make_verifiers(auth, spec->password, spec->hash, arena, &user, why_r);
	if (err == TS_OK)
		err = add_digest(auth, spec, arena, &user, why_r);
	if (err == TS_OK)
		err = submit_user(auth, &user, PUT_OLD);
	buf_fini(&name);
	arena_free(&arena);
	return err;
}

enum ts_err
auth_users_disable(struct auth *auth, struct str name_in, bool disabled, const char **why_r)
{
	struct arena *arena = secret_arena();
	struct buf name = {0};
	struct auth_user user;
	enum ts_err err = prepare_name(auth, name_in, &name, why_r);

	if (err == TS_OK)
		err = auth_user_read(auth->store, buf_as_str(&name), arena, &user);
	if (err == TS_OK) {
		user.flags &= ~(unsigned)AUTH_USER_DISABLED;
		user.flags |= disabled ? AUTH_USER_DISABLED : 0;
		err = submit_user(auth, &user, PUT_OLD);
	}
	buf_fini(&name);
	arena_free(&arena);
	return err;
}

enum ts_err
auth_users_delete(struct auth *auth, struct str name_in, const char **why_r)
{
	struct store_change *change;
	struct buf name = {0}, key = {0};
	enum ts_err err = prepare_name(auth, name_in, &name, why_r);

	if (err == TS_OK) {
		change = store_change_new_records(auth->store, NULL, NULL, NULL);
		auth_user_key(buf_as_str(&name), &key);
		change->records = arena_array(change->arena, 1, sizeof(*change->records));
		change->records[0].key = arena_str(change->arena, buf_as_str(&key));
		change->records[0].remove = true;
		change->records[0].must_exist = true;
		change->record_count = 1;
		err = store_submit_wait(change);
		store_change_free(&change);
		auth_changed(auth, buf_as_str(&name));
	}
	buf_fini(&key);
	buf_fini(&name);
	return err;
}

enum ts_err
auth_users_get(struct auth *auth, struct str name_in, struct arena *arena, struct auth_user *user_r,
    const char **why_r)
{
	struct buf name = {0};
	enum ts_err err = prepare_name(auth, name_in, &name, why_r);

	if (err == TS_OK)
		err = auth_user_read(auth->store, buf_as_str(&name), arena, user_r);
	buf_fini(&name);
	return err;
}

struct lister {
	bool (*fn)(const struct auth_user *user, void *arg);
	void *arg;
};

static bool
list_user(struct str key, struct str value, void *arg)
{
	struct lister *lister = arg;
	struct arena *arena = secret_arena();
	struct str name = {key.p + 5, key.n - 5};
	struct auth_user user;
	bool more;

	if (!auth_user_parse(name, value, arena, &user)) {
		(void)TS_FAIL(
		    TS_DAMAGED, "the record of user %.*s has an unknown format", STR_ARG(name));
		user = (struct auth_user){.name = name, .unreadable = true};
	}
	more = lister->fn(&user, lister->arg);
	arena_free(&arena);
	return more;
}

enum ts_err
auth_users_list(struct auth *auth, bool (*fn)(const struct auth_user *user, void *arg), void *arg)
{
	struct lister lister = {fn, arg};

	return store_record_list(auth->store, STR("user/"), list_user, &lister);
}

/* ---- many users ---- */

void
auth_bulk_name(const struct auth_bulk *bulk, uint64_t n, struct buf *out)
{
	buf_str(out, bulk->prefix);
	buf_printf(out, "%0*llu", (int)bulk->digits, (unsigned long long)n);
}

/* Creates the users first … last of the bulk that do not exist yet, in one change. */
static enum ts_err
bulk_batch(struct auth *auth, const struct auth_bulk *bulk, uint64_t first, uint64_t last,
    struct auth_user *user, uint64_t *made, const char **why_r)
{
	struct store_change *change = store_change_new_records(auth->store, NULL, NULL, NULL);
	struct buf raw = {0}, name = {0}, key = {0}, old = {0};
	enum ts_err err = TS_OK;

	change->records =
	    arena_array(change->arena, (size_t)(last - first + 1), sizeof(*change->records));
	for (uint64_t n = first; err == TS_OK && n <= last; n++) {
		raw.n = name.n = key.n = old.n = 0;
		auth_bulk_name(bulk, n, &raw);
		err = prepare_new_name(auth, buf_as_str(&raw), &name, why_r);
		if (err != TS_OK)
			break;
		err = refuse_group_mailbox(auth, buf_as_str(&name), why_r);
		if (err != TS_OK)
			break;
		auth_user_key(buf_as_str(&name), &key);
		err = store_record_get(auth->store, buf_as_str(&key), &old);
		if (err == TS_NOT_FOUND) {
			user->name = buf_as_str(&name);
			set_op(&change->records[change->record_count++], change->arena, user);
			err = TS_OK;
		}
	}
	if (err == TS_OK && change->record_count > 0)
		err = store_submit_wait(change);
	if (err == TS_OK)
		*made += change->record_count;
	store_change_free(&change);
	buf_fini(&raw);
	buf_fini(&name);
	buf_fini(&key);
	buf_wipe_fini(&old);
	return err;
}

enum ts_err
auth_users_bulk(
    struct auth *auth, const struct auth_bulk *bulk, uint64_t *made_r, const char **why_r)
{
	struct arena *arena = secret_arena();
	struct auth_user user = {0};
	enum ts_err err = make_verifiers(auth, bulk->password, bulk->hash, arena, &user, why_r);

	*made_r = 0;
	stamp(&user);
	for (uint64_t n = bulk->from; err == TS_OK && n <= bulk->to; n += BULK_BATCH)
		err = bulk_batch(auth, bulk, n,
		    bulk->to - n < BULK_BATCH ? bulk->to : n + BULK_BATCH - 1, &user, made_r,
		    why_r);
	auth_changed(auth, STR_NONE);
	arena_free(&arena);
	return err;
}
