/* SPDX-License-Identifier: Apache-2.0 */
/* The option tables of auth, and which options belong to which type of database. */
#include "auth/settings/settings.h"

#include "auth/user/hashing.h"
#include "auth/user/pattern.h"
#include "auth/user/separator.h"
#include "base/host.h"
#include "base/mem.h"

#define AT(field) .offset = offsetof(struct auth_settings, field)
static const struct conf_opt auth_opts[] = {
    {.name = "auth.databases",
        .type = CONF_LIST,
        .def = "store",
        .min = 1,
        .max = 31,
        AT(databases),
        .prose =
            "The user databases, in the order in which they are consulted: `store`, the users that "
            "`turnstone user` manages, and names of `database` blocks. The first that knows a name "
            "decides. A database that is unavailable ends the search, and the login is refused."},
    {.name = "auth.group_file",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(group_file),
        .prose =
            "Groups of users for grants, in the format of group(5): `NAME:x:NUMBER:USER,USER`. "
            "Users without a domain get the default one. The file is read again when it changes; a "
            "file with a mistake is not used. Empty: there are no groups."},
    {.name = "auth.gateway_separator",
        .type = CONF_STRING,
        .def = "",
        .max = 16,
        AT(gateway_separator),
        .prose = "With `*`, a client that logs in as `alice*gateway` with the gateway's password "
                 "acts for alice, as with an authorization identity elsewhere. LOGIN and the "
                 "mechanisms PLAIN and LOGIN accept such names, and a grant is required. A name is "
                 "split at its last separator. While this is set, users whose names contain it "
                 "cannot be added and cannot log in. Empty: off."},
    {.name = "auth.password_scheme",
        .type = CONF_ENUM,
        .def = "yescrypt",
        .words = auth_scheme_words,
        AT(password_scheme),
        .prose =
            "How passwords of the store's users are hashed. A hash of a weaker method (from the "
            "weakest: sha256, sha512, bcrypt, argon2i, then yescrypt and argon2id), or of the same "
            "method with a lower cost, is renewed when its user logs in with the password."},
    {.name = "auth.password_cost",
        .type = CONF_INT,
        .def = "0",
        .max = 5000000,
        AT(password_cost),
        .prose = "The work that a hash takes. yescrypt: 1 to 9, each step twice the work; bcrypt: "
                 "4 to 16, likewise; sha256, sha512: rounds; argon2id, argon2i: MiB of memory, 8 "
                 "to 256. 0: 5, 10, 200000, 19."},
    {.name = "auth.waiting_checks",
        .type = CONF_INT,
        .def = "32",
        .min = 2,
        .max = 1024,
        .when = CONF_RESTART,
        AT(waiting_checks),
        .prose = "How many logins may wait for external databases (`pam`, `ldap`) at the same "
                 "time; further ones queue. Each has a thread; logins that need no such database "
                 "are not delayed."},
};
#undef AT

const struct conf_table auth_conf = {.name = "auth",
    .prose = "Who may log in.",
    .opts = auth_opts,
    .n = sizeof(auth_opts) / sizeof(*auth_opts),
    .struct_size = sizeof(struct auth_settings)};

static const char *const type_words[] = {"passwd", "oauth", "pam", "ldap", NULL};
static const char *const users_words[] = {"system", "any", NULL};
static const char *const tls_words[] = {"starttls", "none", NULL};
static const char *const mode_words[] = {"bind", "search", NULL};
static const char *const scope_words[] = {"sub", "one", "base", NULL};
static const char *const token_users_words[] = {"known", "any", NULL};

