/* SPDX-License-Identifier: Apache-2.0 */
/* Options of quota, and what they say of a user. */
#include "server/config/quota.h"

#include "auth/grants.h"
#include "base/mem.h"
#include "wire/utf7.h"

/* ---- options ---- */

static bool
parse_level(struct str text, unsigned *percent_r)
{
	uint64_t n;

	if (text.n > 0 && text.p[text.n - 1] == '%')
		text.n--;
	if (!str_u64(text, 100, &n) || n == 0)
		return false;
	*percent_r = (unsigned)n;
	return true;
}

#define BELOW_UNIT "is counted in units of 1,024 bytes, and 0 is no limit: 1K is the least"

static void
check_quota(const void *settings, const struct conf_report *r)
{
	const struct quota_settings *s = settings;
	unsigned last = 0, level;

	for (size_t i = 0; i < s->warn.n; i++) {
		if (!parse_level(s->warn.items[i], &level))
			conf_report_item(
			    r, "quota.warn", i, "is not a percentage from 1%% to 100%%");
		else if (level <= last)
			conf_report_item(r, "quota.warn", i,
			    "is not above the level before it; give them in ascending order");
		else
			last = level;
	}
	if (s->storage > 0 && s->storage < 1024)
		conf_report(r, "quota.storage", BELOW_UNIT);
	if (s->warn_command.n > 0 && s->warn_command.items[0].p[0] != '/')
		conf_report_item(
		    r, "quota.warn_command", 0, "is not an absolute path of a program");
}

static void
check_allowance(const void *settings, const struct conf_report *r)
{
	const struct allowance_settings *s = settings;
	struct arena *a = arena_new(NULL, ARENA_OTHER, 256);
	struct auth_names names;

	if (s->storage > 0 && s->storage < 1024)
		conf_report(r, "storage", BELOW_UNIT);
	if (s->mailbox.n > 0 && s->mailboxes > 0)
		conf_report(r, "mailboxes mailbox", "a mailbox has no mailboxes to be limited");
	for (size_t i = 0; i < s->users.n; i++)
		if (!auth_names_parse(s->users.items[i], STR_NONE, a, &names))
			conf_report_item(
			    r, "for", i, "is neither a user name, a pattern nor group:NAME");
	arena_free(&a);
}

#define STORAGE_MAX ((int64_t)1 << 62)
#define COUNT_MAX ((int64_t)1 << 50)

#define AT(field) .offset = offsetof(struct quota_settings, field)
static const struct conf_opt quota_opts[] = {
    {.name = "quota.storage",
        .type = CONF_SIZE,
        .def = "0",
        .max = STORAGE_MAX,
        AT(storage),
        .prose = "How many bytes the messages of a user may have altogether, in units of 1,024. "
                 "0: any number. Blocks `allowance` and `turnstone quota set` give some users "
                 "other limits."},
    {.name = "quota.messages",
        .type = CONF_INT,
        .def = "0",
        .max = COUNT_MAX,
        AT(messages),
        .prose = "How many messages a user may have. 0: any number."},
    {.name = "quota.mailboxes",
        .type = CONF_INT,
        .def = "0",
        .max = COUNT_MAX,
        AT(mailboxes),
        .prose = "How many mailboxes a user may have, INBOX included. 0: as many as "
                 "store.max_mailboxes allows."},
    {.name = "quota.warn",
        .type = CONF_LIST,
        .def = "80%, 95%",
        .max = STORE_QUOTA_LEVELS_MAX,
        AT(warn),
        .prose = "At these levels, in ascending order, a user gets a message in INBOX, and "
                 "quota.warn_command is run, once for each time that a level is reached. Empty: "
                 "never. The message needs no room in the quota."},
    {.name = "quota.warn_slack",
        .type = CONF_INT,
        .def = "5",
        .max = 50,
        AT(warn_slack),
        .prose = "A level counts as left when the usage is so many percent of the limit below it; "
                 "only then is its message sent again, and the command run."},
    {.name = "quota.warn_from",
        .type = CONF_STRING,
        .def = "",
        .max = 320,
        AT(warn_from),
        .prose = "The address in the From of these messages. Empty: postmaster in "
                 "default_domain, or at lmtp.hostname or the system's host name."},
    {.name = "quota.warn_mail",
        .type = CONF_BOOL,
        .def = "true",
        AT(warn_mail),
        .prose = "Whether these messages are sent. false: quota.warn_command does it all."},
    {.name = "quota.warn_command",
        .type = CONF_LIST,
        .def = "",
        .max = 32,
        AT(warn_command),
        .prose = "A program that is run when a level is reached, by its absolute path, and its "
                 "arguments; no shell reads them. Its environment says the rest: QUOTA_USER, "
                 "QUOTA_ROOT (empty: the account), QUOTA_RESOURCE (STORAGE, MESSAGE or MAILBOX), "
                 "QUOTA_LEVEL (percent), QUOTA_USAGE and QUOTA_LIMIT (bytes, messages, "
                 "mailboxes). It runs outside the sandbox, as the user that the server runs as. "
                 "A failure is logged. Empty: none. The first one needs a restart."},
    {.name = "quota.warn_command_time",
        .type = CONF_DURATION,
        .def = "30s",
        .min = 100,
        .max = 300000,
        AT(warn_command_time),
        .prose = "How long the program may run; then it is killed with all that it started."},
    {.name = "quota.warn_commands",
        .type = CONF_INT,
        .def = "4",
        .min = 1,
        .max = 64,
        .when = CONF_RESTART,
        AT(warn_commands),
        .prose = "How many of these programs may run at the same time; further ones wait."},
};
#undef AT

