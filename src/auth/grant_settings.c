/* SPDX-License-Identifier: Apache-2.0 */
/* Grants from the configuration: `grant NAME { ... }`. */
#include "auth/grants.h"
#include "auth/networks.h"
#include "auth/settings/settings.h"
#include "auth/user/separator.h"
#include "base/clock.h"
#include "base/mem.h"

#define AT(field) .offset = offsetof(struct auth_grant_settings, field)
static const struct conf_opt opts[] = {
    {.name = "who",
        .type = CONF_STRING,
        .def = "",
        .flags = CONF_REQUIRED,
        AT(who),
        .prose = "Who may act for others: a user, a pattern in which `*` stands for any "
                 "characters, or `group:NAME`, a group in `auth.group_file`."},
    {.name = "for",
        .type = CONF_STRING,
        .def = "",
        .flags = CONF_REQUIRED,
        AT(target),
        .prose = "For whom: a user, a pattern such as `*@voice.example`, or `group:NAME`."},
    {.name = "mailboxes",
        .type = CONF_LIST,
        .max = AUTH_GRANT_ITEMS_MAX,
        AT(mailboxes),
        .prose = "The only mailboxes that such a login can see: names in which `*` stands for any "
                 "characters and `%` for any except `/`. Without it: all."},
    {.name = "rights",
        .type = CONF_STRING,
        .def = "lrswipkxtea",
        .min = 1,
        AT(rights),
        .prose =
            "The maximum rights of such a login, in the letters of RFC 4314; `lr` is read-only."},
    {.name = "from",
        .type = CONF_LIST,
        .max = AUTH_GRANT_ITEMS_MAX,
        AT(from),
        .prose = "From where: addresses, networks such as `10.0.0.0/8` or `2001:db8::/32`, `unix` "
                 "for UNIX sockets. Without it: from anywhere."},
    {.name = "until",
        .type = CONF_STRING,
        .def = "",
        AT(until),
        .prose = "When it ends: the end of a day such as `2027-01-01`, or a time such as "
                 "`2027-01-01T12:30Z`, in UTC unless an offset is given. Without it: never."},
};
#undef AT

/* Checks each item of a list by itself. */
static void
check_block(const void *settings, const struct conf_report *report)
{
	const struct auth_grant_settings *s = settings;

	auth_networks_check(report, "from", &s->from);
	for (size_t i = 0; i < s->mailboxes.n; i++) {
		const char *why = auth_grant_mailbox_fault(s->mailboxes.items[i]);

		if (why != NULL)
			conf_report_item(report, "mailboxes", i, "%s", why);
	}
}

const struct conf_table auth_grant_conf = {.name = "grant",
    .prose = "Who may act for whom, and how far: `grant NAME { ... }`. The first grant that "
             "matches a login decides: those here in their order, then those of `turnstone grant "
             "add`, oldest first, then the patterns of `turnstone user add --acts-for`. Without a "
             "grant nobody may act for anyone else.",
    .opts = opts,
    .n = sizeof(opts) / sizeof(*opts),
    .struct_size = sizeof(struct auth_grant_settings),
    .check = check_block,
    .block = true};

/* Replaces a value that was reported with a valid one, so that other faults show. */
static void
set_right(struct auth_grant_spec *spec, const char *field)
{
	if (strcmp(field, "name") == 0)
		spec->name = STR("x");
	else if (strcmp(field, "who") == 0)
		spec->who = STR("*"); /* whatever the default domain is */
	else if (strcmp(field, "for") == 0)
		spec->target = STR("*");
	else if (strcmp(field, "rights") == 0)
		spec->rights = STR_NONE;
	else if (strcmp(field, "until") == 0)
		spec->until = STR_NONE;
	else if (strcmp(field, "mailboxes") == 0)
		spec->mailbox_count = 0;
	else
		spec->from_count = 0;
}

/* Leaving the option out means all; emptying the list does not mean that. */
static bool
check_empty(const struct conf *conf, const struct auth_grant_settings *s, const char *option,
    const struct conf_list *list, struct buf *faults)
{
	if (list->n > 0 || !conf_given(conf, s, option))
		return true;
	if (conf_blame(conf, s, option, faults))
		buf_puts(faults, ": must not be empty; omit it to mean all\n");
	return false;
}

static bool
is_told(const char *field) /* reported by check_block() */
{
	return strcmp(field, "mailboxes") == 0 || strcmp(field, "from") == 0;
}

static void
tell_grant_fault(const struct conf *conf, const struct auth_grant_settings *s,
    const struct auth_grant_fault *fault, struct buf *faults)
{
	if (strcmp(fault->field, "name") == 0)
		conf_blame_block(conf, s, faults);
	else if (is_told(fault->field) || !conf_blame(conf, s, fault->field, faults))
		return;
	buf_printf(faults, ": %.*s\n", STR_ARG(buf_as_str(&fault->text)));
}

