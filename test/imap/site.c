/* SPDX-License-Identifier: Apache-2.0 */
/* See site.h. */
#include "site.h"

#include <crypt.h>
#include <glob.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/gateway.h"
#include "auth/grant/acl.h"
#include "auth/grants.h"
#include "auth/settings/settings.h"
#include "auth/users.h"
#include "base/block.h"
#include "base/mem.h"
#include "imap/ext/list.h"
#include "imap/settings.h"
#include "net/tls/tls.h"
#include "po.h"
#include "texts/texts.h"
#include "toy.h"

static void
must(enum ts_err err, const char *what)
{
	if (err != TS_OK) {
		fprintf(stderr, "%s: %s\n", what, ts_err_name(err));
		abort();
	}
}

static void
write_certificate(FILE *f)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	TS_ASSERT(key != NULL && cert != NULL);
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_ASC, (const unsigned char *)"mail.example.net", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
	PEM_write_X509(f, cert);
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	X509_free(cert);
	EVP_PKEY_free(key);
}

struct tls_slot *
site_tls(void)
{
	char path[] = "/tmp/turnstone-test-XXXXXX";
	struct tls_slot *slot = tls_slot_new();
	struct tls_ctx *ctx;
	FILE *f = fdopen(mkstemp(path), "w");

	TS_ASSERT(f != NULL);
	write_certificate(f);
	fclose(f);
	must(tls_ctx_new(&(struct tls_options){.cert_file = path}, NULL, &ctx), "certificate");
	unlink(path);
	tls_slot_set(slot, ctx);
	tls_ctx_free(&ctx);
	return slot;
}

static struct conf *
make_conf(struct str text)
{
	static const struct conf_table *tables[8 + IMAP_EXT_MAX]; /* snapshots point to it */
	size_t n = imap_conf_tables(imap_all_extensions, imap_all_extensions_count, tables);
	struct conf_faults faults = {0};
	struct conf *conf;
	enum ts_err err;

	tables[n++] = &auth_conf;
	err = conf_parse((struct conf_tables){tables, n}, text, "test", NULL, &faults, &conf);

	for (size_t i = 0; i < faults.n; i++)
		fprintf(stderr, "%s\n", faults.text[i]);
	must(err, "configuration");
	conf_faults_fini(&faults);
	return conf;
}

static _Atomic uint64_t passed_ms; /* lanes read it, too */

static int64_t
fixed_wall(void)
{
	return 1767225600 /* 1 Jan 2026 */ + (int64_t)(passed_ms / 1000);
}

void
site_advance(struct site *site, uint64_t ms)
{
	passed_ms += ms;
	loop_fake_advance(site->loop, ms);
	site_run(site);
}

static void
looked(void *arg)
{
	struct site *site = arg;
	bool was, was_worker;

	if (site->changing)
		return;
	was = block_on_loop(false); /* it belongs to another session and another thread */
	was_worker = block_on_worker(false);
	site->readings++;
	site->changing = true;
	for (size_t i = 0; i < site->event_count; i++) {
		struct site_event *e = &site->events[i];

		if (e->change == NULL || --e->left > 0)
			continue;
		must(store_submit_wait(e->change), "meanwhile");
		store_mailbox_unref(&e->change->mailbox);
		store_change_free(&e->change);
	}
	if (site->looked != NULL)
		site->looked(site->looked_arg);
	site->changing = false;
	(void)block_on_loop(was);
	(void)block_on_worker(was_worker);
}

static void
register_extensions(struct imap_registry *reg, const struct imap_ext *more)
{
	const struct imap_ext *all[IMAP_EXT_MAX];
	size_t n = imap_all_extensions_count;

	memcpy(all, imap_all_extensions, n * sizeof(all[0]));
	if (more != NULL)
		all[n++] = more;
	imap_registry_build(reg, all, n);
}

struct share_seen {
	const struct imap_place *place;
	struct auth_acl_who who;
	unsigned rights;
};

