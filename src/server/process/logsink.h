/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_LOGSINK_H
#define SERVER_PROCESS_LOGSINK_H
/* What `log.format` says.  AUTO: fields of the journal when standard error is connected to it,
 * logfmt otherwise.  Call before threads start. */
enum logsink_format { LOGSINK_AUTO, LOGSINK_LOGFMT, LOGSINK_JSON, LOGSINK_TEXT };
void logsink_init(enum logsink_format format);
#endif
