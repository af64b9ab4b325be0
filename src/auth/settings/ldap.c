/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks the options of an ldap database that depend on each other.  The library that will read
 * filters, DNs and URIs checks them.
 */
#include <ldap.h>

#include "auth/settings/settings.h"
#include "auth/user/pattern.h"

/* A typical user, to fill in patterns. */
static const struct str someone = {"anna@example.org", 16};

static bool
has_scheme(struct str uri)
{
	return str_has_iprefix(uri, STR("ldap://")) || str_has_iprefix(uri, STR("ldaps://")) ||
	       str_has_iprefix(uri, STR("ldapi://"));
}

static bool
has_blank(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] <= ' ' || text.p[i] == ',')
			return true;
	return false;
}

/* A single slash is fine. */
static bool
has_more(struct str uri)
{
	size_t at = (size_t)(str_chr(uri, '/') - uri.p) + 2; /* after "://" */

	while (at < uri.n && uri.p[at] != '/' && uri.p[at] != '?')
		at++;
	return at < uri.n && (uri.p[at] == '?' || at + 1 < uri.n);
}

/* Returns NULL, or what is wrong with the URI. */
static const char *
uri_fault(struct str uri)
{
	LDAPURLDesc *u = NULL;
	const char *why = NULL;

	if (!has_scheme(uri))
		return "must begin with ldap://, ldaps:// or ldapi://";
	if (has_blank(uri))
		return "is more than one URI; write several as a list";
	if (ldap_url_parse(uri.p, &u) != LDAP_URL_SUCCESS)
		return "must be ldap://HOST, ldaps://HOST (with :PORT or without) or "
		       "ldapi://%2fPATH";
	if (u->lud_host == NULL || u->lud_host[0] == '\0')
		why = str_has_iprefix(uri, STR("ldapi:"))
		          ? "the socket is missing: ldapi://%2fPATH, each / of the path as %2f"
		          : "the host is missing: ldap://HOST or ldaps://HOST";
	else if (u->lud_port < 0 || u->lud_port > 65535)
		why = "the port must be 1 to 65535";
	else if (has_more(uri))
		why = "nothing may follow the host; the option base says where to search";
	ldap_free_urldesc(u);
	return why;
}

/* The library parses a filter before it connects, here to a server that does not exist. */
static bool
filter_ok(struct str pattern)
{
	struct buf filter = {0};
	LDAP *ld = NULL;
	int id, rc = LDAP_FILTER_ERROR;

	auth_pattern_expand(pattern, someone, NULL, &filter);
	if (ldap_initialize(&ld, "ldapi://%2fdev%2fnull%2fnone") == LDAP_SUCCESS) {
		rc = ldap_search_ext(
		    ld, "", LDAP_SCOPE_BASE, buf_cstr(&filter), NULL, 0, NULL, NULL, NULL, 1, &id);
		(void)ldap_unbind_ext_s(ld, NULL, NULL);
	}
	buf_fini(&filter);
	return rc != LDAP_FILTER_ERROR;
}

/* "<GUID=...>" and the like are from Active Directory. */
static bool
dn_ok(struct str pattern)
{
	struct buf text = {0};
	LDAPDN dn = NULL;
	bool ok = true;

	auth_pattern_expand(pattern, someone, NULL, &text);
	if (text.n > 0 && text.p[0] != '<')
		ok = ldap_str2dn(buf_cstr(&text), &dn, LDAP_DN_FORMAT_LDAPV3) == LDAP_SUCCESS;
	if (dn != NULL)
		ldap_dnfree(dn);
	buf_fini(&text);
	return ok;
}

/* RFC 4512 section 2.5: a name or an OID, with options. */
static bool
attribute_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = ascii_lower((unsigned char)name.p[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.' &&
		    c != ';' && c != '_')
			return false;
	}
	return true;
}

static bool
value_fault(const struct conf *conf, const struct auth_db_settings *s, const char *option,
    struct str value, const char *what, struct buf *faults)
{
	if (conf_blame(conf, s, option, faults))
		buf_printf(faults, ": %.*s: %s\n", STR_ARG(value), what);
	return false;
}

