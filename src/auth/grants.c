/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See grants.h.  A change holds change_lock and makes a new index; a decision holds grants_lock for
 * reading during its look-up.  The order of a change: put the new index in force, mark the grants
 * that are gone, then raise the generation.  So every decision on the old index has an older
 * generation.
 */
#include "auth/grants.h"

#include <stdlib.h>
#include <time.h>

#include "auth/auth_int.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

static void
grant_key(struct str name, struct buf *out)
{
	buf_puts(out, "grant/");
	buf_str(out, name);
}

static void
list_add(struct auth_grant_list *list, struct auth_grant *grant)
{
	list->p = mem_realloc(list->p, (list->n + 1) * sizeof(struct auth_grant *));
	list->p[list->n++] = grant;
}

static void
list_fini(struct auth_grant_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		auth_grant_unref(&list->p[i]);
	mem_free(list->p);
	*list = (struct auth_grant_list){0};
}

static struct auth_grant *
list_find(const struct auth_grant_list *list, struct str name)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_eq(list->p[i]->name, name))
			return list->p[i];
	return NULL;
}

/* ---- in force */

static struct auth_index *
make_index(const struct auth *auth)
{
	size_t n = auth->config_grants.n + auth->store_grants.n;
	struct auth_grant **all = mem_zalloc((n + 1) * sizeof(struct auth_grant *));
	struct auth_index *index;

	for (size_t i = 0; i < auth->config_grants.n; i++)
		all[i] = auth->config_grants.p[i];
	for (size_t i = 0; i < auth->store_grants.n; i++)
		all[auth->config_grants.n + i] = auth->store_grants.p[i];
	index = auth_index_new(all, n);
	mem_free(all);
	return index;
}

void
auth_grants_changed(struct auth *auth)
{
	atomic_fetch_add(&auth->generation, 1);
	if (auth->on_change != NULL)
		auth->on_change(STR_NONE, auth->on_change_arg);
}

/* Puts the lists in force; change_lock is held. */
static void
put_in_force(struct auth *auth)
{
	struct auth_index *index = make_index(auth), *old;
	struct auth_grant *const *was, *const *is;
	size_t was_n, is_n;

	(void)pthread_rwlock_wrlock(&auth->grants_lock);
	old = auth->index;
	auth->index = index;
	(void)pthread_rwlock_unlock(&auth->grants_lock);
	is_n = auth_index_grants(index, &is);
	was_n = auth_index_grants(old, &was);
	auth->mark++;
	for (size_t i = 0; i < is_n; i++)
		is[i]->mark = auth->mark;
	for (size_t i = 0; i < was_n; i++)
		if (was[i]->mark != auth->mark)
			atomic_store(&was[i]->gone, true);
	auth_index_free(&old);
	auth_grants_changed(auth);
}

struct auth_grant *
auth_grants_find(struct auth *auth, const struct auth_ask *ask)
{
	struct auth_grant *grant;

	(void)pthread_rwlock_rdlock(&auth->grants_lock);
	grant = auth_index_find(auth->index, auth->groups, ask);
	if (grant != NULL)
		(void)auth_grant_ref(grant);
	(void)pthread_rwlock_unlock(&auth->grants_lock);
	return grant;
}

bool
auth_names_include(struct auth *auth, const struct auth_names *names, struct str user)
{
	bool is;

	(void)pthread_rwlock_rdlock(&auth->grants_lock);
	is = auth_names_fit(names, auth->groups, user);
	(void)pthread_rwlock_unlock(&auth->grants_lock);
	return is;
}

bool
auth_grants_name(struct auth *auth, struct str who, int64_t now)
{
	bool is;

	(void)pthread_rwlock_rdlock(&auth->grants_lock);
	is = auth_index_names(auth->index, auth->groups, who, now);
	(void)pthread_rwlock_unlock(&auth->grants_lock);
	return is;
}

int64_t
auth_grants_next_end(struct auth *auth, int64_t now)
{
	int64_t next;

	(void)pthread_rwlock_rdlock(&auth->grants_lock);
	next = auth_index_next_end(auth->index, now);
	(void)pthread_rwlock_unlock(&auth->grants_lock);
	return next;
}

size_t
auth_grants_get(struct auth *auth, struct auth_grant ***grants_r)
{
	struct auth_grant *const *list;
	size_t n;

	(void)pthread_rwlock_rdlock(&auth->grants_lock);
	n = auth_index_grants(auth->index, &list);
	*grants_r = mem_zalloc((n + 1) * sizeof(struct auth_grant *));
	for (size_t i = 0; i < n; i++)
		(*grants_r)[i] = auth_grant_ref(list[i]);
	(void)pthread_rwlock_unlock(&auth->grants_lock);
	return n;
}

