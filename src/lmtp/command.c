/* SPDX-License-Identifier: Apache-2.0 */
/* Commands: RFC 5321 section 4.1 as changed by RFC 2033 section 4. */
#include "lmtp/conn_int.h"

enum states { /* when a command is allowed; a mask */
	NO_LHLO = 1,
	IDLE = 2, /* between transactions */
	TXN = 4,
	ANY = NO_LHLO | IDLE | TXN
};

struct command {
	const char *name;
	unsigned states;
	void (*run)(struct lmtp_conn *conn, struct str args);
};

static void
syntax(struct lmtp_conn *conn)
{
	lmtp_reply_error(conn, "501 5.5.4 Syntax error in parameters");
}

static void
run_lhlo(struct lmtp_conn *conn, struct str args)
{
	bool tls = conn->tls == LMTP_TLS_STARTTLS && conn->server->tls != NULL &&
	           !stream_is_tls(conn->session.stream);
	char name[256];

	args = str_trim(args);
	if (!lmtp_peer_name_ok(args)) {
		syntax(conn);
		return;
	}
	lmtp_txn_free(conn);
	conn->helo.n = 0;
	buf_str(&conn->helo, args);
	lmtp_reply(conn, "250-%.*s", STR_ARG(lmtp_hostname(conn, name, sizeof(name))));
	lmtp_reply(conn, "250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"
	                 "250-SMTPUTF8\r\n250-CHUNKING");
	if (tls)
		lmtp_reply(conn, "250-STARTTLS");
	lmtp_reply(conn, "250 SIZE %llu", (unsigned long long)conn->settings->message);
}

/* RFC 2033 section 4.1: an LMTP server must reject them. */
static void
run_helo(struct lmtp_conn *conn, struct str args)
{
	(void)args;
	lmtp_reply_error(conn, "500 5.5.1 This is LMTP: say LHLO");
}

/* Takes the parameters of MAIL.  Returns false if it has replied. */
static bool
take_mail_params(
    struct lmtp_conn *conn, struct str sender, struct str rest, bool *utf8_r, uint64_t *size_r)
{
	struct str word;

	while (str_split(&rest, ' ', &word)) {
		struct str key;
		uint64_t size;
		const char *no = NULL;

		if (word.n == 0)
			continue;
		if (str_ieq(word, STR("SMTPUTF8"))) {
			*utf8_r = true;
			continue;
		}
		str_split(&word, '=', &key);
		if (str_ieq(key, STR("SIZE"))) {
			if (!str_u64(word, UINT64_MAX, &size))
				no = "501 5.5.4 SIZE takes a number";
			else if (size > conn->settings->message)
				no = "552 5.3.4 The message is too large";
			else
				*size_r = size;
		} else if (str_ieq(key, STR("BODY"))) {
			if (!str_ieq(word, STR("7BIT")) && !str_ieq(word, STR("8BITMIME")))
				no = "501 5.5.4 BODY is 7BIT or 8BITMIME";
		} else
			no = "555 5.5.4 Unknown parameter";
		if (no != NULL) {
			lmtp_refuse_mail(conn, sender, no);
			return false;
		}
	}
	return true;
}

static void
run_mail(struct lmtp_conn *conn, struct str args)
{
	struct lmtp_path path;
	uint64_t declared = 0;
	bool utf8 = false;

	if (!str_has_iprefix(args, STR("FROM:"))) {
		syntax(conn);
		return;
	}
	args = str_trim((struct str){args.p + 5, args.n - 5});
	if (!lmtp_sender_parse(&args, &path) || (args.n > 0 && args.p[0] != ' '))
		lmtp_reply_error(conn, "501 5.1.7 Bad sender address");
	else if (take_mail_params(conn, path.text, args, &utf8, &declared)) {
		if (path.utf8 && !utf8)
			lmtp_refuse_mail(
			    conn, path.text, "550 5.6.7 Non-ASCII address without SMTPUTF8");
		else {
			conn->txn = lmtp_txn_new(conn);
			conn->txn->sender = arena_str(conn->txn->arena, path.text);
			conn->txn->utf8 = utf8;
			conn->txn->declared = declared;
			lmtp_reply(conn, "250 2.1.0 OK");
		}
	}
}

static void
run_rcpt(struct lmtp_conn *conn, struct str args)
{
	const struct lmtp_txn *txn = conn->txn;
	struct lmtp_path path;
	struct buf buf = {0};

	if (!str_has_iprefix(args, STR("TO:"))) {
		syntax(conn);
		return;
	}
	args = str_trim((struct str){args.p + 3, args.n - 3});
	if (!lmtp_path_parse(&args, &buf, &path) || path.local.n == 0)
		lmtp_reply_error(conn, "501 5.1.3 Bad recipient address");
	else if (args.n > 0)
		lmtp_refuse_rcpt(conn, path.text, "555 5.5.4 RCPT takes no parameters");
	else if (path.utf8 && !txn->utf8) /* RFC 6531 section 3.5 */
		lmtp_refuse_rcpt(conn, path.text, "553 5.6.7 Non-ASCII address without SMTPUTF8");
	else if (txn->chunked)
		lmtp_reply_error(conn, "503 5.5.1 The message has begun");
	else if (txn->rcpt_count >= (size_t)conn->settings->recipients)
		lmtp_refuse_rcpt(conn, path.text, "452 4.5.3 Too many recipients");
	else
		lmtp_rcpt_lookup(conn, &path);
	buf_fini(&buf);
}

