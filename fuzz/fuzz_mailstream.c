/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail from files: the readers for Maildir and mbox, and the stream between a command and an
 * operation.  The first byte says what the rest is:
 *	s   a stream as it is
 *	r   records, each with the byte 0xff before it, then its tag; length and
 *	    checksum are filled in
 *	m   a Maildir's files, each with the byte 0xff before it, then its path
 *	    ("cur/1:2,S", ".Sent/new/2", "dovecot-uidlist"), a LF, what is in it
 *	b B an mbox file; B: as --mboxo and --keep-headers want it
 * A stream gives the same records in whatever pieces it arrives.  A reader must make a complete
 * stream whose keywords are atoms.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/err.h"
#include "port/port.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/turnstone-fuzz-XXXXXX";

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type;
	if (ftw->level > 0)
		(void)remove(path);
	return 0;
}

static void
empty_folder(void)
{
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
remove_folder(void)
{
	empty_folder();
	(void)rmdir(folder);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	TS_ASSERT(mkdtemp(folder) != NULL);
	TS_ASSERT(atexit(remove_folder) == 0);
	/* The readers report there what they leave out; libFuzzer keeps a copy of its own. */
	stderr = fopen("/dev/null", "w");
	return 0;
}

/* ---- streams ---- */

struct digest {
	uint64_t sum;
	size_t records;
	bool bad, ended;
};

static void
look_at_keywords(struct str keywords, bool atoms)
{
	struct rd r = rd_of(keywords);

	while (rd_left(&r) > 0) {
		struct str word = rd_vstr(&r);

		TS_ASSERT(!r.bad && word.n > 0);
		for (size_t i = 0; atoms && i < word.n; i++)
			TS_ASSERT(word.p[i] > ' ' && word.p[i] < 0x7f &&
			          strchr("(){%*\"\\]", word.p[i]) == NULL);
	}
}

static void
add(struct digest *d, const struct mailstream_record *rec, bool atoms)
{
	struct str part[] = {rec->data, rec->mailbox.name, rec->message.keywords};
	uint64_t number[] = {rec->tag, rec->mailbox.uidvalidity, rec->mailbox.uidnext,
	    rec->mailbox.modseq, rec->mailbox.use, rec->mailbox.subscribed, rec->message.uid,
	    (uint64_t)rec->message.internaldate, rec->message.flags, rec->message.size};

	look_at_keywords(rec->message.keywords, atoms);
	d->records++;
	d->sum = XXH3_64bits_withSeed(number, sizeof(number), d->sum);
	for (size_t i = 0; i < 3; i++)
		if (part[i].n > 0)
			d->sum = XXH3_64bits_withSeed(part[i].p, part[i].n, d->sum);
}

/* Takes all complete records; false: the stream is invalid. */
static bool
drain(struct mailstream_in *in, struct digest *d, bool atoms)
{
	struct mailstream_record rec;
	enum mailstream_got got;

	while ((got = mailstream_next(in, &rec)) == MAILSTREAM_GOT)
		add(d, &rec, atoms);
	if (got == MAILSTREAM_BAD)
		TS_ASSERT(mailstream_next(in, &rec) == MAILSTREAM_BAD);
	return got == MAILSTREAM_MORE;
}

static struct digest
read_stream(struct str text, size_t step)
{
	struct mailstream_in in = {0};
	struct digest d = {0};

	while (text.n > 0 && !d.bad) {
		size_t n = text.n < step ? text.n : step;

		buf_put(&in.bytes, text.p, n);
		text = (struct str){text.p + n, text.n - n};
		d.bad = !drain(&in, &d, false);
	}
	d.ended = in.ended;
	mailstream_in_fini(&in);
	return d;
}

static void
stream(struct str text)
{
	struct digest one = read_stream(text, SIZE_MAX), two = read_stream(text, 1),
	              three = read_stream(text, 7);

	TS_ASSERT(one.bad == two.bad && one.records == two.records && one.sum == two.sum);
	TS_ASSERT(one.bad == three.bad && one.records == three.records && one.sum == three.sum);
}

static void
records(struct str text)
{
	struct buf made = {0};
	struct str part;

	(void)str_split(&text, (char)0xff, &part);
	while (str_split(&text, (char)0xff, &part)) {
		unsigned char tag;

		if (part.n == 0)
			continue;
		tag = (unsigned char)part.p[0];
		part = (struct str){part.p + 1, part.n - 1};
		buf_putc(&made, (char)tag);
		buf_vstr(&made, part);
		buf_le64(&made, XXH3_64bits_withSeed(part.p, part.n, tag));
	}
	stream(buf_as_str(&made));
	buf_fini(&made);
}

/* ---- files ---- */

static void
make_parents(char *path)
{
	for (char *p = path + sizeof(folder); (p = strchr(p, '/')) != NULL; *p++ = '/') {
		*p = '\0';
		(void)mkdir(path, 0700);
	}
}

static void
write_file(struct str name, struct str text)
{
	struct buf path = {0};
	FILE *f;

	if (str_find(name, STR("..")) != NULL || memchr(name.p, '\0', name.n) != NULL)
		return;
	buf_printf(&path, "%s/%.*s", folder, STR_ARG(name));
	(void)buf_cstr(&path);
	make_parents(path.p);
	f = fopen(buf_cstr(&path), "w");
	if (f != NULL) {
		(void)fwrite(text.p, 1, text.n, f);
		(void)fclose(f);
	}
	buf_fini(&path);
}

static void
read_source(struct port_source *source)
{
	struct mailstream_in in = {0};
	struct digest d = {0};

	if (source == NULL)
		return;
	while (source->fill(source, &in.bytes))
		TS_ASSERT(drain(&in, &d, true));
	TS_ASSERT(in.ended);
	mailstream_in_fini(&in);
	source->free(source);
}

static void
maildir(struct str text)
{
	struct port port = {.cmd = "fuzz"};
	struct str part, name;

	progress_init(&port.progress, true);
	write_file(STR("cur/1"), STR("Subject: one\n\n"));
	(void)str_split(&text, (char)0xff, &part);
	while (str_split(&text, (char)0xff, &part)) {
		(void)str_split(&part, '\n', &name);
		if (name.n > 0)
			write_file(name, part);
	}
	read_source(port_maildir_open(&port, folder));
	port.fs_layout = true;
	read_source(port_maildir_open(&port, folder));
}

static void
mbox(struct str text, bool other)
{
	struct port port = {.cmd = "fuzz", .mboxo = other, .keep_headers = other};

	progress_init(&port.progress, true);
	write_file(STR("box"), text);
	read_source(port_mbox_open(&port, folder));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = {.p = (const char *)data + 1, .n = size - 1};

	if (size == 0)
		return 0;
	switch (data[0]) {
	case 's':
		stream(text);
		break;
	case 'r':
		records(text);
		break;
	case 'm':
		maildir(text);
		empty_folder();
		break;
	case 'b':
	case 'B':
		mbox(text, data[0] == 'B');
		empty_folder();
		break;
	default:
		break;
	}
	return 0;
}
