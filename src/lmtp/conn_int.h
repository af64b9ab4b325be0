/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LMTP_CONN_INT_H
#define LMTP_CONN_INT_H
/*
 * What the files of a connection share.  Calls go downwards in this order, and never back:
 *
 *	conn.c      a connection's beginning, input, the stream's events, its end
 *	command.c   a line becomes a command
 *	rcpt.c      RCPT;  deliver.c  the message, and the transaction
 *	lookup.c    from an address to mailboxes (lookup_int.h)
 *	report.c    counters and log lines
 *	life.c      replies, whether input is taken, times, how it is told to go
 */
#include "base/log.h"
#include "lmtp/address.h"
#include "lmtp/body.h"
#include "lmtp/lmtp.h"
#include "lmtp/settings.h"
#include "store/quota.h"

enum lmtp_input { /* what the next bytes are */
	LMTP_COMMAND,
	LMTP_SKIP_LINE, /* the rest of a line that is too long */
	LMTP_DATA,
	LMTP_CHUNK, /* of BDAT */
	LMTP_TLS    /* nothing is taken until the handshake is done */
};

struct lmtp_target { /* a mailbox that gets the message, once */
	struct lmtp_target *next;
	struct store_mailbox *mailbox; /* a reference */
	struct str name;               /* the mailbox's, when the recipient was looked up */
	struct lmtp_txn *txn;
	struct store_change *change;
	bool done;
	bool over_quota; /* that is what err is about */
	enum ts_err err;
	uint32_t uid; /* of the message there, when err is TS_OK */
};

struct lmtp_rcpt { /* a RCPT that was answered with 250 */
	struct lmtp_rcpt *next;
	struct str address; /* as given */
	struct lmtp_target **targets;
	size_t target_count;
};

/* What keeps a message from being taken, whatever its recipients are. */
enum lmtp_fault { LMTP_FINE, LMTP_TOO_BIG, LMTP_NEWLINES, LMTP_NUL };

struct lmtp_txn {
	struct arena *arena;
	struct lmtp_conn *conn;
	struct str sender; /* local@domain, empty for <> */
	bool utf8;         /* SMTPUTF8 was given */
	struct lmtp_rcpt *rcpts, **rcpts_tail;
	struct lmtp_target *targets, **targets_tail;
	size_t rcpt_count, target_count;

	struct store_upload *upload; /* NULL: DATA has not begun, or it was given up */
	struct buf head;             /* the first of the message, for its Message-ID */
	struct lmtp_body body;
	uint64_t declared; /* SIZE, or 0 */
	uint64_t size;     /* of what came, without trace lines */
	bool chunked;      /* BDAT was used */
	bool last;         /* the chunk at hand is the last */
	bool begun;        /* DATA or BDAT was taken */
	bool told;         /* the replies went out */
	char id[36];       /* in Received and in the log */
	enum lmtp_fault fault;
	enum ts_err err;          /* of the upload */
	struct lmtp_target *lead; /* who is waited for before the others are begun */
	size_t pending;
	uint64_t began_ms, came_ns; /* MAIL; the message's last byte */
};

struct lmtp_lookup_job { /* of a RCPT; the rest of it is rcpt.c's */
	void (*cancel)(struct lmtp_lookup_job *job);
};

struct lmtp_conn {
	struct session session; /* net/session.h */
	struct lmtp_loop *ll;
	struct lmtp_server *server;
	struct conf *conf;
	const struct lmtp_settings *settings;
	struct buf helo; /* of LHLO; empty: none came */
	struct lmtp_txn *txn;
	struct lmtp_lookup_job *lookup; /* of a RCPT that waits for it */
	struct loop_task last_task;     /* posted by a lookup that ends after the stream */
	unsigned input;                 /* enum lmtp_input */
	uint64_t chunk_left;
	uint64_t messages, bytes;
	unsigned errors;
	enum lmtp_tls tls;
	bool held;    /* the upload is behind */
	bool storing; /* the message is on its way to disk */
	bool leaving; /* closes after the replies that are due */
};

/* life.c */
void lmtp_reply(struct lmtp_conn *conn, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A bad command: counts; after too many of them 421. */
void lmtp_reply_error(struct lmtp_conn *conn, const char *text);
/* Says text (a 421; static) and closes. */
void lmtp_bye(struct lmtp_conn *conn, const char *text);
/* What is said when the server goes down. */
extern const char lmtp_going_down[];
/* The connection closes: nobody waits for it. */
void lmtp_cancel_lookup(struct lmtp_conn *conn);
/* A message was answered, or the connection begins: the time for the next one runs. */
void lmtp_next_message(struct lmtp_conn *conn);
/* As long as the connection may be silent now; and when it was. */
void lmtp_set_timer(struct lmtp_conn *conn);
void lmtp_timed_out(void *arg);
bool lmtp_input_blocked(const struct lmtp_conn *conn);
/* Something that held the input up is over. */
void lmtp_go_on(struct lmtp_conn *conn);
struct str lmtp_hostname(const struct lmtp_conn *conn, char *buf, size_t size);

/* command.c: a line without its CRLF. */
void lmtp_command(struct lmtp_conn *conn, struct str line);

/* rcpt.c: answers at once for a recipient in memory, or when a worker has found them. */
void lmtp_rcpt_lookup(struct lmtp_conn *conn, const struct lmtp_path *path);

/* report.c: counters and log lines */

/* Replies to a RCPT that is refused, and to a MAIL. */
void lmtp_refuse_rcpt(struct lmtp_conn *conn, struct str address, const char *reply);
void lmtp_refuse_mail(struct lmtp_conn *conn, struct str sender, const char *reply);
/* What a recipient was told after the message. */
void lmtp_report_rcpt(struct lmtp_conn *conn, const struct lmtp_rcpt *rcpt, const char *reply);
/* All of them were. */
void lmtp_report_message(struct lmtp_conn *conn);
/* The transaction ends without these replies. */
void lmtp_report_left(struct lmtp_conn *conn);

/* deliver.c */
/* The reply for a user without room. */
const char *lmtp_over_quota(const struct lmtp_conn *conn);
struct lmtp_txn *lmtp_txn_new(struct lmtp_conn *conn);
void lmtp_txn_free(struct lmtp_conn *conn);
/* Before the message's first byte. */
void lmtp_message_begin(struct lmtp_conn *conn);
void lmtp_message_bytes(struct lmtp_conn *conn, struct str bytes);
/* All is there: stores it; the replies come later. */
void lmtp_message_end(struct lmtp_conn *conn);
#endif
