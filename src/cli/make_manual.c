/* SPDX-License-Identifier: Apache-2.0 */
/* usage: make_manual turnstone.1|turnstone.conf.5    prints the page; SOURCE_DATE_EPOCH sets its
 * date */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "cli/manual.h"

static void
date_text(char *text, size_t size)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	uint64_t seconds;
	time_t at = time(NULL);
	struct tm tm;

	if (epoch != NULL && str_u64(str_of(epoch), INT32_MAX, &seconds))
		at = (time_t)seconds;
	(void)strftime(text, size, "%B %-d, %Y", gmtime_r(&at, &tm));
}

int
main(int argc, char **argv)
{
	struct buf out = {0};
	char date[64];
	bool ok;

	date_text(date, sizeof(date));
	if (argc == 2 && strcmp(argv[1], "turnstone.1") == 0)
		manual_commands(date, &out);
	else if (argc == 2 && strcmp(argv[1], "turnstone.conf.5") == 0)
		manual_conf(date, &out);
	ok = out.n > 0 && fwrite(out.p, 1, out.n, stdout) == out.n && fflush(stdout) == 0;
	buf_fini(&out);
	return ok ? 0 : 1;
}
