/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_AUTH_H
#define WIRE_CMD_AUTH_H
/* Parses and prints AUTHENTICATE and LOGIN (RFC 9051 section 6.2, RFC 4959).  The server's
 * challenges are continuations: wire/response.h. */
#include "wire/out.h"

struct wire_authenticate {
	struct str mech; /* capitals */
	bool has_initial;
	struct str initial; /* decoded; "=" is empty, which differs from none (RFC 4959) */
};
bool wire_authenticate_parse(struct wire_in *in, struct wire_authenticate *cmd_r);
void wire_authenticate_print(struct buf *b, const struct wire_authenticate *cmd);

enum wire_sasl_line { WIRE_SASL_DATA, WIRE_SASL_CANCEL, WIRE_SASL_BAD };
/* Parses a client's line during AUTHENTICATE, with or without line end: base64, or "*" to cancel.
 * BAD also if memory ran out (arena_oom). */
enum wire_sasl_line wire_sasl_line_parse(struct arena *a, struct str line, struct str *bytes_r);
/* Prints with line end. */
void wire_sasl_line_print(struct buf *b, struct str bytes);
void wire_sasl_cancel_print(struct buf *b);

struct wire_login {
	struct str user, password;
};
bool wire_login_parse(struct wire_in *in, struct wire_login *cmd_r);
void wire_login_print(struct buf *b, const struct wire_dialect *d, const struct wire_login *cmd);
#endif
