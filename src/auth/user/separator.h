/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_USER_SEPARATOR_H
#define AUTH_USER_SEPARATOR_H
/* auth.gateway_separator as the option's text, which may be empty: see auth/gateway.h. */
#include <stdbool.h>

#include "base/str.h"

/* What is wrong with it; NULL: nothing. */
const char *auth_separator_fault(struct str separator);
/* Is it in the name? */
bool auth_separator_in(struct str separator, struct str name);
#endif
