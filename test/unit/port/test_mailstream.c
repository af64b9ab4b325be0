/* SPDX-License-Identifier: Apache-2.0 */
/* The stream of messages, and the readers for Maildir and mbox that make it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/mbox_int.h"
#include "store/store.h"

/* ---- the stream ---- */

static void
put_stream(struct buf *b)
{
	struct buf words = {0};

	buf_vstr(&words, STR("work"));
	mailstream_put_version(b);
	mailstream_put_property(b, STR("own"), STR("\0\n"));
	mailstream_put_mailbox(b, &(struct mailstream_mailbox){.name = STR("INBOX"),
	                              .uidvalidity = UINT32_MAX,
	                              .uidnext = 9,
	                              .modseq = UINT64_MAX,
	                              .subscribed = true,
	                              .exists = true,
	                              .messages = 1});
	mailstream_put_property(b, STR("acl/bob"), STR("lr"));
	mailstream_put_property(b, STR("none"), STR(""));
	mailstream_put_data(b, STR("lost"));
	mailstream_put_drop(b);
	mailstream_put_data(b, STR("te"));
	mailstream_put_data(b, STR("xt"));
	mailstream_put_message(b, &(struct mailstream_message){.uid = 7,
	                              .internaldate = INT64_MIN,
	                              .savedate = INT64_MAX,
	                              .zone = -1439,
	                              .flags = 1,
	                              .size = 4,
	                              .keywords = buf_as_str(&words)});
	mailstream_put_end(b);
	buf_fini(&words);
}

static void
test_there_and_back(void **state)
{
	struct mailstream_in in = {0};
	struct mailstream_record rec;
	const char tags[] = "VPMPPDxDDmZ";
	struct buf properties = {0};

	(void)state;
	put_stream(&in.bytes);
	for (const char *tag = tags; *tag != '\0'; tag++) {
		assert_int_equal(mailstream_next(&in, &rec), MAILSTREAM_GOT);
		assert_int_equal(rec.tag, *tag);
		if (rec.tag == MAILSTREAM_MAILBOX) {
			assert_true(str_eq(rec.mailbox.name, STR("INBOX")));
			assert_true(rec.mailbox.exists && rec.mailbox.subscribed);
			assert_int_equal(rec.mailbox.uidvalidity, UINT32_MAX);
			assert_true(rec.mailbox.modseq == UINT64_MAX);
		} else if (rec.tag == MAILSTREAM_PROPERTY) {
			buf_putc(&properties, rec.property.of_mailbox ? 'm' : 'a');
			buf_vstr(&properties, rec.property.name);
			buf_vstr(&properties, rec.property.value);
		} else if (rec.tag == MAILSTREAM_MESSAGE) {
			assert_true(rec.message.internaldate == INT64_MIN);
			assert_true(rec.message.savedate == INT64_MAX);
			assert_int_equal(rec.message.zone, -1439);
			assert_true(str_eq(rec.message.keywords, STR("\4work")));
		}
	}
	assert_true(in.ended);
	assert_int_equal(mailstream_next(&in, &rec), MAILSTREAM_MORE);
	assert_true(str_eq(buf_as_str(&properties), STR("a\3own\2\0\nm\7acl/bob\2lrm\4none\0")));
	mailstream_in_fini(&in);
	buf_fini(&properties);
}

/* The result for a stream that is cut off, or has one byte changed. */
static enum mailstream_got
read_all(struct str text, bool *ended_r)
{
	struct mailstream_in in = {0};
	struct mailstream_record rec;
	enum mailstream_got got;

	buf_str(&in.bytes, text);
	while ((got = mailstream_next(&in, &rec)) == MAILSTREAM_GOT)
		;
	*ended_r = in.ended && got == MAILSTREAM_MORE;
	mailstream_in_fini(&in);
	return got;
}

static void
test_cut_and_flipped(void **state)
{
	struct buf whole = {0};
	bool ended;

	(void)state;
	put_stream(&whole);
	for (size_t n = 0; n < whole.n; n++) {
		assert_int_equal(read_all((struct str){whole.p, n}, &ended), MAILSTREAM_MORE);
		assert_false(ended);
	}
	for (size_t at = 0; at < whole.n; at++)
		for (int bit = 1; bit < 256; bit <<= 1) {
			whole.p[at] = (char)(whole.p[at] ^ bit);
			(void)read_all(buf_as_str(&whole), &ended);
			assert_false(ended);
			whole.p[at] = (char)(whole.p[at] ^ bit);
		}
	(void)read_all(buf_as_str(&whole), &ended);
	assert_true(ended);
	buf_fini(&whole);
}

