/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the options of an oauth database that depend on each other. */
#include <curl/curl.h>

#include "auth/oauth/jwk.h"
#include "auth/settings/settings.h"
#include "base/host.h"
#include "net/network.h"

static bool
check_algorithms(const struct conf *conf, const struct auth_db_settings *s, struct buf *faults)
{
	bool ok = true;

	for (size_t i = 0; i < s->algorithms.n; i++)
		if (auth_alg_find(s->algorithms.items[i]) == NULL)
			ok = auth_db_item_fault(conf, s, "algorithms", i,
			    "there is no such algorithm; there are RS256, RS384, RS512, PS256, "
			    "PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519, Ed448, HS256, "
			    "HS384 and HS512",
			    faults);
	return ok;
}

/* RFC 6749 section 3.3: printable, no quotation marks, no backslash. */
static bool
is_scope(struct str word)
{
	for (size_t j = 0; j < word.n; j++)
		if (word.p[j] <= ' ' || word.p[j] >= 0x7f || word.p[j] == '"' || word.p[j] == '\\')
			return false;
	return word.n > 0;
}

static bool
check_scope(const struct conf *conf, const struct auth_db_settings *s, struct buf *faults)
{
	bool ok = true;

	for (size_t i = 0; i < s->token_scope.n; i++)
		if (!is_scope(s->token_scope.items[i]))
			ok = auth_db_item_fault(conf, s, "token_scope", i,
			    "a scope has only printable characters, no blanks, quotation marks or "
			    "backslashes; write several as a list",
			    faults);
	return ok;
}

static bool
check_hosts(const struct conf *conf, const struct auth_db_settings *s, struct buf *faults)
{
	struct net_network address;
	bool ok = true;

	for (size_t i = 0; i < s->token_hosts.n; i++)
		if (!host_name_ok(s->token_hosts.items[i], true) &&
		    !net_address_parse(s->token_hosts.items[i], &address))
			ok = auth_db_item_fault(
			    conf, s, "token_hosts", i, "is not a host name", faults);
	for (size_t i = 0; i < s->audience.n; i++)
		if (s->audience.items[i].n == 0)
			ok = auth_db_item_fault(conf, s, "audience", i, "is empty", faults);
	return ok;
}

/* Checks for a URL with a host, as libcurl parses it. */
static bool
check_url(const struct conf *conf, const struct auth_db_settings *s, const char *option,
    struct str url, const char *want, struct buf *faults)
{
	CURLU *u = curl_url();
	CURLUcode code = CURLUE_OK;

	if (u == NULL || str_has_prefix(url, STR("https://")))
		code = curl_url_set(u, CURLUPART_URL, url.p, 0);
	curl_url_cleanup(u);
	if (code == CURLUE_OK && str_has_prefix(url, STR("https://")))
		return true;
	if (code == CURLUE_BAD_PORT_NUMBER)
		want = "the port must be a number from 1 to 65535";
	if (!conf_blame(conf, s, option, faults))
		return false;
	if (str_chr(url, '@') == NULL) /* a password may stand before an '@' */
		buf_printf(faults, ": %.*s", STR_ARG(url));
	buf_printf(faults, ": %s\n", want);
	return false;
}

/* Checks which options go with a key file, and which with an endpoint. */
static bool
check_source(const struct conf *conf, const struct auth_db_settings *s, struct buf *faults)
{
	static const char *const asked[] = {"client_id", "client_secret_file", "bearer_file",
	    "timeout", "connect_timeout", "ca_file"};
	bool ok = true;

	if ((s->jwks.n > 0) == (s->introspection.n > 0))
		ok = auth_db_fault(conf, s, "type jwks introspection",
		    "type = oauth needs exactly one of the options jwks and introspection", faults);
	if (s->jwks.n > 0 && s->issuer.n == 0)
		ok = auth_db_fault(conf, s, "jwks issuer", "jwks needs the option issuer", faults);
	if (s->jwks.n > 0 && s->audience.n == 0)
		ok = auth_db_fault(
		    conf, s, "jwks audience", "jwks needs the option audience", faults);
	for (size_t i = 0; s->jwks.n > 0 && i < sizeof(asked) / sizeof(*asked); i++)
		if (conf_given(conf, s, asked[i]))
			ok = auth_db_fault(
			    conf, s, asked[i], "is only for introspection, not for jwks", faults);
	if (s->introspection.n > 0 && conf_given(conf, s, "algorithms"))
		ok = auth_db_fault(conf, s, "algorithms", "is only for jwks", faults);
	if (s->introspection.n > 0)
		ok &= check_url(conf, s, "introspection", s->introspection,
		    "must be a URL that begins with https://, since tokens are sent there", faults);
	if ((s->client_id.n > 0) != (s->client_secret_file.n > 0))
		ok = auth_db_fault(conf, s, "client_id client_secret_file",
		    "client_id and client_secret_file must be set together", faults);
	if (s->client_id.n > 0 && s->bearer_file.n > 0)
		ok = auth_db_fault(
		    conf, s, "bearer_file", "cannot be combined with client_id", faults);
	return ok;
}

bool
auth_settings_check_oauth(
    const struct conf *conf, const struct auth_db_settings *s, struct buf *faults)
{
	bool ok = check_algorithms(conf, s, faults);

	ok &= check_scope(conf, s, faults);
	ok &= check_hosts(conf, s, faults);
	ok &= check_source(conf, s, faults);
	if (s->openid_configuration.n > 0)
		ok &= check_url(conf, s, "openid_configuration", s->openid_configuration,
		    "must be a URL that begins with https://", faults);
	return ok;
}
