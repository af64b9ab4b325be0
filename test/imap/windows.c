/* SPDX-License-Identifier: Apache-2.0 */
/* Output that waits for a client that does not read is limited in bytes, whatever one line of it
 * needs. */
#include <stdio.h>
#include <stdlib.h>

#include "script.h"

#define MESSAGES 300
#define WORDS 100
#define WORD 250
#define BOUND ((size_t)1 << 20) /* all lines together have seven times as many bytes */

static struct script *script;
static struct site *site;

static void
lines(const char *text)
{
	if (!script_lines(script, str_of(text)))
		exit(1);
}

static void
bounded(unsigned client, const char *what)
{
	size_t pending = stream_out_pending(site->clients[client].conn->session.stream);

	printf("%s: %zu bytes wait\n", what, pending);
	if (pending < BOUND && pending > 1000)
		return;
	fprintf(stderr, "%s: not between 1000 and %zu bytes\n", what, BOUND);
	exit(1);
}

static void
give_keywords(void)
{
	struct buf b = {0};
	char word[WORD + 1];

	buf_puts(&b, "C: a3 STORE 1:* +FLAGS.SILENT (");
	for (unsigned i = 0; i < WORDS; i++) {
		memset(word, 'k', WORD);
		(void)snprintf(word + WORD - 3, 4, "%03u", i);
		buf_printf(&b, "%s%s", i > 0 ? " " : "", word);
	}
	buf_puts(&b, ")\nS~ a3 OK %*\n");
	lines(buf_cstr(&b));
	buf_fini(&b);
}

int
main(void)
{
	site = site_new(&(struct site_options){.conf = STR("plaintext_login = always\n")});
	site_user(site, "alice", "secret", NULL, false);
	for (unsigned i = 0; i < MESSAGES; i++)
		site_message(site, "alice", "INBOX", "", STR("Subject: x\r\n\r\nText.\r\n"));
	script = script_new("windows", site);
	lines("S~ * OK %*\nC: a1 LOGIN alice secret\nC: a2 SELECT INBOX\nS~ a2 OK %*\n");
	lines("S2~ * OK %*\nC2: b1 LOGIN alice secret\nC2: b2 SELECT INBOX\nS2~ b2 OK %*\n");
	give_keywords();
	lines("window 0\nC: a4 STORE 1:* +FLAGS (\\Seen)\n");
	bounded(1, "STORE");
	lines("window all\nS~ a4 OK %*\nwindow 0\nC: a5 FETCH 1:* FLAGS\n");
	bounded(1, "FETCH");
	lines("window all\nS~ a5 OK %*\nwindow 0 2\nC2: b3 NOOP\n");
	bounded(2, "what others changed");
	lines("window all 2\nS2~ b3 OK %*\ndrain\ndrain 2\n");
	script_free(&script);
	site_free(&site);
	return 0;
}
