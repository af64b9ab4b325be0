/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warns of what is allowed but has no effect: a database that nobody asks, a mechanism that nobody
 * can use.  These are warnings, because what makes them work may come later.  See config_check.h.
 */
#include "auth/grant/groups.h"
#include "auth/settings/settings.h"
#include "auth/user/separator.h"
#include "imap/ext/list.h"
#include "imap/hide.h"
#include "imap/settings.h"
#include "sasl/mech.h"
#include "server/check/config_check.h"
#include "server/config/quota.h"

enum { WORDS_MAX = 128 }; /* capabilities among which to look for a similar one */

static bool
is_asked_for_certificates(const struct conf *conf)
{
	struct conf_blocks blocks = conf_blocks(conf, &listener_conf);
	const struct tls_settings *tls = conf_get(conf, &tls_conf);
	bool any = blocks.n == 0 && tls->client_certificate != TLS_CLIENT_OFF;

	for (size_t i = 0; i < blocks.n && !any; i++)
		any = settings_listener_client(conf, blocks.p[i].settings) != TLS_CLIENT_OFF;
	return any;
}

static void
check_maps(const struct conf *conf, struct buf *warnings)
{
	struct conf_blocks blocks = conf_blocks(conf, &certificate_map_conf);

	if (is_asked_for_certificates(conf))
		return;
	for (size_t i = 0; i < blocks.n; i++) {
		conf_blame_block(conf, blocks.p[i].settings, warnings);
		buf_puts(warnings, ": no listener asks clients for a certificate "
		                   "(client_certificate), so it is never looked at\n");
	}
}

/* A certificate cannot map to a user who cannot log in. */
static void
check_mapped_names(const struct conf *conf, struct buf *warnings)
{
	const struct auth_settings *auth = conf_get(conf, &auth_conf);
	struct conf_blocks blocks = conf_blocks(conf, &certificate_map_conf);

	for (size_t i = 0; i < blocks.n; i++) {
		const struct certificate_map_settings *s = blocks.p[i].settings;

		if (auth_separator_in(auth->gateway_separator, s->user) &&
		    conf_blame(conf, s, "user", warnings))
			buf_puts(warnings, ": auth.gateway_separator is in the name, so this user "
			                   "cannot log in\n");
	}
}

/* Each of IMAP's two ports determines how a connection begins (RFC 9051 section 2.1, RFC 8314). */
static void
check_ports(const struct conf *conf, struct buf *warnings)
{
	struct conf_blocks blocks = conf_blocks(conf, &listener_conf);

	for (size_t i = 0; i < blocks.n; i++) {
		const struct listener_settings *s = blocks.p[i].settings;
		bool implicit = s->tls == LISTENER_IMAPS;

		if (s->protocol != LISTENER_IMAP || !settings_listener_has_port(conf, s) ||
		    s->port != (implicit ? 143 : 993) || !conf_blame(conf, s, "tls port", warnings))
			continue;
		buf_puts(warnings,
		    implicit
		        ? ": clients start without TLS on port 143: use tls = starttls or port = "
		          "993\n"
		        : ": clients start with TLS on port 993: use tls = imaps or port = 143\n");
	}
}

static bool
takes_tokens(const struct conf *conf)
{
	const struct auth_settings *s = conf_get(conf, &auth_conf);

	for (size_t i = 0; i < s->databases.n; i++) {
		const struct auth_db_settings *db =
		    auth_settings_database(conf, s->databases.items[i]);

		if (db != NULL && db->type == AUTH_DB_OAUTH)
			return true;
	}
	return false;
}

/* Why a mechanism will never be offered; NULL: it may be. */
static const char *
idle_mechanism(const struct conf *conf, const struct sasl_mech *mech)
{
	if (mech == NULL)
		return NULL;
	if ((mech->flags & SASL_TOKENS) != 0 && !takes_tokens(conf))
		return "no database in auth.databases accepts tokens (type = oauth), so it is "
		       "never offered";
	if ((mech->flags & SASL_FROM_CHANNEL) != 0 && !is_asked_for_certificates(conf))
		return "no listener asks clients for a certificate (client_certificate), so it is "
		       "never offered";
	return NULL;
}

