/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users in a passwd-file.  poll() checks the file once a second and reads it again when it changed.
 * A look-up takes a reference to the users in force and never waits for the disk.
 */
#include <pthread.h>
#include <string.h>

#include "auth/db.h"
#include "auth/db/passwd_file.h"
#include "auth/settings/settings.h"
#include "auth/user/file.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "sasl/mech.h"

enum { CHANGES_EACH = 1000 }; /* with more changes, drop the cached answers for all users at once */

struct passwd_db {
	struct auth_db db;
	struct auth *auth;
	struct buf path;
	struct conf *conf; /* guards the next */
	struct str separator;
	bool plain;
	struct siphash_key key; /* random: for the stamps of this process */
	struct stat seen;       /* only for the poller: the file when it was last tried */
	pthread_mutex_t lock;
	struct auth_passwd *file; /* guarded by lock */
};

static struct passwd_db *
passwd_db_of(struct auth_db *db)
{
	return (struct passwd_db *)(void *)db;
}

static struct auth_passwd *
file_get(struct passwd_db *p)
{
	struct auth_passwd *file;

	(void)pthread_mutex_lock(&p->lock);
	file = auth_passwd_ref(p->file);
	(void)pthread_mutex_unlock(&p->lock);
	return file;
}

static enum ts_err
find_in_file(struct auth_db *db, struct str name, struct arena *arena, struct auth_user *user_r)
{
	struct auth_passwd *file = file_get(passwd_db_of(db));
	bool found = auth_passwd_find(file, name, arena, user_r);

	auth_passwd_unref(&file);
	return found ? TS_OK : TS_NOT_FOUND;
}

/* ---- reading ---- */

/*
 * Reads the file.  NULL: *why has lines about the faults; it also names the invalid lines of a file
 * that is accepted.
 */
static struct auth_passwd *
load_file(struct passwd_db *p, struct buf *why)
{
	struct auth_passwd_options opt = {.default_domain = auth_default_domain(p->auth),
	    .key = &p->key,
	    .separator = p->separator,
	    .plain = p->plain};
	struct auth_passwd *file = NULL;
	struct buf text = {0}, faults = {0};
	struct str rest, line;
	const char *fault =
	    auth_file_read(buf_cstr(&p->path), AUTH_PASSWD_FILE_MAX, &text, &p->seen);
	size_t bad = 0;

	if (fault != NULL)
		buf_printf(why, "%s: %s\n", buf_cstr(&p->path), fault);
	else
		file = auth_passwd_parse(&opt, &text, &faults, &bad);
	rest = buf_as_str(&faults);
	while (rest.n > 0 && str_split(&rest, '\n', &line))
		buf_printf(why, "%s: %.*s\n", buf_cstr(&p->path), STR_ARG(line));
	if (file != NULL && bad > 0 && auth_passwd_users(file) == 0) {
		buf_printf(why, "%s: no line defines a user\n", buf_cstr(&p->path));
		auth_passwd_unref(&file);
	}
	buf_wipe_fini(&text);
	buf_fini(&faults);
	return file;
}

static void
log_lines(enum log_level level, const struct buf *text)
{
	struct str rest = buf_as_str(text), line;

	while (rest.n > 0 && str_split(&rest, '\n', &line))
		log_msg(level, "auth", "%.*s", STR_ARG(line));
}

struct changes {
	struct passwd_db *p;
	size_t n;
};

static void
tell_change(struct str name, void *arg)
{
	struct changes *c = arg;

	if (c->n++ < CHANGES_EACH)
		auth_changed(c->p->auth, name);
}

static void
use_file(struct passwd_db *p, struct auth_passwd *file)
{
	struct changes changes = {.p = p};
	struct auth_passwd *old;

	(void)pthread_mutex_lock(&p->lock);
	old = p->file;
	p->file = file;
	(void)pthread_mutex_unlock(&p->lock);
	auth_passwd_compare(old, file, tell_change, &changes);
	if (changes.n > CHANGES_EACH)
		auth_changed(p->auth, STR_NONE);
	log_msg(LOG_INFO, "auth", "%s was read again: %zu users, %zu changes", buf_cstr(&p->path),
	    auth_passwd_users(file), changes.n);
	auth_passwd_unref(&old);
}

static void
poll(struct auth_db *db)
{
	struct passwd_db *p = passwd_db_of(db);
	struct auth_passwd *file;
	struct buf why = {0};
	struct stat now = auth_file_look(buf_cstr(&p->path));

	if (auth_file_same(&now, &p->seen))
		return;
	p->seen = now; /* report a file that cannot be opened only once */
	file = load_file(p, &why);
	log_lines(file != NULL ? LOG_WARNING : LOG_ERROR, &why);
	buf_fini(&why);
	if (file != NULL)
		use_file(p, file);
	else
		log_msg(LOG_ERROR, "auth", "%s: what was read earlier stays in force",
		    buf_cstr(&p->path));
}

static void
free_passwd_db(struct auth_db *db)
{
	struct passwd_db *p = passwd_db_of(db);

	auth_passwd_unref(&p->file);
	(void)pthread_mutex_destroy(&p->lock);
	buf_fini(&p->path);
	conf_unref(&p->conf);
	mem_free(p);
}

static const struct auth_db_ops ops = {
    .type = "passwd", .find = find_in_file, .poll = poll, .free = free_passwd_db};

struct auth_db *
auth_db_passwd_new(const struct auth_db_make *make, struct buf *why)
{
	const struct auth_settings *settings = conf_get(make->conf, &auth_conf);
	struct passwd_db *p = mem_zalloc(sizeof(*p));
	struct buf lines = {0};

	p->db.ops = &ops;
	p->db.cache_ms = AUTH_DB_WATCHED;
	p->auth = make->auth;
	p->plain = make->settings->plain;
	p->conf = conf_ref(make->conf);
	p->separator = settings->gateway_separator;
	buf_str(&p->path, make->settings->file);
	(void)buf_cstr(&p->path);
	random_bytes(&p->key, sizeof(p->key));
	(void)pthread_mutex_init(&p->lock, NULL);
	p->file = load_file(p, &lines);
	if (p->file != NULL && make->warnings != NULL)
		auth_db_tell(make, "file", &lines, make->warnings);
	if (p->file == NULL) {
		auth_db_tell(make, "file", &lines, why);
		free_passwd_db(&p->db);
		p = NULL;
	}
	buf_fini(&lines);
	return p == NULL ? NULL : &p->db;
}
