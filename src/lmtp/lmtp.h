/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LMTP_LMTP_H
#define LMTP_LMTP_H
/*
 * lmtp: incoming mail.  Start here; conn_int.h has the inside of a connection, lookup.c
 * and mailbox.c find recipients, deliver.c stores messages.
 *
 * Delivery: the server side of LMTP (RFC 2033).
 *
 *   struct lmtp_server  start to exit
 *   struct lmtp_conn    accept to close
 *   struct lmtp_txn     from the OK of MAIL to the last reply about its message, RSET, LHLO or
 *                       close; freed as a whole, never reset
 *
 * The way of a message: MAIL makes a transaction.  Each RCPT is looked up (aliases, user, account,
 * mailbox: lookup_int.h), so that its 250 means that the mailbox exists and is loaded.  Users in
 * memory are found on the loop, all others by a job on a worker (rcpt.c).  DATA or BDAT pass bytes,
 * after the trace lines, to one store_upload, which blocks the connection's input when the disk is
 * too slow.  At the end one APPEND goes to the first mailbox; when that is durable the other
 * mailboxes get theirs all at once, with handles on the same upload, so there is one blob however
 * many recipients there are (deliver.c).  Then each recipient's reply is sent.  Changes of all
 * connections share flushes in the store's lanes.
 *
 * Input after a command is not read before its replies are queued, so each command is a barrier;
 * replies to pipelined commands leave in one write.
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

struct auth_sharing;  /* auth/sharing.h */
struct lmtp_conn;     /* opaque */
struct lmtp_settings; /* lmtp/settings.h */

struct lmtp_server { /* the application fills in all before `sessions`, before any connection comes
	              */
	struct store *store;
	struct auth *auth;
	struct work_pool *workers;
	struct work_pool *waiters;      /* for look-ups that wait for other machines; NULL: none */
	struct tls_slot *tls;           /* NULL: no STARTTLS */
	struct str default_domain;      /* as in the users' settings; may be empty */
	struct session_server sessions; /* connections */
};

void lmtp_server_init(struct lmtp_server *server);
/* Call after the loops' fini. */
void lmtp_server_fini(struct lmtp_server *server);

struct lmtp_stats { /* nothing but 64-bit numbers */
	struct session_stats sessions;
	uint64_t messages, bytes; /* complete messages; all bytes received, without trace lines */
	/* Recipients, by their replies after the message (2xx, 5xx, 4xx), … */
	uint64_t delivered, refused, deferred;
	/* … of messages that had begun and got no reply: outcome unknown, or incomplete … */
	uint64_t unknown, abandoned;
	/* … and those whose RCPT was answered with 5xx, 4xx. */
	uint64_t rcpt_refused, rcpt_deferred;
	/* Addresses of RCPT that were looked up: on a worker, and from memory on the loop. */
	uint64_t lookups[2];
	/* From a message's last byte to its replies: classes of store_flush_us, sum in
	 * nanoseconds. */
	struct store_classes times;
};

struct lmtp_loop { /* state per event loop; used by its thread only */
	struct lmtp_server *server;
	struct loop *loop;
	struct arena_pool pool;
	struct session_loop sessions; /* has all lmtp_conns */
	struct conf *conf;            /* referenced; connections take their own references */
	const struct lmtp_settings *settings;
	const struct auth_sharing *sharing;
	struct stream_limits stream_limits;
	struct lmtp_stats stats;
};

/* index: this loop among `count`, so that connection ids differ. */
void lmtp_loop_init(struct lmtp_loop *ll, struct lmtp_server *server, unsigned index,
    unsigned count, struct loop *loop, struct conf *conf);
/* Applies new settings to connections accepted from now on.  Call on the loop's thread. */
void lmtp_loop_configure(struct lmtp_loop *ll, struct conf *conf);
/* Sends 421 to every connection; one whose message is being written to disk gets its replies first.
 * They are gone some time later (session_loop_is_empty()). */
void lmtp_loop_shutdown(struct lmtp_loop *ll);
/* Call when the loop no longer runs and no connection is left. */
void lmtp_loop_fini(struct lmtp_loop *ll);

enum lmtp_tls { LMTP_TLS_NONE, LMTP_TLS_STARTTLS, LMTP_TLS_IMPLICIT };

/* Make the connection first, then its stream with lmtp_conn_events(), then start; all on the loop.
 * front: see session_set_front(). */
struct lmtp_conn *lmtp_conn_new(struct lmtp_loop *ll, struct str address, const char *front);
const struct stream_events *lmtp_conn_events(void);
/* Takes over the stream and sends the greeting; with implicit TLS after the handshake. */
void lmtp_conn_start(struct lmtp_conn *conn, struct stream *stream, enum lmtp_tls tls);
#endif
