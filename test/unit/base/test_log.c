/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_peer_cannot_forge_a_line),
	    cmocka_unit_test(levels_are_filtered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
