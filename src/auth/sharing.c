/* SPDX-License-Identifier: Apache-2.0 */
/* See sharing.h. */
#include "auth/sharing.h"

#define AT(field) .offset = offsetof(struct auth_sharing, field)

static const struct conf_opt opts[] = {
    {.name = "sharing.others_prefix",
        .type = CONF_STRING,
        .def = "Other Users/",
        .max = 200,
        AT(others_prefix),
        .prose = "The namespace (RFC 2342) in which users find mailboxes that others share with "
                 "them: anna's mailbox `Plans` is `Other Users/anna@site.example/Plans` for them. "
                 "Empty: there is none."},
    {.name = "sharing.shared_prefix",
        .type = CONF_STRING,
        .def = "Shared/",
        .max = 200,
        AT(shared_prefix),
        .prose = "The namespace in which users find group mailboxes. Empty: there is none."},
    {.name = "sharing.own_seen",
        .type = CONF_BOOL,
        .def = "yes",
        AT(own_seen),
        .prose =
            "Whether each user of a shared mailbox has \\Seen and \\Recent of their own, so that "
            "nobody learns what others have read. It is decided when a mailbox is shared for the "
            "first time, and stays so. With `no` a message that one of them reads is read for "
            "all."},
    {.name = "sharing.anyone",
        .type = CONF_BOOL,
        .def = "yes",
        AT(anyone),
        .prose = "Whether users may share mailboxes with `anyone` and `authenticated`, which is "
                 "every user of the server. With `no` such entries are refused, and those that "
                 "exist give nothing."},
};

/* Without case for ASCII letters only, as names are written in addresses. */
static bool
begins(struct str name, struct str prefix, bool any_case)
{
	return prefix.n > 0 &&
	       (any_case ? str_has_iprefix(name, prefix) : str_has_prefix(name, prefix));
}

static bool
prefix_ok(struct str prefix)
{
	for (size_t i = 0; i < prefix.n; i++) {
		unsigned char c = (unsigned char)prefix.p[i];

		if (c < ' ' || c == 0x7f || c == '*' || c == '%' || c == '\\' || c == '"')
			return false;
		if (c == '/' && (i == 0 || prefix.p[i - 1] == '/'))
			return false;
	}
	return prefix.n < 2 ? prefix.n == 0 : prefix.p[prefix.n - 1] == '/';
}

static void
check_prefix(const struct conf_report *r, const char *option, struct str prefix)
{
	if (!prefix_ok(prefix))
		conf_report(r, option,
		    "must be a name that ends in \"/\", such as \"Shared/\", without empty levels, "
		    "control characters, quotation marks, \"\\\", \"*\" and \"%%\"");
	else if (str_has_iprefix(prefix, STR("INBOX/")))
		conf_report(r, option, "must not be below INBOX, which is the user's own");
}

static void
check_sharing(const void *settings, const struct conf_report *r)
{
	const struct auth_sharing *s = settings;

	check_prefix(r, "sharing.others_prefix", s->others_prefix);
	check_prefix(r, "sharing.shared_prefix", s->shared_prefix);
	if (begins(s->others_prefix, s->shared_prefix, true) ||
	    begins(s->shared_prefix, s->others_prefix, true))
		conf_report(r, "sharing.shared_prefix",
		    "must not be the same as sharing.others_prefix, nor above or below it");
}

const struct conf_table auth_sharing_conf = {.name = "sharing",
    .prose = "Mailboxes that users share with each other (RFC 4314), and group mailboxes.",
    .opts = opts,
    .n = sizeof(opts) / sizeof(*opts),
    .struct_size = sizeof(struct auth_sharing),
    .check = check_sharing};

enum auth_space
auth_space_of_account(const struct store_properties *account)
{
	return store_properties_get(account, STR(AUTH_GROUP_MAILBOX)).p != NULL ? AUTH_SPACE_SHARED
	                                                                        : AUTH_SPACE_OTHERS;
}

enum ts_err
auth_is_group_mailbox(struct store *store, struct str name)
{
	return store_account_has_property(store, name, STR(AUTH_GROUP_MAILBOX));
}

enum ts_err
auth_load_group_mailbox(struct store *store, struct str name, struct store_account **account_r)
{
	enum ts_err err = auth_is_group_mailbox(store, name);

	*account_r = NULL;
	return err == TS_OK ? store_account_load(store, name, false, account_r) : err;
}

static struct str
prefix_of(const struct auth_sharing *sharing, enum auth_space space)
{
	return space == AUTH_SPACE_SHARED ? sharing->shared_prefix : sharing->others_prefix;
}

enum auth_space
auth_space_split(const struct auth_sharing *sharing, struct str name, bool any_case,
    struct str *account_r, struct str *mailbox_r)
{
	enum auth_space space = AUTH_SPACE_PERSONAL;
	const char *end, *slash;

	*account_r = STR("");
	*mailbox_r = name;
	for (enum auth_space s = AUTH_SPACE_OTHERS; s <= AUTH_SPACE_SHARED; s++)
		if (begins(name, prefix_of(sharing, s), any_case))
			space = s;
	if (space == AUTH_SPACE_PERSONAL)
		return space;
	end = name.p + name.n;
	*account_r = str_range(name.p + prefix_of(sharing, space).n, end);
	slash = str_chr(*account_r, '/');
	*mailbox_r = slash != NULL ? str_range(slash + 1, end) : STR("");
	if (slash != NULL)
		*account_r = str_range(account_r->p, slash);
	return space;
}

bool
auth_space_name(const struct auth_sharing *sharing, enum auth_space space, struct str account,
    struct str mailbox, struct buf *name_r)
{
	struct str prefix = prefix_of(sharing, space);

	if (prefix.n == 0 || account.n == 0 || str_chr(account, '/') != NULL)
		return false;
	buf_str(name_r, prefix);
	buf_str(name_r, account);
	buf_putc(name_r, '/');
	buf_str(name_r, mailbox);
	return true;
}
