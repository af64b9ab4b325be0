/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_LOGSINK_H
#define SERVER_PROCESS_LOGSINK_H
/* Applies `log.format`.  AUTO: journal fields if standard error is connected to the journal, else
 * logfmt.  Call before threads start. */
enum logsink_format { LOGSINK_AUTO, LOGSINK_LOGFMT, LOGSINK_JSON, LOGSINK_TEXT };
void logsink_init(enum logsink_format format);
#endif
