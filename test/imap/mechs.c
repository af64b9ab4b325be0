/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_mechs
 *
 * Every registered mechanism, over the protocol: where it is offered and accepted, with and without
 * an initial response, byte by byte, cancelled at each step, with messages that are too long or not
 * base64, with wrong credentials, for another user.  After each failure the connection must be as
 * good as new.  A mechanism that is not in the table fails: whoever adds one describes it here,
 * with the client's side.
 */
#include <stdio.h>
#include <string.h>

#include "auth/db.h"
#include "auth/users.h"
#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "imap/ext/list.h"
#include "net/tls/peer.h"
#include "sasl/client.h"
#include "sasl/mech.h"
#include "sasl/scram_client.h"
#include "site.h"

enum trait {
	SECRET = 1,  /* an eavesdropper can use what is sent: never without TLS */
	BINDING = 2, /* only with TLS, to which it is bound */
	CERT = 4,    /* only with a certificate that identifies somebody */
	AUTHZID = 8, /* has an authorization identity */
	EMPTY = 16,  /* an empty first message is valid */
	DENIAL = 32, /* one more challenge comes before the NO */
	SERVER = 64, /* the server speaks first */
};

struct talk; /* a client's side */

/* Its n-th message, in response to the challenge.  False: there are no more. */
typedef bool say_f(struct talk *t, unsigned n, struct str challenge, struct buf *out);

static say_f say_plain, say_login, say_external, say_scram, say_token;

static const struct row {
	const char *name;
	unsigned traits, messages;
	say_f *say;
} table[] = {
    {"EXTERNAL", CERT | AUTHZID | EMPTY, 1, say_external},
    {"SCRAM-SHA-256-PLUS", BINDING | AUTHZID, 3, say_scram},
    {"SCRAM-SHA-1-PLUS", BINDING | AUTHZID, 3, say_scram},
    {"SCRAM-SHA-256", AUTHZID, 3, say_scram},
    {"SCRAM-SHA-1", AUTHZID, 3, say_scram},
    {"OAUTHBEARER", SECRET | AUTHZID | DENIAL, 1, say_token},
    {"XOAUTH2", SECRET | AUTHZID | DENIAL, 1, say_token},
    {"PLAIN", SECRET | AUTHZID, 1, say_plain},
    {"LOGIN", SECRET | SERVER, 2, say_login},
};

struct talk {
	const struct row *row;
	const struct sasl_mech *mech;
	const char *authzid, *secret; /* NULL: none; the correct one */
	struct sasl_scram_client *scram;
};

static struct site *site;
static unsigned failed;

static void
fail(const struct row *row, const char *what, struct str got)
{
	fprintf(stderr, "%s: %s: %.*s\n", row->name, what, STR_ARG(got));
	failed++;
}

/* ---- what clients say; the user is gate, with the password "gold" */

static struct str
secret_of(const struct talk *t)
{
	return t->secret != NULL ? str_of(t->secret) : STR("gold");
}

static bool
say_plain(struct talk *t, unsigned n, struct str challenge, struct buf *out)
{
	(void)challenge;
	return n == 0 && sasl_plain_message(str_of(t->authzid), STR("gate"), secret_of(t), out);
}

static bool
say_login(struct talk *t, unsigned n, struct str challenge, struct buf *out)
{
	(void)challenge;
	return n == 0 ? sasl_login_name(STR("gate"), out)
	              : n == 1 && sasl_login_password(secret_of(t), out);
}

static bool
say_external(struct talk *t, unsigned n, struct str challenge, struct buf *out)
{
	(void)challenge;
	return n == 0 && sasl_external_message(str_of(t->authzid), out);
}

