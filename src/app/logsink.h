/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_LOGSINK_H
#define APP_LOGSINK_H
/* Log lines go to the journal when standard error is connected to it, else to standard error. */
void logsink_init(void);
#endif
