/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option tables of server and store, and what is made from them; settings_listen.c has those of
 * listeners, settings_tls.c those of certificates.
 */
#include "server/config/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/settings/settings.h"
#include "auth/sharing.h"
#include "base/host.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/ext/list.h"
#include "imap/settings.h"
#include "lmtp/settings.h"
#include "sasl/names.h"
#include "server/config/quota.h"
#include "store/engine/rocks/rocks.h"
#include "wire/utf7.h"

/* With INBOX that makes as many mailboxes as store.max_mailboxes always allows. */
enum { DEFAULT_MAILBOXES_MAX = 15 };

static const char *const sandbox_words[] = {"auto", "off", "require", NULL};
static const char *const level_words[] = {"debug", "info", "warning", "error", NULL};
static const char *const format_words[] = {"auto", "logfmt", "json", "text", NULL};

#define AT(field) .offset = offsetof(struct server_settings, field)
static const struct conf_opt server_opts[] = {
    {.name = "default_domain",
        .type = CONF_STRING,
        .def = "",
        .max = 253,
        .when = CONF_RESTART,
        AT(default_domain),
        .prose =
            "The domain of user names given without one: `anna` is then the same user as "
            "`anna@DOMAIN`. Empty: names are used as given. Set it before you add the first user."},
    {.name = "server.data",
        .type = CONF_PATH,
        .def = "/var/lib/turnstone",
        .min = 1,
        .when = CONF_RESTART,
        AT(data),
        .prose = "The data folder. It is created if it does not exist."},
    {.name = "server.control",
        .type = CONF_PATH,
        .def = "",
        .when = CONF_RESTART,
        AT(control),
        .prose = "The control socket, through which commands such as `turnstone user` talk to the "
                 "running server. Empty: `control.sock` in the data folder."},
    {.name = "server.control_connections",
        .type = CONF_INT,
        .def = "16",
        .min = 2,
        .max = 1024,
        .when = CONF_RESTART,
        AT(control_connections),
        .prose = "The maximum number of commands that the server runs at the same time, each in "
                 "its own thread. Further ones are refused."},
    {.name = "server.control_patience",
        .type = CONF_DURATION,
        .def = "1m",
        .min = 1000,
        .max = 86400000,
        .when = CONF_RESTART,
        AT(control_patience),
        .prose = "How long a command may neither read nor write while the server waits for it "
                 "before the server gives up."},
    {.name = "server.pid_file",
        .type = CONF_PATH,
        .def = "",
        .when = CONF_RESTART,
        AT(pid_file),
        .prose =
            "Where to write the process ID. Only a file that is empty or contains just a number is "
            "replaced. It is removed at shutdown if it still names this process. Empty: nowhere."},
    {.name = "server.user",
        .type = CONF_STRING,
        .def = "",
        .when = CONF_RESTART,
        AT(user),
        .prose = "The system user to run as once the ports are bound, when started by root. Empty: "
                 "no change."},
    {.name = "server.sandbox",
        .type = CONF_ENUM,
        .def = "auto",
        .words = sandbox_words,
        .when = CONF_RESTART,
        AT(sandbox),
        .prose = "Whether the kernel restricts the running server to what it needs: its data, its "
                 "configuration, no new programs. `auto`: if `server.user` is set, with a warning "
                 "where the kernel cannot. `require`: always; otherwise the server does not start. "
                 "`off`: never."},
    {.name = "server.loops",
        .type = CONF_INT,
        .def = "0",
        .max = 256,
        .when = CONF_RESTART,
        AT(loops),
        .prose = "Threads that serve connections. 0: one per processor."},
    {.name = "server.workers",
        .type = CONF_INT,
        .def = "0",
        .max = 1024,
        .when = CONF_RESTART,
        AT(workers),
        .prose = "Threads for slow work: password hashes, reading from disk, searching. 0: two per "
                 "processor, at least four. A single user, an identity that acts for many, and all "
                 "logins together may each use at most half of them (at least one). If there are "
                 "two or more, one is always kept free of searches and rendering."},
    {.name = "server.work_slice",
        .type = CONF_DURATION,
        .def = "50ms",
        .min = 1,
        .max = 10000,
        .when = CONF_RESTART,
        AT(work_slice),
        .prose = "How long a search, or the rendering of a FETCH, occupies a worker before it lets "
                 "other waiting work go first."},
    {.name = "server.stop_time",
        .type = CONF_DURATION,
        .def = "30s",
        .min = 1000,
        .max = 3600000,
        AT(stop_time),
        .prose = "How long a stopping server waits for its connections to end before it logs that "
                 "it is still waiting."},
    {.name = "log.level",
        .type = CONF_ENUM,
        .def = "info",
        .words = level_words,
        AT(log_level),
        .prose = "The lowest level of log lines to write."},
    {.name = "metrics.address",
        .type = CONF_STRING,
        .def = "127.0.0.1",
        .min = 1,
        .when = CONF_RESTART,
        AT(metrics_address),
        .prose =
            "Numeric address on which metrics are served. Anyone who can reach it can read them."},
    {.name = "metrics.port",
        .type = CONF_INT,
        .def = "0",
        .max = 65535,
        .when = CONF_RESTART,
        AT(metrics_port),
        .prose = "Port for Prometheus: HTTP, `/metrics`. 0: metrics are not served."},
    {.name = "metrics.connections",
        .type = CONF_INT,
        .def = "8",
        .min = 1,
        .max = 1000,
        .when = CONF_RESTART,
        AT(metrics_connections),
        .prose = "The maximum number of simultaneous connections to that port; further ones are "
                 "closed."},
    {.name = "metrics.timeout",
        .type = CONF_DURATION,
        .def = "10s",
        .min = 1000,
        .max = 3600000,
        .when = CONF_RESTART,
        AT(metrics_time),
        .prose = "How long such a connection may be idle."},
    {.name = "log.format",
        .type = CONF_ENUM,
        .def = "auto",
        .words = format_words,
        .when = CONF_RESTART,
        AT(log_format),
        .prose = "The format of lines on standard error: `logfmt`, `json` (one object per line), "
                 "`text` (for people). `auto`: journal fields if standard error is connected to "
                 "the journal, otherwise logfmt."},
};
#undef AT

