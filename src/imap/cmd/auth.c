/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STARTTLS and LOGIN (RFC 3501 and RFC 9051 section 6.2).  AUTHENTICATE is in authenticate.c, the
 * way from any claim to a login in imap/common/try.c.
 */
#include "imap/cmd.h"
#include "imap/cmd/login.h"
#include "imap/layer.h"
#include "imap/mechs.h"
#include "imap/settings.h"

/* ---- what is offered */

static bool
is_loopback(struct str address)
{
	return str_has_prefix(address, STR("127.")) || str_eq(address, STR("::1")) ||
	       str_has_prefix(address, STR("::ffff:127.")) || str_eq(address, STR("unix"));
}

bool
imap_password_allowed(const struct imap_conn *conn)
{
	return stream_is_tls(conn->session.stream) ||
	       imap_settings(conn)->plaintext == IMAP_PLAIN_ALWAYS ||
	       (imap_settings(conn)->plaintext == IMAP_PLAIN_LOOPBACK &&
	           is_loopback(conn->session.address));
}

static bool
password_refused(const struct imap_conn *conn)
{
	return !imap_password_allowed(conn);
}

static bool
tokens_taken(const struct imap_conn *conn)
{
	return imap_password_allowed(conn) && auth_takes_tokens(conn->server->auth);
}

static bool
binds(const struct imap_conn *conn)
{
	return stream_binds(conn->session.stream);
}

/* RFC 4422 section 6.1.2: the layer reveals whether somebody removed a mechanism in plaintext. */
static bool
in_layer(const struct imap_conn *conn)
{
	return imap_layers_secure(conn);
}

static bool
identified(const struct imap_conn *conn)
{
	return imap_identity(conn)->standing == TLS_PEER_KNOWN;
}

static bool
offers_tls(const struct imap_conn *conn)
{
	return conn->server->tls != NULL && !conn->entrance->implicit_tls &&
	       !stream_is_tls(conn->session.stream) && tls_slot_filled(conn->server->tls);
}

static enum imap_next
cmd_starttls(struct imap_cmd *cmd)
{
	if (!wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	if (!offers_tls(cmd->conn))
		return cmd_bad(cmd, "STARTTLS is not available");
	cmd->after = IMAP_AFTER_STARTTLS;
	return cmd_ok(cmd, "Begin TLS negotiation now");
}

/* ---- LOGIN */

enum imap_next
imap_privacy_required(struct imap_cmd *cmd)
{
	return cmd_no(cmd, "PRIVACYREQUIRED", "Passwords are accepted only over TLS");
}

static enum imap_next
cmd_login(struct imap_cmd *cmd)
{
	struct wire_login args;
	struct imap_try *s;

	if (!wire_login_parse(&cmd->in, &args))
		return cmd_bad_syntax(cmd);
	if (!imap_password_allowed(cmd->conn))
		return imap_privacy_required(cmd);
	s = imap_try_new(cmd, STR("LOGIN-command"));
	s->req.authcid = args.user;
	s->req.secret = args.password;
	return imap_try_named(cmd);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "STARTTLS", .states = IMAP_NOAUTH, .start = cmd_starttls},
    {.name = "LOGIN", .states = IMAP_NOAUTH, .traits = IMAP_TRAIT_SECRET, .start = cmd_login},
    {.name = "(PREAUTH)", .start = imap_preauth}, /* not sent by clients: see conn.c */
    {.name = "AUTHENTICATE",
        .states = IMAP_NOAUTH,
        .traits = IMAP_TRAIT_SECRET,
        .start = imap_authenticate,
        .line_max = imap_authenticate_line_max},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "STARTTLS",
        .rfc = "3501, 9051",
        .states = IMAP_NOAUTH,
        .when = offers_tls,
        .shown = "in clear, with a certificate",
        .brings = "STARTTLS"},
    {.word = "LOGINDISABLED",
        .rfc = "3501, 9051",
        .states = IMAP_NOAUTH,
        .when = password_refused,
        .shown = "where passwords are refused"},
    {.word = "SASL-IR", .rfc = "4959", .states = IMAP_NOAUTH},
    {.word = "AUTH=EXTERNAL",
        .rfc = "4422",
        .states = IMAP_NOAUTH,
        .when = identified,
        .shown = "where the client's certificate stands for somebody"},
    {.word = "AUTH=SCRAM-SHA-256-PLUS",
        .rfc = "7677, 5929, 9266",
        .states = IMAP_NOAUTH,
        .when = binds,
        .shown = "under TLS that has a channel binding"},
    {.word = "AUTH=SCRAM-SHA-256", .rfc = "7677", .states = IMAP_NOAUTH},
    {.word = "AUTH=SCRAM-SHA-1-PLUS",
        .rfc = "5802, 5929, 9266",
        .states = IMAP_NOAUTH,
        .when = binds,
        .shown = "under TLS that has a channel binding"},
    {.word = "AUTH=SCRAM-SHA-1", .rfc = "5802", .states = IMAP_NOAUTH},
    {.word = "AUTH=OAUTHBEARER",
        .rfc = "7628",
        .states = IMAP_NOAUTH,
        .when = tokens_taken,
        .shown = "where passwords are taken and a database takes tokens"},
    {.word = "AUTH=XOAUTH2",
        .states = IMAP_NOAUTH,
        .when = tokens_taken,
        .shown = "where passwords are taken and a database takes tokens"},
    {.word = "AUTH=PLAIN",
        .rfc = "4616",
        .states = IMAP_NOAUTH,
        .when = imap_password_allowed,
        .shown = "where passwords are taken"},
    {.word = "AUTH=",
        .rfc = "4422",
        .states = IMAP_NOAUTH,
        .when = imap_more_mechs,
        .shown = "one for each mechanism of libsasl2 that `mechanisms` names",
        .words = imap_more_mechs_print,
        .key = imap_more_mechs_key},
    {.word = "AUTH=LOGIN",
        .states = IMAP_NOAUTH,
        .when = imap_password_allowed,
        .shown = "where passwords are taken"},
    {.word = "AUTH=",
        .rfc = "4422",
        .states = IMAP_LOGGED_IN,
        .when = in_layer,
        .shown = "within a security layer, those that were offered before login",
        .words = imap_auth_words_print,
        .key = imap_auth_words_key},
    {.word = NULL},
};

static const struct imap_code codes[] = {
    {"AUTHENTICATIONFAILED", "9051", "the credentials are not right, or the user may not log in"},
    {"AUTHORIZATIONFAILED", "9051", "they are, but not for this user"},
    {"EXPIRED", "9051", "the token of the login has expired"},
    {"PRIVACYREQUIRED", "9051", "a password would be taken under TLS only"},
    {NULL, NULL, NULL},
};

const struct imap_ext imap_ext_auth = {
    .name = "auth",
    .title = "STARTTLS, LOGIN, AUTHENTICATE, SASL-IR (RFC 4959)",
    .caps = caps,
    .cmds = cmds,
    .codes = codes,
};
