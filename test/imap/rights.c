/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_rights
 *
 * Every registered command, on mailboxes that a login may not see or may not change.  A command
 * that is not in the table fails: whoever adds one says here what it does with mailboxes.
 *
 *   NAMES     it names one.  With each line, `%` being a mailbox that is there and
 *             hidden, the server's answer has to be the one that it gives for a name that was never
 *             used, and nothing of the hidden mailbox may change.
 *   SELECTED  it works on the selected one.  With the rights "lr" nothing may change.
 *   NONE      neither.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "imap/ext/list.h"
#include "imap/place/rights.h"
#include "script.h"

enum kind { NAMES, SELECTED, NONE };

static const struct {
	const char *command;
	enum kind kind;
	const char *lines[8];
} table[] = {
    {"CAPABILITY", NONE, {0}},
    {"NOOP", NONE, {0}},
    {"LOGOUT", NONE, {0}},
    {"STARTTLS", NONE, {0}},
    {"LOGIN", NONE, {0}},
    {"AUTHENTICATE", NONE, {0}},
    {"(PREAUTH)", NONE, {0}},
    {"ID", NONE, {0}},
    {"ENABLE", NONE, {0}},
    {"PROXYAUTH", NONE, {0}},
    {"COMPRESS", NONE, {0}},
    {"UNAUTHENTICATE", NONE, {0}},
    {"NAMESPACE", NONE, {0}},
    {"CREATE", NAMES, {"CREATE %", "CREATE %/below", "CREATE % (USE (\\Sent))"}},
    {"DELETE", NAMES, {"DELETE %", "DELETE %/"}},
    {"RENAME", NAMES,
        {"RENAME % Voicemail/x", "RENAME % Voicemail", "RENAME Voicemail/a %",
            "RENAME Voicemail/a %/below", "RENAME % %x", "RENAME INBOX %"}},
    {"SUBSCRIBE", NAMES, {"SUBSCRIBE %"}},
    {"UNSUBSCRIBE", NAMES, {"UNSUBSCRIBE %"}},
    {"SELECT", NAMES, {"SELECT %", "SELECT %/below"}},
    {"EXAMINE", NAMES, {"EXAMINE %"}},
    {"LIST", NAMES,
        {"LIST \"\" %", "LIST \"%\" *", "LIST (SUBSCRIBED) \"\" %",
            "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (% %/*)",
            "LIST () \"\" (% %/*) RETURN (CHILDREN SUBSCRIBED MYRIGHTS STATUS (MESSAGES SIZE))",
            "LIST (SPECIAL-USE) \"\" %"}},
    {"LSUB", NAMES, {"LSUB \"\" %", "LSUB \"\" %/*"}},
    {"STATUS", NAMES, {"STATUS % (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN SIZE)"}},
    {"GETQUOTA", NAMES, {"GETQUOTA mailbox/%", "GETQUOTA mailbox/%/below"}},
    {"GETQUOTAROOT", NAMES, {"GETQUOTAROOT %", "GETQUOTAROOT %/below"}},
    {"SETQUOTA", NAMES, {"SETQUOTA mailbox/% ()", "SETQUOTA mailbox/% (STORAGE 1)"}},
    {"SETACL", NAMES, {"SETACL % bob lr", "SETACL %/below bob +l"}},
    {"DELETEACL", NAMES, {"DELETEACL % bob"}},
    {"GETACL", NAMES, {"GETACL %", "GETACL %/below"}},
    {"LISTRIGHTS", NAMES, {"LISTRIGHTS % bob", "LISTRIGHTS % alice"}},
    {"MYRIGHTS", NAMES, {"MYRIGHTS %", "MYRIGHTS %/below"}},
    {"APPEND", NAMES, {"APPEND % {2}\r\nab", "APPEND % (\\Seen) {2+}\r\nab"}},
    {"COPY", NAMES, {"COPY 1 %", "UID COPY 1 %"}},
    {"MOVE", NAMES, {"MOVE 1 %", "UID MOVE 1 %"}},
    {"CLOSE", SELECTED, {"CLOSE"}},
    {"UNSELECT", SELECTED, {"UNSELECT"}},
    {"CHECK", SELECTED, {"CHECK"}},
    {"STORE", SELECTED,
        {"STORE 1 +FLAGS (\\Seen)", "STORE 1 FLAGS (\\Flagged)", "UID STORE 1 -FLAGS (\\Deleted)"}},
    {"EXPUNGE", SELECTED, {"EXPUNGE", "UID EXPUNGE 1"}},
    {"FETCH", SELECTED,
        {"FETCH 1 BODY[]", "FETCH 1 (RFC822 BINARY[1])", "UID FETCH 1 RFC822.TEXT"}},
    {"SEARCH", SELECTED, {"SEARCH ALL", "UID SEARCH RETURN (SAVE) DELETED"}},
    {"SORT", SELECTED, {"SORT (DATE) UTF-8 ALL", "UID SORT RETURN (SAVE) (SUBJECT) UTF-8 ALL"}},
    {"THREAD", SELECTED, {"THREAD REFS UTF-8 ALL", "UID THREAD REFERENCES UTF-8 ALL"}},
    {"UIDBATCHES", SELECTED, {"UIDBATCHES 500"}},
    {"IDLE", SELECTED, {"IDLE\r\nDONE"}},
};

static unsigned failed;

static void
fail(const char *what, const char *detail)
{
	fprintf(stderr, "%s: %s\n", what, detail);
	failed++;
}

