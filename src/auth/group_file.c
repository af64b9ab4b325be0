/* SPDX-License-Identifier: Apache-2.0 */
/* The groups in force, and the file they come from, which is watched: see grants.h. */
#include "auth/auth_int.h"
#include "auth/grants.h"
#include "auth/user/file.h"
#include "base/log.h"
#include "base/mem.h"

/* change_lock is held. */
static void
set_groups(struct auth *auth, struct auth_groups *groups)
{
	struct auth_groups *old;

	(void)pthread_rwlock_wrlock(&auth->grants_lock);
	old = auth->groups;
	auth->groups = groups;
	(void)pthread_rwlock_unlock(&auth->grants_lock);
	auth_groups_unref(&old);
	auth_grants_changed(auth);
}

void
auth_set_groups(struct auth *auth, struct auth_groups *groups)
{
	struct auth_group_file file = {.groups = groups};

	auth_set_group_file(auth, &file);
}

bool
auth_group_file_read(
    struct auth *auth, const char *path, struct buf *faults, struct auth_group_file *file_r)
{
	*file_r = (struct auth_group_file){0};
	file_r->groups =
	    auth_groups_load(path, buf_as_str(&auth->default_domain), &file_r->seen, faults);
	if (file_r->groups == NULL)
		return false;
	file_r->path = mem_strdup(path);
	return true;
}

void
auth_group_file_fini(struct auth_group_file *file)
{
	mem_free(file->path);
	auth_groups_unref(&file->groups);
	file->path = NULL;
}

void
auth_set_group_file(struct auth *auth, struct auth_group_file *file)
{
	(void)pthread_mutex_lock(&auth->change_lock);
	mem_free(auth->group_path);
	auth->group_path = file->path;
	auth->group_seen = file->seen;
	set_groups(auth, file->groups);
	(void)pthread_mutex_unlock(&auth->change_lock);
	*file = (struct auth_group_file){0};
}

static void
read_again(struct auth *auth, const struct stat *now)
{
	struct buf faults = {0};
	struct auth_groups *groups;
	struct str rest, line;

	auth->group_seen = *now; /* report a file that cannot be read only once */
	groups = auth_groups_load(
	    auth->group_path, buf_as_str(&auth->default_domain), &auth->group_seen, &faults);
	rest = buf_as_str(&faults);
	while (rest.n > 0 && str_split(&rest, '\n', &line))
		log_msg(LOG_ERROR, "auth", "%.*s", STR_ARG(line));
	buf_fini(&faults);
	if (groups == NULL) {
		log_msg(LOG_ERROR, "auth", "%s: the groups that were read earlier stay in force",
		    auth->group_path);
		return;
	}
	log_msg(LOG_INFO, "auth", "%s was read again: %zu memberships", auth->group_path,
	    auth_groups_count(groups));
	set_groups(auth, groups);
}

void
auth_groups_poll(struct auth *auth)
{
	struct stat now;

	/* A change of grants may be waiting for the disk: leave it to the next poll. */
	if (pthread_mutex_trylock(&auth->change_lock) != 0)
		return;
	if (auth->group_path != NULL) {
		now = auth_file_look(auth->group_path);
		if (!auth_file_same(&now, &auth->group_seen))
			read_again(auth, &now);
	}
	(void)pthread_mutex_unlock(&auth->change_lock);
}

struct auth_groups *
auth_groups_get(struct auth *auth)
{
	struct auth_groups *groups;

	(void)pthread_rwlock_rdlock(&auth->grants_lock);
	groups = auth_groups_ref(auth->groups);
	(void)pthread_rwlock_unlock(&auth->grants_lock);
	return groups;
}