const struct conf_table server_conf = {.name = "server",
    .prose = "The server as a whole.",
    .opts = server_opts,
    .n = sizeof(server_opts) / sizeof(*server_opts),
    .struct_size = sizeof(struct server_settings)};

#define AT(field) .offset = offsetof(struct store_settings, field)
static const struct conf_opt store_opts[] = {
    {.name = "store.lanes",
        .type = CONF_INT,
        .def = "2",
        .min = 1,
        .max = 64,
        .when = CONF_RESTART,
        AT(lanes),
        .prose = "Threads that write. Changes to one account always go through the same thread."},
    {.name = "store.cache",
        .type = CONF_SIZE,
        .def = "64M",
        .min = 1 << 20,
        .max = (int64_t)1 << 40,
        .when = CONF_RESTART,
        AT(cache),
        .prose = "Memory for blocks read from disk."},
    {.name = "store.write_buffer",
        .type = CONF_SIZE,
        .def = "32M",
        .min = 1 << 20,
        .max = (int64_t)1 << 34,
        .when = CONF_RESTART,
        AT(write_buffer),
        .prose = "Memory for changes that are in the log but not yet in a table."},
    {.name = "store.free_space",
        .type = CONF_SIZE,
        .def = "256M",
        .max = (int64_t)1 << 44,
        .when = CONF_RESTART,
        AT(free_space),
        .prose = "Messages are refused when less than this is free on the disk of the store; all "
                 "other changes, when less than a quarter of it is."},
    {.name = "store.state_budget",
        .type = CONF_SIZE,
        .def = "256M",
        .min = 1 << 20,
        .max = (int64_t)1 << 44,
        .when = CONF_RESTART,
        AT(state_budget),
        .prose =
            "Memory for the lists of accounts and the states of mailboxes that are not in use: "
            "entries, names, message records, sets of UIDs and flags, keywords, remembered "
            "expunges and changes, including the overhead of malloc. What connections, commands "
            "and backups hold, store.cache and store.write_buffer are not included."},
    {.name = "store.blob_threshold",
        .type = CONF_SIZE,
        .def = "256K",
        .min = 4096,
        .max = 64 << 20,
        .when = CONF_RESTART,
        AT(blob_threshold),
        .prose = "Messages larger than this are stored in files of their own."},
    {.name = "store.copy_memory",
        .type = CONF_SIZE,
        .def = "512M",
        .min = 1 << 20,
        .max = (int64_t)1 << 40,
        .when = CONF_RESTART,
        AT(copy_memory),
        .prose = "The maximum memory for one COPY, at 400 bytes per message. A COPY is done "
                 "completely or not at all, so one with too many messages (more than 1,300,000 "
                 "with the default) is refused. A MOVE needs 24 bytes per message. Both also need "
                 "the known structures of 500 messages, a few MiB at most."},
    {.name = "store.held_bytes",
        .type = CONF_SIZE,
        .def = "4G",
        .min = 0,
        .max = (int64_t)1 << 44,
        .when = CONF_RESTART,
        AT(held_bytes),
        .prose = "A command can finish reading messages that others expunge in the meantime: their "
                 "bytes stay on disk until it ends. This is the limit for all commands together; "
                 "messages beyond it disappear for those commands, too."},
    {.name = "store.mime_nesting",
        .type = CONF_INT,
        .def = "50",
        .min = 4,
        .max = MAIL_NESTING_MAX,
        .when = CONF_RESTART,
        AT(mime_nesting),
        .prose = "How deeply the parts of a message may be nested. Anything deeper is shown as one "
                 "part of bytes (application/octet-stream). Some mail programs read no deeper than "
                 "the default."},
    {.name = "store.mime_parts",
        .type = CONF_INT,
        .def = "2000",
        .min = 16,
        .max = 1000000,
        .when = CONF_RESTART,
        AT(mime_parts),
        .prose = "How many parts of a message are distinguished. The last one includes the rest."},
    {.name = "store.mail_addresses",
        .type = CONF_INT,
        .def = "10000",
        .min = 100,
        .max = 1000000,
        .when = CONF_RESTART,
        AT(mail_addresses),
        .prose = "How many addresses in the From, To, Cc, ... of a message ENVELOPE shows. SEARCH "
                 "finds the others, too."},
    {.name = "store.mail_address_bytes",
        .type = CONF_SIZE,
        .def = "512K",
        .min = 4096,
        .max = 64 << 20,
        .when = CONF_RESTART,
        AT(mail_address_bytes),
        .prose = "How much of the From, To, Cc, ... of a message is read for ENVELOPE, in whole "
                 "addresses. SEARCH finds the others, too."},
    {.name = "store.mail_field_bytes",
        .type = CONF_SIZE,
        .def = "64K",
        .min = 1024,
        .max = 16 << 20,
        .when = CONF_RESTART,
        AT(mail_field_bytes),
        .prose = "How much of each other header field ENVELOPE and BODYSTRUCTURE show, in whole "
                 "words, parameters and message IDs. SEARCH finds the rest, too."},
    {.name = "store.max_keywords",
        .type = CONF_INT,
        .def = "200",
        .min = 16,
        .max = STORE_KEYWORDS_MAX,
        .when = CONF_RESTART,
        AT(max_keywords),
        .prose = "The maximum number of different keywords in one mailbox. A keyword that no "
                 "message has any longer makes room for another."},
    {.name = "store.keyword_length",
        .type = CONF_INT,
        .def = "255",
        .min = 16,
        .max = 4096,
        .when = CONF_RESTART,
        AT(keyword_length),
        .prose = "How many bytes the name of a new keyword may have. Existing longer ones stay, "
                 "and a restore brings them back."},
    {.name = "store.max_mailboxes",
        .type = CONF_INT,
        .def = "100000",
        .min = 16,
        .max = 10000000,
        .when = CONF_RESTART,
        AT(max_mailboxes),
        .prose = "The maximum number of mailboxes in one account."},
    {.name = "store.max_properties",
        .type = CONF_INT,
        .def = "256",
        .min = 16,
        .max = 10000,
        .when = CONF_RESTART,
        AT(max_properties),
        .prose = "The maximum number of properties (rights, annotations, limits) of one mailbox, "
                 "and of an account itself."},
    {.name = "store.property_size",
        .type = CONF_SIZE,
        .def = "64K",
        .min = 1024,
        .max = 512 << 10, /* backups and exports have room for one of these */
        .when = CONF_RESTART,
        AT(property_size),
        .prose = "The maximum size of a property's value."},
    {.name = "store.property_total",
        .type = CONF_SIZE,
        .def = "1M",
        .min = 64 << 10,
        .max = 64 << 20,
        .when = CONF_RESTART,
        AT(property_total),
        .prose = "The maximum size of all properties of an account and its mailboxes together, "
                 "names and values. They are kept in memory while the account is in use."},
    {.name = "store.default_mailboxes",
        .type = CONF_LIST,
        .max = DEFAULT_MAILBOXES_MAX,
        .when = CONF_RESTART,
        AT(default_mailboxes),
        .prose =
            "Mailboxes that a new account gets besides INBOX, subscribed, such as `[Drafts, Sent, "
            "Junk, Trash, Archive]`. They are created once, by the first login or delivery; a user "
            "who deletes one does not get it back, and accounts that already exist, or that "
            "`import` or `restore` creates, get none. `NAME:USE` sets the special use, `archive`, "
            "`drafts`, `important`, `junk`, `sent` or `trash` (`Gesendet:sent`), so that clients "
            "use the mailbox instead of creating their own (SPECIAL-USE, RFC 6154); these names "
            "alone imply their use. Any other NAME is an ordinary mailbox."},
    {.name = "store.engine_options",
        .type = CONF_STRING,
        .def = "",
        .when = CONF_RESTART,
        AT(engine_options),
        .prose = "Options for the storage engine. `recover`: open the store even if its log is "
                 "damaged, losing whatever follows the damage."},
};
#undef AT