static void
test_order(void **state)
{
	struct mailstream_mailbox box = {.name = STR("a"), .exists = true};
	struct buf b = {0};
	bool ended;

	(void)state;
	mailstream_put_end(&b); /* no version before it */
	assert_int_equal(read_all(buf_as_str(&b), &ended), MAILSTREAM_BAD);
	b.n = 0;
	mailstream_put_version(&b);
	mailstream_put_data(&b, STR("x")); /* in no mailbox */
	assert_int_equal(read_all(buf_as_str(&b), &ended), MAILSTREAM_BAD);
	b.n = 0;
	mailstream_put_version(&b);
	mailstream_put_mailbox(&b, &box);
	mailstream_put_data(&b, STR("x"));
	mailstream_put_end(&b); /* a message without its end */
	assert_int_equal(read_all(buf_as_str(&b), &ended), MAILSTREAM_BAD);
	b.n = 0;
	mailstream_put_version(&b);
	mailstream_put_mailbox(&b, &box);
	mailstream_put_data(&b, STR("x"));
	mailstream_put_message(&b, &(struct mailstream_message){.size = 2}); /* not its size */
	assert_int_equal(read_all(buf_as_str(&b), &ended), MAILSTREAM_BAD);
	b.n = 0;
	mailstream_put_version(&b);
	mailstream_put_mailbox(&b, &box);
	mailstream_put_data(&b, STR("x"));
	mailstream_put_property(&b, STR("late"), STR("x")); /* not before the messages */
	assert_int_equal(read_all(buf_as_str(&b), &ended), MAILSTREAM_BAD);
	b.n = 0;
	mailstream_put_version(&b);
	box.exists = false;
	mailstream_put_mailbox(&b, &box);
	mailstream_put_property(&b, STR("of none"), STR("x")); /* a subscription has none */
	assert_int_equal(read_all(buf_as_str(&b), &ended), MAILSTREAM_BAD);
	b.n = 0;
	mailstream_put_version(&b);
	mailstream_put_property(&b, STR(""), STR("x"));
	assert_int_equal(read_all(buf_as_str(&b), &ended), MAILSTREAM_BAD);
	buf_fini(&b);
}

/* ---- readers ---- */

struct files {
	char path[64];
	struct port port;
};

static void
files_begin(struct files *f)
{
	*f = (struct files){.path = "/tmp/turnstone-unit-XXXXXX", .port = {.cmd = "test"}};
	progress_init(&f->port.progress, true);
	assert_non_null(mkdtemp(f->path));
}

static void
files_end(struct files *f)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", f->path);
	assert_int_equal(system(command), 0);
}

