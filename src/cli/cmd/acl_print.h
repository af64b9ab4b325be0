/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CMD_ACL_PRINT_H
#define CLI_CMD_ACL_PRINT_H
/* How `turnstone acl explain` prints the rows from the operation. */
#include <stdbool.h>

#include "base/str.h"

/* Prints it for people. */
void acl_print_explained(struct str rows);
/* {"verdict": {…}, "rights": […], "entries": […]} */
void acl_print_explained_json(struct str rows);
/* Whether there is any right. */
bool acl_has_rights(struct str rows);
#endif