static bool
see_share(const struct store_mailbox_info *info, void *arg)
{
	struct share_seen *seen = arg;

	if (str_eq(info->name, seen->place->mailbox))
		seen->rights = auth_acl_rights(info->properties, &seen->who);
	return false;
}

static void
resolve_share(
    const struct imap_space *space, const struct imap_login *login, struct imap_place *place)
{
	const struct site_share *share = space->arg;

	struct share_seen seen = {.place = place, .who = {.user = login->user}};

	place->account = share->account;
	place->rights = share->rights;
	if (!share->by_acl)
		return;
	(void)store_account_list_from(share->account, place->mailbox, see_share, &seen);
	place->rights =
	    str_eq(login->user, store_account_name(share->account)) ? AUTH_RIGHTS_ALL : seen.rights;
	if (place->rights == 0)
		place->account = NULL; /* as for a name that leads nowhere */
}

static void
set_separator(struct site *site)
{
	const struct auth_settings *s = conf_get(site->conf, &auth_conf);

	auth_gateway_set(site->auth, s->gateway_separator.n > 0 ? s->gateway_separator.p[0] : 0);
}

static bool
file_has(const char *path, struct str text)
{
	FILE *f = fopen(path, "r");
	struct buf bytes = {0};
	bool has;

	TS_ASSERT(f != NULL);
	bytes.n = fread(buf_room(&bytes, 1 << 20), 1, 1 << 20, f);
	fclose(f);
	has = str_find(buf_as_str(&bytes), text) != NULL;
	buf_fini(&bytes);
	return has;
}

/* Whether it is a string literal in an extension that only tests have. */
static bool
is_of_tests(const char *english)
{
	struct buf literal = {0};
	bool found = false;
	glob_t files;

	buf_printf(&literal, "\"%s\"", english);
	TS_ASSERT(glob(SOURCES "/test/{imap,reset}/*.c", GLOB_BRACE, NULL, &files) == 0);
	for (size_t i = 0; i < files.gl_pathc && !found; i++)
		found = file_has(files.gl_pathv[i], buf_as_str(&literal));
	globfree(&files);
	buf_fini(&literal);
	return found;
}

/* Text for clients that is not in po/turnstone.pot could not be translated. */
static void
missed(const char *english)
{
	if (is_of_tests(english))
		return;
	fprintf(stderr, "tools/texts.py does not collect \"%s\"\n", english);
	abort();
}

static struct texts *known_texts; /* all that are translatable, each unchanged */

static void
load_known(void)
{
	struct buf pot = {0}, mo = {0}, refused = {0};
	const char *why;
	FILE *f;

	if (known_texts != NULL)
		return;
	f = fopen(SOURCES "/po/turnstone.pot", "r");
	TS_ASSERT(f != NULL);
	(void)buf_room(&pot, 1 << 20);
	pot.n = fread(pot.p, 1, 1 << 20, f);
	fclose(f);
	po_compile(&mo, buf_as_str(&pot), true);
	known_texts = texts_new(buf_as_str(&mo), &refused, &why);
	TS_ASSERT(known_texts != NULL && refused.n == 0);
	texts_on_miss(known_texts, missed);
	buf_fini(&pot);
	buf_fini(&mo);
}

static void
configure(struct site *site)
{
	imap_loop_configure(&site->il, site->conf, site->languages);
	site->il.rules->texts = known_texts;
}