static void
run_data(struct lmtp_conn *conn, struct str args)
{
	if (args.n > 0)
		syntax(conn);
	else if (conn->txn->chunked) /* RFC 3030 section 2 */
		lmtp_reply_error(conn, "503 5.5.1 DATA after BDAT");
	else if (conn->txn->rcpt_count == 0) /* RFC 2033 section 4.2 */
		lmtp_reply(conn, "503 5.5.1 No valid recipients");
	else {
		lmtp_reply(conn, "354 Go ahead, end with CRLF.CRLF");
		lmtp_message_begin(conn);
		conn->input = LMTP_DATA;
	}
}

/* The chunk follows whatever the reply (RFC 3030 section 2), so it is always read. */
static void
run_bdat(struct lmtp_conn *conn, struct str args)
{
	struct lmtp_txn *txn = conn->txn;
	struct str number = STR_NONE;
	bool last;

	str_split(&args, ' ', &number);
	last = str_ieq(args, STR("LAST"));
	if ((args.n > 0 && !last) || !str_u64(number, INT64_MAX, &conn->chunk_left)) {
		/* The start of the next command is unknown. */
		lmtp_bye(conn, "421 5.5.4 BDAT takes a size, and perhaps LAST");
		return;
	}
	conn->input = LMTP_CHUNK;
	if (txn == NULL || txn->rcpt_count == 0) {
		lmtp_reply(
		    conn, txn == NULL ? "503 5.5.1 MAIL first" : "503 5.5.1 No valid recipients");
		return;
	}
	if (!txn->chunked)
		lmtp_message_begin(conn);
	txn->chunked = true;
	txn->last = last;
}

static void
run_rset(struct lmtp_conn *conn, struct str args)
{
	(void)args;
	lmtp_txn_free(conn);
	lmtp_reply(conn, "250 2.0.0 OK");
}

static void
run_noop(struct lmtp_conn *conn, struct str args)
{
	(void)args;
	lmtp_reply(conn, "250 2.0.0 OK");
}

static void
run_quit(struct lmtp_conn *conn, struct str args)
{
	(void)args;
	lmtp_reply(conn, "221 2.0.0 Bye");
	session_close(&conn->session, "QUIT");
}

/* RFC 5321 section 7.3: does not tell who is here. */
static void
run_vrfy(struct lmtp_conn *conn, struct str args)
{
	(void)args;
	lmtp_reply(conn, "252 2.5.0 Send some mail, I'll see");
}

static void
run_help(struct lmtp_conn *conn, struct str args)
{
	(void)args;
	lmtp_reply(conn, "214 2.0.0 LHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP STARTTLS");
}

static void
run_starttls(struct lmtp_conn *conn, struct str args)
{
	struct tls_ctx *ctx;
	enum ts_err err;

	if (args.n > 0) {
		syntax(conn);
		return;
	}
	if (conn->tls != LMTP_TLS_STARTTLS || conn->server->tls == NULL ||
	    stream_is_tls(conn->session.stream)) {
		lmtp_reply_error(conn, "502 5.5.1 No STARTTLS here");
		return;
	}
	lmtp_reply(conn, "220 2.0.0 Go ahead");
	/* RFC 3207 section 4.2: forget what was said in plaintext. */
	lmtp_txn_free(conn);
	conn->helo.n = 0;
	ctx = tls_slot_get(conn->server->tls);
	err = ctx != NULL ? stream_starttls(conn->session.stream, ctx) : TS_UNAVAILABLE;
	tls_ctx_free(&ctx);
	conn->input = LMTP_TLS;
	if (err != TS_OK)
		session_close(&conn->session, NULL);
}

static const struct command commands[] = {
    {"LHLO", ANY, run_lhlo},
    {"MAIL", IDLE, run_mail},
    {"RCPT", TXN, run_rcpt},
    {"DATA", TXN, run_data},
    {"BDAT", ANY, run_bdat},
    {"RSET", ANY, run_rset},
    {"NOOP", ANY, run_noop},
    {"QUIT", ANY, run_quit},
    {"VRFY", ANY, run_vrfy},
    {"HELP", ANY, run_help},
    {"STARTTLS", NO_LHLO | IDLE, run_starttls},
    {"EHLO", ANY, run_helo},
    {"HELO", ANY, run_helo},
};

static unsigned
state_of(const struct lmtp_conn *conn)
{
	return conn->txn != NULL ? TXN : conn->helo.n > 0 ? IDLE : NO_LHLO;
}

void
lmtp_command(struct lmtp_conn *conn, struct str line)
{
	struct str word = STR_NONE, args = line;

	if (str_chr(line, '\0') != NULL || str_chr(line, '\n') != NULL ||
	    str_chr(line, '\r') != NULL) {
		lmtp_reply_error(conn, "500 5.5.2 Lines end in CRLF");
		return;
	}
	str_split(&args, ' ', &word);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const struct command *c = &commands[i];

		if (!str_ieq(word, str_of(c->name)))
			continue;
		if ((c->states & state_of(conn)) != 0)
			c->run(conn, args);
		else
			lmtp_reply_error(conn, conn->helo.n == 0 ? "503 5.5.1 LHLO first"
			                       : conn->txn == NULL
			                           ? "503 5.5.1 MAIL first"
			                           : "503 5.5.1 Not in a transaction");
		return;
	}
	lmtp_reply_error(conn, "500 5.5.1 Unknown command");
}
