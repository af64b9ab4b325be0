/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_LIFE_H
#define IMAP_LIFE_H
/* The state of a connection at any moment, for the engine; imap/imap.h has what is for all. */
struct imap_conn;

/* Sets the timer by how long the connection may be silent now. */
void conn_set_timer(struct imap_conn *conn);
void conn_timed_out(void *arg);
/* Nobody waits for the job any more. */
void conn_cancel_job(struct imap_conn *conn);
#endif