/* ---- default mailboxes ---- */

static const char *const use_words[] = {"archive", "drafts", "important", "junk", "sent", "trash"};
static const unsigned use_bits[] = {STORE_USE_ARCHIVE, STORE_USE_DRAFTS, STORE_USE_IMPORTANT,
    STORE_USE_JUNK, STORE_USE_SENT, STORE_USE_TRASH};
#define USES (sizeof(use_words) / sizeof(*use_words))

/* 0: no such use. */
static unsigned
find_use(struct str word)
{
	for (size_t i = 0; i < USES; i++)
		if (str_ieq(word, str_of(use_words[i])))
			return use_bits[i];
	return 0;
}

/* Reads NAME or NAME:USE; NULL, or what is wrong. */
static const char *
read_default(struct str item, struct arena *arena, struct store_default *default_r)
{
	struct str name = item, use = item;
	const char *colon = NULL;

	for (size_t i = 0; i < item.n; i++)
		if (item.p[i] == ':')
			colon = item.p + i;
	if (colon != NULL) {
		name = str_range(item.p, colon);
		use = str_range(colon + 1, item.p + item.n);
	}
	if (!wire_name_ok(name))
		return "is not a mailbox name";
	*default_r = (struct store_default){wire_name_kept(arena, name), find_use(use)};
	if (colon != NULL && default_r->use == 0)
		return "after the colon comes archive, drafts, important, junk, sent or trash";
	if (str_eq(default_r->name, STR("INBOX")))
		return "every account has an INBOX";
	return wire_name_fault(default_r->name);
}