static void
add_folder(struct files *f, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void
add_file(struct files *f, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* "INBOX[7 S work|text]": mailbox, then UID, flags, keywords and bytes of each message. */
static void
show(const struct mailstream_record *rec, struct buf *data, struct buf *out)
{
	struct rd words = rd_of(rec->message.keywords);

	switch (rec->tag) {
	case MAILSTREAM_MAILBOX:
		buf_printf(out, "%.*s%s", STR_ARG(rec->mailbox.name),
		    rec->mailbox.exists ? "" : " subscribed");
		break;
	case MAILSTREAM_PROPERTY:
		buf_printf(out, "{%s%.*s=%.*s}", rec->property.of_mailbox ? "" : "/",
		    STR_ARG(rec->property.name), STR_ARG(rec->property.value));
		break;
	case MAILSTREAM_IDS:
		buf_printf(out, "<%02x>", (unsigned char)rec->data.p[0]);
		break;
	case MAILSTREAM_DATA:
		buf_str(data, rec->data);
		break;
	case MAILSTREAM_MESSAGE:
		buf_printf(out, "[%u %x", rec->message.uid, rec->message.flags);
		while (rd_left(&words) > 0) {
			struct str word = rd_vstr(&words);

			buf_printf(out, " %.*s", STR_ARG(word));
		}
		buf_printf(out, "|%.*s]", STR_ARG(buf_as_str(data)));
		data->n = 0;
		break;
	case MAILSTREAM_DROP:
		data->n = 0;
		break;
	default:
		buf_putc(out, '\n');
	}
}

static void
read_source(struct port_source *source, struct buf *out)
{
	struct mailstream_in in = {0};
	struct mailstream_record rec;
	struct buf data = {0};

	assert_non_null(source);
	while (source->fill(source, &in.bytes)) {
		enum mailstream_got got;

		while ((got = mailstream_next(&in, &rec)) == MAILSTREAM_GOT)
			show(&rec, &data, out);
		assert_int_equal(got, MAILSTREAM_MORE);
	}
	assert_true(in.ended);
	source->free(source);
	mailstream_in_fini(&in);
	buf_fini(&data);
}

static void
test_maildir(void **state)
{
	struct files f;
	struct buf out = {0};

	(void)state;
	files_begin(&f);
	add_folder(&f, "cur");
	add_folder(&f, "new");
	add_folder(&f, ".Sent");
	add_folder(&f, ".Sent/cur");
	add_folder(&f, "cur/folder");
	add_file(&f, "cur/2:2,Sab", "a\nb\r\n");
	add_file(&f, "new/1", "");
	add_file(&f, ".Sent/cur/3:2,R", "x");
	add_file(&f, "dovecot-uidlist", "3 V5 N9\n8 :2\n9 :gone\n");
	add_file(&f, "dovecot-keywords", "0 work\n1 no(atom\n");
	add_file(&f, "subscriptions", "V\t2\n\nSent\n");
	read_source(port_maildir_open(&f.port, f.path), &out);
	assert_string_equal(buf_cstr(&out), "\nINBOX[8 8 work|a\r\nb\r\n][0 0|]"
	                                    "Sent[0 1|x]Sent subscribed\n");
	assert_int_equal(f.port.words, 1);
	assert_int_equal(f.port.broken, 1);
	files_end(&f);
	buf_fini(&out);
}

/* Lists of properties: read if requested, else counted; invalid lines are reported. */
static void
test_maildir_properties(void **state)
{
	struct files f;
	struct buf out = {0};

	(void)state;
	files_begin(&f);
	add_folder(&f, "cur");
	add_folder(&f, ".Sent");
	add_folder(&f, ".Sent/cur");
	add_file(&f, "turnstone.account", "turnstone-properties 1\nquota 7\n");
	add_file(&f, "turnstone.properties", "turnstone-properties 1\na%20b c%0A\nbad\nempty \n");
	add_file(&f, ".Sent/turnstone.properties", "something else\nx y\n");
	f.port.take_properties = true;
	read_source(port_maildir_open(&f.port, f.path), &out);
	assert_string_equal(buf_cstr(&out), "\n{/quota=7}INBOX{a b=c\n}{empty=}Sent{x=y}\n");
	assert_int_equal(f.port.broken, 2);
	assert_int_equal(f.port.passed, 0);
	out.n = 0;
	f.port.mailbox = "Old";
	read_source(port_maildir_open(&f.port, f.path), &out);
	assert_string_equal(buf_cstr(&out), "\nOld{a b=c\n}{empty=}Old/Sent{x=y}\n");
	assert_int_equal(f.port.passed, 1);
	out.n = f.port.passed = 0;
	f.port.take_properties = false;
	read_source(port_maildir_open(&f.port, f.path), &out);
	assert_string_equal(buf_cstr(&out), "\nOldOld/Sent\n");
	assert_int_equal(f.port.passed, 4);
	files_end(&f);
	buf_fini(&out);
}

static void
test_mbox(void **state)
{
	struct files f;
	struct buf out = {0};

	(void)state;
	files_begin(&f);
	add_file(&f, "box",
	    "From a@b Thu Jan  1 00:00:00 1970\nStatus: RO\nSubject: x\nX-Keywords: one (two one\n"
	    "X-UID: 7\n\n>From me\nFrom you\n\nFrom b Thu Jan  1 00:00:00 1970\n\n");
	add_file(&f, "none", "no mbox");
	read_source(port_mbox_open(&f.port, f.path), &out);
	assert_string_equal(
	    buf_cstr(&out), "\nbox[7 8 one|Subject: x\r\n\r\nFrom me\r\nFrom you\r\n][0 0|]\n");
	assert_int_equal(f.port.words, 1);
	assert_int_equal(f.port.broken, 1);
	files_end(&f);
	buf_fini(&out);
}

/* The result for a file made elsewhere, and what is reported about it. */
static void
check_mbox(const char *text, const char *want, unsigned broken)
{
	struct files f;
	struct buf out = {0};

	files_begin(&f);
	add_file(&f, "b", text);
	read_source(port_mbox_open(&f.port, f.path), &out);
	assert_string_equal(buf_cstr(&out), want);
	assert_int_equal(f.port.broken, broken);
	files_end(&f);
	buf_fini(&out);
}

#define DATED "From a@b Thu Jan  1 00:00:00 1970\n"

/* Each has a readable date, before a line that is not a header field, and then lacks one before a
 * field. */
static void
test_mbox_separators(void **state)
{
	static const char *const dated[] = {"a Mon, 02 Feb 2026 10:00:00 GMT",
	    "- Sat 23 Jan 2016 22:06:43 +0200", "() 2019-10-02 05:04:34 +0000",
	    "a 2026-02-02T10:00:00.25Z", "a Mon Feb  2 10:00:00 PM 2026",
	    "a Mon Feb  2 10:00:00 CET 2026 remote from there", "Mon Feb  2 10:00 2026",
	    "\"a Mon Feb 2\" Tuesday, 3 February 2026 10:00:00 +0100 (CET)"};
	static const char *const undated[] = {
	    "", "a Mo Feb  2 10:00:00 2026 Uhr", "a", "a 2.2.2026", "a Mon Feb 31 10:00:00 2026"};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof dated / sizeof *dated; i++) {
		snprintf(
		    text, sizeof text, "From %s\n\none\n\nFrom %s\n\ntwo\n", dated[i], dated[i]);
		check_mbox(text, "\nb[0 0|\r\none\r\n][0 0|\r\ntwo\r\n]\n", 0);
		/* Without an empty line before it. */
		snprintf(text, sizeof text, DATED "A: b\n\none\nFrom %s\nA: c\n\n", dated[i]);
		check_mbox(text, "\nb[0 0|A: b\r\n\r\none\r\n][0 0|A: c\r\n]\n", 0);
	}
	for (size_t i = 0; i < sizeof undated / sizeof *undated; i++) {
		snprintf(
		    text, sizeof text, "From %s\nA: b\n\nFrom %s\nC : d\n", undated[i], undated[i]);
		check_mbox(text, "\nb[0 0|A: b\r\n][0 0|C : d\r\n]\n", 0);
		/* Text, unless both conditions hold. */
		snprintf(text, sizeof text, DATED "\n%s", "From you\nhttp://a\n\nFrom me\n\nx\n");
		check_mbox(
		    text, "\nb[0 0|\r\nFrom you\r\nhttp://a\r\n\r\nFrom me\r\n\r\nx\r\n]\n", 0);
	}
}

static void
test_mbox_lost(void **state)
{
	(void)state;
	check_mbox("From nobody\nno field\n\n" DATED "A: b\n", "\nb[0 0|A: b\r\n]\n", 1);
	check_mbox("A: b\n\nlost\n" DATED "A: b\n", "\nb[0 0|A: b\r\n]\n", 1);
	check_mbox("no mbox\nat all\n", "\n\n", 1);
	check_mbox("\n\n" DATED "A: b\n", "\nb[0 0|A: b\r\n]\n", 0);
	check_mbox("", "\nb\n", 0);
}

/* A message without a date in its line gets the one in its header. */
static void
test_mbox_dates(void **state)
{
	struct mail_date date;

	(void)state;
	assert_true(mbox_from_date(STR("From a Mon Feb  2 12:30:00 AM 2026\n"), &date));
	assert_int_equal(date.utc, 1769992200);
	assert_true(mbox_from_date(STR("From a 2026-02-02 10:00:00+02:00"), &date));
	assert_int_equal(date.utc, 1770019200);
	assert_int_equal(date.zone, 120);
	assert_false(mbox_from_date(STR("From a Mon Feb  2 13:30:00 PM 2026"), &date));
	assert_false(mbox_from_date(STR("From 2 Feb to 10:00 of 2026"), &date));
}

/* ---- mbox, out and in ---- */

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Bytes in which everything that matters to an mbox is frequent. */
static void
put_random_message(uint32_t *seed, struct buf *out)
{
	static const char *const part[] = {"\r\n", "\r\n", "\n", "\r", "\r\r\n", "From ",
	    "From : Ann", "\r\nFrom x", "\r\n>From ", "\r\n>>From y", ">", "Subject: s",
	    "Status: RO", "X-Status: D\r\n", "X-Keywords: forged\r\n", "X-UID: 9\r\n", "\r\n\r\n",
	    "From MAILER-DAEMON Thu Jan  1 00:00:00 1970" MBOX_MARK "\r\n", "\r\n\r\n" DATED,
	    MBOX_OURS "0 0 crlf cut\r\n", "Status: O\r\nX-Status: \r\n", " folded", "text"};
	bool clean = next_random(seed) % 2 == 0; /* all line ends are CRLF */

	for (uint32_t n = next_random(seed) % 12; n > 0; n--) {
		const char *p = part[next_random(seed) % (sizeof part / sizeof *part)];

		if (next_random(seed) % 100 == 0)
			for (uint32_t i = MBOX_QUOTES - 2 + next_random(seed) % 5; i > 0; i--)
				buf_putc(out, '>');
		if (next_random(seed) % 300 == 0)
			for (uint32_t i = 16000 + next_random(seed) % 80000; i > 0; i--)
				buf_putc(out, 'x');
		if (next_random(seed) % 100 == 0)
			buf_putc(out, 0);
		if (!clean || strcmp(p, "\n") != 0)
			buf_puts(out, p);
	}
}

static void
put_random(uint32_t *seed, struct buf *stream)
{
	struct buf bytes = {0}, words = {0};
	struct mailstream_message m = {.flags = next_random(seed) % 32,
	    .internaldate = (int64_t)next_random(seed) * (next_random(seed) % 9) - 1000,
	    .zone = (int16_t)(next_random(seed) % 1441 - 720)};

	put_random_message(seed, &bytes);
	for (uint32_t n = next_random(seed) % 3 == 0 ? next_random(seed) % 250 : 0; n > 0; n--) {
		char word[16];

		snprintf(word, sizeof word, "word%u", n);
		buf_vstr(&words, str_of(word));
	}
	m.size = bytes.n;
	m.keywords = buf_as_str(&words);
	for (size_t at = 0; at < bytes.n;) {
		size_t n = 1 + next_random(seed) % (MAILSTREAM_PIECE - 1);

		n = n < bytes.n - at ? n : bytes.n - at;
		mailstream_put_data(stream, (struct str){bytes.p + at, n});
		at += n;
	}
	mailstream_put_message(stream, &m);
	buf_fini(&bytes);
	buf_fini(&words);
}

static void
save_mbox(struct files *f, struct str stream)
{
	struct port_sink *sink = port_mbox_create(&f->port, f->path);
	struct mailstream_in in = {0};
	struct mailstream_record rec;

	assert_non_null(sink);
	buf_str(&in.bytes, stream);
	while (mailstream_next(&in, &rec) == MAILSTREAM_GOT)
		assert_true(sink->take(sink, &rec));
	assert_true(in.ended);
	sink->free(sink);
	mailstream_in_fini(&in);
}

/* Everything in order, except how the bytes are split. */
static void
flatten(struct str stream, struct buf *out)
{
	struct mailstream_in in = {0};
	struct mailstream_record rec;

	buf_str(&in.bytes, stream);
	while (mailstream_next(&in, &rec) == MAILSTREAM_GOT) {
		if (rec.tag == MAILSTREAM_DATA)
			buf_str(out, rec.data);
		else if (rec.tag == MAILSTREAM_MESSAGE)
			mailstream_put_message(out, &rec.message);
	}
	assert_true(in.ended);
	mailstream_in_fini(&in);
}

static void
load_mbox(struct files *f, struct buf *out)
{
	struct port_source *source = port_mbox_open(&f->port, f->path);

	assert_non_null(source);
	while (source->fill(source, out))
		;
	source->free(source);
}

/* Every message comes back unchanged: bytes, flags, keywords, dates. */
static void
test_mbox_there_and_back(void **state)
{
	uint32_t seed = 8437;

	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		struct files f;
		struct buf stream = {0}, back = {0}, one = {0}, two = {0};

		files_begin(&f);
		mailstream_put_version(&stream);
		mailstream_put_mailbox(
		    &stream, &(struct mailstream_mailbox){.name = STR("a"), .exists = true});
		for (unsigned i = 0; i < 50; i++)
			put_random(&seed, &stream);
		mailstream_put_end(&stream);
		save_mbox(&f, buf_as_str(&stream));
		load_mbox(&f, &back);
		flatten(buf_as_str(&stream), &one);
		flatten(buf_as_str(&back), &two);
		assert_int_equal(one.n, two.n);
		assert_memory_equal(one.p, two.p, one.n);
		assert_int_equal(f.port.broken + f.port.words, 0);
		files_end(&f);
		buf_fini(&stream);
		buf_fini(&back);
		buf_fini(&one);
		buf_fini(&two);
	}
}