static bool
say_scram(struct talk *t, unsigned n, struct str challenge, struct buf *out)
{
	static const struct sasl_binding binding = {
	    {"tls-exporter", 12}, 32, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}; /* the fake stream's */
	bool plus = (t->mech->flags & SASL_BINDS) != 0;
	struct sasl_scram_options opt = {.hash = t->mech->hash,
	    .authcid = STR("gate"),
	    .authzid = str_of(t->authzid),
	    .password = secret_of(t),
	    .binding = plus ? &binding : NULL,
	    .plus = plus};

	switch (n) {
	case 0:
		sasl_scram_client_free(&t->scram);
		t->scram = sasl_scram_client_new(&opt);
		return sasl_scram_client_first(t->scram, out);
	case 1:
		return sasl_scram_client_final(t->scram, challenge, out);
	default:
		return n == 2 && sasl_scram_client_verify(t->scram, challenge);
	}
}

static bool
say_token(struct talk *t, unsigned n, struct str challenge, struct buf *out)
{
	struct sasl_bearer b = {.token = secret_of(t), .authzid = str_of(t->authzid)};

	(void)challenge;
	if (n > 0) {
		sasl_bearer_answer(out);
		return n == 1;
	}
	if (strcmp(t->mech->name, "OAUTHBEARER") == 0)
		return sasl_oauthbearer_message(&b, out);
	if (b.authzid.n == 0)
		b.authzid = STR("gate");
	return sasl_xoauth2_message(&b, out);
}

/* ---- a database that knows one token */

static enum auth_result
token(struct auth_db *db, const struct auth_request *req, struct auth_token *token_r,
    const char **why_r)
{
	(void)db;
	*why_r = "another token";
	if (!str_eq(req->secret, STR("gold")))
		return AUTH_FAILED;
	buf_puts(&token_r->name, "gate");
	return AUTH_OK;
}

static void
free_db(struct auth_db *db)
{
	mem_free(db);
}

static const struct auth_db_ops token_ops = {.type = "test", .token = token, .free = free_db};

/* ---- the site */

static void
add_user(const char *name, const char *password, const char *acts_for)
{
	struct str pattern = str_of(acts_for);
	struct auth_user_spec spec = {.name = str_of(name),
	    .password = str_of(password),
	    .acts_for = &pattern,
	    .acts_for_count = acts_for != NULL};
	const char *why;

	TS_ASSERT(auth_users_add(site->auth, &spec, &why) == TS_OK);
}

static void
make_site(void)
{
	struct site_options opt = {
	    .conf = STR("plaintext_login = never\nlimits.bad_commands = 1000\n"
	                "limits.failed_logins = 1000\nunauthenticate = everyone\n"
	                "timeouts { failed_login = 0s; failed_login_max = 0s }\n"),
	    .starttls = true};
	struct auth_chain *chain = auth_chain_new();
	struct auth_db *db = mem_zalloc(sizeof(*db));

	site = site_new(&opt);
	db->ops = &token_ops;
	auth_chain_add(chain, auth_db_store_new(site->auth));
	auth_chain_add(chain, db);
	auth_set_chain(site->auth, chain);
	auth_chain_unref(&chain);
	add_user("gate", "gold", "b*");
	add_user("bo", "x", NULL);
	add_user("anna", "x", NULL);
	/* The accounts exist and the password's keys are cached before turns are counted. */
	site_mailbox(site, "gate", "of-gate");
	site_mailbox(site, "bo", "of-bo");
}

/* ---- a connection */

static void
connect_as(const struct row *row, bool tls)
{
	static const struct tls_identity gate = {.standing = TLS_PEER_KNOWN,
	    .user = {"gate@example.net", 16},
	    .subject = {"CN=gate", 7},
	    .issuer = {"CN=test", 7},
	    .fingerprint = {"sha256:00", 9}};

	site_connect(site, 1, NULL, tls, false);
	if (tls && (row->traits & CERT) != 0)
		stream_fake_set_identity(site->clients[1].fake, &gate);
	stream_fake_output(site->clients[1].fake)->n = 0;
}

static void
disconnect(void)
{
	site_disconnect(site, 1);
}

static void
push(struct str bytes)
{
	stream_fake_push(site->clients[1].fake, bytes);
	site_run(site);
}

