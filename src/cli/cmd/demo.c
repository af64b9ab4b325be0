/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `turnstone demo-site`: a folder for trying out a server.  Existing files stay: configuration,
 * certificate, passwords, mail.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/users.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/cmd/demo_mail.h"
#include "net/loop.h"
#include "net/work.h"
#include "server/config/settings.h"
#include "server/process/cert.h"

enum { PASSWORD_LEN = 16, FILLERS = 64 };

enum who { ALICE, BOB, GATEWAY, USER, WHO_COUNT };
static const char *const names[] = {"alice", "bob", "gateway", "user"};
static const char *const variables[] = {
    "ALICE_PASSWORD", "BOB_PASSWORD", "GATEWAY_PASSWORD", "USER_PASSWORD"};

struct site {
	const char *dir;
	uint64_t users;
	char password[WHO_COUNT][PASSWORD_LEN + 1];
	bool passwords_are_new;
	struct conf *conf;
	struct store *store;
	struct auth *auth;
};

static bool
demo_failed(const char *what, const char *about)
{
	fprintf(stderr, "turnstone demo-site: %s%s%s\n", what, about[0] != '\0' ? ": " : "", about);
	return false;
}

static void
site_path(const struct site *site, const char *name, struct buf *out)
{
	out->n = 0;
	buf_printf(out, "%s/%s", site->dir, name);
}

/* ---- files ---- */

static bool
write_file(const char *path, mode_t mode, struct str text)
{
	struct buf temp = {0};
	FILE *f;
	bool ok;

	buf_printf(&temp, "%s.new", path);
	f = fopen(buf_cstr(&temp), "we");
	ok = f != NULL && fchmod(fileno(f), mode) == 0 && fwrite(text.p, 1, text.n, f) == text.n;
	if (f != NULL && fclose(f) != 0)
		ok = false;
	ok = ok && rename(buf_cstr(&temp), path) == 0;
	buf_fini(&temp);
	return ok || demo_failed(path, strerror(errno));
}

static bool
write_conf(const struct site *site)
{
	static const char text[] =
	    "# A site to try things out, made by `turnstone demo-site`.\n"
	    "# All options and what they mean: turnstone config defaults\n\n"
	    "server {\n\tdata = data\n}\n\n"
	    "tls {\n\tcertificate = cert.pem\n\tkey = key.pem\n}\n\n"
	    "# Only because everything here is on the loopback interface.\n"
	    "plaintext_login = loopback\n\n"
	    "listener imap {\n\taddress = 127.0.0.1\n\tport = 0\n\ttls = starttls\n}\n\n"
	    "listener imaps {\n\taddress = 127.0.0.1\n\tport = 0\n\ttls = imaps\n}\n\n"
	    "# Mail comes in here; whoever can connect can deliver.\n"
	    "listener lmtp {\n\tprotocol = lmtp\n\taddress = 127.0.0.1\n\tport = 0\n"
	    "\ttls = starttls\n\tpath = lmtp.sock\n}\n\n"
	    "# What clients look for in a new account.\n"
	    "store {\n\tdefault_mailboxes = [Drafts, Sent, Junk, Trash, Archive]\n}\n\n"
	    "lmtp {\n\tdomains = [localhost, turnstone.example]\n}\n";
	struct buf path = {0};
	bool ok = true;

	site_path(site, "turnstone.conf", &path);
	if (access(buf_cstr(&path), F_OK) != 0)
		ok = write_file(path.p, 0644, str_of(text));
	buf_fini(&path);
	return ok;
}

static void
random_password(char *out)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char byte;

	for (unsigned i = 0; i < PASSWORD_LEN;) {
		random_bytes(&byte, 1);
		if (byte < 248) /* 4 * 62: all characters are equally likely */
			out[i++] = set[byte % 62];
	}
	out[PASSWORD_LEN] = '\0';
}

static void
take_password(struct site *site, const char *line)
{
	for (unsigned w = 0; w < WHO_COUNT; w++) {
		size_t n = strlen(variables[w]);

		if (strncmp(line, variables[w], n) == 0 && line[n] == '=')
			snprintf(site->password[w], sizeof(site->password[w]), "%.*s",
			    (int)strcspn(line + n + 1, "\n"), line + n + 1);
	}
}

