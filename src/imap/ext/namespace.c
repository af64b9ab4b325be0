/* SPDX-License-Identifier: Apache-2.0 */
/* NAMESPACE (RFC 2342; RFC 9051 section 6.3.10): where mailboxes are. */
#include "wire/ext/namespace.h"
#include "imap/place/place.h"

static struct wire_namespaces
spaces_of(struct imap_cmd *cmd, enum imap_space_kind kind)
{
	const struct imap_spaces *spaces = &imap_login(cmd->conn)->spaces;
	const char separator = wire_separator(imap_dialect(cmd->conn));
	struct wire_namespace *v = arena_array(cmd->arena, spaces->n + 1, sizeof(*v));
	size_t n = 0;

	if (kind == IMAP_SPACE_PERSONAL) /* without a prefix */
		v[n++] = (struct wire_namespace){STR(""), separator};
	for (size_t i = 0; i < spaces->n; i++)
		if (spaces->v[i].kind == kind)
			v[n++] = (struct wire_namespace){spaces->v[i].prefix, separator};
	return (struct wire_namespaces){v, n};
}

static enum imap_next
cmd_namespace(struct imap_cmd *cmd)
{
	struct wire_namespaces sets[IMAP_SPACES];

	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	for (size_t i = 0; i < IMAP_SPACES; i++)
		sets[i] = spaces_of(cmd, (enum imap_space_kind)i);
	wire_out_namespace(imap_out(cmd->conn), imap_dialect(cmd->conn), sets);
	return cmd_ok(cmd, "Done");
}

static const struct imap_cmd_def cmds[] = {
    {.name = "NAMESPACE",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_namespace},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "NAMESPACE", .rfc = "2342", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_namespace = {
    .name = "namespace", .title = "NAMESPACE (RFC 2342)", .caps = caps, .cmds = cmds};
