/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_switches
 *
 * Logins and switches in one stream of bytes, cut in two at every byte: the replies have to be
 * those to the whole.  Once with credentials and accounts that are in memory, once with none, so
 * that workers decide while what follows waits.  Then the same within COMPRESS, whose end is found
 * by each way to flush.
 */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "site.h"
#include "zip.h"

static unsigned failed;

static void
plain(
    struct buf *out, const char *tag, const char *authzid, const char *authcid, const char *secret)
{
	struct buf raw = {0};

	buf_printf(&raw, "%s%c%s%c%s", authzid, 0, authcid, 0, secret);
	buf_printf(out, "%s AUTHENTICATE PLAIN ", tag);
	base64_encode(buf_as_str(&raw), out);
	buf_puts(out, "\r\n");
	buf_fini(&raw);
}

/* Every way to switch users, with what each of them can see at once. */
static void
put_all(struct buf *out)
{
	plain(out, "a1", "alice", "gateway", "key");
	buf_puts(out, "a2 ENABLE IMAP4rev2\r\na3 PROXYAUTH bob\r\na4 STATUS INBOX (RECENT)\r\n"
	              "a5 SELECT INBOX\r\na6 PROXYAUTH alice\r\na7 CLOSE\r\n"
	              "a8 PROXYAUTH {5+}\r\nalice\r\na9 STATUS INBOX (MESSAGES)\r\n"
	              "b1 PROXYAUTH nobody\r\nb2 ID (\"name\" {3+}\r\none)\r\n"
	              "b3 PROXYAUTH \"gateway\"\r\nb4 LIST \"\" *\r\nb5 UNAUTHENTICATE\r\n"
	              "b6 PROXYAUTH bob\r\nb7 LOGIN bob hidden\r\nb8 PROXYAUTH alice\r\n"
	              "b9 STATUS INBOX (MESSAGES)\r\n");
}

/* Compressed twice, by two users; what is behind each end is bare. */
static void
put_compressed(struct buf *out, enum zip_last last)
{
	for (unsigned i = 0; i < 2; i++) {
		struct zip *zip = zip_new();
		struct buf text = {0};

		plain(out, "a1", i == 0 ? "alice" : "bob", "gateway", "key");
		buf_puts(out, "a2 COMPRESS DEFLATE\r\n");
		buf_puts(&text, "a3 STATUS INBOX (MESSAGES)\r\na4 PROXYAUTH bob\r\n"
		                "a5 STATUS INBOX (MESSAGES)\r\na6 UNAUTHENTICATE\r\n"
		                "a7 NOOP\r\na8 LOGIN bob wrong\r\n");
		zip_wrap(zip, buf_as_str(&text), last, out);
		buf_fini(&text);
		zip_free(&zip);
	}
	buf_puts(out, "b1 LOGIN bob hidden\r\nb2 STATUS INBOX (MESSAGES)\r\n");
}

/* What was said, without compression. */
static struct buf
unzip(struct buf *said)
{
	static const char begin[] = " DEFLATE active\r\n";
	struct buf text = {0};
	const char *at;

	while ((at = str_find(buf_as_str(said), str_of(begin))) != NULL) {
		struct zip *zip = zip_new();
		size_t n = (size_t)(at - said->p) + sizeof(begin) - 1;

		buf_put(&text, said->p, n);
		buf_consume(said, n);
		zip_unwrap(zip, said, &text);
		buf_puts(&text, zip_over(zip) ? "(end)\r\n" : "");
		zip_free(&zip);
	}
	buf_str(&text, buf_as_str(said));
	buf_fini(said);
	return text;
}