static bool
make_passwords(struct site *site)
{
	struct buf path = {0}, text = {0};
	char line[256];
	FILE *f;
	bool ok = true;

	site_path(site, "passwords.env", &path);
	f = fopen(buf_cstr(&path), "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		take_password(site, line);
	if (f != NULL)
		(void)fclose(f);
	for (unsigned w = 0; w < WHO_COUNT; w++) {
		if (site->password[w][0] == '\0') {
			random_password(site->password[w]);
			site->passwords_are_new = true;
		}
		buf_printf(&text, "%s=%s\n", variables[w], site->password[w]);
	}
	if (site->passwords_are_new)
		ok = write_file(path.p, 0600, buf_as_str(&text));
	buf_fini(&path);
	buf_wipe_fini(&text);
	return ok;
}

/* ---- mail ---- */

struct filler { /* a thread that appends: its own fake loop, for uploads */
	struct store *store;
	struct loop *loop;
	struct work_pool *pool;
	struct demo_mail mail;
	int64_t now;
};

static void
filler_init(struct filler *f, struct store *store)
{
	*f = (struct filler){.store = store,
	    .loop = loop_new_fake(),
	    .pool = work_pool_new(0),
	    .now = clock_wall_s()};
}

static void
filler_fini(struct filler *f)
{
	work_pool_free(&f->pool);
	loop_free(&f->loop);
	buf_fini(&f->mail.bytes);
}

struct waiter {
	bool done;
	enum ts_err err;
};

static void
demo_uploaded(void *arg, enum ts_err err)
{
	struct waiter *w = arg;

	w->done = true;
	w->err = err;
}

static void
ignore_ready(void *arg)
{
	(void)arg;
}

/* Appends f->mail. */
static enum ts_err
append(struct filler *f, struct store_mailbox *mailbox)
{
	struct store_upload *upload =
	    store_upload_new(f->store, f->pool, f->loop, (struct work_who){0});
	struct waiter w = {0};
	struct store_change *change;
	struct str keyword = str_of(f->mail.keyword);
	enum ts_err err;

	store_upload_write(upload, buf_as_str(&f->mail.bytes), ignore_ready, NULL);
	store_upload_finish(upload, demo_uploaded, &w);
	while (!w.done)
		loop_fake_run(f->loop);
	if (w.err != TS_OK) {
		store_upload_free(&upload);
		return w.err;
	}
	change =
	    store_change_new(store_mailbox_account(mailbox), STORE_CHANGE_APPEND, NULL, NULL, NULL);
	change->mailbox = mailbox;
	change->items = arena_array(change->arena, 1, sizeof(*change->items));
	change->item_count = 1;
	change->items[0] = (struct store_append_item){.upload = upload,
	    .internaldate = f->mail.date,
	    .zone = f->mail.zone,
	    .flags.w = {f->mail.flags},
	    .keywords = &keyword,
	    .keyword_count = f->mail.keyword != NULL ? 1 : 0};
	err = store_submit_wait(change);
	store_change_free(&change);
	return err;
}

static enum ts_err
make_folder(struct store_account *account, const struct demo_folder *folder)
{
	struct store_change *change =
	    store_change_new(account, STORE_CHANGE_CREATE, NULL, NULL, NULL);
	enum ts_err err;

	change->name = arena_str(change->arena, str_of(folder->name));
	change->use = folder->use;
	err = store_submit_wait(change);
	store_change_free(&change);
	if (err == TS_EXISTS)
		return TS_OK;
	if (err != TS_OK)
		return err;
	change = store_change_new(account, STORE_CHANGE_SUBSCRIBE, NULL, NULL, NULL);
	change->name = arena_str(change->arena, str_of(folder->name));
	err = store_submit_wait(change);
	store_change_free(&change);
	return err;
}

static enum ts_err
fill_folder(struct filler *f, struct store_account *account, const char *user,
    const struct demo_folder *folder)
{
	struct store_mailbox *mailbox = NULL;
	struct store_counters counters;
	enum ts_err err = TS_OK;

	if (strcmp(folder->name, "INBOX") != 0)
		err = make_folder(account, folder);
	if (err == TS_OK)
		err = store_mailbox_load(account, str_of(folder->name), &mailbox);
	if (err != TS_OK)
		return err;
	store_mailbox_counters(mailbox, &counters);
	/* This does not replace messages that have been deleted since, either. */
	for (unsigned n = counters.uidnext - 1; err == TS_OK && n < folder->count; n++) {
		demo_mail_make(user, folder, n, f->now, &f->mail);
		err = append(f, mailbox);
	}
	store_mailbox_unref(&mailbox);
	return err;
}

static bool
fill_account(struct site *site, enum who who)
{
	struct store_account *account = NULL;
	struct filler f;
	enum ts_err err;

	filler_init(&f, site->store);
	err = store_account_load(site->store, str_of(names[who]), true, &account);
	for (size_t i = 0; err == TS_OK && i < demo_folder_count; i++)
		err = fill_folder(&f, account, names[who], &demo_folders[i]);
	store_account_unref(&account);
	filler_fini(&f);
	return err == TS_OK || demo_failed(names[who], ts_err_name(err));
}

/* ---- many users ---- */

struct crowd {
	struct site *site;
	struct auth_bulk bulk;
	_Atomic uint64_t next;
	_Atomic int err;
};

static enum ts_err
welcome(struct filler *f, const char *user)
{
	struct store_account *account = NULL;
	struct store_mailbox *mailbox = NULL;
	struct store_mailbox_info info;
	enum ts_err err = store_account_load(f->store, str_of(user), true, &account);

	if (err == TS_OK && store_account_lookup(account, STR("INBOX"), &info) &&
	    info.counters.uidnext > 1) {
		store_account_unref(&account);
		return TS_OK;
	}
	if (err == TS_OK)
		err = store_mailbox_load(account, STR("INBOX"), &mailbox);
	if (err == TS_OK) {
		demo_mail_welcome(user, f->now, &f->mail);
		err = append(f, mailbox);
	}
	store_mailbox_unref(&mailbox);
	store_account_unref(&account);
	return err;
}

/* Many threads share each flush. */
static void *
crowd_thread(void *arg)
{
	struct crowd *crowd = arg;
	struct filler f;
	struct buf name = {0};

	filler_init(&f, crowd->site->store);
	while (atomic_load(&crowd->err) == TS_OK) {
		uint64_t n = atomic_fetch_add(&crowd->next, 1);
		enum ts_err err;

		if (n > crowd->bulk.to)
			break;
		name.n = 0;
		auth_bulk_name(&crowd->bulk, n, &name);
		err = welcome(&f, buf_cstr(&name));
		if (err != TS_OK)
			atomic_store(&crowd->err, (int)err);
	}
	filler_fini(&f);
	buf_fini(&name);
	return NULL;
}

static uint64_t
users_done(struct site *site)
{
	struct buf value = {0};
	uint64_t n = 0;

	if (store_record_get(site->store, STR("demo/users"), &value) == TS_OK)
		str_u64(buf_as_str(&value), UINT64_MAX, &n);
	buf_fini(&value);
	return n;
}

static enum ts_err
note_users_done(struct site *site)
{
	struct store_change *change = store_change_new_records(site->store, NULL, NULL, NULL);
	struct buf n = {0};
	enum ts_err err;

	buf_u64(&n, site->users);
	change->records = arena_array(change->arena, 1, sizeof(*change->records));
	change->record_count = 1;
	change->records[0].key = STR("demo/users");
	change->records[0].value = arena_str(change->arena, buf_as_str(&n));
	err = store_submit_wait(change);
	store_change_free(&change);
	buf_fini(&n);
	return err;
}

static bool
make_crowd(struct site *site)
{
	struct crowd crowd = {.site = site,
	    .bulk = {.prefix = STR("user"),
	        .from = 1,
	        .to = site->users,
	        .digits = 4,
	        .password = str_of(site->password[USER])}};
	pthread_t thread[FILLERS];
	unsigned threads = site->users < FILLERS ? (unsigned)site->users : FILLERS;
	uint64_t made, done = users_done(site);
	const char *why = NULL;
	enum ts_err err;

	if (site->users <= done)
		return true;
	crowd.bulk.from = done + 1;
	atomic_store(&crowd.next, done + 1);
	err = auth_users_bulk(site->auth, &crowd.bulk, &made, &why);
	if (err != TS_OK)
		return demo_failed("making users", why != NULL ? why : ts_err_name(err));
	for (unsigned i = 0; i < threads; i++)
		TS_ASSERT(pthread_create(&thread[i], NULL, crowd_thread, &crowd) == 0);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	err = (enum ts_err)atomic_load(&crowd.err);
	if (err == TS_OK)
		err = note_users_done(site);
	return err == TS_OK || demo_failed("filling the users' INBOX", ts_err_name(err));
}

/* ---- the whole ---- */

static bool
make_user(struct site *site, enum who who)
{
	static const struct str everyone = {"*", 1};
	struct auth_user_spec spec = {.name = str_of(names[who]),
	    .password = str_of(site->password[who]),
	    .acts_for = &everyone,
	    .acts_for_count = who == GATEWAY ? 1 : 0};
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct auth_user user;
	const char *why = NULL;
	enum ts_err err = auth_users_get(site->auth, spec.name, arena, &user, &why);

	if (err == TS_NOT_FOUND)
		err = auth_users_add(site->auth, &spec, &why);
	else if (err == TS_OK && site->passwords_are_new)
		err = auth_users_passwd(site->auth, &spec, &why);
	arena_free(&arena);
	return err == TS_OK || demo_failed(names[who], why != NULL ? why : ts_err_name(err));
}

static bool
load_conf(struct site *site)
{
	struct conf_faults faults = {0};
	struct buf path = {0};
	enum ts_err err;

	site_path(site, "turnstone.conf", &path);
	err = conf_load(settings_tables(), buf_cstr(&path), &faults, &site->conf);
	for (size_t i = 0; i < faults.n; i++)
		fprintf(stderr, "%s\n", faults.text[i]);
	conf_faults_fini(&faults);
	buf_fini(&path);
	return err == TS_OK;
}

/* Sites made before there were certificates get them now. */
static bool
add_certificates(struct site *site)
{
	static const char text[] =
	    "\n# Clients with a certificate: gateway-cert.pem is signed by ca.pem, and stands for "
	    "the "
	    "user gateway.\n"
	    "tls.client_ca = ca.pem\n\n"
	    "listener imaps_cert {\n\taddress = 127.0.0.1\n\tport = 0\n\ttls = imaps\n"
	    "\tclient_certificate = request\n}\n\n"
	    "certificate_map gateway {\n\tsubject = \"CN=gateway\"\n"
	    "\tissuer = \"CN=Turnstone CA of this site\"\n\tuser = gateway\n}\n";
	const struct tls_settings *tls = conf_get(site->conf, &tls_conf);
	struct buf path = {0};
	FILE *f;
	bool ok;

	if (conf_given(site->conf, tls, "tls.client_ca"))
		return true;
	site_path(site, "turnstone.conf", &path);
	f = fopen(buf_cstr(&path), "ae");
	ok = f != NULL && fputs(text, f) >= 0;
	if (f != NULL && fclose(f) != 0)
		ok = false;
	conf_unref(&site->conf);
	ok = (ok || demo_failed(buf_cstr(&path), strerror(errno))) && load_conf(site);
	buf_fini(&path);
	return ok;
}

static bool
fill_store(struct site *site)
{
	const struct server_settings *s = conf_get(site->conf, &server_conf);
	bool ok;

	if (!settings_open_store(site->conf, &site->store))
		return false;
	site->auth = auth_new(site->store, s->default_domain);
	ok = make_user(site, ALICE) && make_user(site, BOB) && make_user(site, GATEWAY) &&
	     fill_account(site, ALICE) && fill_account(site, BOB) && make_crowd(site);
	auth_free(&site->auth);
	store_close(&site->store);
	return ok;
}

static bool
make_site(struct site *site)
{
	struct buf why = {0};
	bool ok;

	if (mkdir(site->dir, 0755) != 0 && errno != EEXIST)
		return demo_failed(site->dir, strerror(errno));
	ok = cert_make_site(site->dir, names[GATEWAY], &why) || demo_failed(buf_cstr(&why), "");
	buf_fini(&why);
	return ok && write_conf(site) && make_passwords(site) && load_conf(site) &&
	       add_certificates(site) && fill_store(site);
}

static int
demo_site(const struct args *args)
{
	struct site *site = mem_zalloc(sizeof(*site));
	unsigned long long users;
	int code = EXIT_USAGE;

	site->dir = args->operands[0];
	if (args_number(args, "users", 0, 10000000, 0, &users)) {
		site->users = users;
		code = make_site(site) ? EXIT_OK : EXIT_FAILED;
	}
	conf_unref(&site->conf);
	mem_wipe(site, sizeof(*site));
	mem_free(site);
	return code;
}

static const struct args_opt demo_opts[] = {
    {"users", "N", "also user0001 ... userN, with one password and one message each"},
    {NULL, NULL, NULL}};

const struct args_cmd cli_demo_cmds[] = {
    {.name = "demo-site",
        .operands = "DIR",
        .min = 1,
        .max = 1,
        .help = "create a site to try things out",
        .more = "DIR gets turnstone.conf, passwords.env, a small CA (ca.pem, ca-key.pem) "
                "with\ncertificates for the server (cert.pem, key.pem) and for a "
                "client\n(gateway-cert.pem, gateway-key.pem), and a store\nwith the users alice, "
                "bob and gateway (who may act for everyone) and some mail.\nExisting files and "
                "users are kept. No server may be running on it meanwhile.",
        .opts = demo_opts,
        .run = demo_site},
    {.name = NULL}};
