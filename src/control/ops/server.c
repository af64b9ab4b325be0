/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on the running server; server/server.h describes what they do. */
#include <unistd.h>

#include "control/ops/ops.h"
#include "server/server.h"

static bool
status(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	(void)req;
	(void)io;
	server_status(ops->server, out);
	return true;
}

static bool
stop(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	(void)req;
	(void)io;
	buf_printf(out, "pid: %d\n", (int)getpid());
	server_ask_stop(ops->server);
	return true;
}

static bool
reload(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	bool ok = server_reload(ops->server, out);

	(void)req;
	(void)io;
	if (ok) /* OK means that connections which come now meet the new configuration. */
		server_wait_for_loops(ops->server);
	return ok;
}

const struct op ops_server[] = {{.verb = "status", .run = status, .needs_server = true},
    {.verb = "stop", .run = stop, .needs_server = true, .while_stopping = true},
    {.verb = "reload", .run = reload, .needs_server = true}, {.verb = NULL}};