/* Makes the grant without the options that are wrong; each gets a line in faults. */
static struct auth_grant *
read_block(const struct conf *conf, const struct conf_block *block, struct str default_domain,
    struct buf *faults, bool *ok_r)
{
	const struct auth_grant_settings *s = block->settings;
	struct auth_grant_spec spec = {.name = block->name,
	    .who = s->who,
	    .target = s->target,
	    .mailboxes = s->mailboxes.items,
	    .mailbox_count = s->mailboxes.n,
	    .rights = s->rights,
	    .from = s->from.items,
	    .from_count = s->from.n,
	    .until = s->until};
	struct auth_grant_fault fault = {0};
	struct auth_grant *grant;
	bool ok = check_empty(conf, s, "mailboxes", &s->mailboxes, faults);

	ok &= check_empty(conf, s, "from", &s->from, faults);
	while ((grant = auth_grant_new(AUTH_GRANT_CONFIG, default_domain, &spec, &fault)) == NULL) {
		tell_grant_fault(conf, s, &fault, faults);
		set_right(&spec, fault.field);
		ok = false;
	}
	buf_fini(&fault.text);
	*ok_r = ok;
	return grant;
}

/* An unreadable group file is reported elsewhere. */
static bool
has_no_groups(const struct conf *conf)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);
	struct buf where = {0};
	bool none = s->group_file.n == 0 && conf_blame(conf, s, "auth.group_file", &where);

	buf_fini(&where);
	return none;
}

static bool
check_group(const struct conf *conf, const void *settings, const char *option,
    const struct auth_names *names, struct buf *faults)
{
	if (names->kind != AUTH_NAMES_GROUP || !has_no_groups(conf))
		return true;
	if (conf_blame(conf, settings, option, faults))
		buf_printf(faults,
		    ": group:%.*s: there are no groups, since auth.group_file is not set\n",
		    STR_ARG(names->text));
	return false;
}

static void
warn_of_end(const struct conf *conf, const void *settings, const struct auth_grant *grant,
    struct buf *warnings)
{
	if (grant->until > clock_wall_s() || !conf_blame(conf, settings, "until", warnings))
		return;
	buf_puts(warnings, ": the grant ended at ");
	auth_until_print(grant->until, warnings);
	buf_puts(warnings, " and permits nothing\n");
}

/* Whether nobody can have the name; in a pattern a star stands for other characters. */
static void
warn_of_separator(const struct conf *conf, const void *settings, const char *option,
    const struct auth_names *names, struct buf *warnings)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);

	if (names->kind == AUTH_NAMES_ONE && auth_separator_in(s->gateway_separator, names->text) &&
	    conf_blame(conf, settings, option, warnings))
		buf_puts(warnings, ": auth.gateway_separator is in the name, so this user cannot "
		                   "log in\n");
}

bool
auth_grants_read(const struct conf *conf, struct str default_domain, struct buf *faults,
    struct buf *warnings, struct auth_grants_read *read_r)
{
	struct conf_blocks blocks = conf_blocks(conf, &auth_grant_conf);
	bool ok = true;

	read_r->n = 0;
	read_r->p = mem_zalloc((blocks.n + 1) * sizeof(struct auth_grant *));
	for (size_t i = 0; i < blocks.n; i++) {
		bool sound;
		struct auth_grant *grant =
		    read_block(conf, &blocks.p[i], default_domain, faults, &sound);

		ok &= sound;
		read_r->p[read_r->n++] = grant;
		ok &= check_group(conf, blocks.p[i].settings, "who", &grant->who, faults);
		ok &= check_group(conf, blocks.p[i].settings, "for", &grant->target, faults);
		if (warnings == NULL)
			continue;
		warn_of_end(conf, blocks.p[i].settings, grant, warnings);
		warn_of_separator(conf, blocks.p[i].settings, "who", &grant->who, warnings);
		warn_of_separator(conf, blocks.p[i].settings, "for", &grant->target, warnings);
	}
	if (!ok)
		auth_grants_read_fini(read_r);
	return ok;
}

void
auth_grants_read_fini(struct auth_grants_read *read)
{
	for (size_t i = 0; i < read->n; i++)
		auth_grant_unref(&read->p[i]);
	mem_free(read->p);
	*read = (struct auth_grants_read){0};
}

static void
check_known(const struct conf *conf, const void *settings, const char *option,
    const struct auth_names *names, const struct auth_groups *groups, struct buf *warnings)
{
	if (names->kind == AUTH_NAMES_GROUP && !auth_groups_known(groups, names->text) &&
	    conf_blame(conf, settings, option, warnings))
		buf_printf(warnings, ": group:%.*s: there is no such group in auth.group_file\n",
		    STR_ARG(names->text));
}

void
auth_grants_check_groups(const struct conf *conf, struct str default_domain,
    const struct auth_groups *groups, struct buf *warnings)
{
	struct conf_blocks blocks = conf_blocks(conf, &auth_grant_conf);
	struct buf unheard = {0};

	for (size_t i = 0; i < blocks.n; i++) {
		bool sound;
		struct auth_grant *grant =
		    read_block(conf, &blocks.p[i], default_domain, &unheard, &sound);

		check_known(conf, blocks.p[i].settings, "who", &grant->who, groups, warnings);
		check_known(conf, blocks.p[i].settings, "for", &grant->target, groups, warnings);
		auth_grant_unref(&grant);
	}
	buf_fini(&unheard);
}