/* Which lines are flags: ours in our files, theirs in their files, also in messages appended to
 * ours. */
static void
test_mbox_whose_flags(void **state)
{
	static const char ours[] = "From MAILER-DAEMON Thu Jan  1 00:00:00 1970" MBOX_MARK
	                           "\nStatus: O\nX-Status: \n" MBOX_OURS "0 0 crlf whole\n";
	char text[512];

	(void)state;
	snprintf(text, sizeof text, "%sStatus: RO\nX-UID: 4\n\nx\n\n" DATED "Status: RO\n\n", ours);
	check_mbox(text, "\nb[0 0|Status: RO\r\nX-UID: 4\r\n\r\nx\r\n][0 8|]\n", 0);
	/* The mark has no meaning in other files. */
	snprintf(text, sizeof text, DATED "Status: RO\n\nx\n\n%s\ny\n", ours);
	check_mbox(text, "\nb[0 8|\r\nx\r\n][0 0|" MBOX_OURS "0 0 crlf whole\r\n\r\ny\r\n]\n", 0);
	/* Nor in lines that somebody has changed. */
	snprintf(text, sizeof text,
	    "From MAILER-DAEMON Thu Jan  1 00:00:00 1970" MBOX_MARK "\nA: b\nStatus: RO\n\n");
	check_mbox(text, "\nb[0 8|A: b\r\n]\n", 0);
}

