/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole sessions: two clients of one user on a server with the mem engine, on a fake loop.  The
 * input is what they send.  The byte 0xff is an escape; the next byte says what happens:
 *	1 2   the bytes that follow are this client's
 *	p     what was sent so far arrives
 *	b     … a byte at a time
 *	a     a minute passes
 *	w W   the client takes no output any more / everything
 *	u     the next commit's outcome is unknown
 *	f     … finds the disk full
 *	d     the client is gone; it connects anew when it sends again
 * At the end everybody disconnects, and nothing may be left: arenas of the loop, references to
 * accounts and mailboxes (the store asserts that).
 */
#include "base/log.h"
#include "site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
no_log(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

/* Made once: a certificate, and a disk with users and mail, which each run copies. */
static struct tls_slot *tls;
static struct engine_mem_disk *disk;

static struct site *
open_site(struct engine_mem_disk *on)
{
	return site_new(&(struct site_options){
	    .conf = STR("plaintext_login = always\nunauthenticate = everyone\n"
	                "limits { line = 8K; literal = 4K; command = 16K; append = 8K; }\n"),
	    .starttls = true,
	    .tls = tls,
	    .disk = on,
	});
}

static struct site *
make_site(void)
{
	static const char mail[] =
	    "From: a@example.net\r\nSubject: one\r\n"
	    "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
	    "--x\r\n\r\ntext\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>\r\n"
	    "--x--\r\n";
	struct site *site;

	if (disk != NULL)
		return open_site(engine_mem_image(disk));
	tls = site_tls();
	site = open_site(NULL);
	site_user(site, "a", "b", "*", true);
	site_mailbox(site, "a", "Work");
	site_message(site, "a", "INBOX", "\\Seen word", (struct str){mail, sizeof(mail) - 1});
	site_message(site, "a", "INBOX", "\\Deleted", STR("Subject: two\r\n\r\ntext\r\n"));
	disk = engine_mem_image(site->disk);
	return site;
}

static void
deliver(struct site *site, unsigned i, struct buf *pending, size_t segment)
{
	struct site_client *c = &site->clients[i];

	if (pending->n == 0)
		return;
	if (c->fake != NULL && stream_fake_ended(c->fake, NULL))
		site_disconnect(site, i);
	if (c->fake == NULL)
		site_connect(site, i, NULL, false, false);
	stream_fake_set_segment(c->fake, segment);
	stream_fake_push(c->fake, buf_as_str(pending));
	pending->n = 0;
	site_run(site);
	buf_fini(stream_fake_output(c->fake));
}

static void
event(struct site *site, unsigned *i, struct buf *pending, uint8_t what)
{
	struct stream_fake *fake;

	deliver(site, *i, pending, what == 'b' ? 1 : 0);
	fake = site->clients[*i].fake;
	if (what == '1' || what == '2')
		*i = what - '0';
	else if (what == 'a')
		loop_fake_advance(site->loop, 60000);
	else if (what == 'w' && fake != NULL)
		stream_fake_set_window(fake, 0);
	else if (what == 'W' && fake != NULL)
		stream_fake_set_window(fake, SIZE_MAX);
	else if (what == 'u')
		engine_mem_fail(site->disk, ENGINE_MEM_COMMIT, 1, TS_UNKNOWN, false);
	else if (what == 'f')
		engine_mem_fail(site->disk, ENGINE_MEM_COMMIT, 1, TS_FULL, false);
	else if (what == 'd')
		site_disconnect(site, *i);
	site_run(site);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct site *site;
	struct buf pending = {0};
	unsigned i = 1;

	log_set_sink(no_log, NULL);
	site = make_site();
	for (size_t at = 0; at < size; at++)
		if (data[at] == 0xff && at + 1 < size)
			event(site, &i, &pending, data[++at]);
		else
			buf_putc(&pending, (char)data[at]);
	deliver(site, i, &pending, 0);
	buf_fini(&pending);
	site_disconnect(site, 1);
	site_disconnect(site, 2);
	for (unsigned k = 0; k < ARENA_KINDS; k++)
		TS_ASSERT(site->il.pool.live_arenas[k] == 0);
	site_free(&site);
	return 0;
}