static const char *
is_doubled(const struct store_default *list, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (str_eq(list[i].name, list[at].name))
			return "is listed twice";
		else if (list[i].use != 0 && list[i].use == list[at].use)
			return "another mailbox already has this use";
	return NULL;
}

static void
check_engine_options(const struct store_settings *s, const struct conf_report *report)
{
	struct str rest = s->engine_options, word;

	while (rest.n > 0 && str_split(&rest, ' ', &word))
		if (word.n > 0 && !str_eq(word, STR("recover")))
			conf_report(report, "store.engine_options",
			    "%.*s: unknown option; there is only recover", STR_ARG(word));
}

static void
check_store(const void *settings, const struct conf_report *report)
{
	const struct store_settings *s = settings;
	struct store_default list[DEFAULT_MAILBOXES_MAX] = {0};
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);

	for (size_t i = 0; i < s->default_mailboxes.n && i < DEFAULT_MAILBOXES_MAX; i++) {
		const char *why = read_default(s->default_mailboxes.items[i], arena, &list[i]);

		if (why == NULL)
			why = is_doubled(list, i);
		if (why != NULL)
			conf_report_item(report, "store.default_mailboxes", i, "%s", why);
	}
	arena_free(&arena);
	check_engine_options(s, report);
}

/* The configuration has been checked. */
static const struct store_default *
default_mailboxes(const struct conf_list *items, struct arena *arena)
{
	struct store_default *list = arena_array(arena, items->n + 1, sizeof(*list));

	for (size_t i = 0; i < items->n; i++)
		(void)read_default(items->items[i], arena, &list[i]);
	return list;
}

