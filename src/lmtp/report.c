/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a delivery leaves for administrators: counters, and a log line for each mailbox that a
 * message went to, or failed to reach.
 *
 * To find a message you have a recipient, a Message-ID, or the id in its Received line: each of
 * them finds the line, which names user, mailbox and UID.
 */
#include "base/clock.h"
#include "lmtp/conn_int.h"

/* ---- before the message */

void
lmtp_refuse_mail(struct lmtp_conn *conn, struct str sender, const char *reply)
{
	struct log_event e;

	session_event(&conn->session, &e, STR("sender refused"));
	log_event_str(&e, "from", sender);
	log_event_str(&e, "reply", str_of(reply));
	log_event_put(&e, LOG_INFO);
	lmtp_reply(conn, "%s", reply);
}

void
lmtp_refuse_rcpt(struct lmtp_conn *conn, struct str address, const char *reply)
{
	bool later = reply[0] == '4';
	struct log_event e;

	conn->ll->stats.rcpt_deferred += later;
	conn->ll->stats.rcpt_refused += !later;
	session_event(&conn->session, &e, STR("recipient refused"));
	log_event_str(&e, "id", str_of(conn->txn->id));
	log_event_str(&e, "from", conn->txn->sender);
	log_event_str(&e, "rcpt", address);
	log_event_str(&e, "reply", str_of(reply));
	log_event_put(&e, later ? LOG_WARNING : LOG_INFO);
	lmtp_reply(conn, "%s", reply);
}

/* ---- after it */

/* Returns the value of Message-ID. */
static struct str
message_id(const struct lmtp_txn *txn)
{
	struct str rest = buf_as_str(&txn->head), line;

	while (str_split(&rest, '\n', &line)) {
		line = str_trim(line);
		if (line.n == 0)
			break;
		if (str_has_iprefix(line, STR("Message-ID:")))
			return str_trim((struct str){line.p + 11, line.n - 11});
	}
	return STR_NONE;
}

static void
log_recipient(const struct lmtp_conn *conn, const struct lmtp_rcpt *rcpt,
    const struct lmtp_target *t, const char *result, const char *reply)
{
	const struct lmtp_txn *txn = conn->txn;
	bool delivered = str_eq(str_of(result), STR("delivered"));
	struct log_event e;

	session_event(&conn->session, &e, STR("delivery"));
	log_event_str(&e, "id", str_of(txn->id));
	log_event_str(&e, "result", str_of(result));
	log_event_str(&e, "rcpt", rcpt->address);
	log_event_str(&e, "user", store_account_name(store_mailbox_account(t->mailbox)));
	log_event_str(&e, "mailbox", t->name);
	if (delivered)
		log_event_u64(&e, "uid", t->uid);
	log_event_str(&e, "from", txn->sender);
	log_event_str(&e, "msgid", message_id(txn));
	log_event_u64(&e, "bytes", txn->size);
	log_event_u64(&e, "ms", clock_mono_ms() - txn->began_ms);
	log_event_str(&e, "reply", str_of(reply));
	log_event_put(&e, delivered && reply[0] == '2' ? LOG_INFO : LOG_WARNING);
}

/* One of several mailboxes may have the message although the recipient got a different reply. */
static const char *
result_of(const struct lmtp_target *t, const char *reply)
{
	if (t->done && t->err == TS_OK)
		return "delivered";
	if (t->done && t->err == TS_UNKNOWN)
		return "unknown";
	return reply[0] == '5' ? "refused" : "deferred";
}

void
lmtp_report_rcpt(struct lmtp_conn *conn, const struct lmtp_rcpt *rcpt, const char *reply)
{
	conn->ll->stats.delivered += reply[0] == '2';
	conn->ll->stats.deferred += reply[0] == '4';
	conn->ll->stats.refused += reply[0] == '5';
	if (!log_wants(reply[0] == '2' ? LOG_INFO : LOG_WARNING))
		return;
	for (size_t i = 0; i < rcpt->target_count; i++)
		log_recipient(
		    conn, rcpt, rcpt->targets[i], result_of(rcpt->targets[i], reply), reply);
}

static void
count_bytes(struct lmtp_conn *conn)
{
	conn->bytes += conn->txn->size;
	conn->ll->stats.bytes += conn->txn->size;
}

void
lmtp_report_message(struct lmtp_conn *conn)
{
	struct store_classes *times = &conn->ll->stats.times;
	uint64_t ns = clock_mono_ns() - conn->txn->came_ns;

	conn->ll->stats.messages++;
	conn->messages++;
	times->n[store_class_of(store_flush_us, ns / 1000)]++;
	times->sum += ns;
	count_bytes(conn);
}

/* RCPTs without a message are a normal ending: mail servers use them to ask who is here. */
void
lmtp_report_left(struct lmtp_conn *conn)
{
	const struct lmtp_txn *txn = conn->txn;
	const char *how =
	    conn->session.ending != NULL ? conn->session.ending : "given up by the client";
	bool storing = conn->storing;

	if (!txn->begun)
		return;
	count_bytes(conn);
	for (struct lmtp_rcpt *r = txn->rcpts; r != NULL; r = r->next) {
		conn->ll->stats.unknown += storing;
		conn->ll->stats.abandoned += !storing;
		for (size_t i = 0; i < r->target_count; i++) {
			const struct lmtp_target *t = r->targets[i];
			bool there = t->done && t->change == NULL && t->err == TS_OK;

			log_recipient(conn, r, t,
			    there     ? "delivered"
			    : storing ? "unknown"
			              : "abandoned",
			    how);
		}
	}
}
