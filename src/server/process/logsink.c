/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's own format has levels and fields, which plain lines lose. */
#include "server/process/logsink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

/* <systemd/sd-journal.h> includes syslog.h, whose names clash with ours. */
int sd_journal_sendv(const struct iovec *iov, int n);

/* Makes a journal field: name and value, which may hold any byte. */
static struct iovec
variable(struct buf *b)
{
	return (struct iovec){b->p, b->n};
}

static void
put_field(struct buf *out, const struct log_field *f)
{
	buf_puts(out, "TURNSTONE_");
	for (const char *c = f->key; *c != '\0'; c++)
		buf_putc(out, (char)ascii_upper((unsigned char)*c));
	buf_putc(out, '=');
	if (f->is_number)
		buf_u64(out, f->number);
	else if (f->text.n > 0)
		buf_put(out, f->text.p, f->text.n < LOG_VALUE_MAX ? f->text.n : LOG_VALUE_MAX);
}

static void
to_journal(enum log_level level, const struct log_event *e, void *arg)
{
	/* The levels of syslog(3), whose header clashes with ours. */
	static const char *const priority[] = {
	    "PRIORITY=7", "PRIORITY=6", "PRIORITY=4", "PRIORITY=3", "PRIORITY=2"};
	static const char identifier[] = "SYSLOG_IDENTIFIER=turnstone";
	struct iovec iov[LOG_FIELDS + 3];
	struct buf text[LOG_FIELDS + 1] = {0};
	int n = 0;
	char line[LOG_LINE_MAX];

	(void)arg;
	buf_puts(&text[0], "MESSAGE=");
	if (e->source != NULL) {
		buf_puts(&text[0], e->source);
		buf_puts(&text[0], ": ");
	}
	buf_put(&text[0], line, log_event_text(e, line, sizeof(line)));
	iov[n++] = (struct iovec){(void *)(uintptr_t)priority[level], strlen(priority[level])};
	iov[n++] = (struct iovec){(void *)(uintptr_t)identifier, sizeof(identifier) - 1};
	iov[n++] = variable(&text[0]);
	for (unsigned i = 0; i < e->n; i++) {
		put_field(&text[i + 1], &e->f[i]);
		iov[n++] = variable(&text[i + 1]);
	}
	(void)sd_journal_sendv(iov, n);
	for (unsigned i = 0; i <= e->n; i++)
		buf_fini(&text[i]);
}

/* $JOURNAL_STREAM has device and inode of the journal's stream: is it our standard error? */
static bool
is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	/* A number out of range merely fails to match.  NOLINTNEXTLINE(cert-err34-c) */
	return env != NULL && sscanf(env, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void
logsink_init(enum logsink_format format)
{
	static const enum log_format formats[] = {[LOGSINK_AUTO] = LOG_FORMAT_LOGFMT,
	    [LOGSINK_LOGFMT] = LOG_FORMAT_LOGFMT,
	    [LOGSINK_JSON] = LOG_FORMAT_JSON,
	    [LOGSINK_TEXT] = LOG_FORMAT_TEXT};

	log_set_format(formats[format]);
	if (format == LOGSINK_AUTO && is_journal())
		log_set_event_sink(to_journal, NULL);
}