#define AT(field) .offset = offsetof(struct auth_db_settings, field)
static const struct conf_opt database_opts[] = {
    {.name = "type",
        .type = CONF_ENUM,
        .words = type_words,
        .def = "passwd",
        .flags = CONF_REQUIRED,
        AT(type),
        .prose = "`passwd`: a file with one line per user. `pam`: the system's PAM. `ldap`: an "
                 "LDAP directory. `oauth`: tokens of an OAuth 2.0 issuer."},
    {.name = "file",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(file),
        .prose = "Required for `passwd`: the file. A line is `NAME:{SCHEME}HASH`, or `NAME:HASH` "
                 "with a crypt(3) hash; anything after a further colon is ignored. The file is "
                 "read again when it changes."},
    {.name = "plain",
        .type = CONF_BOOL,
        .def = "no",
        AT(plain),
        .prose = "For `passwd`: accept lines with `{PLAIN}PASSWORD`. For tests: anyone who reads "
                 "the file has the passwords."},
    {.name = "jwks",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(jwks),
        .prose = "For `oauth`: the file with the issuer's keys (JWKS, RFC 7517). Tokens are JWTs "
                 "(RFC 7519) signed with one of them. The file is read again when it changes."},
    {.name = "introspection",
        .type = CONF_STRING,
        .def = "",
        .max = 1024,
        AT(introspection),
        .prose = "For `oauth`, instead of `jwks`: the URL of the issuer's introspection endpoint "
                 "(RFC 7662), which is asked about each token that is not cached. Always over TLS; "
                 "`ca_file`, `timeout` and `connect_timeout` apply to it."},
    {.name = "client_id",
        .type = CONF_STRING,
        .def = "",
        .max = 256,
        AT(client_id),
        .prose = "For `oauth` with `introspection`: how this server identifies itself there, with "
                 "the secret in `client_secret_file`."},
    {.name = "client_secret_file",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(client_secret_file),
        .prose = "For `oauth` with `introspection`: a file whose first line is the secret of "
                 "`client_id`."},
    {.name = "bearer_file",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(bearer_file),
        .prose = "For `oauth` with `introspection`, instead of `client_id`: a file whose first "
                 "line is a bearer token that identifies this server there."},
    {.name = "algorithms",
        .type = CONF_LIST,
        .def = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA",
        .min = 1,
        .max = 16,
        AT(algorithms),
        .prose = "For `oauth` with `jwks`: the signature algorithms that are accepted. Those with "
                 "a shared secret (HS256, HS384, HS512) must be listed here, and the file must "
                 "hold a key that is a secret; anyone who can read it can create tokens."},
    {.name = "issuer",
        .type = CONF_STRING,
        .def = "",
        .max = 1024,
        AT(issuer),
        .prose = "For `oauth`: the exact value of `iss`. Required with `jwks`."},
    {.name = "audience",
        .type = CONF_LIST,
        .def = "",
        .max = 64,
        AT(audience),
        .prose = "For `oauth`: `aud` must contain one of these. Required with `jwks`, since a "
                 "token for another service of the issuer must not give access to mail."},
    {.name = "token_scope",
        .type = CONF_LIST,
        .def = "",
        .max = 64,
        AT(token_scope),
        .prose = "For `oauth`: `scope` (or `scp`) must contain all of these. A client whose token "
                 "is rejected is told about them."},
    {.name = "user_claim",
        .type = CONF_STRING,
        .def = "sub",
        .min = 1,
        .max = 128,
        AT(user_claim),
        .prose = "For `oauth`: the claim with the user's name: `sub`, `preferred_username`, "
                 "`email`, … `email` counts only if `email_verified` is true."},
    {.name = "token_users",
        .type = CONF_ENUM,
        .def = "known",
        .words = token_users_words,
        AT(token_users),
        .prose = "For `oauth`: `known`: another database of `auth.databases` must also know the "
                 "user. `any`: the issuer vouches for its users; a user whom no database knows can "
                 "log in with a token, but mail is delivered only to names that a database knows."},
    {.name = "leeway",
        .type = CONF_DURATION,
        .def = "1m",
        .max = 3600 * 1000,
        AT(leeway),
        .prose = "For `oauth`: how much the issuer's clock may differ from ours."},
    {.name = "token_age",
        .type = CONF_DURATION,
        .def = "0s",
        .max = (int64_t)366 * 86400 * 1000,
        AT(token_age),
        .prose =
            "For `oauth`: the maximum age of a token (`iat`), whenever it expires. 0: no limit."},
    {.name = "token_cache",
        .type = CONF_DURATION,
        .def = "1m",
        .max = 86400 * 1000,
        AT(token_cache),
        .prose = "For `oauth`: how long a valid token is cached, but never beyond its expiry or a "
                 "change of keys. A token that the issuer revokes stays valid for this long. 0: "
                 "each login verifies it."},
    {.name = "token_hosts",
        .type = CONF_LIST,
        .def = "",
        .max = 64,
        AT(token_hosts),
        .prose = "For `oauth`: names of this server. A client that names the host it talks to (RFC "
                 "7628) must name one of them. None: any."},
    {.name = "openid_configuration",
        .type = CONF_STRING,
        .def = "",
        .max = 1024,
        AT(openid_configuration),
        .prose = "For `oauth`: the URL of the issuer's configuration, "
                 "`https://…/.well-known/openid-configuration`, sent to clients whose token is "
                 "rejected."},
    {.name = "end_with_token",
        .type = CONF_BOOL,
        .def = "no",
        AT(end_with_token),
        .prose = "For `oauth`: whether a login ends, with BYE, when its token expires."},
    {.name = "cache",
        .type = CONF_DURATION,
        .def = "0s",
        .max = 24 * 3600 * 1000,
        AT(cache),
        .prose = "For `pam` and `ldap`: how long a password that was right, and what is known of "
                 "the user, are remembered. A password that was changed, or an account that was "
                 "closed, stays good for so long, also for mail that comes in. 0: each login "
                 "and each recipient asks."},
    {.name = "timeout",
        .type = CONF_DURATION,
        .def = "10s",
        .min = 100,
        .max = 10 * 60 * 1000,
        AT(timeout),
        .prose = "For `pam`, `ldap` and `oauth`: how long an answer may take. A login without an "
                 "answer by then is told to try again later."},
    {.name = "domains",
        .type = CONF_LIST,
        .def = "",
        .max = 256,
        AT(domains),
        .prose =
            "For `pam` and `ldap`: the domains whose names this database is asked about, `\"\"` "
            "for names without one. None: the `default_domain` (names without a domain if that is "
            "empty), or any domain if the pattern that names are put into has `%u` or `%d`."},
    {.name = "service",
        .type = CONF_STRING,
        .def = "turnstone",
        .min = 1,
        .max = 64,
        AT(service),
        .prose = "For `pam`: the service, which is the name of a file in `/etc/pam.d`."},
    {.name = "confdir",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE | CONF_FOLDER,
        AT(confdir),
        .prose = "For `pam`: a folder to use instead of `/etc/pam.d`."},
    {.name = "username",
        .type = CONF_STRING,
        .def = "%n",
        .min = 1,
        .max = 512,
        AT(username),
        .prose = "For `pam`: the name that PAM is given: `%u` is the full user name, `%n` the part "
                 "before the @, `%d` the part after it."},
    {.name = "users",
        .type = CONF_ENUM,
        .def = "system",
        .words = users_words,
        AT(users),
        .prose = "For `pam`: whom this database knows. `system`: users with an entry in the "
                 "system's user database (getpwnam(3)). `any`: everyone, so list it last in "
                 "`auth.databases`; mail is then accepted for any name."},
    {.name = "uri",
        .type = CONF_LIST,
        .def = "",
        .max = 16,
        AT(uri),
        .prose = "Required for `ldap`: where the directory is, `ldap://HOST`, `ldaps://HOST` or "
                 "`ldapi://%2fPATH`. With several, the first that answers is used."},
    {.name = "tls",
        .type = CONF_ENUM,
        .def = "starttls",
        .words = tls_words,
        AT(tls),
        .prose = "For `ldap`: `starttls`: `ldap://` requires StartTLS. `none`: passwords travel "
                 "unencrypted. It does not apply to `ldaps://` and `ldapi://`. The server's "
                 "certificate and name are always verified."},
    {.name = "ca_file",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(ca_file),
        .prose = "For `ldap` and `oauth`: PEM file with the certificate authorities to trust. "
                 "Empty: the system's."},
    {.name = "bind_dn",
        .type = CONF_STRING,
        .def = "",
        .max = 1024,
        AT(bind_dn),
        .prose = "For `ldap`: the DN to bind as for searches. Empty: anonymous."},
    {.name = "bind_password_file",
        .type = CONF_PATH,
        .def = "",
        .flags = CONF_READABLE,
        AT(bind_password_file),
        .prose = "For `ldap`: a file whose first line is the password of `bind_dn`."},
    {.name = "base",
        .type = CONF_STRING,
        .def = "",
        .max = 1024,
        AT(base),
        .prose = "For `ldap`, which requires this or `dn`: where the search for users starts."},
    {.name = "scope",
        .type = CONF_ENUM,
        .def = "sub",
        .words = scope_words,
        AT(scope),
        .prose = "For `ldap`: `sub`: everything below `base`; `one`: only the entries directly "
                 "below it; `base`: only the entry itself."},
    {.name = "filter",
        .type = CONF_STRING,
        .def = "(uid=%n)",
        .min = 1,
        .max = 4096,
        AT(filter),
        .prose =
            "For `ldap`: the filter that finds a user, with `%u`, `%n`, `%d` as in `username`; "
            "`%%` is a percent sign. Names are escaped. It must match at most one entry."},
    {.name = "dn",
        .type = CONF_STRING,
        .def = "",
        .max = 1024,
        AT(dn),
        .prose = "For `ldap`: the entry of a user, with `%u`, `%n`, `%d`, instead of a search "
                 "below `base`; `filter` must match it, too (set it to `(objectClass=*)`)."},
    {.name = "mode",
        .type = CONF_ENUM,
        .def = "bind",
        .words = mode_words,
        AT(mode),
        .prose =
            "For `ldap`: `bind`: the directory verifies the password. `search`: it is verified "
            "here, against `password_attribute`; SCRAM works if that holds its keys."},
    {.name = "password_attribute",
        .type = CONF_STRING,
        .def = "userPassword",
        .min = 1,
        .max = 128,
        AT(password_attribute),
        .prose = "For `ldap` with `mode = search`: the attribute with the password hash, in the "
                 "format of a passwd-file."},
    {.name = "name_attribute",
        .type = CONF_STRING,
        .def = "",
        .max = 128,
        AT(name_attribute),
        .prose = "For `ldap`: the attribute with the name of the user's account. Empty: the name "
                 "given at login. Anyone who can change the attribute can become another user."},
    {.name = "disabled_filter",
        .type = CONF_STRING,
        .def = "",
        .max = 4096,
        AT(disabled_filter),
        .prose = "For `ldap`: a user whose entry it matches is disabled."},
    {.name = "connections",
        .type = CONF_INT,
        .def = "4",
        .max = 64,
        AT(connections),
        .prose = "For `ldap`: how many idle connections are kept open."},
    {.name = "connect_timeout",
        .type = CONF_DURATION,
        .def = "3s",
        .min = 100,
        .max = 60 * 1000,
        AT(connect_timeout),
        .prose = "For `ldap` and `oauth`: how long establishing a connection may take (before the "
                 "next `uri` is tried)."},
};
#undef AT