const struct conf_table store_conf = {.name = "store",
    .prose = "The store: memory, threads, limits.",
    .opts = store_opts,
    .n = sizeof(store_opts) / sizeof(*store_opts),
    .struct_size = sizeof(struct store_settings),
    .check = check_store};

/* Made once, because extensions of IMAP bring tables of their own; snapshots point to it. */
static struct {
	const struct conf_table *p[16 + IMAP_EXT_MAX];
	size_t n;
	pthread_once_t once;
} tables = {.once = PTHREAD_ONCE_INIT};

static void
make_tables(void)
{
	static const struct conf_table *const ours[] = {&server_conf, &listener_conf, &tls_conf,
	    &certificate_conf, &certificate_map_conf, &store_conf, &auth_conf, &auth_database_conf,
	    &auth_grant_conf, &quota_conf, &allowance_conf};

	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		tables.p[tables.n++] = ours[i];
	tables.n +=
	    imap_conf_tables(imap_all_extensions, imap_all_extensions_count, tables.p + tables.n);
	tables.p[tables.n++] = &lmtp_conf;
}

struct conf_tables
settings_tables(void)
{
	(void)pthread_once(&tables.once, make_tables);
	return (struct conf_tables){tables.p, tables.n};
}

const char *
settings_path(const struct args *args)
{
	const char *path = args_get(args, "config");

	if (path != NULL)
		return path;
	path = getenv(SETTINGS_ENV);
	if (path != NULL && path[0] != '\0')
		return path;
	/* A file that exists but may not be accessed must not lead to the defaults. */
	return access(SETTINGS_FILE, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR)
	           ? SETTINGS_FILE
	           : NULL;
}

void
settings_hint(const struct args *args)
{
	if (settings_path(args) == NULL)
		fprintf(stderr,
		    "turnstone %s: there is no configuration: neither --config nor "
		    "the environment's %s names a file, and there is no %s\n",
		    args->cmd->name, SETTINGS_ENV, SETTINGS_FILE);
}

/* The environment may have named the file long ago, perhaps in a profile. */
void
settings_source(const struct args *args)
{
	const char *path = settings_path(args);

	if (args_get(args, "config") == NULL && path != NULL && access(path, R_OK) != 0)
		fprintf(stderr, "%s was looked for because %s\n", path,
		    strcmp(path, SETTINGS_FILE) == 0 ? "no --config was given and " SETTINGS_ENV
		                                       " is not set"
		                                     : SETTINGS_ENV " names it");
}

bool
settings_find(const struct args *args, struct conf **conf_r)
{
	const char *path = settings_path(args);
	const struct server_settings *s;

	*conf_r = NULL;
	if (path == NULL || !conf_load_sound(settings_tables(), path, NULL, conf_r))
		return false;
	/* Otherwise the default would lead to another server. */
	s = conf_get(*conf_r, &server_conf);
	if (conf_given(*conf_r, s, "server.data") || conf_given(*conf_r, s, "server.control"))
		return true;
	conf_unref(conf_r);
	return false;
}

