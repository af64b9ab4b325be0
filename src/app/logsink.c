/* SPDX-License-Identifier: Apache-2.0 */
/* The journal wants levels and fields, which plain lines lose. */
#include "app/logsink.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* <systemd/sd-journal.h> takes syslog's header along, whose names are ours. */
int sd_journal_send(const char *format, ...) __attribute__((format(printf, 1, 0), sentinel));

static void
to_journal(enum log_level level, const char *context, const char *text, void *arg)
{
	/* syslog(3)'s levels; its header has the names of ours. */
	static const int priority[] = {7, 6, 4, 3, 2};

	(void)arg;
	sd_journal_send("MESSAGE=%s%s%s", context != NULL ? context : "",
	    context != NULL ? ": " : "", text, "PRIORITY=%d", priority[level],
	    "SYSLOG_IDENTIFIER=turnstone", (char *)NULL);
}

/* $JOURNAL_STREAM is device and inode of the journal's stream: is that our standard error? */
static bool
is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	/* A number that does not fit only fails to match.  NOLINTNEXTLINE(cert-err34-c) */
	return env != NULL && sscanf(env, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void
logsink_init(void)
{
	if (is_journal())
		log_set_sink(to_journal, NULL);
}
