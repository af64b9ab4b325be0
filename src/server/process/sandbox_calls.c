/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp filter: a list of permitted calls.  All others fail with EPERM, so a library that
 * tries something new can go on without it.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "server/process/sandbox.h"

/* By name, since not every processor has every call. */
static const char *const calls[] = {
    /* files */
    "access", "chmod", "close", "close_range", "copy_file_range", "dup", "dup2", "dup3",
    "faccessat", "faccessat2", "fadvise64", "fallocate", "fchmod", "fchmodat", "fcntl", "fdatasync",
    "flock", "fstat", "fstatfs", "fsync", "ftruncate", "futimesat", "getcwd", "getdents",
    "getdents64", "link", "linkat", "lseek", "lstat", "mkdir", "mkdirat", "newfstatat", "open",
    "openat", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read",
    "readahead", "readlink", "readlinkat", "readv", "rename", "renameat", "renameat2", "rmdir",
    "sendfile", "stat", "statfs", "statx", "sync_file_range", "truncate", "umask", "unlink",
    "unlinkat", "utimensat", "utimes", "write", "writev",
    /* sockets and waiting; see below for socket(2) */
    "accept", "accept4", "bind", "connect", "epoll_create", "epoll_create1", "epoll_ctl",
    "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "getpeername", "getsockname",
    "getsockopt", "listen", "pipe", "pipe2", "poll", "ppoll", "pselect6", "recvfrom", "recvmmsg",
    "recvmsg", "select", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socketpair",
    "timerfd_create", "timerfd_gettime", "timerfd_settime",
    /* memory; see below for mmap and mprotect.  The journal's client passes long lines in a
     * memfd. */
    "brk", "madvise", "membarrier", "memfd_create", "mincore", "mlock", "mlock2", "mremap", "msync",
    "munlock", "munmap",
    /* threads, signals, clocks; see below for clone */
    "arch_prctl", "clock_getres", "clock_gettime", "clock_nanosleep", "exit", "exit_group", "futex",
    "futex_waitv", "getcpu", "getpriority", "gettimeofday", "kill", "nanosleep", "pause",
    "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn",
    "rt_sigsuspend", "rt_sigtimedwait", "sched_get_priority_max", "sched_get_priority_min",
    "sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_setaffinity", "sched_yield",
    "set_robust_list", "get_robust_list", "set_tid_address", "sigaltstack", "tgkill", "time",
    /* about itself and the machine */
    "getegid", "geteuid", "getgid", "getpgid", "getpgrp", "getpid", "getppid", "getrandom",
    "getresgid", "getresuid", "getrlimit", "getrusage", "getsid", "gettid", "getuid", "sysinfo",
    "times", "uname"};

static int
rule(scmp_filter_ctx ctx, const char *name, unsigned n, const struct scmp_arg_cmp *cmp)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr == __NR_SCMP_ERROR || nr < 0)
		return 0; /* this processor does not have it, or the library does not know it */
	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, n, cmp);
}

/* name(... nth argument == value ...) */
static int
only(scmp_filter_ctx ctx, const char *name, unsigned nth, uint64_t value)
{
	struct scmp_arg_cmp cmp = SCMP_CMP64(nth, SCMP_CMP_EQ, value);

	return rule(ctx, name, 1, &cmp);
}

/* name(... nth argument, of which the bits of mask must be value ...) */
static int
bits(scmp_filter_ctx ctx, const char *name, unsigned nth, uint64_t mask, uint64_t value)
{
	struct scmp_arg_cmp cmp = SCMP_CMP64(nth, SCMP_CMP_MASKED_EQ, mask, value);

	return rule(ctx, name, 1, &cmp);
}

static int
add_rules(scmp_filter_ctx ctx)
{
	/* TCP and UDP: for a listener that is made later; Landlock forbids connecting. */
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
	static const unsigned long ioctls[] = {FIONBIO, FIONREAD, FIOCLEX, TIOCGWINSZ, 0x5401};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(calls) / sizeof(*calls); i++)
		rc = rule(ctx, calls[i], 0, NULL);
	for (size_t i = 0; rc == 0 && i < sizeof(families) / sizeof(*families); i++)
		rc = only(ctx, "socket", 0, (uint64_t)families[i]);
	for (size_t i = 0; rc == 0 && i < sizeof(ioctls) / sizeof(*ioctls); i++)
		rc = only(ctx, "ioctl", 1, ioctls[i]);
	/* Memory may be writable or executable, never both; libraries come in by mmap alone. */
	rc = rc != 0 ? rc : bits(ctx, "mmap", 2, PROT_EXEC, 0);
	rc = rc != 0 ? rc : bits(ctx, "mmap", 2, PROT_WRITE | PROT_EXEC, PROT_EXEC);
	rc = rc != 0 ? rc : bits(ctx, "mprotect", 2, PROT_EXEC, 0);
	/* Threads, but no processes.  clone3 hides its flags in memory; without it, the C library
	 * uses clone. */
	rc = rc != 0 ? rc : bits(ctx, "clone", 0, CLONE_THREAD, CLONE_THREAD);
	rc = rc != 0 ? rc
	             : seccomp_rule_add(
	                   ctx, SCMP_ACT_ERRNO(ENOSYS), seccomp_syscall_resolve_name("clone3"), 0);
	rc = rc != 0 ? rc : only(ctx, "prctl", 0, PR_SET_NAME);
	rc = rc != 0 ? rc : only(ctx, "prctl", 0, PR_GET_NAME);
	rc = rc != 0 ? rc : only(ctx, "prctl", 0, PR_GET_DUMPABLE);
	/* Limits may be read, only those of this process. */
	if (rc == 0) {
		struct scmp_arg_cmp cmp[] = {
		    SCMP_CMP64(0, SCMP_CMP_EQ, 0), SCMP_CMP64(2, SCMP_CMP_EQ, 0)};

		rc = rule(ctx, "prlimit64", 2, cmp);
	}
	return rc;
}

bool
sandbox_calls(struct buf *why)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc = ctx == NULL ? -ENOMEM : seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);

	if (rc == 0)
		rc = add_rules(ctx);
	if (rc == 0)
		rc = seccomp_load(ctx);
	if (ctx != NULL)
		seccomp_release(ctx);
	if (rc != 0)
		buf_printf(why, "seccomp: %s: system calls are not filtered", strerror(-rc));
	return rc == 0;
}