/* ---- of the store */

static bool
read_one(struct str key, struct str value, void *arg)
{
	struct auth_grant_list *list = arg;
	struct str name = {key.p + 6, key.n - 6};
	struct auth_grant *grant = auth_grant_parse(name, value);

	if (grant != NULL)
		list_add(list, grant);
	else
		(void)TS_FAIL(TS_DAMAGED,
		    "the record of grant %.*s has an unknown format: it is not in force",
		    STR_ARG(name));
	return true;
}

static int
by_time(const void *a, const void *b)
{
	const struct auth_grant *x = *(struct auth_grant *const *)a;
	const struct auth_grant *y = *(struct auth_grant *const *)b;

	return x->made != y->made ? (x->made > y->made) - (x->made < y->made)
	                          : str_cmp(x->name, y->name);
}

/* Replaces grants equal to an old one by the old one, which continues. */
static void
keep_same(struct auth_grant_list *list, const struct auth_grant_list *old)
{
	for (size_t i = 0; i < list->n; i++) {
		struct auth_grant *same = list_find(old, list->p[i]->name);

		if (same == NULL || !auth_grant_same(same, list->p[i]))
			continue;
		auth_grant_unref(&list->p[i]);
		list->p[i] = auth_grant_ref(same);
	}
}

static enum ts_err
read_store(struct auth *auth)
{
	struct auth_grant_list list = {0};
	enum ts_err err = store_record_list(auth->store, STR("grant/"), read_one, &list);

	if (err != TS_OK) {
		list_fini(&list);
		return err;
	}
	if (list.n > 0)
		qsort(list.p, list.n, sizeof(struct auth_grant *), by_time);
	keep_same(&list, &auth->store_grants);
	list_fini(&auth->store_grants);
	auth->store_grants = list;
	return TS_OK;
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Puts a record, which must be new, or removes one, which must exist. */
static enum ts_err
write_record(struct auth *auth, const struct auth_grant *grant, bool remove)
{
	struct store_change *change = store_change_new_records(auth->store, NULL, NULL, NULL);
	struct buf b = {0};
	enum ts_err err;

	change->records = arena_array(change->arena, 1, sizeof(*change->records));
	change->record_count = 1;
	grant_key(grant->name, &b);
	change->records[0].key = arena_str(change->arena, buf_as_str(&b));
	b.n = 0;
	if (!remove)
		auth_grant_print(grant, &b);
	change->records[0].value = arena_str(change->arena, buf_as_str(&b));
	change->records[0].remove = change->records[0].must_exist = remove;
	change->records[0].must_be_new = !remove;
	err = store_submit_wait(change);
	store_change_free(&change);
	buf_fini(&b);
	return err;
}

/* Makes a name like "gateway-1": the characters of who that a name allows, and the first free
 * number. */
static void
make_name(const struct auth *auth, struct str who, struct buf *out)
{
	struct buf stem = {0};
	const char *at = str_chr(who, '@');

	if (str_has_prefix(who, STR(AUTH_GROUP_WORD)))
		who = (struct str){who.p + 6, who.n - 6};
	else if (at != NULL && at > who.p && str_chr(who, '*') == NULL)
		who = str_range(who.p, at);
	for (size_t i = 0; i < who.n && stem.n < AUTH_GRANT_NAME_MAX / 2; i++) {
		char c = (char)ascii_lower((unsigned char)who.p[i]);

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    (stem.n > 0 && (c == '-' || c == '_' || c == '.')))
			buf_putc(&stem, c);
	}
	if (stem.n == 0)
		buf_puts(&stem, "grant");
	for (uint64_t i = 1; out->n == 0; i++) {
		buf_str(out, buf_as_str(&stem));
		buf_putc(out, '-');
		buf_u64(out, i);
		if (list_find(&auth->store_grants, buf_as_str(out)) != NULL ||
		    list_find(&auth->config_grants, buf_as_str(out)) != NULL)
			out->n = 0;
	}
	buf_fini(&stem);
}

static enum ts_err
add_to_store(struct auth *auth, struct auth_grant *grant)
{
	const struct auth_grant_list *list = &auth->store_grants;
	enum ts_err err;

	if (list_find(&auth->config_grants, grant->name) != NULL)
		return TS_EXISTS;
	grant->made = now_ns();
	/* After all others, even if the clock was set back. */
	if (list->n > 0 && list->p[list->n - 1]->made >= grant->made)
		grant->made = list->p[list->n - 1]->made + 1;
	err = write_record(auth, grant, false);
	if (err == TS_OK)
		list_add(&auth->store_grants, auth_grant_ref(grant));
	else if (err == TS_UNKNOWN)
		(void)read_store(auth);
	if (err == TS_OK || err == TS_UNKNOWN)
		put_in_force(auth);
	return err;
}