/* All that has arrived, without the last CRLF; the caller owns the buffer. */
static struct str
pull(struct buf *reply)
{
	struct buf *out = stream_fake_output(site->clients[1].fake);

	reply->n = 0;
	buf_str(reply, buf_as_str(out));
	out->n = 0;
	if (reply->n >= 2)
		reply->n -= 2;
	return buf_as_str(reply);
}

static bool
begins(struct str s, const char *with)
{
	return str_has_prefix(s, str_of(with));
}

static void
put_message(struct str message, bool initial, struct buf *line)
{
	if (initial && message.n == 0)
		buf_putc(line, '='); /* RFC 4959 section 3 */
	base64_encode(message, line);
	buf_puts(line, "\r\n");
}

/* The challenge in a "+ …" line, decoded. */
static struct str
challenge_of(const struct row *row, struct str reply, struct buf *out)
{
	out->n = 0;
	if (!base64_decode((struct str){reply.p + 2, reply.n - 2}, out))
		fail(row, "a challenge that is not base64", reply);
	return buf_as_str(out);
}

/*
 * Speaks up to the message `stop`, which is not sent; UINT_MAX: to the end.  initial: sends the
 * first message with the command.  Returns the last reply.
 */
static struct str
speak(struct talk *t, bool initial, unsigned stop, struct buf *reply)
{
	struct buf line = {0}, message = {0}, challenge = {0};
	struct str got;
	unsigned n = 0;

	buf_printf(&line, "a AUTHENTICATE %s", t->mech->name);
	if (initial && stop > 0 && t->row->say(t, n++, STR_NONE, &message)) {
		buf_putc(&line, ' ');
		put_message(buf_as_str(&message), true, &line);
	} else
		buf_puts(&line, "\r\n");
	push(buf_as_str(&line));
	got = pull(reply);
	while (n < stop && begins(got, "+ ")) {
		line.n = message.n = 0;
		if (!t->row->say(t, n++, challenge_of(t->row, got, &challenge), &message)) {
			fail(t->row, "a challenge that its client does not take", got);
			push(STR("*\r\n"));
		} else {
			put_message(buf_as_str(&message), false, &line);
			push(buf_as_str(&line));
		}
		got = pull(reply);
	}
	sasl_scram_client_free(&t->scram);
	buf_fini(&line);
	buf_fini(&message);
	buf_fini(&challenge);
	return got;
}

/* Logs in successfully, and out again. */
static void
expect_good(const struct talk *with, bool initial, const char *of, const char *what)
{
	struct talk t = *with;
	struct buf reply = {0};
	struct str got = speak(&t, initial, UINT32_MAX, &reply);

	if (!begins(got, "a OK "))
		fail(t.row, what, got);
	push(STR("b LIST \"\" of-*\r\n"));
	got = pull(&reply);
	if (str_find(got, str_of(of)) == NULL)
		fail(t.row, "whose mail is it", got);
	push(STR("c UNAUTHENTICATE\r\n"));
	got = pull(&reply);
	if (!begins(got, "c OK "))
		fail(t.row, "it cannot be left", got);
	buf_fini(&reply);
}

static void
expect(const struct row *row, struct str got, const char *want, const char *what)
{
	if (!begins(got, want))
		fail(row, what, got);
}

/* ---- the rules */

static bool
shows(const struct row *row)
{
	struct buf reply = {0}, word = {0};
	struct str got;
	bool shown;

	push(STR("a CAPABILITY\r\n"));
	got = pull(&reply);
	buf_printf(&word, " AUTH=%s ", row->name);
	for (size_t i = 0; i < got.n; i++)
		if (got.p[i] == '\r')
			reply.p[i] = ' ';
	shown = str_find(got, buf_as_str(&word)) != NULL;
	buf_fini(&reply);
	buf_fini(&word);
	return shown;
}