static struct site *
make_site(bool warm)
{
	struct site *site = site_new(&(struct site_options){
	    .conf = STR("plaintext_login = always\ntimeouts.failed_login = 0\n")});
	struct str m = STR("Subject: a message\r\n\r\nIts text.\r\n");
	struct buf text = {0};

	site_user(site, "alice", "secret", NULL, false);
	site_user(site, "bob", "hidden", NULL, false);
	site_user(site, "gateway", "key", "*", false);
	site_message(site, "alice", "INBOX", "", m);
	site_message(site, "bob", "INBOX", "", m);
	site_message(site, "bob", "INBOX", "", m);
	if (warm) {
		site_connect(site, 2, NULL, false, false);
		plain(&text, "w1", "bob", "gateway", "key");
		buf_puts(
		    &text, "w2 PROXYAUTH alice\r\nw3 UNAUTHENTICATE\r\nw4 LOGIN bob hidden\r\n");
		stream_fake_push(site->clients[2].fake, buf_as_str(&text));
		site_run(site);
		site_disconnect(site, 2);
		buf_fini(&text);
	}
	site_connect(site, 1, NULL, false, false);
	return site;
}

/* cut: 0: all at once. */
static struct buf
say(struct str text, size_t cut, bool warm)
{
	struct site *site = make_site(warm);
	struct buf *out = stream_fake_output(site->clients[1].fake), got;

	if (cut > 0) {
		stream_fake_push(site->clients[1].fake, (struct str){text.p, cut});
		site_run(site);
	}
	stream_fake_push(site->clients[1].fake, (struct str){text.p + cut, text.n - cut});
	site_run(site);
	site_advance(site, 1000);
	got = *out;
	*out = (struct buf){0};
	site_free(&site);
	return unzip(&got);
}

static void
check(struct str text, size_t cut, bool warm, const struct buf *want)
{
	struct buf got = say(text, cut, warm);

	if (!str_eq(buf_as_str(&got), buf_as_str(want))) {
		fprintf(stderr, "cut at %zu%s\nwant:\n%.*s\ngot:\n%.*s\n", cut,
		    warm ? ", warm" : "", STR_ARG(buf_as_str(want)), STR_ARG(buf_as_str(&got)));
		failed++;
	}
	buf_fini(&got);
}

static bool
has_all(const struct buf *want, const char *const *parts)
{
	for (; *parts != NULL; parts++)
		if (str_find(buf_as_str(want), str_of(*parts)) == NULL) {
			fprintf(
			    stderr, "missing: %s\nin:\n%.*s\n", *parts, STR_ARG(buf_as_str(want)));
			return false;
		}
	return true;
}

static bool
is_complete(const struct buf *want)
{
	static const char *const parts[] = {"\r\na3 OK ", "INBOX (RECENT 2)\r\na4 OK",
	    "\r\na6 BAD ", "\r\na8 OK ", "INBOX (MESSAGES 1)\r\na9 OK ", "\r\nb1 NO ", "\r\nb3 OK ",
	    "\r\nb5 OK ", "\r\nb6 BAD ", "\r\nb7 OK ", "\r\nb8 BAD ",
	    "INBOX (MESSAGES 2)\r\nb9 OK ", NULL};

	return has_all(want, parts);
}

static bool
is_whole(const struct buf *want)
{
	static const char *const parts[] = {"INBOX (MESSAGES 1)\r\na3 OK ",
	    "INBOX (MESSAGES 2)\r\na3 OK ", "INBOX (MESSAGES 2)\r\na5 OK ",
	    "No longer authenticated\r\n(end)\r\na7 OK ", "\r\na8 NO ",
	    "INBOX (MESSAGES 2)\r\nb2 OK ", NULL};

	return has_all(want, parts);
}

static void
quiet(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

/* All of it, then cut at every byte. */
static void
cut_everywhere(struct str text, bool warm, bool (*whole)(const struct buf *want))
{
	struct buf want = say(text, 0, warm);

	failed += !whole(&want);
	for (size_t cut = 1; cut < text.n && failed == 0; cut++)
		check(text, cut, warm, &want);
	buf_fini(&want);
}

int
main(void)
{
	struct buf text = {0};

	log_set_sink(quiet, NULL);
	put_all(&text);
	for (unsigned warm = 0; warm < 2 && failed == 0; warm++)
		cut_everywhere(buf_as_str(&text), warm == 1, is_complete);
	for (int last = 0; last < ZIP_PARTIAL && failed == 0; last++) {
		text.n = 0;
		put_compressed(&text, (enum zip_last)last);
		cut_everywhere(buf_as_str(&text), last % 2 == 1, is_whole);
	}
	buf_fini(&text);
	return failed != 0;
}
