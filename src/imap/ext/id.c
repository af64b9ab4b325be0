/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ID (RFC 2971): who is the client's program, for log lines only.  Name,
 * version and vendor are kept with the connection, over UNAUTHENTICATE too;
 * all other fields, addresses told by a front among them, are dropped.
 */
#include "base/log.h"
#include "imap/imap.h"

#define VALUE_MAX 64u /* bytes of a value that are kept */

static void
keep(struct imap_conn *conn, const struct wire_id *id)
{
	static const char *const kept[] = {"name", "version", "vendor"};
	struct buf text = {0};

	for (size_t k = 0; k < sizeof(kept) / sizeof(*kept); k++)
		for (size_t i = 0; i < id->n; i++) {
			struct str value = id->v[i].value;

			if (!str_ieq(id->v[i].name, str_of(kept[k])) || value.n == 0)
				continue;
			if (text.n > 0)
				buf_putc(&text, '/');
			buf_put(&text, value.p, value.n < VALUE_MAX ? value.n : VALUE_MAX);
			break;
		}
	/* A client may send ID again and again: its memory is replaced. */
	arena_free(&conn->id_arena);
	conn->id_name = STR_NONE;
	if (text.n > 0) {
		conn->id_arena = arena_child(conn->arena, text.n + 1);
		conn->id_name = arena_str(conn->id_arena, buf_as_str(&text));
	}
	buf_fini(&text);
}

static void
log_id(const struct imap_conn *conn)
{
	struct log_event e;

	if (!log_wants(LOG_INFO))
		return;
	imap_event(conn, &e, STR("id"));
	log_event_str(&e, "id", conn->id_name);
	log_event_put(&e, LOG_INFO);
}

static enum imap_next
cmd_id(struct imap_cmd *cmd)
{
	static const struct wire_pair ours[] = {
	    {{"name", 4}, {"Turnstone", 9}},
	    {{"version", 7}, {TURNSTONE_VERSION, sizeof(TURNSTONE_VERSION) - 1}},
	};
	struct imap_conn *conn = cmd->conn;
	struct wire_id id;

	if (!wire_id_parse(&cmd->in, &id))
		return cmd_bad_syntax(cmd);
	keep(conn, &id);
	log_id(conn);
	wire_out_id(imap_out(conn), imap_dialect(conn), ours, sizeof(ours) / sizeof(*ours));
	return cmd_ok(cmd, "Pleased to meet you");
}

static const struct imap_cmd_def cmds[] = {
    {.name = "ID", .states = IMAP_ANY, .start = cmd_id},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "ID", .states = IMAP_ANY},
    {.word = NULL},
};

const struct imap_ext imap_ext_id = {
    .name = "id", .title = "ID (RFC 2971)", .caps = caps, .cmds = cmds};