static void
offered_where_it_may_be(const struct row *row)
{
	struct talk t = {.row = row, .mech = sasl_mech_find(str_of(row->name))};
	bool clear = (row->traits & (SECRET | BINDING | CERT)) == 0;
	struct buf reply = {0};

	connect_as(row, false);
	if (shows(row) != clear)
		fail(row, "offered without TLS", clear ? STR("no") : STR("yes"));
	if (clear)
		expect_good(&t, true, "of-gate", "without TLS");
	else
		expect(row, speak(&t, true, UINT32_MAX, &reply),
		    (row->traits & SECRET) != 0 ? "a NO [PRIVACYREQUIRED] " : "a NO [CANNOT] ",
		    "taken without TLS");
	disconnect();
	connect_as(row, true);
	if (!shows(row))
		fail(row, "offered under TLS", STR("no"));
	disconnect();
	if ((row->traits & CERT) != 0) {
		static const struct row bare = {.name = "EXTERNAL"};

		connect_as(&bare, true);
		if (shows(row))
			fail(row, "offered without a certificate", STR("yes"));
		expect(row, speak(&t, true, UINT32_MAX, &reply), "a NO [CANNOT] ",
		    "taken without a certificate");
		disconnect();
	}
	buf_fini(&reply);
}

static void
good_in_every_form(const struct row *row)
{
	struct talk t = {.row = row, .mech = sasl_mech_find(str_of(row->name))};
	struct buf reply = {0};

	connect_as(row, true);
	for (size_t segment = 0; segment < 3; segment++) {
		stream_fake_set_segment(site->clients[1].fake, segment);
		for (int initial = 0; initial < 2; initial++) {
			t.authzid = NULL;
			expect_good(&t, initial != 0, "of-gate", "a good login");
			t.authzid = "gate@example.net";
			expect_good(&t, initial != 0, "of-gate", "a good login as oneself");
			if ((row->traits & AUTHZID) == 0)
				continue;
			t.authzid = "bo";
			expect_good(&t, initial != 0, "of-bo", "acting for another");
			t.authzid = "anna";
			expect(row, speak(&t, initial != 0, UINT32_MAX, &reply),
			    "a NO [AUTHORIZATIONFAILED] ", "acting for one without a grant");
			t.authzid = "nobody";
			expect(row, speak(&t, initial != 0, UINT32_MAX, &reply),
			    "a NO [AUTHORIZATIONFAILED] ", "acting for nobody");
		}
	}
	disconnect();
	buf_fini(&reply);
}

static void
wrong_credentials(const struct row *row)
{
	struct talk t = {.row = row, .mech = sasl_mech_find(str_of(row->name)), .secret = "silver"};
	struct buf reply = {0};

	if ((row->traits & CERT) != 0)
		return; /* it has none of its own */
	connect_as(row, true);
	for (int initial = 0; initial < 2; initial++) {
		if ((row->traits & DENIAL) != 0) {
			struct str got = speak(&t, initial != 0, 1, &reply);

			expect(row, got, "+ ", "no challenge before the NO");
			push(STR("*\r\n"));
			expect(row, pull(&reply), "a NO [AUTHENTICATIONFAILED] ",
			    "a denial, cancelled");
		}
		expect(row, speak(&t, initial != 0, UINT32_MAX, &reply),
		    "a NO [AUTHENTICATIONFAILED] ", "wrong credentials");
	}
	t.secret = NULL;
	expect_good(&t, true, "of-gate", "after wrong credentials");
	disconnect();
	buf_fini(&reply);
}

/* Replaces the client's n-th message with a line; want: the reply to it. */
static void
instead(const struct row *row, struct str line, const char *want, const char *what)
{
	struct talk t = {.row = row, .mech = sasl_mech_find(str_of(row->name))};
	struct buf reply = {0};

	connect_as(row, true);
	for (unsigned n = 0; n < row->messages; n++)
		for (int initial = 0; initial < (n > 0 ? 2 : 1); initial++) {
			struct str got = speak(&t, initial != 0, n, &reply);

			expect(row, got, "+ ", "no challenge");
			push(line);
			expect(row, pull(&reply), want, what);
			expect_good(&t, true, "of-gate", what);
		}
	disconnect();
	buf_fini(&reply);
}

