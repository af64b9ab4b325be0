/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_older
 *
 * Mail that was added by an older program: its summaries have no preview.  PREVIEW makes it from
 * the message, PREVIEW (LAZY) is NIL, and an unreadable message gets no response.
 */
#include <stdio.h>
#include <stdlib.h>

#include "script.h"
#include "store/memory/memory_int.h"

#define HEAD 56u      /* of a summary; then a row of 8 bytes for each text */
#define OLD_VERSION 2 /* had no preview */
#define OLD_TEXTS ((size_t)MAIL_TEXT_PREVIEW)

static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static void
take_from(char *p, uint32_t less)
{
	uint32_t v = 0;

	for (int i = 3; i >= 0; i--)
		v = v << 8 | (unsigned char)p[i];
	v -= less;
	for (int i = 0; i < 4; i++)
		p[i] = (char)(v >> (8 * i));
}

/* As in version 2, which had no row for the preview. */
static void
make_older(struct buf *summary)
{
	const size_t at = HEAD + OLD_TEXTS * 8;
	char *p = summary->p;
	XXH64_hash_t hash;

	memmove(p + at, p + at + 8, summary->n - at - 8);
	summary->n -= 8;
	p[3] = OLD_VERSION;
	take_from(p + 4, 8);
	take_from(p + 52, 8);
	for (size_t i = 0; i < OLD_TEXTS; i++)
		take_from(p + HEAD + i * 8, 8);
	hash = XXH3_64bits_withSeed(p + 16, summary->n - 16, OLD_VERSION);
	for (int i = 0; i < 8; i++)
		p[8 + i] = (char)(hash >> (8 * i));
}

static void
age(struct store *store, uint32_t uid)
{
	struct store_account *account = store_account_find(store, STR("alice@example.net"));
	struct engine_batch *batch = engine_batch_new();
	struct buf old = {0}, value = {0}, summary = {0};
	struct store_mailbox_info info;
	struct str body;
	struct key k;

	must(store_account_lookup(account, STR("INBOX"), &info), "no INBOX");
	key_index(&k, store_account_id(account), info.id, KEY_SUMMARY);
	key_be32(&k, uid);
	must(store_get(store, &k, &old, &body) == TS_OK, "no summary");
	buf_str(&summary, body);
	make_older(&summary);
	value_begin(&value);
	buf_str(&value, buf_as_str(&summary));
	batch_put_value(batch, &k, &value);
	must(engine_commit(store->engine, batch) == TS_OK, "no commit");
	engine_batch_free(&batch);
	buf_fini(&old);
	buf_fini(&value);
	buf_fini(&summary);
	store_account_unref(&account);
}

static const char lines[] = "S~ * OK %*\n"
                            "C: a1 LOGIN alice secret\n"
                            "S~ a1 OK %*\n"
                            "C: a2 EXAMINE INBOX\n"
                            "S~ a2 OK %*\n"
                            "C: b1 FETCH 1:3 (PREVIEW (LAZY) ENVELOPE)\n"
                            "S: * 1 FETCH (PREVIEW NIL ENVELOPE %*)\n"
                            "S: * 2 FETCH (PREVIEW NIL ENVELOPE %*)\n"
                            "S: * 3 FETCH (PREVIEW \"new\" ENVELOPE %*)\n"
                            "S: b1 OK %*\n"
                            "C: b2 FETCH 1:3 PREVIEW\n"
                            "S: * 1 FETCH (PREVIEW \"old\")\n"
                            "S: * 2 FETCH (PREVIEW \"shown\")\n"
                            "S: * 3 FETCH (PREVIEW \"new\")\n"
                            "S: b2 OK %*\n"
                            "fault blob_read io\n"
                            "C: b3 FETCH 1:3 (UID PREVIEW)\n"
                            "S: * 2 FETCH (UID 2 PREVIEW \"shown\")\n"
                            "S: * 3 FETCH (UID 3 PREVIEW \"new\")\n"
                            "S: b3 NO [SERVERBUG] %*\n";

int
main(void)
{
	struct site *site =
	    site_new(&(struct site_options){.conf = STR("plaintext_login = always\n")});
	struct script *s;
	bool ok;

	site_user(site, "alice", "secret", NULL, false);
	site_message(site, "alice", "INBOX", "", STR("Subject: x\r\n\r\nold\r\n"));
	site_message(site, "alice", "INBOX", "",
	    STR("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	        "Content-Type: text/html\r\n\r\n<p>shown\r\n--b--\r\n"));
	site_message(site, "alice", "INBOX", "", STR("Subject: y\r\n\r\nnew\r\n"));
	age(site->store, 1);
	age(site->store, 2);
	s = script_new("older", site);
	ok = script_lines(s, str_of(lines));
	script_free(&s);
	site_free(&site);
	return !ok;
}
