/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox as a whole: see sandbox.h. */
#include "server/process/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WITH_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define WITH_SANITIZER 1
#endif
#endif
#ifndef WITH_SANITIZER
#define WITH_SANITIZER 0
#endif

void
sandbox_add(struct sandbox_paths *paths, enum sandbox_access access, const char *path)
{
	if (paths->n == paths->room) {
		paths->room = paths->room == 0 ? 16 : 2 * paths->room;
		paths->p = mem_realloc(paths->p, paths->room * sizeof(*paths->p));
	}
	paths->p[paths->n++] = (struct sandbox_path){mem_strdup(path), access};
}

static void
add_parent(struct sandbox_paths *paths, enum sandbox_access access, const char *file)
{
	const char *slash = strrchr(file, '/');
	char *folder;

	if (slash == NULL) {
		sandbox_add(paths, access, ".");
		return;
	}
	folder = mem_strdup(file);
	folder[slash == file ? 1 : slash - file] = '\0';
	sandbox_add(paths, access, folder);
	mem_free(folder);
}

void
sandbox_add_folder_of(struct sandbox_paths *paths, enum sandbox_access access, const char *file)
{
	char real[PATH_MAX];

	add_parent(paths, access, file);
	if (realpath(file, real) != NULL && strcmp(real, file) != 0)
		add_parent(paths, access, real);
}

void
sandbox_add_system(struct sandbox_paths *paths)
{
	/* The libraries: OpenSSL, ICU and libc load parts of themselves on first use. */
	static const char *const read[] = {"/etc/ssl", "/usr/lib/ssl", "/usr/lib", "/lib", "/lib64",
	    "/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/usr/share/icu",
	    "/usr/lib/locale", "/usr/share/locale", "/dev/urandom", "/dev/random", "/dev/zero",
	    "/proc/self", "/proc/meminfo", "/proc/sys/kernel/random", "/proc/sys/vm",
	    "/sys/devices/system/cpu", "/sys/fs/cgroup"};

	for (size_t i = 0; i < sizeof(read) / sizeof(*read); i++)
		sandbox_add(paths, SANDBOX_READ, read[i]);
	sandbox_add(paths, SANDBOX_WRITE, "/dev/null");
}

void
sandbox_paths_fini(struct sandbox_paths *paths)
{
	for (size_t i = 0; i < paths->n; i++)
		mem_free(paths->p[i].path);
	mem_free(paths->p);
	*paths = (struct sandbox_paths){0};
}

bool
sandbox_enter(const struct sandbox_paths *paths, struct sandbox_state *state_r, struct buf *why)
{
	*state_r = (struct sandbox_state){0};
	if (WITH_SANITIZER) {
		buf_puts(why, "this build has a sanitizer, which does not work in a sandbox");
		return false;
	}
	/* Without this, only root may use either part. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		buf_printf(why, "cannot set no_new_privs: %s", strerror(errno));
		return false;
	}
	state_r->landlock = sandbox_files(paths, why);
	if (state_r->landlock == 0)
		buf_putc(why, '\n');
	state_r->seccomp = sandbox_calls(why);
	return state_r->landlock != 0 && state_r->seccomp;
}
