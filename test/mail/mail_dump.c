/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints what the mail folder makes of messages, one JSON object per line, for comparison with
 * another mail parser.  usage: mail_dump FILE... With --time N first, summarizes each file N times
 * and prints microseconds.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "mail/header.h"
#include "mail/section.h"
#include "mail/text/text.h"

static void
json(struct str s, struct buf *out)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 32 || c == 127 || c == '"' || c == '\\')
			buf_printf(out, "\\u%04x", c);
		else
			buf_putc(out, s.p[i]);
	}
	buf_putc(out, '"');
}

static void
json_text(const char *key, struct str s, struct buf *out)
{
	buf_printf(out, "\"%s\": ", key);
	if (s.p == NULL)
		buf_puts(out, "null");
	else
		json(s, out);
	buf_puts(out, ", ");
}

static void
dump_filename(struct str header, struct buf *out)
{
	struct buf name = {0};
	struct str disposition = mail_field_find(header, STR("content-disposition"));
	struct str type = mail_field_find(header, STR("content-type"));

	if ((disposition.p != NULL && mail_param_find(disposition, STR("filename"), &name)) ||
	    (type.p != NULL && mail_param_find(type, STR("name"), &name)))
		json_text("filename", name.n > 0 ? buf_as_str(&name) : STR(""), out);
	else
		json_text("filename", STR_NONE, out);
	buf_fini(&name);
}

static void
dump_content(const struct mail_part *p, struct str body, struct buf *out)
{
	struct mail_decoder d;
	struct buf bytes = {0}, text = {0};

	mail_decoder_init(&d, p->encoding);
	mail_decode(&d, body, true, &bytes);
	/* Bytes that are not text are passed on as if they were Latin-1. */
	mail_to_utf8(
	    str_eq(p->type, STR("text")) && p->charset.n > 0 ? p->charset : STR("iso-8859-1"),
	    buf_as_str(&bytes), &text);
	json_text("content", text.n > 0 ? buf_as_str(&text) : STR(""), out);
	buf_printf(out, "\"size\": %zu, ", bytes.n);
	buf_fini(&bytes);
	buf_fini(&text);
}

static void
dump_part(const struct mail_summary *s, struct str message, uint32_t i, struct buf *out)
{
	struct mail_part p;
	struct str header;

	mail_summary_part(s, i, &p);
	header = (struct str){message.p + p.header_off, p.header_len};
	buf_puts(out, i > 0 ? ", {" : "{");
	json_text("type", p.type, out);
	json_text("subtype", p.subtype, out);
	json_text("charset", p.charset, out);
	dump_filename(header, out);
	if (p.kind == MAIL_PART_LEAF)
		dump_content(&p, (struct str){message.p + p.body_off, p.body_len}, out);
	buf_printf(out, "\"kind\": %d, \"parent\": %u, \"number\": %u, \"lines\": %llu}",
	    (int)p.kind, p.parent, p.number, (unsigned long long)p.lines);
}

static void
dump(const char *name, struct str message)
{
	static const char *const texts[MAIL_TEXT_COUNT] = {"envelope", "body", "bodystructure",
	    "subject", "from", "to", "cc", "bcc", "key_subject", "key_from", "key_to", "key_cc",
	    "key_displayfrom", "key_displayto", "message_id", "in_reply_to", "references"};
	struct buf bytes = {0}, out = {0};
	struct mail_summary s;

	mail_summarize(message, NULL, &bytes);
	if (mail_summary_open(buf_as_str(&bytes), &s) != TS_OK)
		exit(1);
	buf_putc(&out, '{');
	json_text("file", str_of(name), &out);
	for (int i = 0; i < MAIL_TEXT_COUNT; i++) {
		struct str t = mail_summary_text(&s, (enum mail_text)i);

		if (i <= MAIL_TEXT_BODYSTRUCTURE) { /* may hold any bytes */
			struct buf text = {0};

			mail_to_utf8(STR("iso-8859-1"), t, &text);
			json_text(texts[i], buf_as_str(&text), &out);
			buf_fini(&text);
		} else {
			json_text(texts[i], t, &out);
		}
	}
	if ((s.flags & MAIL_SUMMARY_DATED) != 0)
		buf_printf(&out, "\"sent\": %lld, ", (long long)s.sent);
	buf_puts(&out, "\"parts\": [");
	for (uint32_t i = 0; i < s.part_count; i++)
		dump_part(&s, message, i, &out);
	buf_puts(&out, "]}\n");
	fwrite(out.p, 1, out.n, stdout);
	buf_fini(&out);
	buf_fini(&bytes);
}

static void
measure(const char *name, struct str message, int rounds)
{
	struct buf out = {0};
	uint64_t from = clock_mono_ns();

	for (int i = 0; i < rounds; i++) {
		out.n = 0;
		mail_summarize(message, NULL, &out);
	}
	printf("%s: %zu bytes, summary %zu bytes, %.2f us\n", name, message.n, out.n,
	    (double)(clock_mono_ns() - from) / 1000.0 / rounds);
	buf_fini(&out);
}

static void
read_file(const char *name, struct buf *out)
{
	FILE *f = fopen(name, "rb");
	size_t n;

	if (f == NULL) {
		perror(name);
		exit(1);
	}
	while ((n = fread(buf_room(out, 65536), 1, 65536, f)) > 0)
		out->n += n;
	fclose(f);
}

int
main(int argc, char **argv)
{
	int rounds = 0, i = 1;

	if (argc > 2 && strcmp(argv[1], "--time") == 0) {
		rounds = atoi(argv[2]);
		i = 3;
	}
	for (; i < argc; i++) {
		struct buf bytes = {0};

		read_file(argv[i], &bytes);
		if (rounds > 0)
			measure(argv[i], buf_as_str(&bytes), rounds);
		else
			dump(argv[i], buf_as_str(&bytes));
		buf_fini(&bytes);
	}
	return 0;
}
