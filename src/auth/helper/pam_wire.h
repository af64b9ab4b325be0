/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HELPER_PAM_WIRE_H
#define AUTH_HELPER_PAM_WIRE_H
/* Messages between a PAM database and the helper. */
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"

struct auth_pam_request {
	bool look_up; /* only find out whether the system knows the user */
	/* Contain no NUL bytes; the parser adds one after each. */
	struct str service, confdir, user, password, address;
};

/* The reply is this one byte. */
enum auth_pam_answer {
	AUTH_PAM_OK = 1,
	AUTH_PAM_FAILED, /* wrong password or unknown user */
	AUTH_PAM_CLOSED, /* the password is right, but the account is expired or access is denied */
	AUTH_PAM_UNAVAILABLE,
};

void auth_pam_request_print(const struct auth_pam_request *r, struct buf *out);
bool auth_pam_request_parse(struct str text, struct arena *arena, struct auth_pam_request *r_r);
#endif
