/* SPDX-License-Identifier: Apache-2.0 */
/* MOVE (RFC 6851; RFC 9051 section 6.4.8): COPY that also removes the source. */
#include "imap/common/copy.h"

static enum imap_next
cmd_move(struct imap_cmd *cmd)
{
	return imap_copy_start(cmd, true);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "MOVE",
        .states = IMAP_SELECTED,
        .traits = IMAP_TRAIT_UID | IMAP_TRAIT_NUMBERS,
        .start = cmd_move},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "MOVE", .rfc = "6851", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_move = {
    .name = "move", .title = "MOVE (RFC 6851)", .caps = caps, .cmds = cmds};
