/* SPDX-License-Identifier: Apache-2.0 */
/* CAPABILITY, NOOP, LOGOUT (RFC 3501 and RFC 9051 section 6.1). */
#include "imap/cmd.h"

static enum imap_next
cmd_capability(struct imap_cmd *cmd)
{
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	wire_out_line(imap_out(cmd->conn), imap_capabilities(cmd->conn));
	return cmd_ok(cmd, "Capabilities listed");
}

static enum imap_next
cmd_noop(struct imap_cmd *cmd)
{
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	return cmd_ok(cmd, "Done");
}

static enum imap_next
cmd_logout(struct imap_cmd *cmd)
{
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	imap_say(cmd->conn, WIRE_BYE, STR_NONE, "Logging out");
	cmd->no_sync = true;
	cmd->after = IMAP_AFTER_CLOSE;
	return cmd_ok(cmd, "Goodbye");
}

static const struct imap_cmd_def cmds[] = {
    {.name = "CAPABILITY", .states = IMAP_ANY, .start = cmd_capability},
    {.name = "NOOP", .states = IMAP_ANY, .traits = IMAP_TRAIT_MAY_EXPUNGE, .start = cmd_noop},
    {.name = "LOGOUT", .states = IMAP_ANY, .traits = IMAP_TRAIT_LEAVES, .start = cmd_logout},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "IMAP4rev1", .rfc = "3501", .states = IMAP_ANY},
    {.word = "IMAP4rev2",
        .rfc = "9051",
        .states = IMAP_ANY,
        .shown = "in force after `ENABLE IMAP4rev2`",
        .brings = "IMAP4rev2"},
    {.word = NULL},
};

/* Codes of the protocol itself, for any command. */
static const struct imap_code codes[] = {
    {"ALREADYEXISTS", "9051", "CREATE or RENAME: a mailbox of this name is there"},
    {"BADCHARSET", "3501", "SEARCH: the charset is not known; these are"},
    {"CANNOT", "9051", "what was asked for cannot be, such as a mailbox of this name"},
    {"CAPABILITY", "3501", "the capabilities that hold now"},
    {"CLOSED", "9051", "the mailbox that was selected is no more"},
    {"EXPUNGEISSUED", "9051", "some of the messages have been expunged"},
    {"HASCHILDREN", "9051", "DELETE: the name has no mailbox, and others are below it"},
    {"LIMIT", "9051", "more than a limit allows"},
    {"NONEXISTENT", "9051", "there is no such mailbox"},
    {"NOPERM", "9051", "the login lacks a right"},
    {"PERMANENTFLAGS", "3501", "SELECT: the flags that can be changed"},
    {"READ-ONLY", "3501", "the mailbox is open for reading"},
    {"READ-WRITE", "3501", "SELECT: the mailbox is open for changes"},
    {"SERVERBUG", "9051", "something here is wrong, and the log has more"},
    {"TOOBIG", "4469", "the message or literal is larger than is allowed"},
    {"TRYCREATE", "3501", "APPEND, COPY or MOVE: CREATE would make that mailbox"},
    {"UIDNEXT", "3501", "SELECT: the UID that the next message will get"},
    {"UIDVALIDITY", "3501", "SELECT: with it UIDs stay what they are"},
    {"UNAVAILABLE", "9051", "the store or the users cannot be asked at the moment"},
    {"UNSEEN", "3501", "SELECT in IMAP4rev1: the first message that is not \\Seen"},
    {NULL, NULL, NULL},
};

const struct imap_ext imap_ext_any = {
    .name = "any",
    .title = "CAPABILITY, NOOP, LOGOUT; IMAP4rev1 (RFC 3501), IMAP4rev2 (RFC 9051)",
    .caps = caps,
    .cmds = cmds,
    .codes = codes,
};
