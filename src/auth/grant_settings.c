/* SPDX-License-Identifier: Apache-2.0 */
/* Grants of the configuration: `grant NAME { ... }`. */
#include "auth/grants.h"
#include "auth/settings.h"
#include "base/mem.h"

#define AT(field) .offset = offsetof(struct auth_grant_settings, field)
static const struct conf_opt opts[] = {
    {.name = "who",
        .type = CONF_STRING,
        .def = "",
        .flags = CONF_REQUIRED,
        AT(who),
        .prose = "Who may act for others: a user, a pattern in which `*` stands for any "
                 "characters, or `group:NAME`, a group of `auth.group_file`."},
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
        .prose = "The only mailboxes that there are for such a login: names in which `*` stands "
                 "for any characters and `%` for any but `/`. Without it: all."},
    {.name = "rights",
        .type = CONF_STRING,
        .def = "lrswipkxtea",
        AT(rights),
        .prose = "What such a login may do at the most, in letters of RFC 4314; `lr` is "
                 "read-only."},
    {.name = "from",
        .type = CONF_LIST,
        .max = AUTH_GRANT_ITEMS_MAX,
        AT(from),
        .prose = "From where: addresses, networks such as `10.0.0.0/8` or `2001:db8::/32`, "
                 "`unix` for UNIX sockets. Without it: from anywhere."},
    {.name = "until",
        .type = CONF_STRING,
        .def = "",
        AT(until),
        .prose = "When it ends: the end of a day such as `2027-01-01`, or a moment such as "
                 "`2027-01-01T12:30Z`, in UTC unless an offset says otherwise. Without it: "
                 "never."},
};
#undef AT

const struct conf_table auth_grant_conf = {.name = "grant",
    .prose = "Who may act for whom, and how far: `grant NAME { ... }`. The first grant that fits "
             "a login decides: those here in their order, then those of `turnstone grant "
             "add` by age, then the patterns of `turnstone user add --acts-for`. Without one "
             "nobody acts for anybody else.",
    .opts = opts,
    .n = sizeof(opts) / sizeof(*opts),
    .struct_size = sizeof(struct auth_grant_settings),
    .block = true};

/* Puts something sound in place of what was told, so that what else is wrong shows. */
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

/* NULL: each option that is wrong is a line of faults. */
static struct auth_grant *
read_block(const struct conf *conf, const struct conf_block *block, struct str default_domain,
    struct buf *faults)
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
	bool ok = true;

	while ((grant = auth_grant_new(AUTH_GRANT_CONFIG, default_domain, &spec, &fault)) == NULL) {
		bool name = strcmp(fault.field, "name") == 0;

		conf_where(conf, s, name ? "who" : fault.field, faults);
		buf_printf(faults, ": %s\n", buf_cstr(&fault.text));
		set_right(&spec, fault.field);
		ok = false;
	}
	if (!ok)
		auth_grant_unref(&grant);
	buf_fini(&fault.text);
	return grant;
}

bool
auth_grants_read(const struct conf *conf, struct str default_domain, struct buf *faults,
    struct auth_grants_read *read_r)
{
	struct conf_blocks blocks = conf_blocks(conf, &auth_grant_conf);
	bool ok = true;

	read_r->n = 0;
	read_r->p = mem_zalloc((blocks.n + 1) * sizeof(struct auth_grant *));
	for (size_t i = 0; i < blocks.n; i++) {
		struct auth_grant *grant = read_block(conf, &blocks.p[i], default_domain, faults);

		ok &= grant != NULL;
		if (grant != NULL)
			read_r->p[read_r->n++] = grant;
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
