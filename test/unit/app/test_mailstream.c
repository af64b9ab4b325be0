/* SPDX-License-Identifier: Apache-2.0 */
/* The stream of messages, and the readers of Maildir and mbox that make it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/port.h"
#include "store/store.h"

/* ---- the stream ---- */

static void
put_stream(struct buf *b)
{
	struct buf words = {0};

	buf_vstr(&words, STR("work"));
	mailstream_put_version(b);
	mailstream_put_mailbox(b, &(struct mailstream_mailbox){.name = STR("INBOX"),
	                              .uidvalidity = UINT32_MAX,
	                              .uidnext = 9,
	                              .modseq = UINT64_MAX,
	                              .subscribed = true,
	                              .exists = true,
	                              .messages = 1});
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
	const char tags[] = "VMDxDDmZ";

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
		} else if (rec.tag == MAILSTREAM_MESSAGE) {
			assert_true(rec.message.internaldate == INT64_MIN);
			assert_true(rec.message.savedate == INT64_MAX);
			assert_int_equal(rec.message.zone, -1439);
			assert_true(str_eq(rec.message.keywords, STR("\4work")));
		}
	}
	assert_true(in.ended);
	assert_int_equal(mailstream_next(&in, &rec), MAILSTREAM_MORE);
	mailstream_in_fini(&in);
}

/* What the stream comes to when it is cut off, or a byte of it is another. */
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

static void
test_keywords(void **state)
{
	struct port port = {.cmd = "test"};
	struct buf words = {0};
	char word[16];

	(void)state;
	port_keyword(&port, STR("Work"), &words);
	port_keyword(&port, STR("wORK"), &words);
	assert_true(str_eq(buf_as_str(&words), STR("\4Work")));
	for (const char *p = "(){%*\"\\] \x7f\x80\x01"; *p != '\0'; p++)
		port_keyword(&port, (struct str){p, 1}, &words);
	port_keyword(&port, STR_NONE, &words);
	assert_int_equal(words.n, 5);
	assert_int_equal(port.words, 13);
	for (unsigned i = 0; i < STORE_KEYWORDS_MAX + 5; i++) {
		snprintf(word, sizeof(word), "w%u", i);
		port_keyword(&port, str_of(word), &words);
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
	    cmocka_unit_test(test_mbox),
	    cmocka_unit_test(test_keywords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