static bool
check_filter(const struct conf *conf, const struct auth_db_settings *s, const char *option,
    struct str filter, struct buf *faults)
{
	if (!auth_pattern_ok(filter))
		return value_fault(
		    conf, s, option, filter, "% must be followed by u, n, d or %", faults);
	if (!filter_ok(filter))
		return value_fault(conf, s, option, filter,
		    "is not a filter such as (uid=%n); each ( needs its )", faults);
	return true;
}

static bool
check_dn(const struct conf *conf, const struct auth_db_settings *s, const char *option,
    struct str dn, bool is_pattern, struct buf *faults)
{
	if (is_pattern && !auth_pattern_ok(dn))
		return value_fault(
		    conf, s, option, dn, "% must be followed by u, n, d or %", faults);
	if (!dn_ok(dn))
		return value_fault(
		    conf, s, option, dn, "is not a DN such as dc=example,dc=org", faults);
	return true;
}

static bool
check_attribute(const struct conf *conf, const struct auth_db_settings *s, const char *option,
    struct str name, struct buf *faults)
{
	return attribute_ok(name) ||
	       value_fault(conf, s, option, name, "is not the name of an attribute", faults);
}

/* Checks where users are, and how one is found. */
static bool
check_search(const struct conf *conf, const struct auth_db_settings *s, struct buf *faults)
{
	bool ok = check_filter(conf, s, "filter", s->filter, faults);

	if (auth_pattern_has_name(s->disabled_filter) ||
	    auth_pattern_has_domain(s->disabled_filter))
		ok = auth_db_fault(conf, s, "disabled_filter",
		    "does not take %u, %n or %d: it is applied to the entry that was found",
		    faults);
	else if (s->disabled_filter.n > 0 && !filter_ok(s->disabled_filter))
		ok = value_fault(conf, s, "disabled_filter", s->disabled_filter,
		    "is not a filter such as (loginShell=/bin/false); each ( needs its )", faults);
	ok &= check_dn(conf, s, "dn", s->dn, true, faults);
	ok &= check_dn(conf, s, "base", s->base, false, faults);
	if (auth_pattern_has_name(s->base) || auth_pattern_has_domain(s->base))
		ok = auth_db_fault(conf, s, "base",
		    "does not take %u, %n or %d: use filter, or dn instead of both", faults);
	if (s->dn.n > 0 && (conf_given(conf, s, "base") || conf_given(conf, s, "scope")))
		ok = auth_db_fault(conf, s, "dn", "cannot be combined with base and scope", faults);
	if (s->dn.n == 0 && !conf_given(conf, s, "base"))
		ok = auth_db_fault(conf, s, "type base dn",
		    "type = ldap needs the option base, or dn (base = \"\" is the root of the "
		    "directory)",
		    faults);
	if (!auth_pattern_has_name(s->dn.n > 0 ? s->dn : s->filter) &&
	    (s->dn.n == 0 || !auth_pattern_has_name(s->filter)))
		ok = auth_db_fault(conf, s, s->dn.n > 0 ? "dn filter" : "filter",
		    "needs %u or %n: every name would find the same entry", faults);
	return ok;
}

bool
auth_settings_check_ldap(
    const struct conf *conf, const struct auth_db_settings *s, struct buf *faults)
{
	bool ok = check_search(conf, s, faults);

	for (size_t i = 0; i < s->uri.n; i++) {
		const char *why = uri_fault(s->uri.items[i]);

		if (why != NULL)
			ok = auth_db_item_fault(conf, s, "uri", i, why, faults);
	}
	ok &= check_attribute(conf, s, "name_attribute", s->name_attribute, faults);
	ok &= check_attribute(conf, s, "password_attribute", s->password_attribute, faults);
	if ((s->bind_dn.n > 0) != (s->bind_password_file.n > 0))
		ok = auth_db_fault(conf, s, "bind_dn bind_password_file",
		    "bind_dn and bind_password_file must be set together", faults);
	if (s->mode == AUTH_LDAP_BIND && conf_given(conf, s, "password_attribute"))
		ok = auth_db_fault(
		    conf, s, "password_attribute", "is only for mode = search", faults);
	return ok;
}