struct site *
site_new(const struct site_options *options)
{
	struct site *site = mem_zalloc(sizeof(*site));
	struct store_options so;
	char *text = NULL;

	block_watch(); /* abort if something that may block is called on the loop */
	passed_ms = 0;

	site->disk = options->disk != NULL ? options->disk : engine_mem_disk_new();
	store_options_default(&so);
	so.own_seen = true;
	so.engine = &engine_mem_class;
	so.engine_options.own = site->disk;
	so.lanes = options->lanes;
	if (options->keywords > 0)
		so.max_keywords = options->keywords;
	so.wall = fixed_wall;
	so.own_id = "transcripts-----";
	so.looked = looked;
	so.looked_arg = site;
	must(store_open(&so, &site->store, &text), "store");
	free(text);
	site->auth = auth_new_sized(site->store, STR("example.net"), 64);
	site->loop = loop_new_fake();
	site->conf = make_conf(options->conf);
	set_separator(site);
	site->server.store = site->store;
	site->server.auth = site->auth;
	site->server.workers = work_pool_new(0);
	site->server.loop_count = 1;
	site->server.loops = &site->il;
	site->server.more_mechs = toy_mechs;
	site->own_tls = options->starttls && options->tls == NULL;
	if (options->starttls)
		site->server.tls = options->tls != NULL ? options->tls : site_tls();
	imap_server_init(&site->server);
	register_extensions(&site->server.reg, options->ext);
	load_known();
	site->languages = options->languages;
	imap_loop_init(&site->il, &site->server, 0, site->loop, site->conf, NULL);
	configure(site);
	return site;
}

void
site_run(struct site *site)
{
	loop_fake_run(site->loop);
	for (unsigned i = 0; i < SITE_CLIENTS; i++)
		if (site->clients[i].fake != NULL && stream_fake_ended(site->clients[i].fake, NULL))
			site->clients[i].conn = NULL;
}

void
site_disconnect(struct site *site, unsigned i)
{
	stream_fake_free(&site->clients[i].fake);
	site->clients[i].conn = NULL;
	site_run(site);
}

void
site_reload(struct site *site, struct str text)
{
	conf_unref(&site->conf);
	site->conf = make_conf(text);
	set_separator(site);
	configure(site);
	site_run(site);
}

void
site_free(struct site **sp)
{
	struct site *site = *sp;

	*sp = NULL;
	for (unsigned i = 0; i < SITE_CLIENTS; i++)
		site_disconnect(site, i);
	/* What was still in progress in a lane or a job. */
	for (unsigned i = 0; i < 1000 && !session_loop_is_empty(&site->il.sessions); i++) {
		usleep(1000);
		site_run(site);
	}
	for (size_t i = 0; i < site->event_count; i++) {
		if (site->events[i].change != NULL)
			store_mailbox_unref(&site->events[i].change->mailbox);
		store_change_free(&site->events[i].change);
	}
	for (size_t i = 0; i < SITE_SHARES; i++)
		store_account_unref(&site->shares[i].account);
	imap_loop_fini(&site->il);
	texts_set_unref(&site->languages);
	imap_server_fini(&site->server);
	store_close(&site->store);
	loop_fake_run(site->loop);
	work_pool_free(&site->server.workers);
	if (site->own_tls)
		tls_slot_free(&site->server.tls);
	auth_free(&site->auth);
	conf_unref(&site->conf);
	loop_free(&site->loop);
	engine_mem_disk_free(&site->disk);
	mem_free(site);
}

void
site_user(
    struct site *site, const char *name, const char *password, const char *acts_for, bool admin)
{
	struct crypt_data *data = mem_zalloc(sizeof(*data));
	struct str pattern = str_of(acts_for);
	const char *why = NULL;
	struct auth_user_spec spec = {
	    .name = str_of(name),
	    .acts_for = &pattern,
	    .acts_for_count = acts_for != NULL ? 1 : 0,
	    .admin = admin,
	};

	spec.hash = str_of(crypt_r(password, "$6$rounds=1000$turnstone$", data));
	must(auth_users_add(site->auth, &spec, &why), name);
	mem_free(data);
}