const struct conf_table auth_database_conf = {.name = "database",
    .prose = "User databases besides the store's own users: `database NAME { ... }`. Only those "
             "listed in `auth.databases` are used.",
    .opts = database_opts,
    .n = sizeof(database_opts) / sizeof(*database_opts),
    .struct_size = sizeof(struct auth_db_settings),
    .block = true};

#define PASSWD (1u << AUTH_DB_PASSWD)
#define OAUTH (1u << AUTH_DB_OAUTH)
#define PAM (1u << AUTH_DB_PAM)
#define LDAP (1u << AUTH_DB_LDAP)

/* Options not listed here are for all types. */
static const struct rule {
	const char *option;
	unsigned types; /* types that accept it */
	unsigned need;  /* types that require it */
} rules[] = {
    {"file", PASSWD, PASSWD},
    {"plain", PASSWD, 0},
    {"jwks", OAUTH, 0},
    {"introspection", OAUTH, 0},
    {"client_id", OAUTH, 0},
    {"client_secret_file", OAUTH, 0},
    {"bearer_file", OAUTH, 0},
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
    {"cache", PAM | LDAP, 0},
    {"timeout", PAM | LDAP | OAUTH, 0},
    {"domains", PAM | LDAP, 0},
    {"service", PAM, 0},
    {"confdir", PAM, 0},
    {"username", PAM, 0},
    {"users", PAM, 0},
    {"uri", LDAP, LDAP},
    {"tls", LDAP, 0},
    {"ca_file", LDAP | OAUTH, 0},
    {"bind_dn", LDAP, 0},
    {"bind_password_file", LDAP, 0},
    {"base", LDAP, 0},
    {"scope", LDAP, 0},
    {"filter", LDAP, 0},
    {"dn", LDAP, 0},
    {"mode", LDAP, 0},
    {"password_attribute", LDAP, 0},
    {"name_attribute", LDAP, 0},
    {"disabled_filter", LDAP, 0},
    {"connections", LDAP, 0},
    {"connect_timeout", LDAP | OAUTH, 0},
};

