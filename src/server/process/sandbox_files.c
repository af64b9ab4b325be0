/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock.  The C library has no functions for it, and the headers at build time may be older than
 * the kernel at run time, so its numbers and structures are here; at run time the kernel says which
 * of them it knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/process/sandbox.h"

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_REMOVE_DIR (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_DIR (1ULL << 7)
#define FS_MAKE_REG (1ULL << 8)
#define FS_MAKE_SOCK (1ULL << 9)
#define FS_FIRST_13 ((1ULL << 13) - 1) /* all that version 1 knows */
#define FS_REFER (1ULL << 13)          /* version 2: rename and link between folders */
#define FS_TRUNCATE (1ULL << 14)       /* version 3 */
#define FS_IOCTL_DEV (1ULL << 15)      /* version 5 */
#define NET_CONNECT_TCP (1ULL << 1)    /* version 4 */
#define SCOPE_SIGNAL (1ULL << 1)       /* version 6 */

#define FILE_RIGHTS (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE)
#define READ_RIGHTS (FS_READ_FILE | FS_READ_DIR)
#define WRITE_RIGHTS                                                                               \
	(READ_RIGHTS | FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_DIR | FS_REMOVE_FILE |              \
	    FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK | FS_REFER)

enum {
	OLDEST = 2, /* version 1 forbids all renames between folders */
	CALL_CREATE = 444,
	CALL_ADD_RULE = 445,
	CALL_RESTRICT = 446,
	CREATE_VERSION = 1,
	RULE_PATH_BENEATH = 1,
};

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_attr {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/* Everything that this version of Landlock can forbid; the size leaves out what it does not
 * know. */
static size_t
handled(int version, struct ruleset_attr *attr_r)
{
	*attr_r = (struct ruleset_attr){.fs = FS_FIRST_13 | FS_REFER};
	if (version >= 3)
		attr_r->fs |= FS_TRUNCATE;
	if (version >= 5)
		attr_r->fs |= FS_IOCTL_DEV;
	if (version >= 4)
		attr_r->net = NET_CONNECT_TCP;
	if (version >= 6)
		attr_r->scoped = SCOPE_SIGNAL;
	return version >= 6 ? 24 : version >= 4 ? 16 : 8;
}

static bool
allow(int ruleset, const struct ruleset_attr *attr, const struct sandbox_path *path)
{
	struct path_attr rule = {
	    .allowed = path->access == SANDBOX_WRITE ? WRITE_RIGHTS : READ_RIGHTS};
	struct stat st;
	bool ok;

	rule.fd = open(path->path, O_PATH | O_CLOEXEC);
	if (rule.fd < 0)
		return errno == ENOENT || errno == EACCES || errno == ENOTDIR;
	if (fstat(rule.fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed &= FILE_RIGHTS;
	rule.allowed &= attr->fs;
	ok = syscall(CALL_ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0;
	close(rule.fd);
	return ok;
}

int
sandbox_files(const struct sandbox_paths *paths, struct buf *why)
{
	int version = (int)syscall(CALL_CREATE, NULL, 0, CREATE_VERSION), ruleset;
	struct ruleset_attr attr;
	bool ok = true;

	if (version < OLDEST) {
		buf_printf(why,
		    "no Landlock in this kernel (%s): access to files is not restricted",
		    version < 0 ? strerror(errno) : "version 1 is too old");
		return 0;
	}
	ruleset = (int)syscall(CALL_CREATE, &attr, handled(version, &attr), 0);
	for (size_t i = 0; ok && ruleset >= 0 && i < paths->n; i++) {
		ok = allow(ruleset, &attr, &paths->p[i]);
		if (!ok)
			buf_printf(
			    why, "Landlock: no rule for %s: %s", paths->p[i].path, strerror(errno));
	}
	if (ok && (ruleset < 0 || syscall(CALL_RESTRICT, ruleset, 0) != 0)) {
		buf_printf(why, "Landlock: %s", strerror(errno));
		ok = false;
	}
	if (ruleset >= 0)
		close(ruleset);
	return ok ? version : 0;
}
