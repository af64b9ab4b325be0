/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_LIFE_H
#define IMAP_LIFE_H
/* What a connection is at any moment: for the engine, beside what imap/imap.h says for all. */
struct imap_conn;

/* As long as the connection may be silent now. */
void conn_set_timer(struct imap_conn *conn);
void conn_timed_out(void *arg);
/* Nobody waits for it any more. */
void conn_cancel_job(struct imap_conn *conn);
#endif
