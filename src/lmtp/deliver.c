/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transaction's message, from its first byte to the reply for each recipient.
 *
 * Trace lines (RFC 5321 section 4.4) come first.  The bytes are the same for
 * all recipients, since there is one blob.  Nobody may learn from them who else
 * got the message: lines that name a recipient (Delivered-To, and "for" in
 * Received) are added only if the message has one recipient.
 */
#include "base/clock.h"
#include "lmtp/conn_int.h"

enum { HEAD_MAX = 16 << 10 }; /* bytes searched for the Message-ID */

/* ---- life */

struct lmtp_txn *
lmtp_txn_new(struct lmtp_conn *conn)
{
	struct arena *a = arena_new(&conn->ll->pool, ARENA_OTHER, 512);
	struct lmtp_txn *txn = arena_new_object(a, struct lmtp_txn);
	uint64_t id;

	txn->arena = a;
	txn->conn = conn;
	txn->rcpts_tail = &txn->rcpts;
	txn->targets_tail = &txn->targets;
	txn->began_ms = clock_mono_ms();
	/* The id goes out with the message, so it reveals nothing: no counter, no clock. */
	random_bytes(&id, sizeof(id));
	(void)snprintf(txn->id, sizeof(txn->id), "%016llx", (unsigned long long)id);
	return txn;
}

void
lmtp_txn_free(struct lmtp_conn *conn)
{
	struct lmtp_txn *txn = conn->txn;
	struct arena *a;

	if (txn != NULL && !txn->told)
		lmtp_report_left(conn);
	conn->txn = NULL;
	conn->held = conn->storing = false;
	if (txn == NULL)
		return;
	for (struct lmtp_target *t = txn->targets; t != NULL; t = t->next) {
		store_change_free(&t->change);
		store_mailbox_unref(&t->mailbox);
	}
	store_upload_free(&txn->upload);
	buf_fini(&txn->head);
	a = txn->arena;
	arena_free(&a);
}

/* ---- trace lines */

static void
put_trace(const struct lmtp_conn *conn, struct buf *out)
{
	const struct lmtp_txn *txn = conn->txn;
	bool single = txn->rcpt_count == 1, tls = stream_is_tls(conn->session.stream);
	bool is_unix = str_eq(conn->session.address, STR("unix"));
	bool v6 = str_chr(conn->session.address, ':') != NULL;
	char name[256];

	buf_printf(out, "Return-Path: <%.*s>\r\n", STR_ARG(txn->sender));
	if (single)
		buf_printf(out, "Delivered-To: %.*s\r\n", STR_ARG(txn->rcpts->address));
	buf_puts(out, "Received: from ");
	lmtp_peer_name_put(buf_as_str(&conn->helo), out);
	if (!is_unix)
		buf_printf(out, " ([%s%.*s])", v6 ? "IPv6:" : "", STR_ARG(conn->session.address));
	/* RFC 3848, RFC 6531 section 4.3. */
	buf_printf(out, "\r\n\tby %.*s with %sLMTP%s id %s",
	    STR_ARG(lmtp_hostname(conn, name, sizeof(name))), txn->utf8 ? "UTF8" : "",
	    tls ? "S" : "", txn->id);
	if (single)
		buf_printf(out, "\r\n\tfor <%.*s>", STR_ARG(txn->rcpts->address));
	buf_puts(out, ";\r\n\t");
	clock_put_date(loop_wall(conn->ll->loop), out);
	buf_puts(out, "\r\n");
}

/* ---- bytes */

static void
upload_ready(void *arg)
{
	struct lmtp_conn *conn = arg;

	conn->held = false;
	lmtp_go_on(conn);
}

static void
upload_bytes(struct lmtp_conn *conn, struct str bytes)
{
	struct lmtp_txn *txn = conn->txn;

	if (txn->upload != NULL && !store_upload_write(txn->upload, bytes, upload_ready, conn))
		conn->held = true;
}

void
lmtp_message_begin(struct lmtp_conn *conn)
{
	struct lmtp_txn *txn = conn->txn;
	struct buf trace = {0};

	txn->begun = true;
	txn->upload = store_upload_new(conn->server->store, conn->server->workers, conn->ll->loop,
	    (struct work_who){.user = conn->session.id});
	put_trace(conn, &trace);
	upload_bytes(conn, buf_as_str(&trace));
	buf_fini(&trace);
}

void
lmtp_message_bytes(struct lmtp_conn *conn, struct str bytes)
{
	struct lmtp_txn *txn = conn->txn;

	txn->size += bytes.n;
	if (txn->size > conn->settings->message) {
		txn->fault = LMTP_TOO_BIG;
		conn->held = false;
		store_upload_free(&txn->upload);
		return;
	}
	if (txn->head.n < HEAD_MAX)
		buf_put(&txn->head, bytes.p,
		    bytes.n < HEAD_MAX - txn->head.n ? bytes.n : HEAD_MAX - txn->head.n);
	upload_bytes(conn, bytes);
}

/* ---- replies */

static const char *
reply_of_err(enum ts_err err)
{
	switch (err) {
	case TS_OK:
		return "250 2.0.0 Delivered";
	case TS_FULL:
		return "452 4.3.1 The mail store is full";
	case TS_LIMIT:
		return "452 4.2.2 The mailbox is full";
	case TS_UNKNOWN: /* it may be there or not: the client must send it again, so never 250 */
		return "451 4.3.0 The outcome is not known";
	case TS_DAMAGED:
		return "451 4.2.0 The mailbox is damaged";
	default:
		return "451 4.3.0 The mail store cannot take it now";
	}
}

