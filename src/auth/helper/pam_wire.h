/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HELPER_PAM_WIRE_H
#define AUTH_HELPER_PAM_WIRE_H
/* What a PAM database and its helper say to each other. */
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"

struct auth_pam_request {
	bool look_up; /* only: does the system know the user? */
	/* Without NUL bytes, each with one behind it when it was parsed. */
	struct str service, confdir, user, password, address;
};

/* The reply: this one byte. */
enum auth_pam_answer {
	AUTH_PAM_OK = 1,
	AUTH_PAM_FAILED, /* wrong, or no such user */
	AUTH_PAM_CLOSED, /* the password is right, but the account is expired or may not enter */
	AUTH_PAM_UNAVAILABLE,
};

void auth_pam_request_print(const struct auth_pam_request *r, struct buf *out);
bool auth_pam_request_parse(struct str text, struct arena *arena, struct auth_pam_request *r_r);
#endif
