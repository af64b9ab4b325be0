/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables of auth, and which option goes with which type of database. */
#include "auth/settings.h"

#define AT(field) .offset = offsetof(struct auth_settings, field)
static const struct conf_opt auth_opts[] = {
    {.name = "auth.databases",
        .type = CONF_LIST,
        .def = "store",
        .min = 1,
        .max = 31,
        AT(databases),
        .prose = "The user databases, in the order in which they are asked: `store`, which is the "
                 "users that `turnstone user` manages, and names of `database` blocks. The first "
                 "that knows a name decides about it. One that cannot be asked stops the search: "
                 "the login is refused for now."},
    {.name = "auth.group_file",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(group_file),
        .prose = "Groups of users for grants, in lines as of group(5): `NAME:x:NUMBER:USER,USER`. "
                 "Users without a domain get the default one. It is read again when it "
                 "changes; a file with a fault is not taken. Empty: there are no groups."},
};
#undef AT

const struct conf_table auth_conf = {.name = "auth",
    .prose = "Who may log in.",
    .opts = auth_opts,
    .n = sizeof(auth_opts) / sizeof(*auth_opts),
    .struct_size = sizeof(struct auth_settings)};

static const char *const type_words[] = {"passwd", "oauth", NULL};
static const char *const token_users_words[] = {"known", "any", NULL};

#define AT(field) .offset = offsetof(struct auth_db_settings, field)
static const struct conf_opt database_opts[] = {
    {.name = "type",
        .type = CONF_ENUM,
        .words = type_words,
        .def = "passwd",
        .flags = CONF_REQUIRED,
        AT(type),
        .prose = "`passwd`: a file with a line for each user. `oauth`: tokens of an OAuth 2.0 "
                 "issuer."},
    {.name = "file",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(file),
        .prose = "For type `passwd`, which needs it: the file. A line is "
                 "`NAME:{SCHEME}HASH`, or `NAME:HASH` with a hash of crypt(3); what stands behind "
                 "a further colon is not looked at. It is read again when it changes."},
    {.name = "plain",
        .type = CONF_BOOL,
        .def = "no",
        AT(plain),
        .prose = "For type `passwd`: take lines with `{PLAIN}PASSWORD`. For tests: whoever reads "
                 "the file has the passwords."},
    {.name = "jwks",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(jwks),
        .prose = "For `oauth`: the file with the issuer's keys (JWKS, RFC 7517). Tokens are JWTs "
                 "(RFC 7519) that are signed with one of them. It is read again when it changes."},
    {.name = "algorithms",
        .type = CONF_LIST,
        .def = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA",
        .min = 1,
        .max = 16,
        AT(algorithms),
        .prose = "For `oauth` with `jwks`: the algorithms of signatures that are taken. Those with "
                 "a secret (HS256, HS384, HS512) only when they are named here and the file has a "
                 "key that is a secret; who can read it can make tokens."},
    {.name = "issuer",
        .type = CONF_STRING,
        .def = "",
        .max = 1024,
        AT(issuer),
        .prose = "For `oauth`: what `iss` has to be, byte by byte. With `jwks` it is needed."},
    {.name = "audience",
        .type = CONF_LIST,
        .def = "",
        .max = 64,
        AT(audience),
        .prose = "For `oauth`: `aud` has to name one of these. With `jwks` it is needed, since a "
                 "token for another service of the issuer must not open mail."},
    {.name = "token_scope",
        .type = CONF_LIST,
        .def = "",
        .max = 64,
        AT(token_scope),
        .prose = "For `oauth`: `scope` (or `scp`) has to have all of these. A client whose token "
                 "is not taken is told of them."},
    {.name = "user_claim",
        .type = CONF_STRING,
        .def = "sub",
        .min = 1,
        .max = 128,
        AT(user_claim),
        .prose = "For `oauth`: the claim that is the user's name: `sub`, `preferred_username`, "
                 "`email`, … `email` counts only where `email_verified` is true."},
    {.name = "token_users",
        .type = CONF_ENUM,
        .def = "known",
        .words = token_users_words,
        AT(token_users),
        .prose = "For `oauth`: `known`: another database of `auth.databases` has to know the "
                 "user, too. `any`: the issuer vouches for its users; one whom no database knows "
                 "can log in with a token, but mail is delivered to names only that a database "
                 "knows."},
    {.name = "leeway",
        .type = CONF_DURATION,
        .def = "1m",
        .max = 3600 * 1000,
        AT(leeway),
        .prose = "For `oauth`: by how much the issuer's clock may differ from ours."},
    {.name = "token_age",
        .type = CONF_DURATION,
        .def = "0s",
        .max = (int64_t)366 * 86400 * 1000,
        AT(token_age),
        .prose = "For `oauth`: how long ago a token may have been issued (`iat`), whenever it "
                 "expires. 0: it does not matter."},
    {.name = "token_cache",
        .type = CONF_DURATION,
        .def = "1m",
        .max = 86400 * 1000,
        AT(token_cache),
        .prose = "For `oauth`: how long a token that was found good is remembered, though never "
                 "beyond its end, and not over a change of keys. One that the issuer takes back "
                 "stays good for so long. 0: each login has it verified."},
    {.name = "token_hosts",
        .type = CONF_LIST,
        .def = "",
        .max = 64,
        AT(token_hosts),
        .prose = "For `oauth`: names of this server. A client that says which host it talks to "
                 "(RFC 7628) has to say one of them. None: any."},
    {.name = "openid_configuration",
        .type = CONF_STRING,
        .def = "",
        .max = 1024,
        AT(openid_configuration),
        .prose = "For `oauth`: the URL of the issuer's configuration, "
                 "`https://…/.well-known/openid-configuration`, for clients whose token is not "
                 "taken."},
    {.name = "end_with_token",
        .type = CONF_BOOL,
        .def = "no",
        AT(end_with_token),
        .prose = "For `oauth`: whether a login ends, with BYE, when its token expires."},
};
#undef AT

