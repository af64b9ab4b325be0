/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LMTP_CONN_INT_H
#define LMTP_CONN_INT_H
/*
 * Shared by the files of a connection.  Calls go downwards in this order, never back:
 *
 *	conn.c      a connection's start, input, events of the stream, end
 *	command.c   turns a line into a command
 *	rcpt.c      RCPT;  deliver.c  the message, and the transaction
 *	lookup.c    finds the mailboxes of an address (lookup_int.h)
 *	mailbox.c   … of a sub-address
 *	report.c    counters and log lines
 *	life.c      replies, whether input is accepted, timeouts, how it is told to leave
 */
#include "auth/sharing.h"
#include "base/log.h"
#include "lmtp/address.h"
#include "lmtp/body.h"
#include "lmtp/lmtp.h"
#include "lmtp/settings.h"
#include "store/quota.h"

enum lmtp_input { /* what the next bytes are */
	LMTP_COMMAND,
	LMTP_SKIP_LINE, /* the rest of a line that was too long */
	LMTP_DATA,
	LMTP_CHUNK, /* of BDAT */
	LMTP_TLS    /* no input until the handshake is done */
};

struct lmtp_target { /* a mailbox that gets the message once */
	struct lmtp_target *next;
	struct store_mailbox *mailbox; /* referenced */
	struct str name;               /* the mailbox's, at the time of the look-up */
	struct str poster; /* needs the right to post when the message is there; empty: nobody */
	struct lmtp_txn *txn;
	struct store_change *change;
	bool done;
	bool over_quota; /* that is what err is about */
	enum ts_err err;
	uint32_t uid; /* of the message in it, if err is TS_OK */
};

struct lmtp_rcpt { /* a RCPT that was accepted with 250 */
	struct lmtp_rcpt *next;
	struct str address; /* as given */
	struct lmtp_target **targets;
	size_t target_count;
};

/* What keeps a message from being accepted, whatever its recipients are. */
enum lmtp_fault { LMTP_FINE, LMTP_TOO_BIG, LMTP_NEWLINES, LMTP_NUL };

struct lmtp_txn {
	struct arena *arena;
	struct lmtp_conn *conn;
	struct str sender; /* local@domain, empty for <> */
	bool utf8;         /* SMTPUTF8 was given */
	struct lmtp_rcpt *rcpts, **rcpts_tail;
	struct lmtp_target *targets, **targets_tail;
	size_t rcpt_count, target_count;

	struct store_upload *upload; /* NULL: DATA has not begun, or was given up */
	struct buf head;             /* the start of the message, for its Message-ID */
	struct lmtp_body body;
	uint64_t declared; /* SIZE, or 0 */
	uint64_t size;     /* of the text received, without trace lines */
	bool chunked;      /* BDAT was used */
	bool last;         /* the current chunk is the last */
	bool begun;        /* DATA or BDAT was accepted */
	bool told;         /* the replies have been sent */
	char id[36];       /* for Received and the log */
	enum lmtp_fault fault;
	enum ts_err err;          /* of the upload */
	struct lmtp_target *lead; /* must succeed before the others start */
	size_t pending;
	uint64_t began_ms, came_ns; /* time of MAIL, and of the message's last byte */
};

struct lmtp_lookup_job { /* of a RCPT; rcpt.c adds the rest */
	void (*cancel)(struct lmtp_lookup_job *job);
};

struct lmtp_conn {
	struct session session; /* net/session.h */
	struct lmtp_loop *ll;
	struct lmtp_server *server;
	struct conf *conf;
	const struct lmtp_settings *settings;
	const struct auth_sharing *sharing; /* the options of both are in conf */
	struct buf helo;                    /* argument of LHLO; empty: none yet */
	struct lmtp_txn *txn;
	struct lmtp_lookup_job *lookup; /* of a RCPT that waits for it */
	struct loop_task last_task;     /* posted by a look-up that ends after the stream */
	unsigned input;                 /* enum lmtp_input */
	uint64_t chunk_left;
	uint64_t messages, bytes;
	unsigned errors;
	enum lmtp_tls tls;
	bool held;    /* the upload exerts backpressure */
	bool storing; /* the message is being written to disk */
	bool leaving; /* closes after the replies still due */
};

/* life.c */
void lmtp_reply(struct lmtp_conn *conn, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Replies to a bad command and counts it; after too many, 421. */
void lmtp_reply_error(struct lmtp_conn *conn, const char *text);
/* Sends text (a 421; static) and closes. */
void lmtp_bye(struct lmtp_conn *conn, const char *text);
/* The reply when the server shuts down. */
extern const char lmtp_going_down[];
/* Call when the connection closes: nobody waits for the look-up. */
void lmtp_cancel_lookup(struct lmtp_conn *conn);
/* A message was answered, or the connection starts: restarts the time for the next message. */
void lmtp_next_message(struct lmtp_conn *conn);
/* Sets the timer by how long the connection may be silent now; and what happens then. */
void lmtp_set_timer(struct lmtp_conn *conn);
void lmtp_timed_out(void *arg);
bool lmtp_input_blocked(const struct lmtp_conn *conn);
/* Call when something that blocked the input is over. */
void lmtp_go_on(struct lmtp_conn *conn);
struct str lmtp_hostname(const struct lmtp_conn *conn, char *buf, size_t size);

/* command.c: takes a line without its CRLF. */
void lmtp_command(struct lmtp_conn *conn, struct str line);

/* rcpt.c: replies at once for a recipient in memory, else when a worker has found the mailboxes. */
void lmtp_rcpt_lookup(struct lmtp_conn *conn, const struct lmtp_path *path);

/* mailbox.c: whether the user has the right to post in another's mailbox, at this moment. */
bool lmtp_may_post(const struct lmtp_server *server, const struct auth_sharing *sharing,
    struct str user, const struct store_mailbox *mailbox);

/* report.c: counters and log lines */

/* Reply to a refused RCPT, and to a refused MAIL. */
void lmtp_refuse_rcpt(struct lmtp_conn *conn, struct str address, const char *reply);
void lmtp_refuse_mail(struct lmtp_conn *conn, struct str sender, const char *reply);
/* Reports the reply for a recipient after the message. */
void lmtp_report_rcpt(struct lmtp_conn *conn, const struct lmtp_rcpt *rcpt, const char *reply);
/* Reports the message after all recipients had their replies. */
void lmtp_report_message(struct lmtp_conn *conn);
/* Reports a transaction that ends without these replies. */
void lmtp_report_left(struct lmtp_conn *conn);

/* deliver.c */
/* The reply for a user without room. */
const char *lmtp_over_quota(const struct lmtp_conn *conn);
struct lmtp_txn *lmtp_txn_new(struct lmtp_conn *conn);
void lmtp_txn_free(struct lmtp_conn *conn);
/* Call before the message's first byte. */
void lmtp_message_begin(struct lmtp_conn *conn);
void lmtp_message_bytes(struct lmtp_conn *conn, struct str bytes);
/* Call when all bytes are here: stores the message; the replies come later. */
void lmtp_message_end(struct lmtp_conn *conn);
#endif