static bool
check_block(const struct conf *conf, const struct auth_db_settings *s, struct buf *faults)
{
	unsigned type = 1u << s->type;
	struct buf options = {0};
	bool ok = true;

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		const struct rule *r = &rules[i];
		bool given = conf_given(conf, s, r->option);

		if (given == ((r->types & type) != 0) || (!given && (r->need & type) == 0))
			continue;
		ok = false;
		buf_printf(&options, given ? "%s type" : "type %s", r->option);
		if (!conf_blame(conf, s, buf_cstr(&options), faults))
			; /* it has another fault already */
		else if (given)
			buf_printf(faults, ": is not for type = %s\n", type_words[s->type]);
		else
			buf_printf(faults, ": type = %s needs the option %s\n", type_words[s->type],
			    r->option);
		options.n = 0;
	}
	buf_fini(&options);
	if (s->type == AUTH_DB_PASSWD && s->file.n == 0 && conf_given(conf, s, "file"))
		ok = auth_db_fault(conf, s, "file", "must not be empty", faults);
	if (s->type == AUTH_DB_LDAP && s->uri.n == 0 && conf_given(conf, s, "uri"))
		ok = auth_db_fault(conf, s, "uri", "must not be empty", faults);
	return ok;
}

bool
auth_db_fault(const struct conf *conf, const struct auth_db_settings *s, const char *options,
    const char *what, struct buf *faults)
{
	if (conf_blame(conf, s, options, faults))
		buf_printf(faults, ": %s\n", what);
	return false;
}