const struct conf_table auth_database_conf = {.name = "database",
    .prose = "User databases beside the store's own users: `database NAME { ... }`. Only those "
             "that `auth.databases` names are asked.",
    .opts = database_opts,
    .n = sizeof(database_opts) / sizeof(*database_opts),
    .struct_size = sizeof(struct auth_db_settings),
    .block = true};

#define PASSWD (1u << AUTH_DB_PASSWD)
#define OAUTH (1u << AUTH_DB_OAUTH)

/* What is not here goes with all types. */
static const struct rule {
	const char *option;
	unsigned types; /* that take it */
	unsigned need;  /* that need it */
} rules[] = {
    {"file", PASSWD, PASSWD},
    {"plain", PASSWD, 0},
    {"jwks", OAUTH, 0},
    {"algorithms", OAUTH, 0},
    {"issuer", OAUTH, 0},
    {"audience", OAUTH, 0},
    {"token_scope", OAUTH, 0},
    {"user_claim", OAUTH, 0},
    {"token_users", OAUTH, 0},
    {"leeway", OAUTH, 0},
    {"token_age", OAUTH, 0},
    {"token_cache", OAUTH, 0},
    {"token_hosts", OAUTH, 0},
    {"openid_configuration", OAUTH, 0},
    {"end_with_token", OAUTH, 0},
};

static bool
check_block(const struct conf *conf, const struct auth_db_settings *s, struct buf *faults)
{
	unsigned type = 1u << s->type;
	bool ok = true;

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		const struct rule *r = &rules[i];
		bool given = conf_given(conf, s, r->option);

		if (given == ((r->types & type) != 0) || (!given && (r->need & type) == 0))
			continue;
		conf_where(conf, s, given ? r->option : "type", faults);
		if (given)
			buf_printf(faults, ": is not for type = %s\n", type_words[s->type]);
		else
			buf_printf(faults, ": type = %s needs the option %s\n", type_words[s->type],
			    r->option);
		ok = false;
	}
	return ok;
}

const struct auth_db_settings *
auth_settings_database(const struct conf *conf, struct str name)
{
	struct conf_blocks blocks = conf_blocks(conf, &auth_database_conf);

	for (size_t i = 0; i < blocks.n; i++)
		if (str_eq(blocks.p[i].name, name))
			return blocks.p[i].settings;
	return NULL;
}

static bool
is_named_before(const struct conf_list *list, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (str_eq(list->items[i], list->items[at]))
			return true;
	return false;
}

static bool
check_order(const struct conf *conf, struct buf *faults)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);
	bool ok = true;

	for (size_t i = 0; i < s->databases.n; i++) {
		struct str name = s->databases.items[i];
		bool twice = is_named_before(&s->databases, i);

		if (!twice &&
		    (str_eq(name, STR("store")) || auth_settings_database(conf, name) != NULL))
			continue;
		conf_where(conf, s, "auth.databases", faults);
		if (twice)
			buf_printf(faults, ": %.*s is named twice\n", STR_ARG(name));
		else
			buf_printf(
			    faults, ": there is no block `database %.*s { ... }`\n", STR_ARG(name));
		ok = false;
	}
	return ok;
}

bool
auth_settings_check(const struct conf *conf, struct buf *faults)
{
	struct conf_blocks blocks = conf_blocks(conf, &auth_database_conf);
	bool ok = check_order(conf, faults);

	for (size_t i = 0; i < blocks.n; i++) {
		const struct auth_db_settings *s = blocks.p[i].settings;

		ok &= check_block(conf, s, faults);
		if (s->type == AUTH_DB_OAUTH)
			ok &= auth_settings_check_oauth(conf, s, faults);
		if (!str_eq(blocks.p[i].name, STR("store")))
			continue;
		conf_where(conf, s, "type", faults);
		buf_puts(faults, ": the name store means the store's own users\n");
		ok = false;
	}
	return ok;
}
