/* SPDX-License-Identifier: Apache-2.0 */
/* See sites.h. */
#include "sites.h"

#include <string.h>

#include "auth/auth.h"
#include "stain.h"

const struct site_of_user site_users[SITE_USERS] = {
    {"alice", "apple"},
    {"bob", "bread"},
    {"carol", "cream"},
    {"gateway", "key"},
    {"clerk", "desk"},
    {"narrow", "gap"},
    {"distant", "far"},
};

const char *
site_secret(const char *user)
{
	for (size_t i = 0; i < SITE_USERS; i++)
		if (strcmp(site_users[i].name, user) == 0)
			return site_users[i].secret;
	TS_WRONG("no such user");
}

#define CONF                                                                                       \
	"plaintext_login = always\nunauthenticate = everyone\ntimeouts.failed_login = 0\n"         \
	"limits.bad_commands = 1000\nlimits.failed_logins = 1000\nlimits.failed_switches = 1000\n" \
	"limits.failed_logins_per_address = 100000\ntrusted_fronts = 192.0.2.1\n"                  \
	"sharing.anyone = no\n" /* the distant user shares nothing with the others */              \
	"auth.sasl_mechanisms = [X-TOY]\nauth.gateway_separator = \"*\"\n"                         \
	"mechanisms = [EXTERNAL, X-TOY, SCRAM-SHA-256, PLAIN, LOGIN]\n"

static const char *const confs[SITE_CONFS] = {
    CONF,
    CONF "hide few { capabilities = [MOVE, UIDPLUS, ESEARCH]; for = [bob] }\n"
         "hide app { capabilities = [SORT, WITHIN]; clients = [\"Odd*\"] }\n",
    CONF "hide_capabilities = [SAVEDATE, LIST-STATUS]\nlimits.items = 16\nlimits.literal = 4K\n",
    CONF "limits.append = 1K\nlimits.set_ranges = 100\nlimits.search_keys = 16\n"
         "timeouts.still_here = 30s\n",
};

struct str
site_conf(unsigned which)
{
	return str_of(confs[which]);
}

/* Users have the same messages in different numbers and orders, so an answer about one user's mail
 * is wrong for any other. */
static void
put_mail(struct site *site, const char *user, const char *mailbox, unsigned which)
{
	static const char *const mails[] = {
	    "From: Ann <ann@example.com>\r\nTo: all@example.net\r\nSubject: Minutes\r\n"
	    "Date: Thu, 1 Jan 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nShort text.\r\n",
	    "From: Ben <ben@example.com>\r\nTo: all@example.net\r\nSubject: Re: Minutes\r\n"
	    "Date: Thu, 1 Jan 2026 11:00:00 +0000\r\nMessage-ID: <2@x>\r\nReferences: <1@x>\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
	    "boundary=b\r\n\r\n--b\r\n\r\none\r\n"
	    "--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: "
	    "base64\r\n\r\n"
	    "aGVsbG8=\r\n--b--\r\n",
	    "From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\nCc: x@example.org\r\n"
	    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Fri, 2 Jan 2026 09:00:00 +0100\r\n"
	    "Message-ID: <3@x>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9f"
	    "e.\r\n",
	};
	static const char *const flags[] = {"", "\\Seen", "\\Flagged word"};

	for (unsigned i = 0; i < 5 + which % 2; i++)
		site_message(site, user, mailbox, flags[(i + which / 3) % 3],
		    str_of(mails[(i * (1 + which % 2) + which) % 3]));
}

/* Hides what others share with everybody from the distant user, for whom it would change at
 * different moments on the two sites. */
static void (*resolve)(
    const struct imap_space *space, const struct imap_login *login, struct imap_place *place);

static void
resolve_near(
    const struct imap_space *space, const struct imap_login *login, struct imap_place *place)
{
	resolve(space, login, place);
	if (str_eq(login->user, STR("distant@example.net")))
		place->rights = 0;
}

struct site *
site_equal(void)
{
	struct site *site = site_new(&(struct site_options){
	    .ext = &imap_ext_stain, .starttls = true, .conf = str_of(confs[0])});

	for (size_t i = 0; i < SITE_USERS; i++) {
		const struct site_of_user *u = &site_users[i];
		bool gateway = strcmp(u->name, "gateway") == 0;

		site_user(site, u->name, u->secret, gateway ? "*" : NULL, gateway);
		put_mail(site, u->name, "INBOX", (unsigned)i);
		put_mail(site, u->name, "Work", (unsigned)i + 2);
		site_mailbox(site, u->name, "Entw\xc3\xbcrfe");
	}
	site_grant(site, "clerk", "bob", "INBOX,Work", "lrswit");
	site_grant(site, "clerk", "carol", "INBOX", "lr");
	site_grant(site, "narrow", "alice", "Work", "lr");
	site_share(site, "Team/", "carol", "lrswit");
	site_acl(site, "carol", "Work", "bob@example.net", "lrswitekxa");
	site_acl(site, "carol", "INBOX", "alice@example.net", "lrs");
	site_acl(site, "carol", "INBOX", "bob@example.net", "lrs");
	site_acl(site, "carol", "INBOX", "-bob@example.net", "s");
	site_acl(site, "bob", "Work", "alice@example.net", "lri");
	site_acl(site, "bob", "Work", "carol@example.net", "lrsw");
	site_acl(site, "bob", "INBOX", "alice@example.net", "i");
	resolve = site->spaces[0].resolve;
	site->spaces[0].resolve = resolve_near;
	imap_loop_configure(&site->il, site->conf, site->languages);
	return site;
}
