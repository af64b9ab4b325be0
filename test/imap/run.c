/* SPDX-License-Identifier: Apache-2.0 */
/* usage: test_imap FILE.imt …   Runs transcripts; see script.h.  Prints one line for each. */
#include <stdio.h>

#include "base/buf.h"
#include "script.h"

static bool
run_file(const char *path)
{
	struct buf text = {0};
	FILE *f = fopen(path, "r");
	bool passed;
	size_t n;

	if (f == NULL) {
		perror(path);
		return false;
	}
	do {
		n = fread(buf_room(&text, 65536), 1, 65536, f);
		text.n += n;
	} while (n > 0);
	fclose(f);
	passed = script_run(path, buf_as_str(&text));
	buf_fini(&text);
	printf("%s %s\n", passed ? "ok" : "not ok", path);
	fflush(stdout);
	return passed;
}

int
main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed += !run_file(argv[i]);
	if (argc > 2)
		printf("%d passed, %d failed\n", argc - 1 - failed, failed);
	return failed != 0;
}