const char *
lmtp_over_quota(const struct lmtp_conn *conn)
{
	return conn->settings->over_quota == LMTP_OVER_QUOTA_552
	           ? "552 5.2.2 The user has no room for this message"
	           : "452 4.2.2 The user has no room for this message now";
}

static const char *
reply_of(const struct lmtp_txn *txn, const struct lmtp_rcpt *rcpt)
{
	enum ts_err err = txn->err;

	switch (txn->fault) {
	case LMTP_TOO_BIG:
		return "552 5.3.4 The message is too large";
	case LMTP_NEWLINES:
		return "554 5.6.0 The message has a CR or LF that is not a CRLF";
	case LMTP_NUL:
		return "554 5.6.0 The message has a NUL";
	case LMTP_FINE:
		break;
	}
	for (size_t i = 0; i < rcpt->target_count && err == TS_OK; i++) {
		err = rcpt->targets[i]->err;
		if (rcpt->targets[i]->over_quota)
			return lmtp_over_quota(txn->conn);
	}
	return reply_of_err(err);
}

static void
reply_to_each(struct lmtp_conn *conn)
{
	struct lmtp_txn *txn = conn->txn;

	for (struct lmtp_rcpt *r = txn->rcpts; r != NULL; r = r->next) {
		const char *reply = reply_of(txn, r);

		if (reply[0] == '2')
			lmtp_reply(conn, "%s as %s", reply, txn->id);
		else
			lmtp_reply(conn, "%s", reply);
		lmtp_report_rcpt(conn, r, reply);
	}
	lmtp_report_message(conn);
	txn->told = true;
	lmtp_txn_free(conn);
	lmtp_next_message(conn);
	if (conn->leaving)
		lmtp_bye(conn, lmtp_going_down);
	lmtp_go_on(conn);
}

/* ---- to disk */

static void submit_others(struct lmtp_txn *txn);

static void
stored(struct store_change *change)
{
	struct lmtp_target *t = change->arg;
	struct lmtp_txn *txn = t->txn;

	t->err = change->err;
	t->over_quota = change->err == TS_LIMIT && change->limit >= STORE_LIMIT_QUOTA_STORAGE;
	t->uid = change->first_uid;
	store_change_free(&t->change);
	txn->pending--;
	if (txn->lead == t)
		submit_others(txn);
	else if (txn->pending == 0)
		reply_to_each(txn->conn);
}

static void
submit_append(struct lmtp_txn *txn, struct lmtp_target *t, struct store_upload *upload)
{
	struct store_change *c = store_change_new(
	    store_mailbox_account(t->mailbox), STORE_CHANGE_APPEND, txn->conn->ll->loop, stored, t);

	c->mailbox = t->mailbox;
	c->items = arena_array(c->arena, 1, sizeof(*c->items));
	c->item_count = 1;
	c->items[0] = (struct store_append_item){.upload = upload};
	t->change = c;
	t->done = true;
	txn->pending++;
	store_submit(c);
}

/* A right that was taken away since the RCPT is like a mailbox that was deleted since: the mail
 * server tries again, and gets what is so then. */
static bool
may_get_it(const struct lmtp_txn *txn, const struct lmtp_target *t)
{
	const struct lmtp_conn *conn = txn->conn;

	return t->poster.n == 0 ||
	       lmtp_may_post(conn->server, conn->sharing, t->poster, t->mailbox);
}

/* Starts with the first mailbox only, until one accepts: then the bytes are on disk, and the rest
 * is small. */
static void
submit_others(struct lmtp_txn *txn)
{
	struct lmtp_target *t = txn->lead != NULL ? txn->lead->next : txn->targets;
	bool lead = txn->lead == NULL || txn->lead->err != TS_OK;

	txn->lead = NULL;
	for (; t != NULL; t = t->next) {
		/* The last remaining handle goes with the last mailbox. */
		struct store_upload *u = txn->upload;

		if (!may_get_it(txn, t)) {
			t->err = TS_DENIED;
			continue;
		}
		if (t->next != NULL)
			u = store_upload_share(txn->upload);
		else
			txn->upload = NULL;
		submit_append(txn, t, u);
		if (lead && t->next != NULL) {
			txn->lead = t;
			return;
		}
	}
	if (txn->pending == 0)
		reply_to_each(txn->conn);
}

static void
upload_finished(void *arg, enum ts_err err)
{
	struct lmtp_conn *conn = arg;
	struct lmtp_txn *txn = conn->txn;

	txn->err = err;
	if (err != TS_OK)
		reply_to_each(conn);
	else
		submit_others(txn);
}

void
lmtp_message_end(struct lmtp_conn *conn)
{
	struct lmtp_txn *txn = conn->txn;

	txn->came_ns = clock_mono_ns();
	lmtp_body_close(&txn->body);
	if (txn->fault == LMTP_FINE && txn->body.nul)
		txn->fault = LMTP_NUL;
	else if (txn->fault == LMTP_FINE && txn->body.stray &&
	         conn->settings->stray_newlines == LMTP_STRAY_REFUSE)
		txn->fault = LMTP_NEWLINES;
	conn->held = false;
	if (txn->fault != LMTP_FINE) {
		reply_to_each(conn);
		return;
	}
	conn->storing = true;
	store_upload_finish(txn->upload, upload_finished, conn);
}
