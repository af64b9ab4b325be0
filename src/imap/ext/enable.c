/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ENABLE (RFC 5161; RFC 9051 section 6.3.1): extensions list in their tables
 * what can be enabled.  IMAP4rev2 itself is one of these names: it changes the
 * dialect of the login.
 */
#include "wire/ext/enable.h"
#include "imap/cmd.h"
#include "imap/hide.h"

static bool
named_before(const struct wire_names *names, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (str_eq(names->v[k], names->v[i]))
			return true;
	return false;
}

static enum imap_next
cmd_enable(struct imap_cmd *cmd)
{
	struct imap_conn *conn = cmd->conn;
	struct wire_names names;
	struct str *enabled;
	size_t n = 0;

	if (!wire_enable_parse(&cmd->in, &names))
		return cmd_bad_syntax(cmd);
	enabled = arena_array(cmd->arena, names.n, sizeof(*enabled));
	for (size_t i = 0; i < names.n; i++) {
		const struct imap_enable *e =
		    imap_shown(conn, imap_registry_enable(&conn->server->reg, names.v[i]));

		if (e == NULL || named_before(&names, i))
			continue; /* RFC 5161 section 3.1: unknown ones are ignored */
		e->enable(conn);
		enabled[n++] = str_of(e->name);
	}
	wire_out_words_line(imap_out(conn), "ENABLED", enabled, n);
	return cmd_ok(cmd, "Enabled");
}

static void
enable_rev2(struct imap_conn *conn)
{
	imap_login(conn)->dialect.rev2 = true;
	imap_login(conn)->dialect.utf8 = true;
	if (imap_box(conn) != NULL) { /* no \Recent in rev2 (RFC 9051 appendix E) */
		roaring_bitmap_clear(imap_box(conn)->recent);
		imap_box(conn)->recents = false;
	}
}

static const struct imap_enable enables[] = {
    {.name = "IMAP4rev2", .enable = enable_rev2},
    {.name = NULL},
};

static const struct imap_cmd_def cmds[] = {
    {.name = "ENABLE", .states = IMAP_LOGGED_IN, .start = cmd_enable},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "ENABLE", .rfc = "5161", .states = IMAP_ANY},
    {.word = NULL},
};

const struct imap_ext imap_ext_enable = {
    .name = "enable",
    .title = "ENABLE (RFC 5161), IMAP4rev2 (RFC 9051)",
    .caps = caps,
    .cmds = cmds,
    .enables = enables,
};