bool
auth_db_item_fault(const struct conf *conf, const struct auth_db_settings *s, const char *option,
    size_t item, const char *what, struct buf *faults)
{
	if (conf_blame_item(conf, s, option, item, faults))
		buf_printf(faults, ": %s\n", what);
	return false;
}

/* Checks the domains whose users PAM or LDAP is asked about. */
static bool
check_domains(const struct conf *conf, const struct auth_db_settings *s, struct buf *faults)
{
	bool ok = true;

	for (size_t i = 0; i < s->domains.n; i++)
		/* An empty item stands for names without a domain. */
		if (s->domains.items[i].n > 0 && !host_name_ok(s->domains.items[i], true))
			ok = auth_db_item_fault(
			    conf, s, "domains", i, "is not a domain name", faults);
	return ok;
}

static bool
check_pam(const struct conf *conf, const struct auth_db_settings *s, struct buf *faults)
{
	bool ok = true;

	if (str_chr(s->service, '/') != NULL || str_has_prefix(s->service, STR(".")))
		ok = auth_db_fault(conf, s, "service", "is a name, not a path", faults);
	if (!auth_pattern_ok(s->username))
		ok = auth_db_fault(
		    conf, s, "username", "% must be followed by u, n, d or %", faults);
	else if (!auth_pattern_has_name(s->username))
		ok = auth_db_fault(conf, s, "username",
		    "needs %u or %n: every name would be the same user for PAM", faults);
	return ok;
}

