/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_PRIVILEGES_H
#define APP_PRIVILEGES_H
/* What the process may do: descriptors, and the system user it runs as. */
#include <stdbool.h>

#include "app/settings.h"

/* The limit of open descriptors goes up as far as it may. */
void privileges_raise_file_limit(void);
/* Becomes server.user; ports are bound by then, the store is opened as that user.  False: logged.
 */
bool privileges_drop(const struct server_settings *s);
#endif
