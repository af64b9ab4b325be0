/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_SEPARATOR_H
#define AUTH_USER_SEPARATOR_H
/* The value of auth.gateway_separator, which may be empty: see auth/gateway.h. */
#include <stdbool.h>

#include "base/str.h"

/* Returns what is wrong with it; NULL: nothing. */
const char *auth_separator_fault(struct str separator);
/* Whether the name contains it. */
bool auth_separator_in(struct str separator, struct str name);
#endif