static bool
check_type(const struct conf *conf, const struct auth_db_settings *s, struct buf *faults)
{
	switch ((enum auth_db_type)s->type) {
	case AUTH_DB_PASSWD:
		break;
	case AUTH_DB_PAM:
		return check_pam(conf, s, faults);
	case AUTH_DB_LDAP:
		return auth_settings_check_ldap(conf, s, faults);
	case AUTH_DB_OAUTH:
		return auth_settings_check_oauth(conf, s, faults);
	}
	return true;
}

bool
auth_settings_need_helper(const struct conf *conf)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);

	for (size_t i = 0; i < s->databases.n; i++) {
		const struct auth_db_settings *db =
		    auth_settings_database(conf, s->databases.items[i]);

		if (db != NULL && (db->type == AUTH_DB_PAM || db->type == AUTH_DB_LDAP ||
		                      db->introspection.n > 0))
			return true;
	}
	return false;
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

static void
no_database(const struct conf *conf, struct str name, struct buf *faults)
{
	struct conf_blocks blocks = conf_blocks(conf, &auth_database_conf);
	const char **words = mem_zalloc((blocks.n + 1) * sizeof(*words));
	const char *guess;

	words[0] = "store";
	for (size_t i = 0; i < blocks.n; i++)
		words[i + 1] = blocks.p[i].name.p;
	guess = str_nearest(name, words, blocks.n + 1);
	buf_printf(faults, ": there is no block `database %.*s { ... }`", STR_ARG(name));
	buf_printf(faults, guess != NULL ? "; did you mean %s?\n" : "\n", guess);
	mem_free(words);
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
		ok = false;
		if (!conf_blame_item(conf, s, "auth.databases", i, faults))
			continue;
		if (twice)
			buf_puts(faults, ": is listed twice\n");
		else
			no_database(conf, name, faults);
	}
	return ok;
}

/* Tokens for users of another database need another database. */
static bool
check_known(const struct conf *conf, struct buf *faults)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);
	size_t at = SIZE_MAX;

	for (size_t i = 0; i < s->databases.n; i++) {
		const struct auth_db_settings *db =
		    auth_settings_database(conf, s->databases.items[i]);

		if (db == NULL || db->type != AUTH_DB_OAUTH)
			return true; /* an unknown one was reported */
		if (db->token_users == AUTH_TOKEN_USERS_KNOWN && at == SIZE_MAX)
			at = i;
	}
	if (at == SIZE_MAX)
		return true;
	if (conf_blame_item(conf, s, "auth.databases", at, faults))
		buf_puts(faults, ": it accepts tokens only for users that another database knows "
		                 "(token_users = known), and no other is listed here\n");
	return false;
}

static bool
check_hashing(const struct conf *conf, struct buf *faults)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);
	struct auth_hashing h = {(enum auth_scheme)s->password_scheme, (uint32_t)s->password_cost};
	const char *fault = auth_hashing_fault(&h);

	if (fault == NULL)
		return true;
	if (conf_blame(conf, s, "auth.password_cost auth.password_scheme", faults))
		buf_printf(faults, ": %s, not %lld\n", fault, (long long)s->password_cost);
	return false;
}

static bool
check_separator(const struct conf *conf, struct buf *faults)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);
	const char *fault = auth_separator_fault(s->gateway_separator);

	if (fault == NULL)
		return true;
	if (conf_blame(conf, s, "auth.gateway_separator", faults))
		buf_printf(faults, ": %s\n", fault);
	return false;
}

bool
auth_settings_check(const struct conf *conf, struct buf *faults)
{
	struct conf_blocks blocks = conf_blocks(conf, &auth_database_conf);
	bool ok = check_order(conf, faults);

	ok &= check_known(conf, faults);
	ok &= check_hashing(conf, faults);
	ok &= check_separator(conf, faults);
	for (size_t i = 0; i < blocks.n; i++) {
		const struct auth_db_settings *s = blocks.p[i].settings;

		ok &= check_block(conf, s, faults);
		ok &= check_domains(conf, s, faults);
		ok &= check_type(conf, s, faults);
		if (!str_eq(blocks.p[i].name, STR("store")))
			continue;
		ok = auth_db_fault(conf, s, "type",
		    "the name store means the store's own users; give the block another name",
		    faults);
	}
	return ok;
}