bool
settings_load(const struct args *args, struct conf **conf_r)
{
	struct conf_faults faults = {0};
	struct buf found = {0}, told = {0};
	enum ts_err err = conf_load(settings_tables(), settings_path(args), &faults, conf_r);

	for (size_t i = 0; i < faults.n; i++)
		buf_printf(&found, "%s\n", faults.text[i]);
	settings_put_faults(buf_as_str(&found), settings_path(args), &told);
	(void)fwrite(told.p, 1, told.n, stderr);
	if (err != TS_OK)
		settings_source(args);
	buf_fini(&found);
	buf_fini(&told);
	conf_faults_fini(&faults);
	return err == TS_OK;
}

struct str
settings_default_domain(const struct conf *conf)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	struct buf name = {0};
	bool ok = host_name_ok(s->default_domain, true) &&
	          sasl_name_full(STR("x"), s->default_domain, &name);

	buf_fini(&name);
	return ok ? s->default_domain : STR_NONE;
}

void
settings_control_path(const struct conf *conf, struct buf *out)
{
	const struct server_settings *s = conf_get(conf, &server_conf);

	if (s->control.n > 0) {
		buf_str(out, s->control);
		return;
	}
	buf_str(out, s->data);
	buf_puts(out, "/control.sock");
}

void
settings_store_options(
    const struct conf *conf, struct buf *path, struct arena *arena, struct store_options *opt_r)
{
	const struct server_settings *server = conf_get(conf, &server_conf);
	const struct store_settings *s = conf_get(conf, &store_conf);

	store_options_default(opt_r);
	buf_str(path, server->data);
	buf_puts(path, "/store");
	opt_r->engine = &engine_rocks_class;
	opt_r->engine_options.path = buf_cstr(path);
	opt_r->engine_options.cache_bytes = s->cache;
	opt_r->engine_options.write_buffer_bytes = s->write_buffer;
	opt_r->engine_options.free_space_mark = s->free_space;
	opt_r->engine_options.text = s->engine_options;
	opt_r->lanes = (unsigned)s->lanes;
	opt_r->state_budget = s->state_budget;
	opt_r->blob_threshold = s->blob_threshold;
	opt_r->copy_memory = s->copy_memory;
	opt_r->held_bytes = s->held_bytes;
	opt_r->mail.nesting = (uint32_t)s->mime_nesting;
	opt_r->mail.parts = (uint32_t)s->mime_parts;
	opt_r->mail.addresses = (uint32_t)s->mail_addresses;
	opt_r->mail.address_field = (uint32_t)s->mail_address_bytes;
	opt_r->mail.field = (uint32_t)s->mail_field_bytes;
	opt_r->max_keywords = (uint32_t)s->max_keywords;
	opt_r->keyword_bytes = (uint32_t)s->keyword_length;
	opt_r->max_mailboxes = (uint32_t)s->max_mailboxes;
	opt_r->max_properties = (uint32_t)s->max_properties;
	opt_r->property_bytes = s->property_size;
	opt_r->property_total = s->property_total;
	opt_r->own_seen =
	    ((const struct auth_sharing *)conf_get(conf, &auth_sharing_conf))->own_seen;
	opt_r->defaults = default_mailboxes(&s->default_mailboxes, arena);
	opt_r->default_count = s->default_mailboxes.n;
}

static bool
folder_fault(const char *path, size_t n, int code, struct buf *why)
{
	const struct passwd *pw = getpwuid(geteuid());

	/* Something is there that cannot be opened as a folder. */
	buf_printf(why, "cannot make the folder %.*s: %s", (int)n, path,
	    code == EEXIST ? "it is a dangling symbolic link" : strerrordesc_np(code));
	if ((code == EACCES || code == EPERM) && pw != NULL)
		buf_printf(why, " for user %s", pw->pw_name);
	return false;
}