const struct conf_table quota_conf = {.name = "quota",
    .prose = "How much users may keep.",
    .opts = quota_opts,
    .n = sizeof(quota_opts) / sizeof(*quota_opts),
    .struct_size = sizeof(struct quota_settings),
    .check = check_quota};

#define AT(field) .offset = offsetof(struct allowance_settings, field)
static const struct conf_opt allowance_opts[] = {
    {.name = "for",
        .type = CONF_LIST,
        .min = 1,
        .max = 1000,
        .flags = CONF_REQUIRED,
        AT(users),
        .prose = "For whom: users, patterns in which `*` stands for any characters, or "
                 "`group:NAME`. A block that names the user comes before one for a group, and "
                 "that before one with a pattern; of several the first applies."},
    {.name = "mailbox",
        .type = CONF_STRING,
        .def = "",
        .max = STORE_NAME_MAX,
        AT(mailbox),
        .prose = "The limits are those of this mailbox of each of these users, for the messages "
                 "in it alone; levels below `/`, as in `Lists/some`. Empty: of the account."},
    {.name = "storage",
        .type = CONF_SIZE,
        .def = "0",
        .max = STORAGE_MAX,
        AT(storage),
        .prose = "As quota.storage; 0: any number of bytes. If it is not given, another block or "
                 "the default applies; so with the next two."},
    {.name = "messages",
        .type = CONF_INT,
        .def = "0",
        .max = COUNT_MAX,
        AT(messages),
        .prose = "As quota.messages."},
    {.name = "mailboxes",
        .type = CONF_INT,
        .def = "0",
        .max = COUNT_MAX,
        AT(mailboxes),
        .prose = "As quota.mailboxes."},
};
#undef AT

const struct conf_table allowance_conf = {.name = "allowance",
    .prose = "Other limits than those of `quota`, for some users: `allowance NAME { ... }`.",
    .opts = allowance_opts,
    .n = sizeof(allowance_opts) / sizeof(*allowance_opts),
    .struct_size = sizeof(struct allowance_settings),
    .check = check_allowance,
    .block = true};

/* ---- rules ---- */

enum { OF_ACCOUNT = SIZE_MAX };

struct rule { /* an item of a block's `for` */
	struct auth_names names;
	size_t mailbox; /* index of its name, or OF_ACCOUNT */
	uint64_t limit[STORE_QUOTA_RESOURCES];
	bool given[STORE_QUOTA_RESOURCES];
};

struct quota_rules {
	struct arena *arena;
	struct auth *auth;
	uint64_t limit[STORE_QUOTA_RESOURCES];
	struct store_quota_source levels; /* and slack; the rest is not used */
	void (*crossed)(void *arg, struct str account);
	void *crossed_arg;
	struct rule *rule;
	size_t n;
	struct str *mailbox; /* names, each once */
	size_t mailboxes;
};

static void
read_limits(uint64_t storage, int64_t messages, int64_t mailboxes, uint64_t *limit)
{
	limit[STORE_QUOTA_STORAGE] = storage > 0 ? storage / 1024 * 1024 : STORE_QUOTA_NONE;
	limit[STORE_QUOTA_MESSAGE] = messages > 0 ? (uint64_t)messages : STORE_QUOTA_NONE;
	limit[STORE_QUOTA_MAILBOX] = mailboxes > 0 ? (uint64_t)mailboxes : STORE_QUOTA_NONE;
}

/* The lower, the earlier it applies. */
static unsigned
rank(enum auth_names_kind kind)
{
	return kind == AUTH_NAMES_ONE ? 0 : kind == AUTH_NAMES_GROUP ? 1 : 2;
}

