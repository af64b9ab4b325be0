/* SPDX-License-Identifier: Apache-2.0 */
/* The mechanisms of libsasl2: see sasl.h. */
#include "server/process/sasl.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/digest.h"
#include "imap/settings.h"
#include "server/config/settings.h"

static bool
wants_kerberos(const struct imap_settings *s)
{
	for (size_t i = 0; i < s->sasl_mechanisms.n; i++)
		if (s->sasl_mechanisms.items[i].n > 3 &&
		    str_ieq((struct str){s->sasl_mechanisms.items[i].p, 3}, STR("GSS")))
			return true;
	return false;
}

/*
 * Kerberos keeps a replay cache in /var/tmp, which the sandbox makes unreachable, and which is open
 * to everybody else.
 */
void
server_sasl_prepare(const struct conf *conf)
{
	const struct server_settings *server = conf_get(conf, &server_conf);
	struct buf name = {0};

	if (!wants_kerberos(conf_get(conf, &imap_conf)))
		return;
	buf_printf(&name, "file2:%.*s/krb5.rcache2", STR_ARG(server->data));
	(void)setenv("KRB5RCACHENAME", buf_cstr(&name), 0);
	buf_fini(&name);
}

/* Appends this host's name, with its domain if that can be found, as Kerberos names hosts. */
static void
host_name(struct buf *out)
{
	struct addrinfo hints = {.ai_flags = AI_CANONNAME}, *found = NULL;
	char name[256] = "";

	(void)gethostname(name, sizeof(name) - 1);
	if (strchr(name, '.') == NULL && getaddrinfo(name, NULL, &hints, &found) == 0 &&
	    found->ai_canonname != NULL)
		buf_puts(out, found->ai_canonname);
	else
		buf_puts(out, name[0] != '\0' ? name : "localhost");
	if (found != NULL)
		freeaddrinfo(found);
}

/* Splits lines "MECHANISM what is wrong", or lines about all of them. */
static void
explain_lines(const struct conf *conf, struct str why, struct buf *faults)
{
	const struct imap_settings *s = conf_get(conf, &imap_conf);
	const struct conf_list *list = &s->sasl_mechanisms;
	struct str line, word;

	while (why.n > 0 && str_split(&why, '\n', &line)) {
		struct str rest = line;
		size_t i = 0;

		str_split(&rest, ' ', &word);
		while (i < list->n && !str_ieq(list->items[i], word))
			i++;
		if (i == list->n || !conf_blame_item(conf, s, "auth.sasl_mechanisms", i, faults)) {
			conf_where(conf, s, "auth.sasl_mechanisms", faults);
			rest = line;
		}
		buf_printf(faults, ": %.*s\n", STR_ARG(rest));
	}
}

bool
server_sasl_open(const struct conf *conf, struct buf *faults, struct sasl_cyrus **cyrus_r)
{
	const struct server_settings *server = conf_get(conf, &server_conf);
	const struct imap_settings *s = conf_get(conf, &imap_conf);
	struct buf host = {0}, realm = {0}, why = {0};
	struct sasl_cyrus_options o = {.mechanisms = s->sasl_mechanisms.items,
	    .mechanism_n = s->sasl_mechanisms.n,
	    .default_domain = server->default_domain,
	    .realms = s->kerberos_realms.items,
	    .realm_n = s->kerberos_realms.n,
	    .keytab = s->kerberos_keytab,
	    .min_strength = (unsigned)s->sasl_min_strength,
	    .max_strength = (unsigned)s->sasl_max_strength,
	    .digest_md5_encrypts = s->digest_md5_encrypts,
	    .buffer = s->sasl_buffer};
	bool ok;

	*cyrus_r = NULL;
	if (o.mechanism_n == 0)
		return true;
	if (s->sasl_host.n > 0)
		buf_str(&host, s->sasl_host);
	else
		host_name(&host);
	auth_digest_realm(server->default_domain, &realm);
	o.host = buf_as_str(&host);
	o.realm = buf_as_str(&realm);
	ok = sasl_cyrus_open(&o, &why, cyrus_r);
	explain_lines(conf, buf_as_str(&why), faults);
	buf_fini(&host);
	buf_fini(&realm);
	buf_fini(&why);
	return ok;
}

static enum sasl_cyrus_found
digest_md5(void *arg, struct str name, unsigned char secret_r[16], uint64_t *stamp_r)
{
	switch (auth_digest_secret(arg, name, secret_r, stamp_r)) {
	case AUTH_OK:
		return SASL_CYRUS_FOUND;
	case AUTH_UNAVAILABLE:
		return SASL_CYRUS_UNAVAILABLE;
	default:
		return SASL_CYRUS_UNKNOWN;
	}
}

void
server_sasl_set_users(struct sasl_cyrus *cyrus, struct auth *auth)
{
	if (cyrus != NULL)
		sasl_cyrus_set_users(
		    cyrus, &(struct sasl_cyrus_users){.digest_md5 = digest_md5, .arg = auth});
}

/* Adds a file, or the one that an environment variable names instead. */
static void
add_file(struct sandbox_paths *paths, const char *variable, const char *file)
{
	const char *named = getenv(variable);

	if (named == NULL || named[0] == '\0')
		named = file;
	if (strncmp(named, "FILE:", 5) == 0)
		named += 5;
	sandbox_add(paths, SANDBOX_READ, named);
}

void
server_sasl_sandbox(const struct conf *conf, struct sandbox_paths *paths)
{
	static const char *const read[] = {"/etc/krb5.conf.d", "/etc/gss", "/etc/resolv.conf",
	    "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services"};
	const struct imap_settings *s = conf_get(conf, &imap_conf);

	if (!wants_kerberos(s))
		return;
	for (size_t i = 0; i < sizeof(read) / sizeof(*read); i++)
		sandbox_add(paths, SANDBOX_READ, read[i]);
	add_file(paths, "KRB5_CONFIG", "/etc/krb5.conf");
	if (s->kerberos_keytab.n > 0)
		sandbox_add_folder_of(paths, SANDBOX_READ, s->kerberos_keytab.p);
	else
		add_file(paths, "KRB5_KTNAME", "/etc/krb5.keytab");
}