/* The line with name for each %, sent behind a SELECT; gives what came, with % for name. */
static char *
answer(struct site *site, const char *line, const char *name)
{
	struct buf send = {0}, *out = stream_fake_output(site->clients[1].fake);
	struct str rest;

	buf_puts(&send, "s SELECT Voicemail\r\n");
	stream_fake_push(site->clients[1].fake, buf_as_str(&send));
	site_run(site);
	buf_fini(out);
	send.n = 0;
	buf_puts(&send, "t ");
	for (; *line != '\0'; line++)
		if (*line == '%')
			buf_puts(&send, name);
		else
			buf_putc(&send, *line);
	buf_puts(&send, "\r\n");
	stream_fake_push(site->clients[1].fake, buf_as_str(&send));
	site_run(site);
	rest = buf_as_str(out);
	send.n = 0;
	while (rest.n > 0)
		if (str_has_prefix(rest, str_of(name))) {
			buf_putc(&send, '%');
			rest = (struct str){rest.p + strlen(name), rest.n - strlen(name)};
		} else {
			buf_putc(&send, *rest.p);
			rest = (struct str){rest.p + 1, rest.n - 1};
		}
	buf_fini(out);
	(void)buf_cstr(&send);
	return send.p;
}

struct picture { /* of what must not change */
	struct buf text;
	const char *of;
};

static bool
paint(const struct store_mailbox_info *info, void *arg)
{
	struct picture *p = arg;

	if (str_has_prefix(info->name, str_of(p->of)))
		buf_printf(&p->text,
		    "%.*s id %u subscribed %d uidnext %u messages %u unseen %u modseq %llu\n",
		    STR_ARG(info->name), info->id, info->subscribed, info->counters.uidnext,
		    info->counters.messages, info->counters.unseen,
		    (unsigned long long)info->counters.modseq);
	return true;
}

static char *
picture(struct site *site, const char *of)
{
	struct picture p = {.of = of};
	struct store_account *account;

	if (store_account_load(site->store, STR("alice@example.net"), true, &account) != TS_OK)
		abort();
	store_account_list(account, paint, &p);
	store_account_unref(&account);
	return (char *)(uintptr_t)buf_cstr(&p.text);
}

static void
check_names(struct site *site, const char *line)
{
	char *before = picture(site, "Hidden"), *after;
	char *hidden = answer(site, line, "Hidden"), *never = answer(site, line, "Unused");

	after = picture(site, "Hidden");
	if (strcmp(hidden, never) != 0) {
		fail(line, "tells a hidden mailbox from one that is not there");
		fprintf(stderr, "  hidden: %s  unused: %s", hidden, never);
	}
	if (strcmp(before, after) != 0)
		fail(line, "changes a hidden mailbox");
	if (strlen(before) == 0 || strlen(hidden) == 0)
		fail(line, "shows nothing");
	free(before);
	free(after);
	free(hidden);
	free(never);
}

static void
check_selected(struct site *site, const char *line)
{
	char *before = picture(site, "Voicemail"), *text = answer(site, line, "Voicemail"), *after;

	after = picture(site, "Voicemail");
	if (strcmp(before, after) != 0)
		fail(line, "changes a mailbox without the right to");
	if (strlen(text) == 0)
		fail(line, "shows nothing");
	free(before);
	free(after);
	free(text);
}

static struct site *
make_site(const char *rights)
{
	static const char script[] = "S~ * OK %*\n"
	                             "C: a AUTHENTICATE PLAIN %plain(alice,gateway,key)\n"
	                             "S~ a OK %*\n";
	struct site *site =
	    site_new(&(struct site_options){.conf = STR("plaintext_login = always\n")});
	struct str m = STR("Subject: a message\r\n\r\nIts text.\r\n");
	struct script *s;

	site_user(site, "alice", "secret", NULL, false);
	site_user(site, "gateway", "key", NULL, false);
	site_grant(site, "gateway", "*", "Voicemail,Voicemail/*", rights);
	site_message(site, "alice", "Voicemail", "", m);
	site_message(site, "alice", "Voicemail", "\\Deleted", m);
	site_message(site, "alice", "Hidden", "", m);
	site_mailbox(site, "alice", "Hidden/below");
	site_mailbox(site, "alice", "Voicemail/a");
	s = script_new("rights", site);
	if (!script_lines(s, str_of(script)))
		fail(rights, "no login");
	script_free(&s);
	return site;
}

static void
check_all(const char *rights, enum kind kind, void (*check)(struct site *site, const char *line))
{
	struct site *site = make_site(rights);

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		for (size_t k = 0; table[i].kind == kind && k < 8 && table[i].lines[k] != NULL; k++)
			check(site, table[i].lines[k]);
	site_free(&site);
}

static void
check_table(void)
{
	struct imap_registry reg;

	imap_registry_build(&reg, imap_all_extensions, imap_all_extensions_count);
	for (size_t i = 0; i < reg.cmd_count; i++) {
		size_t k = 0;

		if ((reg.cmds[i]->traits & IMAP_TRAIT_LACKING) != 0)
			continue;
		while (k < sizeof(table) / sizeof(*table) &&
		       strcmp(table[k].command, reg.cmds[i]->name) != 0)
			k++;
		if (k == sizeof(table) / sizeof(*table))
			fail(reg.cmds[i]->name, "is not in the table of test/imap/rights.c");
		else if (table[k].kind != NONE && table[k].lines[0] == NULL)
			fail(reg.cmds[i]->name, "has no line in the table");
	}
}

int
main(void)
{
	log_set_level(LOG_ERROR);
	check_table();
	check_all("lrswipkxtea", NAMES, check_names);
	check_all("lrsw", NAMES, check_names);
	check_all("i", NAMES, check_names);
	check_all("lr", SELECTED, check_selected);
	return failed != 0;
}
