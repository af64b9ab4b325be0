/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on open connections. */
#include "auth/users.h"
#include "control/ops/ops.h"
#include "server/server.h"

/* Which sessions are meant; a user's name as sessions have it, from arena. */
static struct server_sessions
which_of(const struct ops *ops, const struct request *req, struct arena *arena)
{
	struct server_sessions which = {
	    .user = request_get(req, "name"), .address = request_get(req, "address")};
	struct auth_user user = {0};
	const char *why = NULL;

	(void)str_u64(request_get(req, "id"), UINT64_MAX, &which.id);
	if (which.user.n > 0 && auth_users_get(ops->auth, which.user, arena, &user, &why) == TS_OK)
		which.user = user.name;
	return which;
}

static bool
who(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct server_sessions which = which_of(ops, req, arena);

	(void)io;
	server_who(ops->server, &which, out);
	arena_free(&arena);
	return true;
}

static bool
kick(const struct ops *ops, const struct request *req, struct buf *out, struct op_io *io)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 1024);
	struct server_sessions which = which_of(ops, req, arena);
	bool ok = which.user.n > 0 || which.id != 0 || which.address.n > 0;

	(void)io;
	if (ok)
		buf_printf(out, "%llu\n",
		    (unsigned long long)server_kick(
		        ops->server, &which, N_("Ended by the administrator")));
	else
		buf_puts(out, "say which: a user, a connection or an address\n");
	arena_free(&arena);
	return ok;
}

const struct op ops_sessions[] = {{.verb = "who", .run = who, .needs_server = true},
    {.verb = "kick", .run = kick, .needs_server = true}, {.verb = NULL}};