void
site_grant(struct site *site, const char *who, const char *target, const char *mailboxes,
    const char *rights)
{
	struct str names[16], rest = str_of(mailboxes), one;
	struct auth_grant_spec spec = {.who = str_of(who),
	    .target = str_of(target),
	    .rights = str_of(rights),
	    .mailboxes = names};
	struct auth_grant_fault fault = {0};
	struct buf name = {0};

	while (rest.n > 0 && spec.mailbox_count < 16 && str_split(&rest, ',', &one))
		names[spec.mailbox_count++] = one;
	must(auth_grants_add(site->auth, &spec, &name, &fault), who);
	buf_fini(&name);
	buf_fini(&fault.text);
}

static struct store_account *
account_of(struct site *site, const char *user)
{
	struct store_account *account;
	char name[300];

	snprintf(name, sizeof(name), "%s%s", user, strchr(user, '@') != NULL ? "" : "@example.net");
	must(store_account_load(site->store, str_of(name), true, &account), user);
	return account;
}

static struct store_mailbox *
mailbox_of(struct site *site, struct store_account *account, const char *name)
{
	struct store_mailbox *mailbox;
	struct store_change *change;

	(void)site;
	if (store_mailbox_load(account, str_of(name), &mailbox) == TS_OK)
		return mailbox;
	change = store_change_new(account, STORE_CHANGE_CREATE, NULL, NULL, NULL);
	change->name = str_of(name);
	must(store_submit_wait(change), "create");
	store_change_free(&change);
	must(store_mailbox_load(account, str_of(name), &mailbox), name);
	return mailbox;
}

void
site_revoke(struct site *site, const char *who)
{
	struct auth_grant **grants;
	size_t n = auth_grants_get(site->auth, &grants);
	struct buf name = {0}, full = {0};

	buf_printf(&full, "%s@example.net", who);
	for (size_t i = 0; i < n; i++) {
		name.n = 0;
		auth_names_print(&grants[i]->who, &name);
		if (str_eq(buf_as_str(&name), buf_as_str(&full)))
			must(auth_grants_remove(site->auth, grants[i]->name), who);
		auth_grant_unref(&grants[i]);
	}
	mem_free(grants);
	buf_fini(&name);
	buf_fini(&full);
}

void
site_share(struct site *site, const char *prefix, const char *user, const char *rights)
{
	struct imap_spaces *spaces = &site->server.spaces;
	struct site_share *share = site->shares;
	char bad;

	while (share->account != NULL && strcmp(share->prefix, prefix) != 0)
		share++;
	TS_ASSERT(share < site->shares + SITE_SHARES);
	if (share->account == NULL) {
		snprintf(share->prefix, sizeof(share->prefix), "%s", prefix);
		share->account = account_of(site, user);
		spaces->v = site->spaces;
		site->spaces[spaces->n++] = (struct imap_space){.kind = IMAP_SPACE_SHARED,
		    .prefix = str_of(share->prefix),
		    .resolve = resolve_share,
		    .arg = share};
		imap_loop_configure(&site->il, site->conf, site->languages);
	}
	share->rights = 0;
	share->by_acl = strcmp(rights, "acl") == 0;
	if (!share->by_acl && rights[0] != '-' &&
	    !auth_rights_parse(str_of(rights), &share->rights, &bad))
		TS_WRONG("no rights");
}

void
site_acl(struct site *site, const char *owner, const char *mailbox, const char *identifier,
    const char *rights)
{
	struct store_account *account = account_of(site, owner);
	struct store_mailbox *mb = mailbox_of(site, account, mailbox);
	struct store_change *c =
	    store_change_new(account, STORE_CHANGE_PROPERTIES, NULL, NULL, NULL);

	c->mailbox = mb;
	c->quiet = true;
	c->properties = arena_new_object(c->arena, struct store_property_op);
	c->property_count = 1;
	*c->properties =
	    (struct store_property_op){.name = str_of(arena_printf(c->arena, "acl/%s", identifier)),
	        .value = str_of(arena_printf(c->arena, "%s", rights))};
	must(store_submit_wait(c), "right");
	store_change_free(&c);
	store_mailbox_unref(&mb);
	store_account_unref(&account);
}

