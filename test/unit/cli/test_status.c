/* SPDX-License-Identifier: Apache-2.0 */
/* Figures for people: units, warnings, and counts that are cut short. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cli/cmd/status.h"
#include "server/process/usage.h"
#include "store/engine/mem/mem.h"

static void
is_bytes(uint64_t n, const char *want)
{
	struct buf out = {0};

	status_bytes(n, &out);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void
is_time(uint64_t seconds, const char *want)
{
	struct buf out = {0};

	status_time(seconds, &out);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void
test_units(void **state)
{
	(void)state;
	is_bytes(0, "0 bytes");
	is_bytes(1023, "1023 bytes");
	is_bytes(1024, "1.0 KiB");
	is_bytes(1536, "1.5 KiB");
	is_bytes((1 << 20) - 1, "1.0 MiB");
	is_bytes(212766010, "202.9 MiB");
	is_bytes(UINT64_MAX, "16.0 EiB");
	is_time(0, "0 seconds");
	is_time(1, "1 second");
	is_time(61, "1 minute 1 second");
	is_time(7200, "2 hours");
	is_time(86400 * 3 + 3600 * 4 + 59, "3 days 4 hours");
	is_time(86400 + 59, "1 day");
}

static void
page(const char *lines, const char *has, const char *has_not)
{
	struct buf out = {0};

	status_summary(str_of(lines), &out);
	assert_non_null(strstr(buf_cstr(&out), has));
	if (has_not != NULL)
		assert_null(strstr(buf_cstr(&out), has_not));
	buf_fini(&out);
}

#define FINE                                                                                       \
	"version: 1\npid: 7\nuptime_seconds: 61\nconnections: 1\nconnections_most: 100\n"          \
	"files_most: 1000\nlisteners: 0\nlistener_imap: 143\nlistener_lmtp_socket: /run/l\n"

static void
test_page(void **state)
{
	(void)state;
	page(FINE "disk_free_bytes: 100\ndisk_free_mark_bytes: 10\n", "Warnings     none", NULL);
	page(FINE, "running for 1 minute 1 second (process 7)", NULL);
	page(FINE, "imap port 143, lmtp /run/l\n", NULL);
	page(FINE "disk_free_bytes: 9\ndisk_free_mark_bytes: 10\n", "the disk is full", "none\n");
	page(FINE "disk_free_bytes: 19\ndisk_free_mark_bytes: 10\n", "nearly full", NULL);
	page(FINE "changes_pending: 1\ncommits_per_second_10s: 0.0\n", "has accepted none", NULL);
	page(FINE "changes_pending: 1\ncommits_per_second_10s: 0.1\n", "1 change waits for the",
	    "has accepted none");
	page("connections: 90\nconnections_most: 100\nfiles_most: 1000\n",
	    "limits.connections is nearly", "LimitNOFILE");
	page("connections: 800\nconnections_most: 20000\nfiles_most: 1000\n", "LimitNOFILE", NULL);
	page(FINE "auth_helper: gone\n", "auth helper", NULL);
	page(FINE "sandbox_seccomp: yes\nsandbox_landlock: 0\n", "Landlock", NULL);
	page(FINE "mail_messages: 1234567\nmail_mailboxes: 1\nmail_bytes: 2048\n",
	    "1,234,567 messages in 1 mailbox of 0 accounts, 2.0 KiB\n", "more than");
	page(FINE "mail_cut_off: yes\n", "more than 0 messages", NULL);
	page(FINE "work_waiting: 2\n", "2 jobs wait for a worker", "nothing waits");
}

static void
put_file(const char *path, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	close(fd);
}

/* Returns the space a file takes, which its length does not show. */
static uint64_t
put_room(const char *path, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(posix_fallocate(fd, 0, (off_t)n), 0);
	assert_int_equal(ftruncate(fd, (off_t)n), 0);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	return (uint64_t)st.st_blocks * 512;
}

static int
folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void
test_folder(void **state)
{
	char dir[] = "/tmp/ts-usage-XXXXXX";
	struct usage u = {0};
	uint64_t taken;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(mkdir("salvaged", 0700), 0);
	taken = put_room("one", 100000);
	assert_true(taken >= 100000);
	put_file("salvaged/two", 1 << 24); /* a hole */
	assert_int_equal(symlink("/", "link"), 0);
	assert_true(usage_add_folder(folder(dir), UINT64_MAX, &u));
	assert_int_equal(u.disk_bytes, taken);
	assert_int_equal(u.disk_files, 2);
	u = (struct usage){0};
	assert_false(usage_add_folder(folder(dir), clock_mono_ms(), &u));
	assert_int_equal(u.disk_bytes, 0);
	assert_int_equal(unlink("one") | unlink("salvaged/two") | unlink("link"), 0);
	assert_int_equal(rmdir("salvaged"), 0);
	assert_int_equal(rmdir(dir), 0);
}

static bool
some(void *arg)
{
	unsigned *left = arg;

	return (*left)-- > 0;
}

static void
test_totals(void **state)
{
	struct store_options opt;
	struct store *store;
	char *text = NULL;
	struct store_totals totals;
	unsigned left = 10000;
	bool whole;

	(void)state;
	store_options_default(&opt);
	opt.engine = &engine_mem_class;
	opt.lanes = 1;
	assert_int_equal(store_open(&opt, &store, &text), TS_OK);
	for (unsigned i = 0; i < 2050; i++) { /* more than two steps */
		struct store_account *account = NULL;
		struct buf name = {0};

		buf_printf(&name, "user%u", i);
		assert_int_equal(
		    store_account_load(store, buf_as_str(&name), true, &account), TS_OK);
		store_account_unref(&account);
		buf_fini(&name);
	}
	assert_int_equal(store_totals(store, some, &left, &totals, &whole), TS_OK);
	assert_true(whole);
	assert_int_equal(totals.accounts, 2050);
	assert_int_equal(totals.mailboxes, 2050);
	assert_int_equal(totals.messages, 0);
	left = 1500;
	assert_int_equal(store_totals(store, some, &left, &totals, &whole), TS_OK);
	assert_false(whole);
	assert_int_equal(totals.accounts, 1500);
	store_close(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_units),
	    cmocka_unit_test(test_page), cmocka_unit_test(test_folder),
	    cmocka_unit_test(test_totals)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
