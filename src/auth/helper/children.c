/* SPDX-License-Identifier: Apache-2.0 */
/* The children of one of the helper's processes, also those that others left behind. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth/helper/helper_int.h"

bool
helper_kill_children(bool (*keep)(const void *arg, pid_t child), const void *arg)
{
	char path[64], text[4096], *p = text, *end;
	bool any = false;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	for (long pid; (pid = strtol(p, &end, 10)) > 0 && end != p; p = end)
		if (keep == NULL || !keep(arg, (pid_t)pid))
			any |= kill((pid_t)pid, SIGKILL) == 0;
	return any;
}
