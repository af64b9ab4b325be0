/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_HOST_H
#define BASE_HOST_H
/* Names of hosts and domains. */
#include <stdbool.h>

#include "base/str.h"

/*
 * Labels of 1 to 63 letters, digits, '-' (not at their ends) and '_', with single dots between
 * them, 253 bytes in all.  unicode: also letters beyond ASCII.  An address is not valid.
 */
bool host_name_ok(struct str name, bool unicode);
#endif