/* Names are compared in the form that the store has them in. */
static size_t
mailbox_of(struct quota_rules *rules, struct str name)
{
	struct str kept = wire_name_kept(rules->arena, name);

	if (name.n == 0)
		return OF_ACCOUNT;
	if (str_ieq(kept, STR("INBOX")))
		kept = STR("INBOX");
	for (size_t i = 0; i < rules->mailboxes; i++)
		if (str_eq(rules->mailbox[i], kept))
			return i;
	rules->mailbox[rules->mailboxes] = kept;
	return rules->mailboxes++;
}

static void
read_block(struct quota_rules *rules, const struct conf *conf, const struct allowance_settings *s,
    struct str default_domain, unsigned wanted)
{
	for (size_t i = 0; i < s->users.n; i++) {
		struct rule *rule = &rules->rule[rules->n];

		if (!auth_names_parse(
		        s->users.items[i], default_domain, rules->arena, &rule->names) ||
		    rank(rule->names.kind) != wanted)
			continue;
		rule->mailbox = mailbox_of(rules, s->mailbox);
		read_limits(s->storage, s->messages, s->mailboxes, rule->limit);
		rule->given[STORE_QUOTA_STORAGE] = conf_given(conf, s, "storage");
		rule->given[STORE_QUOTA_MESSAGE] = conf_given(conf, s, "messages");
		rule->given[STORE_QUOTA_MAILBOX] = conf_given(conf, s, "mailboxes");
		rules->n++;
	}
}

struct quota_rules *
quota_rules_new(struct conf *conf, struct auth *auth, struct str default_domain)
{
	const struct quota_settings *s = conf_get(conf, &quota_conf);
	struct conf_blocks blocks = conf_blocks(conf, &allowance_conf);
	struct quota_rules *rules = mem_zalloc(sizeof(*rules));
	size_t most = 1;

	rules->arena = arena_new(NULL, ARENA_OTHER, 1024);
	rules->auth = auth;
	read_limits(s->storage, s->messages, s->mailboxes, rules->limit);
	for (size_t i = 0; i < s->warn.n && i < STORE_QUOTA_LEVELS_MAX; i++)
		(void)parse_level(s->warn.items[i], &rules->levels.level[i]);
	rules->levels.slack = (unsigned)s->warn_slack;
	for (size_t i = 0; i < blocks.n; i++)
		most += ((const struct allowance_settings *)blocks.p[i].settings)->users.n;
	rules->rule = arena_array(rules->arena, most, sizeof(*rules->rule));
	rules->mailbox = arena_array(rules->arena, blocks.n + 1, sizeof(*rules->mailbox));
	for (unsigned r = 0; r < 3; r++)
		for (size_t i = 0; i < blocks.n; i++)
			read_block(rules, conf, blocks.p[i].settings, default_domain, r);
	return rules;
}

void
quota_rules_free(struct quota_rules **rules)
{
	if (*rules == NULL)
		return;
	arena_free(&(*rules)->arena);
	mem_free(*rules);
	*rules = NULL;
}

static bool
says_more(const struct rule *rule, const bool *known)
{
	for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
		if (rule->given[r] && !known[r])
			return true;
	return false;
}

/* Applies the rules about the account or about that mailbox. */
static void
apply_rules(
    const struct quota_rules *rules, struct str account, size_t mailbox, struct store_quota *quota)
{
	bool known[STORE_QUOTA_RESOURCES] = {false};

	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->rule[i];

		if (rule->mailbox != mailbox || !says_more(rule, known) ||
		    !auth_names_include(rules->auth, &rule->names, account))
			continue;
		for (unsigned r = 0; r < STORE_QUOTA_RESOURCES; r++)
			if (rule->given[r] && !known[r]) {
				quota->limit[r] = rule->limit[r];
				known[r] = true;
			}
	}
}

static void
limits(void *arg, struct str account, struct store_quota *quota)
{
	const struct quota_rules *rules = arg;

	memcpy(quota->limit, rules->limit, sizeof(quota->limit));
	apply_rules(rules, account, OF_ACCOUNT, quota);
}

static void
mailbox_limits(void *arg, struct str account, size_t i, struct store_quota *quota)
{
	apply_rules(arg, account, i, quota);
}

static void
crossed(void *arg, struct str account)
{
	const struct quota_rules *rules = arg;

	if (rules->crossed != NULL)
		rules->crossed(rules->crossed_arg, account);
}

void
quota_rules_source(struct quota_rules *rules, struct store_quota_source *source)
{
	*source = rules->levels;
	source->limits = limits;
	source->mailbox = rules->mailbox;
	source->mailboxes = rules->mailboxes;
	source->mailbox_limits = mailbox_limits;
	source->crossed = crossed;
	source->arg = rules;
}

void
quota_rules_on_crossing(
    struct quota_rules *rules, void (*fn)(void *arg, struct str account), void *arg)
{
	rules->crossed = fn;
	rules->crossed_arg = arg;
}