static void
too_long(const struct row *row, size_t more)
{
	const struct sasl_mech *mech = sasl_mech_find(str_of(row->name));
	struct talk t = {.row = row, .mech = mech};
	size_t n = sasl_mech_response_max(mech) + more;
	char *bytes = mem_zalloc(n);
	struct buf line = {0}, reply = {0};

	memset(bytes, 'x', n);
	base64_encode((struct str){bytes, n}, &line);
	buf_puts(&line, "\r\n");
	instead(row, buf_as_str(&line), "a BAD ", "a message that is too long");
	connect_as(row, true);
	line.n = 0;
	buf_printf(&line, "a AUTHENTICATE %s ", row->name);
	base64_encode((struct str){bytes, n}, &line);
	buf_puts(&line, "\r\n");
	push(buf_as_str(&line));
	expect(row, pull(&reply), "a BAD ", "a first message that is too long");
	expect_good(&t, true, "of-gate", "after one that was too long");
	disconnect();
	mem_free(bytes);
	buf_fini(&line);
	buf_fini(&reply);
}

static void
empty_first(const struct row *row)
{
	struct talk t = {.row = row, .mech = sasl_mech_find(str_of(row->name))};
	struct buf line = {0}, reply = {0};

	connect_as(row, true);
	buf_printf(&line, "a AUTHENTICATE %s =\r\n", row->name);
	push(buf_as_str(&line));
	if ((row->traits & EMPTY) != 0) {
		expect(row, pull(&reply), "a OK ", "an empty first message");
		push(STR("b UNAUTHENTICATE\r\n"));
		expect(row, pull(&reply), "b OK ", "it cannot be left");
	} else
		expect(row, pull(&reply), "a BAD ", "an empty first message");
	expect_good(&t, true, "of-gate", "after an empty first message");
	disconnect();
	buf_fini(&line);
	buf_fini(&reply);
}

/* Compares what the mechanism says about itself with the table. */
static void
described(const struct row *row)
{
	const struct sasl_mech *mech = sasl_mech_find(str_of(row->name));

	if (((mech->flags & SASL_CLEAR_PASSWORD) != 0) != ((row->traits & SECRET) != 0) ||
	    ((mech->flags & SASL_BINDS) != 0) != ((row->traits & BINDING) != 0) ||
	    ((mech->flags & SASL_TOKENS) != 0) != ((row->traits & DENIAL) != 0) ||
	    ((mech->flags & SASL_CLIENT_FIRST) == 0) != ((row->traits & SERVER) != 0))
		fail(row, "its flags are not what the table says", STR_NONE);
}

static const struct row *
find_row(const char *name)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

int
main(void)
{
	log_set_level(LOG_ERROR);
	make_site();
	for (size_t i = 0; i < sasl_mechs_n; i++) {
		const struct row *row = find_row(sasl_mechs[i]->name);
		unsigned before = failed;

		if (row == NULL) {
			fprintf(stderr, "%s is not in the table of test/imap/mechs.c\n",
			    sasl_mechs[i]->name);
			failed++;
			continue;
		}
		described(row);
		offered_where_it_may_be(row);
		good_in_every_form(row);
		wrong_credentials(row);
		instead(row, STR("*\r\n"), "a BAD Authentication cancelled", "cancelled");
		instead(row, STR("no base64!\r\n"), "a BAD ", "no base64");
		instead(row, STR("=\r\n"), "a BAD ", "\"=\" later on");
		empty_first(row);
		too_long(row, 1);
		too_long(row, 100000);
		printf("%s %s\n", failed == before ? "ok" : "not ok", row->name);
	}
	site_free(&site);
	return failed != 0;
}