enum ts_err
auth_grants_add(struct auth *auth, const struct auth_grant_spec *spec_in, struct buf *name_r,
    struct auth_grant_fault *fault_r)
{
	struct auth_grant_spec spec = *spec_in;
	struct auth_grant *grant;
	struct buf name = {0};
	enum ts_err err;

	(void)pthread_mutex_lock(&auth->change_lock);
	if (spec.name.n > 0)
		buf_str(&name, spec.name);
	else
		make_name(auth, spec.who, &name);
	spec.name = buf_as_str(&name);
	grant = auth_grant_new(AUTH_GRANT_STORE, buf_as_str(&auth->default_domain), &spec, fault_r);
	err = grant != NULL ? add_to_store(auth, grant) : TS_INVALID;
	(void)pthread_mutex_unlock(&auth->change_lock);
	buf_str(name_r, buf_as_str(&name));
	auth_grant_unref(&grant);
	buf_fini(&name);
	return err;
}

static enum ts_err
remove_one(struct auth *auth, struct str name)
{
	struct auth_grant_list *list = &auth->store_grants;
	struct auth_grant *grant = list_find(list, name);
	enum ts_err err;

	if (grant == NULL && list_find(&auth->config_grants, name) != NULL)
		return TS_DENIED;
	if (grant == NULL && name.n > 0 && name.n <= AUTH_GRANT_NAME_MAX) {
		/* A record that was not understood can be removed as well. */
		struct auth_grant unread = {.name = name};

		return write_record(auth, &unread, true);
	}
	if (grant == NULL)
		return TS_NOT_FOUND;
	err = write_record(auth, grant, true);
	if (err == TS_UNKNOWN) {
		(void)read_store(auth);
	} else if (err == TS_OK) {
		size_t at = 0;

		while (list->p[at] != grant)
			at++;
		memmove(&list->p[at], &list->p[at + 1],
		    (list->n - at - 1) * sizeof(struct auth_grant *));
		list->n--;
		auth_grant_unref(&grant);
	}
	if (err == TS_OK || err == TS_UNKNOWN)
		put_in_force(auth);
	return err;
}

enum ts_err
auth_grants_remove(struct auth *auth, struct str name)
{
	enum ts_err err;

	(void)pthread_mutex_lock(&auth->change_lock);
	err = remove_one(auth, name);
	(void)pthread_mutex_unlock(&auth->change_lock);
	return err;
}

/* ---- of the configuration */

void
auth_grants_configure(struct auth *auth, struct auth_grant *const *grants, size_t n)
{
	struct auth_grant_list list = {0};

	(void)pthread_mutex_lock(&auth->change_lock);
	for (size_t i = 0; i < n; i++)
		list_add(&list, auth_grant_ref(grants[i]));
	keep_same(&list, &auth->config_grants);
	list_fini(&auth->config_grants);
	auth->config_grants = list;
	put_in_force(auth);
	(void)pthread_mutex_unlock(&auth->change_lock);
}

/* ---- life */

void
auth_grants_init(struct auth *auth)
{
	pthread_rwlockattr_t attr;

	/* A steady stream of decisions must not starve a change. */
	(void)pthread_rwlockattr_init(&attr);
	(void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	(void)pthread_rwlock_init(&auth->grants_lock, &attr);
	(void)pthread_rwlockattr_destroy(&attr);
	(void)pthread_mutex_init(&auth->change_lock, NULL);
	auth->groups = auth_groups_none();
	/* If the store cannot be read (logged), its grants permit nothing. */
	if (auth->store != NULL)
		(void)read_store(auth);
	auth->index = make_index(auth);
}

void
auth_grants_fini(struct auth *auth)
{
	auth_index_free(&auth->index);
	auth_groups_unref(&auth->groups);
	list_fini(&auth->config_grants);
	list_fini(&auth->store_grants);
	mem_free(auth->group_path);
	(void)pthread_rwlock_destroy(&auth->grants_lock);
	(void)pthread_mutex_destroy(&auth->change_lock);
}

void
auth_on_change(struct auth *auth, void (*fn)(struct str user, void *arg), void *arg)
{
	auth->on_change = fn;
	auth->on_change_arg = arg;
}

uint64_t
auth_generation(const struct auth *auth)
{
	return atomic_load(&auth->generation);
}

void
auth_expire(struct auth *auth)
{
	atomic_fetch_add(&auth->generation, 1);
}
