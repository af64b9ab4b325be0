/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UNAUTHENTICATE (RFC 8437): ends the login, keeps the connection.
 *
 * All it does is ask for a new turn: the runner frees the old one with the login, the selected
 * mailbox, watches and secrets in it, and reports the capabilities that apply afterwards.  Freeing
 * cannot fail, so there is no NO.  Permission depends on who authenticated (conf `unauthenticate`);
 * for anyone else the command is neither advertised nor known.
 *
 * Layers (imap/layer.h) end after this line and after its OK, so with one the command waits until
 * the stream knows what followed the line.
 */
#include "imap/errand.h"
#include "imap/layer.h"
#include "net/layer.h"

static bool
allowed(const struct imap_conn *conn)
{
	return imap_login(conn)->may_unauthenticate;
}

static enum imap_next
begin_new_turn(struct imap_cmd *cmd)
{
	cmd->after = IMAP_AFTER_NEW_TURN;
	cmd->tell_capabilities = true;
	return cmd_ok(cmd, "No longer authenticated");
}

/*
 * RFC 8437 section 4: with a security layer the client waits for the OK.  What is there already was
 * said inside the layer, or by somebody else in clear; nobody can tell, and neither is run. Without
 * one bare bytes may follow what is compressed, where it ends; what is compressed, too, and stands
 * behind the line, is nobody's.
 */
static enum imap_next
end_layers(struct imap_cmd *cmd)
{
	struct imap_conn *conn = cmd->conn;

	if (stream_may_pop(conn->session.stream))
		return begin_new_turn(cmd);
	imap_log(conn, LOG_INFO, "input behind UNAUTHENTICATE, before its OK: closed");
	imap_bye(conn, NULL,
	    imap_layers_secure(conn)
	        ? N_("With a security layer, wait for the OK of UNAUTHENTICATE before sending more")
	        : N_("Nothing compressed may follow UNAUTHENTICATE"));
	return IMAP_WAIT;
}

static enum imap_next
leave(struct imap_cmd *cmd)
{
	static const struct imap_step layers = {"end-layers", end_layers};

	if (!stream_has_layers(cmd->conn->session.stream))
		return begin_new_turn(cmd);
	/* When the stream is not within data(), so that it knows what came after this line. */
	cmd->step = &layers;
	return IMAP_YIELD;
}

static enum imap_next
cmd_unauthenticate(struct imap_cmd *cmd)
{
	static const struct imap_step left = {"leave", leave};

	if (!allowed(cmd->conn))
		return cmd_bad(cmd, "Unknown command");
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	return cmd_end_errands(cmd, &left);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "UNAUTHENTICATE",
        .states = IMAP_LOGGED_IN,
        .traits = IMAP_TRAIT_LEAVES,
        .start = cmd_unauthenticate},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "UNAUTHENTICATE",
        .rfc = "8437",
        .states = IMAP_LOGGED_IN,
        .when = allowed,
        .shown = "for those who may (`unauthenticate`)"},
    {.word = NULL},
};

const struct imap_ext imap_ext_unauthenticate = {
    .name = "unauthenticate",
    .title = "UNAUTHENTICATE (RFC 8437)",
    .caps = caps,
    .cmds = cmds,
};