static void
test_mbox_no_flags(void **state)
{
	struct files f;
	struct buf out = {0};

	(void)state;
	files_begin(&f);
	f.port.no_flags = true;
	add_file(&f, "b", DATED "Status: RO\nX-Keywords: a\n\n");
	read_source(port_mbox_open(&f.port, f.path), &out);
	assert_string_equal(buf_cstr(&out), "\nb[0 0|Status: RO\r\nX-Keywords: a\r\n]\n");
	files_end(&f);
	buf_fini(&out);
}

/* ---- what is opened ---- */

static void
add_link(struct files *f, const char *to, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert_int_equal(symlink(to, path), 0);
}

/* Nothing is read through a link, nor anything that belongs to another owner. */
static void
test_links(void **state)
{
	struct files f;
	struct buf out = {0};
	char path[256];
	int fd;

	(void)state;
	files_begin(&f);
	add_folder(&f, "there");
	add_folder(&f, "there/cur");
	add_file(&f, "there/cur/1:2,S", "secret");
	add_file(&f, "there/box", DATED "\nsecret\n");
	add_link(&f, "there", "link");
	add_link(&f, "there/box", "box");
	snprintf(path, sizeof path, "%s/link", f.path);
	assert_null(port_maildir_open(&f.port, path));
	assert_null(port_mbox_open(&f.port, path));
	snprintf(path, sizeof path, "%s/box", f.path);
	assert_null(port_mbox_open(&f.port, path));
	snprintf(path, sizeof path, "%s/link/box", f.path);
	assert_null(port_mbox_open(&f.port, path));

	f.port.follow_owned = true;
	read_source(port_mbox_open(&f.port, path), &out);
	assert_non_null(strstr(buf_cstr(&out), "secret"));
	fd = open(f.path, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	assert_true(close(port_open(&f.port, fd, "link/box", false)) == 0);
	assert_int_equal(port_open(&f.port, fd, "link/box", true), -1);
	f.port.owner++;
	assert_int_equal(port_open(&f.port, fd, "link/box", false), -1);
	assert_int_equal(errno, EXDEV);
	f.port.follow_owned = false;
	assert_int_equal(port_open(&f.port, fd, "there/box", false), -1);
	assert_int_equal(errno, EXDEV);
	f.port.owner--;
	assert_int_equal(port_open(&f.port, fd, "link/box", false), -1);
	assert_int_equal(errno, ELOOP);
	assert_true(close(port_open(&f.port, fd, "there/box", false)) == 0);
	close(fd);
	files_end(&f);
	buf_fini(&out);
}

/* A folder that becomes a link after the folders are listed and before it is read. */
static void
test_exchanged(void **state)
{
	struct files f;
	struct buf out = {0};
	struct port_source *source;
	char from[256], to[256];

	(void)state;
	files_begin(&f);
	add_folder(&f, "victim");
	add_folder(&f, "victim/Maildir");
	add_folder(&f, "victim/Maildir/cur");
	add_file(&f, "victim/Maildir/cur/1:2,S", "secret");
	add_folder(&f, "m");
	add_folder(&f, "m/cur");
	add_folder(&f, "m/Z");
	add_folder(&f, "m/Z/Maildir");
	add_folder(&f, "m/Z/Maildir/cur");
	f.port.fs_layout = true;
	snprintf(from, sizeof from, "%s/m", f.path);
	source = port_maildir_open(&f.port, from);
	snprintf(from, sizeof from, "%s/m/Z", f.path);
	snprintf(to, sizeof to, "%s/m/.was", f.path);
	assert_int_equal(rename(from, to), 0);
	add_link(&f, "../victim", "m/Z");
	read_source(source, &out);
	assert_string_equal(buf_cstr(&out), "\nINBOX\n");
	assert_int_equal(f.port.broken, 1);
	files_end(&f);
	buf_fini(&out);
}

/* An export never writes into a folder that is a link, or over a file that it has not made. */
static void
test_export_links(void **state)
{
	struct files f;
	struct mailstream_record rec = {
	    .tag = MAILSTREAM_MAILBOX, .mailbox = {.name = STR("a/b"), .exists = true}};
	struct port_sink *sink;
	char path[256];

	(void)state;
	files_begin(&f);
	add_folder(&f, "victim");
	add_folder(&f, "out");
	add_link(&f, "../victim", "out/a");
	snprintf(path, sizeof path, "%s/out", f.path);
	sink = port_mbox_create(&f.port, path);
	assert_non_null(sink);
	assert_false(sink->take(sink, &rec));
	sink->free(sink);
	add_link(&f, "victim", "link");
	snprintf(path, sizeof path, "%s/link", f.path);
	assert_null(port_mbox_create(&f.port, path));
	assert_null(port_maildir_create(&f.port, path));
	snprintf(path, sizeof path, "%s/victim", f.path);
	assert_int_equal(rmdir(path), 0); /* it is empty */
	files_end(&f);
}

static void
test_keywords(void **state)
{
	struct port port = {.cmd = "test"};
	const struct port_at at = {"", "file", 1};
	struct buf words = {0};
	char word[16];

	(void)state;
	port_keyword(&port, &at, STR("Work"), &words);
	port_keyword(&port, &at, STR("wORK"), &words);
	assert_true(str_eq(buf_as_str(&words), STR("\4Work")));
	for (const char *p = "(){%*\"\\] \x7f\x80\x01"; *p != '\0'; p++)
		port_keyword(&port, &at, (struct str){p, 1}, &words);
	port_keyword(&port, &at, STR_NONE, &words);
	assert_int_equal(words.n, 5);
	assert_int_equal(port.words, 13);
	for (unsigned i = 0; i < STORE_KEYWORDS_MAX + 5; i++) {
		snprintf(word, sizeof(word), "w%u", i);
		port_keyword(&port, &at, str_of(word), &words);
	}
	assert_int_equal(port.words, 13 + 6);
	buf_fini(&words);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_there_and_back),
	    cmocka_unit_test(test_cut_and_flipped),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_maildir),
	    cmocka_unit_test(test_maildir_properties),
	    cmocka_unit_test(test_mbox),
	    cmocka_unit_test(test_mbox_separators),
	    cmocka_unit_test(test_mbox_lost),
	    cmocka_unit_test(test_mbox_dates),
	    cmocka_unit_test(test_mbox_there_and_back),
	    cmocka_unit_test(test_mbox_whose_flags),
	    cmocka_unit_test(test_mbox_no_flags),
	    cmocka_unit_test(test_links),
	    cmocka_unit_test(test_exchanged),
	    cmocka_unit_test(test_export_links),
	    cmocka_unit_test(test_keywords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
