/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CMD_GRANT_PRINT_H
#define CLI_CMD_GRANT_PRINT_H
/* How `turnstone grant list` and `explain` print the rows from the operations. */
#include "base/str.h"

/* Prints a line for each. */
void grant_print_list(struct str rows);
/* Prints the verdict, in sentences. */
void grant_print_explained(struct str rows);
/* {"verdict": {…}, "grants": […]} */
void grant_print_explained_json(struct str rows);
#endif