void
site_mailbox(struct site *site, const char *user, const char *name)
{
	struct store_account *account = account_of(site, user);
	struct store_mailbox *mailbox;

	mailbox = mailbox_of(site, account, name);
	store_mailbox_unref(&mailbox);
	store_account_unref(&account);
}

void
site_quota(struct site *site, const char *user, enum store_quota_resource resource, uint64_t limit,
    const char *mailbox)
{
	struct store_account *account = account_of(site, user);
	struct store_quota_wish wish = {.set = {[0] = STORE_QUOTA_KEEP}};
	struct store_change *change;

	wish.set[resource] = STORE_QUOTA_LIMIT;
	wish.limit[resource] = resource == STORE_QUOTA_STORAGE ? limit * 1024 : limit;
	change = store_quota_change(account, str_of(mailbox), &wish, NULL, NULL, NULL);
	TS_ASSERT(store_submit_wait(change) == TS_OK);
	store_change_free(&change);
	store_account_unref(&account);
}

static void
parse_flags(const char *text, struct store_append_item *item, struct str *keywords)
{
	static const char *const system[] = {
	    "\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"};
	struct str rest = str_of(text), word;

	while (str_split(&rest, ' ', &word)) {
		unsigned f = 0;

		while (f < 5 && !str_ieq(word, str_of(system[f])))
			f++;
		if (f < 5)
			store_flags_set(&item->flags, f);
		else if (word.n > 0 && item->keyword_count < 16)
			keywords[item->keyword_count++] = word;
	}
	item->keywords = keywords;
}

static void
uploaded(void *arg, enum ts_err err)
{
	*(enum ts_err *)arg = err;
}

static struct store_upload *
upload_of(struct site *site, struct str bytes, const struct store_message_ids *ids)
{
	enum ts_err err = TS_BUG;
	struct store_upload *upload =
	    store_upload_new(site->store, site->server.workers, site->loop, (struct work_who){0});

	if (ids != NULL)
		store_upload_restored(upload, ids);
	(void)store_upload_write(upload, bytes, NULL, NULL);
	store_upload_finish(upload, uploaded, &err);
	loop_fake_run(site->loop);
	must(err, "upload");
	return upload;
}

static void
append(struct site *site, const char *user, const char *mailbox, const char *flags,
    struct str bytes, const struct store_message_ids *ids)
{
	struct store_account *account = account_of(site, user);
	struct store_change *change;
	struct str keywords[16];
	struct store_append_item item = {.internaldate = fixed_wall()};

	item.upload = upload_of(site, bytes, ids);
	parse_flags(flags, &item, keywords);
	change = store_change_new(account, STORE_CHANGE_APPEND, NULL, NULL, NULL);
	change->mailbox = mailbox_of(site, account, mailbox);
	change->items = &item;
	change->item_count = 1;
	must(store_submit_wait(change), "append");
	store_mailbox_unref(&change->mailbox);
	store_change_free(&change);
	store_account_unref(&account);
}

void
site_message(
    struct site *site, const char *user, const char *mailbox, const char *flags, struct str bytes)
{
	append(site, user, mailbox, flags, bytes, NULL);
}

void
site_restored(
    struct site *site, const char *user, const char *mailbox, unsigned char n, struct str bytes)
{
	struct store_message_ids ids;

	memset(&ids, n, sizeof(ids));
	append(site, user, mailbox, "", bytes, &ids);
}

static struct store_change *
add_event(struct site *site, unsigned n, struct store_account *account, struct str mailbox,
    enum store_change_kind kind)
{
	struct store_change *change = store_change_new(account, kind, NULL, NULL, NULL);
	char name[300];

	while (site->event_count > 0 && site->events[site->event_count - 1].change == NULL)
		site->event_count--; /* it has happened */
	TS_ASSERT(site->event_count < SITE_EVENTS);
	site->events[site->event_count++] = (struct site_event){n, change};
	snprintf(name, sizeof(name), "%.*s", STR_ARG(mailbox));
	if (kind == STORE_CHANGE_DELETE)
		change->name = arena_str(change->arena, mailbox);
	else
		change->mailbox = mailbox_of(site, account, name);
	return change;
}

