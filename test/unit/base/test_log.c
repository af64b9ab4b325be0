/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static char seen[4096];

static void
keep(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)arg;
	(void)snprintf(seen, sizeof(seen), "%s|%s|%s", log_level_name(level),
	    context != NULL ? context : "-", text);
}

static void
a_peer_cannot_forge_a_line(void **state)
{
	(void)state;
	log_set_sink(keep, NULL);
	log_msg(LOG_INFO, "conn=1", "user %s", "x\r\n2026 panic: y\x7f");
	assert_string_equal(seen, "info|conn=1|user x\\x0D\\x0A2026 panic: y\\x7F");
}

static void
levels_are_filtered(void **state)
{
	(void)state;
	log_set_sink(keep, NULL);
	seen[0] = '\0';
	log_msg(LOG_DEBUG, NULL, "quiet");
	assert_string_equal(seen, "");
	log_set_level(LOG_DEBUG);
	log_msg(LOG_DEBUG, NULL, "loud");
	assert_string_equal(seen, "debug|-|loud");
	log_set_level(LOG_INFO);
}

static void
lines_are_put_together(void **state)
{
	struct log_line line = {.n = 0};

	(void)state;
	log_set_sink(keep, NULL);
	log_line_puts(&line, "a=");
	log_line_u64(&line, 0);
	log_line_puts(&line, " b=");
	log_line_u64(&line, UINT64_MAX);
	log_line_str(&line, STR(" c\n"));
	log_line_end(&line, LOG_INFO, "ctx");
	assert_string_equal(seen, "info|ctx|a=0 b=18446744073709551615 c\\x0A");
}

static void
what_does_not_fit_a_line_is_cut(void **state)
{
	struct log_line line = {.n = 0};

	(void)state;
	log_set_sink(keep, NULL);
	for (int i = 0; i < 3000; i++)
		log_line_puts(&line, "x");
	assert_int_equal(line.n, sizeof(line.p));
	log_line_end(&line, LOG_INFO, NULL);
	assert_int_equal(strlen(seen), strlen("info|-|") + sizeof(line.p));
}

/* Standard error goes to a file while lines are logged; what is in it then. */
static char *
written(void (*log)(FILE *file))
{
	static char text[400000];
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);
	size_t n;

	assert_non_null(file);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	log_set_sink(NULL, NULL);
	log(file);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	(void)close(kept);
	rewind(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	(void)fclose(file);
	return text;
}

static off_t
size_of(FILE *file)
{
	struct stat st;

	assert_int_equal(fstat(fileno(file), &st), 0);
	return st.st_size;
}

static void
log_with_an_error(FILE *file)
{
	log_collect_begin();
	log_msg(LOG_INFO, "c", "first");
	log_msg(LOG_ERROR, NULL, "second");
	assert_true(size_of(file) > 0);
	log_msg(LOG_INFO, NULL, "third");
	log_collect_end();
	log_msg(LOG_INFO, NULL, "fourth");
}

static void
an_error_takes_what_was_collected_along(void **state)
{
	const char *text = written(log_with_an_error);
	const char *first = strstr(text, "Z info c: first\n"), *last;

	(void)state;
	assert_non_null(first);
	assert_non_null(strstr(first, "Z error second\n"));
	last = strstr(first, "Z info third\n");
	assert_non_null(last);
	assert_non_null(strstr(last, "Z info fourth\n"));
}

static void
log_a_lot(FILE *file)
{
	log_collect_begin();
	for (int i = 0; i < 5000; i++)
		log_msg(LOG_INFO, NULL, "line %d", i);
	assert_true(size_of(file) > 0);
	log_collect_end();
}

static void
no_line_is_lost_when_the_memory_is_full(void **state)
{
	char *at = written(log_a_lot);

	(void)state;
	for (int i = 0; i < 5000; i++) {
		char want[32];

		(void)snprintf(want, sizeof(want), " line %d\n", i);
		at = strstr(at, want);
		assert_non_null(at);
	}
}

static void
log_one(FILE *file)
{
	log_collect_begin();
	log_msg(LOG_INFO, NULL, "alone");
	while (size_of(file) == 0)
		(void)usleep(1000);
	log_collect_end();
}

static void
a_line_does_not_wait_for_others(void **state)
{
	(void)state;
	assert_non_null(strstr(written(log_one), " alone\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_peer_cannot_forge_a_line),
	    cmocka_unit_test(levels_are_filtered),
	    cmocka_unit_test(lines_are_put_together),
	    cmocka_unit_test(what_does_not_fit_a_line_is_cut),
	    cmocka_unit_test(an_error_takes_what_was_collected_along),
	    cmocka_unit_test(no_line_is_lost_when_the_memory_is_full),
	    cmocka_unit_test(a_line_does_not_wait_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
