/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LMTP_LMTP_H
#define LMTP_LMTP_H
/*
 * lmtp: mail comes in.  Start here; conn_int.h is a connection from inside, lookup.c finds
 * recipients, deliver.c stores.
 *
 * Delivery: the server's side of LMTP (RFC 2033).
 *
 *   struct lmtp_server  start to exit
 *   struct lmtp_conn    accept to close
 *   struct lmtp_txn     the OK of MAIL to the last reply about its message, RSET, LHLO, close;
 *                       it is freed as a whole, never reset
 *
 * How a message travels: MAIL makes a transaction.  Each RCPT is looked up (aliases, user, account,
 * mailbox: lookup_int.h), so that its 250 means that the mailbox is there and loaded.  A user who
 * is in memory is found on the loop, whoever is not by a job on a worker (rcpt.c).  DATA or BDAT
 * give bytes to one store_upload behind the trace lines; it holds the connection's input back when
 * the disk is behind.  At the end one APPEND goes to the first mailbox; when that is durable the
 * other mailboxes get theirs all at once, with handles on the same upload, so there is one blob
 * however many recipients there are (deliver.c).  Then a reply for each recipient goes out. Changes
 * of all connections share flushes in the store's lanes.
 *
 * Input behind a command is not looked at before its replies are put, so each
 * command is a barrier; replies to pipelined ones leave in one write.
 */
#include "auth/auth.h"
#include "base/arena.h"
#include "base/list.h"
#include "conf/conf.h"
#include "net/loop.h"
#include "net/session.h"
#include "net/stream.h"
#include "net/tls/tls.h"
#include "net/work.h"
#include "store/store.h"

struct lmtp_conn;     /* opaque */
struct lmtp_settings; /* lmtp/settings.h */

struct lmtp_server { /* the application fills it, up to sessions, before connections come */
	struct store *store;
	struct auth *auth;
	struct work_pool *workers;
	struct work_pool *waiters; /* for lookups that wait for other machines; NULL: none do */
	struct tls_slot *tls;      /* NULL: STARTTLS is not offered */
	struct str default_domain; /* as in the settings of users; may be empty */
	struct session_server sessions; /* connections */
};

void lmtp_server_init(struct lmtp_server *server);
/* When the loops' have been. */
void lmtp_server_fini(struct lmtp_server *server);

struct lmtp_stats { /* nothing but numbers of 64 bits */
	struct session_stats sessions;
	uint64_t messages, bytes; /* that came in whole; of all that came, without trace lines */
	/* Recipients, by what they were told after the message (2xx, 5xx, 4xx), … */
	uint64_t delivered, refused, deferred;
	/* … of messages that had begun and got no reply: it is not known, or not whole … */
	uint64_t unknown, abandoned;
	/* … and those that RCPT was answered with 5xx, 4xx. */
	uint64_t rcpt_refused, rcpt_deferred;
	/* Addresses of RCPT that were looked up: on a worker, from memory on the loop. */
	uint64_t lookups[2];
	/* From a message's last byte to its replies: store_flush_us, sum in nanoseconds. */
	struct store_classes times;
};

struct lmtp_loop { /* what there is per event loop; touched by its thread only */
	struct lmtp_server *server;
	struct loop *loop;
	struct arena_pool pool;
	struct session_loop sessions; /* of each lmtp_conn */
	struct conf *conf;            /* a reference; connections take their own */
	const struct lmtp_settings *settings;
	struct stream_limits stream_limits;
	struct lmtp_stats stats;
};

/* index of count loops, so that connection ids differ. */
void lmtp_loop_init(struct lmtp_loop *ll, struct lmtp_server *server, unsigned index,
    unsigned count, struct loop *loop, struct conf *conf);
/* New settings, for connections accepted from now on.  On the loop's thread. */
void lmtp_loop_configure(struct lmtp_loop *ll, struct conf *conf);
/* 421 to every connection; one whose message is on its way to disk gets its replies first.  They
 * are gone some time later (session_loop_is_empty()). */
void lmtp_loop_shutdown(struct lmtp_loop *ll);
/* When it does not run any more and no connection is left. */
void lmtp_loop_fini(struct lmtp_loop *ll);

enum lmtp_tls { LMTP_TLS_NONE, LMTP_TLS_STARTTLS, LMTP_TLS_IMPLICIT };

/* First the connection, then its stream with lmtp_conn_events(), then start; all on the loop.
 * front: see session_set_front(). */
struct lmtp_conn *lmtp_conn_new(struct lmtp_loop *ll, struct str address, const char *front);
const struct stream_events *lmtp_conn_events(void);
/* Takes the stream; the greeting goes out, after the handshake if TLS is implicit. */
void lmtp_conn_start(struct lmtp_conn *conn, struct stream *stream, enum lmtp_tls tls);
#endif
