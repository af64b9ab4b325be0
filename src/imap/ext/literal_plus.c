/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LITERAL+ (RFC 7888): literals that do not wait for the server.  The framer (wire/frame.h) accepts
 * them, up to the limits of the connection; LITERAL- is not shown in addition (section 5).
 */
#include "imap/cmd.h"

static const struct imap_cap caps[] = {
    {.word = "LITERAL+", .rfc = "7888", .states = IMAP_ANY},
    {.word = NULL},
};

const struct imap_ext imap_ext_literal_plus = {
    .name = "literal_plus", .title = "LITERAL+ (RFC 7888)", .caps = caps};
