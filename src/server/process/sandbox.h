/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_SANDBOX_H
#define SERVER_PROCESS_SANDBOX_H
/*
 * server/process: what surrounds the server and knows nothing of it: the sandbox (here),
 * privileges, sockets that were handed over, the PID file, where the log goes, memory and disk in
 * use.
 *
 * Leaves the process only what a mail server needs, for good: Landlock rules for files and
 * outgoing connections, then a seccomp filter for system calls.  No program can be started, no
 * process made, no memory be written and executed, no TCP connection opened.
 *
 * Landlock binds the calling thread and those it makes later, so it comes before the first
 * thread; the filter binds all threads of the process.
 */
#include <stdbool.h>

#include "base/buf.h"

enum sandbox_access {
	SANDBOX_READ,  /* files and folders below may be read */
	SANDBOX_WRITE, /* and made, written, renamed, removed; sockets too */
};

struct sandbox_path {
	char *path; /* a file or a folder; one that is not there is passed over */
	enum sandbox_access access;
};

struct sandbox_paths { /* {0} is empty */
	struct sandbox_path *p;
	size_t n, room;
};

/* Copies the path. */
void sandbox_add(struct sandbox_paths *paths, enum sandbox_access access, const char *path);
/* The folder that the file lies in, and the one its symbolic link leads to: a file that is
   replaced under its name can be read again.  Takes part of the work only if it exists. */
void sandbox_add_folder_of(
    struct sandbox_paths *paths, enum sandbox_access access, const char *file);
/* What every process needs: the system's certificates, time zones, randomness. */
void sandbox_add_system(struct sandbox_paths *paths);
void sandbox_paths_fini(struct sandbox_paths *paths);

struct sandbox_state {
	int landlock; /* the kernel's version of it; 0: not in force */
	bool seccomp;
};

/*
 * Enters.  False: a part could not be had; each such part is a line (no newline at its end) in
 * *why, the other part is in force nevertheless.  A build with a sanitizer never has any.
 */
bool sandbox_enter(
    const struct sandbox_paths *paths, struct sandbox_state *state_r, struct buf *why);

/* The two parts; sandbox_enter() calls them.  0 (false) and a reason when it could not be had. */
int sandbox_files(const struct sandbox_paths *paths, struct buf *why);
bool sandbox_calls(struct buf *why);
#endif
