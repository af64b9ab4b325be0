/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CMD_GRANT_PRINT_H
#define CLI_CMD_GRANT_PRINT_H
/* What `turnstone grant list` and `explain` print of the rows that the operations gave. */
#include "base/str.h"

/* A line for each. */
void grant_print_list(struct str rows);
/* The verdict, in sentences. */
void grant_print_explained(struct str rows);
/* {"verdict": {…}, "grants": […]} */
void grant_print_explained_json(struct str rows);
#endif