/* Warns of duplicates: only the first one counts. */
static void
check_twins(
    const struct conf *conf, const char *option, const struct conf_list *list, struct buf *warnings)
{
	const struct imap_settings *s = conf_get(conf, &imap_conf);

	for (size_t i = 1; i < list->n && conf_given(conf, s, option); i++)
		for (size_t j = 0; j < i; j++)
			if (str_ieq(list->items[i], list->items[j])) {
				if (conf_blame_item(conf, s, option, i, warnings))
					buf_puts(warnings, ": is listed already\n");
				break;
			}
}

static void
check_mechanisms(const struct conf *conf, struct buf *warnings)
{
	const struct imap_settings *s = conf_get(conf, &imap_conf);

	/* The default names all mechanisms. */
	for (size_t i = 0; i < s->mechanisms.n && conf_given(conf, s, "mechanisms"); i++) {
		const char *why = idle_mechanism(conf, sasl_mech_find(s->mechanisms.items[i]));

		if (why != NULL && conf_blame_item(conf, s, "mechanisms", i, warnings))
			buf_printf(warnings, ": %s\n", why);
	}
	check_twins(conf, "mechanisms", &s->mechanisms, warnings);
	check_twins(conf, "auth.sasl_mechanisms", &s->sasl_mechanisms, warnings);
	for (size_t i = 0; i < s->sasl_mechanisms.n; i++)
		if (!imap_mechanism_on(s, s->sasl_mechanisms.items[i]) &&
		    conf_blame_item(conf, s, "auth.sasl_mechanisms", i, warnings))
			buf_puts(
			    warnings, ": mechanisms does not list it, so it is never offered\n");
}

static void
check_delay(const struct conf *conf, struct buf *warnings)
{
	const struct imap_settings *s = conf_get(conf, &imap_conf);

	if (s->fail_delay > s->fail_delay_max && conf_given(conf, s, "timeouts.failed_login") &&
	    conf_blame(conf, s, "timeouts.failed_login", warnings))
		buf_puts(warnings, ": timeouts.failed_login_max is lower and takes precedence\n");
}

/* Whether this is AUTH= with a mechanism that exists, or that libsasl2 should provide. */
static bool
is_mechanism(const struct conf *conf, struct str word)
{
	const struct imap_settings *s = conf_get(conf, &imap_conf);
	struct str name;

	if (!str_has_iprefix(word, STR("AUTH=")))
		return false;
	name = (struct str){word.p + 5, word.n - 5};
	for (size_t i = 0; i < s->sasl_mechanisms.n; i++)
		if (str_ieq(s->sasl_mechanisms.items[i], name))
			return true;
	return sasl_mech_find(name) != NULL;
}

static bool
is_capability(const struct conf *conf, struct str word, const char **words, size_t *n_r)
{
	bool found = is_mechanism(conf, word);

	*n_r = 0;
	for (size_t i = 0; i < imap_all_extensions_count; i++)
		for (const struct imap_cap *c = imap_all_extensions[i]->caps;
		     c != NULL && c->word != NULL; c++) {
			struct str known = str_of(c->word);

			found |= str_ieq(word, known) ||
			         (c->value != NULL && str_has_iprefix(word, known));
			if (*n_r < WORDS_MAX)
				words[(*n_r)++] = c->word;
		}
	return found;
}

static bool
is_protocol(struct str word)
{
	return str_ieq(word, STR("IMAP4rev1")) || str_ieq(word, STR("IMAP4rev2"));
}

