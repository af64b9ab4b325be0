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
	assert_string_equal(seen, "info|conn=1|user x\\u000d\\u000a2026 panic: y\\u007f");
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

/* Logs with standard error redirected to a file, and returns the contents. */
static char *
written(void (*log)(FILE *file))
{
	static char text[2000000];
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

/* Values as a hostile peer would choose them. */
static void
log_hostile(FILE *file)
{
	static const struct str values[] = {STR("a b"), STR("x\" user=root y=\"\nlevel=panic"),
	    STR("nul\0\x1b[2J\x7f"), STR("bad\xff\xc3"), STR("\xc3\xa9\xc2\x9b\xe2\x80\xae"),
	    STR(""), STR("back\\slash"), STR("cut\xe2\x80")};
	static const char *const keys[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	struct log_event e;

	(void)file;
	log_event_init(&e, "src", STR("m\r\nforged user=root"));
	log_event_u64(&e, "n", UINT64_MAX);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		log_event_str(&e, keys[i], values[i]);
	log_event_put(&e, LOG_INFO);
}

static void
hostile_values_stay_in_their_fields(void **state)
{
	const char *text;

	(void)state;
	log_set_format(LOG_FORMAT_LOGFMT);
	text = written(log_hostile);
	assert_string_equal(text + strlen("time=2026-11-23T21:12:23.456Z"),
	    " level=info source=src msg=\"m\\u000d\\u000aforged user=root\" n=18446744073709551615"
	    " a=\"a b\" b=\"x\\\" user=root y=\\\"\\u000alevel=panic\""
	    " c=\"nul\\u0000\\u001b[2J\\u007f\" d=\"bad\\ufffd\\ufffd\""
	    " e=\"\xc3\xa9\\u009b\\u202e\" f=\"\" g=\"back\\\\slash\" h=\"cut\\ufffd\\ufffd\"\n");
	log_set_format(LOG_FORMAT_JSON);
	text = written(log_hostile);
	assert_string_equal(text + strlen("{\"time\":\"2026-11-23T21:12:23.456Z"),
	    "\",\"level\":\"info\",\"source\":\"src\",\"msg\":\"m\\u000d\\u000aforged user=root\""
	    ",\"n\":18446744073709551615"
	    ",\"a\":\"a b\",\"b\":\"x\\\" user=root y=\\\"\\u000alevel=panic\""
	    ",\"c\":\"nul\\u0000\\u001b[2J\\u007f\",\"d\":\"bad\\ufffd\\ufffd\""
	    ",\"e\":\"\xc3\xa9\\u009b\\u202e\",\"f\":\"\",\"g\":\"back\\\\slash\""
	    ",\"h\":\"cut\\ufffd\\ufffd\"}\n");
	log_set_format(LOG_FORMAT_TEXT);
	text = written(log_hostile);
	assert_non_null(strstr(text, "Z info src: \"m\\u000d\\u000aforged user=root\" n="));
}

/* Too much: whole fields are left out, and the line ends properly. */
static void
log_too_much(FILE *file)
{
	static char long_text[3000];
	struct log_event e;

	(void)file;
	memset(long_text, 1, sizeof(long_text));
	log_event_init(&e, NULL, (struct str){long_text, sizeof(long_text)});
	for (int i = 0; i < LOG_FIELDS + 5; i++)
		log_event_str(&e, "k", (struct str){long_text, sizeof(long_text)});
	log_event_put(&e, LOG_INFO);
}

static void
what_does_not_fit_is_left_out(void **state)
{
	const char *text;
	size_t n;

	(void)state;
	log_set_format(LOG_FORMAT_JSON);
	text = written(log_too_much);
	n = strlen(text);
	assert_true(n > 6 * LOG_MESSAGE_MAX && n <= LOG_LINE_MAX);
	assert_string_equal(text + n - 4, "1\"}\n");
	assert_ptr_equal(strchr(text, '\n'), text + n - 1);
	log_set_format(LOG_FORMAT_TEXT);
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
	for (int i = 0; i < 5000; i++) /* more than there is room for */
		log_msg(LOG_INFO, NULL, "%300s line %d", "", i);
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
	    cmocka_unit_test(hostile_values_stay_in_their_fields),
	    cmocka_unit_test(what_does_not_fit_is_left_out),
	    cmocka_unit_test(an_error_takes_what_was_collected_along),
	    cmocka_unit_test(no_line_is_lost_when_the_memory_is_full),
	    cmocka_unit_test(a_line_does_not_wait_for_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
