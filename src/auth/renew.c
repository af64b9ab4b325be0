/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renews hashes of the store's users that are weaker than the site's choice.
 *
 * The password is known only during a login, so the login leaves a note.  Within a second
 * auth_poll() makes the new hash, and does not wait until it is written.  The record is replaced
 * only if it is still the one the login saw, and keeps its stamp: neither the password nor the
 * user's rights changed, so cached answers stay valid and no session has to end.
 */
#include "auth/auth_int.h"
#include "auth/password.h"
#include "base/log.h"
#include "base/mem.h"

enum {
	NOTES_MAX = 64, /* further ones wait for their next login */
	EACH_POLL =
	    4, /* hashes made in one poll, which keeps it short, and hashes on their way to disk */
};

struct auth_renewing { /* lives as long as the changes, which may outlive struct auth */
	_Atomic unsigned refs, under_way;
};

struct auth_renewal {
	struct auth_renewal *next;
	uint64_t stamp;
	struct buf name, password; /* wiped when freed */
};

static void
free_note(struct auth_renewal *note)
{
	buf_fini(&note->name);
	buf_wipe_fini(&note->password);
	mem_free(note);
}

static bool
is_noted(const struct auth *auth, struct str name)
{
	for (const struct auth_renewal *n = auth->renewals; n != NULL; n = n->next)
		if (str_eq(buf_as_str(&n->name), name))
			return true;
	return false;
}

void
auth_renew_note(struct auth *auth, const struct auth_user *user, struct str password)
{
	struct auth_hashing h = auth_hashing_get(auth);
	struct auth_renewal *note;

	if (!auth_password_is_weak(user, &h))
		return;
	note = mem_zalloc(sizeof(*note));
	note->stamp = user->stamp;
	buf_str(&note->name, user->name);
	buf_str(&note->password, password);
	(void)pthread_mutex_lock(&auth->renew_lock);
	if (auth->renewal_count < NOTES_MAX && !is_noted(auth, user->name)) {
		note->next = auth->renewals;
		auth->renewals = note;
		auth->renewal_count++;
		note = NULL;
	}
	(void)pthread_mutex_unlock(&auth->renew_lock);
	if (note != NULL)
		free_note(note);
}

static struct auth_renewal *
take_note(struct auth *auth)
{
	struct auth_renewal *note;

	(void)pthread_mutex_lock(&auth->renew_lock);
	note = auth->renewals;
	if (note != NULL) {
		auth->renewals = note->next;
		auth->renewal_count--;
	}
	(void)pthread_mutex_unlock(&auth->renew_lock);
	return note;
}

static void
unref(struct auth_renewing *r)
{
	if (atomic_fetch_sub(&r->refs, 1) == 1)
		mem_free(r);
}

struct replacing { /* allocated in the change's arena */
	struct auth_renewing *renewing;
	struct str name;
	const char *scheme;
};

static void
replaced(const struct store_change *change)
{
	const struct replacing *r = change->arg;

	if (change->err == TS_OK)
		log_msg(LOG_INFO, "auth", "the password of %.*s was rehashed: %s", STR_ARG(r->name),
		    r->scheme);
	else if (change->err != TS_CONDITION)
		log_msg(LOG_WARNING, "auth", "the password of %.*s cannot be rehashed: %s",
		    STR_ARG(r->name), ts_err_name(change->err));
	atomic_fetch_sub(&r->renewing->under_way, 1);
	unref(r->renewing);
}

/* Replaces the record's value if it still has the old one. */
static void
replace(struct auth *auth, struct str key, struct str old, const struct auth_user *user,
    const char *scheme)
{
	struct store_change *change = store_change_new_records(auth->store, NULL, NULL, NULL);
	struct arena *arena = change->arena;
	struct store_record_op *op = arena_array(arena, 1, sizeof(*op));
	struct replacing *r = arena_new_object(arena, struct replacing);
	struct buf value = {0};

	arena_wipe_on_free(arena);
	auth_user_print(user, &value);
	op->key = arena_str(arena, key);
	op->value = arena_str(arena, buf_as_str(&value));
	op->must_be = arena_str(arena, old);
	change->records = op;
	change->record_count = 1;
	*r = (struct replacing){auth->renewing, arena_str(arena, user->name), scheme};
	change->arg = r;
	atomic_fetch_add(&r->renewing->refs, 1);
	atomic_fetch_add(&r->renewing->under_way, 1);
	store_submit_alone(change, replaced);
	buf_wipe_fini(&value);
}

static void
renew(struct auth *auth, const struct auth_renewal *note)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_hashing h = auth_hashing_get(auth);
	struct str name = buf_as_str(&note->name);
	struct buf key = {0}, old = {0};
	struct auth_user user;
	enum ts_err err;

	arena_wipe_on_free(arena);
	auth_user_key(name, &key);
	err = store_record_get(auth->store, buf_as_str(&key), &old);
	if (err == TS_OK && auth_user_parse(name, buf_as_str(&old), arena, &user) &&
	    user.stamp == note->stamp &&
	    auth_password_renew(buf_as_str(&note->password), &h, arena, &user))
		replace(
		    auth, buf_as_str(&key), buf_as_str(&old), &user, auth_scheme_words[h.scheme]);
	buf_fini(&key);
	buf_wipe_fini(&old);
	arena_free(&arena);
}

void
auth_renew_poll(struct auth *auth)
{
	struct auth_renewal *note;

	for (unsigned n = 0; n < EACH_POLL; n++) {
		/* If nothing gets to disk, notes stay, up to their limit.
		 */
		if (atomic_load(&auth->renewing->under_way) >= EACH_POLL)
			return;
		note = take_note(auth);
		if (note == NULL)
			return;
		renew(auth, note);
		free_note(note);
	}
}

void
auth_renew_init(struct auth *auth)
{
	(void)pthread_mutex_init(&auth->renew_lock, NULL);
	auth->renewing = mem_zalloc(sizeof(*auth->renewing));
	atomic_store(&auth->renewing->refs, 1);
}

void
auth_renew_fini(struct auth *auth)
{
	struct auth_renewal *note;

	while ((note = take_note(auth)) != NULL)
		free_note(note);
	unref(auth->renewing);
	(void)pthread_mutex_destroy(&auth->renew_lock);
}