/* Opens or makes the next level, and closes fd, the level above; -1: errno. */
static int
go_down(int fd, const char *name, mode_t mode, bool *made_r)
{
	int next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC), saved;

	*made_r = next < 0 && errno == ENOENT && mkdirat(fd, name, mode) == 0;
	if (*made_r)
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*made_r && next >= 0)
		(void)fchmod(next, mode); /* whatever the umask */
	saved = errno;
	(void)close(fd);
	errno = saved;
	return next;
}

/* Uses descriptors throughout, so that only what was made here changes its owner. */
bool
settings_make_folders(const char *path, const struct passwd *owner, struct buf *why)
{
	char *copy = mem_strdup(path), *p = copy;
	int fd = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool made = false, ok = fd >= 0;

	while (ok && *(p += strspn(p, "/")) != '\0') {
		char *end = p + strcspn(p, "/");
		bool last = end[strspn(end, "/")] == '\0';

		*end = '\0';
		fd = go_down(fd, p, last ? 0700 : 0755, &made);
		ok = fd >= 0;
		if (!ok)
			folder_fault(path, (size_t)(end - copy), errno, why);
		p = last ? end : end + 1;
	}
	if (ok && made && owner != NULL && fchown(fd, owner->pw_uid, owner->pw_gid) != 0)
		ok = folder_fault(path, strlen(path), errno, why);
	if (fd >= 0)
		(void)close(fd);
	mem_free(copy);
	return ok;
}

bool
settings_open_store(const struct conf *conf, struct store **store_r)
{
	const struct server_settings *server = conf_get(conf, &server_conf);
	struct store_options opt;
	struct buf path = {0}, where = {0}, why = {0};
	char *text = NULL;
	struct arena *arena;
	enum ts_err err;

	if (!settings_make_folders(server->data.p, NULL, &why)) {
		conf_where(conf, server, "server.data", &where);
		fprintf(stderr, "%s: %s\n", buf_cstr(&where), buf_cstr(&why));
		buf_fini(&where);
		buf_fini(&why);
		return false;
	}
	arena = arena_new(NULL, ARENA_OTHER, 1024);
	settings_store_options(conf, &path, arena, &opt);
	err = store_open(&opt, store_r, &text);
	arena_free(&arena);
	if (err != TS_OK)
		fprintf(stderr, "turnstone: the store in %s cannot be opened: %s\n",
		    buf_cstr(&path), text != NULL ? text : ts_err_name(err));
	free(text);
	buf_fini(&path);
	return err == TS_OK;
}

enum ts_err
settings_open_store_still(
    const struct conf *conf, bool recover, struct store **store_r, char **text_r)
{
	struct store_options opt;
	struct buf path = {0}, words = {0};
	char *again = NULL;
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	enum ts_err err;

	*store_r = NULL;
	*text_r = NULL;
	settings_store_options(conf, &path, arena, &opt);
	opt.lanes = 0;
	if (access(buf_cstr(&path), F_OK) != 0) {
		buf_fini(&path);
		arena_free(&arena);
		*text_r = mem_strdup("there is no store yet");
		return TS_IO;
	}
	if (recover) {
		buf_printf(&words, "%.*s salvage", STR_ARG(opt.engine_options.text));
		opt.engine_options.text = buf_as_str(&words);
	}
	err = store_open(&opt, store_r, text_r);
	if (err == TS_DAMAGED && recover) {
		buf_puts(&words, " recover");
		opt.engine_options.text = buf_as_str(&words);
		opt.salvage = true;
		err = store_open(&opt, store_r, &again);
		if (again != NULL && (err != TS_OK || *text_r == NULL)) {
			free(*text_r);
			*text_r = again;
			again = NULL;
		}
		free(again);
	}
	buf_fini(&path);
	buf_fini(&words);
	arena_free(&arena);
	return err;
}

bool
username_default_domain(const struct args *args, struct buf *domain)
{
	const struct server_settings *s;
	struct conf *conf = NULL;

	if (!settings_load(args, &conf))
		return false;
	s = conf_get(conf, &server_conf);
	buf_str(domain, s->default_domain);
	conf_unref(&conf);
	return true;
}