static void
add_flags_event(struct store_change *change, uint32_t uid, struct str flags)
{
	struct store_append_item item = {.flags = {{0}}};
	struct str *keywords = arena_array(change->arena, 16, sizeof(*keywords));
	const char *text = arena_printf(change->arena, "%.*s", STR_ARG(flags));

	parse_flags(text, &item, keywords);
	change->mode = STORE_FLAGS_ADD;
	change->flags = item.flags;
	change->keywords = keywords;
	change->keyword_count = item.keyword_count;
	change->uids = roaring_bitmap_from_range(uid, (uint64_t)uid + 1, 1);
}

static void
add_append_event(struct site *site, struct store_change *change, struct str flags)
{
	struct store_append_item *item = arena_new_object(change->arena, struct store_append_item);

	item->internaldate = fixed_wall();
	item->upload = upload_of(site, STR("Subject: meanwhile\r\n\r\nText.\r\n"), NULL);
	parse_flags(arena_printf(change->arena, "%.*s", STR_ARG(flags)), item,
	    arena_array(change->arena, 16, sizeof(struct str)));
	change->items = item;
	change->item_count = 1;
}

bool
site_meanwhile(struct site *site, unsigned n, struct str what)
{
	struct str verb, user, mailbox, word;
	struct store_account *account;
	struct store_change *change;
	uint64_t uid = 0;
	char name[300];
	bool known = true;

	(void)str_split(&what, ' ', &verb);
	(void)str_split(&what, ' ', &user);
	(void)str_split(&what, ' ', &mailbox);
	snprintf(name, sizeof(name), "%.*s", STR_ARG(user));
	if (str_eq(verb, STR("expunge")) || str_eq(verb, STR("flags")))
		known = str_split(&what, ' ', &word) && str_u64(word, UINT32_MAX, &uid);
	account = account_of(site, name);
	site->changing = true; /* readings here do not count */
	if (known && str_eq(verb, STR("expunge"))) {
		add_flags_event(add_event(site, n, account, mailbox, STORE_CHANGE_FLAGS),
		    (uint32_t)uid, STR("\\Deleted"));
		change = add_event(site, n, account, mailbox, STORE_CHANGE_EXPUNGE);
		change->uids = roaring_bitmap_from_range(uid, uid + 1, 1);
	} else if (known && str_eq(verb, STR("flags"))) {
		add_flags_event(
		    add_event(site, n, account, mailbox, STORE_CHANGE_FLAGS), (uint32_t)uid, what);
	} else if (str_eq(verb, STR("append"))) {
		change = add_event(site, n, account, mailbox, STORE_CHANGE_APPEND);
		add_append_event(site, change, what);
	} else if (str_eq(verb, STR("delete"))) {
		(void)add_event(site, n, account, mailbox, STORE_CHANGE_DELETE);
	} else {
		known = false;
	}
	site->changing = false;
	store_account_unref(&account);
	return known;
}

static const struct imap_entrance entrances[] = {{0}, {.implicit_tls = true}};

void
site_connect(struct site *site, unsigned i, const char *address, bool tls, bool mute)
{
	struct site_client *c = &site->clients[i];

	TS_ASSERT(c->fake == NULL);
	c->conn = imap_conn_new(&site->il, str_of(address != NULL ? address : "192.0.2.1"), NULL);
	c->fake = stream_fake_new(site->loop, tls);
	if (mute)
		stream_fake_hold_handshake(c->fake, true);
	stream_set_events(stream_fake_stream(c->fake), imap_conn_events(), c->conn);
	imap_conn_start(c->conn, stream_fake_stream(c->fake), &entrances[tls]);
	site_run(site);
}