static void
check_words(const struct conf *conf, const void *settings, const char *option,
    const struct conf_list *list, struct buf *warnings)
{
	const char *words[WORDS_MAX], *guess;
	size_t n;

	for (size_t i = 0; i < list->n; i++) {
		struct str word = list->items[i];
		bool known = is_capability(conf, word, words, &n), base = is_protocol(word);

		if ((known && !base) || !conf_blame_item(conf, settings, option, i, warnings))
			continue;
		if (base) {
			buf_puts(warnings, ": clients that do not see it disconnect, or assume "
			                   "another protocol\n");
			continue;
		}
		guess = str_nearest(word, words, n);
		buf_printf(warnings, ": there is no such capability here%s%s%s\n",
		    guess != NULL ? "; did you mean " : "", guess != NULL ? guess : "",
		    guess != NULL ? "?" : "");
	}
}

/* Without groups such a block applies to nobody. */
static void
check_groups_of(
    const struct conf *conf, const void *block, const struct conf_list *users, struct buf *warnings)
{
	const struct auth_settings *auth = conf_get(conf, &auth_conf);

	for (size_t i = 0; i < users->n && auth->group_file.n == 0; i++)
		if (str_has_prefix(users->items[i], STR(AUTH_GROUP_WORD)) &&
		    conf_blame_item(conf, block, "for", i, warnings))
			buf_puts(
			    warnings, ": there are no groups, since auth.group_file is not set\n");
}

static void
check_hidden(const struct conf *conf, struct buf *warnings)
{
	const struct imap_settings *s = conf_get(conf, &imap_conf);
	struct conf_blocks blocks = conf_blocks(conf, &imap_hide_conf);

	check_words(conf, s, "hide_capabilities", &s->hide_capabilities, warnings);
	for (size_t i = 0; i < blocks.n; i++) {
		const struct imap_hide_settings *h = blocks.p[i].settings;

		check_words(conf, h, "capabilities", &h->capabilities, warnings);
		check_groups_of(conf, h, &h->users, warnings);
	}
}

static void
check_new_accounts(const struct conf *conf, struct buf *warnings)
{
	const struct quota_settings *s = conf_get(conf, &quota_conf);
	const struct store_settings *store = conf_get(conf, &store_conf);

	if (s->mailboxes == 0 || (uint64_t)s->mailboxes > store->default_mailboxes.n ||
	    !conf_blame(conf, s, "quota.mailboxes", warnings))
		return;
	buf_puts(warnings, ": new accounts begin with more, INBOX and store.default_mailboxes\n");
}

static void
check_warnings(const struct conf *conf, struct buf *warnings)
{
	const struct quota_settings *s = conf_get(conf, &quota_conf);

	if (s->warn_mail || s->warn_command.n > 0 || s->warn.n == 0 ||
	    !conf_blame(conf, s, "quota.warn_mail", warnings))
		return;
	buf_puts(warnings, ": nobody is warned, since there is no quota.warn_command\n");
}

static void
check_allowances(const struct conf *conf, struct buf *warnings)
{
	struct conf_blocks blocks = conf_blocks(conf, &allowance_conf);

	for (size_t i = 0; i < blocks.n; i++) {
		const struct allowance_settings *s = blocks.p[i].settings;

		check_groups_of(conf, s, &s->users, warnings);
		if (conf_given(conf, s, "storage") || conf_given(conf, s, "messages") ||
		    conf_given(conf, s, "mailboxes"))
			continue;
		conf_blame_block(conf, s, warnings);
		buf_puts(warnings, ": it says no limit (storage, messages, mailboxes)\n");
	}
}

void
config_check_idle(const struct conf *conf, struct buf *warnings)
{
	auth_settings_look(conf, warnings);
	check_ports(conf, warnings);
	check_maps(conf, warnings);
	check_mapped_names(conf, warnings);
	check_mechanisms(conf, warnings);
	check_delay(conf, warnings);
	check_hidden(conf, warnings);
	check_allowances(conf, warnings);
	check_warnings(conf, warnings);
	check_new_accounts(conf, warnings);
}
