/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_SANDBOX_H
#define SERVER_PROCESS_SANDBOX_H
/*
 * server/process: what surrounds the server and knows nothing of it: the sandbox (here),
 * privileges, sockets from systemd, the PID file, where the log goes, memory and disk in use.
 *
 * Limits the process for good to what a mail server needs: Landlock rules for files and outgoing
 * connections, then a seccomp filter for system calls.  It cannot start programs or make processes,
 * cannot have memory that is both writable and executable, and cannot open TCP connections.
 *
 * Landlock binds the calling thread and those it makes later, so it comes before the first thread;
 * the filter binds all threads of the process.
 */
#include <stdbool.h>

#include "base/buf.h"

enum sandbox_access {
	SANDBOX_READ,  /* these files, and all below these folders, may be read */
	SANDBOX_WRITE, /* and made, written, renamed, removed; sockets too */
};

struct sandbox_path {
	char *path; /* a file or a folder; ignored if missing */
	enum sandbox_access access;
};

struct sandbox_paths { /* {0} is empty */
	struct sandbox_path *p;
	size_t n, room;
};

/* Copies the path. */
void sandbox_add(struct sandbox_paths *paths, enum sandbox_access access, const char *path);
/* Adds the folder of the file, and that of the symbolic link's target: so a file that is replaced
 * under its name can be read again.  Has an effect only if the folder exists. */
void sandbox_add_folder_of(
    struct sandbox_paths *paths, enum sandbox_access access, const char *file);
/* Adds what every process needs: the system's certificates, time zones, randomness. */
void sandbox_add_system(struct sandbox_paths *paths);
void sandbox_paths_fini(struct sandbox_paths *paths);

struct sandbox_state {
	int landlock; /* the kernel's version of it; 0: not in force */
	bool seccomp;
};

/*
 * Enters the sandbox.  False: a part is not available; *why has a line for each such part (no
 * newline at its end), and the other part is in force nevertheless.  A build with a sanitizer never
 * has either.
 */
bool sandbox_enter(
    const struct sandbox_paths *paths, struct sandbox_state *state_r, struct buf *why);

/* The two parts, which sandbox_enter() calls.  0 (false) and a reason if one is not available. */
int sandbox_files(const struct sandbox_paths *paths, struct buf *why);
bool sandbox_calls(struct buf *why);
#endif
