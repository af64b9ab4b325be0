/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program, in the helper: with the arguments and the environment of the request and nothing
 * else, in a process group of its own, for as long as the request allows.  The process that does
 * this has no other work, and is a subreaper: what the program starts and leaves behind becomes its
 * child, and is killed before it answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "auth/helper/command_wire.h"
#include "auth/helper/helper_int.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
	OWN_FILES = 1024, /* what programs expect that count in select() */
	FIRST_FILE = 3,
};

static void
prepare(sigset_t *ends)
{
	struct rlimit files;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* What the unit granted for the server's ports. */
	if (geteuid() != 0)
		(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > OWN_FILES) {
		files.rlim_cur = OWN_FILES;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	sigemptyset(ends);
	sigaddset(ends, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, ends, NULL);
}

/* As for execve(): a NULL after the last. */
static void
list_words(const struct str *words, size_t n, char *list_r[COMMAND_WORDS_MAX + 1])
{
	for (size_t i = 0; i < n; i++)
		list_r[i] = (char *)(uintptr_t)words[i].p;
	list_r[n] = NULL;
}

/* 0, or an errno. */
static int
start(const struct command_request *r, pid_t *pid_r)
{
	char *args[COMMAND_WORDS_MAX + 1], *env[COMMAND_WORDS_MAX + 1];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int code;

	list_words(r->args, r->arg_count, args);
	list_words(r->env, r->env_count, env);
	sigemptyset(&none);
	sigfillset(&all);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setflags(
	    &attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	(void)posix_spawnattr_setpgroup(&attr, 0);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawn_file_actions_init(&files);
	(void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	(void)posix_spawn_file_actions_adddup2(&files, 1, 2);
	(void)posix_spawn_file_actions_addchdir_np(&files, "/");
	(void)posix_spawn_file_actions_addclosefrom_np(&files, FIRST_FILE);
	code = posix_spawn(pid_r, r->args[0].p, &files, &attr, args, env);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	return code;
}

/* Waits for its end, but does not collect it: nobody else gets its number.  False: it goes on. */
static bool
ends_before(pid_t pid, uint64_t until, const sigset_t *ends)
{
	for (;;) {
		siginfo_t info = {0};
		struct timespec rest;
		uint64_t now;

		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
		    info.si_pid == pid)
			return true;
		now = clock_mono_ms();
		if (now >= until)
			return false;
		rest = (struct timespec){.tv_sec = (time_t)((until - now) / 1000),
		    .tv_nsec = (long)((until - now) % 1000) * 1000000};
		(void)sigtimedwait(ends, NULL, &rest);
	}
}

/* Ends it with its group and whatever it left behind; returns its status. */
static int
end_all(pid_t pid)
{
	int status = 0, any;
	pid_t ended;

	(void)kill(-pid, SIGKILL);
	/* Each generation becomes our child when the one before is gone. */
	do {
		(void)helper_kill_children(NULL, NULL);
		ended = waitpid(-1, &any, 0);
		if (ended == pid)
			status = any;
	} while (ended > 0 || errno == EINTR);
	return status;
}

static struct command_reply
run(const struct command_request *r)
{
	uint64_t until = clock_mono_ms() + r->ms;
	sigset_t ends;
	pid_t pid;
	bool ended;
	int code;

	prepare(&ends);
	code = start(r, &pid);
	if (code != 0)
		return (struct command_reply){COMMAND_NOT_STARTED, (unsigned)code};
	ended = ends_before(pid, until, &ends);
	code = end_all(pid);
	if (!ended)
		return (struct command_reply){COMMAND_TIMEOUT, 0};
	if (WIFSIGNALED(code))
		return (struct command_reply){COMMAND_KILLED, (unsigned)WTERMSIG(code)};
	return (struct command_reply){COMMAND_EXITED, (unsigned)WEXITSTATUS(code)};
}

bool
auth_helper_command(struct str request, uint64_t deadline, struct buf *reply)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct command_request *r = arena_new_object(arena, struct command_request);
	struct command_reply end;
	bool ok = command_request_parse(request, arena, r);

	(void)deadline; /* later than the command's own time */
	if (ok) {
		end = run(r);
		command_reply_print(&end, reply);
	}
	arena_free(&arena);
	return ok;
}
