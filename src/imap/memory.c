/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that a connection holds, measured where that is cheap: when a
 * command is about to take much.  Everything else is bounded by limits of its
 * own (lines, literals, output) that are small compared to this one.
 */
#include "imap/errand.h"
#include "imap/layer.h"
#include "imap/settings.h"

static uint64_t
bitmap_bytes(const roaring_bitmap_t *set)
{
	return set != NULL ? roaring_bitmap_portable_size_in_bytes(set) : 0;
}

static uint64_t
box_bytes(const struct imap_box *box)
{
	return arena_bytes(box->arena) + bitmap_bytes(box->uids) + bitmap_bytes(box->recent) +
	       bitmap_bytes(box->pending) + bitmap_bytes(box->expunged) +
	       bitmap_bytes(box->silent) + bitmap_bytes(box->saved);
}

static uint64_t
layer_bytes(const struct imap_login *login)
{
	uint64_t n = 0;

	for (const struct imap_layer *l = login->layers; l != NULL; l = l->below)
		n += l->reserved;
	return n;
}

uint64_t
imap_conn_memory(const struct imap_conn *conn)
{
	const struct imap_login *login = imap_login(conn);
	uint64_t n = arena_bytes(conn->session.arena) + arena_bytes(conn->turn->arena);

	n += stream_out_pending(conn->session.stream) + imap_settings(conn)->pipeline;
	if (login != NULL)
		n += arena_bytes(login->arena) + layer_bytes(login);
	if (login != NULL && login->box != NULL)
		n += box_bytes(login->box);
	for (const struct imap_errand *e = conn->errands; e != NULL; e = e->next)
		n += imap_errand_counts(e) ? sizeof(*e) + e->reserved : 0;
	if (conn->cmd != NULL)
		n += arena_bytes(conn->cmd->arena) + conn->cmd->reserved;
	return n;
}

uint64_t
cmd_room(const struct imap_cmd *cmd)
{
	uint64_t held = imap_conn_memory(cmd->conn),
	         limit = imap_settings(cmd->conn)->connection_memory;

	return held < limit ? limit - held : 0;
}

bool
cmd_reserve(struct imap_cmd *cmd, uint64_t bytes)
{
	if (bytes > cmd_room(cmd))
		return false;
	cmd->reserved += bytes;
	return true;
}

enum imap_next
cmd_no_room(struct imap_cmd *cmd)
{
	imap_log(cmd->conn, LOG_INFO, "refused: it needs more than limits.connection_memory");
	return cmd_no(cmd, "LIMIT",
	    "The command needs more memory than a connection may use; request less at a time");
}
