/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the sandbox: what must work works, what must fail fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those four */
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/process/sandbox.h"

/* What the child found, as its exit code. */
enum { FINE = 0, NOT_ENTERED = 99 };

#define MUST(n, condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			_exit(n);                                                                  \
	} while (0)

static void *
thread(void *arg)
{
	*(int *)arg = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	return NULL;
}

static void
try_files(const char *folder, const char *outside)
{
	char name[256], other[256];
	int fd;

	snprintf(name, sizeof(name), "%s/a", folder);
	snprintf(other, sizeof(other), "%s/sub", folder);
	MUST(1, (fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) >= 0);
	MUST(2, write(fd, "x", 1) == 1 && fsync(fd) == 0 && ftruncate(fd, 0) == 0);
	MUST(3, mkdir(other, 0700) == 0);
	snprintf(other, sizeof(other), "%s/sub/b", folder);
	MUST(4, rename(name, other) == 0 && unlink(other) == 0);
	MUST(5, open("/dev/urandom", O_RDONLY | O_CLOEXEC) >= 0);
	MUST(6, open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
	MUST(7, open(outside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == EACCES);
	MUST(8, open("/dev/urandom", O_WRONLY | O_CLOEXEC) < 0);
	MUST(9, open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0);
}

static void
try_calls(void)
{
	char *argv[] = {(char[]){"true"}, NULL}, *env[] = {NULL};
	void *page;

	MUST(20, execve("/bin/true", argv, env) != 0 && (errno == EPERM || errno == EACCES));
	MUST(21, fork() < 0 && errno == EPERM);
	MUST(22, socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
	MUST(23, syscall(SYS_ptrace, 0, 0, 0, 0) != 0 && errno == EPERM);
	MUST(24, syscall(425, 1, NULL) != 0 && errno == EPERM); /* io_uring_setup */
	MUST(25, setuid(getuid()) != 0 && errno == EPERM);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(26, page != MAP_FAILED);
	MUST(27, mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0 && errno == EPERM);
	MUST(28, mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	             MAP_FAILED);
}

static int listening;
static uint16_t port;

static void
try_connect(int landlock)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(40, fd >= 0);
	if (landlock >= 4)
		MUST(41, connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno == EACCES);
}

static void
child(const char *folder, const char *outside)
{
	struct sandbox_paths paths = {0};
	struct sandbox_state state;
	struct buf why = {0};
	pthread_t t;
	int got = 0;

	sandbox_add_system(&paths);
	sandbox_add(&paths, SANDBOX_WRITE, folder);
	sandbox_add(&paths, SANDBOX_READ, "/no/such/folder");
	if (!sandbox_enter(&paths, &state, &why)) {
		fprintf(stderr, "%s\n", buf_cstr(&why));
		_exit(NOT_ENTERED);
	}
	try_files(folder, outside);
	try_calls();
	try_connect(state.landlock);
	MUST(60, pthread_create(&t, NULL, thread, &got) == 0 && pthread_join(t, NULL) == 0);
	MUST(61, got < 0);
	_exit(FINE);
}

static void
test_inside(void **state)
{
	char folder[] = "/tmp/turnstone-sandbox-XXXXXX", outside[64], sub[64];
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(outside, sizeof(outside), "%s-outside", folder);
	snprintf(sub, sizeof(sub), "%s/sub", folder);
	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listening, 4), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &size), 0);
	port = ntohs(at.sin_port);
	pid = fork();
	if (pid == 0)
		child(folder, outside);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(listening);
	rmdir(sub);
	assert_int_not_equal(access(outside, F_OK), 0);
	rmdir(folder);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NOT_ENTERED)
		skip();
	assert_int_equal(WEXITSTATUS(status), FINE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_inside)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
