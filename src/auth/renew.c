/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renewing hashes of the store's users that are weaker than the site's choice.
 *
 * A login with a password is when the password is known.  It leaves a note and
 * goes on; who calls auth_poll() makes the new hash within a second.  The record
 * is replaced only if it is what the login saw, and keeps its stamp: what the
 * user may and which password is right did not change, so nothing that was
 * remembered is wrong, and no session has to end.
 */
#include "auth/password.h"
#include "auth/priv.h"
#include "base/log.h"
#include "base/mem.h"

enum {
	NOTES_MAX = 64, /* more: at their next login */
	EACH_POLL = 4,  /* hashes made, so that a poll does not take long */
};

struct auth_renewal {
	struct auth_renewal *next;
	uint64_t stamp;
	struct buf name, password; /* to be wiped */
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

/* The record with another value, if it has the old one yet. */
static enum ts_err
replace(struct auth *auth, struct str key, struct str old, const struct auth_user *user)
{
	struct store_change *change = store_change_new_records(auth->store, NULL, NULL, NULL);
	struct store_record_op *op = arena_array(change->arena, 1, sizeof(*op));
	struct buf value = {0};
	enum ts_err err;

	arena_wipe_on_free(change->arena);
	auth_user_print(user, &value);
	op->key = key;
	op->value = buf_as_str(&value);
	op->must_be = old;
	change->records = op;
	change->record_count = 1;
	err = store_submit_wait(change);
	store_change_free(&change);
	buf_wipe_fini(&value);
	return err;
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
	    auth_password_renew(buf_as_str(&note->password), &h, arena, &user)) {
		err = replace(auth, buf_as_str(&key), buf_as_str(&old), &user);
		if (err == TS_OK)
			log_msg(LOG_INFO, "auth", "the password of %.*s has a new hash: %s",
			    STR_ARG(name), auth_scheme_words[h.scheme]);
		else if (err != TS_CONDITION)
			log_msg(LOG_WARNING, "auth",
			    "the password of %.*s cannot be given a new hash: %s", STR_ARG(name),
			    ts_err_name(err));
	}
	buf_fini(&key);
	buf_wipe_fini(&old);
	arena_free(&arena);
}

void
auth_renew_poll(struct auth *auth)
{
	struct auth_renewal *note;

	for (unsigned n = 0; n < EACH_POLL && (note = take_note(auth)) != NULL; n++) {
		renew(auth, note);
		free_note(note);
	}
}

void
auth_renew_fini(struct auth *auth)
{
	struct auth_renewal *note;

	while ((note = take_note(auth)) != NULL)
		free_note(note);
	(void)pthread_mutex_destroy(&auth->renew_lock);
}
