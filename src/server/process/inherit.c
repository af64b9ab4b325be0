/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets opened by whoever started the server: systemd's socket activation. */
#include "server/process/inherit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

void
server_inherit(struct server_inherited *in_r)
{
	int n;

	*in_r = (struct server_inherited){0};
	n = sd_listen_fds_with_names(1, &in_r->names);
	if (n > 0)
		in_r->n = (unsigned)n;
	else if (n < 0)
		log_msg(LOG_WARNING, NULL, "sockets handed over by systemd: %s", strerror(-n));
	in_r->taken = mem_zalloc((in_r->n + 1) * sizeof(bool));
}

void
server_inherited_look(struct server_inherited *in_r)
{
	int n;

	*in_r = (struct server_inherited){0};
	n = sd_listen_fds_with_names(0, &in_r->names);
	in_r->n = n > 0 ? (unsigned)n : 0;
}

void
server_inherited_fini(struct server_inherited *in)
{
	for (unsigned i = 0; i < in->n; i++)
		free(in->names[i]);
	free(in->names);
	mem_free(in->taken);
	*in = (struct server_inherited){0};
}

int
server_inherited_next(struct server_inherited *in, struct str name, bool is_unix)
{
	for (unsigned i = 0; i < in->n; i++) {
		int fd = SD_LISTEN_FDS_START + (int)i;

		if (in->taken[i] || !str_eq(str_of(in->names[i]), name) ||
		    (sd_is_socket(fd, AF_UNIX, 0, -1) > 0) != is_unix)
			continue;
		in->taken[i] = true;
		return fd;
	}
	return -1;
}

bool
server_inherit_end(struct server_inherited *in)
{
	bool ok = true;

	for (unsigned i = 0; i < in->n; i++) {
		if (!in->taken[i]) {
			log_msg(LOG_ERROR, NULL,
			    "a socket was handed over under the name %s, and there is no listener "
			    "%s (FileDescriptorName= of the socket unit names the listener)",
			    in->names[i], in->names[i]);
			close(SD_LISTEN_FDS_START + (int)i);
			ok = false;
		}
	}
	server_inherited_fini(in);
	return ok;
}
