/* SPDX-License-Identifier: Apache-2.0 */
/* Reporting that the server is ready. */
#include "server/server_int.h"

#include <unistd.h>

#include "base/log.h"
#include "server/process/pid_file.h"

static void
describe(const struct server *server, struct buf *out)
{
	for (size_t i = 0; i < server->listener_count; i++) {
		const struct server_listener *l = &server->listeners[i];

		for (size_t c = 0; c < l->name.n; c++) {
			unsigned char up = ascii_upper((unsigned char)l->name.p[c]);

			buf_putc(out,
			    (up >= 'A' && up <= 'Z') || (up >= '0' && up <= '9') ? (char)up : '_');
		}
		if (l->path.n > 0)
			buf_printf(out, "_SOCKET=%.*s\n", STR_ARG(l->path));
		else
			buf_printf(out, "_PORT=%u\n", listener_port(l->listener));
	}
	buf_printf(out, "PID=%d\n", (int)getpid());
}

/* Overwrites nothing but a PID file, since another file may have appeared after the check. */
static bool
put_file(const char *path, struct str text, bool is_pid_file)
{
	struct buf why = {0};
	bool ok = (!is_pid_file || pid_file_may_be(path, false, &why)) &&
	          pid_file_replace(path, text, &why);

	if (!ok)
		log_msg(LOG_ERROR, NULL, "%s%s", is_pid_file ? "server.pid_file: " : "",
		    buf_cstr(&why));
	buf_fini(&why);
	return ok;
}

bool
server_announce(const struct server *server)
{
	const struct server_settings *s = server_settings_of(server);
	const char *file = args_get(server->args, "ready-file");
	struct buf text = {0}, pid = {0};
	unsigned long long fd;
	bool ok = true;

	describe(server, &text);
	buf_printf(&pid, "%d\n", (int)getpid());
	if (s->pid_file.n > 0)
		ok = put_file(s->pid_file.p, buf_as_str(&pid), true);
	if (ok && file != NULL)
		ok = put_file(file, buf_as_str(&text), false);
	if (ok && args_has(server->args, "ready-fd")) {
		ok = args_number(server->args, "ready-fd", 0, 65535, 0, &fd) &&
		     write((int)fd, text.p, text.n) == (ssize_t)text.n;
		if (ok && fd > 2)
			close((int)fd);
	}
	buf_fini(&pid);
	buf_fini(&text);
	return ok;
}
